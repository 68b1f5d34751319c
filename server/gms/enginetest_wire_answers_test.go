package gms_test

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// wireAnswer is an answer over the wire that is another than a suite expects, from
// testdata/enginetest_wire.txt. A statement may have several. Each must be met.
type wireAnswer struct {
	query   string
	rows    []string // as formatRow writes them; a cell * is any value
	err     int      // its number, if not 0
	instead string   // what the suite expects: "rows", "an error", or "" for other rows
	reason  string
	met     bool
}

// Answers that stand for what a suite expects.
const exchanged = "as the suite expects"

var errExchanged = errors.New(exchanged)

const wireList = "testdata/enginetest_wire.txt"

// wireAnswers reads the answers by suite.
func wireAnswers(t *testing.T) map[string][]*wireAnswer {
	data, err := os.ReadFile(wireList)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[string][]*wireAnswer)
	var a *wireAnswer
	reason := ""
	for i, line := range strings.Split(string(data), "\n") {
		row, indented := strings.CutPrefix(line, "\t")
		switch {
		case line == "":
		case strings.HasPrefix(line, "# "):
			reason = line[2:]
		case !indented:
			suite, query, ok := strings.Cut(line, ": ")
			if !ok || reason == "" || reason == unread && !rewriting() {
				t.Fatalf("line %d has no suite or no reason: %s", i+1, line)
			}
			a = &wireAnswer{query: query, reason: reason}
			answers[suite] = append(answers[suite], a)
		case strings.HasPrefix(row, "error "):
			if a.err, err = strconv.Atoi(row[len("error "):]); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
		case strings.HasPrefix(row, "instead of "):
			a.instead = row[len("instead of "):]
		default:
			a.rows = append(a.rows, row)
		}
	}
	return answers
}

// listed reports whether an answer is one of the list, where the suite expects
// rows, an error, or other rows.
func (h *wireHarness) listed(query string, rows []sql.Row, err error, instead string) bool {
	query = oneLine(query)
	got := strings.Split(strings.TrimSuffix(formatRows(rows, query), "\n"), "\n")
	for _, a := range h.answers {
		if a.query == query && a.instead == instead && a.is(got, err) {
			a.met = true
			return true
		}
	}
	return false
}

func (a *wireAnswer) is(got []string, err error) bool {
	var m *mysql.MyError
	if a.err != 0 || err != nil {
		return errors.As(err, &m) && int(m.Code) == a.err
	}
	if len(a.rows) != len(got) {
		return false
	}
	for i := range got {
		if !sameCells(a.rows[i], strings.TrimPrefix(got[i], "\t")) {
			return false
		}
	}
	return true
}

// instead returns what the suite has to see of an answer: what is listed as an answer
// in place of an error, or as an error, is exchanged, where that is what it expects.
func (h *wireHarness) instead(query string, rows []sql.Row, err error) ([]sql.Row, error) {
	h.last = query
	switch {
	case expecting() != "rows" && h.listed(query, rows, err, "an error"):
		return nil, errExchanged
	case err != nil && h.listed(query, nil, err, "rows"):
		return []sql.Row{{exchanged}}, nil
	case rewriting():
		return h.rewritten(query, rows, err)
	}
	return rows, err
}

// unmet fails the test for every answer that was not met: it is not given any more.
func (h *wireHarness) unmet(t *testing.T) {
	for _, a := range h.answers {
		if !a.met {
			t.Errorf("%s: this answer is not given any more: %d %q", a.query, a.err, a.rows)
		}
	}
}

func oneLine(query string) string { return strings.Join(strings.Fields(query), " ") }

// formatRows writes rows as they stand in the list, sorted if the statement does not
// order them.
func formatRows(rows []sql.Row, query string) string {
	lines := make([]string, len(rows))
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, v := range row {
			cells[j] = formatCell(v)
		}
		lines[i] = "\t" + strings.Join(cells, " ") + "\n"
	}
	if len(rows) == 0 {
		return "\tno rows\n"
	}
	if !strings.Contains(strings.ToUpper(query), "ORDER BY ") {
		sort.Strings(lines)
	}
	return strings.Join(lines, "")
}

func formatCell(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case types.OkResult:
		return fmt.Sprintf("OK %d %d", v.RowsAffected, v.InsertID)
	default:
		return strconv.Quote(fmt.Sprint(v))
	}
}

// sameCells compares two rows; a cell * of the first is any value.
func sameCells(want, got string) bool {
	for want != "" && got != "" {
		w, g := firstCell(want), firstCell(got)
		if w != g && (w != "*" || g == "NULL") {
			return false
		}
		want, got = strings.TrimPrefix(want[len(w):], " "), strings.TrimPrefix(got[len(g):], " ")
	}
	return want == got
}

func firstCell(row string) string {
	if quoted, err := strconv.QuotedPrefix(row); err == nil {
		return quoted
	}
	cell, _, _ := strings.Cut(row, " ")
	return cell
}
