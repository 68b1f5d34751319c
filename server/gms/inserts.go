package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// insert reserves the AUTO_INCREMENT values of an INSERT … VALUES together (T-22)
// and looks for duplicates before it looks for parents (T-20).
func (b *builder) insert(ctx *sql.Context, s *Session, n *plan.InsertInto, r sql.Row) (sql.RowIter, error) {
	if t := tableOf(n.Destination); t != nil && n.FirstGeneratedAutoIncRowIdx >= 0 {
		if rows := valueRows(ctx, n.Source) - n.FirstGeneratedAutoIncRowIdx; rows > 1 {
			s.reserve(t.live(ctx), uint64(rows))
		}
	}
	if t := tableOf(n.Destination); t != nil && (n.IsReplace || n.OnDupExprs.HasUpdates()) {
		if s.upserts == nil {
			s.upserts = make(map[tableID]bool)
		}
		s.upserts[t.shape.def.ID] = true
	}
	c := *n
	switch d := n.Destination.(type) {
	case *plan.ForeignKeyHandler:
		if len(d.Editor.References) > 0 {
			c.Destination = &childFirst{ForeignKeyHandler: d}
		}
	case *plan.InsertDestination:
		if h, ok := d.Child.(*plan.ForeignKeyHandler); ok && len(h.Editor.References) > 0 {
			dest := *d
			dest.Child = &childFirst{ForeignKeyHandler: h}
			c.Destination = &dest
		}
	}
	if s.b.mysql {
		if d, ok := c.Destination.(*plan.InsertDestination); ok {
			dest := *d
			dest.Sch = clockSchema(d.Sch)
			if n.OnDupExprs.HasUpdates() {
				dest.Sch = exactSchema(dest.Sch)
			}
			c.Destination = &dest
		}
		updates := slices.Clone(n.OnDupExprs.AllExpressions())
		for i, e := range updates {
			var err error
			if updates[i], err = behindBothRows(ctx, e, 2*len(n.Destination.Schema(ctx)), sql.ColSet{}); err != nil {
				return nil, err
			}
		}
		exprs, err := n.OnDupExprs.WithExpressions(updates)
		if err == nil {
			exprs, err = assignments(ctx, exprs, n.Ignore)
		}
		if err != nil {
			return nil, err
		}
		source, err := planrule.GivenCounters(ctx, n)
		if err == nil && valueRows(ctx, source) == 0 {
			source, _, err = checkExprs(ctx, source)
		}
		if err != nil {
			return nil, err
		}
		if source, err = assignedTypes(ctx, source, n); err == nil {
			source, err = s.assignedFirst(ctx, source, n)
		}
		if err != nil {
			return nil, err
		}
		c.Source, c.OnDupExprs = &assigned{Node: source, insert: n}, exprs
		if err := s.fireInsert(ctx, &c); err != nil {
			return nil, err
		}
	}
	return b.plain(ctx, s, &c, r)
}

// assignedFirst has the values of columns assigned before generated columns read them.
func (s *Session) assignedFirst(ctx *sql.Context, source sql.Node, n *plan.InsertInto) (sql.Node, error) {
	schema := n.Destination.Schema(ctx)
	p, ok := source.(*plan.Project)
	if !ok || len(p.Projections) != len(schema) || !slices.ContainsFunc(schema, func(c *sql.Column) bool { return c.Generated != nil }) {
		return source, nil
	}
	exprs := slices.Clone(p.Projections)
	f, err := s.firingOf(ctx, tableOf(n.Destination))
	if err != nil {
		return nil, err
	}
	of := value.Assigner{Ignore: n.Ignore}
	empty, fires := emptyRow(s, n), f != nil && f.has("before", "insert")
	takes := fires || !n.Ignore && valueRows(ctx, source) == 1 && of.Lenient(ctx) // see assignIter
	for i, c := range schema {
		if d, is := exprs[i].(*sql.ColumnDefaultValue); is && d == nil && !c.Nullable {
			exprs[i] = expression.NewLiteral(nil, types.Null)
		} else if is { // see assignedDefault
			continue
		}
		if c.Generated == nil && (types.IsJSON(c.Type) || !c.AutoIncrement) {
			missing := empty || n.DeferredDefaults.Contains(i)
			column := expression.NewGetFieldWithTable(i, 0, c.Type, c.DatabaseSource, c.Source, c.Name, c.Nullable || takes && !missing)
			val, _ := assignedAs(ctx, exprs[i], c.Type)
			a := newAssignment(ctx, val, column, n.Ignore)
			a.missing, a.strict, exprs[i] = missing, !missing && !fires, a
		}
	}
	return p.WithExpressions(ctx, exprs...)
}

// valueRows returns the number of rows of a VALUES list, 0 for other sources.
func valueRows(ctx *sql.Context, n sql.Node) int {
	rows := 0
	transform.Inspect(n, func(n sql.Node) bool {
		if v, ok := n.(*plan.Values); ok {
			rows = len(v.ExpressionTuples)
		}
		return rows == 0
	})
	return rows
}

func (s *Session) reserve(sh *shape, n uint64) {
	if s.reserved == nil {
		s.reserved = make(map[tableID]*reservation)
	}
	if r := s.reserved[sh.def.ID]; r != nil && r.next < r.end {
		return
	}
	s.reserved[sh.def.ID] = &reservation{hint: n}
}

// childFirst writes a child's row before it looks for the parent's: a duplicate
// key is the error that MySQL reports first, and a row may be its own parent.
type childFirst struct {
	*plan.ForeignKeyHandler
}

var (
	_ sql.InsertableTable  = (*childFirst)(nil)
	_ sql.ReplaceableTable = (*childFirst)(nil)
	_ sql.TableEditor      = (*childFirst)(nil)
)

// Inserter implements sql.InsertableTable.
func (c *childFirst) Inserter(*sql.Context) sql.RowInserter { return c }

// Replacer implements sql.ReplaceableTable.
func (c *childFirst) Replacer(*sql.Context) sql.RowReplacer { return c }

// Insert implements sql.RowInserter.
func (c *childFirst) Insert(ctx *sql.Context, r sql.Row) error {
	var p *pin
	if s, ok := ctx.Session.(*Session); ok {
		p = s.pin
	}
	var before answer
	if p != nil {
		before = p.answer
	}
	if err := c.Editor.Editor.Insert(ctx, r); err != nil {
		return err
	}
	for _, ref := range c.Editor.References {
		if err := ref.CheckReference(ctx, r); err != nil {
			if p != nil {
				p.answer = before // the row is taken back
			}
			return err
		}
	}
	return nil
}
