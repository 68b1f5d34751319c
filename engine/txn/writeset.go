package txn

import (
	"cmp"
	"fmt"
	"slices"
)

// Bytes that the bookkeeping of a written row takes beside key and image, rounded up.
const (
	rowBytes   = 160
	entryBytes = 64
)

// WriteSet is what one transaction has written and not committed: rows, keyed by
// table and primary key, never index entries (T-1). Each row has a chain of images
// by sequence, as far as a savepoint or a pinned read can still ask for them. It is not
// safe for concurrent use.
//
// Invariant: images of a row have ascending sequences; two follow each other only if
// a pin lies between them.
type WriteSet struct {
	budget *Budget
	limit  int64 // bytes; 0: none
	bytes  int64
	seq    Seq
	tables []*TableSet // by id
	log    []undo
	pins   []Seq // ascending
}

type undo struct {
	t   *TableSet
	key string
	seq Seq
}

// TableSet is the rows of one table in a write set.
type TableSet struct {
	ID      uint64
	rows    Map[images]
	indexes []*Overlay
}

type images struct {
	last  image
	older []image
}

// image is a row as of a sequence; nil: it was deleted.
type image struct {
	row []byte
	seq Seq
}

// at returns the newest image at or below seq.
func (m *images) at(seq Seq) (row []byte, found bool) {
	if m.last.seq <= seq {
		return m.last.row, true
	}
	for i := len(m.older) - 1; i >= 0; i-- {
		if m.older[i].seq <= seq {
			return m.older[i].row, true
		}
	}
	return nil, false
}

// NewWriteSet returns an empty write set of at most limit bytes, which are taken from b.
func NewWriteSet(b *Budget, limit int64) *WriteSet { return &WriteSet{budget: b, limit: limit} }

// Seq returns the sequence of the last write.
func (w *WriteSet) Seq() Seq { return w.seq }

// NextSeq returns the sequence that the next write gets, for the locks it needs first.
func (w *WriteSet) NextSeq() Seq { return w.seq + 1 }

// Skip makes the next write get a later sequence: locks were taken for this one
// and the write did not happen.
func (w *WriteSet) Skip() { w.seq++ }

// Bytes returns the bytes taken from the budget.
func (w *WriteSet) Bytes() int64 { return w.bytes }

// Len returns the number of rows written.
func (w *WriteSet) Len() (n int) {
	for _, t := range w.tables {
		n += t.rows.Len()
	}
	return n
}

// Pin keeps the images that a read as of s needs, until Unpin(s).
func (w *WriteSet) Pin(s Seq) {
	i := len(w.pins) // mostly s is the highest
	for i > 0 && w.pins[i-1] > s {
		i--
	}
	w.pins = slices.Insert(w.pins, i, s)
}

// Unpin undoes one Pin(s).
func (w *WriteSet) Unpin(s Seq) {
	for i := len(w.pins) - 1; i >= 0 && w.pins[i] >= s; i-- {
		if w.pins[i] == s {
			w.pins = slices.Delete(w.pins, i, i+1)
			return
		}
	}
}

// Table returns the rows of a table, nil if none was written.
func (w *WriteSet) Table(id uint64) *TableSet {
	if i, there := w.find(id); there {
		return w.tables[i]
	}
	return nil
}

func (w *WriteSet) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(w.tables, id, func(t *TableSet, id uint64) int { return cmp.Compare(t.ID, id) })
}

func (w *WriteSet) take(n int64) error {
	switch {
	case w.limit > 0 && w.bytes+n > w.limit:
		return fmt.Errorf("%w (%d bytes)", ErrTooLarge, w.limit)
	case !w.budget.Take(n):
		return ErrMemory
	}
	w.bytes += n
	return nil
}

func (w *WriteSet) give(n int64) {
	w.bytes -= n
	w.budget.Give(n)
}

// Put writes a row's image, nil to delete the row, and returns the write's sequence. The image is
// kept, not copied. Returns ErrTooLarge or ErrMemory; nothing is written then.
func (w *WriteSet) Put(table uint64, key, row []byte) (Seq, error) {
	i, there := w.find(table)
	if !there {
		w.tables = slices.Insert(w.tables, i, &TableSet{ID: table})
	}
	t := w.tables[i]
	size := int64(rowBytes + len(key) + len(row))
	// Nobody can go back to between two writes without a pin: the first one's undo is
	// the second one's too.
	over := t.rows.Get(key)
	if over != nil && w.pinned(over.last.seq) {
		over = nil
	}
	if over != nil {
		size = int64(len(row) - len(over.last.row))
	}
	if err := w.take(size); err != nil {
		return 0, err
	}
	for _, ix := range t.indexes {
		if err := ix.add(w, string(key), row); err != nil {
			w.give(size)
			return 0, err // entries too many do no harm
		}
	}
	w.seq++
	if over != nil {
		over.last = image{row: row, seq: w.seq}
		return w.seq, nil
	}
	kept, m, there := t.rows.Put(key)
	if there {
		m.older = append(m.older, m.last)
	}
	m.last = image{row: row, seq: w.seq}
	w.log = append(w.log, undo{t: t, key: kept, seq: w.seq})
	return w.seq, nil
}

// pinned reports whether a read or savepoint needs the image of sequence s although a later one
// exists.
func (w *WriteSet) pinned(s Seq) bool {
	return len(w.pins) > 0 && w.pins[len(w.pins)-1] >= s
}

// RollbackTo forgets what was written after s. s must be pinned, or 0, or the caller
// must know that nothing was written over since.
func (w *WriteSet) RollbackTo(s Seq) {
	n := len(w.log)
	for ; n > 0 && w.log[n-1].seq > s; n-- {
		u := w.log[n-1]
		m := u.t.rows.Get([]byte(u.key))
		if m == nil || m.last.seq <= s {
			continue
		}
		w.give(int64(rowBytes + len(u.key) + len(m.last.row)))
		for len(m.older) > 0 {
			last := len(m.older) - 1
			m.last = m.older[last]
			m.older[last] = image{}
			if m.older = m.older[:last]; m.last.seq <= s {
				break
			}
			w.give(int64(rowBytes + len(u.key) + len(m.last.row)))
		}
		if m.last.seq > s {
			u.t.rows.Delete([]byte(u.key))
		}
	}
	clear(w.log[n:])
	w.log = w.log[:n]
}

// Close gives all bytes back. The write set is empty afterwards.
func (w *WriteSet) Close() {
	w.budget.Give(w.bytes)
	*w = WriteSet{budget: w.budget, limit: w.limit, seq: w.seq}
}

// Get returns the row's newest image at or below seq; row is nil if it was deleted.
// found is false if the transaction had not written the row then.
func (w *WriteSet) Get(table uint64, key []byte, seq Seq) (row []byte, found bool) {
	return w.Table(table).Get(key, seq)
}

// Get is WriteSet.Get for one table. t may be nil.
func (t *TableSet) Get(key []byte, seq Seq) (row []byte, found bool) {
	if t == nil {
		return nil, false
	}
	m := t.rows.Get(key)
	if m == nil {
		return nil, false
	}
	return m.at(seq)
}

// Rows calls f with the final image of every row, in order of table and key, until
// it returns an error, and returns that. row is nil for a deleted row.
func (w *WriteSet) Rows(f func(table uint64, key string, row []byte) error) (err error) {
	for _, t := range w.tables {
		t.rows.Ascend(nil, func(key string, m *images) bool {
			err = f(t.ID, key, m.last.row)
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Seek returns the first row, deleted ones included, that the transaction had
// written at seq, with from <= key < to; nil bounds are none. In reverse the last one.
func (t *TableSet) Seek(from, to []byte, reverse bool, seq Seq) (key string, row []byte, found bool) {
	if t == nil {
		return "", nil, false
	}
	look := func(k string, m *images) bool {
		if !reverse && to != nil && k >= string(to) || reverse && k < string(from) {
			return false
		}
		if row, found = m.at(seq); found {
			key = k
		}
		return !found
	}
	if reverse {
		t.rows.Descend(to, look)
	} else {
		t.rows.Ascend(from, look)
	}
	return key, row, found
}

// Overlay is the index entries of a table's written rows: of every image that was made, so
// that reads as of any sequence find theirs. Whoever finds an entry checks that the
// row's image as of his sequence still has it.
type Overlay struct {
	index   uint32
	of      func(row []byte, add func(e []byte) error) error
	entries Map[string] // entry → primary key
}

// Index returns the entries of the table's rows in one index. of calls add with each of a row's entries; it is called
// for every image, now and with later writes. Returns of's errors, ErrTooLarge, ErrMemory.
func (w *WriteSet) Index(table uint64, index uint32, of func(row []byte, add func(e []byte) error) error) (*Overlay, error) {
	t := w.Table(table)
	if t == nil {
		return nil, nil
	}
	for _, ix := range t.indexes {
		if ix.index == index {
			return ix, nil
		}
	}
	ix := &Overlay{index: index, of: of}
	var err error
	t.rows.Ascend(nil, func(key string, m *images) bool {
		for _, im := range m.older {
			if err = ix.add(w, key, im.row); err != nil {
				return false
			}
		}
		err = ix.add(w, key, m.last.row)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	t.indexes = append(t.indexes, ix)
	return ix, nil
}

func (ix *Overlay) add(w *WriteSet, key string, row []byte) error {
	if row == nil {
		return nil
	}
	return ix.of(row, func(e []byte) error {
		if ix.entries.Get(e) != nil {
			return nil // an entry ends with the primary key: it is this row's
		}
		if err := w.take(int64(entryBytes + len(e))); err != nil {
			return err
		}
		_, v, _ := ix.entries.Put(e)
		*v = key
		return nil
	})
}

// Seek returns the first entry with from <= entry < to and its row's primary key; in reverse the last.
// nil bounds are none. ix may be nil.
func (ix *Overlay) Seek(from, to []byte, reverse bool) (entry, key string, found bool) {
	if ix == nil {
		return "", "", false
	}
	look := func(e string, v *string) bool {
		if found = reverse && e >= string(from) || !reverse && (to == nil || e < string(to)); found {
			entry, key = e, *v
		}
		return false
	}
	if reverse {
		ix.entries.Descend(to, look)
	} else {
		ix.entries.Ascend(from, look)
	}
	return entry, key, found
}
