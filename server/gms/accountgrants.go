package gms

import (
	"fmt"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/syntax"
)

// accountEdit changes users and grants. Names are those of one account each: a host's
// pattern is a name here, and matches nothing.
type accountEdit struct {
	*mysql_db.Editor
	own    syntax.AccountName
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
func (e *accountEdit) account(n syntax.AccountName) (*mysql_db.User, error) {
	u, ok := e.GetUser(n.Key())
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

// reached returns accounts and the roles that they have by grants, directly or by other
// roles, each once.
func reached(users accountReader, from ...syntax.AccountName) []syntax.AccountName {
	from = slices.Clone(from)
	for i := 0; i < len(from); i++ {
		for _, r := range granted(users, from[i]) {
			if !slices.Contains(from, r) {
				from = append(from, r)
			}
		}
	}
	return from
}

// systemAccount reports whether an account has SYSTEM_USER or SUPER, itself or by a role.
func systemAccount(users accountReader, n syntax.AccountName) bool {
	return slices.ContainsFunc(reached(users, n), func(n syntax.AccountName) bool {
		u, ok := users.GetUser(n.Key())
		return ok && (u.IsSuperUser || u.PrivilegeSet.Has(sql.PrivilegeType_Super) || u.PrivilegeSet.HasDynamic(systemUser))
	})
}

func errUnknownAuthorization(n syntax.AccountName) error {
	return mysql.NewSQLError(3523, "HY000", "Unknown authorization ID %s", n)
}

func errMandatory(role syntax.AccountName) error {
	return mysql.NewSQLError(3628, "HY000", "The role %s is a mandatory role and can't be revoked or dropped. "+
		"The restriction can be lifted by excluding the role identifier from the global variable mandatory_roles.", role)
}

// dropAccounts executes DROP USER and DROP ROLE: what was granted to the accounts and
// what they were granted as roles goes with them.
// An account that is not locked, as roles are, may be dropped with CREATE USER only.
func (s *Session) dropAccounts(ctx *sql.Context, verb string, names []namedAccount, ifExists bool) error {
	all := s.may(ctx, sql.PrivilegeType_CreateUser)
	dropped := map[syntax.AccountName]bool{}
	return s.editAccounts(ctx, func(e *accountEdit) error {
		var failed []string
		for _, name := range names {
			n := name.of(s)
			u, err := e.account(n)
			switch {
			case err != nil:
				return err
			case u != nil && !u.Locked && !all:
				return errPrivilege("CREATE USER")
			case u != nil && slices.Contains(mandatoryRoles(), n):
				return errMandatory(n)
			case u != nil:
				dropped[n] = true
				e.RemoveUser(n.Key())
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
			o.DefaultRoles = slices.DeleteFunc(o.DefaultRoles, func(r syntax.AccountName) bool { return dropped[r] })
			all[name] = o
		}
	})
}
