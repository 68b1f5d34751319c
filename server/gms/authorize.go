package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// What a statement needs is checked on its syntax tree before it is planned, with MySQL's
// rules and errors. The planner sees the tables that this check has let through, and those
// of which something was granted: what the check has not seen is not there, see
// authorization.

// rights checks what one statement needs.
type rights struct {
	ctx  *sql.Context
	s    *Session
	who  syntax.AccountName // whose privileges count
	host string             // as errors about tables have it
	set  mysql_db.PrivilegeSet
	db   string // of names without one
	// used are the tables that the statement may use, with what they are of.
	used *[]syntax.TableName
	// views have been looked at.
	views map[viewReader]bool
}

// privilegeNames are the static privileges as errors list them; table: they are granted on
// tables, too, and routine: on procedures.
var privilegeNames = []struct {
	p              sql.PrivilegeType
	name           string
	table, routine bool
}{
	{sql.PrivilegeType_Select, "SELECT", true, false}, {sql.PrivilegeType_Insert, "INSERT", true, false},
	{sql.PrivilegeType_Update, "UPDATE", true, false}, {sql.PrivilegeType_Delete, "DELETE", true, false},
	{sql.PrivilegeType_Create, "CREATE", true, false}, {sql.PrivilegeType_Drop, "DROP", true, false},
	{sql.PrivilegeType_GrantOption, "GRANT", true, true}, {sql.PrivilegeType_References, "REFERENCES", true, false},
	{sql.PrivilegeType_Index, "INDEX", true, false}, {sql.PrivilegeType_Alter, "ALTER", true, false},
	{sql.PrivilegeType_CreateTempTable, "CREATE TEMPORARY TABLES", false, false}, {sql.PrivilegeType_LockTables, "LOCK TABLES", false, false},
	{sql.PrivilegeType_Execute, "EXECUTE", false, true}, {sql.PrivilegeType_CreateView, "CREATE VIEW", true, false},
	{sql.PrivilegeType_ShowView, "SHOW VIEW", true, false}, {sql.PrivilegeType_CreateRoutine, "CREATE ROUTINE", false, false},
	{sql.PrivilegeType_AlterRoutine, "ALTER ROUTINE", false, true}, {sql.PrivilegeType_Event, "EVENT", false, false},
	{sql.PrivilegeType_Trigger, "TRIGGER", true, false},
}

// privilegeList returns the names of privileges as errors have them.
func privilegeList(list []sql.PrivilegeType) string {
	var out []string
	for _, n := range privilegeNames {
		if slices.Contains(list, n.p) {
			out = append(out, n.name)
		}
	}
	return strings.Join(out, ", ")
}

// tablePrivilege reports whether a privilege is granted on tables.
func tablePrivilege(p sql.PrivilegeType) bool {
	for _, n := range privilegeNames {
		if n.p == p {
			return n.table
		}
	}
	return false
}

// checked reports whether what the session executes is checked: it is a client's, or runs
// an event for its definer.
func (s *Session) checked() bool {
	return s.b.mysql && !s.internal && s.b.users != nil && s.b.users.Enabled()
}

// authorize returns the error of a statement that the session must not execute. The
// function ends what the statement may use.
func (s *Session) authorize(ctx *sql.Context, stmt ast.Statement) (func(), error) {
	none := func() {}
	if stmt == nil || !s.checked() {
		return none, nil
	}
	a := s.newAccess(ctx)
	if err := a.statement(stmt); err != nil {
		return none, err
	}
	if err := rewrite.CheckTarget(stmt, ctx.GetCurrentDatabase(), s.columnsOf); err != nil {
		return none, err
	}
	return s.show(a), nil
}

// show has the planner see the tables that a statement may use.
func (s *Session) show(a *rights) func() {
	outer := s.visible
	s.visible = append(slices.Clip(outer), *a.used...)
	return func() { s.visible = outer }
}

// newAccess returns a check of what the session itself may do.
func (s *Session) newAccess(ctx *sql.Context) *rights {
	s.refreshPrivileges(ctx)
	set, _ := s.BaseSession.GetPrivilegeSet()
	own, _ := set.(mysql_db.PrivilegeSet)
	host := s.host
	if s.borrowed {
		host = s.account.Host
	}
	var used []syntax.TableName
	return &rights{ctx: ctx, s: s, who: s.account, host: host, set: own, db: s.GetCurrentDatabase(), used: &used, views: map[viewReader]bool{}}
}

// use notes a table, or with an empty name a database, that the statement may use.
func (a *rights) use(t syntax.TableName) { *a.used = append(*a.used, t) }

// granted returns what was granted on a database: of those whose pattern it matches the
// narrowest.
func (a *rights) granted(db string) sql.PrivilegeSetDatabase { return a.grantedOn(db, databaseMatches) }

// grantedOn is granted with what matching a pattern is.
func (a *rights) grantedOn(db string, matches func(db, pattern string) bool) sql.PrivilegeSetDatabase {
	own := a.set.Database(db)
	if own.Count() > 0 {
		return own
	}
	best, rank := own, -1
	for _, d := range a.set.GetDatabases() {
		if d.Count() == 0 || !matches(db, d.Name()) {
			continue
		}
		at := wildcard(d.Name())
		if at < 0 {
			at = len(d.Name()) + 1
		}
		if at > rank {
			best, rank = d, at
		}
	}
	return best
}

// wildcard returns where the first % or _ of a pattern is that is not escaped, -1 if there
// is none.
func wildcard(pattern string) int {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '%', '_':
			return i
		}
	}
	return -1
}

// databaseMatches reports whether a database is one that a pattern of GRANT names.
func databaseMatches(db, pattern string) bool {
	if !strings.ContainsAny(pattern, `%_\`) {
		return syntax.SameName(db, pattern)
	}
	return likeEscaped(strings.ToLower(db), strings.ToLower(pattern))
}

// patternCovers reports whether a pattern of GRANT matches all databases that another one
// matches.
func patternCovers(other, pattern string) bool {
	have, want := patternElements(strings.ToLower(other)), patternElements(strings.ToLower(pattern))
	at, i, star, mark := 0, 0, -1, 0
	for at < len(have) {
		switch {
		case i < len(want) && want[i] == "%":
			star, mark = i, at
			i++
		case i < len(want) && (want[i] == have[at] || want[i] == "_" && have[at] != "%"):
			at, i = at+1, i+1
		case star >= 0:
			mark++
			at, i = mark, star+1
		default:
			return false
		}
	}
	for i < len(want) && want[i] == "%" {
		i++
	}
	return i == len(want)
}

// patternElements returns the elements of a pattern: "%", "_" or a byte behind a backslash.
func patternElements(p string) (out []string) {
	for p != "" {
		switch {
		case p[0] == '%' || p[0] == '_':
			out, p = append(out, p[:1]), p[1:]
		case p[0] == '\\' && len(p) > 1:
			out, p = append(out, `\`+p[1:2]), p[2:]
		default:
			out, p = append(out, `\`+p[:1]), p[1:]
		}
	}
	return out
}

// likeEscaped reports whether text matches a pattern with %, _ and backslashes before
// those that stand for themselves.
func likeEscaped(text, pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '%':
			for at := 0; at <= len(text); at++ {
				if likeEscaped(text[at:], pattern[i+1:]) {
					return true
				}
			}
			return false
		case text == "":
			return false
		case c == '_':
		default:
			if c == '\\' && i+1 < len(pattern) {
				i++
				c = pattern[i]
			}
			if text[0] != c {
				return false
			}
		}
		text = text[1:]
	}
	return text == ""
}

// has reports whether a privilege was granted on a database or everywhere.
func (a *rights) has(db string, p sql.PrivilegeType) bool {
	return a.set.Has(p) || a.granted(db).Has(p)
}

// without returns those of the privileges that were granted neither on the database nor
// everywhere.
func (a *rights) without(db string, want []sql.PrivilegeType) []sql.PrivilegeType {
	var out []sql.PrivilegeType
	for _, p := range want {
		if !a.has(db, p) {
			out = append(out, p)
		}
	}
	return out
}

// name returns a table's full name.
func (a *rights) name(t ast.TableName) syntax.TableName {
	return syntax.TableName{Database: a.within(t.DbQualifier.String()), Name: t.Name.String()}
}

// within returns a database's name, the current one's for none.
func (a *rights) within(db string) string {
	if db == mysqlTables {
		return "mysql"
	}
	return cmp.Or(db, a.db)
}

// database returns an error unless the privileges were granted on a database.
func (a *rights) database(db string, want ...sql.PrivilegeType) error {
	if db = a.within(db); db == "" {
		return nil // 1046 comes from who executes it
	}
	if len(a.without(db, want)) > 0 || reservedDatabase(db) {
		return a.deniedDatabase(db)
	}
	a.use(syntax.TableName{Database: db})
	return nil
}

// reservedDatabase reports whether nobody may change a database's tables.
func reservedDatabase(db string) bool { return syntax.SameName(db, sql.InformationSchemaDatabaseName) }

func (a *rights) deniedDatabase(db string) error {
	return mysql.NewSQLError(1044, "42000", "Access denied for user %s to database '%s'", quotedAccount(a.who), db)
}

// visible reports whether anything was granted on a database or in it.
func (a *rights) visible(db string) bool {
	if openDatabase(db) || a.set.Has(sql.PrivilegeType_ShowDB) || a.anyOf(a.set.Has) {
		return true
	}
	return a.set.Database(db).HasPrivileges() || a.granted(db).Count() > 0
}

// openDatabase reports whether everybody sees a database.
func openDatabase(db string) bool {
	return syntax.SameName(db, sql.InformationSchemaDatabaseName) || syntax.SameName(db, "performance_schema")
}

// anyOf reports whether one of the privileges on databases and tables was granted.
func (a *rights) anyOf(has func(...sql.PrivilegeType) bool) bool {
	for _, n := range privilegeNames {
		if n.p != sql.PrivilegeType_GrantOption && has(n.p) {
			return true
		}
	}
	return false
}

// anyTable reports whether anything was granted that is of tables: on the table, one of
// its columns, its database or everywhere.
func (a *rights) anyTable(t syntax.TableName) bool {
	return a.ofTable(t) || a.set.Database(t.Database).Table(t.Name).HasPrivileges()
}

// ofTable is anyTable without what was granted on columns only.
func (a *rights) ofTable(t syntax.TableName) bool {
	for _, n := range privilegeNames {
		if n.table && a.has(t.Database, n.p) {
			return true
		}
	}
	return a.set.Database(t.Database).Table(t.Name).Count() > 0 || openTable(t)
}

// openTable reports whether everybody may read a table.
func openTable(t syntax.TableName) bool {
	switch strings.ToLower(t.Database) {
	case sql.InformationSchemaDatabaseName:
		return true
	case "performance_schema":
		switch strings.ToLower(t.Name) {
		case "global_status", "global_variables", "session_status", "session_variables", "variables_info", "processlist", "persisted_variables":
			return true
		}
	}
	return false
}

// table returns an error unless the privileges were granted on a table, its database or
// everywhere.
func (a *rights) table(t syntax.TableName, want ...sql.PrivilegeType) error {
	switch {
	case t.Database == "" || a.s.temporary(t.Database, t.Name) != nil:
		a.use(t)
		return nil
	case strings.EqualFold(t.Database, sql.InformationSchemaDatabaseName) && strings.HasPrefix(strings.ToLower(t.Name), "innodb_") &&
		!a.set.Has(sql.PrivilegeType_Process):
		return a.global(sql.PrivilegeType_Process)
	case openTable(t) && len(want) == 1 && want[0] == sql.PrivilegeType_Select:
		a.use(t)
		return nil
	case reservedDatabase(t.Database):
		return a.deniedDatabase(t.Database)
	}
	missing := a.without(t.Database, want)
	for _, p := range missing {
		if !tablePrivilege(p) {
			return a.deniedDatabase(t.Database)
		}
	}
	granted := a.set.Database(t.Database).Table(t.Name)
	missing = slices.DeleteFunc(missing, func(p sql.PrivilegeType) bool { return granted.Has(p) })
	if len(missing) > 0 {
		return a.denied(privilegeList(missing), t)
	}
	a.use(t)
	return nil
}

// denied is the error of a command on a table.
func (a *rights) denied(command string, t syntax.TableName) error {
	return mysql.NewSQLError(1142, "42000", "%s command denied to user '%s'@'%s' for table '%s'", command, a.who.User, a.host, t.Name)
}

// someColumn reports whether a privilege was granted on one of a table's columns.
func (a *rights) someColumn(t syntax.TableName, p sql.PrivilegeType) bool {
	for _, c := range a.set.Database(t.Database).Table(t.Name).GetColumns() {
		if c.Has(p) {
			return true
		}
	}
	return false
}

// column returns an error unless a privilege was granted on a table or a column.
func (a *rights) column(t syntax.TableName, column string, p sql.PrivilegeType) error {
	if a.has(t.Database, p) {
		return nil
	}
	granted := a.set.Database(t.Database).Table(t.Name)
	if granted.Has(p) || granted.Column(column).Has(p) {
		return nil
	}
	return mysql.NewSQLError(1143, "42000", "%s command denied to user '%s'@'%s' for column '%s' in table '%s'",
		privilegeList([]sql.PrivilegeType{p}), a.who.User, a.host, column, t.Name)
}

// columns returns an error unless a privilege was granted on a table or on all of the
// columns; no list stands for all that there are.
func (a *rights) columns(t syntax.TableName, p sql.PrivilegeType, names, all []string) error {
	err := a.table(t, p)
	if err == nil {
		return nil
	}
	if !a.someColumn(t, p) || names == nil && all == nil {
		return err
	}
	for _, name := range names {
		if err := a.column(t, name, p); err != nil {
			return err
		}
	}
	if names == nil {
		for _, name := range all {
			if a.column(t, name, p) != nil {
				return err
			}
		}
	}
	a.use(t)
	return nil
}

// columnNames returns the names of the columns that are no hidden ones.
func columnNames(def *engine.TableDef) []string {
	var out []string
	if def != nil {
		for _, c := range def.Columns {
			if !c.Hidden {
				out = append(out, c.Name)
			}
		}
	}
	return out
}

// global returns an error unless one of the privileges was granted everywhere.
func (a *rights) global(want ...sql.PrivilegeType) error {
	var names []string
	for _, p := range want {
		if a.set.Has(p) {
			return nil
		}
		names = append(names, p.String())
	}
	return errPrivilege(strings.Join(names, ", "))
}

// routine returns an error unless a privilege was granted on a procedure or function.
func (a *rights) routine(db, name string, procedure bool, command string, p sql.PrivilegeType) error {
	db = a.within(db)
	if db == "" || a.has(db, p) || a.set.Database(db).Routine(name, procedure).Has(p) {
		a.use(syntax.TableName{Database: db})
		return nil
	}
	return mysql.NewSQLError(1370, "42000", "%s command denied to user %s for routine '%s.%s'", command, quotedAccount(a.who), db, name)
}
