package node

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sextant/internal/durable"
	"sextant/logstore"
)

// Errors of a data directory, matched with errors.Is.
var (
	// ErrForeign is returned by Open when the directory belongs to another cluster or node.
	ErrForeign = errors.New("data directory belongs to another node or cluster")
	// ErrVersion is returned by Open when the directory was written by a newer program.
	ErrVersion = errors.New("data directory has an unknown format")
	// ErrLocked is returned by Open when another process uses the directory.
	ErrLocked = errors.New("data directory is in use by another process")
	// ErrNoLog is returned by Open when a store that was in use has no hot log: perhaps a disk is
	// not mounted.
	ErrNoLog = errors.New("a store that was in use has no hot log")
	// ErrIdentity is returned by Open when the file that names the store cannot be read.
	ErrIdentity = errors.New("the file STORE is damaged")
)

const (
	identityFile   = "STORE"
	identityMagic  = "sextant-store"
	identityFormat = 1
)

// identity is who a data directory belongs to: the file STORE.
type identity struct {
	Magic    string           `json:"magic"`
	Format   int              `json:"format"`
	Features []string         `json:"features"`
	Cluster  string           `json:"cluster"`
	Node     string           `json:"node"`
	Store    logstore.StoreID `json:"store"`

	dir  string
	lock *os.File
	used bool // the file was there already: the hot log must be, too
}

// HasStore reports whether a data directory has a store.
func HasStore(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, identityFile))
	return err == nil
}

// openIdentity locks the directory and reads STORE, or draws a new store id. The file
// is written by confirm, when there is a hot log to go with it.
func openIdentity(dir, cluster, node string) (identity, error) {
	id := identity{
		Magic: identityMagic, Format: identityFormat, Features: []string{}, Cluster: cluster, Node: node, dir: dir,
	}
	var err error
	if id.lock, err = lockDir(dir); err != nil {
		return id, err
	}
	if err = id.load(); err == nil && id.halfAside() {
		if err = id.setAside(); err == nil {
			err = id.load()
		}
	}
	return id, err
}

// load reads STORE, or draws a new store id.
func (id *identity) load() error {
	id.Store, id.used = 0, false
	b, err := os.ReadFile(filepath.Join(id.dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		// What a first start left behind before it drew an id counted nowhere.
		if err := os.RemoveAll(filepath.Join(id.dir, "hot")); err != nil {
			return fmt.Errorf("remove an unfinished first start: %w", err)
		}
		var r [8]byte
		for id.Store == 0 {
			_, _ = rand.Read(r[:]) // never fails
			id.Store = logstore.StoreID(binary.LittleEndian.Uint64(r[:]))
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", identityFile, err)
	}
	return id.check(b)
}

// check compares what the file says with what was expected, and takes the store id.
func (id *identity) check(b []byte) error {
	var have identity
	path := filepath.Join(id.dir, identityFile)
	if err := json.Unmarshal(b, &have); err != nil || have.Magic != identityMagic || have.Store == 0 {
		return fmt.Errorf("%w: %s", ErrIdentity, path)
	}
	switch {
	case have.Format != identityFormat || len(have.Features) > 0:
		return fmt.Errorf("%w: %s has format %d, features %v; this program knows format %d",
			ErrVersion, path, have.Format, have.Features, identityFormat)
	case have.Cluster != id.Cluster:
		return fmt.Errorf("%w: %s is of cluster %q, not %q", ErrForeign, path, have.Cluster, id.Cluster)
	case have.Node != id.Node:
		return fmt.Errorf("%w: %s is of node %q, not %q", ErrForeign, path, have.Node, id.Node)
	}
	id.Store, id.used = have.Store, true
	return nil
}

// confirm writes the file if it is not there.
func (id *identity) confirm() error {
	if id.used {
		return nil
	}
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", identityFile, err)
	}
	if err := durable.WriteFile(filepath.Join(id.dir, identityFile), append(b, '\n')); err != nil {
		return err
	}
	id.used = true
	return nil
}

func (id *identity) close() {
	if id.lock != nil {
		_ = id.lock.Close() // which gives the lock back
		id.lock = nil
	}
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return f, nil
}
