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

// WeighKeys has the texts among the keys of sorts and hash joins be taken by their collations. (The rows that a hash finds are compared once more.)
func WeighKeys(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	switch n := n.(type) {
	case *plan.Sort:
		if by, padded := WeighedSort(ctx, n.SortConditions); padded {
			return plan.NewSort(by, n.Child), transform.NewTree, nil
		}
	case *plan.TopN:
		if by, padded := WeighedSort(ctx, n.SortConditions); padded {
			top := *n
			top.SortConditions = by
			return &top, transform.NewTree, nil
		}
	case *plan.JoinNode:
		if by := newMergeOrder(ctx, n); by != nil {
			return n.WithFilter(by), transform.NewTree, nil
		}
	case *plan.Filter:
		if expr.IsMoment(n.Expression.Type(ctx)) {
			return plan.NewFilter(ctx, expr.NewDateNumber(ctx, n.Expression), n.Child), transform.NewTree, nil
		}
	case *plan.IndexedTableAccess:
		return exactLookup(ctx, n)
	case *plan.HashLookup:
		if right, left, some := hashKeys(ctx, n.RightEntryKey, n.LeftProbeKey); some {
			return plan.NewHashLookup(ctx, n.Child, right, left, n.JoinType), transform.NewTree, nil
		}
	}
	return n, transform.SameTree, nil
}

// WeighedSort returns what a sort is by with texts as their collations weigh them, and whether that is something else.
func WeighedSort(ctx *sql.Context, by sql.SortConditions) (sql.SortConditions, bool) {
	some := false
	for i, c := range by {
		if e := expr.WeighedKey(ctx, c.Expr); !expr.Unchanged(e, c.Expr) {
			if !some {
				by, some = slices.Clone(by), true
			}
			by[i].Expr = e
		}
	}
	return by, some
}

// doubleKeys returns keys of two kinds as doubles, if they are compared as such, or as what is equal; false for those of one. (The planner makes one type of two keys, but not
// of those in rows.)
func doubleKeys(ctx *sql.Context, right, left sql.Expression) (sql.Expression, sql.Expression, bool) {
	rk, lk := kindOf(ctx, right), kindOf(ctx, left)
	one := expression.NewLiteral(int8(1), types.Int8) // whatever they are: what a hash finds is compared
	switch rt, lt := right.Type(ctx), left.Type(ctx); {
	case types.IsJSON(rt) || types.IsJSON(lt): // 1 is equal to 1.0
		return one, one, true
	case rk == otherKind || lk == otherKind || rt.Equals(lt):
		return right, left, false
	case rk == lk && rk != numberKind:
		if rk == enumKind || rk == setKind { // of other members
			return one, one, true
		}
		return right, left, false
	}
	double := func(e sql.Expression, kind valueKind) sql.Expression {
		switch kind {
		case numberKind, yearKind, bitKind, enumKind, setKind:
			return &expr.Whole{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Typ: types.Float64}
		case textKind, binaryKind:
			return &expr.TextDouble{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}}
		}
		return nil
	}
	if r, l := double(right, rk), double(left, lk); r != nil && l != nil && (rk <= bitKind || lk <= bitKind) {
		return r, l, true
	}
	return one, one, true
}

// hashKeys returns the keys of a hash join with texts by the codes that their common
// collation gives them, ENUMs that are compared with texts as texts, and texts that are compared
// with moments as moments; false if they are right as they are.
func hashKeys(ctx *sql.Context, right, left sql.Expression) (sql.Expression, sql.Expression, bool) {
	rights, rok := right.(expression.Tuple)
	lefts, lok := left.(expression.Tuple)
	if rok && lok && len(rights) == len(lefts) {
		rights, lefts = slices.Clone(rights), slices.Clone(lefts)
		some := false
		for i := range rights {
			var changed bool
			if rights[i], lefts[i], changed = hashKeys(ctx, rights[i], lefts[i]); !changed {
				rights[i], lefts[i], changed = doubleKeys(ctx, rights[i], lefts[i])
			}
			some = some || changed
		}
		return rights, lefts, some
	}
	if both, changed := expr.ComparedMembers(ctx, right, left); changed {
		right, left = both[0], both[1]
	}
	if rk, lk := kindOf(ctx, right), kindOf(ctx, left); rk == numberKind && (lk == enumKind || lk == setKind) || lk == numberKind && (rk == enumKind || rk == setKind) {
		return doubleKeys(ctx, right, left)
	}
	switch rt, lt := right.Type(ctx), left.Type(ctx); {
	case types.IsTime(rt) && types.IsTextOnly(lt):
		return right, expr.NewTextMoment(ctx, left), true
	case types.IsTextOnly(rt) && types.IsTime(lt):
		return expr.NewTextMoment(ctx, right), left, true
	case !types.IsTextOnly(rt) || !types.IsTextOnly(lt):
		return right, left, false
	}
	collation, _ := expr.CommonCollation(ctx, []sql.Expression{right, left})
	return expr.NewTextCode(right, collation), expr.NewTextCode(left, collation), true
}
