package gms_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// levels are the scripts of the anomalies, in the order of the table's columns.
var levels = []string{"read_committed", "repeatable_read", "serializable", "strict_snapshot"}

// anomalies is the table of docs/transactions.md: whether a level lets an anomaly
// happen, and how it is told from what the sessions were answered.
var anomalies = []struct {
	name     string
	possible [4]bool
	seen     func(s history) bool
}{
	{"G0", [4]bool{}, func(s history) bool { return s.any("t1", "(1,12) (2,21)", "(1,11) (2,22)") }},
	{"G1a", [4]bool{}, func(s history) bool { return s.any("t2", "(1,101) (2,20)") }},
	{"G1b", [4]bool{}, func(s history) bool { return s.any("t2", "(1,101) (2,20)") }},
	{"G1c", [4]bool{}, func(s history) bool { return s.any("t1", "(2,22)") && s.any("t2", "(1,11)") }},
	// t3 has seen t1's first write or t2's; what it sees then of the other row is not older.
	{"OTV", [4]bool{}, func(s history) bool {
		return s.any("t3", "(1,12)") && s.first("t3", "(1,12)", "(2,19)")
	}},
	{"PMP", [4]bool{true, false, false, false}, func(s history) bool { return s.any("t1", "(3,30)") }},
	// t2 read row 2 by the predicate and its deletion by the same one spared row 2.
	{"PMP-write", [4]bool{true, true, false, false}, func(s history) bool {
		return s.any("t2", "(2,20)") && !s.any("t2", errorDeadlock) && s.any("t1", "(2,30)", "(1,20) (2,30)")
	}},
	{"P4", [4]bool{true, true, false, false}, func(s history) bool { return s.any("t1", "(1,12) (2,20)") }},
	{"G-single", [4]bool{true, false, false, false}, func(s history) bool { return s.any("t1", "(2,18)") }},
	{"G-single-dependencies", [4]bool{true, false, false, false}, func(s history) bool { return s.any("t1", "(1,12)") }},
	// t1 saw row 1 before t2, and its deletion row 2 after t2: nothing was deleted.
	{"G-single-write", [4]bool{true, true, false, false}, func(s history) bool {
		return s.any("t1", "(2,18)", "(2,20)") && !s.any("t1", errorDeadlock)
	}},
	{"G2-item", [4]bool{true, true, false, true}, func(s history) bool { return s.any("t1", "(1,11) (2,21)") }},
	{"G2", [4]bool{true, true, false, true}, func(s history) bool { return s.any("t1", "(3,30) (4,42)") }},
}

const errorDeadlock = "error 1213 (40001): Deadlock found when trying to get lock; try restarting transaction"

// history is what the sessions of one anomaly's script were answered.
type history map[string][]string

// any reports whether a session got one of the answers.
func (h history) any(session string, answers ...string) bool {
	return slices.ContainsFunc(h[session], func(a string) bool { return slices.Contains(answers, a) })
}

// first reports whether a session got answer a before b.
func (h history) first(session, a, b string) bool {
	i, j := slices.Index(h[session], a), slices.Index(h[session], b)
	return i >= 0 && i < j
}

// add adds the answers of a block: those of its session, and of others that went on.
func (h history) add(session, answers string) {
	for _, line := range strings.Split(strings.TrimSuffix(answers, "\n"), "\n") {
		if name, answer, ok := strings.Cut(line, ": "); ok && len(name) == 2 {
			h[name] = append(h[name], answer)
		} else {
			h[session] = append(h[session], line)
		}
	}
}

func anomalyScript(level string) string { return "testdata/sql/hermitage_" + level + ".txt" }

// TestAnomalies compares what the scripts of the four levels show, which TestSQLScripts
// runs, with the table of anomalies, and docs/transactions.md with that.
func TestAnomalies(t *testing.T) {
	got := map[string]map[string]history{} // level, anomaly
	for _, level := range levels {
		got[level] = map[string]history{}
		var h history
		datadriven.RunTest(t, anomalyScript(level), func(_ *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "anomaly" {
				h = history{}
				got[level][d.CmdArgs[0].Key] = h
			} else if h != nil {
				h.add(d.Cmd, d.Expected)
			}
			return d.Expected
		})
		if n := len(got[level]); n != len(anomalies) {
			t.Errorf("%s has %d anomalies, want %d", level, n, len(anomalies))
		}
	}
	doc, err := os.ReadFile("../../docs/transactions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range anomalies {
		row := "| " + a.name + " |"
		for i, level := range levels {
			if seen := a.seen(got[level][a.name]); seen != a.possible[i] {
				t.Errorf("%s at %s: possible is %v, want %v; %v", a.name, level, seen, a.possible[i], got[level][a.name])
			}
			row += map[bool]string{true: " possible |", false: " prevented |"}[a.possible[i]]
		}
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/transactions.md lacks %q", row)
		}
	}
}
