package gms

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
)

// rewrite.CreateSelect runs a CREATE TABLE … SELECT. The columns that are only defined come first, then
// the query's with the definitions that they have; the planner writes the query's columns to
// the table's in their order.
func (b *builder) createSelect(ctx *sql.Context, s *Session, create *plan.CreateTable, n *plan.TableCopier, r sql.Row) (sql.RowIter, error) {
	source := n.Source.Schema(ctx)
	create, err := selectedLast(create, source)
	if err != nil {
		return nil, err
	}
	if err := knownKeyColumns(s.current(), create); err != nil {
		return nil, err
	}
	db := n.Database()
	if there, err := s.alreadyThere(ctx, create); there || err != nil {
		return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), err
	}
	if _, err := b.base.Build(ctx, create, r); err != nil {
		return nil, err
	}
	table, ok, err := db.GetTableInsensitive(ctx, create.Name())
	if err != nil || !ok {
		return nil, errors.Join(err, sql.ErrTableNotFound.New(create.Name()))
	}
	schema := create.PkSchema().Schema
	values := make([]sql.Expression, len(schema))
	generates := -1
	for i, c := range schema {
		if at := source.IndexOfColName(c.Name); at >= 0 {
			values[i] = expression.NewGetField(at, source[at].Type, c.Name, true) // the table says what may be NULL
		} else if c.Default != nil {
			values[i] = c.Default
		} else if c.Generated == nil {
			values[i] = expression.NewLiteral(nil, c.Type)
		} else if values[i], _, err = transform.Expr(ctx, c.Generated, columnsByName(schema)); err != nil {
			return nil, err
		}
		if c.AutoIncrement {
			if values[i], err = expression.NewAutoIncrement(ctx, table, values[i]); err != nil {
				return nil, err
			}
			generates = 0
		}
	}
	query := rewrite.CreateSelect(ctx.Query()) // which is as it was sent if it was prepared
	replaces, ignores := strings.Contains(query, rewrite.DuplicateMarks["replace"]), strings.Contains(query, rewrite.DuplicateMarks["ignore"])
	insert := plan.NewInsertInto(db, plan.NewResolvedTable(table, db, nil), plan.NewProject(ctx, values, n.Source), replaces, nil, nil, ignores)
	return b.base.Build(ctx, insert.WithAutoIncrementIdx(generates), r)
}

// knownKeyColumns checks that the keys of a CREATE TABLE … SELECT are of columns that the table has.
func knownKeyColumns(stmt ast.Statement, create *plan.CreateTable) error {
	d, ok := stmt.(*ast.DDL)
	if !ok || d.TableSpec == nil {
		return nil
	}
	for _, ix := range d.TableSpec.Indexes {
		for _, f := range ix.Fields {
			if f.Expression == nil && create.PkSchema().IndexOfColName(f.Column.String()) < 0 {
				return sql.ErrKeyColumnDoesNotExist.New(f.Column.String())
			}
		}
	}
	return nil
}

// columnsByName has an expression read the columns where a schema has them.
func columnsByName(schema sql.Schema) transform.ExprFunc {
	return func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		if f, ok := e.(*expression.GetField); ok {
			if at := schema.IndexOfColName(f.Name()); at >= 0 {
				return f.WithIndex(at), transform.NewTree, nil
			}
		}
		return e, transform.SameTree, nil
	}
}

// createdTypes gives the columns of a CREATE TABLE … SELECT that it does not define MySQL's types.
func createdTypes(ctx *sql.Context, to *plan.CreateTable, query sql.Node) {
	s, ok := ctx.Session.(*Session)
	if !ok || !s.b.mysql {
		return
	}
	stmt, ok := s.current().(*ast.DDL)
	if !ok || stmt.OptSelect == nil {
		return
	}
	for at, c := range query.Schema(ctx) {
		schema := to.PkSchema().Schema
		i := schema.IndexOfColName(c.Name)
		if i < 0 || stmt.TableSpec != nil && slices.ContainsFunc(stmt.TableSpec.Columns, func(d *ast.ColumnDefinition) bool {
			return d.Name.EqualString(c.Name)
		}) {
			continue
		}
		as := expr.CreatedColumn(ctx, query, at)
		as.Nullable = as.Nullable && !schema[i].PrimaryKey
		as.Column(ctx, schema[i])
		if types.IsTimespan(as.Typ) && s.precisions != nil {
			s.precisions[strings.ToLower(c.Name)] = strconv.Itoa(as.MomentDigits())
		}
		if as.Field && as.Format != "" && s.formats != nil {
			s.formats[strings.ToLower(c.Name)] = as.Format
		}
	}
}

// selectedColumns returns a CREATE TABLE … SELECT whose columns have the names that the query has for them, as have those of its keys: the
// planner compares them by letters' cases. It gets the query's columns too, with their defaults, which the planner reads only where there is no
// other column.
func (s *Session) selectedColumns(ctx *sql.Context, create *plan.CreateTable) *plan.CreateTable {
	named := func(schema sql.Schema, name string) string {
		if at := schema.IndexOfColName(name); at >= 0 {
			return schema[at].Name
		}
		return name
	}
	query, pk := create.Select().Schema(ctx), create.PkSchema()
	schema := pk.Schema
	for _, c := range schema {
		c.Name = named(query, c.Name)
	}
	for _, ix := range create.Indexes() {
		for i, c := range ix.Columns {
			ix.Columns[i].Name = named(query, named(schema, c.Name))
		}
	}
	if len(schema) == 0 {
		return create
	}
	for _, c := range query {
		if schema.IndexOfColName(c.Name) < 0 {
			schema = append(schema, &sql.Column{Name: c.Name, Type: c.Type, Nullable: c.Nullable, Default: c.Default, Source: create.Name()})
		}
	}
	schema = planbuilder.New(ctx, s.b.catalog, nil).ResolveSchemaDefaults(create.Db.Name(), create.Name(), schema)
	return plan.NewCreateTableSelect(create.Db, create.Name(), create.IfNotExists(), create.Temporary(), create.Select(), &plan.TableSpec{
		Schema: sql.NewPrimaryKeySchema(schema, pk.PkOrdinals...), IdxDefs: create.Indexes(), FkDefs: create.ForeignKeys(), ChDefs: create.Checks(),
		Collation: create.Collation, TableOpts: create.TableOpts,
	})
}

// keepTableOptions has a CREATE TABLE … SELECT keep its table's options, which the planner drops, and
// make columns of MySQL's types.
func keepTableOptions(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "resolveCreateSelect", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		from, ok := n.(*plan.CreateTable)
		if s, served := ctx.Session.(*Session); served && s.b.mysql && ok && from.Select() != nil {
			n = s.selectedColumns(ctx, from)
		}
		out, same, err := rule(ctx, n, f)
		if ok && err == nil {
			if copier, ok := out.(*plan.TableCopier); ok {
				if to, ok := copier.Destination.(*plan.CreateTable); ok {
					to.TableOpts = from.TableOpts
					createdTypes(ctx, to, copier.Source)
				}
			}
		}
		return out, same, err
	})
}

// selectedLast returns a CREATE TABLE with the columns of a query behind the others.
func selectedLast(create *plan.CreateTable, source sql.Schema) (*plan.CreateTable, error) {
	was := create.PkSchema()
	var schema sql.Schema
	for _, c := range was.Schema {
		if source.IndexOfColName(c.Name) < 0 {
			schema = append(schema, c)
		}
	}
	for _, c := range source {
		at := was.Schema.IndexOfColName(c.Name)
		if at < 0 || schema.IndexOfColName(c.Name) >= 0 {
			return nil, sql.ErrDuplicateColumn.New(c.Name)
		}
		schema = append(schema, was.Schema[at])
	}
	keys := make([]int, len(was.PkOrdinals))
	for i, at := range was.PkOrdinals {
		keys[i] = schema.IndexOfColName(was.Schema[at].Name)
	}
	return plan.NewCreateTable(create.Database(), create.Name(), create.IfNotExists(), create.Temporary(), &plan.TableSpec{
		Schema: sql.NewPrimaryKeySchema(schema, keys...), IdxDefs: create.Indexes(), FkDefs: create.ForeignKeys(),
		ChDefs: create.Checks(), Collation: create.Collation, TableOpts: create.TableOpts,
	}), nil
}
