package engine

import (
	"context"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// The tails of very long values are written before the commit, as pages that
// nothing refers to, in mini-transactions of their own; the commit only links them
// (T-9). So a commit's mini-transaction stays small, and the tails do not count
// against its caps.
const longValueMin = 1 << 20 // bytes of a row that is written so

// longValues is the tails that a commit has written ahead.
type longValues struct {
	intent intent
	parts  uint32
	tails  map[longKey]*btree.Written
}

type longKey struct {
	table TableID
	pk    string
}

// of returns the tail of a row that was written ahead, nil if it was not.
func (l *longValues) of(table TableID, pk string) *btree.Written {
	return l.tails[longKey{table, pk}]
}

// applied deletes the notes in the linking commit.
func (l *longValues) applied(t *turn) error { return t.unnote(l.intent, l.parts) }

// writeLong writes the tails of the commit's very long rows.
func (db *writer) writeLong(ctx context.Context, c *txCommit) error {
	if c.writes == nil || c.writes.Bytes() < longValueMin {
		return nil
	}
	cat := c.ddl.catalog(db.catalogs.newest())
	err := c.writes.Rows(func(table uint64, pk string, img []byte) error {
		id := TableID(table)
		if len(img) < longValueMin || c.skips(id) || !btree.Long(page.Size, len(pk), len(img)) {
			return nil
		}
		def, err := c.definition(cat, id)
		if err != nil {
			return err
		}
		// The row's tail depends on its layout: bring it to the newest first.
		if img, err = def.Upgrade(img); err != nil {
			return err
		}
		if c.long.tails == nil {
			c.long = longValues{intent: db.newIntent(), tails: map[longKey]*btree.Written{}}
		}
		w, err := db.writeTail(ctx, def.Primary.tree(), img, &c.long)
		if err != nil {
			return err
		}
		c.long.tails[longKey{id, pk}] = &w
		return nil
	})
	if err != nil {
		db.dropLong(ctx, c, err)
	}
	return err
}

// writeTail writes one tail in steps of bulkStepPages.
func (db *writer) writeTail(ctx context.Context, tree btree.Tree, img []byte, l *longValues) (btree.Written, error) {
	var written btree.Written
	next := tree.NewOverflowWriter(page.Size, img)
	for end := false; !end; {
		// An attempt that is given up must leave the writer as it was.
		before := *next
		part := l.parts
		_, err := db.apply(ctx, &commitRequest{apply: func(t *turn) error {
			t.exempt = true
			w := before // an attempt's pages lie behind the ids that before has
			done, err := w.Step(t, bulkStepPages)
			if err != nil {
				return err
			}
			if done {
				if written, err = w.Finish(t); err != nil {
					return err
				}
			}
			if err := t.note(l.intent.key(part), pagesNote(append([]redo.PageID(nil), t.marks.used...))); err != nil {
				return err
			}
			next, end = &w, done
			return nil
		}})
		if err != nil {
			return btree.Written{}, err
		}
		l.parts++
	}
	return written, nil
}

// endLong ends the work on tails: what no commit has linked is garbage.
func (db *writer) endLong(l *longValues) {
	if l.tails != nil {
		db.endIntent(l.intent)
	}
}

// dropLong gives up the tails of a commit that failed. If its outcome is not known
// the volume has ended, and the next writer finds out from the notes.
func (db *writer) dropLong(_ context.Context, c *txCommit, _ error) {
	db.endLong(&c.long)
}

// count adds the rows that the commit added to the tables' counts.
func (c *txCommit) count(db *DB) {
	for id, n := range c.delta {
		if n != 0 {
			db.stats.add(id, n)
		}
	}
	for id, n := range c.changed {
		db.stats.change(id, n)
	}
}

// committed is what follows a commit that went through.
func (db *writer) committed(c *txCommit) {
	db.endLong(&c.long)
	c.count(db.DB)
	if c.ddl.empty() {
		return
	}
	for id, gone := range c.ddl.gone {
		if gone {
			db.stats.forget(id)
		}
	}
	for id, n := range c.ddl.counts {
		db.stats.set(id, n)
	}
	for _, ch := range c.ddl.changes {
		if ch.table != nil && !ch.gone {
			db.stats.change(ch.table.ID, allChanged) // a new index, or new rows
		}
	}
	for _, n := range c.ddl.notes {
		db.endIntent(n.intent)
	}
	db.collect()
	select {
	case db.analyzeNow <- struct{}{}:
	default:
	}
}
