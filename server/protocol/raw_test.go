package protocol_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// raw is a client that writes its packets by hand.
type raw struct {
	testing.TB
	net.Conn
	seq  byte
	salt []byte
}

func dial(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &raw{TB: t, Conn: c}
}

// read reads one frame, whose number must be the next.
func (r *raw) read() string {
	r.Helper()
	var h [4]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		r.Fatal(err)
	}
	if h[3] != r.seq {
		r.Fatalf("frame %d, want %d", h[3], r.seq)
	}
	r.seq++
	b := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
	if _, err := io.ReadFull(r, b); err != nil {
		r.Fatal(err)
	}
	return string(b)
}

// want reads one frame, which must begin so.
func (r *raw) want(prefix string) string {
	r.Helper()
	s := r.read()
	if !strings.HasPrefix(s, prefix) {
		r.Fatalf("%q, want %q", s, prefix)
	}
	return s
}

func (r *raw) wantError(number uint16, text string) {
	r.Helper()
	if s := r.want("\xff"); binary.LittleEndian.Uint16([]byte(s[1:])) != number || !strings.Contains(s, text) {
		r.Fatalf("%q, want %d %s", s, number, text)
	}
}

// wantEnd reads the end of the connection.
func (r *raw) wantEnd() {
	r.Helper()
	if n, err := r.Read(make([]byte, 1)); n > 0 || err == nil {
		r.Fatal("the connection goes on")
	}
}

func (r *raw) write(body string) {
	r.Helper()
	h := []byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), r.seq}
	r.seq++
	if _, err := r.Conn.Write(append(h, body...)); err != nil {
		r.Fatal(err)
	}
}

// command writes a command.
func (r *raw) command(com byte, body string) {
	r.Helper()
	r.seq = 0
	r.write(string(com) + body)
}

const (
	oldCaps = mysql.CLIENT_LONG_PASSWORD | mysql.CLIENT_PROTOCOL_41 | mysql.CLIENT_SECURE_CONNECTION | mysql.CLIENT_PLUGIN_AUTH
	newCaps = oldCaps | mysql.CLIENT_DEPRECATE_EOF | mysql.CLIENT_SESSION_TRACK | mysql.CLIENT_LOCAL_FILES | mysql.CLIENT_QUERY_ATTRIBUTES
)

func helloPacket(caps uint32, user, answer, plugin string) string {
	b := binary.LittleEndian.AppendUint32(nil, caps)
	b = append(b, 0, 0, 0, 1, 45)
	b = append(b, make([]byte, 23)...)
	b = append(append(b, user...), 0, byte(len(answer)))
	b = append(append(b, answer...), plugin...)
	return string(append(b, 0))
}

// login logs in as root, who has no password.
func login(t testing.TB, addr string, caps uint32) *raw {
	t.Helper()
	r := dial(t, addr)
	r.want("\x0a8.0.39\x00")
	r.write(helloPacket(caps, "root", "", "caching_sha2_password"))
	r.want("\x00\x00\x00\x02\x00")
	return r
}

func TestGreeting(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	b := dial(t, addr).want("\x0a8.0.39\x00")
	b = b[8:]
	caps := uint32(binary.LittleEndian.Uint16([]byte(b[13:]))) | uint32(binary.LittleEndian.Uint16([]byte(b[18:])))<<16
	const never = mysql.CLIENT_COMPRESS | mysql.CLIENT_SSL | mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM | mysql.CLIENT_OPTIONAL_RESULTSET_METADATA
	if caps&never != 0 || caps&newCaps != newCaps || b[15] != 255 || b[16] != 2 || b[20] != 21 || !strings.HasSuffix(b, "\x00caching_sha2_password\x00") {
		t.Errorf("%x %q", caps, b)
	}
}

// A proxy asks for a switch and relays what the client answers to the new salt.
func TestUnknownPluginIsSwitched(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	for user, plugin := range map[string]string{"native": mysql.AUTH_NATIVE_PASSWORD, "sha2": mysql.AUTH_CACHING_SHA2_PASSWORD, "nobody": mysql.AUTH_CACHING_SHA2_PASSWORD} {
		r := dial(t, addr)
		greeting := r.read()
		r.write(helloPacket(oldCaps, user, "", "auth_unknown_plugin"))
		s := r.want("\xfe" + plugin + "\x00")
		salt := s[len(plugin)+2:]
		if len(salt) != 21 || strings.Contains(greeting, salt[:8]) {
			t.Fatalf("salt %q", salt)
		}
		if user == "native" {
			r.write(string(mysql.CalcNativePassword([]byte(salt[:20]), []byte("secret"))))
			r.want("\x00")
			r.command(mysql.COM_PING, "")
			r.want("\x00")
			continue
		}
		r.write(strings.Repeat("p", 32))
		r.want("\x01\x04")
		r.write("\x02")
		r.want("\x01-----BEGIN PUBLIC KEY-----\n")
		r.write(strings.Repeat("x", 256))
		r.wantError(1045, "Access denied for user '"+user+"'@'127.0.0.1' (using password: YES)")
		r.wantEnd()
	}
}

// An encrypted password that does not end as one is wrong, as any other: who asks with
// texts of his own learns nothing of what they decrypt to.
func TestEncryptedPasswordWithoutEnd(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	for _, plain := range []string{"", "secret", "secret\x01"} {
		r := dial(t, addr)
		r.read()
		r.write(helloPacket(oldCaps, "sha2", strings.Repeat("p", 32), mysql.AUTH_CACHING_SHA2_PASSWORD))
		r.want("\x01\x04")
		r.write("\x02")
		block, _ := pem.Decode([]byte(r.want("\x01")[1:]))
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		b, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key.(*rsa.PublicKey), []byte(plain), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.write(string(b))
		r.wantError(1045, "(using password: YES)")
		r.wantEnd()
	}
}

func TestMalformedLogin(t *testing.T) {
	_, addr := serve(t, newFake(), func(o *protocol.Options) { o.LoginTimeout = 200 * time.Millisecond })
	for name, body := range map[string]string{"empty": "", "short": "\x01\x02\x03", "cut": helloPacket(oldCaps, "root", "", "")[:36]} {
		r := dial(t, addr)
		r.read()
		r.write(body)
		t.Log(name)
		r.wantError(1043, "Bad handshake")
		r.wantEnd()
	}
	r := dial(t, addr)
	r.read()
	r.write(helloPacket(mysql.CLIENT_LONG_PASSWORD, "root", "", ""))
	r.wantError(1251, "Client does not support authentication protocol")
	r = dial(t, addr)
	r.read()
	if _, err := r.Conn.Write([]byte{0xff, 0xff, 0x7f, 1, 0}); err != nil { // announces 8 MiB
		t.Fatal(err)
	}
	r.seq = 2
	r.wantError(1153, "max_allowed_packet")
	r.wantEnd()
	r = dial(t, addr) // says nothing
	r.read()
	r.wantEnd()
}

func TestRefusedInPlaceOfGreeting(t *testing.T) {
	h := newFake()
	s, addr := serve(t, h, func(o *protocol.Options) { o.MaxConnections = func() int { return 1 } })
	first := login(t, addr, oldCaps)
	second := dial(t, addr)
	second.read()
	second.write(helloPacket(oldCaps, "root", "", "caching_sha2_password"))
	second.wantError(1040, "Too many connections")
	second.wantEnd()
	if n := s.Connections(); n != 1 {
		t.Error(n)
	}
	first.command(mysql.COM_QUIT, "")
	first.wantEnd()
	h2 := newFake()
	h2.refuse = &protocol.Error{Number: 1053, State: "08S01", Message: "Server shutdown in progress"}
	_, addr = serve(t, h2, nil)
	r := dial(t, addr)
	r.wantError(1053, "Server shutdown")
	r.wantEnd()
}

func TestPacketTooLarge(t *testing.T) {
	h := newFake()
	h.max = 1 << 20
	_, addr := serve(t, h, nil)
	r := login(t, addr, oldCaps)
	r.command(mysql.COM_QUERY, "echo "+strings.Repeat("x", 1<<20-7))
	r.want("\x01")
	for range 3 {
		r.read()
	}
	r.want("\xfe")
	r.command(mysql.COM_QUERY, strings.Repeat("x", 2<<20))
	r.wantError(1153, "Got a packet bigger than 'max_allowed_packet' bytes")
	r.wantEnd()
	r = login(t, addr, oldCaps)
	r.seq = 7
	r.write("\x0e")
	r.seq = 0
	r.wantError(1156, "out of order")
	r.wantEnd()
}

func TestChangeUser(t *testing.T) {
	h := newFake()
	_, addr := serve(t, h, nil)
	r := login(t, addr, oldCaps)
	old := <-h.sessions
	change := func(password string) {
		r.command(mysql.COM_CHANGE_USER, "native\x00\x00d\x00\x2d\x00mysql_native_password\x00")
		s := r.want("\xfemysql_native_password\x00")
		r.write(string(mysql.CalcNativePassword([]byte(s[23:43]), []byte(password))))
	}
	change("secret")
	r.want("\x00")
	if s := <-h.sessions; s.user != "native" || s.db != "d" || !old.closed {
		t.Errorf("%+v, old closed %v", s, old.closed)
	}
	change("wrong")
	r.wantError(1045, "'native'@'127.0.0.1' (using password: YES)")
	r.wantEnd()
}

func TestSmallCommands(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	r := login(t, addr, oldCaps)
	for _, test := range []struct {
		com         byte
		body, first string
	}{
		{mysql.COM_PING, "", "\x00"}, {mysql.COM_INIT_DB, "d", "\x00"}, {mysql.COM_INIT_DB, "missing", "\xff\x19\x04"},
		{mysql.COM_STATISTICS, "", "Uptime: 1"}, {mysql.COM_DEBUG, "", "\xfe\x00\x00\x02\x00"},
		{mysql.COM_REFRESH, "\x1f", "\x00\x00\x00\x02\x00\x00\x00\x1fPRIVILEGES, LOGS, HOSTS, STATUS"}, {mysql.COM_REFRESH, "\x04", "\x00\x00\x00\x02\x00\x00\x00\x06TABLES"},
		{mysql.COM_SET_OPTION, "\x00\x00", "\xfe\x00\x00\x02\x00"}, {mysql.COM_SET_OPTION, "\x07\x00", "\xff\x17\x04"},
		{mysql.COM_PROCESS_KILL, "\x05\x00\x00\x00", "\xff\x46\x04#HY000Unknown thread id: 5"},
		{mysql.COM_RESET_CONNECTION, "", "\x00"}, {mysql.COM_BINLOG_DUMP, "", "\xff\x17\x04#08S01Unknown command"},
		{0xee, "", "\xff\x17\x04"}, {mysql.COM_PROCESS_INFO, "", "\x00"},
		{mysql.COM_STMT_EXECUTE, "\x09\x00\x00\x00\x00\x01\x00\x00\x00", "\xff\xdb\x04#HY000Unknown prepared statement handler (9) given to mysqld_stmt_execute"},
		{mysql.COM_STMT_FETCH, "\x09\x00\x00\x00\x01\x00\x00\x00", "\xff\xdb\x04"}, {mysql.COM_STMT_RESET, "\x09\x00\x00\x00", "\xff\xdb\x04"},
	} {
		r.command(test.com, test.body)
		r.want(test.first)
	}
	r.command(mysql.COM_FIELD_LIST, "t\x00w")
	if s := r.want("\x03def"); !strings.HasSuffix(s, "\x01d") {
		t.Errorf("%q", s)
	}
	if s := r.want("\x03def"); !strings.HasSuffix(s, "\xfb") {
		t.Errorf("%q", s)
	}
	r.want("\xfe\x00\x00\x02\x00")
	r.seq = 0
	r.write("")
	r.wantError(1047, "Unknown command")
}

// A cursor's rows come by COM_STMT_FETCH, with and without CLIENT_DEPRECATE_EOF.
func TestCursors(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	for _, caps := range []uint32{oldCaps, newCaps} {
		r := login(t, addr, caps)
		end := func(status byte) {
			t.Helper()
			prefix := "\xfe\x00\x00" + string([]byte{status, 0})
			r.want(prefix)
		}
		prepare := func(text string) string {
			r.command(mysql.COM_STMT_PREPARE, text)
			return r.want("\x00")[1:5]
		}
		id := prepare("rows 3 1")
		count := func(s string) {
			r.command(mysql.COM_STMT_EXECUTE, s)
			r.want("\x01")
			r.want("\x03def")
		}
		count(id + "\x01\x01\x00\x00\x00")
		end(0x42)
		r.command(mysql.COM_STMT_FETCH, id+"\x02\x00\x00\x00")
		r.want("\x00\x00\x01x")
		r.want("\x00\x00\x01x")
		end(0x42)
		r.command(mysql.COM_STMT_FETCH, id+"\x02\x00\x00\x00")
		r.want("\x00\x00\x01x")
		end(0x82)
		r.command(mysql.COM_STMT_FETCH, id+"\x02\x00\x00\x00")
		r.wantError(1421, "has no open cursor")
		// Too many rows for a cursor come at once.
		id = prepare("rows 17 1048576")
		count(id + "\x01\x01\x00\x00\x00")
		if caps == oldCaps {
			end(2)
		}
		for range 17 {
			r.want("\x00\x00\xfd\x00\x00\x10x")
		}
		end(2)
	}
}

func TestLongDataAndTypes(t *testing.T) {
	h := newFake()
	h.max = 1 << 10
	_, addr := serve(t, h, nil)
	r := login(t, addr, oldCaps)
	r.command(mysql.COM_STMT_PREPARE, "? ?")
	id := r.want("\x00")[1:5]
	for range 3 {
		r.read()
	}
	execute := func(body string) { r.command(mysql.COM_STMT_EXECUTE, id+"\x00\x01\x00\x00\x00"+body) }
	row := func(want string) {
		t.Helper()
		r.want("\x02")
		for range 3 {
			r.read()
		}
		r.want(want)
		r.want("\xfe")
	}
	execute("\x02\x00")
	r.wantError(1210, "Incorrect arguments to mysqld_stmt_execute")
	execute("\x03\x00") // NULLs need no types
	row("\x00\x00\x04NULL\x04NULL")
	r.command(mysql.COM_STMT_SEND_LONG_DATA, id+"\x00\x00lo")
	r.command(mysql.COM_STMT_SEND_LONG_DATA, id+"\x00\x00ng")
	execute("\x00\x01\xfc\x00\x02\x80\xff\xff")
	row("\x00\x00\x04long\x0565535")
	execute("\x01\x00\xfe\xff") // the types are remembered, the long data is not
	row("\x00\x00\x04NULL\x0565534")
	execute("\x00\x01\x0b\x00\x0b\x00" + "\x08\x01\x22\x00\x00\x00\x16\x3b\x3b" + "\x00")
	row("\x00\x00\x0a-838:59:59\x0800:00:00")
	execute("\x00\x01\x0b\x00\x0b\x00\x05")
	r.wantError(1835, "Malformed communication packet")
	r.command(mysql.COM_STMT_SEND_LONG_DATA, id+"\x02\x00x")
	execute("\x03")
	r.wantError(1210, "mysqld_stmt_send_long_data")
	r.command(mysql.COM_STMT_SEND_LONG_DATA, id+"\x00\x00"+strings.Repeat("x", 900))
	r.command(mysql.COM_STMT_SEND_LONG_DATA, id+"\x00\x00"+strings.Repeat("x", 900))
	execute("\x03\x00")
	r.wantError(1105, "longer than 'max_allowed_packet'")
	r.command(mysql.COM_STMT_CLOSE, id)
	execute("\x03\x00")
	r.wantError(1243, "Unknown prepared statement handler")
}

// What statements keep is bounded: their number for the server, long data and cursors
// for a connection.
func TestBoundsOfStatements(t *testing.T) {
	h := newFake()
	h.max = 8 << 20
	most := int64(3)
	_, addr := serve(t, h, func(o *protocol.Options) { o.PreparedMax = func() int64 { return most } })
	prepare := func(r *raw, text string) string {
		t.Helper()
		r.command(mysql.COM_STMT_PREPARE, text)
		id := r.want("\x00")[1:5]
		for range strings.Count(text, "?") {
			r.read()
		}
		return id
	}
	a, b := login(t, addr, newCaps), login(t, addr, newCaps)
	first := prepare(a, "? ?")
	prepare(a, "x")
	second := prepare(b, "x")
	a.command(mysql.COM_STMT_PREPARE, "x")
	a.wantError(1461, "Can't create more than max_prepared_stmt_count statements (current value: 3)")
	b.command(mysql.COM_STMT_CLOSE, second)
	b.command(mysql.COM_PING, "")
	b.want("\x00")
	last := prepare(a, "? ? ?")
	most = 10
	piece := strings.Repeat("x", 7<<20)
	long := func(id, param string) { a.command(mysql.COM_STMT_SEND_LONG_DATA, id+param+"\x00"+piece) }
	long(first, "\x00")
	long(first, "\x01")
	long(last, "\x00")
	long(last, "\x01")
	long(last, "\x02") // 35 of 32 MiB
	execute := last + "\x08\x01\x00\x00\x00\x03\x00\x01" + strings.Repeat("\xfc\x00\x00", 3)
	a.command(mysql.COM_STMT_EXECUTE, execute)
	a.wantError(1105, "mysql_send_long_data()")
	long(last, "\x02")         // the error has given them back
	cursor := func(want int) { // rows of 1 MiB that come at once
		t.Helper()
		id := prepare(a, "rows 12 1048576")
		a.command(mysql.COM_STMT_EXECUTE, id+"\x01\x01\x00\x00\x00")
		a.want("\x01")
		a.read()
		for range want {
			a.want("\x00\x00\xfd")
		}
		a.want("\xfe")
	}
	cursor(12)
	a.command(mysql.COM_STMT_RESET, last)
	a.want("\x00")
	cursor(0)
	cursor(12)
}

func TestLocalInfile(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	r := login(t, addr, newCaps)
	query := func(text string) { r.command(mysql.COM_QUERY, "\x00\x01"+text) }
	for _, word := range []string{"load", "unload"} {
		query(word + " file")
		r.want("\xfbfile")
		r.write("first ")
		r.write(strings.Repeat("x", 1<<24-1))
		r.write("")
		r.write("")
		if word == "load" {
			r.want("\x00\xfe\x05\x00\x00\x01\x00\x00\x00\x00\x00")
		} else {
			r.wantError(1062, "Duplicate entry")
		}
	}
	query("load none")
	r.want("\xfbnone")
	r.write("")
	r.want("\x00\x00")
	r = login(t, addr, oldCaps)
	r.command(mysql.COM_QUERY, "load file")
	r.wantError(3948, "Loading local data is disabled")
}

// slowListener is of connections that take longer than any timeout between two reads of
// what comes after a request for a file.
type slowListener struct{ net.Listener }

type slowConn struct {
	net.Conn
	file, read bool // read: there was one since the deadline was set
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &slowConn{Conn: c}, err
}

func (c *slowConn) SetReadDeadline(t time.Time) error {
	c.read = false
	return c.Conn.SetReadDeadline(t)
}

func (c *slowConn) Write(b []byte) (int, error) {
	c.file, c.read = len(b) > 4 && b[4] == 0xfb, false
	return c.Conn.Write(b)
}

func (c *slowConn) Read(b []byte) (int, error) {
	if c.file && c.read {
		return 0, os.ErrDeadlineExceeded
	}
	c.read = true
	return c.Conn.Read(b)
}

// A server that is slow with the client's file does not blame the client.
func TestLocalInfileOfSlowServer(t *testing.T) {
	_, addr := serve(t, newFake(), func(o *protocol.Options) { o.Listener = slowListener{o.Listener} })
	r := login(t, addr, newCaps)
	for _, word := range []string{"load", "unload"} {
		r.command(mysql.COM_QUERY, "\x00\x01"+word+" file")
		r.want("\xfbfile")
		r.write(strings.Repeat("x", 1<<20))
		r.write("")
		if word == "load" {
			r.want("\x00\xfd\x00\x00\x10")
		} else {
			r.wantError(1062, "Duplicate entry")
		}
	}
}

// KILL QUERY that comes when a statement has taken effect keeps its answer from nobody,
// whatever becomes of the statements after it.
func TestTooLateToInterrupt(t *testing.T) {
	h := newFake()
	s, addr := serve(t, h, nil)
	h.interrupt = s.Interrupt
	r := login(t, addr, oldCaps|mysql.CLIENT_MULTI_STATEMENTS)
	r.command(mysql.COM_QUERY, "late")
	r.want("\x00\x01")
	r.command(mysql.COM_QUERY, "late;refused")
	r.want("\x00\x01")
	r.wantError(1317, "interrupted")
	r.command(mysql.COM_QUERY, "refused")
	r.want("\x00\x02")
}

func TestSessionTrackingAndAttributes(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	r := login(t, addr, newCaps)
	r.command(mysql.COM_QUERY, "\x00\x01use d")
	if got, want := r.read(), "\x00\x00\x00\x02\x40\x00\x00\x00\x15\x01\x02\x01d\x00\x0f\x0aautocommit\x03OFF"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.command(mysql.COM_QUERY, "\x02\x01\x00\x01\x08\x80\x01n\xfe\x00\x01s"+"\x07\x00\x00\x00\x00\x00\x00\x00\x03abc"+"attributes")
	r.want("\x01")
	r.read()
	r.want("\x09n=7 s=abc")
	r.want("\xfe")
}

// What the session does not settle does not leave.
func TestUnsettledAnswers(t *testing.T) {
	h := newFake()
	_, addr := serve(t, h, nil)
	r := login(t, addr, oldCaps)
	s := <-h.sessions
	for _, rows := range []string{"1 10", "10 10000"} {
		r.command(mysql.COM_QUERY, "unsettled "+rows)
		r.wantError(1180, "not durable")
	}
	s.settle = nil
	r.command(mysql.COM_PING, "")
	r.want("\x00")
	r.command(mysql.COM_QUERY, "unsettled 1 50000") // in the middle of a packet
	r.wantError(1180, "not durable")
	s.settle = nil
	r.command(mysql.COM_QUERY, "undurable")
	r.wantEnd()
}

// A panic ends its own connection and no other.
func TestPanic(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	other := login(t, addr, oldCaps)
	r := login(t, addr, oldCaps)
	r.command(mysql.COM_QUERY, "panic")
	r.wantError(1105, "Internal error")
	r.wantEnd()
	other.command(mysql.COM_PING, "")
	other.want("\x00")
}

func TestIdleClientIsDisconnected(t *testing.T) {
	h := newFake()
	h.idle = 50 * time.Millisecond
	_, addr := serve(t, h, nil)
	r := login(t, addr, oldCaps)
	r.seq = 0
	r.wantError(4031, "disconnected by the server because of inactivity")
	r.wantEnd()
}

// flaky is a listener whose first accepts fail.
type flaky struct {
	net.Listener
	failures int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.failures > 0 {
		f.failures--
		return nil, errors.New("accept: too many open files")
	}
	return f.Listener.Accept()
}

func TestAcceptSurvivesErrors(t *testing.T) {
	_, addr := serve(t, newFake(), func(o *protocol.Options) { o.Listener = &flaky{o.Listener, 3} })
	login(t, addr, oldCaps)
}

// Every user that there is not is refused as others are, whatever its plugin.
func TestDecoys(t *testing.T) {
	h := newFake()
	plugins := []string{mysql.AUTH_NATIVE_PASSWORD, mysql.AUTH_CACHING_SHA2_PASSWORD}
	seen := map[string]int{}
	for i := range 64 {
		user := string(rune('a' + i))
		a := protocol.Decoy(user, "secret", plugins...)
		if !reflect.DeepEqual(a, protocol.Decoy(user, "secret", plugins...)) {
			t.Errorf("%q: two answers", user)
		}
		seen[a.Plugin]++
		h.accounts["decoy-"+a.Plugin] = a
	}
	if len(seen) != 2 || min(seen[plugins[0]], seen[plugins[1]]) < 10 {
		t.Error(seen)
	}
	h.accounts["socket"] = protocol.Account{Plugin: "auth_socket"}
	h.accounts["clear"] = protocol.Account{Plugin: mysql.AUTH_CLEAR_PASSWORD}
	_, addr := serve(t, h, nil)
	for _, user := range []string{"decoy-" + plugins[0], "decoy-" + plugins[1], "socket", "clear"} {
		wantError(t, open(t, user+":p@tcp("+addr+")/?allowCleartextPasswords=true").Ping(), 1045, "(using password: YES)")
	}
	// The longest password that MySQL takes is 256 bytes: hashing costs its square.
	h.accounts["long"] = protocol.Account{Plugin: mysql.AUTH_CACHING_SHA2_PASSWORD, Auth: protocol.HashSHA2(strings.Repeat("p", 257)), Key: "long"}
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	_, addr = serve(t, h, func(o *protocol.Options) { o.Listener = l })
	wantError(t, open(t, "long:"+strings.Repeat("p", 257)+"@unix("+addr+")/").Ping(), 1045, "(using password: YES)")
}

func TestHashSHA2(t *testing.T) {
	// What MySQL 8.0 stores for the password "hashcat" and this salt.
	salt := []byte("\xF9\xCC\x98\xCE\x08\x89\x29\x24\xF5\x0A\x21\x3B\x6B\xC5\x71\xA2\xC1\x17\x78\xC5")
	auth := "$A$005$" + string(salt) + "bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/"
	h := newFake()
	h.accounts["vector"] = protocol.Account{Plugin: mysql.AUTH_CACHING_SHA2_PASSWORD, Auth: auth, Key: "vector"}
	_, addr := serve(t, h, nil)
	if err := open(t, "vector:hashcat@tcp("+addr+")/").Ping(); err != nil {
		t.Error(err)
	}
}
