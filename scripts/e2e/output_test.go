package e2e

import (
	"regexp"
	"strings"
	"testing"

	"sextant/scripts/cluster"
)

// noise is a class of lines of a cluster's output that a test expects, because of
// what it does to the cluster.
type noise = *regexp.Regexp

// Lines that need an explanation.
var loud = regexp.MustCompile(`level=(WARN|ERROR)|"level":"(WARN|ERROR)"|ended \(`)

var (
	killed      = regexp.MustCompile(`\| ended \(signal: killed\)`)
	deposed     = regexp.MustCompile(`msg="role ended" .*fenced by a newer volume epoch`)
	noRouter    = regexp.MustCompile(`msg="router refused" .*client=127\.0\.0\.1:4567 .*no proof`)
	quorumLost  = regexp.MustCompile(`msg="write quorum lost: (commits wait|the recovery waits)"`)
	controlAway = regexp.MustCompile(`msg="control node does not answer"`) // one was stopped before another
	controlLost = regexp.MustCompile(`msg="the control plane was lost and goes on|msg="control node has an empty Raft directory`)
)

// judge fails the test for every line that must not be there.
func judge(t *testing.T, output string, allowed []noise) {
	t.Helper()
	told := 0
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		bad := cluster.Never(line)
		if !bad && loud.MatchString(line) {
			bad = true
			for _, a := range allowed {
				bad = bad && !a.MatchString(line)
			}
		}
		if bad && told < 20 {
			told++
			t.Errorf("unexpected output: %s", line)
		}
	}
}
