package expr

import (
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// MomentText is a DATE, DATETIME, TIMESTAMP or TIME as a text. To the planner, which goes
// by the value, all but TIME are texts of a DATETIME.
type MomentText struct {
	expression.UnaryExpressionStub
	Moment sql.Type
	Exact  bool // Moment has the digits, not the child
	Digits int  // of a TIME, behind the second; -1: those of the value
}

var (
	_ sql.Expression         = (*MomentText)(nil)
	_ sql.CollationCoercible = (*MomentText)(nil)
)

// AsText returns e as a text if it is a moment or a column with a format; others are returned as they are.
func AsText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if f := FormattedText(ctx, e); f != nil {
		return f
	}
	if t := e.Type(ctx); IsMoment(t) {
		m := &MomentText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Moment: t, Digits: -1}
		from := reads(ctx)
		if d := DefinitionOf(ctx, e); d != nil {
			m.Digits = Precision(d)
		} else if _, field := e.(*expression.GetField); (!field || from != nil) && types.IsTimespan(t) {
			m.Digits = CreatedExpr(ctx, e, from).Digits
		}
		return m
	}
	return e
}

// derivedText returns the text of a column that was made before it was known whose it is, nil of others.
func derivedText(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch x := e.(type) {
	case *MomentText:
		if m, ok := AsText(ctx, x.Child).(*MomentText); ok && x.Digits < 0 && !x.Exact && m.Digits >= 0 {
			return m
		}
	case *FormatText:
		if x.Format == (value.ColumnFormat{}) {
			return FormattedText(ctx, x.Child)
		}
	}
	return nil
}

// ColumnText returns a moment that is a column of a node's rows as a text.
func ColumnText(ctx *sql.Context, field *expression.GetField, from sql.Node, at int) *MomentText {
	m := &MomentText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: field}, Moment: field.Type(ctx), Digits: -1}
	if types.IsTimespan(m.Moment) {
		m.Digits = CreatedColumn(ctx, from, at).Digits
	}
	return m
}

// IsMoment reports whether a type is DATE, DATETIME, TIMESTAMP or TIME.
func IsMoment(t sql.Type) bool { return types.IsTime(t) || types.IsTimespan(t) }

// Type implements sql.Expression.
func (m *MomentText) Type(*sql.Context) sql.Type { return types.LongText }

// String implements sql.Expression.
func (m *MomentText) String() string { return m.Child.String() }

// IsNullable implements sql.Expression.
func (m *MomentText) IsNullable(ctx *sql.Context) bool { return m.Child.IsNullable(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (m *MomentText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return ctx.GetCollation(), 4
}

// WithChildren implements sql.Expression.
func (m *MomentText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 1)
	}
	c := *m
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression.
func (m *MomentText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := m.Child.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	t := m.Child.Type(ctx)
	if m.Exact || !IsMoment(t) {
		t = m.Moment
	}
	if span, ok := v.(types.Timespan); ok && m.Digits >= 0 {
		return value.SpanWith(span, m.Digits), nil
	}
	return MomentOf(v, t), nil
}

// MomentOf returns a value of a moment's type as a text, others as they are.
func MomentOf(v any, moment sql.Type) any {
	switch v := v.(type) {
	case time.Time:
		layout := time.DateTime
		if types.IsDateType(moment) {
			layout = time.DateOnly
		} else if t, ok := moment.(sql.DatetimeType); ok && t.Precision() > 0 {
			layout += "." + strings.Repeat("0", t.Precision())
		}
		if v.Equal(types.ZeroTime) {
			return strings.NewReplacer("2006", "0000", "01", "00", "02", "00", "15", "00", "04", "00", "05", "00").Replace(layout)
		}
		return v.Format(layout)
	case types.Timespan:
		return strings.TrimSuffix(v.String(), ".000000")
	}
	return v
}

// TextFunctions take their arguments as texts.
var textFunctions = map[string]bool{
	"concat": true, "concat_ws": true, "left": true, "right": true, "substring": true, "substr": true, "mid": true,
	"lower": true, "upper": true, "lcase": true, "ucase": true, "length": true, "octet_length": true, "char_length": true,
	"character_length": true, "replace": true, "lpad": true, "rpad": true, "trim": true, "ltrim": true, "rtrim": true,
	"hex": true, "md5": true, "sha1": true, "sha": true, "sha2": true, "quote": true, "reverse": true, "instr": true,
	"locate": true, "position": true, "substring_index": true, "to_base64": true, "regexp_like": true,
}

// TextArguments returns the arguments of a function with moments as texts if it takes texts. (withTexts comes too
// late for what is constant: the planner evaluates it.)
func TextArguments(ctx *sql.Context, name string, args []sql.Expression) []sql.Expression {
	if !textFunctions[name] {
		return args
	}
	args = slices.Clone(args)
	for i, a := range args {
		if name != "hex" || IsMoment(a.Type(ctx)) { // of a number it is the number's
			args[i] = AsText(ctx, a)
		}
	}
	return args
}

// withTexts returns an expression with the moments among its arguments as texts, where
// it takes texts or makes one of them and of others; nil if there are none.
func withTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	args := slices.Clone(e.Children())
	var values []int // of the arguments, those that may be texts
	mixes := false   // they are texts only if one of them is no moment
	switch e := planned(e).(type) {
	case *expression.Case:
		at := 0
		if e.Expr != nil {
			at = 1
		}
		for range e.Branches {
			values = append(values, at+1)
			at += 2
		}
		if e.Else != nil {
			values = append(values, at)
		}
		mixes = true
	case *builtin.If:
		values, mixes = []int{1, 2}, true
	case *builtin.Coalesce, *builtin.IfNull:
		mixes = true
	case *expression.Convert:
		if !types.IsText(e.Type(ctx)) {
			return nil
		}
	case *expression.Like:
	case sql.FunctionExpression:
		if name := e.FunctionName(); name == "json_object" || name == "json_array" { // a DATETIME has its own form there
			for i, a := range args {
				if types.IsDateType(a.Type(ctx)) {
					values = append(values, i)
				}
			}
			if values == nil {
				return nil
			}
			break
		}
		if !textFunctions[e.FunctionName()] {
			return nil
		}
	default:
		return nil
	}
	if values == nil {
		for i := range args {
			values = append(values, i)
		}
	}
	some, others, moments, texts := false, false, false, false
	if f, ok := e.(sql.FunctionExpression); ok && f.FunctionName() == "hex" && !IsMoment(args[0].Type(ctx)) {
		return nil
	}
	for _, i := range values {
		switch t := args[i].Type(ctx); {
		case IsMoment(t), mixes && types.IsFloat(t), FormattedText(ctx, args[i]) != nil:
			some, moments = true, moments || IsMoment(t)
			others = others || !IsMoment(t)
		case t != types.Null:
			others, texts = true, texts || types.IsText(t)
		}
	}
	if !some || mixes && !(others && moments || texts) {
		return nil
	}
	for _, i := range values {
		if mixes {
			args[i] = TextArgument(ctx, args[i], false)
		} else {
			args[i] = AsText(ctx, args[i])
		}
	}
	out, err := e.WithChildren(ctx, args...)
	if err != nil {
		return nil
	}
	return out
}
