package expr

import (
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// QuantifierName returns the name of the function that stands for a comparison with ANY or ALL.
func QuantifierName(operator, which string) string { return "\x00" + operator + which }

// Quantifiers are the comparisons with ANY and ALL by the name of the function that
// each is to the planner.
var Quantifiers = newQuantifiers()

func newQuantifiers() map[string]*Quantifier {
	out := map[string]*Quantifier{}
	for op, f := range map[string]func(l, r sql.Expression) sql.Expression{
		ast.EqualStr:        func(l, r sql.Expression) sql.Expression { return expression.NewEquals(l, r) },
		ast.NotEqualStr:     func(l, r sql.Expression) sql.Expression { return expression.NewNot(expression.NewEquals(l, r)) },
		ast.LessThanStr:     func(l, r sql.Expression) sql.Expression { return expression.NewLessThan(l, r) },
		ast.GreaterThanStr:  func(l, r sql.Expression) sql.Expression { return expression.NewGreaterThan(l, r) },
		ast.LessEqualStr:    func(l, r sql.Expression) sql.Expression { return expression.NewLessThanOrEqual(l, r) },
		ast.GreaterEqualStr: func(l, r sql.Expression) sql.Expression { return expression.NewGreaterThanOrEqual(l, r) },
	} {
		for _, which := range []string{"any", "all"} {
			out[QuantifierName(op, which)] = &Quantifier{text: op + " " + which, all: which == "all", compare: f}
		}
	}
	return out
}

// Quantifier is a comparison with ANY or ALL.
type Quantifier struct {
	text    string
	all     bool
	compare func(l, r sql.Expression) sql.Expression
}

// Call returns the comparison of a value with a subquery. Returns an error if there are other arguments.
func (q *Quantifier) Call(args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(q.text, 2, len(args))
	}
	if _, ok := args[1].(*plan.Subquery); !ok {
		return nil, fmt.Errorf("gms: %s of %T", q.text, args[1])
	}
	return &QuantifiedComparison{Quantifier: q, left: args[0], rows: args[1]}, nil
}

// QuantifiedComparison is left compared with every row of a subquery. With ANY it is true if it is for one
// row, with ALL if it is for each; else it is NULL if it is for one row, and what it is
// for no row, false with ANY and true with ALL, otherwise.
type QuantifiedComparison struct {
	*Quantifier
	left, rows sql.Expression
}

var (
	_ sql.Expression         = (*QuantifiedComparison)(nil)
	_ sql.CollationCoercible = (*QuantifiedComparison)(nil)
)

// Resolved implements sql.Expression.
func (q *QuantifiedComparison) Resolved() bool { return q.left.Resolved() && q.rows.Resolved() }

// String implements sql.Expression.
func (q *QuantifiedComparison) String() string {
	return fmt.Sprintf("(%s %s %s)", q.left, q.text, q.rows)
}

// Type implements sql.Expression.
func (q *QuantifiedComparison) Type(*sql.Context) sql.Type { return types.Boolean }

// IsNullable implements sql.Expression.
func (q *QuantifiedComparison) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (q *QuantifiedComparison) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// Children implements sql.Expression.
func (q *QuantifiedComparison) Children() []sql.Expression { return []sql.Expression{q.left, q.rows} }

// WithChildren implements sql.Expression.
func (q *QuantifiedComparison) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return q.Call(children...)
}

// Eval implements sql.Expression.
func (q *QuantifiedComparison) Eval(ctx *sql.Context, row sql.Row) (any, error) {
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
	both, _ := WeighedOperands(ctx, expression.NewGetField(0, lt, "", true), expression.NewGetField(1, rt, "", true))
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
