// Package hangup tells when a connection that nobody reads from is closed by its
// peer: a client's while the server works for it, a server's while its client
// is idle.
//
// On systems other than Linux it never tells: the end is found with the next
// read or write.
package hangup

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Set is the connections that are watched. One epoll set serves all of them and
// wakes for nothing else, so a connection costs no goroutine and a command no call.
type Set struct {
	epoll int
	// stopRead becomes readable when Run shall end.
	stopRead, stopWrite *os.File
}

// New returns a set that watches nothing yet.
func New() (*Set, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	s := &Set{epoll: fd, stopRead: r, stopWrite: w}
	stop := syscall.EpollEvent{Events: syscall.EPOLLIN}
	if err := syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, int(r.Fd()), &stop); err != nil {
		return nil, errors.Join(os.NewSyscallError("epoll_ctl", err), r.Close(), w.Close(), syscall.Close(fd))
	}
	return s, nil
}

// Watch reports once, to Run's told, that c's peer has closed. side is not 0 and,
// as id, means nothing here. A connection that is no socket, also below its
// NetConn methods, is not watched; closing c ends the watch.
func (s *Set) Watch(c net.Conn, id uint32, side int32) {
	for {
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = outer.NetConn()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return // closed already: whoever reads it finds out
	}
	const closed = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR | syscall.EPOLLONESHOT
	event := syscall.EpollEvent{Events: closed, Fd: int32(id), Pad: side}
	_ = raw.Control(func(fd uintptr) { // likewise
		_ = syscall.EpollCtl(s.epoll, syscall.EPOLL_CTL_ADD, int(fd), &event)
	})
}

// Run calls told for each hangup until Close.
func (s *Set) Run(told func(id uint32, side int32)) {
	events := make([]syscall.EpollEvent, 128)
	for {
		n, err := syscall.EpollWait(s.epoll, events, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			panic(os.NewSyscallError("epoll_wait", err)) // a bug: nothing else makes it fail
		}
		for _, e := range events[:max(n, 0)] {
			if e.Pad == 0 {
				return
			}
			told(uint32(e.Fd), e.Pad)
		}
	}
}

// Close ends Run.
func (s *Set) Close() {
	_ = s.stopWrite.Close() // makes stopRead readable
}

// Free gives back what New took, after Run has returned.
func (s *Set) Free() error {
	return errors.Join(s.stopRead.Close(), os.NewSyscallError("close", syscall.Close(s.epoll)))
}
