// Package admin serves the HTTP ports for operators: metrics, profiles, the state of a
// router. A Door says who may call them.
//
// The zero Door lets in whoever reaches the port, over HTTP: it belongs on loopback. One
// with a token speaks HTTPS and wants the token with every request, as `Authorization:
// Bearer TOKEN`, which Prometheus, curl and load balancers can all send.
package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sextant/internal/halfopen"
)

// Bounds of what a caller may take.
const (
	ConnectionsMax = 64               // of one port that have not shown its token; one more closes the oldest
	AdmittedMax    = 64               // that have; one more is refused
	HeaderBytesMax = 16 << 10         // of a request, and 4 KiB that net/http adds
	HeaderTimeout  = 5 * time.Second  // for the TLS handshake, and for a request's header
	IdleTimeout    = 60 * time.Second // between two requests
	AnswerTimeout  = 2 * time.Minute  // for a request and its answer: a profile lasts less

	TokenBytesMin = 16
	tokenBytesMax = 4 << 10
)

// Door says who may call.
type Door struct {
	TokenFile string             // "": everyone
	TLS       func() *tls.Config // with a TokenFile: asked for each connection
}

// ReadToken returns the token in a file: its text without white space around it. It is
// an error if others than its owner can read or write the file, or if it is too short or
// too long for a token.
func ReadToken(path string) ([]byte, error) {
	s, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if s.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: others can reach it; chmod 600 it", path, s.Mode().Perm())
	}
	if s.Size() > tokenBytesMax {
		return nil, fmt.Errorf("%s has %d bytes, a token at most %d", path, s.Size(), tokenBytesMax)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if b = bytes.TrimSpace(b); len(b) < TokenBytesMin {
		return nil, fmt.Errorf("%s has a token of %d characters, at least %d are needed", path, len(b), TokenBytesMin)
	}
	return b, nil
}

// Server returns a server of h behind the door; its caller calls Serve and Close.
func (d Door) Server(h http.Handler, log *slog.Logger) *Server {
	if d.TokenFile != "" {
		h = d.guard(h, log)
	}
	return &Server{door: d, http: http.Server{
		Handler: h, ReadHeaderTimeout: HeaderTimeout, ReadTimeout: AnswerTimeout, WriteTimeout: AnswerTimeout, IdleTimeout: IdleTimeout,
		MaxHeaderBytes: HeaderBytesMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:  withConn,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only: one request at a time
	}}
}

type connKey struct{}

// withConn lets guard know a request's connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// guard lets a request through that shows the token. The file is read each time, so that
// a new token holds at once.
func (d Door) guard(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, err := ReadToken(d.TokenFile)
		if err != nil {
			log.Warn("admin requests are refused", "error", err)
		}
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		a, b := sha256.Sum256([]byte(got)), sha256.Sum256(want)
		if err != nil || !ok || subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="sextant"`)
			w.Header().Set("Connection", "close")
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		if c, ok := r.Context().Value(connKey{}).(*conn); ok && !c.admit() {
			w.Header().Set("Connection", "close")
			http.Error(w, fmt.Sprintf("%d connections have shown the token: close one first", AdmittedMax), http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Server serves one port.
type Server struct {
	door Door
	http http.Server
}

// Serve serves the connections of l until Close, and then returns http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	l = &listener{Listener: l, open: halfopen.New(func() int { return ConnectionsMax })}
	if s.door.TokenFile != "" {
		l = tls.NewListener(l, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.door.TLS(), nil }})
	}
	return s.http.Serve(l)
}

// Close closes the port and its connections.
func (s *Server) Close() error { return s.http.Close() }

// listener bounds the connections that there are at once.
type listener struct {
	net.Listener
	open     *halfopen.Set
	admitted atomic.Int32
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, listener: l, leave: l.open.Enter(c)}, nil
}

// conn is a connection that is in its listener's open, or counted in its admitted.
type conn struct {
	net.Conn
	listener *listener
	leave    func() bool // open

	mu       sync.Mutex
	admitted bool
	closed   bool
}

// admit counts a connection that has shown the token, once; false if there are too many.
func (c *conn) admit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.admitted || c.closed {
		return true
	}
	if c.listener.admitted.Add(1) > AdmittedMax {
		c.listener.admitted.Add(-1)
		return false
	}
	c.admitted = true
	c.leave()
	return true
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.admitted && !c.closed {
		c.listener.admitted.Add(-1)
	}
	c.closed = true
	c.leave()
	return c.Conn.Close()
}
