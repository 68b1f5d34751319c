package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/rowexec"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/function"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// builder stands before the planner's own builder of iterators. For most nodes it
// does nothing. At a statement's root it does what the planner leaves out: it
// commits before DDL and makes it atomic, pins what the statement sees of its
// own writes, and reads locking SELECTs to their end before a row is sent.
type builder struct {
	base *rowexec.BaseBuilder
}

var _ sql.NodeExecBuilder = (*builder)(nil)

func newBuilder(o sql.EngineOverrides) *rowexec.BaseBuilder {
	b := &builder{}
	b.base = rowexec.NewBuilder(b, o)
	return b.base
}

// Build implements sql.NodeExecBuilder. Returns nil, nil for nodes that the
// planner's builder is to build.
func (b *builder) Build(ctx *sql.Context, n sql.Node, r sql.Row) (sql.RowIter, error) {
	s, ok := ctx.Session.(*Session)
	if !ok {
		return nil, nil
	}
	if s.skip == n {
		s.skip = nil
		return nil, nil
	}
	if s.fresh {
		s.fresh = false
		return b.root(ctx, s, n, r)
	}
	if s.measures != nil {
		return b.measured(ctx, s, n, r)
	}
	if !s.building && s.dml > 0 && ownStatement(n) {
		return b.pinned(ctx, s, n, r)
	}
	return b.node(ctx, s, n, r)
}

// plain builds n by the planner's builder; its children come here again.
func (b *builder) plain(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	s.skip = n
	it, err := b.base.Build(ctx, n, r)
	if s.skip == n {
		s.skip = nil
	}
	return it, err
}

// ownStatement reports whether a node that is built while another statement runs
// is a statement of a trigger.
func ownStatement(n sql.Node) bool {
	switch n.(type) {
	case *plan.InsertInto, *plan.Update, *plan.DeleteFrom, *plan.Set, *plan.Call, *plan.Into,
		*plan.IfConditional, *plan.TriggerBeginEndBlock, *plan.BeginEndBlock:
		return true
	}
	return false
}

// root builds the root of a statement.
func (b *builder) root(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	s.lent, s.home = "", ""
	if s.depth == 0 {
		s.forgetDefinition()
		if s.profiles.on && s.recorder.planned == 0 {
			s.recorder.planned = time.Since(s.recorder.run.start)
		}
		s.running.Store(&n)
		s.reading(ctx, n)
	}
	s.root = n
	if s.b.mysql {
		s.warnDeprecated()
	}
	if s.results != nil && s.depth == 0 {
		s.results.called = isCall(n)
	}
	if s.b.mysql {
		if err := checkSimple(ctx, s, n); err != nil {
			return nil, err
		}
	}
	if s.b.readOnly.Load() && !plan.IsReadOnly(n) && !isCall(n) {
		return nil, errReadOnly()
	}
	if s.locks.refused != nil && s.depth == 0 {
		return nil, s.locks.refused
	}
	switch n.(type) {
	case *plan.Commit, *plan.Rollback:
		return b.end(ctx, s, n, r)
	case *plan.StartTransaction:
		if len(s.locks.tables) > 0 {
			s.unlockTables()
		}
	case *plan.UnlockTables:
		if len(s.locks.tables) > 0 {
			return b.ddl(ctx, s, n, r)
		}
		s.unlockTables()
		return sql.RowsToRowIter(), nil
	case plan.Nothing, *plan.FlushPrivileges:
		if _, ok := s.locks.stmt.(*ast.Flush); ok && s.depth == 0 {
			return b.ddl(ctx, s, n, r)
		}
	}
	temporary := temporaryDDL(n, ctx.Query())
	if _, drop := n.(*plan.DropTable); drop && temporary && s.tx != nil && s.tx.readOnly {
		return nil, wireError(errReadOnlyTx)
	}
	if !temporary && commits(n) {
		if s.dml == 0 {
			return b.ddl(ctx, s, n, r)
		}
	} else if !control(n) {
		// To the planner a statement is DDL as soon as it names a view.
		s.keep = s.GetIgnoreAutoCommit() || !s.autocommit
		if !temporary && !plan.IsReadOnly(n) && !isCall(n) {
			if err := safeUpdate(ctx, s, n); err != nil {
				return nil, err
			}
			return b.pinned(ctx, s, n, r)
		}
	}
	build := b.node
	if s.dml > 0 && !isCall(n) { // of a function or a trigger: it sees what they wrote
		build = b.pinned
	}
	it, err := build(ctx, s, n, r)
	if err != nil || it != nil && !s.locking {
		return it, err
	}
	if !s.locking {
		return nil, nil
	}
	if it == nil {
		if it, err = b.plain(ctx, s, n, r); err != nil {
			return nil, err
		}
	}
	return s.readAhead(ctx, it)
}

// end builds COMMIT and ROLLBACK, and begins the next transaction if they say so.
func (b *builder) end(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	var was transaction
	if s.tx != nil {
		was = *s.tx
	}
	it, err := b.plain(ctx, s, n, r)
	if err == nil {
		s.next = characteristics{} // also if no transaction was open
		s.leaving = s.leaving || s.depth == 0 && s.releases(ctx)
	}
	if err != nil || !s.chains(ctx) {
		return it, err
	}
	tx, err := s.StartTransaction(ctx, sql.ReadWrite)
	if err != nil {
		return nil, err
	}
	s.tx.level, s.tx.isolation, s.tx.readOnly = was.level, was.isolation, was.readOnly
	ctx.SetTransaction(tx)
	ctx.SetIgnoreAutoCommit(true)
	return it, nil
}

// control reports whether a statement ends transactions itself.
func control(n sql.Node) bool {
	switch n.(type) {
	case *plan.StartTransaction, *plan.Set:
		return true
	}
	return false
}

func isCall(n sql.Node) bool {
	_, ok := n.(*plan.Call)
	return ok
}

// pinned builds a statement that writes: its scans see the transaction's writes up
// to now, however long it goes on writing (T-5).
func (b *builder) pinned(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	unpin := tx.PinReads()
	s.dml++
	outer := s.building
	s.building = true
	it, err := b.node(ctx, s, n, r)
	if err == nil && it == nil {
		it, err = b.plain(ctx, s, n, r)
	}
	s.building = outer
	if err != nil {
		unpin()
		s.dml--
		return nil, err
	}
	return &pinIter{child: it, p: &pin{s: s, tx: s.tx, unpin: unpin, answer: answerOf(n)}}, nil
}

// pin is one statement's pinned read sequence.
type pin struct {
	s     *Session
	tx    *transaction
	unpin func()
	done  bool

	answer
}

func (p *pin) release() {
	if p.done {
		return
	}
	p.done = true
	if p.s.dml > 0 {
		p.s.dml--
	}
	if p.tx == p.s.tx && !p.tx.done {
		p.unpin()
	}
}

type pinIter struct {
	child sql.RowIter
	p     *pin
}

var _ sql.MutableRowIter = (*pinIter)(nil)

func (i *pinIter) Next(ctx *sql.Context) (sql.Row, error) {
	outer := i.p.s.pin
	i.p.s.pin = i.p
	r, err := i.child.Next(ctx)
	i.p.s.pin = outer
	if err != nil {
		err = i.p.s.violated(err)
		i.p.release()
	}
	i.p.complete(ctx, i.p.s, r)
	i.p.s.command.note(r)
	return r, err
}

func (i *pinIter) Close(ctx *sql.Context) error {
	err := i.child.Close(ctx)
	i.p.release()
	return err
}

// GetChildIter implements sql.MutableRowIter.
func (i *pinIter) GetChildIter() sql.RowIter { return i.child }

// WithChildIter implements sql.MutableRowIter.
func (i *pinIter) WithChildIter(child sql.RowIter) sql.RowIter { return &pinIter{child: child, p: i.p} }

// node builds the nodes that this package builds otherwise than the planner.
func (b *builder) node(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	if s.b.mysql {
		if err := s.systemTables(ctx, n); err != nil {
			return nil, err
		}
	}
	switch n := n.(type) {
	case *plan.ResolvedTable:
		if s.b.mysql {
			if err := readVirtual(ctx, n.Table); err != nil {
				return nil, err
			}
		}
	case *plan.Into:
		if s.b.mysql && n.Outfile+n.Dumpfile != "" {
			return b.intoFile(ctx, s, n, r)
		}
		if s.b.mysql {
			return b.plain(ctx, s, planrule.IntoVariables(ctx, n), r)
		}
	case *plan.CreateDB:
		if !s.b.mysql {
			return nil, nil
		}
		c := *n
		c.Catalog = unguarded{n.Catalog, s.b}
		return b.plain(ctx, s, &c, r)
	case *plan.DropProcedure:
		return nil, noteMissing(ctx, n.IfExists, engine.ObjectProcedure, n.Db, n.ProcedureName, 1305, "PROCEDURE "+n.Db.Name()+"."+n.ProcedureName+" does not exist")
	case *plan.DropTrigger:
		return nil, noteMissing(ctx, n.IfExists, engine.ObjectTrigger, n.Db, n.TriggerName, 1360, "Trigger does not exist")
	case *plan.CreateView:
		if s.b.mysql {
			c, err := s.withColumns(ctx, n)
			if err != nil {
				return nil, err
			}
			return b.plain(ctx, s, c, r)
		}
	case *plan.CreateTable:
		if s.b.mysql {
			if there, err := s.alreadyThere(ctx, n); there || err != nil {
				return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), err
			}
			if err := planrule.HideFunctional(ctx, n); err != nil {
				return nil, err
			}
			for _, c := range n.PkSchema().Schema {
				if c.HiddenSystem {
					if err := keyExpression(ctx, c.Generated.Expr); err != nil {
						return nil, err
					}
				}
			}
			if err := rewrite.NameIndexes(n.Indexes()); err != nil {
				return nil, err
			}
			if err := checkKeys(ctx, s, n); err != nil || n.Temporary() {
				return nil, err
			}
			defer s.temps.hide(n.Db.Name(), n.Name())()
			return b.plain(ctx, s, n, r)
		}
	case *plan.AddColumn, *plan.DropColumn, *plan.ModifyColumn, *plan.RenameColumn, *plan.AlterPK, *plan.AlterIndex,
		*plan.AlterDefaultSet, *plan.AlterDefaultDrop:
		if ix, ok := n.(*plan.AlterIndex); ok && s.b.mysql && ix.Constraint == sql.IndexConstraint_Fulltext {
			if err := checkFulltext(ix.TargetSchema(), ix.Columns); err != nil {
				return nil, err
			}
		}
		return b.alterClause(ctx, s, n, r)
	case *plan.CreateForeignKey:
		return b.createForeignKey(ctx, s, n, r)
	case *plan.CreateCheck:
		if t := tableOf(n.Table); t != nil && n.Check.Name == "" { // a row that it refuses tells its name
			c, check := *n, *n.Check
			check.Name = freeCheckName(t.live(ctx).def)
			c.Check = &check
			return b.plain(ctx, s, &c, r)
		}
	case *plan.TableCopier:
		if create, ok := n.Destination.(*plan.CreateTable); ok && s.b.mysql {
			if !create.Temporary() {
				defer s.temps.hide(create.Db.Name(), create.Name())()
			}
			return b.createSelect(ctx, s, create, n, r)
		}
	case *plan.DescribeQuery:
		if s.b.mysql {
			return b.explain(ctx, s, n)
		}
	case *plan.ShowColumns:
		if s.b.mysql {
			return b.showColumns(ctx, s, n)
		}
	case *plan.ShowProcessList:
		if s.b.mysql {
			return b.showProcessList(ctx, s, n)
		}
	case *plan.ShowDatabases:
		if s.b.mysql {
			var rows []sql.Row
			for _, d := range databasesOf(ctx, s, n.Catalog) {
				rows = append(rows, sql.Row{d.Name()})
			}
			return sql.RowsToRowIter(rows...), nil
		}
	case *plan.ShowTables:
		if s.b.mysql && strings.EqualFold(n.Database().Name(), "mysql") {
			c, err := n.WithDatabase(mysqlDatabase{n.Database()})
			if err != nil {
				return nil, err
			}
			return b.plain(ctx, s, c, r)
		}
		if s.b.mysql && n.Full && strings.EqualFold(n.Database().Name(), sql.InformationSchemaDatabaseName) {
			return b.systemViews(ctx, s, n, r)
		}
		if s.checked() {
			return b.visibleOnly(ctx, s, n, r, func(a *rights, name string) bool { return a.listed(n.Database().Name(), name) })
		}
	case *plan.ShowTableStatus:
		if s.b.mysql {
			return b.showTableStatus(ctx, s, n)
		}
	case *plan.ShowIndexes:
		if t := tableOf(n.Child); s.b.mysql && t != nil {
			return b.showIndexes(ctx, n, t, s)
		}
	case *plan.ShowStatus:
		s.b.refreshStatus()
	case *plan.ShowCreateTable:
		if s.b.mysql {
			return b.showCreateTable(ctx, s, n, r)
		}
	case *plan.ShowCreateDatabase:
		if s.b.mysql {
			return b.showCreateDatabase(ctx, n)
		}
	case *plan.ShowCreateProcedure, *plan.ShowCreateTrigger, *plan.ShowCreateEvent, *plan.ShowEvents:
		if s.b.mysql {
			return b.showObject(ctx, s, n, r)
		}
	case *plan.Kill:
		if s.b.mysql {
			if err := s.mayKill(ctx, n.ConnID); err != nil {
				return nil, err
			}
			if n.ConnID == s.ID() { // the answer is that it is interrupted
				s.leaving = n.Kt == plan.KillType_Connection
				return nil, errInterrupted()
			}
			s.b.kill(n.ConnID, n.Kt == plan.KillType_Connection)
			return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), nil
		}
	case *plan.Set:
		if s.b.mysql {
			if err := s.maySet(ctx, n); err != nil {
				return nil, err
			}
			if at, err := function.AssignedAtOnce(ctx, n, r); err != nil || at != nil {
				if err != nil {
					return nil, err
				}
				return b.plain(ctx, s, at, r)
			}
			return b.plain(ctx, s, withinBounds(ctx, n), r)
		}
	case *plan.FlushPrivileges:
		s.b.failed.forget()
		s.b.used.forget()
	case *plan.LoadData:
		if s.b.mysql {
			return b.loadData(ctx, s, n)
		}
	case *plan.RenameTable:
		if s.b.mysql {
			return b.renameTables(ctx, s, n)
		}
	case *plan.DropDB:
		if s.b.mysql {
			return b.dropDatabase(ctx, s, n, r)
		}
	case *plan.LockTables:
		return b.lockTables(ctx, s, n)
	case *plan.UnlockTables:
		s.unlockTables()
		return sql.RowsToRowIter(), nil
	case plan.Nothing:
		if f, ok := s.locks.stmt.(*ast.Flush); ok && f.Option.ReadLock {
			return sql.RowsToRowIter(), s.flush(ctx, f)
		}
	case *plan.Call:
		if s.b.mysql && n.Procedure.ExternalProc == nil {
			return b.call(ctx, s, n, r)
		}
	case *plan.InsertInto:
		return b.insert(ctx, s, n, r)
	case *assigned:
		return b.assigned(ctx, s, n, r)
	case *firingRows:
		return b.firingRows(ctx, n.Node, n.f, n.insert, r)
	case *firingTable:
		return b.firingRows(ctx, n.Node, n.f, nil, r)
	case *plan.Update:
		if s.b.mysql {
			return b.update(ctx, s, n, r)
		}
	case *plan.DeleteFrom:
		if s.b.mysql {
			return b.delete(ctx, s, n, r)
		}
	case *strictSource:
		it, err := b.base.Build(ctx, n.Node, r)
		if err != nil {
			return nil, err
		}
		return &strictRows{RowIter: it}, nil
	case *exactRows:
		return b.base.Build(ctx, n.Node, r)
	case *plan.UpdateSource:
		if s.b.mysql {
			c := *n
			exprs, err := assignments(ctx, n.UpdateExprs, n.Ignore)
			rows, joined := n.Child.(*joinedRows)
			if joined && rows.several && err == nil {
				exprs, err = simultaneous(exprs)
			}
			if err != nil {
				return nil, err
			}
			if c.UpdateExprs = exprs; exprs.HasDerivedUpdates() {
				c.Child = exactTable(n.Child)
			}
			it, err := b.plain(ctx, s, &c, r)
			if joined && err == nil {
				it = rows.updated(it, s)
			}
			if err != nil {
				return nil, err
			}
			return &strictRows{it, value.Assigner{Ignore: n.Ignore}}, nil
		}
	case *joinedRows:
		return b.base.Build(ctx, n.Node, r)
	case *plan.Filter:
		return b.filter(ctx, s, n, r)
	case *plan.JSONTable:
		if _, done := n.DataExpr.(function.TableDocument); s.b.mysql && !done {
			c, err := function.JSONTable(n)
			if err != nil {
				return nil, err
			}
			return b.plain(ctx, s, c, r)
		}
	case *plan.IndexedTableAccess:
		if s.b.mysql {
			if err := readVirtual(ctx, n.Table); err != nil {
				return nil, err
			}
		}
		if s.b.mysql {
			return b.fulltextRows(ctx, s, n, r)
		}
	case *rowsFirst:
		it, err := b.base.Build(ctx, n.Node, r)
		if err != nil {
			return nil, err
		}
		return &aheadRows{RowIter: it, s: s}, nil
	case *plan.Concat:
		if isUnion(n) {
			return b.union(ctx, n, r)
		}
	}
	if s.b.mysql {
		return b.keep(ctx, s, n, r)
	}
	return nil, nil
}

// unguarded is the planner's catalog without its mutex around databases: a statement that
// waits for a metadata lock would hold it, and every other would wait with it. The
// engine's locks are what keeps two of them apart.
type unguarded struct {
	sql.Catalog
	b *Backend
}

// CreateDatabase implements sql.Catalog.
func (u unguarded) CreateDatabase(ctx *sql.Context, name string, c sql.CollationID) error {
	return u.b.CreateCollatedDatabase(ctx, name, c)
}

// RemoveDatabase implements sql.Catalog.
func (u unguarded) RemoveDatabase(ctx *sql.Context, name string) error {
	switch {
	case strings.EqualFold(name, "mysql"):
		return mysql.NewSQLError(3552, "HY000", "Access to system schema 'mysql' is rejected.")
	case strings.EqualFold(name, sql.InformationSchemaDatabaseName):
		return deniedDatabase(ctx, name)
	}
	return u.b.DropDatabase(ctx, name)
}

// runner is what procedures, triggers and events run their statements with.
type runner struct {
	next sql.StatementRunner
}

var _ sql.StatementRunner = (*runner)(nil)

// QueryWithBindings implements sql.StatementRunner.
func (r *runner) QueryWithBindings(ctx *sql.Context, query string, parsed ast.Statement,
	bindings map[string]ast.Expr, flags *sql.QueryFlags) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	s, ok := ctx.Session.(*Session)
	if !ok {
		return r.next.QueryWithBindings(ctx, query, parsed, bindings, flags)
	}
	return r.within(ctx, s, query, func() (ast.Statement, error) { return parsed, s.complete(ctx, parsed) }, bindings, flags, false)
}

// complete makes a statement that has no text of its own, such as a program's expression, what the planner takes it for.
func (s *Session) complete(ctx *sql.Context, stmt ast.Statement) error {
	if stmt == nil {
		return nil
	}
	if err := s.generatedTargets(stmt); err != nil {
		return err
	}
	if err := s.upsert(ctx, stmt); err != nil {
		return err
	}
	if s.b.mysql {
		if err := s.assignedBefore(ctx, stmt); err != nil {
			return err
		}
	}
	if a, ok := stmt.(*ast.AlterTable); ok {
		s.laterClauses(ctx, a)
	}
	if err := s.deleteJoins(ctx, stmt); err != nil {
		return err
	}
	s.checkedDelete(ctx, stmt)
	rewrite.UpdatedRanges(stmt)
	annotator{db: ctx.GetCurrentDatabase()}.statement(stmt)
	return nil
}

// within runs a statement within the one that runs, query or what parse returns. client: the rows are the client's.
func (r *runner) within(ctx *sql.Context, s *Session, query string, parse func() (ast.Statement, error), bindings map[string]ast.Expr,
	flags *sql.QueryFlags, client bool) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	outer, around := s.statement, s.calls.stmt
	s.depth++
	s.statement, s.calls.stmt = statement{}, nil
	defer func() {
		within := s.divided
		s.statement, s.calls.stmt = outer, around
		s.dividedWithin = within
		s.depth--
	}()
	parsed, err := parse()
	if err != nil {
		return nil, nil, nil, err
	}
	s.calls.stmt = parsed
	if parsed != nil {
		if err := s.mayWrite(parsed); err != nil {
			return nil, nil, nil, err
		}
		if s.calls.within == nil && (len(s.locks.tables) > 0 || s.locks.readAll) {
			if err := s.restrict(parsed); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	restore, err := s.authorize(ctx, parsed)
	if err != nil {
		return nil, nil, nil, s.commitFailed(ctx, parsed, err)
	}
	sch, it, flags, err := r.next.QueryWithBindings(ctx, query, parsed, bindings, flags)
	if err == nil {
		s.spanDigits = timeDigits(ctx, s.root, sch)
		it, err = s.drain(ctx, sch, it, client)
		ctx.GetLastQueryInfo().FoundRows.Add(s.skipped)
	}
	restore()
	if err != nil {
		s.undoFunctions()
		return nil, nil, nil, s.commitFailed(ctx, parsed, s.viewError(ctx, err))
	}
	return sch, it, flags, err
}
