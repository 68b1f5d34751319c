package function

import (
	"math/bits"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// inverted are the bits that a number of 64 bits or a binary string does not have.
var inverted = &expr.FunctionDef{Name: "~", Args: 1, Pure: true, Eval: invert, TypeOf: func(ctx *sql.Context, args []sql.Expression) sql.Type {
	if expr.BinaryString(ctx, args[0]) {
		return types.LongBlob
	}
	return types.Uint64
}}

func invert(ctx *sql.Context, args []any) (any, error) {
	v, err := sql.UnwrapAny(ctx, args[0])
	if err != nil || v == nil {
		return nil, err
	}
	if b, ok := v.([]byte); ok {
		out := make([]byte, len(b))
		for i := range b {
			out[i] = ^b[i]
		}
		return out, nil
	}
	n, err := expr.BitsOf(ctx, v)
	return ^n, err
}

// bitCount is BIT_COUNT: the bits that are set.
func bitCount(ctx *sql.Context, args []any) (any, error) {
	v, err := sql.UnwrapAny(ctx, args[0])
	if err != nil || v == nil {
		return nil, err
	}
	if b, ok := v.([]byte); ok {
		n := 0
		for _, x := range b {
			n += bits.OnesCount8(x)
		}
		return int64(n), nil
	}
	n, err := expr.BitsOf(ctx, v)
	return int64(bits.OnesCount64(n)), err
}
