package gms

import (
	"math"
	"slices"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// memberFunction is the function that x MEMBER OF (j) is to the planner.
const memberFunction = "\x00member of"

// memberOf is MEMBER OF: whether a value is an element of a JSON array, or the document
// itself if that is none.
func memberOf(ctx *sql.Context, _ *Session, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	docs := [2]any{}
	for i, v := range args {
		v, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return nil, err
		}
		if w, ok := v.(sql.JSONWrapper); ok {
			v, err = w.ToInterface(ctx)
		} else if text, ok := v.(string); ok && i == 1 {
			var doc any
			if doc, _, err = types.JSON.Convert(ctx, text); err == nil {
				v, err = doc.(sql.JSONWrapper).ToInterface(ctx)
			} else {
				err = invalidArgument(text, 2, "member of")
			}
		} else if i == 1 {
			err = mysql.NewSQLError(3146, "22032", "Invalid data type for JSON data in argument 2 to function member of; a JSON string or JSON type is required.")
		}
		if err != nil {
			return nil, err
		}
		docs[i] = v
	}
	array, ok := docs[1].([]any)
	if !ok {
		array = []any{docs[1]}
	}
	for _, x := range array {
		if c, err := types.CompareJSON(ctx, types.JSONDocument{Val: docs[0]}, types.JSONDocument{Val: x}); err != nil || c == 0 {
			return c == 0, err
		}
	}
	return false, nil
}

// invertFunction is the function that ~x is to the planner, which has the operator for nothing.
const invertFunction = "\x00~"

// invert is ~x: the bits that a 64-bit number does not have.
func invert(ctx *sql.Context, _ *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	n, err := bitsOf(ctx, args[0])
	return ^n, err
}

// bitOp is & | ^ << or >> of BIGINTs UNSIGNED.
type bitOp struct{ *expression.BitOp }

// WithChildren implements sql.Expression.
func (e *bitOp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.BitOp.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &bitOp{x.(*expression.BitOp)}, nil
}

// Eval implements sql.Expression.
func (e *bitOp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	left, err := e.LeftChild.Eval(ctx, r)
	if err != nil || left == nil {
		return nil, err
	}
	right, err := e.RightChild.Eval(ctx, r)
	if err != nil || right == nil {
		return nil, err
	}
	a, err := bitsOf(ctx, left)
	if err != nil {
		return nil, err
	}
	b, err := bitsOf(ctx, right)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case ast.BitAndStr:
		return a & b, nil
	case ast.BitOrStr:
		return a | b, nil
	case ast.BitXorStr:
		return a ^ b, nil
	case ast.ShiftLeftStr:
		return a << b, nil
	}
	return a >> b, nil
}

// bitsOf is a value as a bit operation has it: a negative number has the bits of a BIGINT, a
// literal x'…' its own.
func bitsOf(ctx *sql.Context, v any) (uint64, error) {
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return 0, err
	}
	c := &integerCast{}
	switch x := v.(type) {
	case uint64:
		return x, nil
	case string:
		return c.ofText(ctx, x), nil
	case []byte:
		n := uint64(0)
		for _, b := range x {
			n = n<<8 | uint64(b)
		}
		return n, nil
	case *apd.Decimal:
		return c.ofDecimal(ctx, x), nil
	case float32, float64:
		if n, ok := ofDouble(x); ok {
			return n, nil
		}
	}
	n, _, err := types.Int64.Convert(ctx, v)
	i, _ := n.(int64)
	return uint64(i), err
}

// doubleMod is MOD of numbers of which one is a FLOAT or DOUBLE.
type doubleMod struct{ *expression.Mod }

// Type implements sql.Expression.
func (*doubleMod) Type(*sql.Context) sql.Type { return types.Float64 }

// WithChildren implements sql.Expression.
func (e *doubleMod) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Mod.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &doubleMod{x.(*expression.Mod)}, nil
}

// Eval implements sql.Expression.
func (e *doubleMod) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	var x [2]float64
	for i, c := range e.Children() {
		v, err := c.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if v, _, err = types.Float64.Convert(ctx, v); err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, err
		}
		x[i], _ = v.(float64)
	}
	if x[1] == 0 {
		warn(ctx, divisionByZero, "Division by 0")
		return nil, nil
	}
	return math.Mod(x[0], x[1]), nil
}

// timesAsConditions returns an expression with those of its conditions that are TIMEs as numbers, nil if none is.
func timesAsConditions(ctx *sql.Context, e sql.Expression) sql.Expression {
	conditions, some := slices.Clone(e.Children()), false
	for i, c := range conditions {
		if _, choice := planned(e).(*builtin.If); choice && i > 0 {
			break
		}
		if types.IsTimespan(c.Type(ctx)) {
			conditions[i], some = newDateNumber(ctx, c), true
		}
	}
	if !some {
		return nil
	}
	x, err := e.WithChildren(ctx, conditions...)
	if err != nil {
		return nil
	}
	return x
}
