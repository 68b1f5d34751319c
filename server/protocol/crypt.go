package protocol

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// The authentication_string of caching_sha2_password is "$A$", the rounds in
// thousands as three hexadecimal digits, "$", 20 bytes of salt, and SHA-256-crypt
// of the password as 43 characters.
const (
	sha2SaltBytes  = 20
	sha2HashBytes  = 43
	sha2Rounds     = 5
	sha2Prefix     = "$A$"
	sha2FixedBytes = len("$A$005$")
	sha2RoundsMax  = 0xfff
)

const crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// HashSHA2 returns the authentication_string of an account with
// caching_sha2_password: "" for no password.
func HashSHA2(password string) string {
	if password == "" {
		return ""
	}
	salt := newSalt()
	return fmt.Sprintf("%s%03X$%s%s", sha2Prefix, sha2Rounds, salt[:], crypt256(password, string(salt[:]), sha2Rounds*1000))
}

// Decoy returns an account that no password fits, for a user that there is not.
// Its plugin is one of plugins, those of the accounts there are, the same for the
// same user and secret: who does not know the secret learns nothing from it.
// Without plugins it is caching_sha2_password.
func Decoy(user, secret string, plugins ...string) Account {
	a := Account{Plugin: pluginSHA2, Auth: "$A$005$" + strings.Repeat("x", sha2SaltBytes+sha2HashBytes)}
	if len(plugins) > 0 {
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(user))
		a.Plugin = plugins[binary.BigEndian.Uint64(h.Sum(nil))%uint64(len(plugins))]
	}
	if a.Plugin == pluginNative {
		a.Auth = "*" + strings.Repeat("0", 40)
	}
	return a
}

// checkSHA2 reports whether the password is that of an authentication_string.
func checkSHA2(password, auth string) bool {
	thousands, ok := sha2Thousands(auth)
	if !ok || len(password) > PasswordBytesMax {
		return false
	}
	salt, hash := auth[sha2FixedBytes:][:sha2SaltBytes], auth[sha2FixedBytes+sha2SaltBytes:]
	return subtle.ConstantTimeCompare([]byte(crypt256(password, salt, int(thousands)*1000)), []byte(hash)) == 1
}

// sha2Thousands returns the rounds of an authentication_string, false if it is none.
func sha2Thousands(auth string) (uint64, bool) {
	if len(auth) != sha2FixedBytes+sha2SaltBytes+sha2HashBytes || !strings.HasPrefix(auth, sha2Prefix) || auth[sha2FixedBytes-1] != '$' {
		return 0, false
	}
	thousands, err := strconv.ParseUint(auth[len(sha2Prefix):sha2FixedBytes-1], 16, 16)
	return thousands, err == nil && thousands > 0 && thousands <= sha2RoundsMax
}

// ValidHash reports whether a text can be a plugin's authentication_string.
func ValidHash(plugin, auth string) bool {
	if auth == "" {
		return true
	}
	if plugin == pluginSHA2 {
		_, ok := sha2Thousands(auth)
		return ok
	}
	stored, err := mysql.DecodePasswordHex(auth)
	return err == nil && len(auth) == 1+2*sha1.Size && auth[0] == '*' && len(stored) == sha1.Size
}

// PasswordFits reports whether a password is that of a plugin's authentication_string.
func PasswordFits(plugin, auth, password string) bool {
	switch {
	case password == "" || auth == "":
		return password == auth
	case plugin == pluginSHA2:
		return checkSHA2(password, auth)
	}
	return len(password) <= PasswordBytesMax && subtle.ConstantTimeCompare([]byte(HashNative(password)), []byte(auth)) == 1
}

// HashNative returns the authentication_string of an account with
// mysql_native_password: "" for no password.
func HashNative(password string) string {
	if password == "" {
		return ""
	}
	return mysql.EncodePasswordHex(mysql.NativePasswordHash([]byte(password)))
}

// crypt256 is SHA-256-crypt of Ulrich Drepper's "Unix crypt using SHA-256 and
// SHA-512", whose salt here is longer than its 16 bytes. The steps are his.
func crypt256(password, salt string, rounds int) string {
	key := []byte(password)
	h := sha256.New()
	h.Write([]byte(password + salt + password)) // steps 4 to 8
	b := h.Sum(nil)

	h.Reset() // 1 to 3
	h.Write([]byte(password + salt))
	h.Write(repeat(b, len(key))) // 9, 10
	for n := len(key); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(b)
		} else {
			h.Write(key)
		}
	}
	a := h.Sum(nil) // 12

	h.Reset()
	for range key {
		h.Write(key)
	}
	p := repeat(h.Sum(nil), len(key)) // 13 to 16
	h.Reset()
	for range 16 + int(a[0]) {
		h.Write([]byte(salt))
	}
	s := repeat(h.Sum(nil), len(salt)) // 17 to 20

	for i := range rounds { // 21
		h.Reset()
		if i&1 != 0 {
			h.Write(p)
		} else {
			h.Write(a)
		}
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		if i&1 != 0 {
			h.Write(a)
		} else {
			h.Write(p)
		}
		a = h.Sum(a[:0])
	}
	return encodeCrypt(a)
}

// repeat returns n bytes of b, again and again.
func repeat(b []byte, n int) []byte {
	out := make([]byte, 0, n+len(b))
	for len(out) < n {
		out = append(out, b...)
	}
	return out[:n]
}

// encodeCrypt is step 22: three bytes, far apart, make four characters.
func encodeCrypt(a []byte) string {
	out := make([]byte, 0, sha2HashBytes)
	add := func(v uint, chars int) {
		for range chars {
			out = append(out, crypt64[v&0x3f])
			v >>= 6
		}
	}
	x, y, z := 0, 10, 20
	for range 10 {
		add(uint(a[x])<<16|uint(a[y])<<8|uint(a[z]), 4)
		x, y, z = z+1, x+1, y+1
	}
	add(uint(a[31])<<8|uint(a[30]), 3)
	return string(out)
}

const saltBytes = 20

// newSalt returns bytes without 0, which would end it, and '$', in plain ASCII,
// as MySQL's.
func newSalt() [saltBytes]byte {
	var salt [saltBytes]byte
	_, _ = rand.Read(salt[:]) // never fails
	for i, c := range salt {
		c &= 0x7f
		if c == 0 || c == '$' {
			c++
		}
		salt[i] = c
	}
	return salt
}
