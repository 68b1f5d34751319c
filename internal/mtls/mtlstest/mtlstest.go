// Package mtlstest gives tests the certificates of a cluster.
package mtlstest

import (
	"testing"

	"sextant/internal/mtls"
)

// Authority makes a cluster's authority and returns what gives a process its Identity. It
// fails the test if it cannot.
func Authority(t testing.TB, cluster string) func(mtls.Role, string) *mtls.Identity {
	t.Helper()
	dir := t.TempDir()
	if err := mtls.MakeAuthority(dir, cluster); err != nil {
		t.Fatal(err)
	}
	return func(r mtls.Role, id string) *mtls.Identity {
		t.Helper()
		i, err := mtls.Ensure(dir, mtls.Peer{Cluster: cluster, Role: r, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
}
