package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// WholeOf is a value as a BIGINT: rounded, the nearest one, of a text the number that it begins with, with a warning.
func WholeOf(ctx *sql.Context, v any) (int64, error) {
	signed := &IntegerCast{}
	switch x := v.(type) {
	case string:
		return int64(signed.ofText(ctx, x)), nil
	case *apd.Decimal:
		return int64(signed.ofDecimal(ctx, x)), nil
	case uint64:
		return int64(min(x, math.MaxInt64)), nil
	case float32, float64:
		if bits, ok := ofDouble(x); ok {
			return int64(bits), nil
		}
		f, err := DoubleOf(ctx, x)
		if f < 0 {
			return math.MinInt64, err
		}
		return math.MaxInt64, err
	}
	n, _, err := types.Int64.Convert(ctx, v)
	i, _ := n.(int64)
	return i, err
}
