package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// AllDigits has the expressions of a plan go on with all digits of the quotients that aggregates, subqueries and derived
// tables hand them. What is shown is rounded. A second time it changes nothing.
func AllDigits(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	whole, shown, sets := map[sql.ColumnId]bool{}, shownTables(n, map[sql.TableId]bool{}), false
	n, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := transform.OneNodeExpressions(ctx, n, columnDigits(whole))
		if err != nil {
			return n, same, err
		}
		if p, ok := n.(*plan.Project); ok { // an aggregate without an alias is for those above
			list := slices.Clone(p.Projections)
			for i, e := range list {
				if f := expr.HandedOn(e); f != nil && f.Table() == "" {
					list[i] = f
				}
			}
			if !same {
				n = plan.NewProject(ctx, list, p.Child)
			}
		}
		switch of := n.(type) {
		case *plan.SetOp:
			sets = true
		case *plan.GroupBy:
			deps, some := handOn(ctx, of.SelectDeps, func(ctx *sql.Context, e sql.Expression) sql.Expression {
				return expr.WholeAggregate(ctx, e, len(of.GroupByExprs) == 0)
			}, func(i int) { whole[idOf(of.SelectDeps[i])] = expr.IsMean(of.SelectDeps[i]) })
			if some {
				return plan.NewGroupBy(deps, of.GroupByExprs, of.Child), transform.NewTree, nil
			}
		case *plan.SubqueryAlias:
			p, ok := of.Child.(*plan.Project)
			if !ok || shown[of.Id()] || !Merges(p.Child) {
				break
			}
			first, _ := of.Columns().Next(1)
			list, some := handOn(ctx, p.Projections, expr.NewUnrounded, func(i int) { whole[first+sql.ColumnId(i)] = false })
			if some {
				return of.WithChild(plan.NewProject(ctx, list, p.Child)), transform.NewTree, nil
			}
		}
		return n, same, nil
	})
	if err != nil {
		return n, same, err
	}
	if sets || len(whole) > 0 {
		var rounded transform.TreeIdentity
		n, rounded, err = roundedLists(ctx, n, columnDigits(whole), true)
		same = same && rounded
	}
	if into, ok := n.(*plan.Into); ok && err == nil {
		if from := unroundedRows(ctx, into.Child, func(int) bool { return true }); from != nil {
			n, err = into.WithChildren(ctx, from)
			return n, transform.NewTree, err
		}
	}
	return n, same, err
}

// roundedLists rounds what the lists of expressions of a plan and of its derived tables hand to nobody else; outer says
// that none of its query is above.
func roundedLists(ctx *sql.Context, n sql.Node, of transform.ExprFunc, outer bool) (sql.Node, transform.TreeIdentity, error) {
	switch x := n.(type) {
	case *plan.SubqueryAlias:
		c, same, err := roundedLists(ctx, x.Child, of, true)
		if err != nil || same {
			return n, transform.SameTree, err
		}
		return x.WithChild(c), transform.NewTree, nil
	case *plan.Project:
		c, same, err := roundedLists(ctx, x.Child, of, false)
		if err != nil {
			return n, transform.SameTree, err
		}
		list := x.Projections
		if outer {
			list = slices.Clone(list)
			for i, e := range list {
				if _, ok := e.(*expression.GetField); !ok {
					continue
				}
				to, unchanged, err := of(ctx, e)
				if err != nil {
					return n, transform.SameTree, err
				}
				list[i], same = to, same && unchanged
			}
		}
		if same {
			return n, transform.SameTree, nil
		}
		return plan.NewProject(ctx, list, c), transform.NewTree, nil
	case *plan.GroupBy:
		if list, some := handOn(ctx, x.SelectDeps, asShown, func(int) {}); outer && some {
			c, _, err := roundedLists(ctx, x.Child, of, false)
			return plan.NewGroupBy(list, x.GroupByExprs, c), transform.NewTree, err
		}
		outer = false
	}
	children, same := slices.Clone(n.Children()), transform.SameTree
	_, sides := n.(*plan.SetOp)
	for i, c := range children {
		to, unchanged, err := roundedLists(ctx, c, of, outer)
		if err != nil {
			return n, transform.SameTree, err
		}
		if sides {
			if from := unroundedSide(ctx, to); from != nil {
				to, unchanged = from, transform.NewTree
			}
		}
		children[i], same = to, same && unchanged
	}
	if same {
		return n, transform.SameTree, nil
	}
	n, err := n.WithChildren(ctx, children...)
	return n, transform.NewTree, err
}

// columnDigits returns what gives an expression the digits of whole columns, in its subqueries, too, and of its subqueries. whole says
// of each such column whether it is an AVG.
func columnDigits(whole map[sql.ColumnId]bool) transform.ExprFunc {
	var of transform.ExprFunc
	of = func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		switch x := e.(type) {
		case *expression.GetField:
			if mean, ok := whole[x.Id()]; ok && types.IsDecimal(x.Type(ctx)) {
				return expr.NewRounded(e, mean), transform.NewTree, nil
			}
		case *plan.Subquery:
			if len(whole) == 0 || x.Correlated().Empty() {
				break
			}
			q, same, err := transform.NodeWithOpaque(ctx, x.Query, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				return transform.OneNodeExpressions(ctx, n, of)
			})
			if err != nil || same {
				return e, transform.SameTree, err
			}
			return x.WithQuery(q), transform.NewTree, nil
		}
		e, same := subqueryDigits(ctx, e)
		return e, same, nil
	}
	return of
}

// shownTables adds the derived tables of a plan whose rows are sent as they are, behind no list of expressions.
func shownTables(n sql.Node, tables map[sql.TableId]bool) map[sql.TableId]bool {
	switch n := n.(type) {
	case *plan.Project, *plan.GroupBy:
	case *plan.SubqueryAlias:
		tables[n.Id()] = true
	default:
		for _, c := range n.Children() {
			shownTables(c, tables)
		}
	}
	return tables
}

// unroundedRows returns rows with all digits of the quotients in those columns of their list of expressions that which says, nil
// if there are none.
func unroundedRows(ctx *sql.Context, n sql.Node, which func(i int) bool) sql.Node {
	at := -1
	of := func(whole func(*sql.Context, sql.Expression) sql.Expression) func(*sql.Context, sql.Expression) sql.Expression {
		return func(ctx *sql.Context, e sql.Expression) sql.Expression {
			if at++; !which(at) {
				return nil
			}
			return whole(ctx, e)
		}
	}
	switch n := n.(type) {
	case *plan.Project:
		if list, some := handOn(ctx, n.Projections, of(expr.NewUnrounded), func(int) {}); some {
			return plan.NewProject(ctx, list, n.Child)
		}
	case *plan.GroupBy:
		if list, some := handOn(ctx, n.SelectDeps, of(func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return expr.ShownAggregate(ctx, e, true)
		}), func(int) {}); some {
			return plan.NewGroupBy(list, n.GroupByExprs, n.Child)
		}
	case *plan.Limit, *plan.Offset, *plan.TopN, *plan.Sort:
		if from := unroundedRows(ctx, n.Children()[0], which); from != nil {
			if out, err := n.WithChildren(ctx, from); err == nil {
				return out
			}
		}
	}
	return nil
}

func asShown(ctx *sql.Context, e sql.Expression) sql.Expression {
	return expr.ShownAggregate(ctx, e, false)
}

// unroundedSide returns a side of a set operation whose quotients have all digits where its columns are numbers of other types;
// nil if there are none.
func unroundedSide(ctx *sql.Context, n sql.Node) sql.Node {
	p, ok := n.(*plan.Project)
	if !ok {
		return nil
	}
	from := unroundedRows(ctx, p.Child, func(i int) bool {
		if i >= len(p.Projections) {
			return false
		}
		v, ok := Unaliased(p.Projections[i]).(*expr.UnionValue)
		return ok && types.IsNumber(v.Column.Typ) && !v.Column.Typ.Equals(v.Child.Type(ctx))
	})
	if from == nil {
		return nil
	}
	list := slices.Clone(p.Projections)
	for i, e := range list {
		list[i], _, _ = transform.Expr(ctx, e, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if f := expr.HandedOn(e); f != nil {
				return f, transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
	}
	return plan.NewProject(ctx, list, from)
}

// idOf returns the number of the column that an expression of a GROUP BY makes, 0 for none.
func idOf(e sql.Expression) sql.ColumnId {
	if x, ok := e.(sql.IdExpression); ok {
		return x.Id()
	}
	return 0
}

// handOn puts what of returns in the place of expressions, under their names; nil leaves one. found is told of each.
func handOn(ctx *sql.Context, exprs []sql.Expression, of func(*sql.Context, sql.Expression) sql.Expression, found func(i int)) ([]sql.Expression, bool) {
	some := false
	for i, e := range exprs {
		in := e
		a, named := e.(*expression.Alias)
		if named {
			in = a.Child
		}
		to := of(ctx, in)
		if to == nil {
			continue
		}
		found(i)
		if to == in {
			continue
		}
		if !some {
			exprs, some = slices.Clone(exprs), true
		}
		if exprs[i] = to; named {
			exprs[i], _ = a.WithChildren(ctx, to)
		}
	}
	return exprs, some
}

// Merges reports whether MySQL puts a derived table of these rows into the query that names it.
func Merges(n sql.Node) bool {
	merged := true
	transform.Inspect(n, func(n sql.Node) bool {
		switch n.(type) {
		case *plan.GroupBy, *plan.Window, *plan.Distinct, *plan.Limit, *plan.Offset, *plan.TopN, *plan.Having, *plan.SetOp:
			merged = false
		case *plan.SubqueryAlias:
			return false
		}
		return merged
	})
	return merged
}

// subqueryDigits has the subqueries that an expression goes on with hand it all digits.
func subqueryDigits(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity) {
	switch e.(type) {
	case expression.ArithmeticOp, expression.Comparer, sql.FunctionExpression, *expression.Convert, *expression.Between:
	default:
		return e, transform.SameTree
	}
	children, some := handOn(ctx, e.Children(), func(ctx *sql.Context, c sql.Expression) sql.Expression {
		if sub, ok := c.(*plan.Subquery); ok {
			if q := expr.NewUnrounded(ctx, sub); q != nil {
				return expr.NewRounded(q.Children()[0], false)
			}
		}
		return nil
	}, func(int) {})
	if !some {
		return e, transform.SameTree
	}
	x, err := e.WithChildren(ctx, children...)
	if err != nil {
		return e, transform.SameTree
	}
	return x, transform.NewTree
}
