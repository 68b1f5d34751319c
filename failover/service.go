package failover

import (
	"context"
	"errors"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/mtls"
	"sextant/internal/redo"
)

const protocolVersion = 1

// Why a control node ends a stream.
var (
	errNotLeader = status.Error(codes.FailedPrecondition, "this control node does not lead")
	errNoFleet   = status.Error(codes.Unavailable, "the cluster has not begun: storage nodes must report first")
	errSlow      = status.Error(codes.ResourceExhausted, "orders are not taken")
	errRemoved   = status.Error(codes.NotFound, "this process is no member of the cluster")
	errReplaced  = status.Error(codes.Aborted, "the role has attached again")
)

// service is the gRPC side of a control node.
type service struct {
	failoverpb.UnimplementedControlServer
	c *Control
}

// check refuses clients of other clusters.
func (s *service) check(cluster string) error {
	if cluster != s.c.opt.Cluster {
		return status.Errorf(codes.Unauthenticated, "control node %s belongs to cluster %q, not %q",
			s.c.opt.ID, s.c.opt.Cluster, cluster)
	}
	return nil
}

// lead returns the running leader. On a node that does not lead it returns
// errNotLeader, with the leader's address as the trailer that setTrailer sends.
func (s *service) lead(cluster string, setTrailer func(metadata.MD)) (*leader, error) {
	if err := s.check(cluster); err != nil {
		return nil, err
	}
	if l := s.c.leader.Load(); l != nil {
		return l, nil
	}
	setTrailer(s.hint())
	return nil, errNotLeader
}

// hint returns the trailer that names the leader, nil if it is not known.
func (s *service) hint() metadata.MD {
	r := s.c.raft.running.Load()
	if r == nil {
		return nil
	}
	_, id := r.LeaderWithID()
	for _, p := range s.c.opt.Peers {
		if p.ID == string(id) && p.ID != s.c.opt.ID {
			return metadata.Pairs(leaderTrailer, p.Address)
		}
	}
	return nil
}

// unary is lead for unary calls.
func (s *service) unary(ctx context.Context, cluster string) (*leader, error) {
	return s.lead(cluster, func(md metadata.MD) {
		// It fails only outside of a gRPC call; the client then looks for the leader itself.
		_ = grpc.SetTrailer(ctx, md)
	})
}

// Propose implements failoverpb.ControlServer.
func (s *service) Propose(ctx context.Context, r *failoverpb.ProposeRequest) (*failoverpb.ProposeReply, error) {
	if _, err := s.unary(ctx, r.Cluster); err != nil {
		return nil, err
	}
	cmd, err := fleet.DecodeCommand(r.Command)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.mayPropose(ctx, cmd); err != nil {
		return nil, err
	}
	a, err := s.c.propose(cmd)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &failoverpb.ProposeReply{Code: uint32(a.result.Code), Detail: a.result.Detail,
		State: fleet.EncodeState(a.state)}, nil
}

// ExitSeen implements failoverpb.ControlServer.
func (s *service) ExitSeen(ctx context.Context, r *failoverpb.ExitSeenRequest) (*failoverpb.ExitSeenReply, error) {
	l, err := s.unary(ctx, r.Cluster)
	if err != nil {
		return nil, err
	}
	if !l.call(ctx, func() { l.exited(r) }) {
		return nil, errNotLeader
	}
	return &failoverpb.ExitSeenReply{}, nil
}

// exited tells the detector of an exit, if the process is known by its stream.
func (l *leader) exited(r *failoverpb.ExitSeenRequest) {
	inc := r.Incarnation
	if st := l.last[r.Id]; inc == 0 && st != nil && st.Pid == r.Pid {
		inc = st.Incarnation
	}
	if inc != 0 {
		l.det.Step(fleet.Exited{Node: r.Id, Incarnation: fleet.Incarnation(inc)})
	}
}

// Failover implements failoverpb.ControlServer.
func (s *service) Failover(ctx context.Context, r *failoverpb.FailoverRequest) (*failoverpb.FailoverReply, error) {
	l, err := s.unary(ctx, r.Cluster)
	if err != nil {
		return nil, err
	}
	reply := &failoverpb.FailoverReply{}
	if !l.call(ctx, func() {
		to, result := l.det.Switchover(r.To)
		reply.To, reply.Code, reply.Detail = to, uint32(result.Code), result.Detail
	}) {
		return nil, errNotLeader
	}
	return reply, nil
}

// VerifyEpoch implements failoverpb.ControlServer. The state is read before the
// leadership is verified, so that it was current at some moment of the call.
func (s *service) VerifyEpoch(ctx context.Context, r *failoverpb.VerifyEpochRequest) (*failoverpb.VerifyEpochReply, error) {
	if _, err := s.unary(ctx, r.Cluster); err != nil {
		return nil, err
	}
	state := s.c.State()
	if err := s.c.raft.running.Load().VerifyLeader().Error(); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &failoverpb.VerifyEpochReply{VolumeEpoch: uint64(state.Epoch), Node: state.Holder.Node,
		Incarnation: uint64(state.Holder.Incarnation), Ended: state.Ended}, nil
}

// Status implements failoverpb.ControlServer.
func (s *service) Status(ctx context.Context, r *failoverpb.StatusRequest) (*failoverpb.StatusReply, error) {
	if err := s.check(r.Cluster); err != nil {
		return nil, err
	}
	state := s.c.State()
	if err := s.isMember(ctx, state); err != nil {
		return nil, err
	}
	reply := &failoverpb.StatusReply{Id: s.c.opt.ID, Pid: uint32(os.Getpid()), Detail: s.c.raft.detail(), State: fleet.EncodeState(state)}
	for _, p := range s.c.opt.Peers {
		reply.Control = append(reply.Control, &failoverpb.ControlNode{Id: p.ID, Az: p.AZ, Address: p.Address})
	}
	if l := s.c.leader.Load(); l != nil {
		reply.Leader, reply.LeaderAddress = true, s.c.opt.self().Address
		reply.Live = l.live.Load().list
	} else if md := s.hint(); md != nil {
		reply.LeaderAddress = md.Get(leaderTrailer)[0]
	}
	return reply, nil
}

// Watch implements failoverpb.ControlServer.
func (s *service) Watch(r *failoverpb.WatchRequest, out failoverpb.Control_WatchServer) error {
	if r.LeaderOnly {
		if _, err := s.lead(r.Cluster, out.SetTrailer); err != nil {
			return err
		}
	} else if err := s.check(r.Cluster); err != nil {
		return err
	}
	ticker := time.NewTicker(liveEvery)
	defer ticker.Stop()
	var sent *fleet.State
	for {
		l := s.c.leader.Load()
		if l == nil && r.LeaderOnly {
			out.SetTrailer(s.hint())
			return errNotLeader
		}
		state, changed := s.c.fsm.get()
		if err := s.isMember(out.Context(), state); err != nil {
			out.SetTrailer(s.hint())
			return err
		}
		u := &failoverpb.TopologyUpdate{}
		if state != sent {
			u.State, sent = fleet.EncodeState(state), state
		}
		var next chan struct{}
		if l != nil {
			v := l.live.Load()
			u.Leader, u.Live, next = true, v.list, v.next
		}
		if u.Leader || len(u.State) > 0 {
			if err := out.Send(u); err != nil {
				return err
			}
		}
		select {
		case <-out.Context().Done():
			return out.Context().Err()
		case <-changed:
		case <-next:
		case <-ticker.C:
		}
	}
}

// Attach implements failoverpb.ControlServer.
func (s *service) Attach(conn failoverpb.Control_AttachServer) error {
	first, err := conn.Recv()
	if err != nil {
		return err
	}
	h := first.Hello
	if h == nil || h.Protocol != protocolVersion || h.Id == "" || h.Incarnation == 0 {
		return status.Errorf(codes.InvalidArgument, "an instance's first message is a hello of protocol %d", protocolVersion)
	}
	if err := mtls.CallsAs(conn.Context(), h.Id); err != nil {
		return err
	}
	l, err := s.lead(h.Cluster, conn.SetTrailer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(conn.Context())
	defer cancel(nil)
	st := &stream{hello: h, orders: make(chan *failoverpb.Order, ordersMax), cancel: cancel}
	var refused error
	if !l.call(ctx, func() { refused = l.attach(st) }) {
		return errNotLeader
	}
	if refused != nil {
		return refused
	}
	defer l.post(func() { l.detach(st) })
	go func() {
		for {
			m, err := conn.Recv()
			if err != nil {
				cancel(err)
				return
			}
			if b := m.Heartbeat; b != nil && !l.post(func() { l.heard(st, b) }) {
				return
			}
		}
	}()
	for {
		select {
		case o := <-st.orders:
			if err := conn.Send(o); err != nil {
				return err
			}
		case <-l.ctx.Done():
			conn.SetTrailer(s.hint())
			return errNotLeader
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// attach takes a stream on. It returns why not for an instance that is no member.
func (l *leader) attach(st *stream) error {
	state, _ := l.c.fsm.get()
	if state.Cluster == "" {
		return errNoFleet
	}
	if _, found := state.Instance(st.hello.Id); !found {
		return errRemoved
	}
	if old := l.streams[st.hello.Id]; old != nil {
		old.cancel(errReplaced)
	}
	l.streams[st.hello.Id], l.last[st.hello.Id] = st, st.hello
	l.c.opt.Logger.Debug("instance attached", "node", st.hello.Id, "pid", st.hello.Pid)
	l.det.Step(fleet.Attached{Node: st.hello.Id, Incarnation: fleet.Incarnation(st.hello.Incarnation),
		Host: st.hello.Host})
	return nil
}

func (l *leader) detach(st *stream) {
	if l.streams[st.hello.Id] != st {
		return
	}
	delete(l.streams, st.hello.Id)
	l.det.Step(fleet.Detached{Node: st.hello.Id, Incarnation: fleet.Incarnation(st.hello.Incarnation)})
	l.publish(true)
}

func (l *leader) heard(st *stream, b *failoverpb.Heartbeat) {
	if l.streams[st.hello.Id] != st {
		return
	}
	changed := st.beat == nil || st.beat.Role != b.Role || st.beat.Healthy != b.Healthy ||
		st.beat.VolumeEpoch != b.VolumeEpoch
	st.beat = b
	l.det.Step(fleet.Heard{Node: st.hello.Id, Incarnation: fleet.Incarnation(st.hello.Incarnation),
		Beat: fleet.Beat{Role: fleet.Role(b.Role), Epoch: redo.VolumeEpoch(b.VolumeEpoch),
			Applied: redo.LSN(b.AppliedLsn), Progress: b.Progress, Healthy: b.Healthy}})
	l.send(st, &failoverpb.Order{HeartbeatSeq: b.Seq})
	if changed {
		l.publish(true)
	}
}

// AttachRole implements failoverpb.ControlServer.
func (s *service) AttachRole(conn failoverpb.Control_AttachRoleServer) error {
	mark := new(int)
	var l *leader
	for {
		r, err := conn.Recv()
		if err != nil {
			return err
		}
		if r.Protocol != protocolVersion || r.Id == "" || r.Incarnation == 0 {
			return status.Errorf(codes.InvalidArgument, "a report needs protocol %d, id and incarnation", protocolVersion)
		}
		if err := mtls.CallsAs(conn.Context(), r.Id); err != nil {
			return err
		}
		lead, err := s.lead(r.Cluster, conn.SetTrailer)
		if err != nil {
			return err
		}
		if l == nil {
			l = lead
			defer l.post(func() { l.unreport(mark) })
		}
		state := s.c.State()
		ack := &failoverpb.RoleAck{WantsState: state.Cluster == "" && fleet.Kind(r.Kind) == fleet.KindStorage}
		if lead != l || !l.call(conn.Context(), func() { ack.Detail, err = l.report(r, mark) }) {
			return errNotLeader
		}
		if err != nil {
			return err
		}
		ack.Refused, ack.Unknown = ack.Detail != "", ack.Detail == notMember
		if err := conn.Send(ack); err != nil {
			return err
		}
	}
}

var errRoles = errors.New("too many roles report")

// notMember is why a storage node of a name that the fleet does not have counts in no quorum.
const notMember = "not a storage node of this cluster"

// report takes a role's report on, has a new store registered, and returns why the
// store will count in no quorum, "" if it may.
func (l *leader) report(r *failoverpb.RoleReport, mark *int) (string, error) {
	ro := l.roles[r.Id]
	if ro == nil {
		if len(l.roles) == rolesMax {
			return "", status.Error(codes.ResourceExhausted, errRoles.Error())
		}
		ro = &role{}
		l.roles[r.Id] = ro
	}
	ro.report, ro.heard, ro.current, ro.refused = r, time.Now(), mark, ""
	if fleet.Kind(r.Kind) != fleet.KindStorage {
		return "", nil
	}
	state, _ := l.c.fsm.get()
	n, found := state.StorageNode(r.Id)
	switch {
	case state.Cluster == "" || n.StoreID == r.StoreId:
	case !found:
		ro.refused = notMember
	case n.StoreID != 0:
		why, may := admitted(state, n, r.StoreId, redo.VolumeID(r.Volume))
		if ro.refused = why; may {
			return "", nil
		}
	case !ro.asked:
		ro.asked = true
		l.propose(proposal{cmd: &fleet.RegisterStore{Node: r.Id, StoreID: r.StoreId},
			reason: "register store", then: func(applied, error) { ro.asked = false }})
	}
	return ro.refused, nil
}

// unreport notes that the stream of that mark is down.
func (l *leader) unreport(mark *int) {
	for _, r := range l.roles {
		if r.current == mark {
			r.current = nil
		}
	}
}
