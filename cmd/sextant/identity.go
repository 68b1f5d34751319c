package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sextant/internal/config"
	"sextant/internal/durable"
)

// identity is what the first start draws and every later one must find: the file
// cluster.json of the data directory. Every node's own directory repeats the
// cluster, so that files of two clusters are never mixed.
type identity struct {
	Format  int    `json:"format"` // 1
	Cluster string `json:"cluster"`
	// The addresses that the cluster's members know of each other are made of these.
	Bind     string `json:"bind"`
	PortBase int    `json:"port_base"`
}

const identityFormat = 1

func identityPath(cfg *config.Config) string { return filepath.Join(cfg.Cluster.Data, "cluster.json") }

// readIdentity returns the identity of a data directory, fs.ErrNotExist if it has none.
func readIdentity(cfg *config.Config) (identity, error) {
	var id identity
	b, err := os.ReadFile(identityPath(cfg))
	if err != nil {
		return id, owned(err)
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, fmt.Errorf("%s: %w", identityPath(cfg), err)
	}
	if id.Format != identityFormat {
		return id, fmt.Errorf("%s has format %d, this program knows %d", identityPath(cfg), id.Format, identityFormat)
	}
	if id.Cluster == "" {
		return id, fmt.Errorf("%s names no cluster", identityPath(cfg))
	}
	if id.Bind != cfg.Cluster.Bind || id.PortBase != cfg.Cluster.PortBase {
		return id, fmt.Errorf("the cluster in %s was made with cluster.bind %s and cluster.port_base %d, not %s and %d: its members know each other by these addresses (--port-base %d)",
			cfg.Cluster.Data, id.Bind, id.PortBase, cfg.Cluster.Bind, cfg.Cluster.PortBase, id.PortBase)
	}
	return id, nil
}

// needIdentity is readIdentity for a process that cannot make one.
func needIdentity(cfg *config.Config) (identity, error) {
	id, err := readIdentity(cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("%s has no cluster yet: run `sextant up` first, or name the directory with --data", cfg.Cluster.Data)
	}
	return id, err
}

// makeIdentity returns the identity of a data directory and draws one if it is new.
func makeIdentity(cfg *config.Config) (identity, error) {
	id, err := readIdentity(cfg)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return id, err
	}
	id = identity{Format: identityFormat, Cluster: cfg.Cluster.Name + "-" + hex.EncodeToString(b[:]),
		Bind: cfg.Cluster.Bind, PortBase: cfg.Cluster.PortBase}
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return id, err
	}
	return id, durable.WriteFile(identityPath(cfg), append(text, '\n'))
}

// lockData makes sure that one `sextant up` at a time runs on a data directory.
// The lock ends with the process.
func lockData(cfg *config.Config) (*os.File, error) {
	path := filepath.Join(cfg.Cluster.Data, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, owned(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another `sextant up` runs on %s (%w); use --data and --port-base for a second cluster", cfg.Cluster.Data, err)
	}
	return f, nil
}
