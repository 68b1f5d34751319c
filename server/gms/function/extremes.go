package function

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// extremeMoments returns the arguments of GREATEST or LEAST with texts and numbers as dates if there is a date among them.
func extremeMoments(ctx *sql.Context, args []sql.Expression) []sql.Expression {
	some, dates := false, true
	for _, a := range args {
		if !a.Resolved() {
			return args
		}
		switch t := a.Type(ctx); {
		case types.IsTime(t):
			some, dates = true, dates && types.IsDateType(t)
		case types.IsTextOnly(t):
			if text, ok := expr.LiteralText(a); !ok || strings.Contains(text, ":") {
				dates = false
			}
		case !types.IsInteger(t):
			return args
		}
	}
	if !some {
		return args
	}
	out := slices.Clone(args)
	for i, a := range args {
		switch t := a.Type(ctx); {
		case types.IsTextOnly(t):
			m := expr.NewTextMoment(ctx, a)
			if dates {
				m.Typ = types.Date
			}
			out[i] = m
		case types.IsInteger(t):
			typ := types.Date
			if !dates {
				typ = value.Datetimes[0]
			}
			out[i] = &expr.NumberDate{UnaryExpressionStub: expression.UnaryExpressionStub{Child: a}, Typ: typ, NoZero: false}
		}
	}
	return out
}
