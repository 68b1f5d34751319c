package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
)

// illegalMixes returns MySQL's error of the first operation in a plan whose texts have collations of which none applies. That of
// a UNION is asked of whole plans, as an explicit collation in one part decides for the others: the planner plans each by itself.
func illegalMixes(ctx *sql.Context, n sql.Node, whole bool) (err error) {
	var tables map[sql.TableId]sql.Node // tables and derived ones, nil: not looked for yet
	aggregates := map[sql.ColumnId]sql.Expression{}
	var collect func(ctx *sql.Context, n sql.Node) bool
	collect = func(ctx *sql.Context, n sql.Node) bool {
		if x, ok := n.(plan.TableIdNode); ok {
			if _, derived := n.(*plan.SubqueryAlias); derived || tableOf(n) != nil {
				tables[x.Id()] = n
			}
		}
		if g, ok := n.(*plan.GroupBy); ok {
			for _, e := range g.SelectDeps {
				if a, ok := e.(sql.Aggregation); ok {
					aggregates[a.Id()] = a
				}
			}
		}
		if x, ok := n.(sql.Expressioner); ok {
			for _, e := range x.Expressions() {
				sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
					if sub, ok := e.(*plan.Subquery); ok && sub.Query != nil {
						transform.InspectWithOpaque(ctx, sub.Query, collect)
					}
					return true
				})
			}
		}
		return true
	}
	var columns expr.ColumnCollation
	depth := 0
	columns = func(f *expression.GetField) (sql.CollationID, byte, bool) {
		if depth == 256 { // views have numbers of their own
			return 0, 0, false
		}
		depth++
		defer func() { depth-- }()
		if tables == nil {
			tables = map[sql.TableId]sql.Node{}
			transform.InspectWithOpaque(ctx, n, collect)
		}
		if a := aggregates[f.Id()]; a != nil && f.Table() == "" {
			return expr.OwnCollation(ctx, a, columns)
		}
		t := tables[f.TableId()]
		if d, ok := t.(*plan.SubqueryAlias); ok {
			at := d.Schema(ctx).IndexOfColName(f.Name())
			if at < 0 || !strings.EqualFold(d.Name(), f.Table()) {
				return 0, 0, false
			}
			return expr.ColumnMix(ctx, d.Child, at, columns)
		}
		typ, ok := f.Type(ctx).(sql.TypeWithCollation)
		if !ok || t == nil {
			return 0, 0, false
		}
		return typ.Collation(), 2, true
	}
	s, ok := ctx.Session.(*Session)
	bound := ok && s.parametric
	inner := map[*plan.SetOp]bool{} // the parts of others
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		if u, ok := n.(*plan.SetOp); ok && err == nil && whole {
			for _, part := range u.Children() {
				if p := partOfUnion(part); p != nil && u.SetOpType == plan.UnionType {
					inner[p] = true
				}
			}
			if !inner[u] {
				err = expr.IllegalUnion(ctx, u, columns)
			}
		}
		x, ok := n.(sql.Expressioner)
		if !ok || err != nil {
			return err == nil
		}
		for _, e := range x.Expressions() {
			sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
				if err == nil {
					err = expr.IllegalMix(ctx, e, columns, bound)
				}
				return err == nil
			})
		}
		return err == nil
	})
	return err
}

// partOfUnion returns the set operation whose rows a part of another one has; nil if it has others.
func partOfUnion(n sql.Node) *plan.SetOp {
	for {
		switch x := n.(type) {
		case *plan.SetOp:
			return x
		case *plan.Project, *plan.TopN, *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Sort:
			n = n.Children()[0]
		default:
			return nil
		}
	}
}
