package router_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	gosql "github.com/go-sql-driver/mysql"

	"sextant/internal/locked"
	"sextant/router"
	"sextant/router/route"
)

// mariadb is a real server behind the router: the answers' grammar as others
// write it. One serves all tests of the package.
type mariadb struct {
	addr string
	stop func()
}

var (
	mariadbOnce   sync.Once
	mariadbServer *mariadb
	mariadbErr    error
)

var errNotInstalled = errors.New("mariadbd or mariadb-install-db is not installed")

func TestMain(m *testing.M) {
	code := m.Run()
	if mariadbServer != nil {
		mariadbServer.stop()
	}
	os.Exit(code)
}

// needMariaDB returns the address of a running MariaDB, or skips the test where
// none is installed.
func needMariaDB(t testing.TB) string {
	t.Helper()
	mariadbOnce.Do(func() { mariadbServer, mariadbErr = startMariaDB() })
	if errors.Is(mariadbErr, errNotInstalled) {
		t.Skip("tool missing: mariadbd (Debian: apt-get install mariadb-server)")
	}
	if mariadbErr != nil {
		t.Fatal(mariadbErr)
	}
	return mariadbServer.addr
}

// startMariaDB starts a server in a new directory. Its port is one that was free
// a moment before; another one is taken if somebody was faster.
func startMariaDB() (*mariadb, error) {
	bin, err := exec.LookPath("mariadbd")
	if err != nil {
		if bin = "/usr/sbin/mariadbd"; !exists(bin) {
			return nil, errNotInstalled
		}
	}
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		return nil, errNotInstalled
	}
	dir, err := os.MkdirTemp("", "sextant-router-mariadb")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	out, err := exec.Command(install, "--no-defaults", "--datadir="+data, "--user="+userName(),
		"--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	for range 5 {
		m, err2 := runMariaDB(bin, dir, data)
		if err2 == nil {
			return m, nil
		}
		err = err2
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func userName() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

func runMariaDB(bin, dir, data string) (*mariadb, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := l.Close(); err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	var output locked.Buffer
	// The shell kills the server when its input ends, which also happens when the
	// test process dies.
	cmd := exec.Command("sh", "-c", `"$0" "$@" & read end; kill -9 $!; wait`, bin, "--no-defaults", "--datadir="+data, "--user="+userName(),
		"--bind-address=127.0.0.1", "--port="+port, "--socket="+socket,
		"--proxy-protocol-networks=127.0.0.0/8", "--max-allowed-packet=96M", "--local-infile=1",
		"--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin",
		"--skip-name-resolve", "--max-connections=1200")
	cmd.Stdout, cmd.Stderr = &output, &output
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error { return errors.Join(alive.Close(), cmd.Wait()) }
	m := &mariadb{addr: addr, stop: func() {
		_ = stop() // killed
		_ = os.RemoveAll(dir)
	}}
	db, err := sql.Open("mysql", "root@unix("+socket+")/?multiStatements=true")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		_, err := db.Exec(mariadbSetup)
		if err == nil {
			return m, nil
		}
		<-tick.C
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("mariadbd: %w: %s", errors.Join(err, stop()), output.String())
		}
	}
}

const mariadbSetup = `
DROP USER IF EXISTS root@'127.0.0.1';
CREATE USER root@'127.%' IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO root@'127.%' WITH GRANT OPTION;
CREATE USER empty@'127.%';
GRANT ALL ON *.* TO empty@'127.%';
CREATE USER here@'127.0.0.77' IDENTIFIED BY 'there';
CREATE DATABASE d;
CREATE TABLE d.t (id INT PRIMARY KEY, v LONGTEXT);
CREATE PROCEDURE d.three() BEGIN SELECT 1; SELECT 2, 3 FROM DUAL WHERE 1=0; SELECT 4; END;
`

// mariaFleet is a router in front of MariaDB as the only instance.
func mariaFleet(t testing.TB) *fleet { return mariaFleetWith(t, router.Options{}) }

func mariaFleetWith(t testing.TB, o router.Options) *fleet {
	t.Helper()
	addr := needMariaDB(t)
	return newFleet(t, o, route.Instance{ID: "maria", Role: route.RoleWriter,
		Address: addr, Healthy: true, LagMillis: route.LagUnknown})
}

func (f *fleet) root(params string) *sql.Conn {
	f.t.Helper()
	c, err := f.open("cluster", "root", "secret", params)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func TestMariaDBLogin(t *testing.T) {
	f := mariaFleet(t)
	if u := ask(t, f.root(""), "SELECT CURRENT_USER()"); u != "root@127.%" {
		t.Errorf("user %s", u)
	}
	c, err := f.open("cluster", "empty", "", "connectionAttributes=purpose:test")
	if err != nil {
		t.Fatal(err)
	}
	if u := ask(t, c, "SELECT CURRENT_USER()"); u != "empty@127.%" {
		t.Errorf("user %s", u)
	}
	for _, login := range [][2]string{{"root", ""}, {"root", "wrong"}, {"empty", "x"}, {"here", "there"}} {
		_, err := f.open("cluster", login[0], login[1], "")
		wantError(t, err, mysql.ER_ACCESS_DENIED_ERROR)
	}
}

// Host checks use the client's address, not the router's.
func TestMariaDBSeesTheClientsAddress(t *testing.T) {
	f := mariaFleet(t)
	dial := func(context.Context, string, string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
		return d.Dial("tcp", f.addr("cluster"))
	}
	c, err := client.ConnectWithDialer(context.Background(), "tcp", "unused:1", "here", "there", "", dial)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Execute("SELECT USER()")
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := r.GetString(0, 0); u != "here@127.0.0.77" {
		t.Errorf("user %s", u)
	}
}

func TestMariaDBDatabaseIsPassedOn(t *testing.T) {
	f := mariaFleet(t)
	c, err := client.Connect(f.addr("cluster"), "root", "secret", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Execute("SELECT DATABASE()")
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := r.GetString(0, 0); d != "d" {
		t.Errorf("database %q", d)
	}
	if _, err := client.Connect(f.addr("cluster"), "root", "secret", "nowhere"); err == nil || !strings.Contains(err.Error(), "1049 (42000)") {
		t.Errorf("unknown database: %v", err)
	}
}

func TestMariaDBPreparedStatements(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("")
	ctx := context.Background()
	stmt, err := c.PrepareContext(ctx, "SELECT ?, ? + 1, NULL FROM DUAL WHERE ? > 0")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		var a string
		var b int
		var null sql.NullString
		if err := stmt.QueryRowContext(ctx, "a", i, 1).Scan(&a, &b, &null); err != nil || b != i+1 || null.Valid {
			t.Fatal(a, b, null, err)
		}
	}
	if err := stmt.QueryRowContext(ctx, "a", 1, 0).Scan(); !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("no row: %v", err)
	}
	if err := stmt.Close(); err != nil { // COM_STMT_CLOSE: no answer
		t.Fatal(err)
	}
	if _, err := c.PrepareContext(ctx, "SELEC"); err == nil {
		t.Fatal("no error")
	}
	for _, q := range []string{"SELECT 1", "DO 1", "DO ?"} { // without parameters, columns, either
		s, err := c.PrepareContext(ctx, q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if v := ask(t, c, "SELECT 'still'"); v != "still" {
		t.Fatal(v)
	}
}

// Long data: a parameter above the driver's limit goes by COM_STMT_SEND_LONG_DATA.
func TestMariaDBLongData(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("maxAllowedPacket=65536")
	long := strings.Repeat("x", 1<<20)
	var n int
	if err := c.QueryRowContext(context.Background(), "SELECT LENGTH(?)", long).Scan(&n); err != nil || n != len(long) {
		t.Fatal(n, err)
	}
}

func TestMariaDBMultiResults(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("multiStatements=true")
	for _, q := range []string{"SELECT 1; DO 0; SELECT 2, 3 FROM DUAL WHERE 1=0; SELECT 4", "CALL d.three()"} {
		rows, err := c.QueryContext(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for {
			for rows.Next() {
				var v int
				if err := rows.Scan(&v); err != nil {
					t.Fatal(err)
				}
				got = append(got, v)
			}
			if !rows.NextResultSet() {
				break
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != "[1 4]" {
			t.Fatalf("%s: %v", q, got)
		}
	}
	// The second of three fails: the third is not executed, the session goes on.
	rows, err := c.QueryContext(context.Background(), "SELECT 1; SELECT nothing; SELECT 3")
	if err != nil {
		t.Fatal(err)
	}
	rows.NextResultSet()
	if rows.Err() == nil {
		t.Error("no error")
	}
	rows.Close()
	if v := ask(t, c, "SELECT 'still'"); v != "still" {
		t.Fatal(v)
	}
}

// Rows and requests around the length at which a packet takes a second frame.
func TestMariaDBLongPackets(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("maxAllowedPacket=100000000")
	const frame = 1<<24 - 1
	for _, n := range []int{frame - 5, frame - 4, frame - 3, 17 << 20, 2*frame - 4} {
		// A row of one column of n bytes has 4 bytes of length before it.
		v := ask(t, c, fmt.Sprintf("SELECT REPEAT('x', %d)", n))
		if len(v) != n || strings.Trim(v, "x") != "" {
			t.Fatalf("row of %d bytes: %d", n, len(v))
		}
		// A binary row: header byte, NULL bitmap, length.
		var b string
		err := c.QueryRowContext(context.Background(), "SELECT REPEAT('x', ?)", n-2).Scan(&b)
		if err != nil || len(b) != n-2 {
			t.Fatalf("binary row of %d bytes: %d %v", n, len(b), err)
		}
	}
	for _, n := range []int{frame - 1, frame, frame + 1, 17 << 20, 2 * frame} {
		const around = len("\x03SELECT LENGTH('')")
		if v := ask(t, c, "SELECT LENGTH('"+strings.Repeat("y", n-around)+"')"); v != fmt.Sprint(n-around) {
			t.Fatalf("request of %d bytes: %s", n, v)
		}
	}
	if v := ask(t, c, "SELECT 'still'"); v != "still" {
		t.Fatal(v)
	}
}

// A column that begins with the byte of an EOF packet, and one with that of an error.
func TestMariaDBRowsThatLookLikeEnds(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("maxAllowedPacket=100000000")
	for _, n := range []int{250, 251, 0xffff, 0x10000, 0xfb, 0xfe, 0xff} {
		rows, err := c.QueryContext(context.Background(),
			fmt.Sprintf("SELECT REPEAT('z', %d) UNION ALL SELECT NULL UNION ALL SELECT ''", n))
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for rows.Next() {
			count++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || count != 3 {
			t.Fatalf("%d bytes: %d rows, %v", n, count, err)
		}
	}
	// Longer than 16 MiB: the length itself begins with 0xfe.
	if v := ask(t, c, "SELECT REPEAT('z', 1 << 24)"); len(v) != 1<<24 {
		t.Fatal(len(v))
	}
}

func TestMariaDBLoadDataLocal(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("allowAllFiles=true")
	load := func(q string) { t.Helper(); do(t, c, q) }
	for _, lines := range []int{0, 3, 300000} {
		load("TRUNCATE d.t")
		gosql.RegisterReaderHandler("rows", func() io.Reader {
			var b bytes.Buffer
			for i := range lines {
				fmt.Fprintf(&b, "%d\tvalue %d\n", i, i)
			}
			return &b
		})
		load("LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE d.t")
		if n := ask(t, c, "SELECT COUNT(*) FROM d.t"); n != fmt.Sprint(lines) {
			t.Fatalf("%s rows, want %d", n, lines)
		}
	}
	if _, err := c.ExecContext(context.Background(), "LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE d.nothing"); err == nil {
		t.Fatal("no error")
	}
	gosql.DeregisterReaderHandler("rows")
	load("TRUNCATE d.t")
}

// rawSession is a session whose packets the test writes itself.
func rawSession(t testing.TB, f *fleet, dep bool) *client.Conn {
	t.Helper()
	return raw(t, f.addr("cluster"), "root", "secret", func(c *client.Conn) error {
		if !dep {
			c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF)
		}
		return nil
	})
}

func send(t testing.TB, c *client.Conn, body ...byte) {
	t.Helper()
	c.ResetSequence()
	if err := c.WritePacket(append(make([]byte, 4), body...)); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, c *client.Conn) []byte {
	t.Helper()
	b, err := c.ReadPacket()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func eachEOF(t *testing.T, test func(t *testing.T, f *fleet, dep bool)) {
	f := mariaFleet(t)
	for _, dep := range []bool{true, false} {
		t.Run(fmt.Sprintf("deprecate_eof=%v", dep), func(t *testing.T) { test(t, f, dep) })
	}
}

func TestMariaDBCursor(t *testing.T) {
	eachEOF(t, func(t *testing.T, f *fleet, dep bool) {
		c := rawSession(t, f, dep)
		send(t, c, append([]byte{mysql.COM_STMT_PREPARE}, "SELECT seq FROM d.seq_1_to_25"...)...)
		first := receive(t, c)
		if first[0] != mysql.OK_HEADER {
			t.Fatalf("COM_STMT_PREPARE: %q", first)
		}
		id := first[1:5]
		receive(t, c) // the column
		if !dep {
			receive(t, c)
		}
		send(t, c, mysql.COM_STMT_EXECUTE, id[0], id[1], id[2], id[3], 1, 1, 0, 0, 0)
		receive(t, c) // number of columns
		receive(t, c) // the column
		if end := receive(t, c); end[0] != mysql.EOF_HEADER {
			t.Fatalf("end of a cursor's definitions: %q", end)
		}
		total := 0
		for fetches := 1; ; fetches++ {
			send(t, c, mysql.COM_STMT_FETCH, id[0], id[1], id[2], id[3], 10, 0, 0, 0)
			for {
				b := receive(t, c)
				if b[0] != mysql.EOF_HEADER {
					total++
					continue
				}
				at := 3
				if c.HasCapability(mysql.CLIENT_DEPRECATE_EOF) && len(b) > 5 {
					at = 3 // header, affected 0, insert id 0, status
				}
				if binary.LittleEndian.Uint16(b[at:])&mysql.SERVER_STATUS_LAST_ROW_SEND == 0 {
					break
				}
				if total != 25 || fetches != 3 {
					t.Fatalf("%d rows in %d fetches", total, fetches)
				}
				send(t, c, mysql.COM_STMT_RESET, id[0], id[1], id[2], id[3])
				if b := receive(t, c); b[0] != 0 {
					t.Fatalf("COM_STMT_RESET: %q", b)
				}
				send(t, c, mysql.COM_STMT_FETCH, 99, 0, 0, 0, 10, 0, 0, 0)
				if b := receive(t, c); b[0] != mysql.ERR_HEADER {
					t.Fatalf("COM_STMT_FETCH of nothing: %q", b)
				}
				if err := c.Ping(); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	})
}

// Fifty commands are sent before the first answer is read.
func TestMariaDBPipelining(t *testing.T) {
	eachEOF(t, func(t *testing.T, f *fleet, dep bool) {
		c := rawSession(t, f, dep)
		var all []byte
		const n = 50
		for i := range n {
			q := fmt.Sprintf("\x03SELECT %d, REPEAT('r', %d)", i, 1000*i)
			all = append(append(all, byte(len(q)), 0, 0, 0), q...)
		}
		if _, err := c.Conn.Conn.Write(all); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			c.Sequence = 1
			receive(t, c)
			receive(t, c)
			receive(t, c)
			if !dep {
				receive(t, c)
			}
			row := receive(t, c)
			want := fmt.Sprint(i)
			if string(row[1:1+len(want)]) != want || len(row) < 1000*i {
				t.Fatalf("answer %d: %.20q", i, row)
			}
			if end := receive(t, c); end[0] != mysql.EOF_HEADER {
				t.Fatalf("end of answer %d: %q", i, end)
			}
		}
		if err := c.Ping(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMariaDBSimpleCommands(t *testing.T) {
	eachEOF(t, func(t *testing.T, f *fleet, dep bool) {
		c := rawSession(t, f, dep)
		exchange := func(what string, first byte, body ...byte) {
			t.Helper()
			send(t, c, body...)
			if b := receive(t, c); b[0] != first {
				t.Fatalf("%s: %q", what, b)
			}
		}
		exchange("COM_PING", 0, mysql.COM_PING)
		exchange("COM_INIT_DB", 0, mysql.COM_INIT_DB, 'd')
		exchange("COM_INIT_DB", 0xff, mysql.COM_INIT_DB, 'x')
		exchange("COM_STATISTICS", 'U', mysql.COM_STATISTICS)
		exchange("COM_SET_OPTION", 0xfe, mysql.COM_SET_OPTION, 0, 0)
		exchange("COM_DEBUG", 0xfe, mysql.COM_DEBUG)
		exchange("COM_RESET_CONNECTION", 0, mysql.COM_RESET_CONNECTION)
		exchange("COM_STMT_RESET", 0xff, mysql.COM_STMT_RESET, 9, 0, 0, 0)
		exchange("unknown", 0xff, 0xfa, 1, 2, 3)
		exchange("COM_SLEEP", 0xff, mysql.COM_SLEEP)
		exchange("COM_INIT_DB", 0, mysql.COM_INIT_DB, 'd')
		send(t, c, append([]byte{mysql.COM_FIELD_LIST}, "t\x00"...)...)
		for i := range 3 {
			if b := receive(t, c); (b[0] == mysql.EOF_HEADER) != (i == 2) {
				t.Fatalf("COM_FIELD_LIST %d: %q", i, b)
			}
		}
		exchange("COM_PROCESS_INFO", 9, mysql.COM_PROCESS_INFO)
		for ends := 0; ends < 2; {
			if b := receive(t, c); b[0] == mysql.EOF_HEADER {
				ends++
				if dep {
					ends++
				}
			}
		}
		if err := c.Ping(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMariaDBTransactionsAndReset(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("")
	do(t, c, "SET @a = 5")
	tx, err := c.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO d.t VALUES (1, 'x')"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := ask(t, c, "SELECT COUNT(*) FROM d.t"); n != "0" {
		t.Fatal(n)
	}
	if err := c.Raw(func(dc any) error {
		return dc.(driver.SessionResetter).ResetSession(context.Background())
	}); err != nil {
		t.Fatal(err)
	}
}

func TestMariaDBChangeUser(t *testing.T) {
	f := mariaFleet(t)
	c := rawSession(t, f, true)
	change := func(user, password string) []byte {
		t.Helper()
		// The proof is rubbish: the instance must ask with its own salt.
		body := append([]byte{mysql.COM_CHANGE_USER}, user...)
		body = append(body, "\x00\x1401234567890123456789d\x00\x2d\x00mysql_native_password\x00\x00"...)
		send(t, c, body...)
		b := receive(t, c)
		if b[0] != mysql.EOF_HEADER {
			t.Fatalf("COM_CHANGE_USER to %s: %q", user, b)
		}
		salt := b[len("\xfemysql_native_password\x00"):]
		proof := mysql.CalcNativePassword(salt[:20], []byte(password))
		if err := c.WritePacket(append(make([]byte, 4), proof...)); err != nil {
			t.Fatal(err)
		}
		return receive(t, c)
	}
	for _, login := range [][2]string{{"empty", ""}, {"root", "secret"}} {
		if b := change(login[0], login[1]); b[0] != mysql.OK_HEADER {
			t.Fatalf("%s: %q", login, b)
		}
		r, err := c.Execute("SELECT CONCAT(CURRENT_USER(), ' ', DATABASE())")
		if err != nil {
			t.Fatal(err)
		}
		if u, _ := r.GetString(0, 0); u != login[0]+"@127.% d" {
			t.Fatalf("user %s", u)
		}
	}
	if b := change("root", "wrong"); b[0] != mysql.ERR_HEADER {
		t.Fatalf("wrong password: %q", b)
	}
}

func TestMariaDBKillQuery(t *testing.T) {
	f := mariaFleet(t)
	victim, killer := rawSession(t, f, true), rawSession(t, f, true)
	result := make(chan error, 1)
	go func() {
		_, err := victim.Execute("SELECT SUM(a.seq * b.seq) FROM d.seq_1_to_1000000 a, d.seq_1_to_1000000 b")
		result <- err
	}()
	eventually(t, "the victim works", func() bool {
		r, err := killer.Execute("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SUM%'")
		if err != nil {
			t.Fatal(err)
		}
		n, _ := r.GetInt(0, 0)
		return n == 1
	})
	if _, err := killer.Execute(fmt.Sprintf("KILL QUERY %d", victim.GetConnectionID())); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err == nil || mysql.ErrorCode(err.Error()) != mysql.ER_QUERY_INTERRUPTED {
		t.Fatalf("the victim got %v", err)
	}
	if err := victim.Ping(); err != nil {
		t.Fatal(err)
	}
	if _, err := killer.Execute(fmt.Sprintf("KILL %d", victim.GetConnectionID())); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, victim.Conn.Conn)
}

// Many results of all lengths, so that packets meet the buffer's end everywhere.
func TestMariaDBResultsOfAllLengths(t *testing.T) {
	f := mariaFleet(t)
	c := f.root("")
	rows, err := c.QueryContext(context.Background(),
		"SELECT seq, REPEAT(CHAR(65 + seq % 26), seq * 7 % 5003) FROM d.seq_1_to_4000")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var seq int
		var v string
		if err := rows.Scan(&seq, &v); err != nil {
			t.Fatal(err)
		}
		n++
		if seq != n || v != strings.Repeat(string(rune(65+seq%26)), seq*7%5003) {
			t.Fatalf("row %d", n)
		}
	}
	if err := rows.Err(); err != nil || n != 4000 {
		t.Fatal(n, err)
	}
}

// The command line client, where it is installed, says what a person would see.
func TestMariaDBCommandLine(t *testing.T) {
	f := mariaFleet(t)
	bin, err := exec.LookPath("mariadb")
	if err != nil {
		t.Skip("tool missing: mariadb (Debian: apt-get install mariadb-client)")
	}
	host, port, _ := net.SplitHostPort(f.addr("cluster"))
	run := func(args ...string) string {
		args = append([]string{"--no-defaults", "-h" + host, "-P" + port, "--connect-timeout=10", "--skip-ssl"}, args...)
		out, _ := exec.Command(bin, args...).CombinedOutput()
		return string(out)
	}
	if out := run("-uroot", "-psecret", "-N", "-e", "SELECT 1; CALL d.three(); STATUS"); !strings.HasPrefix(out, "1\n1\n4\n") {
		t.Errorf("%s", out)
	}
	if out := run("-uroot", "-pwrong", "-e", "SELECT 1"); !strings.Contains(out, "ERROR 1045 (28000)") {
		t.Errorf("%s", out)
	}
	none := newFleet(t, router.Options{HoldTimeout: 50 * time.Millisecond})
	host, port, _ = net.SplitHostPort(none.addr("cluster"))
	if out := run("-uroot", "-e", "SELECT 1"); !strings.Contains(out, "No instance takes the connection") {
		t.Errorf("%s", out)
	}
	full := mariaFleetWith(t, router.Options{MaxConnections: 1})
	full.root("")
	host, port, _ = net.SplitHostPort(full.addr("cluster"))
	if out := run("-uroot", "-e", "SELECT 1"); !strings.Contains(out, "Too many connections") {
		t.Errorf("%s", out)
	}
}
