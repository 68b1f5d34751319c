package gms

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/syntax"
)

// described is a column as COLUMNS and SHOW COLUMNS describe it.
type described struct {
	*sql.Column
	def *engine.ColumnDef // nil: it is of no table of the volume
	key string
}

// columnRows are COLUMNS.
func columnRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	add := func(db, table string, columns []described) {
		at := 0
		for _, c := range columns {
			if c.HiddenSystem {
				continue
			}
			at++
			if privileges := s.columnPrivileges(ctx, db, table, c.Name); privileges != "" {
				rows = append(rows, c.row(ctx, db, table, at, privileges))
			}
		}
	}
	err := eachTable(ctx, s, cat, "", func(db sql.Database, t sql.Table, b *base) error {
		switch {
		case b == nil:
			add(db.Name(), t.Name(), describe(t.Schema(ctx), nil))
		case !b.IsTemporary():
			add(db.Name(), t.Name(), describe(b.shape.schema, b.shape))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, eachView(ctx, s, cat, "", func(db string, v sql.ViewDefinition) error {
		columns, err := s.viewColumns(ctx, cat, db, v.Name)
		if err != nil {
			return nil //nolint:nilerr // what the view needs is gone: MySQL lists no columns either
		}
		add(db, v.Name, columns)
		return nil
	})
}

// describe pairs the columns of a table with what the volume has of them.
func describe(schema sql.Schema, sh *shape) []described {
	out := make([]described, len(schema))
	for i, c := range schema {
		out[i].Column = c
		if sh != nil {
			out[i].def = &sh.def.Columns[i]
		} else if c.PrimaryKey {
			out[i].key = "PRI"
		}
	}
	if sh != nil {
		keysOf(sh, out)
	}
	return out
}

// keysOf sets COLUMN_KEY. Without a primary key, the first unique one without a NULL is
// taken for it.
func keysOf(sh *shape, out []described) {
	ordered := orderedIndexes(sh)
	primary := ordered[:0:0]
	for _, ix := range slices.Backward(ordered) {
		for i, c := range ix.columns {
			switch {
			case i == 0 && ix.def.Unique && len(ix.columns) == 1 && ix.def != sh.def.Primary:
				out[c].key = "UNI"
			case i == 0 && out[c].key != "UNI":
				out[c].key = "MUL"
			}
		}
		if ix.def == sh.def.Primary || sh.def.Keyless() && ix.def.Unique && !slices.ContainsFunc(ix.columns, func(c int) bool {
			return sh.schema[c].Nullable || sh.schema[c].HiddenSystem || sh.schema[c].Virtual
		}) && !slices.ContainsFunc(ix.def.Columns, func(c engine.IndexColumn) bool { return c.Prefix > 0 }) {
			primary = []*Index{ix}
		}
	}
	for _, ix := range primary {
		for _, c := range ix.columns {
			out[c].key = "PRI"
		}
	}
}

// viewColumns are the columns of a view. Those that are columns of a table have that one's
// default and digits.
func (s *Session) viewColumns(ctx *sql.Context, cat sql.Catalog, db, name string) ([]described, error) {
	if s.checked() { // nothing has to be granted on the tables
		a, view := s.newAccess(ctx), syntax.TableName{Database: db, Name: name}
		a.use(view)
		_ = a.view(view)
		defer s.show(a)()
	}
	n, err := s.bound(ctx, cat, db, "SELECT * FROM "+syntax.QuoteName(db)+"."+syntax.QuoteName(name))
	if err != nil {
		return nil, err
	}
	out := describe(n.Schema(ctx), nil)
	transform.Inspect(n, func(n sql.Node) bool {
		v, ok := n.(*plan.SubqueryAlias)
		if ok {
			err = s.viewTypes(ctx, v.Child, out)
		}
		return !ok
	})
	return out, err
}

// viewTypes gives the columns of a view's tree the types that they would have in a table made of it.
func (s *Session) viewTypes(ctx *sql.Context, n sql.Node, out []described) error {
	n, _, err := planrule.UnionTypes(ctx, n)
	if err != nil {
		return err
	}
	for i := range min(len(out), len(n.Schema(ctx))) {
		as := expr.CreatedColumn(ctx, n, i)
		c := *out[i].Column
		c.Nullable = as.Nullable
		if as.Field {
			out[i].Column = &c
			continue
		}
		c.Type = as.Typ
		out[i].Column = &c
		if types.IsTimespan(as.Typ) {
			out[i].def = &engine.ColumnDef{Options: map[string]string{expr.OptPrecision: strconv.Itoa(as.MomentDigits())}}
		}
	}
	s.addSources(ctx, n, out)
	return nil
}

// addSources sets what the columns of a view's tree are columns of.
func (s *Session) addSources(ctx *sql.Context, n sql.Node, out []described) {
	tables := tablesByName(n)
	exprs := projections(n)
	if exprs == nil { // all columns of a table
		for i, c := range n.Schema(ctx) {
			exprs = append(exprs, expression.NewGetFieldWithTable(i, 0, c.Type, c.DatabaseSource, c.Source, c.Name, c.Nullable))
		}
	}
	for i := range exprs {
		f, ok := planrule.Unaliased(exprs[i]).(*expression.GetField)
		if !ok || i >= len(out) {
			continue
		}
		if t := tables[strings.ToLower(f.Table())]; t != nil {
			if c := t.shape.def.Column(f.Name()); c >= 0 {
				def := t.shape.def.Columns[c]
				if def.AutoIncrement {
					def.HasDefault, def.Default = true, "0"
				}
				was := def.Options
				def.AutoIncrement, def.OnUpdate, def.Generated, def.Options = false, "", "", map[string]string{expr.OptPrecision: def.Options[expr.OptPrecision]}
				if f := was[expr.OptFormat]; f != "" {
					def.Options[expr.OptFormat] = f
				}
				out[i].def = &def
			}
		}
	}
}

// columnPrivileges are the session's privileges for a column.
func (s *Session) columnPrivileges(ctx *sql.Context, db, table, column string) string {
	if db == sql.InformationSchemaDatabaseName {
		return "select"
	}
	global := s.privileges(ctx)
	own := global.Database(db)
	of := own.Table(table)
	if s.checked() {
		own = s.newAccess(ctx).granted(db)
	}
	var out []string
	for _, p := range []sql.PrivilegeType{sql.PrivilegeType_Select, sql.PrivilegeType_Insert, sql.PrivilegeType_Update, sql.PrivilegeType_References} {
		if global.Has(p) || own.Has(p) || of.Has(p) || of.Column(column).Has(p) {
			out = append(out, strings.ToLower(p.String()))
		}
	}
	return strings.Join(out, ",")
}

// memberEscapes writes what in the members of an ENUM or SET is not itself in a literal; quotes are the planner's.
var memberEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

// typeName is a type's text without its collation: MySQL has a shorter word for GEOMETRYCOLLECTION.
func typeName(t sql.Type) string {
	switch x := t.(type) {
	case types.GeomCollType:
		return "geomcollection"
	case sql.TypeWithCollation:
		return memberEscapes.Replace(x.StringWithTableCollation(x.Collation()))
	}
	return t.String()
}

// typeText is COLUMN_TYPE.
func (c described) typeText() string {
	text := typeName(c.Type)
	if c.def != nil && c.Type.Type() == sqltypes.Time && expr.Precision(c.def) >= 0 {
		text = expr.TimeText(expr.Precision(c.def))
	}
	if c.def != nil && expr.IsNumeric(c.Type) {
		if f, ok := expr.FormatOf(c.def); ok {
			text = f.TypeText(text)
		}
	}
	return text
}

// defaultValue is COLUMN_DEFAULT, nil: none.
func (c described) defaultValue(ctx *sql.Context) any {
	if c.def == nil && c.DatabaseSource == "mysql" && c.Default != nil { // of a system table
		v, err := c.Default.Eval(ctx, nil)
		if err != nil {
			return nil
		}
		return v
	}
	if c.def == nil || !c.def.HasDefault || c.def.Generated != "" || strings.EqualFold(c.def.Default, "NULL") {
		return nil
	}
	if c.def.DefaultExpr {
		return escapedExpression(withoutParentheses(c.def.Default))
	}
	if c.defaultGenerated() {
		return c.def.Default
	}
	value := expr.DefaultLiteral(c.def.Default)
	var v any = value
	if c.Default != nil && c.Default.Resolved() {
		var err error
		if v, err = c.Default.Eval(ctx, nil); err != nil {
			v = value
		}
	}
	switch {
	case types.IsBit(c.Type) && (strings.HasPrefix(value, "b'") || strings.HasPrefix(value, "0b")):
		return value
	case types.IsBinaryType(c.Type):
		if strings.HasPrefix(value, "0x") {
			return value
		}
		return fmt.Sprintf("0x%X", value)
	}
	converted, _, err := c.Type.Convert(ctx, v)
	if err != nil || converted == nil {
		return value
	}
	if types.IsBit(c.Type) {
		return fmt.Sprintf("b'%b'", converted)
	}
	shown, err := c.Type.SQL(ctx, nil, converted)
	if err != nil {
		return value
	}
	text := shown.ToString()
	if n := expr.Precision(c.def); c.Type.Type() == sqltypes.Time && n >= 0 && strings.HasSuffix(text, ".000000"[n+1:]) {
		text = strings.TrimSuffix(text[:len(text)-6+n], ".")
	}
	if expr.IsNumeric(c.Type) {
		return expr.ShownDefault(c.def, converted, text)
	}
	return text
}

// defaultGenerated reports whether the default is no literal.
func (c described) defaultGenerated() bool {
	return c.def != nil && c.def.HasDefault && (c.def.DefaultExpr || strings.HasPrefix(strings.ToUpper(c.def.Default), "CURRENT_TIMESTAMP"))
}

// withoutParentheses takes off the outer ones of an expression.
func withoutParentheses(expr string) string {
	if !strings.HasPrefix(expr, "(") || !strings.HasSuffix(expr, ")") {
		return expr
	}
	depth := 0
	for i, r := range expr {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && i < len(expr)-1 {
			return expr
		}
	}
	return expr[1 : len(expr)-1]
}

// extraText is EXTRA.
func (c described) extraText() string {
	if c.def == nil {
		return ""
	}
	var parts []string
	add := func(is bool, text string) {
		if is {
			parts = append(parts, text)
		}
	}
	add(c.def.AutoIncrement, "auto_increment")
	add(c.defaultGenerated(), "DEFAULT_GENERATED")
	add(c.def.OnUpdate != "", onUpdate+c.def.OnUpdate)
	virtual := c.def.Options[optVirtual] != ""
	add(c.def.Generated != "" && virtual, virtualGenerated)
	add(c.def.Generated != "" && !virtual, storedGenerated)
	add(c.def.Options[optHidden] != "", "INVISIBLE")
	return strings.Join(parts, " ")
}

// row is the row of COLUMNS.
func (c described) row(ctx *sql.Context, db, table string, at int, privileges string) sql.Row {
	columnType := c.typeText()
	dataType, _, _ := strings.Cut(columnType, "(")
	dataType, _, _ = strings.Cut(dataType, " ")
	nullable, generation := "NO", ""
	if c.Nullable {
		nullable = "YES"
	}
	if c.def != nil && c.def.Generated != "" {
		generation = escapedExpression(withoutParentheses(c.def.Generated))
	}
	var srid, digits any
	if t, ok := c.Type.(sql.SpatialColumnType); ok {
		if id, defined := t.GetSpatialTypeSRID(); defined {
			srid = id
		}
	}
	switch {
	case c.Type.Type() == sqltypes.Time:
		if digits = 6; c.def != nil && expr.Precision(c.def) >= 0 {
			digits = expr.Precision(c.def)
		}
	case types.IsDatetimeType(c.Type), types.IsTimestampType(c.Type):
		digits = c.Type.(sql.DatetimeType).Precision()
	}
	characters, octets, charset, collation := expr.Lengths(c.Type)
	numeric, scale := numericPrecision(c.Type)
	if c.def != nil && types.IsFloat(c.Type) {
		if f, ok := expr.FormatOf(c.def); ok && f.Digits > 0 {
			numeric, scale = int64(f.Digits), int64(f.Scale)
		}
	}
	return sql.Row{"def", db, table, c.Name, at, c.defaultValue(ctx), nullable, dataType, characters, octets, numeric, scale,
		digits, charset, collation, columnType, c.key, c.extraText(), privileges, c.Comment, generation, srid}
}

// numericPrecision is NUMERIC_PRECISION and NUMERIC_SCALE.
func numericPrecision(t sql.Type) (digits, scale any) {
	switch x := t.(type) {
	case types.BitType:
		return int(x.NumberOfBits()), nil
	case sql.DecimalType:
		return int(x.Precision()), int(x.Scale())
	}
	switch t.Type() {
	case sqltypes.Float32:
		return 12, nil
	case sqltypes.Float64:
		return 22, nil
	case sqltypes.Int8, sqltypes.Uint8:
		return 3, 0
	case sqltypes.Int16, sqltypes.Uint16:
		return 5, 0
	case sqltypes.Int24, sqltypes.Uint24:
		return 7, 0
	case sqltypes.Int32, sqltypes.Uint32:
		return 10, 0
	case sqltypes.Int64:
		return 19, 0
	case sqltypes.Uint64:
		return 20, 0
	}
	return nil, nil
}
