package router_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"

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
