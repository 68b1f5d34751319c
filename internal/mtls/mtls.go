// Package mtls is mutual TLS between the processes of one cluster: each has a
// certificate of the cluster's authority that says its role and its id, and talks only
// to peers that have one.
//
// A certificate's subject is the cluster (O), the role (OU) and the id (CN). Addresses
// are not in it: processes move, and what counts is who they are. A server states the
// roles that may connect, and may ask each call's (Caller); a client states the role it
// expects.
//
// A nil *Identity stands for plain connections, which the configuration allows on
// loopback only.
//
// Not done: revocation; a lost key is answered with a new authority.
package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sextant/internal/hangup"
)

// Role is what a process is to others.
type Role string

// The roles.
const (
	Storage  Role = "storage"
	Control  Role = "control"
	Instance Role = "instance"
	Router   Role = "router"
	Admin    Role = "admin" // operators' commands and `sextant up`
)

// Peer says who is at the other end.
type Peer struct {
	Cluster string
	Role    Role
	ID      string
}

// String returns role and id.
func (p Peer) String() string { return fmt.Sprintf("%s %s", p.Role, p.ID) }

// SpeaksAs returns ErrRefused unless p is the process id. The zero Peer, the one at the
// other end of a plain connection, may be anyone.
func (p Peer) SpeaksAs(id string) error {
	if p == (Peer{}) || p.ID == id {
		return nil
	}
	return fmt.Errorf("%w: %s speaks as %q", ErrRefused, p, id)
}

// ErrRefused is returned for a peer without a certificate of this cluster's authority,
// or of another role or cluster than is expected.
var ErrRefused = errors.New("peer refused")

const (
	handshakeTimeout = 5 * time.Second
	handshakesMax    = 128                    // at once, for one listener; one more closes the oldest
	acceptPause      = 100 * time.Millisecond // after an Accept that failed
	headerBytesMax   = 64 << 10               // of a call's metadata
	repeatAfter      = 10 * time.Second       // before a refusal of the same kind and peer is logged again
	refusalsMax      = 1024                   // kinds and peers that are told apart meanwhile
	proofBytesMax    = 16 << 10               // of Sign's
	signerFor        = time.Minute            // before the certificates of a proof are verified again
)

// Identity is a process's own certificate and its cluster's authority, read again when
// their files change. It is safe for concurrent use.
type Identity struct {
	self  Peer
	files [3]string // certificate, key, authority

	mu    sync.Mutex
	seen  [3]stamp
	cert  *tls.Certificate
	roots *x509.CertPool

	last atomic.Pointer[signer]
}

// stamp tells whether a file has changed.
type stamp struct {
	size     int64
	modified time.Time
}

// Open reads the identity of self below dir, as Issue has written it. An error names the
// file; ErrRefused if the certificate is somebody else's.
func Open(dir string, self Peer) (*Identity, error) {
	i := &Identity{self: self, files: [3]string{certPath(dir, self.ID), keyPath(dir, self.ID), filepath.Join(dir, authorityFile)}}
	_, _, err := i.current()
	return i, err
}

// current returns certificate and authority in force. Files that cannot be used leave
// what was, unless there is nothing yet.
func (i *Identity) current() (*tls.Certificate, *x509.CertPool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var now [3]stamp
	for k, f := range i.files {
		if s, err := os.Stat(f); err == nil {
			now[k] = stamp{s.Size(), s.ModTime()}
		}
	}
	if i.cert != nil && now == i.seen {
		return i.cert, i.roots, nil
	}
	cert, roots, err := i.read()
	if err == nil {
		i.cert, i.roots, i.seen = cert, roots, now
	} else if i.cert == nil {
		return nil, nil, err
	}
	return i.cert, i.roots, nil
}

func (i *Identity) read() (*tls.Certificate, *x509.CertPool, error) {
	pem, err := os.ReadFile(i.files[2])
	if err != nil {
		return nil, nil, fmt.Errorf("authority of the cluster: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("authority of the cluster: %s has no certificate", i.files[2])
	}
	cert, err := tls.LoadX509KeyPair(i.files[0], i.files[1])
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", i.self, err)
	}
	p, err := verify(roots, []*x509.Certificate{cert.Leaf})
	if err == nil && p != i.self {
		err = fmt.Errorf("it is of %s, cluster %s: %w", p, p.Cluster, ErrRefused)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: %w", i.files[0], err)
	}
	return &cert, roots, nil
}

// verify returns whose certificate it is, ErrRefused if it is not the authority's.
func verify(roots *x509.CertPool, chain []*x509.Certificate) (Peer, error) {
	if len(chain) == 0 {
		return Peer{}, fmt.Errorf("%w: no certificate", ErrRefused)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return Peer{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	s := chain[0].Subject
	return Peer{strings.Join(s.Organization, ","), Role(strings.Join(s.OrganizationalUnit, ",")), s.CommonName}, nil
}

// expect returns ErrRefused unless p is a peer of one of the roles, with that id unless it
// is "".
func (i *Identity) expect(p Peer, id string, roles []Role) error {
	switch {
	case p.Cluster != i.self.Cluster:
		return fmt.Errorf("%w: %s is of cluster %q, this is %q", ErrRefused, p, p.Cluster, i.self.Cluster)
	case !slices.Contains(roles, p.Role):
		return fmt.Errorf("%w: %s is none of %v", ErrRefused, p, roles)
	case id != "" && p.ID != id:
		return fmt.Errorf("%w: %s answers where %s should be", ErrRefused, p, id)
	}
	return nil
}

// config returns the configuration of a handshake with a peer of one of the roles, with
// that id unless it is "", and where it leaves the peer.
func (i *Identity) config(id string, roles []Role) (*tls.Config, *Peer, error) {
	cert, roots, err := i.current()
	if err != nil {
		return nil, nil, err
	}
	peer := new(Peer)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert},
		ClientAuth:                  tls.RequireAnyClientCert,
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true, // a message is a record
		InsecureSkipVerify:          true, // no names: VerifyConnection does it all, on both sides
		VerifyConnection: func(s tls.ConnectionState) error {
			p, err := verify(roots, s.PeerCertificates)
			if err != nil {
				return err
			}
			*peer = p
			return i.expect(p, id, roles)
		},
	}, peer, nil
}

// Conn is a connection to a peer that is known.
type Conn struct {
	*tls.Conn
	tcp  *wire
	peer Peer
}

// wire is what TLS writes to: TCP, or what SendBy names.
type wire struct {
	net.Conn
	send atomic.Pointer[func([]byte) error]
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	send := w.send.Load()
	if send == nil {
		return w.Conn.Write(b)
	}
	if err := (*send)(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TCP returns the connection below.
func (c *Conn) TCP() net.Conn { return c.tcp.Conn }

// SendBy has each encrypted record sent by a function of the caller's, which must not
// keep its bytes.
func (c *Conn) SendBy(send func(record []byte) error) { c.tcp.send.Store(&send) }

// Of returns who is at the other end, the zero Peer and false for a plain connection. It looks through
// wrappers that have NetConn.
func Of(c net.Conn) (Peer, bool) {
	for {
		if m, ok := c.(*Conn); ok {
			return m.peer, true
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return Peer{}, false
		}
		c = w.NetConn()
	}
}

// Dial connects to addr, where a peer of one of the roles must answer, with that id unless
// it is "". The handshake is done when it returns; ErrRefused if the peer is another. A nil
// Identity dials plainly.
func (i *Identity) Dial(ctx context.Context, addr, id string, roles ...Role) (net.Conn, error) {
	tcp, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil || i == nil {
		return tcp, err
	}
	c, _, err := i.upgrade(ctx, tcp, id, roles)
	return c, err
}

// upgrade makes the client's handshake over tcp, which it closes if that fails.
func (i *Identity) upgrade(ctx context.Context, tcp net.Conn, id string, roles []Role) (net.Conn, Peer, error) {
	cfg, peer, err := i.config(id, roles)
	if err != nil {
		return nil, Peer{}, errors.Join(err, tcp.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	hangup.Bound(tcp)
	w := &wire{Conn: tcp}
	c := tls.Client(w, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, Peer{}, errors.Join(fmt.Errorf("handshake with %s: %w", tcp.RemoteAddr(), err), tcp.Close())
	}
	return &Conn{c, w, *peer}, *peer, nil
}
