package expr

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation/window"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// momentDigits are the digits behind the second, -1: not known.
func (d deriver) momentDigits(e sql.Expression) int {
	switch x := e.(type) {
	case *timeCast:
		return x.digits
	case *expression.Convert:
		if t, ok := x.Type(d.ctx).(sql.DatetimeType); ok {
			return t.Precision()
		}
		if types.IsTimespan(x.Type(d.ctx)) {
			return newTimeCast(x).digits
		}
	case *expression.Literal:
		if _, ok := x.Value().(types.Timespan); ok {
			return 0
		}
	case *typedCall:
		if types.IsTimespan(x.Type(d.ctx)) {
			return d.most(x.values())
		}
	case *offset:
		if date, interval := x.moved(); interval != nil && types.IsTimespan(x.Type(d.ctx)) {
			return max(d.most([]sql.Expression{date}), intervalDigits(d.ctx, interval))
		}
	case *plan.Subquery:
		if types.IsTimespan(x.Type(d.ctx)) {
			return CreatedColumn(d.ctx, x.Query, 0).Digits
		}
	case *window.Lag:
		return d.most(x.ChildExpressions[:1])
	case *window.Lead:
		return d.most(x.ChildExpressions[:1])
	case *window.FirstValue:
		return d.most([]sql.Expression{x.Child})
	case *window.LastValue:
		return d.most([]sql.Expression{x.Child})
	case *Nth:
		return d.most([]sql.Expression{x.LeftChild})
	case sql.FunctionExpression:
		switch args := x.Children(); strings.ToLower(x.FunctionName()) {
		case "max", "min":
			return d.most(args)

		case "str_to_date":
			if lit, ok := args[1].(*expression.Literal); ok {
				if _, _, fraction := FormatParts(value.Shown(lit.Value())); !fraction {
					return 0
				}
			}
			return 6
		case "maketime":
			return d.fraction(args[2])
		case "sec_to_time":
			return d.fraction(args[0])
		case "time":
			if n := d.most(args); n >= 0 {
				return n
			}
			return 6
		case "addtime", "subtime", "timediff":
			return d.most(args)
		}
		if args := x.Children(); present[x.FunctionName()] {
			if len(args) == 0 {
				return 0
			}
			if lit, ok := args[0].(*expression.Literal); ok {
				if n, _, err := types.Int64.Convert(d.ctx, lit.Value()); err == nil && n != nil {
					return int(min(max(n.(int64), 0), 6))
				}
			}
		}
	}
	if t, ok := e.Type(d.ctx).(sql.DatetimeType); ok {
		return t.Precision()
	}
	return -1
}

// most is the largest of momentDigits of expressions, -1 if one is not known.
func (d deriver) most(list []sql.Expression) (digits int) {
	for _, e := range list {
		e = bare(e)
		n := 0
		switch t := e.Type(d.ctx); {
		case t == types.Null:
		case IsMoment(t):
			n = CreatedExpr(d.ctx, e, d.from).MomentDigits()
		case types.IsText(t):
			lit, ok := e.(*expression.Literal)
			if !ok {
				return -1
			}
			if _, fraction, ok := strings.Cut(value.Shown(lit.Value()), "."); ok {
				n = min(len(fraction), 6)
			}
		default:
			n = d.fraction(e)
		}
		if n < 0 {
			return -1
		}
		digits = max(digits, n)
	}
	return digits
}

// fraction is how many digits behind the second a number of seconds has.
func (d deriver) fraction(e sql.Expression) int {
	c := CreatedExpr(d.ctx, e, d.from)
	if types.IsDecimal(c.Typ) {
		return min(c.scale, 6)
	}
	if c.rank() > 0 {
		return 0
	}
	return 6
}

// FormatParts reports whether a format of STR_TO_DATE has parts of dates, parts of times and digits after the second.
func FormatParts(format string) (date, clock, fraction bool) {
	for i := 0; i+1 < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		fraction = fraction || format[i] == 'f'
		clock = clock || strings.IndexByte("HISThiklrsf", format[i]) >= 0
		date = date || strings.IndexByte("MVUXYWabcjmvuxyw", format[i]) >= 0
	}
	return date, clock, fraction
}
