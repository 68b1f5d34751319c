package gms

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

func newCondition(ctx *sql.Context, err error) rewrite.Condition {
	if s, err2 := sessionOf(ctx); err2 == nil {
		err = s.viewError(ctx, s.notFound(err))
	}
	e := clientError(sql.CastSQLError(err), ctx.GetCurrentDatabase())
	return rewrite.Condition{Number: e.Num, State: e.State, Message: e.Message}
}

// conditionHandler is a declared handler.
type conditionHandler struct {
	scope *scope // of its block
	exit  bool
	conds []handled
	body  ast.Statement
}

// handled is one of the conditions of a handler.
type handled struct {
	kind   ast.DeclareHandlerConditionValue
	number int
	state  string
}

// precedence is 3 for an error's number, 2 for its SQLSTATE, 1 for its class and 0 for
// what is another condition.
func (h handled) precedence(c rewrite.Condition) int {
	class := false
	switch h.kind {
	case ast.DeclareHandlerCondition_MysqlErrorCode:
		if h.number == c.Number {
			return 3
		}
	case ast.DeclareHandlerCondition_SqlState:
		if h.state == c.State {
			return 2
		}
	case ast.DeclareHandlerCondition_SqlWarning:
		class = c.Warning || strings.HasPrefix(c.State, "01")
	case ast.DeclareHandlerCondition_NotFound:
		class = strings.HasPrefix(c.State, "02")
	case ast.DeclareHandlerCondition_SqlException:
		class = !c.Warning && !strings.HasPrefix(c.State, "00") && !strings.HasPrefix(c.State, "01") && !strings.HasPrefix(c.State, "02")
	}
	if class {
		return 1
	}
	return 0
}

// handler returns the handler of a condition, nil if there is none.
func (sc *scope) handler(c rewrite.Condition) *conditionHandler {
	for ; sc != nil; sc = sc.handlersUp {
		var best *conditionHandler
		most := 0
		for _, h := range sc.handlers {
			for _, of := range h.conds {
				if p := of.precedence(c); p > most {
					best, most = h, p
				}
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// raise runs the handler of a statement's error. An error that has none ends the procedure.
func (r *routine) raise(ctx *sql.Context, err error, sc *scope) (*jump, error) {
	switch {
	case errors.Is(err, errDisconnect):
		return nil, err
	case ctx.Err() != nil:
		return nil, errInterrupted()
	}
	c := newCondition(ctx, err)
	if h := sc.handler(c); h != nil {
		if err == r.s.calls.signalled {
			c = r.s.calls.condition
		}
		return r.handle(ctx, h, c)
	}
	return nil, err
}

func (r *routine) handle(ctx *sql.Context, h *conditionHandler, c rewrite.Condition) (*jump, error) {
	j, err := r.statement(ctx, h.body, &scope{up: h.scope, handlersUp: h.scope.handlersUp, raised: &c})
	if j == nil && err == nil && h.exit {
		j = &jump{exit: h.scope}
	}
	return j, err
}

// declare runs a DECLARE.
func (r *routine) declare(ctx *sql.Context, n *ast.Declare, sc *scope) error {
	switch {
	case n.Variables != nil:
		collation := r.s.databaseCollation(ctx, r.db)
		for _, name := range n.Variables.Names {
			l, err := newLocal(name.String(), &n.Variables.VarType, collation)
			if e := n.Variables.VarType.Default; e != nil && err == nil {
				err = r.assign(ctx, &l, e, sc)
			}
			if err != nil {
				return err
			}
			sc.vars[name.Lowered()] = &l
		}
	case n.Condition != nil:
		return sc.declare(n.Condition)
	case n.Cursor != nil:
		if sc.cursors == nil {
			sc.cursors = map[string]*cursor{}
		}
		sc.cursors[strings.ToLower(n.Cursor.Name)] = &cursor{query: n.Cursor.SelectStmt, scope: sc}
	case n.Handler != nil:
		if n.Handler.Action == ast.DeclareHandlerAction_Undo {
			return mysql.NewSQLError(1235, "42000", "This version of MySQL doesn't yet support 'UNDO handlers'")
		}
		h := &conditionHandler{scope: sc, exit: n.Handler.Action == ast.DeclareHandlerAction_Exit, body: n.Handler.Statement}
		for _, v := range n.Handler.ConditionValues {
			of := handled{kind: v.ValueType, state: v.String}
			switch v.ValueType {
			case ast.DeclareHandlerCondition_MysqlErrorCode:
				var err error
				if of.number, err = strconv.Atoi(string(v.MysqlErrorCode.Val)); err != nil {
					return err
				}
			case ast.DeclareHandlerCondition_ConditionName:
				c, err := sc.condition(v.String)
				if err != nil {
					return err
				}
				of = handled{kind: ast.DeclareHandlerCondition_SqlState, state: c.State}
				if c.State == "" {
					of = handled{kind: ast.DeclareHandlerCondition_MysqlErrorCode, number: c.Number}
				}
			}
			h.conds = append(h.conds, of)
		}
		sc.handlers = append(sc.handlers, h)
	}
	return nil
}

// declare declares a condition.
func (sc *scope) declare(n *ast.DeclareCondition) error {
	c := rewrite.Condition{State: n.SqlStateValue}
	if v := n.MysqlErrorCode; v != nil {
		var err error
		if c.Number, err = strconv.Atoi(string(v.Val)); err != nil {
			return err
		}
	}
	if sc.conditions == nil {
		sc.conditions = map[string]rewrite.Condition{}
	}
	sc.conditions[strings.ToLower(n.Name)] = c
	return nil
}

// signalled returns the SQLSTATE of a SIGNAL, "" for RESIGNAL without one.
func (sc *scope) signalled(n *ast.Signal) (string, error) {
	if n.ConditionName == "" {
		if n.SqlStateValue == "" {
			return "", nil
		}
		return n.SqlStateValue, checkState(n.SqlStateValue)
	}
	c, err := sc.condition(n.ConditionName)
	if err == nil && c.State == "" {
		err = mysql.NewSQLError(1646, "HY000", "SIGNAL/RESIGNAL can only use a CONDITION defined with SQLSTATE")
	}
	return c.State, err
}

// parseSignal parses a client's SIGNAL.
func parseSignal(l *syntax.Lexer) (ast.Statement, error) {
	from := l.Start
	for l.Kind != 0 && l.Kind != ';' {
		l.Next()
	}
	stmt, err := ast.Parse(rewrite.SignalNulls("SIGNAL " + l.Q[from:l.Start]))
	n, ok := stmt.(*ast.Signal)
	if err != nil || !ok {
		return nil, nil // the planner's grammar says why
	}
	if _, err := (&scope{}).signalled(n); err != nil {
		return nil, err
	}
	a := &admin{name: "SIGNAL", run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		r := &routine{s: s, db: s.GetCurrentDatabase(), runner: s.b.runner}
		_, err := r.statement(ctx, n, &scope{})
		return nil, err
	}}
	return a.statement(), nil
}

// condition returns what a name is declared for.
func (sc *scope) condition(name string) (rewrite.Condition, error) {
	for ; sc != nil; sc = sc.up {
		if c, ok := sc.conditions[strings.ToLower(name)]; ok {
			return c, nil
		}
	}
	return rewrite.Condition{}, mysql.NewSQLError(1319, "42000", "Undefined CONDITION: %s", name)
}

// signal returns the condition of a SIGNAL, or of a RESIGNAL of the condition was.
func (r *routine) signal(ctx *sql.Context, n *ast.Signal, was rewrite.Condition, sc *scope) error {
	c := was
	state, err := sc.signalled(n)
	if err != nil {
		return err
	}
	if state != "" && was.State == "" {
		switch state[:2] {
		case "01":
			c = rewrite.Condition{Number: 1642, State: state, Message: "Unhandled user-defined warning condition", Warning: true}
		case "02":
			c = rewrite.Condition{Number: 1643, State: state, Message: "Unhandled user-defined not found condition"}
		default:
			c = rewrite.Condition{Number: 1644, State: state, Message: "Unhandled user-defined exception condition"}
		}
	}
	if state != "" {
		c.State = state
		if was.State != "" {
			was.Before = nil
			c.Before = append(slices.Clone(c.Before), was)
		}
	}
	for _, item := range n.Info {
		var v any
		var t sql.Type
		if name, ok := item.Value.(*ast.ColName); !ok || name.Name.String() != rewrite.SignalNull {
			if v, t, err = r.value(ctx, item.Value, sc); err != nil {
				return err
			}
		}
		if v == nil {
			return mysql.NewSQLError(1231, "42000", "Variable '%s' can't be set to the value of 'NULL'", strings.ToUpper(string(item.ConditionItemName)))
		}
		text, err := t.SQL(ctx, nil, v)
		if err != nil {
			return err
		}
		switch item.ConditionItemName {
		case ast.SignalConditionItemName_MessageText:
			c.Message = text.ToString()
		case ast.SignalConditionItemName_MysqlErrno:
			if c.Number, err = strconv.Atoi(text.ToString()); err != nil || c.Number < 1 || c.Number > 65535 {
				return mysql.NewSQLError(1231, "42000", "Variable 'MYSQL_ERRNO' can't be set to the value of '%s'", text.ToString())
			}
		default:
			c.Items = maps.Clone(c.Items)
			if c.Items == nil {
				c.Items = map[string]string{}
			}
			c.Items[string(item.ConditionItemName)] = text.ToString()
		}
	}
	err = c.Err()
	r.s.calls.signalled, r.s.calls.condition = err, c
	return err
}

// resignal raises the condition of the handler that runs it again, changed as it says.
func (r *routine) resignal(ctx *sql.Context, n *ast.Resignal, sc *scope) error {
	for at := sc; at != nil; at = at.up {
		if at.raised != nil {
			return r.signal(ctx, &n.Signal, *at.raised, sc)
		}
	}
	return mysql.NewSQLError(1645, "0K000", "RESIGNAL when handler not active")
}

func errNoData() *mysql.SQLError {
	return mysql.NewSQLError(1329, "02000", "No data - zero rows fetched, selected, or processed")
}

func (sc *scope) cursor(name string) (*cursor, error) {
	for ; sc != nil; sc = sc.up {
		if c := sc.cursors[strings.ToLower(name)]; c != nil {
			return c, nil
		}
	}
	return nil, mysql.NewSQLError(1324, "42000", "Undefined CURSOR: %s", name)
}

func (r *routine) open(ctx *sql.Context, name string, sc *scope) error {
	c, err := sc.cursor(name)
	if err != nil {
		return err
	}
	if c.schema != nil {
		return mysql.NewSQLError(1325, "24000", "Cursor is already open")
	}
	c.schema, c.rows, err = r.run(ctx, c.query, c.scope, false)
	c.digits = r.s.spanDigits
	return err
}

// opened returns an open cursor.
func (sc *scope) opened(name string) (*cursor, error) {
	c, err := sc.cursor(name)
	if err == nil && c.schema == nil {
		return nil, mysql.NewSQLError(1326, "24000", "Cursor is not open")
	}
	return c, err
}

func (r *routine) fetch(ctx *sql.Context, n *ast.FetchCursor, sc *scope) error {
	c, err := sc.opened(n.Name)
	if err != nil {
		return err
	}
	if len(n.Variables) != len(c.schema) {
		return mysql.NewSQLError(1328, "HY000", "Incorrect number of FETCH variables")
	}
	if len(c.rows) == 0 {
		return errNoData()
	}
	row := c.rows[0]
	c.rows = c.rows[1:]
	for i, name := range n.Variables {
		if err := sc.store(ctx, name, sc.resultColumn(name, c.schema, i, c.digits), row); err != nil {
			return err
		}
	}
	return nil
}

func (r *routine) close(name string, sc *scope) error {
	c, err := sc.opened(name)
	if err == nil {
		c.schema, c.rows = nil, nil
	}
	return err
}
