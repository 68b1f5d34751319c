package router

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// refusal is an error that the client is told.
type refusal struct {
	code    uint16
	state   string
	message string
}

func (e *refusal) Error() string { return fmt.Sprintf("%d (%s): %s", e.code, e.state, e.message) }

var (
	tooMany     = &refusal{mysql.ER_CON_COUNT_ERROR, "08004", "Too many connections"}
	tooManyWait = &refusal{mysql.ER_CON_COUNT_ERROR, "08004", "Too many connections wait for an instance"}
	noTLS       = &refusal{mysql.ER_HANDSHAKE_ERROR, "08S01",
		"Bad handshake: TLS was asked for as it was not offered"}
	oldClient = &refusal{mysql.ER_NOT_SUPPORTED_AUTH_MODE, "08004",
		"Client does not support the authentication protocol of MySQL 4.1"}
	cleartext = &refusal{codeSecureTransport, "HY000",
		"Authentication requires a secure connection: TLS"}
	shutdown = &refusal{mysql.ER_SERVER_SHUTDOWN, "08S01", "The router is shutting down"}
)

// codeSecureTransport is ER_SECURE_TRANSPORT_REQUIRED. What MySQL's client library
// says in such cases (2003, 2013, 2061) cannot be sent: clients take an error of
// their own range that comes from a server for a malformed packet.
const codeSecureTransport = 3159

var (
	errQuit    = errors.New("client quit")
	errDrained = errors.New("router drains")
	errGone    = errors.New("client is gone")
	errDenied  = errors.New("login denied by the instance")
)

// session is one client connection and the instance it is spliced to. One
// goroutine serves it; the fields outside mu and turn are that goroutine's.
type session struct {
	r      *Router
	id     uint32 // in the client's greeting
	stats  *endpointStats
	known  func() bool          // takes it out of the router's half-open connections
	client net.Conn             // as it was accepted: whoever reads and writes uses the pipes'
	tls    *tls.ConnectionState // of the client; nil: it came without

	up   pipe // client to instance
	down pipe // instance to client
	idle [idleBytes]byte

	seq    byte   // of the next packet to the client, during login
	dep    bool   // CLIENT_DEPRECATE_EOF is on, on both sides
	attrs  bool   // CLIENT_QUERY_ATTRIBUTES is on, on both sides
	status uint16 // status flags of the last OK or EOF

	// mu is guarded by r.mu. It is what other goroutines may ask and do.
	mu struct {
		user       string
		instance   string   // that it is, or tries to be, attached to; counted in r.mu.load
		backend    net.Conn // nil before it is connected
		connection uint32   // id on that instance; 0 before its greeting
		exposed    bool     // something of the instance was passed on: no other one will do
		lost       bool     // the topology took that instance away
		serving    bool     // counted in r.mu.serving
	}

	// turn says whose turn it is, so that a goroutine can wake this one when it
	// waits for a command and leave it alone otherwise.
	turn struct {
		sync.Mutex
		of     turn
		poked  bool // a read deadline in the past is set on client
		hungUp bool // the instance closed its side
	}
}

// The sides of a session that may close their connection.
const (
	hangupClient   int32 = 1
	hangupInstance int32 = 2
)

type turn uint8

const (
	turnRouter   turn = iota // a command is being read, or nothing has begun
	turnClient               // the session waits for a command
	turnInstance             // the session waits for an answer
)

func newSession(r *Router, id uint32, c net.Conn, stats *endpointStats) *session {
	s := &session{r: r, id: id, client: c, stats: stats}
	s.up = pipe{src: c, moved: &stats.up}
	s.down = pipe{dst: c, moved: &stats.down}
	return s
}

// leave forgets the session and closes what is open.
func (s *session) leave() {
	s.r.mu.Lock()
	delete(s.r.mu.sessions, s.id)
	if s.mu.serving {
		s.r.mu.serving--
	}
	s.detach()
	s.r.mu.Unlock()
	_ = s.down.dst.Close() // nothing can be done about a failure
	s.known()
	s.up.drop()
	s.down.drop()
}

// detach gives the claimed instance up. The caller holds r.mu.
func (s *session) detach() {
	if s.mu.backend != nil {
		_ = s.mu.backend.Close() // nothing can be done about a failure
	}
	if s.mu.instance != "" {
		l := s.r.mu.load[s.mu.instance]
		l.Own--
		s.r.mu.load[s.mu.instance] = l
	}
	s.mu.instance, s.mu.backend, s.mu.connection, s.mu.lost = "", nil, 0, false
}

// lose ends what the session has with its instance. If the client has not seen
// anything of it, the session looks for another one. The caller holds r.mu.
func (s *session) lose() {
	s.mu.lost = true
	if s.mu.backend != nil {
		_ = s.mu.backend.Close() // nothing can be done about a failure
	}
	if s.mu.exposed {
		_ = s.client.Close()
	}
}

// sever ends the session wherever it is. The caller holds r.mu.
func (s *session) sever() {
	s.mu.exposed = true
	s.lose()
}

// poke wakes the session if it waits for a command.
func (s *session) poke() {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.turn.of == turnClient && !s.turn.poked {
		s.turn.poked = true
		_ = s.client.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
	}
}

// hungUp is told that a side closed its connection.
func (s *session) hungUp(side int32) {
	switch side {
	case hangupInstance:
		s.turn.Lock()
		s.turn.hungUp = true
		s.turn.Unlock()
		s.poke()
	case hangupClient:
		// Nobody waits for the answer: end the statement, and its locks, now.
		s.turn.Lock()
		of := s.turn.of
		s.turn.Unlock()
		if of != turnInstance {
			return // the session reads the end itself, perhaps a COM_QUIT before it
		}
		s.r.mu.Lock()
		defer s.r.mu.Unlock()
		if s.mu.backend != nil {
			_ = s.mu.backend.Close() // nothing can be done about a failure
		}
	}
}

// refuse tells the client why its login failed, if that is for it to know.
func (s *session) refuse(err error) {
	var told *refusal
	switch {
	case errors.Is(err, errDenied):
		s.stats.denied.Inc() // before the client knows
		err = errors.Join(err, s.down.flush())
	case errors.As(err, &told):
		s.stats.refused.Inc()
		_ = s.client.SetWriteDeadline(time.Now().Add(s.r.o.LoginTimeout))
		_, err = s.down.dst.Write(appendError(nil, s.seq, told.code, told.state, told.message))
		err = errors.Join(told, err)
	default:
		s.stats.broken.Inc()
	}
	s.r.log.Debug("login failed", "session", s.id, "err", err)
}

// login greets, attaches the session to an instance and lets the two authenticate.
func (s *session) login() error {
	if err := s.client.SetDeadline(time.Now().Add(s.r.o.LoginTimeout)); err != nil {
		return err
	}
	secure, capabilities := s.r.o.TLS.Server(), offered&^s.r.o.Without
	if secure != nil {
		capabilities |= mysql.CLIENT_SSL
	}
	if _, err := s.client.Write(appendGreeting(nil, s.r.o.ServerVersion, s.id, capabilities, newSalt())); err != nil {
		return err
	}
	body, seq, err := s.up.take(loginPacketMax)
	if err != nil {
		return err
	}
	s.seq = seq + 1
	if secure != nil && wantsTLS(body) {
		if err := s.startTLS(secure); err != nil {
			return err
		}
		if body, seq, err = s.up.take(loginPacketMax); err != nil {
			return err
		}
		s.seq = seq + 1
	}
	if s.tls == nil && len(body) >= 4 && binary.LittleEndian.Uint32(body)&mysql.CLIENT_SSL != 0 {
		return noTLS
	}
	h, err := parseHello(body)
	if err != nil {
		return &refusal{mysql.ER_HANDSHAKE_ERROR, "08S01", "Bad handshake"}
	}
	h.capabilities &= capabilities // some clients say what was not offered
	if s.tls != nil {
		h.capabilities |= mysql.CLIENT_SSL
	}
	if h.capabilities&needed != needed {
		return oldClient
	}
	if err := s.client.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s.up.release()
	if err := s.attach(h, seq); err != nil {
		return err
	}
	deadline := time.Now().Add(s.r.o.LoginTimeout)
	if err := errors.Join(s.client.SetDeadline(deadline), s.up.dst.SetDeadline(deadline)); err != nil {
		return err
	}
	if err := s.authenticate(); err != nil {
		return err
	}
	return errors.Join(s.client.SetDeadline(time.Time{}), s.up.dst.SetDeadline(time.Time{}))
}

func newSalt() *[saltBytes]byte {
	var salt [saltBytes]byte
	_, _ = rand.Read(salt[:]) // never fails
	for i, c := range salt {
		salt[i] = c&0x7f | 1 // no 0, which would end it, and plain ASCII, as MySQL's
	}
	return &salt
}

// authenticate relays a login, or the rest of a COM_CHANGE_USER, until the
// instance decides. It returns errDenied if that was no, which the caller flushes
// to the client, a *refusal if the client would have to send a password in clear,
// or is one too many.
func (s *session) authenticate() error {
	for range loginStepsMax {
		h, err := s.down.head()
		if err != nil {
			return eofInside(err)
		}
		if h.n > loginPacketMax {
			return fmt.Errorf("%w: login packet of %d bytes", errProtocol, h.n)
		}
		body, err := s.down.body(h, len("mysql_clear_password")+2)
		if err != nil {
			return eofInside(err)
		}
		s.seq = h.seq
		answers, encrypts := false, false
		switch {
		case h.n > 0 && h.first == mysql.OK_HEADER:
			if !s.r.welcome(s) {
				return errors.Join(tooMany, s.down.flush())
			}
			s.known() // before the client knows that nobody closes it any more
			return s.one()
		case h.isError():
			return errors.Join(errDenied, s.down.pass())
		case h.first == mysql.EOF_HEADER:
			if h.n == 1 {
				return oldClient
			}
			if plugin := nulTerminated(body[1:]); s.tls == nil && (plugin == mysql.AUTH_CLEAR_PASSWORD || plugin == "dialog") {
				return cleartext
			}
			answers = true
		case h.first == mysql.MORE_DATE_HEADER:
			answers = h.n != 2 || body[1] != mysql.CACHE_SHA2_FAST_AUTH
			encrypts = s.tls == nil && h.n == 2 && body[1] == mysql.CACHE_SHA2_FULL_AUTH
		default:
			return fmt.Errorf("%w: login packet %#x", errProtocol, h.first)
		}
		if err := s.down.pass(); err != nil {
			return err
		}
		if !answers {
			continue
		}
		if err := s.down.flush(); err != nil {
			return err
		}
		if err := s.answer(encrypts); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: login of more than %d steps", errProtocol, loginStepsMax)
}

// rsaBytesMin is the length of the shortest password that is encrypted (RSA,
// 2048 bits). A shorter one, other than the 1 byte that asks for the key, is in clear.
const rsaBytesMin = 256

// answer relays one packet of a login from the client.
func (s *session) answer(encrypts bool) error {
	h, err := s.up.head()
	if err != nil {
		return eofInside(err)
	}
	if h.n > loginPacketMax {
		return fmt.Errorf("%w: login packet of %d bytes", errProtocol, h.n)
	}
	if encrypts && h.n != 1 && h.n < rsaBytesMin {
		s.seq = h.seq + 1
		return cleartext
	}
	if err := s.up.pass(); err != nil {
		return err
	}
	return s.up.flush()
}

func nulTerminated(b []byte) string {
	s := scanner{b: b}
	return s.terminatedOrRest()
}

// serve passes commands and answers on until the session ends, and returns why.
func (s *session) serve() error {
	if err := s.down.flush(); err != nil {
		return err
	}
	s.r.hangups.Watch(s.client, s.id, hangupClient)
	s.r.hangups.Watch(s.up.dst, s.id, hangupInstance)
	for {
		h, err := s.next()
		if err != nil {
			return err
		}
		if err := s.command(h); err != nil {
			return err
		}
	}
}

// next waits for a command. While it waits the session has no buffers.
func (s *session) next() (head, error) {
	for s.up.unread() < headerBytes+1 {
		if err := s.wait(); err != nil {
			return head{}, err
		}
	}
	h, err := s.up.head()
	if err == nil && h.n == 0 {
		err = fmt.Errorf("%w: empty command", errProtocol)
	}
	return h, err
}

func (s *session) wait() error {
	if s.down.unread() > 0 {
		return s.unasked()
	}
	if err := s.down.flush(); err != nil {
		return err
	}
	if err := s.up.flush(); err != nil {
		return err
	}
	s.down.release()
	s.up.release()

	s.turn.Lock()
	s.turn.of = turnClient
	hungUp := s.turn.hungUp
	s.turn.Unlock()
	var err error
	switch {
	case hungUp:
	case s.r.draining.Load() && s.status&mysql.SERVER_STATUS_IN_TRANS == 0:
		err = errDrained
	case s.up.buf == nil:
		err = s.up.moreIdle(&s.idle)
	default:
		err = s.up.more()
	}
	s.turn.Lock()
	s.turn.of = turnRouter
	hungUp = hungUp || s.turn.hungUp && errors.Is(err, os.ErrDeadlineExceeded)
	if s.turn.poked {
		s.turn.poked = false
		if derr := s.client.SetReadDeadline(time.Time{}); derr != nil && err == nil {
			err = derr
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	s.turn.Unlock()
	if hungUp {
		return s.unasked()
	}
	return err
}

// unasked passes on what the instance says between two commands: that it closes
// the session, and why. Then the session is over.
func (s *session) unasked() error {
	err := s.up.dst.SetReadDeadline(time.Now().Add(s.r.o.DialTimeout))
	for err == nil {
		var h head
		if h, err = s.down.head(); err != nil {
			break
		}
		if !h.isError() {
			err = fmt.Errorf("%w: the instance answers what was not asked", errProtocol)
			break
		}
		err = s.down.pass()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("the instance ended the session")
	}
	return errors.Join(err, s.down.flush())
}
