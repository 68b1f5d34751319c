package protocol

import (
	"strings"
	"testing"
)

// TestCryptIsOpenSSLs: `openssl passwd -5 -salt SALT PASSWORD` says the same.
func TestCryptIsOpenSSLs(t *testing.T) {
	for _, c := range []struct{ password, salt, want string }{
		{"Hello world!", "saltstring", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
		{"secret", "saltstringsaltst", "fs5bkP34Ya66vag52qIwKHT7mKZC6.7Eyv0HoCr0Jo8"},
	} {
		if got := crypt256(c.password, c.salt, 5000); got != c.want {
			t.Errorf("%s: %s, want %s", c.salt, got, c.want)
		}
	}
	hash := HashSHA2("secret")
	if !PasswordFits(pluginSHA2, hash, "secret") || !checkSHA2("secret", hash) || checkSHA2("Secret", hash) || checkSHA2("secret", strings.Replace(hash, "005", "006", 1)) {
		t.Error("a password does not fit its hash, or another does")
	}
}
