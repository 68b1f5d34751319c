package router

import (
	"net/netip"
	"testing"
)

// A client's network is its IPv4 address, however it is written, or the first half of its IPv6 address.
func TestNetworkOfAClient(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:0:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if got := network(netip.MustParseAddr(test.a)) == network(netip.MustParseAddr(test.b)); got != test.same {
			t.Errorf("%s and %s: %v", test.a, test.b, got)
		}
	}
	if p := network(netip.Addr{}); p.IsValid() {
		t.Errorf("no address: %v", p)
	}
}
