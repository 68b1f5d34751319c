package mtls_test

import (
	"bytes"
	"errors"
	"testing"

	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
)

func TestSignedByAPeer(t *testing.T) {
	issue, other := mtlstest.Authority(t, "shop"), mtlstest.Authority(t, "shop")
	router, db := issue(mtls.Router, "router-1"), issue(mtls.Instance, "db-1")
	message := []byte("test 1: hello")
	proof, err := router.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := db.Verify(message, proof, mtls.Storage, mtls.Router); err != nil || p != (mtls.Peer{Cluster: "shop", Role: mtls.Router, ID: "router-1"}) {
		t.Errorf("%v, %v", p, err)
	}
	foreign, err := other(mtls.Router, "router-1").Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	again, err := issue(mtls.Router, "router-2").Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	sig := 2 + int(proof[1])
	for name, bad := range map[string]struct {
		message, proof []byte
		role           mtls.Role
	}{
		"another message":       {[]byte("test 1: hallo"), proof, mtls.Router},
		"another role":          {message, proof, mtls.Storage},
		"another authority":     {message, foreign, mtls.Router},
		"another's certificate": {message, append(bytes.Clone(proof[:sig]), again[2+int(again[1]):]...), mtls.Router},
		"cut":                   {message, proof[:len(proof)-1], mtls.Router},
		"no certificate":        {message, proof[:sig], mtls.Router},
		"half a signature":      {message, proof[:sig-1], mtls.Router},
		"nothing":               {message, nil, mtls.Router},
		"long":                  {message, append(bytes.Clone(proof), make([]byte, 1<<20)...), mtls.Router},
	} {
		if p, err := db.Verify(bad.message, bad.proof, bad.role); !errors.Is(err, mtls.ErrRefused) || p != (mtls.Peer{}) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

// An authority that is taken out is not believed any more, though the signer was just now.
func TestSignerOfAnOldAuthority(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, next} {
		if err := mtls.MakeAuthority(d, "shop"); err != nil {
			t.Fatal(err)
		}
	}
	var both [2]*mtls.Identity
	for k, p := range []mtls.Peer{{Cluster: "shop", Role: mtls.Router, ID: "router-1"}, {Cluster: "shop", Role: mtls.Instance, ID: "db-1"}} {
		var err error
		if both[k], err = mtls.Ensure(dir, p); err != nil {
			t.Fatal(err)
		}
	}
	router, db := both[0], both[1]
	proof, err := router.Sign([]byte("test 1"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := db.Verify([]byte("test 1"), proof, mtls.Router); err != nil {
			t.Fatal(err)
		}
	}
	if err := mtls.Issue(next, dir, mtls.Peer{Cluster: "shop", Role: mtls.Instance, ID: "db-1"}); err != nil { // with its authority's ca.pem
		t.Fatal(err)
	}
	if _, err := db.Verify([]byte("test 1"), proof, mtls.Router); !errors.Is(err, mtls.ErrRefused) {
		t.Errorf("%v", err)
	}
}

// FuzzProof: no bytes that are shown as a proof are believed or end a process.
func FuzzProof(f *testing.F) {
	issue := mtlstest.Authority(f, "shop")
	router := issue(mtls.Router, "router-1")
	proof, err := router.Sign([]byte("test 1: hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(proof)
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, proof []byte) {
		if p, err := router.Verify([]byte("test 1: another"), proof, mtls.Router); !errors.Is(err, mtls.ErrRefused) || p != (mtls.Peer{}) {
			t.Fatalf("%v, %v", p, err)
		}
	})
}

func BenchmarkProof(b *testing.B) {
	router := mtlstest.Authority(b, "shop")(mtls.Router, "router-1")
	message := make([]byte, 200)
	proof, err := router.Sign(message)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := router.Sign(message); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := router.Verify(message, proof, mtls.Router); err != nil {
				b.Fatal(err)
			}
		}
	})
}
