package function

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// The planner's functions take any value for what Go makes of it: a date is its seconds since 1970, 1e100 a text of a
// hundred digits. These are the arguments that they have in MySQL.

// textPlaces are the functions whose first arguments, so many, are texts; 0: all are.
var textPlaces = map[string]int{
	"bit_length": 1, "length": 1, "octet_length": 1, "char_length": 1, "character_length": 1, "lower": 1, "lcase": 1, "upper": 1, "ucase": 1, "reverse": 1,
	"ltrim": 1, "rtrim": 1, "trim": 0, expr.TrimFunctions["l"]: 0, expr.TrimFunctions["r"]: 0, expr.TrimFunctions["b"]: 0, "quote": 1, "soundex": 1, "left": 1, "right": 1, "substring": 1, "substr": 1, "mid": 1, "substring_index": 2,
	"concat": 0, "concat_ws": 0, "replace": 0, "instr": 2, "locate": 2, "position": 2, "lpad": 1, "rpad": 1, "insert": 1, "repeat": 1, "space": 1, "md5": 1, "sha1": 1,
	"sha": 1, "sha2": 1, "crc32": 1, "to_base64": 1, "from_base64": 1, "ascii": 1, "ord": 1, "unhex": 1, "compress": 1, "bin": 1, "oct": 1, "conv": 1,
	"regexp_like": 0, "regexp_substr": 2, "regexp_instr": 2, "regexp_replace": 3,
	"aes_encrypt": 0, "aes_decrypt": 0, "elt": 0, "make_set": 0, "export_set": 0, "find_in_set": 0, "strcmp": 0, "inet_aton": 1, "inet6_aton": 1,
}

// numberPlaces are the arguments of other functions that are numbers.
var numberPlaces = map[string][]int{
	"rand": {0}, "from_unixtime": {0}, "format_bytes": {0}, "format_pico_time": {0}, "sha2": {1}, "get_lock": {1}, "point": {0, 1}, "locate": {2}, "position": {2},
	"uuid_to_bin": {1}, "bin_to_uuid": {1}, "st_geohash": {1, 2},
}

// ofBytes are the functions of the bytes that texts have in their character sets.
var ofBytes = map[string]bool{"bit_length": true, "md5": true, "sha": true, "sha1": true, "sha2": true, "crc32": true, "ascii": true, "compress": true,
	"aes_encrypt": true, "aes_decrypt": true}

// WithArguments returns a function that has MySQL's arguments, false where the planner's are.
func WithArguments(ctx *sql.Context, name string, f sql.Function, own bool) (sql.Function, bool) {
	places, text := textPlaces[name]
	number := expr.NumericArguments[name] && expr.Aggregates[name] == nil && name != expr.InvertFunction
	vector, bounded := strings.HasPrefix(name, "vec_distance"), boundedFunctions[name]
	numbers := numberPlaces[name]
	if !text && !number && !vector && numbers == nil {
		return f, own
	}
	if !own {
		if f, own = expr.Natives().Function(ctx, "", name); !own {
			return nil, false
		}
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		args = slices.Clone(args)
		for i, e := range args {
			counts := number || slices.Contains(numbers, i) || bounded != nil && slices.Contains(bounded.Numbers, i)
			if counts && e.Resolved() && types.IsGeometry(e.Type(ctx)) {
				return nil, mysql.NewSQLError(mysql.ERWrongArguments, "HY000", "Incorrect arguments to %s", name)
			}
			if c, ok := e.(*expression.ConvertUsing); ok && c.Resolved() { // the planner's is of its argument's type
				e = expr.NewConvertUsing(ctx, c.Child, c.TargetCharSet)
				args[i] = e
			}
			switch {
			case !e.Resolved():
			case vector && types.IsJSON(e.Type(ctx)):
				args[i] = &expr.ExactDocument{Expression: e, As: value.ComparedIn}
			case name == "sqrt" && expr.NumericText(ctx, e):
				args[i] = &expr.TextDouble{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}}
			case number && (name != "bit_count" || !expr.BinaryString(ctx, e)):
				args[i] = numberArgument(ctx, e)
			case counts && !number:
				if args[i] = numberArgument(ctx, e); numbers != nil && name != "rand" && name != "from_unixtime" && types.IsText(args[i].Type(ctx)) {
					args[i] = &expr.TextDouble{UnaryExpressionStub: expression.UnaryExpressionStub{Child: args[i]}}
				}
			case text && types.IsBit(e.Type(ctx)) && conversionsOfBases[name] == nil && (places == 0 || i < places || bounded != nil):
				args[i] = expr.BinaryArgument(ctx, e)
			case text && (places == 0 || i < places || bounded != nil):
				args[i] = expr.TextArgument(ctx, e, name == "reverse")
			}
			if ofBytes[name] && args[i].Resolved() {
				args[i] = expr.AsBytes(ctx, expr.AsMemberText(ctx, args[i]))
			}
		}
		return f.NewInstance(ctx, args)
	}}, true
}

// numberArgument returns a date, a YEAR, a binary text, a hexadecimal literal, an ENUM or a SET as the number that it is.
func numberArgument(ctx *sql.Context, e sql.Expression) sql.Expression {
	if h, ok := e.(expr.HexLiteral); ok {
		return h.Integer()
	}
	if t := e.Type(ctx); types.IsEnum(t) || types.IsSet(t) {
		return &expr.Whole{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Typ: types.Int64}
	}
	return expr.NewOperand(ctx, e)
}

// absolute is ABS.
var absolute = &expr.FunctionDef{Name: "abs", Args: 1, Pure: true, TypeOf: func(ctx *sql.Context, args []sql.Expression) sql.Type {
	switch t := args[0].Type(ctx); {
	case types.IsDecimal(t):
		return t
	case types.IsInteger(t) && expr.Unsigned(ctx, args[0]), types.IsBit(t):
		return types.Uint64
	case types.IsInteger(t), types.IsBoolean(t):
		return types.Int64
	}
	return types.Float64
}, Eval: func(ctx *sql.Context, args []any) (any, error) {
	switch x := args[0].(type) {
	case nil, uint64, uint32, uint16, uint8:
		return x, nil
	case *apd.Decimal:
		return new(apd.Decimal).Abs(x), nil
	case int64, int32, int16, int8, bool:
		v, _, err := types.Int64.Convert(ctx, x)
		n, _ := v.(int64)
		if n == math.MinInt64 {
			return nil, mysql.NewSQLError(1690, "22003", "BIGINT value is out of range in 'abs(%d)'", n)
		}
		return max(n, -n), err
	}
	x, err := expr.DoubleOf(ctx, args[0])
	return math.Abs(x), err
}}

// timeOfDay is TIME(x): the time of a moment.
var timeOfDay = &expr.FunctionDef{Name: "time", Args: 1, Pure: true, Typ: types.Time, Eval: func(ctx *sql.Context, args []any) (any, error) {
	d, ok := value.Clock(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return value.TimeOf(ctx, d), nil
}}

// fromDays is FROM_DAYS.
var fromDays = &expr.FunctionDef{Name: "from_days", Args: 1, Pure: true, Typ: types.Date, Eval: func(ctx *sql.Context, args []any) (any, error) {
	n, ok := value.Numbers(ctx, args)
	switch {
	case !ok:
		return nil, nil
	case n[0] < 366 || n[0] >= 3652500:
		return types.ZeroTime, nil
	}
	return time.Date(0, 1, int(n[0])+1 /* to MySQL the year 0 is no leap year */, 0, 0, 0, 0, time.UTC), nil
}}

// conversionsOfBases are CONV, BIN and OCT.
var conversionsOfBases = map[string]*expr.FunctionDef{"conv": based("conv", 3, 0), "bin": based("bin", 1, 2), "oct": based("oct", 1, 8)}

// based returns CONV, or BIN or OCT, which are CONV(n, 10, to).
func based(name string, args int, to int64) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: args, Pure: true, Typ: types.Text, Eval: func(ctx *sql.Context, args []any) (any, error) {
		from, base := int64(10), to
		if len(args) == 3 {
			n, ok := value.Numbers(ctx, args[1:])
			if !ok {
				return nil, nil
			}
			from, base = n[0], n[1]
		}
		if args[0] == nil || max(from, -from) < 2 || max(from, -from) > 36 || max(base, -base) < 2 || max(base, -base) > 36 {
			return nil, nil
		}
		if n, ok := args[0].(uint64); ok && from == 10 { // also BIT
			return inBase(n, base), nil
		}
		text := value.ShownArgument(args[0])
		if text == "" {
			return nil, nil
		}
		text = strings.TrimLeft(text, " \t\n\r")
		return inBase(digitsIn(text, from), base), nil
	}}
}

// digitsIn is the number that a text begins with in a base, which is signed if the base is negative. Of one that is too
// large it is the largest.
func digitsIn(text string, from int64) uint64 {
	base := uint64(max(from, -from))
	negative := strings.HasPrefix(text, "-")
	text = strings.TrimLeft(text[min(len(text), value.BoolInt(negative || strings.HasPrefix(text, "+"))):], "")
	n, over := uint64(0), false
	for _, c := range []byte(strings.ToLower(text)) {
		digit := uint64(strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyz", c))
		if digit >= base {
			break
		}
		high, low := bits.Mul64(n, base)
		sum, carry := bits.Add64(low, digit, 0)
		over = over || high != 0 || carry != 0
		n = sum
	}
	switch {
	case from < 0 && (over || n > math.MaxInt64):
		if negative {
			return 1 << 63
		}
		return math.MaxInt64
	case over:
		return math.MaxUint64
	case negative:
		return -n
	}
	return n
}

// inBase is a number as a text in a base, of a BIGINT if that is negative.
func inBase(n uint64, to int64) string {
	if to < 0 {
		return strings.ToUpper(strconv.FormatInt(int64(n), int(-to)))
	}
	return strings.ToUpper(strconv.FormatUint(n, int(to)))
}
