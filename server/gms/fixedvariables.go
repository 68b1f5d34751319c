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
	"binlog_group_commit_sync_delay": 0, "binlog_group_commit_sync_no_delay_count": 0, "binlog_max_flush_queue_time": 0,
	"binlog_row_event_max_size": 8192, "binlog_stmt_cache_size": 32768, "binlog_transaction_compression_level_zstd": 3,
	"binlog_transaction_dependency_history_size": 25000, "max_relay_log_size": 0, "performance_schema_accounts_size": -1,
	"performance_schema_error_size": 5377, "performance_schema_events_stages_history_long_size": 10000,
	"performance_schema_events_stages_history_size": 10, "performance_schema_events_statements_history_long_size": 10000,
	"performance_schema_events_statements_history_size": 10, "performance_schema_events_transactions_history_long_size": 10000,
	"performance_schema_events_transactions_history_size": 10, "performance_schema_events_waits_history_long_size": 10000,
	"performance_schema_events_waits_history_size": 10, "performance_schema_hosts_size": -1,
	"performance_schema_max_digest_sample_age": 60, "performance_schema_max_metadata_locks": -1,
	"performance_schema_max_prepared_statements_instances": -1, "performance_schema_max_program_instances": -1,
	"performance_schema_max_statement_classes": 219, "performance_schema_max_statement_stack": 10,
	"performance_schema_max_table_handles": -1, "performance_schema_max_table_instances": -1,
	"performance_schema_max_thread_instances": -1, "performance_schema_session_connect_attrs_size": 512,
	"performance_schema_setup_actors_size": -1, "performance_schema_setup_objects_size": -1,
	"performance_schema_users_size": -1, "query_alloc_block_size": 8192, "query_prealloc_size": 8192,
	"range_alloc_block_size": 4096, "relay_log_space_limit": 0, "replica_checkpoint_group": 512,
	"replica_checkpoint_period": 300, "replica_max_allowed_packet": 1073741824, "replica_net_timeout": 60,
	"replica_pending_jobs_size_max": 134217728, "replica_transaction_retries": 10, "rpl_read_size": 8192,
	"rpl_stop_replica_timeout": 31536000, "rpl_stop_slave_timeout": 31536000, "slave_checkpoint_group": 512,
	"slave_checkpoint_period": 300, "slave_max_allowed_packet": 1073741824, "slave_net_timeout": 60,
	"slave_pending_jobs_size_max": 134217728, "slave_transaction_retries": 10, "sync_master_info": 10000,
	"sync_relay_log": 10000, "sync_relay_log_info": 10000, "sync_source_info": 10000, "thread_stack": 1048576,
	"transaction_alloc_block_size": 8192,
}

var fixedSwitches = map[string]int8{
	"innodb_adaptive_hash_index": 0, "innodb_deadlock_detect": 1, "innodb_dedicated_server": 0, "innodb_file_per_table": 1,
	"innodb_ft_enable_stopword": 1, "innodb_print_all_deadlocks": 0, "innodb_random_read_ahead": 0,
	"innodb_rollback_on_timeout": 0, "innodb_status_output": 0, "innodb_status_output_locks": 0, "innodb_table_locks": 1,
	"innodb_use_native_aio": 0, "locked_in_memory": 0, "partial_revokes": 0,
	"binlog_direct_non_transactional_updates": 0, "binlog_encryption": 0, "binlog_order_commits": 1,
	"binlog_rotate_encryption_master_key_at_startup": 0, "binlog_rows_query_log_events": 0,
	"binlog_transaction_compression": 0, "log_bin_use_v1_row_events": 0, "log_slow_replica_statements": 0,
	"log_slow_slave_statements": 0, "log_statements_unsafe_for_binlog": 1, "master_verify_checksum": 0, "relay_log_purge": 1,
	"relay_log_recovery": 0, "replica_allow_batching": 1, "replica_compressed_protocol": 0, "replica_preserve_commit_order": 1,
	"replica_sql_verify_checksum": 1, "skip_replica_start": 0, "skip_slave_start": 0, "slave_allow_batching": 1,
	"slave_compressed_protocol": 0, "slave_preserve_commit_order": 1, "slave_sql_verify_checksum": 1,
	"source_verify_checksum": 0, "sysdate_is_now": 0,
}

var fixedTexts = map[string]string{
	"have_compress": "YES", "have_dynamic_loading": "YES", "have_geometry": "YES", "have_profiling": "YES",
	"have_rtree_keys": "YES", "have_statement_timeout": "YES", "have_symlink": "DISABLED", "innodb_change_buffering": "none",
	"innodb_checksum_algorithm": "crc32", "innodb_data_file_path": "ibdata1:12M:autoextend",
	"innodb_default_row_format": "dynamic", "innodb_doublewrite": "ON", "innodb_flush_method": "fsync",
	"innodb_max_dirty_pages_pct": "90.000000", "innodb_temp_data_file_path": "ibtmp1:12M:autoextend", "log_bin_basename": "",
	"report_host":         "",
	"binlog_error_action": "ABORT_SERVER", "binlog_row_value_options": "",
	"binlog_transaction_dependency_tracking": "COMMIT_ORDER", "init_replica": "", "init_slave": "", "log_bin_index": "",
	"master_info_repository": "TABLE", "max_binlog_cache_size": "18446744073709547520",
	"max_binlog_stmt_cache_size": "18446744073709547520", "relay_log_info_repository": "TABLE", "replica_exec_mode": "STRICT",
	"replica_parallel_type": "LOGICAL_CLOCK", "replica_skip_errors": "OFF", "replica_type_conversions": "",
	"slave_exec_mode": "STRICT", "slave_parallel_type": "LOGICAL_CLOCK",
	"slave_rows_search_algorithms": "INDEX_SCAN,HASH_SCAN", "slave_skip_errors": "OFF", "slave_type_conversions": "",
	"transaction_write_set_extraction": "XXHASH64",
}

// addFixedVariables adds them, and two that can be set: innodb_strict_mode refuses options of
// tables that InnoDB has not, which are not looked at in either setting, and
// log_bin_trust_function_creators needs a binary log.
func addFixedVariables() {
	global := sql.GetMysqlScope(sql.SystemVariableScope_Global)
	add := func(name string, value any, t sql.SystemVariableType) {
		sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
			Name: name, Scope: global, Default: value, Type: t,
		}})
	}
	// Names of tables and databases are kept as they are given and compared without case.
	add("lower_case_table_names", int64(2), types.NewSystemIntType("lower_case_table_names", 0, 2, false))
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
	}, &sql.MysqlSystemVariable{
		Name: "log_bin_trust_function_creators", Scope: global, Dynamic: true,
		Default: int8(0), Type: types.NewSystemBoolType("log_bin_trust_function_creators"),
	}})
}
