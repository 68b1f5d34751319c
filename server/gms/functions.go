package gms

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine/txn"
)

// function is a scalar function of this package.
type function struct {
	def  *functionDef
	args []sql.Expression
}

// anyArgs is the number of arguments of a function that takes several.
const anyArgs = -1

// functionDef is what a function is. eval gets the values of the arguments.
type functionDef struct {
	name   string
	args   int
	typ    sql.Type
	eval   func(ctx *sql.Context, args []any) (any, error)
	pure   bool                                                                    // equal arguments have equal results
	typeOf func(ctx *sql.Context, args []sql.Expression) sql.Type                  // in place of typ
	evalOf func(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) // in place of eval, with the arguments
}

var (
	_ sql.FunctionExpression         = (*function)(nil)
	_ sql.NonDeterministicExpression = (*function)(nil)
	_ sql.CollationCoercible         = (*function)(nil)
)

// Function implements sql.FunctionProvider: these stand before the planner's own.
func (b *Backend) Function(ctx *sql.Context, database, name string) (sql.Function, bool) {
	lower := strings.ToLower(name)
	f, ok := b.ownFunction(ctx, database, name)
	if !b.mysql {
		return f, ok
	}
	return withArguments(ctx, lower, f, ok)
}

// ownFunction returns a function of this package.
func (b *Backend) ownFunction(ctx *sql.Context, database, name string) (sql.Function, bool) {
	if d := sysFunctions[strings.ToLower(name)]; d != nil && b.mysql && strings.EqualFold(database, "sys") {
		return d.function(), true
	}
	if f, ok := b.storedFunction(ctx, database, name); ok {
		return f, true
	}
	name = strings.ToLower(name)
	if d := functions[name]; d != nil && (b.mysql || strings.HasSuffix(name, "_lock") || strings.HasSuffix(name, "_locks")) {
		return d.function(), true
	}
	if name == "last_insert_id" && b.mysql {
		return sql.FunctionN{Name: name, Fn: newLastInsertID}, true
	}
	if name == "sleep" && b.mysql {
		return sql.Function1{Name: name, Fn: newSleep}, true
	}
	return namedFunction(ctx, name, b.mysql)
}

// namedFunction returns a function or an aggregate of this package by its name in small letters, false if there is none. Without
// asMySQL it is only those that a statement's rewriting calls, none that stands in place of one of the planner's.
func namedFunction(ctx *sql.Context, name string, asMySQL bool) (sql.Function, bool) {
	if kind := aggregates[name]; kind != nil && asMySQL {
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			if kind.op != "" && binaryString(ctx, e) {
				return &aggregate{kind: kind, child: e}
			}
			return &aggregate{kind: kind, child: withAllDigits(ctx, newDateNumber(ctx, e))}
		}}, true
	}
	switch {
	case name == "max" && asMySQL:
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewMax(asMemberText(ctx, e))
		}}, true
	case name == "min" && asMySQL:
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewMin(asMemberText(ctx, e))
		}}, true
	case name == "rand" && asMySQL:
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if len(args) == 1 {
				return newSeededRandom(args[0]), nil
			}
			if len(args) == 0 {
				return random{&builtin.Rand{}}, nil
			}
			return builtin.NewRand(ctx, args...)
		}}, true
	}
	if d := boundedFunctions[name]; d != nil && asMySQL {
		return sql.FunctionN{Name: name, Fn: d.call}, true
	}
	if d := regexps[name]; d != nil {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return d.call(args...)
		}}, true
	}
	if name == "json_unquote" && asMySQL {
		return sql.Function1{Name: name, Fn: newUnquote}, true
	}
	if f, ok := changer(name); ok {
		return f, true
	}
	if f, ok := jsonPathFunction(name); ok && asMySQL {
		return f, true
	}
	if f, ok := jsonMaker(name); ok && asMySQL {
		return f, true
	}
	if f, ok := jsonReader(name); ok && asMySQL {
		return f, true
	}
	if move := offsets[name]; move != nil && asMySQL {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if name == "from_unixtime" && len(args) == 2 {
				at, err := move(ctx, args[0])
				return &function{def: timeFunctions["date_format"], args: []sql.Expression{newOffset(at), args[1]}}, err
			}
			e, err := move(ctx, args...)
			if err != nil {
				return nil, err
			}
			return newOffset(e), nil
		}}, true
	}
	if name == "round" && asMySQL {
		return sql.FunctionN{Name: name, Fn: newRound}, true
	}
	if f := wholeCalls[name]; f != nil && asMySQL {
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return wholeCall{f(ctx, withAllDigits(ctx, e)).(sql.FunctionExpression)}
		}}, true
	}
	if (name == "curtime" || name == "current_time") && asMySQL {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if len(args) > 0 {
				if _, literal := args[0].(*expression.Literal); !literal {
					return nil, syntaxError(args[0].String()+")", 0)
				}
			}
			return &function{def: presentTime, args: args}, nil
		}}, true
	}
	if eval := collatedCalls[name]; eval != nil && asMySQL {
		return newCollatedCall(name, eval), true
	}
	if name == "truncate" && asMySQL {
		return sql.Function2{Name: name, Fn: newTruncation}, true
	}
	if name == "unix_timestamp" && asMySQL {
		return sql.FunctionN{Name: name, Fn: newUnixTimestamp}, true
	}
	if (name == "curdate" || name == "current_date") && asMySQL {
		return sql.Function0{Name: name, Fn: newToday}, true
	}
	if q := quantifiers[name]; q != nil {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return q.call(args...)
		}}, true
	}
	if name == aggregateFunction {
		return sql.FunctionN{Name: name, Fn: aggregateReference}, true
	}
	if name == argumentFunction {
		return sql.FunctionN{Name: name, Fn: newNamedArgument}, true
	}
	if name == defaultMark {
		return sql.FunctionN{Name: name, Fn: newDefaultOf}, true
	}
	if name == likeLower || name == likeUpper {
		return newLikeBound(name), true
	}
	if name == matchFunction {
		return sql.FunctionN{Name: name, Fn: newMatch}, true
	}
	if name == nthFunction {
		return sql.Function2{Name: name, Fn: newNth}, true
	}
	if name == assignFunction {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return newAssign(args...)
		}}, true
	}
	if name == varyFunction {
		return sql.Function1{Name: name, Fn: func(_ *sql.Context, e sql.Expression) sql.Expression { return varying{e} }}, true
	}
	if strings.HasPrefix(name, caseFunction) {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return newCase(ctx, name, args), nil
		}}, true
	}
	switch name {
	case decimalLiteral:
		return sql.Function1{Name: name, Fn: newDecimalLiteral}, true
	case hexString, hexInteger, hexBeside:
		return newHexLiteral(name), true
	case dateLiteral:
		return sql.FunctionN{Name: name, Fn: newDateLiteral}, true
	case timeForm:
		return sql.Function2{Name: name, Fn: newTimeForm}, true
	case convertForm:
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return newConvertForm(ctx, args[0], args[1])
		}}, true
	case wholeDecimal:
		return sql.Function2{Name: name, Fn: newWholeDecimal}, true
	case collatedFunction:
		return sql.Function1{Name: name, Fn: newCollatedText}, true
	case textFunction:
		return sql.Function1{Name: name, Fn: newCastText}, true
	case emptyTextFunction:
		return sql.Function1{Name: name, Fn: newEmptyText}, true
	case jsonList:
		return sql.FunctionN{Name: name, Fn: newJSONList}, true
	case memberOperand:
		return sql.FunctionN{Name: name, Fn: newMemberOperand}, true
	case dateCompare:
		return sql.Function1{Name: name, Fn: newDateNumber}, true
	}
	for _, kind := range []map[string]sql.Function{windowNumbers, windowOffsets} {
		if f, ok := kind[name]; ok && asMySQL {
			return f, true
		}
	}
	if f, ok := ownFunction(name); ok && asMySQL {
		return f, true
	}
	if f, ok := typedFunction(ctx, name); ok && asMySQL {
		return f, true
	}
	var d *functionDef
	for _, kind := range []map[string]*functionDef{timeFunctions, mathFunctions, cryptoFunctions, spatialFunctions, nativeFunctions, jsonFunctions, schemaFunctions, conversionsOfBases, inetFunctions, operatorFunctions} {
		if d == nil && asMySQL {
			d = kind[name]
		}
	}
	if d == nil {
		return nil, false
	}
	return d.function(), true
}

func (d *functionDef) function() sql.Function {
	return sql.FunctionN{Name: d.name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if d.args != anyArgs && len(args) != d.args {
			return nil, sql.ErrInvalidArgumentNumber.New(d.name, d.args, len(args))
		}
		if d.name == "format" && len(args) > 0 {
			args = append([]sql.Expression{withAllDigits(ctx, args[0])}, args[1:]...)
		}
		return &function{def: d, args: args}, nil
	}}
}

// FunctionName implements sql.FunctionExpression.
func (f *function) FunctionName() string { return f.def.name }

// Description implements sql.FunctionExpression.
func (f *function) Description() string { return f.def.name }

// Resolved implements sql.Expression.
func (f *function) Resolved() bool {
	for _, a := range f.args {
		if !a.Resolved() {
			return false
		}
	}
	return true
}

// String implements sql.Expression.
func (f *function) String() string {
	args := make([]string, len(f.args))
	for i, a := range f.args {
		args[i] = a.String()
	}
	if f.def.name == "extract" { // definitions are kept so
		return "extract(" + strings.Trim(args[0], "'") + " from " + args[1] + ")"
	}
	return f.def.name + "(" + strings.Join(args, ",") + ")"
}

// Type implements sql.Expression.
func (f *function) Type(ctx *sql.Context) sql.Type {
	if f.def.typeOf != nil {
		return f.def.typeOf(ctx, f.args)
	}
	return f.def.typ
}

// IsNullable implements sql.Expression.
func (f *function) IsNullable(*sql.Context) bool { return true }

// IsNonDeterministic implements sql.NonDeterministicExpression: one that is is called for
// each row, and never while a statement is planned.
func (f *function) IsNonDeterministic() bool { return !f.def.pure }

// CollationCoercibility implements sql.CollationCoercible.
func (f *function) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	switch {
	case strings.HasSuffix(f.def.name, "user"):
		return sql.Collation_utf8mb3_general_ci, 3
	case types.IsTextOnly(f.Type(ctx)):
		return ctx.GetCollation(), 4
	}
	return sql.Collation_binary, 5
}

// Children implements sql.Expression.
func (f *function) Children() []sql.Expression { return f.args }

// WithChildren implements sql.Expression.
func (f *function) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != len(f.args) {
		return nil, sql.ErrInvalidChildrenNumber.New(f, len(children), len(f.args))
	}
	return &function{def: f.def, args: children}, nil
}

// Eval implements sql.Expression.
func (f *function) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	err := evaluated(ctx)
	if err != nil {
		return nil, err
	}
	args := make([]any, len(f.args))
	for i, a := range f.args {
		if args[i], err = a.Eval(ctx, r); err != nil {
			return nil, err
		}
	}
	if f.def.evalOf != nil {
		return f.def.evalOf(ctx, f.args, args)
	}
	return f.def.eval(ctx, args)
}

// functions are, but for LOAD_FILE and FORMAT_…, the user locks: the engine has them, in one graph of
// waits with row and metadata locks (T-21), and gives them back when the session ends.
var functions = map[string]*functionDef{
	"get_lock":          {name: "get_lock", args: 2, typ: types.Int64, eval: inSession(getLock)},
	"release_lock":      {name: "release_lock", args: 1, typ: types.Int64, eval: inSession(releaseLock)},
	"release_all_locks": {name: "release_all_locks", typ: types.Int64, eval: inSession(releaseAllLocks)},
	"is_free_lock":      {name: "is_free_lock", args: 1, typ: types.Int64, eval: inSession(isFreeLock)},
	"user":              {name: "user", typ: types.LongText, eval: inSession(user)},
	"session_user":      {name: "session_user", typ: types.LongText, eval: inSession(user)},
	"system_user":       {name: "system_user", typ: types.LongText, eval: inSession(user)},
	"current_user":      {name: "current_user", typ: types.LongText, eval: inSession(currentUser)},
	"current_role":      {name: "current_role", typ: types.LongText, eval: inSession(currentRole)},
	"load_file":         {name: "load_file", args: 1, typ: types.LongBlob, eval: inSession(loadFile)},
	"format_bytes":      {name: "format_bytes", args: 1, typ: types.Text, eval: formatBytes},
	"format_pico_time":  {name: "format_pico_time", args: 1, typ: types.Text, eval: formatPicoTime},
	"ps_thread_id":      {name: "ps_thread_id", args: 1, typ: types.Uint64, eval: inSession(threadID)},
	"ps_current_thread_id": {name: "ps_current_thread_id", typ: types.Uint64, eval: inSession(func(_ *sql.Context, s *Session, _ []any) (any, error) {
		return uint64(s.ID()), nil
	})},
	"is_used_lock": {name: "is_used_lock", args: 1, typ: types.Uint64, eval: inSession(isUsedLock)},
}

// operatorFunctions are operators that the grammar of the planner lacks, as functions.
var operatorFunctions = map[string]*functionDef{
	invertFunction:   inverted,
	intervalFunction: {name: "interval", args: anyArgs, typ: types.Int64, eval: intervalIndex},
	memberFunction:   {name: "member of", args: 2, typ: types.Boolean, eval: memberOf},
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

// lockNameMax is MySQL's limit of a user lock's name, in characters.
const lockNameMax = 64

// lockName returns a user lock's name; names are the same in any case.
func lockName(ctx *sql.Context, v any) (string, error) {
	t, _, err := types.LongText.Convert(ctx, v)
	if err != nil {
		return "", err
	}
	name, _ := t.(string)
	if n := len([]rune(name)); n == 0 || n > lockNameMax {
		return "", mysql.NewSQLError(3057, "42000", "Incorrect user-level lock name '%s'.", name)
	}
	return strings.ToLower(name), nil
}

func getLock(ctx *sql.Context, s *Session, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, mysql.NewSQLError(3057, "42000", "Incorrect user-level lock name 'NULL'.")
	}
	name, err := lockName(ctx, args[0])
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
	name, err := lockName(ctx, args[0])
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
	name, err := lockName(ctx, args[0])
	if err != nil {
		return nil, err
	}
	if holder := s.b.db.LockHolder(name); holder != 0 {
		return holder, nil
	}
	return nil, nil
}
