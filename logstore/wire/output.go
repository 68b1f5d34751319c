package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// output sends bytes over TCP and never waits for the other end: what the kernel does
// not take at once is queued, up to a bound, and written by a goroutine that lives as
// long as the queue. In the usual case a send is one writev by the caller.
type output struct {
	c   *net.TCPConn
	raw syscall.RawConn

	mu       sync.Mutex
	queue    [][]byte
	queued   int
	draining bool // a goroutine writes the queue: nobody else writes meanwhile
	err      error
}

func (o *output) init(c net.Conn) (err error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("wire: an append stream needs TCP, not %T", c)
	}
	o.c = tcp
	o.raw, err = tcp.SyscallConn()
	return err
}

// send sends bs in order. They must not change afterwards, unless they are borrowed: then
// they are copied if they have to be kept. An error is final; the connection is closed then.
func (o *output) send(bs [][]byte, borrowed bool) (err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	if !o.draining {
		if bs, err = o.writeNow(bs); err != nil {
			return o.fail(err)
		}
		if len(bs) == 0 {
			return nil
		}
		o.draining = true
		go o.drain()
	}
	for i, b := range bs {
		o.queued += len(b)
		if borrowed {
			bs[i] = bytes.Clone(b)
		}
	}
	if o.queued > queuedBytesMax {
		return o.fail(fmt.Errorf("wire: %v takes nothing: %d bytes wait", o.c.RemoteAddr(), o.queued))
	}
	o.queue = append(o.queue, bs...)
	return nil
}

func (o *output) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.draining
}

// iovMax is how many pieces one writev is given.
const iovMax = 512

// writeNow writes what the kernel takes at once and returns the rest.
func (o *output) writeNow(bs [][]byte) (rest [][]byte, err error) {
	for len(bs) > 0 {
		var n int
		var werr error
		err := o.raw.Write(func(fd uintptr) bool {
			if len(bs) == 1 {
				n, werr = unix.Write(int(fd), bs[0])
			} else {
				n, werr = unix.Writev(int(fd), bs[:min(len(bs), iovMax)])
			}
			return true
		})
		if err == nil {
			err = werr
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			return bs, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		}
		for n > 0 || len(bs) > 0 && len(bs[0]) == 0 {
			k := min(n, len(bs[0]))
			n -= k
			if bs[0] = bs[0][k:]; len(bs[0]) == 0 {
				bs = bs[1:]
			}
		}
	}
	return nil, nil
}

// drain writes the queue until it is empty.
func (o *output) drain() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 || o.err != nil {
			o.queue, o.queued, o.draining = nil, 0, false
			o.mu.Unlock()
			return
		}
		b := o.queue[0]
		o.mu.Unlock()
		_, err := o.c.Write(b)
		o.mu.Lock()
		o.queue, o.queued = o.queue[1:], o.queued-len(b)
		if err != nil {
			_ = o.fail(err)
		}
		o.mu.Unlock()
	}
}

// fail closes the connection. mu is held.
func (o *output) fail(err error) error {
	if o.err == nil {
		o.err = err
		_ = o.c.Close()
	}
	return o.err
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return nil
	}
	o.err = net.ErrClosed
	return o.c.Close()
}
