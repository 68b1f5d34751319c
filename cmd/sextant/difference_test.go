package main

import (
	"strings"
	"testing"

	"sextant/internal/config"
)

func TestDifferencesNameTheCommand(t *testing.T) {
	cfg := config.Default()
	s := initialFleet(&cfg)
	if got := differences(&cfg, &s); len(got) != 0 {
		t.Errorf("the first start differs from its configuration: %q", got)
	}
	cfg.Instances = append(cfg.Instances[1:], config.Instance{Node: config.Node{ID: "db-4", AZ: "az-b"}, Tier: 3})
	cfg.Instances[0].Tier = 9
	cfg.Endpoints = []config.Endpoint{{Name: "reports", MemberType: "READER", ListType: "EXCLUSION", Members: []string{"db-2"}}}
	cfg.Cluster.SegmentSize = config.MiB
	cfg.Storage.Nodes = append(cfg.Storage.Nodes, config.Node{ID: "storage-7", AZ: "az-a"})
	got := strings.Join(differences(&cfg, &s), "\n")
	for _, want := range []string{
		"sextant instance add db-4 --az az-b --tier 3", "sextant instance remove db-1", "tier 9",
		"sextant endpoint create reports --member-type READER --exclude db-2", "10GiB", "storage-7",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
