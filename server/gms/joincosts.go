package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/memo"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// joinCoster costs joins with what is known of the indexes. The planner takes half of a
// table for a range that is narrower than a histogram's bucket, and the larger table for
// the size of any join to a unique key, and so reads all of it though the smaller has one
// row.
type joinCoster struct{ memo.Coster }

// lookupRowCost is the planner's cost of a row found by a lookup.
const lookupRowCost = 2.3

// corrected is the statistic of a group of plans, its rows by our estimate.
type corrected struct {
	sql.Statistic
	by float64 // what the planner's count was multiplied by
}

// EstimateCost implements memo.Coster. It also corrects the size of the join for the joins
// above it, which are costed later.
func (c joinCoster) EstimateCost(ctx *sql.Context, n memo.RelExpr, p sql.StatsProvider) (float64, error) {
	if j, ok := n.(memo.JoinRel); ok && value.Served(ctx) {
		if !allowed(ctx, j) || !begins(ctx, j) {
			return planrule.Forbidden, nil
		}
		keepLeft(j)
		if _, err := correct(ctx, n.Group()); err != nil {
			return 0, err
		}
	}
	cost, err := c.Coster.EstimateCost(ctx, n, p)
	l, ok := n.(*memo.LookupJoin)
	if err != nil || !ok || !value.Served(ctx) {
		return cost, err
	}
	left := max(1, float64(l.Left.RelProps.GetStats().RowCount()))
	if !keyed(ctx, l) {
		return left + left*float64(l.Right.RelProps.GetStats().RowCount())*lookupRowCost, nil
	}
	per, ok, err := rowsPerLookup(ctx, l)
	if err != nil || !ok || l.Op.IsPartial() {
		return cost, err
	}
	found := left * max(1, per)
	if group := n.Group(); uint64(found) < group.RelProps.GetStats().RowCount() {
		resize(group, found)
	}
	return min(cost, left+found*lookupRowCost), nil
}

// keepLeft has a join of ranges sort its left side if that is more than a table: the planner reads an index of the table
// in its place.
func keepLeft(j memo.JoinRel) {
	r, ok := j.(*memo.RangeHeapJoin)
	if !ok {
		return
	}
	switch r.Left.First.(type) {
	case *memo.TableScan, *memo.TableAlias:
	default:
		r.RangeHeap.ValueIndex = nil
	}
}

// correct corrects the count of rows of a group of plans, once, and returns what it
// multiplied it by.
func correct(ctx *sql.Context, g *memo.ExprGroup) (float64, error) {
	st := g.RelProps.GetStats()
	if c, done := st.(corrected); done || st == nil {
		return c.by, nil
	}
	by := 1.0
	var err error
	switch n := g.First.(type) {
	case *memo.IndexScan:
		by, err = correction(ctx, n.Table, float64(st.RowCount()))
	case *memo.Filter:
		by, err = correct(ctx, n.Child)
	case *memo.Project:
		by, err = correct(ctx, n.Child)
	case *memo.Distinct:
		by, err = correct(ctx, n.Child)
	case memo.JoinRel:
		j := n.JoinPrivate()
		left, err1 := correct(ctx, j.Left)
		right, err2 := correct(ctx, j.Right)
		by, err = left, err1
		if err == nil {
			by, err = by*right, err2
		}
	}
	if err != nil {
		return 1, err
	}
	g.RelProps.SetStats(corrected{st.WithRowCount(uint64(max(1, float64(st.RowCount())*by))), by})
	return by, nil
}

// resize sets the count of rows of a group that was corrected.
func resize(g *memo.ExprGroup, rows float64) {
	c, _ := g.RelProps.GetStats().(corrected)
	g.RelProps.SetStats(corrected{c.WithRowCount(uint64(rows)), c.by})
}

// correction returns by how much a scan of an index has more rows than the planner says.
func correction(ctx *sql.Context, scan *plan.IndexedTableAccess, said float64) (float64, error) {
	if !scan.IsStatic() {
		return 1, nil
	}
	lookup, ok, err := scan.GetLookup(ctx, nil)
	if err != nil || !ok {
		return 1, err
	}
	s, err := sessionOf(ctx)
	if err != nil {
		return 1, err
	}
	st, err := s.b.stats.of(ctx, scan.UnderlyingTable())
	if err != nil {
		return 1, err
	}
	if rows, ok := st.estimate(ctx, lookup); ok {
		return rows / max(1, said), nil
	}
	return 1, nil
}

// begins reports whether a join has the table that is to be the first one, if there is one, on its left side and looks up the rows of the other.
func begins(ctx *sql.Context, j memo.JoinRel) bool {
	s, ok := ctx.Session.(*Session)
	if !ok || s.firstTable == 0 {
		return true
	}
	p := j.JoinPrivate()
	if p.Right.RelProps.OutputTables().Contains(int(s.firstTable)) {
		return false
	}
	_, lookup := j.(*memo.LookupJoin)
	return lookup || !p.Left.RelProps.OutputTables().Contains(int(s.firstTable))
}

// keyed reports whether the keys of a lookup are of the rows on the left: it finds all of the rows on the right for each of them
// if its keys are constants, which the planner costs like others.
func keyed(ctx *sql.Context, l *memo.LookupJoin) bool {
	left := l.Left.RelProps.OutputTables()
	return slices.ContainsFunc(l.Lookup.Table.Expressions(), func(key sql.Expression) bool {
		return transform.InspectExpr(ctx, key, func(_ *sql.Context, e sql.Expression) bool {
			f, ok := e.(*expression.GetField)
			return ok && left.Contains(int(f.TableId()))
		})
	})
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
