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
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// groupEnds has a scan of an index return a row of each group of rows that have the same values of its first columns, and where they are wanted, the
// rows with the least and the greatest value of the column behind those, within a bound of that: it goes from group to group. The groups, their DISTINCT, MIN and MAX are
// the same as those of all rows.
//
// Source: MySQL's loose index scan.
type groupEnds struct {
	columns  int
	min, max bool
	bound    *sql.MySQLRangeColumnExpr // what is wanted of the column, nil: all
	groups   float64                   // how many there are, an estimate
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
	if f, ok := child.(*plan.Filter); ok && end != nil {
		var err error
		if ends.bound, err = boundOf(ctx, f.Expression, end.(*expression.GetField)); ends.bound == nil || err != nil {
			return n, transform.SameTree, err
		}
		child = f.Child
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
	given, taken := ends.bound, lookup
	for _, x := range indexes {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix {
			continue
		}
		rows := float64(st.rowCount())
		if ends.bound, lookup = given, taken; lookup != nil && lookup.Index.ID() != ix.ID() {
			if ends.bound = onlyBound(lookup, end, id); ends.bound == nil || given != nil {
				continue
			}
			if n, known := st.estimate(ctx, *lookup); known {
				rows = n
			}
			lookup = nil
		}
		if !ix.ends(&ends, lookup, by, end, id) {
			continue
		}
		distinct, known := st.cardinality(ix.def, ends.columns).(uint64)
		seeks := 1.0
		if ends.bound != nil || ends.min && ends.max || ends.max != ix.def.Columns[min(ends.columns, len(ix.columns)-1)].Desc {
			seeks++
		}
		if ends.groups = float64(distinct); !known || rows < rowsPerSeek*seeks*max(1, ends.groups) {
			continue
		}
		if lookup == nil {
			l, err := sql.NewMySQLIndexBuilder(ctx, ix).Build(ctx)
			if err != nil {
				return nil, err
			}
			lookup = &l
		} else if ends.bound != nil {
			lookup.Ranges = groupRanges(lookup.Ranges.(sql.MySQLRangeCollection), ends.columns)
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
	if ends.columns = at; end != nil {
		if c := ordinal(end); slices.Contains(grouped, c) || at == len(ix.extended) || ix.extended[at] != c {
			return false
		}
	}
	var bound *sql.MySQLRangeColumnExpr
	for i, r := range ranges { // each group is in it or is not, or has the same of the column
		for j, c := range r[min(at, len(r)):] {
			if !bounded(c) {
				continue
			}
			if end == nil || j > 0 || c.Type() == sql.RangeType_EqualNull {
				return false
			}
			if i == 0 {
				bound = &r[at]
			}
		}
		if end == nil {
			continue
		}
		if all := len(r) <= at || !bounded(r[at]); all != (bound == nil) {
			return false
		} else if all {
			continue
		}
		if same, err := bound.Equals(value.NoContext(), r[at]); err != nil || !same {
			return false
		}
	}
	switch {
	case bound == nil:
	case ends.bound == nil:
		ends.bound = bound
	default:
		both, some, err := bound.TryIntersect(value.NoContext(), *ends.bound)
		ends.bound = &both
		return some && err == nil
	}
	return true
}

// bounded reports whether a range is not all values of its column.
func bounded(c sql.MySQLRangeColumnExpr) bool {
	return c.HasLowerBound() || c.HasUpperBound() || c.Type() == sql.RangeType_EqualNull
}

// onlyBound returns the range of a table's column that a lookup is of, nil if it is of more.
func onlyBound(l *sql.IndexLookup, column sql.Expression, table sql.TableId) *sql.MySQLRangeColumnExpr {
	f, ok := column.(*expression.GetField)
	ix, ours := l.Index.(*Index)
	ranges, _ := l.Ranges.(sql.MySQLRangeCollection)
	if !ok || !ours || f.TableId() != table || len(ranges) != 1 || ranges[0][0].Type() == sql.RangeType_EqualNull ||
		slices.ContainsFunc(ranges[0][1:], bounded) || ix.hasPrefix || ix.pseudo != nil || ix.shape.schema.IndexOfColName(f.Name()) != ix.columns[0] {
		return nil
	}
	return &ranges[0][0]
}

// groupRanges returns ranges of whole groups by so many columns.
func groupRanges(ranges sql.MySQLRangeCollection, columns int) sql.MySQLRangeCollection {
	out := slices.Clone(ranges)
	for i, r := range out {
		out[i] = r[:columns]
	}
	return out
}

// boundOf returns the range of a column that a condition leaves of it, nil if it says something else.
func boundOf(ctx *sql.Context, e sql.Expression, column *expression.GetField) (*sql.MySQLRangeColumnExpr, error) {
	t := column.Type(ctx)
	out := sql.NotNullRangeColumnExpr(t)
	for _, c := range expression.SplitConjunction(ctx, e) {
		op, of, v, literal := planrule.LiteralBound(ctx, c)
		if !literal || of.Id() != column.Id() {
			return nil, nil
		}
		given, err := v.Eval(ctx, nil)
		if err != nil {
			return nil, err
		}
		switch {
		case types.IsInteger(t) && types.IsInteger(v.Type(ctx)):
		case types.IsTime(t) && (types.IsTime(v.Type(ctx)) || types.IsTextOnly(v.Type(ctx))):
		default:
			return nil, nil
		}
		key, inRange, err := t.Convert(ctx, given)
		if err != nil || inRange != sql.InRange {
			return nil, nil
		}
		as := v.Type(ctx)
		if types.IsTime(t) {
			as = types.DatetimeMaxPrecision
		}
		if same, err := as.Compare(ctx, given, key); err != nil || same != 0 {
			return nil, nil
		}
		var r sql.MySQLRangeColumnExpr
		switch op {
		case sql.IndexScanOpEq:
			r = sql.ClosedRangeColumnExpr(key, key, t)
		case sql.IndexScanOpLt:
			r = sql.LessThanRangeColumnExpr(key, t)
		case sql.IndexScanOpLte:
			r = sql.LessOrEqualRangeColumnExpr(key, t)
		case sql.IndexScanOpGt:
			r = sql.GreaterThanRangeColumnExpr(key, t)
		case sql.IndexScanOpGte:
			r = sql.GreaterOrEqualRangeColumnExpr(key, t)
		}
		var some bool
		if out, some, err = out.TryIntersect(ctx, r); err != nil || !some {
			return nil, err
		}
	}
	return &out, nil
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
	if ends.bound != nil {
		if err := g.within(ctx, group); err != nil {
			return err
		}
	} else if ends.min || ends.max {
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

// within finds the ends of a group that are within the bound, in place of its first row.
func (g *endRows) within(ctx *sql.Context, group engine.Range) error {
	k, ends := g.lookup.space, g.t.ends
	g.found = g.found[:0]
	s, some, err := k.span(ctx, ends.columns, *ends.bound)
	if err != nil || !some {
		return err
	}
	if s.hi != nil {
		group.Hi = slices.Concat(group.Lo, s.hi)
	}
	group.Lo = slices.Concat(group.Lo, s.lo)
	for _, greatest := range []bool{false, true} {
		if greatest && ends.max || !greatest && ends.min {
			if _, _, err := g.first(ctx, []engine.Range{group}, greatest != k.parts[ends.columns].Desc); err != nil {
				return err
			}
		}
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
