package hangup

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	silenceMax = 5 * time.Second // for which a peer may leave unanswered what it was sent
	lookEvery  = time.Second     // at what is unanswered
	probeIdle  = 2 * time.Second // after which one that says nothing is probed
	probeEvery = time.Second
	probesMax  = 3

	// windowProbes of a full peer may be unanswered. There are few of them, further and
	// further apart: one that is lost says nothing yet.
	windowProbes = 2
)

// Bound ends a TCP connection whose peer, or the way to it, has vanished without a word:
// whoever reads or writes gets an error some seconds later, instead of a quarter of an
// hour. A peer that hangs is not noticed, its kernel acknowledges; and one that does not
// read, however long, keeps its connection, for it answers the probes of its window. One
// that vanishes in the midst of that is noticed later, since these probes are as far apart
// as it has been full.
//
// The kernel's own bound, TCP_USER_TIMEOUT, is not used: it counts a full window, too.
// Its keepalive probes see to connections where nothing is unanswered.
func Bound(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	// A connection that is closed already fails, and is found out by who uses it.
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: probeEvery, Count: probesMax})
	if raw, err := tcp.SyscallConn(); err == nil {
		watched.add(&answers{raw: raw})
	}
}

// watched is every connection that is bounded.
var watched watch

// watch looks at connections, in one goroutine as long as there are any.
type watch struct {
	mu    sync.Mutex
	conns []*answers
}

func (w *watch) add(a *answers) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns = append(w.conns, a); len(w.conns) == 1 {
		go w.run()
	}
}

func (w *watch) run() {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for now := range t.C {
		w.mu.Lock()
		left := w.conns[:0]
		for _, a := range w.conns {
			if a.look(now) {
				left = append(left, a)
			}
		}
		clear(w.conns[len(left):])
		w.conns = left
		w.mu.Unlock()
		if len(left) == 0 {
			return
		}
	}
}

// answers is what a connection's peer has left unanswered.
type answers struct {
	raw   syscall.RawConn
	since time.Time // zero: nothing
}

// look ends the connection if its peer is silent. It reports false if there is nothing
// more to look at.
func (a *answers) look(now time.Time) (open bool) {
	err := a.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if open = err == nil && !a.silent(now, info); err == nil && !open {
			// Not closed: it is its owner's, who gets an end of file or EPIPE. What is
			// unsent is dropped when the owner closes it.
			_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			_ = unix.Shutdown(int(fd), unix.SHUT_RDWR)
		}
	})
	return err == nil && open
}

// silent reports whether nothing, not even an acknowledgement, has come for silenceMax
// while something was unanswered.
func (a *answers) silent(now time.Time, info *unix.TCPInfo) bool {
	heard := now.Add(-time.Duration(min(info.Last_ack_recv, info.Last_data_recv)) * time.Millisecond)
	switch {
	case info.Unacked == 0 && info.Probes < windowProbes:
		a.since = time.Time{}
	case a.since.IsZero() || heard.After(a.since):
		a.since = now
	}
	return !a.since.IsZero() && now.Sub(a.since) >= silenceMax
}
