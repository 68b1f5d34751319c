package certs_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sextant/internal/certs"
)

func open(t *testing.T, f certs.Files) (*certs.Source, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := certs.Open(f, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

func fresh(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	if err := certs.Make(dir, "test", "localhost", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shake makes two sides shake hands and returns the client's error and the
// version that the server saw.
func shake(t *testing.T, server, client *tls.Config) (error, uint16) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s := tls.Server(a, server)
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err != nil {
			_ = a.Close()
		}
		done <- err
	}()
	c := tls.Client(b, client)
	if err = c.Handshake(); err != nil {
		_ = b.Close()
	}
	if serr := <-done; err == nil {
		err = serr
	}
	return err, s.ConnectionState().Version
}

func TestMadeCertificatesServe(t *testing.T) {
	dir := fresh(t)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v (%v)", e.Name(), info.Mode(), err)
		}
	}
	s, _ := open(t, certs.Generated(dir))
	if left := time.Until(s.Leaf().NotAfter); left < 9*365*24*time.Hour {
		t.Errorf("valid for %v only", left)
	}
	if err, v := shake(t, s.Server(), s.Client()); err != nil || v != tls.VersionTLS13 {
		t.Errorf("%v, version %x", err, v)
	}
	if err, _ := shake(t, s.Server(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	if err, v := shake(t, s.Server(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err != nil || v != tls.VersionTLS12 {
		t.Errorf("%v, version %x", err, v)
	}
	other, _ := open(t, certs.Generated(fresh(t)))
	if err, _ := shake(t, s.Server(), other.Client()); !errors.Is(err, certs.ErrUntrusted) {
		t.Error("an instance of another authority is taken")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client-cert.pem"), filepath.Join(dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if err, _ := shake(t, s.Server(), client); err != nil {
		t.Errorf("the client's certificate is refused: %v", err)
	}
	if err, _ := shake(t, other.Server(), client); err == nil {
		t.Error("a client's certificate of another authority is taken")
	}
}

func TestMakeKeepsWhatThereIs(t *testing.T) {
	dir := fresh(t)
	before, err := os.ReadFile(filepath.Join(dir, "server-cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := certs.Make(dir, "test"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "server-cert.pem")); !bytes.Equal(before, after) {
		t.Error("a second Make drew new ones")
	}
}

func TestChangedFilesAreReadAgain(t *testing.T) {
	dir, next := fresh(t), fresh(t)
	f := certs.Generated(dir)
	s, log := open(t, f)
	old := s.Server()
	if s.Server() != old {
		t.Error("read again without a change")
	}
	later := time.Now().Add(time.Minute)
	copyOver := func(name string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(next, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err == nil {
			err = os.Chtimes(filepath.Join(dir, name), later, later)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyOver("server-cert.pem")
	if s.Server() != old || s.Reload() == nil {
		t.Error("a certificate without its key is in force")
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("%d warnings: %s", n, log)
	}
	copyOver("server-key.pem")
	copyOver("ca.pem")
	if s.Server() == old {
		t.Error("not read again")
	}
	other, _ := open(t, certs.Generated(next))
	if err, _ := shake(t, s.Server(), other.Client()); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameFileAndKey(t *testing.T) {
	dir := fresh(t)
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := certs.Generated(dir)
	for _, f := range []struct {
		files certs.Files
		names []string
	}{
		{certs.Files{Cert: certs.File{Path: dir + "/none.pem", Key: "router.tls_cert"}, Key: g.Key, CA: g.CA}, []string{"router.tls_cert", "none.pem"}},
		{certs.Files{Cert: g.Cert, Key: g.Key, CA: certs.File{Path: empty, Key: "server.tls_ca"}}, []string{"server.tls_ca", "empty.pem"}},
		{certs.Files{Cert: g.Cert, Key: certs.File{Path: dir + "/client-key.pem", Key: "server.tls_key"}, CA: g.CA}, []string{"server.tls_key", "client-key.pem"}},
		{certs.Files{Cert: g.Cert, Key: g.Key, CA: certs.File{Path: dir + "/ca-key.pem", Key: "server.tls_ca"}}, []string{"server.tls_ca", "ca-key.pem", "no certificate"}},
	} {
		_, err := certs.Open(f.files, slog.Default())
		for _, name := range f.names {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name %s", err, name)
			}
		}
	}
}
