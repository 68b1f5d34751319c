package sim

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"

	"sextant/logstore/hotlog"
	"sextant/logstore/segment"
)

// This file puts a node's hot log through package hotlog onto a disk of bytes, which loses
// its power in the middle of writes: sectors of what was not synced are there or not, one by
// one. What a start finds is what hotlog.Open believes.

// sectorBytes is what a disk writes as a whole.
const sectorBytes = 512

var (
	errPower = errors.New("sim: the power is gone")
	errFull  = errors.New("sim: no space left on the disk")
)

// platter is the disk of one hot log.
type platter struct {
	files map[string]*platterFile
	power int // syncs until it fails; below 0: it does not
	full  func() bool
}

type platterFile struct {
	d       *platter
	b       []byte
	pending []unsynced
}

type unsynced struct {
	off int64
	b   []byte
}

// List implements hotlog.Disk.
func (d *platter) List() ([]string, error) { return slices.Sorted(maps.Keys(d.files)), nil }

// Create implements hotlog.Disk.
func (d *platter) Create(name string, size int64) (hotlog.File, error) {
	if d.full() {
		return nil, errFull
	}
	f := &platterFile{d: d, b: make([]byte, size)}
	d.files[name] = f
	return f, nil
}

// Open implements hotlog.Disk.
func (d *platter) Open(name string) (hotlog.File, error) { return d.files[name], nil }

// Remove implements hotlog.Disk.
func (d *platter) Remove(name string) error {
	delete(d.files, name)
	return nil
}

// tear ends the writes that were not synced.
func (d *platter) tear(w *world) {
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		there := pick(w, 0, .5, .9, 1)
		for _, p := range f.pending {
			kept, lost := false, false
			for at := range slices.Chunk(p.b, sectorBytes) {
				if w.chance(there) {
					copy(f.b[p.off:], at)
					kept = true
				} else {
					lost = true
				}
				p.off += int64(len(at))
			}
			if kept && lost {
				w.counts.TornWrites++
			}
		}
		f.pending = nil
	}
	d.power = -1
}

// ReadAt implements hotlog.File. It is called when nothing is pending.
func (f *platterFile) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, f.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements hotlog.File.
func (f *platterFile) WriteAt(b []byte, off int64) (int, error) {
	f.pending = append(f.pending, unsynced{off, slices.Clone(b)})
	return len(b), nil
}

// Sync implements hotlog.File.
func (f *platterFile) Sync() error {
	if f.d.power == 0 {
		return errPower
	}
	f.d.power--
	for _, p := range f.pending {
		copy(f.b[p.off:], p.b)
	}
	f.pending = nil
	return nil
}

// Size implements hotlog.File.
func (f *platterFile) Size() (int64, error) { return int64(len(f.b)), nil }

// Close implements hotlog.File.
func (f *platterFile) Close() error { return nil }

func (d *hotLog) options() hotlog.Options {
	return hotlog.Options{Owner: d.owner, FileBytes: hotlog.FileBytesMin, FilesMax: hotlog.FilesMaxMax}
}

// write brings the frames that are not synced onto the disk.
func (d *hotLog) write() error {
	for _, f := range d.files {
		frames := make([]hotlog.Frame, 0, len(f.frames)-f.synced)
		for _, x := range f.frames[f.synced:] {
			frames = append(frames, hotlog.Frame{Kind: hotlog.KindCaller + hotlog.Kind(x.Kind), Body: x.Body})
		}
		if len(frames) > 0 && f.synced == 0 {
			f.generation = d.log.Generation() + 1
			if err := d.log.Rotate(frames[0].Body, hotlog.Size(frames[1:])); err != nil {
				return err
			}
			frames = frames[1:]
		}
		if err := d.log.Append(frames); err != nil {
			return err
		}
	}
	return nil
}

// fits reports whether frames have room in the newest file.
func (d *hotLog) fits(frames []segment.Frame) bool {
	room := d.log.Room()
	for _, f := range frames {
		room -= hotlog.Size([]hotlog.Frame{{Body: f.Body}})
	}
	return room >= 0
}

// crash ends the process, and the power perhaps in the middle of a write, and opens
// the log again. Returns how many frames that were not synced are there.
func (d *hotLog) crash(w *world, n *node) (kept int) {
	before := map[uint64]*logFile{}
	if d.log != nil {
		d.disk.power = w.rng.IntN(3) // of one or two syncs
		_ = d.write()                // as far as the power lasts
		d.disk.tear(w)
		for _, f := range d.files {
			before[f.generation] = f
		}
	} else {
		d.disk, d.owner = &platter{files: map[string]*platterFile{}, power: -1, full: n.full}, uint64(n.i+1)
	}
	d.files, d.fresh = nil, false
	log, _, err := hotlog.Open(d.disk, d.options(), func(p hotlog.Position, x hotlog.Frame) error {
		if k := len(d.files); k == 0 || d.files[k-1].generation != p.Generation {
			d.files = append(d.files, &logFile{generation: p.Generation})
		}
		f := d.files[len(d.files)-1]
		frame := segment.Frame{Kind: segment.FrameSnapshot, Body: x.Body}
		if x.Kind != hotlog.KindSnapshot {
			frame.Kind = segment.FrameKind(x.Kind - hotlog.KindCaller)
		}
		f.frames = append(f.frames, frame)
		old := before[f.generation]
		switch i := len(f.frames); {
		case old == nil || i <= old.synced: // released, but no synced frame had said so; or was synced
			f.synced = i
		default:
			kept++
		}
		if old != nil && (len(f.frames) > len(old.frames) || !bytes.Equal(old.frames[len(f.frames)-1].Body, x.Body)) {
			w.fail("I-4", "%s starts with a frame in file %d that was not written there", n.id, f.generation)
		}
		return nil
	})
	if err != nil {
		w.fail("I-4", "%s does not start: %v", n.id, err)
		return
	}
	d.log = log
	for _, f := range d.files {
		if old := before[f.generation]; old != nil && f.synced < old.synced {
			w.fail("I-4", "%s starts with %d frames of file %d, %d were synced", n.id, len(f.frames), f.generation, old.synced)
		}
		delete(before, f.generation)
	}
	for _, old := range before {
		if old.synced > 0 {
			w.fail("I-4", "%s starts without file %d, which was synced", n.id, old.generation)
		}
	}
	return kept
}
