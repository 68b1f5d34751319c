package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sextant/internal/certs"
	"sextant/internal/durable"
)

// Files of a directory of identities. The authority's key is needed to issue certificates
// only; a host that runs processes needs its own certificates and ca.pem.
const (
	authorityFile = "ca.pem" // may hold several certificates while authorities change
	authorityKey  = "ca-key.pem"
)

func certPath(dir, id string) string { return filepath.Join(dir, id+".pem") }
func keyPath(dir, id string) string  { return filepath.Join(dir, id+"-key.pem") }

// lifetime is how long an authority and its certificates are valid. A certificate is
// believed as long as its authority is, too.
const lifetime = 3650 * 24 * time.Hour

func template(p pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{Subject: p, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime), BasicConstraintsValid: true}
}

// MakeAuthority draws a cluster's authority in dir unless it has one.
func MakeAuthority(dir, cluster string) error {
	path := filepath.Join(dir, authorityFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca := template(pkix.Name{Organization: []string{cluster}, CommonName: cluster + " authority"})
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return certs.Write(path, filepath.Join(dir, authorityKey), ca, ca, key, key)
}

// ErrNoAuthority is returned where a certificate is missing and the authority's key, too.
var ErrNoAuthority = errors.New("the authority's key is not here")

// Ensure opens the identity of self below dir, and issues its certificate first if there is
// none. Returns ErrNoAuthority, and Open's errors.
func Ensure(dir string, self Peer) (*Identity, error) {
	i, err := Open(dir, self)
	if !errors.Is(err, fs.ErrNotExist) {
		return i, err
	}
	if _, kerr := os.Stat(filepath.Join(dir, authorityKey)); kerr != nil {
		return nil, fmt.Errorf("%w; %w", err, ErrNoAuthority)
	}
	if err := Issue(dir, dir, self); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", self, err)
	}
	return Open(dir, self)
}

// Issue writes a certificate and a key for p, signed by dir's authority, below to, and a
// copy of ca.pem if to is another directory. An older certificate of p is replaced: the
// processes that use it read it again, and it stays valid until it expires.
func Issue(dir, to string, p Peer) error {
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, authorityFile), filepath.Join(dir, authorityKey))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	c := template(pkix.Name{Organization: []string{p.Cluster}, OrganizationalUnit: []string{string(p.Role)}, CommonName: p.ID})
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	signer, ok := ca.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return errors.New("the authority's key is not ECDSA")
	}
	if filepath.Clean(dir) != filepath.Clean(to) {
		pem, err := os.ReadFile(filepath.Join(dir, authorityFile))
		if err != nil {
			return err
		}
		if err := durable.WriteFile(filepath.Join(to, authorityFile), pem); err != nil {
			return err
		}
	}
	return certs.Write(certPath(to, p.ID), keyPath(to, p.ID), c, ca.Leaf, key, signer)
}

// Certificate is what Certificates found of one.
type Certificate struct {
	Peer
	NotAfter time.Time
	Serial   string // hexadecimal
	Err      error  // it cannot be read, or is not the authority's
}

// Certificates returns the certificates in dir by name, the authority's not among them.
func Certificates(dir string) ([]Certificate, error) {
	pem, err := os.ReadFile(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []Certificate
	for _, f := range files {
		id, isKey := strings.CutSuffix(f.Name(), "-key.pem")
		if !isKey || f.Name() == authorityKey {
			continue
		}
		c := Certificate{Peer: Peer{ID: id}}
		if pair, err := tls.LoadX509KeyPair(certPath(dir, id), keyPath(dir, id)); err != nil {
			c.Err = err
		} else {
			c.NotAfter, c.Serial = pair.Leaf.NotAfter, pair.Leaf.SerialNumber.Text(16)
			c.Peer, c.Err = verify(roots, []*x509.Certificate{pair.Leaf})
		}
		out = append(out, c)
	}
	return out, nil
}
