package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/syntax"
)

// The functions in the place of such a literal: as a string, as a number, and beside what it is
// compared with.
const (
	HexString  = "_hex_string"
	HexInteger = "_hex_integer"
	HexBeside  = "_hex_beside"
)

// HasHex reports whether a text may have such a literal, or one of characters of several bytes.
func HasHex(query string) bool {
	return syntax.ContainsFold(query, "x'") || syntax.ContainsFold(query, "b'") || syntax.ContainsFold(query, "0x") || syntax.ContainsFold(query, "0b") || syntax.ContainsFold(query, "_utf")
}

// NumericArguments are the functions whose arguments are numbers.
var NumericArguments = map[string]bool{
	"abs": true, "ceil": true, "ceiling": true, "floor": true, "round": true, "truncate": true, "sign": true, "mod": true, "pow": true, "power": true,
	"sqrt": true, "exp": true, "ln": true, "log": true, "log2": true, "log10": true, "sin": true, "cos": true, "tan": true, "cot": true, "asin": true,
	"acos": true, "atan": true, "atan2": true, "degrees": true, "radians": true, "sum": true, "avg": true, "std": true, "stddev": true,
	"stddev_pop": true, "stddev_samp": true, "variance": true, "var_pop": true, "var_samp": true, "bit_count": true, "bit_and": true, "bit_or": true,
	"bit_xor": true, InvertFunction: true, "char": true, "sec_to_time": true, "from_days": true, "format": true, "inet_ntoa": true,
	IntervalFunction: true,
}

// HexLiteral is x'…', 0x… or b'…' as a string.
type HexLiteral struct{ *expression.Literal }

// WithChildren implements sql.Expression.
func (h HexLiteral) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(h, len(children), 0)
	}
	return h, nil
}

// Integer is the literal as a BIGINT UNSIGNED: its last eight bytes.
func (h HexLiteral) Integer() *expression.Literal {
	b, _ := h.Value().([]byte)
	n, _ := BitsOf(nil, b)
	return expression.NewLiteral(n, types.Uint64)
}

// NewHexLiteral returns what the calls are that stand in the place of literals.
func NewHexLiteral(name string) sql.Function {
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		lit, ok := args[len(args)-1].(*expression.Literal)
		if !ok {
			return nil, sql.ErrInvalidArgument.New(name)
		}
		b, _ := lit.Value().([]byte)
		typ, err := types.CreateBinary(sqltypes.VarBinary, int64(max(len(b), 1)))
		if err != nil { // longer than a VARBINARY
			typ = types.LongBlob
		}
		h := HexLiteral{expression.NewLiteral(slices.Clip(append([]byte{}, b...)), typ)}
		switch name {
		case HexInteger:
			return h.Integer(), nil
		case HexBeside:
			if NumericType(args[0].Type(ctx)) {
				return h.Integer(), nil
			}
		}
		return h, nil
	}}
}

// NumericType reports whether such a literal is a number beside a type.
func NumericType(t sql.Type) bool { return types.IsNumber(t) || types.IsYear(t) || types.IsBit(t) }
