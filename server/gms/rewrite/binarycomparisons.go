package rewrite

import (
	"bytes"
	"reflect"
	"unicode"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// BinaryComparisons puts the BINARY of c = BINARY 'x' and c LIKE BINARY 'x' before the column: the
// planner looks them up in an index of c, which has them equal in any case. The index
// still finds what = then compares.
func BinaryComparisons(stmt ast.Statement) error {
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		c, ok := n.(*ast.ComparisonExpr)
		if !ok {
			return nil, true, nil
		}
		u, ok := c.Right.(*ast.UnaryExpr)
		if !ok || u.Operator != ast.BinaryStr {
			return nil, true, nil
		}
		if _, ok := c.Left.(*ast.ColName); !ok {
			return nil, true, nil
		}
		lit, ok := u.Expr.(*ast.SQLVal)
		if !ok {
			return nil, true, nil
		}
		exact := *c
		exact.Left, exact.Right = &ast.UnaryExpr{Operator: ast.BinaryStr, Expr: c.Left}, u.Expr
		switch c.Operator {
		case ast.EqualStr:
			if notASCII(lit.Val) { // the column's character set may lack it
				return &exact, false, nil
			}
			found := *c
			found.Right = u.Expr
			return &ast.ParenExpr{Expr: &ast.AndExpr{Left: &found, Right: &exact}}, false, nil
		case ast.LikeStr, ast.NotLikeStr, ast.NotEqualStr, ast.NullSafeEqualStr:
			return &exact, false, nil
		}
		return nil, true, nil
	})
}

// notASCII reports whether a text has characters that another character set may lack.
func notASCII(text []byte) bool {
	return bytes.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}
