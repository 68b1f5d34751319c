package gms_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/go-sql-driver/mysql"

	"sextant/engine/txn"
	"sextant/server/gms"
)

// sqlLab runs scripts of several connections to one server. A statement is answered
// when it is done or waits for a lock, which the lock table tells, so that a script
// has one outcome.
type sqlLab struct {
	t     testing.TB
	pool  *sql.DB
	conns map[string]*labConn
	// waits reports whether a connection's statement waits for a lock, asked every poll.
	waits func(connection uint64) bool
	poll  time.Duration
	// prepared: each statement is prepared and executed (COM_STMT_EXECUTE)
	prepared bool
	reads    sync.Map // names of prepared statements: whether each has a result set
	// call returns the CALL that stands for a statement, "" if it is sent itself; nil: all are
	call func(conn *sql.Conn, query string) string
}

type labConn struct {
	name string
	id   uint64
	c    *sql.Conn
	out  chan string
	busy bool // a statement has not been answered
}

func (l *sqlLab) conn(name string) *labConn {
	x := l.conns[name]
	if x == nil {
		c, err := l.pool.Conn(context.Background())
		if err != nil {
			l.t.Fatal(err)
		}
		x = &labConn{name: name, c: c, out: make(chan string, 1)}
		if err := x.c.QueryRowContext(context.Background(), "SELECT CONNECTION_ID()").Scan(&x.id); err != nil {
			l.t.Fatal(err)
		}
		l.conns[name] = x
	}
	return x
}

// newLab returns a lab on an instance's database d.
func newLab(i *instance) *sqlLab {
	must(i.t, i.open(""), "CREATE DATABASE d")
	return &sqlLab{t: i.t, pool: i.open("d"), conns: map[string]*labConn{}, poll: time.Millisecond, waits: func(id uint64) bool {
		return slices.ContainsFunc(i.db.Locks(), func(i txn.LockInfo) bool { return i.Waiting && i.Owner == id })
	}}
}

// idle fails if a statement still waits, and closes the connections.
func (l *sqlLab) idle() {
	for _, x := range l.conns {
		if x.busy {
			l.t.Errorf("%s waits at the end", x.name)
		}
		_ = x.c.Close()
	}
}

// settle returns the outcome of the connection's statement, false if it waits for a lock.
func (l *sqlLab) settle(x *labConn) (string, bool) {
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(l.poll)
	defer poll.Stop()
	for {
		select {
		case out := <-x.out:
			x.busy = false
			return out, true
		case <-poll.C:
			if l.waits(x.id) && !l.moving(x) {
				return "", false
			}
		case <-deadline.C:
			l.t.Fatalf("%s neither answers nor waits for a lock", x.name)
		}
	}
}

// moving reports whether another connection's statement is on its way, such as a deadlock's
// victim that has not rolled back yet: what it does may let x go on.
func (l *sqlLab) moving(x *labConn) bool {
	for _, y := range l.conns {
		if y != x && y.busy && len(y.out) == 0 && !l.waits(y.id) {
			return true
		}
	}
	return false
}

// run runs the statements of a block, one on each line, on the connection that is
// its command, and then shows the outcomes of others that this has let go on.
// "anomaly" only names what follows; "answer" waits for what a statement that waits is answered.
func (l *sqlLab) run(d *datadriven.TestData) string {
	if d.Cmd == "anomaly" {
		return ""
	}
	if d.Cmd == "answer" {
		x := l.conn(d.CmdArgs[0].Key)
		select {
		case out := <-x.out:
			x.busy = false
			return out + "\n"
		case <-time.After(20 * time.Second):
			l.t.Fatalf("%s: %s is not answered", d.Pos, x.name)
		}
	}
	var b strings.Builder
	x := l.conn(d.Cmd)
	for _, query := range strings.Split(d.Input, "\n") {
		if x.busy {
			l.t.Fatalf("%s: %s waits", d.Pos, x.name)
		}
		x.busy = true
		go func() { x.out <- l.outcome(x.c, query) }()
		out, done := l.settle(x)
		if !done {
			out = "waits"
		}
		b.WriteString(out + "\n")
		for _, name := range sortedKeys(l.conns) {
			if y := l.conns[name]; y != x && y.busy {
				if out, done := l.settle(y); done {
					fmt.Fprintf(&b, "%s: %s\n", name, out)
				}
			}
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// statement is what runs a query: a connection, or a prepared statement.
type statement interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

type preparedStatement struct{ *sql.Stmt }

func (p preparedStatement) ExecContext(ctx context.Context, _ string, _ ...any) (sql.Result, error) {
	return p.Stmt.ExecContext(ctx)
}

func (p preparedStatement) QueryContext(ctx context.Context, _ string, _ ...any) (*sql.Rows, error) {
	return p.Stmt.QueryContext(ctx)
}

var preparesRows = regexp.MustCompile(`^from\s+['"]\s*\(?(select|with|show|table|values|explain)\b`)

// outcome runs a statement and says what the client was told.
func (l *sqlLab) outcome(conn *sql.Conn, query string) string {
	ctx := context.Background()
	var c statement = conn
	if l.prepared {
		st, err := conn.PrepareContext(ctx, query)
		var e *mysql.MySQLError
		switch {
		case errors.As(err, &e) && e.Number == 1295: // MySQL does not prepare it either
		case err != nil:
			return errorText(err)
		default:
			defer st.Close()
			c = preparedStatement{st}
		}
	}
	word, rest, _ := strings.Cut(strings.ToLower(query), " ")
	if l.call != nil {
		query = cmp.Or(l.call(conn, query), query)
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	switch word {
	case "prepare":
		l.reads.Store(name, preparesRows.MatchString(rest))
	case "execute":
		if reads, _ := l.reads.Load(name); reads == true {
			return rowsOf(ctx, c, query)
		}
	case "select", "show", "with", "call", "explain", "describe", "analyze", "(select", "table", "values", "check", "checksum", "optimize", "repair", "help", "xa":
		return rowsOf(ctx, c, query)
	}
	r, err := c.ExecContext(ctx, query)
	if err != nil {
		return errorText(err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return errorText(err)
	}
	id, err := r.LastInsertId()
	if err != nil {
		return errorText(err)
	}
	switch {
	case id != 0:
		return fmt.Sprintf("%d affected, insert id %d", n, id)
	case n != 0:
		return fmt.Sprintf("%d affected", n)
	}
	return "ok"
}

func rowsOf(ctx context.Context, c statement, query string) string {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return errorText(err)
	}
	defer rows.Close()
	var sets []string
	for more := true; more; more = rows.NextResultSet() {
		set, err := setOf(rows)
		if err != nil {
			return strings.Join(append(sets, errorText(err)), " / ")
		}
		if set != "" {
			sets = append(sets, set)
		}
	}
	if err := rows.Err(); err != nil {
		return strings.Join(append(sets, errorText(err)), " / ")
	}
	if len(sets) == 0 {
		return "no rows"
	}
	return strings.Join(sets, " / ")
}

// setOf returns the rows of a result set, "" for an OK.
func setOf(rows *sql.Rows) (string, error) {
	cols, err := rows.Columns()
	if err != nil || len(cols) == 0 {
		return "", err
	}
	out, err := rowTexts(rows)
	if err != nil {
		return "", err
	}
	if len(out) == 0 {
		return "no rows", nil
	}
	return "(" + strings.Join(out, ") (") + ")", nil
}

// rowTexts returns the rows of a result set, each with commas between its columns and NULL for none.
func rowTexts(rows *sql.Rows) (out []string, err error) {
	cols, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	vals, ptrs, text := make([]sql.NullString, len(cols)), make([]any, len(cols)), make([]string, len(cols))
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	for rows.Next() {
		if err := rows.Scan(ptrs...); err != nil {
			return nil, err
		}
		for i, v := range vals {
			text[i] = "NULL"
			if v.Valid {
				text[i] = v.String
			}
		}
		out = append(out, strings.Join(text, ","))
	}
	return out, rows.Err()
}

func errorText(err error) string {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return fmt.Sprintf("error %d (%s): %s", e.Number, e.SQLState[:], e.Message)
	}
	return "error: " + err.Error()
}

// TestSQLScripts runs the scripts of testdata/sql: several sessions' statements with
// one outcome. Each is a rule of transactions, locks or statements.
func TestSQLScripts(t *testing.T) {
	runSQLScripts(t, func(t *testing.T, _ string) *sqlLab { return newLab(startInstance(t)) })
}

// TestSQLScriptsPrepared runs them as prepared statements: the outcomes are the same.
func TestSQLScriptsPrepared(t *testing.T) {
	runSQLScripts(t, func(t *testing.T, name string) *sqlLab {
		if name == "deprecations.txt" {
			t.Skip("what is deprecated in a text is said when it is prepared")
		}
		l := newLab(startInstance(t))
		l.prepared = true
		return l
	})
}

// TestSQLScriptsSpilled runs them with nothing kept in memory that can be written to files: the outcomes are the same.
func TestSQLScriptsSpilled(t *testing.T) {
	defer gms.SpillAll()()
	runSQLScripts(t, func(t *testing.T, _ string) *sqlLab {
		i := startInstance(t)
		t.Cleanup(func() { noTempFiles(t, i) })
		return newLab(i)
	})
}

// noTempFiles fails the test if statements that have ended have left temporary files.
func noTempFiles(t testing.TB, i *instance) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); i.srv.TempSpaceUsed() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes of temporary files are left", i.srv.TempSpaceUsed())
		}
	}
}

func runSQLScripts(t *testing.T, open func(t *testing.T, name string) *sqlLab) {
	files, err := os.ReadDir("testdata/sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			l := open(t, f.Name())
			datadriven.RunTest(t, "testdata/sql/"+f.Name(), func(t *testing.T, d *datadriven.TestData) string {
				l.t = t
				return l.run(d)
			})
			l.t = t
			l.idle()
		})
	}
}
