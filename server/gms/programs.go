package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// program is how a stored program runs: as whom and under what settings.
type program struct {
	kind     programKind
	name     syntax.TableName // among those that run
	database string           // the current one while it runs
	mode     string           // sql_mode of its making
	definer  syntax.AccountName
	invoker  bool // it runs as who calls it
}

// enter makes the session one in which a stored program runs. The function it returns
// makes it what it was before.
func (s *Session) enter(ctx *sql.Context, p program) (leave func(), err error) {
	running := s.calls.running
	undo := []func(){s.within(p.database), func() { s.calls.running = running }}
	leave = func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	s.calls.running = append(running[:len(running):len(running)], p.name)
	restore, err := s.underMode(ctx, p.mode)
	if err != nil {
		leave()
		return nil, err
	}
	undo = append(undo, restore)
	if !p.invoker && p.definer != (syntax.AccountName{}) {
		back, err := s.as(ctx, p.definer)
		if err != nil {
			leave()
			return nil, err
		}
		undo = append(undo, back)
	}
	return leave, nil
}

// underMode makes a program's sql_mode the session's, in which its text is parsed and it runs. The function that it returns
// makes it what it was before.
func (s *Session) underMode(ctx *sql.Context, mode string) (restore func(), err error) {
	v, err := s.BaseSession.GetSessionVariable(ctx, "sql_mode")
	if err == nil && v != mode {
		err = s.BaseSession.SetSessionVariable(ctx, "sql_mode", mode)
	}
	return func() { _ = s.BaseSession.SetSessionVariable(ctx, "sql_mode", v) }, err
}

// inside runs a function or a trigger within the statement that calls it, which commits or
// rolls back what it does. What the statement before has left for LAST_INSERT_ID(),
// ROW_COUNT() and FOUND_ROWS() stays.
func (s *Session) inside(ctx *sql.Context, p program, run func() error) error {
	if err := s.guard(ctx); err != nil {
		return err
	}
	leave, err := s.enter(ctx, p)
	if err != nil {
		return err
	}
	defer leave()
	outer := s.calls.within
	s.calls.within = &caller{kind: p.kind, up: outer, used: s.tablesUsed(ctx)}
	defer func() { s.calls.within = outer }()
	info := ctx.GetLastQueryInfo()
	rows, found, id := info.RowCount.Load(), info.FoundRows.Load(), info.LastInsertId.Load()
	answer, warnings := s.command.ok, s.Warnings()
	s.dml++
	err = run()
	s.dml--
	s.command.ok = answer
	info.RowCount.Store(rows)
	info.FoundRows.Store(found)
	info.LastInsertId.Store(id)
	s.keepWarnings(warnings)
	return err
}

// caller is a statement that runs a function or a trigger.
type caller struct {
	kind programKind // of what it runs
	up   *caller     // of the one around it
	used map[syntax.TableName]bool
}

// tablesUsed returns the tables of the statement that runs, those under views too.
func (s *Session) tablesUsed(ctx *sql.Context) map[syntax.TableName]bool {
	if s.used == nil {
		s.used = map[syntax.TableName]bool{}
		s.noteTables(ctx, s.current(), s.GetCurrentDatabase())
	}
	return s.used
}

func (s *Session) noteTables(ctx *sql.Context, stmt ast.Statement, database string) {
	eachName(stmt, database, func(t syntax.TableName, _ bool) {
		t.Database, t.Name = strings.ToLower(t.Database), strings.ToLower(t.Name)
		if s.used[t] {
			return
		}
		s.used[t] = true
		var v storedView
		if ok, err := getObject(ctx, engine.ObjectView, t.Database, t.Name, &v); !ok || err != nil {
			return
		}
		if of, err := ast.Parse(v.Text); err == nil {
			s.noteTables(ctx, of, t.Database)
		}
	})
}

// eachName calls f for the tables that a statement names.
func eachName(stmt ast.Statement, database string, f func(t syntax.TableName, write bool)) {
	switch n := stmt.(type) {
	case nil:
		return
	case *ast.Insert:
		f(fullName(n.Table, database), true)
	case *ast.Load:
		f(fullName(n.Table, database), true)
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if t, ok := n.(*ast.AliasedTableExpr); ok {
			if name, ok := t.Expr.(ast.TableName); ok {
				write := false
				if t.AsOf != nil {
					if v, ok := t.AsOf.Time.(*ast.SQLVal); ok {
						ref, _ := parseReference(string(v.Val))
						write = ref.lock >= lockWrite
					}
				}
				f(fullName(name, database), write)
			}
		}
		return true, nil
	}, stmt)
}

// mayWrite returns the error of a statement of a function or a trigger that writes a table
// of a statement around it.
func (s *Session) mayWrite(stmt ast.Statement) (err error) {
	if s.calls.within == nil {
		return nil
	}
	eachName(stmt, s.GetCurrentDatabase(), func(t syntax.TableName, write bool) {
		key := syntax.TableName{Database: strings.ToLower(t.Database), Name: strings.ToLower(t.Name)}
		for c := s.calls.within; c != nil && write; c = c.up {
			if c.used[key] {
				err = mysql.NewSQLError(1442, "HY000", "Can't update table '%s' in stored function/trigger because it is already used "+
					"by statement which invoked this stored function/trigger.", t.Name)
			}
		}
	})
	return err
}

// keepWarnings puts those before the program's statements, each of which has cleared the
// ones before it.
func (s *Session) keepWarnings(before []*sql.Warning) {
	after := s.Warnings()
	if len(before) == 0 {
		return
	}
	s.BaseSession.ClearWarnings()
	for _, w := range slices.Backward(before) { // the last one first
		s.BaseSession.Warn(w)
	}
	for _, w := range slices.Backward(after) {
		if !slices.Contains(before, w) {
			s.BaseSession.Warn(w)
		}
	}
}

// guard notes where the statement's transaction is before the first function of it runs.
func (s *Session) guard(ctx *sql.Context) error {
	if s.before != nil {
		return nil
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	s.before = &beforeFunctions{s.tx, tx.Savepoint()}
	return nil
}

// beforeFunctions is a point of a transaction.
type beforeFunctions struct {
	tx  *transaction
	seq engine.Seq
}

// undoFunctions takes back what functions of a statement that has failed have written.
func (s *Session) undoFunctions() {
	if b := s.before; b != nil && b.tx == s.tx && !b.tx.done {
		b.tx.tx.RollbackTo(b.seq)
	}
	s.before = nil
}
