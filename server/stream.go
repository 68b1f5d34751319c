package server

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/engine"
	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
	"sextant/server/serverpb"
)

// streamServer answers what other processes ask of this instance.
type streamServer struct {
	serverpb.UnimplementedInstanceServer
	i *Instance
}

// Kill ends a session, or the statement that it runs. NOT_FOUND if there is none.
func (s *streamServer) Kill(_ context.Context, r *serverpb.KillRequest) (*serverpb.KillReply, error) {
	sql := s.i.sqlNow()
	if sql == nil || !sql.Kill(r.Connection, r.QueryOnly) {
		return nil, status.Errorf(codes.NotFound, "no connection %d", r.Connection)
	}
	return &serverpb.KillReply{}, nil
}

// Follow streams the redo log to one reader until either side ends.
func (s *streamServer) Follow(stream grpc.BidiStreamingServer[serverpb.FollowerMessage, serverpb.WriterMessage]) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := m.GetHello()
	switch {
	case hello == nil || hello.Protocol != streamProtocol:
		return status.Errorf(codes.InvalidArgument, "protocol %d, this instance speaks %d", hello.GetProtocol(), streamProtocol)
	case hello.Cluster != s.i.o.Cluster:
		return status.Errorf(codes.PermissionDenied, "this instance belongs to cluster %q, not %q", s.i.o.Cluster, hello.Cluster)
	}
	if err := mtls.CallsAs(stream.Context(), hello.Id); err != nil {
		return err
	}
	if err := s.i.expects(hello.Id); err != nil {
		return err
	}
	db, vol, h := s.i.awaitWriting(stream.Context())
	if h == nil {
		return status.Error(codes.FailedPrecondition, "this instance is not the writer")
	}
	if err := vol.WaitConfirmed(stream.Context()); err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	f, answer, ok := join(h, hello.Id, vol)
	if !ok {
		return status.Errorf(codes.ResourceExhausted, "%d readers follow already", followersMax)
	}
	defer h.leave(f)
	if !h.has(hello.Id) { // else its last promise holds until it makes the next
		db.HoldReadPoint(hello.Id, redo.LSN(min(hello.Applied, answer.Vdl)))
	}
	if err := stream.Send(&serverpb.WriterMessage{Answer: answer}); err != nil {
		return err
	}
	promises := make(chan error, 1)
	go func() { promises <- s.takePromises(stream, db, h, f) }()
	return feed(stream, f, vol, promises)
}

// logState is what a reader is told of the log, which client.Volume is.
type logState interface {
	Epoch() redo.VolumeEpoch
	PGLasts() (redo.LSN, map[redo.PGID]redo.LSN)
	PagesPerGroup() uint64
	List() logstore.List
}

// join adds a reader and says where its stream begins: every record above the
// answer's VDL is in a frame that it gets. The hub comes first and the volume is not
// asked under the hub's lock: the volume calls the hub under its own.
func join(h *hub, id string, vol logState) (*follower, *serverpb.Answer, bool) {
	f, ok := h.join(id)
	if !ok {
		return nil, nil, false
	}
	vdl, last := vol.PGLasts()
	a := &serverpb.Answer{VolumeEpoch: uint64(vol.Epoch()), Vdl: uint64(vdl), PagesPerGroup: vol.PagesPerGroup(),
		PgLast: make(map[uint32]uint64, len(last))}
	for pg, l := range last {
		a.PgLast[uint32(pg)] = uint64(l)
	}
	for _, r := range vol.List().Ranges {
		a.Annulled = append(a.Annulled, &serverpb.Range{After: uint64(r.After), Through: uint64(r.Through)})
	}
	return f, a, true
}

// takePromises registers what the reader promises until its side of the stream ends.
func (s *streamServer) takePromises(stream grpc.BidiStreamingServer[serverpb.FollowerMessage, serverpb.WriterMessage], db *engine.DB, h *hub, f *follower) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := s.i.expects(f.id); err != nil {
			return err
		}
		if m.Promise != 0 {
			db.HoldReadPoint(f.id, redo.LSN(m.Promise))
			h.promised(f)
		}
	}
}

// expects refuses who is no instance of the cluster, as far as is known: its certificate is good still.
func (i *Instance) expects(id string) error {
	if t, _ := i.topologyNow(); t.State != nil && !t.State.Has(id) {
		return status.Errorf(codes.PermissionDenied, "%q is no process of this cluster, as far as is known here", id)
	}
	return nil
}

// feed sends what the hub queues, frames before the tick that covers them.
func feed(stream grpc.BidiStreamingServer[serverpb.FollowerMessage, serverpb.WriterMessage], f *follower, vol *client.Volume, promises <-chan error) error {
	for {
		select {
		case <-f.wake:
		case err := <-promises:
			return err
		case <-vol.Done():
			return status.Error(codes.FailedPrecondition, "this instance is not the writer any more")
		}
		frames, tick, err := f.take()
		if errors.Is(err, errSlow) {
			return status.Error(codes.ResourceExhausted, err.Error())
		}
		for _, fr := range frames {
			if err := stream.Send(&serverpb.WriterMessage{Frame: fr.bytes}); err != nil {
				return err
			}
		}
		if tick != nil {
			if err := stream.Send(&serverpb.WriterMessage{Tick: tick}); err != nil {
				return err
			}
		}
	}
}
