package engine

import (
	"context"
	"encoding/binary"
	"fmt"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// The system trees. Their roots are in the meta page; they never move.
//
//	catalog   definitions, see encode.go
//	counters  numbers that only grow, changed by raise-to alone:
//	          'T' last table id, 'R' last tree id, 'F' forgotten-through of the tokens,
//	          'S' highest span of pages in use,
//	          'a' table id: last AUTO_INCREMENT value, 'r' table id: last row id
//	seconds   second since 1970 (8) -> last LSN before its first commit (8)
//	tokens    session (8) -> the outcome of its last writing commit, see token.go
//	garbage   tree id (8) -> root (8): trees to be freed, see garbage.go
//	intents   epoch (8), tree id (8) -> root (8): trees that are not published yet
//	stats     table id (8) -> rows (8)
const (
	treeCatalog = iota
	treeCounters
	treeSeconds
	treeTokens
	treeGarbage
	treeIntents
	treeStats
	systemTrees

	firstTableID = 1
	firstTreeID  = 1000 // the ids below are the system's
)

// Keys of the counters tree.
const (
	counterTable     = 'T'
	counterTree      = 'R'
	counterForgotten = 'F'
	counterSpan      = 'S'
	counterAuto      = 'a'
	counterRow       = 'r'
)

func counterKey(kind byte, id TableID) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(id))
}

// system is the roots of the system trees.
type system struct{ trees [systemTrees]btree.Tree }

func (s *system) tree(i int) btree.Tree { return s.trees[i] }

// bootstrap is the first mini-transaction of a volume: the meta page, the map of the
// first span, the empty system trees and the catalog's version.
func (t *turn) bootstrap() error {
	ctx := context.Background()
	var ids []redo.PageID
	for i := range systemTrees {
		id, err := t.Allocate()
		if err != nil {
			return err
		}
		ids = append(ids, id)
		if err := (btree.Tree{Root: id, ID: uint64(i + 1)}).Create(t); err != nil {
			return err
		}
	}
	p := page.AppendFormat(nil, page.KindMeta, 0, 0)
	p = page.AppendCell(p, metaFormat, []byte{volumeFormat}, false)
	p = page.AppendCell(p, metaTrees, encodeIDs(ids), false)
	if err := t.Change(metaPage, redo.OpFormat, p); err != nil {
		return err
	}
	c := emptyCatalog()
	c.version, c.from = 1, t.start
	s, err := decodeMeta(t.pages[metaPage].buf)
	if err != nil {
		return err
	}
	t.db.system = *s
	return s.tree(treeCatalog).Put(ctx, t, []byte{catalogVersionKey}, c.encodeVersion())
}

// decodeMeta reads the roots from the meta page. Returns ErrFormat or ErrCorrupt.
func decodeMeta(b []byte) (*system, error) {
	i, found := page.Search(b, metaFormat)
	if !found {
		return nil, fmt.Errorf("%w: meta page without format", ErrCorrupt)
	}
	if v := page.Value(b, i); len(v) != 1 || v[0] != volumeFormat {
		return nil, fmt.Errorf("%w: %x", ErrFormat, v)
	}
	i, found = page.Search(b, metaTrees)
	v := page.Value(b, i)
	if !found || len(v) != 8*systemTrees {
		return nil, fmt.Errorf("%w: meta page without %d system trees", ErrCorrupt, systemTrees)
	}
	s := &system{}
	for i := range s.trees {
		s.trees[i] = btree.Tree{Root: redo.PageID(binary.BigEndian.Uint64(v[8*i:])), ID: uint64(i + 1)}
	}
	return s, nil
}

// counter reads a counter, 0 if it was never raised.
func (s *system) counter(ctx context.Context, p btree.Pager, key []byte) (uint64, error) {
	v, found, err := s.tree(treeCounters).Get(ctx, p, key)
	if err != nil || !found {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%w: counter %x", ErrCorrupt, key)
	}
	return binary.LittleEndian.Uint64(v), nil
}

// writeSecond adds the row of the commit's second if it is the second's first.
func (t *turn) writeSecond() error {
	second := t.wall / 1e6
	if second <= t.second {
		return nil
	}
	key := binary.BigEndian.AppendUint64(nil, uint64(second))
	err := t.db.system.tree(treeSeconds).Insert(context.Background(), t, key,
		binary.BigEndian.AppendUint64(nil, uint64(t.prev)))
	if err != nil {
		return err
	}
	t.second = second
	return nil
}

// lastSecond returns the newest second that has a row, 0 if none has.
func (s *system) lastSecond(ctx context.Context, p btree.Pager) (int64, error) {
	c := btree.NewCursor(s.tree(treeSeconds), p)
	if !c.SeekLast(ctx) {
		return 0, c.Err()
	}
	if len(c.Key()) != 8 {
		return 0, fmt.Errorf("%w: second %x", ErrCorrupt, c.Key())
	}
	return int64(binary.BigEndian.Uint64(c.Key())), nil
}

// LSNAt returns a snapshot that holds every commit before the second of t (µs since
// 1970 UTC) and none of that second or later; the newest snapshot if nothing was
// committed since. Returns ErrSnapshotGone if t lies before the first second known.
func (db *DB) LSNAt(ctx context.Context, t int64) (redo.LSN, error) {
	at := db.acquire()
	defer db.snaps.Release(at)
	c := btree.NewCursor(db.system.tree(treeSeconds), db.pagerAt(at))
	key := binary.BigEndian.AppendUint64(nil, uint64(t/1e6))
	if !c.Seek(ctx, key) {
		return at, c.Err()
	}
	v, err := c.Value(ctx)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%w: second %x", ErrCorrupt, c.Key())
	}
	lsn := redo.LSN(binary.BigEndian.Uint64(v))
	if lsn == 0 {
		return 0, fmt.Errorf("%w: nothing was committed before %d", ErrSnapshotGone, t/1e6)
	}
	return lsn, nil
}
