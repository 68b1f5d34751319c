package gms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
)

// Views, triggers and procedures are kept with the text that SHOW CREATE shows, which
// names their definer.

// objectHead is the beginning of a CREATE VIEW, TRIGGER, PROCEDURE or EVENT.
type objectHead struct {
	kind                string // "view" …
	definer             accountName
	defined             bool // the statement names a definer
	optional            bool // IF NOT EXISTS
	algorithm, security string
	alter               bool // it is an ALTER VIEW
	name                tableName
	from, to            int    // of the name in the text
	l                   *lexer // behind the name
}

// newObjectHead reads the beginning of a statement, false if it is none of them.
func newObjectHead(create string) (h objectHead, ok bool) {
	l := newLexer(plainComments(create))
	h.l, h.algorithm, h.security = l, "UNDEFINED", "DEFINER"
	if h.alter = l.accept("alter"); !h.alter && !l.accept("create") {
		return h, false
	}
	l.accept("or", "replace")
	for h.kind == "" {
		switch {
		case l.accept("algorithm", "="):
			h.algorithm = strings.ToUpper(l.acceptOne("undefined", "merge", "temptable"))
		case l.accept("definer", "="):
			self := false
			if h.definer, self, ok = l.accountName(); !ok {
				return h, false
			}
			h.defined = !self
		case l.accept("sql", "security"):
			h.security = strings.ToUpper(l.acceptOne("definer", "invoker"))
		default:
			if h.kind = l.acceptOne("view", "trigger", "procedure", "function", "event"); h.kind == "" || h.alter && h.kind != "view" {
				return h, false
			}
		}
	}
	h.optional = l.accept("if", "not", "exists")
	h.from, h.to = l.start, l.at
	if h.name.Name, ok = l.name(); ok && l.accept(".") {
		h.name.Database, h.to = h.name.Name, l.at
		h.name.Name, ok = l.name()
	}
	return h, ok
}

// rest is the text from the lexer's token on.
func (l *lexer) rest() string {
	return strings.TrimRight(l.q[l.start:], "; \t\r\n")
}

// definer checks the definer that a statement names, the session's account if it names
// none.
func (s *Session) definer(ctx *sql.Context, n accountName, named bool) (accountName, error) {
	if !named || n == s.account || s.internal {
		if n == (accountName{}) {
			n = s.account
		}
		return n, nil
	}
	if !s.may(ctx, sql.PrivilegeType_Super) && !s.b.users.UserHasPrivileges(ctx, sql.NewDynamicPrivilegedOperation("set_user_id")) {
		return n, errPrivilege("SUPER or SET_USER_ID")
	}
	users := s.b.users.Reader()
	defer users.Close()
	if _, there := users.GetUser(n.key()); !there {
		ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1449,
			Message: fmt.Sprintf("The user specified as a definer ('%s'@'%s') does not exist", n.User, n.Host)})
	}
	return n, nil
}

// canonical returns the text that is kept of what create makes in a database: what SHOW
// CREATE shows, but that a trigger's has the database of its table, which the planner would
// look for in the current one.
func (s *Session) canonical(ctx *sql.Context, database, create string) (string, error) {
	h, ok := newObjectHead(create)
	if !ok || !s.b.mysql {
		return strings.TrimSpace(create), nil
	}
	definer, err := s.definer(ctx, h.definer, h.defined)
	if err != nil {
		return "", err
	}
	head := "CREATE DEFINER=" + definer.String() + " "
	name := quoteName(h.name.Name)
	switch h.kind {
	case "view":
		if text, ok := viewText(h.l); ok {
			return fmt.Sprintf("CREATE ALGORITHM=%s DEFINER=%s SQL SECURITY %s VIEW %s %s", h.algorithm, definer, h.security, name, text), nil
		}
	case "trigger":
		if text, ok := triggerText(h.l, database); ok {
			return head + "TRIGGER " + name + " " + text, nil
		}
	case "procedure":
		if text, ok := procedureText(h.l); ok {
			return head + "PROCEDURE " + quoteName(database) + "." + name + text, nil
		}
	}
	return strings.TrimSpace(create), nil
}

// createdView returns the CREATE VIEW that is shown of one whose text is kept.
func (s *Session) createdView(ctx *sql.Context, t tableName, h objectHead, kept string) string {
	query, ok := s.viewQuery(ctx, t, s.GetCurrentDatabase())
	if !ok {
		return kept
	}
	name := quoteName(t.Name)
	if !sameName(t.Database, s.GetCurrentDatabase()) {
		name = quoteName(t.Database) + "." + name
	}
	columns, _ := viewColumns(h.l)
	return fmt.Sprintf("CREATE ALGORITHM=%s DEFINER=%s SQL SECURITY %s VIEW %s %sAS %s", h.algorithm, h.definer, h.security, name, columns, query)
}

// viewText returns what follows the name of a CREATE VIEW.
func viewText(l *lexer) (string, bool) {
	columns, ok := viewColumns(l)
	if !ok || !l.accept("as") {
		return "", false
	}
	return columns + "AS " + l.rest(), true
}

// viewColumns returns the list of a view's columns with a blank behind it, "" if there is none.
func viewColumns(l *lexer) (string, bool) {
	if !l.accept("(") {
		return "", true
	}
	var columns []string
	for {
		name, ok := l.name()
		if !ok {
			return "", false
		}
		columns = append(columns, quoteName(name))
		if !l.accept(",") {
			break
		}
	}
	return "(" + strings.Join(columns, ",") + ") ", l.accept(")")
}

// triggerText returns what follows the name of a CREATE TRIGGER.
func triggerText(l *lexer, database string) (string, bool) {
	time, event := l.acceptOne("before", "after"), l.acceptOne("insert", "update", "delete")
	if time == "" || event == "" || !l.accept("on") {
		return "", false
	}
	table, ok := l.name()
	if ok && l.accept(".") {
		table, ok = l.name()
	}
	if !ok || !l.accept("for", "each", "row") {
		return "", false
	}
	if l.acceptOne("follows", "precedes") != "" { // see storedTrigger
		l.next()
	}
	return strings.ToUpper(time+" "+event) + " ON " + quoteName(database) + "." + quoteName(table) + " FOR EACH ROW " + l.rest(), true
}

// procedureText returns what follows the name of a CREATE PROCEDURE: the characteristics
// that are not the default ones, a line each, between the parameters and the body.
func procedureText(l *lexer) (string, bool) {
	params, _, c, body, ok := routineText(l)
	return params + c.String() + body, ok
}

// routineText returns the parts of what follows the name of a CREATE PROCEDURE or
// FUNCTION; of the former returns is "".
func routineText(l *lexer) (params, returns string, c routineCharacteristics, body string, ok bool) {
	from, depth := l.start, 0
	for {
		switch l.kind {
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
		l.next()
	}
	params = l.q[from:l.at]
	l.next()
	if l.accept("returns") {
		from := l.start
		if err := (&functionText{}).typ(l, &marking{q: l.q}); err != nil {
			return "", "", c, "", false
		}
		returns = strings.TrimSpace(l.q[from:l.start])
	}
	if !c.read(l) {
		return "", "", c, "", false
	}
	return params, returns, c, l.rest(), true
}

// routineCharacteristics are a routine's characteristics but for the default ones.
type routineCharacteristics struct{ access, deterministic, security, comment string }

// read reads characteristics, false if one has no end.
func (c *routineCharacteristics) read(l *lexer) bool {
	for {
		switch {
		case l.accept("language", "sql"):
		case l.accept("sql", "security", "definer"):
			c.security = ""
		case l.accept("contains", "sql"):
			c.access = ""
		case l.accept("no", "sql"):
			c.access = "NO SQL"
		case l.accept("reads", "sql", "data"):
			c.access = "READS SQL DATA"
		case l.accept("modifies", "sql", "data"):
			c.access = "MODIFIES SQL DATA"
		case l.accept("not", "deterministic"):
			c.deterministic = ""
		case l.accept("deterministic"):
			c.deterministic = "DETERMINISTIC"
		case l.accept("sql", "security", "invoker"):
			c.security = "SQL SECURITY INVOKER"
		case l.accept("comment"):
			text, ok := l.string()
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
		comment = "COMMENT " + quoteText(c.comment)
	}
	for _, c := range []string{c.access, c.deterministic, c.security, comment} {
		if c != "" {
			text += "    " + c + "\n"
		}
	}
	return text
}

// quoteText returns a text as a literal.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`, "\x00", `\0`).Replace(s) + "'"
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
				if h, ok := newObjectHead(p.Create); ok {
					row[2] = p.Create[:h.from] + quoteName(h.name.Name) + p.Create[h.to:]
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
				row[2] = t.Create[:h.from] + quoteName(h.table) + t.Create[h.to:]
			}
		case *plan.ShowCreateEvent:
			row[1] = modeText(n.Event.SqlMode)
			row[3] = eventText(n.Event)
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
	return strings.TrimSuffix(text, body) + " COMMENT " + quoteText(comment) + body
}

// unquotedAccount returns an account as columns have it: user@host.
func unquotedAccount(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	l := newLexer(text)
	n, _, ok := l.accountName()
	if !ok || l.kind != 0 {
		return v
	}
	return n.User + "@" + n.Host
}

// showCreateView completes what the planner shows of a view.
func (b *builder) showCreateView(ctx *sql.Context, s *Session, v *plan.SubqueryAlias, rows []sql.Row) (sql.RowIter, error) {
	if show, ok := s.locks.stmt.(*ast.Show); ok && s.depth == 0 && sameName(show.Table.Name.String(), v.Name()) {
		var view storedView
		t := fullName(show.Table, s.GetCurrentDatabase())
		if _, err := getObject(ctx, engine.ObjectView, t.Database, t.Name, &view); err != nil {
			return nil, err
		}
		if h, ok := newObjectHead(view.Create); ok && h.defined {
			rows[0][1] = s.createdView(ctx, t, h, view.Create)
		}
		rows[0][2], rows[0][3] = view.shown()
	}
	return sql.RowsToRowIter(rows...), nil
}
