package router

import (
	"context"
	"log/slog"
	"net"
	"time"

	"sextant/router/route"
)

// Topology is where the router learns the state of the fleet.
type Topology interface {
	// Watch calls apply with the topology in force and then with each change,
	// one call at a time, until ctx ends. It returns an error when the source
	// is lost; the router calls it again after a pause and keeps what it knew.
	// Topologies may come late or twice: the router ignores one that is older.
	Watch(ctx context.Context, apply func(route.Topology)) error
}

// Options says what a router is made of. Zero values are the defaults named in limits.go.
type Options struct {
	ID       string // names the router in logs
	Number   uint8  // from 1, unique among the routers: the high byte of connection ids
	Topology Topology

	// Listen opens one address of an endpoint; nil is net.Listen on tcp.
	Listen func(ctx context.Context, address string) (net.Listener, error)
	// AdminListener serves /healthz, /topology and /metrics; nil is none.
	// The router closes it.
	AdminListener net.Listener

	// Kill ends a session, or its statement, on an instance on which the client
	// that asks for it has no session of its own. The router has checked that
	// both belong to the same user. nil: such a KILL is answered with an error.
	Kill func(ctx context.Context, instance route.Instance, connection uint32, queryOnly bool) error

	ServerVersion  string        // in the greeting; the instances' own
	HoldTimeout    time.Duration // how long a new connection waits for a backend
	HoldMax        int           // how many may wait at a time
	MaxConnections int           // client connections, those in login included
	LoginTimeout   time.Duration // for each step a client takes before it is logged in
	DialTimeout    time.Duration // for an instance to accept and greet
	Logger         *slog.Logger
}

// Router accepts MySQL connections on the endpoints' addresses and splices each
// to an instance.
type Router struct{}

// New checks the options and returns a router that does nothing until Serve.
func New(o Options) (*Router, error) { panic("not yet") }

// Serve follows the topology and serves until Close, then returns nil.
func (r *Router) Serve() error { panic("not yet") }

// Close stops listening at once, ends every session when it is between two
// commands outside a transaction, and the rest when ctx ends.
func (r *Router) Close(ctx context.Context) error { panic("not yet") }

// Addrs returns the addresses an endpoint listens on now.
func (r *Router) Addrs(endpoint string) []net.Addr { panic("not yet") }
