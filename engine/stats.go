package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"

	"sextant/engine/btree"
	"sextant/internal/page"
)

// Row counts are kept in memory, as the count in the stats tree or an estimate from
// the tree's shape, plus what commits added since, and flushed by a background
// commit every few seconds: no commit waits for a hot row, and a crash loses some
// seconds of drift (T-25).
//
// Sizes are sampled from the trees and kept until the row count has moved by an
// eighth: the planner asks for them with every statement.
type statistics struct {
	mu      sync.Mutex
	byTable map[TableID]*tableRows
	sizes   map[TableID]tableSize
	changed map[TableID]uint64 // rows changed since the table was analyzed
}

// tableSize is the sizes of a table's trees as they were at a row count.
type tableSize struct {
	TableStats
	version uint64 // of the definition
}

// current reports whether the sizes still do for that many rows.
func (s tableSize) current(t *TableDef, rows uint64) bool {
	drift := max(rows, s.Rows) - min(rows, s.Rows)
	return s.version == t.Version && s.version != 0 && drift <= s.Rows/8+64
}

type tableRows struct {
	rows   int64 // as of the last flush or load
	delta  int64 // since
	loaded bool
}

// TableStats is an estimate of a table's size. It is never exact (T-25).
type TableStats struct {
	Rows      uint64
	DataBytes uint64 // clustered index: leaf pages × page size
	IndexSize uint64 // secondary indexes, the same
}

// add counts rows that a commit added (or removed, negative).
func (s *statistics) add(id TableID, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byTable[id]
	if r == nil {
		r = &tableRows{}
		s.byTable[id] = r
	}
	r.delta += n
}

// set is what a rewritten table's count is.
func (s *statistics) set(id TableID, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byTable[id] = &tableRows{loaded: true, delta: n}
}

func (s *statistics) forget(id TableID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byTable, id)
	delete(s.sizes, id)
	delete(s.changed, id)
}

func (s *statistics) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byTable)
	clear(s.changed)
}

// statSamples is the leaves read for one estimate of a tree's size.
const statSamples = 8

// committed returns the definition of a table that belongs to some pages, nil if they have
// no such table. The one that is planned with may be a snapshot's, or have changed since:
// its trees may be gone.
func (db *DB) committed(ctx context.Context, p *pager, t *TableDef) (*TableDef, error) {
	if t.Temporary {
		return t, nil
	}
	cat, err := db.CatalogAt(ctx, p.at)
	if err != nil {
		return nil, err
	}
	return cat.TableByID(t.ID), nil
}

// TableStats returns the estimate for a table, of its newest definition; zeroes if it is gone.
func (db *DB) TableStats(ctx context.Context, t *TableDef) (TableStats, error) {
	p, _, done := db.newest()
	defer done()
	t, err := db.committed(ctx, p, t)
	if t == nil || err != nil {
		return TableStats{}, err
	}
	return db.tableStats(ctx, p, t)
}

func (db *DB) tableStats(ctx context.Context, p *pager, t *TableDef) (TableStats, error) {
	var s TableStats
	if len(t.Parts) > 0 {
		for _, pt := range t.tables() {
			of, err := db.tableStats(ctx, p, pt)
			if err != nil {
				return s, err
			}
			s.Rows, s.DataBytes, s.IndexSize = s.Rows+of.Rows, s.DataBytes+of.DataBytes, s.IndexSize+of.IndexSize
		}
		return s, nil
	}
	rows, err := db.rowCount(ctx, p, t)
	if err != nil {
		return s, err
	}
	db.stats.mu.Lock()
	known := db.stats.sizes[t.ID]
	db.stats.mu.Unlock()
	if known.current(t, rows) {
		known.Rows = rows
		return known.TableStats, nil
	}
	s.Rows = rows
	if s.DataBytes, err = db.treeBytes(ctx, t.pager(p), t.Primary.tree()); err != nil {
		return s, err
	}
	for _, ix := range t.Indexes {
		if !ix.stored() {
			continue
		}
		n, err := db.treeBytes(ctx, t.pager(p), ix.tree())
		if err != nil {
			return s, err
		}
		s.IndexSize += n
	}
	db.stats.mu.Lock()
	defer db.stats.mu.Unlock()
	db.stats.sizes[t.ID] = tableSize{s, t.Version}
	return s, nil
}

// EstimateRows returns about how many committed rows of a table are in ranges of an index, 0
// if either is gone.
func (db *DB) EstimateRows(ctx context.Context, t *TableDef, ix *IndexDef, ranges []Range) (uint64, error) {
	p, _, done := db.newest()
	defer done()
	t, err := db.committed(ctx, p, t)
	if t == nil || err != nil || t.indexByID(ix.ID) == nil {
		return 0, err
	}
	rows := 0.0
	for _, pt := range t.tables() {
		tree := pt.indexByID(ix.ID).tree()
		for _, r := range ranges {
			at := r.bounds()
			n, err := tree.Estimate(ctx, t.pager(p), at.lo, at.hi)
			if err != nil {
				return 0, err
			}
			rows += n
		}
	}
	return uint64(rows), nil
}

// rowCount returns the count in memory, loading it at first.
func (db *DB) rowCount(ctx context.Context, p *pager, t *TableDef) (uint64, error) {
	if len(t.Parts) > 0 {
		sum := uint64(0)
		for _, pt := range t.tables() {
			n, err := db.rowCount(ctx, p, pt)
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	}
	db.stats.mu.Lock()
	if r := db.stats.byTable[t.ID]; r != nil && r.loaded {
		defer db.stats.mu.Unlock()
		return uint64(max(r.rows+r.delta, 0)), nil
	}
	db.stats.mu.Unlock()
	rows, estimated, err := db.storedRows(ctx, p, t)
	if err != nil || db.Role() != RoleWriter {
		return rows, err // a reader's counts come from the log
	}
	db.stats.mu.Lock()
	defer db.stats.mu.Unlock()
	r := db.stats.byTable[t.ID]
	if r == nil {
		r = &tableRows{}
		db.stats.byTable[t.ID] = r
	}
	if !r.loaded {
		r.rows, r.loaded = int64(rows), true
		if estimated {
			r.rows -= r.delta // the tree has those rows already
		}
	}
	return uint64(max(r.rows+r.delta, 0)), nil
}

// storedRows returns the flushed count, or an estimate from the tree's shape.
func (db *DB) storedRows(ctx context.Context, p *pager, t *TableDef) (rows uint64, estimated bool, err error) {
	if !t.Temporary {
		key := binary.BigEndian.AppendUint64(nil, uint64(t.ID))
		v, found, err := db.system.tree(treeStats).Get(ctx, p, key)
		if err != nil {
			return 0, false, err
		}
		if found {
			if len(v) != 8 {
				return 0, false, fmt.Errorf("%w: row count of table %d", ErrCorrupt, t.ID)
			}
			return binary.BigEndian.Uint64(v), false, nil
		}
	}
	n, err := t.Primary.tree().Estimate(ctx, t.pager(p), nil, nil)
	return uint64(n), true, err
}

// treeBytes estimates the bytes of a tree's leaves from a few samples.
func (db *DB) treeBytes(ctx context.Context, p btree.Pager, tree btree.Tree) (uint64, error) {
	leaves := 0.0
	for i := range statSamples {
		w, err := tree.Sample(ctx, p, rand.IntN, func([]byte, []byte) {})
		if err != nil {
			return 0, err
		}
		leaves += w
		if w == 1 && i == 0 {
			return page.Size, nil
		}
	}
	return uint64(leaves / statSamples * page.Size), nil
}

// flushStats writes the row counts that changed.
func (db *writer) flushStats(ctx context.Context) error {
	type flushed struct {
		id    TableID
		rows  int64
		delta int64
	}
	var todo []flushed
	db.stats.mu.Lock()
	for id, r := range db.stats.byTable {
		if r.loaded && r.delta != 0 && id&temporaryID == 0 {
			todo = append(todo, flushed{id, r.rows + r.delta, r.delta})
		}
	}
	db.stats.mu.Unlock()
	if len(todo) == 0 {
		return nil
	}
	_, err := db.commit(ctx, &commitRequest{apply: func(t *turn) error {
		for _, f := range todo {
			if t.catalog.TableByID(f.id) == nil {
				continue // dropped: no row to come back
			}
			key := binary.BigEndian.AppendUint64(nil, uint64(f.id))
			v := binary.BigEndian.AppendUint64(nil, uint64(max(f.rows, 0)))
			if err := t.db.system.tree(treeStats).Put(context.Background(), t, key, v); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	db.stats.mu.Lock()
	defer db.stats.mu.Unlock()
	for _, f := range todo {
		if r := db.stats.byTable[f.id]; r != nil {
			r.rows += f.delta
			r.delta -= f.delta
		}
	}
	return nil
}
