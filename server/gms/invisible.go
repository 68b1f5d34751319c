package gms

import (
	"maps"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// The grammar reads INVISIBLE at a column and forgets it, and has no VISIBLE there. Both are taken out of the text
// and read from it again when the statement is executed. Where a column that is not visible is left out, the
// columns are named: to the planner `*` and an INSERT without a list are all of them.

// noteVisible completes what a statement says of columns that are not visible.
func (s *Session) noteVisible(ctx *sql.Context, query string, stmt ast.Statement) error {
	switch stmt.(type) {
	case *ast.DDL, *ast.AlterTable:
		s.deprecated = append(s.deprecated, rewrite.Deprecations(stmt)...)
		if err := s.noteOptions(ctx, query, stmt); err != nil {
			return err
		}
		s.visibilities = rewrite.Visibilities(query)
		s.noteColumns(stmt)
		if err := s.invisibleKey(ctx, stmt); err != nil {
			return err
		}
	}
	return s.visibleColumns(ctx, stmt, strings.Contains(query, "*") || syntax.ContainsFold(query, "table"))
}

// forgetDefinition forgets what the last definition said of columns and options if the client's statement is none: it
// may be one that calls a program with definitions.
func (s *Session) forgetDefinition() {
	switch s.locks.stmt.(type) {
	case *ast.DDL, *ast.AlterTable:
	default:
		s.visibilities, s.tableOptions, s.columnNotes = nil, nil, nil
	}
}

// noteColumns remembers which columns a definition defines, and those of them that it gives a character set.
func (s *Session) noteColumns(stmt ast.Statement) {
	s.columnNotes = map[string][]string{}
	_, clauses := rewrite.Altered(stmt)
	for _, d := range clauses {
		if d.TableSpec == nil {
			continue
		}
		for _, c := range d.TableSpec.Columns {
			name := strings.TrimPrefix(c.Name.Lowered(), takenName)
			national := strings.HasPrefix(strings.ToLower(c.Type.Type), "national") || strings.HasPrefix(strings.ToLower(c.Type.Type), "nchar") ||
				strings.EqualFold(c.Type.Type, "nvarchar")
			if s.columnNotes[name] = nil; national || c.Type.Charset != "" || c.Type.Collate != "" {
				s.columnNotes[name] = []string{optCharset}
			}
		}
	}
}

// setShownCharset notes that a column's definition has a character set if the one that it had before had, and the running statement
// does not define it.
func setShownCharset(ctx *sql.Context, c, was *engine.ColumnDef) {
	s, err := sessionOf(ctx)
	if err != nil || was.Options[optCharset] == "" || was.Options[optCollation] != c.Options[optCollation] {
		return
	}
	if _, defined := s.optionsIn(c.Name); !defined {
		c.Options[optCharset] = "1"
	}
}

// optionsIn are the options that the running statement gives a column. Returns false if it does not define the column.
func (s *Session) optionsIn(name string) ([]string, bool) {
	out, ok := s.columnNotes[strings.TrimPrefix(strings.ToLower(name), takenName)]
	return out, ok
}

// hides reports whether the running statement makes a column of the name one that is not visible.
func (s *Session) hides(name string) bool {
	name = strings.TrimPrefix(name, takenName)
	return slices.ContainsFunc(s.visibilities, func(v rewrite.Visibility) bool { return !v.Alters && v.Hidden && syntax.SameName(v.Column, name) })
}

// dropDefault executes ALTER COLUMN … DROP DEFAULT, and SET VISIBLE and INVISIBLE, which are one to the planner. Returns nil for
// a column that the table has by no such name.
func (s *Session) dropDefault(ctx *sql.Context, n *plan.AlterDefaultDrop) (sql.RowIter, error) {
	at := slices.IndexFunc(s.visibilities, func(v rewrite.Visibility) bool { return v.Alters && syntax.SameName(v.Column, n.ColumnName) })
	t := tableOf(n.Table)
	if t == nil || at < 0 && !s.b.mysql || t.live(ctx).def.Column(n.ColumnName) < 0 {
		return nil, nil
	}
	err := t.alter(ctx, func(def *engine.TableDef) error {
		c := &def.Columns[def.Column(n.ColumnName)]
		if c.Options = maps.Clone(c.Options); c.Options == nil {
			c.Options = map[string]string{}
		}
		option, set := expr.OptNoDefault, c.Nullable
		if at >= 0 {
			option, set = optHidden, s.visibilities[at].Hidden
		} else {
			c.HasDefault, c.Default, c.DefaultExpr = false, "", false
		}
		if delete(c.Options, option); set {
			c.Options[option] = "1"
		}
		return nil
	})
	return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), err
}

// someVisible returns 4028 for a table without a visible column.
func someVisible(def *engine.TableDef) error {
	if slices.ContainsFunc(def.Columns, isVisible) {
		return nil
	}
	return mysql.NewSQLError(4028, "HY000", "A table must have at least one visible column.")
}

// isVisible reports whether `*` has the column.
func isVisible(c engine.ColumnDef) bool { return !c.Hidden && c.Options[optHidden] == "" }

// visibleColumns names the columns of tables that have ones which are not visible, where a statement means those that
// are: `*`, t.*, and an INSERT without a list. A `*` of a NATURAL JOIN or USING stays.
// stars: the text has one, or may be TABLE t; else its values are not looked at.
func (s *Session) visibleColumns(ctx *sql.Context, stmt ast.Statement, stars bool) error {
	if _, insert := stmt.(*ast.Insert); !stars && !insert {
		return nil
	}
	ctes := map[string]bool{}
	with := func(w *ast.With) {
		if w == nil {
			return
		}
		for _, c := range w.Ctes {
			ctes[strings.ToLower(c.As.String())] = true
		}
	}
	var visit ast.Visit
	visit = func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Update:
			with(n.With)
		case *ast.Delete:
			with(n.With)
		case *ast.SetOp:
			with(n.With)
		case *ast.Insert:
			with(n.With)
			if rows, ok := n.Rows.(*ast.AliasedValues); ok && slices.ContainsFunc(rows.Values, func(v ast.ValTuple) bool { return len(v) == 0 }) {
				break
			}
			if len(n.Columns) == 0 {
				var err error
				if n.Columns, err = s.columnsIfHidden(ctx, n.Table); err != nil {
					return false, err
				}
			}
			return stars, nil
		case *ast.Select:
			with(n.With)
			if slices.ContainsFunc(n.SelectExprs, func(e ast.SelectExpr) bool { _, star := e.(*ast.StarExpr); return star }) {
				return true, s.visibleStars(ctx, n, ctes)
			}
		}
		return true, nil
	}
	return syntax.Walk(visit, stmt)
}

// columnsIfHidden returns the visible columns of a table that has others as well, else nil.
func (s *Session) columnsIfHidden(ctx *sql.Context, t ast.TableName) (out ast.Columns, err error) {
	def, _, err := s.definition(ctx, fullName(t, ctx.GetCurrentDatabase()))
	if def == nil || err != nil || !slices.ContainsFunc(def.Columns, func(c engine.ColumnDef) bool { return c.Options[optHidden] != "" }) {
		return nil, err
	}
	return visibleOf(def), nil
}

// visibleOf returns the columns that `*` has.
func visibleOf(def *engine.TableDef) (out ast.Columns) {
	for _, c := range def.Columns {
		if isVisible(c) {
			out = append(out, ast.NewColIdent(c.Name))
		}
	}
	return out
}

// visibleStars replaces the stars of a SELECT.
func (s *Session) visibleStars(ctx *sql.Context, n *ast.Select, ctes map[string]bool) error {
	var tables []rewrite.StarTable
	some, whole := false, true // a table has columns that are not visible; the tables stand one beside the other
	var add func(e ast.TableExpr) error
	add = func(e ast.TableExpr) error {
		switch e := e.(type) {
		case *ast.AliasedTableExpr:
			t := rewrite.StarTable{Name: ast.TableName{Name: e.As}}
			if name, ok := e.Expr.(ast.TableName); ok {
				if e.As.IsEmpty() {
					t.Name = name
				}
				if !name.DbQualifier.IsEmpty() || !ctes[strings.ToLower(name.Name.String())] {
					var err error
					if t.Columns, err = s.columnsIfHidden(ctx, name); err != nil {
						return err
					}
				}
			}
			some = some || t.Columns != nil
			tables = append(tables, t)
		case *ast.ParenTableExpr:
			for _, e := range e.Exprs {
				if err := add(e); err != nil {
					return err
				}
			}
		case *ast.JoinTableExpr:
			whole = whole && len(e.Condition.Using) == 0 && !strings.HasPrefix(e.Join, "natural")
			if err := add(e.LeftExpr); err != nil {
				return err
			}
			return add(e.RightExpr)
		case *ast.JSONTableExpr:
			tables = append(tables, rewrite.StarTable{Name: ast.TableName{Name: e.Alias}})
		default:
			whole = false
		}
		return nil
	}
	for _, e := range n.From {
		if err := add(e); err != nil {
			return err
		}
	}
	if !some {
		return nil
	}
	var list ast.SelectExprs
	for _, e := range n.SelectExprs {
		star, ok := e.(*ast.StarExpr)
		if !ok || star.TableName.IsEmpty() && !whole {
			list = append(list, e)
			continue
		}
		for _, t := range tables {
			if !star.TableName.IsEmpty() && !syntax.SameName(star.TableName.Name.String(), t.Name.Name.String()) {
				continue
			}
			if t.Columns == nil {
				list = append(list, &ast.StarExpr{TableName: t.Name})
			}
			for _, c := range t.Columns {
				list = append(list, &ast.AliasedExpr{Expr: &ast.ColName{Name: c, Qualifier: t.Name}})
			}
		}
	}
	n.SelectExprs = list
	return nil
}

// invisibleKey gives a table that is created without a primary key one that is not visible, if
// sql_generate_invisible_primary_key is on.
func (s *Session) invisibleKey(ctx *sql.Context, stmt ast.Statement) error {
	d, ok := stmt.(*ast.DDL)
	if !ok || d.Action != ast.CreateStr || d.TableSpec == nil && d.OptSelect == nil || !s.boolVariable(ctx, "sql_generate_invisible_primary_key") {
		return nil
	}
	spec := d.TableSpec
	if spec == nil {
		spec = &ast.TableSpec{}
	}
	if slices.ContainsFunc(spec.Indexes, func(ix *ast.IndexDefinition) bool { return ix.Info.Primary }) ||
		slices.ContainsFunc(spec.Columns, func(c *ast.ColumnDefinition) bool { return c.Type.KeyOpt == rewrite.ColumnIsPrimary }) {
		return nil
	}
	for _, c := range spec.Columns {
		if syntax.SameName(c.Name.String(), rewrite.GeneratedKey) {
			return mysql.NewSQLError(4108, "HY000", "Failed to generate invisible primary key. Column '%s' already exists.", rewrite.GeneratedKey)
		}
		if c.Type.Autoincrement {
			return mysql.NewSQLError(4109, "HY000", "Failed to generate invisible primary key. Auto-increment column already exists.")
		}
	}
	spec.Columns = slices.Insert(spec.Columns, 0, &ast.ColumnDefinition{Name: ast.NewColIdent(rewrite.GeneratedKey), Type: ast.ColumnType{
		Type: "bigint", Unsigned: true, NotNull: true, Autoincrement: true, KeyOpt: rewrite.ColumnIsPrimary,
	}})
	d.TableSpec = spec
	s.visibilities = append(s.visibilities, rewrite.Visibility{Column: rewrite.GeneratedKey, Hidden: true})
	return nil
}
