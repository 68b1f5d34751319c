package engine

import (
	"cmp"
	"slices"
	"sync"
	"time"

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
	Session   uint64
	Start     time.Time
	Isolation Isolation
	ReadOnly  bool
}

// Transactions returns the open transactions, oldest first.
func (db *DB) Transactions() []TransactionInfo {
	db.sessions.mu.Lock()
	defer db.sessions.mu.Unlock()
	var out []TransactionInfo
	for s := range db.sessions.open {
		if tx := s.listed.Load(); tx != nil {
			out = append(out, TransactionInfo{Session: s.id, Start: tx.start, Isolation: tx.o.Isolation, ReadOnly: tx.o.ReadOnly})
		}
	}
	slices.SortFunc(out, func(a, b TransactionInfo) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Session, b.Session))
	})
	return out
}

// Locks returns all locks and waits for locks, in order of index and key.
func (db *DB) Locks() []txn.LockInfo { return db.locks.Locks() }

// LockStats counts waits, deadlocks and timeouts since the instance started.
func (db *DB) LockStats() txn.Stats { return db.locks.Stats() }
