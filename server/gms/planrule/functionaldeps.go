package planrule

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"

	"sextant/server/gms/function"
)

// fact is a functional dependency: rows with the same values of some columns have the same values of others.
type fact struct{ from, to sql.ColSet }

// dependencies are which columns of a FROM have one value among rows with the same values of what was added.
type dependencies struct {
	ctx            *sql.Context
	columns        sql.ColSet // of the FROM
	derivedColumns sql.ColSet // of its views and derived tables
	tables         sets.FastIntSet
	facts          []fact
	derived        []*plan.SubqueryAlias
	known          sql.ColSet
	texts          map[string]bool                 // of expressions that are known
	defs           map[sql.ColumnId]sql.Expression // what aliases stand for
}

// newDependencies returns what is known of a FROM with its WHERE.
func newDependencies(ctx *sql.Context, from sql.Node) *dependencies {
	d := &dependencies{ctx: ctx, texts: map[string]bool{}, tables: tablesOf(from)}
	d.facts = d.gather(from, sql.ColSet{})
	return d
}

// refusedColumns adds the columns that a condition refuses as NULL.
func (d *dependencies) refusedColumns(condition sql.Expression, to *sql.ColSet) {
	if condition == nil {
		return
	}
	for _, e := range expression.SplitConjunction(d.ctx, condition) {
		for _, o := range refusedAsNull(e) {
			if f, ok := o.(*expression.GetField); ok {
				to.Add(f.Id())
			}
		}
	}
}

// refusedAsNull returns the operands of a condition that does not hold if one of them is NULL.
func refusedAsNull(e sql.Expression) []sql.Expression {
	switch e := e.(type) {
	case *expression.Not:
		if isNull, ok := e.Child.(*expression.IsNull); ok {
			return isNull.Children()
		}
		switch e.Child.(type) {
		case *expression.IsTrue, *expression.Between:
			return nil // IS NOT TRUE holds
		}
		return refusedAsNull(e.Child)
	case *expression.NullSafeEquals:
		return nil
	case *expression.Between, *expression.Like, *expression.IsTrue:
		return e.Children()
	case *expression.InTuple, *plan.InSubquery:
		return e.Children()[:1]
	case expression.Comparer:
		return e.Children()
	}
	return nil
}

// gather returns the facts of a part of the FROM. What is above it refuses some columns as NULL.
func (d *dependencies) gather(n sql.Node, refused sql.ColSet) []fact {
	refused = refused.Copy()
	switch n := n.(type) {
	case *plan.Filter:
		d.refusedColumns(n.Expression, &refused)
		return append(d.gather(n.Child, refused), d.equalities(n.Expression, sql.ColSet{}, sql.ColSet{})...)
	case *plan.JoinNode:
		strong, weak := n.Left(), n.Right()
		switch {
		case n.Op.IsFullOuter():
			strong, weak = nil, nil
		case n.Op.IsRightOuter() || n.Op == plan.JoinTypeLateralRight:
			strong, weak = weak, strong
		case !n.Op.IsLeftOuter() && n.Op != plan.JoinTypeLateralLeft || columnsBelow(weak).Intersects(refused): // or WHERE refuses the rows that find none
			d.refusedColumns(n.Filter, &refused)
			facts := append(d.gather(strong, refused), d.gather(weak, refused)...)
			return append(facts, d.equalities(n.Filter, sql.ColSet{}, sql.ColSet{})...)
		}
		if weak == nil {
			d.gather(n.Left(), refused)
			d.gather(n.Right(), refused)
			return nil
		}
		facts := d.gather(strong, refused)
		d.refusedColumns(n.Filter, &refused)
		found := d.gather(weak, refused)
		inner := columnsBelow(weak)
		var guard sql.ColSet // what decides, of a row, whether it finds one
		if n.Filter != nil {
			guard = d.columnsIn(n.Filter).Difference(inner)
		}
		for _, f := range found {
			if f.from.Empty() {
				f.from = guard
			}
			facts = append(facts, f)
		}
		return append(facts, d.equalities(n.Filter, inner, guard)...)
	case *plan.SubqueryAlias:
		d.columns.UnionWith(n.Columns())
		d.derivedColumns.UnionWith(n.Columns())
		d.derived = append(d.derived, n)
	case plan.TableIdNode:
		d.columns.UnionWith(n.Columns())
		return d.keys(n, refused)
	}
	return nil
}

// columnsBelow returns the columns of a part of a FROM.
func columnsBelow(n sql.Node) (out sql.ColSet) {
	if t, ok := n.(plan.TableIdNode); ok {
		return t.Columns()
	}
	for _, c := range n.Children() {
		out.UnionWith(columnsBelow(c))
	}
	return out
}

// columnsIn returns the columns that an expression has, the outer ones of its subqueries too.
func (d *dependencies) columnsIn(e sql.Expression) (out sql.ColSet) {
	sql.Inspect(d.ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if f, ok := e.(*expression.GetField); ok {
			out.Add(f.Id())
		}
		return true
	})
	for _, e := range outerColumns(d.ctx, e, d.tables) {
		out.Add(e.(*expression.GetField).Id())
	}
	return out.Intersection(d.columns)
}

// equalities returns what the equalities of a condition say. Those of an outer join are about the columns of its inner
// side alone, and what they equal decides together with guard.
func (d *dependencies) equalities(condition sql.Expression, inner, guard sql.ColSet) (out []fact) {
	if condition == nil {
		return nil
	}
	for _, e := range expression.SplitConjunction(d.ctx, condition) {
		var sides []sql.Expression
		switch e := e.(type) {
		case *expression.Equals, *expression.NullSafeEquals:
			sides = e.Children()
		case *expression.IsNull:
			sides = []sql.Expression{e.Child, expression.NewLiteral(nil, e.Child.Type(d.ctx))}
		default:
			continue
		}
		for i, side := range sides {
			f, ok := side.(*expression.GetField)
			if !ok || !d.columns.Contains(f.Id()) || !inner.Empty() && !inner.Contains(f.Id()) {
				continue
			}
			from := d.columnsIn(sides[1-i])
			if !inner.Empty() && (from.Empty() || !from.SubsetOf(inner)) {
				from = from.Union(guard)
			}
			out = append(out, fact{from, sql.NewColSet(f.Id())})
		}
	}
	return out
}

// keys returns the facts of a table's unique keys, of those columns that are not NULL, and of its generated columns.
func (d *dependencies) keys(n plan.TableIdNode, notNull sql.ColSet) (out []fact) {
	var node sql.Node = n
	for {
		a, ok := node.(*plan.TableAlias)
		if !ok {
			break
		}
		node = a.Child
	}
	t, ok := node.(*plan.ResolvedTable)
	if !ok {
		return nil
	}
	indexed, ok := t.UnderlyingTable().(sql.IndexAddressableTable)
	if !ok {
		return nil
	}
	if t, hinted := indexed.(interface {
		Unhinted() sql.IndexAddressableTable
	}); hinted {
		indexed = t.Unhinted()
	}
	indexes, err := indexed.GetIndexes(d.ctx)
	if err != nil {
		return nil
	}
	ids := map[string]sql.ColumnId{}
	schema := n.Schema(d.ctx)
	id, more := n.Columns().Next(1)
	for i := 0; more && i < len(schema); i++ {
		ids[strings.ToLower(schema[i].Name)] = id
		if !schema[i].Nullable {
			notNull.Add(id)
		}
		id, more = n.Columns().Next(id + 1)
	}
	for _, c := range schema {
		if c.Generated == nil || c.Generated.Expr == nil {
			continue
		}
		var from sql.ColSet
		found := true
		sql.Inspect(d.ctx, c.Generated.Expr, func(_ *sql.Context, e sql.Expression) bool {
			if f, ok := e.(sql.Nameable); ok && len(e.Children()) == 0 {
				id, ok := ids[strings.ToLower(f.Name())]
				if found = found && ok; found {
					from.Add(id)
				}
			}
			return true
		})
		if id, ok := ids[strings.ToLower(c.Name)]; ok && found {
			out = append(out, fact{from, sql.NewColSet(id)})
		}
	}
	for _, ix := range indexes {
		var key sql.ColSet
		whole := ix.IsUnique() && !slices.ContainsFunc(ix.PrefixLengths(), func(n uint16) bool { return n > 0 })
		for _, e := range ix.Expressions() {
			id, ok := ids[strings.ToLower(e[strings.LastIndexByte(e, '.')+1:])]
			if whole = whole && ok && notNull.Contains(id); !whole {
				break
			}
			key.Add(id)
		}
		if whole {
			out = append(out, fact{key, n.Columns()})
		}
	}
	return out
}

// add adds an expression by which rows are grouped.
func (d *dependencies) add(e sql.Expression) {
	if a, ok := e.(*expression.Alias); ok {
		e = a.Child
	}
	if f, ok := e.(*expression.GetField); ok {
		if d.known.Add(f.Id()); d.defs[f.Id()] != nil && !d.columns.Contains(f.Id()) {
			d.add(d.defs[f.Id()])
		}
		return
	}
	d.texts[sql.DebugString(d.ctx, e)] = true
}

// close adds what follows from what is known.
func (d *dependencies) close() {
	for size := -1; size < d.known.Len(); {
		size = d.known.Len()
		for _, f := range d.facts {
			if f.from.SubsetOf(d.known) {
				d.known.UnionWith(f.to)
			}
		}
		for _, a := range d.derived {
			d.within(a)
		}
	}
}

// within adds what follows in a derived table or a view.
func (d *dependencies) within(a *plan.SubqueryAlias) {
	if a.ScopeMapping == nil || a.Columns().SubsetOf(d.known) {
		return
	}
	defs := map[sql.ColumnId]sql.Expression{}
	var group *plan.GroupBy
	from := a.Child
peel:
	for {
		switch n := from.(type) {
		case *plan.Project:
			addDefs(defs, n.Projections)
			from = n.Child
		case *plan.Limit, *plan.Offset, *plan.Sort, *plan.TopN, *plan.Distinct, *plan.Having:
			from = n.Children()[0]
		case *plan.GroupBy:
			group, from = n, n.Child
			break peel
		case *plan.Filter, *plan.JoinNode, plan.TableIdNode:
			break peel
		default:
			return
		}
	}
	inner := newDependencies(d.ctx, from)
	inner.defs = defs
	some := false
	a.Columns().ForEach(func(id sql.ColumnId) {
		if d.known.Contains(id) && a.ScopeMapping[id] != nil {
			some = true
			inner.add(a.ScopeMapping[id])
		}
	})
	inner.close()
	all := group != nil
	if all {
		for _, e := range group.GroupByExprs {
			all = all && inner.open(e) == nil
		}
	}
	if !some && !all {
		return
	}
	a.Columns().ForEach(func(id sql.ColumnId) {
		if m := a.ScopeMapping[id]; all || m != nil && inner.determined(m) {
			d.known.Add(id)
		}
	})
}

// determined reports whether an expression of columns of the FROM is known.
func (d *dependencies) determined(e sql.Expression) bool {
	if f, ok := e.(*expression.GetField); ok && !d.columns.Contains(f.Id()) {
		def := d.defs[f.Id()]
		return d.known.Contains(f.Id()) || def != nil && d.determined(def)
	}
	if d.texts[sql.DebugString(d.ctx, e)] {
		return true
	}
	if f, ok := e.(*expression.GetField); ok {
		return d.known.Contains(f.Id())
	}
	if _, sub := e.(*plan.Subquery); sub {
		return false
	}
	for _, c := range e.Children() {
		if !d.determined(c) {
			return false
		}
	}
	return true
}

// open returns a column of an expression that is not known, outside of aggregates, nil if there is none.
func (d *dependencies) open(e sql.Expression) *expression.GetField {
	if d.texts[sql.DebugString(d.ctx, e)] {
		return nil
	}
	switch e := e.(type) {
	case *expression.GetField:
		switch def := d.defs[e.Id()]; {
		case d.known.Contains(e.Id()):
		case d.columns.Contains(e.Id()):
			return e
		case def != nil:
			return d.open(def)
		}
		return nil
	case sql.Aggregation:
		return nil
	case *function.NamedArgument:
		if strings.HasPrefix(e.Text, AnyValue) {
			return nil
		}
	case *plan.Subquery:
		for _, c := range outerColumns(d.ctx, e, d.tables) {
			if open := d.open(c); open != nil {
				return open
			}
		}
		return nil
	}
	for _, c := range e.Children() {
		if open := d.open(c); open != nil {
			return open
		}
	}
	return nil
}
