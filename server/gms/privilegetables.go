package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
)

// grantees calls f for the accounts whose grants the session may see, its own at least,
// and collects the rows. Those of roles are the roles'.
func grantees(ctx *sql.Context, s *Session, f func(grantee string, set mysql_db.PrivilegeSet) []sql.Row) ([]sql.Row, error) {
	a := s.newAccess(ctx)
	all := a.has("mysql", sql.PrivilegeType_Select)
	rd := s.b.users.Reader()
	defer rd.Close()
	var rows []sql.Row
	rd.VisitUsers(func(u *mysql_db.User) {
		if n := (accountName{u.User, u.Host}); all || n == s.account {
			rows = append(rows, f(quotedAccount(n), u.PrivilegeSet)...)
		}
	})
	return rows, nil
}

// grantRows returns a row for each privilege of a level: with what is before and behind it.
func grantRows(before sql.Row, list []sql.PrivilegeType) []sql.Row {
	option := "NO"
	if slices.Contains(list, sql.PrivilegeType_GrantOption) {
		option = "YES"
	}
	var rows []sql.Row
	slices.Sort(list)
	for _, p := range list {
		if p != sql.PrivilegeType_GrantOption {
			rows = append(rows, append(slices.Clip(before), p.String(), option))
		}
	}
	if rows == nil {
		rows = append(rows, append(slices.Clip(before), "USAGE", option))
	}
	return rows
}

func userPrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	return grantees(ctx, s, func(grantee string, set mysql_db.PrivilegeSet) []sql.Row {
		rows := grantRows(sql.Row{grantee, "def"}, set.ToSlice())
		for _, option := range []bool{false, true} {
			for _, name := range set.ToSliceDynamic(option) {
				rows = append(rows, sql.Row{grantee, "def", name, yesNo(option)})
			}
		}
		return rows
	})
}

func schemaPrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	return grantees(ctx, s, func(grantee string, set mysql_db.PrivilegeSet) (rows []sql.Row) {
		for _, db := range set.GetDatabases() {
			if db.Count() > 0 {
				rows = append(rows, grantRows(sql.Row{grantee, "def", db.Name()}, db.ToSlice())...)
			}
		}
		return rows
	})
}

func tablePrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	return grantees(ctx, s, func(grantee string, set mysql_db.PrivilegeSet) (rows []sql.Row) {
		for _, db := range set.GetDatabases() {
			for _, t := range db.GetTables() {
				if t.Count() > 0 {
					rows = append(rows, grantRows(sql.Row{grantee, "def", db.Name(), t.Name()}, t.ToSlice())...)
				}
			}
		}
		return rows
	})
}

func columnPrivilegeRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	return grantees(ctx, s, func(grantee string, set mysql_db.PrivilegeSet) (rows []sql.Row) {
		for _, db := range set.GetDatabases() {
			for _, t := range db.GetTables() {
				for _, c := range t.GetColumns() {
					if c.Count() == 0 {
						continue
					}
					for _, r := range grantRows(sql.Row{grantee, "def", db.Name(), t.Name(), c.Name()}, c.ToSlice()) {
						if t.Has(sql.PrivilegeType_GrantOption) {
							r[6] = "YES"
						}
						rows = append(rows, r)
					}
				}
			}
		}
		return rows
	})
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

// columnAccess returns the privileges that the session has on a column as COLUMNS lists
// them, "" for a column that it does not see.
func (a *access) columnAccess(t tableName, column string) string {
	if sameName(t.Database, sql.InformationSchemaDatabaseName) {
		return "select"
	}
	var out []string
	for _, p := range []sql.PrivilegeType{sql.PrivilegeType_Select, sql.PrivilegeType_Insert, sql.PrivilegeType_Update, sql.PrivilegeType_References} {
		if a.column(t, column, p) == nil || p == sql.PrivilegeType_Select && openTable(t) {
			out = append(out, strings.ToLower(p.String()))
		}
	}
	return strings.Join(out, ",")
}
