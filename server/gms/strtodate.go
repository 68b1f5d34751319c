package gms

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// strToDate is STR_TO_DATE with digits after the second: the planner's result has none, and
// takes '.5' for five microseconds.
type strToDate struct{ *builtin.StrToDate }

func newStrToDate(ctx *sql.Context, text, format sql.Expression) sql.Expression {
	return &strToDate{builtin.NewStrToDate(ctx, text, format).(*builtin.StrToDate)}
}

// Type implements sql.Expression.
func (e *strToDate) Type(ctx *sql.Context) sql.Type {
	t := e.StrToDate.Type(ctx)
	lit, constant := e.Format.(*expression.Literal)
	if !types.IsDatetimeType(t) {
		return t
	}
	if constant {
		if format, ok := lit.Value().(string); ok && !strings.Contains(format, "%f") {
			return t
		}
	}
	return types.DatetimeMaxPrecision
}

// WithChildren implements sql.Expression.
func (e *strToDate) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 2)
	}
	return newStrToDate(ctx, children[0], children[1]), nil
}

// Eval implements sql.Expression.
func (e *strToDate) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	text, err := e.Date.Eval(ctx, r)
	if err != nil || text == nil {
		return nil, err
	}
	format, err := e.Format.Eval(ctx, r)
	if err != nil || format == nil {
		return nil, err
	}
	t, _, err := types.LongText.Convert(ctx, text)
	if err != nil {
		return nil, err
	}
	whole := microseconds(t.(string), format)
	layout := expression.NewLiteral(format, types.LongText)
	v, err := builtin.NewStrToDate(ctx, expression.NewLiteral(whole, types.LongText), layout).Eval(ctx, nil)
	at, ok := v.(time.Time)
	if err != nil || !ok {
		return v, err
	}
	back, err := builtin.NewDateFormat(ctx, expression.NewLiteral(at, types.DatetimeMaxPrecision), layout).Eval(ctx, nil)
	if shown, ok := back.(string); err == nil && ok && noSuchDay(whole, shown) {
		ctx.Warn(1411, "Incorrect datetime value: '%s' for function str_to_date", t)
		return nil, nil
	}
	return v, nil
}

var digitRuns = regexp.MustCompile(`\d+`)

// noSuchDay reports whether a text had the 29th to 31st of a month where the date that was made of it,
// in the same format, has a first day of the next.
func noSuchDay(text, made string) bool {
	given, have := digitRuns.FindAllString(text, -1), digitRuns.FindAllString(made, -1)
	if len(given) != len(have) {
		return false
	}
	for i := range given {
		g, err := strconv.Atoi(given[i])
		h, err2 := strconv.Atoi(have[i])
		if err == nil && err2 == nil && g >= 29 && g <= 31 && h >= 1 && h <= 3 {
			return true
		}
	}
	return false
}

// microseconds fills up the digits that are for a format's %f, those behind the last sign like
// the one before it, to six.
func microseconds(text string, format any) string {
	f, _ := format.(string)
	i := strings.Index(f, "%f")
	if i < 1 {
		return text
	}
	at := strings.LastIndexByte(text, f[i-1])
	if at < 0 {
		return text
	}
	end := at + 1
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	return text[:end] + strings.Repeat("0", max(0, 6-(end-at-1))) + text[end:]
}
