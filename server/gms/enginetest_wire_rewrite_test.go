package gms_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// unread is the reason of an answer that -rewrite has written and nobody has read: a
// list that has one is refused.
const unread = "give a reason"

// rewriting reports whether answers are written to the list in place of a failure.
func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// moments are cells that another run answers otherwise.
var moments = regexp.MustCompile(`"20[2-9]\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?"`)

// record adds an answer to the list.
func (h *wireHarness) record(query string, rows []sql.Row, number int, instead string) {
	a := &wireAnswer{query: oneLine(query), err: number, instead: instead, met: true, reason: unread}
	if number == 0 {
		now := time.Now().Format(`"2006`)
		for _, row := range strings.Split(strings.TrimSuffix(formatRows(rows, query), "\n"), "\n") {
			a.rows = append(a.rows, moments.ReplaceAllStringFunc(strings.TrimPrefix(row, "\t"), func(cell string) string {
				if strings.HasPrefix(cell, now) {
					return "*"
				}
				return cell
			}))
		}
	}
	h.answers = append(h.answers, a)
}

// expecting returns what the suite that asks expects: "rows", "an error", or "" where
// it looks itself.
func expecting() string {
	callers := make([]uintptr, 16)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		f, more := frames.Next()
		switch name := f.Function[strings.LastIndex(f.Function, ".")+1:]; {
		case strings.HasPrefix(name, "AssertErr"):
			return "an error"
		case name == "RunQueryWithContext", name == "testQueryWithContext", name == "TestPreparedQueryWithContext",
			strings.HasPrefix(name, "AssertWarning"):
			return "rows"
		case !more:
			return ""
		}
	}
}

// rewritten records rows in place of an error and an error in place of rows.
func (h *wireHarness) rewritten(query string, rows []sql.Row, err error) ([]sql.Row, error) {
	var m *mysql.MyError
	switch expects := expecting(); {
	case err == nil && expects == "an error":
		h.record(query, rows, 0, expects)
		return nil, errExchanged
	case err != nil && expects == "rows" && errors.As(err, &m):
		h.record(query, nil, int(m.Code), expects)
		fmt.Printf("%s: %s\n\tgot %v\n", h.suite, oneLine(query), err)
		return []sql.Row{{exchanged}}, nil
	}
	return rows, err
}

// writeAnswers writes the list: the answers that were met, by their reasons.
func writeAnswers(t *testing.T, answers map[string][]*wireAnswer, ran map[string]bool) {
	var reasons []string
	lists := make(map[string]*strings.Builder)
	for _, s := range suites {
		for _, a := range answers[s.name] {
			if ran[s.name] && !a.met {
				continue
			}
			list := lists[a.reason]
			if list == nil {
				list = &strings.Builder{}
				lists[a.reason] = list
				reasons = append(reasons, a.reason)
			}
			fmt.Fprintf(list, "%s: %s\n", s.name, a.query)
			for _, row := range a.rows {
				fmt.Fprintf(list, "\t%s\n", row)
			}
			if a.err != 0 {
				fmt.Fprintf(list, "\terror %d\n", a.err)
			}
			if a.instead != "" {
				fmt.Fprintf(list, "\tinstead of %s\n", a.instead)
			}
		}
	}
	var out strings.Builder
	for i, reason := range reasons {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "# %s\n%s", reason, lists[reason])
	}
	if err := os.WriteFile(wireList, []byte(out.String()), 0o600); err != nil {
		t.Error(err)
	}
}
