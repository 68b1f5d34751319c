package gms

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/engine/txn"
)

// rowLock is a lock on rows, or a wait for one, as monitors see it.
type rowLock struct {
	txn.LockInfo
	id    string           // ENGINE_LOCK_ID
	tx    uint64           // the transaction's number, 0 if it has ended meanwhile
	table *engine.TableDef // nil if it is gone
	index string
}

func isRowLock(l txn.LockInfo) bool { return l.Space.Kind == txn.SpaceIndex }

// newestCatalog returns the newest schema; ctx's session has seen it, so that nothing of
// it is shown before it is durable.
func (b *Backend) newestCatalog(ctx *sql.Context) (*engine.Catalog, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	cat, err := b.db.CatalogAt(ctx, 0)
	if err != nil {
		return nil, wireError(err)
	}
	s.sess.Saw(cat.LSN())
	return cat, nil
}

// rowLocks returns the locks on rows, in order of table, index and key.
func (b *Backend) rowLocks(ctx *sql.Context) ([]rowLock, error) {
	cat, err := b.newestCatalog(ctx)
	if err != nil {
		return nil, err
	}
	numbers := map[uint64]uint64{}
	for _, t := range b.db.Transactions() {
		numbers[t.Session] = t.ID
	}
	var out []rowLock
	for _, l := range b.db.Locks() {
		if isRowLock(l) {
			out = append(out, newRowLock(cat, l, numbers[l.Owner]))
		}
	}
	return out, nil
}

// newRowLock describes a lock of the transaction of a number.
func newRowLock(cat *engine.Catalog, l txn.LockInfo, tx uint64) rowLock {
	r := rowLock{LockInfo: l, tx: tx, table: cat.TableByID(engine.TableID(l.Space.Table))}
	if r.table != nil {
		r.index = r.table.Primary.Name
		for _, ix := range r.table.Indexes {
			if uint32(ix.ID) == l.Space.Index {
				r.index = ix.Name
			}
		}
		if r.index == r.table.Primary.Name && r.table.Keyless() {
			r.index = "GEN_CLUST_INDEX"
		}
	}
	r.id = fmt.Sprintf("%d:%d:%d:%x:%s", l.Owner, l.Space.Table, l.Space.Index, l.Key, r.mode())
	if len(r.id) > lockIDMax {
		r.id = r.id[:lockIDMax]
	}
	return r
}

// lockIDMax is the length of ENGINE_LOCK_ID.
const lockIDMax = 128

// mode is the lock's mode as InnoDB writes it. An interval is a next-key lock.
func (r *rowLock) mode() string {
	m := r.Mode.String()
	switch {
	case r.Range && r.Gap:
		return m + ",GAP"
	case r.Range:
		return m
	case r.Insert:
		return m + ",GAP,INSERT_INTENTION"
	}
	return m + ",REC_NOT_GAP"
}

func (r *rowLock) status() string {
	if r.Waiting {
		return "WAITING"
	}
	return "GRANTED"
}

// data is the key, or an interval's bounds.
func (r *rowLock) data() any {
	if r.table == nil {
		return nil
	}
	id := engine.IndexID(r.Space.Index)
	if !r.Range {
		return orNull(r.table.KeyText(id, r.Key))
	}
	lo, hi := "infimum pseudo-record", "supremum pseudo-record"
	if len(r.Key) > 0 {
		lo = r.table.KeyText(id, r.Key)
	}
	switch {
	case r.Hi != nil:
		hi = r.table.KeyText(id, r.Hi)
	case len(r.Key) == 0:
		return hi
	}
	return lo + " .. " + hi
}

func (r *rowLock) names() (schema, table, index any) {
	if r.table == nil {
		return nil, nil, nil
	}
	return r.table.Database, r.table.Name, r.index
}

// stands reports whether a lock of another owner stands in a waiting one's way.
func (r *rowLock) stands(w *rowLock) bool {
	if r.Space != w.Space || !slices.Contains(w.BlockedBy, r.Owner) {
		return false
	}
	if r.Range {
		return bytes.Compare(r.Key, w.Key) <= 0 && (r.Hi == nil || bytes.Compare(w.Key, r.Hi) < 0)
	}
	return bytes.Equal(r.Key, w.Key)
}

// addLocks adds data_locks, data_lock_waits and metadata_locks.
func (d *fixedDatabase) addLocks() {
	d.add("data_locks", `
		ENGINE varchar(32) not null
		ENGINE_LOCK_ID varchar(128) not null
		ENGINE_TRANSACTION_ID bigint unsigned
		THREAD_ID bigint unsigned
		EVENT_ID bigint unsigned
		OBJECT_SCHEMA varchar(64)
		OBJECT_NAME varchar(64)
		PARTITION_NAME varchar(64)
		SUBPARTITION_NAME varchar(64)
		INDEX_NAME varchar(64)
		OBJECT_INSTANCE_BEGIN bigint unsigned not null
		LOCK_TYPE varchar(32) not null
		LOCK_MODE varchar(32) not null
		LOCK_STATUS varchar(32) not null
		LOCK_DATA varchar(8192)`,
		func(ctx *sql.Context, s *Session) ([]sql.Row, error) {
			locks, err := s.b.rowLocks(ctx)
			var rows []sql.Row
			for i := range locks {
				l := &locks[i]
				schema, table, index := l.names()
				var part any
				if l.table != nil {
					part = orNull(l.table.PartName())
				}
				rows = append(rows, sql.Row{"INNODB", l.id, l.tx, l.Owner, nil, schema, table, part, nil, index, 0,
					"RECORD", l.mode(), l.status(), l.data()})
			}
			return rows, err
		})
	d.add("data_lock_waits", `
		ENGINE varchar(32) not null
		REQUESTING_ENGINE_LOCK_ID varchar(128) not null
		REQUESTING_ENGINE_TRANSACTION_ID bigint unsigned
		REQUESTING_THREAD_ID bigint unsigned
		REQUESTING_EVENT_ID bigint unsigned
		REQUESTING_OBJECT_INSTANCE_BEGIN bigint unsigned not null
		BLOCKING_ENGINE_LOCK_ID varchar(128) not null
		BLOCKING_ENGINE_TRANSACTION_ID bigint unsigned
		BLOCKING_THREAD_ID bigint unsigned
		BLOCKING_EVENT_ID bigint unsigned
		BLOCKING_OBJECT_INSTANCE_BEGIN bigint unsigned not null`,
		func(ctx *sql.Context, s *Session) ([]sql.Row, error) {
			locks, err := s.b.rowLocks(ctx)
			var rows []sql.Row
			for i := range locks {
				w := &locks[i]
				if !w.Waiting {
					continue
				}
				for j := range locks {
					if l := &locks[j]; l.stands(w) {
						rows = append(rows, sql.Row{"INNODB", w.id, w.tx, w.Owner, nil, 0, l.id, l.tx, l.Owner, nil, 0})
					}
				}
			}
			return rows, err
		})
	d.add("metadata_locks", `
		OBJECT_TYPE varchar(64) not null
		OBJECT_SCHEMA varchar(64)
		OBJECT_NAME varchar(64)
		COLUMN_NAME varchar(64)
		OBJECT_INSTANCE_BEGIN bigint unsigned not null
		LOCK_TYPE varchar(32) not null
		LOCK_DURATION varchar(32) not null
		LOCK_STATUS varchar(32) not null
		SOURCE varchar(64)
		OWNER_THREAD_ID bigint unsigned
		OWNER_EVENT_ID bigint unsigned`, metadataLockRows)
}

var metadataModes = map[txn.Mode]string{
	txn.MetaRead: "SHARED_READ", txn.MetaWrite: "SHARED_WRITE",
	txn.MetaNoWrite: "SHARED_READ_ONLY", txn.MetaExclusive: "EXCLUSIVE",
}

func metadataLockRows(_ *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, l := range s.b.db.Locks() {
		if isRowLock(l) {
			continue
		}
		kind, duration, status := "TABLE", "TRANSACTION", "GRANTED"
		var schema, name any
		if l.Space.Kind == txn.SpaceUser {
			kind, name = "USER LEVEL LOCK", string(l.Key)
		} else {
			database, object := engine.LockedName(l)
			if schema, name = database, orNull(object); name == nil {
				kind = "SCHEMA"
			}
		}
		if l.Session || l.Space.Kind == txn.SpaceUser {
			duration = "EXPLICIT"
		}
		if l.Waiting {
			status = "PENDING"
		}
		rows = append(rows, sql.Row{kind, schema, name, nil, 0, metadataModes[l.Mode], duration, status, nil, l.Owner, nil})
	}
	return rows, nil
}

// transactionInfo is an open transaction with what its locks tell.
type transactionInfo struct {
	engine.TransactionInfo
	wait      *rowLock // the wait, nil if it does not wait for a row
	waitsMeta bool     // it waits for another lock
	since     time.Time
	locked    uint64 // keys of clustered indexes
	structs   uint64 // locks
	tables    uint64 // with locks
}

// openTransactions returns the open transactions, oldest first.
func (b *Backend) openTransactions(ctx *sql.Context) ([]transactionInfo, []rowLock, error) {
	locks, err := b.rowLocks(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []transactionInfo
	for _, t := range b.db.Transactions() {
		info := transactionInfo{TransactionInfo: t}
		tables := map[uint64]bool{}
		for i := range locks {
			l := &locks[i]
			switch {
			case l.Owner != t.Session:
				continue
			case l.Waiting:
				info.wait, info.since = l, l.Since
			default:
				info.structs++
				tables[l.Space.Table] = true
				if l.Space.Index == 0 && !l.Range {
					info.locked++
				}
			}
		}
		info.tables = uint64(len(tables))
		out = append(out, info)
	}
	for _, w := range b.db.LockWaits() {
		for i := range out {
			if !isRowLock(w) && out[i].Session == w.Owner {
				out[i].waitsMeta, out[i].since = true, w.Since
			}
		}
	}
	return out, locks, nil
}
