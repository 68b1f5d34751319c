package router_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/packet"

	"sextant/router/proxyv2"
	"sextant/router/route"
)

// instance is a small MySQL server of the tests: it takes the PROXY header off,
// authenticates with mysql_native_password, and knows the statements in query.
type instance struct {
	t        testing.TB
	id       string
	l        net.Listener
	password string

	mu       sync.Mutex
	sessions map[uint32]*fakeSession
	lastID   uint32
	headers  []proxyv2.Header
	refuse   uint16 // answer with this error in place of the greeting
	writerOf uint64 // refuse whoever wants the writer of another epoch
	stall    chan struct{}
	reached  chan struct{} // gets a value when a connection has been accepted
}

type fakeSession struct {
	in     *instance
	c      *packet.Conn
	id     uint32
	user   string
	peer   net.Addr
	dep    bool
	status uint16
	killed chan struct{}
}

func newInstance(t testing.TB, id string) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, id: id, sessions: map[uint32]*fakeSession{}, reached: make(chan struct{}, 1<<16)}
	in.l = proxyv2.NewListener(l, netip.Addr.IsLoopback)
	t.Cleanup(in.stop)
	go in.run()
	return in
}

func (in *instance) run() {
	for {
		c, err := in.l.Accept()
		if err != nil {
			return
		}
		go in.handle(c)
	}
}

// stop closes the listener and every session, like a process that is killed.
func (in *instance) stop() {
	_ = in.l.Close()
	in.closeSessions()
}

func (in *instance) closeSessions() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, s := range in.sessions {
		_ = s.c.Conn.Close()
	}
}

func (in *instance) route(role route.Role) route.Instance {
	return route.Instance{
		ID: in.id, Role: role, Address: in.l.Addr().String(), Healthy: true,
		LagMillis: route.LagUnknown,
	}
}

func (in *instance) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.sessions)
}

func (in *instance) lock(f func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f()
}

func (in *instance) handle(raw net.Conn) {
	defer raw.Close()
	var header proxyv2.Header
	if c, ok := raw.(*proxyv2.Conn); ok {
		var err error
		if header, err = c.Header(); err != nil {
			return
		}
	}
	s := &fakeSession{in: in, c: packet.NewConn(raw), peer: raw.RemoteAddr(),
		status: mysql.SERVER_STATUS_AUTOCOMMIT, killed: make(chan struct{}, 8)}
	in.mu.Lock()
	in.headers = append(in.headers, header)
	refuse, stall := in.refuse, in.stall
	if in.writerOf != 0 && header.WriterEpoch != 0 && header.WriterEpoch != in.writerOf {
		refuse = mysql.ER_OPTION_PREVENTS_STATEMENT
	}
	in.lastID++
	s.id = in.lastID
	in.mu.Unlock()
	in.reached <- struct{}{}
	if stall != nil {
		<-stall
	}
	if refuse != 0 {
		_ = s.fail(refuse, "HY000", "refused by the test")
		return
	}
	if !s.login() {
		return
	}
	in.lock(func() { in.sessions[s.id] = s })
	defer in.lock(func() { delete(in.sessions, s.id) })
	for s.command() {
	}
}

func (s *fakeSession) write(body []byte) error {
	return s.c.WritePacket(append(make([]byte, 4), body...))
}

func (s *fakeSession) fail(code uint16, state, message string) error {
	body := binary.LittleEndian.AppendUint16([]byte{0xff}, code)
	return s.write(append(append(append(body, '#'), state...), message...))
}

func (s *fakeSession) ok() error { return s.write(s.okBody(0)) }

func (s *fakeSession) okBody(header byte) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{header, 0, 0}, s.status), 0, 0)
}

const fakeCapabilities = mysql.CLIENT_LONG_PASSWORD | mysql.CLIENT_PROTOCOL_41 |
	mysql.CLIENT_SECURE_CONNECTION | mysql.CLIENT_PLUGIN_AUTH | mysql.CLIENT_CONNECT_WITH_DB |
	mysql.CLIENT_DEPRECATE_EOF | mysql.CLIENT_TRANSACTIONS | mysql.CLIENT_MULTI_RESULTS

func (s *fakeSession) login() bool {
	greeting := append([]byte{10}, "8.0.39\x00"...)
	greeting = binary.LittleEndian.AppendUint32(greeting, s.id)
	greeting = append(greeting, "abcdefgh\x00"...)
	caps := uint32(fakeCapabilities)
	greeting = binary.LittleEndian.AppendUint16(greeting, uint16(caps))
	greeting = append(greeting, 255, 2, 0)
	greeting = binary.LittleEndian.AppendUint16(greeting, uint16(caps>>16))
	greeting = append(append(greeting, 21), make([]byte, 10)...)
	greeting = append(greeting, "ijklmnopqrst\x00mysql_native_password\x00"...)
	if s.write(greeting) != nil {
		return false
	}
	hello, err := s.c.ReadPacket()
	if err != nil || len(hello) < 33 {
		return false
	}
	s.dep = binary.LittleEndian.Uint32(hello)&mysql.CLIENT_DEPRECATE_EOF != 0
	s.user = string(hello[32 : 32+bytes.IndexByte(hello[32:], 0)])
	salt := "ABCDEFGHIJKLMNOPQRST"
	if s.write([]byte("\xfemysql_native_password\x00"+salt+"\x00")) != nil {
		return false
	}
	proof, err := s.c.ReadPacket()
	if err != nil {
		return false
	}
	if !bytes.Equal(proof, mysql.CalcNativePassword([]byte(salt), []byte(s.in.password))) {
		_ = s.fail(mysql.ER_ACCESS_DENIED_ERROR, "28000", "Access denied")
		return false
	}
	return s.ok() == nil
}

func (s *fakeSession) command() bool {
	s.c.ResetSequence()
	b, err := s.c.ReadPacket()
	if err != nil || len(b) == 0 || b[0] == mysql.COM_QUIT {
		return false
	}
	switch b[0] {
	case mysql.COM_QUERY:
		err = s.query(string(b[1:]))
	case mysql.COM_PROCESS_KILL:
		err = s.kill(binary.LittleEndian.Uint32(b[1:]), false)
	default:
		err = s.ok()
	}
	return err == nil
}

func (s *fakeSession) query(q string) error {
	if at := strings.Index(strings.ToUpper(q), "KILL"); at >= 0 {
		words := strings.Fields(strings.ToUpper(q[at:]))
		id, err := strconv.ParseUint(words[len(words)-1], 10, 32)
		if err != nil {
			return s.fail(mysql.ER_PARSE_ERROR, "42000", err.Error())
		}
		return s.kill(uint32(id), words[1] == "QUERY")
	}
	verb, arg, _ := strings.Cut(q, " ")
	switch verb {
	case "BEGIN":
		s.status |= mysql.SERVER_STATUS_IN_TRANS
	case "COMMIT":
		s.status &^= mysql.SERVER_STATUS_IN_TRANS
	case "WHO":
		return s.row(s.in.id)
	case "PEER":
		return s.row(s.peer.String())
	case "WAIT":
		s.in.reached <- struct{}{}
		<-s.killed
		return s.fail(mysql.ER_QUERY_INTERRUPTED, "70100", "Query execution was interrupted")
	case "ROWS":
		n, _ := strconv.Atoi(arg)
		return s.rows(n)
	case "LONG":
		return s.long()
	case "TWICE": // answers once more than it was asked
		if err := s.ok(); err != nil {
			return err
		}
	case "BYE": // answers, says why it closes, and closes
		if err := s.ok(); err != nil {
			return err
		}
		s.c.ResetSequence()
		_ = s.fail(4031, "HY000", "The client was disconnected by the server because of inactivity")
		return net.ErrClosed
	}
	return s.ok()
}

func (s *fakeSession) kill(id uint32, queryOnly bool) error {
	s.in.mu.Lock()
	v := s.in.sessions[id]
	s.in.mu.Unlock()
	if v == nil {
		return s.fail(mysql.ER_NO_SUCH_THREAD, "HY000", fmt.Sprintf("Unknown thread id: %d", id))
	}
	if queryOnly {
		v.killed <- struct{}{}
	} else {
		_ = v.c.Conn.Close()
	}
	return s.ok()
}

func (s *fakeSession) row(value string) error {
	if err := s.columns(); err != nil {
		return err
	}
	if err := s.write(append([]byte{byte(len(value))}, value...)); err != nil {
		return err
	}
	return s.end()
}

func (s *fakeSession) rows(n int) error {
	if err := s.columns(); err != nil {
		return err
	}
	for i := range n {
		v := strconv.Itoa(i)
		if err := s.write(append([]byte{byte(len(v))}, v...)); err != nil {
			return err
		}
	}
	return s.end()
}

// longBytes is the length of the row that LONG answers.
const longBytes = 8 << 20

var longRow = append([]byte{0xfd, 0, 0, longBytes >> 16}, make([]byte, longBytes)...)

func (s *fakeSession) long() error {
	if err := s.columns(); err != nil {
		return err
	}
	if err := s.write(longRow); err != nil {
		return err
	}
	return s.end()
}

func (s *fakeSession) columns() error {
	if err := s.write([]byte{1}); err != nil {
		return err
	}
	def := "\x03def\x00\x00\x00\x01v\x00\x0c\xff\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
	if err := s.write([]byte(def)); err != nil {
		return err
	}
	if s.dep {
		return nil
	}
	return s.end()
}

func (s *fakeSession) end() error {
	if s.dep {
		return s.write(s.okBody(0xfe))
	}
	return s.write(binary.LittleEndian.AppendUint16([]byte{0xfe, 0, 0}, s.status))
}
