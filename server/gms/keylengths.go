package gms

import (
	"regexp"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
)

// checkKeys returns MySQL's error for a CREATE TABLE with a key that is too long.
func checkKeys(ctx *sql.Context, s *Session, n *plan.CreateTable) error {
	schema := n.PkSchema()
	if len(schema.PkOrdinals) == 0 && s.boolVariable(ctx, "sql_require_primary_key") {
		return errPrimaryKeyRequired()
	}
	for _, c := range schema.Schema {
		if c.Type == types.Null { // of CREATE TABLE … SELECT NULL
			c.Type = types.MustCreateBinary(sqltypes.Binary, 0)
		}
	}
	var primary []sql.IndexColumn
	for _, o := range schema.PkOrdinals {
		primary = append(primary, sql.IndexColumn{Name: schema.Schema[o].Name})
	}
	for _, ix := range n.Indexes() {
		if ix.IsPrimary() {
			primary = ix.Columns // with prefixes
		} else if err := checkKeyLength(schema.Schema, *ix); err != nil {
			return err
		}
	}
	return checkKeyLength(schema.Schema, sql.IndexDef{Columns: primary})
}

func errPrimaryKeyRequired() error {
	return mysql.NewSQLError(3750, "HY000", "Unable to create or change a table without a primary key, when the system variable "+
		"'sql_require_primary_key' is set. Add a primary key to the table or unset this variable to avoid this message. "+
		"Note that tables without a primary key can cause performance problems in row-based replication, "+
		"so please consult your DBA before changing this setting.")
}

// checkKeyLength returns MySQL's error for a key of more bytes than InnoDB takes.
func checkKeyLength(schema sql.Schema, ix sql.IndexDef) error {
	if ix.IsSpatial() || ix.IsVector() {
		return nil
	}
	if ix.IsFullText() {
		return checkFulltext(schema, ix.Columns)
	}
	total := int64(0)
	for _, c := range ix.Columns {
		if at := schema.IndexOfColName(c.Name); at >= 0 && !schema[at].HiddenSystem {
			if types.IsJSON(schema[at].Type) {
				return mysql.NewSQLError(3152, "42000", "JSON column '%s' supports indexing only via generated columns on a specified JSON path.", c.Name)
			}
			if c.Length == 0 && (types.IsTextBlob(schema[at].Type) || types.IsGeometry(schema[at].Type)) {
				return mysql.NewSQLError(1170, "42000", "BLOB/TEXT column '%s' used in key specification without a key length", c.Name)
			}
			if t, ok := schema[at].Type.(sql.StringType); ok && t.MaxCharacterLength() == 0 {
				return mysql.NewSQLError(1167, "42000", "The used storage engine can't index column '%s'", c.Name)
			}
			total += keyBytes(schema[at].Type, c.Length)
		}
	}
	if total > rewrite.KeyBytesMax {
		return mysql.NewSQLError(mysql.ERTooLongKey, "42000", "Specified key was too long; max key length is %d bytes", rewrite.KeyBytesMax)
	}
	return nil
}

// checkFulltext returns MySQL's error for a FULLTEXT index of a column that is no text, or of another collation than
// the first's.
func checkFulltext(schema sql.Schema, columns []sql.IndexColumn) error {
	first := sql.Collation_Unspecified
	for _, c := range columns {
		at := schema.IndexOfColName(c.Name)
		if at < 0 || types.IsJSON(schema[at].Type) {
			continue
		}
		t, ok := schema[at].Type.(sql.StringType)
		if !ok || !types.IsTextOnly(t) || first != sql.Collation_Unspecified && t.Collation() != first {
			return mysql.NewSQLError(1283, "HY000", "Column '%s' cannot be part of FULLTEXT index", c.Name)
		}
		first = t.Collation()
	}
	return nil
}

// keyBytes is the length of a key's part: of a text's prefix, or of the whole.
func keyBytes(t sql.Type, prefix int64) int64 {
	s, ok := t.(sql.StringType)
	if !ok {
		return 8
	}
	width := int64(1)
	if !types.IsBinaryType(t) {
		width = s.Collation().CharacterSet().MaxLength()
	}
	if prefix > 0 {
		return prefix * width
	}
	return s.MaxByteLength()
}

// duplicateIndex is the warning of an index beside an equal one. The planner gives it for
// indexes of equally many columns, too.
const duplicateIndex = 1831

var duplicateIndexOf = regexp.MustCompile("^Duplicate index '(.*)' defined on the table '([^.]*)\\.(.*)'")

// isDuplicateIndex reports whether the index of the warning has the columns of another one that stays.
func (s *Session) isDuplicateIndex(message string) bool {
	m := duplicateIndexOf.FindStringSubmatch(message)
	if m == nil || s.tx == nil || s.tx.tx == nil {
		return true
	}
	def := s.temporary(m[2], m[3])
	if def == nil {
		def = s.tx.tx.NewestCatalog().Table(m[2], m[3])
	}
	if def == nil || def.Index(m[1]) == nil {
		return false
	}
	this := def.Index(m[1])
	a, alters := s.current().(*ast.AlterTable)
	return slices.ContainsFunc(def.Indexes, func(ix *engine.IndexDef) bool {
		return ix != this && ix.Kind == this.Kind && slices.Equal(ix.Columns, this.Columns) &&
			!(alters && slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool { return droppedIndex(def, d) == ix }))
	})
}

// keyExpression returns MySQL's error of an expression that no index may be of: 3753 for a document or a geometry, 3757 for what is
// a TEXT or BLOB.
func keyExpression(ctx *sql.Context, e sql.Expression) error {
	if k, ok := e.(*keptExpression); ok {
		e = k.Child
	}
	switch t := expr.CreatedExpr(ctx, e, nil).Typ; {
	case types.IsJSON(t), types.IsGeometry(t):
		return mysql.NewSQLError(3753, "HY000", "Cannot create a functional index on a function that returns a JSON or GEOMETRY value.")
	case types.IsTextBlob(t) && longText(ctx, e):
		return mysql.NewSQLError(3757, "HY000", "Cannot create a functional index on an expression that returns a BLOB or TEXT. Please consider using CAST.")
	}
	return nil
}

// longText reports whether an expression is a TEXT or BLOB because it has the whole text of a column that is one, or is what JSON_UNQUOTE gives.
func longText(ctx *sql.Context, e sql.Expression) bool {
	switch x := e.(type) {
	case *expression.GetField:
		return types.IsTextBlob(expr.CreatedExpr(ctx, x, nil).Typ)
	case *expression.CollatedExpression:
	case sql.FunctionExpression:
		name := x.FunctionName()
		if name == "json_unquote" {
			return true
		}
		_, collated := expr.CollatedFunctions[name]
		if _, choice := expr.Choices[name]; !collated && !choice && name != "trim" {
			return false
		}
	default:
		return false
	}
	return slices.ContainsFunc(e.Children(), func(a sql.Expression) bool { return longText(ctx, a) })
}
