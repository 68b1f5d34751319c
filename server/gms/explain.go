package gms

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// explain returns EXPLAIN's rows of an analyzed statement: one for each table, in the
// order in which they are read. What the plan does not say, the length of a key and an estimate of the rows
// of a range, is NULL.
func explain(ctx *sql.Context, n sql.Node) []sql.Row {
	e := &explaining{ctx: ctx, last: 1}
	top := &block{id: 1, kind: "SIMPLE"}
	switch x := n.(type) {
	case *plan.InsertInto:
		e.rows = append(e.rows, &explained{id: 1, kind: "INSERT", table: nameOf(x.Destination), typ: "ALL"})
		n = x.Source
		if _, values := n.(*plan.Values); values || valueRows(ctx, n) > 0 {
			return e.finish()
		}
	case *plan.Update, *plan.UpdateJoin:
		top.kind = "UPDATE"
	case *plan.DeleteFrom:
		top.kind = "DELETE"
	}
	e.block(n, top)
	if top.kind == "SIMPLE" && e.last > 1 {
		for _, r := range e.rows {
			if r.id == 1 && r.kind == "SIMPLE" {
				r.kind = "PRIMARY"
			}
		}
	}
	return e.finish()
}

// explaining is one EXPLAIN.
type explaining struct {
	ctx  *sql.Context
	rows []*explained
	last int // the highest id
}

// block is one SELECT of a statement.
type block struct {
	id   int
	kind string // select_type
	// extra is said of the block's first table.
	extra  []string
	where  bool // a condition stands above what is looked at
	hashed bool // it is the side of a hash join that is looked up
	first  bool // the first table has been seen
	later  []func()
}

// explained is a row; what is empty is NULL.
type explained struct {
	id                    int
	kind, table, typ, key string
	ref                   []string
	rows                  any
	extra                 []string
}

func (e *explaining) finish() []sql.Row {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	var out []sql.Row
	for _, r := range e.rows {
		var id, filtered any = uint64(r.id), nil
		if r.id == 0 {
			id = nil
		}
		if r.rows != nil && !slices.Contains(r.extra, "Using where") {
			filtered = 100.0
		}
		out = append(out, sql.Row{id, r.kind, null(r.table), nil, null(r.typ), null(r.key), null(r.key), nil,
			null(strings.Join(r.ref, ",")), r.rows, filtered, null(strings.Join(r.extra, "; "))})
	}
	return out
}

// block adds the rows of a SELECT, and then those of the ones in it.
func (e *explaining) block(n sql.Node, b *block) {
	before := len(e.rows)
	e.node(n, b)
	if len(e.rows) == before {
		e.rows = append(e.rows, &explained{id: b.id, kind: b.kind, extra: []string{"No tables used"}})
	}
	for _, f := range b.later {
		f()
	}
}

// next returns the block of another SELECT.
func (e *explaining) next(kind string) *block {
	e.last++
	return &block{id: e.last, kind: kind}
}

func (e *explaining) node(n sql.Node, b *block) {
	e.subqueries(n, b)
	switch n := n.(type) {
	case *plan.Filter:
		where := b.where
		b.where = true
		e.node(n.Child, b)
		b.where = where
		return
	case *plan.Sort, *plan.TopN:
		b.extra = append(b.extra, "Using filesort")
	case *plan.GroupBy:
		if len(n.GroupByExprs) > 0 {
			b.extra = append(b.extra, "Using temporary")
		}
	case *plan.Distinct, *plan.Window:
		b.extra = append(b.extra, "Using temporary")
	case *plan.EmptyTable:
		e.rows = append(e.rows, &explained{id: b.id, kind: b.kind, extra: []string{"Impossible WHERE"}})
		return
	case *plan.TableCountLookup:
		e.rows = append(e.rows, &explained{id: b.id, kind: b.kind, extra: []string{"Select tables optimized away"}})
		return
	case *plan.JoinNode:
		e.node(n.Left(), b)
		where, hashed := b.where, b.hashed
		b.where, b.hashed = false, n.Op.IsHash()
		e.node(n.Right(), b)
		b.where, b.hashed = where, hashed
		return
	case *plan.SetOp:
		e.union(n, b)
		return
	case *plan.SubqueryAlias:
		inner := e.next("DERIVED")
		e.table(b, &explained{table: "<derived" + strconv.Itoa(inner.id) + ">", typ: "ALL"})
		b.later = append(b.later, func() { e.block(n.Child, inner) })
		return
	case *plan.RecursiveCte:
		e.node(n.Union(), b)
		return
	case *plan.TableAlias:
		at := len(e.rows)
		e.node(n.Child, b)
		if len(e.rows) == at+1 {
			e.rows[at].table = n.Name()
		}
		return
	case *plan.ResolvedTable:
		if !plan.IsDualTable(n) {
			e.table(b, &explained{table: n.Name(), typ: "ALL", rows: e.count(n.Table)})
		}
		return
	case *plan.IndexedTableAccess:
		e.table(b, e.indexed(n))
		return
	}
	for _, c := range n.Children() {
		e.node(c, b)
	}
}

// union adds the rows of a UNION and its kin.
func (e *explaining) union(n *plan.SetOp, b *block) {
	e.node(n.Left(), b)
	other := e.next("UNION")
	b.later = append(b.later, func() {
		e.block(n.Right(), other)
		if n.Distinct {
			e.rows = append(e.rows, &explained{kind: "UNION RESULT", table: "<union" + strconv.Itoa(b.id) + "," + strconv.Itoa(other.id) + ">",
				typ: "ALL", extra: []string{"Using temporary"}})
		}
	})
}

// subqueries notes those in a node's expressions.
func (e *explaining) subqueries(n sql.Node, b *block) {
	x, ok := n.(sql.Expressioner)
	if !ok {
		return
	}
	for _, expr := range x.Expressions() {
		transform.InspectExpr(e.ctx, expr, func(_ *sql.Context, x sql.Expression) bool {
			if sub, ok := x.(*plan.Subquery); ok {
				kind := "SUBQUERY"
				if !sub.Correlated().Empty() {
					kind = "DEPENDENT SUBQUERY"
				}
				inner := e.next(kind)
				b.later = append(b.later, func() { e.block(sub.Query, inner) })
			}
			return false
		})
	}
}

// table adds the row of a table of a block.
func (e *explaining) table(b *block, r *explained) {
	r.id, r.kind = b.id, b.kind
	if b.where {
		r.extra = append(r.extra, "Using where")
	}
	if !b.first {
		r.extra = append(r.extra, b.extra...)
		b.first = true
	}
	if b.hashed {
		r.extra = append(r.extra, "Using join buffer (hash join)")
	}
	e.rows = append(e.rows, r)
}

// count returns the estimated rows of a table, nil if there is no estimate.
func (e *explaining) count(t sql.Table) any {
	s, ok := sql.GetUnderlyingTable(t).(sql.StatisticsTable)
	if !ok {
		return nil
	}
	n, _, err := s.RowCount(e.ctx)
	if err != nil {
		return nil
	}
	return n
}

// indexed returns the row of a table that is read by an index.
func (e *explaining) indexed(n *plan.IndexedTableAccess) *explained {
	r := &explained{table: n.Name(), key: n.Index().ID(), typ: "ref"}
	if !n.IsStatic() {
		for _, x := range n.Expressions() {
			text := "func"
			if f, ok := x.(*expression.GetField); ok {
				text = strings.TrimPrefix(f.Database()+"."+f.Table()+"."+f.Name(), ".")
			} else if _, ok := x.(*expression.Literal); ok {
				text = "const"
			}
			r.ref = append(r.ref, text)
		}
		if n.IsStrictLookup(e.ctx) {
			r.typ, r.rows = "eq_ref", uint64(1)
		}
		return r
	}
	lookup, _, err := n.GetLookup(e.ctx, nil)
	if err != nil {
		return r
	}
	ranges, _ := lookup.Ranges.(sql.MySQLRangeCollection)
	points := 0
	if len(ranges) == 1 {
		for points < len(ranges[0]) && isPoint(ranges[0][points]) {
			points++
		}
	}
	r.ref = slices.Repeat([]string{"const"}, points)
	switch {
	case points > 0 && points == len(lookup.Index.Expressions()) && lookup.Index.IsUnique():
		r.typ, r.rows = "const", uint64(1)
	case len(ranges) == 1 && !hasBound(ranges[0][points:]):
		if points == 0 {
			r.typ, r.rows = "index", e.count(n.TableNode.UnderlyingTable())
		}
	default:
		r.typ, r.ref = "range", nil
	}
	return r
}

// isPoint reports whether a range of a column is one value.
func isPoint(c sql.MySQLRangeColumnExpr) bool {
	return c.Type() == sql.RangeType_ClosedClosed &&
		reflect.DeepEqual(sql.GetMySQLRangeCutKey(c.LowerBound), sql.GetMySQLRangeCutKey(c.UpperBound))
}

// hasBound reports whether one of the columns has a bound.
func hasBound(columns []sql.MySQLRangeColumnExpr) bool {
	return slices.ContainsFunc(columns, func(c sql.MySQLRangeColumnExpr) bool { return c.HasLowerBound() || c.HasUpperBound() })
}

// nameOf returns the name of the table under a node.
func nameOf(n sql.Node) string {
	name := ""
	transform.Inspect(n, func(n sql.Node) bool {
		if t, ok := n.(*plan.ResolvedTable); ok && name == "" {
			name = t.Name()
		}
		return name == ""
	})
	return name
}
