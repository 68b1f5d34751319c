package protocol_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gosql "github.com/go-sql-driver/mysql"

	"sextant/server/protocol"
)

// open opens a pool of go-sql-driver's.
func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func row(t testing.TB, db *sql.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	out, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range out {
		to[i] = &out[i]
	}
	if !rows.Next() {
		t.Fatal("no row", rows.Err())
	}
	if err := rows.Scan(to...); err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, o := range out {
		s = append(s, o.String)
	}
	return s
}

func wantError(t testing.TB, err error, number uint16, text string) {
	t.Helper()
	var e *gosql.MySQLError
	if !errors.As(err, &e) || e.Number != number || !strings.Contains(e.Message, text) {
		t.Fatalf("%v, want %d %s", err, number, text)
	}
}

func TestGoSQLDriver(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	db := open(t, "native:secret@tcp("+addr+")/d?multiStatements=true&connectionAttributes=program_name:test")
	if got := row(t, db, "who"); fmt.Sprint(got) != "[native d 127.0.0.1 false test]" {
		t.Error(got)
	}
	r, err := db.Exec("insert")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := r.LastInsertId()
	if n, _ := r.RowsAffected(); n != 3 || id != 1<<33 {
		t.Error(n, id)
	}
	_, err = db.Exec("error")
	wantError(t, err, 1146, "doesn't exist")
	_, err = db.Exec("plain")
	wantError(t, err, 1105, "an error of no number")
	if _, err = db.Exec("nothing"); err != nil {
		t.Error(err)
	}
	rows, err := db.Query("echo a; insert; echo b")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
		}
	}
	if fmt.Sprint(got) != "[a b]" {
		t.Error(got)
	}
}

func TestPreparedStatements(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	db := open(t, "root@tcp("+addr+")/?parseTime=false")
	db.SetMaxOpenConns(1)
	at := time.Date(2026, 11, 28, 1, 2, 3, 4000, time.UTC)
	got := row(t, db, "? ? ? ? ? ?", -5, uint64(1<<63), 0.1, nil, "té\x00xt", at)
	if want := []string{"-5", "9223372036854775808", "0.1", "NULL", "té\x00xt", "2026-11-28 01:02:03.000004"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
	stmt, err := db.Prepare("types")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	out, to := make([]sql.NullString, len(allTypes)+1), make([]any, len(allTypes)+1)
	for i := range out {
		to[i] = &out[i]
	}
	if err := stmt.QueryRow().Scan(to...); err != nil {
		t.Fatal(err)
	}
	for i, v := range allTypes {
		if out[i].String != v.text {
			t.Errorf("type %d: %q, want %q", v.kind, out[i].String, v.text)
		}
	}
	if out[len(allTypes)].Valid {
		t.Error("NULL is not NULL")
	}
	_, err = db.Prepare("error")
	wantError(t, err, 1064, "syntax")
	misfit, err := db.Prepare("misfit")
	if err != nil {
		t.Fatal(err)
	}
	var v int
	wantError(t, misfit.QueryRow().Scan(&v), 1105, "is no value of column 1")
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
	// Long data: the driver sends in pieces what is longer than a packet it may send.
	long := strings.Repeat("l", 70<<10)
	db = open(t, "root@tcp("+addr+")/?maxAllowedPacket=65536")
	if got := row(t, db, "? ?", long, "short"); got[0] != long || got[1] != "short" {
		t.Error(len(got[0]), got[1])
	}
}

// A result of any size costs the server no more than its buffer; an error within
// it does not end the connection.
func TestLargeResults(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	db := open(t, "root@tcp("+addr+")/")
	db.SetMaxOpenConns(1)
	for _, shape := range [][2]int{{100_000, 10}, {3, bufferBytes - 4}, {3, bufferBytes}, {2, 1<<24 - 6}, {2, 1<<24 - 5}, {1, 1<<24 - 4}, {1, 40 << 20}} {
		rows, err := db.Query(fmt.Sprintf("rows %d %d", shape[0], shape[1]))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			var b sql.RawBytes
			if err := rows.Scan(&b); err != nil || len(b) != shape[1] {
				t.Fatal(shape, len(b), err)
			}
			n++
		}
		if err := rows.Err(); err != nil || n != shape[0] {
			t.Fatal(shape, n, err)
		}
	}
	rows, err := db.Query("mid")
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() || rows.Next() {
		t.Error("not one row")
	}
	wantError(t, rows.Err(), 1317, "interrupted")
	rows.Close()
	if got := row(t, db, "echo alive"); got[0] != "alive" {
		t.Error(got)
	}
}

const bufferBytes = 16 << 10

func TestPasswords(t *testing.T) {
	h := newFake()
	s, addr := serve(t, h, func(o *protocol.Options) { o.TLS = testTLS })
	if err := gosql.RegisterTLSConfig("any", &tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ dsn, err string }{
		{"sha2:secret@tcp(%s)/", ""},         // full, RSA
		{"sha2:secret@tcp(%s)/", ""},         // fast
		{"sha2:secret@tcp(%s)/?tls=any", ""}, // fast
		{"forget", ""},
		{"sha2:secret@tcp(%s)/?tls=any", ""}, // full, in clear
		{"sha2:wrong@tcp(%s)/", "Access denied for user 'sha2'@'127.0.0.1' (using password: YES)"},
		{"sha2:wrong@tcp(%s)/?tls=any", "Access denied for user 'sha2'@'127.0.0.1' (using password: YES)"},
		{"sha2@tcp(%s)/", "(using password: NO)"},
		{"native:secret@tcp(%s)/", ""},
		{"native:secret@tcp(%s)/?tls=any", ""},
		{"native:wrong@tcp(%s)/", "(using password: YES)"},
		{"native@tcp(%s)/", "(using password: NO)"},
		{"root@tcp(%s)/", ""},
		{"root:secret@tcp(%s)/", "(using password: YES)"},
		{"nobody:secret@tcp(%s)/", "Access denied for user 'nobody'@'127.0.0.1' (using password: YES)"},
		{"nobody@tcp(%s)/", "(using password: NO)"},
		{"tls:secret@tcp(%s)/", "(using password: YES)"},
		{"tls:secret@tcp(%s)/?tls=any", ""},
	} {
		if test.dsn == "forget" {
			s.ForgetPasswords("sha2@%")
			continue
		}
		db := open(t, fmt.Sprintf(test.dsn, addr))
		err := db.Ping()
		if test.err == "" && err != nil {
			t.Errorf("%s: %v", test.dsn, err)
		} else if test.err != "" {
			wantError(t, err, 1045, test.err)
		}
		db.Close()
	}
	wantError(t, open(t, "root@tcp("+addr+")/missing").Ping(), 1049, "Unknown database")
	db := open(t, "root@tcp("+addr+")/?tls=any")
	if got := row(t, db, "who"); got[3] != "true" {
		t.Error(got)
	}
}

// The command's context ends with the client, with KILL, and with KILL QUERY.
func TestCommandsEndWithTheirReason(t *testing.T) {
	h := newFake()
	s, addr := serve(t, h, nil)
	db := open(t, "root@tcp("+addr+")/")
	for _, want := range []error{protocol.ErrGone, protocol.ErrKilled, protocol.ErrInterrupted} {
		c, err := db.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		session := <-h.sessions
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { _, err := c.ExecContext(ctx, "wait"); done <- err }()
		<-h.waiting
		switch want {
		case protocol.ErrGone:
			cancel()
		case protocol.ErrKilled:
			s.Kill(session.c.ID())
		default:
			s.Interrupt(session.c.ID())
		}
		if cause := <-h.causes; cause != want {
			t.Errorf("%v, want %v", cause, want)
		}
		if err := <-done; want == protocol.ErrInterrupted {
			wantError(t, err, 1317, "interrupted")
			if err := c.PingContext(context.Background()); err != nil {
				t.Error(err)
			}
		}
		cancel()
		c.Close()
	}
	if s.Kill(1<<31) || s.Interrupt(1<<31) {
		t.Error("a connection that is not there")
	}
}
