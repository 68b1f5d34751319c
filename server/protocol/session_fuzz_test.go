package protocol_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/internal/locked"
	"sextant/internal/spent"
	"sextant/server/protocol"
)

// noted keeps what is logged of panics.
type noted struct{ locked.Buffer }

func (n *noted) Write(b []byte) (int, error) {
	if !bytes.Contains(b, []byte("panic in a session")) {
		return len(b), nil
	}
	return n.Buffer.Write(b)
}

// command is a command's packet, the first of its kind.
func command(com byte, body string) []byte {
	return append([]byte{byte(len(body) + 1), byte((len(body) + 1) >> 8), 0, 0, com}, body...)
}

// FuzzSession sends whatever bytes as the commands of a client that has logged in: the
// connection ends when they do, no goroutine panics, and little memory is taken.
func FuzzSession(f *testing.F) {
	for _, c := range [][]byte{
		command(mysql.COM_QUERY, "echo x"), command(mysql.COM_STMT_PREPARE, "echo ?"), command(mysql.COM_CHANGE_USER, "native\x00\x00d\x00\x2d\x00x\x00"),
		append(command(mysql.COM_STMT_PREPARE, "echo ?"), command(mysql.COM_STMT_EXECUTE, "\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfe\x00\x01x")...),
		append(command(mysql.COM_STMT_PREPARE, "echo ?"), command(mysql.COM_STMT_SEND_LONG_DATA, "\x01\x00\x00\x00\x00\x00xyz")...),
		append(command(mysql.COM_QUERY, "load"), "\x03\x00\x00\x02abc\x00\x00\x00\x03"...),
		command(mysql.COM_FIELD_LIST, "t\x00%"), command(mysql.COM_SET_OPTION, "\x00"), command(mysql.COM_STMT_FETCH, "\x01\x00\x00\x00\xff\xff\xff\xff"),
		{0xff, 0xff, 0xff, 0, 3}, {0, 0, 0, 0}, {1, 0, 0, 9, 14},
	} {
		f.Add(c)
	}
	h := newFake()
	h.max = 1 << 20
	var log noted
	_, addr := serve(f, h, func(o *protocol.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, w := range []string{"panic", "wait", "late", "refused", "rows"} { // words of the fake's that stop, or are large
			if bytes.Contains(in, []byte(w)) {
				return
			}
		}
		spent.Within(t, 16<<20+256*len(in), func() {
			r := login(t, addr, oldCaps)
			<-h.sessions
			_, _ = r.Conn.Write(in) // the server may have ended it
			_ = r.Conn.(*net.TCPConn).CloseWrite()
			if err := r.Conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r.Conn); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Fatal("the connection stays")
			}
			_ = r.Conn.Close()
			for len(h.sessions) > 0 { // those of COM_CHANGE_USER
				<-h.sessions
			}
		})
		if s := log.String(); s != "" {
			t.Fatal(fmt.Sprintf("%q: ", in), s)
		}
	})
}
