package gms

import (
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// doubleOp is + - * or / of which one side is a DOUBLE: what a DOUBLE does not have is an error, where
// the planner goes on with an infinity. Or it is * of exact numbers without a quotient, which is no -0.
type doubleOp struct{ expression.ArithmeticOp }

// newDoubleOp returns nil if the operation is another.
func newDoubleOp(ctx *sql.Context, e expression.ArithmeticOp) sql.Expression {
	if t := e.Type(ctx); !types.IsFloat(t) && !(types.IsDecimal(t) && e.Operator() == "*" && newUnrounded(ctx, e) == nil) {
		return nil
	}
	return &doubleOp{e}
}

// WithChildren implements sql.Expression.
func (e *doubleOp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.ArithmeticOp.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	if c := checked(ctx, x); c != nil {
		return c, nil
	}
	return x, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (*doubleOp) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// Eval implements sql.Expression.
func (e *doubleOp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.ArithmeticOp.Eval(ctx, r)
	if d, ok := v.(*apd.Decimal); ok && err == nil {
		if d.Exponent < -types.DecimalTypeMaxScale {
			if d, err = sql.DecimalRound(d, types.DecimalTypeMaxScale); err != nil {
				return nil, err
			}
		}
		return unsignedZero(d), nil
	}
	if err != nil || finite(v) {
		return v, err
	}
	operands := []sql.Expression{e.Left(), e.Right()}
	for i, o := range operands {
		if operands[i], err = clippedText(ctx, o, r); err != nil {
			return nil, err
		}
	}
	x, err := e.ArithmeticOp.WithChildren(ctx, operands...)
	if err != nil {
		return nil, err
	}
	if v, err = x.Eval(ctx, r); err == nil && !finite(v) {
		return nil, errDouble(mysqlText(e))
	}
	return v, err
}

// unsignedZero returns a number, 0 of -0.
func unsignedZero(d *apd.Decimal) *apd.Decimal {
	if d.Negative && d.IsZero() {
		d = new(apd.Decimal).Abs(d)
	}
	return d
}

// doubleCast is CAST of a text AS DOUBLE.
type doubleCast struct{ *expression.Convert }

// WithChildren implements sql.Expression.
func (c *doubleCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &doubleCast{e.(*expression.Convert)}, nil
}

// Eval implements sql.Expression.
func (c *doubleCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Convert.Eval(ctx, r)
	if err != nil || finite(v) {
		return v, err
	}
	e, err := clippedText(ctx, c.Child, r)
	if err != nil {
		return nil, err
	}
	return e.Eval(ctx, r)
}

// clippedText returns what a text whose number is no DOUBLE stands for, the nearest one, with a
// warning; other expressions as they are.
func clippedText(ctx *sql.Context, e sql.Expression, r sql.Row) (sql.Expression, error) {
	if !types.IsText(e.Type(ctx)) {
		return e, nil
	}
	v, err := e.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	text := shown(v)
	digits, _ := numericPrefix(text)
	f := numeric(digits)
	if finite(f) {
		return e, nil
	}
	ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DOUBLE value: '%s'", text)
	return expression.NewLiteral(nearest(types.Float64, f), types.Float64), nil
}

// finite reports whether a value is no infinity and no NaN.
func finite(v any) bool {
	switch v := v.(type) {
	case float64:
		return v-v == 0
	case float32:
		return v-v == 0
	}
	return true
}

// errDouble is the error of an expression whose result is no DOUBLE.
func errDouble(text string) error {
	return mysql.NewSQLError(1690, "22003", "DOUBLE value is out of range in '%s'", text)
}

// nearest returns the number of a FLOAT or DOUBLE type that is next to an infinity, 0 for NaN.
func nearest(t sql.Type, v any) any {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	}
	limit := math.MaxFloat64
	if t == types.Float32 {
		limit = math.MaxFloat32
	}
	switch {
	case math.IsNaN(f):
		f = 0
	case f > 0:
		f = limit
	default:
		f = -limit
	}
	if t == types.Float32 {
		return float32(f)
	}
	return f
}

// callText is a function's call as MySQL's messages show it.
func callText(name string, args []sql.Expression) string {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = mysqlText(a)
	}
	return name + "(" + strings.Join(texts, ",") + ")"
}
