package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
)

// FuzzNames: a certificate of the authority is of whom its subject names and of nobody
// else, whatever is in the names; one of another authority is nobody's.
func FuzzNames(f *testing.F) {
	authority := func() (*x509.Certificate, *x509.CertPool, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		ca := template(pkix.Name{Organization: []string{"c"}, CommonName: "authority"})
		ca.IsCA, ca.KeyUsage, ca.SerialNumber = true, x509.KeyUsageCertSign, big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
		if err != nil {
			f.Fatal(err)
		}
		if ca, err = x509.ParseCertificate(der); err != nil {
			f.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(ca)
		return ca, pool, key
	}
	ca, ours, key := authority()
	_, other, _ := authority()
	f.Add("sextant-1", "", "storage", "storage-1")
	f.Add("sextant-1", "sextant-2", "storage", "storage-1")
	f.Add("a,b", "", "instance,admin", "db-1\x00")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, cluster, second, role, id string) {
		name := pkix.Name{Organization: []string{cluster}, OrganizationalUnit: []string{role}, CommonName: id}
		if second != "" {
			name.Organization = append(name.Organization, second)
		}
		c := template(name)
		c.SerialNumber = big.NewInt(3)
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, key)
		if err != nil {
			return // no such certificate can be made
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if _, err := verify(other, []*x509.Certificate{cert}); !errors.Is(err, ErrRefused) {
			t.Fatalf("%v by another authority", err)
		}
		p, err := verify(ours, []*x509.Certificate{cert})
		switch {
		case err != nil && !errors.Is(err, ErrRefused):
			t.Fatal(err)
		case err != nil:
		case second != "" && p.Cluster == cluster, p.ID != id, p.SpeaksAs(id) != nil:
			t.Fatalf("%q, %q, %q, %q is %+v", cluster, second, role, id, p)
		case p != (Peer{}) && p.SpeaksAs(id+"x") == nil:
			t.Fatalf("%+v speaks as another", p)
		}
	})
}

// FuzzCertificate: no bytes that are shown as a certificate are believed or end a process.
func FuzzCertificate(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	c := template(pkix.Name{Organization: []string{"c"}, OrganizationalUnit: []string{"storage"}, CommonName: "storage-1"})
	c.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, b []byte) {
		cert, err := x509.ParseCertificate(b)
		if err != nil {
			return
		}
		if p, err := verify(x509.NewCertPool(), []*x509.Certificate{cert}); !errors.Is(err, ErrRefused) || p != (Peer{}) {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}
