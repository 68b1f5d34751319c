package router

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/internal/hangup"
	"sextant/internal/redo"
	"sextant/router/proxyv2"
	"sextant/router/route"
)

var (
	errNoBackend = errors.New("no instance is available")
	errLost      = errors.New("the topology changed")
)

// claim is one choice of an instance.
type claim struct {
	instance route.Instance
	none     bool // there is none, or none that was not tried
	writer   bool // it must be the writer of epoch
	hold     bool // it is worth waiting for another topology
	epoch    redo.VolumeEpoch
	changed  <-chan struct{} // closed when the topology changes
}

// claim chooses the best instance that is not in tried and counts the session
// there, so that the next one sees it.
func (s *session) claim(tried []string) (claim, error) {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.mu.topology
	c := claim{none: true, hold: true, epoch: t.Epoch, changed: r.mu.changed}
	e := slices.IndexFunc(t.Endpoints, func(e route.Endpoint) bool { return e.Name == s.stats.name })
	if e < 0 {
		return c, &refusal{tooMany.code, tooMany.state, "The endpoint does not exist any more"}
	}
	d := route.Decide(*t, t.Endpoints[e], r.mu.load)
	c.writer, c.hold = d.Writer, d.Hold
	for _, i := range d.Backends {
		if slices.Contains(tried, i.ID) {
			continue
		}
		c.instance, c.none = i, false
		s.mu.instance = i.ID
		l := r.mu.load[i.ID]
		l.Own++
		l.Given++
		r.mu.load[i.ID] = l
		break
	}
	return c, nil
}

// unclaim gives the claim back after a failed try.
func (s *session) unclaim() {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.detach()
	s.down.drop()
}

// attach connects and logs in to an instance of the endpoint, up to its first
// answer to the login. seq is the sequence of the client's login. While there is
// none it waits. It returns a *refusal after HoldTimeout, or if too many wait,
// or if waiting is no use; errGone if the client went away.
func (s *session) attach(h hello, seq byte) error {
	w := waiter{s: s, deadline: time.Now().Add(s.r.o.HoldTimeout)}
	defer w.end()
	var tried []string
	var last error
	for {
		c, err := s.claim(tried)
		if err != nil {
			return err
		}
		if c.none {
			if !c.hold || s.r.ctx.Err() != nil {
				return noBackend(last)
			}
			if err := w.wait(c.changed, len(tried) > 0); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return noBackend(last)
				}
				return err
			}
			tried = tried[:0]
			continue
		}
		err = s.connect(c, h, seq, w.deadline)
		if err == nil {
			return nil
		}
		s.unclaim()
		var told *refusal
		if errors.As(err, &told) {
			return err
		}
		last = fmt.Errorf("%s: %w", c.instance.ID, err)
		s.r.log.Debug("connect", "session", s.id, "err", last)
		tried = append(tried, c.instance.ID)
		if errors.Is(err, errLost) {
			tried = tried[:0]
		}
	}
}

func noBackend(last error) error {
	if last == nil {
		last = errNoBackend
	}
	return &refusal{tooMany.code, tooMany.state, "No instance takes the connection: " + last.Error()}
}

// connect connects to the claimed instance and sends the login. On nil, the
// instance's first answer has arrived and no other instance will do any more.
// A *refusal is for the client; after any other error another try may succeed.
func (s *session) connect(c claim, h hello, seq byte, deadline time.Time) error {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	if s.r.o.DialFrom.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: s.r.o.DialFrom.AsSlice()}
	}
	limit := time.Now().Add(s.r.o.DialTimeout)
	if limit.After(deadline) {
		limit = deadline
	}
	ctx, cancel := context.WithDeadline(s.r.ctx, limit)
	defer cancel()
	backend, err := d.DialContext(ctx, "tcp", c.instance.Address)
	if err != nil {
		return err
	}
	hangup.Bound(backend)
	if !s.adopt(backend, c.epoch) {
		return errors.Join(errLost, backend.Close())
	}
	if err := backend.SetDeadline(time.Now().Add(s.r.o.DialTimeout)); err != nil {
		return err
	}
	s.up.dst, s.down.src = backend, backend
	header := s.header(c)
	if _, err := backend.Write(header.Append(nil)); err != nil {
		return err
	}
	g, err := s.greeted()
	if err != nil {
		return err
	}
	if s.tls != nil {
		if err := s.secure(ctx, backend, c, g, h); err != nil {
			return err
		}
	}
	proof, err := s.vouch(header, c.instance.ID, backend, g.salt)
	if err != nil {
		return err
	}
	login, caps := h.append(nil, seq, g.capabilities, proof)
	s.dep, s.attrs = caps&mysql.CLIENT_DEPRECATE_EOF != 0, caps&mysql.CLIENT_QUERY_ATTRIBUTES != 0
	if lacks := h.capabilities & agreed &^ caps; lacks != 0 {
		return &refusal{mysql.ER_HANDSHAKE_ERROR, "08S01", fmt.Sprintf("Bad handshake: %s lacks the client's capabilities %#x", c.instance.ID, lacks)}
	}
	if _, err := s.up.dst.Write(login); err != nil {
		return err
	}
	first, err := s.down.head()
	if err != nil {
		return eofInside(err)
	}
	if first.isError() {
		body, err := s.down.body(first, 3)
		if err != nil {
			return eofInside(err)
		}
		if notNow(errorCode(body)) {
			return fmt.Errorf("login refused with error %d", errorCode(body))
		}
	}
	return s.expose(h.user, g.connection)
}

// header is what the instance is told about the client.
func (s *session) header(c claim) proxyv2.Header {
	h := proxyv2.Header{Source: addrPort(s.client.RemoteAddr()), Destination: addrPort(s.client.LocalAddr()),
		Connection: s.id, TLS: tlsOf(s.tls)}
	if c.writer {
		h.WriterEpoch = uint64(c.epoch)
	}
	return h
}

// vouch returns the proof that this router has said header; nil if there are no
// identities in the cluster.
func (s *session) vouch(h proxyv2.Header, instance string, backend net.Conn, salt []byte) ([]byte, error) {
	if s.r.o.Identity == nil {
		return nil, nil
	}
	v := proxyv2.Vouch{Header: h, Instance: instance, From: backend.LocalAddr(), To: backend.RemoteAddr(), Salt: salt}
	if t, ok := s.up.dst.(*tls.Conn); ok {
		state := t.ConnectionState()
		v.TLS = &state
	}
	message, err := v.Message()
	if err != nil {
		return nil, err
	}
	return s.r.o.Identity.Sign(message)
}

// addrPort returns the zero value for anything that is no TCP address.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}

// greeted reads the instance's greeting. An error packet in its place is a
// *refusal unless it says that the instance does not serve now.
func (s *session) greeted() (greeting, error) {
	body, _, err := s.down.take(loginPacketMax)
	if err != nil {
		return greeting{}, eofInside(err)
	}
	if len(body) == 0 || body[0] != mysql.ERR_HEADER {
		g, err := parseGreeting(body)
		if err == nil && g.capabilities&needed != needed {
			err = fmt.Errorf("%w: an instance without protocol 4.1", errProtocol)
		}
		return g, err
	}
	code, state, message := errorCode(body), "HY000", ""
	if len(body) > 3 {
		message = string(body[3:])
	}
	if len(message) >= 6 && message[0] == '#' {
		state, message = message[1:6], message[6:]
	}
	if notNow(code) {
		return greeting{}, fmt.Errorf("greeted with error %d: %s", code, message)
	}
	return greeting{}, &refusal{code, state, message}
}

// notNow reports whether an instance says with that error that it is not the
// one to serve: it starts, stops, or is not the writer.
func notNow(code uint16) bool {
	switch code {
	case mysql.ER_SERVER_SHUTDOWN, mysql.ER_OPTION_PREVENTS_STATEMENT, mysql.ER_READ_ONLY_MODE:
		return true
	}
	return false
}

// adopt makes backend the session's, unless the topology took the instance away
// meanwhile or the router closes: then it is errLost's case.
func (s *session) adopt(backend net.Conn, epoch redo.VolumeEpoch) bool {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.mu.lost || s.r.mu.topology.Epoch != epoch {
		return false
	}
	s.mu.backend = backend
	return true
}

// expose notes that from now on the client sees the instance.
func (s *session) expose(user string, connection uint32) error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.mu.lost {
		return errLost
	}
	s.mu.user, s.mu.connection, s.mu.exposed = user, connection, true
	return nil
}
