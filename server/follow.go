package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"sextant/engine/replica"
	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/server/serverpb"
)

const (
	streamBytesMax    = redo.BatchBytesMax + 1<<20 // one message of the redo stream
	subscribePatience = 5 * time.Second            // for a writer to answer a subscription
)

// writerStream is the reader's side of the redo stream: it implements
// replica.Stream over whoever is the writer at the moment.
type writerStream struct {
	cluster, id string
	identity    *mtls.Identity
	// writer waits until there is a serving writer other than this instance and
	// returns its id and the address of its stream; it asks the control plane's topology.
	writer func(ctx context.Context) (id, addr string, err error)
	// replaced returns once a writer serves at a higher epoch, or with an error when ctx ends.
	replaced func(ctx context.Context, epoch redo.VolumeEpoch) error
}

// Subscribe connects to the current writer. Returns the context's error, or why
// the writer refused or did not answer within subscribePatience; the caller tries
// again. The subscription ends when another writer serves: one that hangs says nothing
// of it, and its connection does not break.
func (s *writerStream) Subscribe(ctx context.Context, epoch redo.VolumeEpoch, applied redo.LSN) (replica.Subscription, error) {
	id, addr, err := s.writer(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, s.identity.DialOption(id, mtls.Instance),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(streamBytesMax)),
		grpc.WithInitialWindowSize(8<<20), grpc.WithInitialConnWindowSize(8<<20))
	if err != nil {
		return nil, fmt.Errorf("dial the writer at %s: %w", addr, err)
	}
	stream, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sub := &subscription{conn: conn, cancel: cancel}
	opening, done := context.WithTimeout(ctx, subscribePatience)
	defer done()
	defer context.AfterFunc(opening, cancel)()
	if err := sub.open(stream, &serverpb.Hello{Protocol: streamProtocol, Cluster: s.cluster, Id: s.id, VolumeEpoch: uint64(epoch), Applied: uint64(applied)}); err != nil {
		sub.Close()
		return nil, fmt.Errorf("subscribe to the writer at %s: %w", addr, errors.Join(err, opening.Err()))
	}
	go func() {
		if s.replaced(stream, sub.answer.Epoch) == nil {
			cancel()
		}
	}()
	return sub, nil
}

// subscription is one stream from a writer.
type subscription struct {
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	stream grpc.BidiStreamingClient[serverpb.FollowerMessage, serverpb.WriterMessage]
	answer replica.Answer

	send sync.Mutex
}

func (s *subscription) open(ctx context.Context, hello *serverpb.Hello) error {
	stream, err := serverpb.NewInstanceClient(s.conn).Follow(ctx)
	if err != nil {
		return err
	}
	s.stream = stream
	if err := stream.Send(&serverpb.FollowerMessage{Hello: hello}); err != nil {
		return err
	}
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	a := m.GetAnswer()
	if a == nil {
		return fmt.Errorf("the writer's first message is no answer")
	}
	ranges := make([]redo.Range, len(a.Annulled))
	for i, r := range a.Annulled {
		ranges[i] = redo.Range{After: redo.LSN(r.After), Through: redo.LSN(r.Through)}
	}
	s.answer = replica.Answer{Epoch: redo.VolumeEpoch(a.VolumeEpoch), VDL: redo.LSN(a.Vdl), Annulled: redo.Join(ranges...),
		PGLast: map[redo.PGID]redo.LSN{}, PagesPerGroup: a.PagesPerGroup}
	for pg, l := range a.PgLast {
		s.answer.PGLast[redo.PGID(pg)] = redo.LSN(l)
	}
	return nil
}

// Answer returns what the writer said when it accepted the subscription.
func (s *subscription) Answer() replica.Answer { return s.answer }

// Recv returns the next frame or tick. After an error the subscription is dead.
func (s *subscription) Recv(ctx context.Context) (replica.Message, error) {
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	m, err := s.stream.Recv()
	switch {
	case ctx.Err() != nil:
		return replica.Message{}, ctx.Err()
	case err != nil:
		return replica.Message{}, fmt.Errorf("redo stream: %w", err)
	case m.Tick != nil:
		return replica.Message{VDL: redo.LSN(m.Tick.Vdl), SentAt: m.Tick.SentMicros, Snapshot: redo.LSN(m.Tick.Snapshot)}, nil
	default:
		return replica.Message{Frame: m.Frame}, nil
	}
}

// Promise tells the writer that no snapshot below readPoint will be read here.
func (s *subscription) Promise(readPoint redo.LSN) {
	s.send.Lock()
	defer s.send.Unlock()
	// An error ends the stream, which Recv reports.
	_ = s.stream.Send(&serverpb.FollowerMessage{Promise: uint64(readPoint)})
}

// Close ends the subscription.
func (s *subscription) Close() error {
	s.cancel()
	return s.conn.Close()
}
