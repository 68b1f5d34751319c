package main

import (
	"strings"
	"testing"

	"sextant/failover"
	"sextant/internal/redo"
)

// TestStatusTables: what keeps commits waiting is the last line; SCLs are those of groups that have records; a move
// says how far it is.
func TestStatusTables(t *testing.T) {
	const lost = "write quorum lost: commits wait for group 0"
	pg := redo.PGID(1)
	s := failover.Status{
		Writer:    "db-1",
		Instances: []failover.InstanceStatus{{ID: "db-1", Role: "writer", Detail: lost}, {ID: "db-2", Role: "joining", Detail: "recovering"}},
		Storage: []failover.StorageStatus{
			{ID: "storage-1", PID: 7, Healthy: true, SCL: map[string]redo.LSN{"0": 500, "1": 400, "2": 0}, Draining: true, WaitsFor: "a writer",
				Replacing: &failover.ReplacingStatus{By: "storage-7", Group: &pg, Detail: "12 pages copied from storage-2"}},
			{ID: "storage-2", SCL: map[string]redo.LSN{"0": 500, "1": 0}, Detail: "dead: nobody listens at 127.0.0.1:6402"},
			{ID: "storage-7", SCL: map[string]redo.LSN{"2": 0}},
		},
	}
	var b strings.Builder
	printStatus(&b, &s)
	if !strings.HasSuffix(b.String(), "\n\n"+lost+"\n") {
		t.Errorf("the last line is not %q:\n%s", lost, b.String())
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"storage-1 7 true 0 400 500 - segment of group 1 moves to storage-7 (there: 12 pages copied from storage-2); draining, waits for a writer",
		"storage-2 - false 0 0 500 - dead: nobody listens at 127.0.0.1:6402",
		"storage-7 - false 0 - - -",
		"db-2 joining - false 0 - 0 recovering",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	s.Instances[0].Detail = ""
	b.Reset()
	if printStatus(&b, &s); strings.Contains(b.String(), "lost") {
		t.Errorf("nothing is lost:\n%s", b.String())
	}
	s.Leaderless = true
	b.Reset()
	if printStatus(&b, &s); strings.Contains(b.String(), "VDL") || !strings.Contains(b.String(), "not known") {
		t.Errorf("nobody knows the volume's LSNs:\n%s", b.String())
	}
}
