package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// dropSorts drops a sort above the scan of an index whose leading columns are fixed, if
// the columns behind them, the primary key's at the end, are in the order wanted. The
// planner drops a sort by the leading columns alone. A sort reads everything before LIMIT
// takes the first row, and a locking scan under it locks what it reads.
func dropSorts(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "replaceIdxSort", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			s, ok := n.(*plan.Sort)
			if !ok || takesSome(ctx, s.Child) || value.Served(ctx) && readsLess(ctx, s.Child, 0) {
				return n, transform.SameTree, nil
			}
			joins := joinsBelow(s)
			out, same, err := rule(ctx, s, f)
			if err != nil || !leads(out, s.SortConditions) {
				for join, reversed := range joins { // the planner reverses them in place
					join.IsReversed = reversed
				}
				return n, transform.SameTree, err
			}
			return out, same, nil
		})
		if err != nil || !value.Served(ctx) {
			return n, same, err
		}
		n, same2, err := transform.Node(ctx, n, dropSort)
		if err != nil {
			return n, same, err
		}
		n, same3, err := transform.Node(ctx, n, readFirst)
		if err != nil {
			return n, same, err
		}
		n, same4, err := transform.Node(ctx, n, narrow)
		if err != nil {
			return n, same, err
		}
		n, same5, err := transform.Node(ctx, n, readGroups)
		return n, same && same2 && same3 && same4 && same5, err
	})
}

// takesSome reports whether a LIMIT or OFFSET is below a sort: the planner has the table below it read in the order of the sort, and
// LIMIT would take other rows; or another sort, a derived table's: it drops both if an index has the order of that.
func takesSome(ctx *sql.Context, n sql.Node) bool {
	some := false
	transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
		switch n.(type) {
		case *plan.Limit, *plan.Offset, *plan.Sort:
			some = true
		}
		return !some
	})
	return some
}

// joinsBelow are the joins of a plan, and whether they read their tables from the end.
func joinsBelow(n sql.Node) map[*plan.JoinNode]bool {
	out := map[*plan.JoinNode]bool{}
	transform.Inspect(n, func(n sql.Node) bool {
		if join, ok := n.(*plan.JoinNode); ok {
			out[join] = join.IsReversed
		}
		return true
	})
	return out
}

// leads reports whether a plan that has lost its sort by the index of a table reads that table before those that it joins to it:
// the planner also takes the index of one that is read again for each row of another, or of the same table by another name. (An inner
// merge join has the order of both of its sides; an outer one has rows without a partner, whose columns are NULL, between the others.)
func leads(n sql.Node, by sql.SortConditions) bool {
	f, ok := by[0].Expr.(*expression.GetField)
	if !ok {
		return true
	}
	switch n := n.(type) {
	case *plan.JoinNode:
		return leads(n.Left(), by) || n.Op == plan.JoinTypeMerge && len(by) == 1 && leads(n.Right(), by)
	case *plan.Sort:
		return true
	case plan.TableIdNode:
		if n.Id() != f.TableId() {
			return false
		}
		leaf, _ := orderedLeaf(n)
		access, ok := leaf.(*plan.IndexedTableAccess)
		return leaf == nil || ok && strings.HasSuffix(strings.ToLower(access.Index().Expressions()[0]), "."+strings.ToLower(f.Name()))
	}
	children := n.Children()
	return len(children) != 1 || leads(children[0], by)
}

func dropSort(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	s, ok := n.(*plan.Sort)
	if !ok {
		return n, transform.SameTree, nil
	}
	leaf, id := orderedLeaf(s.Child)
	if _, ok := leaf.(*plan.IndexedTableAccess); !ok {
		return n, transform.SameTree, nil
	}
	ordered, err := inOrderOf(ctx, leaf, id, s.SortConditions)
	if ordered == nil || err != nil {
		return n, transform.SameTree, err
	}
	return withLeaf(ctx, s.Child, leaf, ordered)
}

// readFirst has what is below a LIMIT read a table that is read whole by an index that has it in the order of the sort between them,
// which it drops, or has the rows of each group of a GROUP BY together: no more rows are read than are needed.
func readFirst(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	limit, ok := n.(*plan.Limit)
	if !ok {
		return n, transform.SameTree, nil
	}
	at := orderedNode(limit.Child)
	if at == nil {
		return n, transform.SameTree, nil
	}
	below := at.Children()[0]
	leaf, id := orderedLeaf(below)
	if _, ok := leaf.(*plan.ResolvedTable); !ok {
		return n, transform.SameTree, nil
	}
	if _, wanted := limitOf(ctx, limit); readsLess(ctx, below, wanted) {
		return n, transform.SameTree, nil
	}
	sorted, _ := at.(*plan.Sort)
	var ordered sql.Node
	var err error
	if sorted != nil {
		ordered, err = inOrderOf(ctx, leaf, id, sorted.SortConditions)
	} else {
		ordered, err = inGroups(ctx, leaf, id, at.(*plan.GroupBy).GroupByExprs)
	}
	if ordered == nil || err != nil {
		return n, transform.SameTree, err
	}
	below, _, err = withLeaf(ctx, below, leaf, ordered)
	if err == nil && sorted == nil {
		below, err = at.WithChildren(ctx, below)
	}
	if err != nil {
		return n, transform.SameTree, err
	}
	return transform.Node(ctx, n, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if n == at {
			return below, transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
}

// writeOrdered is readFirst of an UPDATE or a DELETE of one table, for which the planner asks no rule about sorts. The plan is changed in place.
func writeOrdered(ctx *sql.Context, n sql.Node) error {
	switch n.(type) {
	case *plan.Update, *plan.DeleteFrom:
	default:
		return nil
	}
	var failed error
	transform.Inspect(n, func(n sql.Node) bool {
		limit, ok := n.(*plan.Limit)
		if !ok || failed != nil {
			return failed == nil
		}
		child, same, err := dropSort(ctx, limit.Child)
		if failed = err; err == nil && !same {
			limit.Child = child
			return true
		}
		if err == nil {
			n, same, failed = readFirst(ctx, limit)
			if failed == nil && !same {
				limit.Child = n.(*plan.Limit).Child
			}
			if failed == nil {
				limit.Child, _, failed = transform.Node(ctx, limit.Child, narrow)
			}
		}
		return failed == nil
	})
	return failed
}

// orderedNode returns the sort or the GROUP BY that gives the rows below a LIMIT their order, nil if there is none.
func orderedNode(n sql.Node) sql.Node {
	for {
		switch x := n.(type) {
		case *plan.Offset:
			n = x.Child
		case *plan.Project:
			n = x.Child
		case *plan.Filter:
			n = x.Child
		case *plan.Having:
			n = x.Child
		case *plan.Sort, *plan.GroupBy:
			return n
		default:
			return nil
		}
	}
}

// readsLess reports whether a condition in a plan, which has no index yet, will have the indexes of a comparison with a subquery, when the values of
// that are known, or of a union of indexes that is less than what is read in the order of another until so many rows are found (0: all).
func readsLess(ctx *sql.Context, n sql.Node, wanted float64) bool {
	s, ok := ctx.Session.(*Session)
	less := false
	transform.Inspect(n, func(n sql.Node) bool {
		if f, is := n.(*plan.Filter); is && ok {
			for _, e := range expression.SplitConjunction(ctx, f.Expression) {
				column, sub := comparedSubquery(ctx, e)
				less = less || column != nil && sub.CanCacheResults()
				union, read, err := s.indexUnion(ctx, e, f.Child, false, s.locksUnions())
				if union == nil || err != nil {
					continue
				}
				rows, _, err := tableOf(f.Child).RowCount(ctx)
				less = less || err == nil && (wanted == 0 || wanted*float64(rows) >= float64(read)*float64(read))
			}
		}
		return !less && !sql.IsOpaque(n)
	})
	return less
}

// withLeaf returns a plan with another node in place of the one that is its leaf.
func withLeaf(ctx *sql.Context, n, leaf, other sql.Node) (sql.Node, transform.TreeIdentity, error) {
	n, _, err := transform.Node(ctx, n, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if n == leaf {
			return other, transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
	return n, transform.NewTree, err
}

// orderedLeaf returns the table in the order of which a plan returns its rows, and its number; nil if there is none. A join by nested
// loops, lookups or a hash table has the order of its left side, a GROUP BY that of the first rows of its groups.
func orderedLeaf(n sql.Node) (leaf sql.Node, id sql.TableId) {
	for {
		switch x := n.(type) {
		case *plan.Project:
			n = x.Child
		case *plan.Filter:
			n = x.Child
		case *plan.Having:
			n = x.Child
		case *plan.GroupBy:
			if len(x.GroupByExprs) == 0 {
				return nil, 0
			}
			n = x.Child
		case *plan.JoinNode:
			if x.Op.IsMerge() || x.Op.IsFullOuter() || x.Op.IsRightOuter() || x.Op.IsRange() || x.Op.IsUsing() {
				return nil, 0
			}
			n = x.Left()
		case *plan.TableAlias:
			n, id = x.Child, x.Id()
		case *plan.ResolvedTable:
			return x, cmp.Or(id, x.Id())
		case *plan.IndexedTableAccess:
			return x, cmp.Or(id, x.Id())
		default:
			return nil, 0
		}
	}
}

// inOrderOf returns the scan of a table, which is read whole or by an index, in an order; nil if no index has that order.
func inOrderOf(ctx *sql.Context, leaf sql.Node, id sql.TableId, by sql.SortConditions) (sql.Node, error) {
	return indexed(ctx, leaf, func(ix *Index, fixed int) (bool, bool) { return ix.gives(by, id, fixed) })
}

// inGroups returns the scan of a table, which is read whole or by an index, with the rows of each group together; nil if no index has them so.
func inGroups(ctx *sql.Context, leaf sql.Node, id sql.TableId, by []sql.Expression) (sql.Node, error) {
	return indexed(ctx, leaf, func(ix *Index, fixed int) (bool, bool) { return false, ix.groups(by, id, fixed) })
}

// indexed returns the scan of a table by an index that fits, or by that by which it is read already, in the direction that fits; nil if none does.
// Of what an index has to say how many of its leading columns have one value.
func indexed(ctx *sql.Context, leaf sql.Node, fits func(ix *Index, fixed int) (reverse, ok bool)) (sql.Node, error) {
	if access, ok := leaf.(*plan.IndexedTableAccess); ok {
		if !access.IsStatic() {
			return lookedUp(ctx, access, fits)
		}
		lookup, ok, err := access.GetLookup(ctx, nil)
		if err != nil || !ok {
			return nil, err
		}
		ix, ours := lookup.Index.(*Index)
		ranges, _ := lookup.Ranges.(sql.MySQLRangeCollection)
		if !ours || ix.pseudo != nil || ix.hasPrefix || len(ranges) == 0 {
			return nil, nil
		}
		reverse, ok := fits(ix, fixedColumns(ranges))
		if !ok {
			return nil, nil
		}
		if reverse == lookup.IsReverse {
			return access, nil
		}
		lookup.IsReverse = reverse
		return plan.NewStaticIndexedAccessForTableNode(ctx, access.TableNode, lookup)
	}
	t, ok := leaf.(*plan.ResolvedTable)
	table := tableOf(leaf)
	if !ok || table == nil {
		return nil, nil
	}
	if _, ok := t.UnderlyingTable().(sql.IndexAddressableTable); !ok { // that of a write with FULLTEXT indexes
		return nil, nil
	}
	indexes, err := table.GetIndexes(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range indexes {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix {
			continue
		}
		reverse, ok := fits(ix, 0)
		if !ok {
			continue
		}
		lookup, err := sql.NewMySQLIndexBuilder(ctx, ix).Build(ctx)
		if err != nil {
			return nil, err
		}
		lookup.IsReverse = reverse
		return plan.NewStaticIndexedAccessForTableNode(ctx, t, lookup)
	}
	return nil, nil
}

// scanUnder returns the scan of an index whose rows a node returns in their order, and the
// number of its table; nil if it is none.
func scanUnder(n sql.Node) (*plan.IndexedTableAccess, sql.TableId) {
	var id sql.TableId
	for {
		switch x := n.(type) {
		case *plan.Project:
			n = x.Child
		case *plan.Filter:
			n = x.Child
		case *plan.TableAlias:
			n, id = x.Child, x.Id()
		case *plan.IndexedTableAccess:
			if id == 0 {
				id = x.Id()
			}
			return x, id
		default:
			return nil, 0
		}
	}
}

// fixedColumns returns how many of the leading columns of ranges have one value, the same in each range. (The ranges
// are read in the order of the index.)
func fixedColumns(ranges sql.MySQLRangeCollection) int {
	fixed := 0
	for ; fixed < len(ranges[0]); fixed++ {
		first := ranges[0][fixed]
		for _, r := range ranges {
			if fixed >= len(r) || !onePoint(r[fixed], first) {
				return fixed
			}
		}
	}
	return fixed
}

// onePoint reports whether two ranges of a column are the same one value.
func onePoint(c, first sql.MySQLRangeColumnExpr) bool {
	if _, ok := c.UpperBound.(sql.AboveNull); ok {
		return c.LowerBound == sql.MySQLRangeCut(sql.BelowNull{}) && c.UpperBound == first.UpperBound && c.LowerBound == first.LowerBound
	}
	lo, ok := c.LowerBound.(sql.Below)
	hi, ok2 := c.UpperBound.(sql.Above)
	other, ok3 := first.LowerBound.(sql.Below)
	if !ok || !ok2 || !ok3 || lo.Key == nil || other.Key == nil {
		return false
	}
	for _, key := range []any{hi.Key, other.Key} {
		if same, err := c.Typ.Compare(value.NoContext(), lo.Key, key); err != nil || same != 0 {
			return false
		}
	}
	return true
}

// gives reports whether the index, its first fixed columns having one value each, has the
// rows of a table in an order, and whether that is its reverse.
func (ix *Index) gives(order sql.SortConditions, table sql.TableId, fixed int) (reverse, ok bool) {
	at, known := fixed, false
	for _, c := range order {
		f, isColumn := c.Expr.(*expression.GetField)
		if !isColumn || f.TableId() != table {
			return false, false
		}
		i := slices.IndexFunc(ix.extended, func(o int) bool { return strings.EqualFold(ix.shape.schema[o].Name, f.Name()) })
		switch {
		case i >= 0 && i < fixed:
			continue
		case i < 0 || i != at:
			return false, false
		}
		turned := ix.space.parts[i].Desc != (c.Order == sql.Descending)
		if known && turned != reverse {
			return false, false
		}
		reverse, known, at = turned, true, at+1
	}
	return reverse, known
}

// groups reports whether the index, its first fixed columns having one value each, has the rows of a table together that have the same
// values of some columns of it.
func (ix *Index) groups(by []sql.Expression, table sql.TableId, fixed int) bool {
	var columns []int
	for _, e := range by {
		f, ok := e.(*expression.GetField)
		if !ok || f.TableId() != table {
			return false
		}
		columns = append(columns, ix.shape.schema.IndexOfColName(f.Name()))
	}
	at := fixed
	for at < len(ix.extended) && slices.Contains(columns, ix.extended[at]) {
		at++
	}
	leading := ix.extended[:at]
	whole := true // a row is known by the columns
	for _, c := range ix.shape.def.Primary.Columns {
		whole = whole && slices.Contains(leading, c.Column)
	}
	return at > 0 && (whole || !slices.ContainsFunc(columns, func(c int) bool { return !slices.Contains(leading, c) }))
}
