package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"sextant/internal/config"
)

func TestConfigYAMLHoldsEveryDefault(t *testing.T) {
	got, err := config.Load("../../config.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Endpoints = []config.Endpoint{}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("config.yaml is not the default:\n got %+v\nwant %+v", *got, want)
	}
	text, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	present(t, reflect.TypeOf(want), tree, "")
}

// present fails for every field of t that has no key in tree.
func present(t *testing.T, typ reflect.Type, tree map[string]any, prefix string) {
	t.Helper()
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := f.Tag.Get("mapstructure")
		value, ok := tree[name]
		if !ok {
			t.Errorf("config.yaml lacks %s%s", prefix, name)
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			sub, _ := value.(map[string]any)
			present(t, f.Type, sub, prefix+name+".")
		}
	}
}

func TestEveryProblemIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	for text, want := range map[string][]string{
		"servr: {lal: 5}":                                                              {"configuration: unknown keys: servr"},
		"cluster: {port_base: abc}":                                                    {"cluster.port_base: \"abc\" is not a whole number"},
		"cluster: {port_base: [1]}\nserver: {page_cache: x}":                           {"cluster.port_base: [1] is not a whole number", "server.page_cache: \"x\" is not a size"},
		"cluster: {mutual_tls: perhaps}\nserver: {lal: many}":                          {"cluster.mutual_tls: \"perhaps\" is not true or false", "server.lal: \"many\""},
		"control: {nodes: 3}":                                                          {"control.nodes"},
		"server: {read_lease: soon}":                                                   {"server.read_lease: \"soon\" is not a duration"},
		"server: {page_cach: 1GiB}":                                                    {"server: unknown keys: page_cach"},
		"server: {page_cache: 1073741824}":                                             {"page_cache", "unit"},
		"server: {page_cache: 10 apples}":                                              {"page_cache", "not a size"},
		"server: {read_lease: 5}":                                                      {"read_lease", "unit"},
		"cluster: {port_base: 70000}":                                                  {"cluster.port_base", "70000"},
		"cluster: {segment_size: 100KiB}":                                              {"cluster.segment_size"},
		"instances: []":                                                                {"instances"},
		"instances: [{id: db-1, az: z, address: here}]":                                {"instances", "db-1", "here"},
		"server: {tls_cert: /a.pem}":                                                   {"server.tls_cert", "server.tls_ca"},
		"router: {tls_key: /a.pem}":                                                    {"router.tls_cert"},
		"cluster: {bind: 0.0.0.0}":                                                     {"cluster.bind", "every address"},
		"router: {nodes: [{id: router-1, address: '::'}]}":                             {"router.nodes", "every address"},
		"log: {level: loud}\nrouter: {nodes: []}":                                      {"log.level", "loud", "router.nodes"},
		"storage: {hot_log_file: 1MiB}":                                                {"storage.hot_log_file", "1MiB", "storage.hot_log_files", "1536MiB", "server.max_transaction_bytes", "server.log_window", "1024"},
		"storage: {nodes: [{id: storage-1, az: az-a}, {id: storage-1, az: az-a}]}":     {"storage.nodes", "twice", "three zones"},
		"endpoints: [{name: x, member_type: ALL, list_type: STATIC, members: [db-9]}]": {"endpoints[0].member_type", "endpoints[0].members", "db-9"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, nil)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not name %q", text, err, w)
			}
		}
		if strings.Contains(err.Error(), ": :") {
			t.Errorf("%s: %q", text, err)
		}
	}
}

func TestEnvironmentAndFlagsWin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("server: {page_cache: 1GiB, lal: 20000}\ninstances: [{id: db-1, az: z, address: 10.0.0.7}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SEXTANT_SERVER_PAGE_CACHE", "2GiB")
	t.Setenv("SEXTANT_CLUSTER_DATA", "/elsewhere")
	c, err := config.Load(path, map[string]string{"cluster.port_base": "7000", "cluster.data": "/here"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.PageCache != 2*config.GiB || c.Server.LAL != 20000 || c.Cluster.PortBase != 7000 || c.Cluster.Data != "/here" || len(c.Instances) != 1 {
		t.Errorf("got %+v", c)
	}
	if got := c.Addr("router-1", config.PortCluster); got != "127.0.0.1:7306" {
		t.Errorf("cluster endpoint at %s", got)
	}
	if got := c.Addr("db-1", config.PortInstance); got != "10.0.0.7:7311" {
		t.Errorf("db-1, which has an address, at %s", got)
	}
}

// A variable of the prefix that names no key is refused as a key of the file that is none.
func TestUnknownVariablesAreRefused(t *testing.T) {
	t.Setenv("SEXTANT_LIFELINE", "1")
	t.Setenv("SEXTANT_LOG_LEVEL", "warn")
	if c, err := config.Load("", nil); err != nil || c.Log.Level != "warn" {
		t.Fatal(err)
	}
	t.Setenv("SEXTANT_SERVER_PAGE_CACH", "1GiB")
	t.Setenv("SEXTANT_STORAGE_NODES", "x")
	_, err := config.Load("", nil)
	for _, want := range []string{"SEXTANT_SERVER_PAGE_CACH sets no key", "SEXTANT_STORAGE_NODES sets no key"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "LOG_LEVEL") {
			t.Errorf("%v instead of %q", err, want)
		}
	}
}

func TestGivenFileMustExist(t *testing.T) {
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil {
		t.Error("a file that was named and does not exist is no error")
	}
}

func TestAdminPortsHaveATokenBeyondLoopback(t *testing.T) {
	for _, c := range []struct {
		bind, token string
		ok          bool
	}{
		{"127.0.0.1", "", true}, {"::1", "", true}, {"127.0.0.9", "/token", true}, {"10.1.2.3", "/token", true}, {"0.0.0.0", "/token", true},
		{"10.1.2.3", "", false}, {"0.0.0.0", "", false}, {"::", "", false}, {"", "", false}, {"localhost", "/token", false},
	} {
		cfg := config.Default()
		cfg.Admin.Bind, cfg.Admin.TokenFile = c.bind, c.token
		if err := cfg.Validate(); (err == nil) != c.ok || !c.ok && !strings.Contains(err.Error(), "admin.bind") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	// A cluster that others reach keeps its operators' ports to itself.
	cfg := config.Default()
	cfg.Cluster.Bind = "10.1.2.3"
	if err := cfg.Validate(); err != nil || cfg.AdminAddr(config.PortRouterAdmin) != "127.0.0.1:6380" {
		t.Errorf("%v, %s", err, cfg.AdminAddr(config.PortRouterAdmin))
	}
}

func TestMutualTLSIsOffOnLoopbackOnly(t *testing.T) {
	for bind, ok := range map[string]bool{"127.0.0.1": true, "::1": true, "10.1.2.3": false, "0.0.0.0": false} {
		c := config.Default()
		c.Cluster.MutualTLS, c.Cluster.Bind = false, bind
		if err := c.Validate(); (err == nil) != ok || !ok && !strings.Contains(err.Error(), "cluster.mutual_tls") {
			t.Errorf("%s: %v", bind, err)
		}
	}
}

func TestZeroNeedsNoUnit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	for _, zero := range []string{"0", `"0"`, "0B"} {
		text := "storage: {move_rate: " + zero + ", replace_after: " + strings.TrimSuffix(zero, "B") + "}"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, nil)
		if err != nil || c.Storage.MoveRate != 0 || c.Storage.ReplaceAfter != 0 {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
}

// What one commit and the log window may be has room in the hot log, up to its last file.
func TestHotLogHasRoomForTheLargestCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	for text, want := range map[string]config.Bytes{
		"": 1536 * config.MiB,
		"server: {max_transaction_bytes: 512MiB, memory: 2GiB}":                                    2560 * config.MiB,
		"server: {max_transaction_bytes: 1MiB, log_window: 1MiB}\nstorage: {hot_log_file: 1MiB}":   512 * config.MiB,
		"server: {max_transaction_bytes: 127MiB}\nstorage: {hot_log_file: 1MiB, hot_log_files: 4}": 1020 * config.MiB,
		"server: {max_transaction_bytes: 127MiB}\nstorage: {hot_log_file: 1MiB, hot_log_files: 5}": 0,
		"server: {log_window: 16GiB}\nstorage: {hot_log_file: 32MiB}":                              0,
		"server: {log_window: 16GiB}\nstorage: {hot_log_file: 64MiB}":                              33 * config.GiB,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, nil)
		if want == 0 && err == nil || want != 0 && (err != nil || c.UndrainedBytes() != want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}
