package gms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// The planner's grammar has no stored functions. A function's text is parsed as the one of
// a procedure whose last parameter is what the function returns, and whose RETURN assigns
// to it.

// returned is the name of that parameter. No identifier of a client's ends in a blank.
const returned = "returned value "

// storedFunction is a function that is ready to be called.
type storedFunction struct {
	name    syntax.TableName
	params  []local // without values
	result  local   // what it returns, without a value
	body    ast.Statement
	texts   programTexts
	mode    string // sql_mode of its making
	definer syntax.AccountName
	invoker bool // SQL SECURITY INVOKER
	varies  bool // NOT DETERMINISTIC
}

// functionText is a CREATE FUNCTION as the text of a procedure.
type functionText struct {
	text     string
	made     rewrite.Edits
	charsets []charset // of the parameters, and of what it returns
	invoker  bool
	varies   bool
}

// charset is a CHARACTER SET and COLLATE, which the grammar has not for parameters.
type charset struct{ set, collate string }

// newFunctionText reads what follows the name of a CREATE FUNCTION.
func newFunctionText(l *syntax.Lexer) (*functionText, error) {
	f := &functionText{}
	m := &rewrite.Marking{Q: l.Q}
	m.Put(0, l.Start, "CREATE PROCEDURE `f`")
	if !l.Is("(") {
		return nil, l.Syntax()
	}
	l.Next()
	for empty := l.Is(")"); !l.Accept(")"); {
		if _, ok := l.Name(); !ok || empty {
			return nil, l.Syntax()
		}
		if err := f.typ(l, m); err != nil {
			return nil, err
		}
		if !l.Is(")") && !l.Accept(",") {
			return nil, l.Syntax()
		}
	}
	end := strings.LastIndexByte(l.Q[:l.Start], ')')
	if !l.Is("returns") {
		return nil, l.Syntax()
	}
	comma := ", "
	if len(f.charsets) == 0 {
		comma = ""
	}
	m.Put(end, l.At, comma+"IN `"+returned+"`")
	l.Next()
	if err := f.typ(l, m); err != nil {
		return nil, err
	}
	m.Put(l.Start, l.Start, ") ")
	var traits routineCharacteristics
	ahead := *l
	traits.read(&ahead)
	f.varies = traits.deterministic == ""
	f.invoker = f.body(l, m)
	m.Out.WriteString(l.Q[m.Done:])
	f.text, f.made = m.Out.String(), m.Made
	return f, nil
}

// procedureCharsets returns those of the parameters of a CREATE PROCEDURE.
func procedureCharsets(create string) []charset {
	h, ok := rewrite.NewObjectHead(create)
	if !ok || !h.L.Accept("(") {
		return nil
	}
	f, m := &functionText{}, &rewrite.Marking{Q: h.L.Q}
	for !h.L.Accept(")") {
		h.L.AcceptOne("in", "out", "inout")
		if _, ok := h.L.Name(); !ok || f.typ(h.L, m) != nil {
			return nil
		}
		h.L.Accept(",")
	}
	return f.charsets
}

// typ reads a type, and takes its character set out.
func (f *functionText) typ(l *syntax.Lexer, m *rewrite.Marking) error {
	var c charset
	if l.Kind != 'w' {
		return l.Syntax()
	}
	switch {
	case l.Accept("double", "precision"), l.Accept("long", "varchar"), l.Accept("long", "varbinary"),
		l.Accept("char", "varying"), l.Accept("character", "varying"):
	case l.Accept("national"):
		l.Next()
		l.Accept("varying")
	default:
		l.Next()
	}
	if l.Is("(") {
		for depth := 0; ; l.Next() {
			switch l.Kind {
			case 0:
				return l.Syntax()
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				l.Next()
				break
			}
		}
	}
	for {
		from := l.Start
		var ok bool
		switch {
		case l.AcceptOne("unsigned", "signed", "zerofill", "binary", "ascii", "unicode", "byte") != "":
			continue
		case l.Accept("character", "set"), l.Accept("charset"):
			if c.set, ok = l.NameOrString(); !ok {
				return l.Syntax()
			}
		case l.Accept("collate"):
			if c.collate, ok = l.NameOrString(); !ok {
				return l.Syntax()
			}
		default:
			f.charsets = append(f.charsets, c)
			return nil
		}
		m.Put(from, l.Start, " ")
	}
}

// body makes the assignments of RETURNs and reports whether the function is of its invoker.
func (f *functionText) body(l *syntax.Lexer, m *rewrite.Marking) (invoker bool) {
	var before [2]string
	open := false // a RETURN's expression
	behind := l.Start
	for at := l.Start; at < len(l.Q); {
		word, end := syntax.NextWord(l.Q, at)
		if word == "" {
			at = end
			continue
		}
		token := strings.ToLower(word)
		if word == " " {
			token = l.Q[at : at+1]
		}
		switch {
		case token == "return" && before[0] != "." && before[0] != "@" && !open:
			m.Put(at, end, "SET `"+returned+"` = (")
			open = true
		case token == ";" && open:
			m.Put(behind, at, ")")
			open = false
		case token == "invoker" && before == [2]string{"security", "sql"}:
			invoker = true
		}
		before[1], before[0] = before[0], token
		behind, at = end, end
	}
	if open {
		m.Put(behind, behind, ")")
	}
	return invoker
}

// parseFunction parses the text of a CREATE FUNCTION under an SQL mode; end is where its
// statement ends.
func (s *Session) parseFunction(ctx *sql.Context, h rewrite.ObjectHead, mode *sql.SqlMode) (f *storedFunction, end int, err error) {
	text, err := newFunctionText(h.L)
	if err != nil {
		return nil, 0, err
	}
	p := newParser()
	p.routine = true
	stmt, _, rest, err := p.planners(ctx, text.text, ';', true, mode.ParserOptions())
	if err != nil {
		return nil, 0, err
	}
	ddl, ok := stmt.(*ast.DDL)
	if !ok || ddl.ProcedureSpec == nil || len(ddl.ProcedureSpec.Params) != len(text.charsets) {
		return nil, 0, syntax.Error(h.L.Q, h.From)
	}
	f = &storedFunction{name: h.Name, body: ddl.ProcedureSpec.Body, texts: p.texts, mode: mode.String(), definer: h.Definer, invoker: text.invoker, varies: text.varies}
	collation := s.databaseCollation(ctx, h.Name.Database)
	for i, param := range ddl.ProcedureSpec.Params {
		param.Type.Charset, param.Type.Collate = text.charsets[i].set, text.charsets[i].collate
		l, err := newLocal(param.Name, &param.Type, collation)
		if err != nil {
			return nil, 0, err
		}
		if i == len(text.charsets)-1 {
			f.result = l
			break
		}
		if slices.ContainsFunc(f.params, func(l local) bool { return syntax.SameName(l.name, param.Name) }) {
			return nil, 0, mysql.NewSQLError(1330, "42000", "Duplicate parameter: %s", param.Name)
		}
		f.params = append(f.params, l)
	}
	end = len(h.L.Q)
	if rest != "" {
		end = text.made.Sent(len(text.text) - len(rest))
	}
	return f, end, nil
}

// isReturn reports whether a statement is a RETURN.
func isReturn(stmt ast.Statement) (ast.Expr, bool) {
	n, ok := stmt.(*ast.Set)
	if !ok || len(n.Exprs) != 1 || n.Exprs[0].Name.Name.String() != returned {
		return nil, false
	}
	return n.Exprs[0].Expr, true
}

// function returns a function, nil if there is none. Those that have been parsed are kept.
func (s *Session) function(ctx *sql.Context, name syntax.TableName) (*storedFunction, error) {
	var p storedProcedure
	if ok, err := getObject(ctx, engine.ObjectFunction, name.Database, name.Name, &p); !ok || err != nil {
		return nil, err
	}
	key := p.Create + "\x00" + p.SQLMode
	if f := s.calls.parsed[key]; f != nil {
		return f, nil
	}
	outer := s.statement
	s.statement = statement{}
	defer func() { s.statement = outer }()
	restore, err := s.underMode(ctx, p.SQLMode)
	if err != nil {
		return nil, err
	}
	defer restore()
	h, ok := rewrite.NewObjectHead(p.Create)
	if !ok {
		return nil, fmt.Errorf("gms: function %s.%s: %q", name.Database, name.Name, p.Create)
	}
	defer s.within(h.Name.Database)()
	f, _, err := s.parseFunction(ctx, h, sql.NewSqlModeFromString(p.SQLMode))
	if err != nil {
		return nil, err
	}
	if len(s.calls.parsed) >= preparedMax || s.calls.parsed == nil {
		s.calls.parsed = map[string]*storedFunction{}
	}
	s.calls.parsed[key] = f
	return f, nil
}

// errNoFunction is the error of a function that does not exist.
func errNoFunction(name syntax.TableName) error {
	return mysql.NewSQLError(1305, "42000", "FUNCTION %s.%s does not exist", name.Database, name.Name)
}

// parseCreateFunction parses CREATE [DEFINER = …] FUNCTION.
func parseCreateFunction(l *syntax.Lexer) (ast.Statement, error) {
	h, ok := rewrite.NewObjectHead(l.Q)
	if !ok || h.Kind != "function" {
		return nil, nil
	}
	if h.L.Accept("returns") || h.L.Accept("soname") {
		return nil, value.ErrNotSupported("CREATE FUNCTION … SONAME")
	}
	a := &admin{name: "CREATE FUNCTION", commits: true}
	ctx := l.Ctx
	if h.Name.Database == "" {
		if h.Name.Database = ctx.GetCurrentDatabase(); h.Name.Database == "" {
			return nil, sql.ErrNoDatabaseSelected.New()
		}
	}
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := rewrite.CheckName(h.Name.Name, 1458, "routine"); err != nil {
		return nil, err
	}
	restore := s.within(h.Name.Database)
	f, end, err := s.parseFunction(ctx, h, sql.LoadSqlMode(ctx))
	restore()
	if err != nil {
		return nil, err
	}
	create := l.Q[:end]
	l.At = end
	l.Next()
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return nil, s.createFunction(ctx, f, create)
	}
	return a.statement(), nil
}

func (s *Session) createFunction(ctx *sql.Context, f *storedFunction, create string) error {
	h, _ := rewrite.NewObjectHead(create)
	name := f.name
	cat, err := s.catalog(ctx)
	if err != nil {
		return err
	}
	if cat.Database(name.Database) == nil {
		return sql.ErrDatabaseNotFound.New(name.Database)
	}
	if !s.internal && !s.b.users.UserHasPrivileges(ctx, sql.NewPrivilegedOperation(
		sql.PrivilegeCheckSubject{Database: name.Database}, sql.PrivilegeType_CreateRoutine)) {
		return mysql.NewSQLError(1044, "42000", "Access denied for user %s to database '%s'", quotedAccount(s.account), name.Database)
	}
	if err := checkProgram(f.body, programFunction, "FUNCTION "+name.Database+"."+name.Name, f.params, nil); err != nil {
		return located(err, create)
	}
	if cat.Object(engine.ObjectFunction, name.Database, name.Name) != nil {
		exists := "FUNCTION " + name.Name + " already exists"
		if noteExists(ctx, create, 1304, exists) {
			return nil
		}
		return mysql.NewSQLError(1304, "42000", "%s", exists)
	}
	definer, err := s.definer(ctx, h.Definer, h.Defined)
	if err != nil {
		return err
	}
	params, _, c, body, ok := routineText(h.L)
	if !ok {
		return h.L.Syntax()
	}
	create = fmt.Sprintf("CREATE DEFINER=%s FUNCTION %s.%s%s RETURNS %s%s%s", definer, syntax.QuoteName(name.Database), syntax.QuoteName(name.Name),
		params, f.result.returnsText(), c, body)
	if nativeFunction(ctx, name.Name) {
		s.Warn(&sql.Warning{Level: "Note", Code: 1585, Message: fmt.Sprintf("This function '%s' has the same name as a native function", name.Name)})
	}
	now := ctx.QueryTime().UnixMicro()
	if err := putObject(ctx, engine.ObjectFunction, name.Database, name.Name,
		storedProcedure{Name: name.Name, Create: create, SQLMode: sql.LoadSqlMode(ctx).String(), Created: now, Modified: now, madeWith: newMadeWith(ctx)}); err != nil {
		return err
	}
	return s.ownRoutine(ctx, name, "FUNCTION")
}

// routineType returns a type without its character set.
func routineType(t sql.Type) string {
	text, _, _ := strings.Cut(t.String(), " CHARACTER SET ")
	text, _, _ = strings.Cut(text, " COLLATE ")
	return text
}

// returnsText returns the type of what a function returns as SHOW CREATE FUNCTION has it.
func (l *local) returnsText() string {
	t := l.typ
	text := routineType(t)
	if types.IsTimespan(t) {
		text = expr.TimeText(l.digits())
	}
	if l.column != nil {
		if f, ok := expr.FormatOf(l.column); ok {
			text = f.TypeText(text)
		}
	}
	if st, ok := t.(sql.TypeWithCollation); ok && !types.IsBinaryType(t) {
		c := st.Collation()
		text += " CHARSET " + c.CharacterSet().Name()
		if c != c.CharacterSet().DefaultCollation() {
			text += " COLLATE " + c.Name()
		}
	}
	return text
}

// readRoutineName reads the name of a routine.
func readRoutineName(l *syntax.Lexer) (syntax.TableName, error) {
	list := l.TableNames()
	if len(list) != 1 {
		return syntax.TableName{}, l.Syntax()
	}
	if list[0].Database == "" {
		if list[0].Database = l.Ctx.GetCurrentDatabase(); list[0].Database == "" {
			return syntax.TableName{}, sql.ErrNoDatabaseSelected.New()
		}
	}
	return list[0], nil
}

// parseDropFunction parses DROP FUNCTION [IF EXISTS].
func parseDropFunction(l *syntax.Lexer) (ast.Statement, error) {
	optional := l.Accept("if", "exists")
	name, err := readRoutineName(l)
	if err != nil {
		return nil, err
	}
	a := &admin{name: "DROP FUNCTION", commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		missing := errNoFunction(name)
		if ok, err := getObject(ctx, engine.ObjectFunction, name.Database, name.Name, &storedProcedure{}); err != nil {
			return nil, err
		} else if !ok && optional {
			s.Warn(&sql.Warning{Level: "Note", Code: 1305, Message: missing.(*mysql.SQLError).Message})
			return nil, nil
		} else if ok {
			if err := s.mayRoutine(ctx, name, "FUNCTION", sql.PrivilegeType_AlterRoutine); err != nil {
				return nil, err
			}
		}
		return nil, deleteObject(ctx, engine.ObjectFunction, name.Database, name.Name, missing)
	}}
	return a.statement(), nil
}

// parseAlterRoutine parses ALTER FUNCTION and ALTER PROCEDURE: other characteristics.
func parseAlterRoutine(object engine.ObjectKind, kind string) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		name, err := readRoutineName(l)
		if err != nil {
			return nil, err
		}
		from := *l
		if !(&routineCharacteristics{}).read(l) {
			return nil, l.Syntax()
		}
		a := &admin{name: "ALTER " + kind, commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
			missing := mysql.NewSQLError(1305, "42000", "%s %s.%s does not exist", kind, name.Database, name.Name)
			key := name.Name
			if object == engine.ObjectProcedure {
				key = strings.ToLower(key)
			}
			var p storedProcedure
			if ok, err := getObject(ctx, object, name.Database, key, &p); err != nil {
				return nil, err
			} else if !ok {
				return nil, missing
			}
			if err := s.mayRoutine(ctx, name, kind, sql.PrivilegeType_AlterRoutine); err != nil {
				return nil, err
			}
			h, ok := rewrite.NewObjectHead(p.Create)
			if !ok {
				return nil, missing
			}
			params, returns, c, body, ok := routineText(h.L)
			changes := from
			if !ok || !c.read(&changes) {
				return nil, missing
			}
			if returns != "" {
				returns = " RETURNS " + returns
			}
			p.Create = p.Create[:h.To] + params + returns + c.String() + body
			p.Modified = ctx.QueryTime().UnixMicro()
			return nil, putObject(ctx, object, name.Database, key, p)
		}}
		return a.statement(), nil
	}
}

// hasRoutine reports whether the session has a privilege for a routine.
func (s *Session) hasRoutine(ctx *sql.Context, name syntax.TableName, kind string, p sql.PrivilegeType) bool {
	return !s.checked() || s.newAccess(ctx).routine(name.Database, name.Name, kind == "PROCEDURE", "", p) == nil
}

// mayRoutine returns an error unless the session has a privilege for a function or procedure.
func (s *Session) mayRoutine(ctx *sql.Context, name syntax.TableName, kind string, p sql.PrivilegeType) error {
	if s.hasRoutine(ctx, name, kind, p) {
		return nil
	}
	command := "execute"
	if p == sql.PrivilegeType_AlterRoutine {
		command = "alter routine"
	}
	return mysql.NewSQLError(1370, "42000", "%s command denied to user %s for routine '%s.%s'",
		command, quotedAccount(s.account), name.Database, name.Name)
}

// parseShowCreate parses SHOW CREATE FUNCTION and SHOW CREATE USER.
func parseShowCreate(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("function") {
		return parseShowCreateUser(l)
	}
	name, err := readRoutineName(l)
	if err != nil {
		return nil, err
	}
	a := &admin{name: "SHOW CREATE FUNCTION", columns: textColumns("Function", "sql_mode", "Create Function",
		"character_set_client", "collation_connection", "Database Collation")}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		var p storedProcedure
		ok, err := getObject(ctx, engine.ObjectFunction, name.Database, name.Name, &p)
		if err != nil {
			return nil, err
		}
		if !ok || !s.seesRoutine(ctx, name, "FUNCTION") {
			return nil, errNoFunction(syntax.TableName{Database: name.Database, Name: name.Name})
		}
		h, _ := rewrite.NewObjectHead(p.Create)
		var text any = programText(p.Create[:h.From]+syntax.QuoteName(h.Name.Name)+p.Create[h.To:], p.SQLMode)
		if h.Definer != s.account && !s.may(ctx, sql.PrivilegeType_Select) && !s.mayDynamic(ctx, "show_routine") {
			text = nil // the body is for the definer
		}
		db, err := s.b.Database(ctx, name.Database)
		if err != nil {
			return nil, err
		}
		charset, collation := p.shown()
		return []sql.Row{{p.Name, modeText(p.SQLMode), text, charset, collation, db.(*Database).GetCollation(ctx).Name()}}, nil
	}
	return a.statement(), nil
}

// seesRoutine reports whether the session has any privilege for a routine.
func (s *Session) seesRoutine(ctx *sql.Context, name syntax.TableName, kind string) bool {
	for _, p := range []sql.PrivilegeType{sql.PrivilegeType_Execute, sql.PrivilegeType_AlterRoutine, sql.PrivilegeType_CreateRoutine} {
		if s.hasRoutine(ctx, name, kind, p) {
			return true
		}
	}
	return false
}

// functionStatus is what SHOW FUNCTION STATUS selects from.
const functionStatus = "SELECT ROUTINE_SCHEMA AS Db, ROUTINE_NAME AS Name, ROUTINE_TYPE AS Type, DEFINER AS Definer, " +
	"LAST_ALTERED AS Modified, CREATED AS Created, SECURITY_TYPE AS Security_type, ROUTINE_COMMENT AS Comment, " +
	"character_set_client, collation_connection, DATABASE_COLLATION AS `Database Collation` " +
	"FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION'"

// parseShowFunction parses SHOW FUNCTION STATUS [LIKE … | WHERE …].
func parseShowFunction(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("status") {
		return parseShowFunctionCode(l)
	}
	where, err := readShowFilter(l, "Name")
	if err != nil {
		return nil, err
	}
	return ast.Parse("SELECT * FROM (" + functionStatus + ") AS `routines`" + where + " ORDER BY Db, Name")
}

// ownRoutine lets the session's account execute and alter a routine that it has made.
func (s *Session) ownRoutine(ctx *sql.Context, name syntax.TableName, kind string) error {
	if s.internal || s.b.users == nil || s.hasRoutine(ctx, name, kind, sql.PrivilegeType_Execute) && s.hasRoutine(ctx, name, kind, sql.PrivilegeType_AlterRoutine) {
		return nil
	}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		u, err := e.account(s.account)
		if u == nil || err != nil {
			return err
		}
		u.PrivilegeSet.AddRoutine(name.Database, name.Name, kind == "PROCEDURE", sql.PrivilegeType_Execute, sql.PrivilegeType_AlterRoutine)
		e.put(u)
		return nil
	}, nil)
}
