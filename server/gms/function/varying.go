package function

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// VaryFunction is the function that marks a value to the planner as varying.
const VaryFunction = "\x00vary"

// Varying is a value that may be another for each row though it names no column: of RAND() and its kin, of a stored function
// that is not DETERMINISTIC, of := and of a variable that the statement sets. The planner would evaluate it once, and look it up
// in indexes; the parameter that it has for a last operand keeps it from that.
type Varying struct{ sql.Expression }

var (
	_ sql.NonDeterministicExpression = Varying{}
	_ sql.CollationCoercible         = Varying{}

	varyingMark = expression.NewProcedureParam("", types.Null)
)

// IsNonDeterministic implements sql.NonDeterministicExpression.
func (Varying) IsNonDeterministic() bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (v Varying) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, v.Expression)
}

// Definition implements expr.Defined.
func (v Varying) Definition() *expr.Definition {
	if d, ok := v.Expression.(expr.Defined); ok {
		return d.Definition()
	}
	return nil
}

// Children implements sql.Expression: the operands of what varies, and the mark.
func (v Varying) Children() []sql.Expression {
	return append(slices.Clip(v.Expression.Children()), varyingMark)
}

// WithChildren implements sql.Expression.
func (v Varying) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := v.Expression.WithChildren(ctx, children[:len(children)-1]...)
	return Varying{e}, err
}
