package gms

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// lockedTable is one entry of LOCK TABLES. A statement must name a table by the alias
// that it was locked by. A view's entry has the alias only.
type lockedTable struct {
	database, name, alias string
	write                 bool
}

// tableLocks are what LOCK TABLES and FLUSH TABLES WITH READ LOCK have locked for a
// session. A statement that the client sends is held to them; what views, triggers,
// procedures and foreign keys bring with them is not.
//
// FLUSH TABLES WITH READ LOCK waits for the transactions that have written, where MySQL
// lets them wait with their COMMIT.
type tableLocks struct {
	tables []lockedTable
	// held are the names of which the engine has a lock for the session.
	held []lockedTable
	// readAll: FLUSH TABLES WITH READ LOCK.
	readAll bool
	// stmt is the client's statement, and refused why it may not run.
	stmt    ast.Statement
	refused error
}

func errNotLocked(alias string) error {
	return mysql.NewSQLError(1100, "HY000", "Table '%s' was not locked with LOCK TABLES", alias)
}

func errLockedForRead(alias string) error {
	return mysql.NewSQLError(1099, "HY000", "Table '%s' was locked with a READ lock and can't be updated", alias)
}

func errReadLock() error {
	return mysql.NewSQLError(1223, "HY000", "Can't execute the query because you have a conflicting read lock")
}

func errActiveLocks() error {
	return mysql.NewSQLError(1192, "HY000",
		"Can't execute the given command because you have active locked tables or an active transaction")
}

// sent notes the statement that a client has sent, the first that is parsed or found
// prepared in its command.
func (s *Session) sent(stmt ast.Statement) {
	l := &s.locks
	if s.depth > 0 || l.stmt != nil || stmt == nil {
		return
	}
	if p, ok := stmt.(*ast.Prepare); ok && p != nil {
		return // what it prepares is held to the locks when it is executed
	}
	l.stmt = stmt
	s.place(stmt)
	if len(l.tables) > 0 || l.readAll {
		l.refused = s.restrict(stmt)
	}
}

// GetPreparedQuery implements sql.Session.
func (s *Session) GetPreparedQuery(query string) (ast.Statement, bool) {
	stmt, ok := s.found(query)
	if ok {
		if _, execute := s.locks.stmt.(*ast.Execute); execute {
			s.locks.stmt = nil
		}
		s.sent(stmt)
	}
	return stmt, ok
}

// restrict returns why a statement may not run under the session's table locks.
func (s *Session) restrict(stmt ast.Statement) error {
	u := &lockUse{s: s, db: s.GetCurrentDatabase()}
	switch n := stmt.(type) {
	case *ast.LockTables:
		if s.locks.readAll && slices.ContainsFunc(n.Tables, func(t *ast.TableAndLockType) bool { return t.Lock != ast.LockRead && t.Lock != ast.LockReadLocal }) {
			return errReadLock()
		}
		return nil
	case *ast.UnlockTables, *ast.Begin, *ast.Show, *ast.Explain:
		return nil
	case *ast.DBDDL:
		if s.locks.readAll {
			return errReadLock()
		}
		return errActiveLocks()
	case *ast.DDL:
		u.ddl(n)
	case *ast.AlterTable:
		u.use(n.Table, "", true)
	case *ast.Load:
		u.use(n.Table, "", true)
	case *ast.Insert:
		u.use(n.Table, "", true)
		u.walk(n)
	default:
		u.walk(stmt)
	}
	return u.err
}

// lockUse looks for what a statement may not use.
type lockUse struct {
	s    *Session
	db   string
	ctes []string
	err  error
}

func (u *lockUse) ddl(n *ast.DDL) {
	switch {
	case n.ProcedureSpec != nil, n.EventSpec != nil, n.ViewSpec != nil, n.Temporary:
		if u.s.locks.readAll && !n.Temporary {
			u.err = errReadLock()
			return
		}
		if n.OptSelect != nil {
			u.walk(n.OptSelect.Select)
		}
		return
	case n.TriggerSpec != nil:
		u.use(n.Table, "", true)
		return
	}
	for _, t := range slices.Concat(ast.TableNames{n.Table}, n.FromTables) {
		if !t.IsEmpty() && !(n.IfExists && u.s.tableNamed(t) == nil) {
			u.use(t, "", true)
		}
	}
	if n.OptSelect != nil {
		u.walk(n.OptSelect.Select)
	}
}

// walk looks at every table reference of a statement.
func (u *lockUse) walk(n ast.SQLNode) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.CommonTableExpr:
			u.ctes = append(u.ctes, n.As.String())
		case *ast.AliasedTableExpr:
			name, ok := n.Expr.(ast.TableName)
			if !ok {
				return true, nil
			}
			ref := reference{}
			if n.AsOf != nil {
				if v, ok := n.AsOf.Time.(*ast.SQLVal); ok {
					ref, _ = parseReference(string(v.Val))
				}
			}
			u.use(name, n.As.String(), ref.lock >= lockWrite)
		}
		return true, nil
	}, n)
}

func (u *lockUse) use(name ast.TableName, alias string, write bool) {
	db := cmp.Or(name.DbQualifier.String(), u.db)
	table := name.Name.String()
	alias = cmp.Or(alias, table)
	unqualified := name.DbQualifier.IsEmpty()
	switch {
	case u.err != nil, systemDatabase(db), unqualified && strings.EqualFold(table, "dual"),
		unqualified && slices.ContainsFunc(u.ctes, func(c string) bool { return syntax.SameName(c, table) }),
		u.s.temporary(db, table) != nil:
		return
	case u.s.locks.readAll && write:
		u.err = errReadLock()
		return
	case len(u.s.locks.tables) == 0:
		return
	}
	u.err = errNotLocked(alias)
	for _, l := range u.s.locks.tables {
		if syntax.SameName(l.alias, alias) && (l.name == "" || syntax.SameName(l.database, db) && syntax.SameName(l.name, table)) {
			if l.write || !write {
				u.err = nil
				return
			}
			u.err = errLockedForRead(alias)
		}
	}
}

// lockTables is LOCK TABLES: it gives back what was locked before. The transaction
// that was open has been committed. A reader refuses locks for writing with 1290.
func (b *builder) lockTables(ctx *sql.Context, s *Session, n *plan.LockTables) (sql.RowIter, error) {
	s.unlockTables()
	readOnly := false
	var tables, names, named []lockedTable // named: those of the statement, without what views bring
	for _, l := range n.Locks {
		t := lockedTable{write: l.Write}
		if x, ok := l.Table.(sql.NameableNode); ok {
			t.alias = x.Name()
		}
		if x := tableOf(l.Table); x != nil {
			t.database, t.name = x.db.Name(), x.Name()
		}
		if slices.ContainsFunc(named, func(o lockedTable) bool { return o.database == t.database && syntax.SameName(o.alias, t.alias) }) {
			return nil, mysql.NewSQLError(mysql.ERNonUniqTable, "42000", "Not unique table/alias: '%s'", t.alias)
		}
		tables, named = append(tables, t), append(named, t)
		transform.InspectWithOpaque(ctx, l.Table, func(_ *sql.Context, n sql.Node) bool { // a view's tables are locked with it
			if x := tableOf(n); x != nil && !x.IsTemporary() {
				readOnly = readOnly || t.write && s.b.readOnly.Load()
				under := lockedTable{database: x.db.Name(), name: x.Name(), alias: x.Name(), write: t.write}
				names = append(names, under)
				if t.name == "" {
					tables = append(tables, under)
				}
				return false
			}
			return true
		})
	}
	if readOnly {
		return nil, errReadOnly()
	}
	if err := s.lockNames(ctx, names); err != nil {
		return nil, err
	}
	s.locks.tables = tables
	return sql.RowsToRowIter(), nil
}

// function.LockNames takes the engine's locks, those for writing first where a name comes
// twice, and in the order of names, so that two sessions do not wait for each other.
func (s *Session) lockNames(ctx *sql.Context, names []lockedTable) error {
	slices.SortFunc(names, func(a, b lockedTable) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.database), strings.ToLower(b.database)),
			strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), writeFirst(a, b))
	})
	s.sess.SetTimeouts(s.seconds(ctx, "innodb_lock_wait_timeout"), s.seconds(ctx, "lock_wait_timeout"))
	for _, n := range names {
		if k := len(s.locks.held); k > 0 && syntax.SameName(s.locks.held[k-1].database, n.database) && syntax.SameName(s.locks.held[k-1].name, n.name) {
			continue
		}
		if err := s.sess.LockTables(ctx, n.database, n.name, n.write); err != nil {
			s.unlockTables()
			if errors.Is(err, engine.ErrNotFound) {
				return sql.ErrTableNotFound.New(n.name)
			}
			return s.fail(ctx, err)
		}
		s.locks.held = append(s.locks.held, n)
	}
	return nil
}

func writeFirst(a, b lockedTable) int {
	switch {
	case a.write == b.write:
		return 0
	case a.write:
		return -1
	}
	return 1
}

// unlockTables gives back what LOCK TABLES and FLUSH TABLES WITH READ LOCK took.
func (s *Session) unlockTables() {
	for _, n := range s.locks.held {
		s.sess.UnlockTables(n.database, n.name)
	}
	s.locks.tables, s.locks.held, s.locks.readAll = nil, nil, false
}

// releaseDropped ends LOCK TABLES if none of its tables is there any more.
func (s *Session) releaseDropped() {
	if !slices.ContainsFunc(s.locks.tables, func(t lockedTable) bool {
		return t.name == "" || s.tableNamed(ast.TableName{DbQualifier: ast.NewTableIdent(t.database), Name: ast.NewTableIdent(t.name)}) != nil
	}) {
		s.unlockTables()
	}
}

// holdsLocks reports whether the session has locks that outlive its transactions: those of
// LOCK TABLES, FLUSH TABLES WITH READ LOCK and GET_LOCK.
func (s *Session) holdsLocks() bool { return len(s.locks.held) > 0 || s.sess.HoldsUserLocks() }

// flush is FLUSH TABLES … WITH READ LOCK: of tables as LOCK TABLES … READ, of all as a
// lock of every table that keeps others from writing and from DDL.
func (s *Session) flush(ctx *sql.Context, f *ast.Flush) error {
	if len(s.locks.tables) > 0 {
		return errActiveLocks()
	}
	var names []lockedTable
	for _, t := range f.Option.Tables {
		n := lockedTable{database: cmp.Or(t.DbQualifier.String(), s.GetCurrentDatabase()), name: t.Name.String()}
		n.alias = n.name
		names = append(names, n)
	}
	tables := slices.Clone(names)
	if len(tables) == 0 {
		cat, err := s.b.db.CatalogAt(ctx, 0)
		if err != nil {
			return s.fail(ctx, err)
		}
		for _, d := range cat.Databases() {
			names = append(names, lockedTable{database: d.Name})
			for _, t := range cat.Tables(d.Name) {
				names = append(names, lockedTable{database: d.Name, name: t.Name})
			}
		}
	}
	s.unlockTables()
	if err := s.lockNames(ctx, names); err != nil {
		return err
	}
	s.locks.tables, s.locks.readAll = tables, len(tables) == 0
	return nil
}
