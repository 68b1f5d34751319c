package gms

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/sqltypes"
)

// explaining is one EXPLAIN: of the plan of a statement, which it does not run.
type explaining struct {
	ctx  *sql.Context
	s    *Session
	last int // the highest id
	of   map[sql.Node]*access
	subs map[*plan.Subquery]*block
}

// block is one SELECT of a statement, or the whole of another statement.
type block struct {
	id      int
	kind    string // select_type
	tables  []*access
	message string // in the place of tables
	// What is done with the rows of the tables.
	sorts, groups, distinct, windows bool
	subs                             []*block      // of its expressions
	union                            *setOperation // what it is if it is no single SELECT

	names  map[string]bool // of its tables, in lower case
	seen   map[string]bool // those of tables so far
	wheres []*predicate    // those that hold for what is looked at
	hashed bool            // what is looked at is the side of a hash join that is looked up
}

// setOperation is a UNION, INTERSECT or EXCEPT.
type setOperation struct {
	word     string
	distinct bool
	members  []*block
}

// predicate is one of the conditions of a WHERE or ON.
type predicate struct {
	sql.Expression
	placed bool // a table has it
}

// access is how a table of a block is read. What is empty is NULL.
type access struct {
	block      *block
	table, typ string
	possible   []string
	key        string
	parts      []string // of the key, those that are used
	length     int      // of the key, bytes
	lengths    string   // of several keys, in the place of length
	ref        []string
	rows       float64 // < 0: not known
	filtered   float64 // of them, 0 to 1
	extra      []string
	covering   bool
	backward   bool // the index is read from its end
	hashed     bool
	loose      bool // it is read from group to group
	columns    []string
	where      []sql.Expression
	derived    *block
	of         *Table   // nil if it is none of ours
	partitions []string // that are read
}

// explain returns the blocks of an analyzed statement in the order in which EXPLAIN
// has them.
func explain(ctx *sql.Context, s *Session, n sql.Node) (*explaining, *block) {
	e := &explaining{ctx: ctx, s: s, last: 1, of: map[sql.Node]*access{}, subs: map[*plan.Subquery]*block{}}
	top := &block{id: 1, kind: "SIMPLE"}
	var into *access
	switch x := n.(type) {
	case *plan.InsertInto:
		into = &access{block: &block{id: 1, kind: "INSERT"}, table: nameOf(x.Destination), typ: "ALL", rows: -1}
		if x.IsReplace {
			into.block.kind = "REPLACE"
		}
		n = x.Source
		if _, values := n.(*plan.Values); values || valueRows(ctx, n) > 0 {
			top.tables = []*access{into}
			return e, top
		}
	case *plan.Update, *plan.UpdateJoin:
		top.kind = "UPDATE"
	case *plan.DeleteFrom:
		top.kind = "DELETE"
	}
	e.block(n, top)
	if top.kind == "SIMPLE" && e.last > 1 {
		top.kind = "PRIMARY"
	}
	if into != nil {
		top.tables = slices.Insert(top.tables, 0, into)
	}
	if top.kind == "UPDATE" || top.kind == "DELETE" {
		for _, a := range top.tables {
			if len(top.tables) == 1 && (a.typ == "const" || a.typ == "ref") {
				a.typ = "range" // MySQL reads what it changes by ranges, of one value too
				if !slices.Contains(a.extra, "Using where") {
					a.extra = append([]string{"Using where"}, a.extra...)
				}
			}
		}
	}
	return e, top
}

// rows returns EXPLAIN's rows.
func (b *block) rows() []sql.Row {
	var out []sql.Row
	if u := b.union; u != nil {
		ids := make([]string, len(u.members))
		for i, m := range u.members {
			out = append(out, m.rows()...)
			ids[i] = strconv.Itoa(m.id)
		}
		if u.distinct {
			out = append(out, sql.Row{nil, strings.ToUpper(u.word) + " RESULT", "<" + u.word + strings.Join(ids, ",") + ">", nil, "ALL",
				nil, nil, nil, nil, nil, nil, "Using temporary"})
		}
		return out
	}
	var id any = uint64(b.id)
	if b.message != "" {
		out = append(out, sql.Row{id, b.kind, nil, nil, nil, nil, nil, nil, nil, nil, nil, b.message})
	}
	for _, a := range b.tables {
		out = append(out, a.row())
	}
	for _, a := range b.tables {
		if a.derived != nil {
			out = append(out, a.derived.rows()...)
		}
	}
	for _, s := range b.subs {
		out = append(out, s.rows()...)
	}
	return out
}

func (a *access) row() sql.Row {
	list := func(s []string, separator string) any {
		if len(s) == 0 {
			return nil
		}
		return strings.Join(s, separator)
	}
	var length, rows, filtered any
	if a.length > 0 {
		length = a.keyLength()
	}
	if a.rows >= 0 {
		rows, filtered = uint64(a.rows), a.percent()
	}
	return sql.Row{uint64(a.block.id), a.block.kind, orNull(a.table), list(a.partitions, ","), orNull(a.typ), list(a.possible, ","), orNull(a.key), length,
		list(a.ref, ","), rows, filtered, list(a.extra, "; ")}
}

func (a *access) keyLength() string { return cmp.Or(a.lengths, strconv.Itoa(a.length)) }

// produced estimates the rows of a block before it groups them, -1 if they are not known.
func (b *block) produced() float64 {
	rows := 1.0
	if b.union != nil {
		rows = 0
		for _, m := range b.union.members {
			if m.produced() < 0 {
				return -1
			}
			rows += m.produced()
		}
	}
	for _, a := range b.tables {
		if a.rows < 0 {
			return -1
		}
		rows *= a.rows * a.filtered
	}
	return rows
}

// percentType is the type of filtered: a DOUBLE with two decimals.
type percentType struct{ sql.NumberType }

// SQL implements sql.Type.
func (t percentType) SQL(ctx *sql.Context, dest []byte, v any) (sqltypes.Value, error) {
	f, ok := v.(float64)
	if !ok {
		return t.NumberType.SQL(ctx, dest, v)
	}
	return sqltypes.MakeTrusted(sqltypes.Float64, []byte(twoDigits(f))), nil
}

// percent is filtered as MySQL shows it.
func (a *access) percent() float64 { return float64(int64(a.filtered*10000+0.5)) / 100 }

// block completes a block with what a plan says of it.
func (e *explaining) block(n sql.Node, b *block) {
	b.names, b.seen = map[string]bool{}, map[string]bool{}
	transform.Inspect(n, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.SubqueryAlias, *plan.TableAlias, *plan.ResolvedTable, *plan.IndexedTableAccess, *plan.RecursiveTable:
			b.names[strings.ToLower(n.(sql.Nameable).Name())] = true
			return false
		}
		return true
	})
	e.node(n, b)
	if len(b.tables) == 0 && b.union == nil && b.message == "" {
		b.message = "No tables used"
	}
	if len(b.tables) > 0 {
		first := b.tables[0]
		if b.groups || b.distinct && !first.loose || b.windows {
			first.extra = append(first.extra, "Using temporary")
		}
		if b.sorts {
			first.extra = append(first.extra, "Using filesort")
		}
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
		e.under(b, n.Child, n.Expression)
		return
	case *plan.Sort, *plan.TopN:
		b.sorts = true
	case *plan.GroupBy:
		if c, ok := n.Child.(*plan.Concat); ok && len(n.GroupByExprs) == 0 && !isUnion(c) { // see readEnds
			b.message = "Select tables optimized away"
			return
		}
		b.groups = b.groups || len(n.GroupByExprs) > 0 && !groupsTogether(e.ctx, n)
		e.apart(b, n.Child)
		return
	case *plan.Window:
		b.windows = true
		e.apart(b, n.Child)
		return
	case *plan.Distinct:
		b.distinct = true
	case *plan.EmptyTable:
		b.message = "Impossible WHERE"
		return
	case *plan.TableCountLookup:
		b.message = "Select tables optimized away"
		return
	case *plan.JoinNode:
		e.node(n.Left(), b)
		hashed := b.hashed
		b.hashed = n.Op.IsHash()
		e.under(b, n.Right(), n.Filter)
		b.hashed = hashed
		return
	case *plan.Concat:
		if isUnion(n) {
			e.indexUnion(n, b)
			return
		}
	case *plan.SetOp:
		e.union(n, b)
		return
	case *plan.SubqueryAlias:
		inner := e.next("DERIVED")
		a := &access{table: "<derived" + strconv.Itoa(inner.id) + ">", typ: "ALL", rows: -1, derived: inner, filtered: 1}
		e.block(n.Child, inner)
		if rows := inner.produced(); rows >= 0 {
			a.rows = max(2, rows)
		}
		e.table(b, n, n.Name(), a)
		return
	case *plan.RecursiveCte:
		e.node(n.Union(), b)
		return
	case *plan.RecursiveTable:
		e.table(b, n, n.Name(), &access{typ: "ALL", rows: -1, extra: []string{"Recursive"}})
		return
	case *plan.TableAlias:
		at := len(b.tables)
		e.named(n.Child, n.Name(), b)
		if len(b.tables) == at+1 {
			e.of[n] = b.tables[at]
		}
		return
	case *plan.ResolvedTable, *plan.IndexedTableAccess:
		e.named(n, n.(sql.Nameable).Name(), b)
		return
	}
	for _, c := range n.Children() {
		e.node(c, b)
	}
}

// named adds a table under the name that the statement has for it.
func (e *explaining) named(n sql.Node, name string, b *block) {
	switch n := n.(type) {
	case *plan.ResolvedTable:
		if !plan.IsDualTable(n) {
			e.table(b, n, name, e.scan(n))
		}
	case *plan.IndexedTableAccess:
		e.table(b, n, name, e.indexed(n))
		e.subqueries(n, b)
	default:
		e.node(n, b)
	}
}

// under goes on below conditions.
func (e *explaining) under(b *block, n sql.Node, where sql.Expression) {
	outer := len(b.wheres)
	if where != nil {
		for _, c := range expression.SplitConjunction(e.ctx, where) {
			if _, constant := c.(*expression.Literal); constant {
				continue
			}
			b.wheres = append(b.wheres, &predicate{Expression: c})
		}
	}
	e.node(n, b)
	b.wheres = b.wheres[:outer]
}

// apart goes on below what conditions above it say nothing about the rows of.
func (e *explaining) apart(b *block, n sql.Node) {
	outer := b.wheres
	b.wheres = nil
	e.node(n, b)
	b.wheres = outer
}

// union adds what a UNION and its kin consist of; those that follow one another are one.
func (e *explaining) union(n *plan.SetOp, b *block) {
	var parts []sql.Node
	distinct := n.Distinct
	var left func(sql.Node)
	left = func(x sql.Node) {
		for {
			p, ok := x.(*plan.Project) // which only makes the types equal
			if !ok {
				break
			}
			if _, ok := p.Child.(*plan.SetOp); !ok {
				break
			}
			x = p.Child
		}
		if s, ok := x.(*plan.SetOp); ok && s.SetOpType == n.SetOpType {
			distinct = distinct || s.Distinct
			left(s.Left())
			parts = append(parts, s.Right())
			return
		}
		parts = append(parts, x)
	}
	left(n)
	u := &setOperation{word: setOpWords[n.SetOpType], distinct: distinct}
	b.union = u
	for i, part := range parts {
		m := &block{id: b.id, kind: b.kind}
		if i > 0 {
			m = e.next(strings.ToUpper(u.word))
		} else if b.kind == "SIMPLE" {
			m.kind = "PRIMARY"
		}
		u.members = append(u.members, m)
		e.block(part, m)
	}
}

var setOpWords = map[int]string{plan.UnionType: "union", plan.IntersectType: "intersect", plan.ExceptType: "except"}

// subqueries adds those in a node's expressions.
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
				b.subs, e.subs[sub] = append(b.subs, inner), inner
				e.block(sub.Query, inner)
			}
			return false
		})
	}
}

// table adds a table to a block, with the conditions that can be decided once it is read.
func (e *explaining) table(b *block, n sql.Node, name string, a *access) {
	e.of[n] = a
	a.block, a.hashed = b, b.hashed
	if a.derived == nil {
		a.table = name
	}
	b.seen[strings.ToLower(name)] = true
	for _, c := range b.wheres {
		if !c.placed && e.decided(c, b) {
			c.placed = true
			a.where = append(a.where, c.Expression)
		}
	}
	if a.of != nil {
		e.possible(a, name, b)
		e.partitioned(a, n, name, b)
	}
	if a.rows >= 0 && a.typ != "const" {
		a.filtered = 1
		for _, w := range a.where {
			a.filtered *= e.share(a, w)
		}
		a.filtered = min(1, max(a.filtered, 1/max(1, a.rows)))
	}
	var extra []string
	if len(a.where) > 0 || a.typ == "range" && !a.loose {
		extra = append(extra, "Using where")
	}
	if a.backward {
		extra = append(extra, "Backward index scan")
	}
	if a.covering {
		extra = append(extra, "Using index")
	}
	if a.loose {
		extra = append(extra, "Using index for group-by")
	}
	a.extra = append(a.extra, extra...)
	if a.hashed {
		a.extra = append(a.extra, "Using join buffer (hash join)")
	}
	b.tables = append(b.tables, a)
}

// partitioned adds the partitions that are read of a table that has some.
func (e *explaining) partitioned(a *access, n sql.Node, name string, b *block) {
	p := a.of.shape.parts
	if p == nil {
		return
	}
	read := a.of.only
	var wheres []sql.Expression
	for _, w := range b.wheres {
		wheres = append(wheres, w.Expression)
	}
	if len(wheres) > 0 {
		read = both(read, p.prune(e.ctx, a.of.shape, name, expression.JoinAnd(wheres...)))
	}
	if x, ok := n.(*plan.IndexedTableAccess); ok && x.IsStatic() {
		if l, _, err := x.GetLookup(e.ctx, nil); err == nil {
			if found, err := p.ofLookup(e.ctx, a.of.shape, l); err == nil {
				read = both(read, found)
			}
		}
	}
	for i, part := range p.Parts {
		if read == nil || slices.Contains(read, i) {
			a.partitions = append(a.partitions, part.Name)
		}
	}
}

// decided reports whether all tables of the block that a condition names have been read.
func (e *explaining) decided(c sql.Expression, b *block) bool {
	all := true
	transform.InspectExpr(e.ctx, c, func(_ *sql.Context, x sql.Expression) bool {
		if f, ok := x.(*expression.GetField); ok {
			name := strings.ToLower(f.Table())
			all = all && (b.seen[name] || !b.names[name])
		}
		return !all
	})
	return all
}

// scan returns the access of a table that is read whole.
func (e *explaining) scan(n *plan.ResolvedTable) *access {
	a := &access{typ: "ALL", rows: -1}
	e.known(a, n.Table)
	return a
}

// known adds what is known of a table: its rows, and the columns that are read.
func (e *explaining) known(a *access, table sql.Table) {
	t := sql.GetUnderlyingTable(table)
	if a.of, _ = t.(*Table); a.of == nil {
		return
	}
	if count, _, err := a.of.RowCount(e.ctx); err == nil {
		a.rows, a.filtered = float64(count), 1
	}
	for i, c := range a.of.shape.schema {
		if !a.of.projected || slices.Contains(a.of.columns, i) {
			a.columns = append(a.columns, c.Name)
		}
	}
}

// indexes are those of a table that have a tree.
func (a *access) indexes() []*Index {
	return slices.DeleteFunc(slices.Clone(a.of.shape.indexes), func(ix *Index) bool {
		return ix.pseudo != nil || ix.def.Invisible || ix.def == a.of.shape.def.Primary && a.of.shape.def.Keyless()
	})
}

// nameOf returns the name of the table under a node.
func nameOf(n sql.Node) string {
	name := ""
	transform.Inspect(n, func(n sql.Node) bool {
		switch t := n.(type) {
		case *plan.ResolvedTable:
			name = t.Name()
		case *plan.IndexedTableAccess:
			name = t.Name()
		}
		return name == ""
	})
	return name
}
