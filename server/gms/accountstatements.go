package gms

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/protocol"
)

// accountGrammars are the statements over accounts and roles.
var accountGrammars = map[string]grammar{
	"create user":  func(l *lexer) (ast.Statement, error) { return parseAccounts(l, "CREATE USER") },
	"alter user":   func(l *lexer) (ast.Statement, error) { return parseAccounts(l, "ALTER USER") },
	"rename user":  parseRenameUser,
	"set password": parseSetPassword,
	"set role":     parseSetRole,
	"set default":  parseSetDefaultRole,
	"create role":  parseCreateRole,
	"drop role":    parseDropAccounts("DROP ROLE", sql.PrivilegeType_CreateUser, sql.PrivilegeType_DropRole),
	"drop user":    parseDropAccounts("DROP USER", sql.PrivilegeType_CreateUser),
	"show grants":  parseShowGrants,
}

// accountChange is what a statement does with one account; nil fields stay.
type accountChange struct {
	name   accountName
	self   bool // CURRENT_USER
	plugin string
	auth   *string // authentication_string
	// password is what auth is to be made of; random: it is made up.
	password *string
	random   bool
	// retain keeps the password there is as the second one, discard ends that.
	retain, discard bool
	old             *string // REPLACE 'old password'
	// known is the authentication_string that old fits, or that there was before.
	known         string
	changesPlugin bool
}

// accountSettings are those of CREATE USER and ALTER USER for all of their accounts.
type accountSettings struct {
	require    func(u *mysql_db.User)
	lock       *bool
	attributes *string // a JSON object
	comment    *string
	options    []func(o *accountOptions)
	expire     bool // PASSWORD EXPIRE
}

// accountName reads an account's name; self is true for CURRENT_USER and USER().
func (l *lexer) accountName() (n accountName, self, ok bool) {
	n, self, ok = l.anyAccountName()
	return n, self, ok && utf8.ValidString(n.User) && utf8.ValidString(n.Host)
}

func (l *lexer) anyAccountName() (n accountName, self, ok bool) {
	for _, f := range []string{"current_user", "user"} {
		if l.accept(f, "(", ")") || f == "current_user" && l.accept(f) {
			return n, true, true
		}
	}
	if l.kind != 'w' && l.kind != 'i' && l.kind != 's' {
		return n, false, false
	}
	n.User, n.Host = l.text, "%"
	l.next()
	if !l.accept("@") {
		return n, false, true
	}
	if l.kind != 'w' && l.kind != 'i' && l.kind != 's' && l.kind != '%' {
		return n, false, false
	}
	if n.Host = l.text; l.kind != 'w' && l.kind != '%' {
		n.Host = strings.ToLower(n.Host)
		l.next()
		return n, false, true
	}
	for end := l.at; ; end = l.at { // an unquoted host: its parts touch each other
		l.next()
		if l.start != end || l.kind == 0 || l.kind == ',' || l.kind == ')' {
			break
		}
		n.Host += l.text
	}
	n.Host = strings.ToLower(n.Host)
	return n, false, true
}

// string reads a string.
func (l *lexer) string() (string, bool) {
	if l.kind != 's' {
		return "", false
	}
	s := l.text
	l.next()
	return s, true
}

// syntax returns the error of a statement whose next token is not one that may come there.
func (l *lexer) syntax() error { return syntaxError(l.q, l.start) }

// parseAccounts parses CREATE USER and ALTER USER.
func parseAccounts(l *lexer, verb string) (ast.Statement, error) {
	create := verb == "CREATE USER"
	optional := l.accept("if", "not", "exists") && create || l.accept("if", "exists") && !create
	var changes []accountChange
	for {
		c, err := l.accountChange(create)
		if err != nil {
			return nil, err
		}
		if changes = append(changes, c); !l.accept(",") {
			break
		}
	}
	if !create && l.accept("default", "role") {
		return parseDefaultRole(l, verb, changes)
	}
	settings, err := l.accountSettings(create)
	if err != nil {
		return nil, err
	}
	return changeStatement(verb, optional, changes, settings), nil
}

// changeStatement is a statement that changes accounts; it returns the passwords that it
// makes up.
func changeStatement(verb string, optional bool, changes []accountChange, settings *accountSettings) ast.Statement {
	a := &admin{name: verb, commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return s.changeAccounts(ctx, verb, optional, changes, settings)
	}}
	if slices.ContainsFunc(changes, func(c accountChange) bool { return c.random }) {
		a.columns = append(textColumns("user", "host", "generated password"), &sql.Column{Name: "auth_factor", Type: types.Int64})
	}
	return a.statement()
}

// accountChange reads an account's name and what it is identified by.
func (l *lexer) accountChange(create bool) (c accountChange, err error) {
	var ok bool
	if c.name, c.self, ok = l.accountName(); !ok {
		return c, l.syntax()
	}
	if create {
		c.plugin, c.auth = string(mysql.CachingSha2Password), new(string)
	}
	if c.discard = !create && l.accept("discard", "old", "password"); c.discard || !l.accept("identified") {
		return c, nil
	}
	c.plugin, c.auth = string(mysql.CachingSha2Password), new(string)
	with := l.accept("with")
	if with {
		if c.plugin, ok = l.pluginName(); !ok {
			return c, l.syntax()
		}
		if c.plugin != string(mysql.CachingSha2Password) && c.plugin != string(mysql.MysqlNativePassword) {
			return c, mysql.NewSQLError(1524, "HY000", "Plugin '%s' is not loaded", c.plugin)
		}
	}
	switch {
	case with && l.accept("as"):
		if *c.auth, ok = l.string(); !ok {
			return c, l.syntax()
		}
	case l.accept("by", "random", "password"):
		c.random = true
	case l.accept("by"):
		password, ok := l.string()
		if !ok {
			return c, l.syntax()
		}
		c.password = &password
	case !with:
		return c, l.syntax()
	}
	if !l.replacing(&c, create) {
		return c, l.syntax()
	}
	if l.is("and") {
		return c, errNotSupported("multi-factor authentication")
	}
	return c, nil
}

// replacing reads [REPLACE 'password'] [RETAIN CURRENT PASSWORD].
func (l *lexer) replacing(c *accountChange, create bool) bool {
	if create {
		return true
	}
	if l.accept("replace") {
		old, ok := l.string()
		if !ok {
			return false
		}
		c.old = &old
	}
	c.retain = l.accept("retain", "current", "password")
	return true
}

func errNotSupported(what string) error {
	return mysql.NewSQLError(1235, "42000", "This version of Sextant doesn't yet support '%s'", what)
}

func (l *lexer) pluginName() (string, bool) {
	if l.kind == 's' {
		return l.string()
	}
	name, ok := l.name()
	return strings.ToLower(name), ok
}

// hashPassword returns what mysql.user keeps of a password.
func hashPassword(plugin, password string) string {
	if plugin == string(mysql.MysqlNativePassword) {
		return protocol.HashNative(password)
	}
	return protocol.HashSHA2(password)
}

// accountSettings reads what follows the accounts.
func (l *lexer) accountSettings(create bool) (*accountSettings, error) {
	s := &accountSettings{}
	for l.kind != 0 {
		switch {
		case l.accept("require"):
			if err := l.require(s); err != nil {
				return nil, err
			}
		case l.accept("with"):
			if err := l.resources(s); err != nil {
				return nil, err
			}
		case l.accept("account"):
			lock := l.acceptOne("lock", "unlock")
			if lock == "" {
				return nil, l.syntax()
			}
			locked := lock == "lock"
			s.lock = &locked
		case create && l.accept("default", "role"):
			if err := l.defaultRole(s); err != nil {
				return nil, err
			}
		case l.accept("comment"):
			text, ok := l.string()
			if !ok {
				return nil, l.syntax()
			}
			s.comment = &text
		case l.accept("attribute"):
			text, ok := l.string()
			if !ok {
				return nil, l.syntax()
			}
			s.attributes = &text
		case l.accept("password"):
			if err := l.passwordOption(s); err != nil {
				return nil, err
			}
		case l.accept("failed_login_attempts"):
			n, ok := l.number()
			if !ok || n > passwordLockMax {
				return nil, l.syntax()
			}
			s.options = append(s.options, func(o *accountOptions) { o.FailedLoginAttempts = int(n); o.Unlocks++ })
		case l.accept("password_lock_time"):
			days := int64(lockUnbounded)
			if !l.accept("unbounded") {
				n, ok := l.number()
				if !ok || n > passwordLockMax {
					return nil, l.syntax()
				}
				days = int64(n)
			}
			s.options = append(s.options, func(o *accountOptions) { o.PasswordLockDays = int(days); o.Unlocks++ })
		default:
			return nil, l.syntax()
		}
	}
	return s, nil
}

// require reads REQUIRE NONE, SSL, X509 or a list of a certificate's properties.
func (l *lexer) require(s *accountSettings) error {
	set := mysql_db.User{}
	switch l.acceptOne("none", "ssl", "x509") {
	case "none":
	case "ssl":
		set.SslType = "ANY"
	case "x509":
		set.SslType = "X509"
	default:
		for {
			field := map[string]*string{"cipher": &set.SslCipher, "issuer": &set.X509Issuer, "subject": &set.X509Subject}[l.acceptOne("cipher", "issuer", "subject")]
			text, ok := l.string()
			if field == nil || !ok {
				return l.syntax()
			}
			*field, set.SslType = text, "SPECIFIED"
			if l.accept("and"); !l.is("cipher") && !l.is("issuer") && !l.is("subject") {
				break
			}
		}
	}
	s.require = func(u *mysql_db.User) {
		u.SslType, u.SslCipher, u.X509Issuer, u.X509Subject = set.SslType, set.SslCipher, set.X509Issuer, set.X509Subject
	}
	return nil
}

// resources reads WITH MAX_… n.
func (l *lexer) resources(s *accountSettings) error {
	for {
		what := l.acceptOne("max_user_connections", "max_queries_per_hour", "max_updates_per_hour", "max_connections_per_hour")
		n, ok := l.number()
		switch {
		case what == "" || !ok:
			return l.syntax()
		case what == "max_user_connections":
			s.options = append(s.options, func(o *accountOptions) { o.MaxUserConnections = int(n) })
		case n != 0:
			return errNotSupported(strings.ToUpper(what))
		}
		if !strings.HasPrefix(strings.ToLower(l.text), "max_") {
			return nil
		}
	}
}

// defaultRole reads what DEFAULT ROLE may be.
func (l *lexer) defaultRole(s *accountSettings) error {
	var set accountOptions
	switch l.acceptOne("none", "all") {
	case "none":
	case "all":
		set.AllRoles = true
	default:
		var ok bool
		if set.DefaultRoles, ok = l.roleNames(); !ok {
			return l.syntax()
		}
	}
	s.options = append(s.options, func(o *accountOptions) { o.AllRoles, o.DefaultRoles = set.AllRoles, set.DefaultRoles })
	return nil
}

// passwordOption reads what may follow PASSWORD.
func (l *lexer) passwordOption(s *accountSettings) error {
	count := func(f func(o *accountOptions) **int) error {
		var n *int
		if !l.accept("default") {
			v, ok := l.number()
			if !ok || v > 65535 {
				return l.syntax()
			}
			i := int(v)
			n = &i
		}
		s.options = append(s.options, func(o *accountOptions) { *f(o) = n })
		return nil
	}
	switch {
	case l.accept("history"):
		return count(func(o *accountOptions) **int { return &o.History })
	case l.accept("reuse", "interval"):
		err := count(func(o *accountOptions) **int { return &o.ReuseDays })
		l.accept("day")
		return err
	case l.accept("require", "current"):
		yes := true
		required := &yes
		if l.accept("default") {
			required = nil
		} else if l.accept("optional") {
			yes = false
		}
		s.options = append(s.options, func(o *accountOptions) { o.RequireCurrent = required })
		return nil
	case !l.accept("expire"):
		return l.syntax()
	}
	set := func(expired bool, days *int) {
		s.options = append(s.options, func(o *accountOptions) { o.Expired, o.Lifetime = expired, days })
	}
	switch {
	case l.accept("default"):
		set(false, nil)
	case l.accept("never"):
		set(false, new(int))
	case l.accept("interval"):
		n, ok := l.number()
		if days := int(n); ok && l.accept("day") && n > 0 && n <= 65535 {
			set(false, &days)
			return nil
		}
		return l.syntax()
	default:
		s.expire = true
		s.options = append(s.options, func(o *accountOptions) { o.Expired = true })
	}
	return nil
}

// parseRenameUser parses RENAME USER old TO new [, old TO new] ….
func parseRenameUser(l *lexer) (ast.Statement, error) {
	var from, to []accountName
	for {
		a, _, ok := l.accountName()
		if !ok || !l.accept("to") {
			return nil, l.syntax()
		}
		b, _, ok := l.accountName()
		if !ok {
			return nil, l.syntax()
		}
		if from, to = append(from, a), append(to, b); !l.accept(",") {
			break
		}
	}
	a := &admin{name: "RENAME USER", commits: true, auth: global(ast.AuthType_CREATE_USER)}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return nil, s.editAccounts(ctx, func(e *accountEdit) error {
			for i := range from {
				u, err := e.account(from[i])
				if err != nil {
					return err
				}
				if _, there := e.GetUser(to[i].key()); u == nil || there {
					return errAccountOperation("RENAME USER", []string{quotedAccount(from[i])})
				}
				u.User, u.Host = to[i].User, to[i].Host
				renameRoles(e.Editor, from[i], to[i])
				e.RemoveUser(from[i].key())
				e.PutUser(u)
			}
			return nil
		}, func(all map[string]accountOptions) {
			for i := range from {
				if o, ok := all[from[i].String()]; ok {
					all[to[i].String()] = o
					delete(all, from[i].String())
				}
				for _, o := range all {
					for j, r := range o.DefaultRoles {
						if r == from[i] {
							o.DefaultRoles[j] = to[i]
						}
					}
				}
			}
		})
	}
	return a.statement(), nil
}

// renameRoles moves what was granted to and by the name of an account.
func renameRoles(ed *mysql_db.Editor, from, to accountName) {
	var edges []mysql_db.RoleEdge
	ed.VisitRoleEdges(func(e *mysql_db.RoleEdge) { edges = append(edges, *e) })
	for _, e := range edges {
		moved := e
		if e.FromUser == from.User && e.FromHost == from.Host {
			moved.FromUser, moved.FromHost = to.User, to.Host
		}
		if e.ToUser == from.User && e.ToHost == from.Host {
			moved.ToUser, moved.ToHost = to.User, to.Host
		}
		if moved != e {
			ed.RemoveRoleEdge(mysql_db.RoleEdgesPrimaryKey{FromHost: e.FromHost, FromUser: e.FromUser, ToHost: e.ToHost, ToUser: e.ToUser})
			ed.PutRoleEdge(&moved)
		}
	}
}

// parseSetPassword parses SET PASSWORD [FOR account] = 'text' or TO RANDOM.
func parseSetPassword(l *lexer) (ast.Statement, error) {
	c := accountChange{self: true}
	if l.accept("for") {
		var ok bool
		if c.name, c.self, ok = l.accountName(); !ok {
			return nil, l.syntax()
		}
	}
	switch {
	case l.accept("to", "random"):
		c.random = true
	case l.accept("="):
		password, ok := l.string()
		if !ok {
			return nil, l.syntax()
		}
		c.password = &password
	default:
		return nil, l.syntax()
	}
	if !l.replacing(&c, false) {
		return nil, l.syntax()
	}
	return changeStatement("SET PASSWORD", false, []accountChange{c}, &accountSettings{}), nil
}

// parseSetRole parses SET ROLE.
func parseSetRole(l *lexer) (ast.Statement, error) {
	var want roles
	usual := false
	switch l.acceptOne("default", "none", "all") {
	case "default":
		usual = true
	case "none":
	case "all":
		want.all = true
		if l.accept("except") {
			var ok bool
			if want.except, ok = l.roleNames(); !ok {
				return nil, l.syntax()
			}
		}
	default:
		var ok bool
		if want.list, ok = l.roleNames(); !ok {
			return nil, l.syntax()
		}
	}
	a := &admin{name: "SET ROLE", run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		want := want
		if usual {
			var err error
			if want, err = s.defaultRoles(ctx, s.account); err != nil {
				return nil, err
			}
		}
		rd := s.b.users.Reader()
		have := rolesOf(rd, s.account)
		rd.Close()
		for _, r := range want.list {
			if !usual && !slices.Contains(have, r) {
				return nil, errNotGranted(r, s.account)
			}
		}
		s.activate(want)
		return nil, nil
	}}
	return a.statement(), nil
}

func errNotGranted(role, to accountName) error {
	return mysql.NewSQLError(3530, "HY000", "%s is not granted to %s", role, to)
}

// parseSetDefaultRole parses SET DEFAULT ROLE … TO account [, account] ….
func parseSetDefaultRole(l *lexer) (ast.Statement, error) {
	if !l.accept("role") {
		return nil, nil
	}
	set := &accountSettings{}
	if err := l.defaultRole(set); err != nil {
		return nil, err
	}
	if !l.accept("to") {
		return nil, l.syntax()
	}
	names, ok := l.accountNames()
	if !ok {
		return nil, l.syntax()
	}
	return defaultRoleStatement("SET DEFAULT ROLE", names, set), nil
}

// parseShowCreateUser parses SHOW CREATE USER account.
func parseShowCreateUser(l *lexer) (ast.Statement, error) {
	if !l.accept("user") {
		return nil, nil
	}
	n, self, ok := l.accountName()
	if !ok {
		return nil, l.syntax()
	}
	a := &admin{name: "SHOW CREATE USER", columns: textColumns("CREATE USER for " + n.User + "@" + n.Host)}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		n := n
		if self {
			n = s.account
		}
		if n != s.account && !s.b.users.UserHasPrivileges(ctx, sql.NewPrivilegedOperation(
			sql.PrivilegeCheckSubject{Database: "mysql"}, sql.PrivilegeType_Select)) {
			return nil, mysql.NewSQLError(1142, "42000", "SELECT command denied to user %s for table 'user'", quotedAccount(s.account))
		}
		rd := s.b.users.Reader()
		u, ok := rd.GetUser(n.key())
		edges := rd.GetToUserRoleEdges(mysql_db.RoleEdgesToKey{ToHost: n.Host, ToUser: n.User})
		rd.Close()
		if !ok {
			return nil, errAccountOperation("SHOW CREATE USER", []string{quotedAccount(n)})
		}
		all, err := s.accountOptions(ctx)
		if err != nil {
			return nil, err
		}
		o := all[n.String()]
		if o.AllRoles {
			o.DefaultRoles = nil
			for _, e := range edges {
				o.DefaultRoles = append(o.DefaultRoles, accountName{e.FromUser, e.FromHost})
			}
			slices.SortFunc(o.DefaultRoles, func(a, b accountName) int { return strings.Compare(a.String(), b.String()) })
		}
		return []sql.Row{{createUser(u, n, o)}}, nil
	}
	return a.statement(), nil
}
