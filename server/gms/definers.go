package gms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// Views, triggers and procedures are kept with the text that SHOW CREATE shows, which
// names their definer.

// definer checks the definer that a statement names, the session's account if it names
// none.
func (s *Session) definer(ctx *sql.Context, n syntax.AccountName, named bool) (syntax.AccountName, error) {
	if !named || n == s.account || s.internal {
		if n == (syntax.AccountName{}) {
			n = s.account
		}
		return n, nil
	}
	if !s.may(ctx, sql.PrivilegeType_Super) && !s.b.users.UserHasPrivileges(ctx, sql.NewDynamicPrivilegedOperation("set_user_id")) {
		return n, errPrivilege("SUPER or SET_USER_ID")
	}
	users := s.b.users.Reader()
	defer users.Close()
	if _, there := users.GetUser(n.Key()); !there {
		ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1449,
			Message: fmt.Sprintf("The user specified as a definer ('%s'@'%s') does not exist", n.User, n.Host)})
	}
	return n, nil
}

// canonical returns the text that is kept of what create makes in a database: what SHOW
// CREATE shows, but that a trigger's has the database of its table, which the planner would
// look for in the current one.
func (s *Session) canonical(ctx *sql.Context, database, create string) (string, error) {
	h, ok := rewrite.NewObjectHead(create)
	if !ok || !s.b.mysql {
		return strings.TrimSpace(create), nil
	}
	definer, err := s.definer(ctx, h.Definer, h.Defined)
	if err != nil {
		return "", err
	}
	head := "CREATE DEFINER=" + definer.String() + " "
	name := syntax.QuoteName(h.Name.Name)
	switch h.Kind {
	case "view":
		if text, ok := viewText(h.L); ok {
			return fmt.Sprintf("CREATE ALGORITHM=%s DEFINER=%s SQL SECURITY %s VIEW %s %s", h.Algorithm, definer, h.Security, name, text), nil
		}
	case "trigger":
		if text, ok := triggerText(h.L, database); ok {
			return head + "TRIGGER " + name + " " + text, nil
		}
	case "procedure":
		if text, ok := procedureText(h.L); ok {
			return head + "PROCEDURE " + syntax.QuoteName(database) + "." + name + text, nil
		}
	}
	return strings.TrimSpace(create), nil
}

// createdView returns the CREATE VIEW that is shown of one whose text is kept.
func (s *Session) createdView(ctx *sql.Context, t syntax.TableName, h rewrite.ObjectHead, kept string) string {
	query, ok := s.viewQuery(ctx, t, s.GetCurrentDatabase())
	if !ok {
		return kept
	}
	name := syntax.QuoteName(t.Name)
	if !syntax.SameName(t.Database, s.GetCurrentDatabase()) {
		name = syntax.QuoteName(t.Database) + "." + name
	}
	columns, _ := viewColumns(h.L)
	return fmt.Sprintf("CREATE ALGORITHM=%s DEFINER=%s SQL SECURITY %s VIEW %s %sAS %s", h.Algorithm, h.Definer, h.Security, name, columns, query)
}

// viewText returns what follows the name of a CREATE VIEW.
func viewText(l *syntax.Lexer) (string, bool) {
	columns, ok := viewColumns(l)
	if !ok || !l.Accept("as") {
		return "", false
	}
	return columns + "AS " + l.Rest(), true
}

// viewColumns returns the list of a view's columns with a blank behind it, "" if there is none.
func viewColumns(l *syntax.Lexer) (string, bool) {
	if !l.Accept("(") {
		return "", true
	}
	var columns []string
	for {
		name, ok := l.Name()
		if !ok {
			return "", false
		}
		columns = append(columns, syntax.QuoteName(name))
		if !l.Accept(",") {
			break
		}
	}
	return "(" + strings.Join(columns, ",") + ") ", l.Accept(")")
}

// triggerText returns what follows the name of a CREATE TRIGGER.
func triggerText(l *syntax.Lexer, database string) (string, bool) {
	time, event := l.AcceptOne("before", "after"), l.AcceptOne("insert", "update", "delete")
	if time == "" || event == "" || !l.Accept("on") {
		return "", false
	}
	table, ok := l.Name()
	if ok && l.Accept(".") {
		table, ok = l.Name()
	}
	if !ok || !l.Accept("for", "each", "row") {
		return "", false
	}
	if l.AcceptOne("follows", "precedes") != "" { // see storedTrigger
		l.Next()
	}
	return strings.ToUpper(time+" "+event) + " ON " + syntax.QuoteName(database) + "." + syntax.QuoteName(table) + " FOR EACH ROW " + l.Rest(), true
}

// procedureText returns what follows the name of a CREATE PROCEDURE: the characteristics
// that are not the default ones, a line each, between the parameters and the body.
func procedureText(l *syntax.Lexer) (string, bool) {
	params, _, c, body, ok := routineText(l)
	return params + c.String() + body, ok
}

// routineText returns the parts of what follows the name of a CREATE PROCEDURE or
// FUNCTION; of the former returns is "".
func routineText(l *syntax.Lexer) (params, returns string, c routineCharacteristics, body string, ok bool) {
	from, depth := l.Start, 0
	for {
		switch l.Kind {
		case 0:
			return "", "", c, "", false
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			break
		}
		l.Next()
	}
	params = l.Q[from:l.At]
	l.Next()
	if l.Accept("returns") {
		from := l.Start
		if err := (&functionText{}).typ(l, &rewrite.Marking{Q: l.Q}); err != nil {
			return "", "", c, "", false
		}
		returns = strings.TrimSpace(l.Q[from:l.Start])
	}
	if !c.read(l) {
		return "", "", c, "", false
	}
	return params, returns, c, l.Rest(), true
}

// routineCharacteristics are a routine's characteristics but for the default ones.
type routineCharacteristics struct{ access, deterministic, security, comment string }

// read reads characteristics, false if one has no end.
func (c *routineCharacteristics) read(l *syntax.Lexer) bool {
	for {
		switch {
		case l.Accept("language", "sql"):
		case l.Accept("sql", "security", "definer"):
			c.security = ""
		case l.Accept("contains", "sql"):
			c.access = ""
		case l.Accept("no", "sql"):
			c.access = "NO SQL"
		case l.Accept("reads", "sql", "data"):
			c.access = "READS SQL DATA"
		case l.Accept("modifies", "sql", "data"):
			c.access = "MODIFIES SQL DATA"
		case l.Accept("not", "deterministic"):
			c.deterministic = ""
		case l.Accept("deterministic"):
			c.deterministic = "DETERMINISTIC"
		case l.Accept("sql", "security", "invoker"):
			c.security = "SQL SECURITY INVOKER"
		case l.Accept("comment"):
			text, ok := l.String()
			if !ok {
				return false
			}
			c.comment = text
		default:
			return true
		}
	}
}

// String returns the characteristics as they stand before a body.
func (c routineCharacteristics) String() string {
	text, comment := "\n", ""
	if c.comment != "" {
		comment = "COMMENT " + syntax.QuoteText(c.comment)
	}
	for _, c := range []string{c.access, c.deterministic, c.security, comment} {
		if c != "" {
			text += "    " + c + "\n"
		}
	}
	return text
}

// modes are the SQL modes in the order in which MySQL lists them.
var modes = []string{
	"REAL_AS_FLOAT", "PIPES_AS_CONCAT", "ANSI_QUOTES", "IGNORE_SPACE", "ONLY_FULL_GROUP_BY", "NO_UNSIGNED_SUBTRACTION",
	"NO_DIR_IN_CREATE", "ANSI", "NO_AUTO_VALUE_ON_ZERO", "NO_BACKSLASH_ESCAPES", "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES",
	"NO_ZERO_IN_DATE", "NO_ZERO_DATE", "ALLOW_INVALID_DATES", "ERROR_FOR_DIVISION_BY_ZERO", "TRADITIONAL", "HIGH_NOT_PRECEDENCE",
	"NO_ENGINE_SUBSTITUTION", "PAD_CHAR_TO_FULL_LENGTH", "TIME_TRUNCATE_FRACTIONAL",
}

// modeText returns an SQL mode in MySQL's order.
func modeText(mode string) string {
	list := strings.Split(mode, ",")
	slices.SortStableFunc(list, func(a, b string) int { return slices.Index(modes, a) - slices.Index(modes, b) })
	return strings.Join(list, ",")
}

// programText returns a part of what is kept of a program as clients see it: as it was sent under the program's sql_mode.
func programText(kept, mode string) string {
	if strings.Contains(mode, sql.NoBackslashEscapes) {
		return syntax.Unescaping(kept)
	}
	return kept
}

// showObject completes what the planner shows of a procedure, a trigger or an event.
func (b *builder) showObject(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(ctx, it)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		name, _ := row[0].(string)
		switch n := n.(type) {
		case *plan.ShowCreateProcedure:
			var p storedProcedure
			if ok, err := getObject(ctx, engine.ObjectProcedure, n.Database().Name(), name, &p); ok || err != nil {
				row[1] = modeText(p.SQLMode)
				row[3], row[4] = p.shown()
				if h, ok := rewrite.NewObjectHead(p.Create); ok {
					row[2] = programText(p.Create[:h.From]+syntax.QuoteName(h.Name.Name)+p.Create[h.To:], p.SQLMode)
				}
				if s.checked() && !s.newAccess(ctx).readsRoutine(syntax.TableName{Database: n.Database().Name(), Name: name}) {
					row[2] = nil // the body is for the definer
				}
			}
		case *plan.ShowCreateTrigger:
			var t storedTrigger
			if _, err := getObject(ctx, engine.ObjectTrigger, n.Database().Name(), name, &t); err != nil {
				return nil, err
			}
			row[1] = modeText(t.SQLMode)
			row[3], row[4] = t.shown()
			if h, ok := newTriggerHead(t.Create); ok {
				row[2] = programText(t.Create[:h.from]+syntax.QuoteName(h.table)+t.Create[h.to:], t.SQLMode)
			}
		case *plan.ShowCreateEvent:
			row[1] = modeText(n.Event.SqlMode)
			row[3] = programText(eventText(n.Event), n.Event.SqlMode)
		case *plan.ShowEvents:
			row[2] = unquotedAccount(row[2])
		}
	}
	return sql.RowsToRowIter(rows...), nil
}

// eventText returns the CREATE EVENT of an event.
func eventText(e sql.EventDefinition) string {
	comment := e.Comment
	e.Comment = ""
	text := strings.Replace(e.CreateEventStatement(), "CREATE DEFINER = ", "CREATE DEFINER=", 1)
	if comment == "" {
		return text
	}
	body := " DO " + e.EventBody
	return strings.TrimSuffix(text, body) + " COMMENT " + syntax.QuoteText(comment) + body
}

// unquotedAccount returns an account as columns have it: user@host.
func unquotedAccount(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	l := syntax.NewLexer(text)
	n, _, ok := l.AccountName()
	if !ok || l.Kind != 0 {
		return v
	}
	return n.User + "@" + n.Host
}

// showCreateView completes what the planner shows of a view.
func (b *builder) showCreateView(ctx *sql.Context, s *Session, v *plan.SubqueryAlias, rows []sql.Row) (sql.RowIter, error) {
	if show, ok := s.current().(*ast.Show); ok && syntax.SameName(show.Table.Name.String(), v.Name()) {
		var view storedView
		t := fullName(show.Table, s.GetCurrentDatabase())
		if _, err := getObject(ctx, engine.ObjectView, t.Database, t.Name, &view); err != nil {
			return nil, err
		}
		if h, ok := rewrite.NewObjectHead(view.Create); ok && h.Defined {
			rows[0][1] = s.createdView(ctx, t, h, view.Create)
		}
		rows[0][2], rows[0][3] = view.shown()
	}
	return sql.RowsToRowIter(rows...), nil
}
