package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// binaryCollations gives the columns that are defined BINARY and without a character set that of their table, which the
// planner needs to find the binary collation.
func (s *Session) binaryCollations(ctx *sql.Context, d *ast.DDL) {
	plain := func(c *ast.ColumnDefinition) bool {
		return c.Type.BinaryCollate && c.Type.Charset == "" && c.Type.Collate == ""
	}
	if !slices.ContainsFunc(d.TableSpec.Columns, plain) {
		return
	}
	of := s.defaultCollation(ctx, d).CharacterSet().Name()
	for _, c := range d.TableSpec.Columns {
		if plain(c) {
			c.Type.Charset = of
		}
	}
}

// defaultCollation returns the collation of new columns of the table that a statement creates or alters.
func (s *Session) defaultCollation(ctx *sql.Context, d *ast.DDL) sql.CollationID {
	charset, collation := "", ""
	for _, o := range d.TableSpec.TableOpts {
		switch value := syntax.Unquoted(o.Value); strings.ToLower(o.Name) {
		case "character set", "charset":
			charset = value
		case "collate":
			collation = value
		}
	}
	if c, err := sql.ParseCollation(charset, collation, false); err == nil && c != sql.Collation_Unspecified {
		return c
	}
	db := d.Table.DbQualifier.String()
	if db == "" {
		db = s.GetCurrentDatabase()
	}
	if d.Action == ast.AlterStr {
		if def, _, err := s.definition(ctx, syntax.TableName{Database: db, Name: d.Table.Name.String()}); err == nil && def != nil && def.Collation != 0 {
			return sql.CollationID(def.Collation)
		}
	}
	if of, err := s.b.Database(ctx, db); err == nil {
		return plan.GetDatabaseCollation(ctx, of)
	}
	return sql.Collation_Default
}

// memberDefault makes a number that is the DEFAULT of an ENUM or SET the text that it is to MySQL, of a member's name, one that
// is the DEFAULT of a DATE or DATETIME the text of its digits, and b'…' that is the DEFAULT of a text the bytes that it is.
func memberDefault(t *ast.ColumnType) {
	v, ok := t.Default.(*ast.SQLVal)
	if !ok {
		return
	}
	switch strings.ToLower(t.Type) {
	case "enum", "set":
		if v.Type == ast.IntVal {
			t.Default = ast.NewStrVal(v.Val)
		}
	case "date", "datetime", "timestamp":
		if n := len(v.Val); v.Type == ast.IntVal && (n == len("200102") || n == len("20200102") || n == len("200102030405") || n == len("20200102030405")) {
			t.Default = ast.NewStrVal(v.Val)
		}
	case "char", "varchar", "binary", "varbinary":
		if v.Type == ast.BitVal {
			t.Default = rewrite.HexLiteralOf(v)
		}
	}
}
