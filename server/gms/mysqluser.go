package gms

import (
	"encoding/json"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"

	"sextant/server/gms/syntax"
)

// userColumns returns the columns of mysql.user.
func userColumns() string {
	yes := func(names ...string) string {
		var b strings.Builder
		for _, n := range names {
			b.WriteString(n + " enum('N','Y') collate utf8mb3_general_ci not null default 'N'\n")
		}
		return b.String()
	}
	return "Host char(255) character set ascii not null default '' primary key\n" +
		"User char(32) collate utf8mb3_bin not null default '' primary key\n" +
		yes("Select_priv", "Insert_priv", "Update_priv", "Delete_priv", "Create_priv", "Drop_priv", "Reload_priv", "Shutdown_priv",
			"Process_priv", "File_priv", "Grant_priv", "References_priv", "Index_priv", "Alter_priv", "Show_db_priv", "Super_priv",
			"Create_tmp_table_priv", "Lock_tables_priv", "Execute_priv", "Repl_slave_priv", "Repl_client_priv", "Create_view_priv",
			"Show_view_priv", "Create_routine_priv", "Alter_routine_priv", "Create_user_priv", "Event_priv", "Trigger_priv",
			"Create_tablespace_priv") +
		`ssl_type enum('','ANY','X509','SPECIFIED') collate utf8mb3_general_ci not null default ''
		ssl_cipher blob not null
		x509_issuer blob not null
		x509_subject blob not null
		max_questions int unsigned not null default '0'
		max_updates int unsigned not null default '0'
		max_connections int unsigned not null default '0'
		max_user_connections int unsigned not null default '0'
		plugin char(64) collate utf8mb3_bin not null default 'caching_sha2_password'
		authentication_string text collate utf8mb3_bin
		` + yes("password_expired") + `password_last_changed timestamp
		password_lifetime smallint unsigned
		` + yes("account_locked", "Create_role_priv", "Drop_role_priv") + `Password_reuse_history smallint unsigned
		Password_reuse_time smallint unsigned
		Password_require_current enum('N','Y') collate utf8mb3_general_ci
		User_attributes json`
}

// letterYes is 'Y' or 'N'.
func letterYes(yes bool) string { return yesNo(yes)[:1] }

// userRows are the accounts as mysql.user has them.
func userRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	all, err := s.accountOptions(ctx)
	if err != nil {
		return nil, err
	}
	var rows []sql.Row
	for _, u := range s.accountList() {
		o := all[syntax.AccountName{User: u.User, Host: u.Host}.String()]
		row := sql.Row{u.Host, u.User}
		for p := sql.PrivilegeType_Select; p <= sql.PrivilegeType_CreateTablespace; p++ {
			row = append(row, letterYes(u.PrivilegeSet.Has(p)))
		}
		attributes, err := storedAttributes(u, o)
		if err != nil {
			return nil, err
		}
		row = append(row, u.SslType, u.SslCipher, u.X509Issuer, u.X509Subject,
			o.MaxQueries, o.MaxUpdates, o.MaxConnections, o.MaxUserConnections, u.Plugin, u.AuthString,
			letterYes(o.Expired), u.PasswordLastChanged, pointed(o.Lifetime), letterYes(u.Locked),
			letterYes(u.PrivilegeSet.Has(sql.PrivilegeType_CreateRole)), letterYes(u.PrivilegeSet.Has(sql.PrivilegeType_DropRole)),
			pointed(o.History), pointed(o.ReuseDays), nil, attributes)
		if o.RequireCurrent != nil {
			row[len(row)-2] = letterYes(*o.RequireCurrent)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// pointed returns what n points to, or NULL.
func pointed(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}

// storedAttributes is User_attributes: the account's attribute and what MySQL has no column for,
// or NULL.
func storedAttributes(u *mysql_db.User, o accountOptions) (any, error) {
	all := map[string]any{}
	if u.Attributes != nil {
		all["metadata"] = json.RawMessage(*u.Attributes)
	}
	if o.Second != "" {
		all["additional_password"] = o.Second
	}
	if o.FailedLoginAttempts != 0 || o.PasswordLockDays != 0 {
		all["Password_locking"] = map[string]int{"failed_login_attempts": o.FailedLoginAttempts, "password_lock_time_days": o.PasswordLockDays}
	}
	if len(all) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(all)
	return string(text), err
}
