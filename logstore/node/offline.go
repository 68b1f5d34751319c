package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/hotlog"
)

// Offline is the data directory of a node that does not run, opened to be looked at.
// While it is open no node can start on the directory.
type Offline struct {
	Cluster, Node string
	Store         logstore.StoreID
	Hot           hotlog.Disk // of the hot log's files; refuses every change
	Segments      string      // directory of the segments' files; it may not exist

	lock *os.File
}

// OpenOffline opens the data directory of a node and changes nothing in it. Returns
// ErrLocked while the node runs, ErrForeign, ErrVersion, ErrIdentity, and
// fs.ErrNotExist if there is no node.
func OpenOffline(dir, cluster string, id logstore.NodeID) (*Offline, error) {
	b, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil {
		return nil, fmt.Errorf("read the store's identity: %w", err)
	}
	lock, err := os.Open(filepath.Join(dir, "LOCK"))
	switch {
	case errors.Is(err, fs.ErrNotExist): // a copy of the directory
	case err != nil:
		return nil, fmt.Errorf("lock the data directory: %w", err)
	case unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil:
		_ = lock.Close()
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	want := identity{Cluster: cluster, Node: string(id), dir: dir, lock: lock}
	if err := want.check(b); err != nil {
		want.close()
		return nil, err
	}
	return &Offline{
		Cluster: cluster, Node: string(id), Store: want.Store, Hot: offlineDisk{filepath.Join(dir, "hot")},
		Segments: filepath.Join(dir, "segments"), lock: lock,
	}, nil
}

// Close lets the node start again.
func (o *Offline) Close() error {
	if o.lock == nil {
		return nil
	}
	return o.lock.Close()
}

// Snapshot is the body of a hot log's snapshot frame.
type Snapshot struct {
	Volume   redo.VolumeID // 0: the node stores nothing yet, and Host is empty
	Timeline redo.TimelineID
	Stored   []redo.PGID // the segments that have a file
	Host     []byte      // body of a segment.FrameSnapshot
}

// DecodeSnapshot decodes it. Returns redo.ErrVersion or redo.ErrCorrupt.
func DecodeSnapshot(b []byte) (Snapshot, error) {
	s, err := decodeSnapshot(b)
	return Snapshot{Volume: s.volume, Timeline: s.line, Stored: s.stored, Host: s.host}, err
}

// offlineDisk is a hot log's directory that nothing can change.
type offlineDisk struct{ dir string }

// List implements hotlog.Disk. Files that a crash left half made are not listed.
func (d offlineDisk) List() (names []string, err error) {
	entries, err := os.ReadDir(d.dir)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".new" {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Open implements hotlog.Disk.
func (d offlineDisk) Open(name string) (hotlog.File, error) {
	f, err := os.Open(filepath.Join(d.dir, name))
	if err != nil {
		return nil, err
	}
	return offlineFile{diskFile{f}}, nil
}

var errOffline = errors.New("the files are open to be looked at only")

// Create implements hotlog.Disk; it always fails.
func (offlineDisk) Create(string, int64) (hotlog.File, error) { return nil, errOffline }

// Remove implements hotlog.Disk; it always fails.
func (offlineDisk) Remove(string) error { return errOffline }

type offlineFile struct{ diskFile }

// WriteAt implements hotlog.File; it always fails.
func (offlineFile) WriteAt([]byte, int64) (int, error) { return 0, errOffline }

// Sync implements hotlog.File; there is nothing to sync.
func (offlineFile) Sync() error { return nil }
