package main

import (
	"fmt"
	"slices"
	"strings"

	"sextant/failover/fleet"
	"sextant/internal/config"
)

// differences returns a line for everything in which the configuration differs from
// the control plane's state, which wins, with the command that would apply it.
func differences(cfg *config.Config, s *fleet.State) (lines []string) {
	say := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	for _, i := range cfg.Instances {
		at := slices.IndexFunc(s.Instances, func(x fleet.Instance) bool { return x.ID == i.ID })
		switch {
		case at < 0:
			say("instance %s is configured and not in the cluster: `sextant instance add %s --az %s --tier %d` adds it", i.ID, i.ID, i.AZ, i.Tier)
		case int(s.Instances[at].Tier) != i.Tier || s.Instances[at].AZ != i.AZ:
			say("instance %s has tier %d in %s, configured are tier %d in %s: `sextant instance remove %s`, then `sextant instance add %s --az %s --tier %d` applies it",
				i.ID, s.Instances[at].Tier, s.Instances[at].AZ, i.Tier, i.AZ, i.ID, i.ID, i.AZ, i.Tier)
		}
	}
	for _, x := range s.Instances {
		if !slices.ContainsFunc(cfg.Instances, func(i config.Instance) bool { return i.ID == x.ID }) {
			say("instance %s is in the cluster and not configured: `sextant instance remove %s` removes it", x.ID, x.ID)
		}
	}
	for _, e := range cfg.Endpoints {
		if !slices.ContainsFunc(s.Endpoints, func(x fleet.Endpoint) bool { return strings.EqualFold(x.Name, e.Name) }) {
			flag := "--static"
			if e.ListType == "EXCLUSION" {
				flag = "--exclude"
			}
			say("endpoint %s is configured and not in the cluster: `sextant endpoint create %s --member-type %s %s %s` creates it",
				e.Name, e.Name, e.MemberType, flag, strings.Join(e.Members, ","))
		}
	}
	if uint64(cfg.Cluster.SegmentSize) != s.SegmentBytes {
		say("cluster.segment_size is %v, the volume was made with %v: it cannot be changed", cfg.Cluster.SegmentSize, config.Bytes(s.SegmentBytes))
	}
	for _, n := range cfg.Storage.Nodes {
		if _, found := s.StorageNode(n.ID); !found && !left(cfg, n.ID) && !replaced(cfg, s, n) {
			say("storage node %s is configured and not in the cluster: `sextant storage add %s --az %s` adds it", n.ID, n.ID, n.AZ)
		}
	}
	return lines
}

// replaced reports whether a storage node that is configured and not in the cluster has been replaced, as far as can be
// told: its zone has one that is not configured.
func replaced(cfg *config.Config, s *fleet.State, n config.Node) bool {
	return slices.ContainsFunc(s.Storage, func(x fleet.StorageNode) bool {
		return x.AZ == n.AZ && !slices.ContainsFunc(cfg.Storage.Nodes, func(c config.Node) bool { return c.ID == x.ID })
	})
}
