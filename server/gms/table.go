package gms

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/fulltext"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// Table is one reference of a statement to one version of a table. What the
// planner adds to it (a projection, an index) makes a copy.
//
// A statement that changes the table's definition goes on using the Table it
// began with: everything about the definition is asked of live, which sees the
// transaction's own DDL.
type Table struct {
	db    *Database
	shape *shape
	ref   reference
	// now: reads see the newest committed rows and all own writes (foreign keys).
	now bool
	// only are the partitions to which reads and writes are limited, nil: to none; into those of writes alone.
	only, into []int
	pruned     []int // the partitions that may have rows for the condition above, nil: all

	projected  bool
	projection []string
	columns    []int // ordinals of projection
	schema     sql.Schema

	lookup   *sql.IndexLookup // set by IndexedAccess
	filter   sql.Expression   // fused into a locking scan (T-11), on full rows
	reversed bool             // what is looked up for each row of another query is read from its end
	ends     *groupEnds       // not nil: rows of groups are enough, where the scan locks none
	alias    string           // what conditions call the table while their index is chosen, "": by its name
	forced   bool             // the planner is asked for the range of the only index that is left, see choiceOf
	building bool             // the planner is about to read rows for an index that is built already
}

var (
	_ sql.Table                    = (*Table)(nil)
	_ sql.Databaseable             = (*Table)(nil)
	_ sql.TemporaryTable           = (*Table)(nil)
	_ sql.CommentedTable           = (*Table)(nil)
	_ sql.ProjectedTable           = (*Table)(nil)
	_ sql.IndexAddressableTable    = (*Table)(nil)
	_ sql.IndexedTable             = (*Table)(nil)
	_ sql.IndexBuildingTable       = (*Table)(nil)
	_ sql.ForeignKeyTable          = (*Table)(nil)
	_ sql.CheckAlterableTable      = (*Table)(nil)
	_ sql.CollationAlterableTable  = (*Table)(nil)
	_ sql.CommentAlterableTable    = (*Table)(nil)
	_ sql.PrimaryKeyAlterableTable = (*Table)(nil)
	_ sql.PrimaryKeyTable          = (*Table)(nil)
	_ sql.InsertableTable          = (*Table)(nil)
	_ sql.DeletableTable           = (*Table)(nil)
	_ sql.TruncateableTable        = (*Table)(nil)
	_ sql.AutoIncrementTable       = (*Table)(nil)
	_ sql.ReplaceableTable         = (*Table)(nil)
	_ sql.UpdatableTable           = (*Table)(nil)
	_ sql.RewritableTable          = (*Table)(nil)
	_ sql.StatisticsTable          = (*Table)(nil)
	_ sql.ReferenceChecker         = (*Table)(nil)
	_ fulltext.IndexAlterableTable = (*Table)(nil)
)

func newTable(db *Database, sh *shape, ref reference) *Table {
	return &Table{db: db, shape: ref.of(sh), ref: ref}
}

// of returns the form of a table that the reference needs.
func (r reference) of(sh *shape) *shape {
	if r.joined > 0 {
		return sh.joined(r.joined)
	}
	return sh
}

// live returns the definition with the session's uncommitted DDL.
func (t *Table) live(ctx *sql.Context) *shape {
	s, err := sessionOf(ctx)
	if err != nil || s.tx == nil || s.tx.tx == nil || s.tx.done {
		return t.shape
	}
	if _, changed := s.tx.ddl[t.shape.def.ID]; !changed {
		return t.shape
	}
	def := s.newest(t.shape.def.ID)
	if def == nil || def == t.shape.def {
		return t.shape
	}
	sh, err := t.db.b.shapes.of(ctx, def)
	if err != nil {
		return t.shape
	}
	return t.ref.of(sh)
}

// Name implements sql.Table.
func (t *Table) Name() string { return t.shape.def.Name }

// String implements sql.Table.
func (t *Table) String() string { return t.shape.def.Name }

// Database implements sql.Databaseable.
func (t *Table) Database() string { return t.db.Name() }

// Schema implements sql.Table. It has no room behind its end: the planner appends the columns of what a table is joined with, and
// other statements have the same schema.
func (t *Table) Schema(ctx *sql.Context) sql.Schema {
	if t.projected {
		return t.schema
	}
	return slices.Clip(t.live(ctx).schema)
}

// Collation implements sql.Table.
func (t *Table) Collation() sql.CollationID { return sql.CollationID(t.shape.def.Collation) }

// Comment implements sql.CommentedTable.
func (t *Table) Comment() string { return t.shape.def.Comment }

// IsTemporary implements sql.TemporaryTable.
func (t *Table) IsTemporary() bool { return t.shape.def.Temporary }

// PrimaryKeySchema implements sql.PrimaryKeyTable.
func (t *Table) PrimaryKeySchema(ctx *sql.Context) sql.PrimaryKeySchema { return t.live(ctx).pk }

// WithProjections implements sql.ProjectedTable.
func (t *Table) WithProjections(_ *sql.Context, names []string) (sql.Table, error) {
	n := *t
	n.projection, n.columns, n.schema, n.projected = nil, nil, nil, names != nil
	if names == nil {
		return &n, nil
	}
	n.projection = names
	n.columns = make([]int, len(names))
	n.schema = make(sql.Schema, len(names))
	for i, name := range names {
		o := t.shape.schema.IndexOfColName(name)
		if o < 0 {
			return nil, sql.ErrTableColumnNotFound.New(t.Name(), name)
		}
		n.columns[i], n.schema[i] = o, t.shape.schema[o]
	}
	return &n, nil
}

// Projections implements sql.ProjectedTable.
func (t *Table) Projections() []string { return t.projection }

// GetIndexes implements sql.IndexAddressable.
func (t *Table) GetIndexes(ctx *sql.Context) ([]sql.Index, error) {
	sh := t.live(ctx)
	indexes := sh.sqlIdx
	if s, ok := ctx.Session.(*Session); ok && s.b.mysql && len(indexes) < len(sh.indexes) && s.definesIndexes() {
		indexes = nil
		for _, ix := range sh.indexes {
			if ix.multi < 0 || !addsForeignKey(s.current()) { // which it serves as little
				indexes = append(indexes, ix)
			}
		}
	}
	if t.ref.hints != "" {
		indexes = slices.DeleteFunc(slices.Clone(indexes), func(ix sql.Index) bool { return !t.ref.reads(ix) })
	}
	if s, ok := ctx.Session.(*Session); ok && s.fulltextHidden {
		return planrule.WithoutFulltext(indexes), nil
	}
	return indexes, nil
}

// Unhinted returns the table without index hints: what its keys say of its rows they say none the less.
func (t *Table) Unhinted() sql.IndexAddressableTable {
	n := *t
	n.ref.hints = ""
	return &n
}

// PreciseMatch implements sql.IndexAddressable.
func (t *Table) PreciseMatch() bool { return true }

// SetReferenceCheck implements sql.ReferenceChecker, on what the editor's
// IndexedAccess returned: a parent's row is locked shared.
func (t *Table) SetReferenceCheck() error {
	t.ref.lock = lockShared
	return nil
}

// IndexedAccess implements sql.IndexAddressable.
func (t *Table) IndexedAccess(_ *sql.Context, l sql.IndexLookup) sql.IndexedTable {
	n := *t
	n.lookup = &l
	return &n
}

// RowCount implements sql.StatisticsTable. It is an estimate (T-25), of the statistics
// where there are any.
func (t *Table) RowCount(ctx *sql.Context) (uint64, bool, error) {
	if s, err := t.db.b.stats.of(ctx, t); err != nil || s != nil && s.stored.Rows > 0 {
		return s.rowCount(), false, err
	}
	st, err := t.db.b.db.TableStats(ctx, t.live(ctx).def)
	return st.Rows, false, wireError(err)
}

// DataLength implements sql.StatisticsTable.
func (t *Table) DataLength(ctx *sql.Context) (uint64, error) {
	if s, err := t.db.b.stats.of(ctx, t); err != nil || s != nil && s.dataLength() > 0 {
		return s.dataLength(), err
	}
	st, err := t.db.b.db.TableStats(ctx, t.live(ctx).def)
	return st.DataBytes, wireError(err)
}

// partition is the one partition of a table, or of a lookup in it.
type partition struct{ lookup *sql.IndexLookup }

// Key implements sql.Partition.
func (partition) Key() []byte { return []byte("table") }

type partitions struct {
	p    partition
	done bool
}

// Next implements sql.PartitionIter.
func (p *partitions) Next(*sql.Context) (sql.Partition, error) {
	if p.done {
		return nil, io.EOF
	}
	p.done = true
	return p.p, nil
}

// Close implements sql.PartitionIter.
func (p *partitions) Close(*sql.Context) error { return nil }

// Partitions implements sql.Table.
func (t *Table) Partitions(*sql.Context) (sql.PartitionIter, error) {
	done := t.building
	t.building = false
	return &partitions{done: done}, nil
}

// LookupPartitions implements sql.IndexedTable.
func (t *Table) LookupPartitions(_ *sql.Context, l sql.IndexLookup) (sql.PartitionIter, error) {
	l.IsReverse = l.IsReverse != t.reversed
	return &partitions{p: partition{lookup: &l}}, nil
}

// PartitionRows implements sql.Table.
func (t *Table) PartitionRows(ctx *sql.Context, p sql.Partition) (sql.RowIter, error) {
	part, ok := p.(partition)
	if !ok {
		return nil, fmt.Errorf("gms: partition of type %T", p)
	}
	rows, err := t.scan(ctx, part.lookup)
	if s, ok := ctx.Session.(*Session); ok && err == nil {
		rows = s.rewriting.changedValues(ctx, t, rows)
	}
	return rows, err
}

// scan returns the rows of a lookup, or all.
func (t *Table) scan(ctx *sql.Context, l *sql.IndexLookup) (sql.RowIter, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	s.tx.used = true
	sh := t.live(ctx)
	it := &rowIter{t: t, s: s, shape: sh, desc: sh.def.Desc(), columns: t.columns, zone: s.TimeZone(ctx), fill: sql.LoadSqlMode(ctx).ModeEnabled("PAD_CHAR_TO_FULL_LENGTH")}
	if !t.projected {
		it.columns = nil
	}
	o := engine.ScanOptions{ReadNow: t.now}
	if sh.parts != nil {
		if o.Parts, err = t.partsOf(ctx, sh, l); err != nil {
			return nil, err
		}
		if o.Parts != nil && len(o.Parts) == 0 {
			return sql.RowsToRowIter(), nil
		}
	}
	if _, own := s.tx.ddl[sh.def.ID]; own {
		o.ReadNow = true // nobody else sees what this transaction defined
	}
	if o.Lock, o.Wait, err = t.lockMode(s); err != nil {
		return nil, err
	}
	o.SemiConsistent = t.ref.lock == lockUpdate
	if l != nil {
		ix, ok := l.Index.(*Index)
		if !ok {
			return nil, fmt.Errorf("gms: index of type %T", l.Index)
		}
		if sh != ix.shape {
			if ix = sh.findIndex(ix.ID()); ix == nil {
				return nil, s.told(engine.ErrDefinitionChanged)
			}
		}
		if empty(*l) {
			return sql.RowsToRowIter(), nil
		}
		if ix.pseudo == nil { // others are a scan with the filter above
			if it.lookup, err = newLookup(ctx, ix, *l); err != nil {
				return nil, err
			}
			if len(it.lookup.ranges) == 0 {
				return sql.RowsToRowIter(), nil
			}
			it.reverse = l.IsReverse
			o.Index, o.Ranges, o.Reverse = ix.def, it.lookup.ranges, l.IsReverse
			o.Covering = o.Lock == engine.LockNone && t.filter == nil && ix.has(it.columns)
		}
	}
	it.record = o.Lock == engine.LockExclusive && sh.rowID >= len(sh.codecs)
	it.writes = sh.parts != nil && o.Lock == engine.LockExclusive
	o.Filter = it.filter(ctx)
	it.unfiltered = o.Filter == nil
	if t.ends != nil && it.lookup != nil && o.Lock == engine.LockNone && !o.ReadNow && sh.parts == nil {
		return &endRows{rowIter: it, tx: tx, o: o, ranges: o.Ranges}, nil
	}
	cur, err := tx.Scan(ctx, sh.def, o)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	it.cur = cur
	return it, nil
}

// lockMode returns how a scan of this reference locks (T-12), error 1290 for one that locks for writing on a reader.
func (t *Table) lockMode(s *Session) (engine.Lock, engine.WaitMode, error) {
	reader := t.db.b.readOnly.Load()
	if reader && t.ref.lock >= lockWrite {
		return engine.LockNone, engine.Wait, errReadOnly()
	}
	if reader || s.tx.readOnly {
		return engine.LockNone, engine.Wait, nil
	}
	wait := [...]engine.WaitMode{waitNormal: engine.Wait, waitNot: engine.NoWait, waitSkip: engine.SkipLocked}[t.ref.wait]
	switch t.ref.lock {
	case lockWrite, lockDelete, lockUpdate:
		return engine.LockExclusive, wait, nil
	case lockShared:
		return engine.LockShared, wait, nil
	case lockRead:
		if s.tx.isolation != engine.ReadCommitted {
			return engine.LockShared, wait, nil
		}
	case lockNone:
		if s.serializableRead() {
			return engine.LockShared, wait, nil
		}
	}
	return engine.LockNone, wait, nil
}

// rowIter decodes the rows of a cursor.
type rowIter struct {
	t          *Table
	s          *Session
	shape      *shape
	desc       *row.Desc
	columns    []int
	lookup     *lookup
	cur        *engine.Cursor
	record     bool   // note the rows of a keyless table
	writes     bool   // the rows of a partitioned table may be written
	read       uint64 // also those that the filter drops
	reverse    bool
	ended      bool // all rows are read
	settled    bool // its work is counted
	unfiltered bool
	zone       *value.TimeZone
	fill       bool // CHARs have their blanks at the end
	builder    row.Builder
}

var _ sql.RowIter = (*rowIter)(nil)

// decode decodes columns of a stored row, nil: all.
func (it *rowIter) decode(r row.Row, columns []int) (sql.Row, error) {
	out, err := it.shape.decode(it.zone, it.desc, r, columns)
	if !it.fill || err != nil {
		return out, err
	}
	for at := range out {
		i := at
		if columns != nil {
			i = columns[at]
		}
		t, ok := it.shape.schema[i].Type.(sql.StringType)
		if text, is := out[at].(string); ok && is && it.shape.codecs[i].Blanks {
			out[at] = text + strings.Repeat(" ", max(int(t.MaxCharacterLength())-utf8.RuneCountInString(text), 0))
		}
	}
	return out, nil
}

// filter returns the test of stored rows, nil if every row passes.
func (it *rowIter) filter(ctx *sql.Context) func(row.Row) (bool, error) {
	exact := it.lookup == nil || it.lookup.boxes == nil
	if exact && it.t.filter == nil {
		return nil
	}
	return func(r row.Row) (bool, error) {
		it.read++
		if !exact && !it.lookup.matches(it.desc, r) {
			return false, nil
		}
		if it.t.filter == nil {
			return true, nil
		}
		v, err := it.decode(r, it.columns)
		if err != nil {
			return false, err
		}
		ok, err := sql.EvaluateCondition(ctx, it.t.filter, v)
		return sql.IsTrue(ok), err
	}
}

// Next implements sql.RowIter.
func (it *rowIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := it.cur.Next(ctx)
	if err == io.EOF {
		it.ended = true
		return nil, io.EOF
	}
	if err != nil {
		return nil, it.s.fail(ctx, err)
	}
	if it.unfiltered {
		it.read++
	}
	if it.writes {
		if err := it.shape.placed(it.cur, r); err != nil {
			return nil, err
		}
	}
	if !it.record {
		return it.decode(r, it.columns)
	}
	full, err := it.decode(r, nil)
	if err != nil {
		return nil, err
	}
	if err := it.s.noteRow(ctx, it.shape, &it.builder, full, r); err != nil {
		return nil, err
	}
	if it.columns == nil {
		return full, nil
	}
	return it.decode(r, it.columns)
}

// Close implements sql.RowIter.
func (it *rowIter) Close(*sql.Context) error {
	it.worked()
	it.cur.Close()
	return nil
}

var _ sql.IndexSearchableTable = (*Table)(nil)
