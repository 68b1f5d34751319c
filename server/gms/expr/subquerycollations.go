package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// A subquery's column has its own collation and coercibility, as a column of a table has.
// To the planner it has those of the nodes beneath, which are none.

// columnCoercibility returns the collation of a node's column and its coercibility.
func columnCoercibility(ctx *sql.Context, n sql.Node, column int) (sql.CollationID, byte) {
	switch x := n.(type) {
	case *plan.Project:
		return sql.GetCoercibility(ctx, x.Projections[column])
	case *plan.GroupBy:
		return sql.GetCoercibility(ctx, x.SelectDeps[column])
	case *plan.Filter, *plan.Sort, *plan.TopN, *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Having, *plan.Max1Row:
		return columnCoercibility(ctx, n.Children()[0], column)
	}
	if t, ok := n.Schema(ctx)[column].Type.(sql.StringType); ok {
		return t.Collation(), 2
	}
	return sql.GetCoercibility(ctx, n)
}

// coercibilityOf returns the collation of an expression and its coercibility. What is no text
// has the binary one; the planner would go into its subqueries, of which some have no nodes yet.
func coercibilityOf(ctx *sql.Context, e sql.Expression) (sql.CollationID, byte) {
	t := e.Type(ctx)
	if types.IsNumber(t) || types.IsTime(t) || types.IsTimespan(t) {
		return sql.Collation_binary, 5
	}
	if sub, ok := e.(*plan.Subquery); ok && types.IsTextOnly(t) {
		return columnCoercibility(ctx, sub.Query, 0)
	}
	return sql.GetCoercibility(ctx, e)
}

// subquery reports whether there is one in an expression.
func subquery(ctx *sql.Context, e sql.Expression) bool {
	return transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		_, is := e.(*plan.Subquery)
		return is
	})
}

// comparedTypes returns the types by which a value or a row of values is compared with a
// subquery's rows: those of both, with texts of the collation that applies.
func comparedTypes(ctx *sql.Context, left sql.Expression, sub *plan.Subquery) (l, r sql.Type) {
	l, r = left.Type(ctx), sub.Type(ctx)
	lefts, lok := left.(expression.Tuple)
	rights, rok := r.(types.TupleType)
	if !lok && !rok {
		return comparedColumn(ctx, left, r, sub, 0)
	}
	if !lok || !rok || len(lefts) != len(rights) {
		return l, r
	}
	ls, rs := make(types.TupleType, len(lefts)), make(types.TupleType, len(lefts))
	for i, e := range lefts {
		ls[i], rs[i] = comparedColumn(ctx, e, rights[i], sub, i)
	}
	return ls, rs
}

func comparedColumn(ctx *sql.Context, left sql.Expression, r sql.Type, sub *plan.Subquery, column int) (sql.Type, sql.Type) {
	l := left.Type(ctx)
	lt, lok := l.(sql.TypeWithCollation)
	rt, rok := r.(sql.TypeWithCollation)
	if !lok || !rok || !types.IsTextOnly(l) || !types.IsTextOnly(r) {
		return l, r
	}
	lc, ln := sql.GetCoercibility(ctx, left)
	rc, rn := columnCoercibility(ctx, sub.Query, column)
	collation, _ := Resolved(lc, ln, rc, rn)
	if lt, err := lt.WithNewCollation(collation); err == nil {
		l = lt
	}
	if rt, err := rt.WithNewCollation(collation); err == nil {
		r = rt
	}
	return l, r
}

// scalarText is a text that a subquery returns, as an operand.
type scalarText struct{ expression.UnaryExpressionStub }

var (
	_ sql.Expression         = (*scalarText)(nil)
	_ sql.CollationCoercible = (*scalarText)(nil)
)

// scalarTexts has the subqueries among the operands of a comparison of texts be
// scalarTexts, false if there are none.
func scalarTexts(ctx *sql.Context, operands []sql.Expression) ([]sql.Expression, bool) {
	some := false
	for i, e := range operands {
		if sub, ok := e.(*plan.Subquery); ok && types.IsTextOnly(sub.Type(ctx)) {
			if !some {
				operands, some = slices.Clone(operands), true
			}
			operands[i] = &scalarText{expression.UnaryExpressionStub{Child: sub}}
		}
	}
	return operands, some
}

// SubqueryOf returns the subquery that an operand of a comparison is, nil if it is none.
func SubqueryOf(e sql.Expression) *plan.Subquery {
	if s, ok := Plain(e).(*scalarText); ok {
		e = s.Child
	}
	sub, _ := e.(*plan.Subquery)
	return sub
}

// Type implements sql.Expression.
func (s *scalarText) Type(ctx *sql.Context) sql.Type { return s.Child.Type(ctx) }

// String implements sql.Expression.
func (s *scalarText) String() string { return s.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (s *scalarText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	if sub, ok := s.Child.(*plan.Subquery); ok {
		return columnCoercibility(ctx, sub.Query, 0)
	}
	return sql.GetCoercibility(ctx, s.Child)
}

// WithChildren implements sql.Expression.
func (s *scalarText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(s, len(children), 1)
	}
	return &scalarText{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (s *scalarText) Eval(ctx *sql.Context, r sql.Row) (any, error) { return s.Child.Eval(ctx, r) }
