package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"sextant/internal/durable"
)

// lifetime is how long what Make draws is valid, as MySQL's at its first start.
const lifetime = 3650 * 24 * time.Hour

// Generated returns the files that Make makes in dir: those of the server.
func Generated(dir string) Files {
	file := func(name, key string) File { return File{filepath.Join(dir, name), key} }
	return Files{
		Cert: file("server-cert.pem", "server.tls_cert"), Key: file("server-key.pem", "server.tls_key"), CA: file("ca.pem", "server.tls_ca"),
	}
}

// Make draws an authority and the certificates of a server and a client in dir,
// under MySQL's names (ca.pem, server-cert.pem, client-cert.pem and their keys),
// mode 0600, unless dir has an authority already. hosts are the names and
// addresses that the server's is for. Keys are ECDSA P-256, which every client
// takes that knows TLS 1.2.
func Make(dir, cluster string, hosts ...string) error {
	g := Generated(dir)
	if _, err := os.Stat(g.CA.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	now := time.Now()
	subject := func(what string) x509.Certificate {
		return x509.Certificate{
			Subject:   pkix.Name{CommonName: cluster + "_Auto_Generated_" + what + "_Certificate"},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime), BasicConstraintsValid: true,
		}
	}
	ca := subject("CA")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	server := subject("Server")
	server.KeyUsage, server.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, h)
		}
	}
	client := subject("Client")
	client.KeyUsage, client.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		name string
		cert *x509.Certificate
	}{{"server", &server}, {"client", &client}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := Write(filepath.Join(dir, c.name+"-cert.pem"), filepath.Join(dir, c.name+"-key.pem"), c.cert, &ca, key, signer); err != nil {
			return err
		}
	}
	return Write(g.CA.Path, filepath.Join(dir, "ca-key.pem"), &ca, &ca, signer, signer) // last: it says that all are there
}

// Write signs a certificate, which gets a serial number, and writes its key, then it, as
// PEM files of mode 0600.
func Write(path, keyPath string, cert, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	cert.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		durable.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
	)
}
