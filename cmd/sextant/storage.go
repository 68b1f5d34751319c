package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/config"
)

// markLeft is a file in the directory of a storage node that has left the cluster: it is
// not started any more.
const markLeft = "left"

func left(cfg *config.Config, id string) bool {
	_, err := os.Stat(filepath.Join(roleDir(cfg, id), markLeft))
	return err == nil
}

// followStorage makes the running storage nodes those of the fleet.
func (v *view) followStorage(s *fleet.State) {
	running := v.supervisor.has()
	for _, n := range s.Storage {
		if slices.Contains(running, n.ID) {
			continue
		}
		os.Remove(filepath.Join(roleDir(v.cfg, n.ID), markLeft))
		v.add(v.base, s, n.ID, "storage")
	}
	for _, id := range running {
		if _, found := s.StorageNode(id); strings.HasPrefix(id, "storage-") && !found {
			if err := os.WriteFile(filepath.Join(roleDir(v.cfg, id), markLeft), nil, 0o600); err != nil {
				fmt.Fprintln(os.Stderr, "sextant:", id, "has left:", err)
			}
			v.supervisor.remove(id)
		}
	}
}

// storageCommands are below the role's own command.
func storageCommands(c *common) []*cobra.Command {
	az := ""
	add := &cobra.Command{
		Use: "add ID", Short: "add a storage node; `sextant up` starts it", Example: "  sextant storage add storage-7 --az az-b",
		RunE: asking(c, func(ctx context.Context, cfg *config.Config, client *failover.Client, args []string) error {
			if err := addStorage(ctx, cfg, client, args[0], az); err != nil {
				return err
			}
			fmt.Println(args[0], "added; `sextant up` starts it")
			return nil
		}),
	}
	add.Flags().StringVar(&az, "az", "az-a", "its availability zone")
	with, cancel := "", false
	replace := &cobra.Command{
		Use: "replace ID", Short: "let another storage node take the place of one, while everything runs",
		Example: "  sextant storage replace storage-3\n  sextant storage replace storage-3 --with storage-7\n  sextant storage replace storage-3 --cancel",
		RunE: asking(c, func(ctx context.Context, cfg *config.Config, client *failover.Client, args []string) error {
			if cancel && with != "" {
				return errors.New("--cancel takes a replacement or a move back, --with begins a replacement: use one of them")
			}
			if cancel {
				return cancelReplace(ctx, client, args[0])
			}
			return replaceStorage(ctx, cfg, client, args[0], with)
		}),
	}
	replace.Flags().StringVar(&with, "with", "", "the node that takes its place, added if it is not there (default: a spare one of the zone, or a new one)")
	replace.Flags().BoolVar(&cancel, "cancel", false, "take the replacement back, or the move of one segment off the node")
	undrain := false
	drain := &cobra.Command{
		Use: "drain ID", Aliases: []string{"remove"}, Short: "move the segments of a storage node to others of its zone; it leaves with its last",
		Example: "  sextant storage drain storage-3\n  sextant storage drain storage-3 --cancel",
		RunE: asking(c, func(ctx context.Context, cfg *config.Config, client *failover.Client, args []string) error {
			return drainStorage(ctx, cfg, client, args[0], undrain)
		}),
	}
	drain.Flags().BoolVar(&undrain, "cancel", false, "let it keep the segments that it has, and take others")
	return []*cobra.Command{add, replace, drain}
}

// addStorage adds a storage node in a zone where there are others.
func addStorage(ctx context.Context, cfg *config.Config, client *failover.Client, id, az string) error {
	n := config.Number(id)
	if id != fmt.Sprintf("storage-%d", n) || n < 1 || n > config.StorageMax {
		return fmt.Errorf("%q is not storage-N with N in 1…%d", id, config.StorageMax)
	}
	t, err := topologyNow(ctx, client, func(failover.Topology) bool { return true })
	if err != nil {
		return err
	}
	if _, found := t.State.StorageNode(id); found {
		return fmt.Errorf("%s is in the cluster already", id)
	}
	if err := isZone(az, idsOf(t.State.Storage, func(n fleet.StorageNode) string { return n.AZ })); err != nil {
		return err
	}
	_, err = client.Propose(ctx, &fleet.AddStorage{Node: fleet.StorageNode{ID: id, AZ: az, Address: cfg.Addr(id, config.PortStorage-1+n)}})
	return err
}

// isZone refuses a zone that no storage node is in.
func isZone(az string, zones []string) error {
	if slices.Contains(zones, az) {
		return nil
	}
	slices.Sort(zones)
	return fmt.Errorf("--az %q: there is no storage in that zone; there are %s", az, orNone(slices.Compact(zones)))
}

func replaceStorage(ctx context.Context, cfg *config.Config, client *failover.Client, id, with string) error {
	t, err := topologyNow(ctx, client, func(t failover.Topology) bool { return t.Live != nil })
	if err != nil {
		return err
	}
	old, found := t.State.StorageNode(id)
	switch r := t.State.Replacing; {
	case !found && left(cfg, id):
		return fmt.Errorf("%s has left the cluster already; the storage nodes are %s", id, orNone(idsOf(t.State.Storage, storageID)))
	case !found:
		return fmt.Errorf("there is no storage node %q; there are %s", id, orNone(idsOf(t.State.Storage, storageID)))
	case with == id:
		return fmt.Errorf("%s takes its own place by itself when it comes back with an empty directory", id)
	case r.Old != "" && !r.Move && (r.Old != id || with != "" && r.New != with):
		return fmt.Errorf("%s is being replaced by %s: one at a time; `sextant status` shows how far it is, `sextant storage replace %s --cancel` takes it back", r.Old, r.New, r.Old)
	case r.Old != "" && !r.Move:
		with = r.New
	case with == "":
		with = t.State.Spare(id, func(n fleet.StorageNode) bool { return t.Live[n.ID].Healthy })
	}
	if with == "" {
		most := 0
		for _, n := range t.State.Storage {
			most = max(most, config.Number(n.ID))
		}
		with = fmt.Sprintf("storage-%d", most+1)
	}
	if _, found := t.State.StorageNode(with); !found {
		if err := addStorage(ctx, cfg, client, with, old.AZ); err != nil {
			return err
		}
	}
	if _, err := topologyNow(ctx, client, func(t failover.Topology) bool {
		n, _ := t.State.StorageNode(with)
		return n.StoreID != 0
	}); err != nil {
		return fmt.Errorf("%s does not report to the control plane: start it, and say this again: %w", with, err)
	}
	if _, err := client.Propose(ctx, &fleet.Replace{Old: id, New: with, Away: !t.Live[id].Healthy}); err != nil {
		return err
	}
	fmt.Printf("%s is being replaced by %s; `sextant status` shows how far it is\n", id, with)
	return nil
}

func storageID(n fleet.StorageNode) string { return n.ID }

func drainStorage(ctx context.Context, cfg *config.Config, client *failover.Client, id string, cancel bool) error {
	if cfg.Storage.MoveRate == 0 && !cancel {
		return errors.New("storage.move_rate is 0: segments do not move; `sextant storage replace` lets one node take the place of another")
	}
	s, err := client.Propose(ctx, &fleet.DrainStorage{Node: id, Cancel: cancel})
	if err != nil {
		return err
	}
	_, member := s.StorageNode(id)
	switch {
	case !member && cancel:
		return fmt.Errorf("there is no storage node %q; there are %s", id, orNone(idsOf(s.Storage, storageID)))
	case !member:
		fmt.Println(id, "has no segments, and is no storage node of the cluster any more")
	case cancel:
		fmt.Println(id, "does not drain; segments may move to it again")
	default:
		fmt.Printf("%s drains: %d segments move to others of its zone, one after the other, and it leaves with its last; `sextant status` shows how far it is\n",
			id, s.Segments()[id])
		if st, err := client.Status(ctx); err == nil { // it drains, whatever the status
			for _, n := range st.Storage {
				if n.ID == id && n.WaitsFor != "" {
					fmt.Println("it waits for", n.WaitsFor)
				}
			}
		}
	}
	return nil
}

func cancelReplace(ctx context.Context, client *failover.Client, id string) error {
	t, err := topologyNow(ctx, client, func(failover.Topology) bool { return true })
	if err != nil {
		return err
	}
	cmd, said, err := takenBack(t.State, id)
	if err != nil {
		return err
	}
	if _, err := client.Propose(ctx, cmd); err != nil {
		return err
	}
	fmt.Println(said)
	return nil
}

// takenBack returns what takes back the replacement of a storage node, or the move of a segment off it, and what that
// means; an error if neither is under way.
func takenBack(s *fleet.State, id string) (cmd *fleet.CancelReplace, said string, err error) {
	r := s.Replacing
	cmd = &fleet.CancelReplace{Old: r.Old, New: r.New}
	switch {
	case r.Old != id && r.Move:
		return nil, "", fmt.Errorf("%s is not being replaced, and no segment moves off it; one moves off %s", id, r.Old)
	case r.Old != id:
		return nil, "", fmt.Errorf("%s is not being replaced; %s is", id, cmp.Or(r.Old, "no storage node"))
	case !r.Move:
		return cmd, fmt.Sprintf("%s is not being replaced any more; %s stays as a spare node", r.Old, r.New), nil
	case s.IsDraining(id):
		said = fmt.Sprintf(", until the drain goes on: `sextant storage drain %s --cancel` ends it", id)
	default:
		said = ", until the next move, which may be the same at once; with storage.move_rate 0 none is for balance"
	}
	return cmd, fmt.Sprintf("the segment of group %d stays on %s", r.PG, id) + said, nil
}

// topologyNow returns the first topology of a cluster that has begun for which is holds.
func topologyNow(ctx context.Context, client *failover.Client, is func(failover.Topology) bool) (failover.Topology, error) {
	if _, err := client.Status(ctx); err != nil { // at once where nobody answers
		return failover.Topology{}, err
	}
	watching, found := context.WithCancelCause(ctx)
	defer found(nil)
	var out failover.Topology
	done := errors.New("found")
	err := client.Watch(watching, func(t failover.Topology) {
		if out.State == nil && t.State != nil && t.State.Cluster != "" && is(t) {
			out = t
			found(done)
		}
	})
	if out.State == nil {
		return out, err
	}
	return out, nil
}
