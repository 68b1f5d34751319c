package gms

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/logstore"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// errDisconnect is the error of a statement whose client must not get an answer:
// the handler closes the connection.
var errDisconnect = errors.New("gms: the connection must be closed")

var errReadOnlyTx = engine.ErrReadOnlyTx

func errInterrupted() error {
	return mysql.NewSQLError(mysql.ERQueryInterrupted, "70100", "Query execution was interrupted")
}

func errReadOnly() *mysql.SQLError {
	return mysql.NewSQLError(mysql.EROptionPreventsStatement, "HY000",
		"The MySQL server is running with the --read-only option so it cannot execute this statement")
}

// errFiles is MySQL's with secure_file_priv NULL.
func errFiles() *mysql.SQLError {
	return mysql.NewSQLError(mysql.EROptionPreventsStatement, "HY000",
		"The MySQL server is running with the --secure-file-priv option so it cannot execute this statement")
}

// endsTransaction reports whether MySQL rolls the whole transaction back on err.
func endsTransaction(err error) bool {
	var large *engine.TransactionTooLargeError
	return errors.Is(err, txn.ErrDeadlock) || errors.Is(err, engine.ErrStrictSnapshot) ||
		errors.Is(err, engine.ErrTxDone) || errors.Is(err, engine.ErrClosed) || errors.As(err, &large)
}

// commitParts is what the caps of a commit that no setting changes count.
var commitParts = map[string]string{"max_mtr_records": "log records", "max_transaction_pages": "pages"}

// wireError turns an error of the engine into MySQL's; others are returned as they
// are. The planner passes a *mysql.SQLError on unchanged if nothing is wrapped around it.
func wireError(err error) error {
	var large *engine.TransactionTooLargeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errInterrupted()
	case errors.Is(err, engine.ErrOutcomeUnknown), errors.Is(err, logstore.ErrFenced):
		return errDisconnect
	case errors.Is(err, txn.ErrLockWait):
		return mysql.NewSQLError(mysql.ERLockWaitTimeout, "HY000",
			"Lock wait timeout exceeded; try restarting transaction")
	case errors.Is(err, txn.ErrDeadlock), errors.Is(err, engine.ErrStrictSnapshot):
		return mysql.NewSQLError(mysql.ERLockDeadlock, "40001",
			"Deadlock found when trying to get lock; try restarting transaction")
	case errors.Is(err, txn.ErrNoWait):
		return mysql.NewSQLError(3572, "HY000",
			"Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set.")
	case errors.As(err, &large) && commitParts[large.Cap] != "":
		return mysql.NewSQLError(1197, "HY000",
			"Multi-statement transaction required more than %d %s; use several transactions", large.Limit, commitParts[large.Cap])
	case errors.As(err, &large):
		return mysql.NewSQLError(1197, "HY000",
			"Multi-statement transaction required more than '%s' (%d); increase this variable and try again",
			large.Cap, large.Limit)
	case errors.Is(err, engine.ErrMemory), errors.Is(err, txn.ErrLocksFull):
		return mysql.NewSQLError(mysql.EROutOfResources, "HY000",
			"Out of memory; the instance's budget for transactions, locks and statements is used up")
	case errors.Is(err, engine.ErrCounterUsedUp):
		return mysql.NewSQLError(1467, "HY000", "Failed to read auto-increment value from storage engine")
	case errors.Is(err, engine.ErrNotWriter):
		return errReadOnly()
	case errors.Is(err, engine.ErrReadOnlyTx):
		return mysql.NewSQLError(1792, "25006", "Cannot execute statement in a READ ONLY transaction.")
	case errors.Is(err, engine.ErrDefinitionChanged):
		return mysql.NewSQLError(1412, "HY000", "Table definition has changed, please retry transaction")
	case errors.Is(err, engine.ErrSnapshotGone):
		return mysql.NewSQLError(1412, "HY000", "Snapshot too old, please retry transaction")
	case errors.Is(err, row.ErrKeyTooLong):
		return mysql.NewSQLError(mysql.ERTooLongKey, "42000",
			"Specified key was too long; max key length is %d bytes", row.KeyMax)
	case errors.Is(err, engine.ErrTxDone):
		return mysql.NewSQLError(mysql.ERLockDeadlock, "40001",
			"The transaction was rolled back; try restarting transaction")
	case errors.Is(err, engine.ErrClosed), errors.Is(err, logstore.ErrClosed):
		return mysql.NewSQLError(mysql.ERServerShutdown, "08S01", "Server shutdown in progress")
	}
	return err
}

// errorRewrite is one kind of the planner's messages and what MySQL says instead. $1…
// are the groups of the pattern, $db the session's database.
type errorRewrite struct {
	pattern *regexp.Regexp
	number  int
	state   string // "": that of the number
	message string
}

func rw(pattern string, number int, message string) errorRewrite {
	return errorRewrite{pattern: regexp.MustCompile(pattern), number: number, message: message}
}

// rewrites are tried in order, the first that matches wins.
var rewrites = []errorRewrite{
	rw(`^duplicate (?:primary|unique) key given: (?s:(.*))$`, 1062, "$1"),
	rw("^duplicate (?:primary|unique) key given$", 1062, "Duplicate entry"),
	rw("^table not found: ([^.,]+)\\.([^.,]+?)(?:, maybe you mean .*)?$", 1146, "Table '$1.$2' doesn't exist"),
	rw("^table not found: ([^,]*?)(?:, maybe you mean .*)?$", 1146, "Table '$db.$1' doesn't exist"),
	rw("^database not found: ([^,]*?)(?:, maybe you mean .*)?$", 1049, "Unknown database '$1'"),
	rw("^can't create database (.*); database exists$", 1007, "Can't create database '$1'; database exists"),
	rw("^no database selected$", 1046, "No database selected"),
	rw("^End-label (.*) without match at position .*", 1310, "End-label $1 without match"),
	rw("^table with name (.*) already exists$", 1050, "Table '$1' already exists"),
	rw(`^column "(.*)" could not be found in any table in scope$`, 1054, "Unknown column '$1' in 'field list'"),
	rw(`^table "(.*)" does not have column "(.*)"$`, 1054, "Unknown column '$2' in '$1'"),
	rw(`^Unknown column '(.*)' in '(.*)'$`, 1054, "Unknown column '$1' in '$2'"),
	rw(`^ambiguous column name "(.*?)".*$`, 1052, "Column '$1' in field list is ambiguous"),
	rw(`^Column "(.*)" already exists$`, 1060, "Duplicate column name '$1'"),
	rw("^duplicate column name: `(.*)`$", 1060, "Duplicate column name '$1'"),
	rw("^Duplicate key name '(.*)'$", 1061, "Duplicate key name '$1'"),
	rw("^column name '(.*)' is non-nullable but attempted to set a value of null$", 1048, "Column '$1' cannot be null"),
	rw("^Field '(.*)' doesn't have a default value$", 1364, "Field '$1' doesn't have a default value"),
	rw("^cannot add or update a child row - Foreign key violation on fk: `(.*)`, table: `(.*)`, referenced table: `(.*)`, key: `.*`$",
		1452, "Cannot add or update a child row: a foreign key constraint fails (`$db`.`$2`, CONSTRAINT `$1` FOREIGN KEY REFERENCES `$3`)"),
	rw("^cannot delete or update a parent row - Foreign key violation on fk: `(.*)`, table: `(.*)`, referenced table: `(.*)`, key: `.*`$",
		1451, "Cannot delete or update a parent row: a foreign key constraint fails (`$db`.`$2`, CONSTRAINT `$1` FOREIGN KEY REFERENCES `$3`)"),
	rw("^cannot drop table `(.*)` as it is referenced in foreign key `(.*)`$", 3730,
		"Cannot drop table '$1' referenced by a foreign key constraint '$2'."),
	rw(`^Check constraint "(CHECK OPTION) (.*)" violated$`, 1369, "$1 failed '$2'"),
	rw(`^Check constraint "(.*)" violated$`, 3819, "Check constraint '$1' is violated."),
	rw("^SAVEPOINT (.*) does not exist$", 1305, "SAVEPOINT $1 does not exist"),
	rw(`^stored procedure "([^.]*)" does not exist$`, 1305, "PROCEDURE $db.$1 does not exist"),
	rw(`^stored procedure "(.*)" does not exist$`, 1305, "PROCEDURE $1 does not exist"),
	rw(`^stored procedure "(.*)" already exists$`, 1304, "PROCEDURE $1 already exists"),
	rw("^function: '(.*)' not found$", 1305, "FUNCTION $db.$1 does not exist"),
	rw("^function '(.*)' expected .* arguments, .* received$", 1582, "Incorrect parameter count in the call to native function '$1'"),
	rw(`^trigger "(.*)" does not exist$`, 1360, "Trigger does not exist"),
	rw("^string '(?s:(.*))' is too large for column '(.*)'$", 1406, "Data too long for column '$2'"),
	rw("^(?s:(.*)) out of range for (.*)$", 1264, "Out of range value for column of type $2"),
	rw("^database server is set to read only mode$", 1290,
		"The MySQL server is running with the --read-only option so it cannot execute this statement"),
	rw("^cannot execute statement in a READ ONLY transaction$", 1792, "Cannot execute statement in a READ ONLY transaction."),
	rw("^(?s:.*context canceled.*)$", 1317, "Query execution was interrupted"),
	rw("^(?s:.*context deadline exceeded.*)$", 3024, "Query execution was interrupted, maximum statement execution time exceeded"),
	rw("^Not unique table/alias: (.*)$", 1066, "Not unique table/alias: '$1'"),
	rw("^illegal non geometric '<nil>' value found during parsing$", 1367, "Illegal non geometric 'NULL' value found during parsing"),
	rw("^illegal non geometric '(.*)' value found during parsing$", 1367, "Illegal non geometric '$1' value found during parsing"),
	rw("^incorrect parameter count in the call to native function (\\w+)$", 1582, "Incorrect parameter count in the call to native function '$1'"),
	rw("^BINLOG statement requires BinlogConsumer$", 1235, "This version of Sextant doesn't yet support 'BINLOG'"),
	rw("^unresolved table name `(.*)` in locking clause\\.$", 3568, "Unresolved table name `$1` in locking clause."),
	rw(`^invalid arguments\. expected: \d+, found: \d+$`, 1210, "Incorrect arguments to EXECUTE"),
	rw(`^ambiguous column or alias name "(.*)"$`, 1052, "Column '$1' in field list is ambiguous"),
	rw("^No tables used$", 1096, "No tables used"),
	rw("^column '(.*)' specified twice$", 1110, "Column '$1' specified twice"),
	rw("^(Variable '.*' is a SESSION variable and can't be used with SET GLOBAL)$", 1228, "$1"),
	rw("^unknown system variable (.*)$", 1193, "Unknown system variable '$1'"),
	rw("^(?i)unknown system variable '(?:@@(?:(?:session|local|global|persist|persist_only)\\.)?)?(.*)'$", 1193, "Unknown system variable '$1'"),
	rw("^(In definition of view, derived table or common table expression, .*)$", 1353, "$1"),
	rw("^Column count doesn't match value count at row (.*)$", 1136, "Column count doesn't match value count at row $1"),
	rw("^number of values does not match number of columns provided$", 1136, "Column count doesn't match value count at row 1"),
	rw("^Result consisted of more than one row$", 1172, "Result consisted of more than one row"),
	rw("^the subquery returned more than 1 row$", 1242, "Subquery returns more than 1 row"),
	rw("^operand should have (.*) columns, but has .*$", 1241, "Operand should contain $1 column(s)"),
	rw("^error: Multiple primary keys defined$", 1068, "Multiple primary key defined"),
	rw("^error: can't drop '(.*)'; check that column/key exists$", 1091, "Can't DROP '$1'; check that column/key exists"),
	rw("^key column '(.*)' doesn't exist in table$", 1072, "Key column '$1' doesn't exist in table"),
	rw("^Unknown table '(.*)'$", 1051, "Unknown table '$1'"),
	rw("^(?s:(.*syntax error.*))$", 1064, "You have an error in your SQL syntax; check the manual that corresponds "+
		"to your MySQL server version for the right syntax to use: $1"),
	rw("^incorrect arguments to: (.*)$", 1210, "Incorrect arguments to $1"),
	rw("^(Incorrect string value: (?s:.*))$", 1366, "$1"),
	rw("^empty statement$", 1065, "Query was empty"),
	rw("^Invalid syntax: negative (?:limit|offset)$", 1210, "Incorrect arguments to EXECUTE"),
	rw("^Cannot get geometry object from data you sent to the GEOMETRY field$", 1416, "Cannot get geometry object from data you send to the GEOMETRY field"),
	rw(`^invalid GIS data provided to function \w+Type\.Convert$`, 1416, "Cannot get geometry object from data you send to the GEOMETRY field"),
	rw(`^invalid GIS data provided to function (Deserialize\w+|Multi\w+)$`, 1416, "Cannot get geometry object from data you send to the GEOMETRY field"),
	rw(`^(?i)invalid GIS data provided to function (\w+)\.?$`, 3037, "Invalid GIS data provided to function $1."),
	rw(`^binary geometry function (\w+) given two geometries of different srids: (\d+) and (\d+), .*$`, 3033,
		"Binary geometry function $1 given two geometries of different srids: $2 and $3, which should have been identical."),
	rw(`^function (\w+) is only defined for geographic spatial reference systems, .* in SRID (\d+), .*$`, 3726,
		"Function $1 is only defined for geographic spatial reference systems, but one of its arguments is in SRID $2, which is not geographic."),
	rw(`^There's no spatial reference with SRID (\d+)$`, 3548, "There's no spatial reference system with SRID $1."),
	rw(`^There is already a spatial reference system with SRID (\d+)$`, 3712, "There is already a spatial reference system with SRID $1."),
	rw(`^json: cannot unmarshal \w+ into Go value of type map\[string\]interface \{\}$`, 3072, "Invalid GeoJSON data provided to function st_geomfromgeojson"),
	rw("^missing required member '(.*)'$", 3070, "Invalid GeoJSON data provided to function st_geomfromgeojson: Missing required member '$1'"),
	rw("^function '(?i:(st_.*))' received invalid argument types$", 3037, "Invalid GIS data provided to function $1."),
	rw("^member 'type' is wrong$", 3072, "Invalid GeoJSON data provided to function st_geomfromgeojson"),
	rw("^invalid data type for JSON data in argument (.*) to function (.*); a JSON string or JSON type is required$", 3146,
		"Invalid data type for JSON data in argument $1 to function $2; a JSON string or JSON type is required."),
	rw("^(The oneOrAll argument to .* may take these values: 'one' or 'all')$", 3154, "$1."),
	rw("^missing value for JSON_TABLE column '(.*)'$", 3665, "Missing value for JSON_TABLE column '$1'"),
	rw("^unable to drop database: (.*)$", 3552, "Access to system schema '$1' is rejected."),
	rw("^(unknown using join type: .*)$", 1064, "You have an error in your SQL syntax; check the manual that corresponds "+
		"to your MySQL server version for the right syntax to use: $1"),
	rw("^Every derived table must have its own alias", 1248, "Every derived table must have its own alias"),
	rw("^unable to sort: the subquery returned more than 1 row$", 1242, "Subquery returns more than 1 row"),
	rw("^Data truncated for column '(.*)' at row (.*)$", 1265, "Data truncated for column '$1' at row $2"),
	rw(`^The value specified for generated column "(.*)" in table "(.*)" is not allowed\.$`, 3105,
		"The value specified for generated column '$1' in table '$2' is not allowed."),
	rw("^Invalid JSON text: (?s:(.*))$", 3140, "Invalid JSON text: $1"),
	rw("^Out of range value for column of Decimal type ?(.*)$", 1264, "Out of range value for column of type decimal"),
	rw(`^BIGINT value is out of range \((.*) DIV (.*)\)$`, 1690, "BIGINT value is out of range in '($1 DIV $2)'"),
	rw("^(.*) is beyond the maximum value that can be held by (.*) bits$", 1406, "Data too long for column of type bit($2)"),
	rw("^value (.*) is not a valid Year$", 1264, "Out of range value for column of type year"),
	rw(`^error: '(?s:(.*))' is not a valid value for '(date|datetime|timestamp|time)(?:\(\d\))?'$`, 1292, "Incorrect $2 value: '$1'"),
	rw("^Incorrect (date|datetime|timestamp|time) value: '(?s:(.*))'$", 1292, "Incorrect $1 value: '$2'"),
	rw("^error: '(?s:(.*))' is not a valid value for '(?:tiny|small|medium|big)?int(?: unsigned)?'$", 1366, "Incorrect integer value: '$1'"),
	rw("^cannot truncate table (.*) as it is referenced in foreign key (.*) on table (.*)$", 1701,
		"Cannot truncate a table referenced in a foreign key constraint (`$db`.`$3`, CONSTRAINT `$2`)"),
	rw("^there can be only one auto_increment column and it must be defined as a key$", 1075,
		"Incorrect table definition; there can be only one auto column and it must be defined as a key"),
	rw("^duplicate foreign key constraint name `(.*)`$", 1826, "Duplicate foreign key constraint name '$1'"),
	rw("^cannot drop index: `(.*)` is used by foreign key `(.*)`$", 1553, "Cannot drop index '$1': needed in a foreign key constraint"),
	rw("^cannot drop column `(.*)` as it is used in foreign key `(.*)`$", 1828, "Cannot drop column '$1': needed in a foreign key constraint '$2'"),
	rw("^foreign key `(.*)` was not found on the table `(.*)`$", 1091, "Can't DROP '$1'; check that column/key exists"),
	rw(`^Constraint "(.*)" does not exist$`, 3940, "Constraint '$1' does not exist."),
	rw("^cannot add or update a child row: (.*)$", 1452, "Cannot add or update a child row: $1"),
	rw(`^can't alter column "(.*)" because it would invalidate check constraint "(.*)"$`, 3959,
		"Check constraint '$2' uses column '$1', hence column cannot be dropped or renamed."),
	rw("^column `(.*)` must allow NULL values as foreign key `(.*)` has SET NULL$", 1830,
		"Column '$1' cannot be NOT NULL: needed in a foreign key constraint '$2' SET NULL"),
	rw("^temporary tables do not support foreign keys$", 1215, "Cannot add foreign key constraint"),
	rw("^blob/text column '(.*)' used in key specification without a key length$", 1170, "BLOB/TEXT column '$1' used in key specification without a key length"),
	rw("^incorrect prefix key '.*'; (.*)$", 1089, "Incorrect prefix key; $1"),
	rw(`^"SET DEFAULT" is not supported$`, 1215, "Cannot add foreign key constraint"),
	rw("^TEXT/BLOB are not valid types for foreign keys$", 1215, "Cannot add foreign key constraint"),
	rw("^(JSON column '.*' supports indexing only via generated columns on a specified JSON path)$", 3152, "$1."),
	rw("^Unknown collation: '?(.*?)'?$", 1273, "Unknown collation: '$1'"),
	rw("^(\\w+) is not a valid character set for (\\w+)$", 1253, "COLLATION '$2' is not valid for CHARACTER SET '$1'"),
	rw("^expected resolved table: (.*)$", 1347, "'$db.$1' is not BASE TABLE"),
	rw("^duplicate check constraint name: (.*)$", 3822, "Duplicate check constraint name '$1'."),
	rw("^Defining a virtual generated column as primary key is not supported$", 3106,
		"'Defining a virtual generated column as primary key' is not supported for generated columns."),
	rw("^incompatible type for default value: (?s:(.*))$", 1067, "Invalid default value: $1"),
	rw("^JSON documents may not contain NULL member names$", 3158, "JSON documents may not contain NULL member names."),
	rw("^Invalid default value for '(.*)'$", 1067, "Invalid default value for '$1'"),
	rw("(?i)^variable '(.*)' is a read.only variable$", 1238, "Variable '$1' is a read only variable"),
	rw("^the view (?:.*\\.)?(.*) already exists$", 1050, "Table '$1' already exists"),
	rw(`^specified key was too long; (max key length is \d+ bytes)$`, 1071, "Specified key was too long; $1"),
	rw("^Incorrect column specifier for column '(.*)'$", 1063, "Incorrect column specifier for column '$1'"),
	rw(`^(latitude|longitude) .* is out of range in function st_geohash\..*$`, 1690, "$1 value is out of range in 'st_geohash'"),
	rw("^member '(.*)' must be of type '(.*)'$", 3071, "Invalid GeoJSON data provided to function st_geomfromgeojson: Member '$1' must be of type '$2'"),
	rw("^SRID (.*) has not been implemented for geographic spatial reference systems\\.$", 1235,
		"This version of Sextant doesn't yet support 'this function of geometries of SRID $1'"),
	rw("^unsupported spatial type: (.*) for function (.*)$", 1235, "This version of Sextant doesn't yet support '$2 of $1'"),
	rw("^Invalid argument to NTILE$", 1210, "Incorrect arguments to ntile"),
	rw("^Invalid argument to ESCAPE", 1210, "Incorrect arguments to ESCAPE"),
	rw("^unable to parse '(?s:(.*))' to UUID: invalid UUID \\(got .*$", 1411, "Incorrect string value: '$1' for function bin_to_uuid"),
	rw("^unable to parse '(?s:(.*))' to UUID.*$", 1411, "Incorrect string value: '$1' for function uuid_to_bin"),
	rw("(?i)^(?:a )?path expression is not a path to a cell in an array.*$", 3165, "A path expression is not a path to a cell in an array."),
	rw("^The path expression (.*) is not allowed in this context\\.$", 3153, "The path expression $1 is not allowed in this context."),
	rw("^Invalid JSON path expression\\. (?:Expected (?:field name after|'.' or '\\[')|Unable to convert \\* to an int).*$", 3149,
		"In this situation, path expressions may not contain the * and ** tokens or an array range."),
	rw("^offset must be a non-negative integer; found: (.*)$", 1064, "You have an error in your SQL syntax; check the manual that corresponds "+
		"to your MySQL server version for the right syntax to use near '$1' at line 1"),
	rw("^frame start cannot be UNBOUNDED FOLLOWING.*$", 3584, "Window '<unnamed window>': frame start cannot be UNBOUNDED FOLLOWING."),
	rw("^frame end cannot be UNBOUNDED PRECEDING.*$", 3585, "Window '<unnamed window>': frame end cannot be UNBOUNDED PRECEDING."),
	rw("^frame starting from .*$", 3586, "Window '<unnamed window>': frame start or end is negative, NULL or of non-integral type"),
	rw(`^(?:unable to sort: )?COLLATION '(.*)' is not valid for CHARACTER SET '(.*)'$`, 1253, "COLLATION '$1' is not valid for CHARACTER SET '$2'"),
	rw("^(?:syntax error: )?INTO clause is not allowed at position (?s:.*)$", 1221, "Incorrect usage of UNION and INTO"),
	rw("^too many key parts specified; (.*)$", 1070, "Too many key parts specified; $1"),
	rw("^a (SPATIAL index may only contain a geometrical type column)$", 1687, "A $1"),
	rw("^All parts of PRIMARY KEY must be NOT NULL$", 1171, "All parts of a PRIMARY KEY must be NOT NULL; if you need NULL in a key, use UNIQUE instead"),
	rw("^(All parts of a SPATIAL index must be NOT NULL)$", 1252, "$1"),
	rw("^no matching Full-Text index found on table .*$", 1191, "Can't find FULLTEXT index matching the column list"),
	rw("^column ordinal out of range: (.*)$", 1054, "Unknown column '$1' in 'group statement'"),
	rw("^(Expression #.* of ORDER BY clause is not in GROUP BY clause (?s:.*))$", 1055, "$1"),
	rw("^Unknown or incorrect time zone: '?([^']*)'?$", 1298, "Unknown or incorrect time zone: '$1'"),
	rw(`^strconv.ParseFloat: parsing "(.*)": value out of range$`, 1367, "Illegal double '$1' value found during parsing"),
	rw("^in aggregated query without GROUP BY, expression #%!d.*$", 1140,
		"In aggregated query without GROUP BY, expression of SELECT list contains nonaggregated column; this is incompatible with sql_mode=only_full_group_by"),
	rw("^the view (.*) does not exist$", 1051, "Unknown table '$1'"),
	rw("^`(.*)` expected `(.*)` parameters but got `(.*)`$", 1318,
		"Incorrect number of arguments for PROCEDURE $db.$1; expected $2, got $3"),
	rw(`^Unknown prepared statement handler \((.*)\) given to (.*)$`, 1243, "Unknown prepared statement handler ($1) given to $2"),
	rw("^Operation (.*) USER failed for (.*)$", 1396, "Operation $1 USER failed for $2"),
	rw(`^(The SRID of the geometry does not match .*)$`, 3643, "$1"),
	rw("^You are not allowed to create a user with GRANT$", 1410, "You are not allowed to create a user with GRANT"),
	rw(`^(?s:(.*?))\.?\s*This is a bug\. Please file(?s:.*)$`, 1105, "Internal error: $1"),
	rw("^Unknown character set: (\\w+)$", 1115, "Unknown character set: '$1'"),
	rw("^unsupported feature: unsupported character set: (\\w+)$", 1115, "Unknown character set: '$1'"),
	rw("^The character set `(\\w+)` has not yet been implemented.*$", 1115, "Unknown character set: '$1'"),
	rw("^(?i:the) used SELECT statements have a different number of columns(?s:.*)$", 1222,
		"The used SELECT statements have a different number of columns"),
	rw("^bind variable not provided: ", 1210, "Incorrect arguments to EXECUTE"),
	rw(`^expected ON DUPLICATE KEY \.\.\. VALUES\(\) to reference a column, found: (?:`+rewrite.NewRow+`\.)?(.*)$`, 1054, "Unknown column '$1' in 'field list'"),
	rw("^(View '.*' references invalid table.*)$", 1356, "$1"),
	rw("^(?:Event '(.*)' does not exist|Unknown event '(.*)')$", 1539, "Unknown event '$1$2'"),
	rw("(?i)^variable '(.*)' can't be set to the value of '<nil>'$", 1231, "Variable '$1' can't be set to the value of 'NULL'"),
	rw("^variable '(event_scheduler)' can't be set to the value 'disabled'$", 1231, "Variable '$1' can't be set to the value of 'DISABLED'"),
	rw("^(Event '.*' already exists)$", 1537, "$1"),
	rw("^ENDS is either invalid or before STARTS$|^Incorrect ENDS value: '.*'$", 1543, "ENDS is either invalid or before STARTS"),
	rw("^(Incorrect (?:AT|STARTS) value: '.*')$", 1525, "$1"),
	rw("^The target table (.*) of the (UPDATE|DELETE) is not updatable$", 1288, "The target table $1 of the $2 is not updatable"),
	rw("^Cannot add foreign key on the base column of a stored generated column\\.$", 1215, "Cannot add foreign key constraint"),
	rw("^invalid identifier: `(.*)`$", 1059, "Identifier name '$1' is too long"),
	rw("^tables cannot be created on database (.*)$", 3552, "Access to system schema '$1' is rejected."),
	rw("^(Variable '.*' is a GLOBAL variable and should be set with SET GLOBAL)$", 1229, "$1"),
	rw("Invalid JSON path expression. Path must start with '\\$'", 3143, "Invalid JSON path expression. The error is around character position 1."),
	rw("^unsupported syntax: resignal", 1645, "RESIGNAL when handler not active"),
	rw("^error: incorrect table definition: there can be only one auto column", 1075,
		"Incorrect table definition; there can be only one auto column and it must be defined as a key"),
	rw("^(?:Access denied|command denied) (?s:(.*))$", 1142, "Access denied $1"),
}

// textOfError is the text of an error that had a number before the planner made
// another one of it.
var textOfError = regexp.MustCompile(`^(?s:(.*)) \(errno (\d+)\) \(sqlstate (.....)\)$`)

// badArgument is the planner's error of a function's argument that is no JSON, with the text.
var badArgument = regexp.MustCompile(`^Invalid JSON text in argument (\d+) to function (\w+): "((?s:.*))"$`)

// clientError returns what a client is told of an error that the planner returned:
// MySQL's number, SQLSTATE and words. db is the session's current database.
func clientError(err error, db string) *mysql.SQLError {
	var se *mysql.SQLError
	if !errors.As(err, &se) {
		se = mysql.NewSQLError(mysql.ERUnknownError, "HY000", "%s", err.Error())
	}
	out := *se
	out.Message = strings.TrimPrefix(out.Message, "unable to sort: ")
	rewrite.VariableError(&out)
	if m := textOfError.FindStringSubmatch(out.Message); m != nil && rewrite.Generic(out.Num) {
		n, err := strconv.Atoi(m[2])
		if err == nil {
			return &mysql.SQLError{Num: n, State: m[3], Message: m[1]}
		}
	}
	if m := badArgument.FindStringSubmatch(out.Message); m != nil && rewrite.Generic(out.Num) {
		n, _ := strconv.Atoi(m[1])
		errors.As(value.InvalidArgument(m[3], n, m[2]), &se)
		return se
	}
	for _, r := range rewrites {
		m := r.pattern.FindStringSubmatchIndex(out.Message)
		if m == nil || out.Num != r.number && !rewrite.Generic(out.Num) {
			continue
		}
		template := strings.ReplaceAll(r.message, "$db", strings.ReplaceAll(db, "$", "$$"))
		out.Message = string(r.pattern.ExpandString(nil, bracketed(template), out.Message, m))
		out.Num, out.State = r.number, "HY000"
		break
	}
	if state, ok := value.SQLStates[out.Num]; ok && (out.State == "HY000" || out.State == "") {
		out.State = state
	}
	return &out
}

var groupName = regexp.MustCompile(`\$(\d)`)

// bracketed writes $1 as ${1}, so that letters after it are not part of the name.
func bracketed(t string) string { return groupName.ReplaceAllString(t, "$${$1}") }

// duplicateEntry is the message of a duplicate key.
func duplicateEntry(values []string, table, index string) string {
	return fmt.Sprintf("Duplicate entry '%s' for key '%s.%s'", strings.Join(values, "-"), table, index)
}

// notFound has the planner's error of an unknown table name its database.
func (s *Session) notFound(err error) error {
	if err == nil {
		return nil
	}
	m, text := s.missing, err.Error()
	if name, ok := strings.CutPrefix(text, "table not found: "); ok && len(name) >= len(m.Name) && m.Name != "" && strings.EqualFold(name[:len(m.Name)], m.Name) {
		return sql.ErrTableNotFound.New(m.Database + "." + m.Name)
	}
	return err
}
