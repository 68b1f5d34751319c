package rewrite

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Altered are the clauses of a CREATE or ALTER TABLE, nil of other statements.
func Altered(stmt ast.Statement) (table string, clauses []*ast.DDL) {
	switch n := stmt.(type) {
	case *ast.DDL:
		if n.Action == ast.CreateStr || n.Action == ast.AlterStr || n.Action == ast.DropStr {
			return n.Table.Name.String(), []*ast.DDL{n}
		}
	case *ast.AlterTable:
		return n.Table.Name.String(), n.Statements
	}
	return "", nil
}

// definitionErrors are the planner's errors of a definition that name less than MySQL's do.
var definitionErrors = []struct {
	pattern *regexp.Regexp
	make    func(d DefinitionOf, m []string) error
}{
	{regexp.MustCompile("^column type mismatch on `(.*)` and `(.*)`$"), func(d DefinitionOf, m []string) error {
		return mysql.NewSQLError(3780, "HY000", "Referencing column '%s' and referenced column '%s' in foreign key constraint '%s' are incompatible.",
			m[1], m[2], d.foreignKey(func(fk *ast.ForeignKeyDefinition) bool {
				for i, c := range fk.Source {
					if c.EqualString(m[1]) && i < len(fk.ReferencedColumns) && fk.ReferencedColumns[i].EqualString(m[2]) {
						return true
					}
				}
				return false
			}))
	}},
	{regexp.MustCompile("^missing index for foreign key `(.*)` on the referenced table `(.*)`$"), func(d DefinitionOf, m []string) error {
		return mysql.NewSQLError(1822, "HY000", "Failed to add the foreign key constraint. Missing index for constraint '%s' in the referenced table '%s'",
			d.foreignKey(func(fk *ast.ForeignKeyDefinition) bool {
				return syntax.SameName(fk.ReferencedTable.Name.String(), m[2])
			}), m[2])
	}},
	{regexp.MustCompile("^cannot use SET NULL as column `(.*)` is non-nullable$"), func(d DefinitionOf, m []string) error {
		return mysql.NewSQLError(1830, "HY000", "Column '%s' cannot be NOT NULL: needed in a foreign key constraint '%s' SET NULL", m[1],
			d.foreignKey(func(fk *ast.ForeignKeyDefinition) bool {
				for _, c := range fk.Source {
					if c.EqualString(m[1]) {
						return true
					}
				}
				return false
			}))
	}},
	{regexp.MustCompile("^table not found: ([^,]*)"), func(d DefinitionOf, m []string) error {
		name := m[1][strings.LastIndex(m[1], ".")+1:]
		if d.foreignKey(func(fk *ast.ForeignKeyDefinition) bool {
			return syntax.SameName(fk.ReferencedTable.Name.String(), name)
		}) == "" || syntax.SameName(name, d.Table) {
			return nil
		}
		return mysql.NewSQLError(1824, "HY000", "Failed to open the referenced table '%s'", name)
	}},
	{regexp.MustCompile(`^(?:table "(.*)" does not have column "(.*)"|Unknown column '(.*)' in '(.*)')$`), func(d DefinitionOf, m []string) error {
		table, column := m[1]+m[4], m[2]+m[3]
		for _, fk := range d.ForeignKeys() {
			for _, c := range fk.Def.Source {
				if syntax.SameName(table, d.Table) && c.EqualString(column) {
					return mysql.NewSQLError(1072, "42000", "Key column '%s' doesn't exist in table", column)
				}
			}
			for _, c := range fk.Def.ReferencedColumns {
				if syntax.SameName(table, fk.Def.ReferencedTable.Name.String()) && c.EqualString(column) {
					return mysql.NewSQLError(3734, "HY000", "Failed to add the foreign key constraint. Missing column '%s' for constraint '%s' in the referenced table '%s'",
						column, fk.name, table)
				}
			}
		}
		for _, c := range d.Clauses {
			if c.ColumnAction == ast.DropStr && c.Column.EqualString(column) {
				return mysql.NewSQLError(1091, "42000", "Can't DROP '%s'; check that column/key exists", column)
			}
		}
		return nil
	}},
	{regexp.MustCompile("^the foreign key must reference an equivalent number of columns$"), func(d DefinitionOf, _ []string) error {
		for _, fk := range d.ForeignKeys() {
			if len(fk.Def.Source) != len(fk.Def.ReferencedColumns) {
				name := fk.name
				if !fk.Named {
					name = "foreign key without name"
				}
				return mysql.NewSQLError(1239, "42000", "Incorrect foreign key definition for '%s': Key reference and table reference don't match", name)
			}
		}
		return nil
	}},
	{regexp.MustCompile("(?i)^error: can't drop '(.*)'; check that column/key exists$"), func(d DefinitionOf, m []string) error {
		for _, c := range d.Clauses {
			if c.IndexSpec != nil && c.IndexSpec.Action == ast.RenameStr {
				return NoSuchKey(c.IndexSpec.FromName.String(), d.Table)
			}
		}
		return nil
	}},
	{regexp.MustCompile(`^invalid table spec: expected size`), func(d DefinitionOf, _ []string) error {
		for _, c := range d.columns() {
			if !strings.EqualFold(c.Type.Type, "varchar") {
				continue
			}
			if most := maxRowBytes / d.bytesOfCharacter(&c.Type); Number(c.Type.Length) > most {
				return mysql.NewSQLError(1074, "42000", "Column length too big for column '%s' (max = %d); use BLOB or TEXT instead", c.Name.String(), most)
			}
		}
		return mysql.NewSQLError(1118, "42000", "Row size too large. The maximum row size for the used table type, not counting BLOBs, is 65535. "+
			"This includes storage overhead, check the manual. You have to change some columns to TEXT or BLOBs")
	}},
	{regexp.MustCompile(`^length is (.*) but max allowed is (.*)$`), func(d DefinitionOf, m []string) error {
		for _, c := range d.columns() {
			if c.Type.Length != nil && string(c.Type.Length.Val) == m[1] {
				return mysql.NewSQLError(1074, "42000", "Column length too big for column '%s' (max = %s); use BLOB or TEXT instead", c.Name.String(), m[2])
			}
		}
		return nil
	}},
	{regexp.MustCompile(`^Constraint "(.*)" does not exist$`), func(d DefinitionOf, m []string) error {
		for _, c := range d.Clauses {
			if c.TableSpec == nil {
				continue
			}
			for _, x := range c.TableSpec.Constraints {
				if _, check := x.Details.(*ast.CheckConstraintDefinition); check && c.ConstraintAction == ast.DropStr && syntax.SameName(x.Name, m[1]) {
					return mysql.NewSQLError(3821, "HY000", "Check constraint '%s' is not found in the table.", m[1])
				}
			}
		}
		return nil
	}},
	{regexp.MustCompile(`(?i)^column (?:name )?'(.*)' (?:cannot be null|is non-nullable but attempted to set a value of null)`), func(d DefinitionOf, _ []string) error {
		for _, c := range d.Clauses {
			if c.Action == ast.AlterStr && (c.ColumnAction == ast.ModifyStr || c.ColumnAction == ast.ChangeStr || c.IndexSpec != nil) {
				return mysql.NewSQLError(1138, "22004", "Invalid use of NULL value")
			}
		}
		return nil
	}},
	{regexp.MustCompile(`^duplicate entry: (.*)$`), func(d DefinitionOf, m []string) error {
		for _, c := range d.columns() {
			for _, v := range c.Type.EnumValues {
				if strings.EqualFold(strings.TrimRight(v, " "), strings.TrimRight(m[1], " ")) {
					return duplicatedValue(c.Name.String(), strings.TrimRight(m[1], " "), &c.Type)
				}
			}
		}
		return nil
	}},
	{regexp.MustCompile(`^incompatible type for default value|^default value attempted to return null`), func(d DefinitionOf, _ []string) error {
		for _, c := range d.columns() {
			if badDefault(&c.Type) {
				return mysql.NewSQLError(1067, "42000", "Invalid default value for '%s'", c.Name.String())
			}
		}
		for _, c := range d.Clauses {
			if c.DefaultSpec != nil && strings.EqualFold(c.DefaultSpec.Action, ast.SetStr) {
				return mysql.NewSQLError(1067, "42000", "Invalid default value for '%s'", c.DefaultSpec.Column.String())
			}
		}
		return nil
	}},
}

// maxRowBytes is MySQL's limit of a row.
const maxRowBytes = 65535

// NoSuchKey returns MySQL's error of an index that a table has not.
func NoSuchKey(key, table string) error {
	return mysql.NewSQLError(1176, "42000", "Key '%s' doesn't exist in table '%s'", key, table)
}

// DefinitionOf is a CREATE or ALTER TABLE whose error is to be told.
type DefinitionOf struct {
	Table   string
	Clauses []*ast.DDL
}

// definitionError returns MySQL's error in place of one of the planner's, nil where there is
// nothing to add.
func definitionError(stmt ast.Statement, text string) error {
	d := DefinitionOf{}
	if d.Table, d.Clauses = Altered(stmt); d.Clauses == nil {
		return nil
	}
	for _, x := range definitionErrors {
		if m := x.pattern.FindStringSubmatch(text); m != nil {
			if err := x.make(d, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d DefinitionOf) columns() []*ast.ColumnDefinition {
	var out []*ast.ColumnDefinition
	for _, c := range d.Clauses {
		if c.TableSpec != nil {
			out = append(out, c.TableSpec.Columns...)
		}
	}
	return out
}

// NamedForeignKey is a foreign key with its name, MySQL's if it was given none.
type NamedForeignKey struct {
	Def   *ast.ForeignKeyDefinition
	name  string
	Named bool
}

// ForeignKeys returns the foreign keys that the definition has.
func (d DefinitionOf) ForeignKeys() []NamedForeignKey {
	var out []NamedForeignKey
	unnamed := 0
	for _, c := range d.Clauses {
		if c.TableSpec == nil {
			continue
		}
		for _, x := range c.TableSpec.Constraints {
			fk, ok := x.Details.(*ast.ForeignKeyDefinition)
			if !ok {
				continue
			}
			name := x.Name
			if name == "" {
				unnamed++
				name = fmt.Sprintf("%s_ibfk_%d", d.Table, unnamed)
			}
			out = append(out, NamedForeignKey{fk, name, x.Name != ""})
		}
	}
	return out
}

// foreignKey is the name of the first foreign key that f takes.
func (d DefinitionOf) foreignKey(f func(*ast.ForeignKeyDefinition) bool) string {
	for _, fk := range d.ForeignKeys() {
		if f(fk.Def) {
			return fk.name
		}
	}
	return ""
}

// bytesOfCharacter is the longest character of a column's text.
func (d DefinitionOf) bytesOfCharacter(t *ast.ColumnType) int {
	return int(d.collation(t).CharacterSet().MaxLength())
}

// collation is that of a column, by the definition alone.
func (d DefinitionOf) collation(t *ast.ColumnType) sql.CollationID {
	charset, collation := t.Charset, t.Collate
	if charset+collation == "" {
		for _, c := range d.Clauses {
			if c.TableSpec == nil {
				continue
			}
			for _, o := range c.TableSpec.TableOpts {
				switch name := strings.ToLower(o.Name); {
				case strings.HasSuffix(name, "charset"), strings.HasSuffix(name, "character set"):
					charset = o.Value
				case strings.HasSuffix(name, "collate"):
					collation = o.Value
				}
			}
		}
	}
	id, err := sql.ParseCollation(syntax.Unquoted(charset), syntax.Unquoted(collation), t.BinaryCollate)
	if err != nil || charset+collation == "" && !t.BinaryCollate {
		id = sql.Collation_utf8mb4_0900_ai_ci
	}
	return id
}

// memberDefaults writes the defaults of ENUM columns as the members that they are equal to: the planner takes no others.
func (d DefinitionOf) memberDefaults() {
	for _, c := range d.columns() {
		v, ok := c.Type.Default.(*ast.SQLVal)
		if !ok || v.Type != ast.StrVal || !strings.EqualFold(c.Type.Type, "enum") {
			continue
		}
		collation := d.collation(&c.Type)
		weights, err := collation.HashToUint(strings.TrimRight(string(v.Val), " "))
		for _, m := range c.Type.EnumValues {
			m = strings.TrimRight(m, " ")
			if w, e := collation.HashToUint(m); err == nil && e == nil && w == weights {
				c.Type.Default = ast.NewStrVal([]byte(m))
			}
		}
	}
}

// badDefault reports whether a column's literal default is no value of its type.
func badDefault(t *ast.ColumnType) bool {
	if _, null := t.Default.(*ast.NullVal); null {
		return bool(t.NotNull)
	}
	v, ok := t.Default.(*ast.SQLVal)
	if !ok {
		return false
	}
	ctx := value.NoContext()
	plain := ast.ColumnType{Type: t.Type, Length: t.Length, Scale: t.Scale, Unsigned: t.Unsigned, EnumValues: t.EnumValues}
	typ, err := planbuilder.ParseColumnTypeString(ctx, ast.String(&plain))
	if err != nil {
		return false
	}
	if types.IsNumber(typ) {
		d, _, err := types.MustCreateDecimalType(65, 30).Convert(ctx, string(v.Val))
		if err != nil || d == nil {
			return true
		}
	}
	_, inRange, err := typ.Convert(ctx, string(v.Val))
	return err != nil || inRange != sql.InRange
}
