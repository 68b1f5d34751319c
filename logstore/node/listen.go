package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/internal/mtls"
	"sextant/internal/page"
	"sextant/logstore"
	"sextant/logstore/segment"
	"sextant/logstore/wire"
	"sextant/logstore/wirepb"
)

// connections are the ends of everything that comes in and goes out.
type connections struct {
	mu     sync.Mutex
	next   uint64 // numbers connections and requests
	open   map[net.Conn]struct{}
	peers  map[logstore.NodeID]*peer
	closed bool
}

// admit notes a connection; false if there are too many, or the node closes.
func (c *connections) admit(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.open) >= connectionsMax {
		return false
	}
	if c.open == nil {
		c.open = map[net.Conn]struct{}{}
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *connections) forget(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// number returns a number that no other connection or request has.
func (c *connections) number() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return c.next
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close()
	}
}

// acceptLoop tells append streams and gRPC connections apart by their first bytes.
func (n *Node) acceptLoop(rpc *handedListener) {
	for {
		conn, err := n.lis.Accept()
		if err != nil {
			if n.ctx.Err() != nil {
				return
			}
			if errors.Is(err, net.ErrClosed) {
				n.fail(fmt.Errorf("accept: %w", err))
				return
			}
			n.opt.Logger.Warn("accept", "node", n.opt.ID, "error", err)
			select { // out of descriptors, perhaps: do not spin
			case <-time.After(n.opt.TickEvery):
			case <-n.ctx.Done():
			}
			continue
		}
		if !n.conns.admit(conn) {
			_ = conn.Close()
			continue
		}
		n.spawn(func() { n.greet(conn, rpc) })
	}
}

func (n *Node) greet(conn net.Conn, rpc *handedListener) {
	first := make([]byte, len(wire.Magic))
	_ = conn.SetReadDeadline(time.Now().Add(greetingTimeout))
	if _, err := io.ReadFull(conn, first); err != nil {
		n.conns.forget(conn)
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	if string(first) != wire.Magic {
		n.conns.forget(conn)
		rpc.hand(&peekedConn{Conn: conn, peeked: first})
		return
	}
	defer n.conns.forget(conn)
	if p, known := mtls.Of(conn); known && p.Role != mtls.Instance {
		n.refused.Warn("append", p.ID, "append stream refused", "node", n.opt.ID, "error", fmt.Errorf("%w: %s is no instance", mtls.ErrRefused, p))
		_ = conn.Close()
		return
	}
	stream, err := wire.Handshake(conn, first, n.greeting(), greetingTimeout)
	if err != nil {
		kind := "append"
		if errors.Is(err, wire.ErrForeign) {
			kind = "another cluster"
		}
		n.refused.Warn(kind, peerName(conn), "append stream refused", "node", n.opt.ID, "error", err)
		return
	}
	n.receive(stream)
}

// peerName returns who is at the other end: its id if it has a certificate, else its host.
func peerName(c net.Conn) string {
	if p, known := mtls.Of(c); known {
		return p.ID
	}
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String()) // "" of what is not TCP
	return host
}

// receive is the foreground of one append stream.
func (n *Node) receive(c *wire.Conn) {
	defer c.Close()
	// A '#' is in no node's id, so that a connection is nobody's gossip peer.
	name := logstore.NodeID(fmt.Sprintf("%s#%d", c.Peer().Node, n.conns.number()))
	n.await(name, func(e logstore.Envelope) { _ = c.Send(e.ID, e.Msg) }) // its error ends Read, too
	defer n.await(name, nil)
	for {
		if from := c.Peer().Node; n.opt.Gone(string(from)) {
			n.refused.Warn("append", string(from), "append stream refused", "node", n.opt.ID, "error", fmt.Errorf("%s is no process of this cluster, as far as is known here", from))
			return
		}
		ins, err := readAvailable(c, name)
		if len(ins) > 0 {
			if err := n.step(ins); err != nil {
				return
			}
		}
		if err != nil {
			if errors.Is(err, wire.ErrInvalid) || errors.Is(err, wire.ErrVersion) {
				n.refused.Warn("append closed", string(c.Peer().Node), "append stream closed", "node", n.opt.ID, "from", c.Peer().Node, "error", err)
			}
			return
		}
	}
}

// readAvailable waits for one message and takes along what else has arrived.
func readAvailable(c *wire.Conn, from logstore.NodeID) (ins []segment.Input, err error) {
	size := 0
	for len(ins) == 0 || c.Buffered() && size < inputBytesMax {
		id, m, err := c.Read()
		if err != nil {
			return ins, err
		}
		ins = append(ins, segment.Input{Peer: from, ID: id, Msg: m})
		if a, ok := m.(logstore.Append); ok {
			for i := range a.Batches {
				size += len(a.Batches[i].Bytes)
			}
		}
	}
	return ins, nil
}

// await says who gets what is sent to a peer name; nil: nobody any more.
func (n *Node) await(name logstore.NodeID, to func(logstore.Envelope)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if to == nil {
		delete(n.waiting, name)
		return
	}
	n.waiting[name] = to
}

// newServer returns the gRPC side of the node.
func (n *Node) newServer() *grpc.Server {
	s := grpc.NewServer(append(n.opt.Identity.ServerOptions(n.opt.Logger, mtls.Rules{
		wirepb.Storage_Ask_FullMethodName:  {mtls.Instance},
		wirepb.Storage_Tell_FullMethodName: {mtls.Storage},
	}), grpc.MaxRecvMsgSize(wire.MessageBytesMax), grpc.MaxSendMsgSize(wire.MessageBytesMax))...)
	wirepb.RegisterStorageServer(s, &rpcServer{n: n})
	return s
}

// rpcServer answers requests of readers and of other nodes.
type rpcServer struct {
	wirepb.UnimplementedStorageServer
	n *Node
}

func (s *rpcServer) decode(ctx context.Context, p *wirepb.Message) (logstore.Message, error) {
	if p.GetCluster() != s.n.opt.Cluster {
		return nil, status.Errorf(codes.PermissionDenied, "node is of cluster %q, not %q", s.n.opt.Cluster, p.GetCluster())
	}
	if len(p.GetFrom()) > wire.IDBytesMax {
		return nil, status.Error(codes.InvalidArgument, "sender's id is too long")
	}
	if err := mtls.CallsAs(ctx, p.GetFrom()); err != nil {
		return nil, err
	}
	if s.n.opt.Gone(p.GetFrom()) {
		return nil, status.Errorf(codes.PermissionDenied, "%q is no process of this cluster, as far as is known here", p.GetFrom())
	}
	m, err := wire.FromProto(p)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return m, nil
}

// Ask answers one request.
func (s *rpcServer) Ask(ctx context.Context, p *wirepb.Message) (*wirepb.Message, error) {
	m, err := s.decode(ctx, p)
	if err != nil {
		return nil, err
	}
	a, err := s.n.ask(ctx, m)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	out, err := wire.ToProto(a)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	out.Cluster, out.From = s.n.opt.Cluster, string(s.n.opt.ID)
	return out, nil
}

// ask decides reads at once; anything else waits its turn with the Host.
func (n *Node) ask(ctx context.Context, m logstore.Message) (logstore.Message, error) {
	var run func(segment.Store) (logstore.Message, error)
	var no *logstore.Refused
	n.mu.Lock()
	host := n.host
	switch m := m.(type) {
	case logstore.ReadPage:
		if host != nil {
			run, no = host.ReadPage(m, page.Apply)
			run = sealed(m, run)
		}
	case logstore.ReadLog:
		if host != nil {
			run, no = host.ReadLog(m)
		}
	}
	n.mu.Unlock()
	switch {
	case no != nil:
		if no.Kind == logstore.Retry { // gossip for that segment is due now
			if err := n.drive(); err != nil {
				return nil, err
			}
		}
		return *no, nil
	case run != nil:
		return n.runServe(run, m.Head()), nil
	default:
		return n.askHost(ctx, m)
	}
}

// sealed makes run's pages carry their address and checksum, which the asker verifies:
// no page of another place, and none that was damaged on its way, is ever taken.
func sealed(m logstore.ReadPage, run func(segment.Store) (logstore.Message, error)) func(segment.Store) (logstore.Message, error) {
	if run == nil {
		return nil
	}
	return func(s segment.Store) (logstore.Message, error) {
		out, err := run(s)
		if a, ok := out.(logstore.PageAnswer); ok {
			for i, p := range a.Pages {
				if p != nil {
					page.Seal(p, page.Address{Volume: m.Volume, Timeline: m.Timeline, PG: m.PG, Page: m.Pages[i]})
				}
			}
		}
		return out, err
	}
}

// unsealed verifies the pages of a copy and takes address and checksum out of them.
func unsealed(a logstore.CopyAnswer) error {
	for _, p := range a.Pages {
		if err := page.Verify(p.Data, page.Address{Volume: a.Volume, Timeline: a.Timeline, PG: a.PG, Page: p.Page}); err != nil {
			return fmt.Errorf("page %d of a copy of group %d: %w", p.Page, a.PG, err)
		}
		page.Unseal(p.Data)
	}
	return nil
}

func (n *Node) askHost(ctx context.Context, m logstore.Message) (logstore.Message, error) {
	name := logstore.NodeID(fmt.Sprintf("#%d", n.conns.number()))
	answer := make(chan logstore.Message, 1)
	n.await(name, func(e logstore.Envelope) {
		select {
		case answer <- e.Msg:
		default:
		}
	})
	defer n.await(name, nil)
	if err := n.step([]segment.Input{{Peer: name, ID: 1, Msg: m}}); err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-n.ctx.Done():
		return nil, context.Cause(n.ctx)
	}
}

// Tell takes a message of another node.
func (s *rpcServer) Tell(ctx context.Context, p *wirepb.Message) (*wirepb.Told, error) {
	m, err := s.decode(ctx, p)
	if err != nil {
		return nil, err
	}
	s.n.mu.Lock()
	has := s.n.host != nil
	s.n.mu.Unlock()
	if !has {
		return &wirepb.Told{}, nil // gossip about a volume that this node has nothing of
	}
	if a, ok := m.(logstore.CopyAnswer); ok {
		if err := unsealed(a); err != nil {
			return nil, status.Error(codes.DataLoss, err.Error())
		}
	}
	if err := s.n.step([]segment.Input{{Peer: logstore.NodeID(p.GetFrom()), Msg: m}}); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &wirepb.Told{}, nil
}

// peer sends to one other node, in order, and drops what does not fit its queue.
type peer struct{ queue chan logstore.Message }

// peer returns the sender to a node.
func (c *connections) peer(n *Node, id logstore.NodeID) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers == nil {
		c.peers = map[logstore.NodeID]*peer{}
	}
	p := c.peers[id]
	if p == nil {
		p = &peer{make(chan logstore.Message, peerQueueMax)}
		c.peers[id] = p
		if !c.closed {
			n.spawn(func() { p.run(n, id) })
		}
	}
	return p
}

func (p *peer) tell(m logstore.Message) {
	select {
	case p.queue <- m:
	default: // gossip is repeated
	}
}

func (p *peer) run(n *Node, id logstore.NodeID) {
	var conn *grpc.ClientConn
	var addr string
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for {
		var m logstore.Message
		select {
		case m = <-p.queue:
		case <-n.ctx.Done():
			return
		}
		now := n.opt.Peers()[id]
		if now == "" {
			continue
		}
		if conn == nil || now != addr {
			if conn != nil {
				_ = conn.Close()
			}
			var err error
			if conn, err = n.dial(id, now); err != nil {
				n.opt.Logger.Warn("connect to a peer", "node", n.opt.ID, "peer", id, "error", err)
				conn = nil
				continue
			}
			addr = now
		}
		n.tellPeer(conn, m)
	}
}

// tellPeer sends one message. A peer that cannot be reached is told again by the next
// gossip.
func (n *Node) tellPeer(conn *grpc.ClientConn, m logstore.Message) {
	p, err := wire.ToProto(m)
	if err != nil {
		n.opt.Logger.Error("encode for a peer", "node", n.opt.ID, "error", err)
		return
	}
	p.Cluster, p.From = n.opt.Cluster, string(n.opt.ID)
	ctx, cancel := context.WithTimeout(n.ctx, tellTimeout)
	defer cancel()
	_, _ = wirepb.NewStorageClient(conn).Tell(ctx, p)
}

func (n *Node) dial(id logstore.NodeID, addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, n.opt.Identity.DialOption(string(id), mtls.Storage),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MessageBytesMax), grpc.MaxCallSendMsgSize(wire.MessageBytesMax)))
}

// handedListener is a listener whose connections come from the node's.
type handedListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandedListener(a net.Addr) *handedListener {
	return &handedListener{addr: a, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *handedListener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close()
	}
}

func (l *handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *handedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *handedListener) Addr() net.Addr { return l.addr }

// peekedConn is a connection whose first bytes have been read already.
type peekedConn struct {
	net.Conn
	peeked []byte
}

// NetConn returns the connection.
func (c *peekedConn) NetConn() net.Conn { return c.Conn }

func (c *peekedConn) Read(b []byte) (int, error) {
	if len(c.peeked) > 0 {
		k := copy(b, c.peeked)
		c.peeked = c.peeked[k:]
		return k, nil
	}
	return c.Conn.Read(b)
}
