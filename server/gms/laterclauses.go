package gms

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// alterClause builds a clause of ALTER TABLE that is about columns or indexes.
func (b *builder) alterClause(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	switch n := n.(type) {
	case *plan.AddColumn:
		assignedDefinition(ctx, n.Column())
	case *plan.ModifyColumn:
		assignedDefinition(ctx, n.NewColumn())
	case *plan.AlterDefaultDrop:
		if rows, err := s.dropDefault(ctx, n); rows != nil || err != nil {
			return rows, err
		}
	}
	if k, ok := n.(*plan.AlterPK); ok { // the planner looks for its columns before the clauses before it have made them
		return &laterIter{build: func(ctx *sql.Context) (sql.RowIter, error) {
			key := *k
			if t := tableOf(k.Table); t != nil {
				ix := sql.IndexDef{Columns: k.Columns}
				s.newNames(t.live(ctx).def, &ix)
				key.Columns = ix.Columns
			}
			c, err := s.laterClause(ctx, &key)
			if err != nil {
				return nil, err
			}
			return b.plain(ctx, s, c, r)
		}}, nil
	}
	c, err := s.laterClause(ctx, n)
	if err != nil {
		return nil, err
	}
	if a, ok := c.(*plan.AddColumn); ok {
		if rows := addedAtOnce(ctx, a); rows != nil {
			return rows, nil
		}
	}
	if m, ok := c.(*plan.ModifyColumn); ok && m.Order(ctx) != nil {
		return b.movedColumn(ctx, s, m, r)
	}
	if ix, ok := c.(*plan.AlterIndex); ok {
		switch ix.Action {
		case plan.IndexAction_Create:
			if c, err = b.keyColumns(ctx, s, ix, r); err != nil {
				return nil, err
			}
		case plan.IndexAction_Drop:
			return b.dropIndex(ctx, s, ix, r)
		}
	}
	return b.plain(ctx, s, c, r)
}

// dropIndex drops an index and then the hidden columns of its expressions, as keyColumns makes them.
func (b *builder) dropIndex(ctx *sql.Context, s *Session, n *plan.AlterIndex, r sql.Row) (sql.RowIter, error) {
	table, ok := n.Table.(*plan.ResolvedTable)
	t := tableOf(n.Table)
	if !ok || t == nil {
		return b.plain(ctx, s, n, r)
	}
	var columns []engine.IndexColumn
	def := t.live(ctx).def
	if ix := def.Index(n.IndexName); ix != nil {
		columns = ix.Columns
	}
	var hidden []string
	rest := *t
	rest.projected, rest.schema = true, slices.DeleteFunc(slices.Clone(t.Schema(ctx)), func(c *sql.Column) bool {
		of := c.HiddenSystem && slices.ContainsFunc(columns, func(p engine.IndexColumn) bool { return syntax.SameName(def.Columns[p.Column].Name, c.Name) })
		if of {
			hidden = append(hidden, c.Name)
		}
		return of
	})
	if len(hidden) == 0 {
		return b.plain(ctx, s, n, r)
	}
	drop := *n
	drop.Table = plan.NewResolvedTable(&rest, table.SqlDatabase, table.AsOf)
	done, err := b.plain(ctx, s, &drop, r)
	for _, name := range hidden {
		if err == nil {
			err = b.clause(ctx, s, plan.NewDropColumnResolved(table, name), r)
		}
	}
	return done, err
}

// clause runs a clause of the table that those before it have made.
func (b *builder) clause(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) error {
	n, err := s.laterClause(ctx, n)
	if err != nil {
		return err
	}
	rows, err := b.plain(ctx, s, n, r)
	if err == nil {
		_, err = sql.RowIterToRows(ctx, rows)
	}
	return err
}

// keyColumns adds the hidden columns of an index's expressions and returns the index of them. The planner would read the other
// generated columns of the table without our functions.
func (b *builder) keyColumns(ctx *sql.Context, s *Session, n *plan.AlterIndex, r sql.Row) (sql.Node, error) {
	table, ok := n.Table.(*plan.ResolvedTable)
	if !ok || !s.b.mysql {
		return n, nil
	}
	out := *n
	out.Columns = slices.Clone(n.Columns)
	for i, of := range n.Columns {
		if of.Expression == nil {
			continue
		}
		if err := keyExpression(ctx, of.Expression); err != nil {
			return nil, err
		}
		t := of.Expression.Type(ctx)
		e, err := expr.NamedArray(ctx, of.Expression, n.IndexName)
		if err != nil {
			return nil, err
		}
		generated, err := sql.NewColumnDefaultValue(e, t, false, true, true)
		if err != nil {
			return nil, err
		}
		out.Columns[i].Name, out.Columns[i].Expression = sql.HiddenSystemColumnName(n.IndexName, i), nil
		if err := b.clause(ctx, s, plan.NewAddColumnResolved(table, sql.Column{
			Name: out.Columns[i].Name, Type: t, Generated: generated, Nullable: true, Virtual: true, HiddenSystem: true, DatabaseSource: table.Database().Name(),
		}, nil), r); err != nil {
			return nil, err
		}
	}
	return s.laterClause(ctx, &out)
}

// alterMark begins the comments of the clauses of ALTER TABLE that are ours: no client knows it.
var alterMark = "\x00" + rand.Text()

// laterMark is the comment of a clause of ALTER TABLE that stands for later ones, see laterClauses.
var laterMark = alterMark + "later "

// laterMax is how many statements a session keeps later clauses of.
const laterMax = 256

// laterClauses puts a mark in the place of the clauses from the first on whose expressions name a column that a clause before
// it makes, whose index is of the beginning of one that a clause before it changes, or that change a column of an index that is dropped:
// the planner knows the table only as it was, and gets them when the others are done.
func (s *Session) laterClauses(ctx *sql.Context, a *ast.AlterTable) {
	t, err := s.namedTable(ctx, syntax.TableName{Database: a.Table.DbQualifier.String(), Name: a.Table.Name.String()})
	if err != nil {
		return // the planner says so
	}
	def := t.live(ctx).def
	made := map[string]bool{}
	reads := func(f *ast.IndexField) bool { // its length is checked by the type that the column has before
		at := def.Column(f.Column.String())
		return f.Length != nil || at >= 0 && (strings.Contains(def.Columns[at].SQLType, "text") || strings.Contains(def.Columns[at].SQLType, "blob"))
	}
	firstDrops(def, a)
	freed := map[string]bool{} // of an index that is dropped: the planner looks at it all the same
	for i, d := range a.Statements {
		if old := droppedIndex(def, d); old != nil {
			for _, c := range old.Columns {
				freed[strings.ToLower(def.Columns[c.Column].Name)] = true
			}
		}
		if d.TableSpec != nil && slices.ContainsFunc(changedColumns(d), func(name string) bool { return freed[name] }) || slices.ContainsFunc(expressionsOf(d), func(e ast.Expr) bool {
			return slices.ContainsFunc(rewrite.ColumnsOf(e), func(c ast.ColIdent) bool { return made[c.Lowered()] && def.Column(c.String()) < 0 })
		}) || d.IndexSpec != nil && slices.ContainsFunc(d.IndexSpec.Fields, func(f *ast.IndexField) bool { return made[f.Column.Lowered()] && reads(f) }) {
			if len(s.later) == 0 || len(s.later) >= laterMax {
				s.later = map[string]*ast.AlterTable{}
			}
			s.laterNumber++
			id := strconv.Itoa(s.laterNumber)
			s.later[id] = &ast.AlterTable{Table: a.Table, Statements: slices.Clone(a.Statements[i:])}
			for _, d := range a.Statements[i:] {
				if d.IndexSpec == nil {
					continue
				}
				for _, f := range d.IndexSpec.Fields {
					if to := s.renamed[f.Column.Lowered()]; to != "" && made[f.Column.Lowered()] { // by then
						f.Column = ast.NewColIdent(to)
					}
				}
			}
			a.Statements = append(a.Statements[:i:i], &ast.DDL{
				Action: ast.AlterStr, Table: a.Table, AlterCommentSpec: &ast.AlterCommentSpec{Comment: laterMark + id},
			})
			return
		}
		made[d.ToColumn.Lowered()] = true
		if d.TableSpec != nil {
			made[d.Column.Lowered()] = true
			for _, c := range d.TableSpec.Columns {
				made[c.Name.Lowered()] = true
			}
		}
	}
}

// changedColumns are the names, in lower case, of the columns that a clause of ALTER TABLE changes or drops.
func changedColumns(d *ast.DDL) (out []string) {
	switch strings.ToLower(d.ColumnAction) {
	case ast.ModifyStr, ast.ChangeStr, ast.DropStr:
		out = append(out, d.Column.Lowered())
		if d.TableSpec != nil && strings.EqualFold(d.ColumnAction, ast.ModifyStr) {
			for _, c := range d.TableSpec.Columns {
				out = append(out, c.Name.Lowered())
			}
		}
	}
	return out
}

// firstDrops puts what drops an index before the clauses that change or drop a column of it: the index would not let the column
// have its new type, or be gone with the column. A table with foreign keys keeps the order, in which others may replace theirs.
func firstDrops(def *engine.TableDef, a *ast.AlterTable) {
	if len(def.ForeignKeys) > 0 {
		return
	}
	var changed []string
	for _, d := range a.Statements {
		changed = append(changed, changedColumns(d)...)
	}
	rank := func(d *ast.DDL) int {
		ix := droppedIndex(def, d)
		if ix != nil && slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool {
			return slices.Contains(changed, strings.ToLower(def.Columns[c.Column].Name))
		}) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(a.Statements, func(x, y *ast.DDL) int { return rank(x) - rank(y) })
}

// expressionsOf returns the expressions of columns and of an index in a clause of ALTER TABLE.
func expressionsOf(d *ast.DDL) (out []ast.Expr) {
	if d.TableSpec != nil {
		for _, c := range d.TableSpec.Columns {
			if c.Type.GeneratedExpr != nil {
				out = append(out, c.Type.GeneratedExpr)
			}
			if e, ok := c.Type.Default.(*ast.ParenExpr); ok {
				out = append(out, e)
			}
		}
	}
	if d.IndexSpec != nil {
		for _, f := range d.IndexSpec.Fields {
			if f.Expression != nil {
				out = append(out, f.Expression)
			}
		}
	}
	return out
}

// alterLater executes the clauses that a mark of laterClauses stands for.
func (t *Table) alterLater(ctx *sql.Context, id string) error {
	s, ok := ctx.Session.(*Session)
	if !ok || s.later[id] == nil {
		return fmt.Errorf("gms: no clauses %s of ALTER TABLE", id)
	}
	s.dml++ // the whole statement commits
	defer func() { s.dml-- }()
	inner := sql.NewContext(ctx, sql.WithSession(s))
	_, rows, _, err := s.b.runner.QueryWithBindings(inner, "", rewrite.Cloned(s.later[id]), nil, nil)
	if err != nil {
		return err
	}
	_, err = sql.RowIterToRows(inner, rows)
	return err
}

// laterIter is built when it is read.
type laterIter struct {
	build func(ctx *sql.Context) (sql.RowIter, error)
	sql.RowIter
}

// Next implements sql.RowIter.
func (i *laterIter) Next(ctx *sql.Context) (sql.Row, error) {
	if i.RowIter == nil {
		var err error
		if i.RowIter, err = i.build(ctx); err != nil {
			return nil, err
		}
	}
	return i.RowIter.Next(ctx)
}

// Close implements sql.RowIter.
func (i *laterIter) Close(ctx *sql.Context) error {
	if i.RowIter == nil {
		return nil
	}
	return i.RowIter.Close(ctx)
}

// laterClause returns a clause as one of the table that the clauses before it have made. The
// schema that the planner gives it has neither new places nor what CHANGE names otherwise.
func (s *Session) laterClause(ctx *sql.Context, n sql.Node) (sql.Node, error) {
	var table sql.Node
	var order *sql.ColumnOrder
	switch n := n.(type) {
	case *plan.AddColumn:
		table, order = n.Table, n.Order(ctx)
	case *plan.DropColumn:
		table = n.Table
	case *plan.ModifyColumn:
		table, order = n.Table, n.Order(ctx)
	case *plan.RenameColumn:
		table = n.Table
	case *plan.AlterPK:
		table = n.Table
	case *plan.AlterIndex:
		table = n.Table
	case *plan.AlterDefaultSet:
		table = n.Table
	case *plan.AlterDefaultDrop:
		table = n.Table
	}
	t := tableOf(table)
	target, ok := n.(sql.SchemaTarget)
	if t == nil || !ok {
		return n, nil
	}
	live := t.live(ctx)
	unread := func(c *sql.Column) bool { return c.Virtual && c.Generated != nil && !c.Generated.Resolved() }
	if live == t.shape && len(target.TargetSchema()) > 0 && !slices.ContainsFunc(target.TargetSchema(), unread) { // which the executor would read without our functions
		return n, nil
	}
	if order != nil && !order.First && live.def.Column(order.AfterColumn) < 0 {
		if to := s.renamed[strings.ToLower(order.AfterColumn)]; to != "" {
			order.AfterColumn = to
		}
	}
	resolver := planbuilder.New(ctx, s.b.catalog, nil)
	return target.WithTargetSchema(resolver.ResolveSchemaDefaults(t.db.Name(), t.Name(), live.schema.Copy()))
}

// movedColumn moves a column as it is, and changes it then: the planner takes what is in its
// new place for its old type.
func (b *builder) movedColumn(ctx *sql.Context, s *Session, n *plan.ModifyColumn, r sql.Row) (sql.RowIter, error) {
	table, ok := n.Table.(*plan.ResolvedTable)
	t := tableOf(n.Table)
	if t == nil || !ok {
		return b.plain(ctx, s, n, r)
	}
	if err := t.moveColumn(ctx, n.Column(), n.Order(ctx)); err != nil {
		return nil, err
	}
	c, err := s.laterClause(ctx, plan.NewModifyColumnResolved(table, n.Column(), *n.NewColumn(), nil))
	if err != nil {
		return nil, err
	}
	return b.plain(ctx, s, c, r)
}

// changedValues are the rows of a table of which a column changes: its values are what the new column is
// assigned.
type changedValues struct {
	sql.RowIter
	at       int
	from, to sql.Type
	name     string // the new one
	digits   int    // of a TIME
	format   value.ColumnFormat
	a        value.Assigner
	counts   bool // the column begins to be one of AUTO_INCREMENT
	last     uint64
}

// changedValues returns the rows that a running ALTER reads of t.
func (w *rewriter) changedValues(ctx *sql.Context, t *Table, rows sql.RowIter) sql.RowIter {
	if w == nil || w.t != t || !t.db.b.mysql {
		return rows
	}
	sh := t.live(ctx)
	at, to := sh.def.Column(w.from), w.shape.schema[w.changed]
	if at < 0 || to.Generated != nil {
		return rows
	}
	counts := to.AutoIncrement && !sh.def.Columns[at].AutoIncrement
	if !counts && sh.schema[at].Type.Equals(to.Type) {
		return rows
	}
	format, _ := expr.FormatOf(&sh.def.Columns[at])
	return &changedValues{
		format: format, RowIter: rows, at: at, from: sh.schema[at].Type, to: to.Type, name: to.Name, digits: max(expr.Precision(&sh.def.Columns[at]), 0),
		a: value.Assigner{Table: sh.def.Name}, counts: counts,
	}
}

// Next implements sql.RowIter.
func (c *changedValues) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := c.RowIter.Next(ctx)
	c.a.Row++
	if err != nil {
		return r, err
	}
	if c.counts {
		return c.numbered(ctx, r)
	}
	if r[c.at] == nil {
		return r, err
	}
	v := r[c.at]
	switch {
	case types.IsEnum(c.from) && types.IsEnum(c.to) && v == uint16(0):
		return r, nil // what was no member stays that
	case expr.IsMoment(c.from) && (types.IsText(c.to) || expr.IsNumeric(c.to)):
		v, err = c.moment(ctx, v)
	case types.IsFloat(c.from) && types.IsText(c.to):
		if c.format.Digits == 0 && c.format.Zeros == 0 {
			v, err = expr.ShownText(ctx, v, c.from)
		} else {
			v, err = (&expr.FormatText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: expression.NewLiteral(v, c.from)}, Format: c.format}).Eval(ctx, nil)
		}
	case types.IsText(c.from) && types.IsText(c.to):
		if e := expr.NewRecoded(ctx, expression.NewLiteral(v, c.from), c.to); e != nil {
			v, err = e.Eval(ctx, nil)
		}
	case types.IsBit(c.from) && types.IsTextBlob(c.to):
		v, err = (&expr.BitBytes{UnaryExpressionStub: expression.UnaryExpressionStub{Child: expression.NewLiteral(v, c.from)}}).Eval(ctx, nil)
	case (types.IsEnum(c.from) || types.IsSet(c.from)) && !expr.IsNumeric(c.to) && !types.IsYear(c.to) && !types.IsBit(c.to):
		v, err = expr.AsMemberText(ctx, expression.NewLiteral(v, c.from)).Eval(ctx, nil)
	}
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err == nil {
		v, err = c.a.Assign(ctx, c.name, c.to, v)
	}
	if !types.IsEnum(c.from) || !types.IsEnum(c.to) || v == uint16(0) { // the planner finds members by their places in the old list
		r[c.at] = v
	}
	return r, err
}

// numbered gives a row without a number the next one.
func (c *changedValues) numbered(ctx *sql.Context, r sql.Row) (sql.Row, error) {
	v := r[c.at]
	if v != nil {
		var err error
		if v, err = c.a.Assign(ctx, c.name, c.to, v); err != nil {
			return nil, err
		}
	}
	n, _, err := types.Uint64.Convert(ctx, v)
	number, _ := n.(uint64)
	if v == nil || err == nil && number == 0 && !value.ModeEnabled(ctx, "NO_AUTO_VALUE_ON_ZERO") {
		if v, _, err = c.to.Convert(ctx, c.last+1); err != nil {
			return nil, err
		}
		number = c.last + 1
	}
	if signed, _, err := types.Int64.Convert(ctx, v); err != nil || signed.(int64) > 0 {
		c.last = max(c.last, number)
	}
	r[c.at] = v
	return r, nil
}

// moment returns a date or time as a text or as a number.
func (c *changedValues) moment(ctx *sql.Context, v any) (any, error) {
	if sqltypes.IsIntegral(c.to.Type()) {
		switch x := v.(type) {
		case time.Time:
			v = x.Round(time.Second)
		case types.Timespan:
			v = expr.RoundSpan(x, 0)
		}
	}
	var text string
	span, isSpan := v.(types.Timespan)
	if isSpan {
		text, _, _ = strings.Cut(value.SpanText(span.AsTimeDuration()), ".")
		if c.digits > 0 {
			text += fmt.Sprintf(".%06d", max(span, -span)%1e6)[:c.digits+1]
		}
	} else {
		text = fmt.Sprint(expr.MomentOf(v, c.from))
	}
	if !expr.IsNumeric(c.to) {
		return text, nil
	}
	if !isSpan {
		text = strings.ReplaceAll(text, "-", "")
	}
	n, _, err := types.InternalDecimalType.Convert(ctx, strings.NewReplacer(":", "", " ", "").Replace(text))
	return n, err
}
