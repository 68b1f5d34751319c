package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// TextArgument returns a date or a DOUBLE as its text, with all also other numbers.
func TextArgument(ctx *sql.Context, e sql.Expression, all bool) sql.Expression {
	t := e.Type(ctx)
	if types.IsFloat(t) || all && (types.IsNumber(t) || types.IsYear(t)) && !types.IsBit(t) {
		if f := FormattedText(ctx, e); f != nil {
			return f
		}
		return &FormatText{expression.UnaryExpressionStub{Child: e}, value.ColumnFormat{}}
	}
	return AsText(ctx, e)
}

// BinaryArgument is TextArgument, and of a BIT its bytes.
func BinaryArgument(ctx *sql.Context, e sql.Expression) sql.Expression {
	if types.IsBit(e.Type(ctx)) {
		return &BitBytes{expression.UnaryExpressionStub{Child: e}}
	}
	return TextArgument(ctx, e, false)
}

// DoubleOf is a value as a DOUBLE, of a text the number that it begins with, with a warning.
func DoubleOf(ctx *sql.Context, v any) (float64, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	text, some := v.(string)
	if some {
		prefix, more := value.NumericPrefix(text) // the planner takes '3et' for none
		if more {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DOUBLE value: '%s'", text)
		}
		v = value.Numeric(prefix)
	}
	v, _, err := types.Float64.Convert(ctx, v)
	f, _ := v.(float64)
	return f, err
}
