package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// like gives a CREATE TABLE … LIKE the definition of the other table: the planner's copy
// has no prefixes, directions and comments. Foreign keys and the names of checks are not
// copied.
func (s *Session) like(ctx *sql.Context, stmt ast.Statement) error {
	d, ok := stmt.(*ast.DDL)
	if !ok || d.Action != ast.CreateStr || d.OptLike == nil || len(d.OptLike.LikeTables) != 1 || d.TableSpec != nil {
		return nil
	}
	of := fullName(d.OptLike.LikeTables[0], ctx.GetCurrentDatabase())
	db := s.privileges(ctx).Database(of.Database)
	if !s.privileges(ctx).Has(sql.PrivilegeType_Select) && !db.Has(sql.PrivilegeType_Select) && !db.Table(of.Name).Has(sql.PrivilegeType_Select) {
		return denied(ctx, "SELECT", of.Name)
	}
	t, err := s.namedTable(ctx, of)
	if err != nil {
		if _, view, err := s.definition(ctx, of); err == nil && view {
			return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not BASE TABLE", of.Database, of.Name)
		}
		return nil //nolint:nilerr // the planner says so, or it is a system table
	}
	sh := t.live(ctx)
	var parts []string
	for _, c := range sh.schema {
		if c.HiddenSystem {
			continue
		}
		text, err := columnText(ctx, c, t.Collation(), asKept)
		if err != nil {
			return err
		}
		parts = append(parts, text)
		if c.Hidden {
			s.visibilities = append(s.visibilities, rewrite.Visibility{Column: c.Name, Hidden: true})
		}
	}
	for _, c := range sh.def.Columns {
		for _, o := range []string{optCharset, expr.OptNoDefault} {
			if name := strings.ToLower(c.Name); c.Options[o] != "" {
				s.columnNotes[name] = append(s.columnNotes[name], o)
			}
		}
	}
	for _, ix := range orderedIndexes(sh) {
		parts = append(parts, ix.text(asKept))
	}
	for _, c := range sh.checks {
		text := "CHECK (" + c.CheckExpression + ")"
		if !c.Enforced {
			text += " NOT ENFORCED"
		}
		parts = append(parts, text)
	}
	s.tableOptions = map[string]string{"comment": sh.def.Comment}
	for _, name := range keptOptions {
		s.tableOptions[name] = sh.def.Options[optOption+name]
	}
	text := "CREATE TABLE t (\n  " + strings.Join(parts, ",\n  ") + "\n) COLLATE=" + t.Collation().Name()
	if sh.def.Comment != "" {
		text += " COMMENT=" + syntax.QuoteText(sh.def.Comment)
	}
	copied, err := parsedDefinition(sh.withFormats(sh.withPrecisions(text)))
	if err != nil {
		return err
	}
	if c, ok := copied.(*ast.DDL); ok {
		d.OptLike, d.TableSpec = nil, c.TableSpec
		if sh.parts != nil && d.Temporary {
			return mysql.NewSQLError(1562, "HY000", "Cannot create temporary table with partitions")
		}
		if sh.parts != nil {
			return attachPartitions(d, &sh.parts.Partitioning)
		}
	}
	return nil
}

// parsedDefinition parses a CREATE or ALTER TABLE whose expressions are as they are kept.
func parsedDefinition(text string) (ast.Statement, error) {
	stmt, err := (&parser{base: sql.NewMysqlParser(), raw: true}).ParseSimple(text)
	if err != nil {
		return nil, err
	}
	keepTexts(stmt)
	return stmt, rewrite.Unmark(stmt)
}

// asKept has an expression of a definition as it is kept, for one that is executed.
func asKept(kept string) string { return kept }
