package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/value"
	"sextant/server/protocol"
)

// connected notes how many connections there are.
func (b *Backend) connected() {
	n := uint64(0)
	b.sessions.Range(func(_, _ any) bool {
		n++
		return true
	})
	for most := b.mostConnections.Load(); n > most && !b.mostConnections.CompareAndSwap(most, n); most = b.mostConnections.Load() {
	}
}

// globalCount is the value of a global status variable that is counted.
func globalCount(name string) uint64 {
	_, v, _ := sql.StatusVariables.GetGlobal(name)
	n, _ := v.(uint64)
	return n
}

// refreshStatus gives the status variables that the instance can tell their values.
func (b *Backend) refreshStatus() {
	waits := uint64(0)
	for _, w := range b.db.LockWaits() {
		if isRowLock(w) {
			waits++
		}
	}
	cache, log, locks := b.db.CacheStats(), b.db.LogStatus(), b.db.LockStats()
	up := uint64(time.Since(b.started) / time.Second)
	_, size, _ := sql.SystemVariables.GetGlobal("innodb_buffer_pool_size")
	pool, _ := size.(int64)
	for name, v := range map[string]uint64{
		"Uptime": up, "Uptime_since_flush_status": up,
		"Queries": globalCount("Questions"), "Threads_created": globalCount("Connections"), "Max_used_connections": b.mostConnections.Load(),
		"Innodb_page_size": engine.PageSize, "Innodb_rows_read": b.rowsRead.Load(), "Innodb_row_lock_current_waits": waits,
		"Innodb_row_lock_waits": locks.RowWaits, "Innodb_row_lock_time": uint64(locks.RowTime.Milliseconds()),
		"Innodb_row_lock_time_avg": uint64(locks.RowTime.Milliseconds()) / max(1, locks.RowWaits),
		"Innodb_row_lock_time_max": uint64(locks.RowLongest.Milliseconds()),
		"Innodb_rows_inserted":     globalCount(taskVariables[wrote]), "Innodb_rows_updated": globalCount(taskVariables[updated]),
		"Innodb_rows_deleted":           globalCount(taskVariables[deleted]),
		"Innodb_buffer_pool_pages_data": uint64(cache.Pages), "Innodb_buffer_pool_bytes_data": uint64(cache.Bytes),
		"Innodb_buffer_pool_pages_total": uint64(pool / engine.PageSize),
		"Innodb_buffer_pool_pages_free":  uint64(max(0, pool-cache.Bytes) / engine.PageSize),
		"Innodb_buffer_pool_reads":       cache.Fetches, "Innodb_pages_read": cache.Fetches, "Innodb_data_reads": cache.Fetches,
		"Innodb_log_writes": log.Turns, "Innodb_log_write_requests": log.Records,
	} {
		if err := sql.StatusVariables.SetGlobal(name, v); err != nil {
			b.logger.Warn("status variable", "name", name, "err", err)
		}
	}
}

// count adds to a status variable, the session's and the global one.
func (s *Session) count(name string, n uint64) {
	if n == 0 {
		return
	}
	sql.StatusVariables.IncrementGlobal(name, int(n))
	s.IncrementStatusVariable(value.NoContext(), name, int(n))
}

// countCommand counts a client's statement in Com_…, and what came of the network for it.
// The planner counts SELECT, INSERT, UPDATE and DELETE.
func (c *client) countCommand(query string, parsed ast.Statement) {
	if parsed == nil {
		parsed, _ = c.sess.GetPreparedQuery(query)
	}
	if name := commandCounter(parsed); name != "" {
		c.sess.count("Com_"+name, 1)
	}
	c.countTraffic(c.conn.Traffic())
}

// countTraffic counts what came and went on the network since the last time.
func (c *client) countTraffic(now protocol.Traffic) {
	c.sess.count("Bytes_received", now.Received-c.traffic.Received)
	c.sess.count("Bytes_sent", now.Sent-c.traffic.Sent)
	c.traffic = now
}

// adminCounters are the names of admin statements that are not those of their counters.
var adminCounters = map[string]string{
	"check_table": "check", "checksum_table": "checksum", "optimize_table": "optimize", "repair_table": "repair",
	"analyze_table": "analyze", "set_password": "set_option", "alter_instance": "alter_instance", "show_profile": "show_profile",
	"show_engine": "show_engine_status", "show_count(*)": "show_warnings", "xa_recover": "xa_recover", "show_replicas": "show_replicas",
	"show_binlog_events": "show_binlog_events", "show_relaylog_events": "show_relaylog_events",
}

// showCounters are those of SHOW by what is shown, where it is not the plain name.
var showCounters = map[string]string{
	"columns": "fields", "index": "keys", "indexes": "keys", "keys": "keys", "schemas": "databases", "full": "processlist",
	"create table": "create_table", "create view": "create_table", "create database": "create_db", "create schema": "create_db",
	"create procedure": "create_proc", "engines": "storage_engines", "procedure status": "procedure_status",
	"function status": "function_status", "table status": "table_status", "charset": "charsets", "character set": "charsets",
	"collation": "collations", "create trigger": "create_trigger", "create event": "create_event", "replica status": "replica_status",
}

// commandCounter is the end of the name of a statement's Com_ variable, "" if it has none
// or is counted elsewhere.
func commandCounter(stmt ast.Statement) string {
	switch n := stmt.(type) {
	case *ast.Set:
		return "set_option"
	case *ast.Use:
		return "change_db"
	case *ast.Begin:
		return "begin"
	case *ast.Commit:
		return "commit"
	case *ast.Rollback:
		return "rollback"
	case *ast.Savepoint:
		return "savepoint"
	case *ast.RollbackSavepoint:
		return "rollback_to_savepoint"
	case *ast.ReleaseSavepoint:
		return "release_savepoint"
	case *ast.Call:
		return "call_procedure"
	case *ast.Load:
		return "load"
	case *ast.LockTables:
		return "lock_tables"
	case *ast.UnlockTables:
		return "unlock_tables"
	case *ast.Kill:
		return "kill"
	case *ast.Flush:
		return "flush"
	case *ast.Prepare:
		return "prepare_sql"
	case *ast.Execute:
		return "execute_sql"
	case *ast.Deallocate:
		return "dealloc_sql"
	case *ast.Analyze:
		return "analyze"
	case *ast.ShowGrants:
		return "show_grants"
	case *ast.ShowPrivileges:
		return "show_privileges"
	case *ast.AlterTable:
		return "alter_table"
	case *ast.DBDDL:
		return strings.ToLower(n.Action) + "_db"
	case *ast.DDL:
		return definitionCounter(n)
	case *ast.Show:
		kind := strings.ToLower(n.Type)
		if name := showCounters[kind]; name != "" {
			return "show_" + name
		}
		return "show_" + strings.ReplaceAll(kind, " ", "_")
	case ast.InjectedStatement:
		if a, ok := n.Statement.(*admin); ok {
			name := strings.ReplaceAll(strings.ToLower(a.name), " ", "_")
			if other := adminCounters[name]; other != "" {
				name = other
			}
			return name
		}
	}
	return ""
}

// definitionCounter is that of a CREATE, ALTER, DROP, RENAME or TRUNCATE.
func definitionCounter(n *ast.DDL) string {
	action := strings.ToLower(n.Action)
	what := "table"
	switch {
	case action == ast.TruncateStr:
		return "truncate"
	case action == ast.RenameStr:
		return "rename_table"
	case n.ViewSpec != nil || len(n.FromViews) > 0:
		what = "view"
	case n.TriggerSpec != nil:
		what = "trigger"
	case n.ProcedureSpec != nil:
		what = "procedure"
	case n.EventSpec != nil:
		what = "event"
	case n.IndexSpec != nil && action != ast.AlterStr:
		what = "index"
	}
	return action + "_" + what
}
