package gms

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// programKind is what a stored program is.
type programKind int

const (
	programProcedure programKind = iota
	programFunction
	programTrigger
	programEvent
)

// triggerOf is what a trigger's body may name besides its own variables.
type triggerOf struct {
	time, event string   // "before" …, "insert" …
	columns     []string // nil: there is no such table
	generated   []string // of them
}

// checkProgram returns MySQL's error of a body that may not be made one of a stored
// program: names that are not declared, declarations in the wrong order or twice,
// statements that its kind must not have. what names a function.
func checkProgram(body ast.Statement, kind programKind, what string, params []local, trigger *triggerOf) error {
	c := &programCheck{kind: kind, trigger: trigger}
	top := &checkScope{scope: scope{vars: map[string]*local{}}}
	for i := range params {
		top.vars[strings.ToLower(params[i].name)] = &params[i]
	}
	if err := c.statement(body, top); err != nil {
		return err
	}
	if kind == programFunction && !c.returns {
		return mysql.NewSQLError(1320, "42000", "No RETURN found in %s", what)
	}
	return nil
}

type programCheck struct {
	kind    programKind
	trigger *triggerOf
	returns bool
	// declared are the declarations so far.
	declared int
}

// misplaced is the number of a declaration that stands behind a statement or in no block.
type misplaced int

func (misplaced) Error() string { return "a declaration stands behind a statement" }

// located returns the syntax error that a misplaced declaration is in a text, other errors
// as they are.
func located(err error, text string) error {
	var n misplaced
	if !errors.As(err, &n) {
		return err
	}
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		if strings.EqualFold(word, "declare") {
			if n--; n == 0 {
				return syntax.Error(text, at)
			}
		}
		at = end
	}
	return err
}

// checkScope is what the names in a block mean.
type checkScope struct {
	scope
	outer   *checkScope
	label   string
	loop    bool // the label is a loop's
	handler bool // labels outside are not for a handler's body
	// phase is how far the declarations are: 0 variables and conditions, 1 cursors, 2 handlers.
	phase int
	seen  []ast.DeclareHandlerCondition
}

func (sc *checkScope) push() *checkScope {
	return &checkScope{scope: scope{up: &sc.scope, vars: map[string]*local{}}, outer: sc}
}

// labelled returns a scope within the statement of a label.
func (sc *checkScope) labelled(label string, loop bool) (*checkScope, error) {
	if label == "" {
		return sc, nil
	}
	if sc.find(label) != nil {
		return nil, mysql.NewSQLError(1309, "42000", "Redefining label %s", label)
	}
	inner := sc.push()
	inner.label, inner.loop = label, loop
	return inner, nil
}

// find returns the scope of a label, nil if there is none.
func (sc *checkScope) find(label string) *checkScope {
	for ; sc != nil; sc = sc.outer {
		if sc.label != "" && strings.EqualFold(sc.label, label) {
			return sc
		}
		if sc.handler {
			return nil
		}
	}
	return nil
}

func (c *programCheck) statements(list ast.Statements, sc *checkScope) error {
	for _, s := range list {
		if err := c.statement(s, sc); err != nil {
			return err
		}
	}
	return nil
}

// block checks the statements of a BEGIN … END, the declarations first.
func (c *programCheck) block(list ast.Statements, sc *checkScope) error {
	for len(list) > 0 {
		n, ok := list[0].(*ast.Declare)
		if !ok {
			break
		}
		c.declared++
		if err := c.declare(n, sc); err != nil {
			return err
		}
		list = list[1:]
	}
	return c.statements(list, sc)
}

func (c *programCheck) statement(stmt ast.Statement, sc *checkScope) error {
	switch n := stmt.(type) {
	case *ast.BeginEndBlock:
		sc, err := sc.labelled(n.Label, false)
		if err != nil {
			return err
		}
		return c.block(n.Statements, sc.push())
	case *ast.IfStatement:
		for _, i := range n.Conditions {
			if err := c.names(i.Expr); err != nil {
				return err
			}
			if err := c.statements(i.Statements, sc); err != nil {
				return err
			}
		}
		return c.statements(n.Else, sc)
	case *ast.CaseStatement:
		if err := c.names(n.Expr); err != nil {
			return err
		}
		for _, i := range n.Cases {
			if err := c.names(i.Case); err != nil {
				return err
			}
			if err := c.statements(i.Statements, sc); err != nil {
				return err
			}
		}
		return c.statements(n.Else, sc)
	case *ast.Loop:
		return c.loop(n.Label, nil, n.Statements, sc)
	case *ast.Repeat:
		return c.loop(n.Label, n.Condition, n.Statements, sc)
	case *ast.While:
		return c.loop(n.Label, n.Condition, n.Statements, sc)
	case *ast.Leave:
		if sc.find(n.Label) == nil {
			return mysql.NewSQLError(1308, "42000", "LEAVE with no matching label: %s", n.Label)
		}
		return nil
	case *ast.Iterate:
		if at := sc.find(n.Label); at == nil || !at.loop {
			return mysql.NewSQLError(1308, "42000", "ITERATE with no matching label: %s", n.Label)
		}
		return nil
	case *ast.Declare: // not one of a block
		return misplaced(c.declared + 1)
	case *ast.Signal:
		_, err := sc.signalled(n)
		return err
	case *ast.Resignal:
		_, err := sc.signalled(&n.Signal)
		return err
	case *ast.OpenCursor:
		return sc.hasCursor(n.Name)
	case *ast.CloseCursor:
		return sc.hasCursor(n.Name)
	case *ast.FetchCursor:
		if err := sc.hasCursor(n.Name); err != nil {
			return err
		}
		return sc.hasVariables(n.Variables)
	case *ast.Return:
		return mysql.NewSQLError(1313, "42000", "RETURN is only allowed in a FUNCTION")
	case *ast.Set:
		return c.set(n, sc)
	case *ast.Select:
		if n.Into != nil && len(n.Into.Variables) > 0 {
			if err := sc.hasVariables(intoNames(n.Into)); err != nil {
				return err
			}
		}
	case *ast.SetOp:
		if n.Into != nil {
			if err := sc.hasVariables(intoNames(n.Into)); err != nil {
				return err
			}
		}
	}
	if err := c.allowed(stmt); err != nil {
		return err
	}
	if err := sc.limits(stmt); err != nil {
		return err
	}
	return c.names(stmt)
}

// limits returns the error of a LIMIT that is a variable without a whole number.
func (sc *checkScope) limits(stmt ast.Statement) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		limit, ok := n.(*ast.Limit)
		if !ok || limit == nil {
			return true, nil
		}
		for _, e := range []ast.Expr{limit.Offset, limit.Rowcount} {
			name, ok := e.(*ast.ColName)
			if !ok {
				continue
			}
			l := sc.local(name)
			if l == nil {
				return false, mysql.NewSQLError(1327, "42000", "Undeclared variable: %s", name.Name.String())
			}
			if l.typ != nil && !types.IsInteger(l.typ) && !types.IsBit(l.typ) {
				return false, mysql.NewSQLError(1691, "HY000", "A variable of a non-integer based type in LIMIT clause")
			}
		}
		return true, nil
	}, stmt)
}

func intoNames(n *ast.Into) []string {
	var names []string
	for _, v := range n.Variables {
		names = append(names, v.String())
	}
	return names
}

func (c *programCheck) loop(label string, condition ast.Expr, body ast.Statements, sc *checkScope) error {
	sc, err := sc.labelled(label, true)
	if err != nil {
		return err
	}
	if err := c.names(condition); err != nil {
		return err
	}
	return c.statements(body, sc)
}

func (sc *checkScope) hasCursor(name string) error {
	_, err := sc.cursor(name)
	return err
}

// hasVariables returns an error unless names are user variables or declared.
func (sc *checkScope) hasVariables(names []string) error {
	for _, name := range names {
		if !strings.HasPrefix(name, "@") && sc.scope.find(strings.ToLower(name)) == nil {
			return mysql.NewSQLError(1327, "42000", "Undeclared variable: %s", name)
		}
	}
	return nil
}

func (c *programCheck) declare(n *ast.Declare, sc *checkScope) error {
	switch {
	case n.Variables != nil || n.Condition != nil:
		if sc.phase > 0 {
			return mysql.NewSQLError(1337, "42000", "Variable or condition declaration after cursor or handler declaration")
		}
	case n.Cursor != nil:
		if sc.phase > 1 {
			return mysql.NewSQLError(1338, "42000", "Cursor declaration after handler declaration")
		}
		sc.phase = 1
	case n.Handler != nil:
		sc.phase = 2
	}
	switch {
	case n.Variables != nil:
		for _, name := range n.Variables.Names {
			if sc.vars[name.Lowered()] != nil {
				return mysql.NewSQLError(1331, "42000", "Duplicate variable: %s", name.String())
			}
			l, err := newLocal(name.String(), &n.Variables.VarType, sql.Collation_Default)
			if err != nil {
				return err
			}
			sc.vars[name.Lowered()] = &l
		}
		return c.names(n.Variables.VarType.Default)
	case n.Condition != nil:
		if _, there := sc.conditions[strings.ToLower(n.Condition.Name)]; there {
			return mysql.NewSQLError(1332, "42000", "Duplicate condition: %s", n.Condition.Name)
		}
		if err := checkState(n.Condition.SqlStateValue); n.Condition.MysqlErrorCode == nil && err != nil {
			return err
		}
		return sc.scope.declare(n.Condition)
	case n.Cursor != nil:
		if sc.cursors[strings.ToLower(n.Cursor.Name)] != nil {
			return mysql.NewSQLError(1333, "42000", "Duplicate cursor: %s", n.Cursor.Name)
		}
		if sc.cursors == nil {
			sc.cursors = map[string]*cursor{}
		}
		sc.cursors[strings.ToLower(n.Cursor.Name)] = &cursor{}
		if err := sc.limits(n.Cursor.SelectStmt); err != nil {
			return err
		}
		return c.names(n.Cursor.SelectStmt)
	case n.Handler != nil:
		for _, v := range n.Handler.ConditionValues {
			switch v.ValueType {
			case ast.DeclareHandlerCondition_ConditionName:
				if _, err := sc.condition(v.String); err != nil {
					return err
				}
			case ast.DeclareHandlerCondition_SqlState:
				if err := checkState(v.String); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(sc.seen, func(o ast.DeclareHandlerCondition) bool { return reflect.DeepEqual(o, v) }) {
				return mysql.NewSQLError(1413, "42000", "Duplicate handler declared in the same block")
			}
			sc.seen = append(sc.seen, v)
		}
		inner := sc.push()
		inner.handler = true
		return c.statement(n.Handler.Statement, inner)
	}
	return nil
}

// checkState returns the error of an SQLSTATE that is none, or means success.
func checkState(state string) error {
	if len(state) != 5 || strings.HasPrefix(state, "00") || strings.ContainsFunc(state, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}) {
		return mysql.NewSQLError(1407, "42000", "Bad SQLSTATE: '%s'", state)
	}
	return nil
}

func (c *programCheck) set(n *ast.Set, sc *checkScope) error {
	if e, ok := isReturn(n); ok {
		c.returns = true
		return c.names(e)
	}
	if d, err := diagnosticsOf(n); err != nil {
		return err
	} else if d != nil {
		return sc.hasVariables(d.variables())
	}
	if rewrite.IsOwn(n) {
		return c.allowedOwn(n)
	}
	for _, e := range n.Exprs {
		name, row := e.Name.Name.String(), e.Name.Qualifier.Name.String()
		switch {
		case e.Scope != ast.SetScope_None:
		case c.trigger != nil && (strings.EqualFold(row, "new") || strings.EqualFold(row, "old")):
			if strings.EqualFold(row, "old") || c.trigger.time == "after" {
				after := ""
				if strings.EqualFold(row, "new") {
					after = "after "
				}
				if err := c.column(e.Name); err != nil && strings.EqualFold(row, "new") {
					return err
				}
				return mysql.NewSQLError(1362, "HY000", "Updating of %s row is not allowed in %strigger", strings.ToUpper(row), after)
			}
			if err := c.column(e.Name); err != nil {
				return err
			}
			if slices.ContainsFunc(c.trigger.generated, func(column string) bool { return syntax.SameName(column, name) }) {
				return mysql.NewSQLError(3105, "HY000", "The value specified for generated column '%s' in table '%s' is not allowed.", name, row)
			}
		case row == "" && sc.scope.find(strings.ToLower(name)) == nil && !settable(name):
			return mysql.NewSQLError(1193, "HY000", "Unknown system variable '%s'", name)
		}
	}
	return c.names(n)
}

// settable reports whether SET may name something that is not declared.
func settable(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "names", "charset", "character set", ast.TransactionStr:
		return true
	}
	_, _, ok := sql.SystemVariables.GetGlobal(name)
	return ok || strings.HasPrefix(name, "@")
}

// allowed returns the error of a statement that a stored program, or one of its kind, must
// not have.
func (c *programCheck) allowed(stmt ast.Statement) error {
	inside := c.kind == programFunction || c.kind == programTrigger
	switch n := stmt.(type) {
	case *ast.Select:
		if inside && n.Into == nil {
			return c.resultSet()
		}
		return nil
	case *ast.SetOp:
		if inside && n.Into == nil {
			return c.resultSet()
		}
		return nil
	case *ast.ParenSelect, *ast.Show, *ast.Explain, *ast.OtherRead, *ast.Analyze:
		if inside {
			return c.resultSet()
		}
	case *ast.LockTables, *ast.UnlockTables:
		return mysql.NewSQLError(1314, "0A000", "LOCK is not allowed in stored procedures")
	case *ast.Use:
		return mysql.NewSQLError(1314, "0A000", "USE is not allowed in stored procedures")
	case *ast.Load:
		return mysql.NewSQLError(1314, "0A000", "LOAD DATA is not allowed in stored procedures")
	case *ast.Prepare, *ast.Execute, *ast.Deallocate:
		if inside {
			return mysql.NewSQLError(1336, "0A000", "Dynamic SQL is not allowed in stored function or trigger")
		}
	case *ast.DDL:
		kind := ""
		switch drops := strings.EqualFold(n.Action, ast.DropStr); {
		case n.ProcedureSpec != nil && drops:
			return errNoDropWithin("PROCEDURE")
		case n.ProcedureSpec != nil:
			kind = "PROCEDURE"
		case drops:
		case n.TriggerSpec != nil:
			kind = "TRIGGER"
		case n.EventSpec != nil:
			kind = "EVENT"
		}
		if kind != "" {
			return mysql.NewSQLError(1303, "2F003", "Can't create a %s from within another stored routine", kind)
		}
	case *ast.Begin, *ast.Commit, *ast.Rollback:
		if inside {
			return c.commit()
		}
	case *ast.Flush:
		if inside {
			return mysql.NewSQLError(1314, "0A000", "FLUSH is not allowed in stored procedures")
		}
	}
	if inside && commitsFirst(stmt) {
		return c.commit()
	}
	return nil
}

func errNoDropWithin(kind string) error {
	return mysql.NewSQLError(1357, "HY000", "Can't drop or alter a %s from within another stored routine", kind)
}

func (c *programCheck) commit() error {
	return mysql.NewSQLError(1422, "HY000", "Explicit or implicit commit is not allowed in stored function or trigger.")
}

func (c *programCheck) resultSet() error {
	kind := "function"
	if c.kind == programTrigger {
		kind = "trigger"
	}
	return mysql.NewSQLError(1415, "0A000", "Not allowed to return a result set from a %s", kind)
}

// names checks the columns of NEW and OLD in a part of a trigger's body.
func (c *programCheck) names(part any) error {
	if c.trigger == nil || part == nil {
		return nil
	}
	return syntax.ReplaceNodes(reflect.ValueOf(&part), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if name, ok := n.(*ast.ColName); ok && name != nil {
			return nil, true, c.column(name)
		}
		return nil, true, nil
	})
}

// column checks a name that may be a column of NEW or OLD.
func (c *programCheck) column(n *ast.ColName) error {
	row := strings.ToUpper(n.Qualifier.Name.String())
	if row != "NEW" && row != "OLD" || !n.Qualifier.DbQualifier.IsEmpty() {
		return nil
	}
	if row == "NEW" && c.trigger.event == "delete" || row == "OLD" && c.trigger.event == "insert" {
		return mysql.NewSQLError(1363, "HY000", "There is no %s row in on %s trigger", row, strings.ToUpper(c.trigger.event))
	}
	if c.trigger.columns != nil && !slices.ContainsFunc(c.trigger.columns, func(column string) bool { return syntax.SameName(column, n.Name.String()) }) {
		return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in '%s'", n.Name.String(), row)
	}
	return nil
}
