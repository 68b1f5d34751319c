package function

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/internal/icuregex"
	"sextant/server/gms/expr"
)

// regexpDef is a function of regular expressions. Its arguments are text and pattern,
// then those of it between least and most, of which the last is the match type.
type regexpDef struct {
	name        string
	least, most int
	typ         sql.Type
	defaults    []any // of the arguments that a call leaves out, the match type excepted
	eval        func(re *icuregex.Regexp, text string, args []any) (any, error)
}

// regexps are MySQL's functions of regular expressions; the operator REGEXP is
// REGEXP_LIKE (see rewrite.RegexpOperators). The planner's own use an engine that lacks
// lookaround and back-references.
var regexps = map[string]*regexpDef{
	"regexp_like":    {name: "regexp_like", least: 2, most: 3, typ: types.Boolean, eval: regexpLike},
	"regexp_instr":   {name: "regexp_instr", least: 2, most: 6, typ: types.Int32, defaults: []any{int64(1), int64(1), int64(0)}, eval: regexpInstr},
	"regexp_substr":  {name: "regexp_substr", least: 2, most: 5, typ: types.LongText, defaults: []any{int64(1), int64(1)}, eval: regexpSubstr},
	"regexp_replace": {name: "regexp_replace", least: 3, most: 6, typ: types.LongText, defaults: []any{nil, int64(1), int64(0)}, eval: regexpReplace},
}

func regexpLike(re *icuregex.Regexp, text string, _ []any) (any, error) {
	ok, err := re.Match(text)
	if ok {
		return int8(1), err
	}
	return int8(0), err
}

// regexpFrom returns the text in characters and where in it the search begins.
func regexpFrom(text string, position any) ([]rune, int, error) {
	runes := []rune(text)
	from := position.(int64) - 1
	if from < 0 || from > int64(len(runes)) {
		return nil, 0, icuregex.ErrIndex
	}
	return runes, int(from), nil
}

// occurrence returns which match is meant; what is below 1 is the first.
func occurrence(v any) int { return int(min(max(v.(int64), 1), 1<<31)) }

func regexpInstr(re *icuregex.Regexp, text string, args []any) (any, error) {
	behind := args[2].(int64)
	if behind != 0 && behind != 1 {
		return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to regexp_instr: return_option must be 1 or 0.")
	}
	runes, from, err := regexpFrom(text, args[0])
	if err != nil {
		return nil, err
	}
	start, end, ok, err := re.Find(runes, from, occurrence(args[1]))
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return int32(0), nil
	case behind == 1:
		return int32(end + 1), nil
	}
	return int32(start + 1), nil
}

func regexpSubstr(re *icuregex.Regexp, text string, args []any) (any, error) {
	runes, from, err := regexpFrom(text, args[0])
	if err != nil {
		return nil, err
	}
	start, end, ok, err := re.Find(runes, from, occurrence(args[1]))
	if err != nil || !ok {
		return nil, err
	}
	return string(runes[start:end]), nil
}

func regexpReplace(re *icuregex.Regexp, text string, args []any) (any, error) {
	runes, from, err := regexpFrom(text, args[1])
	if err != nil {
		return nil, err
	}
	n := 0
	if args[2].(int64) != 0 {
		n = occurrence(args[2])
	}
	return re.Replace(runes, args[0].(string), from, n)
}

// regexpCall is a call of one of regexps.
type regexpCall struct {
	def  *regexpDef
	args []sql.Expression
	// compiled is the pattern that was used last: mostly it is the only one.
	compiled atomic.Pointer[compiledRegexp]
}

type compiledRegexp struct {
	pattern string
	flags   icuregex.Flags
	re      *icuregex.Regexp
}

var (
	_ sql.FunctionExpression = (*regexpCall)(nil)
	_ sql.CollationCoercible = (*regexpCall)(nil)
)

func (d *regexpDef) call(args ...sql.Expression) (sql.Expression, error) {
	if len(args) < d.least || len(args) > d.most {
		return nil, sql.ErrInvalidArgumentNumber.New(d.name, fmt.Sprintf("%d to %d", d.least, d.most), len(args))
	}
	return &regexpCall{def: d, args: args}, nil
}

// FunctionName implements sql.FunctionExpression.
func (r *regexpCall) FunctionName() string { return r.def.name }

// Description implements sql.FunctionExpression.
func (r *regexpCall) Description() string { return r.def.name }

// Resolved implements sql.Expression.
func (r *regexpCall) Resolved() bool { return expression.ExpressionsResolved(r.args...) }

// String implements sql.Expression.
func (r *regexpCall) String() string {
	args := make([]string, len(r.args))
	for i, a := range r.args {
		args[i] = a.String()
	}
	return r.def.name + "(" + strings.Join(args, ",") + ")"
}

// Type implements sql.Expression.
func (r *regexpCall) Type(*sql.Context) sql.Type { return r.def.typ }

// IsNullable implements sql.Expression.
func (r *regexpCall) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible: that of text and pattern.
func (r *regexpCall) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	a, ac := sql.GetCoercibility(ctx, r.args[0])
	b, bc := sql.GetCoercibility(ctx, r.args[1])
	return expr.Resolved(a, ac, b, bc)
}

// Children implements sql.Expression.
func (r *regexpCall) Children() []sql.Expression { return r.args }

// WithChildren implements sql.Expression.
func (r *regexpCall) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return r.def.call(children...)
}

// Eval implements sql.Expression. It is NULL if any argument is.
func (r *regexpCall) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	texts := [2]string{}
	for i := range texts {
		v, err := r.text(ctx, row, i)
		if err != nil || v == nil {
			return nil, err
		}
		texts[i] = v.(string)
	}
	kinds := ""
	args := append([]any(nil), r.def.defaults...)
	for i := 2; i < len(r.args); i++ {
		matchType, replacement := i == r.def.most-1, r.def.least == 3 && i == 2
		var v any
		var err error
		if matchType || replacement {
			v, err = r.text(ctx, row, i)
		} else {
			v, err = r.number(ctx, row, i)
		}
		switch {
		case err != nil || v == nil:
			return nil, err
		case matchType:
			kinds = v.(string)
		default:
			args[i-2] = v
		}
	}
	if err := r.charsets(ctx); err != nil {
		return nil, err
	}
	re, err := r.compile(ctx, texts[1], kinds)
	if err != nil {
		return nil, regexpError(err)
	}
	v, err := r.def.eval(re, texts[0], args)
	if err != nil {
		return nil, regexpError(err)
	}
	return v, nil
}

// text returns an argument as the string that a client would be shown, or nil.
func (r *regexpCall) text(ctx *sql.Context, row sql.Row, i int) (any, error) {
	v, err := r.args[i].Eval(ctx, row)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	shown, err := r.args[i].Type(ctx).SQL(ctx, nil, v)
	if err != nil {
		return nil, err
	}
	return shown.ToString(), nil
}

// charsets refuses a binary string beside one with a character set, as MySQL does.
func (r *regexpCall) charsets(ctx *sql.Context) error {
	a, aText := r.args[0].Type(ctx).(sql.StringType)
	b, bText := r.args[1].Type(ctx).(sql.StringType)
	if !aText || !bText || types.IsBinaryType(a) == types.IsBinaryType(b) {
		return nil
	}
	text := a
	if types.IsBinaryType(a) {
		text = b
	}
	return mysql.NewSQLError(3995, "HY000", "Character set 'binary' cannot be used in conjunction with '%s' in call to %s.",
		text.Collation().Name(), r.def.name)
}

// number returns an argument as an int64, or nil.
func (r *regexpCall) number(ctx *sql.Context, row sql.Row, i int) (any, error) {
	v, err := r.args[i].Eval(ctx, row)
	if err != nil || v == nil {
		return nil, err
	}
	return expr.WholeOf(ctx, v)
}

// compile returns the pattern for a match type. Without c or i in it, the collation
// of text and pattern says whether case counts.
func (r *regexpCall) compile(ctx *sql.Context, pattern, matchType string) (*icuregex.Regexp, error) {
	collation, _ := r.CollationCoercibility(ctx)
	f := icuregex.Flags{IgnoreCase: strings.HasSuffix(collation.Name(), "_ci")}
	for _, c := range matchType {
		switch c {
		case 'c':
			f.IgnoreCase = false
		case 'i':
			f.IgnoreCase = true
		case 'm':
			f.Multiline = true
		case 'n':
			f.DotAll = true
		case 'u':
			f.UnixLines = true
		default:
			return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to %s", r.def.name)
		}
	}
	if c := r.compiled.Load(); c != nil && c.pattern == pattern && c.flags == f {
		return c.re, nil
	}
	re, err := icuregex.Compile(pattern, f)
	if err != nil {
		return nil, err
	}
	r.compiled.Store(&compiledRegexp{pattern, f, re})
	return re, nil
}

// regexpError is MySQL's error for one of icuregex.
func regexpError(err error) error {
	for _, e := range []struct {
		of      error
		number  int
		message string
	}{
		{icuregex.ErrArgument, 3685, "Illegal argument to a regular expression."},
		{icuregex.ErrTooLong, 3684, "The result string is larger than the result buffer."},
		{icuregex.ErrIndex, 3686, "Index out of bounds in regular expression search."},
		{icuregex.ErrSyntax, 3688, "Syntax error in regular expression on line 1, character %d."},
		{icuregex.ErrEscape, 3689, "Unrecognized escape sequence in regular expression."},
		{icuregex.ErrParen, 3691, "Mismatched parenthesis in regular expression."},
		{icuregex.ErrInterval, 3692, "Incorrect description of a {min,max} interval."},
		{icuregex.ErrMaxLtMin, 3693, "The maximum is less than the minimum in a {min,max} interval."},
		{icuregex.ErrBackRef, 3694, "Invalid back-reference in regular expression."},
		{icuregex.ErrBracket, 3696, "The regular expression contains an unclosed bracket expression."},
		{icuregex.ErrRange, 3697, "The regular expression contains an [x-y] character range where x comes after y."},
		{icuregex.ErrStack, 3698, "Overflow in the regular expression backtrack stack."},
		{icuregex.ErrTimeout, 3699, "Timeout exceeded in regular expression match."},
		{icuregex.ErrTooBig, 3700, "Pattern exceeds limits on size or complexity."},
		{icuregex.ErrGroupName, 3887, "A capture group has an invalid name."},
		{icuregex.ErrProperty, 3685, "Illegal argument to a regular expression."},
	} {
		if errors.Is(err, e.of) {
			var p *icuregex.PatternError
			if e.of == icuregex.ErrSyntax && errors.As(err, &p) {
				return mysql.NewSQLError(e.number, "HY000", e.message, p.At)
			}
			return mysql.NewSQLError(e.number, "HY000", "%s", e.message)
		}
	}
	return err
}
