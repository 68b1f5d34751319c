package gms

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// mysqlTables is the database that has the tables of mysql that the planner's lacks. Nobody
// names it: names of mysql's tables are made its (see mysqlNames).
const mysqlTables = "#mysql"

// newMySQLTables returns the tables: of privileges those that the accounts tell, the rest
// empty, as they are in MySQL until somebody fills them.
func newMySQLTables() *fixedDatabase {
	d := &fixedDatabase{name: "mysql"}
	for name, columns := range map[string]string{
		"component":                 "component_id int unsigned not null\ncomponent_group_id int unsigned not null\ncomponent_urn text not null",
		"engine_cost":               "engine_name varchar(64) not null\ndevice_type int not null\ncost_name varchar(64) not null\ncost_value float\nlast_update timestamp not null\ncomment varchar(1024)\ndefault_value float",
		"func":                      "name char(64) not null\nret tinyint(1) not null\ndl char(128) not null\ntype enum('function','aggregate') not null",
		"gtid_executed":             "source_uuid char(36) not null\ninterval_start bigint not null\ninterval_end bigint not null",
		"help_category":             "help_category_id smallint unsigned not null\nname char(64) not null\nparent_category_id smallint unsigned\nurl text not null",
		"help_keyword":              "help_keyword_id int unsigned not null\nname char(64) not null",
		"help_relation":             "help_topic_id int unsigned not null\nhelp_keyword_id int unsigned not null",
		"help_topic":                "help_topic_id int unsigned not null\nname char(64) not null\nhelp_category_id smallint unsigned not null\ndescription text not null\nexample text not null\nurl text not null",
		"password_history":          "Host char(255) not null\nUser char(32) not null\nPassword_timestamp timestamp(6) not null\nPassword text",
		"plugin":                    "name varchar(64) not null\ndl varchar(128) not null",
		"proxies_priv":              "Host char(255) not null\nUser char(32) not null\nProxied_host char(255) not null\nProxied_user char(32) not null\nWith_grant tinyint(1) not null\nGrantor varchar(288) not null\nTimestamp timestamp not null",
		"server_cost":               "cost_name varchar(64) not null\ncost_value float\nlast_update timestamp not null\ncomment varchar(1024)\ndefault_value float",
		"servers":                   "Server_name char(64) not null\nHost char(255) not null\nDb char(64) not null\nUsername char(64) not null\nPassword char(64) not null\nPort int not null\nSocket char(64) not null\nWrapper char(64) not null\nOwner char(64) not null",
		"time_zone":                 "Time_zone_id int unsigned not null\nUse_leap_seconds enum('Y','N') not null",
		"time_zone_leap_second":     "Transition_time bigint not null\nCorrection int not null",
		"time_zone_name":            "Name char(64) not null\nTime_zone_id int unsigned not null",
		"time_zone_transition":      "Time_zone_id int unsigned not null\nTransition_time bigint not null\nTransition_type_id int unsigned not null",
		"time_zone_transition_type": "Time_zone_id int unsigned not null\nTransition_type_id int unsigned not null\nOffset int not null\nIs_DST tinyint unsigned not null\nAbbreviation char(8) not null",
		"general_log": `event_time timestamp(6) not null
			user_host mediumtext not null
			thread_id bigint unsigned not null
			server_id int unsigned not null
			command_type varchar(64) not null
			argument mediumblob not null`,
		"slow_log": `start_time timestamp(6) not null
			user_host mediumtext not null
			query_time time(6) not null
			lock_time time(6) not null
			rows_sent int not null
			rows_examined int not null
			db varchar(512) not null
			last_insert_id int not null
			insert_id int not null
			server_id int unsigned not null
			sql_text mediumblob not null
			thread_id bigint unsigned not null`,
	} {
		d.add(name, columns, func(*sql.Context, *Session) ([]sql.Row, error) { return nil, nil })
	}
	d.add("user", userColumns(), userRows)
	d.add("columns_priv", `
		Host char(255) not null
		Db char(64) not null
		User char(32) not null
		Table_name char(64) not null
		Column_name char(64) not null
		Timestamp timestamp
		Column_priv set('Select','Insert','Update','References') not null`, columnGrantRows)
	d.add("tables_priv", `
		Host char(255) not null
		Db char(64) not null
		User char(32) not null
		Table_name char(64) not null
		Grantor varchar(288) not null
		Timestamp timestamp
		Table_priv set('Select','Insert','Update','Delete','Create','Drop','Grant','References','Index','Alter','Create View','Show view','Trigger') not null
		Column_priv set('Select','Insert','Update','References') not null`, tableGrantRows)
	d.add("role_edges", `
		FROM_HOST char(255) not null
		FROM_USER char(32) not null
		TO_HOST char(255) not null
		TO_USER char(32) not null
		WITH_ADMIN_OPTION enum('N','Y') not null`, roleEdgeRows)
	d.add("default_roles", `
		HOST char(255) not null
		USER char(32) not null
		DEFAULT_ROLE_HOST char(255) not null
		DEFAULT_ROLE_USER char(32) not null`, defaultRoleRows)
	d.add("global_grants", `
		USER char(32) not null
		HOST char(255) not null
		PRIV char(32) not null
		WITH_GRANT_OPTION enum('N','Y') not null`, globalGrantRows)
	return d
}

// accountList are all accounts in order.
func (s *Session) accountList() []*mysql_db.User {
	rd := s.b.users.Reader()
	defer rd.Close()
	var users []*mysql_db.User
	rd.VisitUsers(func(u *mysql_db.User) { users = append(users, u) })
	slices.SortFunc(users, func(a, b *mysql_db.User) int { return strings.Compare(a.User+"@"+a.Host, b.User+"@"+b.Host) })
	return users
}

func columnGrantRows(_ *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, u := range s.accountList() {
		for _, db := range u.PrivilegeSet.GetDatabases() {
			for _, t := range db.GetTables() {
				for _, c := range t.GetColumns() {
					if list := c.ToSlice(); len(list) > 0 {
						rows = append(rows, sql.Row{u.Host, db.Name(), u.User, t.Name(), c.Name(), nil, privilegeSet(list...)})
					}
				}
			}
		}
	}
	return rows, nil
}

// privilegeSet returns privileges as the grant tables have them in their SETs.
func privilegeSet(list ...sql.PrivilegeType) string {
	var names []string
	for _, n := range privilegeNames {
		if slices.Contains(list, n.p) {
			name := n.name[:1] + strings.ToLower(n.name[1:])
			if n.p == sql.PrivilegeType_CreateView {
				name = "Create View"
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

func tableGrantRows(_ *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, u := range s.accountList() {
		for _, db := range u.PrivilegeSet.GetDatabases() {
			for _, t := range db.GetTables() {
				var columns []sql.PrivilegeType
				for _, c := range t.GetColumns() {
					columns = append(columns, c.ToSlice()...)
				}
				rows = append(rows, sql.Row{u.Host, db.Name(), u.User, t.Name(), "", nil, privilegeSet(t.ToSlice()...), privilegeSet(columns...)})
			}
		}
	}
	return rows, nil
}

func roleEdgeRows(_ *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	rd := s.b.users.Reader()
	defer rd.Close()
	rd.VisitRoleEdges(func(e *mysql_db.RoleEdge) {
		rows = append(rows, sql.Row{e.FromHost, e.FromUser, e.ToHost, e.ToUser, yesNo(e.WithAdminOption)})
	})
	slices.SortFunc(rows, func(a, b sql.Row) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return rows, nil
}

// yesNo is a Y or N of the grant tables.
func yesNo(b bool) string {
	if b {
		return "Y"
	}
	return "N"
}

func defaultRoleRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	all, err := s.accountOptions(ctx)
	if err != nil {
		return nil, err
	}
	var rows []sql.Row
	for _, u := range s.accountList() {
		for _, r := range all[syntax.AccountName{User: u.User, Host: u.Host}.String()].DefaultRoles {
			rows = append(rows, sql.Row{u.Host, u.User, r.Host, r.User})
		}
	}
	return rows, nil
}

func globalGrantRows(_ *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, u := range s.accountList() {
		for _, grantable := range []bool{false, true} {
			names := u.PrivilegeSet.ToSliceDynamic(grantable)
			slices.Sort(names)
			for _, name := range names {
				rows = append(rows, sql.Row{u.User, u.Host, strings.ToUpper(name), yesNo(grantable)})
			}
		}
	}
	return rows, nil
}

// mysqlNames makes the names of mysql's tables that the planner's lacks those of the
// database that has them, in place.
func mysqlNames(current string, stmt ast.Statement) {
	own := fixedDatabases()[mysqlTables]
	named := func(t ast.TableName) (ast.TableName, bool) {
		db := t.DbQualifier.String()
		if db == "" {
			db = current
		}
		if _, there := own.tables[strings.ToLower(t.Name.String())]; !there || !strings.EqualFold(db, own.name) {
			return t, false
		}
		t.DbQualifier = ast.NewTableIdent(mysqlTables)
		return t, true
	}
	if n, ok := stmt.(*ast.Show); ok && !n.Table.IsEmpty() {
		t := n.Table
		of := n.ShowTablesOpt
		if of != nil && of.DbName != "" {
			t.DbQualifier = ast.NewTableIdent(of.DbName)
		}
		if t, ok := named(t); ok {
			if n.Table = t; of != nil && of.DbName != "" {
				of.DbName = mysqlTables
			}
		}
	}
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if t, ok := n.(ast.TableName); ok {
			if t, ok = named(t); ok {
				return t, false, nil
			}
		}
		return nil, true, nil
	})
}

// mysqlDatabase is the database mysql with all its tables, for those that list them.
type mysqlDatabase struct{ sql.Database }

// GetTableInsensitive implements sql.Database.
func (d mysqlDatabase) GetTableInsensitive(ctx *sql.Context, name string) (sql.Table, bool, error) {
	if t := fixedDatabases()[mysqlTables].tables[strings.ToLower(name)]; t != nil {
		return t, true, nil
	}
	return d.Database.GetTableInsensitive(ctx, name)
}

// GetTableNames implements sql.Database.
func (d mysqlDatabase) GetTableNames(ctx *sql.Context) ([]string, error) {
	names, err := d.Database.GetTableNames(ctx)
	names = append(slices.Clone(names), sortedNames(fixedDatabases()[mysqlTables].tables)...)
	slices.Sort(names)
	return slices.Compact(names), err
}
