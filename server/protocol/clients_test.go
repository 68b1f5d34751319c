package protocol_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

func TestGoMySQLClient(t *testing.T) {
	h := newFake()
	_, addr := serve(t, h, func(o *protocol.Options) { o.TLS = testTLS })
	for _, user := range []string{"native", "sha2", "sha2"} {
		c, err := client.Connect(addr, user, "secret", "d")
		if err != nil {
			t.Fatal(user, err)
		}
		if err := c.SetQueryAttributes(mysql.QueryAttribute{Name: "trace", Value: "7"}); err != nil {
			t.Fatal(err)
		}
		r, err := c.Execute("attributes")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.GetString(0, 0); got != "trace=7" {
			t.Errorf("%q", got)
		}
		r, err = c.Execute("? ?", int64(-1), "x")
		if err != nil {
			t.Fatal(err)
		}
		if a, _ := r.GetString(0, 0); a != "-1" {
			t.Errorf("%q", a)
		}
		if f, err := c.FieldList("t", "%"); err != nil || len(f) != 2 {
			t.Error(f, err)
		}
		if err := c.UseDB("missing"); err == nil || !strings.Contains(err.Error(), "1049") {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The command line client, where it is installed, says what a person would see.
func TestMariaDBCommandLine(t *testing.T) {
	bin, err := exec.LookPath("mariadb")
	if err != nil {
		t.Skip("tool missing: mariadb (Debian: apt-get install mariadb-client)")
	}
	_, addr := serve(t, newFake(), func(o *protocol.Options) { o.TLS = testTLS })
	host, port, _ := net.SplitHostPort(addr)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ user, ssl, query, want string }{
		{"native", "--skip-ssl", "echo a b; error", "ERROR 1146 (42S02) at line 1: Table 'd.t' doesn't exist"},
		{"native", "--ssl", "who", "native\t\t127.0.0.1\ttrue"},
		{"sha2", "--ssl", "who", "sha2\t\t127.0.0.1\ttrue\tmysql"},
		{"sha2", "--skip-ssl", "who", "sha2\t\t127.0.0.1\tfalse\tmysql"},
		{"nobody", "--ssl", "who", "ERROR 1045 (28000): Access denied for user 'nobody'@'127.0.0.1' (using password: YES)"},
		{"native", "--skip-ssl", "load " + file, ""},
	} {
		out, _ := exec.Command(bin, "--no-defaults", "-h"+host, "-P"+port, "-u"+test.user, "-psecret", "-N", "--connect-timeout=10",
			"--local-infile", "--disable-ssl-verify-server-cert", test.ssl, "-e", test.query).CombinedOutput()
		if !strings.Contains(string(out), test.want) || test.want == "" && len(out) > 0 {
			t.Errorf("%+v: %s", test, out)
		}
	}
}

// On a Unix socket the password is asked for in clear, and the host is localhost.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_, addr := serve(t, newFake(), func(o *protocol.Options) { o.Listener = l })
	db := open(t, "sha2:secret@unix("+addr+")/")
	if got := row(t, db, "who"); fmt.Sprint(got) != "[sha2  localhost false ]" {
		t.Errorf("%q", got)
	}
}
