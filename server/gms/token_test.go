package gms_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"

	"sextant/engine"
	"sextant/internal/redo"
	"sextant/logstore/memvolume"
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

// TestOutcomeAfterAFailover: a commit whose answer was lost with its writer has an outcome
// under its token at the next writer, which agrees with whether its row is there: committed
// if it was durable, not committed if the recovery annulled it.
func TestOutcomeAfterAFailover(t *testing.T) {
	const clients = 8
	store := memvolume.New(memvolume.Options{})
	i := startInstanceOn(t, store, engine.Options{})
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
	for round := range 3 {
		var tokens [clients]engine.Token
		var ends [clients]redo.LSN
		answers := make(chan error, clients)
		row := func(c int) int { return 1000*round + c }
		commits := make([]func(), clients)
		for c := range clients {
			conn := i.conn(i.open("d"))
			id := uint32(oneInt(t, conn, "SELECT CONNECTION_ID()"))
			must(t, conn, fmt.Sprintf("INSERT INTO t VALUES (%d)", 500+row(c)))
			tokens[c], _ = i.srv.LastToken(id)
			tokens[c].Command++
			commits[c] = func() {
				_, err := conn.ExecContext(context.Background(), fmt.Sprintf("INSERT INTO t VALUES (%d)", row(c)))
				answers <- err
			}
		}
		store.Confirm(false) // nothing is answered any more
		store.SetManual(true)
		for c := range clients {
			before := logEnd(t, store)
			go commits[c]()
			for ends[c] = before; ends[c] == before; runtime.Gosched() {
				ends[c] = logEnd(t, store)
			}
		}
		store.Advance(ends[clients/2])
		store.Open() // the writer is fenced, and what is not durable annulled
		store.SetManual(false)
		store.Confirm(true)
		i = startInstanceOn(t, store, engine.Options{})
		for range clients {
			if err := <-answers; err == nil {
				t.Error("a fenced writer answered a commit")
			}
		}
		for c, token := range tokens {
			state, o, err := i.db.LookupToken(t.Context(), token)
			want := engine.TokenCommitted
			if c > clients/2 {
				want = engine.TokenNotCommitted
			}
			there := oneInt(t, i.conn(i.open("d")), fmt.Sprintf("SELECT COUNT(*) FROM t WHERE id = %d", row(c))) == 1
			if err != nil || state != want || there != (want == engine.TokenCommitted) || there != (o.AffectedRows == 1) {
				t.Errorf("round %d, client %d: state %d, want %d; outcome %+v; row there %v; %v", round, c, state, want, o, there, err)
			}
		}
	}
}

// logEnd returns the last LSN that the store was given.
func logEnd(t *testing.T, store *memvolume.Store) redo.LSN {
	t.Helper()
	vdl := store.VDL()
	records, err := store.Records(vdl, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(records); n > 0 {
		return records[n-1].LSN
	}
	return vdl
}

func oneInt(t *testing.T, c execer, query string) (n int64) {
	t.Helper()
	if err := c.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
