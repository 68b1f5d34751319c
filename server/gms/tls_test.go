package gms_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/internal/certs"
	"sextant/logstore/memvolume"
	"sextant/server/gms"
)

// openTLS returns a pool whose connections use TLS, with a client's certificate if
// pair is not nil.
func (i *instance) openTLS(user string, pair *tls.Certificate, version uint16) *sql.DB {
	i.t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, MaxVersion: version}
	if pair != nil {
		config.Certificates = []tls.Certificate{*pair}
	}
	name := fmt.Sprintf("%s-%p", i.t.Name(), config)
	if err := mysql.RegisterTLSConfig(name, config); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { mysql.DeregisterTLSConfig(name) })
	return i.openAs(user, "?tls="+name)
}

func TestTLS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	if err := certs.Make(dir, "shop", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	source, err := certs.Open(certs.Generated(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	i := startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) { o.TLS = source })
	plain := i.conn(i.open(""))
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client-cert.pem"), filepath.Join(dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	must(t, plain, "CREATE USER s IDENTIFIED BY 'x' REQUIRE SSL", "CREATE USER x IDENTIFIED BY 'x' REQUIRE X509",
		"CREATE USER sub IDENTIFIED BY 'x' REQUIRE SUBJECT '/CN=shop_Auto_Generated_Client_Certificate' AND ISSUER '/CN=shop_Auto_Generated_CA_Certificate'",
		"CREATE USER other IDENTIFIED BY 'x' REQUIRE SUBJECT '/CN=other'",
		"CREATE USER iss IDENTIFIED BY 'x' REQUIRE ISSUER '/CN=other'",
		"CREATE USER ci IDENTIFIED BY 'x' REQUIRE CIPHER 'TLS_AES_128_GCM_SHA256'",
		"CREATE USER none IDENTIFIED BY 'x'")
	for user, want := range map[string][3]bool{ // without TLS, with, with a certificate
		"none": {true, true, true}, "s": {false, true, true}, "x": {false, false, true}, "sub": {false, false, true},
		"other": {}, "iss": {}, "ci": {false, true, true},
	} {
		for k, db := range []*sql.DB{i.openAs(user+":x", ""), i.openTLS(user+":x", nil, 0), i.openTLS(user+":x", &pair, 0)} {
			err := db.PingContext(t.Context())
			if want[k] && err != nil {
				t.Errorf("%s, way %d: %v", user, k, err)
			} else if !want[k] && (err == nil || !strings.Contains(err.Error(), "1045 (28000)")) {
				t.Errorf("%s, way %d: %v, want 1045", user, k, err)
			}
			_ = db.Close()
		}
	}
	if got := status(t, plain, "Ssl_cipher") + status(t, plain, "Ssl_version"); got != "" {
		t.Errorf("without TLS: %s", got)
	}
	c := i.conn(i.openTLS("root", nil, tls.VersionTLS12))
	if got := status(t, c, "Ssl_version") + " " + status(t, c, "Ssl_cipher"); !strings.HasPrefix(got, "TLSv1.2 ECDHE-ECDSA-") {
		t.Errorf("with TLS: %s", got)
	}
	if got, want := status(t, plain, "Ssl_server_not_after"), notAfter(t, filepath.Join(dir, "server-cert.pem")); got != want {
		t.Errorf("Ssl_server_not_after is %s, want %s", got, want)
	}
	if n, err := strconv.Atoi(status(t, plain, "Ssl_finished_accepts")); err != nil || n == 0 {
		t.Errorf("Ssl_finished_accepts is %d: %v", n, err)
	}
	for query, want := range map[string]string{
		"SELECT @@have_ssl": "YES", "SELECT @@tls_version": "TLSv1.2,TLSv1.3", "SELECT @@ssl_cert": filepath.Join(dir, "server-cert.pem"),
		"SELECT @@ssl_ca": filepath.Join(dir, "ca.pem"), "SELECT @@require_secure_transport": "0",
	} {
		if got := one(t, plain, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	requireSecure(t, i, c)
	reload(t, i, c, dir)
}

// notAfter is the end of a certificate's life as OpenSSL writes it.
func notAfter(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.NotAfter.UTC().Format("Jan _2 15:04:05 2006 GMT")
}

func requireSecure(t *testing.T, i *instance, c *sql.Conn) {
	t.Helper()
	must(t, c, "SET GLOBAL require_secure_transport = ON")
	defer must(t, c, "SET GLOBAL require_secure_transport = OFF")
	db := i.open("")
	defer db.Close()
	const want = "Error 3159 (HY000): Connections using insecure transport are prohibited while --require_secure_transport=ON."
	if err := db.PingContext(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := i.openTLS("root", nil, 0).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func reload(t *testing.T, i *instance, c *sql.Conn, dir string) {
	t.Helper()
	must(t, c, "ALTER INSTANCE RELOAD TLS", "ALTER INSTANCE RELOAD TLS FOR CHANNEL mysql_main NO ROLLBACK ON ERROR")
	user := i.conn(i.openAs("none:x", ""))
	wantError(t, user, "ALTER INSTANCE RELOAD TLS", 1227, "42000")
	wantError(t, c, "ALTER INSTANCE ROTATE INNODB MASTER KEY", 1235, "42000")
	if err := os.Remove(filepath.Join(dir, "server-key.pem")); err != nil {
		t.Fatal(err)
	}
	wantError(t, c, "ALTER INSTANCE RELOAD TLS", 3888, "HY000")
	must(t, c, "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR")
	if err := i.openTLS("root", nil, 0).PingContext(t.Context()); err != nil {
		t.Errorf("the old certificate is gone: %v", err)
	}
}

func status(t *testing.T, c *sql.Conn, name string) string {
	t.Helper()
	var got, value string
	if err := c.QueryRowContext(context.Background(), "SHOW SESSION STATUS LIKE '"+name+"'").Scan(&got, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
