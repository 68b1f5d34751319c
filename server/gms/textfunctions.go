package gms

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// packetMin is the least value of max_allowed_packet: what is not longer is not too long.
const packetMin = 1024

// bounded is a function whose result may be much longer than its arguments. One longer
// than max_allowed_packet is NULL with a warning, and is not made. The planner's own
// makes whatever is asked for.
type bounded struct {
	sql.Expression // the planner's function, for everything but Eval
	def            *boundedDef
}

// boundedDef is what a function is. eval gets text, NULLs as nil, and the places of
// numbers are int64; long reports whether so many bytes are too many.
type boundedDef struct {
	name    string
	build   func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error)
	numbers []int // the arguments that are numbers
	bits    bool  // the first is a BIGINT UNSIGNED
	nulls   bool
	eval    func(args []any, binary bool, long func(int64) bool) any
}

var (
	_ sql.FunctionExpression = (*bounded)(nil)
	_ sql.CollationCoercible = (*bounded)(nil)
)

var boundedFunctions = map[string]*boundedDef{
	"repeat":           {name: "repeat", numbers: []int{1}, eval: repeat, build: two(builtin.NewRepeat)},
	"space":            {name: "space", numbers: []int{0}, eval: space, build: single(builtin.NewSpace)},
	"lpad":             {name: "lpad", numbers: []int{1}, eval: lpad, build: builtin.NewLeftPad},
	"rpad":             {name: "rpad", numbers: []int{1}, eval: rpad, build: builtin.NewRightPad},
	"concat":           {name: "concat", eval: concat, build: builtin.NewConcat},
	"concat_ws":        {name: "concat_ws", nulls: true, eval: concatWS, build: builtin.NewConcatWithSeparator},
	"replace":          {name: "replace", eval: replaceText, build: three(builtin.NewReplace)},
	"left":             {name: "left", numbers: []int{1}, eval: left, build: two(builtin.NewLeft)},
	"right":            {name: "right", numbers: []int{1}, eval: right, build: two(builtin.NewRight)},
	"substring":        {name: "substring", numbers: []int{1, 2}, eval: substring, build: builtin.NewSubstring},
	"substr":           {name: "substr", numbers: []int{1, 2}, eval: substring, build: builtin.NewSubstring},
	"mid":              {name: "mid", numbers: []int{1, 2}, eval: substring, build: builtin.NewSubstring},
	"insert":           {name: "insert", numbers: []int{1, 2}, eval: insert, build: four(builtin.NewInsert)},
	"substring_index":  {name: "substring_index", numbers: []int{2}, eval: substringIndex, build: three(builtin.NewSubstringIndex)},
	"ltrim":            {name: "ltrim", eval: trim(true, false), build: single(builtin.NewLeftTrim)},
	"rtrim":            {name: "rtrim", eval: trim(false, true), build: single(builtin.NewRightTrim)},
	trimFunctions["l"]: {name: "trim", build: trims("l"), eval: trim(true, false)},
	trimFunctions["r"]: {name: "trim", build: trims("r"), eval: trim(false, true)},
	trimFunctions["b"]: {name: "trim", build: trims("b"), eval: trim(true, true)},
	"elt":              {name: "elt", numbers: []int{0}, nulls: true, eval: elt, build: builtin.NewElt},
	"make_set":         {name: "make_set", numbers: []int{0}, bits: true, nulls: true, eval: makeSet, build: builtin.NewMakeSet},
	"export_set":       {name: "export_set", numbers: []int{0, 4}, bits: true, eval: exportSet, build: builtin.NewExportSet},
}

// trimFunctions are TRIM(LEADING, TRAILING and BOTH … FROM …), of a text and what to remove.
var trimFunctions = map[string]string{"l": "_trim_leading", "r": "_trim_trailing", "b": "_trim_both"}

// trims builds TRIM for its type, and its text in a definition.
func trims(direction string) builds {
	return two(func(_ *sql.Context, text, part sql.Expression) sql.Expression {
		return builtin.NewTrim(text, part, direction)
	})
}

type builds = func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error)

func single(f func(*sql.Context, sql.Expression) sql.Expression) builds {
	return func(ctx *sql.Context, a ...sql.Expression) (sql.Expression, error) {
		if len(a) != 1 {
			return nil, sql.ErrInvalidArgumentNumber.New("function", 1, len(a))
		}
		return f(ctx, a[0]), nil
	}
}

func two(f func(_ *sql.Context, a, b sql.Expression) sql.Expression) builds {
	return func(ctx *sql.Context, a ...sql.Expression) (sql.Expression, error) {
		if len(a) != 2 {
			return nil, sql.ErrInvalidArgumentNumber.New("function", 2, len(a))
		}
		return f(ctx, a[0], a[1]), nil
	}
}

func three(f func(_ *sql.Context, a, b, c sql.Expression) sql.Expression) builds {
	return func(ctx *sql.Context, a ...sql.Expression) (sql.Expression, error) {
		if len(a) != 3 {
			return nil, sql.ErrInvalidArgumentNumber.New("function", 3, len(a))
		}
		return f(ctx, a[0], a[1], a[2]), nil
	}
}

func four(f func(_ *sql.Context, a, b, c, d sql.Expression) sql.Expression) builds {
	return func(ctx *sql.Context, a ...sql.Expression) (sql.Expression, error) {
		if len(a) != 4 {
			return nil, sql.ErrInvalidArgumentNumber.New("function", 4, len(a))
		}
		return f(ctx, a[0], a[1], a[2], a[3]), nil
	}
}

// call returns the function of arguments.
func (d *boundedDef) call(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := d.build(ctx, textArguments(ctx, d.name, args)...)
	if err != nil {
		return nil, err
	}
	return withType(ctx, &bounded{Expression: e, def: d}), nil
}

// FunctionName implements sql.FunctionExpression.
func (b *bounded) FunctionName() string { return b.def.name }

// Description implements sql.FunctionExpression.
func (b *bounded) Description() string { return b.def.name }

// CollationCoercibility implements sql.CollationCoercible.
func (b *bounded) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, b.Expression)
}

// IsNullable implements sql.Expression: a result that is too long is NULL.
func (b *bounded) IsNullable(*sql.Context) bool { return true }

// DebugString implements sql.DebugStringer.
func (b *bounded) DebugString(ctx *sql.Context) string { return sql.DebugString(ctx, b.Expression) }

// WithChildren implements sql.Expression.
func (b *bounded) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := b.Expression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &bounded{Expression: e, def: b.def}, nil
}

// Eval implements sql.Expression.
func (b *bounded) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	children := b.Children()
	args := make([]any, len(children))
	for i, e := range children {
		v, err := e.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		switch {
		case v == nil && (!b.def.nulls || i == 0):
			return nil, nil
		case v == nil:
			continue
		case slices.Contains(b.def.numbers, i):
			if n, ok := v.(uint64); ok && b.def.bits && i == 0 {
				v = int64(n)
			} else {
				v, err = wholeOf(ctx, v)
			}
		default:
			v, _, err = types.ConvertToCollatedString(ctx, v, e.Type(ctx))
		}
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	tooLong := int64(0)
	long := func(n int64) bool {
		if n <= packetMin {
			return false
		}
		most := packetMax(ctx)
		if n > most {
			tooLong = most
		}
		return n > most
	}
	v := b.def.eval(args, types.IsBinaryType(children[0].Type(ctx)), long)
	if tooLong > 0 {
		ctx.Warn(1301, "Result of %s() was larger than max_allowed_packet (%d) - truncated", b.def.name, tooLong)
		return nil, nil
	}
	return v, nil
}

// packetMax is max_allowed_packet.
func packetMax(ctx *sql.Context) int64 {
	v, err := ctx.GetSessionVariable(ctx, "max_allowed_packet")
	if err != nil {
		return 64 << 20
	}
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(n)
	}
	return 64 << 20
}

// times is the product, at most one more than any packet may be.
func times(n int, count int64) int64 {
	if n == 0 || count <= 0 {
		return 0
	}
	const more = 1<<30 + 1
	if count > more/int64(n) {
		return more
	}
	return int64(n) * count
}

func repeat(args []any, _ bool, long func(int64) bool) any {
	s, count := args[0].(string), args[1].(int64)
	n := times(len(s), count)
	if n == 0 || long(n) {
		return ""
	}
	return strings.Repeat(s, int(count))
}

func space(args []any, binary bool, long func(int64) bool) any {
	return repeat([]any{" ", args[0]}, binary, long)
}

func lpad(args []any, binary bool, long func(int64) bool) any {
	s, pad, ok := padding(args, binary, long)
	if !ok {
		return nil
	}
	return pad + s
}

func rpad(args []any, binary bool, long func(int64) bool) any {
	s, pad, ok := padding(args, binary, long)
	if !ok {
		return nil
	}
	return s + pad
}

// padding returns the text, cut to the length that is asked for, and what it is padded
// with; false if the result is NULL. Lengths are in characters but for binary strings.
func padding(args []any, binary bool, long func(int64) bool) (s, pad string, ok bool) {
	s, length := args[0].(string), args[1].(int64)
	if len(args) > 2 {
		pad = args[2].(string)
	} else {
		pad = " "
	}
	count := utf8.RuneCountInString
	if binary {
		count = func(s string) int { return len(s) }
	}
	have, unit := int64(count(s)), count(pad)
	switch {
	case length < 0:
		return "", "", false
	case length <= have:
		return cut(s, length, binary), "", true
	case unit == 0:
		return "", "", true
	}
	missing := length - have
	if long(int64(len(s)) + times(1, missing)) { // a character has a byte at least
		return "", "", false
	}
	whole, rest := missing/int64(unit), missing%int64(unit)
	if long(int64(len(s)) + times(len(pad), whole+1)) {
		return "", "", false
	}
	return s, strings.Repeat(pad, int(whole)) + cut(pad, rest, binary), true
}

// cut returns the first n characters, or bytes of a binary string.
func cut(s string, n int64, binary bool) string {
	if binary {
		return s[:n]
	}
	return firstRunes(s, int(n))
}

func concat(args []any, _ bool, long func(int64) bool) any {
	n := int64(0)
	for _, a := range args {
		n += int64(len(a.(string)))
	}
	if long(n) {
		return nil
	}
	var b strings.Builder
	b.Grow(int(n))
	for _, a := range args {
		b.WriteString(a.(string))
	}
	return b.String()
}

func concatWS(args []any, _ bool, long func(int64) bool) any {
	sep := args[0].(string)
	var parts []string
	n := int64(0)
	for _, a := range args[1:] {
		if s, ok := a.(string); ok {
			parts = append(parts, s)
			n += int64(len(s) + len(sep))
		}
	}
	if n -= int64(len(sep)); long(n) {
		return nil
	}
	return strings.Join(parts, sep)
}

func replaceText(args []any, _ bool, long func(int64) bool) any {
	s, from, to := args[0].(string), args[1].(string), args[2].(string)
	if from == "" {
		return s
	}
	if len(to) > len(from) && long(int64(len(s))+times(len(to)-len(from), int64(strings.Count(s, from)))) {
		return nil
	}
	return strings.ReplaceAll(s, from, to)
}
