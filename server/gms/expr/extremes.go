package expr

import (
	"bytes"
	"cmp"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// commonInteger returns the type of one of several integers: BIGINT, BIGINT UNSIGNED if all are
// unsigned, a DECIMAL if only some are that are as large.
func commonInteger(ctx *sql.Context, values []sql.Expression) sql.Type {
	some, all, large := false, true, false
	for _, e := range values {
		u := Unsigned(ctx, e)
		some, all, large = some || u, all && u, large || u && e.Type(ctx) == types.Uint64
	}
	switch {
	case some && all:
		return types.Uint64
	case large:
		return types.MustCreateDecimalType(20, 0)
	}
	return types.Int64
}

// extreme returns the greatest or least argument: numbers are compared as the result's type,
// texts by their collation.
func (c *typedCall) extreme(ctx *sql.Context, r sql.Row, greatest bool) (any, error) {
	t := *c.resolve(ctx)
	blob := t.typ == types.LongBlob
	if blob {
		t.typ, t.collation = types.LongText, sql.Collation_binary
	}
	var most any
	for _, e := range c.Children() {
		if !types.IsText(t.typ) {
			e = NewDateNumber(ctx, e)
		}
		v, err := e.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if v, err = extremeValue(ctx, v, e.Type(ctx), t.typ); err != nil {
			return nil, err
		}
		if most == nil {
			most = v
			continue
		}
		n := 0
		switch v := v.(type) {
		case *apd.Decimal:
			n = v.Cmp(most.(*apd.Decimal))
		case float64:
			n = cmp.Compare(v, most.(float64))
		default:
			if a, err := BytesOf(ctx, v); t.collation == sql.Collation_binary && err == nil {
				b, err := BytesOf(ctx, most)
				if err != nil {
					return nil, err
				}
				n = bytes.Compare(a, b)
				break
			}
			if n, err = WeighedBy(t.collation).Compare(ctx, v, most); err != nil {
				return nil, err
			}
		}
		if n != 0 && n > 0 == greatest {
			most = v
		}
	}
	d, ok := most.(*apd.Decimal)
	if s, text := most.(string); text && blob {
		return []byte(s), nil
	}
	if !ok {
		return most, nil
	}
	return decimalResult(ctx, d, t.typ)
}

// decimalResult returns a DECIMAL that a function chooses with the digits of its type, as it is if it is beyond; as a value of another type.
func decimalResult(ctx *sql.Context, d *apd.Decimal, t sql.Type) (any, error) {
	v, in, err := t.Convert(ctx, d)
	switch {
	case !types.IsDecimal(t):
		return v, err
	case v == nil || err != nil || in != sql.InRange:
		return d, nil
	}
	return scaled(d, t)
}

// extremeValue returns an argument of GREATEST or LEAST as it is compared: a text, a DOUBLE, or a
// DECIMAL, which integers are too.
func extremeValue(ctx *sql.Context, v any, from, to sql.Type) (any, error) {
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return nil, err
	}
	if types.IsText(to) {
		if b, ok := v.([]byte); ok {
			return string(b), nil
		}
		return ShownText(ctx, v, from)
	}
	if b, ok := v.(bool); ok {
		v = int64(0)
		if b {
			v = int64(1)
		}
	}
	var as sql.Type = types.InternalDecimalType
	if types.IsFloat(to) {
		as = types.Float64
	}
	if _, exact := v.(*apd.Decimal); exact && as == types.InternalDecimalType {
		return v, nil // which may be beyond it
	}
	v, _, err = as.Convert(ctx, v)
	if sql.ErrTruncatedIncorrect.Is(err) {
		err = nil
	}
	return v, err
}
