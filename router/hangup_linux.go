package router

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// hangupSide is the side of a session that closed its connection.
type hangupSide int32

const (
	hangupClient   hangupSide = 1
	hangupInstance hangupSide = 2
)

// hangups tells when a connection that nobody reads from is closed by its peer:
// the instance's while its session waits for a command, the client's while an
// instance works for it. One epoll set serves all sessions and wakes for nothing
// else, so it costs a session no goroutine and a command no call.
type hangups struct {
	epoll int
	// stopRead becomes readable when the poller shall end.
	stopRead, stopWrite *os.File
}

func newHangups() (*hangups, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	h := &hangups{epoll: fd, stopRead: r, stopWrite: w}
	stop := syscall.EpollEvent{Events: syscall.EPOLLIN}
	if err := syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, int(r.Fd()), &stop); err != nil {
		return nil, errors.Join(os.NewSyscallError("epoll_ctl", err), r.Close(), w.Close(), syscall.Close(fd))
	}
	return h, nil
}

// watch reports once, to run's told, that c's peer has closed. A connection that
// is no socket is not watched; closing c ends the watch.
func (h *hangups) watch(c net.Conn, session uint32, side hangupSide) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return // closed already: whoever reads it finds out
	}
	const closed = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR | syscall.EPOLLONESHOT
	event := syscall.EpollEvent{Events: closed, Fd: int32(session), Pad: int32(side)}
	_ = raw.Control(func(fd uintptr) { // likewise
		_ = syscall.EpollCtl(h.epoll, syscall.EPOLL_CTL_ADD, int(fd), &event)
	})
}

// run calls told for each hangup until close.
func (h *hangups) run(told func(session uint32, side hangupSide)) {
	events := make([]syscall.EpollEvent, 128)
	for {
		n, err := syscall.EpollWait(h.epoll, events, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			panic(os.NewSyscallError("epoll_wait", err)) // a bug: nothing else makes it fail
		}
		for _, e := range events[:max(n, 0)] {
			if e.Pad == 0 {
				return
			}
			told(uint32(e.Fd), hangupSide(e.Pad))
		}
	}
}

// close ends run.
func (h *hangups) close() {
	_ = h.stopWrite.Close() // makes stopRead readable
}

// free gives back what newHangups took, after run has returned.
func (h *hangups) free() error {
	return errors.Join(h.stopRead.Close(), os.NewSyscallError("close", syscall.Close(h.epoll)))
}
