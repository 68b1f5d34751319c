package failover

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover/fleet"
	"sextant/internal/mtls"
	"sextant/internal/redo"
)

// mayPropose refuses what an instance does not say, and what another one than the holder
// says of its epoch. Operators may propose anything. The state has every grant of earlier
// leaders, and who was granted an epoch does not change: what is allowed here is so when it
// is applied. A command of an epoch that the state has forgotten is refused there.
func (s *service) mayPropose(ctx context.Context, cmd fleet.Command) error {
	p, _ := mtls.Caller(ctx)
	if p.Role != mtls.Instance {
		return nil
	}
	var epoch redo.VolumeEpoch
	switch cmd := cmd.(type) {
	case *fleet.Opened:
		epoch = cmd.Epoch
	case *fleet.Resign:
		epoch = cmd.Epoch
	case *fleet.CreateGroup:
		epoch = cmd.Epoch
	case *fleet.FinishReplace:
		epoch = cmd.Epoch
	default:
		return status.Errorf(codes.PermissionDenied, "%s may not propose %T", p, cmd)
	}
	state := s.c.State()
	if epoch > state.Epoch {
		return status.Errorf(codes.PermissionDenied, "%s proposes %T of epoch %d, which nobody was granted", p, cmd, epoch)
	}
	holders := append([]fleet.Lease{{Epoch: state.Epoch, Node: state.Holder.Node}}, state.Leases...)
	for _, h := range holders {
		if h.Epoch == epoch && h.Node != p.ID {
			return status.Errorf(codes.PermissionDenied, "%s proposes %T of epoch %d, which is %s's", p, cmd, epoch, h.Node)
		}
	}
	return nil
}

// isMember refuses the certificate of a storage node or instance that has been removed or replaced. A node that does not lead
// may not have heard yet that one was added.
func (s *service) isMember(ctx context.Context, state *fleet.State) error {
	p, _ := mtls.Caller(ctx)
	switch {
	case p.Role != mtls.Storage && p.Role != mtls.Instance || state.Cluster == "" || state.Has(p.ID):
		return nil
	case s.c.leader.Load() == nil:
		return errNotLeader
	}
	return errRemoved
}
