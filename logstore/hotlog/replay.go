package hotlog

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Replayed says what Open found.
type Replayed struct {
	Frames     uint64 // visited, snapshots included
	Files      int    // found, live or not
	Generation uint64 // newest, 0 if nothing was ever appended
	// Torn says where an unsynced tail was dropped, empty File if there was none
	// to be seen.
	Torn Position
}

// Open reads the log and calls visit for each live frame in order, snapshots
// included, empty ones not. Everything visited is synced before Open returns. The
// body may be kept but not changed. Append needs a Rotate first: no process
// appends to a generation of another. A disk without files gives an empty log.
// Returns a *DamageError, ErrForeign, ErrVersion, the first error of visit, or the disk's.
func Open(disk Disk, opt Options, visit func(Position, Frame) error) (*Log, Replayed, error) {
	if err := opt.check(); err != nil {
		return nil, Replayed{}, err
	}
	if opt.FilesKept == 0 {
		opt.FilesKept = opt.FilesMax
	}
	l := &Log{disk: disk, opt: opt}
	s := scanner{owner: opt.Owner, starts: map[uint64]*file{}}
	err := l.openFiles(&s)
	var rep Replayed
	if err == nil {
		rep, err = s.replay(visit)
		if errors.Is(err, ErrDamaged) && s.unknown != nil {
			err = s.unknown // what this program cannot read need not be damaged
		}
		rep.Files = len(s.files)
	}
	if err == nil {
		err = l.adopt(&s)
	}
	if err != nil {
		for _, f := range s.files {
			_ = f.Close()
		}
		return nil, Replayed{}, err
	}
	return l, rep, nil
}

// openFiles opens and surveys every file.
func (l *Log) openFiles(s *scanner) error {
	names, err := l.disk.List()
	if err != nil {
		return fmt.Errorf("list the hot log: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(name, "hot-%06d.log", &n); err != nil {
			return fmt.Errorf("hotlog: %q is not a file of a hot log", name)
		}
		l.mu.next = max(l.mu.next, n)
		f, err := l.disk.Open(name)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		size, err := f.Size()
		if err != nil {
			_ = f.Close()
			return fmt.Errorf("size of %s: %w", name, err)
		}
		s.files = append(s.files, &file{File: f, name: name, size: size})
		if err := s.survey(s.files[len(s.files)-1]); err != nil {
			return err
		}
	}
	return nil
}

// adopt sorts the files into live and spare ones and syncs the live ones, so that
// nothing is answered that a crash could still take away.
func (l *Log) adopt(s *scanner) error {
	l.gen, l.seq, l.synced = s.newest, s.next-1, s.next-1
	l.mu.durable, l.covered = s.oldest, true
	for _, f := range s.files {
		switch {
		case f.gen >= s.oldest && f.gen > 0 && f.gen <= s.last:
			if err := f.Sync(); err != nil {
				return fmt.Errorf("%w: sync of %s: %w", ErrFailed, f.name, err)
			}
			l.mu.live = append(l.mu.live, f)
		case f.size != l.opt.FileBytes:
			l.drop(f)
		default:
			f.gen = 0
			l.mu.spare = append(l.mu.spare, f)
		}
	}
	slices.SortFunc(l.mu.live, func(a, b *file) int { return int(int64(a.gen) - int64(b.gen)) })
	if len(l.mu.live) > 0 {
		l.mu.released = l.mu.live[0].gen - 1
	}
	return nil
}

// scanner is the state of one replay.
type scanner struct {
	owner uint64
	files []*file
	// What any frame that verifies says, wherever it lies.
	synced  uint64 // highest sequence called synced
	newest  uint64 // highest generation
	oldest  uint64 // highest oldest live generation
	starts  map[uint64]*file
	unknown error // ErrVersion of the last frame that this program must not read
	// Of the walk.
	next uint64 // sequence of the next frame
	last uint64 // newest generation that was walked
}

// survey notes what the frames of a file say about the log.
func (s *scanner) survey(f *file) error {
	b, err := readAll(f)
	if err != nil {
		return err
	}
	if len(b) >= headerSize && le.Uint32(b) == magic && le.Uint32(b[12:]) == headerSum(b) {
		if owner := le.Uint64(b[16:]); owner != s.owner {
			return fmt.Errorf("%w: file %s belongs to store %016x, not %016x", ErrForeign, f.name, owner, s.owner)
		}
	}
	mark := le.AppendUint32(nil, magic)
	for off := 0; off+headerSize <= len(b); off += align {
		if !bytes.Equal(b[off:off+4], mark) {
			continue
		}
		h, ok := parseHeader(b[off:], s.owner)
		if !ok {
			continue
		}
		if err := h.known(f.name, int64(off)); err != nil {
			s.unknown = err
		}
		if off == 0 && h.generation > f.gen {
			f.gen = h.generation
			s.starts[f.gen] = f
		}
		s.synced, s.newest, s.oldest = max(s.synced, h.synced), max(s.newest, h.generation), max(s.oldest, h.oldest)
	}
	return nil
}

// replay walks the live generations in order.
func (s *scanner) replay(visit func(Position, Frame) error) (Replayed, error) {
	var rep Replayed
	s.next = 1
	if s.newest == 0 {
		return rep, nil
	}
	stop := Position{Generation: s.oldest}
	for gen := s.oldest; gen <= s.newest; gen++ {
		f := s.starts[gen]
		if f == nil {
			if gen == s.oldest || s.synced >= s.next {
				return rep, s.missing(stop, fmt.Sprintf("generation %d has no first frame that verifies", gen))
			}
			rep.Torn = stop
			break
		}
		end, frames, err := s.walk(f, gen == s.oldest, stop, visit)
		rep.Frames += frames
		if err != nil {
			return rep, err
		}
		stop, s.last, rep.Generation = end, gen, gen
	}
	if s.synced >= s.next {
		return rep, s.missing(stop, fmt.Sprintf("frame %d does not verify, frames up to %d were synced", s.next, s.synced))
	}
	if rep.Torn == (Position{}) && s.leftovers(stop) {
		rep.Torn = stop
	}
	return rep, nil
}

// missing is the damage of not finding frame next where the walk stopped.
func (s *scanner) missing(at Position, what string) error {
	if at.File == "" {
		at.File = "(none)"
	}
	return &DamageError{at.File, at.Offset, what}
}

// walk visits the frames of one generation and returns where it ends. before is
// where the generation before it ended.
func (s *scanner) walk(f *file, first bool, before Position, visit func(Position, Frame) error) (
	end Position, frames uint64, err error,
) {
	b, err := readAll(f)
	if err != nil {
		return end, 0, err
	}
	off := int64(0)
	for off+headerSize <= int64(len(b)) {
		h, ok := parseHeader(b[off:], s.owner)
		if !ok || h.generation != f.gen {
			break
		}
		if off == 0 && first {
			s.next = h.seq
		}
		if h.seq != s.next {
			if off == 0 {
				return end, frames, s.missing(before, fmt.Sprintf("frame %d is missing before generation %d, which begins with %d",
					s.next, f.gen, h.seq))
			}
			break
		}
		if err := h.known(f.name, off); err != nil {
			return end, frames, err
		}
		body := b[off+headerSize:]
		if int64(h.length) > int64(len(body)) || crc32.Checksum(body[:h.length], castagnoli) != h.bodySum {
			break
		}
		if (off == 0) != (h.kind == KindSnapshot) {
			return end, frames, &DamageError{f.name, off, fmt.Sprintf("frame of kind %d is not expected here", h.kind)}
		}
		if h.kind != KindEmpty {
			frames++
			p := Position{Generation: f.gen, Sequence: h.seq, File: f.name, Offset: off}
			if err := visit(p, Frame{Kind: h.kind, Body: body[:h.length:h.length]}); err != nil {
				return end, frames, err
			}
		}
		s.next++
		off += frameSize(int(h.length))
	}
	f.end = off
	return Position{Generation: f.gen, Sequence: s.next, File: f.name, Offset: off}, frames, nil
}

// leftovers reports whether something of an append that was not finished can be
// seen where the walk ended: bytes that are neither zero nor of an earlier frame's
// header.
func (s *scanner) leftovers(at Position) bool {
	for _, f := range s.files {
		if f.name != at.File || at.Offset+headerSize > f.size {
			continue
		}
		b := make([]byte, headerSize)
		if _, err := f.ReadAt(b, at.Offset); err != nil {
			return false
		}
		h, ok := parseHeader(b, s.owner)
		return ok && h.generation == f.gen
	}
	return false
}

func readAll(f *file) ([]byte, error) {
	b := make([]byte, f.size)
	if n, err := f.ReadAt(b, 0); err != nil && (!errors.Is(err, io.EOF) || int64(n) != f.size) {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	return b, nil
}
