package halfopen_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"sextant/internal/halfopen"
)

// certificate returns one whose name has length bytes.
func certificate(t *testing.T, length int) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: string(bytes.Repeat([]byte("x"), length))}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestHandshakeIsBounded: a client with a certificate logs in and says more than a handshake
// may have; one whose certificate is longer than that is refused before it is all read.
func TestHandshakeIsBounded(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t, 10)}, ClientAuth: tls.RequestClientCert}
	for _, test := range []struct {
		name   string
		length int // of the certificate, in bytes
		want   error
	}{
		{"short", 1 << 10, nil},
		{"long", halfopen.HandshakeBytesMax, halfopen.ErrHandshakeTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			said := bytes.Repeat([]byte("said"), halfopen.HandshakeBytesMax)
			go func() {
				defer there.Close()
				c := tls.Client(there, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate(t, test.length)}})
				_, _ = c.Write(said) // fails if it is refused
			}()
			ahead := make([]byte, 3)
			if _, err := io.ReadFull(here, ahead); err != nil {
				t.Fatal(err)
			}
			c, err := halfopen.Handshake(here, bytes.NewReader(ahead), config)
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if err != nil {
				return
			}
			if b, err := io.ReadAll(io.LimitReader(c, int64(len(said)))); err != nil || !bytes.Equal(b, said) {
				t.Fatalf("%d bytes, %v", len(b), err)
			}
		})
	}
}
