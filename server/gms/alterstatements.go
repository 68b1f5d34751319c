package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
)

// parseAlterTable parses ALTER TABLE t ALTER INDEX i {VISIBLE | INVISIBLE}, …; the rest is
// the planner's.
func parseAlterTable(l *lexer) (ast.Statement, error) {
	tables := l.tableNames()
	if len(tables) != 1 {
		return nil, nil
	}
	type change struct {
		index     string
		invisible bool
	}
	var changes []change
	for {
		if !l.accept("alter", "index") {
			return nil, nil
		}
		name, ok := l.name()
		visible := l.acceptOne("visible", "invisible")
		if !ok || visible == "" {
			return nil, nil
		}
		changes = append(changes, change{name, visible == "invisible"})
		if !l.accept(",") {
			break
		}
	}
	if l.kind != 0 {
		return nil, nil
	}
	a := &admin{name: "ALTER TABLE", commits: true, auth: ast.AuthInformation{AuthType: ast.AuthType_ALTER,
		TargetType: ast.AuthTargetType_SingleTableIdentifier, TargetNames: []string{tables[0].Database, tables[0].Name}}}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		t, err := s.namedTable(ctx, tables[0])
		if err != nil {
			return nil, err
		}
		return nil, t.alter(ctx, func(def *engine.TableDef) error {
			for _, c := range changes {
				if sameName(c.index, "PRIMARY") {
					return mysql.NewSQLError(3522, "HY000", "A primary key index cannot be invisible")
				}
				ix := def.Index(c.index)
				if ix == nil {
					return noSuchKey(c.index, def.Name)
				}
				ix.Invisible = c.invisible
			}
			return nil
		})
	}
	return a.statement(), nil
}

// namedTable returns a table of the volume.
func (s *Session) namedTable(ctx *sql.Context, t tableName) (*Table, error) {
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

// noteInvisible remembers the indexes that a definition declares INVISIBLE, whose option
// the planner drops, for their creation.
func (s *Session) noteInvisible(stmt ast.Statement) error {
	s.invisible = nil
	_, clauses := altered(stmt)
	note := func(fields []*ast.IndexField, options []*ast.IndexOption, primary bool) error {
		for _, o := range options {
			if !strings.EqualFold(o.Name, "invisible") {
				continue
			}
			if primary {
				return mysql.NewSQLError(3522, "HY000", "A primary key index cannot be invisible")
			}
			names := make([]string, len(fields))
			for i, f := range fields {
				names[i] = f.Column.String()
			}
			if s.invisible == nil {
				s.invisible = map[string]bool{}
			}
			s.invisible[directionKey(names)] = true
		}
		return nil
	}
	for _, d := range clauses {
		if d.IndexSpec != nil {
			if err := note(d.IndexSpec.Fields, d.IndexSpec.Options, strings.EqualFold(d.IndexSpec.Type, "primary")); err != nil {
				return err
			}
		}
		if d.TableSpec == nil {
			continue
		}
		for _, ix := range d.TableSpec.Indexes {
			if err := note(ix.Fields, ix.Options, ix.Info.Primary); err != nil {
				return err
			}
		}
	}
	return nil
}

// largerText is the type that MySQL makes of a TEXT whose characters get longer.
var largerText = map[string]string{"tinytext": "text", "text": "mediumtext", "mediumtext": "longtext"}

// convert completes CONVERT TO CHARACTER SET, which is the table's default only to the
// planner, with a change of each column of text.
func (s *Session) convert(ctx *sql.Context, query string, stmt ast.Statement) error {
	n, ok := stmt.(*ast.AlterTable)
	if !ok || !containsFold(query, "convert") {
		return nil
	}
	converts := false
	for l := newLexer(query); l.kind != 0 && !converts; l.next() {
		converts = l.is("convert") && l.accept("convert", "to")
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
	t, err := s.namedTable(ctx, tableName{n.Table.DbQualifier.String(), n.Table.Name.String()})
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
		line, err := columnText(ctx, &changed, sql.Collation_Unspecified)
		if err != nil {
			return err
		}
		if old.Collation().CharacterSet().MaxLength() < collation.CharacterSet().MaxLength() && types.IsTextBlob(c.Type) {
			head := quoteName(c.Name) + " "
			kind, rest, _ := strings.Cut(strings.TrimPrefix(line, head), " ")
			if larger := largerText[kind]; larger != "" {
				line = head + larger + " " + rest
			}
		}
		clauses = append(clauses, "MODIFY COLUMN "+plainComments(line))
	}
	if clauses == nil {
		return nil
	}
	more, err := ast.Parse("ALTER TABLE " + ast.String(n.Table) + " " + strings.Join(clauses, ", "))
	if err != nil {
		return err
	}
	if m, ok := more.(*ast.AlterTable); ok {
		n.Statements = append(n.Statements, m.Statements...)
	}
	return nil
}
