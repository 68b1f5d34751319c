package gms

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/txn"
	"sextant/server/gms/syntax"
)

// tableMessage is one row of the answer of a statement over tables: of its table.
type tableMessage struct {
	kind, text string
	sum        any // of CHECKSUM TABLE: int64 or nil
}

func done() []tableMessage { return []tableMessage{{kind: "status", text: "OK"}} }

func failed(kind, format string, args ...any) []tableMessage {
	return []tableMessage{
		{kind: kind, text: fmt.Sprintf(format, args...)}, {kind: "status", text: "Operation failed"},
	}
}

// definition returns a table's, nil if there is none, and whether it is a view.
func (s *Session) definition(ctx *sql.Context, t syntax.TableName) (def *engine.TableDef, view bool, err error) {
	if def = s.temporary(t.Database, t.Name); def != nil {
		return def, false, nil
	}
	cat, err := s.catalog(ctx)
	if err != nil {
		return nil, false, err
	}
	if def = cat.Table(t.Database, t.Name); def != nil {
		return def, false, nil
	}
	return nil, cat.Object(engine.ObjectView, t.Database, t.Name) != nil, nil
}

// checkTable reads a table and its indexes and compares them.
func checkTable(ctx *sql.Context, s *Session, t syntax.TableName) ([]tableMessage, error) {
	def, view, err := s.definition(ctx, t)
	switch {
	case err != nil:
		return nil, err
	case view:
		if _, err := s.query(ctx, "SELECT 1 FROM "+quoted(t)+" LIMIT 0"); err != nil {
			return failed("Error", "%s", clientError(sql.CastSQLError(s.viewError(ctx, err)), t.Database).Message), nil
		}
		return done(), nil
	case def == nil:
		return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
	case def.Temporary:
		return done(), nil // in memory, of this session alone
	}
	_, err = s.b.db.CheckTable(ctx, def.ID)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
	case errors.Is(err, engine.ErrCorrupt):
		return []tableMessage{{kind: "error", text: err.Error()}, {kind: "error", text: "Corrupt"}}, nil
	case err != nil:
		return nil, s.fail(ctx, err)
	}
	sh, err := s.b.shapes.of(ctx, def)
	if err != nil || sh.parts == nil {
		return done(), err
	}
	parts := make([]int, len(sh.parts.Parts))
	for i := range parts {
		parts[i] = i
	}
	return sh.checkPlaces(ctx, s, parts)
}

// checksumTable sums up a checksum of every row, so that the order of rows does not
// matter. Tables with equal rows and columns have equal sums, here and on readers; other
// servers' sums are others.
func checksumTable(ctx *sql.Context, s *Session, t syntax.TableName) ([]tableMessage, error) {
	def, _, err := s.definition(ctx, t)
	if err != nil {
		return nil, err
	}
	if def == nil {
		ctx.Warn(1146, "Table '%s.%s' doesn't exist", t.Database, t.Name)
		return []tableMessage{{}}, nil
	}
	db, err := s.b.Database(ctx, t.Database)
	if err != nil {
		return nil, err
	}
	table, _, err := db.GetTableInsensitive(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	parts, err := table.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	schema, rows := table.Schema(ctx), sql.NewTableRowIter(ctx, table, parts)
	var sum uint32
	var cell []byte
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			return []tableMessage{{sum: int64(sum)}}, rows.Close(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, rows.Close(ctx))
		}
		crc := uint32(0)
		for i, v := range row {
			cell = append(cell[:0], 0)
			if v != nil {
				text, err := schema[i].Type.SQL(ctx, nil, v)
				if err != nil {
					return nil, errors.Join(err, rows.Close(ctx))
				}
				cell = fmt.Appendf(append(cell[:0], 1), "%d:", text.Len())
				cell = append(cell, text.Raw()...)
			}
			crc = crc32.Update(crc, crc32.IEEETable, cell)
		}
		sum += crc
	}
}

// optimizeTable brings a table's statistics up to date, when no transaction uses it. Pages need no more than
// that: those that rows leave are merged and freed as it happens.
func optimizeTable(ctx *sql.Context, s *Session, t syntax.TableName) ([]tableMessage, error) {
	def, view, err := s.definition(ctx, t)
	if err != nil {
		return nil, err
	}
	if view {
		return failed("Error", "'%s.%s' is not BASE TABLE", t.Database, t.Name), nil
	}
	if def == nil {
		return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
	}
	if !def.Temporary && !s.b.readOnly.Load() {
		_, tx, err := writer(ctx)
		if err != nil {
			return nil, err
		}
		if err := tx.LockDefinition(ctx, def.Database, def.Name); err != nil {
			return nil, s.fail(ctx, err)
		}
	}
	note := tableMessage{kind: "note", text: "Table does not support optimize, doing analyze instead"}
	answer, err := analyzeTable(ctx, s, t)
	if err != nil {
		return nil, err
	}
	return append([]tableMessage{note}, answer...), nil
}

// repairTable says what InnoDB does.
func repairTable(ctx *sql.Context, s *Session, t syntax.TableName) ([]tableMessage, error) {
	def, view, err := s.definition(ctx, t)
	switch {
	case err != nil:
		return nil, err
	case view:
		return failed("Error", "'%s.%s' is not BASE TABLE", t.Database, t.Name), nil
	case def == nil:
		return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
	}
	return []tableMessage{{kind: "note", text: "The storage engine for the table doesn't support repair"}}, nil
}

// quoted returns a table's name as SQL text.
func quoted(t syntax.TableName) string {
	quote := func(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
	return quote(t.Database) + "." + quote(t.Name)
}

// query runs a statement inside the one that ctx is of.
func (s *Session) query(ctx *sql.Context, text string) ([]sql.Row, error) {
	inner := sql.NewContext(ctx, sql.WithSession(s)) // ctx's process ends with its statement
	_, it, _, err := s.b.runner.QueryWithBindings(inner, text, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	return sql.RowIterToRows(inner, it)
}

// parseShowOpenTables parses SHOW OPEN TABLES [{FROM | IN} db] [LIKE 'pattern']. The tables
// are those that a transaction uses.
func parseShowOpenTables(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("tables") {
		return nil, nil
	}
	database, pattern := "", ""
	if l.AcceptOne("from", "in") != "" {
		database, _ = l.Name()
	}
	if l.Accept("like") {
		if l.Kind != 's' {
			return nil, nil
		}
		pattern = l.Text
		l.Next()
	}
	if l.Kind != 0 {
		return nil, nil
	}
	a := &admin{name: "SHOW OPEN TABLES", columns: sql.Schema{
		{Name: "Database", Type: types.LongText}, {Name: "Table", Type: types.LongText},
		{Name: "In_use", Type: types.Int64}, {Name: "Name_locked", Type: types.Int64},
	}}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return openTables(ctx, s, database, pattern)
	}
	return a.statement(), nil
}

// openTables counts the metadata locks of each table.
func openTables(ctx *sql.Context, s *Session, database, pattern string) ([]sql.Row, error) {
	cat, err := s.catalog(ctx)
	if err != nil {
		return nil, err
	}
	held := make(map[syntax.TableName]int64)
	exclusive := make(map[syntax.TableName]int64)
	for _, l := range s.b.db.Locks() {
		db, name, ok := strings.Cut(string(l.Key), "\x00")
		if l.Space.Kind != txn.SpaceMeta || l.Waiting || !ok || name == "" {
			continue
		}
		def := cat.Table(db, name)
		if def == nil || database != "" && !strings.EqualFold(database, def.Database) {
			continue
		}
		t := syntax.TableName{Database: def.Database, Name: def.Name}
		held[t]++
		if l.Mode == txn.MetaExclusive {
			exclusive[t] = 1
		}
	}
	var rows []sql.Row
	for t, n := range held {
		if pattern != "" {
			like, err := expression.NewLike(expression.NewLiteral(t.Name, types.LongText),
				expression.NewLiteral(pattern, types.LongText), nil).Eval(ctx, nil)
			if err != nil {
				return nil, err
			}
			if like != true {
				continue
			}
		}
		rows = append(rows, sql.Row{t.Database, t.Name, n, exclusive[t]})
	}
	slices.SortFunc(rows, func(a, b sql.Row) int {
		return strings.Compare(fmt.Sprint(a[0], "\x00", a[1]), fmt.Sprint(b[0], "\x00", b[1]))
	})
	return rows, nil
}

// diagnostics returns the messages of the last statement in the order of their
// making, those of a level or all.
func (s *Session) diagnostics(level string) []*sql.Warning {
	var out []*sql.Warning
	for _, w := range s.Warnings() { // the last one first
		if level == "" || strings.EqualFold(w.Level, level) {
			out = append(out, w)
		}
	}
	slices.Reverse(out)
	return out
}

// noteError keeps the error of a statement for SHOW WARNINGS and SHOW ERRORS.
func (s *Session) noteError(number int, message string) {
	s.BaseSession.Warn(&sql.Warning{Level: "Error", Code: number, Message: message})
}
