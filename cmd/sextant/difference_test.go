package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sextant/failover/fleet"
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

// TestReplacedNodesAreNotMissed: what has left the cluster is not proposed to be added again, with the file that says so or
// without it when another of the zone has come.
func TestReplacedNodesAreNotMissed(t *testing.T) {
	cfg := config.Default()
	cfg.Cluster.Data = t.TempDir()
	s := initialFleet(&cfg)
	s.Storage = s.Storage[1:]
	if got := strings.Join(differences(&cfg, &s), "\n"); !strings.Contains(got, "sextant storage add storage-1 --az az-a") {
		t.Errorf("says %q", got)
	}
	if err := os.Mkdir(roleDir(&cfg, "storage-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(roleDir(&cfg, "storage-1"), markLeft), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := differences(&cfg, &s); len(got) != 0 {
		t.Errorf("it has left, and %q", got)
	}
	cfg.Cluster.Data = t.TempDir()
	s.Storage = append(s.Storage, fleet.StorageNode{ID: "storage-7", AZ: "az-a"})
	if got := differences(&cfg, &s); len(got) != 0 {
		t.Errorf("it was replaced, and %q", got)
	}
}

// TestEndpointsAreTheRouters: on its own address, or cluster.bind; and on loopback, from
// where the first account may log in.
func TestEndpointsAreTheRouters(t *testing.T) {
	for _, c := range []struct{ bind, router, want string }{
		{"127.0.0.1", "", "127.0.0.1:6306"}, {"127.0.0.2", "", "127.0.0.2:6306"}, {"::1", "", "[::1]:6306"},
		{"10.1.2.3", "", "10.1.2.3:6306 127.0.0.1:6306"}, {"127.0.0.1", "fd00::7", "[fd00::7]:6306 127.0.0.1:6306"},
	} {
		cfg := config.Default()
		cfg.Cluster.Bind, cfg.Router.Nodes[0].Address = c.bind, c.router
		b := fleet.Bootstrap{Initial: initialFleet(&cfg)}
		b.Initial.Cluster, b.Initial.Volume = "demo-1", 1
		s := &fleet.State{}
		if r := s.Apply(&b); r.Code != fleet.CodeOK {
			t.Fatalf("%v: %s", c, r.Detail)
		}
		for name, port := range map[string]string{"cluster": "6306", "reader": "6307", "db-2": "6332"} {
			e, _ := s.Endpoint(name)
			if got := strings.Join(e.Addresses, " "); got != strings.ReplaceAll(c.want, "6306", port) {
				t.Errorf("%v: endpoint %s is at %s", c, name, got)
			}
		}
	}
}
