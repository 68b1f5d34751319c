package gms

import (
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/protocol"
)

// resultNames names the columns of the SELECTs in a program's text as it has them; the grammar
// does so of a client's.
func resultNames(stmt ast.Statement, text string) {
	_ = replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		e, ok := n.(*ast.AliasedExpr)
		if !ok || e == nil || e.EndParsePos <= e.StartParsePos || e.EndParsePos > len(text) {
			return nil, true, nil
		}
		if _, column := e.Expr.(*ast.ColName); !column && e.InputExpression == "" {
			e.InputExpression = strings.Trim(unquoted(strings.Trim(text[e.StartParsePos:e.EndParsePos], " \n\t")), "\"'")
		}
		return nil, true, nil
	})
}

// namesAsSent names the columns of a SELECT that are system variables as the statement has
// them; the planner names them in lower case.
func namesAsSent(stmt ast.Statement, columns []protocol.Column) {
	s, ok := stmt.(*ast.Select)
	if !ok {
		return
	}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok || !x.As.IsEmpty() {
			continue
		}
		c, ok := x.Expr.(*ast.ColName)
		if !ok || !strings.HasPrefix(c.Name.String(), "@@") {
			continue
		}
		for i := range columns {
			if strings.EqualFold(columns[i].Name, c.Name.String()) {
				columns[i].Name = c.Name.String()
			}
		}
	}
}
