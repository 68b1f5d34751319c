package hotlog

import (
	"fmt"
	"hash/crc32"
	"slices"
)

// Entry is one live frame as Inspect finds it.
type Entry struct {
	Position
	Frame
	Synced uint64 // highest sequence that was synced when the frame was written
	Oldest uint64 // oldest live generation then
	Size   int64  // bytes in the file
}

// Inspected says what Inspect found.
type Inspected struct {
	Files          []string // all of them, in order of their names
	Live           []string // those with live generations, in their order
	Oldest, Newest uint64   // live generations; 0 if there are none
	Frames         uint64   // that verify and are live
	// Problems are in the order found: each is a *DamageError, or wraps ErrVersion.
	Problems []error
	// Torn says where an unsynced tail begins, empty File if there is none to be seen.
	Torn Position
}

// Inspect reads the log as Open does and believes the same frames, but changes
// nothing, and goes on behind damage with the next frame that verifies. visit gets
// every live frame, empty ones too. Returns the disk's error, or visit's.
func Inspect(disk Disk, owner uint64, visit func(Entry) error) (Inspected, error) {
	i := inspector{scanner: scanner{owner: owner, starts: map[uint64]*file{}}, visit: visit}
	defer func() {
		for _, f := range i.files {
			_ = f.Close()
		}
	}()
	if err := i.open(disk); err != nil {
		return i.out, err
	}
	return i.out, i.run()
}

type inspector struct {
	scanner
	visit func(Entry) error
	out   Inspected
}

func (i *inspector) problem(p Position, format string, args ...any) {
	if p.File == "" {
		p.File = "(none)"
	}
	i.out.Problems = append(i.out.Problems, &DamageError{p.File, p.Offset, fmt.Sprintf(format, args...)})
}

// open surveys every file; one that belongs to another store is a problem.
func (i *inspector) open(disk Disk) error {
	names, err := disk.List()
	if err != nil {
		return fmt.Errorf("list the hot log: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(name, "hot-%06d.log", &n); err != nil {
			i.problem(Position{File: name}, "it is not a file of a hot log")
			continue
		}
		f, err := disk.Open(name)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		i.files = append(i.files, &file{File: f, name: name})
		at := i.files[len(i.files)-1]
		if at.size, err = f.Size(); err != nil {
			return fmt.Errorf("size of %s: %w", name, err)
		}
		i.out.Files = append(i.out.Files, name)
		switch err := i.survey(at).(type) { //nolint:errorlint // survey's own, never wrapped
		case nil:
		case *DamageError:
			i.out.Problems = append(i.out.Problems, err)
		default:
			return err
		}
	}
	return nil
}

// run walks the live generations.
func (i *inspector) run() error {
	i.out.Oldest, i.out.Newest = i.oldest, i.newest
	if i.newest == 0 {
		return nil
	}
	stop := Position{Generation: i.oldest}
	for gen := i.oldest; gen <= i.newest; gen++ {
		f := i.starts[gen]
		if f == nil {
			var err error
			if f, err = i.headless(gen); err != nil {
				return err
			}
		}
		if f == nil {
			if gen == i.oldest || i.synced >= i.next {
				i.problem(stop, "generation %d has no first frame that verifies", gen)
			}
			continue
		}
		i.out.Live = append(i.out.Live, f.name)
		end, err := i.walk(f, stop)
		if err != nil {
			return err
		}
		stop = end
	}
	if i.synced >= i.next {
		i.problem(stop, "frame %d does not verify, frames up to %d were synced", i.next, i.synced)
	} else if i.leftovers(stop) {
		i.out.Torn = stop
	}
	return nil
}

// headless returns the file of a generation whose first frame does not verify and
// another one does, nil if there is none.
func (i *inspector) headless(gen uint64) (*file, error) {
	for _, f := range i.files {
		if f.gen >= i.oldest {
			continue // it begins with another live generation
		}
		b, err := readAll(f)
		if err != nil {
			return nil, err
		}
		for off := align; off+headerSize <= len(b); off += align {
			if h, ok := parseHeader(b[off:], i.owner); ok && h.generation == gen {
				f.gen = gen
				return f, nil
			}
		}
	}
	return nil, nil
}

// walk visits the frames of one generation that verify and returns where they end.
func (i *inspector) walk(f *file, before Position) (Position, error) {
	b, err := readAll(f)
	if err != nil {
		return before, err
	}
	off := int64(0)
	at := func() Position { return Position{Generation: f.gen, Sequence: i.next, File: f.name, Offset: off} }
	if h, ok := parseHeader(b, i.owner); ok && h.seq != i.next {
		if i.next > 0 {
			i.problem(before, "frame %d is missing before generation %d, which begins with %d", i.next, f.gen, h.seq)
		}
		i.next = h.seq
	}
	for off+headerSize <= int64(len(b)) {
		h, ok := i.whole(b, off, f.gen)
		if !ok || h.seq != i.next {
			next, found := i.resume(b, off, f.gen)
			if !found || i.synced < i.next {
				break
			}
			i.problem(at(), "what lies before frame %d does not verify, frames up to %d were synced", next.seq, i.synced)
			i.next, off, h = next.seq, next.off, next.header
		}
		if err := i.show(f, off, h, b); err != nil {
			return at(), err
		}
		i.next++
		off += frameSize(int(h.length))
	}
	return at(), nil
}

// whole returns the header at off if it and its body verify.
func (i *inspector) whole(b []byte, off int64, gen uint64) (header, bool) {
	h, ok := parseHeader(b[off:], i.owner)
	if !ok || h.generation != gen {
		return h, false
	}
	body := b[off+headerSize:]
	if h.known("", 0) != nil {
		return h, int64(h.length) <= int64(len(body)) // what its checksum covers is not known
	}
	return h, int64(h.length) <= int64(len(body)) && crc32.Checksum(body[:h.length], castagnoli) == h.bodySum
}

type found struct {
	header
	off int64
}

// resume looks behind off for the next frame of the generation.
func (i *inspector) resume(b []byte, off int64, gen uint64) (found, bool) {
	for off += align; off+headerSize <= int64(len(b)); off += align {
		if h, ok := i.whole(b, off, gen); ok && h.seq > i.next {
			return found{h, off}, true
		}
	}
	return found{}, false
}

func (i *inspector) show(f *file, off int64, h header, b []byte) error {
	p := Position{Generation: f.gen, Sequence: h.seq, File: f.name, Offset: off}
	if err := h.known(f.name, off); err != nil {
		i.out.Problems = append(i.out.Problems, err)
		return nil
	}
	if (off == 0) != (h.kind == KindSnapshot) {
		i.problem(p, "frame of kind %d is not expected here", h.kind)
		return nil
	}
	i.out.Frames++
	body := b[off+headerSize:]
	return i.visit(Entry{Position: p, Frame: Frame{Kind: h.kind, Body: body[:h.length:h.length]},
		Synced: h.synced, Oldest: h.oldest, Size: frameSize(int(h.length))})
}
