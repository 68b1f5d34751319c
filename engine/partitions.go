package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"sextant/engine/row"
	"sextant/internal/redo"
)

// A partitioned table has one definition and one set of trees for each of its partitions,
// as in InnoDB: every index is local to a partition. Which partition a row belongs to is the
// SQL layer's decision: it writes into the TableDef of one partition (Part). Everything that
// reads takes the TableDef of the whole table and reads all of its partitions; the whole has
// no trees, so that nobody can read it and miss one.
//
// A partition has a TableID of its own, by which its rows are locked, kept in write sets and
// counted; metadata locks, definition versions and counters are the table's.

// PartDef is one partition of a table.
type PartDef struct {
	ID    TableID // 0 until the engine made its trees
	Name  string
	Trees []PartTree // of the primary and of secondary indexes

	table *TableDef // the partition as a table
}

// PartTree is where an index of a partition is.
type PartTree struct {
	Index IndexID
	Tree  TreeID
	Root  redo.PageID
}

// Part returns the partition of an ordinal as a table to write into.
func (t *TableDef) Part(i int) *TableDef { return t.Parts[i].table }

// Owner returns the table that t is a partition of, t itself if it is none.
func (t *TableDef) Owner() *TableDef {
	if t.owner != nil {
		return t.owner
	}
	return t
}

// PartName returns the name of the partition that t is, "" if it is a whole table.
func (t *TableDef) PartName() string {
	if t.owner != nil {
		for _, p := range t.owner.Parts {
			if p.ID == t.ID {
				return p.Name
			}
		}
	}
	return ""
}

// tables returns what has the table's rows: its partitions, or itself.
func (t *TableDef) tables() []*TableDef {
	if len(t.Parts) == 0 {
		return []*TableDef{t}
	}
	out := make([]*TableDef, len(t.Parts))
	for i, p := range t.Parts {
		out[i] = p.table
	}
	return out
}

// partTable returns a partition as a table. t is compiled.
func (t *TableDef) partTable(p *PartDef) *TableDef {
	n := *t
	n.ID, n.Parts, n.owner = p.ID, nil, t
	n.Primary = p.index(t.Primary)
	n.Indexes = make([]*IndexDef, len(t.Indexes))
	for i, ix := range t.Indexes {
		n.Indexes[i] = p.index(ix)
	}
	return &n
}

func (p *PartDef) index(ix *IndexDef) *IndexDef {
	n := *ix
	n.Tree, n.Root = 0, 0
	for _, at := range p.Trees {
		if at.Index == ix.ID {
			n.Tree, n.Root = at.Tree, at.Root
		}
	}
	return &n
}

func cloneParts(parts []*PartDef) []*PartDef {
	if parts == nil {
		return nil
	}
	out := make([]*PartDef, len(parts))
	for i, p := range parts {
		out[i] = &PartDef{ID: p.ID, Name: p.Name, Trees: slices.Clone(p.Trees)}
	}
	return out
}

// partByID returns a partition, nil if there is none.
func (t *TableDef) partByID(id TableID) *PartDef {
	for _, p := range t.Parts {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// newParts gives ids to the partitions of t that have none, and returns those.
func (db *writer) newParts(ctx context.Context, ddl *txDDL, t *TableDef) ([]*PartDef, error) {
	var out []*PartDef
	for _, p := range t.Parts {
		if p.ID != 0 {
			continue
		}
		id, err := db.nextID(ctx, counterTable)
		if err != nil {
			return nil, err
		}
		p.ID, p.Trees = TableID(id), nil
		ddl.ids, ddl.new[p.ID] = true, true
		out = append(out, p)
	}
	return out, nil
}

// dropParts notes that the commit drops the partitions of old that t does not have.
func (d *txDDL) dropParts(old, t *TableDef) {
	for _, p := range old.Parts {
		if t.partByID(p.ID) == nil {
			d.dropTrees(p.table, p.table.allIndexes()...)
			d.tables[p.ID], d.gone[p.ID] = true, true
		}
	}
}

// Repartition starts a change of a table's partitions: def is a copy of the current definition
// in which partitions with an ID stay as they are, and those with the ID 0 are made, and hold what
// is added to the BulkWriter. Others are dropped with their rows. Returns ErrNotFound,
// ErrDefinitionChanged, ErrNeedsRewrite if def differs from the table in more than that.
func (tx *Tx) Repartition(ctx context.Context, def *TableDef) (*BulkWriter, error) {
	w, ddl, err := tx.beginDDL()
	if err != nil {
		return nil, err
	}
	if err := tx.LockDefinition(ctx, def.Database, def.Name); err != nil {
		return nil, err
	}
	old, err := tx.current(def)
	if err != nil {
		return nil, err
	}
	t := def.Clone()
	for _, p := range t.Parts {
		if p.ID != 0 {
			was := old.partByID(p.ID)
			if was == nil {
				return nil, fmt.Errorf("%w: partition %s", ErrNeedsRewrite, p.Name)
			}
			p.Trees = slices.Clone(was.Trees)
		}
	}
	b := &BulkWriter{tx: tx, w: w, old: old, def: t, ddl: ddl, mark: len(ddl.notes), keeps: true}
	parts, err := w.newParts(ctx, ddl, t)
	if err != nil {
		return nil, err
	}
	if err := t.alterFrom(old); err != nil {
		return nil, err
	}
	if err := w.newTrees(ctx, ddl, t, parts, t.allIndexes()); err != nil {
		return nil, err
	}
	tx.s.progress.begin(ctx, tx.db, old)
	b.open(parts)
	return b, nil
}

// ExchangePartition gives the trees of a partition of t to the table o, and o's to the partition.
// It returns the new definitions. Returns ErrNotFound, ErrDefinitionChanged, and ErrNeedsRewrite
// if the rows or keys of one are not to be read by the other's definition.
func (tx *Tx) ExchangePartition(ctx context.Context, t *TableDef, part int, o *TableDef) (*TableDef, *TableDef, error) {
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return nil, nil, err
	}
	for _, x := range []*TableDef{t, o} {
		if err := tx.LockDefinition(ctx, x.Database, x.Name); err != nil {
			return nil, nil, err
		}
		if _, err := tx.current(x); err != nil {
			return nil, nil, err
		}
	}
	if !sameRows(t, o) || len(t.Indexes) != len(o.Indexes) || t.Keyless() != o.Keyless() {
		return nil, nil, fmt.Errorf("%w: rows of %s", ErrNeedsRewrite, o.Name)
	}
	nt, no := t.Clone(), o.Clone()
	p := nt.Parts[part]
	for _, ix := range nt.allIndexes() {
		other := no.Index(ix.Name)
		if !ix.stored() {
			continue
		}
		if other == nil || ix.Unique != other.Unique || ix.Kind != other.Kind || !sameKey(t, ix, o, other) ||
			ix.KeyFormat != other.KeyFormat || ix.CollationHash != other.CollationHash {
			return nil, nil, fmt.Errorf("%w: index %s", ErrNeedsRewrite, ix.Name)
		}
		at := slices.IndexFunc(p.Trees, func(x PartTree) bool { return x.Index == ix.ID })
		if at < 0 {
			return nil, nil, fmt.Errorf("%w: partition %s has no index %s", ErrCorrupt, p.Name, ix.Name)
		}
		p.Trees[at].Tree, other.Tree = other.Tree, p.Trees[at].Tree
		p.Trees[at].Root, other.Root = other.Root, p.Trees[at].Root
	}
	for _, x := range []*TableDef{nt, no} {
		x.Version++
		if err := x.compile(); err != nil {
			return nil, nil, err
		}
	}
	if err := tx.exchangeCounters(ctx, nt, no); err != nil {
		return nil, nil, err
	}
	rows := func(x *TableDef) (int64, error) {
		pages, _, done := tx.db.newest()
		defer done()
		n, err := tx.db.rowCount(ctx, pages, x)
		return int64(n), err
	}
	there, err := rows(t.Part(part))
	if err != nil {
		return nil, nil, err
	}
	here, err := rows(o)
	if err != nil {
		return nil, nil, err
	}
	ddl.rows(p.ID, here)
	ddl.rows(no.ID, there)
	ddl.raises = append(ddl.raises, nt, no)
	ddl.add(change{table: nt}, change{table: no})
	return nt, no, nil
}

// exchangeCounters makes both tables' counters go on behind what either has given out.
func (tx *Tx) exchangeCounters(ctx context.Context, a, b *TableDef) error {
	for _, of := range []func(*TableDef) counterID{autoCounter, rowCounter} {
		ca, err := tx.db.counter(ctx, a, of(a))
		if err != nil {
			return err
		}
		cb, err := tx.db.counter(ctx, b, of(b))
		if err != nil {
			return err
		}
		ca.raise(cb.last.Load())
		cb.raise(ca.last.Load())
	}
	return nil
}

// sameRows reports whether rows of a are rows of b, whatever schema version they have.
func sameRows(a, b *TableDef) bool {
	if len(a.Columns) != len(b.Columns) {
		return false
	}
	for i := range a.Columns {
		x, y := &a.Columns[i], &b.Columns[i]
		if x.Nullable != y.Nullable || x.Collation != y.Collation ||
			len(a.history) > 1 && (x.Added.Kind != y.Added.Kind || x.Added.N != y.Added.N || !bytes.Equal(x.Added.B, y.Added.B)) {
			return false
		}
	}
	return slices.EqualFunc(a.history, b.history, func(x, y rowSchema) bool {
		return x.Version == y.Version && slices.EqualFunc(x.Columns, y.Columns, func(c, d row.Column) bool {
			return c.ID == d.ID && c.Type == d.Type && c.Nullable == d.Nullable
		})
	})
}

// partScan is a scan of several partitions: in the order of the index, or one after the other.
type partScan struct {
	cursors []*Cursor // that are not at their end
	heads   []head    // in order: the next row of each cursor but next
	next    []*Cursor // whose row is not in heads
	ordered bool
}

// head is the first row that a cursor has not given yet.
type head struct {
	c   *Cursor
	key []byte
	row row.Row
}

// scanParts is Scan of a partitioned table.
func (tx *Tx) scanParts(ctx context.Context, t *TableDef, o ScanOptions) (*Cursor, error) {
	ix := o.Index
	if ix == nil {
		ix = t.Primary
	}
	c := &Cursor{tx: tx, t: t, ix: ix, o: o, parts: &partScan{}}
	whole := o.Index == nil && o.Ranges == nil && !o.Reverse
	read := o.Parts
	if read == nil {
		read = make([]int, len(t.Parts))
		for i := range read {
			read[i] = i
		}
	}
	c.parts.ordered = !whole && len(read) > 1
	o.Parts = nil
	for _, i := range read {
		pt := t.Part(i)
		o.Index = pt.indexByID(ix.ID)
		p, err := tx.Scan(ctx, pt, o)
		if err != nil {
			c.Close()
			return nil, err
		}
		p.part = i
		c.parts.cursors = append(c.parts.cursors, p)
	}
	c.parts.next = slices.Clone(c.parts.cursors)
	return c, nil
}

// nextPart is Next of a partitioned table.
func (c *Cursor) nextPart(ctx context.Context) (row.Row, error) {
	p := c.parts
	if !p.ordered {
		for len(p.next) > 0 {
			r, err := p.next[0].Next(ctx)
			if err != io.EOF {
				c.part = p.next[0].part
				return r, err
			}
			p.next = p.next[1:]
		}
		return nil, io.EOF
	}
	for _, from := range p.next {
		r, err := from.Next(ctx)
		if err == io.EOF {
			continue
		}
		if err != nil {
			return nil, err
		}
		h := head{c: from, key: bytes.Clone(from.last()), row: bytes.Clone(r)} // others move before it is given
		at, _ := slices.BinarySearchFunc(p.heads, h, func(a, b head) int {
			if c.o.Reverse {
				return bytes.Compare(b.key, a.key)
			}
			return bytes.Compare(a.key, b.key)
		})
		p.heads = slices.Insert(p.heads, at, h)
	}
	p.next = p.next[:0]
	if len(p.heads) == 0 {
		return nil, io.EOF
	}
	first := p.heads[0]
	p.heads = append(p.heads[:0], p.heads[1:]...)
	p.next = append(p.next, first.c)
	c.part = first.c.part
	return first.row, nil
}

// Part returns the ordinal of the partition that has the row which Next returned last, 0 in a table without partitions.
func (c *Cursor) Part() int { return c.part }

func (p *partScan) close() {
	for _, c := range p.cursors {
		c.Close()
	}
}

// getPart is Get of a partitioned table.
func (tx *Tx) getPart(ctx context.Context, t *TableDef, ix *IndexDef, key []byte) (row.Row, bool, error) {
	for _, pt := range t.tables() {
		var at *IndexDef
		if ix != nil {
			at = pt.indexByID(ix.ID)
		}
		if r, found, err := tx.Get(ctx, pt, at, key); found || err != nil {
			return r, found, err
		}
	}
	return nil, false, nil
}
