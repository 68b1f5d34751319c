package hotlog_test

import (
	"errors"
	"io"
	"maps"
	"slices"
	"sync"

	"sextant/logstore/hotlog"
)

// memDisk is a disk that knows what was synced. A crash keeps every synced byte
// and as much of the writes since then as the test says.
type memDisk struct {
	mu     sync.Mutex
	files  map[string]*memFile
	failOn func(op string) error
	log    []string // operations, for the order of I/O
}

type memFile struct {
	d       *memDisk
	name    string
	synced  []byte
	pending []pendingWrite
}

type pendingWrite struct {
	off int64
	b   []byte
}

func newMemDisk() *memDisk { return &memDisk{files: map[string]*memFile{}} }

func (d *memDisk) op(name string) error {
	d.log = append(d.log, name)
	if d.failOn != nil {
		return d.failOn(name)
	}
	return nil
}

func (d *memDisk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.files)), nil
}

func (d *memDisk) Create(name string, size int64) (hotlog.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("create"); err != nil {
		return nil, err
	}
	d.files[name] = &memFile{d: d, name: name, synced: make([]byte, size)}
	return d.files[name], nil
}

func (d *memDisk) Open(name string) (hotlog.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return nil, errors.New("no such file")
	}
	return f, nil
}

func (d *memDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	return nil
}

// crash returns the disk as a restart may find it: synced bytes, and the first
// keep bytes of what was written since.
func (d *memDisk) crash(keep int) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := newMemDisk()
	for name, f := range d.files {
		n := &memFile{d: c, name: name, synced: slices.Clone(f.synced)}
		left := keep
		for _, w := range f.pending {
			k := min(left, len(w.b))
			copy(n.synced[w.off:], w.b[:k])
			left -= k
		}
		c.files[name] = n
	}
	return c
}

// unsynced returns the number of bytes written and not synced.
func (d *memDisk) unsynced() (n int) {
	for _, f := range d.files {
		for _, w := range f.pending {
			n += len(w.b)
		}
	}
	return n
}

func (f *memFile) content() []byte {
	b := slices.Clone(f.synced)
	for _, w := range f.pending {
		copy(b[w.off:], w.b)
	}
	return b
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	c := f.synced
	if len(f.pending) > 0 {
		c = f.content()
	}
	n := copy(b, c[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.op("write"); err != nil {
		return 0, err
	}
	if off+int64(len(b)) > int64(len(f.synced)) {
		return 0, errors.New("write beyond the end: the file would grow")
	}
	f.pending = append(f.pending, pendingWrite{off, slices.Clone(b)})
	return len(b), nil
}

func (f *memFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.op("sync"); err != nil {
		return err
	}
	f.synced, f.pending = f.content(), nil
	return nil
}

func (f *memFile) Size() (int64, error) { return int64(len(f.synced)), nil }
func (f *memFile) Close() error         { return nil }
