package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
)

// newPerformanceSchema returns performance_schema: the tables that monitors read, with
// the columns of MySQL 8.0. A column that the instance does not measure is 0 or NULL,
// as with an instrument that is off. The tables cannot be written; TRUNCATE of the summaries and
// of events empties them, and UPDATE of a setup table may say what is so already.
func newPerformanceSchema() *fixedDatabase {
	d := &fixedDatabase{name: "performance_schema"}
	d.add("events_statements_summary_by_digest", digestColumns, digestRows)
	d.add("threads", threadColumns, threadRows)
	d.add("processlist", processColumns, processRows)
	for _, name := range []string{"global_variables", "session_variables", "global_status", "session_status"} {
		d.add(name, `
			VARIABLE_NAME varchar(64) not null
			VARIABLE_VALUE varchar(1024)`,
			func(ctx *sql.Context, s *Session) ([]sql.Row, error) { return variableRows(ctx, s, name) })
	}
	d.add("session_connect_attrs", attributeColumns, func(ctx *sql.Context, s *Session) ([]sql.Row, error) {
		return attributeRows(s.b.threads(ctx)), nil
	})
	d.add("session_account_connect_attrs", attributeColumns, func(ctx *sql.Context, s *Session) ([]sql.Row, error) {
		var own []thread
		for _, t := range s.b.threads(ctx) {
			if t.user == s.user && t.address == s.host {
				own = append(own, t)
			}
		}
		return attributeRows(own), nil
	})
	d.addVariables()
	d.addAccounts()
	d.addLocks()
	d.addSetup()
	d.addUnmeasured()
	for name, t := range d.tables {
		if strings.HasPrefix(name, "events_") || strings.Contains(name, "_summary_") || strings.HasPrefix(name, "status_by_") {
			t.empty = func(*Backend) {}
		}
		t.setup = strings.HasPrefix(name, "setup_")
	}
	d.tables["events_statements_summary_by_digest"].empty = func(b *Backend) { b.digests.clear() }
	return d
}

const digestColumns = `
	SCHEMA_NAME varchar(64)
	DIGEST varchar(64)
	DIGEST_TEXT longtext
	COUNT_STAR bigint unsigned not null
	SUM_TIMER_WAIT bigint unsigned not null
	MIN_TIMER_WAIT bigint unsigned not null
	AVG_TIMER_WAIT bigint unsigned not null
	MAX_TIMER_WAIT bigint unsigned not null
	SUM_LOCK_TIME bigint unsigned not null
	SUM_ERRORS bigint unsigned not null
	SUM_WARNINGS bigint unsigned not null
	SUM_ROWS_AFFECTED bigint unsigned not null
	SUM_ROWS_SENT bigint unsigned not null
	SUM_ROWS_EXAMINED bigint unsigned not null
	SUM_CREATED_TMP_DISK_TABLES bigint unsigned not null
	SUM_CREATED_TMP_TABLES bigint unsigned not null
	SUM_SELECT_FULL_JOIN bigint unsigned not null
	SUM_SELECT_FULL_RANGE_JOIN bigint unsigned not null
	SUM_SELECT_RANGE bigint unsigned not null
	SUM_SELECT_RANGE_CHECK bigint unsigned not null
	SUM_SELECT_SCAN bigint unsigned not null
	SUM_SORT_MERGE_PASSES bigint unsigned not null
	SUM_SORT_RANGE bigint unsigned not null
	SUM_SORT_ROWS bigint unsigned not null
	SUM_SORT_SCAN bigint unsigned not null
	SUM_NO_INDEX_USED bigint unsigned not null
	SUM_NO_GOOD_INDEX_USED bigint unsigned not null
	SUM_CPU_TIME bigint unsigned not null
	MAX_CONTROLLED_MEMORY bigint unsigned not null
	MAX_TOTAL_MEMORY bigint unsigned not null
	COUNT_SECONDARY bigint unsigned not null
	FIRST_SEEN timestamp(6) not null
	LAST_SEEN timestamp(6) not null
	QUANTILE_95 bigint unsigned not null
	QUANTILE_99 bigint unsigned not null
	QUANTILE_999 bigint unsigned not null
	QUERY_SAMPLE_TEXT longtext
	QUERY_SAMPLE_SEEN timestamp(6) not null
	QUERY_SAMPLE_TIMER_WAIT bigint unsigned not null`

// picoseconds is the unit of the performance schema's timers.
func picoseconds(d time.Duration) uint64 { return uint64(max(d, 0)) * 1000 }

func digestRows(_ *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, e := range s.b.digests.list() {
		var schema, sample any
		if e.hasSchema {
			schema = e.schema
		}
		if e.digest != "" {
			sample = strings.ToValidUTF8(e.sample, "?")
		}
		r := sql.Row{schema, orNull(e.digest), orNull(strings.ToValidUTF8(e.text, "?")), e.count,
			picoseconds(e.sum), picoseconds(e.min), picoseconds(e.sum / time.Duration(e.count)), picoseconds(e.max),
			0, e.errors, e.warnings, e.affected, e.sent, e.work[examined], e.work[tmpDiskTables], e.work[tmpTables],
			e.work[selectFullJoin], 0, e.work[selectRange], 0, e.work[selectScan], e.work[mergePasses], e.work[sortRange],
			e.work[sortRows], e.work[sortScan], e.whole}
		for len(r) < 31 {
			r = append(r, 0)
		}
		rows = append(rows, append(r, e.first.UTC(), e.last.UTC(), picoseconds(e.quantile(0.95)),
			picoseconds(e.quantile(0.99)), picoseconds(e.quantile(0.999)), sample, seen(e.sampleSeen, e.first),
			picoseconds(e.sampleTook)))
	}
	return rows, nil
}

// seen is t, or the other time where there is none.
func seen(t, other time.Time) time.Time {
	if t.IsZero() {
		t = other
	}
	return t.UTC()
}

const threadColumns = `
	THREAD_ID bigint unsigned not null
	NAME varchar(128) not null
	TYPE varchar(10) not null
	PROCESSLIST_ID bigint unsigned
	PROCESSLIST_USER varchar(32)
	PROCESSLIST_HOST varchar(255)
	PROCESSLIST_DB varchar(64)
	PROCESSLIST_COMMAND varchar(16)
	PROCESSLIST_TIME bigint
	PROCESSLIST_STATE varchar(64)
	PROCESSLIST_INFO longtext
	PARENT_THREAD_ID bigint unsigned
	ROLE varchar(64)
	INSTRUMENTED enum('YES','NO') not null
	HISTORY enum('YES','NO') not null
	CONNECTION_TYPE varchar(16)
	THREAD_OS_ID bigint unsigned
	RESOURCE_GROUP varchar(64)
	EXECUTION_ENGINE enum('PRIMARY','SECONDARY')
	CONTROLLED_MEMORY bigint unsigned not null
	MAX_CONTROLLED_MEMORY bigint unsigned not null
	TOTAL_MEMORY bigint unsigned not null
	MAX_TOTAL_MEMORY bigint unsigned not null`

// threadRows: a connection's thread id is its connection id, there are no other threads.
func threadRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, t := range s.b.threads(ctx) {
		rows = append(rows, sql.Row{t.id, "thread/sql/one_connection", "FOREGROUND", t.id, t.user, t.address,
			orNull(t.db), t.command, t.seconds(), orNull(t.state), t.info(), nil, nil, "YES", "NO", "TCP/IP", nil, nil,
			"PRIMARY", 0, 0, 0, 0})
	}
	return rows, nil
}

const processColumns = `
	ID bigint unsigned not null
	USER varchar(32)
	HOST varchar(261)
	DB varchar(64)
	COMMAND varchar(16)
	TIME bigint
	STATE varchar(64)
	INFO longtext
	EXECUTION_ENGINE enum('PRIMARY','SECONDARY')`

func processRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	var rows []sql.Row
	for _, t := range s.b.threads(ctx) {
		rows = append(rows, sql.Row{t.id, t.user, t.host, orNull(t.db), t.command, t.seconds(), t.state, t.info(), "PRIMARY"})
	}
	return rows, nil
}

// variableRows returns the rows of one of the tables of variables, as SHOW has them.
func variableRows(ctx *sql.Context, s *Session, table string) ([]sql.Row, error) {
	values := map[string]any{}
	switch table {
	case "global_variables":
		for name, v := range sql.SystemVariables.GetAllGlobalVariables() {
			if live, ok := s.b.liveVariable(name); ok {
				v = live
			}
			values[name] = v
		}
	case "session_variables":
		values = s.GetAllSessionVariables()
	default:
		s.b.refreshStatus()
		for name, v := range sql.StatusVariables.NewGlobalMap() {
			values[name] = v.Value()
		}
		if table == "session_status" {
			for name, v := range s.GetAllStatusVariables(ctx) {
				values[name] = v.Value()
			}
		}
	}
	var rows []sql.Row
	for _, name := range sortedNames(values) {
		rows = append(rows, sql.Row{name, shownVariable(values[name])})
	}
	return rows, nil
}

const attributeColumns = `
	PROCESSLIST_ID int not null
	ATTR_NAME varchar(32) not null
	ATTR_VALUE varchar(1024)
	ORDINAL_POSITION int`

func attributeRows(threads []thread) []sql.Row {
	var rows []sql.Row
	for _, t := range threads {
		for i, name := range sortedNames(t.attributes) {
			rows = append(rows, sql.Row{t.id, name, t.attributes[name], i})
		}
	}
	return rows
}

// addSetup adds the setup tables: what is recorded, as far as MySQL has a name for it.
func (d *fixedDatabase) addSetup() {
	fixed := func(rows ...sql.Row) func(*sql.Context, *Session) ([]sql.Row, error) {
		return func(*sql.Context, *Session) ([]sql.Row, error) {
			out := make([]sql.Row, len(rows))
			for i, r := range rows {
				out[i] = append(sql.Row(nil), r...)
			}
			return out, nil
		}
	}
	d.add("setup_actors", `
		HOST char(255) not null
		USER char(32) not null
		ROLE char(32) not null
		ENABLED enum('YES','NO') not null
		HISTORY enum('YES','NO') not null`,
		fixed(sql.Row{"%", "%", "%", "YES", "NO"}))
	var consumers []sql.Row
	for _, name := range []string{"events_stages_current", "events_stages_history", "events_stages_history_long",
		"events_statements_cpu", "events_statements_history",
		"events_statements_history_long", "events_transactions_history",
		"events_transactions_history_long", "events_waits_current", "events_waits_history", "events_waits_history_long"} {
		consumers = append(consumers, sql.Row{name, "NO"})
	}
	for _, name := range []string{"events_statements_current", "events_transactions_current", "global_instrumentation", "thread_instrumentation", "statements_digest"} {
		consumers = append(consumers, sql.Row{name, "YES"})
	}
	d.add("setup_consumers", `
		NAME varchar(64) not null
		ENABLED enum('YES','NO') not null`, fixed(consumers...))
	d.add("setup_instruments", `
		NAME varchar(128) not null
		ENABLED enum('YES','NO') not null
		TIMED enum('YES','NO')
		PROPERTIES set('singleton','progress','user','global_statistics','mutable','controlled_by_default') not null
		FLAGS set('controlled')
		VOLATILITY int not null
		DOCUMENTATION longtext`,
		fixed(sql.Row{"statement/abstract/Query", "YES", "YES", "mutable", nil, 0,
			"SQL query just received from the network. At this point, the real statement type is unknown, the type will be refined after SQL parsing."},
			sql.Row{"wait/lock/metadata/sql/mdl", "YES", "YES", "", nil, 0, nil}))
	var objects []sql.Row
	for _, kind := range []string{"EVENT", "FUNCTION", "PROCEDURE", "TABLE", "TRIGGER"} {
		for _, schema := range []string{"mysql", "performance_schema", "information_schema", "%"} {
			enabled := "NO"
			if schema == "%" {
				enabled = "YES"
			}
			objects = append(objects, sql.Row{kind, schema, "%", enabled, enabled})
		}
	}
	d.add("setup_objects", `
		OBJECT_TYPE enum('EVENT','FUNCTION','PROCEDURE','TABLE','TRIGGER') not null
		OBJECT_SCHEMA varchar(64)
		OBJECT_NAME varchar(64) not null
		ENABLED enum('YES','NO') not null
		TIMED enum('YES','NO') not null`, fixed(objects...))
}
