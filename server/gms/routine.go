package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// routine is a call of a stored procedure. It walks the statements of the body; those
// that are not the language's own run in the planner, each with the literals of the
// variables that it names.
type routine struct {
	s      *Session
	db     string // of the procedure
	runner *runner
	texts  programTexts
	result *local // what a function returns, nil in others
}

// calls are the procedures that a session runs, and what the innermost passes on.
type calls struct {
	running []syntax.TableName
	parsed  map[string]*storedFunction // by their texts
	// triggers have been parsed; by their databases and what is stored of them.
	triggers map[string]*trigger
	placed   placedTrigger // by the CREATE TRIGGER that runs
	// signalled is the error of the last SIGNAL, condition what it is of.
	signalled error
	condition rewrite.Condition
	within    *caller       // of the innermost function or trigger that runs, nil: none
	stmt      ast.Statement // that runs of the innermost program
	// args are the variables among the arguments of the CALL that a procedure is about
	// to run, by position.
	args map[int]*local
}

// call runs a CALL of a procedure of a database.
func (b *builder) call(ctx *sql.Context, s *Session, n *plan.Call, row sql.Row) (sql.RowIter, error) {
	args := s.calls.args
	s.calls.args = nil
	name := syntax.TableName{Database: n.Database().Name(), Name: strings.ToLower(n.Procedure.Name)}
	depth := int64(0)
	for _, r := range s.calls.running {
		if r == name {
			depth++
		}
	}
	v, err := ctx.GetSessionVariable(ctx, "max_sp_recursion_depth")
	if err != nil {
		return nil, err
	}
	limit, _, err := types.Int64.Convert(ctx, v)
	if err != nil {
		return nil, err
	}
	if depth > limit.(int64) {
		return nil, mysql.NewSQLError(1456, "HY000",
			"Recursive limit %d (as set by the max_sp_recursion_depth variable) was exceeded for routine %s", limit, n.Procedure.Name)
	}
	stored, spec, texts, err := s.procedureSpec(ctx, n.Procedure, name)
	if err != nil {
		return nil, err
	}
	sets, collation := procedureCharsets(stored.Create), s.databaseCollation(ctx, name.Database)
	top := &scope{vars: map[string]*local{}}
	for i, p := range n.Procedure.Params {
		t := &spec.Params[i].Type
		if i < len(sets) {
			t.Charset, t.Collate = sets[i].set, sets[i].collate
		}
		l, err := newLocal(p.Name, t, collation)
		if err != nil {
			return nil, err
		}
		if p.Direction != plan.ProcedureParamDirection_In && args[i] == nil && !s.assignable(n.Params[i], i) {
			return nil, mysql.NewSQLError(1414, "42000",
				"OUT or INOUT argument %d for routine %s.%s is not a variable or NEW pseudo-variable in BEFORE trigger", i+1, name.Database, n.Procedure.Name)
		}
		if p.Direction != plan.ProcedureParamDirection_Out {
			if err := l.assign(ctx, n.Params[i], row); err != nil {
				return nil, err
			}
		}
		top.vars[strings.ToLower(p.Name)] = &l
	}
	r := &routine{s: s, db: name.Database, runner: s.b.runner, texts: texts}
	definer, _, _ := syntax.NewLexer(n.Procedure.Definer).AccountName()
	leave, err := s.enter(ctx, program{name: name, database: name.Database, mode: stored.SQLMode, definer: definer,
		invoker: n.Procedure.SecurityContext == plan.ProcedureSecurityContext_Invoker})
	if err != nil {
		return nil, err
	}
	defer leave() // also in a panic
	if err := r.body(ctx, spec.Body, top); err != nil {
		return nil, err
	}
	leave()
	for i, p := range n.Procedure.Params {
		if p.Direction == plan.ProcedureParamDirection_In {
			continue
		}
		l := top.vars[strings.ToLower(p.Name)]
		if args[i] != nil {
			err = args[i].assign(ctx, l.expression(), nil)
		} else {
			if v, ok := n.Params[i].(*expression.UserVar); ok {
				err = ctx.SetUserVariable(ctx, v.Name, l.value, l.typ)
			} else if s.results != nil && s.depth == 0 {
				s.results.outs = append(s.results.outs, *l)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	n.SetSchema(types.OkResultSchema)
	count := ctx.GetLastQueryInfo().RowCount.Load() // the answer is that of the last statement
	if s.results != nil && s.depth == 0 {
		s.results.count, s.results.found = count, ctx.GetLastQueryInfo().FoundRows.Load()
	}
	return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(int(max(count, 0))))), nil
}

// body runs the body of a procedure.
func (r *routine) body(ctx *sql.Context, body ast.Statement, top *scope) error {
	outer := ctx.GetTransaction()
	defer func() { ctx.SetTransaction(outer) }()
	ctx.SetTransaction(nil)
	_, err := r.statement(ctx, body, top)
	return err
}

// assignable reports whether an argument of a CALL can be an OUT parameter's.
func (s *Session) assignable(e sql.Expression, i int) bool {
	if _, ok := e.(*expression.UserVar); ok {
		return true
	}
	if c, ok := s.locks.stmt.(*ast.Call); ok && s.depth == 0 && i < len(c.Params) {
		v, ok := c.Params[i].(*ast.SQLVal)
		return ok && v.Type == ast.ValArg // of a prepared statement
	}
	return false
}

// procedureSpec returns the parameters of a procedure and the statement that it runs.
func (s *Session) procedureSpec(ctx *sql.Context, proc *plan.Procedure, name syntax.TableName) (p storedProcedure, spec *ast.ProcedureSpec, texts programTexts, err error) {
	if ok, err := getObject(ctx, engine.ObjectProcedure, name.Database, name.Name, &p); err != nil {
		return p, nil, nil, err
	} else if !ok {
		return p, nil, nil, sql.ErrStoredProcedureDoesNotExist.New(name.Name)
	}
	outer := s.statement
	s.statement = statement{}
	defer func() { s.statement = outer }()
	restore, err := s.underMode(ctx, p.SQLMode)
	if err != nil {
		return p, nil, nil, err
	}
	defer restore()
	parser := newParser()
	parser.routine = true
	stmt, _, _, err := parser.ParseWithOptions(ctx, proc.CreateProcedureString, ';', false, sql.NewSqlModeFromString(p.SQLMode).ParserOptions())
	if err != nil {
		return p, nil, nil, err
	}
	return p, stmt.(*ast.DDL).ProcedureSpec, parser.texts, nil
}

// jump is where a procedure goes on if not with the next statement.
type jump struct {
	label   string // of LEAVE and ITERATE
	iterate bool
	exit    *scope // the block that an EXIT handler leaves
	// returned: the function ends.
	returned bool
}

// to reports whether a jump ends in the statement of a label.
func (j *jump) to(label string) bool {
	return j != nil && j.exit == nil && label != "" && strings.EqualFold(j.label, label)
}

func (r *routine) statements(ctx *sql.Context, list ast.Statements, sc *scope) (*jump, error) {
	for _, stmt := range list {
		if j, err := r.statement(ctx, stmt, sc); j != nil || err != nil {
			return j, err
		}
	}
	return nil, nil
}

// statement runs one statement. Its error is one that no handler is for.
func (r *routine) statement(ctx *sql.Context, stmt ast.Statement, sc *scope) (*jump, error) {
	if ctx.Err() != nil {
		return nil, errInterrupted()
	}
	switch n := stmt.(type) {
	case *ast.BeginEndBlock:
		inner := &scope{up: sc, handlersUp: sc, vars: map[string]*local{}}
		j, err := r.statements(ctx, n.Statements, inner)
		if j != nil && (j.exit == inner || j.to(n.Label) && !j.iterate) {
			j = nil
		}
		return j, err
	case *ast.IfStatement:
		for _, c := range n.Conditions {
			ok, err := r.truth(ctx, c.Expr, sc)
			if err != nil {
				return r.raise(ctx, err, sc)
			}
			if ok {
				return r.statements(ctx, c.Statements, sc)
			}
		}
		return r.statements(ctx, n.Else, sc)
	case *ast.CaseStatement:
		list, err := r.branch(ctx, n, sc)
		if err != nil {
			return r.raise(ctx, err, sc)
		}
		return r.statements(ctx, list, sc)
	case *ast.Loop:
		return r.loop(ctx, n.Label, nil, n.Statements, nil, sc)
	case *ast.While:
		return r.loop(ctx, n.Label, n.Condition, n.Statements, nil, sc)
	case *ast.Repeat:
		return r.loop(ctx, n.Label, nil, n.Statements, n.Condition, sc)
	case *ast.Leave:
		return &jump{label: n.Label}, nil
	case *ast.Iterate:
		return &jump{label: n.Label, iterate: true}, nil
	case *ast.Set:
		if e, ok := isReturn(n); ok && r.result != nil {
			if err := r.assign(ctx, r.result, e, sc); err != nil {
				return r.raise(ctx, err, sc)
			}
			return &jump{returned: true}, nil
		}
	}
	before := ctx.Session.Warnings()
	if err := r.simple(ctx, stmt, sc); err != nil {
		if c := newCondition(ctx, err); isSignal(stmt) && strings.HasPrefix(c.State, "01") && sc.handler(c) == nil {
			value.Warn(ctx, c.Number, c.Message)
			return nil, nil
		}
		return r.raise(ctx, err, sc)
	}
	for _, w := range ctx.Session.Warnings() {
		if w.Level == "Warning" && !slices.Contains(before, w) {
			c := rewrite.Condition{Number: w.Code, State: cmp.Or(value.SQLStates[w.Code], "HY000"), Message: w.Message, Warning: true}
			if h := sc.handler(c); h != nil {
				return r.handle(ctx, h, c)
			}
		}
	}
	return nil, nil
}

func isSignal(stmt ast.Statement) bool {
	switch stmt.(type) {
	case *ast.Signal, *ast.Resignal:
		return true
	}
	return false
}

// loop runs LOOP, WHILE and REPEAT.
func (r *routine) loop(ctx *sql.Context, label string, while ast.Expr, body ast.Statements, until ast.Expr, sc *scope) (*jump, error) {
	for {
		if ctx.Err() != nil {
			return nil, errInterrupted()
		}
		if while != nil {
			if ok, err := r.truth(ctx, while, sc); err != nil {
				return r.raise(ctx, err, sc)
			} else if !ok {
				return nil, nil
			}
		}
		j, err := r.statements(ctx, body, sc)
		switch {
		case err != nil:
			return nil, err
		case j.to(label) && j.iterate:
			continue
		case j.to(label):
			return nil, nil
		case j != nil:
			return j, nil
		}
		if until != nil {
			if ok, err := r.truth(ctx, until, sc); err != nil {
				return r.raise(ctx, err, sc)
			} else if ok {
				return nil, nil
			}
		}
	}
}

// branch returns the statements that a CASE runs.
func (r *routine) branch(ctx *sql.Context, n *ast.CaseStatement, sc *scope) (ast.Statements, error) {
	var of ast.Expr
	if n.Expr != nil {
		v, t, err := r.value(ctx, n.Expr, sc)
		if err != nil {
			return nil, err
		}
		of = (&local{typ: t, value: v}).tree()
	}
	for _, c := range n.Cases {
		when := c.Case
		if of != nil {
			when = &ast.ComparisonExpr{Operator: ast.EqualStr, Left: of, Right: when}
		}
		if ok, err := r.truth(ctx, when, sc); err != nil {
			return nil, err
		} else if ok {
			return c.Statements, nil
		}
	}
	if n.Else == nil {
		return nil, mysql.NewSQLError(1339, "20000", "Case not found for CASE statement")
	}
	return n.Else, nil
}

// simple runs a statement that has no others in it.
func (r *routine) simple(ctx *sql.Context, stmt ast.Statement, sc *scope) error {
	switch n := stmt.(type) {
	case *ast.Declare:
		return r.declare(ctx, n, sc)
	case *ast.Set:
		if d, err := diagnosticsOf(n); d != nil || err != nil {
			if err == nil {
				err = d.run(ctx, r.s, sc)
			}
			return err
		}
		if own, err := r.runOwn(ctx, n, sc); own || err != nil {
			return err
		}
		if _, ok := r.texts.of(n); ok && !slices.ContainsFunc(n.Exprs, func(e *ast.SetVarExpr) bool { return e.Scope == ast.SetScope_None && sc.local(e.Name) != nil }) {
			break
		}
		for _, e := range n.Exprs {
			if err := r.set(ctx, n, e, sc); err != nil {
				return err
			}
		}
		return nil
	case *ast.Select:
		if storesInProgram(n.Into) {
			return r.into(ctx, n, n.Into.Variables, sc)
		}
	case *ast.SetOp:
		if storesInProgram(n.Into) {
			return r.into(ctx, n, n.Into.Variables, sc)
		}
	case *ast.Execute:
		if text := executedView(ctx, n); text != "" {
			_, err := r.s.query(ctx, text)
			return err
		}
	case *ast.OpenCursor:
		return r.open(ctx, n.Name, sc)
	case *ast.FetchCursor:
		return r.fetch(ctx, n, sc)
	case *ast.CloseCursor:
		return r.close(n.Name, sc)
	case *ast.Call:
		return r.nested(ctx, n, sc)
	case *ast.Signal:
		return r.signal(ctx, n, rewrite.Condition{}, sc)
	case *ast.Resignal:
		return r.resignal(ctx, n, sc)
	}
	if in := r.s.calls.within; in != nil { // also of a procedure that it calls
		if err := (&programCheck{kind: in.kind}).allowed(stmt); err != nil {
			return err
		}
	}
	_, _, err := r.run(ctx, stmt, sc, true)
	return rewrite.StatementError(stmt, r.s.notFound(err))
}

// run runs a statement of the planner's to its end, with literals for the variables that it
// names. It is planned again where a definition has changed since it was planned (T-6), if
// it has neither committed anything nor begun a result. Its rows are those that the client
// does not get.
func (r *routine) run(ctx *sql.Context, stmt ast.Statement, sc *scope, client bool) (sql.Schema, []sql.Row, error) {
	for try := 0; ; try++ {
		commits, begun := r.s.command.commits, r.s.results.sets()
		r.s.stale = false
		schema, rows, err := r.runOnce(ctx, stmt, sc, client)
		if err == nil || !r.s.stale || try >= replansMax || r.s.command.commits != commits || r.s.results.sets() != begun {
			return schema, rows, err
		}
	}
}

func (r *routine) runOnce(ctx *sql.Context, stmt ast.Statement, sc *scope, client bool) (sql.Schema, []sql.Row, error) {
	text, _ := r.texts.of(stmt)
	sub := sql.NewContext(ctx.Context, sql.WithQuery(text))
	sub.Session = ctx.Session
	r.s.setTime(sub)
	schema, it, _, err := r.runner.within(sub, r.s, "", func() (ast.Statement, error) { return r.parsed(sub, stmt, sc) }, nil, nil, client)
	if err != nil {
		return nil, nil, err
	}
	rows, err := sql.RowIterToRows(sub, it)
	if ok, is := answered(rows); is {
		sub.GetLastQueryInfo().RowCount.Store(int64(ok.RowsAffected))
	} else if client && err == nil {
		sub.GetLastQueryInfo().RowCount.Store(-1)
	}
	return schema, rows, err
}

// answered returns the answer of a statement that has no rows.
func answered(rows []sql.Row) (ok types.OkResult, is bool) {
	if len(rows) == 1 && len(rows[0]) == 1 {
		ok, is = rows[0][0].(types.OkResult)
	}
	return ok, is
}

// parsed returns a statement of the body for the planner, without the INTO of the program's variables.
func (r *routine) parsed(ctx *sql.Context, stmt ast.Statement, sc *scope) (ast.Statement, error) {
	if text, ok := r.texts.of(stmt); ok {
		p := newParser()
		p.scope = sc
		parsed, _, _, err := p.ParseWithOptions(ctx, text, ';', false, sql.LoadSqlMode(ctx).ParserOptions())
		if err != nil {
			err = r.s.commitRefused(ctx, stmt, err)
		}
		return parsed, err
	}
	c := sc.copy(ctx, stmt)
	if err := newParser().views(ctx, &c); err != nil {
		return nil, err
	}
	if err := r.s.orderedExpressions(ctx, c); err != nil {
		return nil, err
	}
	return c, r.s.complete(ctx, c)
}

// value returns the value of an expression.
func (r *routine) value(ctx *sql.Context, e ast.Expr, sc *scope) (any, sql.Type, error) {
	switch e := e.(type) { // what needs no plan
	case *ast.ColName:
		if l := sc.local(e); l != nil {
			return l.value, l.typ, l.gone
		}
	case ast.BoolVal:
		return bool(e), types.Boolean, nil
	}
	info := ctx.GetLastQueryInfo()
	count, found := info.RowCount.Load(), info.FoundRows.Load() // it is no statement
	schema, rows, err := r.run(ctx, &ast.Select{SelectExprs: ast.SelectExprs{&ast.AliasedExpr{Expr: e}}}, sc, false)
	if err != nil {
		return nil, nil, err
	}
	info.RowCount.Store(count)
	info.FoundRows.Store(found)
	if len(schema) != 1 || len(rows) != 1 {
		return nil, nil, mysql.NewSQLError(1241, "21000", "Operand should contain 1 column(s)")
	}
	return rows[0][0], schema[0].Type, nil
}

func (r *routine) truth(ctx *sql.Context, e ast.Expr, sc *scope) (bool, error) {
	v, _, err := r.value(ctx, e, sc)
	if err != nil || v == nil {
		return false, err
	}
	return sql.ConvertToBool(ctx, v)
}

// assign gives a variable the value of an expression. In strict mode what an INSERT of it would be refused for is refused, such
// as a division by zero.
func (r *routine) assign(ctx *sql.Context, to *local, e ast.Expr, sc *scope) error {
	if name, ok := e.(*ast.ColName); ok {
		if l := sc.local(name); l != nil {
			return to.assign(ctx, l.expression(), nil)
		}
	}
	r.s.dividedWithin = nil // not every value is a statement's
	v, t, err := r.value(ctx, ast.InjectedExpr{Auth: rewrite.Open, Expression: assignedTo{to.typ}, Children: ast.Exprs{e}}, sc)
	if err == nil {
		outer := r.s.divided
		r.s.divided = r.s.dividedWithin
		err = (&value.Assigner{}).Divided(ctx)
		r.s.divided = outer
	}
	if err != nil {
		return err
	}
	return to.assign(ctx, expression.NewLiteral(v, t), nil)
}

// set runs one assignment of a SET.
func (r *routine) set(ctx *sql.Context, n *ast.Set, e *ast.SetVarExpr, sc *scope) error {
	if l := sc.local(e.Name); l != nil && e.Scope == ast.SetScope_None {
		return r.assign(ctx, l, e.Expr, sc)
	}
	_, _, err := r.run(ctx, &ast.Set{Comments: n.Comments, Exprs: ast.SetVarExprs{e}}, sc, false)
	return err
}

// into runs a SELECT … INTO variables.
func (r *routine) into(ctx *sql.Context, query ast.Statement, names ast.Variables, sc *scope) error {
	schema, rows, err := r.run(ctx, query, sc, false)
	digits := r.s.spanDigits
	if err != nil {
		return err
	}
	if len(schema) != len(names) {
		return mysql.NewSQLError(1222, "21000", "The used SELECT statements have a different number of columns")
	}
	switch len(rows) {
	case 0:
		if err := errNoData(); sc.handler(newCondition(ctx, err)) != nil {
			return err
		}
		value.Warn(ctx, 1329, errNoData().Message)
		return nil
	case 1:
	default:
		return mysql.NewSQLError(1172, "42000", "Result consisted of more than one row")
	}
	for i, name := range names {
		if err := sc.store(ctx, name.String(), sc.resultColumn(name.String(), schema, i, digits), rows[0]); err != nil {
			return err
		}
	}
	return nil
}

// resultColumn returns a column of a result as an expression of its rows that is stored in a variable; digits are those of its TIMEs.
func (sc *scope) resultColumn(to string, schema sql.Schema, i int, digits map[int]int) sql.Expression {
	c := schema[i]
	column := expression.NewGetFieldWithTable(i, 0, c.Type, c.DatabaseSource, c.Source, c.Name, true)
	l := sc.find(strings.ToLower(to))
	if n, is := digits[i]; is && (strings.HasPrefix(to, "@") || l != nil && types.IsTextOnly(l.typ)) {
		return &expr.MomentText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: column}, Moment: c.Type, Digits: n}
	}
	return column
}

// nested runs a CALL in a procedure.
func (r *routine) nested(ctx *sql.Context, n *ast.Call, sc *scope) error {
	call := sc.copy(ctx, n).(*ast.Call)
	if call.ProcName.Qualifier.IsEmpty() {
		call.ProcName.Qualifier = ast.NewTableIdent(r.db)
	}
	args := map[int]*local{}
	for i, p := range n.Params {
		if name, ok := p.(*ast.ColName); ok {
			if l := sc.local(name); l != nil {
				args[i] = l
			}
		}
	}
	r.s.calls.args = args
	_, _, err := r.runOnce(ctx, call, sc, false)
	r.s.calls.args = nil
	return err
}
