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

// withIntegers returns a comparison of a column of integers with texts that are such, with integers beyond a BIGINT, or of one without a sign
// with great integers, as one with exact numbers, nil if it is another: as DOUBLEs those beyond 2^53 are equal to their neighbours.
func withIntegers(ctx *sql.Context, e sql.Expression, operands []sql.Expression, isList bool) sql.Expression {
	integers := func(o sql.Expression) bool {
		f, ok := o.(*expression.GetField)
		return ok && types.IsInteger(f.Type(ctx))
	}
	signed := !slices.ContainsFunc(operands, func(o sql.Expression) bool { return integers(o) && types.IsUnsigned(o.Type(ctx)) })
	if !slices.ContainsFunc(operands, integers) {
		return nil
	}
	texts := false
	out := slices.Clone(operands)
	for i, o := range operands {
		if integers(o) {
			continue
		}
		lit, ok := o.(*expression.Literal)
		if !ok {
			return nil
		}
		if text, ok := lit.Value().(string); ok {
			if lit = integerLiteral(strings.Trim(text, value.Blanks)); lit == nil {
				return nil
			}
			out[i], texts = lit, true
		}
		if n, beyond := lit.Value().(uint64); beyond && signed && n > math.MaxInt64 { // the planner compares both as DOUBLEs
			out[i], texts = expression.NewLiteral(apd.NewWithBigInt(new(apd.BigInt).SetUint64(n), 0), types.MustCreateDecimalType(DecimalDigits, 0)), true
		}
	}
	if !signed && slices.ContainsFunc(operands, great) { // the planner compares integers with and without a sign as DOUBLEs
		for i, o := range operands {
			lit, ok := o.(*expression.Literal)
			if !ok || !types.IsInteger(lit.Type(ctx)) {
				continue
			}
			if n, in, err := types.Uint64.Convert(ctx, lit.Value()); err == nil && in == sql.InRange {
				out[i], texts = expression.NewLiteral(n, types.Uint64), true
			}
		}
	}
	if !texts {
		return nil
	}
	return comparisonOf(ctx, e, out, isList)
}

// great reports whether an expression is an integer with a sign that no DOUBLE has.
func great(e sql.Expression) bool {
	lit, ok := e.(*expression.Literal)
	if !ok {
		return false
	}
	n, ok := lit.Value().(int64)
	return ok && n > 1<<53
}

// greatIn returns an IN of great integers and a column without a sign, with those as such, nil for another.
func greatIn(ctx *sql.Context, e *expression.HashInTuple) sql.Expression {
	list, ok := e.Right().(expression.Tuple)
	if !ok || !slices.ContainsFunc(list, great) {
		return nil
	}
	in, ok := withIntegers(ctx, expression.NewInTuple(e.Left(), list), append([]sql.Expression{e.Left()}, list...), true).(*expression.InTuple)
	if !ok {
		return nil
	}
	hashed, err := expression.NewHashInTuple(ctx, in.Left(), in.Right())
	if err != nil {
		return in
	}
	return hashed
}

// integerLiteral returns the integer that a text is, nil if it is none.
func integerLiteral(text string) *expression.Literal {
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
