package engine

import (
	"context"

	"sextant/engine/btree"
	"sextant/internal/redo"
)

// FreeGarbage runs the background job once.
func (db *DB) FreeGarbage(ctx context.Context) error {
	w, err := db.writer()
	if err != nil {
		return err
	}
	return w.freeTrees(ctx)
}

// Garbage returns the number of notes in the garbage and intents trees.
func (db *DB) Garbage(ctx context.Context) (n int) {
	p, _, done := db.newest()
	defer done()
	for _, tree := range []int{treeGarbage, treeIntents} {
		c := btree.NewCursor(db.system.tree(tree), p)
		for ok := c.Seek(ctx, nil); ok; ok = c.Next(ctx) {
			n++
		}
	}
	return n
}

// ReadPoint returns where an open reader reads the newest version of a page, asked for
// whenever it is called, as by a load that was begun now.
func (db *DB) ReadPoint() func() redo.LSN { return db.state.Load().r.readPoint }

// ChangesLeft returns how many changes of a table that is new count after it was analyzed,
// while so many rows changed.
func (db *DB) ChangesLeft(rows uint64) uint64 {
	const id = 1 << 20
	s := &db.stats
	s.change(id, allChanged)
	due := s.due()[id]
	s.change(id, rows)
	s.analyzed(id, due)
	return s.changed[id]
}

// LoseEntry deletes the first entry of a secondary index from its tree.
func (db *DB) LoseEntry(ctx context.Context, id TableID, index string) error {
	w, err := db.writer()
	if err != nil {
		return err
	}
	tree := w.catalogs.newest().TableByID(id).Index(index).tree()
	p, _, done := db.newest()
	c := btree.NewCursor(tree, p)
	c.Seek(ctx, nil)
	key := append([]byte(nil), c.Key()...)
	done()
	_, err = w.commit(ctx, &commitRequest{
		prepare: func(ctx context.Context, p *pager) error { return tree.Prepare(ctx, p, key) },
		apply:   func(t *turn) error { return tree.Delete(context.Background(), t, key) },
	})
	return err
}
