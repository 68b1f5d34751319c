package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// namedTable returns a table of the volume.
func (s *Session) namedTable(ctx *sql.Context, t syntax.TableName) (*Table, error) {
	if t.Database == "" {
		t.Database = ctx.GetCurrentDatabase()
	}
	if t.Database == "" {
		return nil, sql.ErrNoDatabaseSelected.New()
	}
	db, err := s.b.Database(ctx, t.Database)
	if err != nil {
		return nil, err
	}
	found, ok, err := db.GetTableInsensitive(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	if own, is := found.(*Table); ok && is {
		return own, nil
	}
	return nil, mysql.NewSQLError(1146, "42S02", "Table '%s.%s' doesn't exist", t.Database, t.Name)
}

// largerText is the type that MySQL makes of a TEXT whose characters get longer.
var largerText = map[string]string{"tinytext": "text", "text": "mediumtext", "mediumtext": "longtext"}

// convert completes CONVERT TO CHARACTER SET, which is the table's default only to the
// planner, with a change of each column of text.
func (s *Session) convert(ctx *sql.Context, query string, stmt ast.Statement) error {
	n, ok := stmt.(*ast.AlterTable)
	if !ok || !syntax.ContainsFold(query, "convert") {
		return nil
	}
	converts := false
	for l := syntax.NewLexer(query); l.Kind != 0 && !converts; l.Next() {
		converts = l.Is("convert") && l.Accept("convert", "to")
	}
	var to *ast.AlterCollationSpec
	for _, d := range n.Statements {
		if d.AlterCollationSpec != nil {
			to = d.AlterCollationSpec
		}
	}
	if !converts || to == nil {
		return nil
	}
	collation, err := sql.ParseCollation(to.CharacterSet, to.Collation, false)
	if err != nil {
		return nil //nolint:nilerr // the planner says so
	}
	t, err := s.namedTable(ctx, syntax.TableName{Database: n.Table.DbQualifier.String(), Name: n.Table.Name.String()})
	if err != nil {
		return nil //nolint:nilerr // so does it here
	}
	var clauses []string
	for _, c := range t.live(ctx).schema {
		old, ok := c.Type.(sql.TypeWithCollation)
		if !ok || c.HiddenSystem || types.IsBinaryType(c.Type) || types.IsJSON(c.Type) || old.Collation() == collation {
			continue
		}
		changed := *c
		if changed.Type, err = old.WithNewCollation(collation); err != nil {
			return err
		}
		line, err := columnText(ctx, &changed, sql.Collation_Unspecified, asKept)
		if err != nil {
			return err
		}
		if old.Collation().CharacterSet().MaxLength() < collation.CharacterSet().MaxLength() && types.IsTextBlob(c.Type) {
			head := syntax.QuoteName(c.Name) + " "
			kind, rest, _ := strings.Cut(strings.TrimPrefix(line, head), " ")
			if larger := largerText[kind]; larger != "" {
				line = head + larger + " " + rest
			}
		}
		clauses = append(clauses, "MODIFY COLUMN "+line)
	}
	if clauses == nil {
		return nil
	}
	more, err := parsedDefinition("ALTER TABLE " + ast.String(n.Table) + " " + strings.Join(clauses, ", "))
	if err != nil {
		return err
	}
	if m, ok := more.(*ast.AlterTable); ok {
		n.Statements = append(n.Statements, m.Statements...)
	}
	return nil
}
