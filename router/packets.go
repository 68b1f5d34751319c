package router

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// offered is what the router's greeting offers. It is what every instance
// offers: a flag that changes how packets look must be meant by both sides.
// CLIENT_LONG_PASSWORD says that MariaDB's own extensions are not meant.
//
// CLIENT_SSL is offered besides if the router has a certificate.
//
// Not offered: compression.
const offered = mysql.CLIENT_LONG_PASSWORD | mysql.CLIENT_FOUND_ROWS |
	mysql.CLIENT_LONG_FLAG | mysql.CLIENT_CONNECT_WITH_DB | mysql.CLIENT_LOCAL_FILES |
	mysql.CLIENT_PROTOCOL_41 | mysql.CLIENT_TRANSACTIONS | mysql.CLIENT_SECURE_CONNECTION |
	mysql.CLIENT_MULTI_STATEMENTS | mysql.CLIENT_MULTI_RESULTS | mysql.CLIENT_PLUGIN_AUTH |
	mysql.CLIENT_CONNECT_ATTRS | mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA |
	mysql.CLIENT_DEPRECATE_EOF | mysql.CLIENT_INTERACTIVE | mysql.CLIENT_PS_MULTI_RESULTS |
	mysql.CLIENT_IGNORE_SPACE | mysql.CLIENT_ODBC | mysql.CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS |
	mysql.CLIENT_SESSION_TRACK | mysql.CLIENT_QUERY_ATTRIBUTES

// agreed are the flags that change how packets look: a client that has one cannot
// be on an instance that lacks it.
const agreed = mysql.CLIENT_DEPRECATE_EOF | mysql.CLIENT_SESSION_TRACK | mysql.CLIENT_QUERY_ATTRIBUTES

// needed is what every client must have, and every instance.
const needed = mysql.CLIENT_PROTOCOL_41 | mysql.CLIENT_SECURE_CONNECTION

const (
	protocolVersion = 10
	saltBytes       = 20
	// greetingCharset is utf8mb4_0900_ai_ci, MySQL 8's default. The client names its own.
	greetingCharset = 255
	// switchPlugin is an authentication plugin that no server has: asked for it,
	// an instance answers with the plugin it wants and a salt of its own, which
	// the client then uses. So the router needs to know no password. The answer to
	// the first salt is the router's own: see proxyv2.Vouch.
	switchPlugin = "auth_unknown_plugin"
)

// appendPacket appends a packet shorter than a whole frame.
func appendPacket(b []byte, seq byte, body []byte) []byte {
	b = append(b, byte(len(body)), byte(len(body)>>8), byte(len(body)>>16), seq)
	return append(b, body...)
}

// appendGreeting appends the router's greeting. No byte of salt is 0.
func appendGreeting(b []byte, version string, id, capabilities uint32, salt *[saltBytes]byte) []byte {
	body := append([]byte{protocolVersion}, version...)
	body = append(body, 0)
	body = binary.LittleEndian.AppendUint32(body, id)
	body = append(append(body, salt[:8]...), 0)
	body = binary.LittleEndian.AppendUint16(body, uint16(capabilities&0xffff))
	body = append(body, greetingCharset)
	body = binary.LittleEndian.AppendUint16(body, mysql.SERVER_STATUS_AUTOCOMMIT)
	body = binary.LittleEndian.AppendUint16(body, uint16(capabilities>>16))
	body = append(body, saltBytes+1)
	body = append(body, make([]byte, 10)...)
	body = append(append(body, salt[8:]...), 0)
	body = append(append(body, mysql.AUTH_NATIVE_PASSWORD...), 0)
	return appendPacket(b, 0, body)
}

// greeting is what matters of an instance's greeting.
type greeting struct {
	connection   uint32
	capabilities uint32
	salt         []byte // both parts of it
}

func parseGreeting(b []byte) (greeting, error) {
	end := bytes.IndexByte(b, 0)
	// version, 0; connection, salt, 0; capabilities, charset, status, capabilities
	if len(b) == 0 || b[0] != protocolVersion || end < 0 || len(b) < end+1+4+8+1+2+1+2+2 {
		return greeting{}, fmt.Errorf("%w: greeting of an instance", errProtocol)
	}
	b = b[end+1:]
	g := greeting{
		connection: binary.LittleEndian.Uint32(b),
		capabilities: uint32(binary.LittleEndian.Uint16(b[13:])) |
			uint32(binary.LittleEndian.Uint16(b[18:]))<<16,
		salt: bytes.Clone(b[4:12]),
	}
	if rest := 18 + 2 + 1 + 10; len(b) >= rest+saltBytes-8 { // behind the salt's length and 10 bytes of nothing
		g.salt = append(g.salt, b[rest:rest+saltBytes-8]...)
	}
	return g, nil
}

// hello is a client's answer to the greeting, without its proof of identity:
// that was made with the router's salt and is worth nothing to an instance.
type hello struct {
	capabilities uint32
	packetMax    uint32
	charset      byte
	user         string
	database     string // if CLIENT_CONNECT_WITH_DB
	attributes   []byte // if CLIENT_CONNECT_ATTRS: the block with its length
}

const helloFixedBytes = 4 + 4 + 1 + 23

// parseHello returns an error that wraps errProtocol for bytes that are none.
func parseHello(b []byte) (hello, error) {
	if len(b) < helloFixedBytes {
		return hello{}, fmt.Errorf("%w: login of %d bytes", errProtocol, len(b))
	}
	h := hello{
		capabilities: binary.LittleEndian.Uint32(b),
		packetMax:    binary.LittleEndian.Uint32(b[4:]),
		charset:      b[8],
	}
	s := scanner{b: b[helloFixedBytes:]}
	h.user = s.terminated()
	switch {
	case h.capabilities&mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA != 0:
		s.skip(s.length())
	case h.capabilities&mysql.CLIENT_SECURE_CONNECTION != 0:
		s.skip(uint64(s.byte()))
	default:
		s.terminated()
	}
	if h.capabilities&mysql.CLIENT_CONNECT_WITH_DB != 0 {
		h.database = s.terminated()
	}
	if h.capabilities&mysql.CLIENT_PLUGIN_AUTH != 0 {
		s.terminatedOrRest()
	}
	if h.capabilities&mysql.CLIENT_CONNECT_ATTRS != 0 && len(s.b) > 0 {
		block := s.b
		s.skip(s.length())
		h.attributes = block[:len(block)-len(s.b)]
	}
	if s.short {
		return hello{}, fmt.Errorf("%w: login is cut short", errProtocol)
	}
	return h, nil
}

// append appends the packet that logs the client in on an instance that offers
// capabilities, with the router's proof, and returns those that the session has.
func (h hello) append(b []byte, seq byte, capabilities uint32, proof []byte) ([]byte, uint32) {
	caps := h.capabilities & (offered | mysql.CLIENT_SSL) & capabilities
	caps |= needed | mysql.CLIENT_PLUGIN_AUTH | mysql.CLIENT_LONG_PASSWORD
	if len(proof) > 0 {
		caps |= mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
	}
	if h.attributes == nil {
		caps &^= mysql.CLIENT_CONNECT_ATTRS
	}
	body := h.fixed(caps)
	body = append(append(body, h.user...), 0)
	body = append(body, mysql.PutLengthEncodedString(proof)...) // none is 0 without LENENC, too
	if caps&mysql.CLIENT_CONNECT_WITH_DB != 0 {
		body = append(append(body, h.database...), 0)
	}
	body = append(append(body, switchPlugin...), 0)
	if caps&mysql.CLIENT_CONNECT_ATTRS != 0 {
		body = append(body, h.attributes...)
	}
	return appendPacket(b, seq, body), caps
}

// fixed is what a login begins with.
func (h hello) fixed(caps uint32) []byte {
	body := binary.LittleEndian.AppendUint32(nil, caps)
	body = binary.LittleEndian.AppendUint32(body, h.packetMax)
	body = append(body, h.charset)
	return append(body, make([]byte, 23)...)
}

// appendSSLRequest appends the packet that asks an instance for TLS.
func (h hello) appendSSLRequest(b []byte, capabilities uint32) []byte {
	caps := h.capabilities & (offered | mysql.CLIENT_SSL) & capabilities
	return appendPacket(b, 1, h.fixed(caps|needed|mysql.CLIENT_SSL))
}

// changeUser is a COM_CHANGE_USER with its proof of identity, which may have
// been made with the router's salt, replaced by a request for a switch. It
// returns the new user. An error wraps errProtocol.
func changeUser(body []byte) (changed []byte, user string, err error) {
	s := scanner{b: body[1:]}
	user = s.terminated()
	s.skip(uint64(s.byte()))
	database := s.terminated()
	charset := s.b
	s.skip(2)
	if s.short {
		return nil, "", fmt.Errorf("%w: COM_CHANGE_USER is cut short", errProtocol)
	}
	charset = charset[:2]
	s.terminatedOrRest()
	changed = append(append([]byte{mysql.COM_CHANGE_USER}, user...), 0, 0)
	changed = append(append(changed, database...), 0)
	changed = append(changed, charset...)
	changed = append(append(changed, switchPlugin...), 0)
	return append(changed, s.b...), user, nil
}

// appendError appends an ERR packet.
func appendError(b []byte, seq byte, code uint16, state, message string) []byte {
	body := binary.LittleEndian.AppendUint16([]byte{mysql.ERR_HEADER}, code)
	body = append(append(body, '#'), state...)
	return appendPacket(b, seq, append(body, message...))
}

// errorCode returns the code of an ERR packet's body; 0 if it is too short.
func errorCode(body []byte) uint16 {
	if len(body) < 3 {
		return 0
	}
	return binary.LittleEndian.Uint16(body[1:])
}

// okBytes is how much of an OK packet's body okStatus needs.
const okBytes = 1 + 9 + 9 + 2

// okStatus returns the status flags of an OK packet. An error wraps errProtocol.
func okStatus(body []byte) (uint16, error) {
	s := scanner{b: body}
	s.byte()
	s.length()
	s.length()
	status := s.b
	s.skip(2)
	if s.short {
		return 0, fmt.Errorf("%w: OK packet is cut short", errProtocol)
	}
	return binary.LittleEndian.Uint16(status), nil
}

// eofStatus returns the status flags of an EOF packet. An error wraps errProtocol.
func eofStatus(body []byte) (uint16, error) {
	if len(body) < 5 {
		return 0, fmt.Errorf("%w: EOF packet is cut short", errProtocol)
	}
	return binary.LittleEndian.Uint16(body[3:]), nil
}

// scanner reads the fields of a packet. Behind its end it returns zeros and
// sets short.
type scanner struct {
	b     []byte
	short bool
}

func (s *scanner) skip(n uint64) {
	if n > uint64(len(s.b)) {
		s.short, s.b = true, nil
		return
	}
	s.b = s.b[n:]
}

func (s *scanner) byte() byte {
	if len(s.b) == 0 {
		s.short = true
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

// length reads a length-encoded integer.
func (s *scanner) length() uint64 {
	n := 0
	switch c := s.byte(); c {
	default:
		return uint64(c)
	case 0xfb, 0xff: // NULL, error: no integer
		s.short = true
		return 0
	case 0xfc:
		n = 2
	case 0xfd:
		n = 3
	case 0xfe:
		n = 8
	}
	if len(s.b) < n {
		s.short, s.b = true, nil
		return 0
	}
	v := mysql.FixedLengthInt(s.b[:n])
	s.b = s.b[n:]
	return v
}

// terminated reads up to a 0 byte.
func (s *scanner) terminated() string {
	end := bytes.IndexByte(s.b, 0)
	if end < 0 {
		s.short, s.b = true, nil
		return ""
	}
	t := string(s.b[:end])
	s.b = s.b[end+1:]
	return t
}

// terminatedOrRest reads up to a 0 byte, or everything: some clients leave out
// the last one.
func (s *scanner) terminatedOrRest() string {
	if bytes.IndexByte(s.b, 0) >= 0 {
		return s.terminated()
	}
	t := string(s.b)
	s.b = nil
	return t
}
