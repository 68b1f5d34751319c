package gms

import (
	"context"
	"regexp"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	querypb "github.com/dolthub/vitess/go/vt/proto/query"
)

const timeDigits = 6 // of a TIME, which the planner has with microseconds only

// describe completes what a result says of its columns: drivers cut a TIME to the
// digits that are announced, and take a BIT that is not binary for text.
func describe(fields []*querypb.Field) {
	for _, f := range fields {
		switch f.Type {
		case sqltypes.Time:
			f.Decimals = timeDigits
		case sqltypes.Bit:
			f.Charset = uint32(sql.Collation_binary)
		}
	}
}

var violation = regexp.MustCompile("fails \\(`(.*)`\\.`(.*)`, CONSTRAINT `(.*)` FOREIGN KEY REFERENCES `.*`\\)$")

// nameColumns completes the message of a violated foreign key with the constraint as
// MySQL writes it, from which ORMs read the columns. A message whose constraint is not
// in the catalog stays as it is.
func (b *Backend) nameColumns(e *mysql.SQLError) {
	m := violation.FindStringSubmatchIndex(e.Message)
	if m == nil || e.Num != 1451 && e.Num != 1452 {
		return
	}
	cat, err := b.db.CatalogAt(context.Background(), 0)
	if err != nil {
		return
	}
	table := cat.Table(e.Message[m[2]:m[3]], e.Message[m[4]:m[5]])
	if table == nil {
		return
	}
	quote := (&sql.MySqlSchemaFormatter{}).QuoteIdentifiers
	list := func(names []string) string { return "(" + strings.Join(quote(names), ", ") + ")" }
	for _, fk := range table.ForeignKeys {
		if !sameName(fk.Name, e.Message[m[6]:m[7]]) {
			continue
		}
		parent := []string{fk.ParentTable}
		if !sameName(fk.ParentDatabase, table.Database) {
			parent = []string{fk.ParentDatabase, fk.ParentTable}
		}
		text := " FOREIGN KEY " + list(fk.Columns) + " REFERENCES " + strings.Join(quote(parent), ".") + " " + list(fk.ParentColumns)
		for _, action := range []struct{ on, is string }{{" ON DELETE ", fk.OnDelete}, {" ON UPDATE ", fk.OnUpdate}} {
			switch sql.ForeignKeyReferentialAction(action.is) {
			case sql.ForeignKeyReferentialAction_Cascade, sql.ForeignKeyReferentialAction_SetNull, sql.ForeignKeyReferentialAction_Restrict:
				text += action.on + action.is
			}
		}
		e.Message = e.Message[:m[7]+1] + text + ")"
		return
	}
}
