package gms_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

// TestTriggersAfterARestart: triggers and functions are in the volume, with their order; a
// reader shows them, and fires none. They run as their definer.
func TestTriggersAfterARestart(t *testing.T) {
	store := memvolume.New(memvolume.Options{})
	i := startInstanceOn(t, store, engine.Options{})
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, s VARCHAR(99))", "CREATE TABLE d.log (m VARCHAR(99))",
		"CREATE USER u@'%'", "GRANT SELECT, INSERT ON d.t TO u@'%'",
		"CREATE FUNCTION d.f(x VARCHAR(9)) RETURNS VARCHAR(19) NO SQL RETURN CONCAT(x, '!')",
		"CREATE TRIGGER d.second BEFORE INSERT ON d.t FOR EACH ROW SET NEW.s = CONCAT(NEW.s, '2')",
		"CREATE TRIGGER d.first BEFORE INSERT ON d.t FOR EACH ROW PRECEDES second SET NEW.s = CONCAT(f(NEW.s), '1')",
		"CREATE TRIGGER d.logs AFTER INSERT ON d.t FOR EACH ROW IF NEW.id > 1 THEN INSERT INTO log VALUES (CONCAT(NEW.s, CURRENT_USER())); END IF")
	i = startInstanceOn(t, store, engine.Options{})
	c := i.conn(i.openAs("u", "d"))
	must(t, c, "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
	root := i.conn(i.open("d"))
	if got := one(t, root, "SELECT CONCAT_WS(' ', (SELECT GROUP_CONCAT(s ORDER BY id) FROM t), (SELECT GROUP_CONCAT(m) FROM log))"); got != "a!12,b!12 b!12root@localhost" {
		t.Errorf("got %s", got)
	}
	i.srv.SetReader()
	r := i.conn(i.open("d"))
	if got := one(t, r, "SELECT GROUP_CONCAT(CONCAT(TRIGGER_NAME, ACTION_ORDER) ORDER BY TRIGGER_NAME) FROM information_schema.TRIGGERS"); got != "first1,logs1,second2" {
		t.Errorf("on a reader: %s", got)
	}
	wantError(t, r, "INSERT INTO t VALUES (3, 'c')", 1290, "HY000")
	wantError(t, r, "DROP TRIGGER first", 1290, "HY000")
}

// TestLoadDataFiresTriggers: a file's rows are those of an INSERT.
func TestLoadDataFiresTriggers(t *testing.T) {
	mysql.RegisterReaderHandler("triggers", func() io.Reader { return strings.NewReader("1\t5\n2\t50\n") })
	defer mysql.DeregisterReaderHandler("triggers")
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (1), (2)",
		"CREATE TABLE t (id INT, n INT, FOREIGN KEY (id) REFERENCES p (id))", "CREATE TABLE log (n INT)", "SET GLOBAL local_infile = 1",
		"CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW IF NEW.n > 10 THEN SET NEW.n = 10; END IF",
		"CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.n + NEW.id)",
		"LOAD DATA LOCAL INFILE 'Reader::triggers' INTO TABLE t")
	if got := one(t, c, "SELECT CONCAT_WS(' ', (SELECT SUM(n) FROM t), (SELECT SUM(n) FROM log))"); got != "15 18" {
		t.Errorf("got %s", got)
	}
}

// TestBodiesOfEvents: an event's handlers, loops and single statements run; what it did
// before an error that nobody handles stays.
func TestBodiesOfEvents(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE ev", "USE ev", "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE log (m VARCHAR(99))",
		"CREATE EVENT e1 ON SCHEDULE AT NOW() DO BEGIN DECLARE k INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR 1062 BEGIN INSERT INTO log VALUES ('dup'); END; "+
			"WHILE k < 3 DO INSERT INTO t VALUES (k DIV 2); SET k = k + 1; END WHILE; INSERT INTO log VALUES ('e1'); END",
		"CREATE EVENT e2 ON SCHEDULE AT NOW() DO IF EXISTS (SELECT 1 FROM log WHERE m = 'nothing') THEN SELECT 1; ELSE INSERT INTO log VALUES ('e2'); END IF",
		"CREATE EVENT e3 ON SCHEDULE AT NOW() DO BEGIN INSERT INTO log VALUES ('e3'); INSERT INTO nowhere VALUES (1); INSERT INTO log VALUES ('not reached'); END")
	wantError(t, c, "CREATE EVENT e4 ON SCHEDULE AT NOW() DO BEGIN LEAVE l; END", 1308, "42000")
	wantError(t, c, "CREATE EVENT e4 ON SCHEDULE AT NOW() DO SET nothing = 1", 1193, "HY000")
	got := ""
	for deadline := time.Now().Add(30 * time.Second); got != "dup,e1,e2,e3 2"; {
		got = one(t, c, "SELECT CONCAT_WS(' ', (SELECT GROUP_CONCAT(m ORDER BY m) FROM log), (SELECT COUNT(*) FROM t))")
		if time.Now().After(deadline) {
			t.Fatalf("got %s", got)
		}
	}
}

// TestOutParameters: a prepared CALL's OUT and INOUT parameters come as a result of their
// own to clients that can take it.
func TestOutParameters(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE PROCEDURE d.p(IN a INT, OUT b VARCHAR(10), INOUT c DECIMAL(8,2)) BEGIN SET b = CONCAT('<', a, '>'); SET c = c * 2; END",
		"CREATE PROCEDURE d.q(OUT b INT) BEGIN SET b = 7; END")
	c, err := client.Connect(i.addr, "root", "", "d", func(c *client.Conn) error {
		return errors.Join(c.SetCapability(gomysql.CLIENT_MULTI_RESULTS), c.SetCapability(gomysql.CLIENT_PS_MULTI_RESULTS))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	st, err := c.Prepare("CALL p(?, ?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	r, err := st.Execute(3, nil, "1.25")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := r.GetStringByName(0, "b")
	doubled, _ := r.GetStringByName(0, "c")
	if b != "<3>" || doubled != "2.50" || r.Status&gomysql.SERVER_PS_OUT_PARAMS == 0 || r.Status&gomysql.SERVER_MORE_RESULTS_EXISTS == 0 {
		t.Errorf("b %q, c %q, status %#x", b, doubled, r.Status)
	}
	plain := i.conn(i.open("d"))
	must(t, plain, "CALL q(@b)")
	if got := one(t, plain, "SELECT @b"); got != "7" {
		t.Errorf("@b: %s", got)
	}
}
