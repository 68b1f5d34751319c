package client

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"sextant/internal/mtls"
	"sextant/internal/page"
	"sextant/logstore"
	"sextant/logstore/wire"
	"sextant/logstore/wirepb"
)

// askers are the gRPC connections to the storage nodes, with what each one's answers
// have taken lately.
type askers struct {
	opt     Options
	resolve func(logstore.NodeID) string
	reads   atomic.Uint64

	mu     sync.Mutex
	nodes  map[logstore.NodeID]*asker
	closed bool
}

type asker struct {
	addr    string
	conn    *grpc.ClientConn
	latency atomic.Int64 // running average, ns; 0: unknown
}

// get returns the connection to a node, a new one if its address has changed.
func (a *askers) get(id logstore.NodeID) (*asker, error) {
	addr := a.resolve(id)
	if addr == "" {
		return nil, fmt.Errorf("node %s has no address: %w", id, logstore.ErrUnavailable)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, logstore.ErrClosed
	}
	n := a.nodes[id]
	if n != nil && n.addr == addr {
		return n, nil
	}
	if n != nil {
		_ = n.conn.Close()
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, a.opt.Identity.DialOption(string(id), mtls.Storage),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MessageBytesMax), grpc.MaxCallSendMsgSize(wire.MessageBytesMax)),
		grpc.WithConnectParams(a.connectParams()))
	if err != nil {
		return nil, fmt.Errorf("connect to node %s: %w", id, err)
	}
	if a.nodes == nil {
		a.nodes = map[logstore.NodeID]*asker{}
	}
	n = &asker{addr: addr, conn: conn}
	a.nodes[id] = n
	return n, nil
}

func (a *askers) connectParams() grpc.ConnectParams {
	var p grpc.ConnectParams
	p.Backoff.BaseDelay, p.Backoff.MaxDelay = a.opt.ReconnectMin, a.opt.ReconnectMax
	p.Backoff.Multiplier = 2
	p.MinConnectTimeout = a.opt.DialTimeout
	return p
}

func (a *askers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, n := range a.nodes {
		_ = n.conn.Close()
	}
}

// ask sends one request to one node. A refusal is an error.
func (a *askers) ask(ctx context.Context, id logstore.NodeID, m logstore.Message) (logstore.Message, error) {
	n, err := a.get(id)
	if err != nil {
		return nil, err
	}
	p, err := wire.ToProto(m)
	if err != nil {
		return nil, err
	}
	p.Cluster, p.From = a.opt.Cluster, string(a.opt.Self)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	began := time.Now()
	out, err := wirepb.NewStorageClient(n.conn).Ask(ctx, p)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		n.took(requestTimeout) // it is asked last until it has shown better
		return nil, fmt.Errorf("ask node %s: %v: %w", id, err, logstore.ErrUnavailable)
	}
	n.took(time.Since(began))
	answer, err := wire.FromProto(out)
	if err != nil {
		return nil, fmt.Errorf("answer of node %s: %w", id, err)
	}
	if r, ok := answer.(logstore.Refused); ok {
		return nil, fmt.Errorf("node %s: %w", id, r)
	}
	if r, ok := m.(logstore.ReadPage); ok {
		if answer, err = opened(r, answer); err != nil {
			return nil, fmt.Errorf("node %s: %w", id, err)
		}
	}
	return answer, nil
}

// opened checks the answer to a read: each page is the one asked for, unharmed, and sound
// (page.Check), which those who read pages rely on. A page that nothing touched becomes an all-zero one. Returns an ErrUnavailable for anything
// else, so that another node is asked.
func opened(ask logstore.ReadPage, m logstore.Message) (logstore.Message, error) {
	a, ok := m.(logstore.PageAnswer)
	if !ok || len(a.Pages) != len(ask.Pages) {
		return nil, fmt.Errorf("a %T with other pages than asked for: %w", m, logstore.ErrUnavailable)
	}
	for i, p := range a.Pages {
		if p == nil {
			a.Pages[i] = make([]byte, page.Size)
			continue
		}
		addr := page.Address{Volume: ask.Volume, Timeline: ask.Timeline, PG: ask.PG, Page: ask.Pages[i]}
		err := page.Verify(p, addr)
		if err == nil {
			page.Unseal(p)
			err = page.Check(p)
		}
		if err != nil {
			return nil, fmt.Errorf("page %d of group %d at %d came damaged, or is another page: %w: %w",
				ask.Pages[i], ask.PG, ask.At, err, logstore.ErrUnavailable)
		}
	}
	return a, nil
}

func (n *asker) took(d time.Duration) {
	old := n.latency.Load()
	if old == 0 {
		n.latency.Store(int64(d))
		return
	}
	n.latency.Store(old + (int64(d)-old)/latencyWeight)
}

// byLatency sorts nodes, the fastest first. Now and then another one comes first, so
// that what is known of it stays fresh.
func (a *askers) byLatency(ids []logstore.NodeID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := func(id logstore.NodeID) int64 {
		if n := a.nodes[id]; n != nil {
			return n.latency.Load()
		}
		return 0
	}
	sort.SliceStable(ids, func(i, j int) bool { return of(ids[i]) < of(ids[j]) })
	if n := a.reads.Add(1); n%probeEvery == 0 && len(ids) > 1 {
		k := 1 + int(n/probeEvery)%(len(ids)-1)
		ids[0], ids[k] = ids[k], ids[0]
	}
}

// hedgeDelay is how long to wait for a node before another is asked, too.
func (a *askers) hedgeDelay(id logstore.NodeID) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.nodes[id]; n != nil {
		return max(a.opt.HedgeAfter, min(hedgeFactor*time.Duration(n.latency.Load()), requestTimeout))
	}
	return a.opt.HedgeAfter
}

// final reports whether asking again is no use.
func final(err error) bool {
	return errors.Is(err, logstore.ErrFenced) || errors.Is(err, logstore.ErrGone)
}

// elsewhere reports whether another node may answer better: a copy of a segment lacks
// what was before it was made.
func elsewhere(err error) bool {
	var r logstore.Refused
	return !final(err) || errors.As(err, &r) && r.Segment
}

// hedged asks the nodes in order until one answers: the next as soon as one refuses,
// or when the ones asked are slow. Returns the first answer, or the first error that
// no other node can mend; else one that asking again can, if there is one.
func (a *askers) hedged(ctx context.Context, ids []logstore.NodeID, m logstore.Message) (logstore.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		m   logstore.Message
		err error
	}
	results := make(chan result, len(ids))
	if len(ids) == 0 {
		return nil, fmt.Errorf("no segment to ask: %w", logstore.ErrUnavailable)
	}
	var failed error
	asked, open := 0, 0
	next := func() {
		id := ids[asked]
		asked++
		open++
		go func() {
			m, err := a.ask(ctx, id, m)
			results <- result{m, err}
		}()
	}
	for {
		if open == 0 {
			if asked == len(ids) {
				return nil, failed
			}
			next()
		}
		var hedge <-chan time.Time
		if asked < len(ids) {
			t := time.NewTimer(a.hedgeDelay(ids[asked-1]))
			defer t.Stop() // at most one per node
			hedge = t.C
		}
		select {
		case r := <-results:
			open--
			if r.err == nil || !elsewhere(r.err) {
				return r.m, r.err
			}
			if failed == nil || final(failed) {
				failed = r.err
			}
		case <-hedge:
			next()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// patiently repeats try until it succeeds, fails finally, or the patience ends.
func (a *askers) patiently(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(a.opt.Patience)
	for {
		err := try()
		if err == nil || final(err) || errors.Is(err, logstore.ErrClosed) || ctx.Err() != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %w", logstore.ErrUnavailable, err)
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
