package expr

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// notFixed are the decimals of a DOUBLE that is shown with as many digits as it needs (DECIMAL_NOT_SPECIFIED).
const notFixed = 31

// doubleDigits are the digits behind the point with which a DOUBLE is shown, which are those of what it is made of
// (Item::decimals): six of PI(), those of ROUND and FLOAT(M,D), the most of an operator's sides; notFixed for most.
// Those of exact numbers are how many they have.
func (d deriver) doubleDigits(e sql.Expression) int {
	e = bare(e)
	t := e.Type(d.ctx)
	if s, ok := t.(sql.SystemVariableType); ok {
		t = s.UnderlyingType()
	}
	if !types.IsFloat(t) {
		switch c, exact := d.exact(e); {
		case exact:
			return c.scale
		case t == types.Null, types.IsYear(t), types.IsBit(t):
			return 0
		}
		return notFixed
	}
	most := func(list ...sql.Expression) (n int) {
		for _, e := range list {
			n = max(n, d.doubleDigits(e))
		}
		return n
	}
	switch x := e.(type) {
	case *expression.SystemVar:
		return 6
	case Defined:
		if format := FieldFormat(d.ctx, e); format.Digits > 0 {
			return format.Scale
		}
	case *expression.GetField:
		if format := FieldFormat(d.ctx, x); format.Digits > 0 {
			return format.Scale
		} else if d.from != nil {
			return CreatedExpr(d.ctx, x, d.from).Behind()
		}
	case *plan.Subquery:
		return CreatedColumn(d.ctx, x.Query, 0).Behind()
	case *expression.Arithmetic, *expression.Mod, *doubleMod, *expression.UnaryMinus:
		return most(x.Children()...)
	case *expression.Div:
		return min(most(x.Children()...)+divisionDigits(d.ctx), notFixed)
	case round:
		return d.roundedDigits(x.Num, x.Dec)
	case truncation:
		return d.roundedDigits(x.LeftChild, x.RightChild)
	case *typedCall:
		if x.chooses() {
			return most(x.values()...)
		}
	case sql.FunctionExpression:
		switch strings.ToLower(x.FunctionName()) {
		case "pi":
			return 6
		case "sum", "max", "min", "abs":
			return most(x.Children()[0])
		case "avg":
			return min(most(x.Children()[0])+divisionDigits(d.ctx), notFixed)
		}
	}
	return notFixed
}

// roundedDigits are those of ROUND and TRUNCATE.
func (d deriver) roundedDigits(number, digits sql.Expression) int {
	if digits == nil {
		return 0
	}
	if n, constant := constantDigits(d.ctx, digits); constant {
		return int(min(n, notFixed))
	}
	return d.doubleDigits(number)
}

// Behind are the digits with which a DOUBLE is shown, notFixed: as many as it needs.
func (c ResultColumn) Behind() int {
	if !types.IsFloat(c.Typ) || c.shown == 0 {
		return notFixed
	}
	return c.shown - 1
}

// DoubleFormat is the format of a DOUBLE with digits, false if it has no other than the usual.
func DoubleFormat(digits int) (value.ColumnFormat, bool) {
	return value.ColumnFormat{Digits: 17 + digits, Scale: digits}, digits < notFixed
}
