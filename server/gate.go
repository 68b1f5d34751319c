package server

import (
	"net"
	"sync"
	"time"
)

// gate is the instance's MySQL listener: bound from the start, so that the control
// plane and routers find the process, and closed for business until a database is
// open and after shut: then a connection gets an error in place of the greeting.
type gate struct {
	inner    net.Listener
	admitted chan net.Conn
	ended    chan struct{}

	mu     sync.Mutex
	open   bool
	reason string
	err    error // of inner, once ended is closed
}

const refusePatience = time.Second // for a client to take the refusal

func newGate(l net.Listener) *gate {
	g := &gate{inner: l, admitted: make(chan net.Conn), ended: make(chan struct{}), reason: "the instance is joining the cluster"}
	go g.run()
	return g
}

func (g *gate) run() {
	defer close(g.ended)
	for {
		c, err := g.inner.Accept()
		if err != nil {
			g.mu.Lock()
			g.err = err
			g.mu.Unlock()
			return
		}
		g.mu.Lock()
		open, reason := g.open, g.reason
		g.mu.Unlock()
		if !open {
			refuse(c, reason)
			continue
		}
		g.admitted <- c
	}
}

// Accept returns the next connection that may be served.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.admitted:
		return c, nil
	case <-g.ended:
		g.mu.Lock()
		defer g.mu.Unlock()
		return nil, g.err
	}
}

// Addr returns the listener's address.
func (g *gate) Addr() net.Addr { return g.inner.Addr() }

// Close stops listening.
func (g *gate) Close() error { return g.inner.Close() }

// admit lets connections in. Somebody must call Accept from now on.
func (g *gate) admit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
}

// shut refuses connections from now on, with a reason for people.
func (g *gate) shut(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.reason = false, reason
}

// refuse answers with error 1053 (server shutdown in progress, 08S01), which drivers
// and the router take as "try again elsewhere", and closes.
func refuse(c net.Conn, reason string) {
	const number = 1053
	body := append([]byte{0xff, number & 0xff, number >> 8}, "#08S01"+reason...)
	packet := append([]byte{byte(len(body)), byte(len(body) >> 8), 0, 0}, body...)
	// A client that has gone does not get it.
	_ = c.SetDeadline(time.Now().Add(refusePatience))
	_, _ = c.Write(packet)
	_ = c.Close()
}
