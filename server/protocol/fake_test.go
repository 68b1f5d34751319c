package protocol_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// patience bounds what must happen soon.
const patience = 20 * time.Second

// fake is a Handler whose sessions understand a few words in place of SQL.
type fake struct {
	accounts map[string]protocol.Account
	refuse   error             // of Connect
	causes   chan error        // why "wait" ended
	waiting  chan struct{}     // "wait" has begun
	sessions chan *fakeSession // made by Login
	max      int               // MaxPacket
	idle     time.Duration
	// interrupt is what "late" calls when it is done.
	interrupt func(id uint32) bool
}

func newFake() *fake {
	native := mysql.EncodePasswordHex(mysql.NativePasswordHash([]byte("secret")))
	return &fake{
		accounts: map[string]protocol.Account{
			"root":   {Plugin: mysql.AUTH_CACHING_SHA2_PASSWORD, Key: "root@%"},
			"native": {Plugin: mysql.AUTH_NATIVE_PASSWORD, Auth: native, Key: "native@%"},
			"sha2":   {Plugin: mysql.AUTH_CACHING_SHA2_PASSWORD, Auth: protocol.HashSHA2("secret"), Key: "sha2@%"},
			"tls":    {Plugin: mysql.AUTH_NATIVE_PASSWORD, Auth: native, Key: "tls@%", RequireTLS: true},
		},
		causes: make(chan error, 1), waiting: make(chan struct{}, 1), sessions: make(chan *fakeSession, 100),
		max: 64 << 20,
	}
}

func (h *fake) Connect(*protocol.Conn) error { return h.refuse }

func (h *fake) Account(_ *protocol.Conn, user string) (protocol.Account, error) {
	if a, ok := h.accounts[user]; ok {
		return a, nil
	}
	return protocol.Decoy(user, ""), nil
}

func (h *fake) Login(c *protocol.Conn, user, db string, _ protocol.Account) (protocol.Session, error) {
	if db == "missing" {
		return nil, &protocol.Error{Number: 1049, State: "42000", Message: "Unknown database 'missing'"}
	}
	s := &fakeSession{h: h, c: c, user: user, db: db}
	h.sessions <- s
	return s, nil
}

func (s *fakeSession) Reserved() bool { return s.user == "sha2" }

type fakeSession struct {
	h          *fake
	c          *protocol.Conn
	user, db   string
	changes    []protocol.Change
	settle     error
	statements int
	closed     bool
}

func text(name string) protocol.Column {
	return protocol.Column{Name: name, OrgName: name, Charset: 255, Length: 1024, Type: mysql.MYSQL_TYPE_VAR_STRING}
}

// one writes a result of one row.
func one(w *protocol.Results, values ...string) error {
	var columns []protocol.Column
	var cells [][]byte
	for i, v := range values {
		columns = append(columns, text("c"+strconv.Itoa(i+1)))
		cells = append(cells, []byte(v))
	}
	return errors.Join(w.Columns(columns), w.Row(cells), w.End())
}

func (s *fakeSession) Query(ctx context.Context, text string, w *protocol.Results) error {
	texts := []string{text}
	if s.c.MultiStatements() {
		texts = strings.Split(strings.TrimSuffix(text, ";"), ";")
	}
	for i, t := range texts {
		w.More(i < len(texts)-1)
		if err := s.run(ctx, strings.TrimSpace(t), w); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSession) run(ctx context.Context, t string, w *protocol.Results) error {
	word, rest, _ := strings.Cut(t, " ")
	switch word {
	case "echo":
		return one(w, rest)
	case "who":
		return one(w, s.user, s.db, s.c.Host(), fmt.Sprint(s.c.TLS() != nil), s.c.Attributes()["program_name"])
	case "rows": // rows N LENGTH
		return s.rows(w, rest)
	case "error":
		return &protocol.Error{Number: 1146, State: "42S02", Message: "Table 'd.t' doesn't exist"}
	case "plain":
		return errors.New("an error of no number")
	case "mid":
		err := errors.Join(w.Columns([]protocol.Column{text("v")}), w.Row([][]byte{[]byte("1")}), w.Flush())
		return errors.Join(err, &protocol.Error{Number: 1317, State: "70100", Message: "Query execution was interrupted"})
	case "wait":
		s.h.waiting <- struct{}{}
		<-ctx.Done()
		s.h.causes <- context.Cause(ctx)
		return ctx.Err()
	case "panic":
		panic("asked for")
	case "use":
		s.changes = append(s.changes, protocol.Change{Type: mysql.SESSION_TRACK_SCHEMA, Value: rest},
			protocol.Change{Type: mysql.SESSION_TRACK_SYSTEM_VARIABLES, Name: "autocommit", Value: "OFF"})
		return w.OK(0, 0, "")
	case "insert":
		return w.OK(3, 1<<33, "Records: 3  Duplicates: 0  Warnings: 0")
	case "late": // KILL QUERY when it is done
		err := w.OK(1, 0, "")
		s.h.interrupt(s.c.ID())
		return err
	case "refused": // and fails if it was killed before
		if ctx.Err() != nil {
			return &protocol.Error{Number: 1317, State: "70100", Message: "Query execution was interrupted"}
		}
		return w.OK(2, 0, "")
	case "nothing":
		return nil
	case "FLUSH":
		return w.OK(0, 0, rest)
	case "unsettled":
		s.settle = &protocol.Error{Number: 1180, State: "HY000", Message: "not durable"}
		return s.rows(w, rest)
	case "undurable":
		s.settle = protocol.ErrDisconnect
		return w.OK(0, 0, "")
	case "load":
		f, err := w.LoadLocal(ctx, rest)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(f)
		return errors.Join(err, f.Close(), w.OK(uint64(len(b)), 0, ""))
	case "unload": // reads little of the file
		f, err := w.LoadLocal(ctx, rest)
		if err == nil {
			_, err = f.Read(make([]byte, 3))
		}
		return errors.Join(err, &protocol.Error{Number: 1062, State: "23000", Message: "Duplicate entry"})
	case "attributes":
		var out []string
		for _, a := range w.Attributes() {
			out = append(out, fmt.Sprintf("%s=%s", a.Name, a.Text))
		}
		return one(w, strings.Join(out, " "))
	}
	return w.OK(0, 0, "")
}

func (s *fakeSession) rows(w *protocol.Results, rest string) error {
	var n, length int
	if _, err := fmt.Sscan(rest, &n, &length); err != nil {
		return err
	}
	if err := w.Columns([]protocol.Column{text("v")}); err != nil {
		return err
	}
	row := [][]byte{[]byte(strings.Repeat("x", length))}
	for range n {
		if err := w.Row(row); err != nil {
			return err
		}
	}
	return w.End()
}

func (s *fakeSession) Prepare(_ context.Context, t string) (*protocol.Statement, error) {
	if t == "error" {
		return nil, &protocol.Error{Number: 1064, State: "42000", Message: "You have an error in your SQL syntax"}
	}
	s.statements++
	return &protocol.Statement{Params: strings.Count(t, "?"), Handle: t, Close: func() { s.statements-- }}, nil
}

// allTypes is a row with a value of each type.
var allTypes = []struct {
	kind  byte
	flags uint16
	text  string
}{
	{mysql.MYSQL_TYPE_TINY, 0, "-128"}, {mysql.MYSQL_TYPE_TINY, mysql.UNSIGNED_FLAG, "255"},
	{mysql.MYSQL_TYPE_SHORT, 0, "-32768"}, {mysql.MYSQL_TYPE_SHORT, mysql.UNSIGNED_FLAG, "65535"},
	{mysql.MYSQL_TYPE_INT24, 0, "-8388608"}, {mysql.MYSQL_TYPE_LONG, mysql.UNSIGNED_FLAG, "4294967295"},
	{mysql.MYSQL_TYPE_LONGLONG, 0, "-9223372036854775808"},
	{mysql.MYSQL_TYPE_LONGLONG, mysql.UNSIGNED_FLAG, "18446744073709551615"},
	{mysql.MYSQL_TYPE_FLOAT, 0, "1.5"}, {mysql.MYSQL_TYPE_DOUBLE, 0, "0.1"}, {mysql.MYSQL_TYPE_YEAR, 0, "2026"},
	{mysql.MYSQL_TYPE_DATE, 0, "2026-11-28"}, {mysql.MYSQL_TYPE_DATE, 0, "0000-00-00"},
	{mysql.MYSQL_TYPE_DATETIME, 0, "2026-11-28 01:02:03"}, {mysql.MYSQL_TYPE_TIMESTAMP, 0, "2026-11-28 01:02:03.000400"},
	{mysql.MYSQL_TYPE_TIME, 0, "-838:59:59"}, {mysql.MYSQL_TYPE_TIME, 0, "12:00:01.500000"},
	{mysql.MYSQL_TYPE_NEWDECIMAL, 0, "-123.450"}, {mysql.MYSQL_TYPE_BIT, 0, "\x01\x00"}, {mysql.MYSQL_TYPE_JSON, 0, `{"a": 1}`},
	{mysql.MYSQL_TYPE_GEOMETRY, 0, "\x00\x00\x00\x00\x01"}, {mysql.MYSQL_TYPE_BLOB, 0, "\x00\xff"},
}

func (s *fakeSession) Execute(ctx context.Context, st *protocol.Statement, params []protocol.Param, w *protocol.Results) error {
	t := st.Handle.(string)
	switch {
	case t == "types":
		var columns []protocol.Column
		var cells [][]byte
		for _, v := range allTypes {
			columns = append(columns, protocol.Column{Name: "v", Type: v.kind, Flags: v.flags, Charset: 63, Decimals: byte(6 * strings.Count(v.text, "."))})
			cells = append(cells, []byte(v.text))
		}
		columns, cells = append(columns, text("n")), append(cells, nil)
		return errors.Join(w.Columns(columns), w.Row(cells), w.End())
	case t == "misfit":
		err := w.Columns([]protocol.Column{{Name: "v", Type: mysql.MYSQL_TYPE_TINY}})
		return errors.Join(err, w.Row([][]byte{[]byte("128")}))
	case len(params) > 0:
		var values []string
		for _, p := range params {
			v := string(p.Text)
			if p.Null {
				v = "NULL"
			}
			values = append(values, v)
		}
		return one(w, values...)
	}
	return s.run(ctx, t, w)
}

func (s *fakeSession) InitDB(_ context.Context, name string) error {
	if name == "missing" {
		return &protocol.Error{Number: 1049, State: "42000", Message: "Unknown database 'missing'"}
	}
	s.db = name
	return nil
}

func (s *fakeSession) FieldList(_ context.Context, table, wildcard string) ([]protocol.Column, error) {
	c := text(table + wildcard)
	c.Default = []byte("d")
	return []protocol.Column{c, text("n")}, nil
}

func (s *fakeSession) Statistics(context.Context) string { return "Uptime: 1" }

func (s *fakeSession) Kill(_ context.Context, id uint32) error {
	return &protocol.Error{Number: 1094, State: "HY000", Message: fmt.Sprintf("Unknown thread id: %d", id)}
}

func (s *fakeSession) Reset(context.Context) error { s.db = "reset"; return nil }

func (s *fakeSession) Settle(ctx context.Context) error {
	if s.settle == nil && ctx.Err() != nil {
		return &protocol.Error{Number: 1317, State: "70100", Message: "Query execution was interrupted"}
	}
	return s.settle
}

func (s *fakeSession) Idle() time.Duration { return s.h.idle }

func (s *fakeSession) Status() uint16 { return mysql.SERVER_STATUS_AUTOCOMMIT }

func (s *fakeSession) Warnings() uint16 { return 0 }

func (s *fakeSession) Changes() []protocol.Change {
	c := s.changes
	s.changes = nil
	return c
}

func (s *fakeSession) MaxPacket() int { return s.h.max }

func (s *fakeSession) Close() {
	if s.closed || s.statements != 0 {
		panic(fmt.Sprintf("closed twice %v, or with %d statements", s.closed, s.statements))
	}
	s.closed = true
}

// serve starts a server and returns it and its address.
func serve(t testing.TB, h *fake, change func(*protocol.Options)) (*protocol.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := protocol.Options{Listener: l, Version: "8.0.39", Handler: h, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&o)
	}
	s, err := protocol.New(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for c := range s.Conns() {
			s.Kill(c.ID())
		}
		if err := <-done; !errors.Is(err, protocol.ErrServerClosed) {
			t.Error(err)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s, o.Listener.Addr().String()
}
