package rewrite

import (
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// CollatedIntroducers puts the COLLATE behind _utf8mb4'…' around it, in place: to the grammar it is within, which leaves
// it no more weight than the literal has, and the planner takes it out of the tree, which a prepared statement keeps.
// What it has around it must not be a literal of another character set than the connection's. What else has a COLLATE
// is put into expr.CollatedFunction.
// Definitions keep utf8mb4, which they are read with, as it is written.
func CollatedIntroducers(stmt ast.Statement) error {
	_, clauses := Altered(stmt)
	defines := clauses != nil
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if c, ok := n.(*ast.CollateExpr); ok {
			if v, ok := c.Expr.(*ast.SQLVal); !ok || v.Type != ast.StrVal {
				c.Expr = syntax.Call(expr.CollatedFunction, c.Expr)
			}
			return nil, true, nil
		}
		u, ok := n.(*ast.UnaryExpr)
		if !ok {
			return nil, true, nil
		}
		charset, introducer := strings.CutPrefix(strings.ToLower(strings.TrimSpace(u.Operator)), "_")
		c, ok := u.Expr.(*ast.CollateExpr)
		if !ok || !introducer {
			return nil, true, nil
		}
		text := ast.Expr(&ast.UnaryExpr{Operator: u.Operator, Expr: c.Expr})
		if !defines || charset != "utf8mb4" {
			text = &ast.ConvertUsingExpr{Expr: text, Type: charset}
		}
		return &ast.CollateExpr{Expr: text, Collation: c.Collation}, false, nil
	})
}
