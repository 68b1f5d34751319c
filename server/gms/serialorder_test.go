package gms_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

const (
	orderSessions = 12
	orderRounds   = 25 // transactions of a session, unless SEXTANT_MIXED says for how long
	orderKeys     = 12
)

// orderSchema has every kind of key and of foreign key, and triggers that keep sums.
var orderSchema = []string{
	"CREATE DATABASE o", "USE o",
	"CREATE TABLE g (id INT PRIMARY KEY, code VARCHAR(8) NOT NULL, n INT NOT NULL DEFAULT 0, UNIQUE KEY code (code), KEY n (n))",
	`CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, gid INT, u INT, v INT NOT NULL, UNIQUE KEY u (u), KEY gid (gid), KEY v (v),
		CONSTRAINT c_g FOREIGN KEY (gid) REFERENCES g (id) ON DELETE CASCADE ON UPDATE CASCADE)`,
	`CREATE TABLE s (id INT PRIMARY KEY, gid INT, v INT NOT NULL, KEY gid (gid), KEY v (v),
		CONSTRAINT s_g FOREIGN KEY (gid) REFERENCES g (id) ON DELETE SET NULL ON UPDATE SET NULL)`,
	`CREATE TABLE r (a INT, b INT, v INT NOT NULL, PRIMARY KEY (a, b), KEY b (b),
		CONSTRAINT r_s FOREIGN KEY (b) REFERENCES s (id))`,
	"CREATE TABLE total (k INT PRIMARY KEY, n INT NOT NULL, sum INT NOT NULL)",
	"INSERT INTO total VALUES (0,0,0),(1,0,0),(2,0,0)",
	"CREATE TRIGGER s_i AFTER INSERT ON s FOR EACH ROW UPDATE total SET n=n+1, sum=sum+NEW.v WHERE k=NEW.id%3",
	"CREATE TRIGGER s_d AFTER DELETE ON s FOR EACH ROW UPDATE total SET n=n-1, sum=sum-OLD.v WHERE k=OLD.id%3",
	"CREATE TRIGGER s_u AFTER UPDATE ON s FOR EACH ROW UPDATE total SET sum=sum+NEW.v-OLD.v WHERE k=NEW.id%3",
	`CREATE PROCEDURE p (x INT) BEGIN
		DECLARE failed INT DEFAULT 0;
		DECLARE CONTINUE HANDLER FOR 1062, 1452 BEGIN SET failed=1; UPDATE g SET n=n+1 WHERE id=x; END;
		INSERT INTO c (gid,u,v) VALUES (x,x,x);
		UPDATE s SET v=v+1 WHERE id=x;
		SELECT failed;
	END`,
	"INSERT INTO g VALUES (1,'k1',1),(3,'k3',1),(5,'k5',2),(7,'k7',3)",
	"INSERT INTO s VALUES (1,1,1),(2,3,2),(4,NULL,4),(6,5,6)",
	"INSERT INTO c (gid,u,v) VALUES (1,1,1),(3,2,2),(5,NULL,3)",
}

// orderStep is a statement and what became of it.
type orderStep struct {
	query   string
	answer  string // rows, count or error
	subset  bool   // the answer may lack rows: SKIP LOCKED
	skipped bool   // it had no effect, for a reason that may be gone: 1205, 3572
}

func (s orderStep) String() string { return s.query + " -> " + s.answer }

type orderTx struct {
	at      int64 // before COMMIT was sent: no lock has been given up yet
	session int
	steps   []orderStep
}

// orderStatement draws a statement; snapshot allows reads without locks.
func orderStatement(rng *rand.Rand, snapshot bool) (query string, subset bool) {
	k := func() int { return rng.IntN(orderKeys) }
	span := func(column string) string {
		a := k()
		switch rng.IntN(6) {
		case 0:
			return fmt.Sprintf("%s>%d", column, a+3)
		case 1:
			return fmt.Sprintf("%s IN (%d,%d)", column, a, k())
		case 2:
			return fmt.Sprintf("%s BETWEEN %d AND %d", column, a, a+rng.IntN(4))
		}
		return fmt.Sprintf("%s=%d", column, a)
	}
	lock := func() string {
		if snapshot && rng.IntN(3) > 0 {
			return ""
		}
		return []string{" FOR UPDATE", " FOR SHARE", " FOR UPDATE NOWAIT", " FOR SHARE"}[rng.IntN(4)]
	}
	f := fmt.Sprintf
	switch rng.IntN(38) {
	case 0, 1:
		return f("INSERT INTO g VALUES (%d,'k%d',%d)", k(), k(), k()), false
	case 2:
		return f("REPLACE INTO g VALUES (%d,'k%d',%d)", k(), k(), k()), false
	case 3:
		return f("INSERT INTO s VALUES (%d,%d,1),(%d,NULL,2) ON DUPLICATE KEY UPDATE v=v+%d", k(), k(), k(), k()), false
	case 4:
		return f("INSERT IGNORE INTO g VALUES (%d,'k%d',1),(%d,'k%d',1)", k(), k(), k(), k()), false
	case 5, 6:
		return f("UPDATE g SET n=n+1 WHERE %s", span("id")), false
	case 7:
		return f("UPDATE g SET n=n+%d WHERE %s", 1+k(), span("n")), false
	case 8:
		return f("UPDATE g SET id=%d WHERE id=%d", k(), k()), false
	case 9:
		return f("UPDATE g SET code='k%d' WHERE code='k%d'", k(), k()), false
	case 10:
		return f("DELETE FROM g WHERE %s", span("id")), false
	case 11:
		return f("DELETE FROM g WHERE code='k%d' OR n=%d", k(), k()), false
	case 12, 13:
		return f("INSERT INTO c (gid,u,v) VALUES (%d,%d,%d)", k(), k(), k()), false
	case 14:
		return f("INSERT INTO c (gid,u,v) VALUES (%d,NULL,%d),(NULL,%d,%d) ON DUPLICATE KEY UPDATE v=v+VALUES(v)", k(), k(), k(), k()), false
	case 15:
		return f("INSERT IGNORE INTO c (gid,u,v) SELECT id,n+%d,n FROM g WHERE %s ORDER BY id", k(), span("id")), false
	case 16:
		return f("UPDATE c SET v=v+1 WHERE %s", span("gid")), false
	case 17:
		return f("UPDATE c SET u=u+1 WHERE %s ORDER BY u DESC LIMIT 3", span("u")), false
	case 18:
		return f("UPDATE c JOIN g ON c.gid=g.id SET c.v=g.n+1, g.n=g.n+2 WHERE %s", span("g.id")), false
	case 19:
		return f("DELETE FROM c WHERE u IS NOT NULL AND %s ORDER BY u LIMIT 2", span("v")), false
	case 20:
		return f("DELETE c, r FROM c LEFT JOIN r ON r.a=c.v WHERE %s", span("c.gid")), false
	case 21:
		return f("UPDATE c SET gid=(SELECT MAX(id) FROM g WHERE %s) WHERE u=%d", span("n"), k()), false
	case 22, 23:
		return f("INSERT INTO s VALUES (%d,%d,%d)", k(), k(), k()), false
	case 24:
		return f("REPLACE INTO s VALUES (%d,NULL,%d)", k(), k()), false
	case 25:
		return f("UPDATE s SET v=v+%d, gid=%d WHERE %s", k(), k(), span("id")), false
	case 26:
		return f("DELETE FROM s WHERE %s", span("v")), false
	case 27:
		return f("DELETE FROM s WHERE id IN (SELECT n FROM g WHERE %s) AND NOT EXISTS (SELECT 1 FROM r WHERE b=s.id)", span("id")), false
	case 28:
		return f("INSERT INTO r VALUES (%d,%d,%d)", k(), k(), k()), false
	case 29:
		return f("INSERT INTO r SELECT %d,id,v FROM s WHERE %s ON DUPLICATE KEY UPDATE v=r.v+1", k(), span("s.id")), false
	case 30:
		return f("DELETE FROM r WHERE %s", span("b")), false
	case 31:
		return f("CALL p(%d)", k()), false
	case 32:
		return f("SELECT id,code,n FROM g WHERE %s%s", span("id"), lock()), false
	case 33:
		return f("SELECT gid,u,v FROM c WHERE %s%s", span([]string{"gid", "u", "v"}[rng.IntN(3)]), lock()), false
	case 34:
		return f("SELECT COUNT(*),SUM(v) FROM s%s", lock()), false
	case 35:
		return f("SELECT s.id,s.v,g.n FROM s JOIN g ON g.id=s.gid WHERE %s%s", span("s.v"), lock()), false
	case 36:
		return f("SELECT id,code,n FROM g WHERE %s FOR UPDATE SKIP LOCKED", span([]string{"id", "n"}[rng.IntN(2)])), true
	}
	return f("SELECT k,n,sum FROM total WHERE %s%s", span("k"), lock()), false
}

// orderRun executes a statement on c, prepared or not, and returns its answer.
func orderRun(ctx context.Context, c *sql.Conn, query string, prepared bool) (string, error) {
	if !strings.HasPrefix(query, "SELECT") && !strings.HasPrefix(query, "CALL") {
		r, err := c.ExecContext(ctx, query)
		if err != nil {
			return "", err
		}
		n, err := r.RowsAffected()
		return strconv.FormatInt(n, 10), err
	}
	var rows *sql.Rows
	var err error
	if prepared {
		var st *sql.Stmt
		if st, err = c.PrepareContext(ctx, query); err != nil {
			return "", err
		}
		defer st.Close()
		rows, err = st.QueryContext(ctx)
	} else {
		rows, err = c.QueryContext(ctx, query)
	}
	if err != nil {
		return "", err
	}
	defer rows.Close()
	lines, err := rowTexts(rows)
	sort.Strings(lines)
	return strings.Join(lines, ";"), err
}

// orderNumber is the number of MySQL's error, 0 of any other.
func orderNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// orderError is the answer of a statement that failed and has had no effect: its locks on keys
// that it did not insert after all are gone, so that it may fail for another reason later.
func orderError(n uint16) string {
	if n == 1062 || n == 1451 || n == 1452 {
		return "refused"
	}
	return fmt.Sprint("error ", n)
}

// order is what sessions did.
type order struct {
	clock     atomic.Int64
	mu        sync.Mutex
	committed []orderTx
	errors    map[uint16]int
}

// session runs transactions until the end.
func (o *order) session(ctx context.Context, c *sql.Conn, id int, level string, more func(int) bool) error {
	rng := rand.New(rand.NewPCG(uint64(id), orderSeed()))
	for round := 0; more(round); round++ {
		patient, cancel := context.WithTimeout(ctx, mixedPatience)
		err := o.transaction(patient, c, rng, id, level)
		cancel()
		if err != nil {
			_, rerr := c.ExecContext(ctx, "ROLLBACK")
			return errors.Join(fmt.Errorf("round %d: %w", round, err), rerr)
		}
	}
	return nil
}

func (o *order) transaction(ctx context.Context, c *sql.Conn, rng *rand.Rand, id int, level string) error {
	tx := orderTx{session: id}
	if _, err := c.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	saved := -1
	for range 1 + rng.IntN(6) {
		switch n := rng.IntN(20); {
		case n == 0:
			if _, err := c.ExecContext(ctx, "SAVEPOINT a"); err != nil {
				return err
			}
			saved = len(tx.steps)
			continue
		case n <= 2 && saved >= 0:
			if _, err := c.ExecContext(ctx, "ROLLBACK TO SAVEPOINT a"); err != nil {
				return err
			}
			tx.steps = tx.steps[:saved]
			continue
		}
		query, subset := orderStatement(rng, level == "SERIALIZABLE")
		step := orderStep{query: query, subset: subset}
		var err error
		step.answer, err = orderRun(ctx, c, query, rng.IntN(2) == 0)
		if err != nil {
			n := orderNumber(err)
			o.mu.Lock()
			o.errors[n]++
			o.mu.Unlock()
			switch n {
			case 1213:
				return nil // it is rolled back
			case 1205, 3572:
				step.skipped = true
			case 1062, 1451, 1452:
				// A row that was not there may be there later, as for InnoDB: then it is updated.
				step.skipped = strings.Contains(query, "ON DUPLICATE KEY UPDATE")
			default:
				return fmt.Errorf("%s: %w", query, err)
			}
			step.answer = orderError(n)
		}
		tx.steps = append(tx.steps, step)
	}
	if rng.IntN(8) == 0 {
		_, err := c.ExecContext(ctx, "ROLLBACK")
		return err
	}
	tx.at = o.clock.Add(1)
	if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.committed = append(o.committed, tx)
	return nil
}

// orderInvariants hold in every snapshot.
var orderInvariants = []string{
	"SELECT k FROM total WHERE (n,sum)<>(SELECT COUNT(*),COALESCE(SUM(v),0) FROM s WHERE id%3=k)",
	"SELECT c.gid FROM c LEFT JOIN g ON g.id=c.gid WHERE c.gid IS NOT NULL AND g.id IS NULL",
	"SELECT s.gid FROM s LEFT JOIN g ON g.id=s.gid WHERE s.gid IS NOT NULL AND g.id IS NULL",
	"SELECT r.b FROM r LEFT JOIN s ON s.id=r.b WHERE s.id IS NULL",
	"SELECT code FROM g IGNORE INDEX (code) GROUP BY code HAVING COUNT(*)>1",
	"SELECT u FROM c IGNORE INDEX (u) WHERE u IS NOT NULL GROUP BY u HAVING COUNT(*)>1",
}

// orderPairs are the same rows by the table and by an index.
var orderPairs = [][2]string{
	{"SELECT id,n FROM g FORCE INDEX (PRIMARY) WHERE n>=0", "SELECT id,n FROM g FORCE INDEX (n) WHERE n>=0"},
	{"SELECT id,code FROM g FORCE INDEX (PRIMARY) WHERE code>''", "SELECT id,code FROM g FORCE INDEX (code) WHERE code>''"},
	{"SELECT id,gid FROM c IGNORE INDEX (gid) WHERE gid>=0", "SELECT id,gid FROM c FORCE INDEX (gid) WHERE gid>=0"},
	{"SELECT id,u FROM c IGNORE INDEX (u) WHERE u>=0", "SELECT id,u FROM c FORCE INDEX (u) WHERE u>=0"},
	{"SELECT id,v FROM c IGNORE INDEX (v) WHERE v>=0", "SELECT id,v FROM c FORCE INDEX (v) WHERE v>=0"},
	{"SELECT id,v FROM s IGNORE INDEX (v) WHERE v>=0", "SELECT id,v FROM s FORCE INDEX (v) WHERE v>=0"},
	{"SELECT a,b FROM r IGNORE INDEX (b) WHERE b>=0", "SELECT a,b FROM r FORCE INDEX (b) WHERE b>=0"},
}

// orderLook reads all in one snapshot: what must be so is so, and stays so.
func orderLook(ctx context.Context, c *sql.Conn) error {
	if _, err := c.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
		return err
	}
	var all []string
	for range 2 {
		for _, query := range orderInvariants {
			got, err := orderRun(ctx, c, query, false)
			if err != nil {
				return fmt.Errorf("%s: %w", query, err)
			}
			if got != "" {
				return fmt.Errorf("%s: %s", query, got)
			}
		}
		for _, pair := range orderPairs {
			table, err := orderRun(ctx, c, pair[0], false)
			if err != nil {
				return fmt.Errorf("%s: %w", pair[0], err)
			}
			index, err := orderRun(ctx, c, pair[1], true)
			if err != nil {
				return fmt.Errorf("%s: %w", pair[1], err)
			}
			if table != index {
				return fmt.Errorf("%s: %s\n%s: %s", pair[0], table, pair[1], index)
			}
			all = append(all, table)
		}
	}
	if half := len(all) / 2; !slices.Equal(all[:half], all[half:]) {
		return fmt.Errorf("a snapshot changed: %q, then %q", all[:half], all[half:])
	}
	_, err := c.ExecContext(ctx, "COMMIT")
	return err
}

func orderSeed() uint64 {
	n, _ := strconv.ParseUint(os.Getenv("SEXTANT_SEED"), 10, 64) // 0 without one
	return n
}

// Sessions make random transactions of statements of all kinds, with savepoints, errors
// and rollbacks, beside DDL: what is committed at SERIALIZABLE, and by statements that lock
// at REPEATABLE READ, has the answers that the same transactions have one after the other,
// in the order of their commits. Snapshots are whole, and their indexes agree, also beside
// transactions at READ COMMITTED.
func TestTransactionsHaveAnOrder(t *testing.T) {
	t.Run("ordered", func(t *testing.T) { testOrder(t, "SERIALIZABLE", "REPEATABLE READ") })
	t.Run("read committed", func(t *testing.T) { testOrder(t, "READ COMMITTED", "SERIALIZABLE") })
}

// testOrder runs sessions at levels by turns.
func testOrder(t *testing.T, levels ...string) {
	var end time.Time
	if v := os.Getenv("SEXTANT_MIXED"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatal(err)
		}
		end = time.Now().Add(d)
	}
	more := func(round int) bool {
		if end.IsZero() {
			return round < orderRounds
		}
		return time.Now().Before(end)
	}
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{})
	setup := i.conn(i.open(""))
	must(t, setup, orderSchema...)
	pool := i.open("o?innodb_lock_wait_timeout=2&lock_wait_timeout=5")
	o := &order{errors: map[uint16]int{}}
	var writers, others sync.WaitGroup
	var done atomic.Bool
	for k := range orderSessions {
		c := i.conn(pool)
		level := levels[k%len(levels)]
		must(t, c, "SET SESSION TRANSACTION ISOLATION LEVEL "+level)
		writers.Go(func() {
			if err := o.session(t.Context(), c, k, level, more); err != nil {
				t.Errorf("session %d (%s): %v", k, level, err)
			}
		})
	}
	// A change that waited too long is not made; then the next does not fit.
	changed := map[uint16]bool{1205: true, 1060: true, 1061: true, 1091: true}
	looker, changer := i.conn(pool), i.conn(pool)
	others.Go(func() {
		for !done.Load() {
			if err := orderLook(t.Context(), looker); orderNumber(err) == 1412 {
				must(t, looker, "ROLLBACK")
			} else if err != nil {
				t.Error(err)
				must(t, looker, "ROLLBACK")
				return
			}
		}
	})
	others.Go(func() {
		for k := 0; !done.Load(); k++ {
			for _, query := range []string{
				"ALTER TABLE g ADD KEY x (n, code)", "ALTER TABLE c ADD COLUMN x INT NOT NULL DEFAULT 7", "OPTIMIZE TABLE s",
				"LOCK TABLES r WRITE, s READ", "UNLOCK TABLES", "ANALYZE TABLE c", "ALTER TABLE g DROP KEY x", "ALTER TABLE c DROP COLUMN x",
			} {
				if _, err := changer.ExecContext(t.Context(), query); err != nil && !changed[orderNumber(err)] {
					t.Errorf("%s: %v", query, err)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
	writers.Wait()
	done.Store(true)
	others.Wait()
	if !slices.Contains(levels, "READ COMMITTED") {
		o.replay(t, startInstance(t), setup)
	}
	for _, table := range []string{"g", "c", "s", "r", "total"} {
		var name, op, kind, text string
		if err := setup.QueryRowContext(t.Context(), "CHECK TABLE "+table).Scan(&name, &op, &kind, &text); err != nil || text != "OK" {
			t.Errorf("CHECK TABLE %s: %s, %v", table, text, err)
		}
	}
	if err := orderLook(t.Context(), looker); err != nil {
		t.Error(err)
	}
	if got := one(t, setup, "SELECT COUNT(*) FROM performance_schema.data_locks"); got != "0" {
		t.Errorf("%s locks are left", got)
	}
	t.Logf("%d transactions; errors by number: %v", len(o.committed), o.errors)
}

// replay makes the committed transactions one after the other on another instance, and
// compares their answers, and what both have in the end.
func (o *order) replay(t *testing.T, i *instance, first *sql.Conn) {
	c := i.conn(i.open(""))
	must(t, c, orderSchema...)
	sort.Slice(o.committed, func(a, b int) bool { return o.committed[a].at < o.committed[b].at })
	wrong := 0
	for _, tx := range o.committed {
		must(t, c, "BEGIN")
		for k, step := range tx.steps {
			if step.skipped {
				continue
			}
			query := strings.NewReplacer(" SKIP LOCKED", "", " NOWAIT", "").Replace(step.query)
			got, err := orderRun(t.Context(), c, query, false)
			if err != nil {
				got = orderError(orderNumber(err))
			}
			if got == step.answer || step.subset && orderSubset(step.answer, got) {
				continue
			}
			if wrong++; wrong <= 3 {
				t.Errorf("transaction %d of session %d, statement %d: %v, in order: %s\n%v", tx.at, tx.session, k, step, got, tx.steps)
			}
		}
		must(t, c, "COMMIT")
	}
	if wrong > 0 {
		t.Errorf("%d answers are not in order", wrong)
	}
	for _, query := range []string{"SELECT * FROM g", "SELECT gid,u,v FROM c", "SELECT * FROM s", "SELECT * FROM r", "SELECT * FROM total"} {
		want, err1 := orderRun(t.Context(), c, query, false)
		got, err2 := orderRun(t.Context(), first, query, false)
		if err := errors.Join(err1, err2); err != nil || got != want {
			t.Errorf("%s: %s, in order: %s (%v)", query, got, want, err)
		}
	}
}

// orderSubset reports whether all rows of a are in b.
func orderSubset(a, b string) bool {
	rows := strings.Split(b, ";")
	for row := range strings.SplitSeq(a, ";") {
		if row != "" && !slices.Contains(rows, row) {
			return false
		}
	}
	return true
}
