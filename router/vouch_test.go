package router_test

import (
	"crypto/tls"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
	"sextant/router"
	"sextant/router/proxyv2"
	"sextant/server/protocol"
)

// verifying asks routers to vouch as an instance does.
func verifying(i *mtls.Identity, id string) func(c *protocol.Conn, salt, answer []byte) error {
	return func(c *protocol.Conn, salt, answer []byte) error {
		m, err := c.NetConn().(*proxyv2.Conn).Vouched(id, salt, c.TLS()).Message()
		if err == nil {
			_, err = i.Verify(m, answer, mtls.Router)
		}
		if err != nil {
			return &protocol.Error{Number: gomysql.ER_HANDSHAKE_ERROR, State: "08S01", Message: err.Error()}
		}
		return nil
	}
}

// A router vouches for each of its connections, with TLS or without, for drivers that know
// answers of any length and those that do not, and only as itself.
func TestRouterVouches(t *testing.T) {
	_, source := newCerts(t)
	issue := mtlstest.Authority(t, "shop")
	db := newServedWith(t, "db-1", source, verifying(issue(mtls.Instance, "db-1"), "db-1"))
	for name, identity := range map[string]*mtls.Identity{"router": issue(mtls.Router, "router-1"), "storage": issue(mtls.Storage, "storage-1"), "none": nil} {
		f := startFleet(t, router.Options{TLS: source, InstanceTLS: source, Identity: identity}, db)
		for _, config := range []*tls.Config{nil, {InsecureSkipVerify: true}, {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}} {
			c, err := openTLS(t, f.addr("cluster"), "sha2", config)
			switch {
			case name != "router":
				wantError(t, err, gomysql.ER_HANDSHAKE_ERROR)
			case err != nil:
				t.Errorf("TLS %t: %v", config != nil, err)
			case ask(t, c, "id") == "":
				t.Error("no answer")
			}
		}
		if name != "router" {
			continue
		}
		c := raw(t, f.addr("cluster"), "sha2", "secret", func(c *client.Conn) error {
			c.UnsetCapability(gomysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
			return nil
		})
		if _, err := c.Execute("id"); err != nil {
			t.Error(err)
		}
	}
}
