package gms

import (
	"strings"

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
	return builtin.NewStrToDate(ctx, expression.NewLiteral(whole, types.LongText), expression.NewLiteral(format, types.LongText)).Eval(ctx, nil)
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
