package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/cluster"
)

// A fresh cluster offers TLS at every port, and accounts that require it are refused
// without.
func TestTLSOutOfTheBox(t *testing.T) {
	c := start(t, cluster.Options{}, killed)
	run(t, pool(t, c, cluster.PortCluster, ""), "CREATE USER sha2 IDENTIFIED BY 'secret'",
		"CREATE USER safe IDENTIFIED BY 'secret' REQUIRE SSL", "CREATE USER cert IDENTIFIED BY 'secret' REQUIRE X509",
		"CREATE USER native IDENTIFIED WITH mysql_native_password BY 'secret' REQUIRE SSL")
	await(t, c)
	s, err := c.Status()
	must(t, err)
	ports := []int{cluster.PortCluster, cluster.PortReader}
	for _, i := range s.Instances {
		ports = append(ports, instancePort(i.ID), instancePort(i.ID)+20)
	}
	trusting, certified := tlsConfigs(t, c)
	for _, port := range ports {
		for _, l := range []struct {
			user, tls, want string
		}{
			{"sha2", "false", "sha2@%"}, {"sha2", "skip-verify", "sha2@%"}, {"sha2", "preferred", "sha2@%"}, {"sha2", trusting, "sha2@%"},
			{"safe", "false", "1045"}, {"safe", "skip-verify", "safe@%"}, {"safe", trusting, "safe@%"},
			{"native", "false", "1045"}, {"native", trusting, "native@%"},
			{"cert", "false", "1045"}, {"cert", trusting, "1045"}, {"cert", certified, "cert@%"},
		} {
			got := askTLS(t, c, port, l.user, l.tls, "SELECT CURRENT_USER()")
			if got != l.want {
				t.Errorf("%s at port +%d with tls=%s: %s, want %s", l.user, port, l.tls, got, l.want)
			}
		}
	}
	secureTransport(t, c, trusting)
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	eventually(t, "TLS to the next writer", func(context.Context) error {
		if got := askTLS(t, c, cluster.PortCluster, "safe", trusting, "SELECT @@innodb_read_only"); got != "0" {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
}

// secureTransport makes one instance refuse clients without TLS.
func secureTransport(t *testing.T, c *cluster.Cluster, trusting string) {
	t.Helper()
	db := pool(t, c, cluster.PortCluster, "")
	run(t, db, "SET GLOBAL require_secure_transport = ON")
	if got := askTLS(t, c, cluster.PortCluster, "sha2", "false", "SELECT 1"); got != "3159" {
		t.Errorf("without TLS: %s", got)
	}
	if got := askTLS(t, c, cluster.PortCluster, "sha2", trusting, "SELECT 1"); got != "1" {
		t.Errorf("with TLS: %s", got)
	}
	run(t, db, "SET GLOBAL require_secure_transport = OFF")
}

// tlsConfigs names a configuration of the driver that trusts the cluster's authority,
// and one that shows the client's certificate besides.
func tlsConfigs(t *testing.T, c *cluster.Cluster) (trusting, certified string) {
	t.Helper()
	dir := filepath.Join(c.Data, "tls")
	authority, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client-cert.pem"), filepath.Join(dir, "client-key.pem"))
	must(t, err)
	must(t, mysql.RegisterTLSConfig("trusting", &tls.Config{RootCAs: roots}))
	must(t, mysql.RegisterTLSConfig("certified", &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}))
	t.Cleanup(func() { mysql.DeregisterTLSConfig("trusting"); mysql.DeregisterTLSConfig("certified") })
	return "trusting", "certified"
}

// askTLS returns a query's answer, or the number of the error.
func askTLS(t *testing.T, c *cluster.Cluster, port int, user, config, query string) string {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:secret@tcp(%s)/?tls=%s", user, c.Addr(port), config))
	must(t, err)
	defer db.Close()
	var got string
	err = db.QueryRowContext(deadline(t), query).Scan(&got)
	if number, ok := errorNumber(err); ok {
		return strconv.Itoa(number)
	}
	if err != nil {
		return err.Error()
	}
	return got
}

// The command-line client finds TLS by itself and shows the cipher, and its Ctrl-C,
// KILL QUERY with the id of the greeting, reaches the session.
func TestTLSWithTheCommandLineClient(t *testing.T) {
	client, err := exec.LookPath("mariadb")
	if err != nil {
		t.Skip("tool missing: mariadb (Debian: apt-get install mariadb-client)")
	}
	c := start(t, cluster.Options{})
	host, port, _ := strings.Cut(c.Addr(cluster.PortCluster), ":")
	out, err := exec.CommandContext(deadline(t), client, "--no-defaults", "-h", host, "-P", port, "-u", "root", "--ssl-verify-server-cert",
		"--ssl-ca="+filepath.Join(c.Data, "tls", "ca.pem"), "-e", `\s SELECT CONCAT('id ', CONNECTION_ID())`).CombinedOutput()
	must(t, err)
	var id string
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "Connection id:"); ok {
			id = strings.TrimSpace(rest)
		}
	}
	if !strings.Contains(string(out), "Cipher in use is TLS_") || !strings.Contains(string(out), "id "+id+"\n") {
		t.Errorf("%s", out)
	}
}
