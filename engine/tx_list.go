package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sextant/engine/row"
	"sextant/engine/txn"
)

// sessions is the open sessions of an instance, for monitors. The zero value is ready.
type sessions struct {
	mu   sync.Mutex
	open map[*Session]struct{}
}

func (ss *sessions) add(s *Session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.open == nil {
		ss.open = map[*Session]struct{}{}
	}
	ss.open[s] = struct{}{}
}

func (ss *sessions) remove(s *Session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.open, s)
}

// TransactionInfo is an open transaction in a listing.
type TransactionInfo struct {
	// ID numbers the transactions of an instance in the order in which they began.
	ID        uint64
	Session   uint64
	Start     time.Time
	Isolation Isolation
	ReadOnly  bool
	Modified  uint64 // rows inserted, updated and deleted
}

// Transactions returns the open transactions, oldest first.
func (db *DB) Transactions() []TransactionInfo {
	db.sessions.mu.Lock()
	defer db.sessions.mu.Unlock()
	var out []TransactionInfo
	for s := range db.sessions.open {
		if tx := s.listed.Load(); tx != nil {
			out = append(out, TransactionInfo{ID: tx.id, Session: s.id, Start: tx.start, Isolation: tx.o.Isolation, ReadOnly: tx.o.ReadOnly,
				Modified: tx.modified.Load()})
		}
	}
	slices.SortFunc(out, func(a, b TransactionInfo) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Session, b.Session))
	})
	return out
}

// Locks returns all locks and waits for locks, in order of index and key.
func (db *DB) Locks() []txn.LockInfo { return db.locks.Locks() }

// LockWaits returns the waits for locks, the longest first. It costs less than Locks.
func (db *DB) LockWaits() []txn.LockInfo { return db.locks.Waits() }

// OnDeadlock has f called with every deadlock, see txn.Table.OnDeadlock.
func (db *DB) OnDeadlock(f func(txn.Deadlock)) { db.locks.OnDeadlock(f) }

// LockedName returns the database and the object that a metadata lock is on; name is
// "" for the database itself.
func LockedName(l txn.LockInfo) (database, name string) {
	database, name, _ = strings.Cut(string(l.Key), "\x00")
	return database, name
}

// KeyText returns a key of one of the table's indexes, or the beginning of one, as
// values that a person can read: what the key's encoding does not give back, such as the
// weights of text, is in hexadecimal. The primary key's columns follow those of a secondary index.
func (t *TableDef) KeyText(id IndexID, key []byte) string {
	ix := t.Primary
	for _, x := range t.Indexes {
		if x.ID == id {
			ix = x
		}
	}
	var out []string
	for _, part := range []*IndexDef{ix, t.Primary} {
		if part.key == nil {
			break
		}
		for i, c := range part.Columns {
			if len(key) == 0 {
				return strings.Join(out, ", ")
			}
			text, n := t.partText(part, i, c, key)
			if n <= 0 || n > len(key) {
				return strings.Join(append(out, fmt.Sprintf("0x%X", key)), ", ")
			}
			out, key = append(out, text), key[n:]
		}
		if part == t.Primary {
			break
		}
	}
	if len(key) > 0 {
		out = append(out, fmt.Sprintf("0x%X", key))
	}
	return strings.Join(out, ", ")
}

// partText returns one column of a key as text, and its length in the key, 0 if it is cut.
func (t *TableDef) partText(ix *IndexDef, i int, c IndexColumn, key []byte) (string, int) {
	n, err := ix.key.Skip(key, i)
	if err != nil || n <= 0 || n > len(key) {
		return "", 0
	}
	if ix.key.PartDecodable(i) && c.Prefix == 0 {
		if d, _, err := ix.key.Decode(key, i); err == nil {
			switch d.Kind {
			case row.KindNull:
				return "NULL", n
			case row.KindInt:
				return strconv.FormatInt(d.Int(), 10), n
			case row.KindUint:
				return strconv.FormatUint(d.N, 10), n
			case row.KindFloat:
				return strconv.FormatFloat(d.Float(), 'g', -1, 64), n
			}
		}
	}
	return fmt.Sprintf("0x%X", key[:n]), n
}

// LockStats counts waits, deadlocks and timeouts since the instance started.
func (db *DB) LockStats() txn.Stats { return db.locks.Stats() }
