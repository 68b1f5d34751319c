// Package config turns config.yaml, environment variables and flags into one
// struct, strictly: an unknown key and an impossible value are errors that name
// the key. Config is the type to start with; Default is what config.yaml holds.
//
// Only package cmd imports it: every part gets a small options struct instead.
//
// The file describes the first start of a cluster. Afterwards the control plane's
// state wins for membership and endpoints.
package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config is a whole cluster. Keys are the mapstructure tags, nested with dots.
type Config struct {
	Cluster   Cluster    `mapstructure:"cluster"`
	Control   Control    `mapstructure:"control"`
	Storage   Storage    `mapstructure:"storage"`
	Instances []Instance `mapstructure:"instances"`
	Server    Server     `mapstructure:"server"`
	Router    Router     `mapstructure:"router"`
	Admin     Admin      `mapstructure:"admin"`
	Endpoints []Endpoint `mapstructure:"endpoints"`
	Log       Log        `mapstructure:"log"`
}

// Cluster is what every process of the cluster agrees on.
type Cluster struct {
	Name        string `mapstructure:"name"`
	Data        string `mapstructure:"data"`      // directory; one subdirectory per process
	Bind        string `mapstructure:"bind"`      // IP address of every listener
	PortBase    int    `mapstructure:"port_base"` // the fixed ports are offsets from it
	SegmentSize Bytes  `mapstructure:"segment_size"`
	MutualTLS   bool   `mapstructure:"mutual_tls"` // between processes; off on loopback only
}

// Control is the control plane.
type Control struct {
	Nodes             []Node        `mapstructure:"nodes"`
	RaftElection      time.Duration `mapstructure:"raft_election"`
	InstanceHeartbeat time.Duration `mapstructure:"instance_heartbeat"`
	InstanceTimeout   time.Duration `mapstructure:"instance_timeout"`
	StuckTimeout      time.Duration `mapstructure:"stuck_timeout"`
}

// Node is one process of a role without settings of its own.
type Node struct {
	ID      string `mapstructure:"id"`
	AZ      string `mapstructure:"az"`
	Address string `mapstructure:"address"` // IP address of its listeners; empty: cluster.bind
	NetNS   string `mapstructure:"netns"`   // network namespace that `sextant up` runs it in; empty: its own
}

// Storage is the storage nodes.
type Storage struct {
	Nodes          []Node        `mapstructure:"nodes"`
	HotLogFile     Bytes         `mapstructure:"hot_log_file"`
	HotLogFiles    int           `mapstructure:"hot_log_files"`
	DrainInterval  time.Duration `mapstructure:"drain_interval"`
	GossipInterval time.Duration `mapstructure:"gossip_interval"`
	RetentionTime  time.Duration `mapstructure:"retention_time"`
	RetentionBytes Bytes         `mapstructure:"retention_bytes"`
	ReplaceAfter   time.Duration `mapstructure:"replace_after"` // 0: never
	MoveRate       Bytes         `mapstructure:"move_rate"`     // a second; 0: segments do not move
	ScrubRate      Bytes         `mapstructure:"scrub_rate"`    // a second
	Memory         Bytes         `mapstructure:"memory"`        // of one node's heap
}

// Instance is one SQL instance.
type Instance struct {
	Node `mapstructure:",squash"`
	Tier int `mapstructure:"tier"` // promotion tier, 0 first, 15 last
}

// Server is the settings of every SQL instance.
type Server struct {
	PageCache           Bytes         `mapstructure:"page_cache"`
	Memory              Bytes         `mapstructure:"memory"`           // write sets, locks, sorts
	StatementMemory     Bytes         `mapstructure:"statement_memory"` // rows that one statement keeps
	TempSpace           Bytes         `mapstructure:"temp_space"`       // of temporary files, for rows beyond that
	MaxConnections      int           `mapstructure:"max_connections"`
	MaxTransactionBytes Bytes         `mapstructure:"max_transaction_bytes"`
	LAL                 int64         `mapstructure:"lal"`        // records
	LogWindow           Bytes         `mapstructure:"log_window"` // shipped, not yet durable
	ReadLease           time.Duration `mapstructure:"read_lease"`
	VDLInterval         time.Duration `mapstructure:"vdl_interval"` // idle tick of the redo stream
	// SecureFilePriv is the directory whose files statements may read and write; empty: none.
	SecureFilePriv string `mapstructure:"secure_file_priv"`
	// Files in PEM; all empty: those that the first start makes.
	TLSCert string `mapstructure:"tls_cert"`
	TLSKey  string `mapstructure:"tls_key"`
	TLSCA   string `mapstructure:"tls_ca"` // of clients' and instances' certificates
	// RequireSecureTransport refuses clients without TLS.
	RequireSecureTransport bool `mapstructure:"require_secure_transport"`
}

// Router is the routers.
type Router struct {
	Nodes          []Node        `mapstructure:"nodes"`
	HoldTimeout    time.Duration `mapstructure:"hold_timeout"`
	HoldMax        int           `mapstructure:"hold_max"`
	MaxConnections int           `mapstructure:"max_connections"`
	TLSCert        string        `mapstructure:"tls_cert"` // empty: server.tls_cert
	TLSKey         string        `mapstructure:"tls_key"`
}

// Admin is the ports of metrics and profiles, and the router's own.
type Admin struct {
	Bind      string `mapstructure:"bind"`       // IP address
	TokenFile string `mapstructure:"token_file"` // whose token callers must show, over TLS; empty: none, on loopback only
}

// Endpoint is one custom endpoint that the first start creates.
type Endpoint struct {
	Name       string   `mapstructure:"name"`
	MemberType string   `mapstructure:"member_type"` // READER or ANY
	ListType   string   `mapstructure:"list_type"`   // STATIC or EXCLUSION
	Members    []string `mapstructure:"members"`
}

// Log is what the processes write to standard error.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn, error
	Format string `mapstructure:"format"` // text or json
}

// Bytes is a size; in text a number with one of the units B, KiB, MiB, GiB, TiB.
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

var units = []struct {
	name string
	size Bytes
}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// UnmarshalText parses "64MiB". A number needs its unit, but 0.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == "0" {
		*b = 0
		return nil
	}
	for _, u := range units {
		if num, ok := strings.CutSuffix(s, u.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(num), 10, 64)
			if err != nil || n < 0 || n > int64(1<<62)/int64(u.size) {
				break
			}
			*b = Bytes(n) * u.size
			return nil
		}
	}
	return fmt.Errorf("%q is not a size: write a whole number with B, KiB, MiB, GiB or TiB", s)
}

// String returns the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range units {
		if b >= u.size && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return "0B"
}

// Default returns the cluster of config.yaml: three zones on loopback, with six
// storage nodes, three control nodes, three instances and a router.
func Default() Config {
	return Config{
		Cluster: Cluster{Name: "sextant", Data: "./data", Bind: "127.0.0.1", PortBase: 6000, SegmentSize: 10 * GiB, MutualTLS: true},
		Control: Control{
			Nodes:             []Node{{ID: "control-1", AZ: "az-a"}, {ID: "control-2", AZ: "az-b"}, {ID: "control-3", AZ: "az-c"}},
			RaftElection:      300 * time.Millisecond,
			InstanceHeartbeat: 100 * time.Millisecond, InstanceTimeout: 1500 * time.Millisecond, StuckTimeout: 2 * time.Second,
		},
		Storage: Storage{
			Nodes: []Node{
				{ID: "storage-1", AZ: "az-a"}, {ID: "storage-2", AZ: "az-a"}, {ID: "storage-3", AZ: "az-b"},
				{ID: "storage-4", AZ: "az-b"}, {ID: "storage-5", AZ: "az-c"}, {ID: "storage-6", AZ: "az-c"},
			},
			HotLogFile: 32 * MiB, HotLogFiles: 8, DrainInterval: 5 * time.Second, GossipInterval: 200 * time.Millisecond,
			RetentionTime: 10 * time.Minute, RetentionBytes: GiB, ReplaceAfter: 10 * time.Minute, MoveRate: 32 * MiB, ScrubRate: 2 * MiB, Memory: 256 * MiB,
		},
		Instances: []Instance{instance("db-1", "az-a", 0), instance("db-2", "az-b", 1), instance("db-3", "az-c", 1)},
		Server: Server{
			PageCache: 512 * MiB, Memory: 512 * MiB, StatementMemory: 128 * MiB, TempSpace: 8 * GiB, MaxConnections: 500, MaxTransactionBytes: 256 * MiB,
			LAL: 10_000_000, LogWindow: 256 * MiB, ReadLease: 200 * time.Millisecond, VDLInterval: 5 * time.Millisecond,
		},
		Router: Router{Nodes: []Node{{ID: "router-1", AZ: "az-a"}}, HoldTimeout: 30 * time.Second, HoldMax: 1000, MaxConnections: 2000},
		Admin:  Admin{Bind: "127.0.0.1"},
		Log:    Log{Level: "info", Format: "text"},
	}
}

// hotFilesMax is how many files a hot log can have.
const hotFilesMax = 1024

// UndrainedBytes is what a hot log has room for beyond storage.hot_log_files, at least 512 MiB:
// the log of the largest commit and of the window behind it, of which nothing can be drained
// before all of the commit is durable. It is doubled, since frames have heads, and what is
// appended at once is not divided between two files, so that those may be little more than half full.
func (c *Config) UndrainedBytes() Bytes {
	return max(2*(2*c.Server.MaxTransactionBytes+c.Server.LogWindow), 512*MiB)
}

func instance(id, az string, tier int) Instance {
	return Instance{Node: Node{ID: id, AZ: az}, Tier: tier}
}
