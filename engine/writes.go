package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/internal/redo"
)

// txCommit is what a transaction commits.
type txCommit struct {
	writes *txn.WriteSet // may be nil
	ddl    *txDDL        // may be nil
	// versions holds, for each table with rows in writes, the version of the
	// definition they were written under (T-6).
	versions map[TableID]uint64
	// role is the writer that the transaction wrote under; nil: whichever is now.
	role    *writer
	token   *Token // nil: none
	outcome Outcome
	// numbered is called once LSNs were given out, with 0 if there is nothing for the
	// log; see commitRequest.
	numbered func(lsn redo.LSN)
	// temporary is the session's temporary tables.
	temporary map[TableID]*TableDef

	raises  []raise
	long    longValues
	delta   map[TableID]int64  // rows added, less rows removed, by the last apply
	changed map[TableID]uint64 // rows written by it
}

// commitTx commits a transaction. Errors are those of Tx.Commit, which wraps
// nothing around them.
func (db *DB) commitTx(ctx context.Context, c *txCommit) (CommitInfo, error) {
	c.delta, c.changed = map[TableID]int64{}, map[TableID]uint64{}
	if !c.logged() { // a reader has temporary tables too
		if c.numbered != nil {
			defer c.numbered(0)
		}
		err := c.applyTemporary()
		c.count(db)
		return CommitInfo{}, err
	}
	w, err := db.writer()
	if err == nil && c.role != nil && c.role != w {
		err = ErrClosed // another grant: the locks and checks were of the last one
	}
	if err != nil {
		return CommitInfo{}, err
	}
	if err := w.writeLong(ctx, c); err != nil {
		return CommitInfo{}, err
	}
	c.raises = w.counterRaises(c)
	info, err := w.commit(ctx, &commitRequest{
		prepare: func(ctx context.Context, p *pager) error { return c.prepare(ctx, w, p) },
		apply:   c.apply,
		numbered: func(lsn redo.LSN) {
			if c.numbered != nil {
				c.numbered(lsn)
			}
		},
	})
	if err == nil {
		err = c.applyTemporary()
		w.committed(c)
		return info, err
	}
	w.dropLong(ctx, c, err)
	return info, err
}

// skips reports whether rows of the table are not for the log: it is temporary, or
// the transaction has dropped it.
func (c *txCommit) skips(id TableID) bool { return id&temporaryID != 0 || c.ddl.dropped(id) }

// errLogged ends logged's look at the rows.
var errLogged = errors.New("engine: a row is logged")

// logged reports whether there is anything for the log.
func (c *txCommit) logged() bool {
	if !c.ddl.empty() {
		return true
	}
	return c.writes != nil && c.writes.Rows(func(table uint64, _ string, _ []byte) error {
		if !c.skips(TableID(table)) {
			return errLogged
		}
		return nil
	}) != nil
}

// definition returns the definition that the commit applies a table's rows under.
// Returns ErrDefinitionChanged if it is not the one they were written under.
func (c *txCommit) definition(cat *Catalog, id TableID) (*TableDef, error) {
	t := cat.TableByID(id)
	if t == nil {
		return nil, fmt.Errorf("%w: table %d is gone", ErrDefinitionChanged, id)
	}
	if v, ok := c.versions[id]; ok && v != t.Version && !c.ddl.changed(id) {
		return nil, fmt.Errorf("%w: %s.%s", ErrDefinitionChanged, t.Database, t.Name)
	}
	return t, nil
}

// prepare reads the pages that apply will need.
func (c *txCommit) prepare(ctx context.Context, w *writer, p *pager) error {
	cat := w.catalogs.newest()
	if !c.ddl.empty() {
		if err := c.ddl.prepare(ctx, w, p); err != nil {
			return err
		}
		cat = c.ddl.catalog(cat)
	}
	if err := w.prepareSystem(ctx, c, p); err != nil {
		return err
	}
	if c.writes == nil {
		return nil
	}
	var t *TableDef
	var key []byte
	return c.writes.Rows(func(table uint64, pk string, img []byte) error {
		if c.skips(TableID(table)) {
			return nil
		}
		if t == nil || t.ID != TableID(table) {
			var err error
			if t, err = c.definition(cat, TableID(table)); err != nil {
				return err
			}
		}
		return prepareRow(ctx, p, t, []byte(pk), img, &key)
	})
}

// prepareRow reads the pages that the change of a row will need.
func prepareRow(ctx context.Context, p btree.Pager, t *TableDef, pk []byte, img row.Row, key *[]byte) error {
	tree := t.Primary.tree()
	if err := tree.Prepare(ctx, p, pk); err != nil {
		return err
	}
	if len(t.Indexes) == 0 {
		return nil
	}
	old, found, err := tree.Get(ctx, p, pk)
	if err != nil {
		return err
	}
	rows := []row.Row{img}
	if found {
		rows = append(rows, old)
	}
	for _, r := range rows {
		if r == nil {
			continue
		}
		if r, err = t.Upgrade(r); err != nil {
			return err
		}
		for _, ix := range t.Indexes {
			if !ix.stored() {
				continue
			}
			n, err := t.entries(ix, r)
			for i := 0; i < n && err == nil; i++ {
				if *key, _, _, err = t.appendIndexKey((*key)[:0], ix, r, i); err == nil {
					err = ix.tree().Prepare(ctx, p, *key)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// apply makes the commit's changes in a turn.
func (c *txCommit) apply(t *turn) error {
	cat := t.catalog
	clear(c.delta)
	clear(c.changed)
	if !c.ddl.empty() {
		if err := c.ddl.apply(t); err != nil {
			return err
		}
		cat = t.madeCatalog
	}
	if c.writes != nil {
		if err := c.applyRows(t, cat); err != nil {
			return err
		}
	}
	if len(t.records) == 0 {
		return nil // nothing changed: no commit, no token
	}
	for _, r := range c.raises {
		if err := t.raiseCounter(r); err != nil {
			return err
		}
	}
	if err := c.long.applied(t); err != nil {
		return err
	}
	if c.token != nil {
		return t.putToken(*c.token, c.outcome)
	}
	return nil
}

// entry is one change of a secondary index: keys lie in one buffer.
type entry struct {
	index int
	key   []byte
	add   bool
}

// applyRows writes the rows into the clustered trees, table by table, and then the
// entries of the secondary indexes in order of their keys. What goes to a tree is
// computed from the newest committed row, never from a snapshot (T-1).
func (c *txCommit) applyRows(t *turn, cat *Catalog) error {
	var def *TableDef
	var entries []entry
	err := c.writes.Rows(func(table uint64, pk string, img []byte) error {
		if c.skips(TableID(table)) {
			return nil
		}
		if def == nil || def.ID != TableID(table) {
			if def != nil {
				if err := applyEntries(t, def, entries); err != nil {
					return err
				}
				entries = entries[:0]
			}
			var err error
			if def, err = c.definition(cat, TableID(table)); err != nil {
				return err
			}
		}
		n, more, err := applyRow(t, t.start, def, []byte(pk), img, c.long.of(def.ID, pk), entries)
		entries = more
		c.changed[def.ID]++
		if n != 0 {
			c.delta[def.ID] += n
		}
		return err
	})
	if err != nil || def == nil {
		return err
	}
	return applyEntries(t, def, entries)
}

// applyRow writes one row into its clustered tree and appends the changes of the
// secondary indexes. A nil image deletes the row. added is what that does to the count of rows.
func applyRow(
	e btree.Editor, lsn redo.LSN, def *TableDef, pk []byte, img row.Row, long *btree.Written, entries []entry,
) (added int64, _ []entry, err error) {
	ctx := context.Background()
	tree := def.Primary.tree()
	stored, found, err := tree.Get(ctx, e, pk)
	if err != nil {
		return 0, entries, err
	}
	var old row.Row
	if found {
		if old, err = def.Upgrade(stored); err != nil {
			return 0, entries, err
		}
	}
	if img == nil && !found {
		return 0, entries, nil
	}
	if img != nil {
		if img, err = def.Upgrade(img); err != nil {
			return 0, entries, err
		}
		if found && def.desc.Equal(old, img) && len(stored) == len(img) {
			return 0, entries, nil
		}
	}
	if entries, err = def.indexChanges(old, img, entries); err != nil {
		return 0, entries, err
	}
	if img == nil {
		return -1, entries, tree.Delete(ctx, e, pk)
	}
	// The image may be the write set's: other attempts write over the same bytes.
	img.SetLSN(rowLSN(lsn))
	if !found {
		added = 1
	}
	if long != nil {
		return added, entries, tree.PutWritten(ctx, e, pk, img, *long)
	}
	return added, entries, tree.Put(ctx, e, pk, img)
}

// indexChanges appends what becomes of the secondary entries when old becomes img;
// nil: no row.
func (def *TableDef) indexChanges(old, img row.Row, entries []entry) ([]entry, error) {
	for i, ix := range def.Indexes {
		if !ix.stored() {
			continue
		}
		if !ix.key.Multi() && old != nil && img != nil { // one entry each
			was, _, _, err := def.appendIndexKey(nil, ix, old, 0)
			if err != nil {
				return entries, err
			}
			is, _, _, err := def.appendIndexKey(nil, ix, img, 0)
			if err != nil {
				return entries, err
			}
			if !bytes.Equal(was, is) {
				entries = append(entries, entry{i, was, false}, entry{i, is, true})
			}
			continue
		}
		for _, ch := range []struct {
			of, other row.Row
			add       bool
		}{{old, img, false}, {img, old, true}} {
			if ch.of == nil {
				continue
			}
			if err := def.eachEntry(ix, ch.of, func(key []byte, _ int, _ bool) error {
				has, err := def.hasEntry(ix, ch.other, key)
				if !has && err == nil {
					entries = append(entries, entry{i, key, ch.add})
				}
				return err
			}); err != nil {
				return entries, err
			}
		}
	}
	return entries, nil
}

// applyEntries writes the changes of the secondary indexes.
func applyEntries(ed btree.Editor, def *TableDef, entries []entry) error {
	slices.SortFunc(entries, func(a, b entry) int {
		if a.index != b.index {
			return cmp.Compare(a.index, b.index)
		}
		return bytes.Compare(a.key, b.key)
	})
	ctx := context.Background()
	for _, e := range entries {
		tree := def.Indexes[e.index].tree()
		var err error
		if e.add {
			err = tree.Insert(ctx, ed, e.key, nil)
		} else {
			err = tree.Delete(ctx, ed, e.key)
		}
		if err != nil {
			return fmt.Errorf("index %s.%s: %w", def.Name, def.Indexes[e.index].Name, err)
		}
	}
	return nil
}

// tree returns the index's tree.
func (ix *IndexDef) tree() btree.Tree { return btree.Tree{Root: ix.Root, ID: uint64(ix.Tree)} }
