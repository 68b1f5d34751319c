package gms_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// TestRoutinesRunAsTheirDefiner: a function and a procedure may do what their definer may,
// or what their invoker may; who may call, change and see them.
func TestRoutinesRunAsTheirDefiner(t *testing.T) {
	i := startInstance(t)
	root := i.open("")
	must(t, root, "CREATE DATABASE d", "CREATE TABLE d.t (n INT)", "INSERT INTO d.t VALUES (7)", "CREATE USER u@'%', w@'%'",
		"GRANT USAGE ON *.* TO u@'%'", "GRANT CREATE ROUTINE ON d.* TO w@'%'",
		"CREATE FUNCTION d.mine() RETURNS INT READS SQL DATA RETURN (SELECT MAX(n) FROM d.t)",
		"CREATE FUNCTION d.yours() RETURNS INT READS SQL DATA SQL SECURITY INVOKER RETURN (SELECT MAX(n) FROM d.t)",
		"CREATE FUNCTION d.who() RETURNS VARCHAR(100) NO SQL RETURN CONCAT(CURRENT_USER(), ' ', USER())",
		"CREATE PROCEDURE d.mine() SELECT MAX(n) FROM d.t", "CREATE PROCEDURE d.yours() SQL SECURITY INVOKER SELECT MAX(n) FROM d.t")
	wantError(t, i.conn(i.openAs("u", "")), "SELECT d.mine()", 1370, "42000")
	must(t, root, "GRANT EXECUTE ON FUNCTION d.mine TO u@'%'", "GRANT EXECUTE ON FUNCTION d.yours TO u@'%'", "GRANT EXECUTE ON FUNCTION d.who TO u@'%'",
		"GRANT EXECUTE ON PROCEDURE d.mine TO u@'%'", "GRANT EXECUTE ON PROCEDURE d.yours TO u@'%'")
	u := i.conn(i.openAs("u", ""))
	if got := one(t, u, "SELECT d.mine()"); got != "7" {
		t.Errorf("mine: %s", got)
	}
	wantError(t, u, "SELECT d.yours()", 1142, "42000")
	if got := one(t, u, "CALL d.mine()"); got != "7" {
		t.Errorf("procedure mine: %s", got)
	}
	wantError(t, u, "CALL d.yours()", 1142, "42000")
	if got := one(t, u, "SELECT d.who()"); got != "root@localhost u@localhost" {
		t.Errorf("who: %s", got)
	}
	if got := one(t, u, "SELECT CURRENT_USER()"); got != "u@%" {
		t.Errorf("afterwards: %s", got)
	}
	wantError(t, u, "DROP FUNCTION d.mine", 1370, "42000")
	wantError(t, u, "ALTER FUNCTION d.mine COMMENT 'x'", 1370, "42000")
	wantError(t, u, "CREATE FUNCTION d.f() RETURNS INT RETURN 1", 1044, "42000")
	if got := one(t, u, "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'd' AND ROUTINE_DEFINITION IS NULL"); got != "5" {
		t.Errorf("%s routines are seen without their bodies", got)
	}
	w := i.conn(i.openAs("w", "d"))
	must(t, w, "CREATE FUNCTION own() RETURNS INT RETURN 3", "CREATE PROCEDURE own() SET @x = 3", "CALL own()")
	if got := one(t, w, "SELECT own()"); got != "3" {
		t.Errorf("own: %s", got)
	}
	wantError(t, w, "CREATE DEFINER=root@localhost FUNCTION g() RETURNS INT RETURN 1", 1227, "42000")
	must(t, w, "DROP FUNCTION own")
	must(t, root, "CREATE DEFINER=gone@'%' FUNCTION d.gone() RETURNS INT RETURN 1")
	wantError(t, i.conn(i.open("")), "SELECT d.gone()", 1449, "HY000")
}

// TestKillFunction: KILL and max_execution_time end a function, a reader calls one that
// only reads.
func TestKillFunction(t *testing.T) {
	i := startInstance(t)
	l := newLab(i)
	for _, q := range []string{
		"create function endless() returns int begin while true do begin end; end while; return 1; end",
		"create table t (n int)",
		"create function writes() returns int begin insert into t values (1); return 1; end",
		"create function counts() returns int return (select count(*) from t)",
	} {
		if got := l.do("a", q); got != "ok" {
			t.Fatalf("%s: %s", q, got)
		}
	}
	x := l.conn("a")
	out := make(chan string, 1)
	go func() { out <- l.outcome(x.c, "select endless()") }()
	for l.do("b", fmt.Sprintf("select count(*) from information_schema.processlist where id = %d and info like 'select endless%%'", x.id)) != "(1)" {
	}
	l.do("b", fmt.Sprintf("kill query %d", x.id))
	if got := <-out; got != "error 1317 (70100): Query execution was interrupted" {
		t.Errorf("killed: %s", got)
	}
	l.do("a", "set max_execution_time = 50")
	if got := l.do("a", "select endless()"); !strings.HasPrefix(got, "error 3024 (HY000)") {
		t.Errorf("too long: %s", got)
	}
	i.srv.SetReader()
	r := i.conn(i.open("d"))
	if got := one(t, r, "SELECT counts()"); got != "0" {
		t.Errorf("counts: %s", got)
	}
	wantError(t, r, "SELECT writes()", 1290, "HY000")
	wantError(t, r, "DROP FUNCTION writes", 1290, "HY000")
}

// TestRoutinesAreDumped: mariadb-dump --routines, and the client that reads it, bring
// functions, procedures and triggers back.
func TestRoutinesAreDumped(t *testing.T) {
	dump, err := exec.LookPath("mariadb-dump")
	if err != nil {
		t.Skip("tool missing: mariadb-dump (Debian: apt-get install mariadb-client)")
	}
	i := startInstance(t)
	root := i.open("")
	must(t, root, "CREATE DATABASE d", "CREATE TABLE d.t (n INT)", "CREATE DATABASE e",
		"CREATE FUNCTION d.twice(x INT) RETURNS INT DETERMINISTIC COMMENT 'it''s; twice' RETURN x * 2",
		"CREATE FUNCTION d.`odd ``name`(`a b` VARCHAR(10)) RETURNS VARCHAR(20) CHARSET utf8mb4 BEGIN DECLARE r VARCHAR(20); SET r = CONCAT(`a b`, ';'); RETURN r; END",
		"CREATE PROCEDURE d.p(OUT x INT) SET x = d.twice(4)",
		"CREATE TRIGGER d.tr BEFORE INSERT ON d.t FOR EACH ROW BEGIN IF NEW.n > 10 THEN SET NEW.n = 10; END IF; END")
	host, port, err := net.SplitHostPort(i.srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	login := []string{"--no-defaults", "-h", host, "-P", port, "-uroot", "--protocol=tcp", "--skip-ssl"}
	text, err := exec.Command(dump, append(login, "--routines", "--triggers", "--single-transaction", "d")...).Output()
	if err != nil {
		t.Fatalf("mariadb-dump: %v", err)
	}
	load := exec.Command("mariadb", append(login, "e")...)
	load.Stdin = strings.NewReader(strings.ReplaceAll(string(text), "d.twice", "twice"))
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("mariadb: %v\n%s", err, out)
	}
	c := i.conn(i.open("e"))
	must(t, c, "INSERT INTO t VALUES (20)", "CALL p(@x)")
	if got := one(t, c, "SELECT CONCAT_WS(' ', (SELECT n FROM t), @x, e.twice(3), `odd ``name`('x'))"); got != "10 8 6 x;" {
		t.Errorf("got %s", got)
	}
	same := "SELECT COUNT(*) FROM information_schema.ROUTINES AS a JOIN information_schema.ROUTINES AS b ON a.ROUTINE_NAME = b.ROUTINE_NAME " +
		"AND a.ROUTINE_TYPE = b.ROUTINE_TYPE AND a.DTD_IDENTIFIER <=> b.DTD_IDENTIFIER AND a.ROUTINE_COMMENT = b.ROUTINE_COMMENT " +
		"AND a.SQL_MODE = b.SQL_MODE AND a.IS_DETERMINISTIC = b.IS_DETERMINISTIC WHERE a.ROUTINE_SCHEMA = 'd' AND b.ROUTINE_SCHEMA = 'e'"
	if got := one(t, c, same); got != "3" {
		t.Errorf("%s routines are the same", got)
	}
}
