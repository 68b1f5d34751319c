package gms

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine/txn"
	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// Function implements sql.FunctionProvider: these stand before the planner's own.
func (b *Backend) Function(ctx *sql.Context, database, name string) (sql.Function, bool) {
	lower := strings.ToLower(name)
	f, ok := b.ownFunction(ctx, database, name)
	if !b.mysql {
		return f, ok
	}
	return function.WithArguments(ctx, lower, f, ok)
}

// ownFunction returns a function of this package.
func (b *Backend) ownFunction(ctx *sql.Context, database, name string) (sql.Function, bool) {
	if d := sysFunctions[strings.ToLower(name)]; d != nil && b.mysql && strings.EqualFold(database, "sys") {
		return d.Function(), true
	}
	if f, ok := b.storedFunction(ctx, database, name); ok {
		return f, true
	}
	name = strings.ToLower(name)
	if d := functions[name]; d != nil && (b.mysql || strings.HasSuffix(name, "_lock") || strings.HasSuffix(name, "_locks")) {
		return d.Function(), true
	}
	if name == "last_insert_id" && b.mysql {
		return sql.FunctionN{Name: name, Fn: newLastInsertID}, true
	}
	if name == "sleep" && b.mysql {
		return sql.Function1{Name: name, Fn: newSleep}, true
	}
	return function.Named(ctx, name, b.mysql)
}

// functions are, but for LOAD_FILE and FORMAT_…, the user locks: the engine has them, in one graph of
// waits with row and metadata locks (T-21), and gives them back when the session ends.
var functions = map[string]*expr.FunctionDef{
	"get_lock":          {Name: "get_lock", Args: 2, Typ: types.Int64, Eval: inSession(getLock)},
	"release_lock":      {Name: "release_lock", Args: 1, Typ: types.Int64, Eval: inSession(releaseLock)},
	"release_all_locks": {Name: "release_all_locks", Typ: types.Int64, Eval: inSession(releaseAllLocks)},
	"is_free_lock":      {Name: "is_free_lock", Args: 1, Typ: types.Int64, Eval: inSession(isFreeLock)},
	"user":              {Name: "user", Typ: types.LongText, Eval: inSession(user)},
	"session_user":      {Name: "session_user", Typ: types.LongText, Eval: inSession(user)},
	"system_user":       {Name: "system_user", Typ: types.LongText, Eval: inSession(user)},
	"current_user":      {Name: "current_user", Typ: types.LongText, Eval: inSession(currentUser)},
	"current_role":      {Name: "current_role", Typ: types.LongText, Eval: inSession(currentRole)},
	"load_file":         {Name: "load_file", Args: 1, Typ: types.LongBlob, Eval: inSession(loadFile)},
	"format_bytes":      {Name: "format_bytes", Args: 1, Typ: types.Text, Eval: formatBytes},
	"format_pico_time":  {Name: "format_pico_time", Args: 1, Typ: types.Text, Eval: formatPicoTime},
	"ps_thread_id":      {Name: "ps_thread_id", Args: 1, Typ: types.Uint64, Eval: inSession(threadID)},
	"ps_current_thread_id": {Name: "ps_current_thread_id", Typ: types.Uint64, Eval: inSession(func(_ *sql.Context, s *Session, _ []any) (any, error) {
		return uint64(s.ID()), nil
	})},
	"is_used_lock": {Name: "is_used_lock", Args: 1, Typ: types.Uint64, Eval: inSession(isUsedLock)},
}

// inSession returns the evaluation of a function that needs the session.
func inSession(eval func(ctx *sql.Context, s *Session, args []any) (any, error)) func(*sql.Context, []any) (any, error) {
	return func(ctx *sql.Context, args []any) (any, error) {
		s, err := sessionOf(ctx)
		if err != nil {
			return nil, err
		}
		return eval(ctx, s, args)
	}
}

// user is USER(): who logged in, and from where.
func user(_ *sql.Context, s *Session, _ []any) (any, error) { return s.user + "@" + s.host, nil }

// currentUser is CURRENT_USER(): the account that was logged in to.
func currentUser(_ *sql.Context, s *Session, _ []any) (any, error) {
	return s.account.User + "@" + s.account.Host, nil
}

func getLock(ctx *sql.Context, s *Session, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, mysql.NewSQLError(3057, "42000", "Incorrect user-level lock name 'NULL'.")
	}
	name, err := function.LockName(ctx, args[0])
	if err != nil {
		return nil, err
	}
	f, _, err := types.Float64.Convert(ctx, args[1])
	if err != nil {
		return nil, fmt.Errorf("get_lock: timeout: %w", err)
	}
	seconds, _ := f.(float64)
	timeout := time.Duration(min(seconds, (100*365*24*time.Hour).Seconds()) * float64(time.Second))
	if seconds < 0 {
		timeout = -1
	}
	switch err := s.sess.GetLock(ctx, name, timeout); {
	case err == nil:
		return int64(1), nil
	case errors.Is(err, txn.ErrLockWait), errors.Is(err, txn.ErrNoWait):
		return int64(0), nil
	case errors.Is(err, txn.ErrDeadlock):
		return nil, mysql.NewSQLError(3058, "HY000", "Deadlock found when trying to get user-level lock; "+
			"try rolling back transaction/releasing locks and restarting lock acquisition.")
	default:
		return nil, wireError(err)
	}
}

func releaseLock(ctx *sql.Context, s *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	name, err := function.LockName(ctx, args[0])
	switch {
	case err != nil:
		return nil, err
	case s.sess.ReleaseLock(name):
		return int64(1), nil
	case s.b.db.LockHolder(name) != 0:
		return int64(0), nil
	}
	return nil, nil
}

func releaseAllLocks(_ *sql.Context, s *Session, _ []any) (any, error) {
	return int64(s.sess.ReleaseAllLocks()), nil
}

func isFreeLock(ctx *sql.Context, s *Session, args []any) (any, error) {
	holder, err := isUsedLock(ctx, s, args)
	switch {
	case err != nil || args[0] == nil:
		return nil, err
	case holder == nil:
		return int64(1), nil
	}
	return int64(0), nil
}

func isUsedLock(ctx *sql.Context, s *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	name, err := function.LockName(ctx, args[0])
	if err != nil {
		return nil, err
	}
	if holder := s.b.db.LockHolder(name); holder != 0 {
		return holder, nil
	}
	return nil, nil
}
