package gms_test

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/logstore/memvolume/feed"
)

var (
	readerSteps = flag.Int("reader-steps", 60, "how many changes TestReadersAgree makes on the writer")
	readerSeed  = flag.Uint64("reader-seed", 1, "what they are drawn from")
)

// twins are a writer and a reader that are asked the same.
type twins struct {
	t       *testing.T
	store   *memvolume.Store
	feed    *feed.Feed
	w, r    *instance
	lab     [2]*sqlLab
	conns   map[string][2]*sql.Conn // of a user on the writer and on the reader
	history []string
	asked   int
}

func newTwins(t *testing.T) *twins {
	store := memvolume.New(memvolume.Options{KeepAll: true})
	x := &twins{t: t, store: store, feed: feed.New(store), conns: map[string][2]*sql.Conn{}}
	x.w = startInstanceOn(t, store, engine.Options{})
	x.r = startReader(t, x.feed)
	x.lab = [2]*sqlLab{{t: t}, {t: t, prepared: true}}
	return x
}

// follow returns when the reader is where the writer is.
func (x *twins) follow() {
	x.t.Helper()
	to := x.store.VDL()
	for end := time.Now().Add(20 * time.Second); x.r.db.SnapshotLSN() < to; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			x.t.Fatalf("the reader stays at %d, the writer is at %d", x.r.db.SnapshotLSN(), to)
		}
	}
}

// of returns the connections of a user, or of one and what is behind a dot.
func (x *twins) of(name string) [2]*sql.Conn {
	c, ok := x.conns[name]
	if !ok {
		user, _, _ := strings.Cut(name, ".")
		c = [2]*sql.Conn{x.w.conn(x.w.openAs(user, "e")), x.r.conn(x.r.openAs(user, "e"))}
		x.conns[name] = c
	}
	return c
}

// answer returns the answer of one to a text, or to it prepared. Rows are in no order: plans depend on how many there are about.
func (x *twins) answer(of int, name string, prepared bool, query string) string {
	x.asked++
	rows := strings.Split(strings.Trim(x.lab[map[bool]int{true: 1}[prepared]].outcome(x.of(name)[of], query), "()"), ") (")
	slices.Sort(rows)
	return strings.Join(rows, ") (")
}

// asks returns the answers of the writer and the reader.
func (x *twins) asks(name string, prepared bool, query string) [2]string {
	return [2]string{x.answer(0, name, prepared, query), x.answer(1, name, prepared, query)}
}

// same fails if the answers differ.
func (x *twins) same(name string, prepared bool, query string) {
	x.t.Helper()
	if a := x.asks(name, prepared, query); a[0] != a[1] {
		x.t.Errorf("%s;\n%s asks (prepared: %t) %s\nthe reader says %.2000s\nthe writer says %.2000s", strings.Join(x.history, ";\n"), name, prepared, query, a[1], a[0])
	}
}

// snapshot opens a snapshot on the reader and returns what asks it queries, and fails if it says something else than
// the writer has said when it was opened.
func (x *twins) snapshot(queries []string) func() {
	c := x.of("root.snapshot")[1]
	must(x.t, c, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	var before []string
	for _, q := range queries {
		before = append(before, x.asks("root", false, q)[0])
	}
	from := len(x.history)
	return func() {
		for i, q := range queries {
			if now := x.answer(1, "root.snapshot", false, q); now != before[i] {
				x.t.Errorf("%s;\n-- snapshot --\n%s;\n%s\nthe writer said %.2000s\nthe reader says %.2000s", strings.Join(x.history[:from], ";\n"),
					strings.Join(x.history[from:], ";\n"), q, before[i], now)
			}
		}
		must(x.t, c, "COMMIT")
	}
}

// change executes a statement on the writer, which may refuse it.
func (x *twins) change(query string) {
	out := x.lab[0].outcome(x.of("root")[0], query)
	if !strings.HasPrefix(out, "error") {
		x.history = append(x.history, query)
	}
}

// readerDraw draws what the writer does.
type readerDraw struct {
	*randomSQL
	n int
}

func (d *readerDraw) definition() string {
	d.n++
	t := pick(d.randomSQL, "t0", "t1", "t2")
	column := pick(d.randomSQL, "a", "b", "u", "s", "d", "n")
	k := d.n % 5
	return pick(d.randomSQL,
		fmt.Sprintf("CREATE INDEX k%d ON %s (%s)", k, t, column),
		fmt.Sprintf("CREATE UNIQUE INDEX k%d ON %s (id, %s DESC, b0)", k, t, column),
		fmt.Sprintf("CREATE INDEX k%d ON %s ((a + %d))", k, t, k),
		fmt.Sprintf("CREATE FULLTEXT INDEX f ON %s (s)", t),
		fmt.Sprintf("ALTER TABLE %s DROP INDEX %s", t, pick(d.randomSQL, "k0", "k1", "k2", "k3", "k4", "f", "u")),
		fmt.Sprintf("ALTER TABLE %s RENAME INDEX k%d TO k%d", t, k, (k+1)%5),
		fmt.Sprintf("ALTER TABLE %s ALTER INDEX k%d %s", t, k, pick(d.randomSQL, "VISIBLE", "INVISIBLE")),
		fmt.Sprintf("ALTER TABLE %s ADD COLUMN c%d INT DEFAULT %d %s", t, k, d.n, pick(d.randomSQL, "", "FIRST", "AFTER b0")),
		fmt.Sprintf("ALTER TABLE %s ADD COLUMN g%d INT AS (a * 2) %s", t, k, pick(d.randomSQL, "VIRTUAL", "STORED")),
		fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s%d", t, pick(d.randomSQL, "c", "g"), k),
		fmt.Sprintf("ALTER TABLE %s MODIFY %s", t, pick(d.randomSQL, "a BIGINT", "s VARCHAR(20)", "s VARCHAR(10) COLLATE utf8mb4_0900_ai_ci", "n DECIMAL(8,3)", "d DATETIME", "b INT NOT NULL DEFAULT 3")),
		fmt.Sprintf("ALTER TABLE %s RENAME COLUMN c%d TO x%d", t, k, k),
		fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT q%d CHECK (a IS NULL OR a > -%d)", t, k, d.n+9),
		fmt.Sprintf("ALTER TABLE %s %s", t, pick(d.randomSQL, "PARTITION BY HASH (b0) PARTITIONS 3", "PARTITION BY KEY (id) PARTITIONS 2", "REMOVE PARTITIONING", "ADD PARTITION PARTITIONS 1", "COALESCE PARTITION 1", "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)")),
		fmt.Sprintf("ALTER TABLE %s TRUNCATE PARTITION p0", t),
		fmt.Sprintf("ALTER TABLE %s COMMENT '%d'", t, d.n),
		fmt.Sprintf("ALTER TABLE %s FORCE", t),
		fmt.Sprintf("CREATE OR REPLACE VIEW v%d AS SELECT * FROM %s WHERE a > %d", k, t, d.IntN(4)),
		fmt.Sprintf("CREATE OR REPLACE SQL SECURITY INVOKER VIEW v%d AS SELECT id, %s FROM %s", k, column, t),
		fmt.Sprintf("DROP VIEW v%d", k),
		fmt.Sprintf("CREATE FUNCTION f%d (x INT) RETURNS INT READS SQL DATA %s RETURN (SELECT COUNT(*) + x FROM %s)", k, pick(d.randomSQL, "", "SQL SECURITY INVOKER"), t),
		fmt.Sprintf("CREATE PROCEDURE p%d (x INT) %s SELECT %s, x FROM %s ORDER BY id, b0", k, pick(d.randomSQL, "", "SQL SECURITY INVOKER"), column, t),
		fmt.Sprintf("DROP %s IF EXISTS %s%d", "FUNCTION", "f", k),
		fmt.Sprintf("DROP PROCEDURE IF EXISTS p%d", k),
		fmt.Sprintf("CREATE TRIGGER r%d %s ON %s FOR EACH ROW SET NEW.b = %d", k, pick(d.randomSQL, "BEFORE INSERT", "BEFORE UPDATE"), t, d.n),
		fmt.Sprintf("DROP TRIGGER IF EXISTS r%d", k),
		fmt.Sprintf("CREATE EVENT e%d ON SCHEDULE EVERY 1 YEAR STARTS '2040-01-01' DO DELETE FROM %s", k, t),
		fmt.Sprintf("DROP EVENT IF EXISTS e%d", k),
		fmt.Sprintf("GRANT %s ON %s TO u", pick(d.randomSQL, "SELECT", "SELECT (id, a)", "INSERT, UPDATE (b)", "SHOW VIEW, SELECT"), pick(d.randomSQL, "e.*", "e.t0", "e.t1", "e.v"+fmt.Sprint(k))),
		fmt.Sprintf("REVOKE %s ON %s FROM u", pick(d.randomSQL, "SELECT", "SELECT (a)", "INSERT", "ALL PRIVILEGES"), pick(d.randomSQL, "e.*", "e.t0", "e.t1", "e.v"+fmt.Sprint(k))),
		fmt.Sprintf("GRANT EXECUTE ON %s TO u", pick(d.randomSQL, "e.*", fmt.Sprintf("PROCEDURE e.p%d", k), fmt.Sprintf("FUNCTION e.f%d", k))),
		pick(d.randomSQL, "GRANT ro TO u", "REVOKE ro FROM u", "SET DEFAULT ROLE ALL TO u", "GRANT SELECT ON e.t2 TO ro", "ALTER USER u COMMENT 'x'", "REVOKE ALL ON *.* FROM u", "GRANT PROCESS ON *.* TO u"),
		fmt.Sprintf("ANALYZE TABLE %s", t),
		fmt.Sprintf("ANALYZE TABLE %s UPDATE HISTOGRAM ON %s", t, column),
		fmt.Sprintf("TRUNCATE TABLE %s", t),
		fmt.Sprintf("CREATE TABLE x%d LIKE %s", k, t),
		fmt.Sprintf("CREATE TABLE x%d AS SELECT * FROM %s", k, t),
		fmt.Sprintf("DROP TABLE x%d", k),
		fmt.Sprintf("RENAME TABLE x%d TO x%d", k, (k+1)%5),
		fmt.Sprintf("INSERT IGNORE INTO %s (id, b0, a, b, u, s, d, n) VALUES (%d, 1, %d, 2, NULL, 'a b', '2024-01-11', 1.5), (%d, 2, 3, 4, NULL, 'zz', NULL, 2)", t, 200+d.IntN(99), d.IntN(5), 300+d.IntN(99)),
	)
}

// readerQuestions are about definitions, privileges and whole tables, not about estimates of rows (T-25); %s is a table or view, %d a small number.
var readerQuestions = []string{
	"SHOW CREATE TABLE %s", "SHOW COLUMNS FROM %s", "CHECK TABLE %s", "CHECKSUM TABLE %s", "SELECT * FROM %s ORDER BY 1, 2, 3",
	"SELECT id FROM %s WHERE MATCH (s) AGAINST ('zz') ORDER BY id", "SELECT id, MATCH (s) AGAINST ('zz ab') FROM %s ORDER BY id, b0",
	"SHOW CREATE VIEW v%d", "SHOW CREATE FUNCTION f%d", "SHOW CREATE PROCEDURE p%d", "SHOW CREATE TRIGGER r%d", "SHOW CREATE EVENT e%d", "SELECT f%d(1)", "CALL p%d(2)",
	"SHOW GRANTS", "SHOW FULL TABLES FROM e", "SHOW TRIGGERS FROM e", "SHOW EVENTS FROM e", "SHOW PROCEDURE STATUS WHERE Db = 'e'", "SHOW DATABASES",
	"SELECT TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, AUTO_INCREMENT, CREATE_TIME, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME", "SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME, ORDINAL_POSITION",
	"SELECT TABLE_NAME, NON_UNIQUE, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, NULLABLE, INDEX_TYPE, IS_VISIBLE, EXPRESSION FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
	"SELECT * FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
	"SELECT * FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME, CONSTRAINT_NAME", "SELECT * FROM information_schema.CHECK_CONSTRAINTS ORDER BY 1, 2, 3",
	"SELECT TABLE_NAME, PARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION, CREATE_TIME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION", "SELECT * FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'e' ORDER BY TABLE_NAME",
	"SELECT * FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'e' ORDER BY ROUTINE_NAME", "SELECT * FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = 'e' ORDER BY SPECIFIC_NAME, ORDINAL_POSITION",
	"SELECT * FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'e' ORDER BY TRIGGER_NAME", "SELECT * FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'e' ORDER BY EVENT_NAME",
	"SELECT * FROM information_schema.USER_PRIVILEGES ORDER BY 1, 3", "SELECT * FROM information_schema.SCHEMA_PRIVILEGES ORDER BY 1, 3, 4", "SELECT * FROM information_schema.TABLE_PRIVILEGES ORDER BY 1, 3, 4, 5",
	"SELECT * FROM information_schema.COLUMN_PRIVILEGES ORDER BY 1, 3, 4, 5, 6", "SELECT * FROM information_schema.COLUMN_STATISTICS ORDER BY 1, 2, 3", "SELECT * FROM information_schema.APPLICABLE_ROLES ORDER BY 1, 2, 3, 4",
	"SELECT * FROM mysql.user ORDER BY User, Host", "SELECT * FROM mysql.tables_priv ORDER BY 1, 2, 3, 4", "SELECT * FROM mysql.innodb_index_stats WHERE database_name = 'e' ORDER BY 2, 3, 5", "SELECT * FROM mysql.role_edges",
	"SELECT TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'e' AND IS_VISIBLE = 'NO' ORDER BY 1, 2", "SELECT * FROM information_schema.VIEW_TABLE_USAGE ORDER BY 1, 2, 3, 4, 5",
	"SELECT * FROM sys.schema_redundant_indexes ORDER BY 1, 2, 3, 6", "SELECT * FROM information_schema.INNODB_TABLES WHERE NAME LIKE 'e/%%' ORDER BY NAME", "SELECT * FROM information_schema.INNODB_INDEXES ORDER BY TABLE_ID, INDEX_ID",
}

// TestReadersAgree changes rows, definitions and privileges on a writer at random, and asks the writer and a reader that is
// exactly where it is: each answer is the same, also an error, as root and as a user with some privileges. What a snapshot of
// the reader's shows does not change.
func TestReadersAgree(t *testing.T) {
	x := newTwins(t)
	d := &readerDraw{randomSQL: &randomSQL{Rand: rand.New(rand.NewPCG(*readerSeed, 77))}}
	setup := x.w.conn(x.w.open(""))
	must(t, setup, "CREATE DATABASE e", "CREATE USER u", "CREATE ROLE ro", "GRANT SELECT ON e.* TO u", "USE e")
	for len(d.tables) < 3 {
		d.tables = nil
		if schema := d.schema(); len(d.tables) >= 3 {
			must(t, setup, schema...)
			x.history = schema
		}
	}
	x.follow()
	question := func() string {
		d.aliases = 0
		q, _ := d.query()
		return q
	}
	again := func() {}
	for n := range *readerSteps {
		for range 1 + d.IntN(3) {
			if d.aliases = 0; d.chance(45) {
				q, _ := d.randomSQL.change()
				x.change(q)
			} else {
				x.change(d.definition())
			}
		}
		if n%20 == 10 {
			x.feed.Cut()
		}
		x.follow()
		if n%8 == 0 {
			again()
			again = x.snapshot([]string{question(), question(), "SELECT * FROM t1", "SELECT id, b0, s FROM t2"})
		}
		for range 3 {
			x.same("root", d.chance(50), question())
		}
		for range 4 {
			q := readerQuestions[d.IntN(len(readerQuestions))]
			switch {
			case strings.Contains(q, "%d"):
				q = fmt.Sprintf(q, d.IntN(5))
			case strings.Contains(q, "%s"):
				q = fmt.Sprintf(q, pick(d.randomSQL, "t0", "t1", "t2", "v0", "v1", "x1"))
			}
			x.same(pick(d.randomSQL, "root", "root", "u"), d.chance(30), strings.ReplaceAll(q, "%%", "%"))
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d statements on the writer, %d questions", len(x.history), x.asked)
}
