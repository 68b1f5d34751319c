package gms_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

const (
	mixedSessions = 64
	mixedRounds   = 25 // transactions of a session, unless SEXTANT_MIXED says for how long
	mixedKeys     = 20 // parents, counters, names: few, so that sessions meet
	// mixedPatience is how long a session may be without an answer.
	mixedPatience = 2 * time.Minute
)

// mixed is what the sessions did.
type mixed struct {
	counted [mixedKeys]atomic.Int64 // increments that were committed
	names   [mixedKeys]atomic.Int64 // insertions less deletions of a unique name
	mu      sync.Mutex
	errors  map[uint16]int
}

// expected are the errors that MySQL gives in such a workload.
var expected = map[uint16]bool{1062: true, 1205: true, 1213: true, 1451: true, 1452: true, 3572: true}

// Sixty-four sessions count, add and delete parents, children and unique names: no
// update is lost, no child is an orphan, no name is there twice, no session is stuck,
// and every error is one of MySQL's. SEXTANT_MIXED=1m runs it for a minute.
func TestMixedWorkload(t *testing.T) {
	var end time.Time
	if v := os.Getenv("SEXTANT_MIXED"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatal(err)
		}
		end = time.Now().Add(d)
	}
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{})
	setup := i.open("")
	must(t, setup, "CREATE DATABASE d",
		"CREATE TABLE d.counter (id INT PRIMARY KEY, n INT NOT NULL, KEY(n))",
		"CREATE TABLE d.parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, UNIQUE KEY name (name))",
		`CREATE TABLE d.child (id BIGINT AUTO_INCREMENT PRIMARY KEY, pid INT NOT NULL, KEY(pid),
			CONSTRAINT fk FOREIGN KEY (pid) REFERENCES d.parent (id))`,
		"CREATE TABLE d.name (id BIGINT AUTO_INCREMENT PRIMARY KEY, name INT NOT NULL, UNIQUE KEY name (name))")
	for k := range mixedKeys {
		must(t, setup, fmt.Sprintf("INSERT INTO d.counter VALUES (%d,0)", k))
	}
	m := &mixed{errors: map[uint16]int{}}
	pool := i.open("d?innodb_lock_wait_timeout=5")
	pool.SetMaxOpenConns(mixedSessions)
	pool.SetMaxIdleConns(mixedSessions)
	var wg sync.WaitGroup
	for k := range mixedSessions {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), 7))
			c, err := pool.Conn(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			level := []string{"READ COMMITTED", "REPEATABLE READ", "REPEATABLE READ", "SERIALIZABLE"}[k%4]
			if _, err := c.ExecContext(t.Context(), "SET SESSION TRANSACTION ISOLATION LEVEL "+level); err != nil {
				t.Error(err)
				return
			}
			for round := 0; round < mixedRounds || time.Now().Before(end); round++ {
				if !end.IsZero() && !time.Now().Before(end) {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), mixedPatience)
				err := m.transaction(ctx, c, rng)
				cancel()
				if err != nil {
					t.Errorf("session %d (%s), round %d: %v", k, level, round, err)
					return
				}
			}
		})
	}
	wg.Wait()
	m.check(t, i, setup)
}

// transaction makes one transaction. Only what was committed counts.
func (m *mixed) transaction(ctx context.Context, c *sql.Conn, rng *rand.Rand) error {
	k := rng.IntN(mixedKeys)
	var counted, names [mixedKeys]int64
	err := m.run(ctx, c, func() error {
		switch rng.IntN(7) {
		case 0: // two counters
			for _, k := range []int{k, rng.IntN(mixedKeys)} {
				if _, err := c.ExecContext(ctx, "UPDATE counter SET n=n+1 WHERE id=?", k); err != nil {
					return err
				}
				counted[k]++
			}
		case 1: // read, then write what was computed
			var n int
			if err := c.QueryRowContext(ctx, "SELECT n FROM counter WHERE id=? FOR UPDATE", k).Scan(&n); err != nil {
				return err
			}
			if _, err := c.ExecContext(ctx, "UPDATE counter SET n=? WHERE id=?", n+1, k); err != nil {
				return err
			}
			counted[k]++
		case 2:
			_, err := c.ExecContext(ctx, "INSERT INTO parent VALUES (?,?)", k, fmt.Sprint("p", k))
			return err
		case 3:
			_, err := c.ExecContext(ctx, "DELETE FROM parent WHERE id=?", k)
			return err
		case 4:
			_, err := c.ExecContext(ctx, "INSERT INTO child (pid) VALUES (?)", k)
			return err
		case 5:
			_, err := c.ExecContext(ctx, "DELETE FROM child WHERE pid=?", k)
			return err
		case 6: // look, then insert or delete
			var there int
			if err := c.QueryRowContext(ctx, "SELECT COUNT(*) FROM name WHERE name=?", k).Scan(&there); err != nil {
				return err
			}
			query, by := "INSERT INTO name (name) VALUES (?)", int64(1)
			if there > 0 {
				query, by = "DELETE FROM name WHERE name=?", -1
			}
			r, err := c.ExecContext(ctx, query, k)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			names[k] += by * n
			return err
		}
		return nil
	})
	if err != nil {
		return m.count(err)
	}
	for k := range mixedKeys {
		m.counted[k].Add(counted[k])
		m.names[k].Add(names[k])
	}
	return nil
}

func (m *mixed) run(ctx context.Context, c *sql.Conn, f func() error) error {
	if _, err := c.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	err := f()
	if err != nil {
		_, rerr := c.ExecContext(ctx, "ROLLBACK")
		return errors.Join(err, rerr)
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}

// count counts an error of the workload, and returns any other.
func (m *mixed) count(err error) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || !expected[e.Number] {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errors[e.Number]++
	return nil
}

// check compares what is there with what was committed.
func (m *mixed) check(t *testing.T, i *instance, c execer) {
	for k := range mixedKeys {
		if got, want := one(t, c, fmt.Sprintf("SELECT n FROM d.counter WHERE id=%d", k)), fmt.Sprint(m.counted[k].Load()); got != want {
			t.Errorf("counter %d is %s, want %s", k, got, want)
		}
		if got, want := one(t, c, fmt.Sprintf("SELECT COUNT(*) FROM d.name WHERE name=%d", k)), fmt.Sprint(m.names[k].Load()); got != want {
			t.Errorf("name %d is there %s times, want %s", k, got, want)
		}
	}
	for query, want := range map[string]string{
		"SELECT COUNT(*) FROM d.child LEFT JOIN d.parent ON parent.id=child.pid WHERE parent.id IS NULL": "0",
		"SELECT COUNT(*)-COUNT(DISTINCT name) FROM d.parent IGNORE INDEX (name)":                         "0",
		"SELECT COUNT(*)-COUNT(DISTINCT name) FROM d.name IGNORE INDEX (name)":                           "0",
	} {
		if got := one(t, c, query); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	if locks := i.db.Locks(); len(locks) > 0 {
		t.Errorf("locks are left: %v", locks)
	}
	if _, err := i.db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	var total int64
	for k := range mixedKeys {
		total += m.counted[k].Load()
	}
	t.Logf("%d increments; errors by number: %v", total, m.errors)
	for _, n := range []uint16{1062, 1451, 1452} {
		if m.errors[n] == 0 {
			t.Errorf("no error %d: the sessions do not meet", n)
		}
	}
}
