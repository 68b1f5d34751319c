package gms

import (
	"cmp"
	"hash/maphash"
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/function"
)

// rowList keeps rows in their order: the first ones in memory, those for which there is no place in a file.
type rowList struct {
	m     *memory
	rows  []sql.Row
	bytes int64
	file  *rowFile
	keys  []rowKey // of a hash join's rows, all of which are in the file
}

// add adds a row.
func (l *rowList) add(ctx *sql.Context, r sql.Row) error {
	if l.file == nil {
		n := function.RowSize(r)
		ok, err := l.m.fits(ctx, n, l.bytes, 1)
		if err != nil {
			return err
		}
		if ok {
			l.bytes += n
			l.rows = append(l.rows, r)
			return nil
		}
		if l.file, err = l.m.rowFile(ctx, tableOverflow); err != nil {
			return err
		}
	}
	_, err := l.file.add(ctx, r)
	return err
}

// all returns the rows. None is added any more.
func (l *rowList) all(ctx *sql.Context) (sql.RowIter, error) {
	it := &listIter{rows: l.rows}
	if l.file != nil {
		if err := l.file.w.Flush(); err != nil {
			return nil, err
		}
		it.file = l.file.reader(0, l.file.at, l.m.bufferSize(ctx))
	}
	return it, nil
}

// close gives memory and file back.
func (l *rowList) close() {
	l.m.release(l.bytes)
	l.rows, l.keys, l.bytes = nil, nil, 0
	if l.file != nil {
		l.file.close()
	}
}

// listIter returns the rows of a list.
type listIter struct {
	rows []sql.Row
	file *fileRows
}

// Next implements sql.RowIter.
func (i *listIter) Next(ctx *sql.Context) (sql.Row, error) {
	if len(i.rows) > 0 {
		r := i.rows[0]
		i.rows = i.rows[1:]
		return r.Copy(), nil
	}
	if i.file == nil {
		return nil, io.EOF
	}
	return i.file.next(ctx)
}

// Close implements sql.RowIter.
func (i *listIter) Close(*sql.Context) error { return nil }

// cached builds a node whose rows are kept for when it is built again.
func (b *builder) cached(ctx *sql.Context, s *Session, n *plan.CachedResults, r sql.Row) (sql.RowIter, error) {
	if list := s.memory.list(n); list != nil {
		return list.all(ctx)
	}
	child, err := b.base.Build(ctx, n.Child, r)
	if err != nil {
		return nil, err
	}
	return &cachingIter{child: child, n: n, list: &rowList{m: &s.memory}}, nil
}

// forgetList forgets the rows that a node keeps, which somebody else closes.
func (m *memory) forgetList(n sql.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lists, n)
}

// cachingIter returns a child's rows, and keeps them when all have been read: in the node if they are in memory.
type cachingIter struct {
	child sql.RowIter
	n     *plan.CachedResults
	list  *rowList
	kept  bool
}

// Next implements sql.RowIter.
func (i *cachingIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.child.Next(ctx)
	switch {
	case err == io.EOF && !i.kept && i.list.file == nil:
		i.kept = true
		i.n.SetCachedResults(i.list.rows)
		i.list.m.lasts(i.n, i.list.bytes)
	case err == io.EOF && !i.kept:
		i.kept = true
		i.list.m.keepList(i.n, i.list)
	case err == nil:
		err = i.list.add(ctx, r)
	}
	return r, err
}

// Close implements sql.RowIter.
func (i *cachingIter) Close(ctx *sql.Context) error {
	if !i.kept {
		i.list.close()
	}
	return i.child.Close(ctx)
}

// list returns the rows that a node keeps, nil if it has not been read to its end.
func (m *memory) list(n sql.Node) *rowList {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lists[n]
}

// keepList keeps a node's rows until the join above it ends, or the statement.
func (m *memory) keepList(n sql.Node, l *rowList) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lists == nil {
		m.lists = make(map[sql.Node]*rowList)
	}
	m.lists[n] = l
}

// hashed builds the side of a hash join in which rows are looked up. Of rows for which there is no place a file has all, and memory
// the hashes of their keys.
func (b *builder) hashed(ctx *sql.Context, s *Session, n *plan.HashLookup, r sql.Row) (sql.RowIter, error) {
	list := s.memory.list(n)
	if list == nil {
		child, err := b.base.Build(ctx, n.Child, r)
		if err != nil {
			return nil, err
		}
		return &hashingIter{child: child, n: n, lookup: make(map[any][]sql.Row), list: &rowList{m: &s.memory}}, nil
	}
	key, _, err := n.GetHashKey(ctx, n.LeftProbeKey, r)
	if err != nil {
		return nil, err
	}
	h := maphash.Comparable(keySeed, key)
	at, found := slices.BinarySearchFunc(list.keys, h, func(k rowKey, h uint64) int { return cmp.Compare(k.hash, h) })
	it := &keysIter{list: list}
	switch {
	case found:
		end := at
		for end < len(list.keys) && list.keys[end].hash == h {
			end++
		}
		it.keys = list.keys[at:end]
	case n.JoinType.IsExcludeNulls(): // it is to know that there are rows
		it.keys = list.keys[:1]
	}
	return it, nil
}

// keySeed is of the hashes of keys of hash joins.
var keySeed = maphash.MakeSeed()

// rowKey is the hash of a row's key, and where the row is in a file.
type rowKey struct {
	hash uint64
	at   int64
}

const rowKeyBytes = 16

// keysIter returns the rows of keys.
type keysIter struct {
	list *rowList
	keys []rowKey
}

// Next implements sql.RowIter.
func (i *keysIter) Next(ctx *sql.Context) (sql.Row, error) {
	if len(i.keys) == 0 {
		return nil, io.EOF
	}
	at := i.keys[0].at
	i.keys = i.keys[1:]
	return i.list.file.reader(at, i.list.file.at, 512).next(ctx)
}

// Close implements sql.RowIter.
func (i *keysIter) Close(*sql.Context) error { return nil }

// hashingIter returns a child's rows, and keeps them by their keys when all have been read: in the node if they are in memory.
type hashingIter struct {
	child  sql.RowIter
	n      *plan.HashLookup
	lookup map[any][]sql.Row
	list   *rowList // its bytes are those of lookup, or of keys
	kept   bool
}

// Next implements sql.RowIter.
func (i *hashingIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.child.Next(ctx)
	if err == io.EOF && !i.kept {
		return nil, i.finish()
	}
	if err != nil {
		return nil, err
	}
	key, _, err := i.n.GetHashKey(ctx, i.n.RightEntryKey, r)
	if err != nil {
		return nil, err
	}
	if i.list.file == nil {
		n := function.RowSize(r)
		ok, err := i.list.m.fits(ctx, n, i.list.bytes, 1)
		if err != nil {
			return nil, err
		}
		if ok {
			i.list.bytes += n
			i.lookup[key] = append(i.lookup[key], r)
			return r, nil
		}
		if err := i.write(ctx); err != nil {
			return nil, err
		}
	}
	return r, i.list.addKey(ctx, key, r)
}

// write writes the rows so far.
func (i *hashingIter) write(ctx *sql.Context) (err error) {
	if i.list.file, err = i.list.m.rowFile(ctx, tableOverflow); err != nil {
		return err
	}
	i.list.m.release(i.list.bytes)
	i.list.bytes = 0
	for key, rows := range i.lookup {
		for _, r := range rows {
			if err := i.list.addKey(ctx, key, r); err != nil {
				return err
			}
		}
	}
	i.lookup = nil
	return nil
}

// addKey writes a row that has a key.
func (l *rowList) addKey(ctx *sql.Context, key any, r sql.Row) error {
	if err := l.m.chargeKeys(ctx, rowKeyBytes, 2, tableOverflow); err != nil {
		return err
	}
	l.bytes += rowKeyBytes
	at, err := l.file.add(ctx, r)
	l.keys = append(l.keys, rowKey{maphash.Comparable(keySeed, key), at})
	return err
}

// finish keeps the rows. Returns io.EOF.
func (i *hashingIter) finish() error {
	i.kept = true
	if i.list.file == nil {
		i.n.Lookup = &i.lookup
		i.list.m.lasts(i.n, i.list.bytes)
		return io.EOF
	}
	if err := i.list.file.w.Flush(); err != nil {
		return err
	}
	slices.SortFunc(i.list.keys, func(a, b rowKey) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
	i.list.m.keepList(i.n, i.list)
	return io.EOF
}

// Close implements sql.RowIter.
func (i *hashingIter) Close(ctx *sql.Context) error {
	if !i.kept {
		i.list.close()
	}
	return i.child.Close(ctx)
}
