package protocol

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/go-mysql-org/go-mysql/mysql"
)

const (
	pluginNative = mysql.AUTH_NATIVE_PASSWORD
	pluginSHA2   = mysql.AUTH_CACHING_SHA2_PASSWORD

	rsaBits = 2048
	// askForKey is the packet with which a client asks for the public key.
	askForKey = 2
)

// passwords remembers, for accounts with caching_sha2_password that logged in
// once, what the fast exchange needs.
type passwords struct {
	mu sync.Mutex
	of map[string]remembered // by Account.Key
}

type remembered struct {
	auth  string            // Account.Auth it belongs to
	stage [sha256.Size]byte // SHA256(SHA256(password))
}

func (p *passwords) get(a Account) ([sha256.Size]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.of[a.Key]
	return r.stage, ok && r.auth == a.Auth
}

func (p *passwords) put(a Account, password []byte) {
	once := sha256.Sum256(password)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.of) >= passwordsMax || p.of == nil {
		p.of = map[string]remembered{}
	}
	p.of[a.Key] = remembered{a.Auth, sha256.Sum256(once[:])}
}

// ForgetPasswords makes the next login of the account with that key a full one;
// of all accounts if key is "" (FLUSH PRIVILEGES).
func (s *Server) ForgetPasswords(key string) {
	s.passwords.mu.Lock()
	defer s.passwords.mu.Unlock()
	if key == "" {
		clear(s.passwords.of)
	}
	delete(s.passwords.of, key)
}

// keyPair makes the key that passwords are encrypted with on plain connections.
func keyPair() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }

// proof is what a client sends to show who it is.
type proof struct {
	user   string
	plugin string
	answer []byte // to salt, by plugin
}

// denied is MySQL's error 1045.
func (c *Conn) denied(user string, password bool) *Error {
	using := "NO"
	if password {
		using = "YES"
	}
	return &Error{mysql.ER_ACCESS_DENIED_ERROR, "28000",
		fmt.Sprintf("Access denied for user '%s'@'%s' (using password: %s)", user, c.Host(), using)}
}

// authenticate asks for what the account's plugin needs until it is decided. It
// returns the account, and an *Error if the answer is no.
func (c *Conn) authenticate(p proof) (Account, error) {
	a, err := c.server.o.Handler.Account(c, p.user)
	if err != nil {
		return a, err
	}
	if a.Plugin != pluginNative && a.Plugin != pluginSHA2 {
		c.server.log.Debug("account with an unknown plugin", "user", p.user, "plugin", a.Plugin)
		return a, c.denied(p.user, len(p.answer) > 0)
	}
	if p.plugin != a.Plugin {
		if p.answer, err = c.switchPlugin(a.Plugin); err != nil {
			return a, err
		}
	}
	if len(p.answer) == 1 && p.answer[0] == 0 {
		p.answer = nil // how caching_sha2_password says that there is no password
	}
	granted := false
	switch {
	case len(p.answer) == 0 || a.Auth == "":
		granted = len(p.answer) == 0 && a.Auth == ""
	case a.Plugin == pluginNative:
		granted = c.native(p.answer, a) || a.Second != "" && c.native(p.answer, a.second())
	case a.Plugin == pluginSHA2:
		granted, err = c.cachingSHA2(p.answer, a)
	}
	if err != nil {
		return a, err
	}
	if !granted && a.Denied != nil {
		if e := a.Denied(); e != nil {
			return a, e
		}
	}
	if !granted || a.RequireTLS && !c.private() {
		return a, c.denied(p.user, len(p.answer) > 0)
	}
	return a, nil
}

// switchPlugin asks for another plugin's answer, to a new salt.
func (c *Conn) switchPlugin(plugin string) ([]byte, error) {
	if c.caps&mysql.CLIENT_PLUGIN_AUTH == 0 && plugin != pluginNative {
		return nil, errOldClient
	}
	c.salt = newSalt()
	b := append([]byte{mysql.EOF_HEADER}, plugin...)
	b = append(append(append(b, 0), c.salt[:]...), 0)
	return c.ask(b)
}

// ask sends a packet of a login and reads the answer.
func (c *Conn) ask(b []byte) ([]byte, error) {
	c.out.packet(b)
	c.out.flush()
	if c.out.broken != nil {
		return nil, c.out.broken
	}
	return c.readPacket(loginPacketMax)
}

func (c *Conn) native(answer []byte, a Account) bool {
	stored, err := mysql.DecodePasswordHex(a.Auth)
	return err == nil && len(stored) == sha1.Size && len(answer) == sha1.Size &&
		mysql.CompareNativePassword(answer, stored, c.salt[:])
}

// second is the account with its second password only.
func (a Account) second() Account {
	return Account{Plugin: a.Plugin, Auth: a.Second, Key: a.Key + " second"}
}

// cachingSHA2 ends in a full exchange if the password is not remembered.
func (c *Conn) cachingSHA2(answer []byte, a Account) (bool, error) {
	ways := []Account{a}
	if a.Second != "" {
		ways = append(ways, a.second())
	}
	for _, w := range ways {
		if stage, ok := c.server.passwords.get(w); ok && len(answer) == sha256.Size {
			pad := sha256.Sum256(append(stage[:], c.salt[:]...))
			once := sha256.Sum256(mysql.Xor(answer, pad[:]))
			if subtle.ConstantTimeCompare(once[:], stage[:]) == 1 {
				c.out.packet([]byte{mysql.MORE_DATE_HEADER, mysql.CACHE_SHA2_FAST_AUTH})
				return true, nil
			}
		}
	}
	password, err := c.fullPassword()
	if err != nil {
		return false, err
	}
	for _, w := range ways {
		if checkSHA2(string(password), w.Auth) {
			c.server.passwords.put(w, password)
			return true, nil
		}
	}
	return false, nil
}

// fullPassword asks for the password itself, encrypted unless the connection is.
func (c *Conn) fullPassword() ([]byte, error) {
	b, err := c.ask([]byte{mysql.MORE_DATE_HEADER, mysql.CACHE_SHA2_FULL_AUTH})
	if err != nil {
		return nil, err
	}
	if !c.private() {
		if b, err = c.decrypt(b); err != nil {
			return nil, err
		}
	}
	if len(b) == 0 || b[len(b)-1] != 0 {
		return nil, nil // as one that does not decrypt
	}
	return b[:len(b)-1], nil
}

// decrypt gives the client the public key if it asks, and decrypts the password.
// What does not decrypt is a password that is wrong.
func (c *Conn) decrypt(b []byte) ([]byte, error) {
	key, err := c.server.key()
	if err != nil {
		return nil, err
	}
	if len(b) == 1 && b[0] == askForKey {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, err
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if b, err = c.ask(append([]byte{mysql.MORE_DATE_HEADER}, text...)); err != nil {
			return nil, err
		}
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, b, nil)
	if err != nil {
		return []byte{0}, nil
	}
	return mysql.Xor(plain, c.salt[:]), nil
}

// private reports whether nobody can listen: TLS, or a Unix socket.
func (c *Conn) private() bool {
	_, unix := c.net.LocalAddr().(*net.UnixAddr)
	return unix || c.tls != nil
}

// refused reports whether an error of a login is for the client to know.
func refused(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
