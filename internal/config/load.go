package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// EnvPrefix is what the environment variable of a key starts with:
// SEXTANT_SERVER_PAGE_CACHE sets server.page_cache.
const EnvPrefix = "SEXTANT"

// EnvLifeline is the one variable of the prefix that is no key: `sextant up` sets it in the processes that it starts.
const EnvLifeline = EnvPrefix + "_LIFELINE"

// Load reads the configuration: defaults, then the file, then the environment,
// then the flags that were given (key to text). path "" means ./config.yaml if
// there is one; a path that was given must exist. Returns all problems at once,
// each with the key it concerns.
func Load(path string, flags map[string]string) (*Config, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	v.SetEnvPrefix(EnvPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	c := Default()
	keys := scalarKeys(reflect.TypeOf(c), "")
	if err := knownVariables(os.Environ(), keys); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	for _, key := range keys {
		if err := v.BindEnv(key); err != nil {
			return nil, fmt.Errorf("bind the environment to %s: %w", key, err)
		}
	}
	if err := read(v, path); err != nil {
		return nil, err
	}
	for key, value := range flags {
		v.Set(key, value)
	}
	hooks := mapstructure.ComposeDecodeHookFunc(durations, sizesNeedUnits, mapstructure.TextUnmarshallerHookFunc())
	err := v.UnmarshalExact(&c, viper.DecodeHook(hooks), func(d *mapstructure.DecoderConfig) { d.ZeroFields = true })
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", plainly(err))
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return &c, nil
}

// knownVariables returns an error that names every variable of the prefix that sets none of the keys.
func knownVariables(environ, keys []string) error {
	known := []string{EnvLifeline}
	for _, key := range keys {
		known = append(known, EnvPrefix+"_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
	}
	var all []error
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, EnvPrefix+"_") && !slices.Contains(known, name) {
			all = append(all, fmt.Errorf("%s sets no key of the configuration; what is in a list can be set in the file only", name))
		}
	}
	return errors.Join(all...)
}

// plainly says of every value that is of another type what its key takes.
func plainly(err error) error {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		var all []error
		for _, x := range e.Unwrap() {
			all = append(all, plainly(x))
		}
		return errors.Join(all...)
	case *mapstructure.DecodeError:
		var parse *mapstructure.ParseError
		var other *mapstructure.UnconvertibleTypeError
		switch {
		case errors.As(e, &parse):
			return fmt.Errorf("%s: %q is not %s", e.Name(), parse.Value, kindName(parse.Expected.Kind()))
		case errors.As(e, &other):
			return fmt.Errorf("%s: %v is not %s", e.Name(), other.Value, kindName(other.Expected.Kind()))
		}
		problem := strings.Replace(e.Unwrap().Error(), "has invalid keys", "unknown keys", 1)
		return errors.New(strings.TrimPrefix(e.Name()+": "+problem, ": ")) // without a name the whole file is meant
	}
	if all := errors.Unwrap(err); all != nil {
		return plainly(all)
	}
	return err
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a section with keys"
	}
	return "a text"
}

func read(v *viper.Viper, path string) error {
	v.SetConfigFile(path)
	if path == "" {
		v.SetConfigFile("config.yaml")
	}
	err := v.ReadInConfig()
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read configuration %s: %w", v.ConfigFileUsed(), err)
	}
	return nil
}

// durations reads a text where a duration is wanted.
func durations(_, to reflect.Type, value any) (any, error) {
	text, ok := value.(string)
	if !ok || to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a duration: write it with a unit, like 250ms", text)
	}
	return d, nil
}

// sizesNeedUnits refuses a bare number, but 0, where a size or a duration is wanted.
func sizesNeedUnits(from, to reflect.Type, value any) (any, error) {
	if from.Kind() == reflect.String || from == to || value == 0 {
		return value, nil
	}
	switch to {
	case reflect.TypeFor[Bytes]():
		return nil, fmt.Errorf("%v is not a size: write it with a unit, like 64MiB", value)
	case reflect.TypeFor[time.Duration]():
		return nil, fmt.Errorf("%v is not a duration: write it with a unit, like 250ms", value)
	}
	return value, nil
}

// scalarKeys returns the dotted keys of all fields that are not lists.
func scalarKeys(t reflect.Type, prefix string) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := prefix + f.Tag.Get("mapstructure")
		switch f.Type.Kind() {
		case reflect.Struct:
			keys = append(keys, scalarKeys(f.Type, key+".")...)
		case reflect.Slice:
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// check collects problems.
type check struct{ problems []error }

func (c *check) that(ok bool, key, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
}

// Validate returns every problem of the configuration, joined, or nil.
func (c *Config) Validate() error {
	var k check
	cl := c.Cluster
	k.that(cl.Name != "", "cluster.name", "must not be empty")
	k.that(cl.Data != "", "cluster.data", "must not be empty")
	ip := net.ParseIP(cl.Bind)
	k.that(ip != nil, "cluster.bind", "%q is not an IP address", cl.Bind)
	k.that(!ip.IsUnspecified(), "cluster.bind", "%q is every address of this machine: name one, by which members and clients reach it", cl.Bind)
	k.that(cl.MutualTLS || ip.IsLoopback(), "cluster.mutual_tls", "can be off only if cluster.bind is a loopback address")
	k.that(cl.PortBase >= 1024 && cl.PortBase+portHighest <= 65535, "cluster.port_base", "%d is not in 1024…%d", cl.PortBase, 65535-portHighest)
	k.that(cl.SegmentSize >= 64*KiB && cl.SegmentSize <= TiB && cl.SegmentSize%(16*KiB) == 0, "cluster.segment_size",
		"%v is not a multiple of 16KiB in 64KiB…1TiB", cl.SegmentSize)
	c.validateNodes(&k)
	c.validateSettings(&k)
	c.validateEndpoints(&k)
	return errors.Join(k.problems...)
}

func (c *Config) validateNodes(k *check) {
	names := func(key, prefix string, most int, ids []string) {
		k.that(len(ids) <= most, key, "has %d entries, at most %d are possible", len(ids), most)
		for i, id := range ids {
			n := Number(id)
			k.that(n >= 1 && n <= most && strings.HasPrefix(id, prefix+"-"), key, "%q is not %s-N with N in 1…%d", id, prefix, most)
			k.that(slices.Index(ids, id) == i, key, "%q is there twice", id)
			host := net.ParseIP(c.Host(id))
			k.that(host != nil, key, "%s: address %q is not an IP address", id, c.Host(id))
			k.that(!host.IsUnspecified(), key, "%s: address %q is every address of its machine: name one, by which members and clients reach it", id, c.Host(id))
			k.that(c.Cluster.MutualTLS || host.IsLoopback(), "cluster.mutual_tls", "can be off only if every address is a loopback address, not %s's", id)
		}
	}
	ids := func(nodes []Node) (out []string) {
		for _, n := range nodes {
			out = append(out, n.ID)
		}
		return out
	}
	names("control.nodes", "control", controlMax, ids(c.Control.Nodes))
	k.that(len(c.Control.Nodes)%2 == 1, "control.nodes", "has %d entries, an odd number is needed", len(c.Control.Nodes))
	names("storage.nodes", "storage", StorageMax, ids(c.Storage.Nodes))
	zones := map[string]int{}
	for _, n := range c.Storage.Nodes {
		zones[n.AZ]++
	}
	pairs := 0
	for _, n := range zones {
		if n >= 2 {
			pairs++
		}
	}
	k.that(pairs >= 3, "storage.nodes", "three zones with two nodes each are needed, got %d such zones", pairs)
	names("router.nodes", "router", routersMax, ids(c.Router.Nodes))
	k.that(len(c.Router.Nodes) > 0, "router.nodes", "at least one router is needed")
	var instances []string
	for _, i := range c.Instances {
		instances = append(instances, i.ID)
		k.that(i.Tier >= 0 && i.Tier <= 15, "instances", "%s: tier %d is not in 0…15", i.ID, i.Tier)
	}
	names("instances", "db", instancesMax, instances)
	k.that(len(c.Instances) >= 1 && len(c.Instances) <= 16, "instances", "%d instances; a cluster has one writer and up to 15 readers", len(c.Instances))
}

func (c *Config) validateSettings(k *check) {
	between := func(key string, d, low, high time.Duration) {
		k.that(d >= low && d <= high, key, "%v is not in %v…%v", d, low, high)
	}
	size := func(key string, b, low, high Bytes) {
		k.that(b >= low && b <= high, key, "%v is not in %v…%v", b, low, high)
	}
	count := func(key string, n, low, high int64) {
		k.that(n >= low && n <= high, key, "%d is not in %d…%d", n, low, high)
	}
	between("control.raft_election", c.Control.RaftElection, 50*time.Millisecond, 10*time.Second)
	between("control.instance_heartbeat", c.Control.InstanceHeartbeat, 10*time.Millisecond, 5*time.Second)
	between("control.instance_timeout", c.Control.InstanceTimeout, 3*c.Control.InstanceHeartbeat, time.Minute)
	between("control.stuck_timeout", c.Control.StuckTimeout, c.Control.InstanceTimeout, 10*time.Minute)
	size("storage.hot_log_file", c.Storage.HotLogFile, MiB, GiB)
	count("storage.hot_log_files", int64(c.Storage.HotLogFiles), 3, hotFilesMax)
	between("storage.drain_interval", c.Storage.DrainInterval, 10*time.Millisecond, 10*time.Minute)
	between("storage.gossip_interval", c.Storage.GossipInterval, 10*time.Millisecond, time.Minute)
	if c.Storage.ReplaceAfter != 0 {
		between("storage.replace_after", c.Storage.ReplaceAfter, time.Second, 30*24*time.Hour)
	}
	between("storage.retention_time", c.Storage.RetentionTime, 0, 24*time.Hour)
	size("storage.retention_bytes", c.Storage.RetentionBytes, 0, TiB)
	size("storage.memory", c.Storage.Memory, 64*MiB, TiB)
	if c.Storage.MoveRate != 0 {
		size("storage.move_rate", c.Storage.MoveRate, 64*KiB, 10*GiB)
	}
	size("storage.scrub_rate", c.Storage.ScrubRate, 64*KiB, 10*GiB)
	size("server.page_cache", c.Server.PageCache, MiB, TiB)
	size("server.memory", c.Server.Memory, 16*MiB, TiB)
	size("server.statement_memory", c.Server.StatementMemory, MiB, c.Server.Memory)
	size("server.temp_space", c.Server.TempSpace, MiB, 64*TiB)
	count("server.max_connections", int64(c.Server.MaxConnections), 1, 100_000)
	size("server.max_transaction_bytes", c.Server.MaxTransactionBytes, MiB, c.Server.Memory)
	count("server.lal", c.Server.LAL, 10_000, 1_000_000_000)
	size("server.log_window", c.Server.LogWindow, MiB, 16*GiB)
	k.that(c.UndrainedBytes() <= Bytes(hotFilesMax-c.Storage.HotLogFiles)*c.Storage.HotLogFile, "storage.hot_log_file",
		"%v is too small: storage.hot_log_files and the %v that server.max_transaction_bytes and server.log_window need are more than %d files",
		c.Storage.HotLogFile, c.UndrainedBytes(), hotFilesMax)
	between("server.read_lease", c.Server.ReadLease, 10*time.Millisecond, 10*time.Second)
	between("server.vdl_interval", c.Server.VDLInterval, time.Millisecond, time.Second)
	dir := c.Server.SecureFilePriv
	k.that(dir == "" || filepath.IsAbs(dir), "server.secure_file_priv", "%q is not an absolute path", dir)
	paths := 0
	for _, path := range []string{c.Server.TLSCert, c.Server.TLSKey, c.Server.TLSCA} {
		if path != "" {
			paths++
		}
	}
	k.that(paths == 0 || paths == 3, "server.tls_cert", "server.tls_cert, server.tls_key and server.tls_ca are needed together")
	k.that((c.Router.TLSCert == "") == (c.Router.TLSKey == ""), "router.tls_cert", "router.tls_cert and router.tls_key are needed together")
	between("router.hold_timeout", c.Router.HoldTimeout, 0, 10*time.Minute)
	count("router.hold_max", int64(c.Router.HoldMax), 0, 1_000_000)
	count("router.max_connections", int64(c.Router.MaxConnections), 1, 1_000_000)
	ip := net.ParseIP(c.Admin.Bind)
	k.that(ip != nil, "admin.bind", "%q is not an IP address", c.Admin.Bind)
	k.that(ip.IsLoopback() || c.Admin.TokenFile != "", "admin.bind",
		"%q is no loopback address: name a file with a token in admin.token_file, which callers must show", c.Admin.Bind)
	k.that(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", "%q is not debug, info, warn or error", c.Log.Level)
	k.that(slices.Contains([]string{"text", "json"}, c.Log.Format), "log.format", "%q is not text or json", c.Log.Format)
}

func (c *Config) validateEndpoints(k *check) {
	for i, e := range c.Endpoints {
		key := fmt.Sprintf("endpoints[%d]", i)
		k.that(e.Name != "", key+".name", "must not be empty")
		k.that(e.MemberType == "READER" || e.MemberType == "ANY", key+".member_type", "%q is not READER or ANY", e.MemberType)
		k.that(e.ListType == "STATIC" || e.ListType == "EXCLUSION", key+".list_type", "%q is not STATIC or EXCLUSION", e.ListType)
		for _, m := range e.Members {
			k.that(slices.ContainsFunc(c.Instances, func(i Instance) bool { return i.ID == m }), key+".members", "%q is not an instance", m)
		}
	}
	k.that(len(c.Endpoints) <= 20, "endpoints", "%d custom endpoints, at most 20 are possible", len(c.Endpoints))
}
