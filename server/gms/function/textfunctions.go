package function

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

var boundedFunctions = map[string]*expr.BoundedDef{
	"repeat":                {Name: "repeat", Numbers: []int{1}, Eval: repeat, Build: two(builtin.NewRepeat)},
	"space":                 {Name: "space", Numbers: []int{0}, Eval: space, Build: single(builtin.NewSpace)},
	"lpad":                  {Name: "lpad", Numbers: []int{1}, Eval: lpad, Build: builtin.NewLeftPad},
	"rpad":                  {Name: "rpad", Numbers: []int{1}, Eval: rpad, Build: builtin.NewRightPad},
	"concat":                {Name: "concat", Eval: concat, Build: builtin.NewConcat},
	"concat_ws":             {Name: "concat_ws", Nulls: true, Eval: concatWS, Build: builtin.NewConcatWithSeparator},
	"replace":               {Name: "replace", Eval: replaceText, Build: three(builtin.NewReplace)},
	"left":                  {Name: "left", Numbers: []int{1}, Eval: left, Build: two(builtin.NewLeft)},
	"right":                 {Name: "right", Numbers: []int{1}, Eval: right, Build: two(builtin.NewRight)},
	"substring":             {Name: "substring", Numbers: []int{1, 2}, Eval: substring, Build: builtin.NewSubstring},
	"substr":                {Name: "substr", Numbers: []int{1, 2}, Eval: substring, Build: builtin.NewSubstring},
	"mid":                   {Name: "mid", Numbers: []int{1, 2}, Eval: substring, Build: builtin.NewSubstring},
	"insert":                {Name: "insert", Numbers: []int{1, 2}, Eval: insert, Build: four(builtin.NewInsert)},
	"substring_index":       {Name: "substring_index", Numbers: []int{2}, Eval: substringIndex, Build: three(builtin.NewSubstringIndex)},
	"ltrim":                 {Name: "ltrim", Eval: trim(true, false), Build: single(builtin.NewLeftTrim)},
	"rtrim":                 {Name: "rtrim", Eval: trim(false, true), Build: single(builtin.NewRightTrim)},
	expr.TrimFunctions["l"]: {Name: "trim", Build: trims("l"), Eval: trim(true, false)},
	expr.TrimFunctions["r"]: {Name: "trim", Build: trims("r"), Eval: trim(false, true)},
	expr.TrimFunctions["b"]: {Name: "trim", Build: trims("b"), Eval: trim(true, true)},
	"elt":                   {Name: "elt", Numbers: []int{0}, Nulls: true, Eval: elt, Build: builtin.NewElt},
	"make_set":              {Name: "make_set", Numbers: []int{0}, Bits: true, Nulls: true, Eval: makeSet, Build: builtin.NewMakeSet},
	"export_set":            {Name: "export_set", Numbers: []int{0, 4}, Bits: true, Eval: exportSet, Build: builtin.NewExportSet},
}

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
	return value.FirstRunes(s, int(n))
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

// hexCall is HEX: of a DOUBLE or DECIMAL that no BIGINT is all bits.
type hexCall struct{ *builtin.Hex }

// WithChildren implements sql.Expression.
func (h hexCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := h.Hex.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return hexCall{e.(*builtin.Hex)}, nil
}

// Eval implements sql.Expression.
func (h hexCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := h.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	t := h.Child.Type(ctx)
	if text, ok := v.(string); ok && !utf8.ValidString(text) { // of a binary string
		return fmt.Sprintf("%X", text), nil
	}
	if !types.IsFloat(t) && !types.IsDecimal(t) {
		return builtin.NewHex(ctx, expression.NewLiteral(v, t)).Eval(ctx, r)
	}
	n, err := (&expr.IntegerCast{Convert: expression.NewConvert(expression.NewLiteral(v, t), expression.ConvertToSigned)}).Eval(ctx, nil)
	if i, ok := n.(int64); ok {
		return fmt.Sprintf("%X", uint64(i)), err
	}
	return nil, err
}
