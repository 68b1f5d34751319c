package mtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"time"
)

// Sign returns a proof, for Verify, that this process has said message, which must begin
// with what kind of message it is. It is for connections that are not TLS between peers.
//
// A proof is the length of the signature in two bytes, the signature (ECDSA, SHA-256,
// ASN.1), and the certificate with those between it and the authority's, in DER.
func (i *Identity) Sign(message []byte) ([]byte, error) {
	cert, _, err := i.current()
	if err != nil {
		return nil, err
	}
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of %s is not ECDSA", i.self)
	}
	digest := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign as %s: %w", i.self, err)
	}
	proof := append(binary.BigEndian.AppendUint16(nil, uint16(len(sig))), sig...)
	for _, der := range cert.Certificate {
		proof = append(proof, der...)
	}
	return proof, nil
}

// Verify returns who has said message by what Sign returned there. It returns ErrRefused
// for any other bytes, and unless it is a peer of one of the roles.
func (i *Identity) Verify(message, proof []byte, roles ...Role) (Peer, error) {
	_, roots, err := i.current()
	if err != nil {
		return Peer{}, err
	}
	if len(proof) < 2 || len(proof) > proofBytesMax {
		return Peer{}, fmt.Errorf("%w: no proof", ErrRefused)
	}
	n := 2 + int(binary.BigEndian.Uint16(proof))
	if n > len(proof) {
		return Peer{}, fmt.Errorf("%w: the proof is cut short", ErrRefused)
	}
	who, err := i.signer(roots, proof[n:])
	if err != nil {
		return Peer{}, err
	}
	if err := i.expect(who.peer, "", roles); err != nil {
		return Peer{}, err
	}
	if err := who.leaf.CheckSignature(x509.ECDSAWithSHA256, message, proof[2:n]); err != nil {
		return Peer{}, fmt.Errorf("%w: %s has not signed this: %w", ErrRefused, who.peer, err)
	}
	return who.peer, nil
}

// signer is who shows certificates that were verified.
type signer struct {
	roots *x509.CertPool
	der   []byte
	leaf  *x509.Certificate
	peer  Peer
	at    time.Time
}

// signer returns whose certificates der is. The last one is remembered: a process signs
// often, and its signature costs a fifth of its certificates.
func (i *Identity) signer(roots *x509.CertPool, der []byte) (*signer, error) {
	if s := i.last.Load(); s != nil && s.roots == roots && bytes.Equal(s.der, der) && time.Since(s.at) < signerFor {
		return s, nil
	}
	chain, err := x509.ParseCertificates(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	p, err := verify(roots, chain)
	if err != nil {
		return nil, err
	}
	s := &signer{roots, bytes.Clone(der), chain[0], p, time.Now()}
	i.last.Store(s)
	return s, nil
}
