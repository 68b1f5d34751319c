package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
)

// matched builds INTERSECT and EXCEPT without their ORDER BY and LIMIT.
func (b *builder) matched(ctx *sql.Context, s *Session, n *plan.SetOp, r sql.Row) (sql.RowIter, error) {
	left, err := b.base.Build(ctx, n.Left(), r)
	if err != nil {
		return nil, err
	}
	right, err := b.base.Build(ctx, n.Right(), r)
	if err != nil {
		return nil, err
	}
	schema := n.Schema(ctx)
	if n.Distinct {
		left, right = s.memory.distinct(left, schema), s.memory.distinct(right, schema)
	}
	right = &keeper{child: right, m: &s.memory, full: tableOverflow, size: hashSize}
	return &expr.MatchedRows{RowIter: left, Right: right, Schema: schema, Intersect: n.SetOpType == plan.IntersectType}, nil
}
