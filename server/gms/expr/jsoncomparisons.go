package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// jsonOperand is an operand of a comparison of documents as a document: a text is a string in one, and is not read.
type jsonOperand struct{ expression.UnaryExpressionStub }

// jsonCompared returns a comparison of a document with other values with all of them as documents, IN as its comparisons;
// nil where there is no document, or they are documents already.
func jsonCompared(ctx *sql.Context, e sql.Expression, operands []sql.Expression, isList bool) sql.Expression {
	document := false
	for _, o := range operands {
		if !o.Resolved() {
			return nil
		}
		if _, done := o.(*jsonOperand); done || types.IsTuple(o.Type(ctx)) {
			return nil
		}
		document = document || types.IsJSON(o.Type(ctx))
	}
	if !document {
		return nil
	}
	out := slices.Clone(operands)
	for i, o := range operands {
		if o.Type(ctx) != types.Null {
			out[i] = &jsonOperand{expression.UnaryExpressionStub{Child: AsMemberText(ctx, o)}}
		}
	}
	if !isList {
		return WithOperands(ctx, e, out)
	}
	var any sql.Expression
	for _, o := range out[1:] {
		equal := sql.Expression(expression.NewEquals(out[0], o))
		if any != nil {
			equal = expression.NewOr(any, equal)
		}
		any = equal
	}
	return any
}

// JSONList is the function in the place of IN with a part of a document at the left: of that and the list.
const JSONList = "_json_list"

// NewJSONList returns the comparisons of a part of a document with a list.
func NewJSONList(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	in := expression.NewInTuple(args[0], expression.NewTuple(args[1:]...))
	if c := jsonCompared(ctx, in, args, true); c != nil {
		return c, nil
	}
	return in, nil
}

// Type implements sql.Expression.
func (*jsonOperand) Type(*sql.Context) sql.Type { return types.JSON }

// String implements sql.Expression.
func (o *jsonOperand) String() string { return o.Child.String() }

// WithChildren implements sql.Expression.
func (o *jsonOperand) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(o, len(children), 1)
	}
	return &jsonOperand{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (o *jsonOperand) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := (&ExactDocument{o.Child, value.PutIn}).Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = JSONValueIn(ctx, v); err != nil {
		return nil, err
	}
	return value.TypedDocument{JSONDocument: types.JSONDocument{Val: v}}, nil
}
