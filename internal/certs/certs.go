// Package certs is the certificates of TLS between clients, routers and
// instances: Source reads them from their files, again whenever the files
// change, and makes configurations of crypto/tls; Make draws a cluster's own at
// its first start.
//
// Not done: revocation lists, keys with a passphrase.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// resumed is how many TLS sessions a Source remembers in order to resume them.
const resumed = 64

// ErrUntrusted is the error of a handshake with an instance whose certificate is not
// the authority's.
var ErrUntrusted = errors.New("certificate of the instance")

// File is a file and the configuration key that names it, for errors.
type File struct{ Path, Key string }

// Files are what a Source reads, all in PEM. CA signs the certificates of the
// other side: of clients, and of the instances that a router connects to.
type Files struct{ Cert, Key, CA File }

// Source is the certificates in force. A nil *Source has none.
type Source struct {
	files Files
	log   *slog.Logger

	mu     sync.Mutex
	seen   [3]stamp
	leaf   *x509.Certificate
	server *tls.Config
	client *tls.Config
}

// stamp tells whether a file has changed.
type stamp struct {
	size     int64
	modified time.Time
}

// Open reads the files. An error names the file and its key.
func Open(f Files, log *slog.Logger) (*Source, error) {
	s := &Source{files: f, log: log}
	return s, s.Reload()
}

// Files returns what the source reads.
func (s *Source) Files() Files { return s.files }

// Reload reads the files. If that fails, the certificates stay those they were.
func (s *Source) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(s.stamps())
}

// Server returns the configuration for connections that others make: at least
// TLS 1.2; a client's certificate, if it has one, must be the CA's. nil: no TLS.
func (s *Source) Server() *tls.Config {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	return s.server
}

// Client returns the configuration for connections to an instance: its
// certificate must be the CA's, whatever host it names (as --ssl-mode=VERIFY_CA).
// nil: no TLS.
func (s *Source) Client() *tls.Config {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	return s.client
}

// Leaf returns the server's certificate.
func (s *Source) Leaf() *x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaf
}

// refresh reads the files again if they changed: once, also if they do not fit together.
func (s *Source) refresh() {
	now := s.stamps()
	if now == s.seen {
		return
	}
	if err := s.load(now); err != nil {
		s.log.Warn("certificates changed and cannot be used: the old ones stay", "err", err)
		return
	}
	s.log.Info("certificates read again", "cert", s.files.Cert.Path, "not_after", s.leaf.NotAfter)
}

func (s *Source) stamps() (out [3]stamp) {
	for i, f := range [...]File{s.files.Cert, s.files.Key, s.files.CA} {
		if info, err := os.Stat(f.Path); err == nil {
			out[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return out
}

func (s *Source) load(seen [3]stamp) error {
	s.seen = seen
	cert, err := s.files.Cert.read()
	if err != nil {
		return err
	}
	key, err := s.files.Key.read()
	if err != nil {
		return err
	}
	authority, err := s.files.CA.read()
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s %s, %s %s: %w", s.files.Cert.Key, s.files.Cert.Path, s.files.Key.Key, s.files.Key.Path, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s %s: holds no certificate", s.files.CA.Key, s.files.CA.Path)
	}
	s.leaf = pair.Leaf
	s.server = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12,
	}
	s.client = &tls.Config{
		MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(resumed),
		InsecureSkipVerify: true, // VerifyConnection does all but the host's name
		VerifyConnection:   func(c tls.ConnectionState) error { return verify(c, roots) },
	}
	return nil
}

// verify checks that the peer's certificate is one of roots' servers.
func verify(c tls.ConnectionState, roots *x509.CertPool) error {
	if len(c.PeerCertificates) == 0 {
		return fmt.Errorf("%w: there is none", ErrUntrusted)
	}
	between := x509.NewCertPool()
	for _, cert := range c.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	if _, err := c.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return nil
}

func (f File) read() ([]byte, error) {
	b, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Key, err)
	}
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		return nil, fmt.Errorf("%s %s: is not in PEM", f.Key, f.Path)
	}
	return b, nil
}

// Version returns a protocol version's name as MySQL has it, such as TLSv1.3.
func Version(v uint16) string {
	switch v {
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return tls.VersionName(v)
}

// openSSL are the names that MySQL has for the cipher suites of TLS 1.2; those of
// TLS 1.3 have one name only.
var openSSL = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          "ECDHE-ECDSA-AES128-SHA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
}

// Cipher returns a cipher suite's name as MySQL has it.
func Cipher(suite uint16) string {
	if name := openSSL[suite]; name != "" {
		return name
	}
	return tls.CipherSuiteName(suite)
}

// Ciphers returns the names of what a Source's server takes.
func Ciphers() (names []string) {
	for _, suite := range tls.CipherSuites() {
		if openSSL[suite.ID] != "" || slices.Contains(suite.SupportedVersions, tls.VersionTLS13) {
			names = append(names, Cipher(suite.ID))
		}
	}
	return names
}
