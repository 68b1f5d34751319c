package syntax

import (
	"regexp"
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// quotedRetries bounds the words of a statement that are quoted one after the other.
const quotedRetries = 32

// The planner's syntax errors, and what stands where they are.
var (
	syntaxErrorAt  = regexp.MustCompile(`syntax error at position (\d+) near '([A-Za-z_]\w*)'`)
	beforeFraction = regexp.MustCompile(`\b\d+\.$`) // before the digits of a number
	ErrorNear      = regexp.MustCompile(`syntax error at position (\d+)(?: near '(?s:(.*))')?$`)
)

// mysqlSyntaxError turns a syntax error of the planner's grammar into MySQL's; other
// errors are returned as they are. The query is what was sent, with names in quotes; f parses.
func mysqlSyntaxError(sent, query string, err error, f func(query string) error) error {
	m := ErrorNear.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	limit, aerr := strconv.Atoi(m[1])
	if aerr != nil {
		return err
	}
	at := refused(query, limit-1)
	if limit > len(query) && at >= 0 && !strings.HasSuffix(query, ";") {
		// The last token, or the end, which is moved on to tell.
		m := ErrorNear.FindStringSubmatch(errorText(f(query + "/**/")))
		if m != nil && m[1] != strconv.Itoa(limit) && !unclosed(query, at) {
			at = len(query)
		}
	}
	return Error(sent, UnquotedOffset(sent, query, max(at, 0)))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// refused returns where the token begins that a parser has read to end; a list that is empty or
// ends with a comma is refused at the FROM behind it.
func refused(query string, end int) int {
	start, last := -1, ""
	for at := 0; at < len(query); {
		word, next := NextWord(query, at)
		if next > end {
			if start < 0 && word != "" {
				start = at
			}
			break
		}
		token := word
		if word == " " {
			token = query[at : at+1]
		}
		if strings.EqualFold(word, "from") && (last == "," || strings.EqualFold(last, "select")) {
			return at
		}
		if word != "" {
			if last, start = token, at; continues(query, at) {
				start = at - 1
			}
			if m := beforeFraction.FindString(query[:at]); m != "" && word[0] >= '0' && word[0] <= '9' {
				start = at - len(m)
			}
		}
		at = next
	}
	return start
}

// continues reports whether the byte at a position is of the operator or variable before it.
func continues(query string, at int) bool {
	if at == 0 {
		return false
	}
	switch c := query[at]; query[at-1] {
	case '<':
		return c == '=' || c == '>' || c == '<'
	case '>':
		return c == '=' || c == '>'
	case '!':
		return c == '='
	case '@':
		return WordByte(c)
	}
	return false
}

// unclosed reports whether a text in quotes begins at a position that does not end.
func unclosed(query string, at int) bool {
	q := query[at]
	return (q == '\'' || q == '"' || q == '`') && (len(query) == at+1 || query[len(query)-1] != q)
}

// UnquotedOffset returns where an offset of a text with more names in quotes is in what was sent.
func UnquotedOffset(sent, query string, offset int) int {
	at := 0
	for i := 0; i < offset && at < len(sent); i++ {
		if query[i] == sent[at] {
			at++
		}
	}
	return at
}

// WithQuotedNames parses a statement. The planner's grammar takes more words for keywords
// than MySQL does (name, copy, status …): a word that it stumbles over, which MySQL
// does not reserve, is a name, and the statement is parsed again with it in quotes.
// f gets texts; the last one it was given is the one that the result is of. A client's
// statement that has an error even so gets MySQL's.
func WithQuotedNames(client bool, query string, f func(query string) error) error {
	first, sent := f(query), query
	err := first
	for range quotedRetries {
		if err == nil {
			return nil
		}
		at, end := stumbled(query, err)
		if at < 0 {
			break
		}
		query = query[:at] + "`" + query[at:end] + "`" + query[end:]
		err = f(query)
	}
	switch {
	case err == nil:
		return nil
	case client:
		return mysqlSyntaxError(sent, query, err, f)
	}
	return first
}

// stumbled returns where the word is that a syntax error is about, or the word before
// it if that is the one to be quoted; -1 if neither is.
func stumbled(query string, err error) (start, end int) {
	m := syntaxErrorAt.FindStringSubmatch(err.Error())
	if m == nil {
		return -1, -1
	}
	limit, aerr := strconv.Atoi(m[1])
	if aerr != nil {
		return -1, -1
	}
	start, end = -1, -1
	before := [2]int{-1, -1} // the word before
	last := [2]int{-1, -1}
	for at := 0; at < len(query); {
		word, next := NextWord(query, at)
		if next > limit+1 {
			break
		}
		if word != "" && word != " " {
			if strings.EqualFold(word, m[2]) {
				start, end, before = at, next, last
			}
			last = [2]int{at, next}
		} else if word == " " {
			last = [2]int{-1, -1}
		}
		at = next
	}
	if start >= 0 && namable(query[start:end]) {
		return start, end
	}
	if before[0] >= 0 && namable(query[before[0]:before[1]]) {
		return before[0], before[1]
	}
	return -1, -1
}

// QuotedWords puts the words in quotes that are none to the planner's grammar: those with a letter beyond ASCII or a $.
func QuotedWords(query string) string {
	odd := func(s string) bool {
		for i := range len(s) {
			if s[i] >= 0x80 || s[i] == '$' {
				return true
			}
		}
		return false
	}
	if !odd(query) {
		return query
	}
	var out strings.Builder
	done := 0
	for at := 0; at < len(query); {
		word, end := NextWord(query, at)
		if odd(word) {
			out.WriteString(query[done:at] + "`" + word + "`")
			done = end
		}
		at = end
	}
	return out.String() + query[done:]
}

// namable reports whether a word is a keyword to the planner's grammar and may be a
// name without quotes in MySQL.
func namable(word string) bool {
	if reservedWords[strings.ToUpper(word)] {
		return false
	}
	typ, _ := ast.NewStringTokenizer(word).Scan()
	return typ != ast.ID
}

// reservedWords are those of MySQL 8.0 (manual, 11.3).
var reservedWords = Words(`ACCESSIBLE ADD ALL ALTER ANALYZE AND AS ASC ASENSITIVE BEFORE BETWEEN BIGINT BINARY BLOB
	BOTH BY CALL CASCADE CASE CHANGE CHAR CHARACTER CHECK COLLATE COLUMN CONDITION CONSTRAINT CONTINUE CONVERT CREATE
	CROSS CUBE CUME_DIST CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURSOR DATABASE DATABASES DAY_HOUR
	DAY_MICROSECOND DAY_MINUTE DAY_SECOND DEC DECIMAL DECLARE DEFAULT DELAYED DELETE DENSE_RANK DESC DESCRIBE
	DETERMINISTIC DISTINCT DISTINCTROW DIV DOUBLE DROP DUAL EACH ELSE ELSEIF EMPTY ENCLOSED ESCAPED EXCEPT EXISTS EXIT
	EXPLAIN FALSE FETCH FIRST_VALUE FLOAT FLOAT4 FLOAT8 FOR FORCE FOREIGN FROM FULLTEXT FUNCTION GENERATED GET GRANT
	GROUP GROUPING GROUPS HAVING HIGH_PRIORITY HOUR_MICROSECOND HOUR_MINUTE HOUR_SECOND IF IGNORE IN INDEX INFILE INNER
	INOUT INSENSITIVE INSERT INT INT1 INT2 INT3 INT4 INT8 INTEGER INTERSECT INTERVAL INTO IO_AFTER_GTIDS IO_BEFORE_GTIDS
	IS ITERATE JOIN JSON_TABLE KEY KEYS KILL LAG LAST_VALUE LATERAL LEAD LEADING LEAVE LEFT LIKE LIMIT LINEAR LINES LOAD
	LOCALTIME LOCALTIMESTAMP LOCK LONG LONGBLOB LONGTEXT LOOP LOW_PRIORITY MASTER_BIND MASTER_SSL_VERIFY_SERVER_CERT
	MATCH MAXVALUE MEDIUMBLOB MEDIUMINT MEDIUMTEXT MIDDLEINT MINUTE_MICROSECOND MINUTE_SECOND MOD MODIFIES NATURAL NOT
	NO_WRITE_TO_BINLOG NTH_VALUE NTILE NULL NUMERIC OF ON OPTIMIZE OPTIMIZER_COSTS OPTION OPTIONALLY OR ORDER OUT OUTER
	OUTFILE OVER PARTITION PERCENT_RANK PRECISION PRIMARY PROCEDURE PURGE RANGE RANK READ READS READ_WRITE REAL RECURSIVE
	REFERENCES REGEXP RELEASE RENAME REPEAT REPLACE REQUIRE RESIGNAL RESTRICT RETURN REVOKE RIGHT RLIKE ROW ROWS
	ROW_NUMBER SCHEMA SCHEMAS SECOND_MICROSECOND SELECT SENSITIVE SEPARATOR SET SHOW SIGNAL SMALLINT SPATIAL SPECIFIC SQL
	SQLEXCEPTION SQLSTATE SQLWARNING SQL_BIG_RESULT SQL_CALC_FOUND_ROWS SQL_SMALL_RESULT SSL STARTING STORED
	STRAIGHT_JOIN SYSTEM TABLE TERMINATED THEN TINYBLOB TINYINT TINYTEXT TO TRAILING TRIGGER TRUE UNDO UNION UNIQUE UNLOCK
	UNSIGNED UPDATE USAGE USE USING UTC_DATE UTC_TIME UTC_TIMESTAMP VALUES VARBINARY VARCHAR VARCHARACTER VARYING VIRTUAL
	WHEN WHERE WHILE WINDOW WITH WRITE XOR YEAR_MONTH ZEROFILL`)

// Words returns the words of a text as a set.
func Words(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}
