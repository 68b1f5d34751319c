package gms

import (
	"io"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// memory adds up the rows that the iterators of a session's statement keep: sorts,
// groups, hash tables, temporary tables. The planner's have no bound of their own.
// Beyond tmp_table_size they go to temporary files, or else the statement fails; what all statements of an instance
// keep comes out of the instance's budget (T-14). It is safe for concurrent use.
//
// Invariant: used <= taken, and taken is what the budget has given.
type memory struct {
	mu          sync.Mutex
	s           *Session
	used, taken int64
	limit       int64 // tmp_table_size, 0: not looked up yet
	// tables is what nodes keep from one of their iterators to the next.
	tables map[sql.Node]int64
	// inner is the joins whose tables are released with the join that they are part of.
	inner map[sql.Node]bool
	files map[*rowFile]struct{} // that are open
	lists map[sql.Node]*rowList // what nodes keep, those of tables that are in files included
}

// tableOverflow is what an operation on a temporary table fails with.
func tableOverflow() error {
	return mysql.NewSQLError(mysql.ERRecordFileFull, "HY000", "The table '%s' is full", "#sql_tmp_table_size")
}

// charge adds n bytes. Returns the error of full, or 1041 if the instance has no more.
func (m *memory) charge(ctx *sql.Context, n int64, full expr.Overflow) error {
	return m.chargeKeys(ctx, n, 1, full)
}

// chargeKeys is charge for what is kept of rows in files, which may go beyond tmp_table_size so many times.
func (m *memory) chargeKeys(ctx *sql.Context, n, times int64, full expr.Overflow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if (m.used+n)/times > max(m.limitOf(ctx), limitMin) {
		return full()
	}
	if !m.take(n) {
		return wireError(engine.ErrMemory)
	}
	return nil
}

// fits adds n bytes to those that a node holds and can write to a file. Returns false, with nothing added, if it is to write them:
// all of the statement take more than one of so many parts of tmp_table_size, or the instance has no more. Returns 1041 if it has
// none for a node that holds none.
func (m *memory) fits(ctx *sql.Context, n, held, parts int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held > 0 && (m.used+n > m.limitOf(ctx)/parts && held+n > spillMin || spillMin < 0) {
		return false, nil
	}
	if m.take(n) {
		return true, nil
	}
	if held > 0 {
		return false, nil
	}
	return false, wireError(engine.ErrMemory)
}

// take adds n bytes. Returns false if the instance has no more.
func (m *memory) take(n int64) bool {
	if more := m.used + n - m.taken; more > 0 {
		more = (more + function.MemoryStep - 1) / function.MemoryStep * function.MemoryStep
		if !m.s.b.db.TakeMemory(more) {
			return false
		}
		m.taken += more
	}
	m.used += n
	return true
}

// release takes n bytes off.
func (m *memory) release(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= min(n, m.used) // less is left if reset came first
	if spare := (m.taken - m.used) / function.MemoryStep * function.MemoryStep; spare > 0 {
		m.s.b.db.GiveMemory(spare)
		m.taken -= spare
	}
}

// reset is the end of a statement: nothing is kept.
func (m *memory) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken > 0 {
		m.s.b.db.GiveMemory(m.taken)
	}
	m.used, m.taken, m.limit = 0, 0, 0
	m.tables, m.inner, m.lists = nil, nil, nil
	for f := range m.files {
		f.end()
	}
}

// lasts hands a node's bytes over to the join above it, or to the statement.
func (m *memory) lasts(n sql.Node, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tables == nil {
		m.tables = make(map[sql.Node]int64)
	}
	m.tables[n] += bytes
}

// limitMin is what a statement may keep whatever tmp_table_size is, where nothing is written to files.
const limitMin = 512 << 10

// spillMin is what a node may keep whatever else the statement keeps, so that what it writes at a time is no single row. Below 0,
// in tests, a node keeps one row.
var spillMin = int64(32 << 10)

// limitOf is tmp_table_size at the statement's beginning.
func (m *memory) limitOf(ctx *sql.Context) int64 {
	if m.limit == 0 {
		m.limit = 1 << 62
		v, err := ctx.GetSessionVariable(ctx, "tmp_table_size")
		if n, ok := v.(uint64); ok && err == nil {
			m.limit = int64(min(max(n, 1), 1<<62))
		}
	}
	return m.limit
}

// keeper counts the rows that pass it as kept by whoever reads it.
type keeper struct {
	child sql.RowIter
	m     *memory
	full  expr.Overflow
	size  func(sql.Row) int64
	// lasting is a node that keeps what was read to its end.
	lasting sql.Node
	n       int64
	end     bool
}

// Next implements sql.RowIter.
func (k *keeper) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := k.child.Next(ctx)
	if err != nil {
		k.end = k.end || err == io.EOF
		return r, err
	}
	n := k.size(r)
	if err := k.m.charge(ctx, n, k.full); err != nil {
		return nil, err
	}
	k.n += n
	return r, nil
}

// Close implements sql.RowIter.
func (k *keeper) Close(ctx *sql.Context) error {
	err := k.child.Close(ctx)
	if k.lasting != nil && k.end {
		k.m.lasts(k.lasting, k.n)
	} else {
		k.m.release(k.n)
	}
	k.n = 0
	return err
}

// readAhead reads rows to their end before one is sent.
func (s *Session) readAhead(ctx *sql.Context, it sql.RowIter) (sql.RowIter, error) {
	list := &rowList{m: &s.memory}
	for {
		r, err := it.Next(ctx)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = list.add(ctx, r)
		}
		if err != nil {
			list.close()
			s.failing = true // what Close would commit is rolled back
			_ = it.Close(ctx)
			s.failing = false
			return nil, err
		}
	}
	if err := it.Close(ctx); err != nil {
		list.close()
		return nil, err
	}
	rows, err := list.all(ctx)
	return &listedRows{RowIter: rows, list: list}, err
}

// listedRows are the rows of a list that ends with them.
type listedRows struct {
	sql.RowIter
	list *rowList
}

// Close implements sql.RowIter.
func (l *listedRows) Close(*sql.Context) error {
	l.list.close()
	return nil
}

// hashSize is the size of a row of which only a hash is kept.
func hashSize(sql.Row) int64 { return function.HashBytes }
