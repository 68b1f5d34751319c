package gms_test

import (
	"reflect"
	"sync"
	"testing"

	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/vt/sqlparser"
)

// difference is one answer that a suite expects otherwise than MySQL, and therefore
// we, give it. The suite is handed what it expects if, and only if, we gave exactly
// the answer that stands here, so that the rest of its script runs. It is met once;
// a statement that a suite runs again has an entry for each time.
type difference struct {
	query       string
	ours, suite answer
	reason      string
}

// answer is the outcome of a statement: rows, or an error.
type answer struct {
	rows []sql.Row
	err  error // compared by its text
}

// differing is an engine some of whose answers are exchanged.
type differing struct {
	enginetest.QueryEngine
	t           *testing.T
	differences []difference
	seen        *sightings
}

// sightings are the differences that were met in a suite.
type sightings struct {
	mu  sync.Mutex
	met map[int]bool
}

// first notes difference i as met and reports whether it was not before.
func (s *sightings) first(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.met == nil {
		s.met = make(map[int]bool)
	}
	was := s.met[i]
	s.met[i] = true
	return !was
}

// check fails the test for a difference that a suite did not meet: it is gone.
func (s *sightings) check(t *testing.T, differences []difference) {
	for i, d := range differences {
		if !s.met[i] {
			t.Errorf("%s: the difference is not seen any more: %s", d.query, d.reason)
		}
	}
}

// Query implements enginetest.QueryEngine.
func (e *differing) Query(ctx *sql.Context, q string) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	return e.QueryWithBindings(ctx, q, nil, nil, nil)
}

// QueryWithBindings implements enginetest.QueryEngine.
func (e *differing) QueryWithBindings(ctx *sql.Context, q string, parsed sqlparser.Statement,
	bindings map[string]sqlparser.Expr, f *sql.QueryFlags) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	sch, it, flags, err := e.QueryEngine.QueryWithBindings(ctx, q, parsed, bindings, f)
	listed := false
	for _, d := range e.differences {
		listed = listed || d.query == q
	}
	if !listed {
		return sch, it, flags, err
	}
	var got answer
	if got.err = err; err == nil {
		got.rows, got.err = sql.RowIterToRows(ctx, it)
	}
	for i, d := range e.differences {
		if d.query == q && d.ours.equal(e.t, sch, got) && e.seen.first(i) {
			return sch, sql.RowsToRowIter(d.suite.rows...), flags, d.suite.err
		}
	}
	return sch, sql.RowsToRowIter(got.rows...), flags, got.err
}

func (a answer) equal(t *testing.T, sch sql.Schema, got answer) bool {
	if a.err != nil || got.err != nil {
		return a.err != nil && got.err != nil && a.err.Error() == got.err.Error()
	}
	return len(a.rows) == len(got.rows) && (len(a.rows) == 0 ||
		reflect.DeepEqual(enginetest.WidenRows(t, sch, a.rows), enginetest.WidenRows(t, sch, got.rows)))
}
