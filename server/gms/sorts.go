package gms

import (
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
			if !ok {
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
		return n, same && same2, err
	})
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
// the planner also takes the index of one that is read again for each row of another. (An inner merge join has the order of
// both of its sides; an outer one has rows without a partner, whose columns are NULL, between the others.)
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
		return n.Id() == f.TableId()
	}
	children := n.Children()
	return len(children) != 1 || leads(children[0], by)
}

func dropSort(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	s, ok := n.(*plan.Sort)
	if !ok {
		return n, transform.SameTree, nil
	}
	scan, id := scanUnder(s.Child)
	if scan == nil || !scan.IsStatic() {
		return n, transform.SameTree, nil
	}
	lookup, ok, err := scan.GetLookup(ctx, nil)
	if err != nil || !ok {
		return n, transform.SameTree, err
	}
	ix, ours := lookup.Index.(*Index)
	ranges, _ := lookup.Ranges.(sql.MySQLRangeCollection)
	if !ours || ix.pseudo != nil || ix.hasPrefix || len(ranges) == 0 {
		return n, transform.SameTree, nil
	}
	reverse, ok := ix.gives(s.SortConditions, id, fixedColumns(ranges))
	if !ok {
		return n, transform.SameTree, nil
	}
	if reverse == lookup.IsReverse {
		return s.Child, transform.NewTree, nil
	}
	lookup.IsReverse = reverse
	turned, err := plan.NewStaticIndexedAccessForTableNode(ctx, scan.TableNode, lookup)
	if err != nil {
		return n, transform.SameTree, err
	}
	child, _, err := transform.Node(ctx, s.Child, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if n == sql.Node(scan) {
			return turned, transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
	return child, transform.NewTree, err
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
