package client

import (
	"testing"

	"sextant/logstore/volume"
)

// While a member is replaced, four of the old and four of the new members must answer.
func TestReachableDuringAChange(t *testing.T) {
	groups := []volume.Group{
		{Members: []int{0, 1, 2, 3, 4, 5}},
		{PG: 1, Membership: 2, Members: []int{0, 1, 2, 3, 4, 5, 6}, Leaving: 5},
	}
	for nodes, want := range map[string]bool{
		"ABCD": true, "ABC": false, "ABCF": false, "ABCG": false, "ABCFG": true,
	} {
		up := make([]bool, 7)
		for _, n := range nodes {
			up[n-'A'] = true
		}
		if got := quorate(groups, up); got != want {
			t.Errorf("%s: %v, want %v", nodes, got, want)
		}
	}
}
