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
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// grant is a GRANT or REVOKE of privileges.
type grant struct {
	revoke   bool
	all      bool // ALL [PRIVILEGES]
	every    bool // REVOKE ALL PRIVILEGES, GRANT OPTION
	option   bool // WITH GRANT OPTION
	static   []sql.PrivilegeType
	columns  map[sql.PrivilegeType][]string
	dynamic  []string // in lower case
	unknown  []string // what REVOKE names and there is not
	routine  string   // "procedure", "function" or ""
	db, name string   // "*" for all, "" for the current database
	accounts []namedAccount
	ifExists bool
	ignore   bool // IGNORE UNKNOWN USER
}

// dynamicPrivileges are the dynamic privileges that there are.
var dynamicPrivileges = []string{
	"application_password_admin", "audit_abort_exempt", "authentication_policy_admin", "backup_admin", "binlog_admin",
	"binlog_encryption_admin", "clone_admin", "connection_admin", "encryption_key_admin", "firewall_exempt",
	"flush_optimizer_costs", "flush_status", "flush_tables", "flush_user_resources", "group_replication_admin",
	"group_replication_stream", "innodb_redo_log_archive", "innodb_redo_log_enable", "passwordless_user_admin",
	"persist_ro_variables_admin", "replication_applier", "replication_slave_admin", "resource_group_admin",
	"resource_group_user", "role_admin", "sensitive_variables_observer", "service_connection_admin",
	"session_variables_admin", "set_user_id", "show_routine", systemUser, "system_variables_admin",
	"table_encryption_admin", "telemetry_log_admin", "xa_recover_admin",
}

// globalPrivileges are the static privileges but GRANT OPTION, in the order of SHOW GRANTS.
var globalPrivileges = func() []sql.PrivilegeType {
	var out []sql.PrivilegeType
	for p := sql.PrivilegeType_Select; p <= sql.PrivilegeType_DropRole; p++ {
		if p != sql.PrivilegeType_GrantOption {
			out = append(out, p)
		}
	}
	return out
}()

// levelPrivileges are those of the static privileges that are granted on databases, tables
// or routines, but GRANT OPTION.
func levelPrivileges(of func(table, routine bool) bool) []sql.PrivilegeType {
	var out []sql.PrivilegeType
	for _, n := range privilegeNames {
		if n.p != sql.PrivilegeType_GrantOption && of(n.table, n.routine) {
			out = append(out, n.p)
		}
	}
	return out
}

var (
	databasePrivileges = levelPrivileges(func(bool, bool) bool { return true })
	tablePrivileges    = levelPrivileges(func(table, _ bool) bool { return table })
	routinePrivileges  = levelPrivileges(func(_, routine bool) bool { return routine })
)

// level returns the privileges that may be granted where g grants.
func (g *grant) level() []sql.PrivilegeType {
	switch {
	case g.db == "*":
		return globalPrivileges
	case g.name == "*":
		return databasePrivileges
	case g.routine != "":
		return routinePrivileges
	}
	return tablePrivileges
}

// parseGrants parses GRANT and REVOKE.
func parseGrants(revoke bool) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		g := &grant{revoke: revoke, columns: map[sql.PrivilegeType][]string{}}
		g.ifExists = revoke && l.Accept("if", "exists")
		if back := *l; l.Accept("proxy", "on") {
			return nil, value.ErrNotSupported("PROXY")
		} else if *l = back; revoke && readEvery(l) {
			g.every, g.all = true, true
		} else if *l = back; !readOfPrivileges(l) {
			*l = back
			return parseRoleGrant(l, revoke, g.ifExists)
		} else if *l = back; true {
			if err := readPrivileges(l, g); err != nil {
				return nil, err
			}
			if err := readLevel(l, g); err != nil {
				return nil, err
			}
		}
		if !revoke && !l.Accept("to") || revoke && !l.Accept("from") {
			return nil, l.Syntax()
		}
		var ok bool
		if g.accounts, ok = readAccountNames(l); !ok {
			return nil, l.Syntax()
		}
		if l.Accept("with", "grant", "option") {
			g.option = !revoke
		}
		if l.Is("as") && !revoke {
			return nil, value.ErrNotSupported("GRANT ... AS")
		}
		g.ignore = revoke && l.Accept("ignore", "unknown", "user")
		if err := l.End(); err != nil {
			return nil, err
		}
		a := &admin{name: "GRANT", commits: true, check: g.check, run: g.run}
		return a.statement(), nil
	}
}

// readEvery reads ALL [PRIVILEGES], GRANT OPTION.
func readEvery(l *syntax.Lexer) bool {
	if !l.Accept("all") {
		return false
	}
	l.Accept("privileges")
	return l.Accept(",", "grant", "option")
}

// readOfPrivileges reports whether ON comes before TO or FROM: what is granted are no roles.
func readOfPrivileges(l *syntax.Lexer) bool {
	for l.Kind != 0 && !l.Is("to") && !l.Is("from") {
		if l.Is("on") {
			return true
		}
		l.Next()
	}
	return false
}

// readPrivileges reads what is granted, up to ON.
func readPrivileges(l *syntax.Lexer, g *grant) error {
	if l.Accept("all") {
		l.Accept("privileges")
		g.all = true
		return readOn(l)
	}
	for {
		from, start := l.Start, *l
		var words []string
		for (l.Kind == 'w' || l.Kind == 'i') && !l.Is("on") {
			words = append(words, strings.ToUpper(l.Text))
			l.Next()
		}
		name := strings.Join(words, " ")
		p, static := sql.PrivilegeTypeFromString(name)
		switch {
		case name == "":
			return l.Syntax()
		case static:
			if l.Kind == '(' {
				columns, ok := l.ColumnList()
				if !ok {
					return l.Syntax()
				}
				if !slices.Contains([]sql.PrivilegeType{sql.PrivilegeType_Select, sql.PrivilegeType_Insert, sql.PrivilegeType_Update, sql.PrivilegeType_References}, p) {
					return syntax.Error(l.Q, from)
				}
				g.columns[p] = append(g.columns[p], columns...)
			} else {
				g.static = append(g.static, p)
			}
		case name == "USAGE":
		case len(words) == 1 && slices.Contains(dynamicPrivileges, strings.ToLower(name)):
			g.dynamic = append(g.dynamic, strings.ToLower(name))
		case len(words) == 1 && g.revoke:
			g.unknown = append(g.unknown, strings.ToUpper(name))
		case len(words) == 1:
			return mysql.NewSQLError(1149, "42000", "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use")
		default:
			*l = start
			return l.Syntax()
		}
		if !l.Accept(",") {
			return readOn(l)
		}
	}
}

func readOn(l *syntax.Lexer) error {
	if !l.Accept("on") {
		return l.Syntax()
	}
	return nil
}

// readLevel reads what the privileges are granted on.
func readLevel(l *syntax.Lexer, g *grant) error {
	if back := *l; !l.Accept(".") {
		if g.routine = l.AcceptOne("procedure", "function"); g.routine == "" {
			l.Accept("table")
		}
		if l.Is(".") { // a table of such a name
			*l, g.routine = back, ""
		}
	}
	part := func() (string, bool) {
		if l.Accept("*") {
			return "*", true
		}
		return l.Name()
	}
	name, ok := part()
	if g.name = name; ok && l.Accept(".") {
		g.db = name
		g.name, ok = part()
	}
	if !ok {
		return l.Syntax()
	}
	return nil
}

func errIllegalGrant() error {
	return mysql.NewSQLError(1144, "42000", "Illegal GRANT/REVOKE command; please consult the manual to see which privileges can be used")
}

// complete fills in the database and the privileges of ALL, and returns the error of
// privileges that are none of the level.
func (g *grant) complete(a *rights) error {
	if g.every {
		return nil
	}
	if g.db == "" {
		if g.db = a.db; g.db == "" {
			return mysql.NewSQLError(1046, "3D000", "No database selected")
		}
	}
	if g.all {
		if g.static = g.level(); g.db == "*" {
			g.dynamic = dynamicPrivileges
		}
	}
	if g.name == "*" && g.routine != "" || g.db == "*" && g.name != "*" || len(g.columns) > 0 && (g.name == "*" || g.routine != "") {
		return errIllegalGrant()
	}
	if len(g.dynamic) > 0 && g.db != "*" {
		return mysql.NewSQLError(3619, "HY000", "Illegal privilege level specified for %s", strings.ToUpper(g.dynamic[0]))
	}
	for _, p := range g.static {
		switch {
		case p == sql.PrivilegeType_GrantOption || slices.Contains(g.level(), p):
		case g.name == "*":
			return mysql.NewSQLError(1221, "HY000", "Incorrect usage of DB GRANT and GLOBAL PRIVILEGES")
		default:
			return errIllegalGrant()
		}
	}
	if syntax.SameName(g.db, sql.InformationSchemaDatabaseName) {
		return a.deniedDatabase(g.db)
	}
	return nil
}

// check returns the error of a session that has not what it grants, and may grant it.
func (g *grant) check(a *rights) error {
	if err := g.complete(a); err != nil {
		return err
	}
	want := append(slices.Clone(g.static), sql.PrivilegeType_GrantOption)
	switch {
	case g.every:
		if !a.has("mysql", sql.PrivilegeType_Update) {
			return a.global(sql.PrivilegeType_CreateUser)
		}
	case g.db == "*":
		for _, p := range want {
			if p == sql.PrivilegeType_GrantOption && len(g.static) == 0 && len(g.dynamic) > 0 {
				continue // they have an option of their own
			}
			if err := a.everywhere(p); err != nil {
				return err
			}
		}
		for _, name := range g.dynamic {
			if !a.set.Has(sql.PrivilegeType_Super) && !slices.Contains(a.set.ToSliceDynamic(true), strings.ToUpper(name)) {
				return errPrivilege("GRANT OPTION")
			}
		}
	case g.name == "*":
		on := a.grantedOn(g.db, patternCovers)
		if slices.ContainsFunc(want, func(p sql.PrivilegeType) bool { return !a.set.Has(p) && !on.Has(p) }) {
			return a.deniedDatabase(g.db)
		}
	case g.routine != "":
		for _, p := range slices.Backward(want) {
			if err := a.routine(g.db, g.name, g.routine == "procedure", strings.ToLower(privilegeList([]sql.PrivilegeType{p})), p); err != nil {
				return err
			}
		}
	default:
		t := syntax.TableName{Database: g.db, Name: g.name}
		if err := a.table(t, want...); err != nil {
			return err
		}
		for p, columns := range g.columns {
			if err := a.columns(t, p, columns, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// exists returns the error of a table, column or procedure on which something is granted
// and that is not there; CREATE may be granted on a table before it is.
func (g *grant) exists(ctx *sql.Context, s *Session) error {
	switch {
	case g.revoke || g.db == "*" || g.name == "*":
		return nil
	case g.routine != "":
		kind := engine.ObjectProcedure
		if g.routine == "function" {
			kind = engine.ObjectFunction
		}
		ok, err := getObject(ctx, kind, g.db, g.name, &storedProcedure{})
		if err == nil && !ok {
			err = mysql.NewSQLError(1305, "42000", "FUNCTION or PROCEDURE %s does not exist", g.name)
		}
		return err
	}
	t := syntax.TableName{Database: g.db, Name: g.name}
	def, view, err := s.definition(ctx, t)
	if err != nil {
		return err
	}
	if def == nil && !view && s.b.fixedDatabase(g.db) == nil && !syntax.SameName(g.db, "mysql") &&
		(len(g.columns) > 0 || !slices.Contains(g.static, sql.PrivilegeType_Create)) {
		return mysql.NewSQLError(1146, "42S02", "Table '%s.%s' doesn't exist", g.db, g.name)
	}
	for _, columns := range g.columns {
		for _, c := range columns {
			if def != nil && def.Column(c) < 0 {
				return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in '%s'", c, g.name)
			}
		}
	}
	return nil
}

// run executes it.
func (g *grant) run(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
	if err := g.exists(ctx, s); err != nil {
		return nil, err
	}
	return nil, s.editAccounts(ctx, func(e *accountEdit) error {
		for _, n := range g.accounts {
			n := n.of(s)
			u, err := e.account(n)
			switch {
			case err != nil:
				return err
			case u != nil:
			case !g.revoke:
				return mysql.NewSQLError(1410, "42000", "You are not allowed to create a user with GRANT")
			case g.ignore:
				ctx.Warn(3162, "Authorization ID %s does not exist.", quotedAccount(n))
				continue
			case g.every:
				return mysql.NewSQLError(1269, "HY000", "Can't revoke all privileges for one or more of the requested users")
			default:
				return errNoGrant(n)
			}
			for _, name := range g.unknown {
				ctx.Warn(3929, "Dynamic privilege '%s' is not registered with the server.", name)
			}
			if !g.revoke {
				g.add(u.PrivilegeSet)
			} else if err := g.there(u.PrivilegeSet, n); err == nil {
				u.PrivilegeSet = g.without(u.PrivilegeSet)
			} else if e, ok := err.(*mysql.SQLError); g.ifExists && ok {
				ctx.Warn(e.Num, "%s", e.Message)
			} else {
				return err
			}
			e.put(u)
		}
		return nil
	}, nil)
}

func errNoGrant(n syntax.AccountName) error {
	return mysql.NewSQLError(1141, "42000", "There is no such grant defined for user '%s' on host '%s'", n.User, n.Host)
}

// add adds what is granted to a set.
func (g *grant) add(set mysql_db.PrivilegeSet) {
	privileges := g.static
	if g.option {
		privileges = append(slices.Clone(privileges), sql.PrivilegeType_GrantOption)
	}
	switch {
	case g.db == "*":
		set.AddGlobalStatic(privileges...)
		set.AddGlobalDynamic(g.option, g.dynamic...)
	case len(privileges)+len(g.columns) == 0:
	case g.name == "*":
		set.AddDatabase(g.db, privileges...)
	case g.routine != "":
		set.AddRoutine(g.db, g.name, g.routine == "procedure", privileges...)
	default:
		set.AddTable(g.db, g.name, privileges...)
		for p, columns := range g.columns {
			for _, c := range columns {
				set.AddColumn(g.db, g.name, c, p)
			}
		}
	}
}

// there returns the error of a REVOKE on something on which nothing was granted.
func (g *grant) there(set mysql_db.PrivilegeSet, n syntax.AccountName) error {
	db := set.Database(g.db)
	switch {
	case g.every || g.db == "*":
	case g.name == "*":
		if db.Count() == 0 {
			return errNoGrant(n)
		}
	case g.routine != "":
		if db.Routine(g.name, g.routine == "procedure").Count() == 0 {
			return mysql.NewSQLError(1403, "42000", "There is no such grant defined for user '%s' on host '%s' on routine '%s'", n.User, n.Host, g.name)
		}
	default:
		none := !db.Table(g.name).HasPrivileges()
		for p, columns := range g.columns {
			for _, c := range columns {
				none = none || !db.Table(g.name).Column(c).Has(p)
			}
		}
		if none {
			return mysql.NewSQLError(1147, "42000", "There is no such grant defined for user '%s' on host '%s' on table '%s'", n.User, n.Host, g.name)
		}
	}
	return nil
}

// without returns what is left of a set. The planner's own removals take tables' grants
// with those of their database.
func (g *grant) without(set mysql_db.PrivilegeSet) mysql_db.PrivilegeSet {
	left := mysql_db.NewPrivilegeSet()
	if g.every {
		return left
	}
	revoked := func(here bool, list []sql.PrivilegeType) []sql.PrivilegeType {
		if !here {
			return list
		}
		return slices.DeleteFunc(slices.Clone(list), func(p sql.PrivilegeType) bool { return slices.Contains(g.static, p) })
	}
	left.AddGlobalStatic(revoked(g.db == "*", set.ToSlice())...)
	for _, option := range []bool{false, true} {
		for _, name := range set.ToSliceDynamic(option) {
			if name = strings.ToLower(name); !slices.Contains(g.dynamic, name) {
				left.AddGlobalDynamic(option, name)
			}
		}
	}
	for _, db := range set.GetDatabases() {
		here := syntax.SameName(db.Name(), g.db)
		if list := revoked(here && g.name == "*", db.ToSlice()); len(list) > 0 {
			left.AddDatabase(db.Name(), list...)
		}
		for _, t := range db.GetTables() {
			here := here && g.routine == "" && syntax.SameName(t.Name(), g.name)
			if list := revoked(here, t.ToSlice()); len(list) > 0 {
				left.AddTable(db.Name(), t.Name(), list...)
			}
			for _, c := range t.GetColumns() {
				for _, p := range revoked(here, c.ToSlice()) {
					if !here || !slices.ContainsFunc(g.columns[p], func(name string) bool { return syntax.SameName(name, c.Name()) }) {
						left.AddColumn(db.Name(), t.Name(), c.Name(), p)
					}
				}
			}
		}
		for _, r := range db.GetRoutines() {
			here := here && strings.EqualFold(g.routine, r.RoutineType()) && syntax.SameName(r.RoutineName(), g.name)
			if list := revoked(here, r.ToSlice()); len(list) > 0 {
				left.AddRoutine(db.Name(), r.RoutineName(), strings.EqualFold(r.RoutineType(), "procedure"), list...)
			}
		}
	}
	return left
}

// showGrants returns what SHOW GRANTS shows of an account whose roles are used.
func (s *Session) showGrants(of syntax.AccountName, using []syntax.AccountName) ([]sql.Row, error) {
	rd := s.b.users.Reader()
	_, there := rd.GetUser(of.Key())
	have := rolesOf(rd, of)
	direct, admin := granted(rd, of), administered(rd, of, using)
	rd.Close()
	if !there {
		return nil, errNoGrant(of)
	}
	for _, r := range using {
		if !slices.Contains(have, r) {
			return nil, errNotGranted(r, of)
		}
	}
	set, _ := s.privilegesOf(of, func([]syntax.AccountName) []syntax.AccountName { return using })
	var rows []sql.Row
	show := func(names []string, on string, option bool) {
		text := "GRANT " + strings.Join(names, ", ") + on + " TO " + of.String()
		if option {
			text += " WITH GRANT OPTION"
		}
		rows = append(rows, sql.Row{text})
	}
	names := func(all []sql.PrivilegeType, has func(...sql.PrivilegeType) bool) (out []string) {
		for _, p := range all {
			if has(p) {
				out = append(out, p.String())
			}
		}
		return out
	}
	level := func(all []sql.PrivilegeType, has func(...sql.PrivilegeType) bool, on string) {
		list, option := names(all, has), has(sql.PrivilegeType_GrantOption)
		switch {
		case len(list) == len(all):
			list = []string{"ALL PRIVILEGES"}
		case len(list) == 0 && option:
			list = []string{"USAGE"}
		case len(list) == 0:
			return
		}
		show(list, on, option)
	}
	global := names(globalPrivileges, set.Has)
	if len(global) == 0 {
		global = []string{"USAGE"}
	}
	show(global, " ON *.*", set.Has(sql.PrivilegeType_GrantOption))
	for _, option := range []bool{false, true} {
		if list := set.ToSliceDynamic(option); len(list) > 0 {
			slices.Sort(list)
			show([]string{strings.Join(list, ",")}, " ON *.*", option)
		}
	}
	for _, db := range set.GetDatabases() {
		level(databasePrivileges, db.Has, " ON "+syntax.QuoteName(db.Name())+".*")
	}
	for _, db := range set.GetDatabases() {
		for _, t := range db.GetTables() {
			on := " ON " + syntax.QuoteName(db.Name()) + "." + syntax.QuoteName(t.Name())
			columns := tableColumns(t)
			if len(columns) == 0 || t.Has(tablePrivileges...) {
				level(tablePrivileges, t.Has, on)
				continue
			}
			var list []string
			for _, p := range tablePrivileges {
				if t.Has(p) {
					list = append(list, p.String())
				}
				if of := columns[p]; len(of) > 0 {
					list = append(list, p.String()+" ("+strings.Join(of, ", ")+")")
				}
			}
			show(list, on, t.Has(sql.PrivilegeType_GrantOption))
		}
	}
	for _, db := range set.GetDatabases() {
		for _, r := range db.GetRoutines() {
			if list := names([]sql.PrivilegeType{sql.PrivilegeType_Execute, sql.PrivilegeType_AlterRoutine}, r.Has); list != nil || r.Has(sql.PrivilegeType_GrantOption) {
				show(orUsage(list), " ON "+strings.ToUpper(r.RoutineType())+" "+syntax.QuoteName(db.Name())+"."+syntax.QuoteName(r.RoutineName()), r.Has(sql.PrivilegeType_GrantOption))
			}
		}
	}
	list := func(roles []syntax.AccountName, more string) {
		var names []string
		for _, r := range roles {
			names = append(names, r.String())
		}
		if slices.Sort(names); names != nil {
			rows = append(rows, sql.Row{"GRANT " + strings.Join(slices.Compact(names), ",") + " TO " + of.String() + more})
		}
	}
	list(slices.DeleteFunc(direct, func(r syntax.AccountName) bool { return slices.Contains(admin, r) }), "")
	list(admin, " WITH ADMIN OPTION")
	return rows, nil
}

func orUsage(list []string) []string {
	if list == nil {
		return []string{"USAGE"}
	}
	return list
}

// tableColumns returns the quoted columns of a table that each privilege was granted on.
func tableColumns(t sql.PrivilegeSetTable) map[sql.PrivilegeType][]string {
	out := map[sql.PrivilegeType][]string{}
	for _, c := range t.GetColumns() {
		for _, p := range c.ToSlice() {
			out[p] = append(out[p], syntax.QuoteName(c.Name()))
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b string) int { return cmp.Compare(a, b) })
	}
	return out
}
