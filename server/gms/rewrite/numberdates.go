package rewrite

import (
	"reflect"
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// NumberDates has the numbers in conditions that are dates be such, in place: CAST(20060101 AS DATE), TO_DAYS(20060101). The planner
// makes literals of the constants there before it is told what they are to MySQL, and takes no number for a date.
func NumberDates(stmt ast.Statement) {
	condition := func(e *ast.Expr) {
		_ = syntax.ReplaceNodes(reflect.ValueOf(e), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			switch n := n.(type) {
			case *ast.Subquery:
				return nil, false, nil
			case *ast.ConvertExpr:
				if n.Type != nil && (strings.EqualFold(n.Type.Type, "date") || strings.EqualFold(n.Type.Type, "datetime")) {
					n.Expr = dateOfNumber(n.Expr)
				}
			case *ast.FuncExpr:
				count := expr.DateFunctions[n.Name.Lowered()]
				if n.Name.EqualString("timestamp") {
					count = 1
				}
				for i := range min(count, len(n.Exprs)) {
					if a, ok := n.Exprs[i].(*ast.AliasedExpr); ok && n.Qualifier.IsEmpty() && !n.Name.EqualString("unix_timestamp") {
						a.Expr = dateOfNumber(a.Expr)
					}
				}
			}
			return nil, true, nil
		})
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Where:
			if n != nil && n.Type == ast.WhereStr {
				condition(&n.Expr)
			}
		case *ast.JoinTableExpr:
			if n.Condition.On != nil {
				condition(&n.Condition.On)
			}
		}
		return true, nil
	}, stmt)
}

// dateOfNumber returns the text of the moment that a number is, other expressions as they are.
func dateOfNumber(e ast.Expr) ast.Expr {
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.IntVal {
		return e
	}
	n, err := strconv.ParseInt(string(v.Val), 10, 64)
	if err != nil || n == 0 {
		return e
	}
	at, ok := expr.MomentOfNumber(n)
	if !ok {
		return e
	}
	layout := "2006-01-02"
	if n > 99991231 {
		layout += " 15:04:05"
	}
	return ast.NewStrVal([]byte(at.Format(layout)))
}
