package halfopen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
)

// HandshakeBytesMax is how much a client may send before its TLS handshake ends: a hello
// has some KiB, and so has each certificate of its chain. crypto/tls alone would take
// 256 KiB of certificates from anyone.
const HandshakeBytesMax = 32 << 10

// ErrHandshakeTooLong is wrapped by Handshake's error if the client has sent more.
var ErrHandshakeTooLong = errors.New("handshake is too long")

// Handshake goes on with TLS on c, as the server. ahead is what was read of c already.
func Handshake(c net.Conn, ahead io.Reader, config *tls.Config) (*tls.Conn, error) {
	b := &bounded{Conn: c, in: io.MultiReader(ahead, c), left: HandshakeBytesMax}
	t := tls.Server(b, config)
	if err := t.Handshake(); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	b.left = math.MaxInt
	return t, nil
}

// bounded is a connection of which left bytes more may be read.
type bounded struct {
	net.Conn
	in   io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, ErrHandshakeTooLong
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	if b.left != math.MaxInt {
		b.left -= n
	}
	return n, err
}
