package gms

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/function"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// preparedMax bounds the prepared statements whose syntax tree a session keeps;
// one that is gone is parsed again.
const preparedMax = 1024

// defaultLockWait is innodb_lock_wait_timeout's default.
const defaultLockWait = 50 * time.Second

// Session is one client's session: the planner's on top, the engine's below.
//
// The planner abandons transactions in ways that would leave their locks and
// snapshots behind. Four rules put that right: SetTransaction(nil) rolls back what
// was not ended; CommandEnd, and ValidateSession where no commands are delivered,
// end what an autocommitted statement left; CommitTransaction under a canceled
// context rolls back.
//
// Its methods are for one goroutine at a time, but for those that say otherwise.
type Session struct {
	*sql.BaseSession
	b    *Backend
	sess *engine.Session

	status map[string]sql.StatusVarValue

	tx         *transaction // what SetTransaction was last given, nil: none
	autocommit bool
	// depth counts the statements that are inside one another: procedures' and
	// triggers' statements run through the Runner. dml is the depth inside DML.
	depth, dml int
	statement
	indexes      map[string]indexOptions // of the definition that is executed, see indexKey
	missing      syntax.TableName        // the last table that a statement looked for in vain
	steady       *engine.Catalog         // what is read of the schema for now, nil: what the statement binds to
	renamed      map[string]string       // columns that the ALTER TABLE renames, see alterClauses
	altered      string                  // the table that the ALTER TABLE changes
	precisions   timePrecisions
	reads        sql.Node                   // see value.Evaluation
	tableOptions map[string]string          // of the last definition, see tableOptionsOf
	later        map[string]*ast.AlterTable // see laterClauses
	laterNumber  int                        // of the last one
	deprecated   []*sql.Warning             // of the definition that was parsed last
	visibilities []rewrite.Visibility       // of columns, of the last definition
	columnNotes  map[string][]string        // options of the columns of the last definition, by their names in lower case
	formats      map[string]string          // of the columns that a DDL statement defines
	temps        temporaries
	profiles     profiles
	prepared     preparedStatements
	spanDigits   map[int]int // see timeDigits, of the rows of the last statement of a program
	parametric   bool        // the client's statement has parameters
	reserved     map[tableID]*reservation
	rowIDs       rowIDs
	// fulltextHidden: tables have no FULLTEXT indexes for now, see hideFulltextFromJoins.
	fulltextHidden bool
	rewriting      *rewriter            // of the ALTER that changes a column, nil: none runs
	joinOrders     []planrule.JoinOrder // of the joins that are planned, see guardJoinOrders
	firstTable     sql.TableId          // the one with which the joins that are planned are to begin, 0: any, see limitJoins
	wholeTable     sql.TableId          // the one that no index is to be read of for its own conditions, 0: none, see readByOthers and limitJoins
	joining        bool                 // joins are planned: the planner weighs how each table is read
	laterals       sets.FastIntSet      // the derived tables of them that are LATERAL
	viewUses       []*viewUse           // of the views that the statement writes
	upserts        map[tableID]bool     // tables whose duplicates the statement is going to change
	next           characteristics
	command        command
	tuning         tuning
	zone           zoneCache
	locks          tableLocks
	memory         memory
	ended          bool
	// account is what the client logged in to, roles the active ones of its roles.
	account syntax.AccountName
	roles   roles
	// borrowed: account is the definer's of what runs, see as.
	borrowed bool
	// visible are the tables that the statements under way may use, see authorize.
	visible []syntax.TableName
	// user and host are how the client named itself and where it is.
	user, host string
	// failing: the statement has failed; what it has left is not committed.
	failing bool
	calls   calls // of stored procedures
	// stale: the engine has refused a table's definition since the statement began, so
	// that it may be planned again.
	stale    bool
	internal bool // of the server's own: it may do anything
	// mustChangePassword: the account's password has expired.
	mustChangePassword bool
	recorder           recorder
	work               work
	leaving            bool        // its connection ends behind the answer: it has killed it, or RELEASE
	results            *resultSets // of the client's command that runs, nil: none
	// What monitors read of it, from other goroutines.
	attributes map[string]string // of the connection; not changed once the session is known
	port       string            // of the client's address
	database   atomic.Pointer[string]
	running    atomic.Pointer[sql.Node] // the plan of its last statement
	open       atomic.Pointer[string]   // the level of its transaction of several statements, nil: none is open
	variables  sync.Map                 // the names of the user variables that were set, by themselves in small letters
	counting   bool                     // the client's statement reads @@warning_count or @@error_count
	worded     string                   // the client's statement, until it has been warned of
	measures   measures                 // of an EXPLAIN ANALYZE that runs, nil: none
	random     *function.RandomSequence // of RAND() since rand_seed1 or rand_seed2 was set
	// insertID is the value that insert_id has the next INSERT begin with that gives one, insertIDUsed that the statement has.
	insertID     uint64
	insertIDUsed bool
	changes      changes // that its client was not told of yet
}

type tableID = engine.TableID

// statement is what is known of the statement being built.
type statement struct {
	fresh    bool               // no node of it has been built
	building bool               // its iterators are being built
	pin      *pin               // of the statement that gets its next row
	locking  bool               // a SELECT that locks what it reads
	tables   int                // references to tables that were bound
	views    []syntax.TableName // those that were bound, an outer one before those in it
	keep     bool               // the planner commits at its end, MySQL does not
	skip     sql.Node           // the node that builder leaves to the planner
	quiet    int                // virtual columns are read: what is cut is no warning
	// diagnosing: it shows what the last statement left, and leaves it there.
	diagnosing bool
	// cleared: it has forgotten what the last statement left.
	cleared       bool
	aliased       map[string]*engine.TableDef // tables with a TIME column that have another name in it
	divided       *sql.Warning                // of a division by zero and its kin
	dividedWithin *sql.Warning                // that of the last statement of a program
	argued        bool                        // LAST_INSERT_ID(n) was called
	woken         bool                        // KILL QUERY has woken its SLEEP
	lent          string                      // the current database while a statement is planned that needs one, see lend
	// home is the current database while a statement is planned that names it, see place.
	home      string
	root      sql.Node // its plan, nil until it is built
	skipped   int64    // rows that its OFFSET has skipped: FOUND_ROWS() has them too
	renamings []renaming
	before    *beforeFunctions          // nil: no function of it has run
	used      map[syntax.TableName]bool // its tables, nil: not asked for yet
	// collations are those of the texts that it assigns to user variables, by their names.
	collations map[string]sql.CollationID
	// keyed are tables that its foreign keys look for, which temporary tables of their names hide from it itself.
	keyed map[string]bool
	ctes  map[derivedName]sql.Node // its references to common table expressions whose rows are made once, see shareCTEs
}

var (
	_ sql.Session               = (*Session)(nil)
	_ sql.TransactionSession    = (*Session)(nil)
	_ sql.LifecycleAwareSession = (*Session)(nil)
	_ sql.PersistableSession    = (*Session)(nil)
)

func sessionOf(ctx *sql.Context) (*Session, error) {
	if s, ok := ctx.Session.(*Session); ok {
		return s, nil
	}
	return nil, errors.New("gms: the context has a session of another kind")
}

// NewSession returns a session on b. id is what its locks are listed under.
func NewSession(b *Backend, base *sql.BaseSession) *Session {
	s := &Session{
		BaseSession: base, b: b, autocommit: true,
		sess: b.db.NewSession(uint64(base.ID())), status: newSessionStatus(),
	}
	s.recorder = recorder{d: b.digests, s: s}
	s.memory.s = s
	return s
}

// GetCurrentDatabase implements sql.Session.
func (s *Session) GetCurrentDatabase() string {
	if s.home != "" {
		return s.home
	}
	if db := s.BaseSession.GetCurrentDatabase(); db != "" {
		return db
	}
	return s.lent
}

// lend gives a session without a current database one until its statement is planned: the
// planner cannot bind a view or a table function without.
func (s *Session) lend(name string) { s.lent = name }

// SetCurrentDatabase implements sql.Session.
func (s *Session) SetCurrentDatabase(name string) {
	s.BaseSession.SetCurrentDatabase(name)
	s.database.Store(&name)
}

// transaction is the planner's handle of a transaction. The engine's begins with
// the first use of a table, so that BEGIN alone, SET and SELECT 1 cost nothing.
type transaction struct {
	tx         *engine.Tx
	readOnly   bool
	snapshot   bool // WITH CONSISTENT SNAPSHOT
	done       bool
	level      string           // as transaction_isolation names it
	isolation  engine.Isolation // that it has
	begun      bool             // a statement has started since the last ValidateSession
	used       bool             // it has read or written a table
	savepoints []savepoint
	wroteUsers bool
	// ddl holds every table that this transaction defined.
	ddl map[engine.TableID]struct{}
	// cleanup is called at the transaction's end, for rewrites that were not finished.
	cleanup []func()
}

var _ sql.Transaction = (*transaction)(nil)

// String implements sql.Transaction.
func (t *transaction) String() string { return "transaction" }

// IsReadOnly implements sql.Transaction.
func (t *transaction) IsReadOnly() bool { return t.readOnly }

// StartTransaction implements sql.TransactionSession. It takes no snapshot, unless
// the statement asks for it: the first plain read does.
func (s *Session) StartTransaction(ctx *sql.Context, c sql.TransactionCharacteristic) (sql.Transaction, error) {
	if s.tx != nil && !s.tx.done {
		s.rollback()
	}
	t := &transaction{}
	s.characterize(ctx, t, c)
	s.tx = t
	if t.snapshot {
		t.used = true
		if _, err := s.begin(ctx); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (s *Session) boolVariable(ctx *sql.Context, name string) bool {
	v, err := s.GetSessionVariable(ctx, name)
	if err != nil {
		return false
	}
	b, err := sql.ConvertToBool(ctx, v)
	return err == nil && b
}

// seconds returns a session variable that is a number of seconds.
func (s *Session) seconds(ctx *sql.Context, name string) time.Duration {
	if v, err := s.BaseSession.GetSessionVariable(ctx, name); err == nil {
		if n, ok := v.(int64); ok {
			return time.Duration(n) * time.Second
		}
	}
	return defaultLockWait
}

// begin returns the engine's transaction, begun if it was not, with the current
// statement's read view.
func (s *Session) begin(ctx *sql.Context) (*engine.Tx, error) {
	if s.tx == nil || s.tx.done {
		tx, err := s.StartTransaction(ctx, sql.ReadWrite)
		if err != nil {
			return nil, err
		}
		s.BaseSession.SetTransaction(tx)
	}
	t := s.tx
	if t.tx == nil {
		s.sess.SetTimeouts(s.seconds(ctx, "innodb_lock_wait_timeout"), s.seconds(ctx, "lock_wait_timeout"))
		tx, err := s.sess.Begin(ctx, engine.TxOptions{
			Isolation: t.isolation, ReadOnly: t.readOnly, ConsistentSnapshot: t.snapshot,
			Strict: s.boolVariable(ctx, "sextant_strict_snapshot"),
		})
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		t.tx = tx
		if !s.autocommit || t.snapshot || s.GetIgnoreAutoCommit() {
			level := strings.ToUpper(strings.ReplaceAll(t.level, "-", " "))
			s.open.Store(&level)
		}
	}
	if !t.begun {
		if err := t.tx.StatementStart(ctx); err != nil {
			return nil, s.fail(ctx, err)
		}
		t.begun = true
	}
	return t.tx, nil
}

// atOnce has f read the schema of one moment, in which a table that is listed is there, whatever others create and drop meanwhile.
func (s *Session) atOnce(ctx *sql.Context, f func() error) error {
	cat, err := s.catalog(ctx)
	if err != nil {
		return err
	}
	outer := s.steady
	s.steady = cat
	defer func() { s.steady = outer }()
	return f()
}

// catalog returns the schema that ctx's statement binds to.
func (s *Session) catalog(ctx *sql.Context) (*engine.Catalog, error) {
	if s.steady != nil {
		return s.steady, nil
	}
	if s.ended {
		return s.b.db.CatalogAt(ctx, 0)
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	cat, err := tx.Catalog(ctx)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return cat, nil
}

// CommitTransaction implements sql.TransactionSession. On an error other than
// that of a savepoint the transaction is over.
func (s *Session) CommitTransaction(ctx *sql.Context, tx sql.Transaction) error {
	t, ok := tx.(*transaction)
	if !ok || t.done {
		return nil
	}
	if s.keep || s.failing {
		return nil
	}
	if s.dml > 0 {
		return nil // a trigger's statement must not end the DML that fired it
	}
	defer ctx.SetIgnoreAutoCommit(false)
	if err := ctx.Err(); err != nil {
		s.rollback()
		s.BaseSession.SetTransaction(nil)
		return errInterrupted()
	}
	t.done = true
	s.endTransaction()
	if t.tx == nil {
		return nil
	}
	s.giveToken(t.tx)
	info, err := t.tx.Commit(ctx)
	s.command.committed(info.LSN)
	if err != nil {
		s.BaseSession.SetTransaction(nil)
		if t.wroteUsers {
			s.b.reloadUsers()
		}
		return s.told(err)
	}
	return nil
}

// Rollback implements sql.TransactionSession.
func (s *Session) Rollback(_ *sql.Context, tx sql.Transaction) error {
	if t, ok := tx.(*transaction); ok && t == s.tx {
		s.rollback()
	}
	return nil
}

func (s *Session) rollback() {
	t := s.tx
	if t == nil || t.done {
		return
	}
	t.done = true
	for _, f := range t.cleanup {
		f()
	}
	if t.tx != nil {
		t.tx.Rollback()
	}
	if t.wroteUsers {
		s.b.reloadUsers()
	}
	s.endTransaction()
}

// endTransaction forgets what belongs to a transaction.
func (s *Session) endTransaction() {
	s.open.Store(nil)
	s.tx.cleanup = nil
	if s.tx.used || s.GetIgnoreAutoCommit() {
		s.next = characteristics{}
	}
}

// SetTransaction implements sql.Session: nil ends what is still open (rule 1). CALL
// sets nil while its procedure runs, and the old one afterwards, ended or not: the
// procedure's statements belong to the transaction that the client began, and what
// they began themselves stays.
func (s *Session) SetTransaction(tx sql.Transaction) {
	if tx == nil {
		if s.dml > 0 || s.keep {
			s.keep = false
			return
		}
		if s.tx != nil && !s.tx.done && (!s.autocommit || s.GetIgnoreAutoCommit()) {
			return
		}
		s.rollback()
		s.tx = nil
	} else if t, ok := tx.(*transaction); ok {
		if t.done {
			return
		}
		s.tx = t
	}
	s.BaseSession.SetTransaction(tx)
}

// abandoned rolls back what an autocommitted statement left open (rules 2 and 3).
func (s *Session) abandoned() {
	if s.tx != nil && s.autocommit && !s.GetIgnoreAutoCommit() && s.dml == 0 {
		s.rollback()
		s.tx = nil
		s.BaseSession.SetTransaction(nil)
	}
}

// ClearWarnings implements sql.Session.
func (s *Session) ClearWarnings() {
	s.cleared = true
	if !s.diagnosing && !s.counting {
		s.BaseSession.ClearWarnings()
		s.warnWords() // those come first
	}
}

// CommandBegin implements sql.LifecycleAwareSession.
func (s *Session) CommandBegin() error { return nil }

// CommandEnd implements sql.LifecycleAwareSession.
func (s *Session) CommandEnd() {
	s.settleWork()
	s.depth, s.dml, s.statement = 0, 0, statement{}
	s.locks.stmt, s.locks.refused = nil, nil
	s.memory.reset()
	s.abandoned()
}

// SessionEnd implements sql.LifecycleAwareSession: the connection is gone.
func (s *Session) SessionEnd() {
	s.depth, s.dml = 0, 0
	s.ended = true
	s.memory.reset()
	s.b.sessions.CompareAndDelete(s.ID(), s)
	s.rollback()
	s.temps.m = nil
	s.sess.Close()
}

// ValidateSession implements sql.Session. It is the first thing the planner does
// with every statement, procedures' statements included.
func (s *Session) ValidateSession(ctx *sql.Context) error {
	if s.depth == 0 {
		s.dml = 0
		s.memory.reset()
		s.abandoned()
		clear(s.reserved)
		if s.insertIDUsed {
			s.insertID, s.insertIDUsed = 0, false
		}
		clear(s.upserts)
		clear(s.rowIDs.m)
	}
	s.statement, s.missing, s.viewUses, s.rewriting = statement{fresh: true}, syntax.TableName{}, nil, nil
	s.place(s.current())
	s.lookKeyedBy(s.current())
	s.command.ok = types.OkResult{}
	if s.tx != nil {
		s.tx.begun = false
	}
	return nil
}

// SetSessionVariable implements sql.Session; it remembers autocommit, which is
// needed where there is no context to read it with.
func (s *Session) SetSessionVariable(ctx *sql.Context, name string, val any) error {
	switch strings.ToLower(name) {
	case "read_only", "super_read_only":
		return sql.ErrSystemVariableGlobalOnly.New(strings.ToLower(name))
	}
	if s.b.readOnlyVariable(name) {
		return sql.ErrSystemVariableReadOnly.New(name)
	}
	if err := checkZone(name, val); err != nil {
		return err
	}
	switch strings.ToLower(name) {
	case "identity":
		name = "last_insert_id"
	}
	if text, ok := val.(string); ok && len(name) > 14 && strings.EqualFold(name[:14], "character_set_") {
		if err := rewrite.NoCharset(text); err != nil {
			return err
		}
	}
	if err := s.BaseSession.SetSessionVariable(ctx, name, val); err != nil {
		return err
	}
	s.changes.set(name)
	switch strings.ToLower(name) {
	case "last_insert_id":
		if v, err := s.BaseSession.GetSessionVariable(ctx, name); err == nil {
			id, _ := v.(int64)
			s.GetLastQueryInfo().LastInsertId.Store(id)
		}
	case "insert_id":
		v, _, _ := types.Uint64.Convert(ctx, val)
		s.insertID, _ = v.(uint64)
	case "rand_seed1", "rand_seed2":
		s.seed(ctx, strings.ToLower(name), val)
	case "sql_mode":
		s.warnModes(ctx)
	case "autocommit":
		s.autocommit = s.boolVariable(ctx, "autocommit")
	case "transaction_isolation", "tx_isolation", "transaction_read_only", "tx_read_only", "sextant_strict_snapshot":
		s.tuning.known = false
		s.retune(ctx)
	}
	return nil
}

// GetSessionVariable implements sql.Session; variables that follow the instance's
// role are live, not those of the session's start.
func (s *Session) GetSessionVariable(ctx *sql.Context, name string) (any, error) {
	if v, ok := s.b.liveVariable(name); ok {
		return v, nil
	}
	switch strings.ToLower(name) {
	case "warning_count":
		return int64(len(s.diagnostics(""))), nil
	case "error_count":
		return int64(len(s.diagnostics("Error"))), nil
	case "identity", "last_insert_id":
		return s.GetLastQueryInfo().LastInsertId.Load(), nil
	case "insert_id":
		return int64(s.insertID), nil
	case "rand_seed1", "rand_seed2":
		return int64(0), nil
	}
	if globalOnly()[strings.ToLower(name)] {
		_, v, _ := sql.SystemVariables.GetGlobal(name)
		return v, nil
	}
	v, err := s.BaseSession.GetSessionVariable(ctx, name)
	if v == 0.0 && strings.EqualFold(name, "timestamp") {
		v = float64(ctx.QueryTime().UnixMicro()) / 1e6
	}
	return v, err
}

// GetSessionVariableDefault implements sql.Session: of SET GLOBAL … = DEFAULT, since in a
// session DEFAULT is the global value.
func (s *Session) GetSessionVariableDefault(ctx *sql.Context, name string) (any, error) {
	v, _, ok := sql.SystemVariables.GetGlobal(name)
	if !ok {
		return nil, sql.ErrUnknownSystemVariable.New(name)
	}
	return shownSet(v, v.GetDefault()), nil
}

// GetAllSessionVariables implements sql.Session. Those that are no session's are as they are now.
func (s *Session) GetAllSessionVariables() map[string]any {
	m := s.BaseSession.GetAllSessionVariables()
	all := sql.SystemVariables.GetAllGlobalVariables()
	for name := range m {
		if v, ok := s.b.liveVariable(name); ok {
			m[name] = v
		} else if globalOnly()[name] {
			m[name] = all[name]
		}
	}
	return m
}

// fail turns an error of the engine into the one the client sees, and ends the
// transaction where MySQL does: a deadlock's victim, a transaction too large.
func (s *Session) fail(ctx *sql.Context, err error) error {
	if err == nil {
		return nil
	}
	if endsTransaction(err) {
		s.abort()
	}
	return s.told(err)
}

// abort rolls the transaction back, and has the session be without one.
func (s *Session) abort() {
	s.rollback()
	s.tx = nil
	s.BaseSession.SetTransaction(nil)
	s.SetIgnoreAutoCommit(false)
}

// told is wireError, and remembers that a definition has changed (T-6).
func (s *Session) told(err error) error {
	s.stale = s.stale || errors.Is(err, engine.ErrDefinitionChanged)
	return wireError(err)
}

// locked returns whether plain reads of this transaction lock.
func (s *Session) serializableRead() bool {
	return s.tx != nil && s.tx.isolation == engine.Serializable &&
		(!s.autocommit || s.GetIgnoreAutoCommit())
}

// Settle returns nil once everything that the session saw is durable. It must be
// called before a byte of an answer is sent.
func (s *Session) Settle(ctx context.Context) error {
	if s.ended {
		return nil
	}
	return s.sess.Settle(ctx)
}

// reservation is what is left of the AUTO_INCREMENT values a statement reserved.
type reservation struct {
	next, end uint64
	step      uint64 // auto_increment_increment
	hint      uint64 // values that the statement will need, at its next reservation
}
