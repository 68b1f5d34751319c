package expr

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// withIntegers returns a comparison of a column of integers with texts that are such, or with integers beyond a BIGINT, as one with exact
// numbers, nil if it is another: as DOUBLEs those beyond 2^53 are equal to their neighbours.
func withIntegers(ctx *sql.Context, e sql.Expression, operands []sql.Expression, isList bool) sql.Expression {
	column, signed, texts := false, true, false
	out := slices.Clone(operands)
	for i, o := range operands {
		if f, ok := o.(*expression.GetField); ok && types.IsInteger(f.Type(ctx)) {
			column, signed = true, signed && !types.IsUnsigned(f.Type(ctx))
			continue
		}
		lit, ok := o.(*expression.Literal)
		if !ok {
			return nil
		}
		text, ok := lit.Value().(string)
		if n, beyond := lit.Value().(uint64); beyond && signed && column && n > math.MaxInt64 { // the planner compares both as DOUBLEs
			out[i], texts = expression.NewLiteral(apd.NewWithBigInt(new(apd.BigInt).SetUint64(n), 0), types.MustCreateDecimalType(DecimalDigits, 0)), true
			continue
		}
		if !ok {
			continue
		}
		n := integerLiteral(strings.Trim(text, value.Blanks))
		if n == nil {
			return nil
		}
		out[i], texts = n, true
	}
	if !column || !texts {
		return nil
	}
	return comparisonOf(ctx, e, out, isList)
}

// integerLiteral returns the integer that a text is, nil if it is none.
func integerLiteral(text string) sql.Expression {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return expression.NewLiteral(n, types.Int64)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return expression.NewLiteral(n, types.Uint64)
	}
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || len(digits) > DecimalDigits || strings.Trim(digits, "0123456789") != "" {
		return nil
	}
	d, _, err := apd.NewFromString(text)
	if err != nil {
		return nil
	}
	return expression.NewLiteral(d, types.MustCreateDecimalType(DecimalDigits, 0))
}

// DecimalDigits are the most digits of a DECIMAL on either side of its point.
const DecimalDigits = 65
