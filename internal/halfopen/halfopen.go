// Package halfopen bounds the connections of a port that have not shown yet who is at
// their other end. When there are too many, the one that came first gives way: strangers
// who say nothing keep nobody out who does.
package halfopen

import (
	"container/list"
	"net"
	"sync"
)

// Set is the half-open connections of one port. It is safe for concurrent use.
type Set struct {
	most func() int

	mu    sync.Mutex
	conns list.List // of net.Conn, the first to come in front
}

// New returns a set of at most most() connections; it is asked each time.
func New(most func() int) *Set { return &Set{most: most} }

// Enter adds c and closes those that came first while there are too many. What it returns
// takes c out again, once; it reports false if c had been closed to make room.
func (s *Set) Enter(c net.Conn) (leave func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.conns.PushBack(c)
	for s.conns.Len() > max(s.most(), 1) {
		_ = s.conns.Remove(s.conns.Front()).(net.Conn).Close() // nothing can be done about a failure
	}
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		before := s.conns.Len()
		s.conns.Remove(mine) // nothing if it is out already
		return s.conns.Len() < before
	}
}
