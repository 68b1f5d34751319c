package gms

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// upsert gives the rows of an INSERT … SELECT … ON DUPLICATE KEY UPDATE c = VALUES(c) the names of
// the columns that they are for: the planner knows only those of VALUES lists by them. Columns of the
// SELECT's tables in the list are carried beside the row.
func (s *Session) upsert(ctx *sql.Context, stmt ast.Statement) error {
	ins, ok := stmt.(*ast.Insert)
	if !ok {
		return nil
	}
	if err := s.generatedDefaults(ins); err != nil {
		return err
	}
	if len(ins.OnDup) == 0 {
		return nil
	}
	s.plainValues(ins)
	if list, ok := ins.Rows.(*ast.AliasedValues); ok && len(list.Values) > 0 && len(list.Values[0]) > 0 &&
		slices.ContainsFunc(ins.OnDup, func(e *ast.AssignmentExpr) bool { return hasSubquery(e.Expr) }) {
		if v, ok := list.Values[0][0].(*ast.SQLVal); ok {
			list.Values[0][0] = &ast.ParenExpr{Expr: v} // the planner looks for no subqueries where all rows are literals
		}
	}
	rows, ok := ins.Rows.(ast.SelectStatement)
	if !ok {
		return nil
	}
	columns := slices.Clone(ins.Columns)
	if len(columns) == 0 {
		columns = s.columnsOf(ins.Table)
	}
	if len(columns) == 0 {
		return nil
	}
	if err := s.insertedValues(ctx, ins, columns); err != nil {
		return err
	}
	var beside *ast.InjectedExpr
	if s.b.mysql {
		var err error
		if beside, err = s.carryColumns(ins, rows); err != nil {
			return err
		}
	}
	if sel, ok := rows.(*ast.Select); ok && (len(sel.GroupBy) > 0 || sel.QueryOpts.Distinct) {
		s.ownColumns(ins, sel)
	}
	if beside == nil && !usesValues(ins.OnDup) {
		return nil
	}
	named := ast.SelectExprs{&ast.StarExpr{}}
	if beside != nil {
		named = nil
		for _, c := range columns {
			named = append(named, &ast.AliasedExpr{Expr: &ast.ColName{Name: c}})
		}
		for i := range beside.Children {
			name := ast.NewColIdent(fmt.Sprintf("%s_%d", rewrite.NewRow, i))
			columns, beside.Children[i] = append(columns, name), &ast.ColName{Name: name}
		}
		first := named[0].(*ast.AliasedExpr)
		beside.Children = append(ast.Exprs{first.Expr}, beside.Children...)
		first.Expr = *beside
	}
	ins.Rows = &ast.Select{
		SelectExprs: named,
		From: ast.TableExprs{&ast.AliasedTableExpr{
			Auth: rewrite.Open, As: ast.NewTableIdent(rewrite.NewRow), Expr: &ast.Subquery{Select: rows, Columns: columns},
		}},
	}
	return nil
}

// insertedValues makes VALUES(c) the column of the row that is inserted, as BEFORE triggers leave it. In a subquery the planner finds
// those that the rows have; of the others it is the default.
func (s *Session) insertedValues(ctx *sql.Context, ins *ast.Insert, columns ast.Columns) error {
	for _, e := range ins.OnDup {
		if err := s.insertedIn(ctx, reflect.ValueOf(&e.Expr).Elem(), ins.Table, columns, false); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) insertedIn(ctx *sql.Context, v reflect.Value, table ast.TableName, columns ast.Columns, within bool) error {
	return syntax.ReplaceNodes(v, func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return nil, false, s.insertedIn(ctx, reflect.ValueOf(n), table, columns, true)
		case *ast.ValuesFuncExpr:
			if within && slices.ContainsFunc(columns, n.Name.Name.Equal) {
				return nil, false, nil
			}
			sh, err := s.shapeOf(ctx, table)
			if err != nil || sh == nil {
				return nil, false, err
			}
			at := sh.def.Column(n.Name.Name.String())
			if at < 0 || sh.def.Columns[at].Hidden {
				return nil, false, nil
			}
			def := &sh.def.Columns[at]
			if within {
				return ast.InjectedExpr{Auth: rewrite.Open, Expression: &columnSoFar{row: &rowValues{}, at: -1, def: def, typ: sh.schema[at].Type}}, false, nil
			}
			return ast.InjectedExpr{Auth: rewrite.Open, Expression: &insertedValue{len(sh.schema) - at, def, sh.schema[at].Type}}, false, nil
		}
		return nil, true, nil
	})
}

// insertedValue is a column of the row that an INSERT … ON DUPLICATE KEY UPDATE was to insert, which is behind the one that there is.
type insertedValue struct {
	fromEnd int
	def     *engine.ColumnDef
	typ     sql.Type
}

var (
	_ sql.Expression         = (*insertedValue)(nil)
	_ sql.CollationCoercible = (*insertedValue)(nil)
	_ expr.Defined           = (*insertedValue)(nil)
)

// WithResolvedChildren implements ast.Injectable.
func (v *insertedValue) WithResolvedChildren(context.Context, []any) (any, error) { return v, nil }

// Definition implements expr.Defined.
func (v *insertedValue) Definition() *engine.ColumnDef { return v.def }

// Resolved implements sql.Expression.
func (v *insertedValue) Resolved() bool { return true }

// String implements sql.Expression.
func (v *insertedValue) String() string { return "values(" + v.def.Name + ")" }

// Type implements sql.Expression.
func (v *insertedValue) Type(*sql.Context) sql.Type { return v.typ }

// IsNullable implements sql.Expression.
func (v *insertedValue) IsNullable(*sql.Context) bool { return v.def.Nullable }

// Children implements sql.Expression.
func (v *insertedValue) Children() []sql.Expression { return nil }

// WithChildren implements sql.Expression.
func (v *insertedValue) WithChildren(*sql.Context, ...sql.Expression) (sql.Expression, error) {
	return v, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (v *insertedValue) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	if t, ok := v.typ.(sql.TypeWithCollation); ok {
		return t.Collation(), 2
	}
	return sql.Collation_binary, 5
}

// Eval implements sql.Expression.
func (v *insertedValue) Eval(_ *sql.Context, r sql.Row) (any, error) { return r[len(r)-v.fromEnd], nil }

// plainValues takes the name of the table that is written out of VALUES(t.c), which the planner takes for what t has.
func (s *Session) plainValues(ins *ast.Insert) {
	written := fullName(ins.Table, s.GetCurrentDatabase())
	for _, e := range ins.OnDup {
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			if v, ok := n.(*ast.ValuesFuncExpr); ok && fullName(v.Name.Qualifier, written.Database) == written {
				v.Name = &ast.ColName{Name: v.Name.Name}
			}
			return true, nil
		}, e.Expr)
	}
}

func generatedValue(column, table string) error {
	return mysql.NewSQLError(3105, "HY000", "The value specified for generated column '%s' in table '%s' is not allowed.", column, table)
}

// generatedTargets returns the error of an UPDATE of a join that sets a generated column. The planner takes a column of a join
// for the first of its name among the tables, and panics.
func (s *Session) generatedTargets(stmt ast.Statement) error {
	u, ok := stmt.(*ast.Update)
	if !ok || len(u.TableExprs) == 0 {
		return nil
	}
	if _, one := u.TableExprs[0].(*ast.AliasedTableExpr); one && len(u.TableExprs) == 1 {
		return nil // the planner's own
	}
	type target struct {
		alias string
		def   *engine.TableDef
	}
	var tables []target
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.AliasedTableExpr:
			if name, ok := n.Expr.(ast.TableName); ok {
				if def := s.tableNamed(name); def != nil {
					tables = append(tables, target{cmp.Or(n.As.String(), name.Name.String()), def})
				}
			}
		}
		return true, nil
	}, u.TableExprs)
	for _, e := range u.Exprs {
		if _, ok := e.Expr.(*ast.Default); ok {
			continue
		}
		before := false // a generated column of the name
		for _, t := range tables {
			at, q := t.def.Column(e.Name.Name.String()), e.Name.Qualifier.Name.String()
			if at < 0 || t.def.Columns[at].Hidden {
				continue
			}
			switch generated := t.def.Columns[at].Generated != ""; {
			case q != "" && !syntax.SameName(q, t.alias):
				before = before || generated
				continue
			case generated:
				return sql.ErrGeneratedColumnValue.New(t.def.Columns[at].Name, t.def.Name)
			case before:
				return value.ErrNotSupported("UPDATE of a column with the name of another table's generated column")
			}
			break
		}
	}
	return nil
}

// generatedDefaults takes DEFAULT of generated columns out of the rows of an INSERT, and gives rows without values the DEFAULT of
// another column: the planner computes generated columns of rows that have others. It returns the error of a generated column
// that ON DUPLICATE KEY UPDATE sets, of which the planner panics.
func (s *Session) generatedDefaults(ins *ast.Insert) error {
	list, ok := ins.Rows.(*ast.AliasedValues)
	defaults := func(at int) bool {
		return !slices.ContainsFunc(list.Values, func(r ast.ValTuple) bool {
			if at >= len(r) {
				return true
			}
			_, is := r[at].(*ast.Default)
			return !is
		})
	}
	some := ok && slices.ContainsFunc(list.Values, func(r ast.ValTuple) bool {
		return len(r) == 0 || slices.ContainsFunc(r, func(e ast.Expr) bool { _, is := e.(*ast.Default); return is })
	})
	if !some && len(ins.OnDup) == 0 {
		return nil
	}
	def := s.tableNamed(ins.Table)
	if def == nil || !slices.ContainsFunc(def.Columns, func(c engine.ColumnDef) bool { return c.Generated != "" && c.Options[optSystem] == "" }) {
		return nil
	}
	generated := func(name ast.ColIdent) bool {
		at := def.Column(name.String())
		return at >= 0 && def.Columns[at].Generated != ""
	}
	for _, e := range ins.OnDup {
		if _, is := e.Expr.(*ast.Default); !is && generated(e.Name.Name) {
			return generatedValue(e.Name.Name.String(), def.Name)
		}
	}
	if !some {
		return nil
	}
	for at := len(ins.Columns) - 1; at >= 0; at-- {
		if !generated(ins.Columns[at]) {
			continue
		}
		if !defaults(at) {
			return generatedValue(ins.Columns[at].String(), def.Name)
		}
		ins.Columns = slices.Delete(slices.Clone(ins.Columns), at, at+1)
		for i, r := range list.Values {
			list.Values[i] = slices.Delete(slices.Clone(r), at, at+1)
		}
	}
	if len(ins.Columns) > 0 || slices.ContainsFunc(list.Values, func(r ast.ValTuple) bool { return len(r) > 0 }) {
		return nil
	}
	at := slices.IndexFunc(def.Columns, func(c engine.ColumnDef) bool {
		return c.Generated == "" && c.Name != engine.RowIDColumn && (c.HasDefault || c.Nullable || c.AutoIncrement)
	})
	if at < 0 {
		at = slices.IndexFunc(def.Columns, func(c engine.ColumnDef) bool { return c.Generated == "" && c.Name != engine.RowIDColumn })
	}
	if at >= 0 {
		ins.Columns = ast.Columns{ast.NewColIdent(def.Columns[at].Name)}
		for i := range list.Values {
			list.Values[i] = ast.ValTuple{&ast.Default{}}
		}
	}
	return nil
}

// ownColumns gives the columns in an ON DUPLICATE KEY UPDATE behind a grouped or DISTINCT query the name of the table that is
// written: those of the query's tables are not known there.
func (s *Session) ownColumns(ins *ast.Insert, sel *ast.Select) {
	from := fromTables{columns: map[string]ast.Columns{}}
	s.tablesOf(sel.From, &from)
	own := s.columnsOf(ins.Table)
	if _, itself := from.columns[strings.ToLower(ins.Table.Name.String())]; itself {
		return
	}
	for _, e := range ins.OnDup {
		_ = syntax.ReplaceNodes(reflect.ValueOf(&e.Expr).Elem(), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			switch n := n.(type) {
			case *ast.ValuesFuncExpr, *ast.Subquery:
				return nil, false, nil
			case *ast.ColName:
				if n.Qualifier.IsEmpty() && slices.ContainsFunc(own, n.Name.Equal) {
					return rewrite.ColumnOf(ins.Table.Name.String(), n.Name.String()), false, nil
				}
			}
			return nil, true, nil
		})
	}
}

// usesValues reports whether VALUES(column) is in the list of an ON DUPLICATE KEY UPDATE.
func usesValues(list ast.OnDup) bool {
	found := false
	for _, e := range list {
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			if _, ok := n.(*ast.ValuesFuncExpr); ok {
				found = true
			}
			return !found, nil
		}, e.Expr)
	}
	return found
}

// rewrite.ColumnsOf returns the visible columns of a table, nil if it is none of ours.
func (s *Session) columnsOf(name ast.TableName) ast.Columns {
	def := s.tableNamed(name)
	if def == nil {
		return nil
	}
	return visibleOf(def)
}

// tableNamed returns the definition of a table, nil if there is none.
func (s *Session) tableNamed(name ast.TableName) *engine.TableDef {
	db := name.DbQualifier.String()
	if db == "" {
		db = s.GetCurrentDatabase()
	}
	def := s.temporary(db, name.Name.String())
	if def == nil {
		cat, err := s.b.db.CatalogAt(context.Background(), 0)
		if err != nil {
			return nil
		}
		def = cat.Table(db, name.Name.String())
	}
	return def
}
