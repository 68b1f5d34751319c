package gms

import (
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// columnList are the columns of a type, one a line.
func columnList(typ string, names ...string) string {
	return strings.Join(names, " "+typ+"\n") + " " + typ + "\n"
}

const (
	bigNotNull = "bigint unsigned not null"
	bigNull    = "bigint unsigned"
	eventName  = "EVENT_NAME varchar(128) not null\n"
)

// timed are a count and the sum, least, mean and most of times.
func timed(what string) string {
	if what == "" {
		return columnList(bigNotNull, "COUNT_STAR", "SUM_TIMER_WAIT", "MIN_TIMER_WAIT", "AVG_TIMER_WAIT", "MAX_TIMER_WAIT")
	}
	return columnList(bigNotNull, "COUNT_"+what, "SUM_TIMER_"+what, "MIN_TIMER_"+what, "AVG_TIMER_"+what, "MAX_TIMER_"+what)
}

// timedEach are those of several things.
func timedEach(what ...string) string {
	var out strings.Builder
	for _, w := range what {
		out.WriteString(timed(w))
	}
	return out.String()
}

// eventHead and eventTail are the first and last columns of the tables of events.
const (
	eventHead = "THREAD_ID bigint unsigned not null\nEVENT_ID bigint unsigned not null\nEND_EVENT_ID bigint unsigned\n" + eventName
	eventTime = "SOURCE varchar(64)\nTIMER_START bigint unsigned\nTIMER_END bigint unsigned\nTIMER_WAIT bigint unsigned\n"
	eventTail = "NESTING_EVENT_ID bigint unsigned\nNESTING_EVENT_TYPE enum('TRANSACTION','STATEMENT','STAGE','WAIT')\n"
)

// summaryKeys are what the summaries of events are by.
var summaryKeys = map[string]string{
	"global_by_event_name":     "",
	"by_account_by_event_name": "USER char(32)\nHOST char(255)\n",
	"by_host_by_event_name":    "HOST char(255)\n",
	"by_thread_by_event_name":  "THREAD_ID bigint unsigned not null\n",
	"by_user_by_event_name":    "USER char(32)\n",
}

// unmeasured are the tables of what the instance does not record, which are empty as they
// are in MySQL when the instruments are off. Monitors read them all the same.
func unmeasured() map[string]string {
	statementSums := timed("") + columnList(bigNotNull, "SUM_LOCK_TIME", "SUM_ERRORS", "SUM_WARNINGS", "SUM_ROWS_AFFECTED", "SUM_ROWS_SENT",
		"SUM_ROWS_EXAMINED", "SUM_CREATED_TMP_DISK_TABLES", "SUM_CREATED_TMP_TABLES", "SUM_SELECT_FULL_JOIN", "SUM_SELECT_FULL_RANGE_JOIN",
		"SUM_SELECT_RANGE", "SUM_SELECT_RANGE_CHECK", "SUM_SELECT_SCAN", "SUM_SORT_MERGE_PASSES", "SUM_SORT_RANGE", "SUM_SORT_ROWS",
		"SUM_SORT_SCAN", "SUM_NO_INDEX_USED", "SUM_NO_GOOD_INDEX_USED", "SUM_CPU_TIME", "MAX_CONTROLLED_MEMORY", "MAX_TOTAL_MEMORY",
		"COUNT_SECONDARY")
	memory := columnList(bigNotNull, "COUNT_ALLOC", "COUNT_FREE", "SUM_NUMBER_OF_BYTES_ALLOC", "SUM_NUMBER_OF_BYTES_FREE") +
		columnList("bigint not null", "LOW_COUNT_USED", "CURRENT_COUNT_USED", "HIGH_COUNT_USED", "LOW_NUMBER_OF_BYTES_USED",
			"CURRENT_NUMBER_OF_BYTES_USED", "HIGH_NUMBER_OF_BYTES_USED")
	errors := `ERROR_NUMBER int
		ERROR_NAME varchar(64)
		SQL_STATE varchar(5)
		SUM_ERROR_RAISED bigint unsigned not null
		SUM_ERROR_HANDLED bigint unsigned not null
		FIRST_SEEN timestamp
		LAST_SEEN timestamp`
	object := "OBJECT_TYPE varchar(64)\nOBJECT_SCHEMA varchar(64)\nOBJECT_NAME varchar(64)\n"
	ofTables := timedEach("", "READ", "WRITE", "FETCH", "INSERT", "UPDATE", "DELETE")
	transfer := timed("READ") + "SUM_NUMBER_OF_BYTES_READ bigint not null\n" + timed("WRITE") + "SUM_NUMBER_OF_BYTES_WRITE bigint not null\n" + timed("MISC")
	instance := "OBJECT_INSTANCE_BEGIN bigint unsigned not null\n"
	bucket := columnList(bigNotNull, "BUCKET_TIMER_LOW", "BUCKET_TIMER_HIGH", "COUNT_BUCKET", "COUNT_BUCKET_AND_LOWER") + "BUCKET_QUANTILE double(7,6) not null"

	out := map[string]string{
		"cond_instances": "NAME varchar(128) not null\n" + instance,
		"error_log": `LOGGED timestamp(6) not null
			THREAD_ID bigint unsigned
			PRIO enum('System','Error','Warning','Note') not null
			ERROR_CODE varchar(10)
			SUBSYSTEM varchar(7)
			DATA text not null`,
		"events_errors_summary_by_account_by_error": "USER char(32)\nHOST char(255)\n" + errors,
		"events_errors_summary_by_host_by_error":    "HOST char(255)\n" + errors,
		"events_errors_summary_by_thread_by_error":  "THREAD_ID bigint unsigned not null\n" + errors,
		"events_errors_summary_by_user_by_error":    "USER char(32)\n" + errors,
		"events_errors_summary_global_by_error":     errors,
		"events_statements_histogram_by_digest":     "SCHEMA_NAME varchar(64)\nDIGEST varchar(64)\nBUCKET_NUMBER int unsigned not null\n" + bucket,
		"events_statements_histogram_global":        "BUCKET_NUMBER int unsigned not null\n" + bucket,
		"events_waits_summary_by_instance":          eventName + instance + timed(""),
		"file_instances":                            "FILE_NAME varchar(512) not null\n" + eventName + "OPEN_COUNT int unsigned not null",
		"file_summary_by_event_name":                eventName + timed("") + transfer,
		"file_summary_by_instance":                  "FILE_NAME varchar(512) not null\n" + eventName + instance + timed("") + transfer,
		"socket_summary_by_event_name":              eventName + timed("") + transfer,
		"socket_summary_by_instance":                eventName + instance + timed("") + transfer,
		"keyring_component_status":                  "STATUS_KEY varchar(256) not null\nSTATUS_VALUE varchar(1024) not null",
		"keyring_keys":                              "KEY_ID varchar(255) not null\nKEY_OWNER varchar(255)\nBACKEND_KEY_ID varchar(255)",
		"mutex_instances":                           "NAME varchar(128) not null\n" + instance + "LOCKED_BY_THREAD_ID bigint unsigned",
		"objects_summary_global_by_type":            object + timed(""),
		"rwlock_instances":                          "NAME varchar(128) not null\n" + instance + "WRITE_LOCKED_BY_THREAD_ID bigint unsigned\nREAD_LOCKED_BY_COUNT int unsigned not null",
		"setup_threads":                             "NAME varchar(128) not null\nENABLED enum('YES','NO') not null\nHISTORY enum('YES','NO') not null\nPROPERTIES set('singleton','user') not null\nVOLATILITY int not null\nDOCUMENTATION longtext",
		"table_io_waits_summary_by_table":           object + ofTables,
		"table_io_waits_summary_by_index_usage":     object + "INDEX_NAME varchar(64)\n" + ofTables,
		"table_handles":                             "OBJECT_TYPE varchar(64) not null\nOBJECT_SCHEMA varchar(64) not null\nOBJECT_NAME varchar(64) not null\n" + instance + "OWNER_THREAD_ID bigint unsigned\nOWNER_EVENT_ID bigint unsigned\nINTERNAL_LOCK varchar(64)\nEXTERNAL_LOCK varchar(64)",
		"user_defined_functions":                    "UDF_NAME varchar(64) not null\nUDF_RETURN_TYPE varchar(20) not null\nUDF_TYPE varchar(20) not null\nUDF_LIBRARY varchar(1024)\nUDF_USAGE_COUNT bigint",
		"events_statements_summary_by_program":      "OBJECT_TYPE enum('EVENT','FUNCTION','PROCEDURE','TABLE','TRIGGER') not null\nOBJECT_SCHEMA varchar(64) not null\nOBJECT_NAME varchar(64) not null\n" + timed("") + columnList(bigNotNull, "COUNT_STATEMENTS", "SUM_STATEMENTS_WAIT", "MIN_STATEMENTS_WAIT", "AVG_STATEMENTS_WAIT", "MAX_STATEMENTS_WAIT") + strings.TrimPrefix(statementSums, timed("")),
		"table_lock_waits_summary_by_table": object + timedEach("", "READ", "WRITE", "READ_NORMAL", "READ_WITH_SHARED_LOCKS", "READ_HIGH_PRIORITY",
			"READ_NO_INSERT", "READ_EXTERNAL", "WRITE_ALLOW_WRITE", "WRITE_CONCURRENT_INSERT", "WRITE_LOW_PRIORITY", "WRITE_NORMAL", "WRITE_EXTERNAL"),
		"socket_instances": eventName + instance + `THREAD_ID bigint unsigned
			SOCKET_ID int not null
			IP varchar(64) not null
			PORT int not null
			STATE enum('IDLE','ACTIVE') not null`,
		"replication_group_members": `CHANNEL_NAME char(64) not null
			MEMBER_ID char(36) not null
			MEMBER_HOST char(255) not null
			MEMBER_PORT int
			MEMBER_STATE char(64) not null
			MEMBER_ROLE char(64) not null
			MEMBER_VERSION char(64) not null
			MEMBER_COMMUNICATION_STACK char(64) not null`,
		"replication_group_member_stats": "CHANNEL_NAME char(64) not null\nVIEW_ID char(60) not null\nMEMBER_ID char(36) not null\n" +
			columnList(bigNotNull, "COUNT_TRANSACTIONS_IN_QUEUE", "COUNT_TRANSACTIONS_CHECKED", "COUNT_CONFLICTS_DETECTED", "COUNT_TRANSACTIONS_ROWS_VALIDATING") +
			"TRANSACTIONS_COMMITTED_ALL_MEMBERS longtext not null\nLAST_CONFLICT_FREE_TRANSACTION text not null\n" +
			columnList(bigNotNull, "COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE", "COUNT_TRANSACTIONS_REMOTE_APPLIED", "COUNT_TRANSACTIONS_LOCAL_PROPOSED", "COUNT_TRANSACTIONS_LOCAL_ROLLBACK"),
		"replication_applier_status_by_worker": "CHANNEL_NAME char(64) not null\nWORKER_ID bigint unsigned not null\nTHREAD_ID bigint unsigned\nSERVICE_STATE enum('ON','OFF') not null\n" +
			lastError("LAST_ERROR") + transactionTimes("LAST_APPLIED", "START_APPLY", "END_APPLY") + transactionTimes("APPLYING", "START_APPLY") +
			"LAST_APPLIED_TRANSACTION_RETRIES_COUNT bigint unsigned not null\n" + lastError("LAST_APPLIED_TRANSACTION_LAST_TRANSIENT_ERROR") +
			"APPLYING_TRANSACTION_RETRIES_COUNT bigint unsigned not null\n" + lastError("APPLYING_TRANSACTION_LAST_TRANSIENT_ERROR"),
		"replication_applier_status_by_coordinator": "CHANNEL_NAME char(64) not null\nTHREAD_ID bigint unsigned\nSERVICE_STATE enum('ON','OFF') not null\n" +
			lastError("LAST_ERROR") + transactionTimes("LAST_PROCESSED", "START_BUFFER", "END_BUFFER") + transactionTimes("PROCESSING", "START_BUFFER"),
		"replication_connection_status": `CHANNEL_NAME char(64) not null
			GROUP_NAME char(36) not null
			SOURCE_UUID char(36) not null
			THREAD_ID bigint unsigned
			SERVICE_STATE enum('ON','OFF','CONNECTING') not null
			COUNT_RECEIVED_HEARTBEATS bigint unsigned not null
			LAST_HEARTBEAT_TIMESTAMP timestamp(6) not null
			RECEIVED_TRANSACTION_SET longtext not null
			LAST_ERROR_NUMBER int not null
			LAST_ERROR_MESSAGE varchar(1024) not null
			LAST_ERROR_TIMESTAMP timestamp(6) not null
			LAST_QUEUED_TRANSACTION char(57) not null
			LAST_QUEUED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP timestamp(6) not null
			LAST_QUEUED_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP timestamp(6) not null
			LAST_QUEUED_TRANSACTION_START_QUEUE_TIMESTAMP timestamp(6) not null
			LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP timestamp(6) not null
			QUEUEING_TRANSACTION char(57) not null
			QUEUEING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP timestamp(6) not null
			QUEUEING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP timestamp(6) not null
			QUEUEING_TRANSACTION_START_QUEUE_TIMESTAMP timestamp(6) not null`,
		"replication_applier_status": `CHANNEL_NAME char(64) not null
			SERVICE_STATE enum('ON','OFF') not null
			REMAINING_DELAY int unsigned
			COUNT_TRANSACTIONS_RETRIES bigint unsigned not null`,
		"replication_applier_configuration": `CHANNEL_NAME char(64) not null
			DESIRED_DELAY int not null
			PRIVILEGE_CHECKS_USER text
			REQUIRE_ROW_FORMAT enum('YES','NO') not null
			REQUIRE_TABLE_PRIMARY_KEY_CHECK enum('STREAM','ON','OFF','GENERATE') not null
			ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_TYPE enum('OFF','LOCAL','UUID') not null
			ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_VALUE text`,
		"variables_by_thread":      "THREAD_ID bigint unsigned not null\nVARIABLE_NAME varchar(64) not null\nVARIABLE_VALUE varchar(1024)",
		"status_by_thread":         "THREAD_ID bigint unsigned not null\nVARIABLE_NAME varchar(64) not null\nVARIABLE_VALUE varchar(1024)",
		"status_by_account":        "USER char(32)\nHOST char(255)\nVARIABLE_NAME varchar(64) not null\nVARIABLE_VALUE varchar(1024)",
		"status_by_host":           "HOST char(255)\nVARIABLE_NAME varchar(64) not null\nVARIABLE_VALUE varchar(1024)",
		"status_by_user":           "USER char(32)\nVARIABLE_NAME varchar(64) not null\nVARIABLE_VALUE varchar(1024)",
		"user_variables_by_thread": "THREAD_ID bigint unsigned not null\nVARIABLE_NAME varchar(64) not null\nVARIABLE_VALUE longblob",
		"prepared_statements_instances": instance + `STATEMENT_ID bigint unsigned not null
			STATEMENT_NAME varchar(64)
			SQL_TEXT longtext not null
			OWNER_THREAD_ID bigint unsigned not null
			OWNER_EVENT_ID bigint unsigned not null
			OWNER_OBJECT_TYPE enum('EVENT','FUNCTION','PROCEDURE','TABLE','TRIGGER')
			OWNER_OBJECT_SCHEMA varchar(64)
			OWNER_OBJECT_NAME varchar(64)
			EXECUTION_ENGINE enum('PRIMARY','SECONDARY')
			TIMER_PREPARE bigint unsigned not null
			COUNT_REPREPARE bigint unsigned not null
			` + columnList(bigNotNull, "COUNT_EXECUTE", "SUM_TIMER_EXECUTE", "MIN_TIMER_EXECUTE", "AVG_TIMER_EXECUTE", "MAX_TIMER_EXECUTE") +
			strings.TrimPrefix(statementSums, timed("")),
	}
	for by, key := range summaryKeys {
		out["events_waits_summary_"+by] = key + eventName + timed("")
		out["events_stages_summary_"+by] = key + eventName + timed("")
		out["events_statements_summary_"+by] = key + eventName + statementSums
		out["events_transactions_summary_"+by] = key + eventName + timedEach("", "READ_WRITE", "READ_ONLY")
		out["memory_summary_"+by] = key + eventName + memory
	}
	for _, when := range []string{"current", "history", "history_long"} {
		out["events_waits_"+when] = eventHead + eventTime + `SPINS int unsigned
			OBJECT_SCHEMA varchar(64)
			OBJECT_NAME varchar(512)
			INDEX_NAME varchar(64)
			OBJECT_TYPE varchar(64)
			` + instance + eventTail + "OPERATION varchar(32) not null\nNUMBER_OF_BYTES bigint\nFLAGS int unsigned"
		out["events_stages_"+when] = eventHead + eventTime + "WORK_COMPLETED bigint unsigned\nWORK_ESTIMATED bigint unsigned\n" + eventTail
		out["events_statements_"+when] = eventHead + eventTime + `LOCK_TIME bigint unsigned not null
			SQL_TEXT longtext
			DIGEST varchar(64)
			DIGEST_TEXT longtext
			CURRENT_SCHEMA varchar(64)
			OBJECT_TYPE varchar(64)
			OBJECT_SCHEMA varchar(64)
			OBJECT_NAME varchar(64)
			OBJECT_INSTANCE_BEGIN bigint unsigned
			MYSQL_ERRNO int
			RETURNED_SQLSTATE varchar(5)
			MESSAGE_TEXT varchar(128)
			` + columnList(bigNotNull, "ERRORS", "WARNINGS", "ROWS_AFFECTED", "ROWS_SENT", "ROWS_EXAMINED", "CREATED_TMP_DISK_TABLES",
			"CREATED_TMP_TABLES", "SELECT_FULL_JOIN", "SELECT_FULL_RANGE_JOIN", "SELECT_RANGE", "SELECT_RANGE_CHECK", "SELECT_SCAN",
			"SORT_MERGE_PASSES", "SORT_RANGE", "SORT_ROWS", "SORT_SCAN", "NO_INDEX_USED", "NO_GOOD_INDEX_USED") + eventTail +
			"NESTING_EVENT_LEVEL int\nSTATEMENT_ID bigint unsigned\n" + columnList(bigNotNull, "CPU_TIME", "MAX_CONTROLLED_MEMORY", "MAX_TOTAL_MEMORY") +
			"EXECUTION_ENGINE enum('PRIMARY','SECONDARY')"
		out["events_transactions_"+when] = eventHead + `STATE enum('ACTIVE','COMMITTED','ROLLED BACK')
			TRX_ID bigint unsigned
			GTID varchar(64)
			XID_FORMAT_ID int
			XID_GTRID varchar(130)
			XID_BQUAL varchar(130)
			XA_STATE varchar(64)
			` + eventTime + `ACCESS_MODE enum('READ ONLY','READ WRITE')
			ISOLATION_LEVEL varchar(64)
			AUTOCOMMIT enum('YES','NO') not null
			` + columnList(bigNull, "NUMBER_OF_SAVEPOINTS", "NUMBER_OF_ROLLBACK_TO_SAVEPOINT", "NUMBER_OF_RELEASE_SAVEPOINT", "OBJECT_INSTANCE_BEGIN") + eventTail
	}
	return out
}

// transactionRows are events_transactions_current: the transactions of several statements that are open and have had one.
// What MySQL shows of the last one after its end, there is not.
func transactionRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	began := map[uint64]engine.TransactionInfo{}
	for _, t := range s.b.db.Transactions() {
		began[t.Session] = t
	}
	var rows []sql.Row
	for _, t := range s.b.threads(ctx) {
		tx, ok := began[t.id]
		v, known := s.b.sessions.Load(uint32(t.id))
		if !ok || !known {
			continue
		}
		level := v.(*Session).open.Load()
		if level == nil {
			continue
		}
		access := "READ WRITE"
		if tx.ReadOnly {
			access = "READ ONLY"
		}
		start := picoseconds(tx.Start.Sub(s.b.started))
		now := picoseconds(time.Since(s.b.started))
		rows = append(rows, sql.Row{t.id, tx.ID, nil, "transaction", "ACTIVE", tx.ID, "AUTOMATIC", nil, nil, nil, nil,
			nil, start, now, now - min(start, now), access, *level, "NO", 0, 0, 0, nil, nil, nil})
	}
	return rows, nil
}

// userVariableRows are user_variables_by_thread: the user variables that the sessions have set, NULLs too.
func userVariableRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, t := range s.b.threads(ctx) {
		v, known := s.b.sessions.Load(uint32(t.id))
		if !known {
			continue
		}
		of := v.(*Session)
		var failed error
		of.variables.Range(func(_, name any) bool {
			typ, v, err := of.BaseSession.GetUserVariable(ctx, name.(string))
			if err != nil || typ == nil || v == nil {
				rows, failed = append(rows, sql.Row{t.id, name, nil}), err
				return err == nil
			}
			text, err := typ.SQL(ctx, nil, v)
			rows, failed = append(rows, sql.Row{t.id, name, text.Raw()}), err
			return err == nil
		})
		if failed != nil {
			return nil, failed
		}
	}
	return rows, nil
}

// statementRows are events_statements_current: the statements that run. What MySQL shows of the last one of a thread
// after its end, there is not. What scans have read counts when they end.
func statementRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	norm := syntax.Normalizer{}
	for _, t := range s.b.threads(ctx) {
		v, known := s.b.sessions.Load(uint32(t.id))
		if t.query == "" || !known {
			continue
		}
		of := v.(*Session)
		start, wait := picoseconds(t.start.Sub(s.b.started)), picoseconds(time.Since(t.start))
		text := norm.Normalize(t.query)
		r := sql.Row{t.id, t.pid, nil, "statement/sql/" + statementKind(t.query), nil, start, start + wait, wait, 0,
			strings.ToValidUTF8(t.query[:min(len(t.query), sampleMax)], "?"), digestOf(text), strings.ToValidUTF8(string(text), "?"),
			orNull(t.db), nil, nil, nil, nil, nil, nil, nil, 0, 0, 0, of.recorder.rows.Load()}
		for _, w := range []task{examined, tmpDiskTables, tmpTables, selectFullJoin, tasks, selectRange, tasks, selectScan, mergePasses, sortRange, sortRows, sortScan} {
			n := uint64(0)
			if w != tasks { // of what is not counted
				n = of.work[w].Load()
			}
			r = append(r, n)
		}
		rows = append(rows, append(r, 0, 0, nil, nil, 0, t.pid, 0, 0, 0, "PRIMARY"))
	}
	return rows, nil
}

// statementKind is the end of the name of a statement's event.
func statementKind(query string) string {
	words := leading(query, 2)
	switch {
	case len(words) == 0, words[0] == "with", words[0] == "table", words[0] == "values":
		return "select"
	case words[0] == "set":
		return "set_option"
	case words[0] == "call":
		return "call_procedure"
	case len(words) > 1 && slices.Contains([]string{"alter", "create", "drop", "show"}, words[0]):
		return words[0] + "_" + words[1]
	}
	return words[0]
}

// addUnmeasured adds the tables that are empty, performance_timers, events_transactions_current,
// events_statements_current and user_variables_by_thread.
func (d *fixedDatabase) addUnmeasured() {
	for name, columns := range unmeasured() {
		rows := func(*sql.Context, *Session) ([]sql.Row, error) { return nil, nil }
		switch name {
		case "events_transactions_current":
			rows = transactionRows
		case "events_statements_current":
			rows = statementRows
		case "user_variables_by_thread":
			rows = userVariableRows
		}
		d.add(name, columns, rows)
	}
	d.add("performance_timers", `
		TIMER_NAME enum('CYCLE','NANOSECOND','MICROSECOND','MILLISECOND','THREAD_CPU') not null
		TIMER_FREQUENCY bigint
		TIMER_RESOLUTION bigint
		TIMER_OVERHEAD bigint`, func(*sql.Context, *Session) ([]sql.Row, error) {
		return []sql.Row{{"NANOSECOND", 1000000000, 1, nil}}, nil
	})
}

// lastError are the columns of the last error of a replica.
func lastError(name string) string {
	return name + "_NUMBER int not null\n" + name + "_MESSAGE varchar(1024) not null\n" + name + "_TIMESTAMP timestamp(6) not null\n"
}

// transactionTimes are the columns of a transaction of a replica.
func transactionTimes(name string, steps ...string) string {
	name += "_TRANSACTION"
	out := name + " char(57) not null\n"
	for _, step := range append([]string{"ORIGINAL_COMMIT", "IMMEDIATE_COMMIT"}, steps...) {
		out += name + "_" + step + "_TIMESTAMP timestamp(6) not null\n"
	}
	return out
}
