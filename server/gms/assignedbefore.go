package gms

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// assignedBefore makes a column's name in a row of INSERT … VALUES the value that the row has for it so
// far, which the planner does not know there: what is before the name in the row, else the default.
func (s *Session) assignedBefore(ctx *sql.Context, stmt ast.Statement) error {
	ins, ok := stmt.(*ast.Insert)
	if !ok {
		return nil
	}
	rows, ok := ins.Rows.(*ast.AliasedValues)
	if !ok {
		return nil
	}
	var sh *shape
	if err := s.withoutDefaults(ctx, ins, rows); err != nil {
		return err
	}
	for r, row := range rows.Values {
		if len(row) == 0 && len(ins.Columns) == 0 {
			var err error
			if sh, err = s.shapeOf(ctx, ins.Table); err != nil {
				return err
			}
			if sh != nil && slices.ContainsFunc(sh.def.Columns, func(c engine.ColumnDef) bool { return c.DefaultExpr }) {
				for range s.columnsOf(ins.Table) { // the planner knows no columns where it fills in the defaults
					rows.Values[r] = append(rows.Values[r], &ast.Default{})
				}
			}
		}
		values := &rowValues{}
		for i := range row {
			err := syntax.ReplaceNodes(reflect.ValueOf(&row[i]).Elem(), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
				name, ok := n.(*ast.ColName)
				ofDefault := false
				if f, is := n.(*ast.FuncExpr); is && f.Name.EqualString(expr.DefaultMark) && len(f.Exprs) == 1 {
					if x, is := f.Exprs[0].(*ast.AliasedExpr); is {
						name, ok = x.Expr.(*ast.ColName)
						ofDefault = ok
					}
				}
				if _, inner := n.(*ast.Subquery); inner || !ok {
					return nil, !inner, nil
				}
				if q := name.Qualifier.Name.String(); q != "" && !syntax.SameName(q, ins.Table.Name.String()) {
					return nil, false, nil
				}
				if sh == nil {
					var err error
					if sh, err = s.shapeOf(ctx, ins.Table); sh == nil {
						return nil, false, err
					}
				}
				at := sh.def.Column(name.Name.String())
				if at < 0 || sh.def.Columns[at].Hidden {
					return nil, false, nil
				}
				given := slices.IndexFunc(ins.Columns, name.Name.Equal)
				if c := sh.def.Columns[at]; ofDefault {
					if c.DefaultExpr {
						return nil, false, expr.ErrDefaultExpression()
					}
					if given = -1; !c.HasDefault && (!c.Nullable || c.Options[expr.OptNoDefault] != "") {
						return ast.InjectedExpr{Auth: rewrite.Open, Expression: &noDefault{column: c.Name, typ: sh.schema[at].Type, a: value.Assigner{Ignore: ins.Ignore != ""}}}, false, nil
					}
				} else if len(ins.Columns) == 0 {
					given = slices.IndexFunc(s.columnsOf(ins.Table), name.Name.Equal)
				}
				values.read = true
				return ast.InjectedExpr{Auth: rewrite.Open, Expression: &columnSoFar{row: values, at: given, def: &sh.def.Columns[at], typ: sh.schema[at].Type}}, false, nil
			})
			if err != nil {
				return err
			}
		}
		for i, e := range row {
			if _, ok := e.(*ast.Default); values.read && !ok {
				row[i] = ast.InjectedExpr{Auth: rewrite.Open, Expression: &givenValue{row: values, at: i}, Children: ast.Exprs{e}}
			}
		}
	}
	return nil
}

// withoutDefaults leaves out columns that every row gives DEFAULT, where that is an expression, which the
// planner makes of the columns that are named, or where there is none, which it takes for NULL.
func (s *Session) withoutDefaults(ctx *sql.Context, ins *ast.Insert, rows *ast.AliasedValues) error {
	if len(ins.Columns) == 0 && slices.ContainsFunc(rows.Values, func(row ast.ValTuple) bool {
		return slices.ContainsFunc(row, func(e ast.Expr) bool { _, ok := e.(*ast.Default); return ok })
	}) {
		ins.Columns = s.columnsOf(ins.Table)
	}
	for i := len(ins.Columns) - 1; i >= 0; i-- {
		given := func(row ast.ValTuple) bool {
			if len(row) != len(ins.Columns) {
				return true
			}
			d, ok := row[i].(*ast.Default)
			return !ok || d.ColName != ""
		}
		all := !slices.ContainsFunc(rows.Values, given)
		if !all && !slices.ContainsFunc(rows.Values, func(row ast.ValTuple) bool { return !given(row) }) {
			continue
		}
		sh, err := s.shapeOf(ctx, ins.Table)
		if err != nil || sh == nil {
			return err
		}
		at := sh.def.Column(ins.Columns[i].String())
		if at < 0 {
			continue
		}
		if c := sh.def.Columns[at]; !c.DefaultExpr && (c.HasDefault || c.Nullable || c.AutoIncrement || c.Generated != "") {
			continue
		} else if !all {
			for _, row := range rows.Values {
				if !given(row) && !c.DefaultExpr {
					row[i] = ast.InjectedExpr{Auth: rewrite.Open, Expression: &noDefault{column: c.Name, typ: sh.schema[at].Type, a: value.Assigner{Ignore: ins.Ignore != ""}}}
				}
			}
			continue
		}
		ins.Columns = slices.Delete(ins.Columns, i, i+1)
		for r := range rows.Values {
			rows.Values[r] = slices.Delete(rows.Values[r], i, i+1)
		}
	}
	return nil
}

// shapeOf returns the shape of a table, nil if it is none of ours.
func (s *Session) shapeOf(ctx *sql.Context, name ast.TableName) (*shape, error) {
	db := name.DbQualifier.String()
	if db == "" {
		db = s.GetCurrentDatabase()
	}
	def, _, err := s.definition(ctx, syntax.TableName{Database: db, Name: name.Name.String()})
	if err != nil || def == nil {
		return nil, err
	}
	return s.b.shapes.of(ctx, def)
}

// rowValues are what a row of INSERT … VALUES has so far, by place.
type rowValues struct {
	values map[int]any
	read   bool // a name in the row reads them
}

// givenValue is a value of a row, which it notes.
type givenValue struct {
	sql.Expression
	row *rowValues
	at  int
}

// WithResolvedChildren implements ast.Injectable.
func (g *givenValue) WithResolvedChildren(_ context.Context, resolved []any) (any, error) {
	e, ok := resolved[0].(sql.Expression)
	if !ok {
		return nil, fmt.Errorf("gms: %T is no expression", resolved[0])
	}
	return &givenValue{e, g.row, g.at}, nil
}

// WithChildren implements sql.Expression.
func (g *givenValue) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := g.Expression.WithChildren(ctx, children...)
	return &givenValue{e, g.row, g.at}, err
}

// Eval implements sql.Expression.
func (g *givenValue) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := g.Expression.Eval(ctx, r)
	if err == nil {
		if g.at == 0 || g.row.values == nil {
			g.row.values = map[int]any{}
		}
		g.row.values[g.at] = v
	}
	return v, err
}

// columnSoFar is a column's name in a row.
type columnSoFar struct {
	row *rowValues
	at  int // its place in the row, -1: it is not there
	def *engine.ColumnDef
	typ sql.Type
}

var _ sql.Expression = (*columnSoFar)(nil)

// WithResolvedChildren implements ast.Injectable.
func (c *columnSoFar) WithResolvedChildren(context.Context, []any) (any, error) { return c, nil }

// Resolved implements sql.Expression.
func (c *columnSoFar) Resolved() bool { return true }

// String implements sql.Expression.
func (c *columnSoFar) String() string { return c.def.Name }

// Type implements sql.Expression.
func (c *columnSoFar) Type(*sql.Context) sql.Type { return c.typ }

// IsNullable implements sql.Expression.
func (c *columnSoFar) IsNullable(*sql.Context) bool { return c.def.Nullable }

// Children implements sql.Expression.
func (c *columnSoFar) Children() []sql.Expression { return nil }

// WithChildren implements sql.Expression.
func (c *columnSoFar) WithChildren(*sql.Context, ...sql.Expression) (sql.Expression, error) {
	return c, nil
}

// Eval implements sql.Expression.
func (c *columnSoFar) Eval(ctx *sql.Context, _ sql.Row) (any, error) {
	v, ok := c.row.values[c.at]
	switch {
	case !ok:
		var err error
		if v, err = expr.LiteralDefault(ctx, c.def, c.typ); err != nil {
			return nil, err
		}
	case v != nil:
		if s, ok := ctx.Session.(*Session); ok {
			s.quiet++ // the assignment says what is wrong with the value
			defer func() { s.quiet-- }()
		}
		a := value.Assigner{Ignore: true}
		v, _ = a.Assign(ctx, c.def.Name, c.typ, v)
		if span, ok := v.(types.Timespan); ok {
			v = columnSpan(ctx, span, expr.Precision(c.def))
		}
	}
	if v == nil && !c.def.Nullable {
		return c.typ.Zero(), nil
	}
	return v, nil
}

// noDefault is DEFAULT of a column that has none: an error, but of an ENUM.
type noDefault struct {
	column string
	typ    sql.Type
	a      value.Assigner
	null   bool // the column may be NULL: it is where that is no error, of an ENUM too
}

// hasNoDefault reports whether a column may be NULL and its default was dropped.
func hasNoDefault(c *sql.Column) bool {
	if c.Default == nil {
		return false
	}
	d, ok := c.Default.Expr.(*noDefault)
	return ok && d.null
}

var _ sql.Expression = (*noDefault)(nil)

// WithResolvedChildren implements ast.Injectable.
func (d *noDefault) WithResolvedChildren(context.Context, []any) (any, error) { return d, nil }

// Resolved implements sql.Expression.
func (d *noDefault) Resolved() bool { return true }

// String implements sql.Expression.
func (d *noDefault) String() string { return "default" }

// Type implements sql.Expression.
func (d *noDefault) Type(*sql.Context) sql.Type { return d.typ }

// IsNullable implements sql.Expression.
func (d *noDefault) IsNullable(*sql.Context) bool { return d.null }

// Children implements sql.Expression.
func (d *noDefault) Children() []sql.Expression { return nil }

// WithChildren implements sql.Expression.
func (d *noDefault) WithChildren(*sql.Context, ...sql.Expression) (sql.Expression, error) {
	return d, nil
}

// Eval implements sql.Expression.
func (d *noDefault) Eval(ctx *sql.Context, _ sql.Row) (any, error) {
	if d.null { // it is the definition's, which other sessions have too
		s, err := sessionOf(ctx)
		if err != nil {
			return nil, err
		}
		ins, _ := s.current().(*ast.Insert)
		if a := (value.Assigner{Ignore: ins != nil && ins.Ignore != ""}); d.typ.Type() == sqltypes.Enum {
			return nil, nil
		} else if a.Lenient(ctx) {
			a.Null(ctx, d.column, d.typ, true)
			return nil, nil
		}
	}
	if d.typ.Type() != sqltypes.Enum && !d.a.Lenient(ctx) {
		return nil, mysql.NewSQLError(1364, "HY000", "Field '%s' doesn't have a default value", d.column)
	}
	return d.a.Null(ctx, d.column, d.typ, true), nil
}
