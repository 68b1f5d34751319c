package hotlog

import (
	"fmt"
	"hash/crc32"
)

// ScrubAt is where a scrub of the log goes on. The zero value is the beginning.
type ScrubAt struct {
	gen uint64 // of the file
	off int64  // in it
	seq uint64 // of the frame there; 0: not known
}

// Scrub verifies the next frames of the live files, about limit bytes of them, and returns
// where it goes on, the zero value behind the newest synced frame, and how many bytes it has
// read. What a synced frame is not any more is a *DamageError: the log goes on, but Open
// will refuse it until the files up to now are released.
func (l *Log) Scrub(at ScrubAt, limit int) (next ScrubAt, read int, err error) {
	for read < limit {
		f, gen, end := l.oldestFrom(at.gen)
		if f == nil {
			return ScrubAt{}, read, nil
		}
		if gen != at.gen {
			at = ScrubAt{gen: gen}
		}
		if at.off >= end {
			at = ScrubAt{gen: gen + 1}
			continue
		}
		size, err := verifyFrame(f, &at, l.opt.Owner, end)
		if now, same, _ := l.oldestFrom(gen); now != f || same != gen {
			continue // released, and used again or closed, while it was read
		}
		if err != nil {
			return ScrubAt{}, read, err
		}
		read += int(size)
	}
	return at, read, nil
}

// oldestFrom returns the live file with the lowest generation from gen on, which that is
// and how much of it is synced; nil if there is none.
func (l *Log) oldestFrom(gen uint64) (f *file, of uint64, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.mu.live {
		if f.gen > l.mu.released && f.gen >= gen {
			return f, f.gen, f.end
		}
	}
	return nil, 0, 0
}

// verifyFrame reads the frame that at names, which lies before end, and moves at behind
// it. It returns the frame's size, and a *DamageError unless it verifies.
func verifyFrame(f *file, at *ScrubAt, owner uint64, end int64) (int64, error) {
	damage := func(what string) error { return &DamageError{f.name, at.off, what} }
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, at.off); err != nil {
		return 0, damage(err.Error())
	}
	h, ok := parseHeader(b, owner)
	size := frameSize(int(h.length))
	switch {
	case !ok || at.off+size > end:
		return 0, damage("a synced frame has no head that verifies")
	case h.generation != at.gen || at.seq != 0 && h.seq != at.seq:
		return 0, damage(fmt.Sprintf("frame %d of generation %d lies where frame %d of generation %d was", h.seq, h.generation, at.seq, at.gen))
	}
	body := make([]byte, h.length)
	if _, err := f.ReadAt(body, at.off+headerSize); err != nil {
		return 0, damage(err.Error())
	}
	if crc32.Checksum(body, castagnoli) != h.bodySum {
		return 0, damage(fmt.Sprintf("the body of frame %d does not verify", h.seq))
	}
	at.off, at.seq = at.off+size, h.seq+1
	return size, nil
}
