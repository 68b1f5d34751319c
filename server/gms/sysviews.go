package gms

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// newSys returns sys: its views with the columns of MySQL 8.0, empty where they are of what the
// instance does not record. Each has a twin with x$ before its name, whose times, sizes and statements are not formatted.
func newSys() *fixedDatabase {
	d := &fixedDatabase{name: "sys", views: map[string]sql.ViewDefinition{}}
	d.add("sys_config", "variable varchar(128) not null\nvalue varchar(128)\nset_time timestamp\nset_by varchar(128)",
		func(_ *sql.Context, s *Session) (rows []sql.Row, err error) {
			for _, name := range slices.Sorted(maps.Keys(sysConfig)) {
				rows = append(rows, sql.Row{name, orNull(sysConfig[name]), s.b.started.UTC(), nil})
			}
			return rows, nil
		})
	for _, views := range []map[string]string{sysViews, sysSummaries("user", "USER", "hosts"), sysSummaries("host", "HOST", "users")} {
		for name, text := range views {
			raw := sysPlain.ReplaceAllString(text, "$2")
			text = sysStatement.ReplaceAllString(sysTime.ReplaceAllString(text, "format_pico_time($1)"),
				"IF(CHAR_LENGTH($1) > 64, CONCAT(LEFT($1, 30), ' ... ', RIGHT($1, 30)), $1)")
			text = sysBytes.ReplaceAllString(text, "format_bytes($1)")
			if raw != text {
				d.view("x$"+name, raw)
			}
			d.view(name, text)
		}
	}
	return d
}

// sysConfig are the options of sys, which nobody changes here.
var sysConfig = map[string]string{
	"diagnostics.allow_i_s_tables": "OFF", "diagnostics.include_raw": "OFF", "ps_thread_trx_info.max_length": "65535",
	"statement_performance_analyzer.limit": "100", "statement_performance_analyzer.view": "", "statement_truncate_len": "64",
}

// view adds a view.
func (d *fixedDatabase) view(name, text string) {
	text = strings.Join(strings.Fields(text), " ")
	d.views[name] = sql.ViewDefinition{Name: name, TextDefinition: text, CreateViewStatement: "CREATE VIEW `" + name + "` AS " + text}
}

// In the texts of sysViews {time x} is a time in picoseconds, {bytes x} a size and {text x} a statement.
var (
	sysTime      = regexp.MustCompile(`\{time ([^}]*)\}`)
	sysStatement = regexp.MustCompile(`\{text ([^}]*)\}`)
	sysBytes     = regexp.MustCompile(`\{bytes ([^}]*)\}`)
	sysPlain     = regexp.MustCompile(`\{(time|text|bytes) ([^}]*)\}`)
)

const sysProcessColumns = `
	t.THREAD_ID AS thd_id, t.PROCESSLIST_ID AS conn_id,
	CONCAT(t.PROCESSLIST_USER, '@', t.PROCESSLIST_HOST) AS user, t.PROCESSLIST_DB AS db,
	t.PROCESSLIST_COMMAND AS command, t.PROCESSLIST_STATE AS state, t.PROCESSLIST_TIME AS time,
	{text t.PROCESSLIST_INFO} AS current_statement, t.EXECUTION_ENGINE AS execution_engine,
	NULL AS statement_latency, NULL AS progress, NULL AS lock_latency, NULL AS cpu_latency,
	NULL AS rows_examined, NULL AS rows_sent, NULL AS rows_affected, NULL AS tmp_tables, NULL AS tmp_disk_tables,
	NULL AS full_scan, NULL AS last_statement, NULL AS last_statement_latency, NULL AS current_memory,
	NULL AS last_wait, NULL AS last_wait_latency, NULL AS source,
	{time TIMESTAMPDIFF(MICROSECOND, x.trx_started, NOW(6)) * 1000000} AS trx_latency,
	IF(x.trx_id IS NULL, NULL, 'ACTIVE') AS trx_state, NULL AS trx_autocommit,
	p.ATTR_VALUE AS pid, n.ATTR_VALUE AS program_name
	FROM performance_schema.threads t
	LEFT JOIN information_schema.innodb_trx x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID
	LEFT JOIN performance_schema.session_connect_attrs p ON p.PROCESSLIST_ID = t.PROCESSLIST_ID AND p.ATTR_NAME = '_pid'
	LEFT JOIN performance_schema.session_connect_attrs n ON n.PROCESSLIST_ID = t.PROCESSLIST_ID AND n.ATTR_NAME = 'program_name'`

var sysViews = map[string]string{
	"schema_auto_increment_columns": `SELECT i.*, i.auto_increment / i.max_value AS auto_increment_ratio FROM (
		SELECT c.TABLE_SCHEMA AS table_schema, c.TABLE_NAME AS table_name, c.COLUMN_NAME AS column_name, c.DATA_TYPE AS data_type, c.COLUMN_TYPE AS column_type,
		(LOCATE('unsigned', c.COLUMN_TYPE) = 0) AS is_signed, (LOCATE('unsigned', c.COLUMN_TYPE) > 0) AS is_unsigned,
		IF(c.COLUMN_TYPE LIKE 'bigint% unsigned%', 18446744073709551615, CASE c.DATA_TYPE WHEN 'tinyint' THEN 255 WHEN 'smallint' THEN 65535
		WHEN 'mediumint' THEN 16777215 WHEN 'int' THEN 4294967295 ELSE 9223372036854775807 END
		>> (c.DATA_TYPE <> 'bigint' AND LOCATE('unsigned', c.COLUMN_TYPE) = 0)) AS max_value, t.AUTO_INCREMENT AS auto_increment
		FROM information_schema.COLUMNS c JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
		WHERE c.TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') AND t.TABLE_TYPE = 'BASE TABLE' AND c.EXTRA = 'auto_increment') i
		ORDER BY auto_increment_ratio DESC, i.max_value`,
	"version":     `SELECT '2.1.2' AS sys_version, version() AS mysql_version`,
	"processlist": `SELECT` + sysProcessColumns + ` ORDER BY t.PROCESSLIST_TIME DESC`,
	"session": `SELECT` + sysProcessColumns + ` WHERE t.PROCESSLIST_ID IS NOT NULL AND t.PROCESSLIST_COMMAND <> 'Daemon'
		ORDER BY t.PROCESSLIST_TIME DESC`,
	"innodb_lock_waits": `SELECT r.trx_wait_started AS wait_started,
		TIMEDIFF(NOW(), r.trx_wait_started) AS wait_age, TIMESTAMPDIFF(SECOND, r.trx_wait_started, NOW()) AS wait_age_secs,
		CONCAT('` + "`', rl.OBJECT_SCHEMA, '`.`', rl.OBJECT_NAME, '`" + `') AS locked_table,
		rl.OBJECT_SCHEMA AS locked_table_schema, rl.OBJECT_NAME AS locked_table_name,
		rl.PARTITION_NAME AS locked_table_partition, rl.SUBPARTITION_NAME AS locked_table_subpartition,
		rl.INDEX_NAME AS locked_index, rl.LOCK_TYPE AS locked_type,
		r.trx_id AS waiting_trx_id, r.trx_started AS waiting_trx_started, TIMEDIFF(NOW(), r.trx_started) AS waiting_trx_age,
		r.trx_rows_locked AS waiting_trx_rows_locked, r.trx_rows_modified AS waiting_trx_rows_modified,
		r.trx_mysql_thread_id AS waiting_pid, {text r.trx_query} AS waiting_query,
		rl.ENGINE_LOCK_ID AS waiting_lock_id, rl.LOCK_MODE AS waiting_lock_mode,
		b.trx_id AS blocking_trx_id, b.trx_mysql_thread_id AS blocking_pid, {text b.trx_query} AS blocking_query,
		bl.ENGINE_LOCK_ID AS blocking_lock_id, bl.LOCK_MODE AS blocking_lock_mode,
		b.trx_started AS blocking_trx_started, TIMEDIFF(NOW(), b.trx_started) AS blocking_trx_age,
		b.trx_rows_locked AS blocking_trx_rows_locked, b.trx_rows_modified AS blocking_trx_rows_modified,
		CONCAT('KILL QUERY ', b.trx_mysql_thread_id) AS sql_kill_blocking_query,
		CONCAT('KILL ', b.trx_mysql_thread_id) AS sql_kill_blocking_connection
		FROM performance_schema.data_lock_waits w
		JOIN information_schema.innodb_trx b ON b.trx_id = w.BLOCKING_ENGINE_TRANSACTION_ID
		JOIN information_schema.innodb_trx r ON r.trx_id = w.REQUESTING_ENGINE_TRANSACTION_ID
		JOIN performance_schema.data_locks bl ON bl.ENGINE_LOCK_ID = w.BLOCKING_ENGINE_LOCK_ID
		JOIN performance_schema.data_locks rl ON rl.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID
		ORDER BY r.trx_wait_started`,
	"statement_analysis": `SELECT {text DIGEST_TEXT} AS query, SCHEMA_NAME AS db,
		IF(SUM_NO_GOOD_INDEX_USED > 0 OR SUM_NO_INDEX_USED > 0, '*', '') AS full_scan, COUNT_STAR AS exec_count,
		SUM_ERRORS AS err_count, SUM_WARNINGS AS warn_count, {time SUM_TIMER_WAIT} AS total_latency,
		{time MAX_TIMER_WAIT} AS max_latency, {time AVG_TIMER_WAIT} AS avg_latency, {time SUM_LOCK_TIME} AS lock_latency,
		{time SUM_CPU_TIME} AS cpu_latency, SUM_ROWS_SENT AS rows_sent,
		ROUND(IFNULL(SUM_ROWS_SENT / NULLIF(COUNT_STAR, 0), 0)) AS rows_sent_avg, SUM_ROWS_EXAMINED AS rows_examined,
		ROUND(IFNULL(SUM_ROWS_EXAMINED / NULLIF(COUNT_STAR, 0), 0)) AS rows_examined_avg,
		SUM_ROWS_AFFECTED AS rows_affected,
		ROUND(IFNULL(SUM_ROWS_AFFECTED / NULLIF(COUNT_STAR, 0), 0)) AS rows_affected_avg,
		SUM_CREATED_TMP_TABLES AS tmp_tables, SUM_CREATED_TMP_DISK_TABLES AS tmp_disk_tables,
		SUM_SORT_ROWS AS rows_sorted, SUM_SORT_MERGE_PASSES AS sort_merge_passes,
		MAX_CONTROLLED_MEMORY AS max_controlled_memory, MAX_TOTAL_MEMORY AS max_total_memory,
		DIGEST AS digest, FIRST_SEEN AS first_seen, LAST_SEEN AS last_seen
		FROM performance_schema.events_statements_summary_by_digest ORDER BY SUM_TIMER_WAIT DESC`,
	"statements_with_errors_or_warnings": `SELECT {text DIGEST_TEXT} AS query, SCHEMA_NAME AS db, COUNT_STAR AS exec_count,
		SUM_ERRORS AS errors, IFNULL(SUM_ERRORS / NULLIF(COUNT_STAR, 0), 0) * 100 AS error_pct,
		SUM_WARNINGS AS warnings, IFNULL(SUM_WARNINGS / NULLIF(COUNT_STAR, 0), 0) * 100 AS warning_pct,
		FIRST_SEEN AS first_seen, LAST_SEEN AS last_seen, DIGEST AS digest
		FROM performance_schema.events_statements_summary_by_digest
		WHERE SUM_ERRORS > 0 OR SUM_WARNINGS > 0 ORDER BY SUM_ERRORS DESC, SUM_WARNINGS DESC`,
	"schema_unused_indexes": `SELECT t.OBJECT_SCHEMA AS object_schema, t.OBJECT_NAME AS object_name, t.INDEX_NAME AS index_name
		FROM performance_schema.table_io_waits_summary_by_index_usage t
		JOIN information_schema.statistics s ON s.TABLE_SCHEMA = t.OBJECT_SCHEMA AND s.TABLE_NAME = t.OBJECT_NAME AND s.INDEX_NAME = t.INDEX_NAME
		WHERE t.INDEX_NAME IS NOT NULL AND t.COUNT_STAR = 0 AND t.OBJECT_SCHEMA <> 'mysql' AND t.INDEX_NAME <> 'PRIMARY'
			AND s.NON_UNIQUE = 1 AND s.SEQ_IN_INDEX = 1
		ORDER BY t.OBJECT_SCHEMA, t.OBJECT_NAME`,
	"x$schema_flattened_keys": `SELECT TABLE_SCHEMA AS table_schema, TABLE_NAME AS table_name, INDEX_NAME AS index_name,
		MAX(NON_UNIQUE) AS non_unique, MAX(IF(SUB_PART IS NULL, 0, 1)) AS subpart_exists,
		GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) AS index_columns
		FROM information_schema.statistics
		WHERE INDEX_TYPE = 'BTREE' AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
		GROUP BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME`,
	"schema_redundant_indexes": `SELECT r.table_schema AS table_schema, r.table_name AS table_name, r.index_name AS redundant_index_name,
		r.index_columns AS redundant_index_columns, r.non_unique AS redundant_index_non_unique,
		d.index_name AS dominant_index_name, d.index_columns AS dominant_index_columns, d.non_unique AS dominant_index_non_unique,
		IF(r.subpart_exists OR d.subpart_exists, 1, 0) AS subpart_exists,
		CONCAT('ALTER TABLE ` + "`', r.table_schema, '`.`', r.table_name, '` DROP INDEX `', r.index_name, '`" + `') AS sql_drop_index
		FROM sys.` + "`x$schema_flattened_keys`" + ` r
		JOIN sys.` + "`x$schema_flattened_keys`" + ` d ON d.table_schema = r.table_schema AND d.table_name = r.table_name
		WHERE r.index_name <> d.index_name AND (
			r.index_columns = d.index_columns AND (r.non_unique > d.non_unique OR r.non_unique = d.non_unique AND
				IF(r.index_name = 'PRIMARY', '', r.index_name) > IF(d.index_name = 'PRIMARY', '', d.index_name))
			OR LOCATE(CONCAT(r.index_columns, ','), d.index_columns) = 1 AND r.non_unique = 1
			OR LOCATE(CONCAT(d.index_columns, ','), r.index_columns) = 1 AND d.non_unique = 0)`,
	"schema_object_overview": `SELECT ROUTINE_SCHEMA AS db, ROUTINE_TYPE AS object_type, COUNT(*) AS count
		FROM information_schema.routines GROUP BY ROUTINE_SCHEMA, ROUTINE_TYPE
		UNION SELECT TABLE_SCHEMA, TABLE_TYPE, COUNT(*) FROM information_schema.tables GROUP BY TABLE_SCHEMA, TABLE_TYPE
		UNION SELECT TABLE_SCHEMA, CONCAT('INDEX (', INDEX_TYPE, ')'), COUNT(*) FROM information_schema.statistics
			GROUP BY TABLE_SCHEMA, INDEX_TYPE
		UNION SELECT TRIGGER_SCHEMA, 'TRIGGER', COUNT(*) FROM information_schema.triggers GROUP BY TRIGGER_SCHEMA
		UNION SELECT EVENT_SCHEMA, 'EVENT', COUNT(*) FROM information_schema.events GROUP BY EVENT_SCHEMA`,
	"schema_table_statistics": `SELECT` + sysTableColumns("{time t.SUM_TIMER_WAIT} AS total_latency,") + `
		FROM performance_schema.table_io_waits_summary_by_table t` + sysTableFiles + ` ORDER BY t.SUM_TIMER_WAIT DESC`,
	"schema_table_statistics_with_buffer": `SELECT` + sysTableColumns("") + `,
		{bytes b.allocated} AS innodb_buffer_allocated, {bytes b.data} AS innodb_buffer_data, {bytes b.allocated - b.data} AS innodb_buffer_free,
		b.pages AS innodb_buffer_pages, b.pages_hashed AS innodb_buffer_pages_hashed, b.pages_old AS innodb_buffer_pages_old,
		b.rows_cached AS innodb_buffer_rows_cached
		FROM performance_schema.table_io_waits_summary_by_table t` + sysTableFiles + `
		LEFT JOIN sys.` + "`x$innodb_buffer_stats_by_table`" + ` b ON b.object_schema = t.OBJECT_SCHEMA AND b.object_name = t.OBJECT_NAME
		ORDER BY t.SUM_TIMER_WAIT DESC`,
	"x$ps_schema_table_statistics_io": `SELECT sys.extract_schema_from_file_name(FILE_NAME) AS table_schema,
		sys.extract_table_from_file_name(FILE_NAME) AS table_name,
		SUM(COUNT_READ) AS count_read, SUM(SUM_NUMBER_OF_BYTES_READ) AS sum_number_of_bytes_read, SUM(SUM_TIMER_READ) AS sum_timer_read,
		SUM(COUNT_WRITE) AS count_write, SUM(SUM_NUMBER_OF_BYTES_WRITE) AS sum_number_of_bytes_write, SUM(SUM_TIMER_WRITE) AS sum_timer_write,
		SUM(COUNT_MISC) AS count_misc, SUM(SUM_TIMER_MISC) AS sum_timer_misc
		FROM performance_schema.file_summary_by_instance GROUP BY table_schema, table_name`,
	"schema_index_statistics": `SELECT OBJECT_SCHEMA AS table_schema, OBJECT_NAME AS table_name, INDEX_NAME AS index_name,
		COUNT_FETCH AS rows_selected, {time SUM_TIMER_FETCH} AS select_latency, COUNT_INSERT AS rows_inserted, {time SUM_TIMER_INSERT} AS insert_latency,
		COUNT_UPDATE AS rows_updated, {time SUM_TIMER_UPDATE} AS update_latency, COUNT_DELETE AS rows_deleted, {time SUM_TIMER_DELETE} AS delete_latency
		FROM performance_schema.table_io_waits_summary_by_index_usage WHERE INDEX_NAME IS NOT NULL ORDER BY SUM_TIMER_WAIT DESC`,
	"schema_tables_with_full_table_scans": `SELECT OBJECT_SCHEMA AS object_schema, OBJECT_NAME AS object_name, COUNT_READ AS rows_full_scanned,
		{time SUM_TIMER_WAIT} AS latency
		FROM performance_schema.table_io_waits_summary_by_index_usage WHERE INDEX_NAME IS NULL AND COUNT_READ > 0 ORDER BY COUNT_READ DESC`,
	"schema_table_lock_waits": `SELECT g.OBJECT_SCHEMA AS object_schema, g.OBJECT_NAME AS object_name,
		w.THREAD_ID AS waiting_thread_id, w.PROCESSLIST_ID AS waiting_pid, CONCAT(w.PROCESSLIST_USER, '@', w.PROCESSLIST_HOST) AS waiting_account,
		p.LOCK_TYPE AS waiting_lock_type, p.LOCK_DURATION AS waiting_lock_duration, {text w.PROCESSLIST_INFO} AS waiting_query,
		w.PROCESSLIST_TIME AS waiting_query_secs, NULL AS waiting_query_rows_affected, NULL AS waiting_query_rows_examined,
		b.THREAD_ID AS blocking_thread_id, b.PROCESSLIST_ID AS blocking_pid, CONCAT(b.PROCESSLIST_USER, '@', b.PROCESSLIST_HOST) AS blocking_account,
		g.LOCK_TYPE AS blocking_lock_type, g.LOCK_DURATION AS blocking_lock_duration,
		CONCAT('KILL QUERY ', b.PROCESSLIST_ID) AS sql_kill_blocking_query, CONCAT('KILL ', b.PROCESSLIST_ID) AS sql_kill_blocking_connection
		FROM performance_schema.metadata_locks g
		JOIN performance_schema.metadata_locks p ON p.OBJECT_SCHEMA = g.OBJECT_SCHEMA AND p.OBJECT_NAME = g.OBJECT_NAME
			AND p.OBJECT_TYPE = g.OBJECT_TYPE AND p.LOCK_STATUS = 'PENDING'
		JOIN performance_schema.threads b ON b.THREAD_ID = g.OWNER_THREAD_ID
		JOIN performance_schema.threads w ON w.THREAD_ID = p.OWNER_THREAD_ID
		WHERE g.OBJECT_TYPE = 'TABLE' AND g.LOCK_STATUS = 'GRANTED'`,
	"session_ssl_status": `SELECT v.THREAD_ID AS thread_id, v.VARIABLE_VALUE AS ssl_version, c.VARIABLE_VALUE AS ssl_cipher, r.VARIABLE_VALUE AS ssl_sessions_reused
		FROM performance_schema.status_by_thread v
		LEFT JOIN performance_schema.status_by_thread c ON c.THREAD_ID = v.THREAD_ID AND c.VARIABLE_NAME = 'Ssl_cipher'
		LEFT JOIN performance_schema.status_by_thread r ON r.THREAD_ID = v.THREAD_ID AND r.VARIABLE_NAME = 'Ssl_sessions_reused'
		WHERE v.VARIABLE_NAME = 'Ssl_version'`,
	"ps_check_lost_instrumentation": `SELECT VARIABLE_NAME AS variable_name, VARIABLE_VALUE AS variable_value
		FROM performance_schema.global_status WHERE VARIABLE_NAME LIKE 'perf%lost' AND VARIABLE_VALUE > 0`,
	"metrics": `SELECT LOWER(VARIABLE_NAME) AS Variable_name, VARIABLE_VALUE AS Variable_value, 'Global Status' AS Type, 'YES' AS Enabled
		FROM performance_schema.global_status
		UNION ALL SELECT NAME, COUNT, CONCAT('InnoDB Metrics - ', SUBSYSTEM), IF(STATUS = 'enabled', 'YES', 'NO') FROM information_schema.INNODB_METRICS
		UNION ALL SELECT 'memory_current_allocated', SUM(CURRENT_NUMBER_OF_BYTES_USED), 'Performance Schema', 'NO'
			FROM performance_schema.memory_summary_global_by_event_name
		UNION ALL SELECT 'memory_total_allocated', SUM(SUM_NUMBER_OF_BYTES_ALLOC), 'Performance Schema', 'NO'
			FROM performance_schema.memory_summary_global_by_event_name
		UNION ALL SELECT 'NOW()', NOW(3), 'System Time', 'YES' UNION ALL SELECT 'UNIX_TIMESTAMP()', ROUND(UNIX_TIMESTAMP(NOW(3)), 3), 'System Time', 'YES'
		ORDER BY Type, Variable_name`,
	"innodb_buffer_stats_by_schema": `SELECT IF(LOCATE('.', TABLE_NAME) = 0, 'InnoDB System', REPLACE(SUBSTRING_INDEX(TABLE_NAME, '.', 1), '` + "`" + `', '')) AS object_schema,` +
		sysBufferColumns + ` GROUP BY object_schema ORDER BY SUM(DATA_SIZE) DESC`,
	"innodb_buffer_stats_by_table": `SELECT IF(LOCATE('.', TABLE_NAME) = 0, 'InnoDB System', REPLACE(SUBSTRING_INDEX(TABLE_NAME, '.', 1), '` + "`" + `', '')) AS object_schema,
		REPLACE(SUBSTRING_INDEX(TABLE_NAME, '.', -1), '` + "`" + `', '') AS object_name,` + sysBufferColumns + ` GROUP BY object_schema, object_name ORDER BY SUM(DATA_SIZE) DESC`,
	"io_by_thread_by_latency": `SELECT IF(t.PROCESSLIST_ID IS NULL, SUBSTRING_INDEX(t.NAME, '/', -1), CONCAT(t.PROCESSLIST_USER, '@', t.PROCESSLIST_HOST)) AS user,
		SUM(e.COUNT_STAR) AS total, {time SUM(e.SUM_TIMER_WAIT)} AS total_latency, {time MIN(e.MIN_TIMER_WAIT)} AS min_latency,
		{time AVG(e.AVG_TIMER_WAIT)} AS avg_latency, {time MAX(e.MAX_TIMER_WAIT)} AS max_latency, t.THREAD_ID AS thread_id, t.PROCESSLIST_ID AS processlist_id
		FROM performance_schema.events_waits_summary_by_thread_by_event_name e JOIN performance_schema.threads t ON t.THREAD_ID = e.THREAD_ID
		WHERE e.EVENT_NAME LIKE 'wait/io/file/%' AND e.SUM_TIMER_WAIT > 0 GROUP BY t.THREAD_ID, t.PROCESSLIST_ID, user ORDER BY SUM(e.SUM_TIMER_WAIT) DESC`,
	"io_global_by_file_by_bytes": `SELECT FILE_NAME AS file, COUNT_READ AS count_read, {bytes SUM_NUMBER_OF_BYTES_READ} AS total_read,
		{bytes IFNULL(SUM_NUMBER_OF_BYTES_READ / NULLIF(COUNT_READ, 0), 0)} AS avg_read,
		COUNT_WRITE AS count_write, {bytes SUM_NUMBER_OF_BYTES_WRITE} AS total_written,
		{bytes IFNULL(SUM_NUMBER_OF_BYTES_WRITE / NULLIF(COUNT_WRITE, 0), 0)} AS avg_write,
		{bytes SUM_NUMBER_OF_BYTES_READ + SUM_NUMBER_OF_BYTES_WRITE} AS total,
		IFNULL(ROUND(100 * SUM_NUMBER_OF_BYTES_WRITE / NULLIF(SUM_NUMBER_OF_BYTES_READ + SUM_NUMBER_OF_BYTES_WRITE, 0), 2), 0) AS write_pct
		FROM performance_schema.file_summary_by_instance ORDER BY SUM_NUMBER_OF_BYTES_READ + SUM_NUMBER_OF_BYTES_WRITE DESC`,
	"io_global_by_file_by_latency": `SELECT FILE_NAME AS file, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS total_latency,
		COUNT_READ AS count_read, {time SUM_TIMER_READ} AS read_latency, COUNT_WRITE AS count_write, {time SUM_TIMER_WRITE} AS write_latency,
		COUNT_MISC AS count_misc, {time SUM_TIMER_MISC} AS misc_latency
		FROM performance_schema.file_summary_by_instance ORDER BY SUM_TIMER_WAIT DESC`,
	"io_global_by_wait_by_bytes": `SELECT SUBSTRING_INDEX(EVENT_NAME, '/', -2) AS event_name, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS total_latency,
		{time MIN_TIMER_WAIT} AS min_latency, {time AVG_TIMER_WAIT} AS avg_latency, {time MAX_TIMER_WAIT} AS max_latency,` + sysFileBytes + `,
		{bytes SUM_NUMBER_OF_BYTES_WRITE + SUM_NUMBER_OF_BYTES_READ} AS total_requested
		FROM performance_schema.file_summary_by_event_name WHERE EVENT_NAME LIKE 'wait/io/file/%' AND COUNT_STAR > 0
		ORDER BY SUM_NUMBER_OF_BYTES_WRITE + SUM_NUMBER_OF_BYTES_READ DESC`,
	"io_global_by_wait_by_latency": `SELECT SUBSTRING_INDEX(EVENT_NAME, '/', -2) AS event_name, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS total_latency,
		{time AVG_TIMER_WAIT} AS avg_latency, {time MAX_TIMER_WAIT} AS max_latency, {time SUM_TIMER_READ} AS read_latency,
		{time SUM_TIMER_WRITE} AS write_latency, {time SUM_TIMER_MISC} AS misc_latency,` + sysFileBytes + `
		FROM performance_schema.file_summary_by_event_name WHERE EVENT_NAME LIKE 'wait/io/file/%' AND COUNT_STAR > 0 ORDER BY SUM_TIMER_WAIT DESC`,
	"latest_file_io": `SELECT IF(t.PROCESSLIST_ID IS NULL, CONCAT(SUBSTRING_INDEX(t.NAME, '/', -1), ':', t.THREAD_ID),
		CONCAT(t.PROCESSLIST_USER, '@', t.PROCESSLIST_HOST, ':', t.PROCESSLIST_ID)) AS thread, e.OBJECT_NAME AS file,
		{time e.TIMER_WAIT} AS latency, e.OPERATION AS operation, {bytes e.NUMBER_OF_BYTES} AS requested
		FROM performance_schema.events_waits_history_long e JOIN performance_schema.threads t ON t.THREAD_ID = e.THREAD_ID
		WHERE e.OBJECT_NAME IS NOT NULL AND e.EVENT_NAME LIKE 'wait/io/file/%' ORDER BY e.TIMER_START`,
	"memory_by_thread_by_current_bytes": `SELECT m.THREAD_ID AS thread_id,
		IF(t.PROCESSLIST_ID IS NULL, SUBSTRING_INDEX(t.NAME, '/', -1), CONCAT(t.PROCESSLIST_USER, '@', t.PROCESSLIST_HOST)) AS user,` + sysMemoryColumns + `
		FROM performance_schema.memory_summary_by_thread_by_event_name m JOIN performance_schema.threads t ON t.THREAD_ID = m.THREAD_ID
		GROUP BY m.THREAD_ID, user ORDER BY SUM(CURRENT_NUMBER_OF_BYTES_USED) DESC`,
	"memory_global_by_current_bytes": `SELECT EVENT_NAME AS event_name, CURRENT_COUNT_USED AS current_count, {bytes CURRENT_NUMBER_OF_BYTES_USED} AS current_alloc,
		{bytes IFNULL(CURRENT_NUMBER_OF_BYTES_USED / NULLIF(CURRENT_COUNT_USED, 0), 0)} AS current_avg_alloc,
		HIGH_COUNT_USED AS high_count, {bytes HIGH_NUMBER_OF_BYTES_USED} AS high_alloc,
		{bytes IFNULL(HIGH_NUMBER_OF_BYTES_USED / NULLIF(HIGH_COUNT_USED, 0), 0)} AS high_avg_alloc
		FROM performance_schema.memory_summary_global_by_event_name WHERE CURRENT_NUMBER_OF_BYTES_USED > 0 ORDER BY CURRENT_NUMBER_OF_BYTES_USED DESC`,
	"memory_global_total":                `SELECT {bytes SUM(CURRENT_NUMBER_OF_BYTES_USED)} AS total_allocated FROM performance_schema.memory_summary_global_by_event_name`,
	"wait_classes_global_by_latency":     sysWaitClasses("SUM(SUM_TIMER_WAIT)"),
	"wait_classes_global_by_avg_latency": sysWaitClasses("IFNULL(SUM(SUM_TIMER_WAIT) / NULLIF(SUM(COUNT_STAR), 0), 0)"),
	"waits_global_by_latency": `SELECT EVENT_NAME AS events, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS total_latency, {time AVG_TIMER_WAIT} AS avg_latency,
		{time MAX_TIMER_WAIT} AS max_latency FROM performance_schema.events_waits_summary_global_by_event_name
		WHERE EVENT_NAME <> 'idle' AND SUM_TIMER_WAIT > 0 ORDER BY SUM_TIMER_WAIT DESC`,
	"statements_with_full_table_scans": `SELECT {text DIGEST_TEXT} AS query, SCHEMA_NAME AS db, COUNT_STAR AS exec_count, {time SUM_TIMER_WAIT} AS total_latency,
		SUM_NO_INDEX_USED AS no_index_used_count, SUM_NO_GOOD_INDEX_USED AS no_good_index_used_count,
		ROUND(IFNULL(SUM_NO_INDEX_USED / NULLIF(COUNT_STAR, 0), 0) * 100) AS no_index_used_pct,
		SUM_ROWS_SENT AS rows_sent, SUM_ROWS_EXAMINED AS rows_examined, ROUND(SUM_ROWS_SENT / COUNT_STAR) AS rows_sent_avg,
		ROUND(SUM_ROWS_EXAMINED / COUNT_STAR) AS rows_examined_avg,` + sysDigestTail + `
		WHERE (SUM_NO_INDEX_USED > 0 OR SUM_NO_GOOD_INDEX_USED > 0) AND DIGEST_TEXT NOT LIKE 'SHOW%'
		ORDER BY ROUND(IFNULL(SUM_NO_INDEX_USED / NULLIF(COUNT_STAR, 0), 0) * 100) DESC, SUM_TIMER_WAIT DESC`,
	"x$ps_digest_avg_latency_distribution": `SELECT COUNT(*) AS cnt, ROUND(AVG_TIMER_WAIT / 1000000) AS avg_us
		FROM performance_schema.events_statements_summary_by_digest GROUP BY avg_us`,
	"x$ps_digest_95th_percentile_by_avg_us": `SELECT p.avg_us AS avg_us, p.percentile AS percentile FROM (
		SELECT ROUND(AVG_TIMER_WAIT / 1000000) AS avg_us, CUME_DIST() OVER (ORDER BY ROUND(AVG_TIMER_WAIT / 1000000)) AS percentile
		FROM performance_schema.events_statements_summary_by_digest) p WHERE p.percentile > 0.95 ORDER BY p.percentile LIMIT 1`,
	"statements_with_runtimes_in_95th_percentile": `SELECT {text DIGEST_TEXT} AS query, SCHEMA_NAME AS db,
		IF(SUM_NO_GOOD_INDEX_USED > 0 OR SUM_NO_INDEX_USED > 0, '*', '') AS full_scan, COUNT_STAR AS exec_count, SUM_ERRORS AS err_count,
		SUM_WARNINGS AS warn_count, {time SUM_TIMER_WAIT} AS total_latency, {time MAX_TIMER_WAIT} AS max_latency, {time AVG_TIMER_WAIT} AS avg_latency,
		SUM_ROWS_SENT AS rows_sent, ROUND(IFNULL(SUM_ROWS_SENT / NULLIF(COUNT_STAR, 0), 0)) AS rows_sent_avg,
		SUM_ROWS_EXAMINED AS rows_examined, ROUND(IFNULL(SUM_ROWS_EXAMINED / NULLIF(COUNT_STAR, 0), 0)) AS rows_examined_avg,` + sysDigestTail + `
		JOIN sys.` + "`x$ps_digest_95th_percentile_by_avg_us`" + ` p ON ROUND(AVG_TIMER_WAIT / 1000000) >= p.avg_us ORDER BY AVG_TIMER_WAIT DESC`,
	"statements_with_sorting": `SELECT {text DIGEST_TEXT} AS query, SCHEMA_NAME AS db, COUNT_STAR AS exec_count, {time SUM_TIMER_WAIT} AS total_latency,
		SUM_SORT_MERGE_PASSES AS sort_merge_passes, ROUND(IFNULL(SUM_SORT_MERGE_PASSES / NULLIF(COUNT_STAR, 0), 0)) AS avg_sort_merges,
		SUM_SORT_SCAN AS sorts_using_scans, SUM_SORT_RANGE AS sort_using_range, SUM_SORT_ROWS AS rows_sorted,
		ROUND(IFNULL(SUM_SORT_ROWS / NULLIF(COUNT_STAR, 0), 0)) AS avg_rows_sorted,` + sysDigestTail + ` WHERE SUM_SORT_ROWS > 0 ORDER BY SUM_TIMER_WAIT DESC`,
	"statements_with_temp_tables": `SELECT {text DIGEST_TEXT} AS query, SCHEMA_NAME AS db, COUNT_STAR AS exec_count, {time SUM_TIMER_WAIT} AS total_latency,
		SUM_CREATED_TMP_TABLES AS memory_tmp_tables, SUM_CREATED_TMP_DISK_TABLES AS disk_tmp_tables,
		ROUND(IFNULL(SUM_CREATED_TMP_TABLES / NULLIF(COUNT_STAR, 0), 0)) AS avg_tmp_tables_per_query,
		ROUND(IFNULL(SUM_CREATED_TMP_DISK_TABLES / NULLIF(SUM_CREATED_TMP_TABLES, 0), 0) * 100) AS tmp_tables_to_disk_pct,` + sysDigestTail + `
		WHERE SUM_CREATED_TMP_TABLES > 0 ORDER BY SUM_CREATED_TMP_DISK_TABLES DESC, SUM_CREATED_TMP_TABLES DESC`,
}

// Parts of several texts of sysViews.
const (
	sysDigestTail    = ` FIRST_SEEN AS first_seen, LAST_SEEN AS last_seen, DIGEST AS digest FROM performance_schema.events_statements_summary_by_digest`
	sysBufferColumns = ` {bytes SUM(IF(COMPRESSED_SIZE = 0, 16384, COMPRESSED_SIZE))} AS allocated, {bytes SUM(DATA_SIZE)} AS data, COUNT(PAGE_NUMBER) AS pages,
		COUNT(IF(IS_HASHED = 'YES', 1, NULL)) AS pages_hashed, COUNT(IF(IS_OLD = 'YES', 1, NULL)) AS pages_old, ROUND(SUM(NUMBER_RECORDS)) AS rows_cached
		FROM information_schema.INNODB_BUFFER_PAGE WHERE TABLE_NAME IS NOT NULL`
	sysMemoryColumns = ` SUM(CURRENT_COUNT_USED) AS current_count_used, {bytes SUM(CURRENT_NUMBER_OF_BYTES_USED)} AS current_allocated,
		{bytes IFNULL(SUM(CURRENT_NUMBER_OF_BYTES_USED) / NULLIF(SUM(CURRENT_COUNT_USED), 0), 0)} AS current_avg_alloc,
		{bytes MAX(CURRENT_NUMBER_OF_BYTES_USED)} AS current_max_alloc, {bytes SUM(SUM_NUMBER_OF_BYTES_ALLOC)} AS total_allocated`
	sysFileBytes = ` COUNT_READ AS count_read, {bytes SUM_NUMBER_OF_BYTES_READ} AS total_read,
		{bytes IFNULL(SUM_NUMBER_OF_BYTES_READ / NULLIF(COUNT_READ, 0), 0)} AS avg_read, COUNT_WRITE AS count_write,
		{bytes SUM_NUMBER_OF_BYTES_WRITE} AS total_written, {bytes IFNULL(SUM_NUMBER_OF_BYTES_WRITE / NULLIF(COUNT_WRITE, 0), 0)} AS avg_written`
	sysTableFiles = ` LEFT JOIN sys.` + "`x$ps_schema_table_statistics_io`" + ` f ON f.table_schema = t.OBJECT_SCHEMA AND f.table_name = t.OBJECT_NAME`
)

// sysTableColumns are what statistics of tables show; first stands behind the names.
func sysTableColumns(first string) string {
	return ` t.OBJECT_SCHEMA AS table_schema, t.OBJECT_NAME AS table_name, ` + first + ` t.COUNT_FETCH AS rows_fetched, {time t.SUM_TIMER_FETCH} AS fetch_latency,
		t.COUNT_INSERT AS rows_inserted, {time t.SUM_TIMER_INSERT} AS insert_latency, t.COUNT_UPDATE AS rows_updated, {time t.SUM_TIMER_UPDATE} AS update_latency,
		t.COUNT_DELETE AS rows_deleted, {time t.SUM_TIMER_DELETE} AS delete_latency,
		f.count_read AS io_read_requests, {bytes f.sum_number_of_bytes_read} AS io_read, {time f.sum_timer_read} AS io_read_latency,
		f.count_write AS io_write_requests, {bytes f.sum_number_of_bytes_write} AS io_write, {time f.sum_timer_write} AS io_write_latency,
		f.count_misc AS io_misc_requests, {time f.sum_timer_misc} AS io_misc_latency`
}

// sysWaitClasses are the waits by the first three parts of their names.
func sysWaitClasses(order string) string {
	return `SELECT SUBSTRING_INDEX(EVENT_NAME, '/', 3) AS event_class, SUM(COUNT_STAR) AS total, {time SUM(SUM_TIMER_WAIT)} AS total_latency,
		{time MIN(MIN_TIMER_WAIT)} AS min_latency, {time IFNULL(SUM(SUM_TIMER_WAIT) / NULLIF(SUM(COUNT_STAR), 0), 0)} AS avg_latency,
		{time MAX(MAX_TIMER_WAIT)} AS max_latency FROM performance_schema.events_waits_summary_global_by_event_name
		WHERE SUM_TIMER_WAIT > 0 AND EVENT_NAME <> 'idle' GROUP BY event_class ORDER BY ` + order + ` DESC`
}

// sysSummaries are the views by user or by host: what is user or host, column USER or HOST of the tables that they read, others the
// word for how many of the other ones an account has.
func sysSummaries(what, column, others string) map[string]string {
	of := "IF(" + column + " IS NULL, 'background', " + column + ") AS " + what + ","
	table := func(kind string) string {
		return "performance_schema.events_" + kind + "_summary_by_" + what + "_by_event_name"
	}
	statements := ` SUM(COUNT_STAR) AS total, {time SUM(SUM_TIMER_WAIT)} AS total_latency, {time MAX(MAX_TIMER_WAIT)} AS max_latency,
		{time SUM(SUM_LOCK_TIME)} AS lock_latency, {time SUM(SUM_CPU_TIME)} AS cpu_latency, SUM(SUM_ROWS_SENT) AS rows_sent,
		SUM(SUM_ROWS_EXAMINED) AS rows_examined, SUM(SUM_ROWS_AFFECTED) AS rows_affected, SUM(SUM_NO_INDEX_USED) + SUM(SUM_NO_GOOD_INDEX_USED) AS full_scans
		FROM ` + table("statements")
	files := " FROM " + table("waits") + " WHERE EVENT_NAME LIKE 'wait/io/file/%'"
	other, latency := "HOST", "latency"
	if what == "host" {
		other, latency = "USER", "total_latency"
	}
	summary := what + "_summary"
	return map[string]string{
		summary: `SELECT a.` + what + ` AS ` + what + `, s.total AS statements, {time s.total_latency} AS statement_latency,
			{time IFNULL(s.total_latency / NULLIF(s.total, 0), 0)} AS statement_avg_latency, s.full_scans AS table_scans,
			f.ios AS file_ios, {time f.io_latency} AS file_io_latency, a.current_connections AS current_connections,
			a.total_connections AS total_connections, a.others AS unique_` + others + `, {bytes m.current_allocated} AS current_memory,
			{bytes m.total_allocated} AS total_memory_allocated
			FROM (SELECT ` + of + ` SUM(CURRENT_CONNECTIONS) AS current_connections, SUM(TOTAL_CONNECTIONS) AS total_connections,
				COUNT(DISTINCT ` + other + `) AS others FROM performance_schema.accounts GROUP BY ` + what + `) a
			LEFT JOIN sys.` + "`x$" + summary + "_by_statement_latency` s ON s." + what + " = a." + what + `
			LEFT JOIN sys.` + "`x$" + summary + "_by_file_io` f ON f." + what + " = a." + what + `
			LEFT JOIN sys.` + "`x$memory_by_" + what + "_by_current_bytes` m ON m." + what + " = a." + what + " ORDER BY s.total_latency DESC",
		summary + "_by_file_io": "SELECT " + of + " SUM(COUNT_STAR) AS ios, {time SUM(SUM_TIMER_WAIT)} AS io_latency" + files +
			" GROUP BY " + what + " ORDER BY SUM(SUM_TIMER_WAIT) DESC",
		summary + "_by_file_io_type": "SELECT " + of + ` EVENT_NAME AS event_name, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS ` + latency + `,
			{time MAX_TIMER_WAIT} AS max_latency` + files + " AND COUNT_STAR > 0 ORDER BY " + what + ", SUM_TIMER_WAIT DESC",
		summary + "_by_stages": "SELECT " + of + ` EVENT_NAME AS event_name, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS total_latency,
			{time AVG_TIMER_WAIT} AS avg_latency FROM ` + table("stages") + " WHERE SUM_TIMER_WAIT <> 0 ORDER BY " + what + ", SUM_TIMER_WAIT DESC",
		summary + "_by_statement_latency": "SELECT " + of + statements + " GROUP BY " + what + " ORDER BY SUM(SUM_TIMER_WAIT) DESC",
		summary + "_by_statement_type": "SELECT " + of + " SUBSTRING_INDEX(EVENT_NAME, '/', -1) AS statement," + statements +
			" WHERE SUM_TIMER_WAIT <> 0 GROUP BY " + what + ", statement ORDER BY " + what + ", SUM(SUM_TIMER_WAIT) DESC",
		"waits_by_" + what + "_by_latency": "SELECT " + of + ` EVENT_NAME AS event, COUNT_STAR AS total, {time SUM_TIMER_WAIT} AS total_latency,
			{time AVG_TIMER_WAIT} AS avg_latency, {time MAX_TIMER_WAIT} AS max_latency FROM ` + table("waits") + `
			WHERE EVENT_NAME <> 'idle' AND SUM_TIMER_WAIT > 0 ORDER BY ` + what + ", SUM_TIMER_WAIT DESC",
		"memory_by_" + what + "_by_current_bytes": "SELECT " + of + sysMemoryColumns + " FROM performance_schema.memory_summary_by_" + what + `_by_event_name
			GROUP BY ` + what + " ORDER BY SUM(CURRENT_NUMBER_OF_BYTES_USED) DESC",
	}
}

// formatPicoTime is FORMAT_PICO_TIME.
func formatPicoTime(ctx *sql.Context, args []any) (any, error) {
	v, err := floatOrNil(ctx, args[0])
	if v == nil || err != nil {
		return nil, err
	}
	n := *v
	for _, u := range []struct {
		size float64
		name string
	}{{86400e12, "d"}, {3600e12, "h"}, {60e12, "min"}, {1e12, "s"}, {1e9, "ms"}, {1e6, "us"}, {1e3, "ns"}} {
		if n >= u.size || -n >= u.size {
			return fmt.Sprintf("%.2f %s", n/u.size, u.name), nil
		}
	}
	return fmt.Sprintf("%3d ps", int64(n)), nil
}

// formatBytes is FORMAT_BYTES.
func formatBytes(ctx *sql.Context, args []any) (any, error) {
	v, err := floatOrNil(ctx, args[0])
	if v == nil || err != nil {
		return nil, err
	}
	n := *v
	for i, name := range []string{"EiB", "PiB", "TiB", "GiB", "MiB", "KiB"} {
		if size := float64(uint64(1) << (60 - 10*i)); n >= size || -n >= size {
			return fmt.Sprintf("%.2f %s", n/size, name), nil
		}
	}
	return fmt.Sprintf("%4d bytes", int64(n)), nil
}

// sysFunctions are the functions of sys.
var sysFunctions = map[string]*expr.FunctionDef{
	"format_bytes": {Name: "format_bytes", Args: 1, Typ: types.Text, Eval: sysFormatBytes},
	"format_time":  {Name: "format_time", Args: 1, Typ: types.Text, Eval: sysFormatTime},
	"ps_thread_id": {Name: "ps_thread_id", Args: 1, Typ: types.Uint64, Eval: inSession(func(ctx *sql.Context, s *Session, args []any) (any, error) {
		if args[0] == nil {
			return uint64(s.ID()), nil
		}
		return threadID(ctx, s, args)
	})},
	"version_major":    {Name: "version_major", Typ: types.Uint8, Eval: sysVersion(0)},
	"version_minor":    {Name: "version_minor", Typ: types.Uint8, Eval: sysVersion(1)},
	"version_patch":    {Name: "version_patch", Typ: types.Uint8, Eval: sysVersion(2)},
	"quote_identifier": sysText("quote_identifier", 1, func(_ *Session, args []string) string { return syntax.QuoteName(args[0]) }),
	"format_statement": sysText("format_statement", 1, func(_ *Session, args []string) string {
		const half = 32 - 2 // of statement_truncate_len
		if r := []rune(args[0]); len(r) > 64 {
			return strings.ReplaceAll(string(r[:half])+" ... "+string(r[len(r)-half:]), "\n", " ")
		}
		return strings.ReplaceAll(args[0], "\n", " ")
	}),
	"extract_schema_from_file_name": sysText("extract_schema_from_file_name", 1, func(_ *Session, args []string) string {
		parts := strings.Split(args[0], "/")
		return parts[max(len(parts)-2, 0)]
	}),
	"extract_table_from_file_name": sysText("extract_table_from_file_name", 1, func(_ *Session, args []string) string {
		name, _, _ := strings.Cut(args[0][strings.LastIndexByte(args[0], '/')+1:], ".")
		return strings.ReplaceAll(name, "@0024", "$")
	}),
	"sys_get_config": {Name: "sys_get_config", Args: 2, Typ: types.Text, Eval: func(ctx *sql.Context, args []any) (any, error) {
		if args[0] == nil {
			return args[1], nil
		}
		name, err := types.ConvertToString(ctx, args[0], types.LongText, nil)
		if value := sysConfig[name]; value != "" && err == nil {
			return value, nil
		}
		return args[1], err
	}},
	"list_add":  sysList("list_add", "in_add_value"),
	"list_drop": sysList("list_drop", "in_drop_value"),
}

// sysVersion returns a part of the version's number.
func sysVersion(part int) func(*sql.Context, []any) (any, error) {
	return func(*sql.Context, []any) (any, error) {
		n, err := strconv.ParseUint(strings.Split(ServerVersion, ".")[part], 10, 8)
		return uint8(n), err
	}
}

// sysText is a function of texts, NULL if one of them is.
func sysText(name string, args int, f func(s *Session, args []string) string) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: args, Typ: types.Text, Eval: inSession(func(ctx *sql.Context, s *Session, args []any) (any, error) {
		texts := make([]string, len(args))
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			text, err := types.ConvertToString(ctx, a, types.LongText, nil)
			if err != nil {
				return nil, err
			}
			texts[i] = text
		}
		return f(s, texts), nil
	})}
}

// sysList is a function that adds a value to a list of words between commas, or takes it out.
func sysList(name, parameter string) *expr.FunctionDef {
	change := sysText(name, 2, func(_ *Session, args []string) string {
		list, value := args[0], args[1]
		if name == "list_add" {
			return strings.Trim(strings.Trim(list, " "), ",") + "," + value
		}
		list = strings.ReplaceAll(","+list, ","+value, "")
		return strings.Trim(strings.ReplaceAll(list, ", "+value, ""), ",")
	})
	return &expr.FunctionDef{Name: name, Args: 2, Typ: types.Text, Eval: inSession(func(ctx *sql.Context, s *Session, args []any) (any, error) {
		switch {
		case args[1] == nil:
			return nil, mysql.NewSQLError(1138, "02200", "Function sys.%s: %s input variable should not be NULL", name, parameter)
		case args[0] != nil && args[0] != "":
			return change.Eval(ctx, args)
		case name == "list_add":
			return args[1], nil
		}
		return args[0], nil
	})}
}

// threadID is PS_THREAD_ID: the thread of a connection, which has its number; NULL without one.
func threadID(ctx *sql.Context, s *Session, args []any) (any, error) {
	id, ok := value.Numbers(ctx, args)
	if !ok || id[0] < 0 || id[0] > math.MaxUint32 {
		return nil, nil
	}
	if _, there := s.b.sessions.Load(uint32(id[0])); !there {
		return nil, nil
	}
	return uint64(id[0]), nil
}

// sysFormatBytes is sys.format_bytes, which has FORMAT_BYTES without the blanks before it.
func sysFormatBytes(ctx *sql.Context, args []any) (any, error) {
	v, err := formatBytes(ctx, args)
	if text, ok := v.(string); ok {
		return strings.TrimLeft(text, " "), err
	}
	return nil, err
}

// sysFormatTime is sys.format_time, of picoseconds.
func sysFormatTime(ctx *sql.Context, args []any) (any, error) {
	v, err := floatOrNil(ctx, args[0])
	if v == nil || err != nil {
		return nil, err
	}
	for _, u := range []struct {
		size float64
		name string
	}{{604800e12, "w"}, {86400e12, "d"}, {3600e12, "h"}, {60e12, "m"}, {1e12, "s"}, {1e9, "ms"}, {1e6, "us"}, {1e3, "ns"}} {
		if *v >= u.size {
			return fmt.Sprintf("%.2f %s", *v/u.size, u.name), nil
		}
	}
	return fmt.Sprintf("%.0f ps", *v), nil
}

func floatOrNil(ctx *sql.Context, v any) (*float64, error) {
	if v == nil {
		return nil, nil
	}
	f, _, err := types.Float64.Convert(ctx, v)
	if err != nil {
		return nil, err
	}
	n, _ := f.(float64)
	return &n, nil
}
