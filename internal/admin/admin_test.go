package admin_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sextant/internal/admin"
	"sextant/internal/certs"
)

const patience = 30 * time.Second

// serve serves a handler that says hello behind the door.
func serve(t *testing.T, d admin.Door) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := d.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }), slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// guarded serves behind a token, and returns its file and the TLS of a client.
func guarded(t *testing.T) (addr, file string, c *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := certs.Make(dir, "c", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	source, err := certs.Open(certs.Generated(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "token")
	write(t, file, "0123456789abcdef\n", 0o600)
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return serve(t, admin.Door{TokenFile: file, TLS: source.Server}), file, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

func TestTokenIsNeeded(t *testing.T) {
	addr, file, c := guarded(t)
	client := http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: c}}
	get := func(header string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(a.StatusCode, " ", strings.TrimSpace(string(b)))
	}
	const yes, no = "200 hello", "401 a bearer token is needed"
	expect := func(header, want string) {
		t.Helper()
		if got := get(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	expect("Bearer 0123456789abcdef", yes)
	for _, h := range []string{"", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeF", "0123456789abcdef", "Basic 0123456789abcdef"} {
		expect(h, no)
	}
	write(t, file, "another-token-of-theirs", 0o600) // it holds at once
	expect("Bearer 0123456789abcdef", no)
	expect("Bearer another-token-of-theirs", yes)
	write(t, file, "another-token-of-theirs", 0o640) // others can read it: nobody is let in
	expect("Bearer another-token-of-theirs", no)
	write(t, file, "", 0o600)
	expect("Bearer ", no)
	if a, err := http.Get("http://" + addr + "/metrics"); err == nil {
		_ = a.Body.Close()
		if a.StatusCode == http.StatusOK {
			t.Error("served without TLS")
		}
	}
}

func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string // of the error; "": none
	}{
		{"0123456789abcdef", 0o600, ""},
		{"  0123456789abcdef \n\n", 0o400, ""},
		{"0123456789abcdef", 0o604, "chmod 600"},
		{"0123456789abcdef", 0o620, "chmod 600"},
		{"0123456789abcde \n", 0o600, "at least 16"},
		{strings.Repeat("x", 5000), 0o600, "at most"},
	} {
		path := filepath.Join(dir, "token")
		write(t, path, c.text, c.mode)
		b, err := admin.ReadToken(path)
		if c.want == "" && (err != nil || string(b) != "0123456789abcdef") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.30q, mode %o: %q, %v", c.text, c.mode, b, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.ReadToken(filepath.Join(dir, "token")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestStrangersAreBounded: a header that is too long is refused, one that does not come is
// waited for HeaderTimeout, and connections that say nothing give way to those that do.
func TestStrangersAreBounded(t *testing.T) {
	addr := serve(t, admin.Door{})
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	answer := func(c net.Conn, request string) string {
		t.Helper()
		_, _ = io.WriteString(c, request) // it may be cut: the answer says why
		line, _ := bufio.NewReader(c).ReadString('\n')
		return strings.TrimSpace(line)
	}
	long := dial()
	if got := answer(long, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", admin.HeaderBytesMax+5<<10)); !strings.Contains(got, " 431 ") {
		t.Errorf("a long header: %q", got)
	}
	silent := make([]net.Conn, admin.ConnectionsMax)
	began := time.Now()
	for i := range silent {
		silent[i] = dial()
	}
	if got := answer(dial(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, " 200 ") {
		t.Errorf("a request beside %d silent connections: %q", len(silent), got)
	}
	for _, c := range silent {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a silent connection after %v: %v", time.Since(began), err)
		}
	}
}

// TestAdmittedStay: connections that have shown the token are closed for no stranger; one
// that is too many is refused, until another is closed.
func TestAdmittedStay(t *testing.T) {
	addr, _, config := guarded(t)
	open := func() *tls.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", addr, config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	get := func(c *tls.Conn) int {
		t.Helper()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		_, _ = io.Copy(io.Discard, a.Body) // there is no more than the buffer has
		return a.StatusCode
	}
	first := open()
	if got := get(first); got != http.StatusOK {
		t.Fatal(got)
	}
	for range admin.ConnectionsMax + 1 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	for range admin.AdmittedMax - 1 {
		if got := get(open()); got != http.StatusOK {
			t.Fatal(got)
		}
	}
	if got := get(open()); got != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered %d", got)
	}
	if got := get(first); got != http.StatusOK {
		t.Errorf("the first one is answered %d", got)
	}
	_ = first.Close()
	for end := time.Now().Add(patience); get(open()) != http.StatusOK; {
		if time.Now().After(end) {
			t.Fatal("nobody is let in after one has closed")
		}
	}
}
