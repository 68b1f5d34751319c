package node

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sextant/internal/durable"
	"sextant/logstore/hotlog"
)

// disk is the directory of a hot log.
type disk struct{ dir string }

func openDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the hot log's directory: %w", err)
	}
	return &disk{dir}, durable.SyncDir(filepath.Dir(dir))
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name) }

// List implements hotlog.Disk. Files that a crash left half made are removed.
func (d *disk) List() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".new" {
			if err := os.Remove(d.path(e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		names = append(names, e.Name())
	}
	return names, nil
}

// Create implements hotlog.Disk. The zeros are written, not merely allocated: an
// append then changes no metadata.
func (d *disk) Create(name string, size int64) (hotlog.File, error) {
	tmp := d.path(name + ".new")
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size && err == nil; off += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, d.path(name))
	}
	if err == nil {
		err = durable.SyncDir(d.dir)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(tmp)
		return nil, err
	}
	return diskFile{f}, nil
}

// Open implements hotlog.Disk.
func (d *disk) Open(name string) (hotlog.File, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// Remove implements hotlog.Disk.
func (d *disk) Remove(name string) error { return os.Remove(d.path(name)) }

type diskFile struct{ *os.File }

// Sync implements hotlog.File.
func (f diskFile) Sync() error {
	slowDisk(f.Name())
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// Size implements hotlog.File.
func (f diskFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}
