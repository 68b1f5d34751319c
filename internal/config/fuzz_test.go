package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"sextant/internal/config"
	"sextant/internal/spent"
)

// FuzzLoad: whatever a configuration file holds, it is read or refused with an error, in
// bounded memory; what is read passes its own checks.
func FuzzLoad(f *testing.F) {
	whole, err := os.ReadFile("../../config.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, text := range []string{
		"cluster: {port_base: 7000, bind: '::1'}", "server: {page_cache: 1GiB, read_lease: 5ms}", "a: &a [*a, *a]", "a: &a {b: 1}\n<<: *a",
		"endpoints: [{name: x, member_type: ANY, list_type: STATIC, members: [db-1]}]", "storage: {nodes: [{id: storage-99999999999999999999}]}",
		"instances: 5", "log: null", "? [a]\n: b", "!!binary aGk=", "server: {page_cache: 9223372036854775807TiB}", "- 1", "\t", "%YAML 1.9\n---\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		spent.Within(t, 8<<20+1024*len(text), func() {
			c, err := config.Load(path, nil)
			if (c == nil) == (err == nil) {
				t.Fatalf("%v, %v", c, err)
			}
			if c != nil {
				if err := c.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}
