package proxyv2_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"testing"

	"sextant/router/proxyv2"
)

func TestHeaderRoundTrip(t *testing.T) {
	for _, h := range []proxyv2.Header{
		{Source: netip.MustParseAddrPort("10.1.2.3:4567"), Destination: netip.MustParseAddrPort("127.0.0.1:6306")},
		{Source: netip.MustParseAddrPort("10.1.2.3:4567"), Destination: netip.MustParseAddrPort("127.0.0.1:6306"), WriterEpoch: 1 << 40},
		{Source: netip.MustParseAddrPort("[2001:db8::1]:1"), Destination: netip.MustParseAddrPort("[::1]:65535"), WriterEpoch: 7},
		{Source: netip.MustParseAddrPort("10.1.2.3:4567"), Destination: netip.MustParseAddrPort("127.0.0.1:6306"), Connection: 1<<24 + 7,
			TLS: &proxyv2.TLS{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256"}},
		{Source: netip.MustParseAddrPort("10.1.2.3:4567"), Destination: netip.MustParseAddrPort("127.0.0.1:6306"), WriterEpoch: 9, Connection: 3,
			TLS: &proxyv2.TLS{Version: "TLSv1.2", Cipher: "c", Certificate: bytes.Repeat([]byte{0x30}, proxyv2.CertificateMax)}},
		{},
	} {
		b := append(h.Append(nil), "rest"...)
		r := bytes.NewReader(b)
		got, err := proxyv2.Read(r)
		if err != nil || !reflect.DeepEqual(got, h) || r.Len() != len("rest") {
			t.Errorf("%+v: %+v, %v, %d bytes left", h, got, err, r.Len())
		}
	}
}

// The bytes of the specification's own example, and no others.
func TestBytes(t *testing.T) {
	h := proxyv2.Header{Source: netip.MustParseAddrPort("1.2.3.4:258"),
		Destination: netip.MustParseAddrPort("5.6.7.8:3306"), WriterEpoch: 9}
	want := "0d0a0d0a000d0a515549540a" + "2111" + "0017" + "01020304" + "05060708" + "0102" + "0cea" +
		"e00008" + "0000000000000009"
	if got := hex.EncodeToString(h.Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A certificate that the proxy has not verified is none, and TLS is only what its flag says.
func TestUnverifiedCertificate(t *testing.T) {
	h := proxyv2.Header{Source: netip.MustParseAddrPort("1.2.3.4:258"), Destination: netip.MustParseAddrPort("5.6.7.8:3306"),
		TLS: &proxyv2.TLS{Version: "TLSv1.3", Cipher: "c", Certificate: []byte("cert")}}
	good := h.Append(nil)
	const flags = 16 + 12 + 3
	b := bytes.Clone(good)
	b[flags+4] = 1
	if got, err := proxyv2.Read(bytes.NewReader(b)); err != nil || got.TLS == nil || got.TLS.Certificate != nil {
		t.Errorf("%+v, %v", got.TLS, err)
	}
	b = bytes.Clone(good)
	b[flags] &^= 1
	if got, err := proxyv2.Read(bytes.NewReader(b)); err != nil || got.TLS != nil {
		t.Errorf("%+v, %v", got.TLS, err)
	}
}

func TestDamagedHeader(t *testing.T) {
	good := proxyv2.Header{Source: netip.MustParseAddrPort("1.2.3.4:258"),
		Destination: netip.MustParseAddrPort("5.6.7.8:3306"), WriterEpoch: 9}.Append(nil)
	for i := range good {
		if _, err := proxyv2.Read(bytes.NewReader(good[:i])); err == nil {
			t.Errorf("cut after %d bytes: no error", i)
		}
	}
	for at, what := range map[int]byte{0: 'G', 12: 0x11, 14: 0xff, 15: 0x10, 29: 0xff, 30: 0x07} {
		b := bytes.Clone(good)
		b[at] = what
		_, err := proxyv2.Read(bytes.NewReader(b))
		if !errors.Is(err, proxyv2.ErrHeader) {
			t.Errorf("byte %d = %#x: %v", at, what, err)
		}
	}
}

func TestListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	router := netip.MustParseAddr("127.0.0.2")
	l := proxyv2.NewListener(inner, func(a netip.Addr) bool { return a == router })
	defer l.Close()
	for _, test := range []struct{ from, header, want string }{
		{"127.0.0.2", "10.9.8.7:65", "10.9.8.7:65"},
		{"127.0.0.3", "", "127.0.0.3"},
	} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(test.from)}}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var b []byte
		if test.header != "" {
			b = proxyv2.Header{Source: netip.MustParseAddrPort(test.header),
				Destination: netip.MustParseAddrPort("127.0.0.1:1")}.Append(nil)
		}
		if _, err := c.Write(append(b, 'x')); err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got := s.RemoteAddr().String()
		if test.header == "" {
			got, _, _ = net.SplitHostPort(got)
		}
		var first [1]byte
		if _, err := s.Read(first[:]); err != nil || first[0] != 'x' || got != test.want {
			t.Errorf("from %s: address %s, %q, %v", test.from, got, first, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(proxyv2.Header{WriterEpoch: 3}.Append(nil))
	f.Add(proxyv2.Header{Source: netip.MustParseAddrPort("1.2.3.4:5"), Destination: netip.MustParseAddrPort("1.2.3.4:5")}.Append(nil))
	f.Add(proxyv2.Header{Source: netip.MustParseAddrPort("1.2.3.4:5"), Destination: netip.MustParseAddrPort("[::1]:5"), Connection: 7,
		TLS: &proxyv2.TLS{Version: "TLSv1.3", Cipher: "c", Certificate: []byte("cert")}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := proxyv2.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		// The instance writes what it has read once more, to verify what the router signed.
		once := h.Append(nil)
		if len(once) > 16+proxyv2.HeaderMax {
			return // the header had no version of TLS and no cipher, and no room for them
		}
		again, err := proxyv2.Read(bytes.NewReader(once))
		if err != nil || !reflect.DeepEqual(again, h) || !bytes.Equal(again.Append(nil), once) {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}

// Everything that ties a proof to its connection is in what is signed, each in its place.
func TestVouchIsOfOneConnection(t *testing.T) {
	addr := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	honest := func() proxyv2.Vouch {
		return proxyv2.Vouch{Header: proxyv2.Header{Source: netip.MustParseAddrPort("1.2.3.4:5"), Destination: netip.MustParseAddrPort("1.2.3.4:6"),
			WriterEpoch: 7, Connection: 8}, Instance: "db-1", From: addr("127.0.0.2:9"), To: addr("127.0.0.1:10"), Salt: []byte("salt")}
	}
	seen := map[string]string{}
	for name, change := range map[string]func(v *proxyv2.Vouch){
		"nothing":     func(*proxyv2.Vouch) {},
		"instance":    func(v *proxyv2.Vouch) { v.Instance = "db-2" },
		"from":        func(v *proxyv2.Vouch) { v.From = addr("127.0.0.2:10") },
		"to":          func(v *proxyv2.Vouch) { v.To = addr("127.0.0.1:9") },
		"salt":        func(v *proxyv2.Vouch) { v.Salt = []byte("tlas") },
		"no salt":     func(v *proxyv2.Vouch) { v.Salt = nil },
		"client":      func(v *proxyv2.Vouch) { v.Header.Source = netip.MustParseAddrPort("1.2.3.5:5") },
		"epoch":       func(v *proxyv2.Vouch) { v.Header.WriterEpoch = 8 },
		"connection":  func(v *proxyv2.Vouch) { v.Header.Connection = 7 },
		"tls":         func(v *proxyv2.Vouch) { v.Header.TLS = &proxyv2.TLS{} },
		"certificate": func(v *proxyv2.Vouch) { v.Header.TLS = &proxyv2.TLS{Certificate: []byte("c")} },
	} {
		v := honest()
		change(&v)
		m, err := v.Message()
		if err != nil {
			t.Fatal(err)
		}
		if other, there := seen[string(m)]; there {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[string(m)] = name
	}
	v := honest()
	v.From, v.To = addr("[::ffff:127.0.0.2]:9"), addr("[::ffff:127.0.0.1]:10")
	if m, err := v.Message(); err != nil || seen[string(m)] != "nothing" {
		t.Errorf("IPv4 within IPv6 is another address: %v", err)
	}
}
