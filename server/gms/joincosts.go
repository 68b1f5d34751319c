package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/memo"
	"github.com/dolthub/go-mysql-server/sql/stats"
)

// joinCoster costs joins by lookup in an index with what is known of the index. The planner
// takes the larger table for the size of any join to a unique key, and so reads all of it
// though the smaller has one row.
type joinCoster struct{ memo.Coster }

// lookupRowCost is the planner's cost of a row found by a lookup.
const lookupRowCost = 2.3

// EstimateCost implements memo.Coster. It also corrects the size of the join for the joins
// above it, which are costed later.
func (c joinCoster) EstimateCost(ctx *sql.Context, n memo.RelExpr, p sql.StatsProvider) (float64, error) {
	cost, err := c.Coster.EstimateCost(ctx, n, p)
	l, ok := n.(*memo.LookupJoin)
	if err != nil || !ok || l.Op.IsPartial() || !served(ctx) {
		return cost, err
	}
	per, ok, err := rowsPerLookup(ctx, l)
	if err != nil || !ok {
		return cost, err
	}
	left := max(1, float64(l.Left.RelProps.GetStats().RowCount()))
	found := left * max(1, per)
	if group := n.Group().RelProps; uint64(found) < group.GetStats().RowCount() {
		group.SetStats(&stats.Statistic{RowCnt: uint64(found)})
	}
	return min(cost, left+found*lookupRowCost), nil
}

// rowsPerLookup returns how many rows a lookup of a join finds on average, false if it is
// not known.
func rowsPerLookup(ctx *sql.Context, l *memo.LookupJoin) (float64, bool, error) {
	if l.Injective {
		return 1, true, nil
	}
	ix, ok := l.Lookup.Index.SqlIdx().(*Index)
	s, err := sessionOf(ctx)
	if !ok || err != nil {
		return 0, false, err
	}
	st, err := s.b.stats.of(ctx, l.Lookup.Table.UnderlyingTable())
	if err != nil {
		return 0, false, err
	}
	distinct, ok := st.cardinality(ix.def, len(l.Lookup.Table.Expressions())).(uint64)
	return float64(st.rowCount()) / float64(max(1, distinct)), ok, nil
}
