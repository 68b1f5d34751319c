package gms

import (
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// namesAsSent has columns that are system variables named as the statement has them; the
// planner names them in lower case.
func namesAsSent(stmt ast.Statement) {
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		x, ok := n.(*ast.AliasedExpr)
		if !ok || !x.As.IsEmpty() {
			return true, nil
		}
		if c, ok := x.Expr.(*ast.ColName); ok && strings.HasPrefix(c.Name.String(), "@@") {
			x.As = c.Name
		}
		return true, nil
	}, stmt)
}
