package gms

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/syntax"
	"sextant/server/protocol"
)

// Flags of columns that the library does not name.
const (
	multipleKeyFlag = 8
	noDefaultFlag   = 4096
	onUpdateFlag    = 8192
)

// tablesByName returns the tables of a plan by the names, in lower case, that they have in it.
func tablesByName(n sql.Node) map[string]*Table {
	tables := map[string]*Table{}
	transform.Inspect(n, func(n sql.Node) bool {
		x, named := n.(sql.NameableNode)
		if t := tableOf(n); t != nil && named {
			tables[strings.ToLower(x.Name())] = t
			return false
		}
		return true
	})
	return tables
}

// derivedByName returns the derived tables and views of a plan by their names in lower case.
func derivedByName(n sql.Node) map[string]*plan.SubqueryAlias {
	var derived map[string]*plan.SubqueryAlias
	transform.Inspect(n, func(n sql.Node) bool {
		d, ok := n.(*plan.SubqueryAlias)
		if ok {
			if derived == nil {
				derived = map[string]*plan.SubqueryAlias{}
			}
			derived[strings.ToLower(d.Name())] = d
		}
		return !ok
	})
	return derived
}

// ofDerived makes a derived table's column that is no table's what MySQL's is: in one that is merged an expression, in one that is
// stored an INT if that has room for it.
func ofDerived(ctx *sql.Context, d *plan.SubqueryAlias, c *sql.Column, col *protocol.Column) {
	at := d.Schema(ctx).IndexOf(col.OrgName, col.Table)
	if at < 0 {
		return
	}
	made := expr.CreatedColumn(ctx, d.Child, at)
	switch {
	case made.Field:
	case planrule.Merges(d.Child) || types.IsTextOnly(c.Type):
		computed(ctx, c.Type, planrule.MadeOf(d.Child, at), col)
	case types.IsInteger(c.Type) && types.IsInteger(made.Typ):
		typ, _ := sqltypes.TypeToMySQL(made.Typ.Type())
		col.Type, col.Length = byte(typ), made.Typ.MaxTextResponseByteLength(ctx)
	}
}

// addOrigins sets what a result's columns are columns of. The planner's schema has names
// as the statement gives them.
func addOrigins(ctx *sql.Context, n sql.Node, schema sql.Schema, out []protocol.Column) {
	if n == nil {
		return
	}
	exprs := projections(n)
	if exprs != nil && len(exprs) != len(schema) {
		return
	}
	tables, derived, aggregates := tablesByName(n), derivedByName(n), groupsAggregates(n)
	for i, c := range schema {
		col := &out[i]
		if c.Source != "" && !c.Nullable && tables[strings.ToLower(c.Source)] == nil && expr.CreatedColumn(ctx, n, i).Nullable {
			col.Flags &^= gomysql.NOT_NULL_FLAG // JSON_TABLE's, also through derived tables
		}
		if exprs != nil {
			col.Table, col.OrgTable, col.OrgName, col.Database = "", "", "", ""
			e := planrule.Unaliased(exprs[i])
			f, ok := e.(*expression.GetField)
			if of := expr.HandedOn(e); of != nil {
				f, ok = of, true
			}
			if !ok {
				computed(ctx, c.Type, exprs[i], col)
			}
			if ok && f.Table() == "" {
				ofAggregate(aggregates[f.Id()], col)
			}
			if !ok || f.Table() == "" {
				col.Flags &^= gomysql.BLOB_FLAG | gomysql.ZEROFILL_FLAG // only columns of tables have them
				if types.IsNumber(c.Type) {
					col.Flags |= gomysql.BINARY_FLAG
				}
				continue
			}
			col.Table, col.OrgTable, col.OrgName, col.Database = f.Table(), f.Table(), f.Name(), f.Database()
		} else if c.Source == "" {
			col.OrgName = ""
			continue
		}
		if d := derived[strings.ToLower(col.Table)]; d != nil {
			ofDerived(ctx, d, c, col)
		}
		if t := tables[strings.ToLower(col.Table)]; t != nil {
			def := t.shape.def
			col.OrgTable, col.Database = def.Name, def.Database
			if o := def.Column(col.OrgName); o >= 0 {
				col.OrgName = def.Columns[o].Name
				col.Flags |= columnFlags(def, o, t.shape.schema[o])
			}
		}
	}
}

// writtenNames gives the tables of a result's columns the names that the statement has for them, which the planner has in
// lower case.
func writtenNames(stmt ast.Statement, out []protocol.Column) {
	s, ok := stmt.(*ast.Select)
	if !ok {
		return
	}
	written := map[string]string{}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		t, ok := n.(*ast.AliasedTableExpr)
		if ok {
			name := t.As.String()
			if of, ok := t.Expr.(ast.TableName); ok && name == "" {
				name = of.Name.String()
			}
			written[strings.ToLower(name)] = name
		}
		return !ok, nil
	}, s.From)
	for i := range out {
		if name, ok := written[out[i].Table]; ok {
			out[i].Table = name
		}
	}
}

// groupsAggregates returns the aggregates of a plan by the columns that they make.
func groupsAggregates(n sql.Node) map[sql.ColumnId]sql.Expression {
	var of map[sql.ColumnId]sql.Expression
	transform.Inspect(n, func(n sql.Node) bool {
		g, ok := n.(*plan.GroupBy)
		if !ok {
			return true
		}
		for _, e := range g.SelectDeps {
			if x, ok := e.(sql.IdExpression); ok {
				if of == nil {
					of = map[sql.ColumnId]sql.Expression{}
				}
				of[x.Id()] = e
			}
		}
		return true
	})
	return of
}

// countLength is the length of a COUNT.
const countLength = 21

// ofAggregate gives the column of an aggregate what the planner does not: MAX and MIN of no rows are NULL.
func ofAggregate(e sql.Expression, col *protocol.Column) {
	switch e.(type) {
	case *aggregation.Count, *aggregation.CountDistinct:
		col.Length = countLength
	case *aggregation.Max, *aggregation.Min:
		col.Flags &^= gomysql.NOT_NULL_FLAG
	}
}

// longestText is the length of the longest VARCHAR, in bytes.
const longestText = 65532

// computed makes a column that is no table's what MySQL's expressions are: an integer a
// BIGINT, a text a VARCHAR unless one of a TEXT.
func computed(ctx *sql.Context, t sql.Type, e sql.Expression, col *protocol.Column) {
	if types.IsTextOnly(t) {
		col.Decimals = notFixed
	}
	if l, ok := e.(*expression.Literal); ok {
		if text, ok := l.Value().(string); ok && types.IsTextOnly(t) {
			col.Type, col.Length = gomysql.MYSQL_TYPE_VAR_STRING, uint32(int64(utf8.RuneCountInString(text))*max(1, ctx.GetCharacterSetResults().MaxLength()))
			return
		}
		if types.IsInteger(t) {
			col.Type, col.Length = gomysql.MYSQL_TYPE_LONGLONG, uint32(len(fmt.Sprint(l.Value())))
			return
		}
	}
	switch {
	case types.IsInteger(t):
		col.Type, col.Length = gomysql.MYSQL_TYPE_LONGLONG, types.Int64.MaxTextResponseByteLength(ctx)
	case types.IsTextOnly(t) && col.Type == gomysql.MYSQL_TYPE_BLOB && !ofText(ctx, e):
		col.Type, col.Length = gomysql.MYSQL_TYPE_VAR_STRING, longestText
	}
}

// ofText reports whether a TEXT column is in e.
func ofText(ctx *sql.Context, e sql.Expression) (found bool) {
	if e == nil {
		return false
	}
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if f, ok := e.(*expression.GetField); ok && types.IsTextBlob(f.Type(ctx)) {
			found = true
		}
		return !found
	})
	return found
}

// projections returns the expressions of a result's columns, nil if they are a table's.
func projections(n sql.Node) []sql.Expression {
	for {
		switch x := n.(type) {
		case *plan.Project:
			return x.Projections
		case *plan.Limit, *plan.Offset, *plan.Sort, *plan.TopN, *plan.Distinct, *plan.Filter, *plan.Having:
			n = x.Children()[0]
		default:
			return nil
		}
	}
}

// columnFlags are the flags of a table's column that its type does not tell.
func columnFlags(def *engine.TableDef, o int, c *sql.Column) (flags uint16) {
	if !c.Nullable {
		flags |= gomysql.NOT_NULL_FLAG
	}
	if c.AutoIncrement {
		flags |= gomysql.AUTO_INCREMENT_FLAG
	}
	if c.Default == nil && c.Generated == nil && !c.Nullable && !c.AutoIncrement {
		flags |= noDefaultFlag
	}
	if d := def.Columns[o]; types.IsTimestampType(c.Type) && (c.OnUpdate != nil || d.HasDefault && strings.HasPrefix(strings.ToUpper(d.Default), "CURRENT_TIMESTAMP")) {
		flags |= gomysql.TIMESTAMP_FLAG
		if c.OnUpdate != nil {
			flags |= onUpdateFlag
		}
	}
	if t, ok := c.Type.(sql.TypeWithCollation); ok && strings.HasSuffix(t.Collation().Name(), "_bin") {
		flags |= gomysql.BINARY_FLAG
	}
	if !def.Keyless() {
		for _, k := range def.Primary.Columns {
			if k.Column == o {
				flags |= gomysql.PRI_KEY_FLAG | gomysql.PART_KEY_FLAG
			}
		}
	}
	for _, ix := range def.Indexes {
		for i, k := range ix.Columns {
			if k.Column != o {
				continue
			}
			flags |= gomysql.PART_KEY_FLAG
			switch {
			case i == 0 && ix.Unique && len(ix.Columns) == 1:
				flags |= gomysql.UNIQUE_KEY_FLAG
			case i == 0:
				flags |= multipleKeyFlag
			}
		}
	}
	return flags
}
