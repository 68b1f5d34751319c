package gms

import (
	"reflect"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// cumeDists puts in the place of CUME_DIST(), which the planner lacks, what it is: the part of
// the partition's rows that are before the row or its peers.
func cumeDists(stmt ast.Statement) error {
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok {
			return true, nil
		}
		replace := func(list any) error {
			return replaceNodes(reflect.ValueOf(list), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
				f, ok := n.(*ast.FuncExpr)
				if _, sub := n.(*ast.Subquery); sub || !ok {
					return nil, !sub, nil
				}
				if f.Over == nil || f.Name.Lowered() != "cume_dist" || len(f.Exprs) > 0 {
					return nil, true, nil
				}
				over := *f.Over
				for _, w := range s.Window {
					if !over.NameRef.IsEmpty() && w.Name.Equal(over.NameRef) {
						over = ast.Over(*w)
					}
				}
				over.Name, over.NameRef, over.Frame = ast.ColIdent{}, ast.ColIdent{}, nil
				count := func(over ast.Over) ast.Expr {
					return &ast.FuncExpr{Name: ast.NewColIdent("count"), Exprs: ast.SelectExprs{&ast.StarExpr{}}, Over: &over}
				}
				rows := &ast.BinaryExpr{Operator: ast.MultStr, Left: count(over), Right: ast.NewFloatVal([]byte("1e0"))}
				return &ast.ParenExpr{Expr: &ast.BinaryExpr{Operator: ast.DivStr, Left: rows, Right: count(ast.Over{PartitionBy: over.PartitionBy})}}, false, nil
			})
		}
		if err := replace(&s.SelectExprs); err != nil {
			return false, err
		}
		return true, replace(&s.OrderBy)
	}, stmt)
}
