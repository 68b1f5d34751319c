package rewrite

import (
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// Lenient makes the columns of a definition what MySQL makes of them outside strict mode, and returns its warnings: a VARCHAR
// or VARBINARY of more than 65535 bytes without a DEFAULT is a TEXT or BLOB, and an empty DEFAULT of a TEXT or BLOB is left out.
func Lenient(stmt ast.Statement) (warnings []*sql.Warning) {
	d := DefinitionOf{}
	_, d.Clauses = Altered(stmt)
	for _, c := range d.columns() {
		t := &c.Type
		switch kind := strings.ToLower(t.Type); {
		case strings.HasSuffix(kind, "text") || strings.HasSuffix(kind, "blob"):
			if v, ok := t.Default.(*ast.SQLVal); ok && v.Type == ast.StrVal && len(v.Val) == 0 {
				t.Default = nil
				warnings = append(warnings, &sql.Warning{Level: "Warning", Code: 1101,
					Message: fmt.Sprintf("BLOB, TEXT, GEOMETRY or JSON column '%s' can't have a default value", c.Name.String())})
			}
		case kind == "varchar" || kind == "varbinary":
			bytes, to := Number(t.Length), "BLOB"
			if kind == "varchar" {
				bytes, to = bytes*d.bytesOfCharacter(t), "TEXT"
			}
			if bytes <= maxRowBytes || t.Default != nil {
				continue
			}
			warnings = append(warnings, &sql.Warning{Level: "Note", Code: 1246,
				Message: fmt.Sprintf("Converting column '%s' from %s to %s", c.Name.String(), strings.ToUpper(kind), to)})
			size := "medium"
			if bytes >= 1<<24 {
				size = "long"
			}
			t.Type, t.Length = size+strings.ToLower(to), nil
		}
	}
	return warnings
}
