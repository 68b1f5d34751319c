package gms

import (
	"slices"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// keptNot is NOT of a comparison with a subquery, which the planner must not make an
// anti-join of: nothing is unlike the row that a subquery does not have.
type keptNot struct{ *expression.Not }

// WithChildren implements sql.Expression.
func (e *keptNot) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n, err := e.Not.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &keptNot{n.(*expression.Not)}, nil
}

// inRows is IN of a subquery that is evaluated as it stands. The planner compares hashes of
// one type, has none of rows, and does not know that nothing is outside of a set with NULL
// in it when it makes an anti-join of NOT IN.
type inRows struct {
	expression.UnaryExpressionStub
	by atomic.Pointer[rowTypes]
}

// rowTypes are the types by which IN compares its two sides. plain: as the planner does.
type rowTypes struct {
	left, right sql.Type
	plain       bool
	doubles     atomic.Pointer[doubleSet] // of a subquery whose rows stay the same, of numbers beside texts
}

// doubleSet is the DOUBLEs that a subquery has.
type doubleSet struct {
	has  map[float64]bool
	null bool
}

// asDoubles reports whether a number is looked for among texts, or a text among numbers: both are DOUBLEs then.
func asDoubles(l, r sql.Type) bool {
	number := func(t sql.Type) bool { return types.IsNumber(t) && !types.IsYear(t) && !types.IsBit(t) }
	return number(l) && types.IsTextOnly(r) || types.IsTextOnly(l) && number(r)
}

// doublesOf returns the rows of a subquery as DOUBLEs.
func doublesOf(ctx *sql.Context, rows []any) (*doubleSet, error) {
	set := &doubleSet{has: make(map[float64]bool, len(rows))}
	for _, v := range rows {
		if v == nil {
			set.null = true
			continue
		}
		v, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return nil, err
		}
		f, err := doubleOf(ctx, v)
		if err != nil {
			return nil, err
		}
		set.has[f] = true
	}
	return set, nil
}

// find is IN of a value.
func (s *doubleSet) find(ctx *sql.Context, v any) (any, error) {
	if v == nil {
		if len(s.has) == 0 && !s.null {
			return false, nil
		}
		return nil, nil
	}
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return nil, err
	}
	f, err := doubleOf(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case s.has[f]:
		return true, nil
	case s.null:
		return nil, nil
	}
	return false, nil
}

var (
	_ sql.Expression         = (*inRows)(nil)
	_ sql.CollationCoercible = (*inRows)(nil)
)

func newInRows(in *plan.InSubquery) *inRows {
	return &inRows{UnaryExpressionStub: expression.UnaryExpressionStub{Child: in}}
}

// Type implements sql.Expression.
func (e *inRows) Type(*sql.Context) sql.Type { return types.Boolean }

// String implements sql.Expression.
func (e *inRows) String() string { return e.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (e *inRows) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (e *inRows) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) == 1 {
		if in, ok := children[0].(*plan.InSubquery); ok {
			return newInRows(in), nil
		}
	}
	return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
}

// Eval implements sql.Expression.
func (e *inRows) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	in := e.Child.(*plan.InSubquery)
	sub := in.Right().(*plan.Subquery)
	by := e.by.Load()
	if by == nil {
		by = &rowTypes{}
		by.left, by.right = comparedTypes(ctx, in.Left(), sub)
		t, text := by.right.(sql.StringType)
		by.plain = types.NumColumns(by.left) == 1 && by.left.Equals(by.right) && !(text && pads(t.Collation())) &&
			by.left.Equals(in.Left().Type(ctx)) && by.right.Equals(sub.Type(ctx))
		e.by.Store(by)
	}
	if by.plain {
		return in.Eval(ctx, row)
	}
	left, err := in.Left().Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	set := by.doubles.Load()
	if set == nil {
		rows, err := sub.EvalMultiple(ctx, row)
		if err != nil {
			return nil, err
		}
		if !sub.CanCacheResults() || !asDoubles(in.Left().Type(ctx), sub.Type(ctx)) {
			return inList(ctx, by, left, rows)
		}
		if set, err = doublesOf(ctx, rows); err != nil {
			return nil, err
		}
		by.doubles.Store(set)
	}
	return set.find(ctx, left)
}

// inList is IN of rows, one after the other.
func inList(ctx *sql.Context, by *rowTypes, left any, rows []any) (any, error) {
	var out any = false
	for _, right := range rows {
		same, err := equalRows(ctx, by.left, by.right, left, right)
		if err != nil || same == true {
			return same, err
		}
		if same == nil {
			out = nil
		}
	}
	return out, nil
}

// equalRows compares two values, or rows of values, which are unequal if any two values
// are, and else NULL if one is.
func equalRows(ctx *sql.Context, lt, rt sql.Type, left, right any) (any, error) {
	ls, ok := lt.(types.TupleType)
	if !ok {
		both, _ := paddedOperands(ctx, expression.NewLiteral(left, lt), expression.NewLiteral(right, rt))
		for i := range both { // no literals to what goes by their values
			both[i] = &hiddenColumn{expression.UnaryExpressionStub{Child: both[i]}}
		}
		var equal sql.Expression = expression.NewEquals(both[0], both[1])
		if c := withComparedTypes(ctx, equal); c != nil {
			equal = c
		}
		return equal.Eval(ctx, nil)
	}
	rs, ok := rt.(types.TupleType)
	if ok && len(ls) == len(rs) && (left == nil || right == nil) { // a subquery without a row
		return nil, nil
	}
	l, ok1 := left.([]any)
	r, ok2 := right.([]any)
	if !ok || !ok1 || !ok2 || len(l) != len(ls) || len(r) != len(rs) || len(l) != len(r) {
		return nil, sql.ErrInvalidOperandColumns.New(types.NumColumns(lt), types.NumColumns(rt))
	}
	var out any = true
	for i := range l {
		same, err := equalRows(ctx, ls[i], rs[i], l[i], r[i])
		if err != nil || same == false {
			return same, err
		}
		if same == nil {
			out = nil
		}
	}
	return out, nil
}

// keepSubqueries makes inRows and keptNots of what the planner would make anti-joins of
// though NULL or an empty subquery makes a difference, and inRows of what it makes no joins
// of.
func keepSubqueries(a *analyzer.Analyzer) {
	aroundRule(a, "unnestInSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() || !served(ctx) {
			return rule(ctx, n, f)
		}
		if manyTables(n) {
			return n, transform.SameTree, nil
		}
		kept, same, err := intoSubqueries(ctx, n, keepNegations)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same2, err := rule(ctx, kept, f)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same3, err := transform.Node(ctx, planned, keepIns)
		return planned, same && same2 && same3, err
	})
}

// manyTables reports whether a statement has more tables than the planner can join: its subqueries must not become joins.
func manyTables(n sql.Node) bool {
	tables := 0
	transform.InspectWithOpaque(noContext(), n, func(_ *sql.Context, n sql.Node) bool {
		if _, ok := n.(*plan.ResolvedTable); ok {
			tables++
		}
		if x, ok := n.(sql.Expressioner); ok {
			for _, e := range x.Expressions() {
				sql.Inspect(noContext(), e, func(_ *sql.Context, e sql.Expression) bool {
					if sub, ok := e.(*plan.Subquery); ok && manyTables(sub.Query) {
						tables = joinedMax
					}
					if sub, ok := e.(*plan.Subquery); ok {
						tables += tablesOf(sub.Query).Len()
					}
					return true
				})
			}
		}
		return true
	})
	return tables >= joinedMax
}

func keepNegations(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	n, same, err := keepMixed(ctx, n)
	if err != nil {
		return n, same, err
	}
	n, same2, err := negated(ctx, n, func(w *plan.Filter, not *expression.Not) sql.Expression {
		switch e := not.Child.(type) {
		case *plan.InSubquery:
			if sub, ok := e.Right().(*plan.Subquery); ok && !(never(ctx, w.Child, e.Left()) && neverNull(ctx, sub.Query)) {
				return expression.NewNot(newInRows(e))
			}
		case expression.Comparer:
			if _, ok := e.Right().(*plan.Subquery); ok {
				return &keptNot{not}
			}
		}
		return nil
	})
	return n, same && same2, err
}

// keepMixed makes inRows of a filter's INs with values of two kinds: of '5' and '5.0' the planner's join takes both for 5.
func keepMixed(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
	for i, e := range all {
		in, ok := e.(*plan.InSubquery)
		if !ok {
			continue
		}
		if sub, ok := in.Right().(*plan.Subquery); ok && types.NumColumns(in.Left().Type(ctx)) == 1 {
			left, right := kindOf(ctx, in.Left()), kindOf(ctx, sub)
			members := (left == enumKind || left == setKind) && (right == textKind || right == binaryKind)
			members = members || (right == enumKind || right == setKind) && (left == textKind || left == binaryKind)
			if left != right && left != otherKind && right != otherKind && !members {
				all[i], same = newInRows(in), transform.NewTree
			}
		}
	}
	if same {
		return n, same, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
}

// intoSubqueries applies f to the nodes of a plan and to those of the subqueries in its conditions.
func intoSubqueries(ctx *sql.Context, n sql.Node, f transform.NodeFunc) (sql.Node, transform.TreeIdentity, error) {
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		w, ok := n.(*plan.Filter)
		if !ok {
			return f(ctx, n)
		}
		e, same, err := transform.Expr(ctx, w.Expression, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			sub, ok := e.(*plan.Subquery)
			if !ok {
				return e, transform.SameTree, nil
			}
			q, same, err := intoSubqueries(ctx, sub.Query, f)
			if err != nil || same {
				return e, transform.SameTree, err
			}
			return sub.WithQuery(q), transform.NewTree, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
		if !same {
			n = plan.NewFilter(ctx, e, w.Child)
		}
		n, same2, err := f(ctx, n)
		return n, same && same2, err
	})
}

// negated puts what f returns in place of the negations among a filter's conditions; nil:
// one stays. Other nodes stay as they are.
func negated(ctx *sql.Context, n sql.Node, f func(w *plan.Filter, not *expression.Not) sql.Expression) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
	for i, e := range all {
		if not, ok := e.(*expression.Not); ok {
			if other := f(w, not); other != nil {
				all[i], same = other, transform.NewTree
			}
		}
	}
	if same {
		return n, same, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
}

// keepIns makes inRows of the INs of a node's expressions.
func keepIns(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	x, ok := n.(sql.Expressioner)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same, err := keepAllIn(ctx, x.Expressions())
	if err != nil || same {
		return n, transform.SameTree, err
	}
	n, err = x.WithExpressions(ctx, all...)
	return n, transform.NewTree, err
}

func keepAllIn(ctx *sql.Context, all []sql.Expression) ([]sql.Expression, transform.TreeIdentity, error) {
	all, same := slices.Clone(all), transform.SameTree
	for i, e := range all {
		switch e := e.(type) {
		case *inRows:
			continue
		case *plan.InSubquery:
			if _, ok := e.Right().(*plan.Subquery); ok {
				all[i], same = newInRows(e), transform.NewTree
			}
			continue
		case nil:
			continue
		}
		parts, same2, err := keepAllIn(ctx, e.Children())
		if err != nil {
			return nil, transform.SameTree, err
		}
		if same2 {
			continue
		}
		same = transform.NewTree
		if all[i], err = e.WithChildren(ctx, parts...); err != nil {
			return nil, transform.SameTree, err
		}
	}
	return all, same, nil
}

// never reports whether a column of n is never NULL.
func never(ctx *sql.Context, n sql.Node, e sql.Expression) bool {
	c, ok := e.(*expression.GetField)
	return ok && !c.IsNullable(ctx) && !outer(n)
}

// neverNull reports whether a subquery's column is one of its tables that is never NULL.
func neverNull(ctx *sql.Context, n sql.Node) bool {
	p, ok := n.(*plan.Project)
	return ok && len(p.Projections) == 1 && never(ctx, p.Child, p.Projections[0])
}

// outer reports whether there is an outer join in a plan.
func outer(n sql.Node) bool {
	found := false
	transform.Inspect(n, func(n sql.Node) bool {
		j, ok := n.(*plan.JoinNode)
		found = found || ok && j.Op.IsOuter()
		return !found
	})
	return found
}
