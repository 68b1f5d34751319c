package gms

import (
	"context"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// sleepCall is SLEEP. That KILL QUERY or max_execution_time wakes it is no error of a statement of
// the client's that reads no table: it is 1.
type sleepCall struct{ *builtin.Sleep }

func newSleep(ctx *sql.Context, e sql.Expression) sql.Expression {
	return sleepCall{builtin.NewSleep(ctx, e).(*builtin.Sleep)}
}

// IsNonDeterministic implements sql.NonDeterministicExpression: it is not asked while a statement is planned.
func (sleepCall) IsNonDeterministic() bool { return true }

// WithChildren implements sql.Expression.
func (c sleepCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	return newSleep(ctx, children[0]), nil
}

// Eval implements sql.Expression.
func (c sleepCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Sleep.Eval(ctx, r)
	s, ok := ctx.Session.(*Session)
	if err == nil || !ok || s.depth > 0 || s.tables > 0 || ctx.Err() == nil {
		return v, err
	}
	if q, ok := s.locks.stmt.(*ast.Select); ok && len(q.From) > 0 && !syntax.Dual(q.From) {
		return v, err // of views and derived tables too, or nothing would end it any more
	}
	s.woken = true
	return int32(1), nil
}

// awake returns the context with which the client's statement goes on: one that has ended if
// KILL QUERY or max_execution_time has, but for a SLEEP.
func (s *Session) awake(ctx *sql.Context) *sql.Context {
	if s.woken {
		return ctx.WithContext(context.WithoutCancel(ctx))
	}
	return ctx
}
