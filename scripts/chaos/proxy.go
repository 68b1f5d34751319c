package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxyWindow is how many bytes of one direction of one connection may be on their way;
// a sender that is faster waits, as it would for a TCP window.
const proxyWindow = 1 << 20

// proxy passes TCP connections on, and delays what they carry.
type proxy struct {
	dial  func(context.Context) (net.Conn, error)
	delay atomic.Int64 // nanoseconds, of each direction; what is on its way already keeps its own

	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// newProxy serves l until close; dial connects to where it leads.
func newProxy(l net.Listener, dial func(context.Context) (net.Conn, error)) *proxy {
	p := &proxy{dial: dial, listener: l}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	return p
}

// close ends the listener and every connection.
func (p *proxy) close() {
	p.cancel()
	p.listener.Close()
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		front, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(front) })
	}
}

func (p *proxy) serve(front net.Conn) {
	defer front.Close()
	back, err := p.dial(p.ctx)
	if err != nil {
		return
	}
	defer back.Close()
	defer context.AfterFunc(p.ctx, func() { front.Close(); back.Close() })()
	var both sync.WaitGroup
	both.Go(func() { p.pass(back, front) })
	both.Go(func() { p.pass(front, back) })
	both.Wait()
}

// chunk is a piece of a stream and when it is to arrive.
type chunk struct {
	b  []byte
	at time.Time
}

// pass copies from one connection to the other, each byte delayed, and passes the end
// of the stream on.
func (p *proxy) pass(to, from net.Conn) {
	const size = 16 << 10
	queue := make(chan chunk, proxyWindow/size)
	var sender sync.WaitGroup
	sender.Go(func() {
		for c := range queue {
			select {
			case <-time.After(time.Until(c.at)):
			case <-p.ctx.Done():
			}
			if _, err := to.Write(c.b); err != nil {
				from.Close() // the reader below ends
			}
		}
	})
	for {
		b := make([]byte, size)
		n, err := from.Read(b)
		if n > 0 {
			queue <- chunk{b[:n], time.Now().Add(time.Duration(p.delay.Load()))}
		}
		if err != nil {
			close(queue)
			sender.Wait()
			if half, ok := to.(interface{ CloseWrite() error }); ok && errors.Is(err, io.EOF) {
				half.CloseWrite()
			} else {
				to.Close()
			}
			return
		}
	}
}
