package function

import (
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// AssignFunction is the function that @a := x is to the planner.
const AssignFunction = "\x00assign"

// Assign is @a := x: its value is x's, and the variable has it from then on.
type Assign struct {
	variable *expression.UserVar
	value    sql.Expression
}

var (
	_ sql.Expression         = (*Assign)(nil)
	_ sql.CollationCoercible = (*Assign)(nil)
)

func newAssign(args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(":=", 2, len(args))
	}
	variable, ok := args[0].(*expression.UserVar)
	if !ok {
		return nil, fmt.Errorf("gms: := to %T", args[0])
	}
	return Varying{&Assign{variable, args[1]}}, nil
}

// Resolved implements sql.Expression.
func (a *Assign) Resolved() bool { return a.value.Resolved() }

// String implements sql.Expression.
func (a *Assign) String() string { return fmt.Sprintf("(%s := %s)", a.variable, a.value) }

// Type implements sql.Expression.
func (a *Assign) Type(ctx *sql.Context) sql.Type { return a.value.Type(ctx) }

// IsNullable implements sql.Expression.
func (a *Assign) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (a *Assign) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, a.value)
}

// Children implements sql.Expression. The variable is none: it is not read.
func (a *Assign) Children() []sql.Expression { return []sql.Expression{a.value} }

// WithChildren implements sql.Expression.
func (a *Assign) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(a, len(children), 1)
	}
	return &Assign{a.variable, children[0]}, nil
}

// Eval implements sql.Expression.
func (a *Assign) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	whole := a.value
	if q := expr.NewUnrounded(ctx, whole); q != nil {
		whole = q
	}
	v, err := whole.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	t := a.value.Type(ctx)
	if text := VariableValue(ctx, a.value); v != nil && !expr.Unchanged(text, a.value) {
		is := expression.NewLiteral(v, t)
		of := VariableValue(ctx, is)
		if m, moment := text.(*expr.MomentText); moment { // whose digits are the expression's
			if of, err = m.WithChildren(ctx, is); err != nil {
				return nil, err
			}
		}
		kept, err := of.Eval(ctx, nil)
		if err != nil {
			return nil, err
		}
		NoteCollation(ctx, a.variable, text)
		return v, ctx.SetUserVariable(ctx, a.variable.Name, kept, types.LongText)
	}
	NoteCollation(ctx, a.variable, a.value)
	return v, ctx.SetUserVariable(ctx, a.variable.Name, v, t)
}

// AssignedAtOnce returns a SET of several user variables with the values that they get: all are
// found out before one is set. Returns nil if it sets something else.
func AssignedAtOnce(ctx *sql.Context, n *plan.Set, r sql.Row) (*plan.Set, error) {
	if len(n.Exprs) < 2 {
		return nil, nil
	}
	out := make([]sql.Expression, len(n.Exprs))
	for _, e := range n.Exprs {
		set, ok := e.(*expression.SetField)
		if !ok {
			return nil, nil
		}
		if _, ok := set.LeftChild.(*expression.UserVar); !ok {
			return nil, nil
		}
	}
	for i, e := range n.Exprs {
		set := e.(*expression.SetField)
		value := VariableValue(ctx, set.RightChild)
		NoteCollation(ctx, set.LeftChild.(*expression.UserVar), value)
		v, err := value.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		out[i] = expression.NewSetField(set.LeftChild, expression.NewLiteral(v, value.Type(ctx)))
	}
	return plan.NewSet(out), nil
}

// VariableValue returns a value as a user's variable has it: a date or a time and a member of an ENUM or SET is a text, a
// quotient has all digits.
func VariableValue(ctx *sql.Context, e sql.Expression) sql.Expression {
	if q := expr.NewUnrounded(ctx, e); q != nil {
		return q
	}
	if expr.IsMoment(e.Type(ctx)) {
		return expr.AsText(ctx, e)
	}
	return expr.AsMemberText(ctx, e)
}

// NoteCollation notes the collation of a text that the statement assigns to a user's variable.
func NoteCollation(ctx *sql.Context, to *expression.UserVar, val sql.Expression) {
	s, ok := ctx.Session.(value.Evaluation)
	if !ok || !types.IsTextOnly(val.Type(ctx)) {
		return
	}
	c, _ := sql.GetCoercibility(ctx, val)
	if _, sub := val.(*plan.Subquery); sub {
		if t, ok := val.Type(ctx).(sql.StringType); ok && t.Collation() != sql.Collation_Default {
			c = t.Collation()
		}
	}
	if c != sql.Collation_binary {
		s.NoteVariable(to.Name, c)
	}
}
