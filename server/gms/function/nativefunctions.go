package function

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	gmsfunction "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// nativeFunctions are functions of several kinds that the planner lacks.
var nativeFunctions = map[string]*expr.FunctionDef{
	"crc32":                 {Name: "crc32", Args: 1, Pure: true, Typ: types.Uint32, Eval: crcOf},
	"ascii":                 {Name: "ascii", Args: 1, Pure: true, Typ: types.Int32, Eval: firstByte},
	"ord":                   {Name: "ord", Args: 1, Pure: true, Typ: types.Int64, EvalOf: ord},
	"soundex":               {Name: "soundex", Args: 1, Pure: true, TypeOf: firstText, EvalOf: soundex},
	"unhex":                 {Name: "unhex", Args: 1, Pure: true, Typ: types.LongBlob, EvalOf: unhex},
	"from_base64":           {Name: "from_base64", Args: 1, Pure: true, Typ: types.LongBlob, Eval: fromBase64},
	"utc_time":              {Name: "utc_time", Args: expr.AnyArgs, Typ: types.Time, Eval: utcTime},
	"statement_digest":      {Name: "statement_digest", Args: 1, Pure: true, Typ: types.LongText, Eval: statementDigest},
	"statement_digest_text": {Name: "statement_digest_text", Args: 1, Pure: true, Typ: types.LongText, Eval: statementDigestText},
	"master_pos_wait":       {Name: "master_pos_wait", Args: expr.AnyArgs, Typ: types.Int64, Eval: noReplica},
	"source_pos_wait":       {Name: "source_pos_wait", Args: expr.AnyArgs, Typ: types.Int64, Eval: noReplica},
}

// notOffered are MySQL's functions that are not here, each between blanks.
const notOffered = " st_buffer st_buffer_strategy st_union " +
	"st_intersection st_difference st_symdifference st_collect st_isvalid st_simplify st_transform st_touches st_crosses st_overlaps st_equals " +
	"st_makeenvelope st_hausdorffdistance st_frechetdistance st_lineinterpolatepoint st_lineinterpolatepoints st_pointatdistance " +
	"mbrtouches mbroverlaps weight_string wait_for_executed_gtid_set "

// ownFunction returns a function of MySQL's that stands before the planner's, or that it lacks.
func ownFunction(name string) (sql.Function, bool) {
	switch {
	case strings.Contains(notOffered, " "+name+" "):
		return sql.FunctionN{Name: name, Fn: func(*sql.Context, ...sql.Expression) (sql.Expression, error) {
			return nil, value.ErrNotSupported(strings.ToUpper(name))
		}}, true
	case xmlFunctions[name] != nil:
		return xmlFunctions[name], true
	case name == "benchmark":
		return sql.Function2{Name: name, Fn: newBenchmark}, true
	case name == "greatest", name == "least":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if len(args) < 2 {
				return nil, sql.ErrInvalidArgumentNumber.New(name, "2 or more", len(args))
			}
			e, err := newExtreme(ctx, name, extremeMoments(ctx, extremeDocuments(ctx, args)))
			if err != nil {
				return nil, err
			}
			return expr.WithType(ctx, e), nil
		}}, true
	case name == "reverse":
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			if e.Resolved() {
				if expr.BinaryString(ctx, e) {
					return &expr.Function{Def: reversedBytes, Args: []sql.Expression{e}}
				}
				e = expr.AsMemberText(ctx, e) // the planner's is of its argument's type
			}
			return gmsfunction.NewReverse(ctx, e)
		}}, true
	case name == "hex":
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			if e.Resolved() && types.IsJSON(e.Type(ctx)) {
				e = expr.NewCastText(ctx, expression.NewConvert(e, expression.ConvertToChar))
			}
			return hexCall{gmsfunction.NewHex(ctx, expr.TextArguments(ctx, name, []sql.Expression{e})[0]).(*gmsfunction.Hex)}
		}}, true
	case name == "char":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			e, err := gmsfunction.NewChar(ctx, args...)
			if err != nil {
				return nil, err
			}
			return expr.CharCall{Char: e.(*gmsfunction.Char)}, nil
		}}, true
	case name == "timestamp":
		return sql.FunctionN{Name: name, Fn: newTimestamp}, true
	}
	return nil, false
}

// reversedBytes is REVERSE of a binary string, whose characters are bytes.
var reversedBytes = &expr.FunctionDef{Name: "reverse", Args: 1, Pure: true, Typ: types.LongBlob, Eval: func(ctx *sql.Context, args []any) (any, error) {
	b, err := expr.BytesOf(ctx, args[0])
	if err != nil || args[0] == nil {
		return nil, err
	}
	b = slices.Clone(b)
	slices.Reverse(b)
	return b, nil
}}

// firstText is a text of the collation of the first argument.
func firstText(ctx *sql.Context, args []sql.Expression) sql.Type {
	collation, _ := expr.CommonCollation(ctx, args[:1])
	return types.CreateLongText(collation)
}

// soundexCodes are the digits of A to Z.
const soundexCodes = "01230120022455012623010202"

// soundex is SOUNDEX: the first letter and the digits of those behind it, of a text without letters nothing. Every character of a text from
// À on is a letter, which keeps its case and has no digit.
func soundex(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	var out []rune
	last, binary := byte('0'), expr.BinaryString(ctx, exprs[0])
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 && !binary {
			break
		}
		code := byte('0')
		switch {
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
			fallthrough
		case r >= 'A' && r <= 'Z':
			code = soundexCodes[r-'A']
		case r < 0xC0, binary:
			continue
		}
		switch {
		case len(out) == 0:
			out, last = append(out, r), code
		case code != '0' && code != last:
			out, last = append(out, rune(code)), code
		}
	}
	for len(out) > 0 && len(out) < 4 {
		out = append(out, '0')
	}
	return string(out), nil
}

// unhex is UNHEX: NULL with a warning of what are no digits.
func unhex(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	out, err := hex.DecodeString(strings.Repeat("0", len(text)%2) + text)
	if err != nil {
		return notAddress(ctx, "string", exprs[0], "unhex")
	}
	return out, nil
}

// ord is ORD: the bytes of the first character in its set, as a number.
func ord(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	t, n := exprs[0].Type(ctx), int64(0)
	text, err := value.TextOf(ctx, args[0])
	if text == "" || err != nil {
		return n, err
	}
	first := text[:1]
	if !types.IsBinaryType(t) {
		_, size := utf8.DecodeRuneInString(text)
		if first, err = expr.TextOfSet(ctx, text[:size], t, sql.CharacterSet_binary); err != nil {
			return nil, err
		}
	}
	for _, b := range []byte(first) {
		n = n<<8 | int64(b)
	}
	return n, nil
}

// newTimestamp returns TIMESTAMP(date) or TIMESTAMP(date, time), their sum.
func newTimestamp(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 0 || len(args) > 2 {
		return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function 'timestamp'")
	}
	arg := expr.AsMemberText(ctx, args[0])
	if expr.BinaryText(ctx, arg) {
		arg = &expr.BytesText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: arg}}
	}
	date, err := gmsfunction.NewDatetime(ctx, arg)
	switch t := arg.Type(ctx); {
	case types.IsJSON(t):
		date = expression.NewConvert(arg, expression.ConvertToDatetime)
	case types.IsDateType(t):
		date = &expr.Whole{UnaryExpressionStub: expression.UnaryExpressionStub{Child: arg}, Typ: value.Datetimes[0]}
	}
	if err != nil || len(args) == 1 {
		return date, err
	}
	return &expr.Function{Def: timeFunctions["addtime"], Args: []sql.Expression{date, args[1]}}, nil
}

// utcTime is UTC_TIME, of whole seconds if no digits are wanted.
func utcTime(ctx *sql.Context, args []any) (any, error) {
	digits, ok := value.Numbers(ctx, args)
	if !ok || len(digits) > 1 {
		return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function 'utc_time'")
	}
	unit := time.Second
	if len(digits) == 1 {
		if digits[0] < 0 || digits[0] > 6 {
			return nil, mysql.NewSQLError(1426, "42000", "Too-big precision %d specified for 'utc_time'. Maximum is 6.", digits[0])
		}
		for range digits[0] {
			unit /= 10
		}
	}
	now := ctx.QueryTime().UTC()
	return types.Timespan(now.Sub(value.Day(now)).Truncate(unit) / time.Microsecond), nil
}

// crcOf is CRC32.
func crcOf(ctx *sql.Context, args []any) (any, error) {
	v, err := sql.UnwrapAny(ctx, args[0])
	if err != nil || v == nil {
		return nil, err
	}
	text, err := value.TextOf(ctx, v)
	return crc32.ChecksumIEEE([]byte(text)), err
}

// noReplica is what functions of a replica return where there is none.
func noReplica(*sql.Context, []any) (any, error) { return nil, nil }

func statementDigestText(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	var n syntax.Normalizer
	return string(n.Normalize(text)), err
}

func statementDigest(ctx *sql.Context, args []any) (any, error) {
	text, err := statementDigestText(ctx, args)
	if text == nil || err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text.(string)))
	return hex.EncodeToString(sum[:]), nil
}

// benchmark is BENCHMARK(count, expression).
type benchmark struct {
	expression.BinaryExpressionStub
}

func newBenchmark(_ *sql.Context, count, e sql.Expression) sql.Expression {
	return &benchmark{expression.BinaryExpressionStub{LeftChild: count, RightChild: e}}
}

// Type implements sql.Expression.
func (b *benchmark) Type(*sql.Context) sql.Type { return types.Int64 }

// String implements sql.Expression.
func (b *benchmark) String() string {
	return "benchmark(" + b.LeftChild.String() + "," + b.RightChild.String() + ")"
}

// IsNonDeterministic implements sql.NonDeterministicExpression.
func (b *benchmark) IsNonDeterministic() bool { return true }

// Eval implements sql.Expression: KILL and max_execution_time end it.
func (b *benchmark) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := b.LeftChild.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	n, ok := value.Numbers(ctx, []any{v})
	if !ok || n[0] < 0 {
		if ok {
			ctx.Warn(1411, "Incorrect count value: '%d' for function benchmark", n[0])
		}
		return nil, nil
	}
	for range n[0] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := b.RightChild.Eval(ctx, r); err != nil {
			return nil, err
		}
	}
	return int64(0), nil
}

// WithChildren implements sql.Expression.
func (b *benchmark) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(b, len(children), 2)
	}
	return newBenchmark(ctx, children[0], children[1]), nil
}

// newExtreme returns GREATEST or LEAST. The planner compares dates and texts as numbers, and refuses
// ENUMs and SETs.
func newExtreme(ctx *sql.Context, name string, args []sql.Expression) (sql.Expression, error) {
	expr.MembersAsTexts(ctx, args, func(int) bool { return true })
	dates, texts, times, nulls := 0, 0, 0, 0
	for _, a := range args {
		switch t := a.Type(ctx); {
		case t == types.Null:
			nulls++
		case types.IsTimespan(t):
			times++
		case types.IsTime(t):
			dates++
		case types.IsText(t):
			texts++
		}
	}
	mixed := dates > 0 && times > 0
	if mixed {
		args = slices.Clone(args)
		for i, a := range args {
			if types.IsTimespan(a.Type(ctx)) {
				args[i] = &expr.TimeToday{UnaryExpressionStub: expression.UnaryExpressionStub{Child: a}}
				times, dates = times-1, dates+1
			}
		}
	}
	if dates > 0 && len(args) > 1 && (dates+texts == len(args) || mixed && dates+nulls == len(args)) {
		return &expr.Function{Def: extremes[name], Args: args}, nil
	}
	if times > 0 && times+nulls == len(args) && len(args) > 1 {
		sign := map[string]int{"greatest": 1, "least": -1}[name]
		return &expr.Function{Def: &expr.FunctionDef{Name: name, Args: expr.AnyArgs, Pure: true, Typ: types.Time, Eval: extremeTime(sign)}, Args: args}, nil
	}
	args = slices.Clone(args)
	for i, a := range args {
		if texts > 0 && types.IsJSON(a.Type(ctx)) {
			args[i] = expr.NewCastText(ctx, expression.NewConvert(a, expression.ConvertToChar))
			texts++
		}
	}
	if dates == 0 && len(args) > 1 && (times > 0 || texts > 0 && texts+nulls < len(args)) {
		f := &expr.Function{Def: &expr.FunctionDef{Name: name, Args: expr.AnyArgs, Pure: true, Typ: types.LongText}, Args: args}
		return expr.WithType(ctx, f), nil // which compares
	}
	build := gmsfunction.NewGreatest
	if name == "least" {
		build = gmsfunction.NewLeast
	}
	e, err := build(ctx, args...)
	if err != nil {
		return nil, err
	}
	return expr.WithType(ctx, e), nil
}

// extremeDocuments returns the arguments of GREATEST or LEAST without documents: beside numbers alone they are numbers, beside
// texts all are texts.
func extremeDocuments(ctx *sql.Context, args []sql.Expression) []sql.Expression {
	document, number, text := false, false, false
	for _, a := range args {
		if !a.Resolved() {
			return args
		}
		t := a.Type(ctx)
		document, number, text = document || types.IsJSON(t), number || types.IsNumber(t), text || types.IsText(t)
	}
	if !document {
		return args
	}
	out := slices.Clone(args)
	for i, a := range args {
		switch t := a.Type(ctx); {
		case types.IsJSON(t) && number && !text:
			out[i] = &expr.JSONNumber{UnaryExpressionStub: expression.UnaryExpressionStub{Child: a}}
		case types.IsJSON(t), types.IsNumber(t) && text:
			out[i] = expr.NewCastText(ctx, expression.NewConvert(a, expression.ConvertToChar))
		}
	}
	return out
}

var extremes = map[string]*expr.FunctionDef{
	"greatest": {Name: "greatest", Args: expr.AnyArgs, Pure: true, TypeOf: extremeType, Eval: extremeDate(1)},
	"least":    {Name: "least", Args: expr.AnyArgs, Pure: true, TypeOf: extremeType, Eval: extremeDate(-1)},
}

// extremeType is a text if an argument is one, or else what is common to the dates and moments.
func extremeType(ctx *sql.Context, args []sql.Expression) sql.Type {
	for _, a := range args {
		if types.IsText(a.Type(ctx)) {
			return types.LongText
		}
	}
	if t := expr.CommonMoment(ctx, args); t != nil {
		return t
	}
	return types.Datetime
}

// extremeTime returns the longest of the times if sign is 1, the shortest if it is -1.
func extremeTime(sign int) func(*sql.Context, []any) (any, error) {
	return func(_ *sql.Context, args []any) (any, error) {
		var out types.Timespan
		for i, a := range args {
			t, ok := a.(types.Timespan)
			if !ok {
				return nil, nil // NULL
			}
			if i == 0 || cmp.Compare(t, out) == sign {
				out = t
			}
		}
		return out, nil
	}
}

// extremeDate returns the last of the dates if sign is 1, the first if it is -1.
func extremeDate(sign int) func(*sql.Context, []any) (any, error) {
	return func(ctx *sql.Context, args []any) (any, error) {
		var out any
		var at time.Time
		for _, a := range args {
			t, ok := value.DatetimeOf(ctx, a)
			if !ok {
				return nil, nil
			}
			if out == nil || t.Compare(at) == sign {
				out, at = a, t
			}
		}
		return out, nil
	}
}
