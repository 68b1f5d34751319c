package function

import (
	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/expr"
)

// intervalIndex returns how many of the numbers behind the first, which ascend, are not
// greater than it, -1 for NULL.
func intervalIndex(ctx *sql.Context, args []any) (any, error) {
	var first float64
	for i, a := range args {
		if a == nil && i > 0 {
			continue
		}
		if a == nil {
			return int64(-1), nil
		}
		f, err := expr.DoubleOf(ctx, a)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = f
		} else if f > first {
			return int64(i - 1), nil
		}
	}
	return int64(len(args) - 1), nil
}
