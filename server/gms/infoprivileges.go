package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"

	"sextant/server/gms/syntax"
)

// eachGrantee calls f for the accounts whose privileges ctx's user may see, in order:
// everybody's with SELECT on mysql, otherwise its own.
func eachGrantee(ctx *sql.Context, s *Session, f func(grantee string, p mysql_db.PrivilegeSet)) {
	own := s.privileges(ctx)
	all := own.Has(sql.PrivilegeType_Select) || own.Database("mysql").Has(sql.PrivilegeType_Select)
	rd := s.b.users.Reader()
	defer rd.Close()
	var users []*mysql_db.User
	rd.VisitUsers(func(u *mysql_db.User) {
		if all && u.User != eventScheduler || (syntax.AccountName{User: u.User, Host: u.Host}) == s.account {
			users = append(users, u)
		}
	})
	slices.SortFunc(users, func(a, b *mysql_db.User) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Host, b.Host))
	})
	for _, u := range users {
		f(quotedAccount(syntax.AccountName{User: u.User, Host: u.Host}), u.PrivilegeSet)
	}
}

// privilegeRows has a row for each privilege of a list, of a grantee on what columns name;
// with no privilege but the right to grant them the row is USAGE's if usage is set.
func privilegeRows(rows []sql.Row, grantee string, columns []any, list []sql.PrivilegeType, usage bool) []sql.Row {
	grantable := "NO"
	if slices.Contains(list, sql.PrivilegeType_GrantOption) {
		grantable = "YES"
	}
	row := func(name string) {
		rows = append(rows, append(append(sql.Row{grantee, "def"}, columns...), name, grantable))
	}
	n := len(rows)
	for _, p := range list {
		if p != sql.PrivilegeType_GrantOption {
			row(strings.ToUpper(p.String()))
		}
	}
	if usage && len(rows) == n {
		row("USAGE")
	}
	return rows
}

func userPrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	eachGrantee(ctx, s, func(grantee string, p mysql_db.PrivilegeSet) {
		dynamic := append(p.ToSliceDynamic(true), p.ToSliceDynamic(false)...)
		rows = privilegeRows(rows, grantee, nil, p.ToSlice(), len(dynamic) == 0)
		for grantable, of := range map[string][]string{"YES": p.ToSliceDynamic(true), "NO": p.ToSliceDynamic(false)} {
			for _, name := range of {
				rows = append(rows, sql.Row{grantee, "def", strings.ToUpper(name), grantable})
			}
		}
	})
	return rows, nil
}

func schemaPrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	eachGrantee(ctx, s, func(grantee string, p mysql_db.PrivilegeSet) {
		for _, db := range p.GetDatabases() {
			rows = privilegeRows(rows, grantee, []any{db.Name()}, db.ToSlice(), db.Count() > 0)
		}
	})
	return rows, nil
}

func tablePrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	eachGrantee(ctx, s, func(grantee string, p mysql_db.PrivilegeSet) {
		for _, db := range p.GetDatabases() {
			for _, t := range db.GetTables() {
				rows = privilegeRows(rows, grantee, []any{db.Name(), t.Name()}, t.ToSlice(), t.Count() > 0)
			}
		}
	})
	return rows, nil
}

func columnPrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	eachGrantee(ctx, s, func(grantee string, p mysql_db.PrivilegeSet) {
		for _, db := range p.GetDatabases() {
			for _, t := range db.GetTables() {
				list := t.ToSlice()
				for _, c := range t.GetColumns() {
					of := c.ToSlice()
					if slices.Contains(list, sql.PrivilegeType_GrantOption) {
						of = append(of, sql.PrivilegeType_GrantOption)
					}
					rows = privilegeRows(rows, grantee, []any{db.Name(), t.Name(), c.Name()}, of, false)
				}
			}
		}
	})
	return rows, nil
}

// enabledRoleRows are ENABLED_ROLES: the session's active roles.
func enabledRoleRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	isDefault, err := s.isDefaultRole(ctx)
	if err != nil {
		return nil, err
	}
	rd := s.b.users.Reader()
	defer rd.Close()
	var rows []sql.Row
	for _, r := range s.roles.active(granted(rd, s.account)) {
		rows = append(rows, sql.Row{r.User, r.Host, isDefault(r), "NO"})
	}
	return rows, nil
}

// applicableRoleRows are APPLICABLE_ROLES: the roles that the account was granted, and
// those that these were.
func applicableRoleRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	isDefault, err := s.isDefaultRole(ctx)
	if err != nil {
		return nil, err
	}
	rd := s.b.users.Reader()
	defer rd.Close()
	var rows []sql.Row
	seen := map[syntax.AccountName]bool{}
	var visit func(to syntax.AccountName)
	visit = func(to syntax.AccountName) {
		if seen[to] {
			return
		}
		seen[to] = true
		for _, r := range granted(rd, to) {
			grantable := "NO"
			for _, e := range rd.GetToUserRoleEdges(mysql_db.RoleEdgesToKey{ToHost: to.Host, ToUser: to.User}) {
				if e.FromUser == r.User && e.FromHost == r.Host && e.WithAdminOption {
					grantable = "YES"
				}
			}
			rows = append(rows, sql.Row{s.account.User, s.account.Host, to.User, to.Host, r.User, r.Host, grantable, isDefault(r), "NO"})
			visit(r)
		}
	}
	visit(s.account)
	return rows, nil
}

// administrableRoleRows are ADMINISTRABLE_ROLE_AUTHORIZATIONS.
func administrableRoleRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	rows, err := applicableRoleRows(ctx, s, cat)
	return slices.DeleteFunc(rows, func(r sql.Row) bool { return r[6] != "YES" }), err
}

// isDefaultRole returns whether a role is active when the session's account logs in, as
// the tables of roles say it.
func (s *Session) isDefaultRole(ctx *sql.Context) (func(syntax.AccountName) string, error) {
	byDefault, err := s.defaultRoles(ctx, s.account)
	return func(r syntax.AccountName) string {
		if len(byDefault.active([]syntax.AccountName{r})) > 0 {
			return "YES"
		}
		return "NO"
	}, err
}
