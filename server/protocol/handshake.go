package protocol

import (
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// offered is what the greeting offers, CLIENT_SSL aside: what MySQL 8.0 does
// without compression, optional metadata and multi-factor authentication.
// CLIENT_LONG_PASSWORD says that MariaDB's own extensions are not meant.
const offered = mysql.CLIENT_LONG_PASSWORD | mysql.CLIENT_FOUND_ROWS | mysql.CLIENT_LONG_FLAG |
	mysql.CLIENT_CONNECT_WITH_DB | mysql.CLIENT_NO_SCHEMA | mysql.CLIENT_ODBC | mysql.CLIENT_LOCAL_FILES |
	mysql.CLIENT_IGNORE_SPACE | mysql.CLIENT_PROTOCOL_41 | mysql.CLIENT_INTERACTIVE |
	mysql.CLIENT_IGNORE_SIGPIPE | mysql.CLIENT_TRANSACTIONS | mysql.CLIENT_RESERVED |
	mysql.CLIENT_SECURE_CONNECTION | mysql.CLIENT_MULTI_STATEMENTS | mysql.CLIENT_MULTI_RESULTS |
	mysql.CLIENT_PS_MULTI_RESULTS | mysql.CLIENT_PLUGIN_AUTH | mysql.CLIENT_CONNECT_ATTRS |
	mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA | mysql.CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS |
	mysql.CLIENT_SESSION_TRACK | mysql.CLIENT_DEPRECATE_EOF | mysql.CLIENT_QUERY_ATTRIBUTES

// needed is what every client must have.
const needed = mysql.CLIENT_PROTOCOL_41 | mysql.CLIENT_SECURE_CONNECTION

// greetingCharset is utf8mb4_0900_ai_ci, MySQL 8's default.
const greetingCharset = 255

// greeting returns the first packet of a connection.
func greeting(version string, id uint32, salt [saltBytes]byte, caps uint32) []byte {
	b := append([]byte{mysql.ClassicProtocolVersion}, version...)
	b = binary.LittleEndian.AppendUint32(append(b, 0), id)
	b = append(append(b, salt[:8]...), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(caps&0xffff))
	b = append(b, greetingCharset)
	b = binary.LittleEndian.AppendUint16(b, mysql.SERVER_STATUS_AUTOCOMMIT)
	b = binary.LittleEndian.AppendUint16(b, uint16(caps>>16))
	b = append(b, saltBytes+1)
	b = append(b, make([]byte, 10)...)
	b = append(append(b, salt[8:]...), 0)
	return append(append(b, pluginSHA2...), 0)
}

// hello is a client's answer to the greeting, or its COM_CHANGE_USER.
type hello struct {
	caps       uint32
	charset    uint16
	database   string
	attributes map[string]string
	proof
}

const helloFixedBytes = 4 + 4 + 1 + 23

// wantsTLS reports whether the packet asks for TLS before it says who it is.
func wantsTLS(b []byte) bool {
	return len(b) == helloFixedBytes && binary.LittleEndian.Uint32(b)&mysql.CLIENT_SSL != 0
}

// parseHello returns an error that wraps errProtocol for bytes that are none.
func parseHello(b []byte) (hello, error) {
	s := scanner{b: b}
	h := hello{caps: s.uint32()}
	s.take(4) // the longest packet that it takes
	h.charset = uint16(s.byte())
	s.take(23)
	h.user = s.terminated()
	switch {
	case h.caps&mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA != 0:
		h.answer = s.string()
	case h.caps&mysql.CLIENT_SECURE_CONNECTION != 0:
		h.answer = s.take(uint64(s.byte()))
	default:
		h.answer = []byte(s.terminated())
	}
	if h.caps&mysql.CLIENT_CONNECT_WITH_DB != 0 {
		h.database = s.terminated()
	}
	return h, h.rest(&s)
}

// parseChangeUser parses the body of a COM_CHANGE_USER behind its first byte.
func parseChangeUser(b []byte, caps uint32) (hello, error) {
	s := scanner{b: b}
	h := hello{caps: caps}
	h.user = s.terminated()
	h.answer = s.take(uint64(s.byte()))
	h.database = s.terminated()
	if len(s.b) > 0 {
		h.charset = s.uint16()
	}
	return h, h.rest(&s)
}

// rest parses what both end with.
func (h *hello) rest(s *scanner) error {
	h.plugin = pluginNative
	if h.caps&mysql.CLIENT_PLUGIN_AUTH != 0 && len(s.b) > 0 {
		h.plugin = s.terminatedOrRest()
	}
	if h.caps&mysql.CLIENT_CONNECT_ATTRS != 0 && len(s.b) > 0 {
		block := scanner{b: s.string()}
		if len(block.b) > attributesBytesMax {
			return fmt.Errorf("%w: %d bytes of connection attributes", errProtocol, len(block.b))
		}
		h.attributes = map[string]string{}
		for len(block.b) > 0 {
			name, value := block.string(), block.string()
			h.attributes[string(name)] = string(value)
		}
		s.short = s.short || block.short
	}
	if s.short {
		return fmt.Errorf("%w: login is cut short", errProtocol)
	}
	return nil
}
