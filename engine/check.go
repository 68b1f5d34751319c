package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// CheckReport is what a check has looked at.
type CheckReport struct {
	LSN   redo.LSN
	Trees int
	Pages int
	Rows  int
}

// Check verifies the whole volume as of the newest snapshot: every tree is sound,
// every secondary index has exactly the entries of its table's rows, and every page
// in use belongs to exactly one tree or note, every other to none. It reads
// everything. Returns ErrCorrupt, wrapped, for the first contradiction.
func (db *DB) Check(ctx context.Context) (CheckReport, error) {
	at := db.acquire()
	defer db.snaps.Release(at)
	c := &checker{db: db, p: db.pagerAt(at), owner: map[redo.PageID]uint64{}}
	c.report.LSN = at
	err := c.run(ctx)
	c.report.Pages = len(c.owner)
	return c.report, err
}

// CheckTable verifies one table, or one partition, as Check does: its trees, and that every index has
// exactly the entries of its rows. Returns ErrNotFound if there is no such table, and
// ErrCorrupt, wrapped, for the first contradiction.
func (db *DB) CheckTable(ctx context.Context, id TableID) (CheckReport, error) {
	at := db.acquire()
	defer db.snaps.Release(at)
	c := &checker{db: db, p: db.pagerAt(at), owner: map[redo.PageID]uint64{}}
	c.report.LSN = at
	cat, err := db.loadCatalog(ctx, c.p)
	if err != nil {
		return c.report, err
	}
	t := cat.TableByID(id)
	if t == nil {
		return c.report, fmt.Errorf("table %d: %w", id, ErrNotFound)
	}
	err = c.parts(ctx, t)
	c.report.Pages = len(c.owner)
	return c.report, err
}

type checker struct {
	db     *DB
	p      *pager
	owner  map[redo.PageID]uint64 // page → tree
	report CheckReport
}

func (c *checker) run(ctx context.Context) error {
	for i := range systemTrees {
		if err := c.tree(ctx, c.db.system.tree(i)); err != nil {
			return err
		}
	}
	cat, err := c.db.loadCatalog(ctx, c.p)
	if err != nil {
		return err
	}
	for _, d := range cat.Databases() {
		for _, t := range cat.Tables(d.Name) {
			if err := c.parts(ctx, t); err != nil {
				return fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
			}
		}
	}
	if err := c.noted(ctx, treeGarbage, c.garbage); err != nil {
		return err
	}
	if err := c.noted(ctx, treeIntents, c.intent); err != nil {
		return err
	}
	return c.maps(ctx)
}

// own notes that a page belongs to a tree.
func (c *checker) own(id redo.PageID, tree uint64) error {
	if other, there := c.owner[id]; there {
		return fmt.Errorf("%w: page %d belongs to trees %d and %d", ErrCorrupt, id, other, tree)
	}
	if id == metaPage || id == mapPage(id) {
		return fmt.Errorf("%w: page %d of tree %d is the volume's", ErrCorrupt, id, tree)
	}
	c.owner[id] = tree
	return nil
}

func (c *checker) tree(ctx context.Context, t btree.Tree) error {
	if _, err := t.Check(ctx, c.p); err != nil {
		return err
	}
	c.report.Trees++
	return t.Walk(ctx, c.p, true, func(id redo.PageID, _ []byte) error { return c.own(id, t.ID) })
}

// parts checks a table, or each of its partitions.
func (c *checker) parts(ctx context.Context, t *TableDef) error {
	for _, pt := range t.tables() {
		if err := c.table(ctx, pt); err != nil {
			if name := pt.PartName(); name != "" {
				return fmt.Errorf("partition %s: %w", name, err)
			}
			return err
		}
	}
	return nil
}

// table checks a table's trees and that the indexes agree.
func (c *checker) table(ctx context.Context, t *TableDef) error {
	for _, ix := range t.allIndexes() {
		if ix.stored() {
			if err := c.tree(ctx, ix.tree()); err != nil {
				return fmt.Errorf("index %s: %w", ix.Name, err)
			}
		}
	}
	entries, err := c.rows(ctx, t)
	if err != nil {
		return err
	}
	for i, ix := range t.Indexes {
		if !ix.stored() {
			continue
		}
		n, err := c.count(ctx, ix.tree())
		if err != nil {
			return err
		}
		if n != entries[i] {
			return fmt.Errorf("%w: index %s has %d entries, its rows have %d", ErrCorrupt, ix.Name, n, entries[i])
		}
	}
	return nil
}

// rows checks that every row is under its key and in every index, and returns how many entries they have in each.
func (c *checker) rows(ctx context.Context, t *TableDef) (entries []int, err error) {
	entries = make([]int, len(t.Indexes))
	cur := btree.NewCursor(t.Primary.tree(), c.p)
	for ok := cur.Seek(ctx, nil); ok; ok = cur.Next(ctx) {
		c.report.Rows++
		r, err := t.treeRow(ctx, cur)
		if err != nil {
			return nil, err
		}
		key, err := t.AppendPrimaryKey(nil, r)
		if err != nil {
			return nil, err
		}
		if string(key) != string(cur.Key()) {
			return nil, fmt.Errorf("%w: row %x lies under key %x", ErrCorrupt, key, cur.Key())
		}
		for i, ix := range t.Indexes {
			if !ix.stored() {
				continue
			}
			if err := t.eachEntry(ix, r, func(key []byte, _ int, _ bool) error {
				entries[i]++
				return c.entry(ctx, ix, key)
			}); err != nil {
				return nil, err
			}
		}
	}
	return entries, cur.Err()
}

func (c *checker) entry(ctx context.Context, ix *IndexDef, key []byte) error {
	if _, found, err := ix.tree().Get(ctx, c.p, key); err != nil || !found {
		return errors.Join(err, fmt.Errorf("%w: index %s lacks entry %x", ErrCorrupt, ix.Name, key))
	}
	return nil
}

func (c *checker) count(ctx context.Context, t btree.Tree) (n int, err error) {
	cur := btree.NewCursor(t, c.p)
	for ok := cur.Seek(ctx, nil); ok; ok = cur.Next(ctx) {
		n++
	}
	return n, cur.Err()
}

// noted calls f for every entry of a system tree.
func (c *checker) noted(ctx context.Context, tree int, f func(ctx context.Context, key, v []byte) error) error {
	cur := btree.NewCursor(c.db.system.tree(tree), c.p)
	for ok := cur.Seek(ctx, nil); ok; ok = cur.Next(ctx) {
		v, err := cur.Value(ctx)
		if err != nil {
			return err
		}
		if err := f(ctx, cur.Key(), v); err != nil {
			return err
		}
	}
	return cur.Err()
}

func (c *checker) garbage(ctx context.Context, key, v []byte) error {
	if len(key) != 8 || len(v) != 9 {
		return fmt.Errorf("%w: garbage %x", ErrCorrupt, key)
	}
	return c.tree(ctx, btree.Tree{ID: binary.BigEndian.Uint64(key), Root: redo.PageID(binary.BigEndian.Uint64(v))})
}

func (c *checker) intent(ctx context.Context, key, v []byte) error {
	switch {
	case len(v) == 18 && v[0] == 'T':
		return c.tree(ctx, btree.Tree{ID: binary.BigEndian.Uint64(v[1:]), Root: redo.PageID(binary.BigEndian.Uint64(v[9:]))})
	case len(v) > 0 && v[0] == 'P':
		ids, err := decodePagesNote(v[1:])
		for _, id := range ids {
			if err == nil {
				err = c.own(id, 0)
			}
		}
		return err
	}
	return fmt.Errorf("%w: intent %x", ErrCorrupt, key)
}

// maps compares what is in use with what belongs to something.
func (c *checker) maps(ctx context.Context) error {
	highest := redo.PageID(0)
	for id := range c.owner {
		highest = max(highest, id)
	}
	used := 0
	// A span after the last page in use may have been used before: look on until a
	// map page that was never written.
	for k := redo.PageID(0); ; k += spanPages {
		b, err := c.p.Page(ctx, k+2)
		if err != nil {
			return err
		}
		if page.KindOf(b) == page.KindNone {
			if highest > k {
				return fmt.Errorf("%w: page %d is in no map", ErrCorrupt, highest)
			}
			break
		}
		for id := k + 1; id <= k+spanPages; id++ {
			if !inUse(b, id) {
				continue
			}
			used++
			if _, there := c.owner[id]; !there {
				return fmt.Errorf("%w: page %d is in use and belongs to nothing", ErrCorrupt, id)
			}
		}
	}
	if used != len(c.owner) {
		return fmt.Errorf("%w: %d pages are in use and %d belong to something", ErrCorrupt, used, len(c.owner))
	}
	return nil
}
