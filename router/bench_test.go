package router_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"

	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
	"sextant/router"
	"sextant/router/route"
)

// eachWay runs a benchmark against an instance directly and through the router:
// the difference is the router's.
func eachWay(b *testing.B, run func(b *testing.B, addr string)) {
	db1 := newInstance(b, "db-1")
	f := newFleet(b, router.Options{}, db1.route(route.RoleWriter))
	b.Run("direct", func(b *testing.B) { run(b, db1.directAddr(b)) })
	b.Run("router", func(b *testing.B) { run(b, f.addr("cluster")) })
}

// BenchmarkQuery is one small question and answer, by 1 and by 8 clients.
func BenchmarkQuery(b *testing.B) {
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			eachWay(b, func(b *testing.B, addr string) { queries(b, addr, clients) })
		})
	}
}

func queries(b *testing.B, addr string, clients int) {
	var conns []*client.Conn
	for range clients {
		conns = append(conns, raw(b, addr, "root", ""))
	}
	b.ResetTimer()
	var all sync.WaitGroup
	for k, c := range conns {
		all.Go(func() {
			for i := k; i < b.N; i += clients {
				if _, err := c.Execute("WHO"); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkLongPacket is an answer of one row of 8 MiB: what the kernel moves.
func BenchmarkLongPacket(b *testing.B) {
	eachWay(b, func(b *testing.B, addr string) {
		c := raw(b, addr, "root", "")
		b.SetBytes(longBytes)
		b.ResetTimer()
		for range b.N {
			if _, err := c.Execute("LONG"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkConnect is a login with caching_sha2_password and its end, by 2 clients.
func BenchmarkConnect(b *testing.B) {
	_, source := newCerts(b)
	issue := mtlstest.Authority(b, "shop")
	secure := newServedWith(b, "db-1", source, verifying(issue(mtls.Instance, "db-1"), "db-1"))
	for _, ssl := range []bool{false, true} {
		for _, vouch := range []bool{false, true} {
			o, in := router.Options{TLS: source, InstanceTLS: source}, newServed(b, "db-1", source)
			if vouch {
				o.Identity, in = issue(mtls.Router, "router-1"), secure
			}
			f := startFleet(b, o, in)
			b.Run(fmt.Sprintf("tls=%t/vouch=%t", ssl, vouch), func(b *testing.B) { connects(b, f.addr("cluster"), ssl) })
		}
	}
}

func connects(b *testing.B, addr string, ssl bool) {
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := client.Connect(addr, "sha2", "secret", "", func(c *client.Conn) error {
				if ssl {
					c.UseSSL(true)
				}
				return nil
			})
			if err != nil {
				b.Error(err)
				return
			}
			_ = c.Close()
		}
	})
}
