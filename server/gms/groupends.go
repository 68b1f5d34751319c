package gms

import (
	"bytes"
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/engine"
	"sextant/engine/row"
)

// groupEnds has a scan of an index return a row of each group of rows that have the same values of its first columns, and where they are wanted, the
// rows with the least and the greatest value of the column behind those: it goes from group to group. The groups, their DISTINCT, MIN and MAX are
// the same as those of all rows.
//
// Source: MySQL's loose index scan.
type groupEnds struct {
	columns  int
	min, max bool
	groups   float64 // how many there are, an estimate
}

// rowsPerSeek is how many rows of a group on average must be for each that is looked for: that costs as much as to read so many.
const rowsPerSeek = 10

// readGroups has a GROUP BY and a DISTINCT of beginnings of an index read it from group to group, where the groups are large.
func readGroups(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	var by []sql.Expression
	var end sql.Expression // the column whose ends are wanted
	ends := groupEnds{}
	child := n
	switch g := n.(type) {
	case *plan.GroupBy:
		by, child = slices.Clone(g.GroupByExprs), g.Child
		for _, e := range g.SelectDeps {
			of := e
			switch agg := e.(type) {
			case *aggregation.CountDistinct:
				by = append(by, agg.Children()...)
				continue
			case *aggregation.Min:
				of, ends.min = agg.Child, true
			case *aggregation.Max:
				of, ends.max = agg.Child, true
			default:
				if len(g.GroupByExprs) == 0 {
					return n, transform.SameTree, nil
				}
				by = append(by, e)
				continue
			}
			f, ok := of.(*expression.GetField)
			if !ok || end != nil && end.(*expression.GetField).Id() != f.Id() {
				return n, transform.SameTree, nil
			}
			end = f
		}
	case *plan.Distinct:
		p, ok := g.Child.(*plan.Project)
		if !ok {
			return n, transform.SameTree, nil
		}
		by, child = p.Projections, p.Child
	}
	if len(by) == 0 {
		return n, transform.SameTree, nil
	}
	leaf, id := child, sql.TableId(0)
	if alias, ok := leaf.(*plan.TableAlias); ok {
		leaf, id = alias.Child, alias.Id()
	}
	scan, err := groupScan(ctx, leaf, id, by, end, ends)
	if scan == nil || err != nil {
		return n, transform.SameTree, err
	}
	return withLeaf(ctx, n, leaf, scan)
}

// groupScan returns the scan from group to group of a table, which is read whole or by an index; nil if no index has the groups and the ends
// of a column, or they are small.
func groupScan(ctx *sql.Context, leaf sql.Node, id sql.TableId, by []sql.Expression, end sql.Expression, ends groupEnds) (sql.Node, error) {
	var lookup *sql.IndexLookup
	var node sql.TableNode
	switch x := leaf.(type) {
	case *plan.ResolvedTable:
		node = x
	case *plan.IndexedTableAccess:
		l, ok, err := x.GetLookup(ctx, nil)
		if !x.IsStatic() || err != nil || !ok {
			return nil, err
		}
		node, lookup = x.TableNode, &l
	default:
		return nil, nil
	}
	s, ok := ctx.Session.(*Session)
	t := tableOf(node)
	mutable, is := node.(sql.MutableTableNode)
	if !ok || !is || t == nil || t.ref.lock != lockNone || t.filter != nil || t.shape.parts != nil {
		return nil, nil
	}
	if id == 0 {
		id = node.(plan.TableIdNode).Id()
	}
	st, err := s.b.stats.of(ctx, t)
	if st == nil || err != nil {
		return nil, err
	}
	indexes, err := t.GetIndexes(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range indexes {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix || lookup != nil && lookup.Index.ID() != ix.ID() || !ix.ends(&ends, lookup, by, end, id) {
			continue
		}
		distinct, known := st.cardinality(ix.def, ends.columns).(uint64)
		seeks := 1.0
		if ends.min && ends.max || ends.max != ix.def.Columns[min(ends.columns, len(ix.columns)-1)].Desc {
			seeks++
		}
		if ends.groups = float64(distinct); !known || float64(st.rowCount()) < rowsPerSeek*seeks*max(1, ends.groups) {
			continue
		}
		if lookup == nil {
			l, err := sql.NewMySQLIndexBuilder(ctx, ix).Build(ctx)
			if err != nil {
				return nil, err
			}
			lookup = &l
		}
		loose := *t
		loose.ends, loose.lookup = &ends, nil
		table, err := mutable.WithTable(ctx, &loose)
		if err != nil {
			return nil, err
		}
		return plan.NewStaticIndexedAccessForTableNode(ctx, table.(sql.TableNode), *lookup)
	}
	return nil, nil
}

// ends reports whether an index, in what a lookup takes of it, has groups of rows by columns of a table as its first columns, whose number it sets, and the column
// whose ends are wanted, if there is one, behind those.
func (ix *Index) ends(ends *groupEnds, l *sql.IndexLookup, by []sql.Expression, end sql.Expression, table sql.TableId) bool {
	ordinal := func(e sql.Expression) int {
		if alias, ok := e.(*expression.Alias); ok {
			e = alias.Child
		}
		if f, ok := e.(*expression.GetField); ok && f.TableId() == table {
			return ix.shape.schema.IndexOfColName(f.Name())
		}
		return -1
	}
	var columns []int
	for _, e := range by {
		c := ordinal(e)
		if c < 0 {
			return false
		}
		columns = append(columns, c)
	}
	at := 0
	var ranges sql.MySQLRangeCollection
	if l != nil {
		ranges, _ = l.Ranges.(sql.MySQLRangeCollection)
		if len(ranges) == 0 {
			return false
		}
		at = fixedColumns(ranges)
	}
	for at < len(ix.columns) && slices.Contains(columns, ix.columns[at]) {
		at++
	}
	if at == 0 || at > len(ix.columns) {
		return false
	}
	grouped := ix.columns[:at]
	if slices.ContainsFunc(columns, func(c int) bool { return !slices.Contains(grouped, c) }) {
		return false
	}
	for _, r := range ranges { // each group is in it or is not
		for _, c := range r[min(at, len(r)):] {
			if c.HasLowerBound() || c.HasUpperBound() || c.Type() == sql.RangeType_EqualNull {
				return false
			}
		}
	}
	ends.columns = at
	if end == nil {
		return true
	}
	c := ordinal(end)
	if slices.Contains(grouped, c) {
		return false
	}
	return at < len(ix.extended) && ix.extended[at] == c
}

// endRows are the rows of groupEnds.
type endRows struct {
	*rowIter
	tx     *engine.Tx
	o      engine.ScanOptions
	ranges []engine.Range // those that are left
	found  []sql.Row      // of the group that is read
}

// Next implements sql.RowIter.
func (g *endRows) Next(ctx *sql.Context) (sql.Row, error) {
	for len(g.found) == 0 {
		if len(g.ranges) == 0 {
			return nil, io.EOF
		}
		if err := g.group(ctx); err != nil {
			return nil, err
		}
	}
	r := g.found[0]
	g.found = g.found[1:]
	return r, nil
}

// group finds the rows of the next group.
func (g *endRows) group(ctx *sql.Context) error {
	k, ends := g.lookup.space, g.t.ends
	key, null, err := g.first(ctx, g.ranges, g.o.Reverse)
	if err != nil {
		return err
	}
	if key == nil {
		g.ranges = nil
		return nil
	}
	behind := row.PrefixEnd(key)
	group := engine.Range{Lo: key, Hi: behind, HiOpen: true}
	if ends.min || ends.max {
		desc := k.parts[ends.columns].Desc
		low, high := ends.min && !desc || ends.max && desc, ends.max && !desc || ends.min && desc
		if low && (g.o.Reverse || null && ends.min) {
			part := group
			if null && !desc || g.o.Reverse && ends.min && !desc {
				part = k.notNull(group, ends.columns)
			}
			if _, _, err := g.first(ctx, []engine.Range{part}, false); err != nil {
				return err
			}
		}
		if high && (!g.o.Reverse || null && ends.min) {
			part := group
			if desc && ends.min {
				part = k.notNull(group, ends.columns)
			}
			if _, _, err := g.first(ctx, []engine.Range{part}, true); err != nil {
				return err
			}
		}
	}
	g.ranges = slices.Clone(g.ranges)
	if g.o.Reverse {
		g.ranges = slices.DeleteFunc(g.ranges, func(r engine.Range) bool { return bytes.Compare(r.Lo, key) >= 0 })
		if last := len(g.ranges) - 1; last >= 0 && (g.ranges[last].Hi == nil || bytes.Compare(g.ranges[last].Hi, key) > 0) {
			g.ranges[last].Hi, g.ranges[last].HiOpen = key, true
		}
		return nil
	}
	g.ranges = slices.DeleteFunc(g.ranges, func(r engine.Range) bool {
		if behind == nil || r.Hi == nil {
			return behind == nil
		}
		at := bytes.Compare(r.Hi, behind)
		return at < 0 || at == 0 && r.HiOpen
	})
	if len(g.ranges) > 0 && bytes.Compare(g.ranges[0].Lo, behind) < 0 {
		g.ranges[0].Lo, g.ranges[0].LoOpen = behind, false
	}
	return nil
}

// first adds the first row of ranges, the last if reversed, to those that are found, and returns the key of its group and whether the column behind that
// is NULL; no key: there is no row.
func (g *endRows) first(ctx *sql.Context, ranges []engine.Range, reverse bool) (key []byte, null bool, err error) {
	o := g.o
	o.Ranges, o.Reverse = ranges, reverse
	if g.cur != nil {
		g.cur.Close()
	}
	if g.cur, err = g.tx.Scan(ctx, g.shape.def, o); err != nil {
		return nil, false, g.s.fail(ctx, err)
	}
	r, err := g.cur.Next(ctx)
	if err == io.EOF {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, g.s.fail(ctx, err)
	}
	if g.unfiltered {
		g.read++
	}
	k, columns := g.lookup.space, g.t.ends.columns
	for i := range columns {
		key = k.append(key, i, g.desc.Datum(r, k.parts[i].Column))
	}
	null = columns < len(k.parts) && g.desc.IsNull(r, k.parts[columns].Column)
	out, err := g.decode(r, g.columns)
	g.found = append(g.found, out)
	return key, null, err
}

// notNull returns what of a group has a value in a column behind those of the group.
func (k keySpace) notNull(group engine.Range, column int) engine.Range {
	if !k.shape.def.Columns[k.parts[column].Column].Nullable {
		return group
	}
	if k.parts[column].Desc {
		group.Hi = append(slices.Clone(group.Lo), 0xff)
	} else {
		group.Lo = append(slices.Clone(group.Lo), 1)
	}
	return group
}

// Close implements sql.RowIter.
func (g *endRows) Close(ctx *sql.Context) error {
	if g.cur == nil {
		g.s.b.rowsRead.Add(g.read)
		return nil
	}
	return g.rowIter.Close(ctx)
}
