package rewrite

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// MySQL's and InnoDB's limits of definitions.
const (
	nameMax          = 64
	keysMax          = 64
	keyPartsMax      = 16
	KeyBytesMax      = 3072
	tableColumnsMax  = 1017
	tableCommentMax  = 2048
	columnCommentMax = 1024
)

// The grammar's numbers of what a column says of keys.
const (
	ColumnIsPrimary ast.ColumnKeyOption = 1
	ColumnIsUnique  ast.ColumnKeyOption = 3
	ColumnUniqueKey ast.ColumnKeyOption = 4
	columnIsKey     ast.ColumnKeyOption = 5
)

// ColumnKeys makes KEY of a column what it is to MySQL, PRIMARY KEY: the planner forgets it.
func ColumnKeys(stmt ast.Statement) {
	_, clauses := Altered(stmt)
	for _, d := range clauses {
		if d.TableSpec == nil {
			continue
		}
		for _, c := range d.TableSpec.Columns {
			if c.Type.KeyOpt == columnIsKey {
				c.Type.KeyOpt = ColumnIsPrimary
			}
		}
	}
}

// CheckDefinition returns MySQL's error for a CREATE or ALTER TABLE that is wrong whatever
// tables there are, and that the planner takes or refuses without a number. It has defaults as the planner takes them.
func CheckDefinition(stmt ast.Statement) error {
	_, clauses := Altered(stmt)
	DefinitionOf{Clauses: clauses}.memberDefaults()
	switch n := stmt.(type) {
	case *ast.DDL:
		if n.Action == ast.CreateStr && n.TableSpec != nil {
			return checkTableSpec(n)
		}
		return checkAlteration(n)
	case *ast.AlterTable:
		for _, d := range n.Statements {
			if err := checkAlteration(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkAlteration checks one clause of an ALTER TABLE.
func checkAlteration(d *ast.DDL) error {
	if d.Action == ast.RenameStr {
		for _, t := range d.ToTables {
			if err := CheckName(t.Name.String(), 1103, "table"); err != nil {
				return err
			}
		}
	}
	if strings.EqualFold(d.ColumnAction, ast.RenameStr) {
		if err := CheckName(d.ToColumn.String(), 1166, "column"); err != nil {
			return err
		}
	}
	if x := d.DefaultSpec; x != nil {
		if e, ok := x.Value.(*ast.ParenExpr); ok {
			if err := checkExpression(e, x.Column.String(), defaultRules); err != nil {
				return err
			}
		}
	}
	if d.AlterCommentSpec != nil {
		if err := checkComment(d.AlterCommentSpec.Comment, tableCommentMax, 1628, "table", d.Table.Name.String()); err != nil {
			return err
		}
	}
	if ix := d.IndexSpec; ix != nil && len(ix.Fields) > 0 {
		if syntax.SameName(ix.ToName.String(), PrimaryName) && !strings.EqualFold(ix.Type, ast.PrimaryStr) {
			return IndexName(ix.ToName.String())
		}
		if strings.EqualFold(ix.Type, ast.PrimaryStr) {
			if err := plainKey(ix.Fields); err != nil {
				return err
			}
		}
		if err := checkIndex(ix.ToName.String(), ix.Fields, ix.Options); err != nil {
			return err
		}
	}
	if ix := d.IndexSpec; ix != nil && strings.EqualFold(ix.Action, ast.RenameStr) {
		for _, name := range []ast.ColIdent{ix.FromName, ix.ToName} {
			if syntax.SameName(name.String(), PrimaryName) {
				return IndexName(name.String())
			}
		}
	}
	if d.TableSpec == nil || d.Action != ast.AlterStr {
		return nil
	}
	for _, c := range d.TableSpec.Columns {
		if err := checkColumn(c); err != nil {
			return err
		}
	}
	return nil
}

// checkTableSpec checks a CREATE TABLE.
func checkTableSpec(d *ast.DDL) error {
	spec := d.TableSpec
	if err := CheckName(d.Table.Name.String(), 1103, "table"); err != nil {
		return err
	}
	if err := checkTableOptions(d); err != nil {
		return err
	}
	if len(spec.Columns) > tableColumnsMax {
		return mysql.NewSQLError(1117, "HY000", "Too many columns")
	}
	primary, keys := 0, 0
	for _, c := range spec.Columns {
		if err := checkColumn(c); err != nil {
			return err
		}
		switch c.Type.KeyOpt {
		case ColumnIsPrimary:
			primary++
			keys++
		case ColumnIsUnique, ColumnUniqueKey:
			keys++
		}
	}
	names := map[string]bool{}
	for _, ix := range spec.Indexes {
		keys++
		if err := checkIndex(ix.Info.Name.String(), ix.Fields, ix.Options); err != nil {
			return err
		}
		if ix.Info.Primary {
			if err := plainKey(ix.Fields); err != nil {
				return err
			}
			primary++
			continue
		}
		name := ix.Info.Name.Lowered()
		if name == "primary" {
			return IndexName(ix.Info.Name.String())
		}
		if name != "" && names[name] {
			return mysql.NewSQLError(1061, "42000", "Duplicate key name '%s'", ix.Info.Name.String())
		}
		names[name] = true
	}
	if primary > 1 {
		return mysql.NewSQLError(1068, "42000", "Multiple primary key defined")
	}
	if keys > keysMax {
		return mysql.NewSQLError(1069, "42000", "Too many keys specified; max %d keys allowed", keysMax)
	}
	if err := checkConstraints(d.Table.Name.String(), spec); err != nil {
		return err
	}
	if err := checkCounter(spec); err != nil {
		return err
	}
	return checkGenerated(spec)
}

// checkCounter returns 1075 for an AUTO_INCREMENT column that begins no key; without any, the planner says so.
func checkCounter(spec *ast.TableSpec) error {
	for _, c := range spec.Columns {
		if !bool(c.Type.Autoincrement) || c.Type.KeyOpt != 0 || strings.EqualFold(c.Type.Type, "serial") || len(spec.Indexes) == 0 {
			continue
		}
		if !slices.ContainsFunc(spec.Indexes, func(ix *ast.IndexDefinition) bool {
			return len(ix.Fields) > 0 && ix.Fields[0].Column.Equal(c.Name)
		}) {
			return mysql.NewSQLError(1075, "42000", "Incorrect table definition; there can be only one auto column and it must be defined as a key")
		}
	}
	return nil
}

// Engines are the names of MySQL's storage engines; a table of any is one of InnoDB here.
var Engines = []string{"innodb", "myisam", "memory", "heap", "csv", "archive", "blackhole", "merge", "mrg_myisam", "federated", "aria"}

// UnknownEngine returns MySQL's error of a storage engine that there is not.
func UnknownEngine(name any) *mysql.SQLError {
	return mysql.NewSQLError(1286, "42000", "Unknown storage engine '%s'", name)
}

func checkTableOptions(d *ast.DDL) error {
	for _, o := range d.TableSpec.TableOpts {
		switch strings.ToLower(o.Name) {
		case "comment":
			if err := checkComment(syntax.Unquoted(o.Value), tableCommentMax, 1628, "table", d.Table.Name.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainKey checks that a primary key has columns only.
func plainKey(fields []*ast.IndexField) error {
	if slices.ContainsFunc(fields, func(f *ast.IndexField) bool { return f.Expression != nil }) {
		return mysql.NewSQLError(3756, "HY000", "The primary key cannot be a functional index")
	}
	return nil
}

// IndexName returns MySQL's error of a name that no index may have.
func IndexName(name string) error {
	return mysql.NewSQLError(1280, "42000", "Incorrect index name '%s'", name)
}

// CheckName checks the name of a kind of object; number is that of a name that cannot be.
func CheckName(name string, number int, kind string) error {
	if err := CheckLength(name); err != nil {
		return err
	}
	if name == "" || strings.HasSuffix(name, " ") {
		return mysql.NewSQLError(number, "42000", "Incorrect %s name '%s'", kind, name)
	}
	return nil
}

// CheckLength returns MySQL's error of an identifier that is too long, nil for others.
func CheckLength(name string) error {
	if utf8.RuneCountInString(name) > nameMax {
		return mysql.NewSQLError(1059, "42000", "Identifier name '%s' is too long", name)
	}
	return nil
}

func checkComment(text string, most, number int, kind, name string) error {
	if utf8.RuneCountInString(text) > most {
		return mysql.NewSQLError(number, "HY000", "Comment for %s '%s' is too long (max = %d)", kind, name, most)
	}
	return nil
}

func checkIndex(name string, fields []*ast.IndexField, options []*ast.IndexOption) error {
	if name != "" {
		if err := CheckName(name, 1280, "index"); err != nil {
			return err
		}
	}
	if err := checkArrayParts(fields); err != nil {
		return err
	}
	if len(fields) > keyPartsMax {
		return mysql.NewSQLError(1070, "42000", "Too many key parts specified; max %d parts allowed", keyPartsMax)
	}
	seen := map[string]bool{}
	for _, f := range fields {
		if f.Expression != nil {
			if err := checkKeyExpression(cmp.Or(name, "functional_index"), f.Expression); err != nil {
				return err
			}
			continue
		}
		if seen[f.Column.Lowered()] {
			return mysql.NewSQLError(1060, "42S21", "Duplicate column name '%s'", f.Column.String())
		}
		seen[f.Column.Lowered()] = true
		if f.Length != nil && string(f.Length.Val) == "0" {
			return mysql.NewSQLError(1391, "HY000", "Key part '%s' length cannot be 0", f.Column.String())
		}
	}
	for _, o := range options {
		if strings.EqualFold(o.Name, "comment") && o.Value != nil {
			return checkComment(string(o.Value.Val), columnCommentMax, 1688, "index", name)
		}
	}
	return nil
}

// checkKeyExpression checks the expression of a functional index.
func checkKeyExpression(name string, e ast.Expr) error {
	e = syntax.Unparenthesized(e)
	if of, _, ok := ArrayCast(e); ok {
		return checkExpression(of, name, indexRules)
	}
	if _, ok := e.(*ast.ColName); ok {
		return mysql.NewSQLError(3762, "HY000", "Functional index on a column is not supported. Consider using a regular index instead.")
	}
	return checkExpression(e, name, indexRules)
}

// Number returns a literal, -1 if there is none.
func Number(v *ast.SQLVal) int {
	if v == nil {
		return -1
	}
	n, err := strconv.Atoi(string(v.Val))
	if err != nil {
		return -1
	}
	return n
}

// checkColumn checks the definition of a column.
func checkColumn(c *ast.ColumnDefinition) error {
	name, t := c.Name.String(), &c.Type
	if strings.HasPrefix(name, FunctionalMark) {
		return nil
	}
	if err := CheckName(name, 1166, "column"); err != nil {
		return err
	}
	if t.Comment != nil {
		if err := checkComment(string(t.Comment.Val), columnCommentMax, 1629, "field", name); err != nil {
			return err
		}
	}
	if err := CheckType(name, t); err != nil {
		return err
	}
	if err := checkExpression(t.GeneratedExpr, name, generatedRules); err != nil {
		return err
	}
	if e, ok := t.Default.(*ast.ParenExpr); ok {
		if err := checkExpression(e, name, defaultRules); err != nil {
			return err
		}
	}
	return checkValues(name, t)
}

// CheckType checks a column's type.
func CheckType(name string, t *ast.ColumnType) error {
	length, scale := Number(t.Length), Number(t.Scale)
	width := func(most int) error {
		if length > most {
			return mysql.NewSQLError(1439, "42000", "Display width out of range for column '%s' (max = %d)", name, most)
		}
		return nil
	}
	precision := func(most int) error {
		if length > most {
			return mysql.NewSQLError(1426, "42000", "Too-big precision %d specified for '%s'. Maximum is %d.", length, name, most)
		}
		return nil
	}
	fraction := func() error {
		switch {
		case scale > 30:
			return mysql.NewSQLError(1425, "42000", "Too big scale %d specified for column '%s'. Maximum is 30.", scale, name)
		case scale > length && length >= 0:
			return mysql.NewSQLError(1427, "42000",
				"For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '%s').", name)
		}
		return nil
	}
	switch strings.ToLower(t.Type) {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		return width(255)
	case "bit":
		return width(64)
	case "datetime", "timestamp", "time":
		return precision(6)
	case "decimal", "numeric", "dec", "fixed":
		if err := fraction(); err != nil {
			return err
		}
		return precision(65)
	case "float", "double", "real":
		if scale < 0 && length > 53 {
			return mysql.NewSQLError(1063, "42000", "Incorrect column specifier for column '%s'", name)
		}
		if err := fraction(); err != nil {
			return err
		}
		return width(255)
	case "char", "binary":
		if length > 255 {
			return mysql.NewSQLError(1074, "42000", "Column length too big for column '%s' (max = 255); use BLOB or TEXT instead", name)
		}
	case "enum", "set":
		return checkMembers(name, t)
	}
	return nil
}

func duplicatedValue(name, value string, t *ast.ColumnType) error {
	return mysql.NewSQLError(1291, "HY000", "Column '%s' has duplicated value '%s' in %s", name, value, strings.ToUpper(t.Type))
}

func checkMembers(name string, t *ast.ColumnType) error {
	seen := map[string]bool{}
	set := strings.EqualFold(t.Type, "set")
	for _, v := range t.EnumValues {
		v = strings.TrimRight(v, " ")
		if set && strings.Contains(v, ",") {
			return mysql.NewSQLError(1367, "22007", "Illegal %s '%s' value found during parsing", "set", v)
		}
		if seen[v] { // those that are equal by the collation are the planner's
			return duplicatedValue(name, v, t)
		}
		seen[v] = true
	}
	if set && len(t.EnumValues) > 64 {
		return mysql.NewSQLError(1097, "HY000", "Too many strings for column %s and SET", name)
	}
	if v, ok := t.Default.(*ast.SQLVal); ok && set && (v.Type == ast.StrVal || v.Type == ast.IntVal) && len(v.Val) > 0 {
		for _, part := range strings.Split(string(v.Val), ",") {
			if number, err := strconv.ParseUint(part, 10, 64); err == nil && !seen[strconv.FormatUint(number, 10)] { // to the planner it is the bits
				return mysql.NewSQLError(1067, "42000", "Invalid default value for '%s'", name)
			}
		}
	}
	return nil
}

// moment reports whether an expression is CURRENT_TIMESTAMP or a synonym, and its digits.
func moment(e ast.Expr) (digits int, ok bool) {
	f, ok := e.(*ast.FuncExpr)
	if !ok || !slices.Contains([]string{"now", "current_timestamp", "localtime", "localtimestamp"}, f.Name.Lowered()) {
		return 0, false
	}
	if len(f.Exprs) == 1 {
		if a, ok := f.Exprs[0].(*ast.AliasedExpr); ok {
			v, _ := a.Expr.(*ast.SQLVal)
			return max(Number(v), 0), true
		}
	}
	return 0, true
}

// checkValues checks the values that a column has by itself.
func checkValues(name string, t *ast.ColumnType) error {
	kind := strings.ToLower(t.Type)
	invalid := func() error { return mysql.NewSQLError(1067, "42000", "Invalid default value for '%s'", name) }
	dated := kind == "timestamp" || kind == "datetime"
	fits := func(e ast.Expr) bool {
		digits, ok := moment(e)
		return ok && dated && digits == max(Number(t.Length), 0)
	}
	if t.GeneratedExpr != nil && (t.Default != nil || bool(t.Autoincrement) || t.OnUpdate != nil) {
		what := "DEFAULT"
		if t.Default == nil {
			if what = "AUTO_INCREMENT"; t.OnUpdate != nil {
				what = "ON UPDATE"
			}
		}
		return mysql.NewSQLError(1221, "HY000", "Incorrect usage of %s and generated column", what)
	}
	if t.Autoincrement {
		switch kind {
		case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "float", "double", "real", "serial", "bool", "boolean":
		default:
			return mysql.NewSQLError(1063, "42000", "Incorrect column specifier for column '%s'", name)
		}
	}
	if t.OnUpdate != nil && !fits(t.OnUpdate) {
		return mysql.NewSQLError(1294, "HY000", "Invalid ON UPDATE clause for '%s' column", name)
	}
	if t.Default == nil {
		return nil
	}
	if t.Autoincrement {
		return invalid()
	}
	if beyondColumn(kind, t) {
		return invalid()
	}
	switch e := t.Default.(type) {
	case *ast.NullVal:
		if bool(t.NotNull) || t.KeyOpt == ColumnIsPrimary {
			return invalid()
		}
	case *ast.ParenExpr:
	case *ast.SQLVal:
		switch kind {
		case "text", "tinytext", "mediumtext", "longtext", "blob", "tinyblob", "mediumblob", "longblob", "json",
			"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection":
			return mysql.NewSQLError(1101, "42000", "BLOB, TEXT, GEOMETRY or JSON column '%s' can't have a default value", name)
		case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "float", "double", "real":
			if e.Type == ast.StrVal && strings.Trim(string(e.Val), value.Blanks) == "" {
				return invalid()
			}
		}
	default:
		if _, now := moment(e); now && !fits(e) {
			return invalid()
		}
	}
	return nil
}

// beyondColumn reports whether the default of a DECIMAL, a FLOAT or a DOUBLE is a number that the column does not have: the planner
// looks at integers alone.
func beyondColumn(kind string, t *ast.ColumnType) bool {
	digits, scale := Number(t.Length), max(Number(t.Scale), 0)
	switch kind {
	case "decimal", "numeric", "dec", "fixed":
		if digits < 0 {
			digits = 10
		}
	case "float", "double", "real":
		if t.Scale == nil {
			digits = math.MaxInt32
		}
	default:
		return false
	}
	e, sign := t.Default, ""
	if u, ok := e.(*ast.UnaryExpr); ok && u.Operator == ast.UMinusStr {
		e, sign = u.Expr, "-"
	}
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.IntVal && v.Type != ast.FloatVal && v.Type != ast.StrVal {
		return false
	}
	x, _, err := apd.NewFromString(sign + strings.Trim(string(v.Val), value.Blanks))
	if err != nil || x.Form != apd.Finite || x.IsZero() {
		return false
	}
	if bool(t.Unsigned) && x.Negative {
		return true
	}
	whole, err := sql.DecimalRound(x, int32(scale))
	return err != nil || whole.NumDigits()+int64(whole.Exponent) > int64(digits-scale)
}

// checkConstraints checks the names and the CHECKs of a CREATE TABLE.
func checkConstraints(table string, spec *ast.TableSpec) error {
	type check struct {
		*ast.CheckConstraintDefinition
		name string
	}
	var checks []check
	unnamed := 0
	add := func(c *ast.ConstraintDefinition, column string) error {
		d, ok := c.Details.(*ast.CheckConstraintDefinition)
		if !ok {
			return CheckLength(c.Name)
		}
		name := c.Name
		if name == "" {
			unnamed++
			name = fmt.Sprintf("%s_chk_%d", table, unnamed)
		}
		checks = append(checks, check{d, name})
		return CheckCheck(name, column, d.Expr)
	}
	columns, of := map[string]*ast.ColumnDefinition{}, map[*ast.ConstraintDefinition]string{}
	for _, c := range spec.Columns {
		columns[c.Name.Lowered()] = c
		if c.Type.Constraint != nil {
			of[c.Type.Constraint] = c.Name.String()
		}
	}
	foreign := 0
	for _, c := range spec.Constraints {
		fk, ok := c.Details.(*ast.ForeignKeyDefinition)
		if !ok {
			continue
		}
		name := c.Name
		if name == "" {
			foreign++
			name = fmt.Sprintf("%s_ibfk_%d", table, foreign)
		}
		if err := CheckLength(name); err != nil {
			return err
		}
		for _, f := range fk.Source {
			if of := columns[f.Lowered()]; of != nil && of.Type.GeneratedExpr != nil {
				if err := CheckGeneratedKey(name, f.String(), fk, !bool(of.Type.Stored)); err != nil {
					return err
				}
			}
		}
	}
	for _, c := range spec.Constraints { // those of columns too
		if err := add(c, of[c]); err != nil {
			return err
		}
	}
	for i, c := range checks {
		for _, x := range checks[:i] {
			if syntax.SameName(x.name, c.name) {
				return DuplicateCheck(c.name)
			}
		}
		for _, used := range ColumnsOf(c.Expr) {
			switch of := columns[used.Lowered()]; {
			case of == nil:
				return UnknownInCheck(c.name, used)
			case bool(of.Type.Autoincrement):
				return CounterInCheck(c.name)
			}
		}
	}
	return nil
}

// CheckGeneratedKey checks a foreign key of a generated column.
func CheckGeneratedKey(name, column string, fk *ast.ForeignKeyDefinition, virtual bool) error {
	clause := ""
	switch {
	case fk.OnUpdate == ast.Cascade:
		clause = "ON UPDATE CASCADE"
	case fk.OnUpdate == ast.SetNull:
		clause = "ON UPDATE SET NULL"
	case fk.OnDelete == ast.SetNull:
		clause = "ON DELETE SET NULL"
	case virtual:
		return mysql.NewSQLError(3733, "HY000", "Foreign key '%s' uses virtual column '%s' which is not supported.", name, column)
	default:
		return nil
	}
	return mysql.NewSQLError(3104, "HY000", "Cannot define foreign key with %s clause on a generated column.", clause)
}

// checkGenerated checks the generated columns and the defaults of a CREATE TABLE.
func checkGenerated(spec *ast.TableSpec) error {
	at := map[string]int{}
	for i, c := range spec.Columns {
		at[c.Name.Lowered()] = i
	}
	for _, ix := range spec.Indexes {
		for _, f := range ix.Fields {
			if f.Expression == nil {
				continue
			}
			name := cmp.Or(ix.Info.Name.String(), "functional_index")
			for _, used := range ColumnsOf(f.Expression) {
				switch j, ok := at[used.Lowered()]; {
				case !ok:
					return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'functional index'", used.String())
				case bool(spec.Columns[j].Type.Autoincrement):
					return CounterInIndex(name)
				}
			}
		}
	}
	for i, c := range spec.Columns {
		name, e := c.Name.String(), c.Type.GeneratedExpr
		if strings.HasPrefix(name, FunctionalMark) {
			continue
		}
		if e == nil {
			if err := checkDefaultColumns(spec, at, i); err != nil {
				return err
			}
			continue
		}
		for _, used := range ColumnsOf(e) {
			j, ok := at[used.Lowered()]
			switch {
			case !ok:
				return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'generated column function'", used.String())
			case bool(spec.Columns[j].Type.Autoincrement):
				return CounterInGenerated(name)
			case j >= i && spec.Columns[j].Type.GeneratedExpr != nil:
				return mysql.NewSQLError(3107, "HY000", "Generated column can refer only to generated columns defined prior to it.")
			}
		}
	}
	return nil
}

// CounterInGenerated is the error of a generated column of an AUTO_INCREMENT column.
func CounterInGenerated(name string) error {
	return mysql.NewSQLError(3109, "HY000", "Generated column '%s' cannot refer to auto-increment column.", name)
}

// CounterInIndex is the error of a functional index on an AUTO_INCREMENT column.
func CounterInIndex(name string) error {
	return mysql.NewSQLError(3754, "HY000", "Functional index '%s' cannot refer to an auto-increment column.", name)
}

// checkDefaultColumns checks the columns that a default's expression names.
func checkDefaultColumns(spec *ast.TableSpec, at map[string]int, i int) error {
	c := spec.Columns[i]
	e, ok := c.Type.Default.(*ast.ParenExpr)
	if !ok {
		return nil
	}
	for _, used := range ColumnsOf(e) {
		j, ok := at[used.Lowered()]
		if !ok {
			return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'default value expression'", used.String())
		}
		of := &spec.Columns[j].Type
		_, computed := of.Default.(*ast.ParenExpr)
		switch {
		case bool(of.Autoincrement):
			return CounterInDefault(c.Name.String())
		case j >= i && (computed || of.GeneratedExpr != nil):
			return LaterInDefault(c.Name.String())
		}
	}
	return nil
}

// CounterInDefault returns MySQL's error of an AUTO_INCREMENT column in the default of another.
func CounterInDefault(column string) error {
	return mysql.NewSQLError(3768, "HY000", "Default value expression of column '%s' cannot refer to an auto-increment column.", column)
}

// LaterInDefault returns MySQL's error of a default that reads a column defined after its own.
func LaterInDefault(column string) error {
	return mysql.NewSQLError(3767, "HY000", "Default value expression of column '%s' cannot refer to a column defined after it "+
		"if that column is a generated column or has an expression as default value.", column)
}

// PrimaryName is the name of every primary key.
const PrimaryName = "PRIMARY"
