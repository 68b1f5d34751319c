package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"sextant/internal/halfopen"
	"sextant/internal/hangup"
)

// listener gives connections of which the peer is known.
type listener struct {
	net.Listener
	i     *Identity
	roles []Role
	log   *slog.Logger
	said  *Refusals

	ready  chan net.Conn
	open   *halfopen.Set
	closed chan struct{}
	once   sync.Once
	err    error // of the inner Accept, once closed is
}

// Listen returns a listener of connections from peers of the roles alone: others are
// refused, and logged as Refusals are. A handshake is given handshakeTimeout, and handshakesMax are
// under way at once: one more closes the oldest. A nil Identity returns l.
func (i *Identity) Listen(l net.Listener, log *slog.Logger, roles ...Role) net.Listener {
	if i == nil {
		return l
	}
	s := &listener{Listener: l, i: i, roles: roles, log: log, said: NewRefusals(log), ready: make(chan net.Conn), open: halfopen.New(func() int { return handshakesMax }), closed: make(chan struct{})}
	go s.loop()
	return s
}

func (s *listener) loop() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				s.once.Do(func() { s.err = err; close(s.closed) })
				return
			}
			s.log.Warn("accept", "local", s.Addr(), "error", err)
			select { // out of descriptors, perhaps: do not spin
			case <-time.After(acceptPause):
			case <-s.closed:
			}
			continue
		}
		go s.greet(c, s.open.Enter(c))
	}
}

func (s *listener) greet(tcp net.Conn, known func() bool) {
	defer known()
	cfg, peer, err := s.i.config("", s.roles)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
		hangup.Bound(tcp)
		w := &wire{Conn: tcp}
		c := tls.Server(w, cfg)
		err = c.HandshakeContext(ctx)
		cancel()
		if err == nil {
			known()
			select {
			case s.ready <- &Conn{c, w, *peer}:
				return
			case <-s.closed:
				err = net.ErrClosed
			}
		}
	}
	_ = tcp.Close()
	if !left(err) {
		kind, plain := "no peer", tls.RecordHeaderError{}
		switch {
		case errors.Is(err, ErrRefused):
			kind = "another peer"
		case errors.As(err, &plain):
			kind = "no TLS"
		}
		host, _, _ := net.SplitHostPort(tcp.RemoteAddr().String()) // "" of what is not TCP
		s.said.Warn(kind, host, "peer refused", "local", s.Addr(), "remote", tcp.RemoteAddr(), "error", err)
	}
}

// left reports whether the peer went away during the handshake, or did not go on with it:
// a probe that only connects, a process that was killed or stopped.
func left(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Accept implements net.Listener.
func (s *listener) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case <-s.closed:
		return nil, s.err
	}
}

// Close implements net.Listener.
func (s *listener) Close() error {
	err := s.Listener.Close()
	s.once.Do(func() { s.err = net.ErrClosed; close(s.closed) })
	return err
}
