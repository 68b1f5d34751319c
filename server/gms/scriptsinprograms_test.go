package gms_test

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"regexp"
	"testing"
)

var (
	// runsInPrograms are statements whose answer is the same from a procedure, notInPrograms those among them that it is not of:
	// they tell of what came before them, of the connection or of programs.
	runsInPrograms = regexp.MustCompile(`(?i)^(select|with|table|values|update|delete|set @|create index|alter table|drop table|truncate|show (tables|columns|index|create)|create table [^(]*\()`)
	notInPrograms  = regexp.MustCompile(`(?i)found_rows|row_count|insert_id|connection_id|warning_count|error_count|routines|parameters|processlist|digest|profile|explain|\)[^)]*select |show create (procedure|function)|performance_schema\.users`)
	// differInPrograms are scripts with what is another there, and why.
	differInPrograms = map[string]string{
		"deprecations.txt":          "they are said when the program is made",
		"dump_statements.txt":       "a text of mysqldump's that is let through",
		"definers.txt":              "it shows all programs",
		"duplicate_key_sources.txt": "1353 for 1136 of a list of columns",
		"fulltext_modes.txt":        "the words of 1064",
		"json_faults.txt":           "the words of 3141",
		"lock_tables.txt":           "no program is made under a read lock",
		"query_forms.txt":           "1235 of * beside a window that a subquery orders",
		"status_counters.txt":       "what is counted is of clients' statements",
		"sys_views.txt":             "what is counted is of clients' statements",
		"system_databases.txt":      "it shows the connections",
		"windows.txt":               "1235 of * beside a window that a subquery orders",
		"xml_functions.txt":         "1064 for 1105 of XPATH",
	}
)

// TestSQLScriptsInPrograms runs a third of the scripts' statements in procedures, with -conformance all: the outcomes are the same.
func TestSQLScriptsInPrograms(t *testing.T) {
	runSQLScripts(t, func(t *testing.T, name string) *sqlLab {
		if why := differInPrograms[name]; why != "" {
			t.Skip(why)
		}
		l := newLab(startInstance(t))
		makes := l.conn("makes programs").c
		delete(l.conns, "makes programs")
		t.Cleanup(func() { _ = makes.Close() })
		made, last := 0, ""
		l.call = func(conn *sql.Conn, query string) string {
			h := fnv.New32()
			_, _ = h.Write([]byte(query))
			if !runsInPrograms.MatchString(query) || notInPrograms.MatchString(query) || h.Sum32()%3 > 0 && !*conformance {
				return ""
			}
			var mode, db, set, collation sql.NullString
			ctx := context.Background()
			if err := conn.QueryRowContext(ctx, "SELECT @@sql_mode, DATABASE(), @@character_set_client, @@collation_connection").Scan(&mode, &db, &set, &collation); err != nil || !db.Valid {
				return ""
			}
			made++
			name := fmt.Sprintf("`%s`.in_program%d", db.String, made)
			for _, q := range []string{last, "SET NAMES " + set.String + " COLLATE " + collation.String, "SET sql_mode = '" + mode.String + "'", "USE `" + db.String + "`",
				"CREATE PROCEDURE " + name + "() SQL SECURITY INVOKER " + query} {
				if _, err := makes.ExecContext(ctx, q); q != "" && err != nil {
					return "" // it is none for programs
				}
			}
			last = "DROP PROCEDURE IF EXISTS " + name
			return "CALL " + name + "()"
		}
		return l
	})
}
