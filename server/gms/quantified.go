package gms

import (
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// quantified returns what a comparison with ANY or ALL of a subquery's rows is: IN, NOT
// IN, or a call of one of quantifiers. nil if c is no such comparison.
func quantified(c *ast.ComparisonExpr) ast.Expr {
	for _, q := range []struct{ mark, name string }{{anyMark, "any"}, {someMark, "any"}, {allMark, "all"}} {
		rows := introduced(c.Right, q.mark)
		if p, ok := rows.(*ast.ParenExpr); ok {
			rows = p.Expr
		}
		if rows == nil {
			continue
		}
		switch {
		case c.Operator == ast.EqualStr && q.name == "any":
			return &ast.ComparisonExpr{Operator: ast.InStr, Left: c.Left, Right: rows}
		case c.Operator == ast.NotEqualStr && q.name == "all":
			return &ast.ComparisonExpr{Operator: ast.NotInStr, Left: c.Left, Right: rows}
		}
		return call(quantifierName(c.Operator, q.name), c.Left, rows)
	}
	return nil
}

func quantifierName(operator, which string) string { return "\x00" + operator + which }

// quantifiers are the comparisons with ANY and ALL by the name of the function that
// each is to the planner.
var quantifiers = newQuantifiers()

func newQuantifiers() map[string]*quantifier {
	out := map[string]*quantifier{}
	for op, f := range map[string]func(l, r sql.Expression) sql.Expression{
		ast.EqualStr:        func(l, r sql.Expression) sql.Expression { return expression.NewEquals(l, r) },
		ast.NotEqualStr:     func(l, r sql.Expression) sql.Expression { return expression.NewNot(expression.NewEquals(l, r)) },
		ast.LessThanStr:     func(l, r sql.Expression) sql.Expression { return expression.NewLessThan(l, r) },
		ast.GreaterThanStr:  func(l, r sql.Expression) sql.Expression { return expression.NewGreaterThan(l, r) },
		ast.LessEqualStr:    func(l, r sql.Expression) sql.Expression { return expression.NewLessThanOrEqual(l, r) },
		ast.GreaterEqualStr: func(l, r sql.Expression) sql.Expression { return expression.NewGreaterThanOrEqual(l, r) },
	} {
		for _, which := range []string{"any", "all"} {
			out[quantifierName(op, which)] = &quantifier{text: op + " " + which, all: which == "all", compare: f}
		}
	}
	return out
}

// quantifier is a comparison with ANY or ALL.
type quantifier struct {
	text    string
	all     bool
	compare func(l, r sql.Expression) sql.Expression
}

func (q *quantifier) call(args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(q.text, 2, len(args))
	}
	if _, ok := args[1].(*plan.Subquery); !ok {
		return nil, fmt.Errorf("gms: %s of %T", q.text, args[1])
	}
	return &quantifiedComparison{quantifier: q, left: args[0], rows: args[1]}, nil
}

// quantifiedComparison is left compared with every row of a subquery. With ANY it is true if it is for one
// row, with ALL if it is for each; else it is NULL if it is for one row, and what it is
// for no row, false with ANY and true with ALL, otherwise.
type quantifiedComparison struct {
	*quantifier
	left, rows sql.Expression
}

var (
	_ sql.Expression         = (*quantifiedComparison)(nil)
	_ sql.CollationCoercible = (*quantifiedComparison)(nil)
)

// Resolved implements sql.Expression.
func (q *quantifiedComparison) Resolved() bool { return q.left.Resolved() && q.rows.Resolved() }

// String implements sql.Expression.
func (q *quantifiedComparison) String() string {
	return fmt.Sprintf("(%s %s %s)", q.left, q.text, q.rows)
}

// Type implements sql.Expression.
func (q *quantifiedComparison) Type(*sql.Context) sql.Type { return types.Boolean }

// IsNullable implements sql.Expression.
func (q *quantifiedComparison) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (q *quantifiedComparison) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// Children implements sql.Expression.
func (q *quantifiedComparison) Children() []sql.Expression { return []sql.Expression{q.left, q.rows} }

// WithChildren implements sql.Expression.
func (q *quantifiedComparison) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return q.call(children...)
}

// Eval implements sql.Expression.
func (q *quantifiedComparison) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	sub := q.rows.(*plan.Subquery)
	if n := len(sub.Query.Schema(ctx)); n != 1 || types.NumColumns(q.left.Type(ctx)) != 1 {
		return nil, mysql.NewSQLError(mysql.EROperandColumns, "21000", "Operand should contain 1 column(s)")
	}
	left, err := q.left.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	rows, err := sub.EvalMultiple(ctx, row)
	if err != nil {
		return nil, err
	}
	lt, rt := comparedTypes(ctx, q.left, sub)
	both, _ := paddedOperands(ctx, expression.NewGetField(0, lt, "", true), expression.NewGetField(1, rt, "", true))
	compare := q.compare(both[0], both[1])
	var out any = q.all
	for _, right := range rows {
		is, err := compare.Eval(ctx, sql.Row{left, right})
		switch {
		case err != nil:
			return nil, err
		case is == nil:
			out = nil
		case is.(bool) != q.all:
			return !q.all, nil
		}
	}
	return out, nil
}
