package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/chaos/check"
)

// Sizes of the workloads. Lists and registers move on to new keys, so that no list grows
// without end and no register has more operations than a search can order.
const (
	database = "chaos"
	accounts = 20
	fortune  = 100 // of each account

	listKeys     = 8
	listAppends  = 40 // of one key, about
	registerKeys = 4
	registerOps  = 150 // of one key, about
)

// levels are the isolation levels under test: table, and what a session sets.
var levels = []struct {
	level check.Level
	table string
	setup []string
}{
	{check.RepeatableRead, "lists_rr", nil},
	{check.SnapshotIsolation, "lists_si", []string{"SET SESSION sextant_strict_snapshot = ON"}},
	{check.Serializable, "lists_ser", []string{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"}},
}

// workload is the clients of a run.
type workload struct {
	w       *world
	wg      sync.WaitGroup
	stop    context.CancelFunc
	value   atomic.Int64
	appends [3]atomic.Int64
	access  atomic.Int64
}

// create makes the tables.
func (w *world) create(ctx context.Context) error {
	db, err := w.c.DB(portCluster, "")
	if err != nil {
		return err
	}
	defer db.Close()
	statements := []string{
		"CREATE DATABASE " + database,
		"CREATE TABLE chaos.bank (id INT PRIMARY KEY, balance INT NOT NULL, n INT NOT NULL)",
		"CREATE TABLE chaos.registers (k INT PRIMARY KEY, v BIGINT NOT NULL, n INT NOT NULL)",
		"CREATE TABLE chaos.uniq (id BIGINT PRIMARY KEY, u BIGINT NOT NULL, note VARCHAR(100) NOT NULL, UNIQUE KEY (u))",
		"CREATE TABLE chaos.marks (id INT PRIMARY KEY, v BIGINT NOT NULL)",
		"INSERT INTO chaos.marks VALUES (1, 0)",
		"CREATE TABLE chaos.wide (id BIGINT PRIMARY KEY, batch BIGINT NOT NULL, note VARCHAR(200) NOT NULL)",
	}
	for _, l := range levels {
		statements = append(statements, "CREATE TABLE chaos."+l.table+" (k INT PRIMARY KEY, v TEXT NOT NULL)")
	}
	for i := range accounts {
		statements = append(statements, fmt.Sprintf("INSERT INTO chaos.bank VALUES (%d, %d, 0)", i, fortune))
	}
	for _, q := range statements {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// startWorkload starts all clients.
func (w *world) startWorkload(seed uint64) *workload {
	ctx, stop := context.WithCancel(context.Background())
	l := &workload{w: w, stop: stop}
	n := uint64(0)
	client := func(label string, reader bool, setup []string, f func(*session) func(context.Context)) {
		n++
		s := &session{w: w, db: w.db, reader: reader, label: label, setup: setup, rng: rand.New(rand.NewPCG(seed, n))}
		if reader {
			s.db, s.label = w.readers, "r-"+label
		} else if n%3 == 0 {
			s.db = w.proxied
		}
		s.label += "-" + strconv.FormatUint(n, 10)
		l.wg.Go(func() { s.run(ctx, f(s)) })
	}
	for i, level := range levels {
		for _, reader := range []bool{false, false, true} {
			setup := level.setup
			if reader {
				setup = nil
			}
			client("lists", reader, setup, func(s *session) func(context.Context) {
				return func(ctx context.Context) { l.list(ctx, s, i) }
			})
		}
	}
	for range 2 {
		client("transfers", false, nil, func(s *session) func(context.Context) { return func(ctx context.Context) { l.transfer(ctx, s) } })
		client("inserts", false, nil, func(s *session) func(context.Context) {
			u := 0
			return func(ctx context.Context) { u++; l.insert(ctx, s, u) }
		})
		client("registers", false, nil, func(s *session) func(context.Context) { return func(ctx context.Context) { l.register(ctx, s) } })
		client("registers", true, nil, func(s *session) func(context.Context) { return func(ctx context.Context) { l.register(ctx, s) } })
	}
	for _, reader := range []bool{false, true, true} {
		client("sums", reader, nil, func(s *session) func(context.Context) { return func(ctx context.Context) { l.sum(ctx, s) } })
	}
	return l
}

// end stops all clients.
func (l *workload) end() {
	l.stop()
	l.wg.Wait()
}

// read notes that a reader answered.
func (l *workload) read(s *session, o check.Outcome) {
	if s.reader && o == check.Committed {
		l.w.h.reads++
	}
}

// list runs one transaction of one to four appends and reads of lists.
func (l *workload) list(ctx context.Context, s *session, level int) {
	h, table := l.w.h, levels[level].table
	base := int(l.appends[level].Load()) / (listKeys * listAppends) * listKeys
	t := check.Txn{Session: s.name(), Reader: s.reader, Begin: h.now()}
	writes := false
	t.Outcome = s.txn(ctx, func(ctx context.Context) error {
		for range 1 + s.rng.IntN(4) {
			k := base + s.rng.IntN(listKeys)
			if !s.reader && s.rng.IntN(2) == 0 {
				v := l.value.Add(1)
				l.appends[level].Add(1)
				t.Ops = append(t.Ops, check.Op{Key: k, Append: int(v)})
				writes = true
				if _, err := s.conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%d, '%d') ON DUPLICATE KEY UPDATE v = CONCAT(v, ',%d')", table, k, v, v)); err != nil {
					return err
				}
				continue
			}
			var text string
			err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT v FROM %s WHERE k = %d", table, k)).Scan(&text)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			t.Ops = append(t.Ops, check.Op{Key: k, Read: values(text)})
		}
		return nil
	})
	t.End = h.now()
	h.add(func() {
		h.Appends[levels[level].level] = append(h.Appends[levels[level].level], t)
		if writes {
			h.wrote(t.Outcome, t.End)
		}
		l.read(s, t.Outcome)
	})
}

// values splits "1,2,3"; what is no number is -1, which nobody writes.
func values(text string) (out []int) {
	if text == "" {
		return nil
	}
	for _, f := range strings.Split(text, ",") {
		v, err := strconv.Atoi(f)
		if err != nil {
			v = -1
		}
		out = append(out, v)
	}
	return out
}

// transfer moves money between two accounts.
func (l *workload) transfer(ctx context.Context, s *session) {
	h := l.w.h
	a, b, sum := s.rng.IntN(accounts), s.rng.IntN(accounts-1), 1+s.rng.IntN(20)
	if b >= a {
		b++
	}
	t := check.Transfer{Begin: h.now()}
	poor := errors.New("too poor")
	t.Outcome = s.txn(ctx, func(ctx context.Context) error {
		var balance int
		for _, id := range []int{max(a, b), min(a, b)} {
			var has int
			if err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT balance FROM bank WHERE id = %d FOR UPDATE", id)).Scan(&has); err != nil {
				return err
			}
			if id == a {
				balance = has
			}
		}
		if balance < sum {
			return poor
		}
		if _, err := s.conn.ExecContext(ctx, fmt.Sprintf("UPDATE bank SET balance = balance - %d, n = n + 1 WHERE id = %d", sum, a)); err != nil {
			return err
		}
		_, err := s.conn.ExecContext(ctx, fmt.Sprintf("UPDATE bank SET balance = balance + %d, n = n + 1 WHERE id = %d", sum, b))
		return err
	})
	t.End = h.now()
	h.add(func() { h.Transfers = append(h.Transfers, t); h.wrote(t.Outcome, t.End) })
}

// sum reads all accounts, by one statement or by two.
func (l *workload) sum(ctx context.Context, s *session) {
	h := l.w.h
	conditions := []string{"TRUE"}
	if s.rng.IntN(2) == 0 {
		conditions = []string{"id < 10", "id >= 10"}
	}
	t := check.Sums{Session: s.name(), Reader: s.reader, Begin: h.now()}
	o := s.txn(ctx, func(ctx context.Context) error {
		for _, c := range conditions {
			var total, count int
			if err := s.conn.QueryRowContext(ctx, "SELECT SUM(balance), SUM(n) FROM bank WHERE "+c).Scan(&total, &count); err != nil {
				return err
			}
			t.Total += total
			t.Count += count
		}
		return nil
	})
	t.End = h.now()
	if o == check.Aborted {
		return
	}
	h.add(func() { h.Sums = append(h.Sums, t); l.read(s, o) })
}

// insert puts a row whose value the other client wants too.
func (l *workload) insert(ctx context.Context, s *session, u int) {
	id := int(l.value.Add(1))
	_, err := s.conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO uniq VALUES (%d, %d, 'row %d of %s')", id, u, id, s.name()))
	l.w.inserted(s, id, u, err)
}

// inserted notes the answer to an insert into uniq.
func (w *world) inserted(s *session, id, u int, err error) {
	var e *mysql.MySQLError
	x := check.Insert{ID: id, Unique: u, Outcome: s.outcome(err), Taken: errors.As(err, &e) && e.Number == 1062}
	at := w.h.now()
	w.h.add(func() { w.h.Inserts = append(w.h.Inserts, x); w.h.wrote(x.Outcome, at) })
}

// register writes a register and reads it in the same session, or only reads.
func (l *workload) register(ctx context.Context, s *session) {
	h := l.w.h
	k := int(l.access.Load())/(registerKeys*registerOps)*registerKeys + s.rng.IntN(registerKeys)
	if !s.reader && s.rng.IntN(2) == 0 {
		v := int(l.value.Add(1))
		l.access.Add(1)
		a := check.Access{Session: s.name(), Key: k, Begin: h.now(), Write: true, Value: v}
		_, err := s.conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO registers VALUES (%d, %d, 1) ON DUPLICATE KEY UPDATE v = %d, n = n + 1", k, v, v))
		a.Outcome, a.End = s.outcome(err), h.now()
		h.add(func() { h.Accesses = append(h.Accesses, a); h.wrote(a.Outcome, a.End) })
		if s.conn == nil {
			return
		}
	}
	l.access.Add(1)
	a := check.Access{Session: s.name(), Reader: s.reader, Key: k, Begin: h.now()}
	err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT v, n FROM registers WHERE k = %d", k)).Scan(&a.Value, &a.Count)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		s.outcome(err)
		return
	}
	a.End = h.now()
	h.add(func() { h.Accesses = append(h.Accesses, a); l.read(s, check.Committed) })
}

// last reads everything once more, when all faults are over.
func (l *workload) last(ctx context.Context) error {
	h := l.w.h
	s := &session{w: l.w, db: l.w.db, label: "last", rng: rand.New(rand.NewPCG(0, 0))}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer s.drop()
	for _, level := range levels {
		t := check.Txn{Session: s.name(), Begin: h.now(), Outcome: check.Committed}
		if err := each(ctx, s.conn, "SELECT k, v FROM "+level.table, func(k int, v string) {
			t.Ops = append(t.Ops, check.Op{Key: k, Read: values(v)})
		}); err != nil {
			return err
		}
		t.End = h.now()
		h.Appends[level.level] = append(h.Appends[level.level], t)
	}
	l.sum(ctx, s)
	// In one snapshot: what clients sent before they were stopped may still commit.
	if _, err := s.conn.ExecContext(ctx, "START TRANSACTION READ ONLY"); err != nil {
		return err
	}
	for into, q := range map[*[]check.Row]string{&h.ByKey: "SELECT id, u FROM uniq", &h.ByIndex: "SELECT id, u FROM uniq FORCE INDEX (u) WHERE u >= 0"} {
		if err := each(ctx, s.conn, q, func(id int, u string) {
			v, _ := strconv.Atoi(u)
			*into = append(*into, check.Row{ID: id, Unique: v})
		}); err != nil {
			return err
		}
	}
	h.Whole = true
	return nil
}

// each calls f with every row of a query.
func each(ctx context.Context, c *sql.Conn, q string, f func(int, string)) error {
	rows, err := c.QueryContext(ctx, q)
	if err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	defer rows.Close()
	for rows.Next() {
		var k int
		var v string
		if err := rows.Scan(&k, &v); err != nil {
			return err
		}
		f(k, v)
	}
	return rows.Err()
}
