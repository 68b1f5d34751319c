package gms_test

import (
	"errors"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// Reasons for skips and differences.
const (
	planShape      = "expects plans that follow from another backend's statistics"
	noHistory      = "history of tables by label is not offered"
	readOnlyCopy   = "asks for a second engine whose databases are read only; here an instance is, or none of it"
	countedSession = "counts the calls of a session of memory's own"
	noVectors      = "VECTOR indexes are not offered"
	doltOption     = "an option that only Dolt has; MySQL refuses it"
	truncateCount  = "TRUNCATE answers 0 rows, as MySQL does"
	duplicateText  = "the message is MySQL's"
	prefixPrimary  = "prefixes are allowed in a primary key, as in MySQL"
	nextOnly       = "SET TRANSACTION is of the next transaction only, as in MySQL"
	readOnlyDDL    = "DDL in a READ ONLY transaction is 1792, as in MySQL; the suite expects an implicit commit"
	averageSize    = "the average size of a row is that of its part of the pages"
	pageSizes      = "sizes are those of pages, as in MySQL"
	checksByName   = "CHECKs are shown by their names, as in MySQL"
	textBytes      = "TEXT(255) has up to 1020 bytes, as in MySQL"
	repeatedRows   = "expects no sort; rows of the first table that are equal by its index repeat those of the second, which are out of order then"
	quotedInKeys   = "names in the expressions of keys have quotes, as in MySQL"
)

// suiteSkips are the suites that are not run, with the reason.
var suiteSkips = map[string]string{
	"IndexQueryPlans":          planShape,
	"IntegrationPlans":         planShape,
	"JoinPlanning":             planShape,
	"QueryPlans":               planShape,
	"SpatialIndexPlans":        planShape,
	"TpchPlans":                planShape,
	"ReadOnlyDatabases":        readOnlyCopy,
	"ReadOnlyVersionedQueries": noHistory,
	"ValidateSession":          countedSession,
	"VersionedQueries":         noHistory,
	"VersionedViews":           noHistory,
	"VectorIndexes":            noVectors,
}

// skips are the scripts and queries that are not run, by suite, as the names of
// their subtests, with the reason.
var skips = map[string]map[string]string{
	"CreateCheckConstraints":                {"Run_SHOW_CREATE_TABLE_with_different_types_of_check_constraints": checksByName},
	"CreateCheckConstraintsScriptsPrepared": {"Run_SHOW_CREATE_TABLE_with_different_types_of_check_constraints": checksByName},
	"DropColumn": {
		"Drop_column_with_check_constraint,_other_column_referenced_second": "two tables have a CHECK of one name, which is 3822 in MySQL",
	},
	"ForeignKeys": {
		"Inline_column_REFERENCES_creates_an_enforced_foreign_key": "REFERENCES of a column is forgotten, as in MySQL",
	},
	"IndexedExpressions": {
		"system_hidden_columns:_omitted_from_SHOW_CREATE_TABLE":                              quotedInKeys,
		"system_hidden_columns:_omitted_from_SHOW_CREATE_TABLE_after_ALTER_TABLE_ADD_COLUMN": quotedInKeys,
		"multiple_expressions:_system_hidden_columns_omitted_from_SHOW_CREATE_TABLE":         quotedInKeys,
	},
	"CreateTable": {
		"CREATE_TABLE_t1_(pk_int_primary_key)_TARGET_ROW_SIZE=4096":    doltOption,
		"CREATE_TABLE_t1_(pk_int_primary_key)_TOAST_TUPLE_TARGET=1024": doltOption,
	},
	"QueryPlanScripts": {
		"select_/*+_MERGE_JOIN(t3,_t4)_*/_*_from_t3_join_t4_on_t3.i_=_t4.x_order_by_t4.x,_t4.y;":           repeatedRows,
		"select_/*+_MERGE_JOIN(t3,_t4)_*/_*_from_t3_join_t4_on_t3.i_=_t4.x_order_by_t4.x_desc,_t4.y_desc;": repeatedRows,
	},
	"IndexPrefix": {
		"select_t.col1_from_t_order_by_t.col1;": "expects that the index is not used for ORDER BY; ours is in order",
	},
	"InsertErrorScriptsPrepared": {
		"try_inserting_varbinary_larger_than_max_limit": "VARBINARY(65535) alone is too long a row, as in MySQL",
	},
	"InsertIntoErrors": {
		"try_inserting_varbinary_larger_than_max_limit": "VARBINARY(65535) alone is too long a row, as in MySQL",
	},
	"Scripts":            {"TEXT(m)_syntax_support": textBytes},
	"ScriptsPrepared":    {"TEXT(m)_syntax_support": textBytes},
	"Queries":            {"explain_plan_select_count(*)_from_mytable": planShape},
	"Statistics":         statisticsSizes,
	"StatisticsPrepared": statisticsSizes,
	"QueriesPrepared":    {"explain_plan_select_count(*)_from_mytable": planShape},
	"Views": {
		"event_contains_CREATE_VIEW_AS": "CREATE VIEW in a program needs a session of this package",
	},
}

var statisticsSizes = map[string]string{
	"SELECT_*_FROM_information_schema.column_statistics":    averageSize,
	"SELECT_*_FROM_information_schema.column_statistics#01": averageSize,
}

// modes are the variables that SHOW VARIABLES LIKE '%mode' has without innodb_strict_mode.
var modes = []sql.Row{
	{"block_encryption_mode", "aes-128-ecb"}, {"gtid_mode", "OFF"}, {"innodb_autoinc_lock_mode", int64(2)}, {"offline_mode", "OFF"},
	{"pseudo_slave_mode", "OFF"}, {"rbr_exec_mode", "STRICT"}, {"sql_mode", "NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES"},
	{"ssl_fips_mode", "OFF"},
}

func strictModeToo(query string) difference {
	ours := slices.Insert(slices.Clone(modes), 3, sql.Row{"innodb_strict_mode", "ON"})
	ours = slices.Insert(ours, 7, sql.Row{"replica_exec_mode", "STRICT"}, sql.Row{"slave_exec_mode", "STRICT"})
	return difference{
		query: query, suite: answer{rows: modes}, reason: "innodb_strict_mode and others are variables too, as in MySQL",
		ours: answer{rows: ours},
	}
}

// differences are the answers that differ, by suite.
var differences = map[string][]difference{
	"AddDropPks":      {truncated("truncate t1", 4)},
	"FulltextIndexes": {truncated("TRUNCATE TABLE test;", 5)},
	"IndexPrefix": {
		prefixed("alter table t add primary key (v(10))"),
		prefixed("create table v_tbl (v varchar(100), primary key (v(10)))"),
		prefixed("alter table t add primary key (c(10))"),
		prefixed("create table c_tbl (c char(100), primary key (c(10)))"),
		prefixed("alter table t add primary key (v(10))"),
		prefixed("create table v_tbl (v varbinary(100), primary key (v(10)))"),
		prefixed("alter table t add primary key (b(10))"),
		prefixed("create table b_tbl (b binary(100), primary key (b(10)))"),
		prefixed("alter table t add primary key (b(10))"),
		prefixed("create table b_tbl (b blob, primary key (b(10)))"),
		prefixed("alter table t add primary key (t(10))"),
		prefixed("create table b_tbl (t text, primary key (t(10)))"),
	},
	"IndexedExpressions": {
		duplicate("INSERT INTO test VALUES (2, 100);", false, "1000", "test.idx1"),
		duplicate("INSERT INTO test VALUES (2, 100), (3, 101);", false, "1000", "test.idx1"),
		duplicate("UPDATE test SET c1 = 101 WHERE pk = 1;", false, "1010", "test.idx1"),
		duplicate("INSERT INTO test VALUES (4, 100), (5, 100);", false, "1000", "test.idx1"),
	},
	"LoadDataErrors": {
		duplicate("LOAD DATA INFILE './testdata/test2.csv' INTO TABLE loadtable FIELDS TERMINATED BY ',' IGNORE 1 LINES", true, "1", "loadtable.PRIMARY"),
	},
	"Queries":                 {strictModeToo("SHOW GLOBAL VARIABLES LIKE '%mode'")},
	"QueriesPrepared":         {strictModeToo("show global variables like '%mode'")},
	"Scripts":                 scriptDifferences,
	"ScriptsPrepared":         preparedDifferences,
	"ShowTableStatus":         tableStatus,
	"ShowTableStatusPrepared": preparedTableStatus,
	"StoredProcedures": {
		duplicate("call insert_proc()", true, "1", "t.PRIMARY"),
	},
	"Triggers": {
		duplicate("insert into t values (1, 200);", true, "1", "t.PRIMARY"),
	},
	"TransactionScripts": {
		{
			query:  "/* client a */ delete from t2 where pk = 0",
			ours:   answer{err: errReadOnlyTransaction},
			suite:  answer{err: sql.ErrReadOnlyTransaction.New()},
			reason: "the error is MySQL's",
		},
		{
			query:  "/* client a */ alter table t2 add val2 int",
			ours:   answer{err: errReadOnlyTransaction},
			suite:  answer{rows: []sql.Row{{types.NewOkResult(0)}}},
			reason: readOnlyDDL,
		},
		{
			query:  "/* client a */ select * from t2",
			ours:   answer{rows: []sql.Row{{0, 0}}},
			suite:  answer{rows: []sql.Row{{0, 0, nil}}},
			reason: readOnlyDDL,
		},
		{
			query:  "/* client b */ SELECT * FROM t2",
			ours:   answer{rows: []sql.Row{{0, 0}}},
			suite:  answer{rows: []sql.Row{{0, 0, nil}}},
			reason: readOnlyDDL,
		},
	},
	"Truncate": {
		truncated("TRUNCATE t1", 3), truncated("TRUNCATE TABLE t1", 2), truncated("TRUNCATE t3", 2), truncated("TRUNCATE t4", 2),
	},
	"Variables": {
		isolation("select @@transaction_isolation, @@transaction_read_only", sql.Row{"REPEATABLE-READ", 0}, sql.Row{"SERIALIZABLE", 1}),
		isolation("select @@transaction_isolation, @@transaction_read_only", sql.Row{"REPEATABLE-READ", 0}, sql.Row{"READ-UNCOMMITTED", 0}),
		isolation("select @@transaction_isolation", sql.Row{"REPEATABLE-READ"}, sql.Row{"READ-COMMITTED"}),
	},
}

var errReadOnlyTransaction = errors.New("Cannot execute statement in a READ ONLY transaction. (errno 1792) (sqlstate 25006)")

var scriptDifferences = []difference{
	duplicate("INSERT INTO test VALUES (2,2), (3,3), (1,1);", true, "1", "test.PRIMARY"),
	duplicate("UPDATE test SET pk = pk + 1 ORDER BY pk;", true, "5", "test.PRIMARY"),
	charBlanks("select HEX(c), LENGTH(c) from ascii_test where c is not null order by c;"),
	{
		query:  "SELECT id FROM tab1 WHERE id > 3 UNION select s INTO @mustSingleVar FROM tab2 WHERE s < 'f' ORDER BY s DESC",
		ours:   answer{err: sql.ErrColumnNotFound.New("s")},
		suite:  answer{err: errors.New("INTO clause is not allowed at position 98 near 'ORDER'")},
		reason: "INTO may stand in the last part of a UNION, as in MySQL, whose columns have the first part's names",
	},
}

var preparedDifferences = []difference{
	duplicate("insert into test values (:v1, :v2), (:v3, :v4), (:v5, :v6)", true, "1", "test.PRIMARY"),
	duplicate("update test set pk = pk + :v1 order by pk asc", true, "5", "test.PRIMARY"),
	charBlanks("select HEX(c), LENGTH(c) from ascii_test where c is not null order by c asc"),
}

// charBlanks is the difference of a CHAR that is one blank.
func charBlanks(query string) difference {
	return difference{
		query:  query,
		ours:   answer{rows: []sql.Row{{"", 0}, {"00", 1}, {"41", 1}, {"7F", 1}}},
		suite:  answer{rows: []sql.Row{{"00", 1}, {"20", 1}, {"41", 1}, {"7F", 1}}},
		reason: "CHAR has no blanks at its end, as in MySQL",
	}
}

var tableStatus = []difference{
	sized("SHOW TABLE STATUS FROM mydb", "mytable", "othertable"),
	sized("SHOW TABLE STATUS LIKE '%table'", "mytable", "othertable"),
	sized("SHOW TABLE STATUS FROM mydb LIKE 'othertable'", "othertable"),
	sized("SHOW TABLE STATUS WHERE Name = 'mytable'", "mytable"),
	sized("SHOW TABLE STATUS", "mytable", "othertable"),
	sized("SHOW TABLE STATUS FROM mydb LIKE 'othertable'", "othertable"),
	{
		query: "show table status where comment = 'table comment'",
		ours: answer{rows: []sql.Row{{"table_with_comment", "InnoDB", "10", "Fixed", uint64(0), uint64(0), uint64(16384), uint64(0),
			int64(0), int64(0), nil, nil, nil, nil, "utf8mb4_0900_bin", nil, nil, "table comment"}}},
		suite: answer{rows: []sql.Row{{"table_with_comment", "InnoDB", "10", "Fixed", uint64(0), uint64(0), uint64(0), uint64(0),
			int64(0), int64(0), nil, nil, nil, nil, "utf8mb4_0900_bin", nil, nil, "table comment"}}},
		reason: pageSizes,
	},
}

var preparedTableStatus = []difference{
	sized("SHOW TABLE STATUS FROM mydb", "mytable", "othertable"),
	sized("show table status like '%table'", "mytable", "othertable"),
	sized("show table status from mydb like 'othertable'", "othertable"),
	sized("show table status where `Name` = :v1", "mytable"),
	sized("SHOW TABLE STATUS", "mytable", "othertable"),
	sized("show table status from mydb like 'othertable'", "othertable"),
}

// sized is the difference of the sizes of tables of three rows.
func sized(query string, tables ...string) difference {
	d := difference{query: query, reason: pageSizes}
	for _, name := range tables {
		row := func(average, data uint64) sql.Row {
			return sql.Row{name, "InnoDB", "10", "Fixed", uint64(3), average, data, uint64(0), int64(0), int64(0),
				nil, nil, nil, nil, "utf8mb4_0900_bin", nil, nil, ""}
		}
		d.ours.rows = append(d.ours.rows, row(5461, 16384))
		d.suite.rows = append(d.suite.rows, row(88, 264))
	}
	return d
}

// truncated is the difference of a TRUNCATE of n rows.
func truncated(query string, n int) difference {
	return difference{
		query:  query,
		ours:   answer{rows: []sql.Row{{types.NewOkResult(0)}}},
		suite:  answer{rows: []sql.Row{{types.NewOkResult(n)}}},
		reason: truncateCount,
	}
}

// prefixed is the difference of a primary key with a prefix.
func prefixed(query string) difference {
	return difference{
		query:  query,
		ours:   answer{rows: []sql.Row{{types.NewOkResult(0)}}},
		suite:  answer{err: sql.ErrUnsupportedIndexPrefix.New("")},
		reason: prefixPrimary,
	}
}

// duplicate is the difference of a message of a duplicate key.
func duplicate(query string, primary bool, value, key string) difference {
	return difference{
		query:  query,
		ours:   answer{err: sql.NewUniqueKeyErr("Duplicate entry '"+value+"' for key '"+key+"'", primary, nil)},
		suite:  answer{err: sql.NewUniqueKeyErr("["+value+"]", primary, nil)},
		reason: duplicateText,
	}
}

// isolation is the difference of the characteristics that a session shows after SET
// TRANSACTION.
func isolation(query string, ours, suite sql.Row) difference {
	return difference{query: query, ours: answer{rows: []sql.Row{ours}}, suite: answer{rows: []sql.Row{suite}}, reason: nextOnly}
}
