package function

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// jsonFunctions are those of the size of a document in MySQL's binary form.
var jsonFunctions = map[string]*expr.FunctionDef{
	"json_storage_size": {Name: "json_storage_size", Args: 1, Pure: true, Typ: types.Int64,
		Eval: func(ctx *sql.Context, args []any) (any, error) {
			if args[0] == nil {
				return nil, nil
			}
			doc, err := value.JSONOf(ctx, args[0], 1, "json_storage_size")
			return int64(1 + jsonSize(doc)), err
		}},
	"json_storage_free": {Name: "json_storage_free", Args: 1, Pure: true, Typ: types.Int64,
		Eval: func(ctx *sql.Context, args []any) (any, error) {
			if args[0] == nil {
				return nil, nil
			}
			_, err := value.JSONOf(ctx, args[0], 1, "json_storage_free") // no update leaves room in a document here
			return int64(0), err
		}},
}

// jsonSize is how many bytes a value has in MySQL's binary form, without its type.
func jsonSize(v any) int {
	switch v := v.(type) {
	case nil, bool:
		return 1
	case string:
		return lengthBytes(len(v)) + len(v)
	case *apd.Decimal:
		scale := int(max(-v.Exponent, 0))
		return 4 + digitBytes(max(int(v.NumDigits())-scale, 0)) + digitBytes(scale)
	case []any:
		return jsonContainer(v, nil)
	case map[string]any:
		values := make([]any, 0, len(v))
		keys := make([]int, 0, len(v))
		for k, e := range v {
			values, keys = append(values, e), append(keys, len(k))
		}
		return jsonContainer(values, keys)
	}
	n, integer := jsonInteger(v)
	switch {
	case integer && n >= math.MinInt16 && n <= math.MaxInt16:
		return 2
	case integer && n >= math.MinInt32 && n <= math.MaxInt32:
		return 4
	}
	return 8
}

// digitBytes is how many bytes decimal digits have, four for nine of them.
func digitBytes(digits int) int { return digits/9*4 + (digits%9+1)/2 }

// jsonInteger returns the integer that a number is.
func jsonInteger(v any) (int64, bool) {
	switch v := v.(type) {
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < value.DoubleExact
	case int64:
		return v, true
	case uint64:
		return int64(min(v, math.MaxInt64)), true
	}
	return 0, false
}

// jsonContainer is the size of an array, or of an object with keys of these lengths. Offsets have
// two bytes, in what is larger than that four.
func jsonContainer(values []any, keys []int) int {
	size := 0
	for _, offset := range []int{2, 4} {
		size = 2*offset + len(values)*(1+offset)
		for _, k := range keys {
			size += offset + 2 + k
		}
		for _, v := range values {
			if n := jsonSize(v); !inlined(v, offset) {
				size += n
			}
		}
		if size <= math.MaxUint16 {
			break
		}
	}
	return size
}

// inlined reports whether a value stands in the place of its offset.
func inlined(v any, offset int) bool {
	switch v.(type) {
	case nil, bool:
		return true
	}
	n, ok := jsonInteger(v)
	return ok && jsonSize(n) <= offset
}

// lengthBytes is how many bytes a length has, seven bits in each.
func lengthBytes(n int) int {
	bytes := 1
	for ; n >= 1<<7; n >>= 7 {
		bytes++
	}
	return bytes
}
