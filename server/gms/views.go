package gms

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// A view that can be written is merged into the statement that writes it, which the planner
// then gets as one over the base tables: MySQL's algorithm MERGE.

// mergedView is a view as a statement has it instead.
type mergedView struct {
	name    syntax.TableName
	columns []viewColumn
	from    ast.TableExpr // the base tables, each by an alias of its own
	tables  []viewTable
	under   []*mergedView      // views among its tables
	where   ast.Expr           // nil: every row
	checks  []ast.Expr         // of WITH CHECK OPTION
	reads   bool               // a column reads a table in a subquery
	depends bool               // a subquery of a column is of the view's row
	invoker bool               // SQL SECURITY INVOKER
	definer syntax.AccountName // who else must be allowed to write the base table
	broken  bool               // it names what is no column, which may be a column that is gone
}

// viewColumn is a column of a view: expr is in terms of the base tables' aliases.
type viewColumn struct {
	name string
	expr ast.Expr
}

// viewTable is a base table of a view.
type viewTable struct {
	name  syntax.TableName
	alias string
}

// column returns a view's column, nil if there is none.
func (v *mergedView) column(name string) ast.Expr {
	for _, c := range v.columns {
		if syntax.SameName(c.name, name) {
			return c.expr
		}
	}
	return nil
}

// base returns the table that an alias names.
func (v *mergedView) base(alias string) syntax.TableName {
	for _, t := range v.tables {
		if t.alias == alias {
			return t.name
		}
	}
	return syntax.TableName{}
}

// viewMerger merges views for one statement.
type viewMerger struct {
	ctx  *sql.Context
	p    *parser
	s    *Session
	cat  *engine.Catalog
	made int // how many aliases
	seen int // how many views
	// sent is the statement before views are merged into it, unknown the error of a column
	// that a view of it has not, in the clause that is looked at, or of too many views.
	sent    ast.Statement
	unknown error
	clause  string
}

func newViewMerger(ctx *sql.Context, p *parser, s *Session) (*viewMerger, error) {
	cat, err := s.b.db.CatalogAt(context.Background(), 0)
	return &viewMerger{ctx: ctx, p: p, s: s, cat: cat}, err
}

// full returns a table's name with its database.
func (m *viewMerger) full(t ast.TableName, database string) syntax.TableName {
	if t.DbQualifier.IsEmpty() {
		return syntax.TableName{Database: database, Name: t.Name.String()}
	}
	return syntax.TableName{Database: t.DbQualifier.String(), Name: t.Name.String()}
}

// view returns the definition of a view, nil if t is none.
func (m *viewMerger) view(t syntax.TableName) (*ast.ViewSpec, error) {
	if m.s.temporary(t.Database, t.Name) != nil {
		return nil, nil
	}
	o := m.cat.Object(engine.ObjectView, t.Database, t.Name)
	if o == nil {
		return nil, nil
	}
	if m.seen++; m.seen > viewsMax {
		m.unknown = errRecursion(t)
		return nil, m.unknown
	}
	var stored storedView
	if err := json.Unmarshal(o.Data, &stored); err != nil {
		return nil, err
	}
	p := *m.p
	p.stored = true
	stmt, _, _, err := p.ParseWithOptions(m.ctx, stored.Create, ';', false, sql.NewSqlModeFromString(stored.SQLMode).ParserOptions())
	if d, ok := stmt.(*ast.DDL); ok && err == nil {
		return d.ViewSpec, nil
	}
	return nil, err
}

// merge returns a view whose base tables can be written, nil for another one or a table. The
// base table of a view over one has the alias that is given, if it is not "".
func (m *viewMerger) merge(t syntax.TableName, alias string) (*mergedView, error) {
	spec, err := m.view(t)
	if err != nil || spec == nil {
		return nil, err
	}
	return m.merged(t, spec, alias)
}

// merged is merge of a definition.
func (m *viewMerger) merged(t syntax.TableName, spec *ast.ViewSpec, alias string) (*mergedView, error) {
	if strings.EqualFold(spec.Algorithm, "temptable") {
		return nil, nil
	}
	q, ok := spec.ViewExpr.(*ast.Select)
	if !ok || q.With != nil || q.QueryOpts.Distinct || len(q.GroupBy) > 0 || q.Having != nil || q.Limit != nil || len(q.Window) > 0 {
		return nil, nil
	}
	v := &mergedView{name: t, invoker: strings.EqualFold(spec.Security, "invoker")}
	if n, _, ok := syntax.NewLexer(spec.Definer).AccountName(); ok {
		v.definer = n
	}
	sc := &viewScope{m: m, database: t.Database, of: v}
	if len(q.From) > 1 {
		alias = ""
	}
	for i, e := range q.From {
		if e, ok = m.joined(e, sc, v, alias); !ok {
			return nil, nil
		}
		if v.from == nil {
			v.from = e
			continue
		}
		v.from = &ast.JoinTableExpr{LeftExpr: v.from, Join: ast.JoinStr, RightExpr: q.From[i]}
		v.from.(*ast.JoinTableExpr).RightExpr = e
	}
	if len(v.tables) == 0 {
		return nil, nil
	}
	for _, e := range q.SelectExprs {
		if !m.selected(e, sc, v) {
			return nil, nil
		}
	}
	// MySQL makes the rows of a view with such a column first, unless it is told not to.
	if v.depends && !strings.EqualFold(spec.Algorithm, "merge") {
		return nil, nil
	}
	for i, c := range spec.Columns {
		if i < len(v.columns) {
			v.columns[i].name = c.String()
		}
	}
	var own ast.Expr
	if q.Where != nil {
		if own = sc.expr(q.Where.Expr); rewrite.Large(own) {
			return nil, nil
		}
	}
	v.where = planrule.And(own, v.where)
	switch spec.CheckOption {
	case ast.ViewCheckOptionCascaded:
		v.checks = []ast.Expr{v.where}
	case localCheck:
		v.checks = append(v.checks, own)
	}
	return v, nil
}

// joined returns a part of a view's FROM with its tables by aliases, which it adds to the
// view; ok is false if the view cannot be merged.
func (m *viewMerger) joined(e ast.TableExpr, sc *viewScope, v *mergedView, alias string) (_ ast.TableExpr, ok bool) {
	switch e := e.(type) {
	case *ast.ParenTableExpr:
		if len(e.Exprs) == 1 {
			return m.joined(e.Exprs[0], sc, v, alias)
		}
	case *ast.JoinTableExpr:
		c := *e
		before := v.where
		v.where = nil
		if c.LeftExpr, ok = m.joined(e.LeftExpr, sc, v, ""); !ok {
			return nil, false
		}
		asked := v.where // of the views in it; those on the side that an outer join may leave out are asked of that side's rows
		v.where = nil
		if c.RightExpr, ok = m.joined(e.RightExpr, sc, v, ""); !ok || len(e.Condition.Using) > 0 || strings.HasPrefix(e.Join, "natural") {
			return nil, false
		}
		if e.Condition.On != nil {
			if c.Condition.On = sc.expr(e.Condition.On); rewrite.Large(c.Condition.On) {
				return nil, false
			}
		}
		switch {
		case strings.HasPrefix(e.Join, "left"):
			c.Condition.On, v.where = planrule.And(c.Condition.On, v.where), nil
		case strings.HasPrefix(e.Join, "right"):
			c.Condition.On, asked = planrule.And(c.Condition.On, asked), nil
		}
		v.where = planrule.And(before, planrule.And(asked, v.where))
		return &c, true
	case *ast.AliasedTableExpr:
		name, ok := e.Expr.(ast.TableName)
		if !ok {
			return nil, false
		}
		t := m.full(name, sc.database)
		known := t.Name
		if !e.As.IsEmpty() {
			known = e.As.String()
		}
		if alias == "" {
			m.made++
			alias = rewrite.Derived + string(rune('a'+m.made)) + "_" + known
		}
		if under, err := m.merge(t, alias); err != nil {
			return nil, false
		} else if under != nil {
			v.tables = append(v.tables, under.tables...)
			v.under = append(v.under, under)
			v.where = planrule.And(v.where, under.where)
			v.checks = append(v.checks, under.checks...)
			v.reads, v.broken = v.reads || under.reads, v.broken || under.broken
			sc.tables = append(sc.tables, scopeTable{alias: known, columns: under.columns})
			return under.from, true
		}
		columns := m.s.columnsOf(ast.TableName{Name: ast.NewTableIdent(t.Name), DbQualifier: ast.NewTableIdent(t.Database)})
		if columns == nil {
			return nil, false
		}
		st := scopeTable{alias: known}
		for _, c := range columns {
			st.columns = append(st.columns, viewColumn{c.String(), rewrite.ColumnOf(alias, c.String())})
		}
		sc.tables = append(sc.tables, st)
		v.tables = append(v.tables, viewTable{t, alias})
		return &ast.AliasedTableExpr{Expr: t.Ast(), As: ast.NewTableIdent(alias), Auth: rewrite.Open}, true
	}
	return nil, false
}

// selected adds what a view selects to its columns, false if it cannot be merged.
func (m *viewMerger) selected(e ast.SelectExpr, sc *viewScope, v *mergedView) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		for _, t := range sc.tables {
			if e.TableName.IsEmpty() || syntax.SameName(t.alias, e.TableName.Name.String()) {
				v.columns = append(v.columns, t.columns...)
			}
		}
		return true
	case *ast.AliasedExpr:
		if rewrite.Groups(e.Expr) || rewrite.Windowed(e.Expr) {
			return false
		}
		column := *sc
		column.depends = &v.depends
		x := column.expr(e.Expr)
		if rewrite.Large(x) {
			return false
		}
		v.reads = v.reads || hasSubquery(x)
		v.columns = append(v.columns, viewColumn{rewrite.SelectedName(e), x})
		return true
	}
	return false
}

// hasSubquery reports whether an expression has a subquery.
func hasSubquery(e ast.Expr) bool {
	return rewrite.Contains(e, func(n ast.SQLNode) bool { _, ok := n.(*ast.Subquery); return ok })
}

// viewScope is what names mean in a query: those of views are replaced.
type viewScope struct {
	m        *viewMerger
	database string      // of tables in subqueries that name none
	of       *mergedView // whose own columns the names are; nil: others may be meant
	tables   []scopeTable
	depends  *bool // set where a subquery names a column from outside of it
	within   bool  // it is a subquery's
}

// scopeTable is a table that names may be of.
type scopeTable struct {
	alias   string
	columns []viewColumn // an expr is nil if the name stays
	view    *mergedView  // nil: another table
}

// expr replaces names in an expression.
func (sc *viewScope) expr(e ast.Expr) ast.Expr {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&e), sc.node)
	return e
}

// node replaces a column; in a subquery those that are not of its own tables.
func (sc *viewScope) node(n ast.SQLNode) (ast.SQLNode, bool, error) {
	switch n := n.(type) {
	case *ast.ColName:
		if e := sc.resolve(n); e != nil {
			if sc.within && sc.depends != nil {
				*sc.depends = true
			}
			return e, false, nil
		}
	case *ast.Subquery:
		inner := *sc
		inner.of, inner.within = nil, true
		inner.tables = append(sc.hidden(n.Select), sc.tables...)
		sel := n.Select
		_ = syntax.ReplaceNodes(reflect.ValueOf(&sel), inner.node)
		return nil, false, nil
	case ast.TableName:
		if n.DbQualifier.IsEmpty() && !n.Name.IsEmpty() && sc.database != "" {
			n.DbQualifier = ast.NewTableIdent(sc.database)
			return n, false, nil
		}
	}
	return nil, true, nil
}

// hidden returns the tables of a subquery's FROMs, whose names stay.
func (sc *viewScope) hidden(q ast.SelectStatement) (out []scopeTable) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		a, ok := n.(*ast.AliasedTableExpr)
		if !ok {
			return true, nil
		}
		st := scopeTable{alias: a.As.String()}
		if q, ok := a.Expr.(*ast.Subquery); ok {
			for _, c := range rewrite.SelectedNames(q.Select) {
				st.columns = append(st.columns, viewColumn{name: c})
			}
		}
		if t, ok := a.Expr.(ast.TableName); ok {
			full := sc.m.full(t, sc.database)
			if st.alias == "" {
				st.alias = full.Name
			}
			for _, c := range sc.m.s.columnsOf(full.Ast()) {
				st.columns = append(st.columns, viewColumn{name: c.String()})
			}
			if v, err := sc.m.merge(full, ""); err == nil && v != nil {
				for _, c := range v.columns {
					st.columns = append(st.columns, viewColumn{name: c.name})
				}
			}
		}
		out = append(out, st)
		return true, nil
	}, q)
	return out
}

// resolve returns what a name stands for, nil if it stays.
func (sc *viewScope) resolve(n *ast.ColName) ast.Expr {
	for _, t := range sc.tables {
		if !n.Qualifier.Name.IsEmpty() && !syntax.SameName(t.alias, n.Qualifier.Name.String()) {
			continue
		}
		for _, c := range t.columns {
			if syntax.SameName(c.name, n.Name.String()) {
				if col, ok := c.expr.(*ast.ColName); ok {
					same := *col
					return &same
				}
				if c.expr == nil {
					return nil
				}
				return &ast.ParenExpr{Expr: c.expr}
			}
		}
		if !n.Qualifier.Name.IsEmpty() && t.view == nil {
			sc.lacks()
			return nil
		}
	}
	sc.lacks()
	sc.unresolved(n)
	return nil
}

// lacks notes that a view names what is none of its columns.
func (sc *viewScope) lacks() {
	if sc.of != nil {
		sc.of.broken = true
	}
}

// unresolved notes a name that would be one of the base tables of a view of the statement,
// which it must not see.
func (sc *viewScope) unresolved(n *ast.ColName) {
	of := n.Qualifier.Name.String()
	for _, t := range sc.tables {
		if t.view == nil || sc.m.unknown != nil {
			continue
		}
		hidden := of != "" && syntax.SameName(of, t.alias)
		for _, base := range t.view.tables {
			hidden = hidden || of != "" && syntax.SameName(of, base.alias) || of == "" && slices.ContainsFunc(
				sc.m.s.columnsOf(base.name.Ast()), func(c ast.ColIdent) bool { return c.Equal(n.Name) })
		}
		if hidden {
			name := n.Name.String()
			if of != "" {
				name = of + "." + name
			}
			sc.m.unknown = mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in '%s'", name, sc.m.clause)
		}
	}
}

// viewsMax bounds the views of a statement, those within views each time: views that were
// renamed can be defined by each other.
const viewsMax = 256

func errRecursion(t syntax.TableName) error {
	return mysql.NewSQLError(1462, "HY000", "`%s`.`%s` contains view recursion", t.Database, t.Name)
}

func notUpdatable(name, command string) error {
	return mysql.NewSQLError(1288, "HY000", "The target table %s of the %s is not updatable", name, command)
}
