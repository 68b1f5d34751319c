package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// firingTable is the table that a statement writes, with triggers around each row.
type firingTable struct {
	sql.Node
	table sql.Table
	f     *firing
	// rows: the node's rows are those of an UPDATE, and fire its BEFORE triggers.
	rows bool
}

var (
	_ sql.InsertableTable  = (*firingTable)(nil)
	_ sql.ReplaceableTable = (*firingTable)(nil)
	_ sql.UpdatableTable   = (*firingTable)(nil)
	_ sql.DeletableTable   = (*firingTable)(nil)
	_ sql.TableWrapper     = (*firingTable)(nil)
)

// Underlying implements sql.TableWrapper.
func (t *firingTable) Underlying() sql.Table { return t.table }

// Name implements sql.Table.
func (t *firingTable) Name() string { return t.table.Name() }

// String implements sql.Node.
func (t *firingTable) String() string { return t.Node.String() }

// Schema implements sql.Node.
func (t *firingTable) Schema(ctx *sql.Context) sql.Schema { return t.table.Schema(ctx) }

// Collation implements sql.Table.
func (t *firingTable) Collation() sql.CollationID { return t.table.Collation() }

// Partitions implements sql.Table.
func (t *firingTable) Partitions(ctx *sql.Context) (sql.PartitionIter, error) {
	return t.table.Partitions(ctx)
}

// PartitionRows implements sql.Table.
func (t *firingTable) PartitionRows(ctx *sql.Context, p sql.Partition) (sql.RowIter, error) {
	return t.table.PartitionRows(ctx, p)
}

// Children implements sql.Node.
func (t *firingTable) Children() []sql.Node { return []sql.Node{t.Node} }

// Inserter implements sql.InsertableTable.
func (t *firingTable) Inserter(ctx *sql.Context) sql.RowInserter {
	e := t.table.(sql.InsertableTable).Inserter(ctx)
	t.f.editor = e
	return &firingEditor{EditOpenerCloser: e, Closer: e, f: t.f, inserter: e}
}

// Replacer implements sql.ReplaceableTable.
func (t *firingTable) Replacer(ctx *sql.Context) sql.RowReplacer {
	e := t.table.(sql.ReplaceableTable).Replacer(ctx)
	t.f.editor = e
	return &firingEditor{EditOpenerCloser: e, Closer: e, f: t.f, inserter: e, deleter: e}
}

// Updater implements sql.UpdatableTable.
func (t *firingTable) Updater(ctx *sql.Context) sql.RowUpdater {
	e := t.table.(sql.UpdatableTable).Updater(ctx)
	if t.f.editor == nil { // that of the rows; the planner makes others of a join
		t.f.editor = e
	}
	return &firingEditor{EditOpenerCloser: e, Closer: e, f: t.f, updater: e, fired: t.rows}
}

// Deleter implements sql.DeletableTable.
func (t *firingTable) Deleter(ctx *sql.Context) sql.RowDeleter {
	e := t.table.(sql.DeletableTable).Deleter(ctx)
	t.f.editor = e
	return &firingEditor{EditOpenerCloser: e, Closer: e, f: t.f, deleter: e}
}

// firingEditor writes rows and fires their triggers; those of BEFORE INSERT have been
// fired when a row comes here.
type firingEditor struct {
	sql.EditOpenerCloser
	sql.Closer
	f        *firing
	inserter sql.RowInserter
	updater  sql.RowUpdater
	deleter  sql.RowDeleter
	fired    bool // BEFORE UPDATE has been fired for a row that comes here
}

// Insert implements sql.RowInserter.
func (e *firingEditor) Insert(ctx *sql.Context, r sql.Row) error {
	if err := e.inserter.Insert(ctx, r); err != nil {
		return err
	}
	return e.f.fire(ctx, "after", "insert", nil, r)
}

// kept fires for a row of a join that an UPDATE leaves as it is. One that a BEFORE trigger changes comes to the editor.
func (f *firing) kept(ctx *sql.Context, old, new sql.Row) error {
	exact := exactRow(f.schema) // as the join compares rows
	if same, err := old.Equals(ctx, new, exact); err != nil || !same {
		return err
	}
	if err := f.fire(ctx, "before", "update", old, new); err != nil {
		return err
	}
	same, err := old.Equals(ctx, new, exact)
	if f.ahead = !same; err != nil || !same {
		return err
	}
	if err := f.fire(ctx, "after", "update", old, new); err != nil || f.editor == nil {
		return err
	}
	f.editor.StatementBegin(ctx) // it stays if IGNORE passes the next row over
	return nil
}

// before makes what is generated of a row that an UPDATE writes, and fires its BEFORE triggers.
func (f *firing) before(ctx *sql.Context, old, new sql.Row) error {
	if err := f.make(ctx, new, !f.upserts); err != nil { // the planner has set what ON UPDATE sets of an upsert
		return err
	}
	return f.fire(ctx, "before", "update", old, new)
}

// Update implements sql.RowUpdater.
func (e *firingEditor) Update(ctx *sql.Context, old, new sql.Row) error {
	if !e.fired {
		if !e.f.upserts { // whoever counts those looks at what the triggers have made of the row
			new = new.Copy()
		}
		if e.f.ahead {
			e.f.ahead = false
		} else if err := e.f.before(ctx, old, new); err != nil {
			return err
		}
		for _, c := range e.f.checks {
			if v, err := sql.EvaluateCondition(ctx, c.Expr, new); err != nil {
				return err
			} else if c.Enforced && sql.IsFalse(v) {
				return sql.ErrCheckConstraintViolated.New(c.Name)
			}
		}
		for _, c := range e.f.derived {
			if new[c.at] == nil && !e.f.schema[c.at].Nullable {
				return sql.ErrInsertIntoNonNullableProvidedNull.New(e.f.schema[c.at].Name)
			}
		}
	}
	if e.f.upserts { // one that changes nothing is none
		if same, err := old.Equals(ctx, new, exactRow(e.f.schema)); err != nil || same {
			return err
		}
	}
	if err := e.updater.Update(ctx, old, new); err != nil {
		return err
	}
	return e.f.fire(ctx, "after", "update", old, new)
}

// Delete implements sql.RowDeleter.
func (e *firingEditor) Delete(ctx *sql.Context, r sql.Row) error {
	if err := e.f.fire(ctx, "before", "delete", r, nil); err != nil {
		return err
	}
	if err := e.deleter.Delete(ctx, r); err != nil {
		return err
	}
	return e.f.fire(ctx, "after", "delete", r, nil)
}

// firingRows are the rows of an INSERT, changed by its BEFORE triggers.
type firingRows struct {
	sql.Node
	f      *firing
	insert *plan.InsertInto
}

// Children implements sql.Node.
func (n *firingRows) Children() []sql.Node { return []sql.Node{n.Node} }

// WithChildren implements sql.Node.
func (n *firingRows) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 1)
	}
	return &firingRows{Node: children[0], f: n.f, insert: n.insert}, nil
}

// firingIter fires BEFORE triggers for each of its rows.
type firingIter struct {
	sql.RowIter
	f      *firing
	insert *plan.InsertInto // nil: an UPDATE
	exact  sql.Schema       // see exactSchema
	counts int              // the column with AUTO_INCREMENT, -1: none
	keeps  bool             // NULL in a column that does not take it is the implicit default
	row    int
	a      value.Assigner
}

// Next implements sql.RowIter.
func (i *firingIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.RowIter.Next(ctx)
	if err != nil {
		return r, err
	}
	if i.insert == nil {
		return r, i.update(ctx, r[:len(r)/2], r[len(r)/2:])
	}
	own := r[len(r)-len(i.f.schema):]
	var given any
	counted := i.counts >= 0 && i.insert.FirstGeneratedAutoIncRowIdx >= 0 && i.row >= i.insert.FirstGeneratedAutoIncRowIdx
	i.row++
	if counted { // a trigger sees none that will be generated
		given, own[i.counts] = own[i.counts], i.f.schema[i.counts].Type.Zero()
	}
	if err := i.f.fire(ctx, "before", "insert", nil, own); err != nil {
		return nil, err
	}
	if counted {
		if v, ok := counterValue(own[i.counts]); own[i.counts] == nil || ok && v == 0 {
			own[i.counts] = given
		}
	}
	filled := false
	for n, c := range i.f.schema {
		if own[n] == nil && !c.Nullable && !c.Virtual && !c.AutoIncrement && i.keeps {
			own[n], filled = i.a.Null(ctx, c.Name, c.Type, false), true
		}
	}
	if filled {
		return r, i.f.make(ctx, own, false)
	}
	return r, nil
}

// update fires for a row of an UPDATE. One that stays as it is does not come to the editor.
func (i *firingIter) update(ctx *sql.Context, old, new sql.Row) error {
	if err := i.f.fire(ctx, "before", "update", old, new); err != nil {
		return err
	}
	if same, err := old.Equals(ctx, new, i.exact); err != nil || !same {
		return err
	}
	return i.f.fire(ctx, "after", "update", old, new)
}

// firingRows builds rows that fire BEFORE triggers; insert is nil for those of an UPDATE.
func (b *builder) firingRows(ctx *sql.Context, n sql.Node, f *firing, insert *plan.InsertInto, r sql.Row) (sql.RowIter, error) {
	it, err := b.base.Build(ctx, n, r)
	if err != nil {
		return nil, err
	}
	i := &firingIter{RowIter: it, f: f, insert: insert, exact: exactRow(f.schema), counts: -1}
	if insert != nil {
		i.a.Ignore = insert.Ignore
		i.keeps = i.a.Lenient(ctx) && (insert.Ignore || valueRows(ctx, n) != 1)
	}
	for k, c := range f.schema {
		if c.AutoIncrement {
			i.counts = k
		}
	}
	return i, nil
}

// fireInsert makes an INSERT fire triggers. Its source has the columns' types.
func (s *Session) fireInsert(ctx *sql.Context, n *plan.InsertInto) error {
	f, err := s.firingOf(ctx, tableOf(n.Destination))
	if f == nil || err != nil {
		return err
	}
	f.schema, f.checks = n.Destination.Schema(ctx), n.Checks()
	if n.OnDupExprs.HasDerivedUpdates() {
		f.derive(ctx, n.OnDupExprs.DerivedUpdateExprs(), "")
	}
	f.upserts = true
	for i, c := range f.schema {
		if c.Generated != nil {
			f.derived = append(f.derived, derivedColumn{i, f.own(ctx, c.Generated)})
		}
	}
	if f.has("before", "insert") {
		if a, ok := n.Source.(*assigned); ok {
			a.fires = true
		}
		n.Source = &firingRows{Node: n.Source, f: f, insert: n}
	}
	wrapped := func(d sql.Node) (sql.Node, error) {
		table, err := plan.GetInsertable(d)
		return &firingTable{Node: d, table: table, f: f}, err
	}
	if d, ok := n.Destination.(*plan.InsertDestination); ok {
		c := *d
		c.Child, err = wrapped(d.Child)
		n.Destination = &c
		return err
	}
	n.Destination, err = wrapped(n.Destination)
	return err
}

// update builds an UPDATE.
func (b *builder) update(ctx *sql.Context, s *Session, n *plan.Update, r sql.Row) (sql.RowIter, error) {
	child, err := exactly(ctx, n.Child, n.IsJoin)
	if err != nil {
		return nil, err
	}
	c := *n
	c.Child = child
	if fires, err := s.fireUpdate(ctx, &c); err != nil {
		return nil, err
	} else if fires != nil {
		c = *fires
	}
	return b.plain(ctx, s, &c, r)
}

// fireUpdate returns an UPDATE that fires triggers, or that has constraints of several tables;
// nil if there are none.
func (s *Session) fireUpdate(ctx *sql.Context, n *plan.Update) (*plan.Update, error) {
	c := *n
	var exprs []sql.Expression
	var join *plan.UpdateJoin
	transform.Inspect(n.Child, func(x sql.Node) bool {
		switch x := x.(type) {
		case *plan.UpdateJoin:
			join = x
		case *plan.UpdateSource:
			exprs = x.UpdateExprs.DerivedUpdateExprs()
		}
		return exprs == nil
	})
	if join == nil {
		f, err := s.firingOf(ctx, tableUnder(n.Child))
		if f == nil || err != nil {
			return nil, err
		}
		table, err := plan.GetUpdatable(n.Child)
		c.Child = &firingTable{Node: n.Child, table: table, f: f, rows: true}
		f.derive(ctx, exprs, "")
		return &c, err
	}
	fires := false
	targets := map[string]sql.Node{}
	source := *join.Child.(*plan.UpdateSource)
	source.UpdateExprs = plan.NewUpdateExprs(source.UpdateExprs.ExplicitUpdateExprs(), len(source.UpdateExprs.ExplicitUpdateExprs()))
	for name, target := range join.UpdateTargets {
		targets[name] = target
		f, err := s.firingOf(ctx, tableUnder(target))
		if err != nil {
			return nil, err
		}
		if f == nil {
			f = &firing{s: s, schema: tableUnder(target).live(ctx).schema}
		}
		f.checks = slices.DeleteFunc(slices.Clone(n.Checks()), func(c *sql.CheckConstraint) bool {
			o, ok := c.Expr.(*ownCheck)
			return !ok || o.target != name
		})
		table, err := plan.GetUpdatable(target)
		if err != nil {
			return nil, err
		}
		f.derive(ctx, exprs, name)
		if len(f.triggers)+len(f.checks)+len(f.derived) > 0 {
			targets[name], fires = &firingTable{Node: target, table: table, f: f}, true
		}
		if rows, ok := source.Child.(*joinedRows); ok && len(f.triggers) > 0 {
			rows.fires(name, f)
		}
	}
	aliased, err := s.byAliases(ctx, join, targets)
	if err != nil || !fires && !aliased {
		return nil, err
	}
	c.Child, _, err = transform.Node(ctx, n.Child, func(_ *sql.Context, x sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if x == join {
			return plan.NewUpdateJoin(targets, &source), transform.NewTree, nil
		}
		return x, transform.SameTree, nil
	})
	return c.WithChecks(nil).(*plan.Update), err
}

// tableUnder returns the table that a node writes, nil if it is none of ours.
func tableUnder(n sql.Node) (t *Table) {
	transform.Inspect(n, func(n sql.Node) bool {
		if t == nil && n != nil {
			t = tableOf(n)
		}
		return t == nil
	})
	return t
}

// derivedColumn is a column whose value depends on others.
type derivedColumn struct {
	at   int
	expr sql.Expression
}

// derive notes what an UPDATE assigns to columns that depend on others; table is how a
// join names the table.
func (f *firing) derive(ctx *sql.Context, exprs []sql.Expression, table string) {
	for _, e := range exprs {
		set, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		column, ok := set.LeftChild.(*expression.GetField)
		if !ok || table != "" && !syntax.SameName(column.Table(), table) {
			continue
		}
		if at := f.schema.IndexOfColName(column.Name()); at >= 0 {
			f.derived = append(f.derived, derivedColumn{at, f.own(ctx, set.RightChild)})
		}
	}
}

// own returns an expression of a statement as one of the table's rows.
func (f *firing) own(ctx *sql.Context, e sql.Expression) sql.Expression {
	out, _, err := transform.Expr(ctx, e, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		if column, ok := e.(*expression.GetField); ok {
			if at := f.schema.IndexOfColName(column.Name()); at >= 0 {
				return column.WithIndex(at), transform.NewTree, nil
			}
		}
		return e, transform.SameTree, nil
	})
	if err != nil {
		return e
	}
	return out
}

// namedColumns gives the columns of projections the aliases of their tables, by which a DELETE finds what is
// its table's in a row. The planner makes projections of NOT EXISTS and NOT IN with the names of the tables.
func namedColumns(ctx *sql.Context, n sql.Node) (sql.Node, error) {
	names := map[sql.TableId]string{}
	transform.Inspect(n, func(n sql.Node) bool {
		t, ok := n.(plan.TableIdNode)
		if ok {
			names[t.Id()] = t.Name()
		}
		return n != nil && !ok
	})
	n, _, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		p, ok := n.(*plan.Project)
		if !ok {
			return n, transform.SameTree, nil
		}
		return transform.OneNodeExpressions(ctx, p, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			f, ok := e.(*expression.GetField)
			if name := ""; ok {
				if name, ok = names[f.TableId()]; ok && f.Table() != name {
					return f.WithTable(name), transform.NewTree, nil
				}
			}
			return e, transform.SameTree, nil
		})
	})
	return n, err
}

// delete builds a DELETE.
func (b *builder) delete(ctx *sql.Context, s *Session, n *plan.DeleteFrom, r sql.Row) (sql.RowIter, error) {
	targets := append([]sql.Node(nil), n.GetDeleteTargets()...)
	child, err := namedColumns(ctx, n.Child)
	if err != nil {
		return nil, err
	}
	changed := false
	for i, target := range targets {
		f, err := s.firingOf(ctx, tableUnder(target))
		if err != nil {
			return nil, err
		}
		table, err := plan.GetDeletable(target)
		if err != nil {
			return nil, err
		}
		of := joinedAs(child, target, table.Name())
		if f == nil && of == nil {
			continue
		}
		if f != nil {
			fires := &firingTable{Node: target, table: table, f: f}
			targets[i], table = fires, fires
		}
		if of != nil {
			targets[i] = &joinedTable{firingTable{Node: targets[i], table: table}, of}
		}
		changed = true
	}
	if s.ignores() {
		count, err := s.ignoring(targets)
		if err != nil {
			return nil, err
		}
		rows, err := b.plain(ctx, s, plan.NewDeleteFrom(child, targets, true), r)
		return &ignoringRows{rows, count}, err
	}
	c := plan.NewDeleteFrom(&strictSource{child}, targets, changed || n.HasExplicitTargets())
	c.Returning = n.Returning
	return b.plain(ctx, s, c, r)
}
