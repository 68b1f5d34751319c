package gms

import (
	"fmt"
	"slices"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// namedAccount is an account as a statement names it.
type namedAccount struct {
	syntax.AccountName
	self bool // CURRENT_USER
}

// of returns the account that is meant in a session.
func (n namedAccount) of(s *Session) syntax.AccountName {
	if n.self {
		return s.account
	}
	return n.AccountName
}

// readAccountNames reads a list of accounts.
func readAccountNames(l *syntax.Lexer) (out []namedAccount, ok bool) {
	for {
		n, self, ok := l.AccountName()
		if !ok {
			return nil, false
		}
		if out = append(out, namedAccount{n, self}); !l.Accept(",") {
			return out, true
		}
	}
}

// readRoleNames reads a list of roles.
func readRoleNames(l *syntax.Lexer) (out []syntax.AccountName, ok bool) {
	names, ok := readAccountNames(l)
	for _, n := range names {
		if out = append(out, n.AccountName); n.self {
			return nil, false
		}
	}
	return out, ok
}

// parseCreateRole parses CREATE ROLE [IF NOT EXISTS] role [, role] ….
func parseCreateRole(l *syntax.Lexer) (ast.Statement, error) {
	optional := l.Accept("if", "not", "exists")
	roles, ok := readRoleNames(l)
	if !ok {
		return nil, l.Syntax()
	}
	a := &admin{name: "CREATE ROLE", commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return nil, s.createRoles(ctx, roles, optional)
	}}
	a.check = func(a *rights) error { return a.global(sql.PrivilegeType_CreateUser, sql.PrivilegeType_CreateRole) }
	return a.statement(), nil
}

// createRoles executes CREATE ROLE.
func (s *Session) createRoles(ctx *sql.Context, roles []syntax.AccountName, optional bool) error {
	return s.editAccounts(ctx, func(e *accountEdit) error {
		var failed []string
		for _, role := range roles {
			_, there := e.GetUser(role.Key())
			switch {
			case there && optional:
				s.Warn(&sql.Warning{Level: "Note", Code: 3163, Message: fmt.Sprintf("Authorization ID %s already exists.", quotedAccount(role))})
			case there:
				failed = append(failed, quotedAccount(role))
			default:
				e.PutUser(&mysql_db.User{
					User: role.User, Host: role.Host, PrivilegeSet: mysql_db.NewPrivilegeSet(), Plugin: string(mysql.CachingSha2Password),
					PasswordLastChanged: time.Now().UTC().Truncate(time.Second), Locked: true, IsRole: true,
				})
			}
		}
		if failed != nil {
			return errAccountOperation("CREATE ROLE", failed)
		}
		return nil
	}, nil)
}

// parseDropAccounts parses DROP USER and DROP ROLE [IF EXISTS] account [, account] ….
func parseDropAccounts(verb string, need ...sql.PrivilegeType) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		optional := l.Accept("if", "exists")
		names, ok := readAccountNames(l)
		if !ok {
			return nil, l.Syntax()
		}
		a := &admin{name: verb, commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
			return nil, s.dropAccounts(ctx, verb, names, optional)
		}}
		a.check = func(a *rights) error { return a.global(need...) }
		return a.statement(), nil
	}
}

// roleGrant is a GRANT or REVOKE of roles.
type roleGrant struct {
	roles    []syntax.AccountName
	accounts []namedAccount
	admin    bool // WITH ADMIN OPTION
	ifExists bool
	ignore   bool // IGNORE UNKNOWN USER
}

// parseRoleGrant parses what follows GRANT and REVOKE if it is roles.
func parseRoleGrant(l *syntax.Lexer, revoke, ifExists bool) (ast.Statement, error) {
	g := &roleGrant{ifExists: ifExists}
	var ok bool
	if g.roles, ok = readRoleNames(l); !ok || !revoke && !l.Accept("to") || revoke && !l.Accept("from") {
		return nil, l.Syntax()
	}
	if g.accounts, ok = readAccountNames(l); !ok {
		return nil, l.Syntax()
	}
	run := g.grant
	if g.admin = !revoke && l.Accept("with", "admin", "option"); revoke {
		run, g.ignore = g.revoke, l.Accept("ignore", "unknown", "user")
	}
	a := &admin{name: "GRANT", commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		if err := s.mayAdminister(ctx, g.roles); err != nil {
			return nil, err
		}
		return nil, s.editAccounts(ctx, func(e *accountEdit) error { return run(ctx, s, e) }, nil)
	}}
	return a.statement(), nil
}

// administered returns the roles that an account and its active roles were granted WITH
// ADMIN OPTION, directly or by other roles.
func administered(rd accountReader, of syntax.AccountName, active []syntax.AccountName) (out []syntax.AccountName) {
	for _, n := range append(reached(rd, active...), of) {
		for _, e := range rd.GetToUserRoleEdges(mysql_db.RoleEdgesToKey{ToHost: n.Host, ToUser: n.User}) {
			if e.WithAdminOption {
				out = append(out, syntax.AccountName{User: e.FromUser, Host: e.FromHost})
			}
		}
	}
	return out
}

// mayAdminister returns an error unless the session may grant and revoke the roles.
func (s *Session) mayAdminister(ctx *sql.Context, names []syntax.AccountName) error {
	if s.mayDynamic(ctx, "role_admin") {
		return nil
	}
	rd := s.b.users.Reader()
	defer rd.Close()
	may := administered(rd, s.account, s.roles.active(rolesOf(rd, s.account)))
	for _, n := range names {
		if !slices.Contains(may, n) {
			return errPrivilege("WITH ADMIN, ROLE_ADMIN, SUPER")
		}
	}
	return nil
}

// edge returns the key of a grant of a role.
func edge(role, to syntax.AccountName) mysql_db.RoleEdgesPrimaryKey {
	return mysql_db.RoleEdgesPrimaryKey{FromHost: role.Host, FromUser: role.User, ToHost: to.Host, ToUser: to.User}
}

// grant executes GRANT of roles. WITH ADMIN OPTION, once given, stays.
func (g *roleGrant) grant(_ *sql.Context, s *Session, e *accountEdit) error {
	for _, t := range g.accounts {
		to := t.of(s)
		u, err := e.account(to)
		if err != nil {
			return err
		}
		if u == nil {
			return errUnknownAuthorization(to)
		}
		for _, role := range g.roles {
			if _, there := e.GetUser(role.Key()); !there {
				return errUnknownAuthorization(role)
			}
			if slices.Contains(reached(e, role), to) {
				return mysql.NewSQLError(4027, "HY000", "User account %s is directly or indirectly granted to the role %s. The GRANT would create a loop",
					to, role)
			}
			admin := g.admin
			for _, old := range e.GetToUserRoleEdges(mysql_db.RoleEdgesToKey{ToHost: to.Host, ToUser: to.User}) {
				admin = admin || old.WithAdminOption && old.FromUser == role.User && old.FromHost == role.Host
			}
			e.RemoveRoleEdge(edge(role, to))
			e.PutRoleEdge(&mysql_db.RoleEdge{
				FromHost: role.Host, FromUser: role.User, ToHost: to.Host, ToUser: to.User, WithAdminOption: admin,
			})
		}
	}
	return nil
}

// revoke executes REVOKE of roles.
func (g *roleGrant) revoke(ctx *sql.Context, s *Session, e *accountEdit) error {
	// unknown returns the error of a name, nil if it is only warned of.
	unknown := func(name syntax.AccountName, ignore bool) error {
		if !ignore {
			return errUnknownAuthorization(name)
		}
		ctx.Warn(3523, "Unknown authorization ID %s", name)
		return nil
	}
	for _, t := range g.accounts {
		to := t.of(s)
		u, err := e.account(to)
		if err == nil && u == nil {
			if err = unknown(to, g.ignore); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		for _, role := range g.roles {
			if slices.Contains(mandatoryRoles(), role) {
				return errMandatory(role)
			}
			if _, there := e.GetUser(role.Key()); !there {
				if err := unknown(role, g.ifExists); err != nil {
					return err
				}
			}
			e.RemoveRoleEdge(edge(role, to))
		}
	}
	return nil
}

// parseShowGrants parses SHOW GRANTS [FOR account [USING role [, role] …]].
func parseShowGrants(l *syntax.Lexer) (ast.Statement, error) {
	of := namedAccount{self: true}
	var using []syntax.AccountName
	if l.Accept("for") {
		var ok bool
		if of.AccountName, of.self, ok = l.AccountName(); !ok {
			return nil, l.Syntax()
		}
		if l.Accept("using") {
			if using, ok = readRoleNames(l); !ok {
				return nil, l.Syntax()
			}
		}
	}
	title := "Grants for " + of.User + "@" + of.Host
	if of.self {
		if s, ok := l.Ctx.Session.(*Session); ok {
			title = "Grants for " + s.account.User + "@" + s.account.Host
		}
	}
	a := &admin{name: "SHOW GRANTS", columns: textColumns(title)}
	a.check = func(a *rights) error {
		if !of.self && of.AccountName != a.who && len(a.without("mysql", []sql.PrivilegeType{sql.PrivilegeType_Select})) > 0 {
			return a.deniedDatabase("mysql")
		}
		return nil
	}
	a.run = func(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		using := using
		if of.self && using == nil { // the session's own account with its active roles
			rd := s.b.users.Reader()
			using = s.roles.active(rolesOf(rd, s.account))
			rd.Close()
		}
		return s.showGrants(of.of(s), using)
	}
	return a.statement(), nil
}

// parseDefaultRole parses what follows ALTER USER account DEFAULT ROLE.
func parseDefaultRole(l *syntax.Lexer, verb string, changes []accountChange) (ast.Statement, error) {
	set := &accountSettings{}
	if len(changes) > 1 || changes[0].plugin != "" || changes[0].discard {
		return nil, l.Syntax()
	}
	if err := readDefaultRole(l, set); err != nil {
		return nil, err
	}
	return defaultRoleStatement(verb, []namedAccount{{changes[0].name, changes[0].self}}, set), nil
}

// defaultRoleStatement sets default roles; those must have been granted.
func defaultRoleStatement(verb string, names []namedAccount, set *accountSettings) ast.Statement {
	a := &admin{name: verb, commits: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		for _, n := range names {
			n := n.of(s)
			if n != s.account && !s.may(ctx, sql.PrivilegeType_CreateUser) {
				return nil, errPrivilege("CREATE USER")
			}
			var o accountOptions
			set.options[0](&o)
			rd := s.b.users.Reader()
			_, there := rd.GetUser(n.Key())
			have := rolesOf(rd, n)
			system := n != s.account && systemAccount(rd, n)
			rd.Close()
			if system && !s.mayDynamic(ctx, systemUser) {
				return nil, errPrivilege("SYSTEM_USER")
			}
			if !there {
				return nil, errAccountOperation(verb, []string{quotedAccount(n)})
			}
			for _, r := range o.DefaultRoles {
				if !slices.Contains(have, r) {
					return nil, errNotGranted(r, n)
				}
			}
		}
		return nil, setAccountOptions(ctx, func(all map[string]accountOptions) {
			for _, n := range names {
				n := n.of(s)
				o := all[n.String()]
				set.options[0](&o)
				all[n.String()] = o
			}
		})
	}}
	return a.statement()
}
