package gms_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/logstore/memvolume/feed"
	"sextant/server/gms"
)

// instance is a server on a volume in memory, reached over TCP.
type instance struct {
	t    testing.TB
	db   *engine.DB
	srv  *gms.Server
	addr string
}

// panicHandler fails a test when a panic is logged, and drops what else is.
type panicHandler struct{ t testing.TB }

func (panicHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h panicHandler) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h panicHandler) WithGroup(string) slog.Handler              { return h }

// Handle implements slog.Handler.
func (h panicHandler) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "panic") {
		h.t.Errorf("%s", r.Message)
		r.Attrs(func(a slog.Attr) bool { h.t.Logf("%s", a); return true })
	}
	return nil
}

func startInstance(t testing.TB) *instance {
	t.Helper()
	return startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{})
}

// startInstanceOn starts a writer on a volume.
func startInstanceOn(t testing.TB, store *memvolume.Store, o engine.Options) *instance {
	t.Helper()
	return startInstanceWith(t, store, o, func(*gms.Options) {})
}

// startInstanceWith is startInstanceOn with options changed.
func startInstanceWith(t testing.TB, store *memvolume.Store, o engine.Options, change func(*gms.Options)) *instance {
	t.Helper()
	vol := store.Open()
	o.Logger = slog.New(panicHandler{t})
	if o.Background.Analyze == 0 {
		o.Background.Analyze = -1 // plans and cardinalities do not depend on time
	}
	db, err := engine.OpenWriter(t.Context(), vol, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := vol.Close(); err != nil {
			t.Errorf("close volume: %v", err)
		}
	})
	i := serve(t, db, change)
	if err := i.srv.SetWriter(); err != nil {
		t.Fatal(err)
	}
	return i
}

// startReader starts a reader that follows the writer on a store.
func startReader(t testing.TB, f *feed.Feed) *instance {
	t.Helper()
	db, err := engine.OpenReader(t.Context(), engine.Source{Pages: f, Stream: f, Log: f}, engine.Options{Logger: slog.New(panicHandler{t})})
	if err != nil {
		t.Fatal(err)
	}
	i := serve(t, db, func(*gms.Options) {})
	i.srv.SetReader()
	return i
}

// serve serves a database over TCP until the test ends, and closes it then.
func serve(t testing.TB, db *engine.DB, change func(*gms.Options)) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := gms.Options{
		DB: db, InstanceID: "db-1", Listener: l, Logger: slog.New(panicHandler{t}), MaxConnections: 600,
		ReplicaStatus: func() []gms.ReplicaStatus {
			return []gms.ReplicaStatus{{ID: "db-1", Writer: true, Current: true}}
		},
	}
	change(&options)
	srv, err := gms.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Close(ctx); err != nil {
			t.Errorf("close server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close db: %v", err)
		}
	})
	return &instance{t: t, db: db, srv: srv, addr: l.Addr().String()}
}

// open returns a connection pool as root.
func (i *instance) open(params string) *sql.DB {
	i.t.Helper()
	return i.openAs("root", params)
}

// openAs returns a connection pool as a user without a password, whose texts have the server's collation.
func (i *instance) openAs(user, params string) *sql.DB {
	i.t.Helper()
	if !strings.Contains(params, "?") {
		params += "?"
	}
	if !strings.Contains(params, "collation=") {
		params += "&collation=utf8mb4_0900_ai_ci"
	}
	db, err := sql.Open("mysql", fmt.Sprintf("%s@tcp(%s)/%s", user, i.addr, params))
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = db.Close() })
	return db
}

func (i *instance) conn(db *sql.DB) *sql.Conn {
	i.t.Helper()
	c, err := db.Conn(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = c.Close() })
	return c
}

type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

func must(t testing.TB, c execer, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := c.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func one(t *testing.T, c execer, query string) string {
	t.Helper()
	var v sql.NullString
	if err := c.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

// wantError fails unless the query ends with MySQL's error of that number and state.
func wantError(t *testing.T, c execer, query string, number uint16, state string) {
	t.Helper()
	_, err := c.ExecContext(t.Context(), query)
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != number || string(e.SQLState[:]) != state {
		t.Fatalf("%s: got %v, want error %d (%s)", query, err, number, state)
	}
}

func TestErrorsAreMySQLs(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d",
		"CREATE TABLE p (id INT PRIMARY KEY, u VARCHAR(10) UNIQUE, n INT NOT NULL)",
		"CREATE TABLE ch (id INT PRIMARY KEY, p INT, FOREIGN KEY fk (p) REFERENCES p (id))",
		"INSERT INTO p VALUES (1,'a',1)", "INSERT INTO ch VALUES (1,1)")
	wantError(t, c, "INSERT INTO p VALUES (1,'b',1)", 1062, "23000")
	wantError(t, c, "INSERT INTO p VALUES (2,'A',1)", 1062, "23000") // ai_ci
	wantError(t, c, "INSERT INTO p VALUES (2,'c',NULL)", 1048, "23000")
	wantError(t, c, "INSERT INTO ch VALUES (2,99)", 1452, "23000")
	wantError(t, c, "DELETE FROM p WHERE id=1", 1451, "23000")
	wantError(t, c, "SELECT * FROM nix", 1146, "42S02")
	wantError(t, c, "SELECT nix FROM p", 1054, "42S22")
	wantError(t, c, "SELEC 1", 1064, "42000")
	wantError(t, c, "USE nix", 1049, "42000")
	wantError(t, c, "CREATE DATABASE d", 1007, "HY000")
	wantError(t, c, "CREATE TABLE p (id INT)", 1050, "42S01")
	wantError(t, c, "ROLLBACK TO nix", 1305, "42000")
	wantError(t, c, "CALL nix()", 1305, "42000")
	_, err := c.ExecContext(t.Context(), "INSERT INTO p VALUES (1,'b',1)")
	if err == nil || err.Error() != "Error 1062 (23000): Duplicate entry '1' for key 'p.PRIMARY'" {
		t.Fatalf("message: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	for query, want := range map[string]string{
		"SELECT VERSION()":                  "8.0.39",
		"SELECT @@version":                  "8.0.39",
		"SELECT @@aurora_server_id":         "db-1",
		"SELECT @@innodb_read_only":         "0",
		"SELECT @@innodb_lock_wait_timeout": "50",
		"SELECT AURORA_VERSION()":           "3.08.0",
		"SELECT @@collation_server":         "utf8mb4_0900_ai_ci",
		"SELECT 'a'='A'":                    "1",
		"SELECT server_id FROM information_schema.replica_host_status":  "db-1",
		"SELECT session_id FROM information_schema.replica_host_status": "MASTER_SESSION_ID",
		"SELECT COUNT(*) FROM mysql.user WHERE user='root'":             "2",
		"SELECT @@transaction_isolation":                                "REPEATABLE-READ",
		"SELECT @@autocommit":                                           "1",
	} {
		if got := one(t, c, query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// TestDeleteSeesNewestRow is the lost update that a snapshot read in DML would be.
func TestUpdateIsACurrentRead(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	a, b := i.conn(pool), i.conn(pool)
	must(t, a, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, n INT, KEY(n))", "INSERT INTO t VALUES (1,0)")
	must(t, b, "USE d")
	must(t, a, "BEGIN")
	if got := one(t, a, "SELECT n FROM t WHERE id=1"); got != "0" {
		t.Fatal(got)
	}
	must(t, b, "UPDATE t SET n=n+10 WHERE id=1")
	if got := one(t, a, "SELECT n FROM t WHERE id=1"); got != "0" {
		t.Fatalf("snapshot moved: %s", got)
	}
	must(t, a, "UPDATE t SET n=n+1 WHERE n=10")
	if got := one(t, a, "SELECT n FROM t WHERE id=1"); got != "11" {
		t.Fatalf("own write: %s", got)
	}
	must(t, a, "COMMIT")
	if got := one(t, b, "SELECT n FROM t"); got != "11" {
		t.Fatal(got)
	}
}

func TestLocksAndTimeouts(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	a, b := i.conn(pool), i.conn(pool)
	must(t, a, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1,0),(2,0),(3,0)")
	must(t, b, "USE d", "SET innodb_lock_wait_timeout=1")
	must(t, a, "BEGIN", "SELECT * FROM t WHERE id=1 FOR UPDATE")
	wantError(t, b, "UPDATE t SET n=1 WHERE id=1", 1205, "HY000")
	wantError(t, b, "SELECT * FROM t WHERE id=1 FOR UPDATE NOWAIT", 3572, "HY000")
	wantError(t, b, "SELECT * FROM t WHERE id=1 FOR SHARE NOWAIT", 3572, "HY000")
	if got := one(t, b, "SELECT id FROM t ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"); got != "2" {
		t.Fatalf("skip locked: %s", got)
	}
	must(t, b, "UPDATE t SET n=1 WHERE id=2")
	must(t, a, "COMMIT")
	must(t, b, "UPDATE t SET n=5 WHERE id=1")
	// A failed autocommitted statement leaves no lock behind.
	wantError(t, b, "INSERT INTO t VALUES (1,1)", 1062, "23000")
	must(t, a, "UPDATE t SET n=6 WHERE id=1")
}

func TestDeadlock(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	a, b := i.conn(pool), i.conn(pool)
	must(t, a, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1,0),(2,0)")
	must(t, b, "USE d")
	must(t, a, "BEGIN", "UPDATE t SET n=1 WHERE id=1")
	must(t, b, "BEGIN", "UPDATE t SET n=2 WHERE id=2")
	errs := make(chan error, 2)
	go func() {
		_, err := a.ExecContext(t.Context(), "UPDATE t SET n=1 WHERE id=2")
		errs <- err
	}()
	go func() {
		_, err := b.ExecContext(t.Context(), "UPDATE t SET n=2 WHERE id=1")
		errs <- err
	}()
	victims := 0
	for range 2 {
		if err := <-errs; err != nil {
			var e *mysql.MySQLError
			if !errors.As(err, &e) || e.Number != 1213 || string(e.SQLState[:]) != "40001" {
				t.Fatal(err)
			}
			victims++
		}
	}
	if victims != 1 {
		t.Fatalf("%d victims", victims)
	}
}

// TestDDLCommitsFirst: what was open before a DDL statement survives its failure.
func TestDDLCommitsFirst(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, n INT)", "BEGIN", "INSERT INTO t VALUES (1,0)")
	wantError(t, c, "CREATE TABLE t (id INT)", 1050, "42S01")
	must(t, c, "ROLLBACK")
	if got := one(t, c, "SELECT COUNT(*) FROM t"); got != "1" {
		t.Fatal(got)
	}
}

func TestConcurrentIncrements(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, n INT NOT NULL)",
		"CREATE TABLE d.a (id INT PRIMARY KEY AUTO_INCREMENT, w INT)")
	var wg sync.WaitGroup
	const workers, rounds = 6, 20
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range rounds {
				for _, q := range []string{
					"INSERT INTO d.t VALUES (1,1) ON DUPLICATE KEY UPDATE n=n+1",
					fmt.Sprintf("INSERT INTO d.a (w) VALUES (%d),(%d)", w, w),
				} {
					if _, err := pool.ExecContext(t.Context(), q); err != nil {
						t.Errorf("%s: %v", q, err)
						return
					}
				}
			}
		}()
	}
	wg.Wait()
	if got := one(t, pool, "SELECT n FROM d.t"); got != fmt.Sprint(workers*rounds) {
		t.Errorf("lost updates: %s", got)
	}
	if got := one(t, pool, "SELECT COUNT(DISTINCT id) FROM d.a"); got != fmt.Sprint(2*workers*rounds) {
		t.Errorf("ids: %s", got)
	}
}

func TestReaderRefusesWrites(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
	i.srv.SetReader()
	if err := c.PingContext(t.Context()); err == nil {
		t.Error("the writer's session is still open")
	}
	c2 := i.conn(i.open(""))
	if got := one(t, c2, "SELECT COUNT(*) FROM d.t"); got != "1" {
		t.Error(got)
	}
	if got := one(t, c2, "SELECT @@innodb_read_only"); got != "1" {
		t.Error(got)
	}
	must(t, c2, "PREPARE p FROM 'ALTER TABLE d.t ADD c INT'")
	for _, q := range []string{"INSERT INTO d.t VALUES (2)", "CREATE TABLE d.u (id INT)", "DROP TABLE d.t", "CREATE USER x",
		"ALTER TABLE d.t ADD id INT", "EXECUTE p", "CREATE TABLE d.t (id INT, id INT)", "DROP VIEW d.t", "UPDATE d.nowhere SET x = 1", // before what they name is looked at
		"CREATE VIEW d.t AS SELECT nothing FROM d.t", "INSERT INTO d.t (nothing) VALUES (1)", "DROP DATABASE nowhere", "TRUNCATE d.nowhere",
		"SELECT id FROM d.t FOR UPDATE", "SELECT (SELECT id FROM d.t WHERE id = 1 FOR UPDATE)", "LOCK TABLES d.t WRITE"} {
		wantError(t, c2, q, 1290, "HY000")
	}
	wantError(t, c2, "ALTER TABLE d.t ADD", 1064, "42000")
	must(t, c2, "LOCK TABLES d.t READ", "UNLOCK TABLES")
	for _, q := range []string{"SELECT id FROM d.t FOR SHARE", "SELECT id FROM d.t LOCK IN SHARE MODE"} {
		if got := one(t, c2, q); got != "1" {
			t.Error(q, got)
		}
	}
	if err := i.srv.SetWriter(); err != nil {
		t.Fatal(err)
	}
	must(t, c2, "INSERT INTO d.t VALUES (2)")
}

// SET GLOBAL max_connections holds, up to what the instance is configured with; one more place is an administrator's.
func TestMaxConnections(t *testing.T) {
	i := startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) { o.MaxConnections = 4 })
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u", "SET GLOBAL max_connections = 100")
	if got := one(t, c, "SELECT CONCAT_WS(' ', @@max_connections, @@warning_count)"); got != "4 1" {
		t.Error(got)
	}
	must(t, c, "SET GLOBAL max_connections = 2")
	i.conn(i.openAs("u", ""))
	refused := func(user string) {
		var e *mysql.MySQLError
		if err := i.openAs(user, "").PingContext(t.Context()); !errors.As(err, &e) || e.Number != 1040 {
			t.Errorf("%s: %v", user, err)
		}
	}
	refused("u")
	i.conn(i.open(""))
	refused("root")
	must(t, c, "SET GLOBAL max_connections = 4")
	i.conn(i.openAs("u", ""))
}

func TestUsersAreInTheVolume(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE USER u@'127.0.0.1' IDENTIFIED BY 'secret'", "GRANT SELECT ON d.* TO u@'127.0.0.1'")
	db, err := sql.Open("mysql", fmt.Sprintf("u:secret@tcp(%s)/d", i.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := one(t, db, "SELECT 1"); got != "1" {
		t.Fatal(got)
	}
	for _, q := range []string{"SHOW DATABASES", "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA", "SELECT DISTINCT TABLE_SCHEMA FROM information_schema.TABLES UNION SELECT 'd'"} {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := rowsOfOne(t, conn, q)
		_ = conn.Close()
		if slices.Sort(got); strings.Join(got, " ") != "d information_schema performance_schema" {
			t.Errorf("%s: %s", q, got)
		}
	}
	_, err = db.ExecContext(t.Context(), "CREATE TABLE t (id INT)")
	if err == nil {
		t.Fatal("a user without CREATE created a table")
	}
	bad, err := sql.Open("mysql", fmt.Sprintf("u:wrong@tcp(%s)/d", i.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	var e *mysql.MySQLError
	if err := bad.PingContext(t.Context()); !errors.As(err, &e) || e.Number != 1045 {
		t.Fatalf("wrong password: %v", err)
	}
}

func TestTooManyConnections(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	for range 600 + 1 { // one of which is an administrator's
		i.conn(pool)
	}
	_, err := pool.Conn(t.Context())
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != 1040 {
		t.Fatalf("got %v, want 1040", err)
	}
}

// A driver cuts a TIME to the digits that its column announces, and takes a BIT that
// is not binary for text.
func TestColumnsAreDescribed(t *testing.T) {
	pool := startInstance(t).open("")
	must(t, pool, "CREATE DATABASE d")
	must(t, pool, "CREATE TABLE d.t (a TIME(6), b BIT(9))")
	must(t, pool, "INSERT INTO d.t VALUES ('-12:34:56.000001', b'101010101')")
	for _, args := range [][]any{nil, {1}} { // text, prepared
		var a string
		var b any
		query := "SELECT a, b FROM d.t"
		if args != nil {
			query += " WHERE 1 = ?"
		}
		if err := pool.QueryRow(query, args...).Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %x", a, b); got != "-12:34:56.000001 0155" {
			t.Errorf("%s: %s", query, got)
		}
		rows, err := pool.Query(query, args...)
		if err != nil {
			t.Fatal(err)
		}
		types, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		if got := types[1].ScanType().String(); got != "[]uint8" {
			t.Errorf("%s: BIT is scanned as %s", query, got)
		}
		rows.Close()
	}
}

// @@port is where this instance listens, also where several run in one process.
func TestPortOfInstance(t *testing.T) {
	for _, i := range []*instance{startInstance(t), startInstance(t)} {
		_, port, err := net.SplitHostPort(i.addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := one(t, i.open(""), "SELECT @@port"); got != port {
			t.Errorf("@@port %s, listens on %s", got, port)
		}
	}
}
