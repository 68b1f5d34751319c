package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"sextant/router/proxyv2"
	"sextant/scripts/cluster"
)

// The host of an account is checked against the client's own address, behind the
// router too, and grants hold wherever a session is.
func TestUsersAndHosts(t *testing.T) {
	c := start(t, cluster.Options{}, killed, noRouter)
	w := pool(t, c, cluster.PortCluster, "")
	accounts, err := text(deadline(t), w, "SELECT CONCAT(user, '@', host) FROM mysql.user WHERE user <> 'event_scheduler' ORDER BY host")
	must(t, err)
	if accounts != "root@127.0.0.1 root@localhost" {
		t.Errorf("a fresh cluster has the accounts %s", accounts)
	}
	run(t, w, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (42)",
		"CREATE USER here@'127.0.0.1' IDENTIFIED BY 'secret'", "CREATE USER far@'10.1.2.3' IDENTIFIED BY 'secret'",
		"CREATE USER third@'127.0.0.3' IDENTIFIED BY 'secret'")
	await(t, c)
	s, err := c.Status()
	must(t, err)
	ports := map[string]int{"cluster endpoint": cluster.PortCluster, "reader endpoint": cluster.PortReader}
	for _, i := range s.Instances {
		ports[i.ID] = instancePort(i.ID)
		ports["endpoint of "+i.ID] = instancePort(i.ID) + 20
	}
	for _, l := range []struct{ user, password, from, want string }{
		{"here", "secret", "127.0.0.1", "here@127.0.0.1"},
		{"here", "wrong", "127.0.0.1", "1045"},
		{"here", "secret", "127.0.0.3", "1045"},
		{"third", "secret", "127.0.0.3", "third@127.0.0.3"},
		{"third", "secret", "127.0.0.1", "1045"},
		{"far", "secret", "127.0.0.1", "1045"},
		{"root", "", "127.0.0.3", "1045"},
		{"nobody", "", "127.0.0.1", "1045"},
		{"event_scheduler", "", "127.0.0.1", "1045"},
	} {
		for at, port := range ports {
			if got := login(t, c, port, l.user, l.password, l.from); got != l.want {
				t.Errorf("%s from %s at the %s: %s, want %s", l.user, l.from, at, got, l.want)
			}
		}
	}
	for _, i := range s.Instances {
		if got := askBy(t, c, instancePort(i.ID), "root", "", "SELECT CURRENT_USER()", asRouter); got != "1043" {
			t.Errorf("a stranger with a PROXY header at %s: %s", i.ID, got)
		}
	}
	grantsHold(t, c, ports)
}

// asRouter connects from the router's address, and says that it is one for a client on
// this machine.
func asRouter(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	h := proxyv2.Header{Source: netip.MustParseAddrPort("127.0.0.1:4567"), Destination: netip.MustParseAddrPort("127.0.0.1:6306")}
	if _, err := c.Write(h.Append(nil)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// grantsHold gives and takes a grant on the writer, kills the writer in between, and
// looks at every port.
func grantsHold(t *testing.T, c *cluster.Cluster, ports map[string]int) {
	t.Helper()
	everywhere := func(when string, allowed bool) {
		t.Helper()
		for at, port := range ports {
			eventually(t, fmt.Sprintf("%s, at the %s", when, at), func(context.Context) error {
				got := ask(t, c, port, "here", "secret", "127.0.0.1", "SELECT id FROM shop.t")
				if (got == "42") != allowed {
					return fmt.Errorf("the query gives %s", got)
				}
				return nil
			})
		}
	}
	everywhere("before any grant", false)
	run(t, pool(t, c, cluster.PortCluster, ""), "GRANT SELECT ON shop.* TO here@'127.0.0.1'")
	everywhere("after GRANT", true)
	s, err := c.Status()
	must(t, err)
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "everybody to be back", func(now *cluster.Status) bool {
		return now.Writer != "" && now.Writer != s.Writer && now.Role(s.Writer) == "reader"
	})
	must(t, err)
	everywhere("after the failover", true)
	standing := sessionsOf(t, c, ports, "here:secret")
	run(t, pool(t, c, cluster.PortCluster, ""), "REVOKE SELECT ON shop.* FROM here@'127.0.0.1'")
	everywhere("after REVOKE", false)
	for at, conn := range standing {
		eventually(t, "after REVOKE, an open session at the "+at, func(ctx context.Context) error {
			_, err := conn.ExecContext(ctx, "SELECT id FROM shop.t")
			if number, ok := errorNumber(err); !ok || number != 1142 {
				return fmt.Errorf("the query gives %v", err)
			}
			return nil
		})
	}
	run(t, pool(t, c, cluster.PortCluster, ""), "DROP USER here@'127.0.0.1'")
	for at, port := range ports {
		eventually(t, "the dropped user at the "+at, func(context.Context) error {
			if got := login(t, c, port, "here", "secret", "127.0.0.1"); got != "1045" {
				return fmt.Errorf("it logs in: %s", got)
			}
			return nil
		})
	}
}

// sessionsOf opens a session at every port, as user:password.
func sessionsOf(t *testing.T, c *cluster.Cluster, ports map[string]int, user string) map[string]*sql.Conn {
	t.Helper()
	out := map[string]*sql.Conn{}
	for at, port := range ports {
		db, err := sql.Open("mysql", user+"@tcp("+c.Addr(port)+")/")
		must(t, err)
		t.Cleanup(func() { db.Close() })
		conn, err := db.Conn(deadline(t))
		must(t, err)
		out[at] = conn
	}
	return out
}
