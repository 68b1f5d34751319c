package gms_test

import (
	"testing"

	"sextant/engine"
)

// TestCommitTokens: every commit leaves its outcome under (session, command, ordinal).
func TestCommitTokens(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
	c := i.conn(i.open("d?multiStatements=true"))
	id := uint32(oneInt(t, c, "SELECT CONNECTION_ID()")) // command 1
	type step struct {
		queries []string // each a command; the last one commits
		want    engine.Outcome
		ordinal uint32
	}
	command := uint32(1)
	for _, s := range []step{
		{[]string{"INSERT INTO t (n) VALUES (1),(2),(3)"}, engine.Outcome{AffectedRows: 3, InsertID: 1}, 1},
		{[]string{"UPDATE t SET n=n+1"}, engine.Outcome{AffectedRows: 3}, 1},
		{[]string{"BEGIN", "INSERT INTO t (n) VALUES (9)", "COMMIT"}, engine.Outcome{}, 1},
		{[]string{"INSERT INTO t (n) VALUES (5); DELETE FROM t WHERE n>3"}, engine.Outcome{AffectedRows: 3}, 2},
		{[]string{"CREATE TABLE u (id INT)"}, engine.Outcome{}, 1},
		{[]string{"SELECT 1", "UPDATE t SET n=7 WHERE id=1"}, engine.Outcome{AffectedRows: 1}, 1},
	} {
		must(t, c, s.queries...)
		command += uint32(len(s.queries))
		tok, ok := i.srv.LastToken(id)
		if !ok || tok.Command != command || tok.Ordinal != s.ordinal || tok.Session == 0 {
			t.Fatalf("%v: token %+v, want command %d, commit %d", s.queries, tok, command, s.ordinal)
		}
		state, got, err := i.db.LookupToken(t.Context(), tok)
		if err != nil || state != engine.TokenCommitted {
			t.Fatalf("%v: token %+v: state %d, %v", s.queries, tok, state, err)
		}
		if got.LSN == 0 {
			t.Errorf("%v: no LSN", s.queries)
		}
		if got.LSN = 0; got != s.want {
			t.Errorf("%v: outcome %+v, want %+v", s.queries, got, s.want)
		}
		tok.Command++
		if state, _, err := i.db.LookupToken(t.Context(), tok); err != nil || state != engine.TokenNotCommitted {
			t.Errorf("a commit that was not made: state %d, %v", state, err)
		}
	}
	other := i.conn(i.open("d"))
	must(t, other, "INSERT INTO t (n) VALUES (7)")
	otherID := uint32(oneInt(t, other, "SELECT CONNECTION_ID()"))
	a, _ := i.srv.LastToken(id)
	b, ok := i.srv.LastToken(otherID)
	if !ok || b.Session <= a.Session {
		t.Errorf("a later session's number %d is not above %d", b.Session, a.Session)
	}
}

func oneInt(t *testing.T, c execer, query string) (n int64) {
	t.Helper()
	if err := c.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
