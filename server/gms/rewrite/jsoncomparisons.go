package rewrite

import (
	"reflect"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// JSONLists makes calls of IN with JSON_EXTRACT at the left, in place: the planner makes hashes of the list, for which it
// reads texts as documents.
func JSONLists(stmt ast.Statement) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		c, ok := n.(*ast.ComparisonExpr)
		if !ok || c.Operator != ast.InStr && c.Operator != ast.NotInStr {
			return nil, true, nil
		}
		f, ok := c.Left.(*ast.FuncExpr)
		list, isList := c.Right.(ast.ValTuple)
		if !ok || !isList || !f.Name.EqualString("json_extract") {
			return nil, true, nil
		}
		in := syntax.Call(expr.JSONList, append([]ast.Expr{f}, list...)...)
		if c.Operator == ast.NotInStr {
			return &ast.NotExpr{Expr: in}, true, nil
		}
		return in, true, nil
	})
}

// JSONArrows makes calls of -> and ->>, in place.
func JSONArrows(stmt ast.Statement) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		b, ok := n.(*ast.BinaryExpr)
		if !ok || b.Operator != ast.JSONExtractOp && b.Operator != ast.JSONUnquoteExtractOp {
			return nil, true, nil
		}
		e := syntax.Call("json_extract", b.Left, b.Right)
		if b.Operator == ast.JSONUnquoteExtractOp {
			e = syntax.Call("json_unquote", e)
		}
		return e, true, nil
	})
}
