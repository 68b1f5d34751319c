package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// GuardIndexes keeps columns from being looked up in an index by what others have.
func GuardIndexes(a *analyzer.Analyzer) {
	AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		guarded, same, err := transform.Node(ctx, n, hideMisfits)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same2, err := rule(ctx, guarded, f)
		return planned, same && same2, err
	})
}

func hideMisfits(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	switch n := n.(type) {
	case *plan.JoinNode:
		if n.Filter == nil {
			if n.Op == plan.JoinTypeLateralLeft { // without a condition it becomes an inner join
				return n.WithFilter(&unindexed{expression.UnaryExpressionStub{Child: expression.NewLiteral(true, types.Boolean)}}), transform.NewTree, nil
			}
			return n, transform.SameTree, nil
		}
		e, same, err := transform.Expr(ctx, n.Filter, hideColumns)
		if n.Op.IsSemi() {
			loose, tight := looseConditions(ctx, n, e)
			e, same = loose, same && transform.TreeIdentity(tight)
		}
		if err != nil || same {
			return n, transform.SameTree, err
		}
		return n.WithFilter(e), transform.NewTree, nil
	case *plan.Filter:
		condition, few := fewRanges(ctx, n.Expression)
		_, ofTable := n.Child.(plan.TableIdNode)
		e, same, err := transform.Expr(ctx, condition, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			c, ok := e.(expression.Comparer)
			if elsewhere(ctx, n.Child, e) || ofTable && scattered(ctx, e) || ok && !constant(ctx, c.Left()) && !constant(ctx, c.Right()) && Misfit(ctx, c, true) {
				return &unindexed{expression.UnaryExpressionStub{Child: e}}, transform.NewTree, nil
			}
			return hideBounds(ctx, e)
		})
		if err != nil || bool(same) && few {
			return n, transform.SameTree, err
		}
		return plan.NewFilter(ctx, e, n.Child), transform.NewTree, nil
	}
	return n, transform.SameTree, nil
}

// looseConditions returns the condition e of a semi-join, with the parts guarded that name a column of the right side for which
// another part does not say what it is equal to. Reports whether there was none. The planner may make an inner join with the
// distinct values of the right side's columns, which has a row for each that such a part takes, not one for all.
func looseConditions(ctx *sql.Context, semi *plan.JoinNode, e sql.Expression) (sql.Expression, bool) {
	right, all, tight := tablesOf(semi.Right()), expression.SplitConjunction(ctx, e), true
	var equal sets.FastIntSet
	for _, e := range all {
		c, ok := e.(expression.Comparer)
		if !ok || !isEquality(c) {
			continue
		}
		sides := []sql.Expression{c.Left(), c.Right()}
		for i, side := range sides {
			if f, ok := side.(*expression.GetField); ok && right.Contains(int(f.TableId())) && !TablesIn(ctx, sides[1-i]).Intersects(right) {
				equal.Add(int(f.Id()))
			}
		}
	}
	for i, e := range all {
		if transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
			f, ok := e.(*expression.GetField)
			return ok && right.Contains(int(f.TableId())) && !equal.Contains(int(f.Id()))
		}) {
			all[i], tight = &unindexed{expression.UnaryExpressionStub{Child: e}}, false
		}
	}
	return expression.JoinAnd(all...), tight
}

// listedMax is how many ranges of an index the lists of a condition may make together.
const listedMax = 10_000

// fewRanges keeps the lists of a condition that would make more ranges from being looked up: the planner makes them all
// before it asks what they cost. Reports whether there was none.
func fewRanges(ctx *sql.Context, condition sql.Expression) (sql.Expression, bool) {
	ranges, few := 1, true
	all := expression.SplitConjunction(ctx, condition)
	for i, e := range all {
		if parts := Disjuncts(e); len(parts) > disjunctsMax {
			all[i], few = &unindexed{expression.UnaryExpressionStub{Child: balanced(parts)}}, false
			continue
		} else if len(parts) > balancedMin {
			all[i], few = balanced(parts), false
			continue
		}
		in, ok := e.(*expression.InTuple)
		if !ok {
			continue
		}
		if list, ok := in.Right().(expression.Tuple); ok && len(list) > 0 {
			if ranges*len(list) > listedMax && ranges > 1 {
				all[i], few = &unindexed{expression.UnaryExpressionStub{Child: e}}, false
				continue
			}
			ranges *= len(list)
		}
	}
	if few {
		return condition, true
	}
	return expression.JoinAnd(all...), false
}

// scattered reports whether e is an OR whose parts have no column in common: no index has the first of its columns in each. (The planner takes
// a range of all values for the parts without it, and reads the whole index.)
func scattered(ctx *sql.Context, e sql.Expression) bool {
	parts := Disjuncts(e)
	if len(parts) < 2 {
		return false
	}
	common := columnsIn(ctx, parts[0])
	for _, p := range parts[1:] {
		common = common.Intersection(columnsIn(ctx, p))
	}
	return common.Empty()
}

// balancedMin is of how many parts an OR is made a tree that is as deep as it must be: what is asked of each OR within ORs
// is then asked of few.
const balancedMin = 32

// disjunctsMax is how many parts of an OR are looked for in an index: the planner compares each range with all others.
const disjunctsMax = 8192

// balanced returns an OR of parts in their order.
func balanced(parts []sql.Expression) sql.Expression {
	if len(parts) == 1 {
		return parts[0]
	}
	half := len(parts) / 2
	return expression.NewOr(balanced(parts[:half]), balanced(parts[half:]))
}

// Disjuncts returns the parts of an OR, e itself if it is none.
func Disjuncts(e sql.Expression) (out []sql.Expression) {
	or, ok := e.(*expression.Or)
	if !ok {
		return []sql.Expression{e}
	}
	if right, ok := or.RightChild.(*expression.Or); ok {
		return append(Disjuncts(or.LeftChild), Disjuncts(right)...)
	}
	return append(Disjuncts(or.LeftChild), or.RightChild)
}

// columnsIn returns the columns that an expression names.
func columnsIn(ctx *sql.Context, e sql.Expression) sql.ColSet {
	var out sql.ColSet
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if c, ok := e.(*expression.GetField); ok {
			out.Add(c.Id())
		}
		return true
	})
	return out
}

// hideBounds hides the literals that a column of numbers is compared with and that are none of its type: the reads
// of a merge join take them as they stand, and whether an integer is below 4.5 depends on more than an integer.
func hideBounds(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
	c, ok := e.(expression.Comparer)
	if !ok || len(e.Children()) != 2 {
		return e, transform.SameTree, nil
	}
	sides := []sql.Expression{c.Left(), c.Right()}
	for i, side := range sides {
		column, ok := sides[1-i].(*expression.GetField)
		lit, constant := side.(*expression.Literal)
		if !ok || !constant || lit.Value() == nil || !types.IsNumber(column.Type(ctx)) {
			continue
		}
		t, of := column.Type(ctx), lit.Type(ctx)
		if types.IsNumber(of) && (types.IsInteger(of) || !types.IsInteger(t)) {
			if _, in, err := t.Convert(ctx, lit.Value()); err == nil && in == sql.InRange {
				continue
			}
		}
		sides[i] = &expr.HiddenColumn{UnaryExpressionStub: expression.UnaryExpressionStub{Child: lit}}
		out, err := e.WithChildren(ctx, sides...)
		return out, transform.NewTree, err
	}
	return e, transform.SameTree, nil
}

// elsewhere reports whether e compares columns, or a column of rows, none of which is the table's that n is. The
// planner knows the columns of an index by their names alone.
func elsewhere(ctx *sql.Context, n sql.Node, e sql.Expression) bool {
	t, ok := n.(plan.TableIdNode)
	_, left, right, leaf := analyzer.IndexLeafChildren(e)
	if !ok || !leaf {
		return false
	}
	parts := []sql.Expression{e}
	if row, ok := left.(expression.Tuple); ok {
		other, _ := right.(expression.Tuple)
		parts = slices.Concat(row, other)
	}
	return slices.ContainsFunc(parts, func(e sql.Expression) bool {
		used := TablesIn(ctx, e)
		return !used.Empty() && !used.Contains(int(t.Id()))
	})
}

// hideColumns hides the columns of a join's comparison whose indexes do not serve it.
func hideColumns(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
	c, ok := e.(expression.Comparer)
	if !ok || constant(ctx, c.Left()) || constant(ctx, c.Right()) {
		return e, transform.SameTree, nil
	}
	sides := []sql.Expression{c.Left(), c.Right()}
	same := transform.SameTree
	for i, side := range []sql.Expression{c.Left(), c.Right()} {
		if misfits(ctx, side, isEquality(c), sides[1-i]) {
			sides[i], same = &expr.HiddenColumn{UnaryExpressionStub: expression.UnaryExpressionStub{Child: side}}, transform.NewTree
		}
	}
	if same {
		return e, same, nil
	}
	out, err := e.WithChildren(ctx, sides...)
	return out, transform.NewTree, err
}
