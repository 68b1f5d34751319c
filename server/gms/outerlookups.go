package gms

import (
	"maps"
	"math"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// readByOthers has a query of one table read another index than that which the planner has chosen for the conditions on the table alone: the one that
// the query around it gives values for, where those find fewer rows, or the one of ORDER BY, where LIMIT is reached sooner in its order.
func readByOthers(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		planned, same, err := rule(ctx, n, f)
		s, ok := ctx.Session.(*Session)
		if err != nil || bool(same) || !ok || !value.Served(ctx) || len(joinsBelow(n)) > 0 {
			return planned, same, err
		}
		outer, err := s.outerLookup(ctx, n, planned)
		if err != nil {
			return n, transform.SameTree, err
		}
		if outer != 0 {
			before := s.wholeTable
			s.wholeTable = outer
			planned, same, err = rule(ctx, n, f)
			s.wholeTable = before
			return planned, same, err
		}
		ordered, err := s.orderedSooner(ctx, n, planned)
		if ordered == nil || err != nil {
			return planned, same, err
		}
		return ordered, transform.NewTree, nil
	})
	planrule.AroundRule(a, "applyIndexesFromOuterScope", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := rule(ctx, n, f)
		if err != nil || !value.Served(ctx) {
			return n, same, err
		}
		within := map[sql.TableId]bool{}
		transform.Inspect(n, func(n sql.Node) bool {
			if t, ok := n.(plan.TableIdNode); ok {
				within[t.Id()] = true
			}
			return true
		})
		n, same2, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			return lookUpOuter(ctx, n, within)
		})
		return n, same && same2, err
	})
}

// scanOfTable returns the scan of a range of an index of ours by which a plan reads a table, by its number, and about how many rows that
// reads; nil if it reads it otherwise.
func (s *Session) scanOfTable(ctx *sql.Context, n sql.Node, table sql.TableId) (scan *plan.IndexedTableAccess, rows float64, err error) {
	transform.Inspect(n, func(n sql.Node) bool {
		found, id := scanUnder(n)
		if found != nil && id == table {
			scan = found
		}
		return scan == nil
	})
	if scan == nil {
		return nil, 0, nil
	}
	if ix, ours := scan.Index().(*Index); !ours || ix.multi >= 0 {
		return nil, 0, nil
	}
	found, ok, err := s.scannedRows(ctx, scan, tableOf(scan))
	if !ok || err != nil {
		return nil, 0, err
	}
	return scan, float64(found), nil
}

// outerLookup returns the number of a table whose rows are best looked up by the values of the query around it, 0: there is none.
func (s *Session) outerLookup(ctx *sql.Context, n, planned sql.Node) (outer sql.TableId, err error) {
	transform.Inspect(n, func(n sql.Node) bool {
		f, ok := n.(*plan.Filter)
		if !ok || outer != 0 || err != nil {
			return outer == 0 && err == nil
		}
		leaf, id := orderedLeaf(f.Child)
		t := tableOf(leaf)
		if t == nil {
			return true
		}
		values := outerValues(ctx, f, t, id)
		if len(values) == 0 {
			return true
		}
		scan, rows, failed := s.scanOfTable(ctx, planned, id)
		if failed != nil || scan == nil {
			err = failed
			return true
		}
		_, _, found, failed := s.indexOfValues(ctx, t, values)
		if err = failed; found < rows {
			outer = id
		}
		return true
	})
	return outer, err
}

// outerValues returns what the conditions of a filter set columns of its one table equal to, by their ordinals, of the columns of other tables.
func outerValues(ctx *sql.Context, f *plan.Filter, t *Table, table sql.TableId) map[int]sql.Expression {
	values := map[int]sql.Expression{}
	for _, e := range expression.SplitConjunction(ctx, f.Expression) {
		eq, ok := e.(*expression.Equals)
		if !ok || planrule.Misfit(ctx, eq, true) {
			continue
		}
		for _, sides := range [2][2]sql.Expression{{eq.Left(), eq.Right()}, {eq.Right(), eq.Left()}} {
			column, ok := sides[0].(*expression.GetField)
			others := planrule.TablesIn(ctx, sides[1])
			if ok && column.TableId() == table && !others.Empty() && !others.Contains(int(table)) && expr.SubqueryOf(sides[1]) == nil {
				values[t.shape.schema.IndexOfColName(column.Name())] = sides[1]
			}
		}
	}
	return values
}

// indexOfValues returns the index of a table that finds fewest rows by values of columns, how many of its first columns those are, and how many
// rows that is on average: without statistics, as many as there are such values. nil: there is no index.
func (s *Session) indexOfValues(ctx *sql.Context, t *Table, values map[int]sql.Expression) (best *Index, known int, rows float64, err error) {
	rows = math.Inf(1)
	total, _, err := t.RowCount(ctx)
	if err != nil {
		return nil, 0, rows, err
	}
	st, err := s.b.stats.of(ctx, t)
	if err != nil {
		return nil, 0, rows, err
	}
	indexes, err := t.GetIndexes(ctx)
	if err != nil {
		return nil, 0, rows, err
	}
	for _, x := range indexes {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix || ix.multi >= 0 {
			continue
		}
		first := 0
		for first < len(ix.columns) && values[ix.columns[first]] != nil {
			first++
		}
		if first == 0 {
			continue
		}
		found := math.Sqrt(float64(total)) / float64(first)
		if distinct, ok := st.cardinality(ix.def, first).(uint64); ok {
			found = float64(total) / float64(max(1, distinct))
		}
		if found < rows {
			best, known, rows = ix, first, found
		}
	}
	return best, known, rows, nil
}

// lookUpOuter has a table below a filter that is read whole looked up by the values of the query around it. The planner does so where it finds the
// tables of that by their names, which it does not in a join's conditions.
func lookUpOuter(ctx *sql.Context, n sql.Node, within map[sql.TableId]bool) (sql.Node, transform.TreeIdentity, error) {
	f, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	leaf, id := orderedLeaf(f.Child)
	table, ok := leaf.(*plan.ResolvedTable)
	s, ours := ctx.Session.(*Session)
	switch f.Child.(type) {
	case *plan.ResolvedTable, *plan.TableAlias:
	default:
		return n, transform.SameTree, nil
	}
	if !ok || !ours {
		return n, transform.SameTree, nil
	}
	t, ok := table.UnderlyingTable().(*Table)
	if !ok {
		return n, transform.SameTree, nil
	}
	values := outerValues(ctx, f, t, id)
	maps.DeleteFunc(values, func(_ int, e sql.Expression) bool {
		inner := false
		planrule.TablesIn(ctx, e).ForEach(func(id int) { inner = inner || within[sql.TableId(id)] })
		return inner
	})
	ix, known, _, err := s.indexOfValues(ctx, t, values)
	if ix == nil || err != nil {
		return n, transform.SameTree, err
	}
	keys := make([]sql.Expression, known)
	for i := range keys {
		keys[i] = values[ix.columns[i]]
	}
	scan, err := plan.NewIndexedAccessForTableNode(ctx, table, plan.NewLookupBuilder(ctx, ix, keys, make([]bool, known)))
	if err != nil {
		return n, transform.SameTree, err
	}
	return withLeaf(ctx, n, leaf, scan)
}

// orderedSooner returns a query with ORDER BY and LIMIT that reads the index of that order, if there is one and it finds as many rows as are
// wanted sooner than all rows of the index that the planner has chosen are read; else nil.
func (s *Session) orderedSooner(ctx *sql.Context, n, planned sql.Node) (sql.Node, error) {
	limit, wanted := limitOf(ctx, n)
	after, _ := limitOf(ctx, planned)
	if limit == nil || limit.CalcFoundRows || after == nil {
		return nil, nil
	}
	sorted, ok := orderedNode(limit.Child).(*plan.Sort)
	sortedAfter, ok2 := orderedNode(after.Child).(*plan.Sort)
	if !ok || !ok2 {
		return nil, nil
	}
	leaf, id := orderedLeaf(sorted.Child)
	_, whole := leaf.(*plan.ResolvedTable)
	scan, _ := scanUnder(sortedAfter.Child)
	if !whole || scan == nil {
		return nil, nil
	}
	if !ownCondition(ctx, sorted.Child, id) || readsLess(ctx, sorted.Child, wanted) {
		return nil, nil
	}
	scan, rows, err := s.scanOfTable(ctx, sortedAfter.Child, id)
	if scan == nil || err != nil {
		return nil, err
	}
	total, _, err := tableOf(scan).RowCount(ctx)
	if err != nil || wanted*float64(total)*2 >= rows*rows {
		return nil, err
	}
	if has, err := inOrderOf(ctx, scan, id, sorted.SortConditions); has != nil || err != nil {
		return nil, err
	}
	ordered, err := inOrderOf(ctx, leaf, id, sorted.SortConditions)
	if ordered == nil || err != nil {
		return nil, err
	}
	n, _, err = withLeaf(ctx, n, leaf, ordered)
	return n, err
}

// ownCondition reports whether the conditions of a plan of one table name its columns alone.
func ownCondition(ctx *sql.Context, n sql.Node, table sql.TableId) bool {
	own := true
	transform.Inspect(n, func(n sql.Node) bool {
		if f, ok := n.(*plan.Filter); ok {
			sql.Inspect(ctx, f.Expression, func(_ *sql.Context, e sql.Expression) bool {
				switch e := e.(type) {
				case *expression.GetField:
					own = own && e.TableId() == table
				case *plan.Subquery:
					own = false
				}
				return own
			})
		}
		return own
	})
	return own
}

// lookedUp returns the scan of what a query looks up in a table for each row of another, by an index that fits: that in which it is looked up, or
// another that begins with the same columns; nil if none does.
func lookedUp(ctx *sql.Context, access *plan.IndexedTableAccess, fits func(ix *Index, fixed int) (reverse, ok bool)) (sql.Node, error) {
	used, ours := access.Index().(*Index)
	node, mutable := access.TableNode.(sql.MutableTableNode)
	t := tableOf(access)
	keys, nulls := access.Expressions(), access.NullMask()
	if _, plain := access.UnderlyingTable().(*Table); !plain || !ours || !mutable || used.pseudo != nil || used.hasPrefix || used.multi >= 0 {
		return nil, nil
	}
	indexes, err := t.GetIndexes(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range append([]sql.Index{used}, indexes...) {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix || ix.multi >= 0 || len(ix.columns) < len(keys) {
			continue
		}
		reverse, ok := fits(ix, len(keys))
		if !ok {
			continue
		}
		by, null := make([]sql.Expression, len(keys)), make([]bool, len(keys))
		for i, c := range used.columns[:len(keys)] {
			if at := slices.Index(ix.columns[:len(keys)], c); at >= 0 {
				by[at], null[at] = keys[i], nulls[i]
			}
		}
		if slices.Contains(by, nil) {
			continue
		}
		if ix == used && reverse == t.reversed {
			return access, nil
		}
		turned := *t
		turned.reversed, turned.lookup = reverse, nil
		table, err := node.WithTable(ctx, &turned)
		if err != nil {
			return nil, err
		}
		return plan.NewIndexedAccessForTableNode(ctx, table.(sql.TableNode), plan.NewLookupBuilder(ctx, ix, by, null))
	}
	return nil, nil
}
