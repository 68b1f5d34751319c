package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// narrow has the scan of a whole index, which is read for its order, begin and end where the condition above it lets it. (The planner has not
// chosen the index for the condition: by it, it would be too much of the table to read all that the condition is true of.)
func narrow(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	f, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	scan, id := scanUnder(f.Child)
	if scan == nil || !scan.IsStatic() {
		return n, transform.SameTree, nil
	}
	whole, _, err := scan.GetLookup(ctx, nil)
	if err != nil || !wholeIndex(whole) {
		return n, transform.SameTree, err
	}
	s, ok := ctx.Session.(*Session)
	if !ok {
		return n, transform.SameTree, nil
	}
	c, ok, err := s.choiceOf(ctx, s.b.indexScans, tableOf(scan), id, whole.Index.(*Index), f.Expression)
	if !ok || err != nil {
		return n, transform.SameTree, err
	}
	c.lookup.IsReverse = whole.IsReverse
	part, err := plan.NewStaticIndexedAccessForTableNode(ctx, scan.TableNode, c.lookup)
	if err != nil {
		return n, transform.SameTree, err
	}
	return withLeaf(ctx, n, scan, part)
}

// wholeIndex reports whether a lookup is all of an index of ours.
func wholeIndex(l sql.IndexLookup) bool {
	ranges, _ := l.Ranges.(sql.MySQLRangeCollection)
	ix, ok := l.Index.(*Index)
	if !ok || ix.pseudo != nil || len(ranges) != 1 || l.IsEmptyRange {
		return false
	}
	for _, c := range ranges[0] {
		if c.LowerBound != sql.MySQLRangeCut(sql.BelowNull{}) || c.UpperBound != sql.MySQLRangeCut(sql.AboveAll{}) {
			return false
		}
	}
	return true
}
