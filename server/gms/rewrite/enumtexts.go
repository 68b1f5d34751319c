package rewrite

import (
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// MemberLists notes the columns that are looked for in lists of texts: if they are ENUMs, they are texts before the
// planner makes members of the list.
func MemberLists(stmt ast.Statement) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		c, ok := n.(*ast.ComparisonExpr)
		if !ok || c.Operator != ast.InStr && c.Operator != ast.NotInStr {
			return true, nil
		}
		column, ok := c.Left.(*ast.ColName)
		list, isList := c.Right.(ast.ValTuple)
		if !ok || !isList {
			return true, nil
		}
		for _, e := range list {
			if v, ok := e.(*ast.SQLVal); !ok || v.Type != ast.StrVal && v.Type != ast.ValArg {
				return true, nil
			}
		}
		c.Left = syntax.Call(expr.MemberOperand, append([]ast.Expr{column}, list...)...)
		return true, nil
	}, stmt)
}
