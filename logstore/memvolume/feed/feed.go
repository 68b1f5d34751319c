// Package feed lets readers follow a writer on a memvolume.Store in one process, for tests: the
// writer's stream of batches and VDLs, the log and the pages.
package feed

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"sextant/engine/replica"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/memvolume"
)

// Feed is a store as a reader sees it: stream, log and pages. It is safe for concurrent use.
type Feed struct {
	store *memvolume.Store
	mu    sync.Mutex
	subs  map[*subscription]bool
}

// New returns a feed of a store, from now on.
func New(s *memvolume.Store) *Feed {
	f := &Feed{store: s, subs: map[*subscription]bool{}}
	s.AddTap(f)
	return f
}

// subscription is one reader's, whose queue has no bound.
type subscription struct {
	f      *Feed
	answer replica.Answer
	mu     sync.Mutex
	queue  []replica.Message
	more   chan struct{}
	broken bool
}

func (f *Feed) send(m replica.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.push(m)
	}
}

func (s *subscription) push(m replica.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Frame implements logstore.Tap.
func (f *Feed) Frame(b []byte, _ redo.LSN) { f.send(replica.Message{Frame: bytes.Clone(b)}) }

// VDL implements logstore.Tap.
func (f *Feed) VDL(vdl redo.LSN) {
	f.send(replica.Message{VDL: vdl, SentAt: time.Now().UnixMicro()})
}

// Cut ends every subscription, as when connections break.
func (f *Feed) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.mu.Lock()
		s.broken = true
		s.mu.Unlock()
		s.push(replica.Message{})
		delete(f.subs, s)
	}
}

// Subscribe implements replica.Stream.
func (f *Feed) Subscribe(_ context.Context, _ redo.VolumeEpoch, _ redo.LSN) (replica.Subscription, error) {
	s := &subscription{f: f, more: make(chan struct{}, 1)}
	f.mu.Lock()
	f.subs[s] = true
	f.mu.Unlock()
	// Frames since then may repeat what is at or below the VDL.
	s.answer = replica.Answer{Epoch: f.store.Epoch(), VDL: f.store.VDL(), Annulled: f.store.Annulled(),
		PGLast: f.store.PGLast(), PagesPerGroup: f.store.PagesPerGroup()}
	return s, nil
}

// Answer implements replica.Subscription.
func (s *subscription) Answer() replica.Answer { return s.answer }

// Promise implements replica.Subscription: the store keeps what its options say.
func (s *subscription) Promise(redo.LSN) {}

// Close implements replica.Subscription.
func (s *subscription) Close() error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	delete(s.f.subs, s)
	return nil
}

// Recv implements replica.Subscription.
func (s *subscription) Recv(ctx context.Context) (replica.Message, error) {
	for {
		s.mu.Lock()
		if s.broken {
			s.mu.Unlock()
			return replica.Message{}, io.ErrUnexpectedEOF
		}
		if len(s.queue) > 0 {
			m := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return m, nil
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-ctx.Done():
			return replica.Message{}, ctx.Err()
		}
	}
}

// Records implements replica.Log.
func (f *Feed) Records(_ context.Context, _ redo.VolumeEpoch, after, through redo.LSN, max int) ([]redo.Record, error) {
	rs, err := f.store.Records(after, through)
	bytes := 0
	for i := range rs {
		bytes += len(rs[i].Payload)
	}
	if err == nil && bytes > max {
		err = logstore.ErrTooLong
	}
	return rs, err
}

// ReadPages implements replica.Pages.
func (f *Feed) ReadPages(ctx context.Context, _ redo.VolumeEpoch, ids []redo.PageID, at, need redo.LSN) ([][]byte, error) {
	out := make([][]byte, len(ids))
	for i, id := range ids {
		p, err := f.store.ReadPage(ctx, id, at)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}
