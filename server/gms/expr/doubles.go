package expr

import (
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// doubleOp is + - * or / of which one side is a DOUBLE: what a DOUBLE does not have is an error, where
// the planner goes on with an infinity. Or it is * of exact numbers without a quotient, which is no -0.
type doubleOp struct{ expression.ArithmeticOp }

// newDoubleOp returns nil if the operation is another.
func newDoubleOp(ctx *sql.Context, e expression.ArithmeticOp) sql.Expression {
	if t := e.Type(ctx); !types.IsFloat(t) && !(types.IsDecimal(t) && e.Operator() == "*" && NewUnrounded(ctx, e) == nil) {
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
		return value.UnsignedZero(d), nil
	}
	if err != nil || value.Finite(v) {
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
	if v, err = x.Eval(ctx, r); err == nil && !value.Finite(v) {
		return nil, ErrDouble(MySQLText(e))
	}
	return v, err
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
	return (&TextDouble{expression.UnaryExpressionStub{Child: c.Child}}).Eval(ctx, r)
}

// floatCast is CAST(… AS FLOAT), whose value must be one.
type floatCast struct{ *expression.Convert }

// WithChildren implements sql.Expression.
func (c *floatCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &floatCast{e.(*expression.Convert)}, nil
}

// Eval implements sql.Expression. Error 1690 beyond a FLOAT.
func (c *floatCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	var number sql.Expression = expression.NewConvert(c.Child, expression.ConvertToDouble)
	if types.IsText(c.Child.Type(ctx)) {
		number = &doubleCast{number.(*expression.Convert)}
	}
	v, err := number.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if f, ok := v.(float64); ok && math.Abs(f) > math.MaxFloat32 {
		return nil, mysql.NewSQLError(1690, "22003", "DOUBLE value is out of range in '%s'", MySQLText(c.Convert))
	}
	v, _, err = types.Float32.Convert(ctx, v)
	return v, err
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
	text := value.Shown(v)
	digits, _ := value.NumericPrefix(text)
	f := value.Numeric(digits)
	if value.Finite(f) {
		return e, nil
	}
	ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DOUBLE value: '%s'", text)
	return expression.NewLiteral(value.Nearest(types.Float64, f), types.Float64), nil
}

// ErrDouble is the error of an expression whose result is no DOUBLE.
func ErrDouble(text string) error {
	return mysql.NewSQLError(1690, "22003", "DOUBLE value is out of range in '%s'", text)
}

// callText is a function's call as MySQL's messages show it.
func callText(name string, args []sql.Expression) string {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = MySQLText(a)
	}
	return name + "(" + strings.Join(texts, ",") + ")"
}
