package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"sextant/engine/btree"
	"sextant/internal/redo"
)

// catalogs keeps the catalog snapshots that were needed lately.
//
// Invariant: in run, every catalog holds from its from up to the next one's; there is
// none between them. Older ones, by version, are in old.
type catalogs struct {
	head atomic.Pointer[Catalog]
	mu   sync.Mutex
	run  []*Catalog // ascending
	old  map[uint64]*Catalog
}

func (cs *catalogs) newest() *Catalog { return cs.head.Load() }

// reset makes c, which is the catalog as of at, the only one.
func (cs *catalogs) reset(c *Catalog) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.run, cs.old = []*Catalog{c}, map[uint64]*Catalog{}
	cs.head.Store(c)
}

// add makes c the newest.
func (cs *catalogs) add(c *Catalog) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.run) >= catalogsKept {
		cs.run = slices.Delete(cs.run, 0, len(cs.run)-catalogsKept+1)
	}
	cs.run = append(cs.run, c)
	cs.head.Store(c)
}

// at returns the catalog as of lsn if it is in the run.
func (cs *catalogs) at(lsn redo.LSN) *Catalog {
	if c := cs.head.Load(); c.from <= lsn {
		return c
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range slices.Backward(cs.run) {
		if c.from <= lsn {
			return c
		}
	}
	return nil
}

// CatalogAt returns the schema as of lsn, which must be a snapshot that is kept
// readable; 0: the newest committed one, durable or not (see Catalog.LSN).
// Returns ErrSnapshotGone, ErrCorrupt, ErrFormat or the context's error.
func (db *DB) CatalogAt(ctx context.Context, lsn redo.LSN) (*Catalog, error) {
	if lsn == 0 {
		return db.catalogs.newest(), nil
	}
	if c := db.catalogs.at(lsn); c != nil {
		return c, nil
	}
	p := db.pagerAt(lsn)
	p.old = true
	version, _, err := db.catalogVersion(ctx, p)
	if err != nil {
		return nil, err
	}
	db.catalogs.mu.Lock()
	c := db.catalogs.old[version]
	db.catalogs.mu.Unlock()
	if c != nil {
		return c, nil
	}
	if c, err = db.loadCatalog(ctx, p); err != nil {
		return nil, err
	}
	db.catalogs.mu.Lock()
	defer db.catalogs.mu.Unlock()
	if len(db.catalogs.old) >= catalogsKept {
		clear(db.catalogs.old)
	}
	db.catalogs.old[version] = c
	return c, nil
}

func (db *DB) catalogVersion(ctx context.Context, p btree.Pager) (uint64, redo.LSN, error) {
	v, found, err := db.system.tree(treeCatalog).Get(ctx, p, []byte{catalogVersionKey})
	if err != nil {
		return 0, 0, err
	}
	if !found {
		return 0, 0, errors.Join(ErrCorrupt, errors.New("no catalog version"))
	}
	return decodeVersion(v)
}

// decoded is the entries of the catalog that was loaded last, by key. Entries that are
// the same bytes again are the same definitions: a reader loads the catalog after each DDL.
type decoded map[string]decodedEntry

type decodedEntry struct {
	value []byte
	change
}

// loadCatalog reads the whole catalog as of the pager's LSN.
func (db *DB) loadCatalog(ctx context.Context, p btree.Pager) (*Catalog, error) {
	c, _, err := db.loadCatalogAfter(ctx, p, nil)
	return c, err
}

// loadCatalogAfter is loadCatalog with the entries of the last one. It returns its own.
func (db *DB) loadCatalogAfter(ctx context.Context, p btree.Pager, last decoded) (*Catalog, decoded, error) {
	version, from, err := db.catalogVersion(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	var changes []change
	entries := make(decoded, len(last))
	c := btree.NewCursor(db.system.tree(treeCatalog), p)
	for ok := c.Seek(ctx, nil); ok; ok = c.Next(ctx) {
		if c.Key()[0] == catalogVersionKey {
			continue
		}
		v, err := c.Value(ctx)
		if err != nil {
			return nil, nil, err
		}
		e, same := last[string(c.Key())]
		if !same || !bytes.Equal(e.value, v) {
			e.value = bytes.Clone(v)
			if e.change, err = decodeChange(c.Key(), v); err != nil {
				return nil, nil, err
			}
		}
		entries[string(c.Key())] = e
		changes = append(changes, e.change)
	}
	if c.Err() != nil {
		return nil, nil, c.Err()
	}
	cat := emptyCatalog().with(changes)
	cat.version, cat.from, cat.end = version, from, from
	return cat, entries, nil
}

// writeCatalog writes changes into the catalog tree and makes them the turn's
// newest catalog.
func (t *turn) writeCatalog(changes []change) error {
	ctx := context.Background()
	tree := t.db.system.tree(treeCatalog)
	for _, ch := range changes {
		if ch.table != nil && ch.gone {
			if o := t.catalog.Statistics(ch.table.ID); o != nil {
				changes = append(slices.Clip(changes), change{object: o, gone: true})
			}
		}
	}
	for _, ch := range changes {
		if ch.gone {
			if err := tree.Delete(ctx, t, ch.key()); err != nil && !errors.Is(err, btree.ErrNotFound) {
				return err
			}
			continue
		}
		v, err := ch.value()
		if err != nil {
			return err
		}
		if err := tree.Put(ctx, t, ch.key(), v); err != nil {
			return err
		}
	}
	c := t.catalog.with(changes)
	c.version, c.from, c.own = t.catalog.version+1, t.start, false
	t.madeCatalog = c
	return tree.Put(ctx, t, []byte{catalogVersionKey}, c.encodeVersion())
}
