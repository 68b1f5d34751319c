package gms

import (
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/protocol"
)

// namesAsSent names the columns of a SELECT that are system variables as the statement has
// them; the planner names them in lower case. The first of SHOW TABLES LIKE has the pattern in its name.
func namesAsSent(stmt ast.Statement, columns []protocol.Column) {
	if n, ok := stmt.(*ast.Show); ok && n.ShowTablesOpt != nil && n.ShowTablesOpt.Filter != nil && n.ShowTablesOpt.Filter.Like != "" &&
		len(columns) > 0 && strings.HasPrefix(columns[0].Name, "Tables_in_") {
		columns[0].Name += " (" + n.ShowTablesOpt.Filter.Like + ")"
	}
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
