package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
)

// program is how a stored program runs: as whom and under what settings.
type program struct {
	name     tableName // among those that run
	database string    // the current one while it runs
	mode     string    // sql_mode of its making
	definer  accountName
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
	if v, err := s.BaseSession.GetSessionVariable(ctx, "sql_mode"); err == nil && v != p.mode {
		if err := s.BaseSession.SetSessionVariable(ctx, "sql_mode", p.mode); err != nil {
			leave()
			return nil, err
		}
	}
	if v, err := s.BaseSession.GetSessionVariable(ctx, "sql_mode"); err == nil {
		undo = append(undo, func() { _ = s.BaseSession.SetSessionVariable(ctx, "sql_mode", v) })
	}
	if !p.invoker && p.definer != (accountName{}) {
		back, err := s.as(ctx, p.definer)
		if err != nil {
			leave()
			return nil, err
		}
		undo = append(undo, back)
	}
	return leave, nil
}

// as makes the session's account another one until the function it returns is called.
func (s *Session) as(ctx *sql.Context, n accountName) (back func(), err error) {
	if n == s.account || s.internal || s.b.users == nil {
		return func() {}, nil
	}
	rd := s.b.users.Reader()
	_, there := rd.GetUser(n.key())
	rd.Close()
	if !there {
		return nil, mysql.NewSQLError(1449, "HY000", "The user specified as a definer ('%s'@'%s') does not exist", n.User, n.Host)
	}
	options, err := s.accountOptions(ctx)
	if err != nil {
		return nil, err
	}
	account, client, active := s.account, s.Client(), s.roles
	set, counter := s.GetPrivilegeSet()
	c := client
	c.User, c.Address = n.User, n.Host
	s.SetClient(c)
	s.account = n
	o := options[n.String()]
	s.roles = roles{all: o.AllRoles, list: o.DefaultRoles}
	s.SetPrivilegeSet(nil, ^uint64(0))
	s.refreshPrivileges(ctx)
	return func() {
		s.SetClient(client)
		s.account = account
		s.BaseSession.SetPrivilegeSet(set, counter)
		s.roles = active
	}, nil
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
