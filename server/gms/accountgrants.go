package gms

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// accountEdit changes users and grants. Names are those of one account each: a host's
// pattern is a name here, and matches nothing.
type accountEdit struct {
	*mysql_db.Editor
	own    accountName
	system bool // accounts with SYSTEM_USER or SUPER may be changed
}

// editAccounts changes users and grants, and then the accounts' options, unless that is
// nil: all of it or nothing.
func (s *Session) editAccounts(ctx *sql.Context, edit func(e *accountEdit) error, options func(all map[string]accountOptions)) error {
	system := s.mayDynamic(ctx, systemUser)
	if err := s.changeUsers(ctx); err != nil {
		return err
	}
	err := func() error {
		e := &accountEdit{Editor: s.b.users.Editor(), own: s.account, system: system}
		defer e.Close()
		if err := edit(e); err != nil {
			return err
		}
		return s.b.users.Persist(ctx, e.Editor)
	}()
	if err != nil || options == nil {
		return err
	}
	return setAccountOptions(ctx, options)
}

// account returns a copy of an account, nil if there is none; an error if the session
// must not change it.
func (e *accountEdit) account(n accountName) (*mysql_db.User, error) {
	u, ok := e.GetUser(n.key())
	if !ok {
		return nil, nil
	}
	if !e.system && n != e.own && systemAccount(e, n) {
		return nil, errPrivilege("SYSTEM_USER")
	}
	c := *u
	c.PrivilegeSet = u.PrivilegeSet.Copy()
	return &c, nil
}

// put stores an account.
func (e *accountEdit) put(u *mysql_db.User) {
	e.RemoveUser(mysql_db.UserPrimaryKey{User: u.User, Host: u.Host}) // PutUser replaces an equal one only
	e.PutUser(u)
}

// systemUser is the privilege without which accounts that have it are out of reach.
const systemUser = "system_user"

// accountReader is what accounts and their roles are read with.
type accountReader interface {
	mysql_db.UserFetcher
	GetToUserRoleEdges(mysql_db.RoleEdgesToKey) []*mysql_db.RoleEdge
}

// systemAccount reports whether an account has SYSTEM_USER or SUPER, itself or by a role.
func systemAccount(users accountReader, n accountName) bool {
	todo := []accountName{n}
	for i := 0; i < len(todo); i++ {
		u, ok := users.GetUser(todo[i].key())
		if !ok {
			continue
		}
		if u.IsSuperUser || u.PrivilegeSet.Has(sql.PrivilegeType_Super) || u.PrivilegeSet.HasDynamic(systemUser) {
			return true
		}
		for _, r := range granted(users, todo[i]) {
			if !slices.Contains(todo, r) {
				todo = append(todo, r)
			}
		}
	}
	return false
}

// accountOf returns the account that a statement names.
func accountOf(u plan.UserName) accountName {
	if u.AnyHost {
		return accountName{u.Name, "%"}
	}
	return accountName{u.Name, strings.ToLower(u.Host)}
}

// accounts executes the statements over accounts and roles that the planner parses.
func (b *builder) accounts(ctx *sql.Context, s *Session, n sql.Node) (sql.RowIter, error) {
	var err error
	switch n := n.(type) {
	case *plan.Grant:
		err = s.grant(ctx, n)
	case *plan.Revoke:
		err = s.revoke(ctx, n)
	case *plan.GrantRole:
		err = s.grantRole(ctx, n)
	case *plan.RevokeRole:
		err = s.revokeRole(ctx, n)
	case *plan.CreateRole:
		err = s.createRole(ctx, n)
	case *plan.DropRole:
		err = s.dropAccounts(ctx, "DROP ROLE", n.Roles, n.IfExists)
	case *plan.DropUser:
		err = s.dropAccounts(ctx, "DROP USER", n.Users, n.IfExists)
	}
	if err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), nil
}

// privilegeChange is what GRANT and REVOKE do with an account's privileges.
type privilegeChange interface {
	HandleGlobalPrivileges(u *mysql_db.User) error
	HandleDatabasePrivileges(u *mysql_db.User, db string) error
	HandleTablePrivileges(u *mysql_db.User, db, table string) error
	HandleRoutinePrivileges(u *mysql_db.User, db, routine string, procedure bool) error
}

// changePrivileges returns the change of an account that a statement makes; option
// grants GRANT OPTION too.
func changePrivileges(ctx *sql.Context, c privilegeChange, on plan.PrivilegeLevel, object plan.ObjectType, option bool) (func(u *mysql_db.User) error, error) {
	db, name := on.Database, on.TableRoutine
	if db == "" {
		if db = ctx.GetCurrentDatabase(); db == "" {
			return nil, sql.ErrNoDatabaseSelected.New()
		}
	}
	routine := object == plan.ObjectType_Procedure || object == plan.ObjectType_Function
	if name == "*" && object != plan.ObjectType_Any || db == "*" && name != "*" {
		return nil, sql.ErrGrantRevokeIllegalPrivilege.New()
	}
	return func(u *mysql_db.User) error {
		var err error
		switch {
		case db == "*":
			err = c.HandleGlobalPrivileges(u)
		case name == "*":
			err = c.HandleDatabasePrivileges(u, db)
		case routine:
			err = c.HandleRoutinePrivileges(u, db, name, object == plan.ObjectType_Procedure)
		default:
			err = c.HandleTablePrivileges(u, db, name)
		}
		switch {
		case err != nil || !option:
		case db == "*":
			u.PrivilegeSet.AddGlobalStatic(sql.PrivilegeType_GrantOption)
		case name == "*":
			u.PrivilegeSet.AddDatabase(db, sql.PrivilegeType_GrantOption)
		case routine:
			u.PrivilegeSet.AddRoutine(db, name, object == plan.ObjectType_Procedure, sql.PrivilegeType_GrantOption)
		default:
			u.PrivilegeSet.AddTable(db, name, sql.PrivilegeType_GrantOption)
		}
		return err
	}, nil
}

// dynamicPrivileges are those that something here asks for; the planner knows some others.
var dynamicPrivileges = []string{"connection_admin", "role_admin", "session_variables_admin", "system_variables_admin"}

// splitDynamic takes the dynamic privileges out of a list of global ones.
func splitDynamic(all []plan.Privilege, on plan.PrivilegeLevel) (rest []plan.Privilege, dynamic []string) {
	for _, p := range all {
		if p.Type == plan.PrivilegeType_Dynamic && on.Database == "*" && on.TableRoutine == "*" && slices.Contains(dynamicPrivileges, p.Dynamic) {
			dynamic = append(dynamic, p.Dynamic)
		} else {
			rest = append(rest, p)
		}
	}
	return rest, dynamic
}

// mayGrantDynamic returns an error unless the session has dynamic privileges to give.
func (s *Session) mayGrantDynamic(ctx *sql.Context, names []string) error {
	own := s.b.users.UserActivePrivilegeSet(ctx)
	for _, name := range names {
		if !own.Has(sql.PrivilegeType_Super) && !slices.Contains(own.ToSliceDynamic(true), strings.ToUpper(name)) {
			return errPrivilege("GRANT OPTION")
		}
	}
	return nil
}

// grant executes GRANT of privileges.
func (s *Session) grant(ctx *sql.Context, n *plan.Grant) error {
	if n.As != nil {
		return errNotSupported("GRANT ... AS")
	}
	static := *n
	var dynamic []string
	static.Privileges, dynamic = splitDynamic(n.Privileges, n.PrivilegeLevel)
	if err := s.mayGrantDynamic(ctx, dynamic); err != nil {
		return err
	}
	change, err := changePrivileges(ctx, &static, n.PrivilegeLevel, n.ObjectType, n.WithGrantOption)
	if err != nil {
		return err
	}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		for _, name := range n.Users {
			u, err := e.account(accountOf(name))
			if err != nil {
				return err
			}
			if u == nil {
				return mysql.NewSQLError(1410, "42000", "You are not allowed to create a user with GRANT")
			}
			u.PrivilegeSet.AddGlobalDynamic(n.WithGrantOption, dynamic...)
			if err := change(u); err != nil {
				return err
			}
			e.put(u)
		}
		return nil
	}, nil)
}

// everyLevel is what REVOKE ALL, GRANT OPTION is on; the planner's grammar says *.*.
var everyLevel = plan.PrivilegeLevel{Database: "*"}

// revoke executes REVOKE of privileges.
func (s *Session) revoke(ctx *sql.Context, n *plan.Revoke) error {
	static := *n
	var dynamic []string
	static.Privileges, dynamic = splitDynamic(n.Privileges, n.PrivilegeLevel)
	if err := s.mayGrantDynamic(ctx, dynamic); err != nil {
		return err
	}
	var change func(u *mysql_db.User) error
	if n.PrivilegeLevel == everyLevel {
		if !s.may(ctx, sql.PrivilegeType_CreateUser) {
			return errPrivilege("CREATE USER")
		}
		change = func(u *mysql_db.User) error {
			u.PrivilegeSet.ClearAll()
			return nil
		}
	} else {
		var err error
		if change, err = changePrivileges(ctx, &static, n.PrivilegeLevel, n.ObjectType, false); err != nil {
			return err
		}
	}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		for _, name := range n.Users {
			account := accountOf(name)
			u, err := e.account(account)
			switch {
			case err != nil:
				return err
			case u == nil && n.IgnoreUnknownUser:
				ctx.Warn(3162, "Authorization ID %s does not exist.", quotedAccount(account))
				continue
			case u == nil:
				return mysql.NewSQLError(1141, "42000", "There is no such grant defined for user '%s' on host '%s'", account.User, account.Host)
			}
			u.PrivilegeSet.RemoveGlobalDynamic(dynamic...)
			if err := change(u); err != nil {
				return err
			}
			e.put(u)
		}
		return nil
	}, nil)
}

func errUnknownAuthorization(n accountName) error {
	return mysql.NewSQLError(3523, "HY000", "Unknown authorization ID %s", n)
}

// mayAdminister returns an error unless the session may grant and revoke the roles.
func (s *Session) mayAdminister(ctx *sql.Context, names []plan.UserName) error {
	if s.mayDynamic(ctx, "role_admin") {
		return nil
	}
	rd := s.b.users.Reader()
	defer rd.Close()
	edges := rd.GetToUserRoleEdges(mysql_db.RoleEdgesToKey{ToHost: s.account.Host, ToUser: s.account.User})
	for _, name := range names {
		n := accountOf(name)
		if !slices.ContainsFunc(edges, func(e *mysql_db.RoleEdge) bool {
			return e.WithAdminOption && e.FromUser == n.User && e.FromHost == n.Host
		}) {
			return errPrivilege("WITH ADMIN, ROLE_ADMIN, SUPER")
		}
	}
	return nil
}

// edge returns the key of a grant of a role.
func edge(role, to accountName) mysql_db.RoleEdgesPrimaryKey {
	return mysql_db.RoleEdgesPrimaryKey{FromHost: role.Host, FromUser: role.User, ToHost: to.Host, ToUser: to.User}
}

// grantRole executes GRANT of roles. WITH ADMIN OPTION, once given, stays.
func (s *Session) grantRole(ctx *sql.Context, n *plan.GrantRole) error {
	if err := s.mayAdminister(ctx, n.Roles); err != nil {
		return err
	}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		for _, t := range n.TargetUsers {
			to := accountOf(t)
			u, err := e.account(to)
			if err != nil {
				return err
			}
			if u == nil {
				return errUnknownAuthorization(to)
			}
			for _, r := range n.Roles {
				role := accountOf(r)
				if _, there := e.GetUser(role.key()); !there {
					return errUnknownAuthorization(role)
				}
				admin := n.WithAdminOption
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
	}, nil)
}

// revokeRole executes REVOKE of roles.
func (s *Session) revokeRole(ctx *sql.Context, n *plan.RevokeRole) error {
	if err := s.mayAdminister(ctx, n.Roles); err != nil {
		return err
	}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		// unknown returns the error of a name, nil if it is only warned of.
		unknown := func(name accountName, ignore bool) error {
			if !ignore {
				return errUnknownAuthorization(name)
			}
			ctx.Warn(3523, "Unknown authorization ID %s", name)
			return nil
		}
		for _, t := range n.TargetUsers {
			to := accountOf(t)
			u, err := e.account(to)
			if err == nil && u == nil {
				if err = unknown(to, n.IgnoreUnknownUser); err == nil {
					continue
				}
			}
			if err != nil {
				return err
			}
			for _, r := range n.Roles {
				role := accountOf(r)
				if _, there := e.GetUser(role.key()); !there {
					if err := unknown(role, n.IfExists); err != nil {
						return err
					}
				}
				e.RemoveRoleEdge(edge(role, to))
			}
		}
		return nil
	}, nil)
}

// createRole executes CREATE ROLE.
func (s *Session) createRole(ctx *sql.Context, n *plan.CreateRole) error {
	return s.editAccounts(ctx, func(e *accountEdit) error {
		var failed []string
		for _, r := range n.Roles {
			role := accountOf(r)
			_, there := e.GetUser(role.key())
			switch {
			case there && n.IfNotExists:
				s.Warn(&sql.Warning{Level: "Note", Code: 3163, Message: fmt.Sprintf("Authorization ID %s already exists.", quotedAccount(role))})
			case there:
				failed = append(failed, quotedAccount(role))
			default:
				e.PutUser(&mysql_db.User{
					User: role.User, Host: role.Host, PrivilegeSet: mysql_db.NewPrivilegeSet(), Plugin: string(mysql.CachingSha2Password),
					PasswordLastChanged: time.Now().UTC(), Locked: true, IsRole: true,
				})
			}
		}
		if failed != nil {
			return errAccountOperation("CREATE ROLE", failed)
		}
		return nil
	}, nil)
}

// dropAccounts executes DROP USER and DROP ROLE: what was granted to the accounts and
// what they were granted as roles goes with them.
func (s *Session) dropAccounts(ctx *sql.Context, verb string, names []plan.UserName, ifExists bool) error {
	dropped := map[accountName]bool{}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		var failed []string
		for _, name := range names {
			n := accountOf(name)
			u, err := e.account(n)
			switch {
			case err != nil:
				return err
			case u != nil:
				dropped[n] = true
				e.RemoveUser(n.key())
				e.RemoveRoleEdgesFromKey(mysql_db.RoleEdgesFromKey{FromHost: n.Host, FromUser: n.User})
				e.RemoveRoleEdgesToKey(mysql_db.RoleEdgesToKey{ToHost: n.Host, ToUser: n.User})
			case ifExists:
				s.Warn(&sql.Warning{Level: "Note", Code: 3162, Message: fmt.Sprintf("Authorization ID %s does not exist.", quotedAccount(n))})
			default:
				failed = append(failed, quotedAccount(n))
			}
		}
		if failed != nil {
			return errAccountOperation(verb, failed)
		}
		return nil
	}, func(all map[string]accountOptions) {
		for n := range dropped {
			delete(all, n.String())
		}
		for name, o := range all {
			o.DefaultRoles = slices.DeleteFunc(o.DefaultRoles, func(r accountName) bool { return dropped[r] })
			all[name] = o
		}
	})
}
