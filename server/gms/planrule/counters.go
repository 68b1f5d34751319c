package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/value"
)

// given is what an INSERT gives an AUTO_INCREMENT column, with the column's type: to the
// planner all that is no number asks for the next value.
type given struct {
	sql.Expression
	column *sql.Column
	a      *value.Assigner
}

// Eval implements sql.Expression.
func (g *given) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	g.a.Row++
	v, err := g.Expression.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	return g.a.Assign(ctx, g.column.Name, g.column.Type, v)
}

// WithChildren implements sql.Expression.
func (g *given) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := g.Expression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &given{Expression: e, column: g.column, a: g.a}, nil
}

// GivenCounters wraps what an INSERT gives its AUTO_INCREMENT column.
func GivenCounters(ctx *sql.Context, n *plan.InsertInto) (sql.Node, error) {
	p, ok := n.Source.(*plan.Project)
	if !ok {
		return n.Source, nil
	}
	for i, e := range p.Projections {
		ai, ok := e.(*expression.AutoIncrement)
		schema := n.Destination.Schema(ctx)
		if !ok || i >= len(schema) {
			continue
		}
		e, err := ai.WithChildren(ctx, &given{Expression: ai.Child, column: schema[i], a: &value.Assigner{Ignore: n.Ignore}})
		if err != nil {
			return nil, err
		}
		c := *p
		c.Projections = append([]sql.Expression(nil), p.Projections...)
		c.Projections[i] = e
		return &c, nil
	}
	return n.Source, nil
}
