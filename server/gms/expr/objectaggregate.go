package expr

import (
	"maps"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// ObjectAggregate is JSON_OBJECTAGG, also OVER a window, which the planner's loses when it is planned.
type ObjectAggregate struct{ *aggregation.JSONObjectAgg }

var _ sql.Aggregation = ObjectAggregate{}

// NewObjectAggregate returns JSON_OBJECTAGG.
func NewObjectAggregate(ctx *sql.Context, key, value sql.Expression) sql.Expression {
	return ObjectAggregate{aggregation.NewJSONObjectAgg(ctx, key, value).(*aggregation.JSONObjectAgg)}
}

// Children implements sql.Expression: behind the arguments those of the window, if there is one.
func (a ObjectAggregate) Children() []sql.Expression {
	return append(a.JSONObjectAgg.Children(), a.Window().ToExpressions()...)
}

// WithChildren implements sql.Expression.
func (a ObjectAggregate) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != len(a.Children()) {
		return nil, sql.ErrInvalidChildrenNumber.New(a, len(children), len(a.Children()))
	}
	e := NewObjectAggregate(ctx, children[0], children[1]).(ObjectAggregate).WithId(a.Id()).(ObjectAggregate)
	if a.Window() == nil {
		return e, nil
	}
	w, err := a.Window().FromExpressions(ctx, children[2:])
	return e.WithWindow(ctx, w), err
}

// WithId implements sql.IdExpression.
func (a ObjectAggregate) WithId(id sql.ColumnId) sql.IdExpression {
	return ObjectAggregate{a.JSONObjectAgg.WithId(id).(*aggregation.JSONObjectAgg)}
}

// WithWindow implements sql.WindowAdaptableExpression.
func (a ObjectAggregate) WithWindow(ctx *sql.Context, w *sql.WindowDefinition) sql.WindowAdaptableExpression {
	return ObjectAggregate{a.JSONObjectAgg.WithWindow(ctx, w).(*aggregation.JSONObjectAgg)}
}

// NewBuffer implements sql.Aggregation. More rows may follow an Eval: it returns a document of its own then.
func (a ObjectAggregate) NewBuffer(ctx *sql.Context) (sql.AggregationBuffer, error) {
	b, err := a.JSONObjectAgg.NewBuffer(ctx)
	if err != nil || a.Window() == nil {
		return b, err
	}
	return objectBuffer{b}, nil
}

type objectBuffer struct{ sql.AggregationBuffer }

// Eval implements sql.AggregationBuffer.
func (b objectBuffer) Eval(ctx *sql.Context) (any, error) {
	v, err := b.AggregationBuffer.Eval(ctx)
	if d, ok := v.(types.JSONDocument); ok {
		return types.JSONDocument{Val: maps.Clone(d.Val.(map[string]any))}, err
	}
	return v, err
}
