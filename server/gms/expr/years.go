package expr

import (
	"math"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// withYears returns a comparison of a YEAR column with constants, with those as the column would keep them: 5, '5', 5.0
// and x'05' are 2005, what it could not keep stays as it is. Nil for other comparisons, and if nothing changes.
func withYears(ctx *sql.Context, e sql.Expression, operands []sql.Expression, isList bool) sql.Expression {
	column := func(o sql.Expression) bool {
		_, ok := o.(*expression.GetField)
		return ok && types.IsYear(o.Type(ctx))
	}
	if !column(operands[0]) && (len(operands) != 2 || isList || !column(operands[1])) {
		return nil
	}
	changed := false
	out := slices.Clone(operands)
	for i, o := range operands {
		if y, ok := yearOf(ctx, o); ok {
			out[i], changed = expression.NewLiteral(y, types.Int64), true
		}
	}
	if !changed {
		return nil
	}
	return comparisonOf(ctx, e, out, isList)
}

// yearOf returns the year that a YEAR column keeps of a constant; false if it keeps none, or the constant is that.
func yearOf(ctx *sql.Context, e sql.Expression) (int64, bool) {
	if h, ok := e.(HexLiteral); ok {
		e = h.Integer()
	}
	lit, ok := e.(*expression.Literal)
	if !ok || !types.IsNumber(lit.Type(ctx)) && !types.IsTextOnly(lit.Type(ctx)) {
		return 0, false
	}
	v := lit.Value()
	text, isText := v.(string)
	if isText {
		v = strings.Trim(text, value.Blanks)
	}
	f, _, err := types.Float64.Convert(ctx, v)
	n, ok := f.(float64)
	if err != nil || !ok {
		return 0, false
	}
	switch n = math.RoundToEven(n); {
	case n == 0 && isText && len(text) != 4:
		return 2000, true
	case n >= 1 && n < 70:
		return int64(n) + 2000, true
	case n >= 70 && n < 100:
		return int64(n) + 1900, true
	case n != 0 && (n <= 1900 || n > 2155):
		return 0, false
	}
	was, same := v.(int64)
	return int64(n), !same || was != int64(n)
}
