package gms

import (
	"slices"
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/hash"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

var rowIDCodec, _ = value.NewCodec(types.Uint64) // of that type there is one

// joined returns the shape of a keyless table for a statement that joins the rows which it
// writes: the row id is its last column, by which equal rows are told apart. number is the
// reference's: a NATURAL JOIN must not find the column in two tables. A table with a key has
// none.
func (s *shape) joined(number int) *shape {
	if s.rowID < 0 {
		return s
	}
	j := *s
	j.schema = append(slices.Clone(s.schema), &sql.Column{
		Name: engine.RowIDColumn + strconv.Itoa(number), Type: types.Uint64,
		Source: s.def.Name, DatabaseSource: s.def.Database, PrimaryKey: true, Hidden: true,
	})
	j.pk = sql.PrimaryKeySchema{Schema: j.schema, PkOrdinals: []int{s.rowID}}
	j.codecs, j.only = append(slices.Clone(s.codecs), rowIDCodec), append(slices.Clone(s.only), nil)
	return &j
}

// joinedTable is a table of which a DELETE of several tables deletes. The rows of the join come
// with its rows, each as often as it matches, or with NULLs where an outer join has none.
type joinedTable struct {
	firingTable
	of *Table
}

// joinedAs returns the table of a join of which a DELETE of several tables deletes rows, nil for
// other statements. The target may be another reference to it, without locks (USING).
func joinedAs(join, target sql.Node, name string) (t *Table) {
	transform.Inspect(target, func(n sql.Node) bool {
		if alias, ok := n.(*plan.TableAlias); ok {
			name = alias.Name()
		}
		return true
	})
	transform.Inspect(join, func(n sql.Node) bool {
		if named, ok := n.(sql.NameableNode); ok && t == nil && syntax.SameName(named.Name(), name) {
			if under := tableUnder(n); under != nil && under.ref.joined > 0 {
				t = under
			}
		}
		return t == nil
	})
	return t
}

// Deleter implements sql.DeletableTable.
func (t *joinedTable) Deleter(ctx *sql.Context) sql.RowDeleter {
	return &joinedDeleter{RowDeleter: t.table.(sql.DeletableTable).Deleter(ctx), rows: &editor{t: t.of}, target: tableUnder(t.Node)}
}

// joinedDeleter deletes each row once, and not one that a foreign key has deleted before.
type joinedDeleter struct {
	sql.RowDeleter
	rows   *editor
	target *Table
}

// Delete implements sql.RowDeleter.
func (d *joinedDeleter) Delete(ctx *sql.Context, r sql.Row) error {
	s, tx, sh, err := d.rows.begin(ctx)
	if err != nil {
		return err
	}
	s.pin.joined = true
	if missing(r) {
		return nil
	}
	if sh.rowID >= len(r) { // it cannot be told from its equals
		s.pin.deleted++
		return d.RowDeleter.Delete(ctx, r)
	}
	stored, err := d.rows.encode(ctx, sh, r)
	if err != nil {
		return err
	}
	def, err := sh.place(stored)
	if err != nil {
		return err
	}
	if is, err := tx.Newest(ctx, def, stored); err != nil || is == nil {
		return s.fail(ctx, err)
	}
	s.pin.deleted++
	if n := len(d.target.shape.codecs); n < len(r) {
		if err := s.noteRow(ctx, d.target.shape, &d.rows.builder, r[:n], stored); err != nil {
			return err
		}
		r = r[:n]
	}
	return d.RowDeleter.Delete(ctx, r)
}

// joinedRows are the rows of the join of an UPDATE.
type joinedRows struct {
	sql.Node
	targets []joinedTarget
	several bool // the statement names the tables; else they are of a subquery
}

// joinedTarget is a table that an UPDATE of a join writes.
type joinedTarget struct {
	name     string
	from, to int     // its columns
	f        *firing // its triggers; nil: it has none
}

func newJoinedRows(ctx *sql.Context, n sql.Node, targets map[string]sql.Node, several bool) *joinedRows {
	rows := &joinedRows{Node: n, several: several}
	columns := n.Schema(ctx)
	for name := range targets {
		of := func(c *sql.Column) bool { return syntax.SameName(c.Source, name) }
		if from := slices.IndexFunc(columns, of); from >= 0 {
			to := from
			for to < len(columns) && of(columns[to]) {
				to++
			}
			rows.targets = append(rows.targets, joinedTarget{name: name, from: from, to: to})
		}
	}
	return rows
}

// fires has a table of a name fire triggers.
func (n *joinedRows) fires(name string, f *firing) {
	for i := range n.targets {
		if n.targets[i].name == name {
			n.targets[i].f = f
		}
	}
}

// Schema implements sql.Node: by it the planner compares what rows were with what they become.
func (n *joinedRows) Schema(ctx *sql.Context) sql.Schema { return exactRow(n.Node.Schema(ctx)) }

// Children implements sql.Node.
func (n *joinedRows) Children() []sql.Node { return []sql.Node{n.Node} }

// WithChildren implements sql.Node.
func (n *joinedRows) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 1)
	}
	return &joinedRows{children[0], n.targets, n.several}, nil
}

// updated returns the rows of the join, each with what it becomes.
func (n *joinedRows) updated(it sql.RowIter, s *Session) sql.RowIter {
	return &joinedIter{it, s, n.targets, make([]map[uint64]bool, len(n.targets))}
}

// joinedIter keeps an UPDATE from rows that an outer join does not have, and counts the others. It fires the triggers
// of those that stay as they are, which do not come to an editor.
type joinedIter struct {
	sql.RowIter
	s       *Session
	targets []joinedTarget
	seen    []map[uint64]bool // hashes of their rows
}

// Next implements sql.RowIter.
func (i *joinedIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.RowIter.Next(ctx)
	if err != nil {
		return nil, err
	}
	i.s.pin.joined = true
	for n, at := range i.targets {
		old, new := r[at.from:at.to], r[len(r)/2:][at.from:at.to]
		if missing(old) {
			clear(new)
			continue
		}
		h, err := hash.HashOf(ctx, nil, old)
		if err != nil {
			return nil, err
		}
		if i.seen[n] == nil {
			i.seen[n] = map[uint64]bool{}
		}
		if !i.seen[n][h] {
			i.seen[n][h] = true
			i.s.pin.matched++
			if at.f != nil {
				if err := at.f.kept(ctx, old, new); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

// missing reports whether a row of a table is one that an outer join does not have.
func missing(r sql.Row) bool {
	return !slices.ContainsFunc(r, func(v any) bool { return v != nil })
}

// simultaneous returns the assignments of an UPDATE of several tables: all read the values from
// before it. Source: MySQL writes tables of which an assignment reads a written column at the end.
func simultaneous(exprs *plan.UpdateExprs) (*plan.UpdateExprs, error) {
	out := slices.Clone(exprs.AllExpressions())
	var before sql.Row
	first := true
	for i := range exprs.ExplicitUpdateExprs() {
		if set, ok := out[i].(*expression.SetField); ok {
			out[i], first = &simultaneousSet{set, &before, first}, false
		}
	}
	return exprs.WithExpressions(out)
}

// simultaneousSet is one of several assignments to a row.
type simultaneousSet struct {
	*expression.SetField
	before *sql.Row // the row before the first
	first  bool
}

// Eval implements sql.Expression.
func (s *simultaneousSet) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if s.first {
		*s.before = r
	}
	set, err := s.SetField.Eval(ctx, *s.before)
	if err != nil {
		return nil, err
	}
	r, at := r.Copy(), s.LeftChild.(*expression.GetField).Index()
	r[at] = set.(sql.Row)[at]
	return r, nil
}
