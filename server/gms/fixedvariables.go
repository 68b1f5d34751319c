package gms

import (
	"math"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// The variables of InnoDB and of replication that clients ask for and nothing here goes by.
// They have MySQL's defaults, and none can be set.
var fixedNumbers = map[string]int64{
	"binlog_cache_size": 32768, "innodb_autoextend_increment": 64, "innodb_buffer_pool_chunk_size": 134217728,
	"innodb_buffer_pool_instances": 1, "innodb_commit_concurrency": 0, "innodb_concurrency_tickets": 5000,
	"innodb_fast_shutdown": 1, "innodb_flush_log_at_timeout": 1, "innodb_flush_log_at_trx_commit": 1,
	"innodb_force_recovery": 0, "innodb_ft_max_token_size": 84, "innodb_ft_min_token_size": 3, "innodb_io_capacity": 200,
	"innodb_io_capacity_max": 2000, "innodb_log_buffer_size": 16777216, "innodb_log_file_size": 50331648,
	"innodb_log_files_in_group": 2, "innodb_lru_scan_depth": 1024, "innodb_old_blocks_pct": 37, "innodb_old_blocks_time": 1000,
	"innodb_online_alter_log_max_size": 134217728, "innodb_open_files": 4000, "innodb_page_size": 16384,
	"innodb_purge_threads": 4, "innodb_read_ahead_threshold": 56, "innodb_read_io_threads": 4,
	"innodb_sort_buffer_size": 1048576, "innodb_spin_wait_delay": 6, "innodb_sync_array_size": 1, "innodb_thread_concurrency": 0,
	"innodb_undo_tablespaces": 2, "innodb_write_io_threads": 4, "replica_parallel_workers": 4, "report_port": 3306,
	"server_id_bits": 32, "slave_parallel_workers": 4, "sql_slave_skip_counter": 0, "sync_binlog": 1,
}

var fixedSwitches = map[string]int8{
	"innodb_adaptive_hash_index": 0, "innodb_deadlock_detect": 1, "innodb_dedicated_server": 0, "innodb_file_per_table": 1,
	"innodb_ft_enable_stopword": 1, "innodb_print_all_deadlocks": 0, "innodb_random_read_ahead": 0,
	"innodb_rollback_on_timeout": 0, "innodb_status_output": 0, "innodb_status_output_locks": 0, "innodb_table_locks": 1,
	"innodb_use_native_aio": 0, "locked_in_memory": 0,
}

var fixedTexts = map[string]string{
	"have_compress": "YES", "have_dynamic_loading": "YES", "have_geometry": "YES", "have_profiling": "YES",
	"have_rtree_keys": "YES", "have_symlink": "DISABLED", "innodb_change_buffering": "none",
	"innodb_checksum_algorithm": "crc32", "innodb_data_file_path": "ibdata1:12M:autoextend",
	"innodb_default_row_format": "dynamic", "innodb_doublewrite": "ON", "innodb_flush_method": "fsync",
	"innodb_max_dirty_pages_pct": "90.000000", "innodb_temp_data_file_path": "ibtmp1:12M:autoextend", "log_bin_basename": "",
	"report_host": "",
}

// addFixedVariables adds them, and innodb_strict_mode: what it refuses, options of tables that
// InnoDB has not, is not looked at in either setting.
func addFixedVariables() {
	global := sql.GetMysqlScope(sql.SystemVariableScope_Global)
	add := func(name string, value any, t sql.SystemVariableType) {
		sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
			Name: name, Scope: global, Default: value, Type: t,
		}})
	}
	for name, v := range fixedNumbers {
		add(name, v, types.NewSystemIntType(name, math.MinInt64, math.MaxInt64, false))
	}
	for name, v := range fixedSwitches {
		add(name, v, types.NewSystemBoolType(name))
	}
	for name, v := range fixedTexts {
		add(name, v, types.NewSystemStringType(name))
	}
	add("innodb_version", ServerVersion, types.NewSystemStringType("innodb_version"))
	sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
		Name: "innodb_strict_mode", Scope: sql.GetMysqlScope(sql.SystemVariableScope_Both), Dynamic: true, SetVarHintApplies: true,
		Default: int8(1), Type: types.NewSystemBoolType("innodb_strict_mode"),
	}})
}
