package gms_test

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var changedSeeds = flag.Int("changes", 24, "how many seeds TestRandomChangesOnMariaDB runs")

// Random changes of data have the outcome and leave the rows that MariaDB's do: as text, prepared, in procedures and in transactions, on
// tables with triggers, foreign keys, generated columns, ON UPDATE and views.
func TestRandomChangesOnMariaDB(t *testing.T) {
	randomSeedsOf(t, ", timestamp = 1700000000", *changedSeeds, (*randomRun).changes)
}

// changes runs the changes of a seed on new tables, up to the first that differs.
func (r *randomRun) changes(seed uint64) {
	r.script = nil
	for _, c := range []*sql.Conn{r.ours, r.theirs} {
		must(r.t, c, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "USE d")
	}
	g := &randomChanges{randomSQL{Rand: rand.New(rand.NewPCG(seed, 1))}}
	for _, q := range g.tables() {
		must(r.t, r.ours, q)
		must(r.t, r.theirs, q)
		r.script = append(r.script, q)
	}
	within := false // a transaction
	for range randomStatements {
		statements, prepared := []string{g.change()}, false
		switch {
		case !within && g.chance(8):
			statements, within = []string{"BEGIN"}, true
		case within && g.chance(25):
			statements = []string{pick(&g.randomSQL, "SAVEPOINT a", "ROLLBACK TO a", "COMMIT", "ROLLBACK")}
			within = len(statements[0]) > len("ROLLBACK")
		case !within && g.chance(20):
			statements = []string{"DROP PROCEDURE IF EXISTS q", "CREATE PROCEDURE q() " + statements[0], "CALL q()"}
		default:
			prepared = g.chance(40)
		}
		for _, q := range statements {
			r.script = append(r.script, q)
			if !r.alike(seed, q, prepared) {
				return
			}
		}
		for _, q := range []string{"SELECT * FROM p ORDER BY id", "SELECT * FROM c ORDER BY id", "SELECT * FROM l ORDER BY w, a, HEX(b)"} {
			if !r.alike(seed, q, false) {
				return
			}
		}
	}
	for _, c := range []*sql.Conn{r.ours, r.theirs} {
		must(r.t, c, "ROLLBACK")
	}
}

// alike reports whether a statement has the outcome that MariaDB has, but for the words of an error.
func (r *randomRun) alike(seed uint64, query string, prepared bool) bool {
	r.ran++
	lab := &sqlLab{t: r.t, prepared: prepared}
	var full, outcomes [2]string
	for i, c := range []*sql.Conn{r.ours, r.theirs} {
		full[i] = lab.outcome(c, query)
		if outcomes[i] = full[i]; strings.HasPrefix(full[i], "error ") {
			outcomes[i], _, _ = strings.Cut(full[i], " (")
		} else if strings.Contains(query, "ON DUPLICATE") {
			outcomes[i] = "" // MariaDB counts a NULL that stays one at times
		}
	}
	if outcomes[0] == outcomes[1] {
		return true
	}
	r.failed++
	r.t.Errorf("seed %d, prepared %v:\n%s;\n%s;\nhas %s\nwant %s", seed, prepared, strings.Join(r.script, ";\n"), query, full[0], full[1])
	for _, c := range []*sql.Conn{r.ours, r.theirs} {
		must(r.t, c, "ROLLBACK")
	}
	return false
}

// randomChanges makes statements that change data.
type randomChanges struct{ randomSQL }

// tables are a parent p, its children c, what the triggers write to l, and a view of p.
func (r *randomChanges) tables() []string {
	p := func(list ...string) string { return pick(&r.randomSQL, list...) }
	out := []string{
		"CREATE TABLE p (id INT PRIMARY KEY, n INT NOT NULL, v VARCHAR(6) NOT NULL DEFAULT 'dv', u INT, d DECIMAL(6,2) NOT NULL DEFAULT 1.5, " +
			"g VARCHAR(20) AS (CONCAT(v, '!'))" + p("", " STORED") + p("", ", UNIQUE KEY (u)") + p("", ", KEY (n)") + ")",
		"CREATE TABLE c (id INT PRIMARY KEY, pid INT, n INT NOT NULL DEFAULT 7, v CHAR(5) NOT NULL DEFAULT 'cv', b BIT(8) NOT NULL DEFAULT 3, y BINARY(3) NOT NULL DEFAULT 'q', " +
			"ts DATETIME NULL ON UPDATE CURRENT_TIMESTAMP, g INT AS (n + 1)" + p("", " STORED") + p("", ", UNIQUE KEY (v)") +
			", CONSTRAINT f FOREIGN KEY (pid) REFERENCES p (id)" + p("", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON DELETE CASCADE ON UPDATE CASCADE") + ")",
		"CREATE TABLE l (w VARCHAR(4), a INT, b VARCHAR(20))",
		"CREATE VIEW w AS SELECT id, n, u, d FROM p" + p("", " WHERE n > 2", " WHERE n > 2 WITH CHECK OPTION"),
	}
	for id := range 6 {
		out = append(out, fmt.Sprintf("INSERT INTO p (id, n, v, u) VALUES (%d, %d, %s, %s)", id, r.IntN(9), p("'a'", "'b'", "'c1'", "'12'", "'x y'"), p("NULL", fmt.Sprint(id+20))))
	}
	for id := range 8 {
		out = append(out, fmt.Sprintf("INSERT INTO c (id, pid, n, v) VALUES (%d, %s, %d, '%c')", id, p("NULL", fmt.Sprint(r.IntN(6))), r.IntN(9), 'a'+id))
	}
	for _, t := range []struct{ table, time, event, body string }{
		{"p", "BEFORE", "INSERT", "SET NEW.v = LEFT(CONCAT(NEW.v, 'i'), 6)"},
		{"p", "AFTER", "UPDATE", "INSERT INTO l VALUES ('pu', OLD.id, NEW.g)"},
		{"p", "AFTER", "DELETE", "INSERT INTO l VALUES ('pd', OLD.id, OLD.v)"},
		{"c", "BEFORE", "INSERT", "INSERT INTO l VALUES ('ci', NEW.id, NEW.v)"},
		{"c", "BEFORE", "INSERT", "SET NEW.n = NEW.n % 5"},
		{"c", "BEFORE", "UPDATE", "SET NEW.ts = '2001-02-03'"},
		{"c", "BEFORE", "UPDATE", "IF NEW.n > 10 THEN SIGNAL SQLSTATE '45000'; END IF"},
		{"c", "AFTER", "UPDATE", "INSERT INTO l VALUES ('cu', NEW.n, NEW.v)"},
	} {
		if r.chance(30) {
			out = append(out, fmt.Sprintf("CREATE TRIGGER x%d %s %s ON %s FOR EACH ROW %s", len(out), t.time, t.event, t.table, t.body))
		}
	}
	return out
}

func (r *randomChanges) text() string {
	return pick(&r.randomSQL, "'a'", "'b'", "'ab '", "'A'", "''", "'c1'", "'12'", "NULL")
}

func (r *randomChanges) number() string { return fmt.Sprint(r.IntN(14)) }

// value is one for a column in a row of INSERT, behind the columns before.
func (r *randomChanges) value(column string, before []string) string {
	switch {
	case column == "id":
		return fmt.Sprint(r.IntN(20))
	case column == "pid":
		return pick(&r.randomSQL, "NULL", "1", "2", "3", "4", "77")
	case r.chance(8) && column != "n":
		return "DEFAULT"
	case r.chance(6) && column != "n":
		return "DEFAULT(" + column + ")"
	}
	switch column {
	case "n", "u", "b":
		if slices.Contains(before, "id") && r.chance(20) {
			return "id + 1"
		}
		return pick(&r.randomSQL, r.number(), r.number(), r.number(), "NULL", "2.5")
	case "d":
		return pick(&r.randomSQL, "1.25", "2.345", "NULL", r.number())
	case "ts":
		return pick(&r.randomSQL, "'2020-01-02 03:04:05'", "NULL")
	case "y":
		return pick(&r.randomSQL, "'x'", "'xyz'", "NULL")
	}
	if slices.Contains(before, "id") && r.chance(15) {
		return "CONCAT('r', id)"
	}
	return r.text()
}

// expression is one over a table's row for UPDATE; name is how the statement names the table, with a point.
func (r *randomChanges) expression(column, name string) string {
	switch column {
	case "id":
		return name + "id + " + pick(&r.randomSQL, "20", "1")
	case "pid":
		return pick(&r.randomSQL, "NULL", "1", "2", "5", "77")
	case "v":
		return pick(&r.randomSQL, r.text(), name+"v", "LEFT(CONCAT("+name+"n, 'x'), 4)", "DEFAULT", "DEFAULT("+name+"v)")
	case "ts":
		return pick(&r.randomSQL, "'2020-01-02'", name+"ts", "DEFAULT")
	case "y":
		return pick(&r.randomSQL, "'x'", name+"y", "DEFAULT", "DEFAULT("+name+"y)")
	case "b":
		return pick(&r.randomSQL, "5", name+"n", "DEFAULT", "DEFAULT("+name+"b)")
	case "u":
		return pick(&r.randomSQL, name+"u", name+"u + 1", name+"id", "NULL")
	}
	return pick(&r.randomSQL, name+column, name+column+" + 1", name+"id", "NULL", r.number())
}

func (r *randomChanges) where(name string) string {
	return " WHERE " + pick(&r.randomSQL, "%sn > "+r.number(), "%sid IN ("+r.number()+", "+r.number()+", "+r.number()+")", "%sv IS NOT NULL",
		"%sid BETWEEN 2 AND "+r.number(), "%sv = 'a' OR %[1]sn < 4", "NOT %sid = "+r.number(), "%sg IS NOT NULL")
}

// columns are some of a table's, in any order; the first is its key.
func (r *randomChanges) columns(table string) []string {
	list := []string{"n", "v", "u", "d"}
	if table == "c" {
		list = []string{"pid", "n", "v", "b", "y", "ts"}
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:1+r.IntN(len(list))]
	if table == "p" && !slices.Contains(list, "n") {
		list = append(list, "n")
	}
	return append([]string{"id"}, list...)
}

// change returns a statement.
func (r *randomChanges) change() string {
	p := func(list ...string) string { return pick(&r.randomSQL, list...) }
	table := p("p", "c", "c")
	assigned := func(name string, key bool) string {
		list := r.columns(table)[1:]
		if key && r.chance(10) {
			list = append(list, "id")
		}
		out := make([]string, 0, 2)
		if i := slices.Index(list, "pid"); i >= 0 && len(list) > 1 { // which of two errors comes first depends on the keys
			list = slices.Delete(list, i, i+1)
		}
		for _, c := range list[:min(len(list), 2)] {
			out = append(out, name+c+" = "+r.expression(c, name))
		}
		return strings.Join(out, ", ")
	}
	named := func(format, name string) string {
		return strings.ReplaceAll(strings.ReplaceAll(format, "%[1]s", name), "%s", name)
	}
	where := func(name string) string { return named(r.where(name), name) }
	switch n := r.IntN(100); {
	case n < 45:
		columns := r.columns(table)
		var source string
		verb := p("INSERT", "INSERT", "INSERT", "INSERT IGNORE", "REPLACE")
		if r.chance(70) {
			var rows []string
			for range 1 + r.IntN(3) {
				var row []string
				for i, c := range columns {
					row = append(row, r.value(c, columns[:i]))
				}
				rows = append(rows, "("+strings.Join(row, ", ")+")")
			}
			source = "VALUES " + strings.Join(rows, ", ")
		} else {
			row := []string{"o.id + " + p("0", "5", "20")}
			for _, c := range columns[1:] {
				e := strings.ReplaceAll(r.expression(c, "o."), "DEFAULT", "NULL")
				if strings.HasPrefix(e, "NULL(") {
					e = "NULL"
				}
				row = append(row, e)
			}
			source = "SELECT " + strings.Join(row, ", ") + " FROM " + table + " o" + where("o.") + " ORDER BY o.id" + p("", " LIMIT 3")
		}
		q := verb + " INTO " + table + " (" + strings.Join(columns, ", ") + ") " + source
		if verb != "REPLACE" && r.chance(35) {
			list := []string{}
			for _, c := range columns[1:2] {
				list = append(list, c+" = "+p("VALUES("+c+")", table+"."+c, "COALESCE(VALUES("+c+"), "+table+"."+c+")"))
			}
			q += " ON DUPLICATE KEY UPDATE " + strings.Join(list, ", ")
		}
		return q
	case n < 65:
		return "UPDATE " + table + " SET " + assigned("", true) + where("") + " ORDER BY id" + p("", " DESC", " LIMIT 2")
	case n < 75:
		table = "c"
		return "UPDATE c " + p("JOIN", "LEFT JOIN") + " p ON p.id = c.pid SET c.n = " + p("COALESCE(p.id, c.n)", "c.n + 1", "COALESCE(p.n, 3)") + ", c.b = " + p("5", "DEFAULT") + where("c.")
	case n < 80:
		return "UPDATE w SET " + p("n = n + 1", "u = NULL", "n = 1", "d = d + n", "n = id") + " WHERE n > " + r.number()
	case n < 83:
		return p("INSERT", "REPLACE") + " INTO w (id, n, u) VALUES (" + r.value("id", nil) + ", " + r.number() + ", NULL)"
	case n < 93:
		return "DELETE FROM " + table + where("") + " ORDER BY id LIMIT " + p("1", "2")
	case n < 97:
		return "DELETE c FROM c JOIN p ON p.id = c.pid WHERE c.n > " + r.number() + " AND p.n < " + r.number()
	}
	return "DELETE FROM c" + p("", " WHERE pid IN (SELECT id FROM p WHERE n > 5)")
}
