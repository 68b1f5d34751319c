package server

import (
	"context"
	"errors"
	"time"

	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore/client"
)

// watchMembers lets the writer's volume follow the storage nodes that the control plane
// has recorded at its epoch, and says when a replacement has come to its end.
func (i *Instance) watchMembers(ctx context.Context, epoch redo.VolumeEpoch, vol *client.Volume) {
	t := time.NewTicker(membersEvery)
	defer t.Stop()
	for {
		topology, changed := i.topologyNow()
		if s := topology.State; s != nil && s.Epoch == epoch {
			i.followMembers(ctx, s, vol)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-t.C:
		}
	}
}

func (i *Instance) followMembers(ctx context.Context, s *fleet.State, vol *client.Volume) {
	geo := i.geometryOf(s)
	if err := vol.Follow(geo); err != nil {
		i.o.Logger.Error("members of the volume", "error", err)
		return
	}
	if s.Replacing.Old == "" || !vol.Joined(geo) {
		return
	}
	within, cancel := context.WithTimeout(ctx, resignPatience)
	defer cancel()
	_, err := i.o.Client.Propose(within, &fleet.FinishReplace{Epoch: s.Epoch, Began: s.Replacing.Began, Groups: uint64(len(s.Groups))})
	if err != nil && !errors.Is(err, fleet.ErrStale) && ctx.Err() == nil {
		i.o.Logger.Info("end of a replacement not recorded yet", "node", s.Replacing.Old, "error", err)
	}
}
