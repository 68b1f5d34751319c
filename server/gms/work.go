package gms

import (
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// A task is something that statements do and that is counted in a status variable.
type task int

const (
	examined task = iota // rows that scans read; it has no status variable
	readsFirst
	readsKey
	readsLast
	readsNext
	readsPrev
	readsRndNext
	wrote
	updated
	deleted
	selectScan
	selectRange
	selectFullJoin
	sortRows
	sortScan
	sortRange
	mergePasses
	tmpTables
	tmpDiskTables
	tasks
)

// taskVariables are the status variables of tasks.
var taskVariables = [tasks]string{"", "Handler_read_first", "Handler_read_key", "Handler_read_last", "Handler_read_next", "Handler_read_prev",
	"Handler_read_rnd_next", "Handler_write", "Handler_update", "Handler_delete", "Select_scan", "Select_range", "Select_full_join",
	"Sort_rows", "Sort_scan", "Sort_range", "Sort_merge_passes", "Created_tmp_tables", "Created_tmp_disk_tables"}

// work is what a session's statement has done so far.
type work [tasks]atomic.Uint64

func (w *work) add(t task, n uint64) { w[t].Add(n) }

// settleWork counts what the statement did in the status variables, and in its record.
func (s *Session) settleWork() {
	for t := range s.work {
		n := s.work[t].Load()
		if n == 0 {
			continue
		}
		s.work[t].Add(-n)
		s.recorder.run.work[t] += n
		if task(t) != examined {
			s.count(taskVariables[t], n)
		}
	}
}

// worked counts a scan that has ended as MySQL's storage engine counts its calls: a table read whole, by its beginning and
// each row and, if it came so far, its end; an index, by each range and the rows that follow the first of each; a unique key, by
// itself.
func (it *rowIter) worked() {
	if it.settled {
		return
	}
	it.settled = true
	w, rows := &it.s.work, it.read
	it.s.b.rowsRead.Add(rows)
	w.add(examined, rows)
	if it.ended {
		rows++
	}
	if it.lookup == nil {
		w.add(readsFirst, 1)
		w.add(readsKey, 1)
		w.add(readsRndNext, rows)
		return
	}
	next := readsNext
	if it.reverse {
		next = readsPrev
	}
	switch ranges := it.lookup.ranges; {
	case len(ranges) == 1 && len(ranges[0].Lo) == 0 && ranges[0].Hi == nil && it.reverse:
		w.add(readsLast, 1)
	case len(ranges) == 1 && len(ranges[0].Lo) == 0 && ranges[0].Hi == nil:
		w.add(readsFirst, 1)
	}
	w.add(readsKey, uint64(len(it.lookup.ranges)))
	if !it.lookup.unique {
		w.add(next, rows-min(rows, 1))
	}
}

// reading notes how a query, an UPDATE, a DELETE or an INSERT reads its tables, each block's first and those that are joined
// with it.
func (s *Session) reading(ctx *sql.Context, n sql.Node) {
	s.recorder.run.whole = false
	switch s.locks.stmt.(type) {
	case ast.SelectStatement, *ast.Insert, *ast.Update, *ast.Delete:
		s.readingOf(ctx, n, false)
	}
	switch s.locks.stmt.(type) {
	case *ast.Update, *ast.Delete: // they are no SELECTs
		for _, t := range []task{selectScan, selectRange, selectFullJoin} {
			s.work[t].Store(0)
		}
	}
}

func (s *Session) readingOf(ctx *sql.Context, n sql.Node, joined bool) {
	whole := func() {
		s.recorder.run.whole = true
		if joined {
			s.work.add(selectFullJoin, 1)
		} else {
			s.work.add(selectScan, 1)
		}
	}
	switch n := n.(type) {
	case *plan.DescribeQuery:
	case *plan.InsertInto:
		s.readingOf(ctx, n.Source, false)
	case *plan.JoinNode:
		s.readingOf(ctx, n.Left(), joined)
		s.readingOf(ctx, n.Right(), true)
	case *plan.IndexedTableAccess:
		if !n.IsStatic() {
			return
		}
		switch l, _, err := n.GetLookup(ctx, nil); {
		case err != nil:
		case unbounded(l):
			whole()
		case !joined && ranged(l):
			s.work.add(selectRange, 1)
		}
	case *plan.ResolvedTable:
		if tableOf(n) != nil {
			whole()
		}
	case *plan.SubqueryAlias:
		s.readingOf(ctx, n.Child, false)
	default:
		children := n.Children()
		for _, c := range children {
			s.readingOf(ctx, c, joined && len(children) == 1)
		}
	}
}

// unbounded reports whether a lookup is of all of an index.
func unbounded(l sql.IndexLookup) bool {
	ranges, ok := l.Ranges.(sql.MySQLRangeCollection)
	if !ok {
		return false
	}
	for _, r := range ranges {
		for i := range r {
			if r[i].HasLowerBound() || r[i].HasUpperBound() || r[i].Type() == sql.RangeType_EqualNull {
				return false
			}
		}
	}
	return true
}

// ranged reports whether a lookup is of more than one value of its columns.
func ranged(l sql.IndexLookup) bool {
	ranges, ok := l.Ranges.(sql.MySQLRangeCollection)
	if !ok || len(ranges) != 1 {
		return ok
	}
	for i := range ranges[0] {
		if c := ranges[0][i]; !isPoint(c) && (c.HasLowerBound() || c.HasUpperBound()) {
			return true
		}
	}
	return false
}
