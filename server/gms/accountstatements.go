package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
	"sextant/server/protocol"
)

// accountGrammars are the statements over accounts and roles.
var accountGrammars = map[string]grammar{
	"create user":  func(l *syntax.Lexer) (ast.Statement, error) { return parseAccounts(l, "CREATE USER") },
	"alter user":   func(l *syntax.Lexer) (ast.Statement, error) { return parseAccounts(l, "ALTER USER") },
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
	name   syntax.AccountName
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

// parseAccounts parses CREATE USER and ALTER USER.
func parseAccounts(l *syntax.Lexer, verb string) (ast.Statement, error) {
	create := verb == "CREATE USER"
	optional := l.Accept("if", "not", "exists") && create || l.Accept("if", "exists") && !create
	var changes []accountChange
	for {
		c, err := readAccountChange(l, create)
		if err != nil {
			return nil, err
		}
		if changes = append(changes, c); !l.Accept(",") {
			break
		}
	}
	if !create && l.Accept("default", "role") {
		return parseDefaultRole(l, verb, changes)
	}
	settings, err := readAccountSettings(l, create)
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

// readAccountChange reads an account's name and what it is identified by.
func readAccountChange(l *syntax.Lexer, create bool) (c accountChange, err error) {
	var ok bool
	if c.name, c.self, ok = l.AccountName(); !ok {
		return c, l.Syntax()
	}
	if create {
		c.plugin, c.auth = string(mysql.CachingSha2Password), new(string)
	}
	if c.discard = !create && l.Accept("discard", "old", "password"); c.discard || !l.Accept("identified") {
		return c, nil
	}
	c.plugin, c.auth = string(mysql.CachingSha2Password), new(string)
	with := l.Accept("with")
	if with {
		if c.plugin, ok = readPluginName(l); !ok {
			return c, l.Syntax()
		}
		if c.plugin != string(mysql.CachingSha2Password) && c.plugin != string(mysql.MysqlNativePassword) {
			return c, mysql.NewSQLError(1524, "HY000", "Plugin '%s' is not loaded", c.plugin)
		}
	}
	switch {
	case with && l.Accept("as"):
		if *c.auth, ok = l.String(); !ok {
			return c, l.Syntax()
		}
	case l.Accept("by", "random", "password"):
		c.random = true
	case l.Accept("by"):
		password, ok := l.String()
		if !ok {
			return c, l.Syntax()
		}
		c.password = &password
	case !with:
		return c, l.Syntax()
	}
	if !readReplacing(l, &c, create) {
		return c, l.Syntax()
	}
	if l.Is("and") {
		return c, value.ErrNotSupported("multi-factor authentication")
	}
	return c, nil
}

// readReplacing reads [REPLACE 'password'] [RETAIN CURRENT PASSWORD].
func readReplacing(l *syntax.Lexer, c *accountChange, create bool) bool {
	if create {
		return true
	}
	if l.Accept("replace") {
		old, ok := l.String()
		if !ok {
			return false
		}
		c.old = &old
	}
	c.retain = l.Accept("retain", "current", "password")
	return true
}

func readPluginName(l *syntax.Lexer) (string, bool) {
	if l.Kind == 's' {
		return l.String()
	}
	name, ok := l.Name()
	return strings.ToLower(name), ok
}

// hashPassword returns what mysql.user keeps of a password.
func hashPassword(plugin, password string) string {
	if plugin == string(mysql.MysqlNativePassword) {
		return protocol.HashNative(password)
	}
	return protocol.HashSHA2(password)
}

// readAccountSettings reads what follows the accounts.
func readAccountSettings(l *syntax.Lexer, create bool) (*accountSettings, error) {
	s := &accountSettings{}
	for l.Kind != 0 {
		switch {
		case l.Accept("require"):
			if err := readRequire(l, s); err != nil {
				return nil, err
			}
		case l.Accept("with"):
			if err := readResources(l, s); err != nil {
				return nil, err
			}
		case l.Accept("account"):
			lock := l.AcceptOne("lock", "unlock")
			if lock == "" {
				return nil, l.Syntax()
			}
			locked := lock == "lock"
			s.lock = &locked
		case create && l.Accept("default", "role"):
			if err := readDefaultRole(l, s); err != nil {
				return nil, err
			}
		case l.Accept("comment"):
			text, ok := l.String()
			if !ok {
				return nil, l.Syntax()
			}
			s.comment = &text
		case l.Accept("attribute"):
			text, ok := l.String()
			if !ok {
				return nil, l.Syntax()
			}
			s.attributes = &text
		case l.Accept("password"):
			if err := readPasswordOption(l, s); err != nil {
				return nil, err
			}
		case l.Accept("failed_login_attempts"):
			n, ok := l.Number()
			if !ok || n > passwordLockMax {
				return nil, l.Syntax()
			}
			s.options = append(s.options, func(o *accountOptions) { o.FailedLoginAttempts = int(n); o.Unlocks++ })
		case l.Accept("password_lock_time"):
			days := int64(lockUnbounded)
			if !l.Accept("unbounded") {
				n, ok := l.Number()
				if !ok || n > passwordLockMax {
					return nil, l.Syntax()
				}
				days = int64(n)
			}
			s.options = append(s.options, func(o *accountOptions) { o.PasswordLockDays = int(days); o.Unlocks++ })
		default:
			return nil, l.Syntax()
		}
	}
	return s, nil
}

// readRequire reads REQUIRE NONE, SSL, X509 or a list of a certificate's properties.
func readRequire(l *syntax.Lexer, s *accountSettings) error {
	set := mysql_db.User{}
	switch l.AcceptOne("none", "ssl", "x509") {
	case "none":
	case "ssl":
		set.SslType = "ANY"
	case "x509":
		set.SslType = "X509"
	default:
		for {
			field := map[string]*string{"cipher": &set.SslCipher, "issuer": &set.X509Issuer, "subject": &set.X509Subject}[l.AcceptOne("cipher", "issuer", "subject")]
			text, ok := l.String()
			if field == nil || !ok {
				return l.Syntax()
			}
			*field, set.SslType = text, "SPECIFIED"
			if l.Accept("and"); !l.Is("cipher") && !l.Is("issuer") && !l.Is("subject") {
				break
			}
		}
	}
	s.require = func(u *mysql_db.User) {
		u.SslType, u.SslCipher, u.X509Issuer, u.X509Subject = set.SslType, set.SslCipher, set.X509Issuer, set.X509Subject
	}
	return nil
}

// readResources reads WITH MAX_… n.
func readResources(l *syntax.Lexer, s *accountSettings) error {
	for {
		what := l.AcceptOne("max_user_connections", "max_queries_per_hour", "max_updates_per_hour", "max_connections_per_hour")
		n, ok := l.Number()
		switch {
		case what == "" || !ok:
			return l.Syntax()
		case what == "max_user_connections":
			s.options = append(s.options, func(o *accountOptions) { o.MaxUserConnections = int(n) })
		case what == "max_queries_per_hour":
			s.options = append(s.options, func(o *accountOptions) { o.MaxQueries = int(n) })
		case what == "max_updates_per_hour":
			s.options = append(s.options, func(o *accountOptions) { o.MaxUpdates = int(n) })
		default:
			s.options = append(s.options, func(o *accountOptions) { o.MaxConnections = int(n) })
		}
		if !strings.HasPrefix(strings.ToLower(l.Text), "max_") {
			return nil
		}
	}
}

// readDefaultRole reads what DEFAULT ROLE may be.
func readDefaultRole(l *syntax.Lexer, s *accountSettings) error {
	var set accountOptions
	switch l.AcceptOne("none", "all") {
	case "none":
	case "all":
		set.AllRoles = true
	default:
		var ok bool
		if set.DefaultRoles, ok = readRoleNames(l); !ok {
			return l.Syntax()
		}
	}
	s.options = append(s.options, func(o *accountOptions) { o.AllRoles, o.DefaultRoles = set.AllRoles, set.DefaultRoles })
	return nil
}

// readPasswordOption reads what may follow PASSWORD.
func readPasswordOption(l *syntax.Lexer, s *accountSettings) error {
	count := func(f func(o *accountOptions) **int) error {
		var n *int
		if !l.Accept("default") {
			v, ok := l.Number()
			if !ok || v > 65535 {
				return l.Syntax()
			}
			i := int(v)
			n = &i
		}
		s.options = append(s.options, func(o *accountOptions) { *f(o) = n })
		return nil
	}
	switch {
	case l.Accept("history"):
		return count(func(o *accountOptions) **int { return &o.History })
	case l.Accept("reuse", "interval"):
		err := count(func(o *accountOptions) **int { return &o.ReuseDays })
		l.Accept("day")
		return err
	case l.Accept("require", "current"):
		yes := true
		required := &yes
		if l.Accept("default") {
			required = nil
		} else if l.Accept("optional") {
			yes = false
		}
		s.options = append(s.options, func(o *accountOptions) { o.RequireCurrent = required })
		return nil
	case !l.Accept("expire"):
		return l.Syntax()
	}
	set := func(expired bool, days *int) {
		s.options = append(s.options, func(o *accountOptions) { o.Expired, o.Lifetime = expired, days })
	}
	switch {
	case l.Accept("default"):
		set(false, nil)
	case l.Accept("never"):
		set(false, new(int))
	case l.Accept("interval"):
		n, ok := l.Number()
		if days := int(n); ok && l.Accept("day") && n > 0 && n <= 65535 {
			set(false, &days)
			return nil
		}
		return l.Syntax()
	default:
		s.expire = true
		s.options = append(s.options, func(o *accountOptions) { o.Expired = true })
	}
	return nil
}

// parseRenameUser parses RENAME USER old TO new [, old TO new] ….
func parseRenameUser(l *syntax.Lexer) (ast.Statement, error) {
	var from, to []syntax.AccountName
	for {
		a, _, ok := l.AccountName()
		if !ok || !l.Accept("to") {
			return nil, l.Syntax()
		}
		b, _, ok := l.AccountName()
		if !ok {
			return nil, l.Syntax()
		}
		if from, to = append(from, a), append(to, b); !l.Accept(",") {
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
				if _, there := e.GetUser(to[i].Key()); u == nil || there {
					return errAccountOperation("RENAME USER", []string{quotedAccount(from[i])})
				}
				u.User, u.Host = to[i].User, to[i].Host
				renameRoles(e.Editor, from[i], to[i])
				e.RemoveUser(from[i].Key())
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
func renameRoles(ed *mysql_db.Editor, from, to syntax.AccountName) {
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
func parseSetPassword(l *syntax.Lexer) (ast.Statement, error) {
	c := accountChange{self: true}
	if l.Accept("for") {
		var ok bool
		if c.name, c.self, ok = l.AccountName(); !ok {
			return nil, l.Syntax()
		}
	}
	switch {
	case l.Accept("to", "random"):
		c.random = true
	case l.Accept("="):
		password, ok := l.String()
		if !ok {
			return nil, l.Syntax()
		}
		c.password = &password
	default:
		return nil, l.Syntax()
	}
	if !readReplacing(l, &c, false) {
		return nil, l.Syntax()
	}
	return changeStatement("SET PASSWORD", false, []accountChange{c}, &accountSettings{}), nil
}

// parseSetRole parses SET ROLE.
func parseSetRole(l *syntax.Lexer) (ast.Statement, error) {
	var want roles
	usual := false
	switch l.AcceptOne("default", "none", "all") {
	case "default":
		usual = true
	case "none":
	case "all":
		want.all = true
		if l.Accept("except") {
			var ok bool
			if want.except, ok = readRoleNames(l); !ok {
				return nil, l.Syntax()
			}
		}
	default:
		var ok bool
		if want.list, ok = readRoleNames(l); !ok {
			return nil, l.Syntax()
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

func errNotGranted(role, to syntax.AccountName) error {
	return mysql.NewSQLError(3530, "HY000", "%s is not granted to %s", role, to)
}

// parseSetDefaultRole parses SET DEFAULT ROLE … TO account [, account] ….
func parseSetDefaultRole(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("role") {
		return nil, nil
	}
	set := &accountSettings{}
	if err := readDefaultRole(l, set); err != nil {
		return nil, err
	}
	if !l.Accept("to") {
		return nil, l.Syntax()
	}
	names, ok := readAccountNames(l)
	if !ok {
		return nil, l.Syntax()
	}
	return defaultRoleStatement("SET DEFAULT ROLE", names, set), nil
}

// parseShowCreateUser parses SHOW CREATE USER account.
func parseShowCreateUser(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("user") {
		return nil, nil
	}
	n, self, ok := l.AccountName()
	if !ok {
		return nil, l.Syntax()
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
		u, ok := rd.GetUser(n.Key())
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
				o.DefaultRoles = append(o.DefaultRoles, syntax.AccountName{User: e.FromUser, Host: e.FromHost})
			}
			slices.SortFunc(o.DefaultRoles, func(a, b syntax.AccountName) int { return strings.Compare(a.String(), b.String()) })
		}
		return []sql.Row{{createUser(u, n, o)}}, nil
	}
	return a.statement(), nil
}
