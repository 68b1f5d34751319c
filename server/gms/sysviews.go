package gms

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// newSys returns sys: those of its views whose figures the instance has, with the columns
// of MySQL 8.0. Each has a twin with x$ before its name, whose times are not formatted.
func newSys() *fixedDatabase {
	d := &fixedDatabase{name: "sys", views: map[string]sql.ViewDefinition{}}
	for name, text := range sysViews {
		raw := sysPlain.ReplaceAllString(text, "$2")
		text = sysStatement.ReplaceAllString(sysTime.ReplaceAllString(text, "format_pico_time($1)"),
			"IF(CHAR_LENGTH($1) > 64, CONCAT(LEFT($1, 30), ' ... ', RIGHT($1, 30)), $1)")
		if raw != text {
			d.view("x$"+name, strings.ReplaceAll(raw, "sys.", "sys.x$"))
		}
		d.view(name, text)
	}
	return d
}

// view adds a view.
func (d *fixedDatabase) view(name, text string) {
	text = strings.Join(strings.Fields(text), " ")
	d.views[name] = sql.ViewDefinition{Name: name, TextDefinition: text, CreateViewStatement: "CREATE VIEW `" + name + "` AS " + text}
}

// In the texts of sysViews {time x} is a time in picoseconds and {text x} a statement.
var (
	sysTime      = regexp.MustCompile(`\{time ([^}]*)\}`)
	sysStatement = regexp.MustCompile(`\{text ([^}]*)\}`)
	sysPlain     = regexp.MustCompile(`\{(time|text) ([^}]*)\}`)
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
