package gms

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/engine/txn"
)

// deadlock is the last one that was detected, with the statements that were in it.
type deadlock struct {
	txn.Deadlock
	at      time.Time
	threads map[uint64]deadlockThread
}

type deadlockThread struct{ user, host, query string }

// deadlocks keeps the last deadlock.
type deadlocks struct{ last atomic.Pointer[deadlock] }

// note keeps a deadlock. The lock table is locked meanwhile, so that every statement in
// the cycle is still the one that waits.
func (b *Backend) noteDeadlock(d txn.Deadlock) {
	out := &deadlock{Deadlock: d, at: time.Now(), threads: map[uint64]deadlockThread{}}
	if b.processes != nil {
		for _, p := range b.processes() {
			out.threads[uint64(p.Connection)] = deadlockThread{p.User, p.Host, p.Query}
		}
	}
	b.deadlocks.last.Store(out)
}

const (
	statusTime    = "2006-01-02 15:04:05"
	statusRule    = "=====================================\n"
	transactionID = "TRANSACTION %d, ACTIVE %d sec"
)

// innodbStatus returns the text of SHOW ENGINE INNODB STATUS: the sections of InnoDB
// that this engine has facts for.
func (b *Backend) innodbStatus(ctx *sql.Context) (string, error) {
	transactions, locks, err := b.openTransactions(ctx)
	if err != nil {
		return "", err
	}
	cat, err := b.newestCatalog(ctx)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	now := time.Now()
	fmt.Fprintf(&out, "\n%s%s INNODB MONITOR OUTPUT\n%s", statusRule, now.Format(statusTime), statusRule)
	if d := b.deadlocks.last.Load(); d != nil {
		section(&out, "LATEST DETECTED DEADLOCK")
		d.write(&out, cat)
	}
	section(&out, "TRANSACTIONS")
	b.writeTransactions(&out, ctx, transactions, locks, now)
	section(&out, "LOG")
	if r := b.db.ReaderStatus(); r.Epoch != 0 {
		fmt.Fprintf(&out, "Volume epoch                %d\nApplied up to               %d\n", r.Epoch, r.Applied)
		if r.LagKnown {
			fmt.Fprintf(&out, "Replica lag                 %d microseconds\n", r.LagMicros)
		}
	} else {
		l := b.db.LogStatus()
		fmt.Fprintf(&out, "Volume epoch                %d\nLog sequence number         %d\nVolume complete LSN (VCL)   %d\nVolume durable LSN (VDL)    %d\n",
			l.Epoch, l.Written, l.VCL, l.VDL)
	}
	section(&out, "BUFFER POOL AND MEMORY")
	c := b.db.CacheStats()
	fmt.Fprintf(&out, "Page size          %d\nDatabase pages     %d\nPage versions      %d\nBytes in use       %d\n"+
		"Pages read         %d\nPages evicted      %d\nVersions pruned    %d\n",
		engine.PageSize, c.Pages, c.Versions, c.Bytes, c.Fetches, c.Evictions, c.Pruned)
	section(&out, "ROW OPERATIONS")
	st := b.db.LockStats()
	fmt.Fprintf(&out, "%d lock waits, %d deadlocks, %d lock wait timeouts since the start\n", st.Waits, st.Deadlocks, st.Timeouts)
	out.WriteString("----------------------------\nEND OF INNODB MONITOR OUTPUT\n============================\n")
	return out.String(), nil
}

func section(out *strings.Builder, title string) {
	rule := strings.Repeat("-", len(title))
	fmt.Fprintf(out, "%s\n%s\n%s\n", rule, title, rule)
}

func (b *Backend) writeTransactions(out *strings.Builder, ctx *sql.Context, list []transactionInfo, locks []rowLock, now time.Time) {
	threads := map[uint64]thread{}
	for _, t := range b.threads(ctx) {
		threads[t.id] = t
	}
	out.WriteString("LIST OF TRANSACTIONS FOR EACH SESSION:\n")
	for i := range list {
		t := &list[i]
		fmt.Fprintf(out, "---"+transactionID+"\n", t.ID, now.Sub(t.Start)/time.Second)
		if t.wait != nil || t.waitsMeta {
			out.WriteString("LOCK WAIT ")
		}
		fmt.Fprintf(out, "%d lock struct(s), %d row lock(s), undo log entries %d\n", t.structs, t.locked, t.Modified)
		th := threads[t.Session]
		fmt.Fprintf(out, "MySQL thread id %d, query id %d %s %s %s\n", t.Session, t.ID, th.host, th.user, th.state)
		if th.query != "" {
			out.WriteString(th.query + "\n")
		}
		if w := t.wait; w != nil {
			fmt.Fprintf(out, "------- TRX HAS BEEN WAITING %d SEC FOR THIS LOCK TO BE GRANTED:\n%s\n------------------\n",
				now.Sub(t.since)/time.Second, w.describe("waiting"))
			for j := range locks {
				if l := &locks[j]; l.stands(w) {
					fmt.Fprintf(out, "WAITS FOR TRANSACTION %d, MySQL thread id %d: %s\n", l.tx, l.Owner, l.describe(""))
				}
			}
		}
	}
}

// describe is a row lock as InnoDB's monitor writes it.
func (r *rowLock) describe(suffix string) string {
	what := "RECORD LOCKS"
	if r.table == nil {
		return fmt.Sprintf("%s table id %d", what, r.Space.Table)
	}
	mode := map[string]string{"S": "S", "X": "X"}[r.Mode.String()]
	detail := " locks rec but not gap"
	switch {
	case r.Range && r.Gap:
		detail = " locks gap before rec"
	case r.Range:
		detail = ""
	case r.Insert:
		detail = " insert intention"
	}
	text := fmt.Sprintf("%s index %s of table `%s`.`%s` lock_mode %s%s", what, r.index, r.table.Database, r.table.Name, mode, detail)
	if suffix != "" {
		text += " " + suffix
	}
	if d := r.data(); d != nil {
		text += fmt.Sprintf("\nRecord lock, key: %v", d)
	}
	return text
}

// describeLock describes any lock.
func describeLock(cat *engine.Catalog, l txn.LockInfo) string {
	switch l.Space.Kind {
	case txn.SpaceUser:
		return fmt.Sprintf("USER LEVEL LOCK `%s`", l.Key)
	case txn.SpaceMeta:
		database, name := engine.LockedName(l)
		return fmt.Sprintf("METADATA LOCK on `%s`.`%s` %s", database, name, metadataModes[l.Mode])
	}
	r := newRowLock(cat, l, 0)
	return r.describe("waiting")
}

func (d *deadlock) write(out *strings.Builder, cat *engine.Catalog) {
	out.WriteString(d.at.Format(statusTime) + "\n")
	victim := 0
	for i, w := range d.Waits {
		t := d.threads[w.Owner]
		fmt.Fprintf(out, "*** (%d) TRANSACTION:\nMySQL thread id %d %s %s\n%s\n", i+1, w.Owner, t.host, t.user, t.query)
		fmt.Fprintf(out, "*** (%d) WAITING FOR THIS LOCK TO BE GRANTED:\n%s\n", i+1, describeLock(cat, w))
		fmt.Fprintf(out, "*** (%d) BLOCKED BY MySQL THREAD ID: %s\n", i+1, strings.Trim(fmt.Sprint(w.BlockedBy), "[]"))
		if w.Owner == d.Victim {
			victim = i + 1
		}
	}
	fmt.Fprintf(out, "*** WE ROLL BACK TRANSACTION (%d)\n", victim)
}
