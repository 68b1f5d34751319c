package expr

import (
	"bytes"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// PAD SPACE collations (MySQL 8.0 manual, 12.10.5) do not see the blanks at the end of a
// text; the planner's comparisons do. Keys are made without them, see row.Collation.

// Padded is a text without the blanks at its end.
type Padded struct{ expression.UnaryExpressionStub }

var (
	_ sql.Expression         = (*Padded)(nil)
	_ sql.CollationCoercible = (*Padded)(nil)
)

// NeedsPadding reports whether e may have blanks at its end.
func NeedsPadding(e sql.Expression) bool {
	switch x := e.(type) {
	case *Padded:
		return false
	case *expression.Literal:
		s, ok := x.Value().(string)
		return !ok || strings.HasSuffix(s, " ")
	}
	return true
}

// NewPadded returns a text without the blanks at its end.
func NewPadded(e sql.Expression) *Padded { return &Padded{expression.UnaryExpressionStub{Child: e}} }

// Type implements sql.Expression.
func (p *Padded) Type(ctx *sql.Context) sql.Type { return p.Child.Type(ctx) }

// String implements sql.Expression.
func (p *Padded) String() string { return p.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (p *Padded) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, p.Child)
}

// WithChildren implements sql.Expression.
func (p *Padded) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(p, len(children), 1)
	}
	return NewPadded(children[0]), nil
}

// Eval implements sql.Expression.
func (p *Padded) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := p.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	switch s := v.(type) {
	case string:
		return strings.TrimRight(s, " "), err
	case []byte:
		return bytes.TrimRight(s, " "), err
	}
	return v, err
}

// PaddedOperands returns texts that are compared with each other as a PAD SPACE collation
// sees them, false if they are seen as they are.
func PaddedOperands(ctx *sql.Context, operands ...sql.Expression) ([]sql.Expression, bool) {
	for _, e := range operands {
		if !types.IsTextOnly(e.Type(ctx)) {
			return operands, false
		}
	}
	if collation, _ := CommonCollation(ctx, operands); !value.Pads(collation) || !slices.ContainsFunc(operands, NeedsPadding) {
		return operands, false
	}
	operands = slices.Clone(operands)
	for i, e := range operands {
		if NeedsPadding(e) {
			operands[i] = NewPadded(e)
		}
	}
	return operands, true
}

// explicitTexts returns operands with the collation that one of them has by COLLATE, false if all have it or none; those of a list
// with the one that they are compared by, where their types have another.
func explicitTexts(ctx *sql.Context, operands []sql.Expression, isList bool) ([]sql.Expression, bool) {
	collation, n := CommonCollation(ctx, operands)
	if n != explicitCollation && !isList {
		return operands, false
	}
	changed := false
	operands = slices.Clone(operands)
	for i, e := range operands {
		c, _ := coercibilityOf(ctx, e)
		if t, ok := e.Type(ctx).(sql.StringType); ok && isList {
			c = t.Collation()
		}
		if types.IsTextOnly(e.Type(ctx)) && c != collation && c.CharacterSet() == collation.CharacterSet() {
			operands[i], changed = expression.NewCollatedExpression(e, collation), true
		}
	}
	return operands, changed
}

// ComparedTexts returns a comparison of texts with its operands as the collation and
// coercibility of subqueries, and PAD SPACE, have them; nil if it is right as it is.
func ComparedTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := e.Children()
	if row, ok := operands[0].(expression.Tuple); ok && len(operands) == 2 {
		return comparedRows(ctx, e, row, operands[1])
	}
	if !types.IsTextOnly(operands[0].Type(ctx)) {
		return comparedDecimals(ctx, e)
	}
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		operands = append(operands[:1:1], list...)
	}
	operands, scalar := scalarTexts(ctx, operands)
	operands, padded := PaddedOperands(ctx, operands...)
	explicit := false
	if len(operands) > 2 || isList { // the planner compares one pair after the other, and in a list by their types
		operands, explicit = explicitTexts(ctx, operands, isList)
	}
	if !scalar && !padded && !explicit {
		return nil
	}
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	return WithOperands(ctx, e, operands)
}

// paddedCall returns a CASE of a text with its operand and those of its WHENs padded, and
// a function that compares its arguments with them padded; nil if it is right as it is.
func paddedCall(ctx *sql.Context, e sql.Expression) sql.Expression {
	if f, ok := e.(sql.FunctionExpression); ok && (f.FunctionName() == "strcmp" || f.FunctionName() == "field") {
		args, padded := PaddedOperands(ctx, e.Children()...)
		if !padded {
			return nil
		}
		return WithOperands(ctx, e, args)
	}
	k, ok := planned(e).(*expression.Case)
	if !ok || k.Expr == nil {
		return nil
	}
	operands := []sql.Expression{k.Expr}
	for _, b := range k.Branches {
		operands = append(operands, b.Cond)
	}
	operands, padded := PaddedOperands(ctx, operands...)
	if !padded {
		return nil
	}
	args := slices.Clone(e.Children()) // the operand, each WHEN and its value, ELSE
	args[0] = operands[0]
	for i, o := range operands[1:] {
		args[2*i+1] = o
	}
	return WithOperands(ctx, e, args)
}

// comparedRows returns a comparison of a row with another, or IN with a list of rows, with
// the texts of each column padded; nil if it is right as it is.
func comparedRows(ctx *sql.Context, e sql.Expression, left expression.Tuple, right sql.Expression) sql.Expression {
	list, ok := right.(expression.Tuple)
	if !ok {
		return nil
	}
	rows := []expression.Tuple{left, list}
	_, hashed := e.(*expression.HashInTuple)
	_, in := e.(*expression.InTuple)
	if hashed || in {
		rows = rows[:1]
		for _, r := range list {
			r, ok := r.(expression.Tuple)
			if !ok {
				return nil
			}
			rows = append(rows, r)
		}
	}
	rows, padded := paddedRows(ctx, rows)
	if !padded {
		return nil
	}
	right = rows[1]
	if hashed || in {
		list := make(expression.Tuple, len(rows)-1)
		for i, r := range rows[1:] {
			list[i] = r
		}
		right = list
	}
	if !hashed {
		return WithOperands(ctx, e, []sql.Expression{rows[0], right})
	}
	out, err := expression.NewHashInTuple(ctx, rows[0], right) // whose hashes are those of the list
	if err != nil {
		return nil
	}
	return out
}

// paddedRows returns rows that are compared with the first with the texts of each column
// padded, false if they are seen as they are.
func paddedRows(ctx *sql.Context, rows []expression.Tuple) ([]expression.Tuple, bool) {
	changed := false
	for c := range rows[0] {
		column := make([]sql.Expression, 0, len(rows))
		for _, r := range rows {
			if len(r) == len(rows[0]) { // or there will be an error
				column = append(column, r[c])
			}
		}
		fit, padded := PaddedOperands(ctx, column...)
		if !padded || len(fit) < len(rows) {
			continue
		}
		if !changed {
			changed = true
			rows = slices.Clone(rows)
			for i, r := range rows {
				rows[i] = slices.Clone(r)
			}
		}
		for i, r := range rows {
			r[c] = fit[i]
		}
	}
	return rows, changed
}

// WithOperands returns e with other children, nil if it cannot have them.
func WithOperands(ctx *sql.Context, e sql.Expression, children []sql.Expression) sql.Expression {
	out, err := e.WithChildren(ctx, children...)
	if err != nil {
		return nil
	}
	return out
}
