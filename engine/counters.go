package engine

import (
	"context"
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
)

// Counters (AUTO_INCREMENT, hidden row ids) live in memory while the instance is
// the writer and only grow; a commit that used values raises the stored counter
// above all of them in its own mini-transaction, a block ahead, so that most
// commits find it high enough (T-22). After a crash or a promotion the counter goes
// on from the stored value: values may be skipped, none is given out twice.
const (
	autoBlock = 64   // values that a raise of an AUTO_INCREMENT counter is ahead
	rowBlock  = 1024 // of a row id counter
)

type counters struct {
	mu    sync.Mutex
	byKey map[counterID]*counter
}

// counterID names a counter: a kind, a table and a generation, which TRUNCATE and
// ALTER … AUTO_INCREMENT change, since a stored counter cannot go down.
type counterID struct {
	kind  byte
	table TableID
	gen   uint32
}

func (id counterID) key() []byte {
	return binary.BigEndian.AppendUint32(counterKey(id.kind, id.table), id.gen)
}

// counter is one counter: the last value given out.
type counter struct {
	mu     sync.Mutex
	loaded bool
	last   atomic.Uint64
}

func (cs *counters) reset() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	clear(cs.byKey)
}

func (cs *counters) get(id counterID) *counter {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byKey[id]
	if c == nil {
		c = &counter{}
		cs.byKey[id] = c
	}
	return c
}

// used returns the last value given out, 0 if the counter was not used here.
func (cs *counters) used(id counterID) uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.byKey[id]; c != nil {
		return c.last.Load()
	}
	return 0
}

func autoCounter(t *TableDef) counterID { return counterID{counterAuto, t.Owner().ID, t.CounterGen} }
func rowCounter(t *TableDef) counterID  { return counterID{counterRow, t.Owner().ID, 0} }

// counter returns a loaded counter of the table.
func (db *DB) counter(ctx context.Context, t *TableDef, id counterID) (*counter, error) {
	c := &counter{} // a reader's is as of now
	if db.Role() == RoleWriter || t.Temporary {
		c = db.counters.get(id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded {
		return c, nil
	}
	var last uint64
	if !t.Temporary {
		p, _, done := db.newest()
		defer done()
		var err error
		if last, err = db.system.counter(ctx, p, id.key()); err != nil {
			return nil, err
		}
	}
	if id.kind == counterAuto && t.AutoIncrementBase > 0 {
		last = max(last, t.AutoIncrementBase-1)
	}
	c.raise(last)
	c.loaded = true
	return c, nil
}

func (c *counter) raise(v uint64) {
	for {
		old := c.last.Load()
		if v <= old || c.last.CompareAndSwap(old, v) {
			return
		}
	}
}

// ReserveAutoIncrement returns the first of n consecutive values of the table's
// counter that nobody else gets. Gaps are allowed, reuse is not (T-22).
// Returns ErrCounterUsedUp, ErrNotWriter, ErrClosed, an error of reading.
func (db *DB) ReserveAutoIncrement(ctx context.Context, t *TableDef, n uint64) (uint64, error) {
	c, err := db.counter(ctx, t, autoCounter(t))
	if err != nil {
		return 0, err
	}
	for {
		old := c.last.Load()
		if old > math.MaxUint64-n {
			return 0, ErrCounterUsedUp
		}
		if c.last.CompareAndSwap(old, old+n) {
			return old + 1, nil
		}
	}
}

// PeekAutoIncrement returns the next value that ReserveAutoIncrement would give, or
// the highest of all if that is used up.
func (db *DB) PeekAutoIncrement(ctx context.Context, t *TableDef) (uint64, error) {
	c, err := db.counter(ctx, t, autoCounter(t))
	if err != nil {
		return 0, err
	}
	last := c.last.Load()
	return max(last, last+1), nil
}

// RaiseAutoIncrement makes the next value more than v: v was inserted explicitly.
func (db *DB) RaiseAutoIncrement(ctx context.Context, t *TableDef, v uint64) error {
	c, err := db.counter(ctx, t, autoCounter(t))
	if err != nil {
		return err
	}
	c.raise(v)
	return nil
}

// reserveRowID returns a hidden row id of a keyless table.
func (db *DB) reserveRowID(ctx context.Context, t *TableDef) (uint64, error) {
	c, err := db.counter(ctx, t, rowCounter(t))
	if err != nil {
		return 0, err
	}
	return c.last.Add(1), nil
}

// raise is a counter that a commit has used: its stored value is brought up to what
// was given out so far, if it is below, and ahead more.
type raise struct {
	id    counterID
	key   []byte
	ahead uint64
}

// counterRaises returns the counters of the tables that a commit has written.
func (db *writer) counterRaises(c *txCommit) (out []raise) {
	cat := c.ddl.catalog(db.catalogs.newest())
	for id := range c.versions {
		if t := cat.TableByID(id); t != nil {
			out = t.appendRaises(out)
		}
	}
	if c.ddl != nil {
		for _, t := range c.ddl.raises {
			out = t.appendRaises(out)
		}
	}
	return out
}

func (t *TableDef) appendRaises(out []raise) []raise {
	if t.AutoIncrement() >= 0 {
		id := autoCounter(t)
		out = append(out, raise{id, id.key(), autoBlock})
	}
	if t.Keyless() {
		id := rowCounter(t)
		out = append(out, raise{id, id.key(), rowBlock})
	}
	return out
}

// raiseCounter stores what was given out, if the stored counter is below it. It runs
// under the commit lock, so whatever this commit or an earlier one used is at or
// below what is stored when its mini-transaction ends.
func (t *turn) raiseCounter(r raise) error {
	used := t.db.counters.used(r.id)
	stored, err := t.db.system.counter(context.Background(), t, r.key)
	if err != nil || used <= stored {
		return err
	}
	to := used + r.ahead
	if to < used {
		to = used
	}
	return t.db.system.tree(treeCounters).Raise(context.Background(), t, r.key, to)
}
