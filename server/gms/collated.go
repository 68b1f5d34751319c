package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
)

// matched builds INTERSECT and EXCEPT without their ORDER BY and LIMIT.
func (b *builder) matched(ctx *sql.Context, n *plan.SetOp, l, rt sql.Node, r sql.Row) (sql.RowIter, error) {
	left, err := b.base.Build(ctx, l, r)
	if err != nil {
		return nil, err
	}
	right, err := b.base.Build(ctx, rt, r)
	if err != nil {
		return nil, err
	}
	schema := n.Schema(ctx)
	if n.Distinct {
		left, right = expr.NewDistinctRows(left, schema), expr.NewDistinctRows(right, schema)
	}
	return &expr.MatchedRows{RowIter: left, Right: right, Schema: schema, Intersect: n.SetOpType == plan.IntersectType}, nil
}
