package rewrite

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// Deprecations returns MySQL's warnings of what a definition has that it is about to give up, in the order of the text.
func Deprecations(stmt ast.Statement) []*sql.Warning {
	_, clauses := Altered(stmt)
	var out []*sql.Warning
	add := func(number int, text string) {
		out = append(out, &sql.Warning{Level: "Warning", Code: number, Message: text})
	}
	charset := func(name, collation string) {
		switch strings.ToLower(syntax.Unquoted(name)) {
		case "utf8":
			add(3719, "'utf8' is currently an alias for the character set UTF8MB3, but will be an alias for UTF8MB4 in a future release. "+
				"Please consider using UTF8MB4 in order to be unambiguous.")
		case "utf8mb3":
			add(1287, "'utf8mb3' is deprecated and will be removed in a future release. Please use utf8mb4 instead")
		}
		kind, rest, _ := strings.Cut(strings.ToLower(syntax.Unquoted(collation)), "_")
		if kind == "utf8" || kind == "utf8mb3" {
			add(3778, "'utf8mb3_"+rest+"' is a collation of the deprecated character set UTF8MB3. "+
				"Please consider using UTF8MB4 with an appropriate collation instead.")
		}
	}
	for _, d := range clauses {
		if x := d.AlterCollationSpec; x != nil {
			charset(x.CharacterSet, x.Collation)
		}
		if d.TableSpec == nil {
			continue
		}
		for _, c := range d.TableSpec.Columns {
			t := &c.Type
			if t.Zerofill {
				add(1681, "The ZEROFILL attribute is deprecated and will be removed in a future release. Use the LPAD function to zero-pad numbers, "+
					"or store the formatted numbers in a CHAR column.")
			}
			switch strings.ToLower(t.Type) {
			case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
				if t.Length != nil {
					add(1681, "Integer display width is deprecated and will be removed in a future release.")
				}
			case "float", "double", "real":
				if t.Scale != nil {
					add(1681, "Specifying number of digits for floating point data types is deprecated and will be removed in a future release.")
				}
				fallthrough
			case "decimal", "numeric", "dec", "fixed":
				if t.Unsigned {
					add(1681, "UNSIGNED for decimal and floating point data types is deprecated and support for it will be removed in a future release.")
				}
			}
			charset(t.Charset, "")
			if t.BinaryCollate {
				add(1287, "'BINARY as attribute of a type' is deprecated and will be removed in a future release. "+
					"Please use a CHARACTER SET clause with _bin collation instead")
			}
			charset("", t.Collate)
		}
		for _, o := range d.TableSpec.TableOpts {
			switch name := strings.ToLower(o.Name); {
			case strings.HasSuffix(name, "charset"), strings.HasSuffix(name, "character set"):
				charset(o.Value, "")
			case strings.HasSuffix(name, "collate"):
				charset("", o.Value)
			}
		}
	}
	return out
}
