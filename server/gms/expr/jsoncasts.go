package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// jsonCast is CAST(… AS SIGNED), AS UNSIGNED or AS DECIMAL of a document, which keeps all digits. What is no number is 0 with warning 3156.
type jsonCast struct{ *expression.Convert }

// WithChildren implements sql.Expression.
func (c *jsonCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &jsonCast{e.(*expression.Convert)}, nil
}

// Eval implements sql.Expression.
func (c *jsonCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	doc, ok := v.(sql.JSONWrapper)
	if !ok {
		return c.Convert.Eval(ctx, r)
	}
	if v, err = value.RawJSON(ctx, doc); err != nil {
		return nil, err
	}
	if s, ok := v.(value.TypedScalar); ok && s.Kind == value.JSONDouble {
		if v, err = strconv.ParseFloat(s.Text, 64); err != nil {
			return nil, err
		}
	}
	if to := c.Type(ctx); types.IsInteger(to) {
		n, ok := jsonInteger(v)
		if !ok {
			warnNoNumber(ctx, c.Child, "INTEGER")
		}
		if to == types.Uint64 {
			return uint64(n), nil
		}
		return n, nil
	}
	d, ok := jsonDecimal(v)
	if !ok {
		warnNoNumber(ctx, c.Child, "DECIMAL")
	}
	cast, err := c.Convert.WithChildren(ctx, expression.NewLiteral(d, types.InternalDecimalType))
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, cast).Eval(ctx, nil)
}

// jsonInteger returns the BIGINT, or the bits of the BIGINT UNSIGNED, that a value of a document is rounded, the nearest of a number that is
// none; false if it is no number to its end.
func jsonInteger(v any) (int64, bool) {
	switch x := v.(type) {
	case float64:
		switch x = math.RoundToEven(x); {
		case x >= math.MaxInt64:
			return math.MaxInt64, true
		case x <= math.MinInt64:
			return math.MinInt64, true
		}
		return int64(x), true
	case string:
		digits := strings.TrimLeft(x, " \t")
		sign := len(digits) - len(strings.TrimLeft(digits, "+-"))
		end := min(sign, 1)
		for end < len(digits) && '0' <= digits[end] && digits[end] <= '9' {
			end++
		}
		n, _ := nearestInteger(digits[:end])
		return n, end == len(digits) && end > min(sign, 1)
	}
	d, ok := jsonDecimal(v)
	if whole, err := sql.DecimalRound(d, 0); err == nil {
		n, _ := nearestInteger(whole.Text('f'))
		return n, ok
	}
	return 0, false
}

// nearestInteger returns the bits of the integer that digits are, of one out of range those of the nearest, and whether it is in range.
func nearestInteger(digits string) (int64, bool) {
	if strings.HasPrefix(digits, "-") {
		n, err := strconv.ParseInt(digits, 10, 64)
		return n, err == nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(digits, "+"), 10, 64)
	return int64(n), err == nil
}

// jsonDecimal returns the number that a value of a document is, or begins with; false if it is none to its end.
func jsonDecimal(v any) (*apd.Decimal, bool) {
	switch x := v.(type) {
	case bool:
		return apd.New(int64(value.BoolInt(x)), 0), true
	case string:
		digits, rest := value.NumericPrefix(x)
		if d, _, err := apd.NewFromString(digits); err == nil {
			return d, !rest
		}
	case value.TypedScalar:
	default:
		if d, err := value.ExactNumber(v); err == nil {
			return d, true
		}
	}
	return new(apd.Decimal), false
}
