package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// triggerRows are TRIGGERS.
func triggerRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	defs, err := s.catalog(ctx)
	if err != nil {
		return nil, err
	}
	for _, db := range cat.AllDatabases(ctx) {
		own, err := s.b.Database(ctx, db.Name())
		if err != nil {
			continue // the planner's
		}
		collated, ok := own.(*Database)
		if !ok {
			continue
		}
		for _, t := range defs.Tables(db.Name()) {
			list, err := s.triggersOf(ctx, db.Name(), t.Name)
			if err != nil {
				return nil, err
			}
			if len(list) == 0 || !s.internal && !s.b.users.UserHasPrivileges(ctx, sql.NewPrivilegedOperation(
				sql.PrivilegeCheckSubject{Database: db.Name(), Table: t.Name}, sql.PrivilegeType_Trigger)) {
				continue
			}
			order := map[string]int64{}
			for _, x := range list {
				order[x.time+x.event]++
				charset, collation := x.shown()
				rows = append(rows, sql.Row{"def", db.Name(), x.Name, strings.ToUpper(x.event), "def", db.Name(), t.Name,
					order[x.time+x.event], nil, programText(x.text, x.SQLMode), "ROW", strings.ToUpper(x.time), nil, nil, "OLD", "NEW",
					time.UnixMicro(x.Created).UTC(), modeText(x.SQLMode), x.definer.User + "@" + x.definer.Host,
					charset, collation, collated.GetCollation(ctx).Name()})
			}
		}
	}
	return rows, nil
}

// parseShowTriggers parses SHOW TRIGGERS [FROM database] [LIKE … | WHERE …]; the pattern is
// of tables.
func parseShowTriggers(l *syntax.Lexer) (ast.Statement, error) {
	db := l.Ctx.GetCurrentDatabase()
	if l.AcceptOne("from", "in") != "" {
		var ok bool
		if db, ok = l.Name(); !ok {
			return nil, l.Syntax()
		}
	}
	if db == "" {
		return nil, sql.ErrNoDatabaseSelected.New()
	}
	s, err := sessionOf(l.Ctx)
	if err != nil {
		return nil, err
	}
	if s.checked() {
		if err := s.newAccess(l.Ctx).initDatabase(db); err != nil {
			return nil, err
		}
	}
	if _, err := s.b.Database(l.Ctx, db); err != nil {
		return nil, err
	}
	where, err := readShowFilter(l, "Table")
	if err != nil {
		return nil, err
	}
	return ast.Parse("SELECT `Trigger`, Event, `Table`, Statement, Timing, Created, sql_mode, Definer, character_set_client, " +
		"collation_connection, `Database Collation` FROM (SELECT TRIGGER_NAME AS `Trigger`, EVENT_MANIPULATION AS Event, " +
		"EVENT_OBJECT_TABLE AS `Table`, ACTION_STATEMENT AS Statement, ACTION_TIMING AS Timing, CREATED AS Created, " +
		"SQL_MODE AS sql_mode, DEFINER AS Definer, CHARACTER_SET_CLIENT AS character_set_client, " +
		"COLLATION_CONNECTION AS collation_connection, DATABASE_COLLATION AS `Database Collation`, ACTION_ORDER AS place " +
		"FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = " + syntax.QuoteText(db) + ") AS `triggers`" + where +
		" ORDER BY `Table`, FIELD(Event, 'INSERT', 'UPDATE', 'DELETE'), FIELD(Timing, 'BEFORE', 'AFTER'), place")
}
