package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
)

// Limits of bulk work (T-14). Sorting takes its memory from the instance's budget,
// in chunks, so any number of rows fits.
const (
	chunkCells   = 32 << 20 // bytes of cells that are sorted at once
	stepBytes    = 1 << 20  // bytes of cells that one mini-transaction appends
	stepInserts  = 64       // cells that one mini-transaction inserts here and there
	cellOverhead = 64       // bytes of bookkeeping of a cell in a chunk
)

// loader fills one unpublished tree with cells that come in any order: it collects
// a chunk, sorts it, and appends it behind what is there, or inserts it where it
// lies lower. Each step is a mini-transaction of its own; the tree is whole after each.
type loader struct {
	db    *writer
	tree  btree.Tree
	cells []cell
	size  int64 // bytes taken from the budget for cells
	build *btree.Builder
	last  []byte // highest key in the tree
	any   bool   // the tree has cells
}

// cell is a key and a value. unique is the length of the key's part that no other
// cell may begin with, 0 if any may.
type cell struct {
	key, value []byte
	unique     int
}

// cell is the cell of an entry of the index, as appendIndexKey gives it.
func (ix *IndexDef) cell(key []byte, columns int, null bool) cell {
	if !ix.Unique || null {
		columns = 0
	}
	return cell{key: key, unique: columns}
}

// duplicateCell is returned by a loader for two cells of one unique part.
type duplicateCell struct{ cell }

func (*duplicateCell) Error() string { return "engine: duplicate key" }

func newLoader(db *writer, tree btree.Tree) *loader {
	return &loader{db: db, tree: tree, build: btree.NewBuilder(tree)}
}

// add takes a cell, which must not change any more. Returns *duplicateCell, ErrMemory.
func (l *loader) add(ctx context.Context, c cell) error {
	n := int64(len(c.key) + len(c.value) + cellOverhead)
	if l.size+n > chunkCells || !l.db.budget.Take(n) {
		if err := l.flush(ctx); err != nil {
			return err
		}
		if !l.db.budget.Take(n) {
			return fmt.Errorf("%w: sort", ErrMemory)
		}
	}
	l.size += n
	l.cells = append(l.cells, c)
	return nil
}

// close gives the memory back.
func (l *loader) close() {
	l.db.budget.Give(l.size)
	l.cells, l.size = nil, 0
}

// flush sorts the chunk and writes it.
func (l *loader) flush(ctx context.Context) error {
	slices.SortFunc(l.cells, func(a, b cell) int { return bytes.Compare(a.key, b.key) })
	for i := 1; i < len(l.cells); i++ {
		if u := l.cells[i].unique; u > 0 && bytes.HasPrefix(l.cells[i-1].key, l.cells[i].key[:u]) {
			return &duplicateCell{l.cells[i]}
		}
	}
	defer l.close()
	if len(l.cells) == 0 {
		return nil
	}
	var err error
	if !l.any || bytes.Compare(l.last, l.cells[0].key) < 0 {
		err = l.appendAll(ctx)
	} else {
		err = l.insertAll(ctx)
	}
	if err != nil {
		return err
	}
	l.any = true
	if k := l.cells[len(l.cells)-1].key; bytes.Compare(l.last, k) < 0 {
		l.last = bytes.Clone(k)
	}
	return nil
}

// step makes one mini-transaction and waits until it is durable, so that bulk work
// fills neither the log window nor the cache with what cannot be evicted.
func (l *loader) step(ctx context.Context, f func(t *turn) error) error {
	_, err := l.db.commit(ctx, &commitRequest{apply: func(t *turn) error {
		t.exempt = true
		return f(t)
	}})
	return err
}

// appendAll writes cells that all lie above what is in the tree, leaf by leaf.
func (l *loader) appendAll(ctx context.Context) error {
	if l.any && l.cells[0].unique > 0 && bytes.HasPrefix(l.last, l.cells[0].key[:l.cells[0].unique]) {
		return &duplicateCell{l.cells[0]}
	}
	// What was inserted below may have gone past the builder.
	l.build = btree.NewBuilder(l.tree)
	for i := 0; i < len(l.cells); {
		var long longValues
		for n := 0; i < len(l.cells) && n < stepBytes; i++ {
			c := l.cells[i]
			tail, err := l.writeAhead(ctx, c, &long)
			switch {
			case err != nil:
			case tail != nil:
				err = l.build.AddWritten(c.key, c.value, *tail)
			default:
				err = l.build.Add(c.key, c.value)
			}
			if err != nil {
				l.db.endLong(&long)
				return err
			}
			n += len(c.key) + len(c.value)
		}
		var after btree.Builder
		err := l.step(ctx, func(t *turn) error {
			after = *l.build // an attempt may be given up: the builder stays as it is
			if err := long.applied(t); err != nil {
				return err
			}
			return after.Flush(context.Background(), t)
		})
		l.db.endLong(&long)
		if err != nil {
			return err
		}
		l.build = &after
	}
	return nil
}

// writeAhead writes the tail of a very long value, nil of another (T-9).
func (l *loader) writeAhead(ctx context.Context, c cell, long *longValues) (*btree.Written, error) {
	if len(c.value) < longValueMin {
		return nil, nil
	}
	if long.tails == nil {
		*long = longValues{intent: l.db.newIntent(), tails: map[longKey]*btree.Written{}}
	}
	w, err := l.db.writeTail(ctx, l.tree, c.value, long)
	return &w, err
}

// insertAll inserts the chunk's cells, in order of keys, where they belong.
func (l *loader) insertAll(ctx context.Context) error {
	for part := range slices.Chunk(l.cells, stepInserts) {
		var long longValues
		tails := make([]*btree.Written, len(part))
		var err error
		for i := 0; i < len(part) && err == nil; i++ {
			tails[i], err = l.writeAhead(ctx, part[i], &long)
		}
		if err == nil {
			err = l.step(ctx, func(t *turn) error {
				if err := long.applied(t); err != nil {
					return err
				}
				return l.insert(t, part, tails)
			})
		}
		l.db.endLong(&long)
		if err != nil {
			return err
		}
	}
	return nil
}

// insert inserts cells whose tails, where there are any, have been written.
func (l *loader) insert(t *turn, cells []cell, tails []*btree.Written) error {
	ctx := context.Background()
	for i, c := range cells {
		if c.unique > 0 {
			if err := l.checkUnique(t, c); err != nil {
				return err
			}
		}
		if _, found, err := l.tree.Get(ctx, t, c.key); err != nil || found {
			if found {
				err = &duplicateCell{c}
			}
			return err
		}
		var err error
		if tails[i] != nil {
			err = l.tree.PutWritten(ctx, t, c.key, c.value, *tails[i])
		} else {
			err = l.tree.Insert(ctx, t, c.key, c.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) checkUnique(t *turn, c cell) error {
	cur := btree.NewCursor(l.tree, t)
	if cur.Seek(context.Background(), c.key[:c.unique]) && bytes.HasPrefix(cur.Key(), c.key[:c.unique]) {
		return &duplicateCell{c}
	}
	return cur.Err()
}

// BulkWriter fills new trees of a table in bounded mini-transactions; they are
// published by the commit of the transaction that made it. It is for one goroutine.
type BulkWriter struct {
	tx   *Tx
	w    *writer
	old  *TableDef
	def  *TableDef
	ddl  *txDDL
	to   []*bulkLoad // by partition, one of a table without any; nil: of a partition that stays
	mark int         // notes of ddl before the new trees
	rows int64       // of a temporary table
	done bool
	// keeps: what is added goes into new partitions, and the others stay.
	keeps bool
}

// bulkLoad is what fills the trees of a table or a partition.
type bulkLoad struct {
	t    *TableDef
	main *loader
	side []*loader // by secondary index; nil: not stored
	rows int64
}

// open makes the loaders of the table's new trees: of parts, if it has partitions.
func (b *BulkWriter) open(parts []*PartDef) {
	for i, t := range b.def.tables() {
		if len(b.def.Parts) > 0 && !slices.Contains(parts, b.def.Parts[i]) {
			b.to = append(b.to, nil)
			continue
		}
		l := &bulkLoad{t: t, main: newLoader(b.w, t.Primary.tree())}
		for _, ix := range t.Indexes {
			if !ix.stored() {
				l.side = append(l.side, nil)
				continue
			}
			l.side = append(l.side, newLoader(b.w, ix.tree()))
		}
		b.to = append(b.to, l)
	}
}

// Rewrite starts a rewriting ALTER: def, a changed copy of an existing table's
// definition, gets new trees that hold what is added to the BulkWriter, and takes
// the old ones' place at the commit. For a table that is empty and exclusively locked
// it is the bulk load path (T-14). Returns ErrNotFound, ErrExists (name),
// ErrDefinitionChanged, an error of row.NewKey.
func (tx *Tx) Rewrite(ctx context.Context, def *TableDef) (*BulkWriter, error) {
	if def.Temporary {
		return tx.s.rewriteTemporary(tx, def)
	}
	w, ddl, err := tx.beginDDL()
	if err != nil {
		return nil, err
	}
	old := tx.NewestCatalog().TableByID(def.ID)
	if old == nil {
		return nil, fmt.Errorf("%w: table %s.%s", ErrNotFound, def.Database, def.Name)
	}
	if err := tx.LockDefinition(ctx, old.Database, old.Name); err != nil {
		return nil, err
	}
	if old, err = tx.current(def); err != nil {
		return nil, err
	}
	if err := tx.lockNewName(ctx, old, def); err != nil {
		return nil, err
	}
	t := def.Clone()
	t.rewriteFrom(old)
	if err := t.compile(); err != nil {
		return nil, err
	}
	if err := t.usable(); err != nil {
		return nil, err
	}
	b := &BulkWriter{tx: tx, w: w, old: old, def: t, ddl: ddl, mark: len(ddl.notes)}
	parts, err := w.newParts(ctx, ddl, t)
	if err != nil {
		return nil, err
	}
	if err := w.newTrees(ctx, ddl, t, parts, t.allIndexes()); err != nil {
		return nil, err
	}
	tx.s.progress.begin(ctx, tx.db, old)
	b.open(parts)
	return b, nil
}

// rewriteFrom makes t the version after old with rows of its own.
func (t *TableDef) rewriteFrom(old *TableDef) {
	t.ID, t.Version = old.ID, old.Version+1
	t.nextColumn, t.nextIndex = old.nextColumn, old.nextIndex
	t.newIDs()
	t.choosePrimary()
	t.Primary.ID = 0
	t.forgetTrees()
	last := old.history[len(old.history)-1].Version
	t.history = []rowSchema{{Version: last + 1, Columns: t.rowColumns()}}
}

// Table returns the definition that added rows are encoded with.
func (b *BulkWriter) Table() *TableDef { return b.def }

// Add adds a row of Table's Desc, in any order; a hidden row id of 0 is filled in.
// part is the ordinal of the row's partition, 0 in a table without partitions.
// Returns *DuplicateError when it can tell already, ErrMemory, row.ErrKeyTooLong.
func (b *BulkWriter) Add(ctx context.Context, part int, r row.Row) error {
	if b.def.Keyless() {
		var err error
		if r, err = b.fillRowID(ctx, r); err != nil {
			return err
		}
	} else {
		r = bytes.Clone(r)
	}
	if b.def.temp != nil {
		return b.addTemporary(r)
	}
	if part >= len(b.to) || b.to[part] == nil {
		return fmt.Errorf("engine: bulk load of %s.%s: no new partition %d", b.def.Database, b.def.Name, part)
	}
	to := b.to[part]
	pk, err := to.t.AppendPrimaryKey(nil, r)
	if err != nil {
		return err
	}
	if err := b.add(ctx, to.main, cell{key: pk, value: r, unique: len(pk)}); err != nil {
		return b.duplicate(ctx, to, to.t.Primary, err)
	}
	for i, ix := range to.t.Indexes {
		if to.side[i] == nil {
			continue
		}
		if err := to.t.eachEntry(ix, r, func(key []byte, columns int, null bool) error {
			return b.add(ctx, to.side[i], ix.cell(key, columns, null))
		}); err != nil {
			return b.duplicate(ctx, to, ix, err)
		}
	}
	to.rows++
	b.tx.s.progress.done.Add(1)
	return nil
}

// add adds a cell. The memory that there is not may be what other partitions have taken.
func (b *BulkWriter) add(ctx context.Context, l *loader, c cell) error {
	err := l.add(ctx, c)
	if !errors.Is(err, ErrMemory) || len(b.to) < 2 {
		return err
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	return l.add(ctx, c)
}

// flush writes what has been added. Returns *DuplicateError with one of the rows.
func (b *BulkWriter) flush(ctx context.Context) error {
	for _, to := range b.to {
		if to == nil {
			continue
		}
		if err := to.main.flush(ctx); err != nil {
			return b.duplicate(ctx, to, to.t.Primary, err)
		}
		for i, l := range to.side {
			if l == nil {
				continue
			}
			if err := l.flush(ctx); err != nil {
				return b.duplicate(ctx, to, to.t.Indexes[i], err)
			}
		}
	}
	return nil
}

// fillRowID returns a copy of r with a hidden row id.
func (b *BulkWriter) fillRowID(ctx context.Context, r row.Row) (row.Row, error) {
	d, at := b.def.desc, b.def.Primary.Columns[0].Column
	if !d.IsNull(r, at) && d.Uint(r, at) != 0 {
		return bytes.Clone(r), nil
	}
	id, err := b.tx.db.reserveRowID(ctx, b.def)
	if err != nil {
		return nil, err
	}
	n := row.NewBuilder(d)
	for i := range d.Columns {
		n.Set(i, d.Datum(r, i))
	}
	n.SetUint(at, id)
	return n.Row()
}

// duplicate turns a loader's duplicate into the engine's.
func (b *BulkWriter) duplicate(ctx context.Context, to *bulkLoad, ix *IndexDef, err error) error {
	c, ok := err.(*duplicateCell) //nolint:errorlint // loaders return it bare
	switch {
	case !ok:
		return err
	case ix == to.t.Primary:
		return &DuplicateError{Table: to.t, Index: ix, Existing: c.value}
	}
	if err := to.main.flush(ctx); err != nil {
		return b.duplicate(ctx, to, to.t.Primary, err)
	}
	p, _, release := b.w.newest()
	defer release()
	return to.t.duplicate(ctx, p, ix, err)
}

// Finish writes what is left and puts the new definition into the transaction.
// Returns *DuplicateError with one of the rows.
func (b *BulkWriter) Finish(ctx context.Context) (*TableDef, error) {
	if b.def.temp != nil {
		return b.finishTemporary(), nil
	}
	if b.done {
		return b.def, nil
	}
	defer b.tx.s.progress.end()
	if err := b.flush(ctx); err != nil {
		return nil, err
	}
	b.done = true
	if b.def.CounterGen != b.old.CounterGen {
		if err := b.def.compile(); err != nil {
			return nil, err
		}
	}
	if !b.keeps {
		b.ddl.dropTrees(b.old, b.old.allIndexes()...)
		b.ddl.new[b.def.ID] = true
	}
	b.ddl.dropParts(b.old, b.def)
	for _, to := range b.to {
		if to != nil {
			b.ddl.rows(to.t.ID, to.rows)
		}
	}
	b.ddl.raises = append(b.ddl.raises, b.def)
	b.ddl.add(change{table: b.def})
	return b.def, nil
}

// Abort gives the pages back; after Finish it does nothing.
func (b *BulkWriter) Abort(context.Context) error {
	if b.done {
		return nil
	}
	b.done = true
	b.tx.s.progress.end()
	if b.def.temp != nil {
		b.def.temp.close()
		return nil
	}
	for _, to := range b.to {
		if to == nil {
			continue
		}
		for _, l := range append([]*loader{to.main}, to.side...) {
			if l != nil {
				l.close()
			}
		}
	}
	for _, n := range b.ddl.notes[b.mark:] {
		b.w.endIntent(n.intent)
	}
	b.ddl.notes = b.ddl.notes[:b.mark]
	return nil
}

// CreateIndex builds an index over the committed rows of t, in bounded
// mini-transactions of its own, and publishes it at the commit of tx. Writers of the
// table wait meanwhile, readers do not. It returns the new definition.
// Returns ErrExists, ErrNotFound, ErrDefinitionChanged, *DuplicateError with one of
// the rows, row.ErrKeyTooLong, an error of row.NewKey.
func (tx *Tx) CreateIndex(ctx context.Context, t *TableDef, ix IndexDef) (*TableDef, error) {
	if t.Temporary {
		return tx.s.indexTemporary(ctx, tx, t, &ix)
	}
	w, ddl, err := tx.beginDDL()
	if err != nil {
		return nil, err
	}
	if err := tx.lockMeta(ctx, t.Database, t.Name+"\x00index", txn.MetaExclusive); err != nil { // two would wait for each other at the end
		return nil, err
	}
	if err := tx.lockMeta(ctx, t.Database, t.Name, txn.MetaNoWrite); err != nil {
		return nil, err
	}
	old, err := tx.current(t)
	if err != nil {
		return nil, err
	}
	if old.Index(ix.Name) != nil {
		return nil, fmt.Errorf("%w: index %s", ErrExists, ix.Name)
	}
	n := old.Clone()
	add := ix.clone()
	add.ID, add.Root, add.Tree = 0, 0, 0
	n.Indexes = append(n.Indexes, add)
	n.Version = old.Version + 1
	n.newIDs()
	if err := n.compile(); err != nil {
		return nil, err
	}
	if err := n.usable(); err != nil {
		return nil, err
	}
	if add.stored() {
		if err := w.newTrees(ctx, ddl, n, n.Parts, []*IndexDef{add}); err != nil {
			return nil, err
		}
		tx.s.progress.begin(ctx, tx.db, old)
		for _, pt := range n.tables() {
			if err == nil {
				err = w.buildIndex(ctx, pt, pt.indexByID(add.ID), &tx.s.progress)
			}
		}
		tx.s.progress.end()
		if err != nil {
			return nil, err
		}
	}
	if err := tx.LockDefinition(ctx, t.Database, t.Name); err != nil {
		return nil, err
	}
	ddl.add(change{table: n})
	return n, nil
}

// buildIndex fills an index from the newest rows, which nobody changes.
func (db *writer) buildIndex(ctx context.Context, t *TableDef, ix *IndexDef, at *progress) error {
	l := newLoader(db, ix.tree())
	defer l.close()
	p, _, release := db.newest()
	defer release()
	c := btree.NewCursor(t.Primary.tree(), p)
	for ok := c.Seek(ctx, nil); ok; ok = c.Next(ctx) {
		r, err := t.treeRow(ctx, c)
		if err != nil {
			return err
		}
		if err := t.eachEntry(ix, r, func(key []byte, columns int, null bool) error {
			return l.add(ctx, ix.cell(key, columns, null))
		}); err != nil {
			return t.duplicate(ctx, p, ix, err)
		}
		at.done.Add(1)
	}
	if c.Err() != nil {
		return c.Err()
	}
	return t.duplicate(ctx, p, ix, l.flush(ctx))
}

// duplicate turns a loader's duplicate in a secondary index of rows that are in p into the engine's.
func (t *TableDef) duplicate(ctx context.Context, p btree.Pager, ix *IndexDef, err error) error {
	c, ok := err.(*duplicateCell) //nolint:errorlint // loaders return it bare
	if !ok {
		return err
	}
	pk, err := t.PrimaryKeyOf(ix, c.key)
	if err != nil {
		return err
	}
	r, err := t.committedRow(ctx, p, pk)
	if err != nil {
		return err
	}
	return &DuplicateError{Table: t, Index: ix, Existing: r, Key: c.key[:c.unique]}
}
