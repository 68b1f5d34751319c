package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
)

// What the planner lets everybody do, or fails in, is refused here.

// adminVariables are the session variables that not every session may set.
var adminVariables = map[string]bool{
	"auto_increment_increment": true, "auto_increment_offset": true, "binlog_direct_non_transactional_updates": true,
	"binlog_format": true, "binlog_row_image": true, "binlog_row_value_options": true, "binlog_rows_query_log_events": true,
	"bulk_insert_buffer_size": true, "character_set_filesystem": true, "default_collation_for_utf8mb4": true,
	"explicit_defaults_for_timestamp": true, "gtid_next": true, "histogram_generation_max_mem_size": true,
	"internal_tmp_mem_storage_engine": true, "pseudo_slave_mode": true, "pseudo_thread_id": true, "sql_log_bin": true,
	"sql_log_off": true, "sql_require_primary_key": true, "transaction_write_set_extraction": true,
}

// maySet returns an error if the session must not set one of the variables of a SET.
func (s *Session) maySet(ctx *sql.Context, n *plan.Set) error {
	if s.internal || s.b.users == nil {
		return nil
	}
	for _, e := range n.Exprs {
		f, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		v, ok := f.LeftChild.(*expression.SystemVar)
		if !ok {
			continue
		}
		switch name := strings.ToLower(v.Name); {
		case !v.Scope.IsSessionOnly():
			if !s.mayDynamic(ctx, "system_variables_admin") {
				return errPrivilege("SUPER or SYSTEM_VARIABLES_ADMIN")
			}
			if name == "mandatory_roles" && !s.mayDynamic(ctx, "role_admin") { // it grants roles
				return errPrivilege("ROLE_ADMIN")
			}
		case name == "max_allowed_packet" || name == "net_buffer_length":
			return mysql.NewSQLError(1621, "HY000", "SESSION variable '%s' is read-only. Use SET GLOBAL to assign the value", name)
		case adminVariables[name]:
			if !s.mayDynamic(ctx, "system_variables_admin") && !s.mayDynamic(ctx, "session_variables_admin") {
				return errPrivilege("SUPER, SYSTEM_VARIABLES_ADMIN or SESSION_VARIABLES_ADMIN")
			}
		}
	}
	return nil
}

// mayKill returns an error unless the session may end a thread: one of its own account,
// or with CONNECTION_ADMIN any but those of accounts that are out of its reach.
func (s *Session) mayKill(ctx *sql.Context, connection uint32) error {
	if !slices.ContainsFunc(s.b.processes(), func(p sql.Process) bool { return p.Connection == connection }) {
		return mysql.NewSQLError(mysql.ERNoSuchThread, "HY000", "Unknown thread id: %d", connection)
	}
	of, known := s.b.sessions.Load(connection)
	own := known && of.(*Session).account == s.account
	switch {
	case own || s.internal || s.b.users == nil:
		return nil
	case s.mayDynamic(ctx, "connection_admin"):
		if !known || s.mayDynamic(ctx, systemUser) {
			return nil
		}
		rd := s.b.users.Reader()
		defer rd.Close()
		if !systemAccount(rd, of.(*Session).account) {
			return nil
		}
	}
	return mysql.NewSQLError(1095, "HY000", "You are not owner of thread %d", connection)
}

// systemTables returns an error if a statement writes to the tables of the database
// mysql: accounts are changed by the statements that are for it.
func (s *Session) systemTables(ctx *sql.Context, n sql.Node) error {
	command := ""
	var targets []sql.Node
	switch n := n.(type) {
	case *plan.InsertInto:
		command, targets = "INSERT", []sql.Node{n.Destination}
	case *plan.Update:
		command, targets = "UPDATE", []sql.Node{n.Child}
	case *plan.DeleteFrom:
		command, targets = "DELETE", n.GetDeleteTargets()
		if len(targets) == 0 {
			targets = []sql.Node{n.Child}
		}
	case *plan.Truncate:
		command, targets = "DROP", []sql.Node{n.Child}
	}
	var err error
	for _, t := range targets {
		transform.Inspect(t, func(n sql.Node) bool {
			if r, ok := n.(*plan.ResolvedTable); ok && err == nil && r.SqlDatabase != nil && strings.EqualFold(r.SqlDatabase.Name(), "mysql") {
				err = mysql.NewSQLError(1142, "42000", "%s command denied to user %s for table '%s'", command, quotedAccount(s.account), r.Name())
			}
			return err == nil
		})
	}
	return err
}
