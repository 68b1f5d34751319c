package function

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// typedFunction returns a function of the planner's that is one of these.
func typedFunction(ctx *sql.Context, name string) (sql.Function, bool) {
	_, text := expr.CollatedFunctions[name]
	if _, choice := expr.Choices[name]; !text && !choice {
		return nil, false
	}
	if name == "nullif" {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			e, err := expr.NewNullIf(ctx, args)
			if err != nil {
				return nil, err
			}
			return expr.WithType(ctx, e), nil
		}}, true
	}
	f, ok := expr.Natives().Function(ctx, "", name)
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		e, err := f.NewInstance(ctx, expr.TextArguments(ctx, name, args))
		if err != nil {
			return nil, err
		}
		if name == "quote" {
			e = expr.QuoteCall{Quote: e.(*builtin.Quote)}
		}
		return expr.WithType(ctx, e), nil
	}}, true
}

// newCase returns what a call of a expr.CaseFunction is.
func newCase(ctx *sql.Context, name string, args []sql.Expression) sql.Expression {
	k := &expression.Case{}
	args = slices.Clone(args)
	has := strings.TrimPrefix(name, expr.CaseFunction)
	if strings.HasPrefix(has, "v") {
		k.Expr, args = args[0], args[1:]
	}
	if strings.HasSuffix(has, "e") {
		k.Else, args = args[len(args)-1], args[:len(args)-1]
	}
	for i := 0; i+1 < len(args); i += 2 {
		k.Branches = append(k.Branches, expression.CaseBranch{Cond: args[i], Value: args[i+1]})
	}
	documentCase(ctx, k)
	comparedCase(ctx, k)
	return expr.WithType(ctx, expr.CaseCall{Case: k})
}

// documentCase has a CASE of a document compare its text with texts and other documents, and its number with numbers, as MySQL does.
func documentCase(ctx *sql.Context, k *expression.Case) {
	if k.Expr == nil || !types.IsJSON(k.Expr.Type(ctx)) {
		return
	}
	number := expression.NewConvert(k.Expr, expression.ConvertToDouble)
	for i, b := range k.Branches {
		left, t := documentText(ctx, k.Expr), b.Cond.Type(ctx)
		if types.IsNumber(t) {
			left = number
		}
		k.Branches[i].Cond = expression.NewEquals(left, documentText(ctx, b.Cond))
	}
	k.Expr = nil
}

// comparedCase has a CASE of a number or a date compare it as = does; the planner compares anew for each row what it knows too little
// of. A text beside a date that is none is NULL with a warning. (A YEAR is compared as the number that it is.)
func comparedCase(ctx *sql.Context, k *expression.Case) {
	if k.Expr == nil {
		return
	}
	if t := k.Expr.Type(ctx); types.IsYear(t) || !types.IsNumber(t) && !types.IsTime(t) {
		return
	}
	for i, b := range k.Branches {
		if t := k.Expr.Type(ctx); types.IsTime(t) && !types.IsTimespan(t) && types.IsTextOnly(b.Cond.Type(ctx)) {
			b.Cond = expr.NewTextMoment(ctx, b.Cond)
		}
		k.Branches[i].Cond = expression.NewEquals(k.Expr, b.Cond)
	}
	k.Expr = nil
}

// documentText returns a document as its text, other expressions as they are.
func documentText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if !types.IsJSON(e.Type(ctx)) {
		return e
	}
	return expression.NewCollatedExpression(expr.NewCastText(ctx, expression.NewConvert(e, expression.ConvertToChar)), sql.Collation_utf8mb4_bin)
}

func newEmptyText(ctx *sql.Context, e sql.Expression) sql.Expression {
	c := expr.NewCastText(ctx, e).(*expr.CastText)
	c.Most = 0
	return c
}
