package expr

import (
	"math"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// textWidths are the lengths of the texts of functions, in characters.
var textWidths = map[string]int64{
	"md5": 32, "sha": 40, "sha1": 40, "uuid": 36, "monthname": 9, "dayname": 9, "database": 34, "schema": 34, "user": 288,
	"current_user": 288, "session_user": 288, "system_user": 288, "charset": 64, "collation": 64, "bin": 64, "oct": 64, "conv": 64, "inet_ntoa": 31,
}

// width is the longest text of an expression in characters, of binary ones in bytes; -1: of any length.
func (d deriver) width(e sql.Expression) int64 {
	e = bare(e)
	switch x := e.(type) {
	case *expression.Literal:
		switch v := x.Value().(type) {
		case nil:
			return 0
		case string:
			if types.IsBinaryType(x.Type(d.ctx)) {
				return int64(len(v))
			}
			return int64(utf8.RuneCountInString(v))
		case []byte:
			return int64(len(v))
		}
		return typeWidth(CreatedExpr(d.ctx, e, d.from).Typ)
	case *expression.GetField, *Local:
		return typeWidth(CreatedExpr(d.ctx, e, d.from).Typ)
	case *expression.CollatedExpression:
		return d.width(x.Children()[0])
	case *expression.Convert:
		return d.castWidth(x)
	case *MomentText:
		return CreatedExpr(d.ctx, x.Child, d.from).width
	case *ConvertUsing:
		return d.width(x.Child)
	case *aggregation.GroupConcat:
		if v, err := d.ctx.GetSessionVariable(d.ctx, "group_concat_max_len"); err == nil {
			if n, _, err := types.Int64.Convert(d.ctx, v); err == nil {
				return knownWidth(n.(int64))
			}
		}
		return -1
	case sql.Aggregation:
		if args := e.Children(); len(args) == 1 {
			if f, ok := e.(sql.FunctionExpression); ok && (f.FunctionName() == "Max" || f.FunctionName() == "Min") {
				return d.width(args[0])
			}
		}
		return -1
	case *typedCall:
		return d.callWidth(x)
	case sql.FunctionExpression:
		args := x.Children()
		switch name := x.FunctionName(); name {
		case "hex": // twice the bytes
			t, n := args[0].Type(d.ctx), d.width(args[0])
			_, column := args[0].(*expression.GetField)
			_, moment := args[0].(*MomentText)
			if c, ok := t.(sql.TypeWithCollation); column && types.IsTextBlob(t) {
				_, octets, _, _ := Lengths(t)
				n, _ = octets.(int64)
			} else if ok && !moment && !types.IsBinaryType(t) {
				n *= c.Collation().CharacterSet().MaxLength()
			}
			return knownWidth(2 * n)
		case "trim":
			return d.width(args[0])
		case "space":
			return max(d.count(args[0]), -1)
		default:
			if n, ok := textWidths[name]; ok {
				return n
			}
		}
		return -1
	}
	t := e.Type(d.ctx)
	if s, ok := t.(sql.SystemVariableType); ok {
		t = s.UnderlyingType()
	}
	if m, ok := e.(*MemberText); ok {
		t = m.Of
	}
	switch { // a type that CreatedExpr asks about here is not asked about there
	case types.IsEnum(t), types.IsSet(t):
		return typeWidth(t)
	case !types.IsText(t):
		return typeWidth(CreatedExpr(d.ctx, e, d.from).Typ)
	}
	return -1
}

// count is the value of a literal number that is not negative, -1 of others.
func (d deriver) count(e sql.Expression) int64 {
	lit, ok := e.(*expression.Literal)
	if !ok || !types.IsInteger(lit.Type(d.ctx)) {
		return -1
	}
	n, _, err := types.Int64.Convert(d.ctx, lit.Value())
	v, ok := n.(int64)
	if err != nil || !ok {
		return -1
	}
	return v
}

// castLength is the length of a CAST AS CHAR(n) in its text; the planner tells it nowhere else.
var castLength = regexp.MustCompile(`(?:char|binary)\((\d+)\)\)$`)

// writtenLength is the length that is written in a cast to a text, -1 for none.
func writtenLength(c *expression.Convert) int {
	m := castLength.FindStringSubmatch(c.String())
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return math.MaxInt
	}
	return n
}

// castWidth is the length of a CAST to a text: the cast's, or its value's.
func (d deriver) castWidth(c *expression.Convert) int64 {
	if n := writtenLength(c); n >= 0 {
		return int64(min(n, math.MaxInt32))
	}
	if types.IsBinaryType(c.Type(d.ctx)) {
		if types.IsTextOnly(c.Child.Type(d.ctx)) {
			return knownWidth(4 * d.width(c.Child))
		}
	}
	return d.width(c.Child)
}

// callWidth is the length of a call that makes a text of its arguments.
func (d deriver) callWidth(c *typedCall) int64 {
	args := c.Children()
	sum := func(list []sql.Expression) int64 {
		n := int64(0)
		for _, a := range list {
			w := d.width(a)
			if w < 0 {
				return -1
			}
			n += w
		}
		return n
	}
	longest := func(list []sql.Expression) int64 {
		n := int64(0)
		for _, a := range list {
			w := d.width(a)
			if w < 0 {
				return -1
			}
			n = max(n, w)
		}
		return n
	}
	shorter := func(n, w int64) int64 {
		if n >= 0 && (w < 0 || n < w) {
			return n
		}
		return w
	}
	if types.IsBinaryType(c.Type(d.ctx)) {
		return -1
	}
	switch c.FunctionName() {
	case "concat":
		return sum(args)
	case "concat_ws":
		n, by := sum(args[1:]), d.width(args[0])
		if n < 0 || by < 0 {
			return -1
		}
		return n + by*int64(max(len(args)-2, 0))
	case "left", "right":
		return shorter(d.count(args[1]), d.width(args[0]))
	case "substring", "substr", "mid":
		n := d.width(args[0])
		if from := d.count(args[1]); from > 0 && n >= 0 {
			n = max(n-from+1, 0)
		}
		if len(args) == 3 {
			n = shorter(d.count(args[2]), n)
		}
		return n
	case "repeat":
		n, w := d.count(args[1]), d.width(args[0])
		if n < 0 || w < 0 || n > varcharMax*varcharMax {
			return -1
		}
		return n * w
	case "lpad", "rpad":
		return d.count(args[1])
	case "lower", "lcase", "upper", "ucase", "trim", "ltrim", "rtrim", "reverse", "substring_index", "nullif":
		return d.width(args[0])
	case "replace": // each text that is found may be a longer one
		n, from, to := d.width(args[0]), d.width(args[1]), d.width(args[2])
		if n < 0 || from < 0 || to < 0 {
			return -1
		}
		return knownWidth(n + n/max(from, 1)*max(to-from, 0))
	case "insert":
		return sum([]sql.Expression{args[0], args[3]})
	case "quote":
		if n := d.width(args[0]); n >= 0 {
			return 2*n + 2
		}
		return -1
	case "case", "if", "coalesce", "ifnull", "greatest", "least":
		return longest(c.values())
	}
	return -1
}
