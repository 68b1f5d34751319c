package server

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"sextant/engine/replica"
	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/server/serverpb"
)

const testPatience = 10 * time.Second

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// mutedWriter accepts a subscription, answers it if it is told to, and then says
// nothing, like a process that was stopped.
type mutedWriter struct {
	serverpb.UnimplementedInstanceServer
	answers bool
	asked   chan struct{}
}

func (w *mutedWriter) Follow(s grpc.BidiStreamingServer[serverpb.FollowerMessage, serverpb.WriterMessage]) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	if w.answers {
		if err := s.Send(&serverpb.WriterMessage{Answer: &serverpb.Answer{VolumeEpoch: 1, PagesPerGroup: 100}}); err != nil {
			return err
		}
	}
	close(w.asked)
	<-s.Context().Done()
	return s.Context().Err()
}

func startMuted(t *testing.T, answers bool) (*mutedWriter, string) {
	t.Helper()
	l := listenLoopback(t)
	w := &mutedWriter{answers: answers, asked: make(chan struct{})}
	g := grpc.NewServer()
	serverpb.RegisterInstanceServer(g, w)
	go g.Serve(l)
	t.Cleanup(g.Stop)
	return w, l.Addr().String()
}

func follower1(addr string, replaced chan struct{}) *writerStream {
	return &writerStream{cluster: "c", id: "db-2",
		writer: func(context.Context) (string, string, error) { return "db-1", addr, nil },
		replaced: func(ctx context.Context, _ redo.VolumeEpoch) error {
			select {
			case <-replaced:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
}

// A promotion stops the reader first: that must not wait for a writer that hangs.
func TestSubscribeEndsWithItsContext(t *testing.T) {
	w, addr := startMuted(t, false)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := follower1(addr, nil).Subscribe(ctx, 0, 0)
		done <- err
	}()
	select {
	case <-w.asked:
	case <-time.After(testPatience):
		t.Fatal("the writer was not asked")
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Fatal("subscribed to a writer that has not answered")
		}
	case <-time.After(testPatience):
		t.Fatal("Subscribe goes on waiting for a writer that does not answer")
	}
}

// After a failover away from a writer that hangs, its readers follow the new one,
// although their connections to the old one do not break.
func TestSubscriptionEndsWhenAnotherWriterServes(t *testing.T) {
	_, addr := startMuted(t, true)
	replaced := make(chan struct{})
	sub, err := follower1(addr, replaced).Subscribe(context.Background(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if got := sub.Answer().Epoch; got != 1 {
		t.Fatalf("answer of epoch %d, want 1", got)
	}
	done := make(chan error, 1)
	go func(s replica.Subscription) {
		_, err := s.Recv(context.Background())
		done <- err
	}(sub)
	close(replaced)
	select {
	case err := <-done:
		if err == nil {
			t.Fatal("Recv returned a message that nobody sent")
		}
	case <-time.After(testPatience):
		t.Fatal("the reader stays with the writer that hangs")
	}
}

// lockedLog calls the hub under the lock that its own methods take, as the volume does.
type lockedLog struct {
	mu  sync.Mutex
	hub *hub
	vdl redo.LSN
}

func (l *lockedLog) Epoch() redo.VolumeEpoch { return 1 }
func (l *lockedLog) PagesPerGroup() uint64   { return 100 }
func (l *lockedLog) List() logstore.List {
	l.mu.Lock()
	defer l.mu.Unlock()
	return logstore.List{Epoch: 1}
}
func (l *lockedLog) PGLasts() (redo.LSN, map[redo.PGID]redo.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.vdl, map[redo.PGID]redo.LSN{0: l.vdl}
}

func (l *lockedLog) ship() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hub.Frame([]byte{1}, l.vdl+1)
	l.vdl++
	l.hub.VDL(l.vdl)
}

// Readers join while the writer ships: no deadlock, and no record is left out
// between the answer and the first frame.
func TestReadersJoinWhileTheWriterShips(t *testing.T) {
	h := newHub()
	l := &lockedLog{hub: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 20000 {
				l.ship()
			}
		})
		wg.Go(func() {
			for range 2000 {
				f, a, ok := join(h, "db-2", l)
				if !ok {
					t.Error("refused")
					return
				}
				l.ship()
				frames, _, err := f.take()
				if err != nil {
					t.Error(err)
					return
				}
				next := redo.LSN(a.Vdl) + 1
				for _, fr := range frames {
					if fr.last > next {
						t.Errorf("answer at %d, then a frame of %d", a.Vdl, fr.last)
						return
					}
					if fr.last == next {
						next++
					}
				}
				if next == redo.LSN(a.Vdl)+1 {
					t.Errorf("no frame after the answer at %d", a.Vdl)
					return
				}
				h.leave(f)
			}
		})
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(testPatience):
		t.Fatal("the writer and a reader that joins wait for each other")
	}
}

// The control plane repeats an order when the lease wait has shrunk. If the recovery
// has failed meanwhile, the epoch must not be recovered a second time.
func TestOneEpochIsRecoveredOnce(t *testing.T) {
	i := New(Options{ID: "db-1", MySQL: listenLoopback(t)})
	stop := func(error) {}
	first := &failover.BecomeWriter{Epoch: 5, LeaseWait: time.Second}
	i.handle(first, stop)
	if i.order == nil || i.order.BecomeWriter != first {
		t.Fatal("the order was not taken")
	}
	i.forget(i.order)
	i.handle(&failover.BecomeWriter{Epoch: 5}, stop)
	if i.order != nil {
		t.Fatal("an epoch whose recovery has ended is recovered again")
	}
	i.handle(&failover.BecomeWriter{Epoch: 6}, stop)
	if i.order == nil || i.order.Epoch != 6 {
		t.Fatal("the next epoch was not taken")
	}
}

// The lease wait of a new order shrinks while the role before it still ends: that
// order's wait ends, and nothing is closed twice.
func TestLeaseWaitShrinksBeforeTheOrderIsBegun(t *testing.T) {
	i := New(Options{ID: "db-1", MySQL: listenLoopback(t)})
	stop := func(error) {}
	i.handle(&failover.BecomeWriter{Epoch: 1}, stop)
	old := i.order
	i.handle(&failover.BecomeWriter{Epoch: 3, LeaseWait: time.Second}, stop)
	select {
	case <-i.order.leases:
		t.Fatal("the wait for leases has ended")
	default:
	}
	for range 2 {
		i.handle(&failover.BecomeWriter{Epoch: 3}, stop)
	}
	for _, o := range []*order{old, i.order} {
		select {
		case <-o.leases:
		default:
			t.Fatalf("the wait of epoch %d has not ended", o.Epoch)
		}
	}
}

// A drain that was given up is not carried out later.
func TestDrainIsForgottenWhenItIsGivenUp(t *testing.T) {
	i := New(Options{ID: "db-1", MySQL: listenLoopback(t)})
	i.role, i.epoch = fleet.RoleWriter, 4
	stop := func(error) {}
	i.handle(&failover.Drain{Epoch: 4}, stop)
	i.handle(&failover.Resume{Epoch: 4}, stop)
	select {
	case <-i.drain:
		t.Fatal("it waits to be carried out")
	default:
	}
}

// A reader that leaves before it has made a promise is forgotten like any other; one
// that is back is not, and what a stream that has ended still delivers changes nothing.
func TestHubForgetsWhoNeverPromised(t *testing.T) {
	h := newHub()
	f, _ := h.join("db-2")
	h.leave(f)
	h.promised(f)
	if h.has("db-2") {
		t.Fatal("a promise of a stream that has ended counts")
	}
	if ids := h.forgotten(0); len(ids) != 1 || ids[0] != "db-2" {
		t.Fatalf("%v are forgotten", ids)
	}
	f, _ = h.join("db-2")
	h.promised(f)
	h.leave(f)
	again, _ := h.join("db-2")
	if ids := h.forgotten(0); len(ids) != 0 || !h.has("db-2") {
		t.Fatalf("%v are forgotten, a promise is lost", ids)
	}
	h.leave(again)
	if ids := h.forgotten(0); len(ids) != 1 || h.has("db-2") {
		t.Fatalf("%v are forgotten", ids)
	}
}
