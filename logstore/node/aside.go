package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sextant/internal/durable"
)

// This file sets a store aside whose hot log cannot be replayed, so that the node comes
// back as an emptied one. What the store acknowledged is not known any more: its id goes
// with its files, and the new one counts nowhere before it has been given the node's place.
// Nothing is deleted, and only one store is kept so: for the next the operator is asked.
// See docs/decisions/2026-11-29-a-damaged-store-is-set-aside.md.

// ErrAside is returned by Open, with the damage, when another damaged store lies in the
// data directory already.
var ErrAside = errors.New("a damaged store was set aside here before")

// asidePrefix begins the name of the directory, in the data directory, of a store set aside:
// its files, as they lay in the data directory, which it can be read as.
const asidePrefix = "damaged-"

// Aside returns the directory of the store that was set aside in a node's data directory, "" if there
// is none. It is one that OpenOffline opens, also while the node runs.
func Aside(dir string) string {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), asidePrefix) {
			return filepath.Join(dir, e.Name())
		}
	}
	return ""
}

func (id *identity) aside() string {
	return filepath.Join(id.dir, fmt.Sprintf("%s%016x", asidePrefix, id.Store))
}

// setAside moves what the store has into the directory aside. The file STORE goes last, and
// when the others have gone durably: a directory without one may be taken for empty.
// Returns ErrAside, or an error of the file system.
func (id *identity) setAside() error {
	to := id.aside()
	if have := Aside(id.dir); have != "" && have != to {
		return fmt.Errorf("%w: %s: remove it when the cluster is whole, and start the node again", ErrAside, have)
	}
	if err := os.Mkdir(to, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("set a damaged store aside: %w", err)
	}
	for _, name := range []string{"hot", "segments", identityFile} {
		err := os.Rename(filepath.Join(id.dir, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set a damaged store aside: %w", err)
		}
		if err := errors.Join(durable.SyncDir(to), durable.SyncDir(id.dir)); err != nil {
			return fmt.Errorf("set a damaged store aside: %w", err)
		}
	}
	return nil
}

// halfAside reports whether a process ended while it set the store aside.
func (id *identity) halfAside() bool {
	_, here := os.Stat(filepath.Join(id.dir, "hot"))
	_, there := os.Stat(filepath.Join(id.aside(), "hot"))
	return id.used && errors.Is(here, fs.ErrNotExist) && there == nil
}
