package failover

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/mtls"
	"sextant/internal/redo"
)

// leaderTrailer is the trailer in which a node that does not lead names who does.
const leaderTrailer = "sextant-leader"

// ClientOptions says how to reach the control plane.
type ClientOptions struct {
	Addresses []string // gRPC addresses of the control nodes, host:port
	Cluster   string   // a control node of another one refuses
	Logger    *slog.Logger
	Identity  *mtls.Identity // nil: plain connections
}

// Client talks to the control nodes, whichever leads. It is safe for concurrent use.
type Client struct {
	opt   ClientOptions
	conns map[string]*grpc.ClientConn // by address; fixed after NewClient

	mu struct {
		sync.Mutex
		leader string // the address that led last, or was named as leader
		next   int    // in opt.Addresses: whom to try without a hint
	}
}

// NewClient returns a client. It does not connect yet. Returns an error if there is
// no address or one is malformed.
func NewClient(opt ClientOptions) (*Client, error) {
	if len(opt.Addresses) == 0 {
		return nil, errors.New("failover: no control node address")
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{opt: opt, conns: map[string]*grpc.ClientConn{}}
	for _, a := range opt.Addresses {
		if c.conns[a] != nil {
			continue
		}
		conn, err := grpc.NewClient("passthrough:///"+a, dialOptions(opt.Identity, "")...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("dial control node %s: %w", a, err), c.Close())
		}
		c.conns[a] = conn
	}
	return c, nil
}

// dialOptions are for the control node of that id, "" for any.
func dialOptions(i *mtls.Identity, id string) []grpc.DialOption {
	return []grpc.DialOption{
		i.DialOption(id, mtls.Control),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: reconnectBackoff, MinConnectTimeout: connectTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.MaxCallSendMsgSize(messageBytesMax)),
	}
}

// Close closes the connections; streams and calls end with an error.
func (c *Client) Close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// NewIncarnation draws the incarnation of a process that starts.
func NewIncarnation() fleet.Incarnation { return fleet.Incarnation(random()) }

// random returns a random number that is not 0.
func random() uint64 {
	for {
		var b [8]byte
		if _, err := crand.Read(b[:]); err != nil {
			panic(err) // documented never to happen
		}
		if n := binary.LittleEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// pick returns whom to ask next: the known leader, else one after the other.
func (c *Client) pick() (string, failoverpb.ControlClient) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.mu.leader
	if c.conns[a] == nil {
		a = c.opt.Addresses[c.mu.next%len(c.opt.Addresses)]
	}
	return a, failoverpb.NewControlClient(c.conns[a])
}

// missed notes that address a did not lead, and whom it named.
func (c *Client) missed(a string, trailer metadata.MD) {
	hint := ""
	if v := trailer.Get(leaderTrailer); len(v) > 0 {
		hint = v[0]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if hint != a && c.conns[hint] != nil {
		c.mu.leader = hint
		return
	}
	if c.mu.leader == a {
		c.mu.leader = ""
	}
	if c.opt.Addresses[c.mu.next%len(c.opt.Addresses)] == a {
		c.mu.next++
	}
}

// led notes that address a answered as the leader.
func (c *Client) led(a string) {
	c.mu.Lock()
	c.mu.leader = a
	c.mu.Unlock()
}

// onLeader calls f with whoever leads, again and again, until it returns an error
// that another try cannot mend. It returns that, or ErrNoLeader joined with the last
// error when ctx ends. Each try is bounded by callTimeout. f must be idempotent.
func (c *Client) onLeader(ctx context.Context,
	f func(context.Context, failoverpb.ControlClient, ...grpc.CallOption) error,
) error {
	for {
		a, control := c.pick()
		var trailer metadata.MD
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := f(call, control, grpc.Trailer(&trailer))
		cancel()
		if err == nil {
			c.led(a)
			return nil
		}
		if !worthRetry(err) {
			return translate(err)
		}
		c.missed(a, trailer)
		if !pause(ctx, retryEvery) {
			return fmt.Errorf("%w: %w", ErrNoLeader, err)
		}
	}
}

// pause waits for d and reports true, or false at once when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// worthRetry reports whether another try, perhaps at another node, may succeed.
func worthRetry(err error) bool {
	switch status.Code(err) {
	case codes.FailedPrecondition, codes.Unavailable, codes.DeadlineExceeded,
		codes.Aborted, codes.Canceled:
		return true
	default:
		return false
	}
}

// refused reports whether a control node does not take the call, and another would not.
func refused(err error) bool {
	c := status.Code(err)
	return c == codes.Unauthenticated || c == codes.PermissionDenied
}

// translate turns an error of gRPC into one of ours.
func translate(err error) error {
	switch status.Code(err) {
	case codes.Unauthenticated:
		return fmt.Errorf("%w: %s", ErrWrongCluster, status.Convert(err).Message())
	case codes.PermissionDenied:
		return fmt.Errorf("%w: %s", ErrRefused, status.Convert(err).Message())
	}
	return err
}

// Propose puts a command through Raft and returns the state after it. It tries
// again, with the same command, until a leader has answered. Returns *fleet.Error
// (match with errors.Is and fleet's sentinels) if the command was refused,
// ErrNoLeader if ctx ended first: then it may or may not have been applied. Returns
// ErrRefused if it is not this process's to say.
func (c *Client) Propose(ctx context.Context, cmd fleet.Command) (*fleet.State, error) {
	b, err := fleet.EncodeCommand(cmd)
	if err != nil {
		return nil, err
	}
	var reply *failoverpb.ProposeReply
	err = c.onLeader(ctx, func(ctx context.Context, n failoverpb.ControlClient, o ...grpc.CallOption) (err error) {
		reply, err = n.Propose(ctx, &failoverpb.ProposeRequest{Cluster: c.opt.Cluster, Command: b}, o...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("propose %T: %w", cmd, err)
	}
	if reply.Code != uint32(fleet.CodeOK) {
		return nil, &fleet.Error{Code: fleet.Code(reply.Code), Detail: reply.Detail}
	}
	s, err := fleet.DecodeState(reply.State)
	if err != nil {
		return nil, fmt.Errorf("propose %T: %w", cmd, err)
	}
	return s, nil
}

// ExitSeen says that the process of that role id and pid was waited for and is
// gone. Returns ErrNoLeader if ctx ended first. A pid that the leader does not know
// is no error: it changes nothing.
func (c *Client) ExitSeen(ctx context.Context, id string, pid int) error {
	return c.onLeader(ctx, func(ctx context.Context, n failoverpb.ControlClient, o ...grpc.CallOption) error {
		_, err := n.ExitSeen(ctx, &failoverpb.ExitSeenRequest{
			Cluster: c.opt.Cluster, Id: id, Pid: uint32(pid)}, o...)
		return err
	})
}

// Failover asks for a switchover to that instance, or to the best one if to is "",
// and returns whom it will be. It returns when the switchover has begun: watch the
// topology for its end. Returns fleet.ErrNotFound, fleet.ErrNotReady (no candidate).
func (c *Client) Failover(ctx context.Context, to string) (string, error) {
	var reply *failoverpb.FailoverReply
	err := c.onLeader(ctx, func(ctx context.Context, n failoverpb.ControlClient, o ...grpc.CallOption) (err error) {
		reply, err = n.Failover(ctx, &failoverpb.FailoverRequest{Cluster: c.opt.Cluster, To: to}, o...)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("failover: %w", err)
	}
	if reply.Code != uint32(fleet.CodeOK) {
		return "", &fleet.Error{Code: fleet.Code(reply.Code), Detail: reply.Detail}
	}
	return reply.To, nil
}

// Holder is who holds the current epoch.
type Holder struct {
	Epoch       redo.VolumeEpoch
	Node        string
	Incarnation fleet.Incarnation
	Ended       bool // it resigned, or its exit was seen
}

// VerifyEpoch returns the holder of the current epoch after a verified read of the
// Raft leader: at some moment between call and return it was the current one.
func (c *Client) VerifyEpoch(ctx context.Context) (Holder, error) {
	var r *failoverpb.VerifyEpochReply
	err := c.onLeader(ctx, func(ctx context.Context, n failoverpb.ControlClient, o ...grpc.CallOption) (err error) {
		r, err = n.VerifyEpoch(ctx, &failoverpb.VerifyEpochRequest{Cluster: c.opt.Cluster}, o...)
		return err
	})
	if err != nil {
		return Holder{}, fmt.Errorf("verify epoch: %w", err)
	}
	return Holder{Epoch: redo.VolumeEpoch(r.VolumeEpoch), Node: r.Node,
		Incarnation: fleet.Incarnation(r.Incarnation), Ended: r.Ended}, nil
}
