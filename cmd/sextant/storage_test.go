package main

import (
	"strings"
	"testing"

	"sextant/failover/fleet"
)

// TestCancelTakesBack: a replacement, the move of a segment for balance or off a node that drains, nothing.
func TestCancelTakesBack(t *testing.T) {
	move := fleet.Replacement{Old: "storage-1", New: "storage-7", Move: true, PG: 3}
	for _, c := range []struct {
		s    fleet.State
		id   string
		want string
		fail bool
	}{
		{fleet.State{}, "storage-1", "no storage node is", true},
		{fleet.State{Replacing: fleet.Replacement{Old: "storage-1", New: "storage-7"}}, "storage-1", "storage-7 stays as a spare node", false},
		{fleet.State{Replacing: fleet.Replacement{Old: "storage-1", New: "storage-7"}}, "storage-7", "storage-1 is", true},
		{fleet.State{Replacing: move}, "storage-1", "the segment of group 3 stays on storage-1, until the next move, which may be the same at once", false},
		{fleet.State{Replacing: move, Draining: []string{"storage-1"}}, "storage-1", "`sextant storage drain storage-1 --cancel`", false},
		{fleet.State{Replacing: move}, "storage-7", "one moves off storage-1", true},
	} {
		cmd, said, err := takenBack(&c.s, c.id)
		if err != nil {
			said = err.Error()
		} else if *cmd != (fleet.CancelReplace{Old: "storage-1", New: "storage-7"}) {
			t.Errorf("%s: %+v", c.id, cmd)
		}
		if (err != nil) != c.fail || !strings.Contains(said, c.want) {
			t.Errorf("%s: says %q, want %q", c.id, said, c.want)
		}
	}
}
