package gms

import (
	"io"
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/server/gms/planrule"
)

// unionShare is how many times as many rows as the indexes give a table must have for a union of indexes:
// the planner's own scans of the table are that much cheaper by row.
const unionShare = 3

// unionWritten is how many rows an UPDATE reads by a union of indexes at most: it keeps them all.
const unionWritten = 10000

// indexScans returns the planner's choice of an index for a condition above a table.
func indexScans(a *analyzer.Analyzer) planrule.PlanRule {
	for _, b := range a.Batches {
		for _, r := range b.Rules {
			if r.Id.String() == "optimizeJoins" {
				return func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
					return r.Apply(ctx, a, n, nil, nil, f)
				}
			}
		}
	}
	return nil
}

// readUnions has conditions that OR joins, on the columns of several indexes, read the rows of each index where those
// are a small part of the table, in place. The plan's other conditions stand as they do.
//
// Source: MySQL's index merge union.
func (s *Session) readUnions(ctx *sql.Context, n sql.Node) error {
	var failed error
	_, updates := n.(*plan.Update)
	locks := s.locksUnions() && plan.IsReadOnly(n)
	transform.Inspect(n, func(n sql.Node) bool {
		f, ok := n.(*plan.Filter)
		if !ok || failed != nil {
			return failed == nil
		}
		for _, e := range expression.SplitConjunction(ctx, f.Expression) {
			union, _, err := s.indexUnion(ctx, e, f.Child, updates, locks)
			if failed = err; union != nil {
				f.Child = union
				break
			}
		}
		return failed == nil
	})
	return failed
}

// locksUnions reports whether a SELECT locks, and reads unions of indexes. At READ COMMITTED it does not: what a scan has locked
// and the rest of the condition drops is unlocked (T-11), which a union's scans do not do.
func (s *Session) locksUnions() bool {
	return s.locking && s.tx != nil && s.tx.isolation != engine.ReadCommitted
}

// unionMost is how many parts of a condition are read by indexes of their own: each leaves out what those before it have found.
const unionMost = 64

// indexUnion returns the rows of a table for which a condition may hold, by several indexes, and how many they are about; nil where that does not pay
// or the parts of the condition have no index. updates: for the table of an UPDATE; locks: of a SELECT that locks.
func (s *Session) indexUnion(ctx *sql.Context, e sql.Expression, table sql.Node, updates, locks bool) (union sql.Node, read uint64, err error) {
	e = planrule.Condition(e)
	parts := disjuncts(e)
	if rows := tableOf(table).rowLookup(e); rows != nil {
		parts = planrule.Disjuncts(rows)
	}
	scanned := table
	if alias, ok := scanned.(*plan.TableAlias); ok {
		scanned = alias.Child
	}
	if _, ok := scanned.(*plan.ResolvedTable); !ok || len(parts) < 2 || len(parts) > unionMost {
		return nil, 0, nil
	}
	t := tableOf(scanned)
	if t == nil || t.filter != nil {
		return nil, 0, nil
	}
	written := updates && t.ref.lock == lockUpdate && t.ref.joined == 0
	locked := locks && (t.ref.lock == lockShared || t.ref.lock == lockWrite)
	if t.ref.lock != lockNone && t.ref.lock != lockDelete && !written && !locked {
		return nil, 0, nil
	}
	total, _, err := t.RowCount(ctx)
	if err != nil {
		return nil, 0, err
	}
	for i, part := range parts {
		scan, _, err := s.b.indexScans(ctx, plan.NewFilter(ctx, part, table), &sql.QueryFlags{})
		if err != nil { // the index cannot look for the value
			return nil, 0, nil //nolint:nilerr // the condition is asked of every row
		}
		rows, ok, err := s.scannedRows(ctx, scan, t)
		if read += rows; err != nil || !ok || read*unionShare > total || written && read > unionWritten {
			return nil, 0, err
		}
		if union == nil {
			union = scan
			continue
		}
		union = plan.NewConcat(union, plan.NewFilter(ctx, &unlike{expression.UnaryExpressionStub{Child: expression.JoinOr(parts[:i]...)}}, scan))
	}
	if written {
		union = &rowsFirst{union, t}
	}
	return union, read, nil
}

// rowsFirst are the rows of a union of indexes that an UPDATE writes. They are read to the last before the first is written: it would be
// found again in another index of the union, into the range of which it has been moved.
type rowsFirst struct {
	sql.Node
	table *Table
}

var _ sql.TableWrapper = (*rowsFirst)(nil)

// Underlying implements sql.TableWrapper.
func (n *rowsFirst) Underlying() sql.Table { return n.table }

// Children implements sql.Node.
func (n *rowsFirst) Children() []sql.Node { return []sql.Node{n.Node} }

// WithChildren implements sql.Node.
func (n *rowsFirst) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 1)
	}
	return &rowsFirst{children[0], n.table}, nil
}

// aheadRows are rows that are read to the last when the first is asked for.
type aheadRows struct {
	sql.RowIter
	s    *Session
	read bool
}

// Next implements sql.RowIter.
func (a *aheadRows) Next(ctx *sql.Context) (sql.Row, error) {
	if !a.read {
		a.read = true
		rows, err := a.s.readAhead(ctx, a.RowIter)
		if err != nil {
			a.RowIter = sql.RowsToRowIter()
			return nil, err
		}
		a.RowIter = rows
	}
	return a.RowIter.Next(ctx)
}

// disjuncts returns the parts of an OR, those of parts that are marked as without an index too.
func disjuncts(e sql.Expression) (out []sql.Expression) {
	for _, part := range planrule.Disjuncts(planrule.Condition(e)) {
		if planrule.Unindexed(part) {
			out = append(out, disjuncts(part)...)
			continue
		}
		out = append(out, part)
	}
	return out
}

// scannedRows estimates how many rows the scan of an index reads, false if n is no scan of a range of one.
func (s *Session) scannedRows(ctx *sql.Context, n sql.Node, t *Table) (uint64, bool, error) {
	access, _ := scanUnder(n)
	if access == nil || !access.IsStatic() {
		return 0, false, nil
	}
	ix, ok := access.Index().(*Index)
	if !ok || ix.pseudo != nil {
		return 0, false, nil
	}
	l, _, err := access.GetLookup(ctx, nil)
	if err != nil {
		return 0, false, err
	}
	ranges, err := newLookup(ctx, ix, l)
	if err != nil {
		return 0, false, err
	}
	rows, err := s.b.db.EstimateRows(ctx, t.shape.def, ix.def, ranges.ranges)
	return rows, true, wireError(err)
}

// unlike is a condition of the rows that another scan of the union has not returned: those for which the child is not true.
type unlike struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*unlike) Type(*sql.Context) sql.Type { return types.Boolean }

// String implements sql.Expression.
func (u *unlike) String() string { return "(" + u.Child.String() + ") IS NOT TRUE" }

// WithChildren implements sql.Expression.
func (u *unlike) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(u, len(children), 1)
	}
	return &unlike{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (u *unlike) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	is, err := sql.EvaluateCondition(ctx, u.Child, r)
	return !sql.IsTrue(is), err
}

// isUnion reports whether a node is a union of indexes.
func isUnion(n *plan.Concat) bool {
	f, ok := n.Right().(*plan.Filter)
	if !ok {
		return false
	}
	_, ok = f.Expression.(*unlike)
	return ok
}

// union builds a union of indexes.
func (b *builder) union(ctx *sql.Context, n *plan.Concat, r sql.Row) (sql.RowIter, error) {
	left, err := b.base.Build(ctx, n.Left(), r)
	if err != nil {
		return nil, err
	}
	return &unionRows{RowIter: left, next: func() (sql.RowIter, error) { return b.base.Build(ctx, n.Right(), r) }}, nil
}

// unionRows are the rows of one scan and then those of another.
type unionRows struct {
	sql.RowIter
	next func() (sql.RowIter, error) // nil: the other is read
}

// Next implements sql.RowIter.
func (u *unionRows) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := u.RowIter.Next(ctx)
	if err != io.EOF || u.next == nil {
		return r, err
	}
	if err := u.RowIter.Close(ctx); err != nil {
		return nil, err
	}
	if u.RowIter, err = u.next(); err != nil {
		u.RowIter = sql.RowsToRowIter()
		return nil, err
	}
	u.next = nil
	return u.RowIter.Next(ctx)
}

// union completes a block with a table that is read by a union of indexes.
func (e *explaining) indexUnion(n *plan.Concat, b *block) {
	var all *access
	name := ""
	var add func(n sql.Node)
	add = func(n sql.Node) {
		if c, ok := n.(*plan.Concat); ok {
			add(c.Left())
			add(c.Right())
			return
		}
		scan, _ := scanUnder(n)
		a := e.indexed(scan)
		name = a.of.Name()
		transform.Inspect(n, func(n sql.Node) bool {
			if alias, ok := n.(*plan.TableAlias); ok {
				name = alias.Name()
			}
			return true
		})
		part := *a
		part.table = name
		e.of[scan] = &part
		if all == nil {
			all = a
			all.lengths = strconv.Itoa(a.length)
			return
		}
		all.key += "," + a.key
		all.lengths += "," + strconv.Itoa(a.length)
		all.rows += a.rows
	}
	add(n)
	all.typ, all.ref, all.covering = "index_merge", nil, false
	all.extra = append(all.extra, "Using union("+all.key+")")
	e.table(b, n, name, all)
}
