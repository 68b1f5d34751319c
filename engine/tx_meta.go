package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sextant/engine/txn"
)

// metaSpace is the lock space of names (T-6).
var metaSpace = txn.Space{Kind: txn.SpaceMeta}

// metaKey is the lock key of a table or another object; an empty name is the database's own.
func metaKey(database, name string) []byte { return []byte(fold(database) + "\x00" + fold(name)) }

// lockMeta takes a metadata lock until the end of the transaction. Returns package
// txn's lock errors. The plain reads of whoever has an exclusive one see all that others
// wrote who had the lock before: DDL copies and checks rows by them.
func (tx *Tx) lockMeta(ctx context.Context, database, name string, m txn.Mode) error {
	r := txn.Request{Space: metaSpace, Key: metaKey(database, name), Mode: m}
	if err := tx.fail(tx.s.owner.Acquire(ctx, r, txn.Policy{Timeout: tx.s.metaTimeout})); err != nil {
		return err
	}
	if m == txn.MetaExclusive {
		tx.s.sawLocked()
		if tx.snapshot < tx.s.saw && len(tx.cursors) == 0 {
			tx.dropSnapshot()
		}
	}
	return nil
}

// sawLocked says that the session relies on what those wrote who had a lock before it: a commit gives
// its locks back when it is numbered, before it is durable, and snapshots are of what is durable.
func (s *Session) sawLocked() { s.Saw(s.db.published()) }

// begin reports why the transaction cannot be used: ErrTxDone, and for a write or a locking
// read ErrReadOnlyTx, ErrNotWriter, ErrClosed. One that wrote or locked before the
// instance lost the writer's role does not go on when it has the role again: others
// have written meanwhile, and its locks did not keep them out.
func (tx *Tx) begin(write bool) error {
	switch {
	case tx.done:
		return ErrTxDone
	case !write:
		return nil
	case tx.o.ReadOnly:
		return ErrReadOnlyTx
	}
	w, err := tx.db.writer()
	switch {
	case err != nil:
		return err
	case tx.role == nil:
		tx.role = w
	case tx.role != w:
		return fmt.Errorf("%w: the transaction is of an earlier writer's role", ErrClosed)
	}
	return nil
}

// Catalog returns the schema that the next statement binds to: the newest (T-6; binding takes no
// snapshot, T-8); on a reader, where no lock keeps a table as it was read, and under AsOf the
// snapshot's, if one is taken. The transaction's own DDL is in it.
func (tx *Tx) Catalog(context.Context) (*Catalog, error) {
	switch {
	case tx.done:
		return nil, ErrTxDone
	case tx.snapshot != 0 && (tx.o.AsOf != 0 || tx.db.Role() != RoleWriter):
		return tx.withOwn(tx.cat), nil
	}
	return tx.NewestCatalog(), nil
}

// NewestCatalog returns the newest committed schema with the transaction's own DDL in it (T-6).
func (tx *Tx) NewestCatalog() *Catalog {
	cat := tx.db.catalogs.newest()
	tx.s.Saw(cat.LSN())
	return tx.withOwn(cat)
}

func (tx *Tx) withOwn(cat *Catalog) *Catalog {
	if tx.ddl == nil || tx.ddl.empty() {
		return cat
	}
	return tx.ddl.catalog(cat)
}

// LockTable takes the metadata lock that a use of a table needs, until the end of
// the transaction, and returns the table's newest definition (T-6). Returns
// ErrNotFound and package txn's lock errors.
func (tx *Tx) LockTable(ctx context.Context, database, name string, write bool) (*TableDef, error) {
	if err := tx.begin(write); err != nil {
		return nil, err
	}
	mode := txn.MetaRead
	if write {
		mode = txn.MetaWrite
	}
	if err := tx.lockMeta(ctx, database, name, mode); err != nil {
		return nil, err
	}
	t := tx.NewestCatalog().Table(database, name)
	if t == nil {
		return nil, fmt.Errorf("%w: table %s.%s", ErrNotFound, database, name)
	}
	return t, nil
}

// binding says what a transaction does to a table, weakest first.
type binding uint8

const (
	bindNone   binding = iota
	bindRead           // plain reads: a definition that the snapshot's rows can be read by
	bindShared         // shared locking reads: the newest definition
	bindWrite          // writes and exclusive locking reads: the same, as a writer
)

// use is a table that the transaction has bound to.
type use struct {
	t *TableDef
	b binding
}

// LastUsed returns the table that the transaction has read or written last, 0 if there is none.
func (tx *Tx) LastUsed() TableID {
	if tx.lastUse >= len(tx.uses) {
		return 0
	}
	return tx.uses[tx.lastUse].t.ID
}

// bind makes sure that the transaction may use this definition of the table: it has the
// metadata lock, and the definition is the newest one for writes and locking reads, whatever
// the snapshot's is, and for plain reads as viewOf says. Returns ErrDefinitionChanged if it is
// not; lock errors.
func (tx *Tx) bind(ctx context.Context, t *TableDef, b binding) error {
	if tx.lastUse < len(tx.uses) {
		if u := &tx.uses[tx.lastUse]; u.t == t && u.b >= b {
			return nil
		}
	}
	if t.Temporary {
		return nil // nobody else sees it
	}
	i := slices.IndexFunc(tx.uses, func(u use) bool { return u.t.ID == t.ID })
	if i < 0 || tx.uses[i].t != t || tx.uses[i].b < b {
		if err := tx.bindNew(ctx, t, b); err != nil {
			return err
		}
		if i < 0 {
			i = len(tx.uses)
			tx.uses = append(tx.uses, use{})
		}
		if old := tx.uses[i]; old.t == t {
			b = max(b, old.b)
		}
		tx.uses[i] = use{t, b}
	}
	tx.lastUse = i
	return nil
}

// bindNew is bind for a table that is not bound this way yet.
func (tx *Tx) bindNew(ctx context.Context, t *TableDef, b binding) error {
	if tx.db.Role() == RoleWriter {
		mode := txn.MetaRead
		if b == bindWrite {
			mode = txn.MetaWrite
		}
		if err := tx.lockMeta(ctx, t.Database, t.Name, mode); err != nil {
			return err
		}
	}
	if b == bindRead {
		_, err := tx.viewOf(ctx, t, t.Primary)
		return err
	}
	if def := tx.NewestCatalog().TableByID(t.ID); def == nil || def.Version != t.Version {
		return definitionChanged(t)
	}
	return nil
}

// viewOf returns the pages that plain reads of the table by an index see. Returns ErrDefinitionChanged
// if the snapshot lacks the table or has other trees of it or of the index, or if t is older
// than what it has: a definition that only was changed since can read what was written before.
func (tx *Tx) viewOf(ctx context.Context, t *TableDef, ix *IndexDef) (*pager, error) {
	p, err := tx.view(ctx)
	if err != nil || t.Temporary {
		return p, err
	}
	was := tx.withOwn(tx.cat).TableByID(t.ID)
	if was == nil || was.Version > t.Version || was.Primary.Tree != t.Primary.Tree {
		return nil, definitionChanged(t)
	}
	if old := was.indexByID(ix.ID); old == nil || old.Tree != ix.Tree {
		return nil, definitionChanged(t)
	}
	return p, nil
}

func definitionChanged(t *TableDef) error {
	return fmt.Errorf("%w: %s.%s", ErrDefinitionChanged, t.Database, t.Name)
}

// LockTables takes LOCK TABLES' lock of a table for the session: others may read it
// (write false) or not use it at all. An empty name is the database's own: others may
// define nothing in it. Returns ErrNotFound and lock errors.
func (s *Session) LockTables(ctx context.Context, database, name string, write bool) error {
	r := txn.Request{Space: metaSpace, Key: metaKey(database, name), Mode: txn.MetaNoWrite, Session: true}
	if write {
		r.Mode = txn.MetaExclusive
	}
	if err := s.owner.Acquire(ctx, r, txn.Policy{Timeout: s.metaTimeout}); err != nil {
		return err
	}
	s.sawLocked()
	cat := s.db.catalogs.newest()
	if there := name == "" && cat.Database(database) != nil || cat.Table(database, name) != nil; !there {
		s.Saw(cat.LSN())
		s.owner.UnlockSession(r.Space, r.Key, r.Mode)
		return fmt.Errorf("%w: table %s.%s", ErrNotFound, database, name)
	}
	return nil
}

// UnlockTables gives back one lock of LockTables.
func (s *Session) UnlockTables(database, name string) {
	for _, m := range []txn.Mode{txn.MetaNoWrite, txn.MetaExclusive} {
		s.owner.UnlockSession(metaSpace, metaKey(database, name), m)
	}
}

// GetLock is GET_LOCK: it waits up to timeout (negative: without end) for the lock of a name.
// Calls count. Returns txn.ErrLockWait, txn.ErrDeadlock (MySQL 3058) or the context's error.
func (s *Session) GetLock(ctx context.Context, name string, timeout time.Duration) error {
	return s.owner.UserLock(ctx, name, txn.Policy{NoWait: timeout == 0, Timeout: timeout})
}

// ReleaseLock is RELEASE_LOCK; it reports whether the session had the lock.
func (s *Session) ReleaseLock(name string) bool { return s.owner.UserUnlock(name) }

// HoldsUserLocks reports whether the session has a lock of GetLock.
func (s *Session) HoldsUserLocks() bool { return s.owner.HoldsUserLocks() }

// ReleaseAllLocks is RELEASE_ALL_LOCKS.
func (s *Session) ReleaseAllLocks() int { return s.owner.UserUnlockAll() }

// LockHolder returns the session that has the lock of a name (IS_USED_LOCK), 0 if none has.
func (db *DB) LockHolder(name string) uint64 { return db.locks.UserHolder(name) }
