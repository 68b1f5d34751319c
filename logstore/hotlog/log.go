package hotlog

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Log is an open log. Append, Rotate and Cover belong to one goroutine; the other
// methods may be called from any.
//
// Invariant: a file is used again only after a synced frame has said that its
// generation is not live any more.
type Log struct {
	disk Disk
	opt  Options

	// Of the appending goroutine; cur changes under mu.
	cur     *file
	off     int64
	gen     uint64
	seq     uint64 // of the newest frame
	synced  uint64 // highest synced sequence
	covered bool   // the newest frame is empty or a snapshot
	buf     []byte

	mu struct {
		sync.Mutex
		live     []*file // ascending generations; the last is cur once Rotate has run
		released uint64  // generations at or below it need not be replayed
		durable  uint64  // oldest live generation, as a synced frame says it
		spare    []*file
		next     int // number of the next file's name
		failed   error
	}
}

// file is one file of the log and the generation it holds, 0 if none that counts.
type file struct {
	File
	name string
	size int64
	gen  uint64
	end  int64 // behind its last synced frame; under the Log's mu
}

// Append writes the frames with one write and one sync. They are durable when it
// returns nil. Returns ErrNoRoom with nothing written, and ErrFailed, after which
// the process must end.
func (l *Log) Append(frames []Frame) error {
	if err := l.failure(); err != nil {
		return err
	}
	if Size(frames) > l.Room() {
		return ErrNoRoom
	}
	if len(frames) == 0 {
		return nil
	}
	if err := l.write(frames); err != nil {
		return err
	}
	l.covered = false
	return nil
}

// reserve is what Append leaves of each file for two empty frames: Cover's, and the
// one by which Rotate makes a Release durable when every file is live.
const reserve = 2 * headerSize

// Size returns the bytes the frames take in a file.
func Size(frames []Frame) int64 {
	var n int64
	for i := range frames {
		n += frameSize(len(frames[i].Body))
	}
	return n
}

// Room returns how many bytes, counted as Size does, still fit into the file.
func (l *Log) Room() int64 {
	if l.cur == nil {
		return 0
	}
	return max(l.cur.size-reserve-l.off, 0)
}

// Cover appends an empty frame if the newest one is not covered by a later one, so
// that damage to it will be told from a torn tail, or if that makes a Release durable
// by which a file becomes spare. Errors are Append's.
func (l *Log) Cover() error {
	if l.cur == nil || l.covered && (l.Room() < headerSize || !l.releaseFrees()) {
		return l.failure()
	}
	if err := l.failure(); err != nil {
		return err
	}
	return l.writeEmpty()
}

// writeEmpty appends an empty frame into the reserve, if need be.
func (l *Log) writeEmpty() error {
	if err := l.write([]Frame{{Kind: KindEmpty}}); err != nil {
		return err
	}
	l.covered = true
	return nil
}

// Rotate begins a new generation with a snapshot frame, synced when it returns nil.
// The snapshot must hold the effect of every frame appended so far, and of no other.
// At least room bytes, counted as Size does, can be appended afterwards: if an
// ordinary file is too small for that, a larger one is made, and removed once
// drained. Returns ErrFull or ErrTooLarge with nothing changed, and ErrFailed.
func (l *Log) Rotate(snapshot []byte, room int64) error {
	if err := l.failure(); err != nil {
		return err
	}
	size := max(frameSize(len(snapshot))+room+reserve, l.opt.FileBytes)
	if size > FileBytesMax {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	f, err := l.takeFile(size)
	if errors.Is(err, ErrFull) && l.releaseFrees() {
		if err := l.writeEmpty(); err != nil {
			return err
		}
		f, err = l.takeFile(size)
	}
	if err != nil {
		return err
	}
	l.mu.Lock() // Prepare looks at cur meanwhile
	l.cur, l.off, l.gen = f, 0, l.gen+1
	f.gen, f.end = l.gen, 0
	l.mu.live = append(l.mu.live, f)
	l.mu.Unlock()
	l.covered = true
	return l.write([]Frame{{Kind: KindSnapshot, Body: snapshot}})
}

// write is one pwrite and one sync of all frames at the end of the current file.
func (l *Log) write(frames []Frame) error {
	l.mu.Lock()
	oldest := l.oldestLive()
	l.mu.Unlock()
	h := header{owner: l.opt.Owner, generation: l.gen, seq: l.seq, synced: l.synced, oldest: oldest}
	l.buf = slices.Grow(l.buf[:0], int(Size(frames)))
	for i := range frames {
		h.seq++
		h.kind = frames[i].Kind
		l.buf = appendFrame(l.buf, h, frames[i].Body)
	}
	if _, err := l.cur.WriteAt(l.buf, l.off); err != nil {
		return l.fail("write", err)
	}
	if err := l.cur.Sync(); err != nil {
		return l.fail("sync", err)
	}
	l.off += int64(len(l.buf))
	l.seq, l.synced = h.seq, h.seq
	if cap(l.buf) > bufferKept {
		l.buf = nil
	}
	l.mu.Lock()
	l.mu.durable, l.cur.end = oldest, l.off
	l.mu.Unlock()
	return nil
}

// bufferKept is the largest write buffer kept between appends, in bytes.
const bufferKept = 4 << 20

// oldestLive returns the oldest generation a replay must read. mu is held.
func (l *Log) oldestLive() uint64 {
	for _, f := range l.mu.live {
		if f.gen > l.mu.released {
			return f.gen
		}
	}
	return l.gen
}

// Release says that no generation at or below gen needs to be replayed any more:
// the effect of its frames is durable elsewhere or in a later snapshot. The newest
// generation is never released.
func (l *Log) Release(gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.released = max(l.mu.released, gen)
}

// Generation returns the number of the newest generation, 0 before the first.
func (l *Log) Generation() uint64 { return l.gen }

// Sequence returns the number of the newest frame, 0 if there is none.
func (l *Log) Sequence() uint64 { return l.seq }

// Live returns how many files must be kept for replay, and how many there may be.
func (l *Log) Live() (live, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.mu.live {
		if f.gen > l.mu.released {
			live++
		}
	}
	return live, l.opt.FilesMax
}

// Prepare makes a file ahead of the next Rotate if none is spare, so that Rotate
// need not write zeros. It may take long and is for a background goroutine.
func (l *Log) Prepare() error {
	l.mu.Lock()
	l.recycle()
	if len(l.mu.spare) > 0 || len(l.mu.live) >= l.opt.FilesKept || l.mu.failed != nil {
		l.mu.Unlock()
		return nil
	}
	name := l.newName()
	l.mu.Unlock()
	f, err := l.create(name, l.opt.FileBytes)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.spare = append(l.mu.spare, f)
	return nil
}

// releaseFrees reports whether a frame synced now would make a file spare.
func (l *Log) releaseFrees() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cur != nil && len(l.mu.live) > 1 && l.mu.live[0].gen < l.oldestLive()
}

// takeFile returns a file of at least size bytes for a new generation, one of the
// spare ones if it can.
func (l *Log) takeFile(size int64) (*file, error) {
	l.mu.Lock()
	l.recycle()
	if n := len(l.mu.spare); n > 0 && size <= l.opt.FileBytes {
		f := l.mu.spare[n-1]
		l.mu.spare = l.mu.spare[:n-1]
		l.mu.Unlock()
		return f, nil
	}
	limit := l.opt.FilesMax
	if l.cur == nil {
		limit++ // what the replay read can only be released once there is a file to say so in
	}
	if len(l.mu.live) >= limit {
		l.mu.Unlock()
		return nil, ErrFull
	}
	name := l.newName()
	l.mu.Unlock()
	return l.create(name, (size+align-1)/align*align)
}

// recycle makes the files of generations that a synced frame calls drained spare.
// mu is held.
func (l *Log) recycle() {
	l.mu.live = slices.DeleteFunc(l.mu.live, func(f *file) bool {
		if f == l.cur || f.gen >= l.mu.durable {
			return false
		}
		if f.size != l.opt.FileBytes || len(l.mu.spare) > 0 && len(l.mu.live)+len(l.mu.spare) > l.opt.FilesKept {
			l.drop(f)
			return true
		}
		f.gen = 0
		l.mu.spare = append(l.mu.spare, f)
		return true
	})
}

// drop closes and removes a file that is not needed any more. An error leaves a
// file behind that the next Open finds spare.
func (l *Log) drop(f *file) {
	_ = f.Close()
	_ = l.disk.Remove(f.name)
}

func (l *Log) newName() string {
	l.mu.next++
	return fmt.Sprintf("hot-%06d.log", l.mu.next)
}

func (l *Log) create(name string, size int64) (*file, error) {
	f, err := l.disk.Create(name, size)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	return &file{File: f, name: name, size: size}, nil
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.failed
}

func (l *Log) fail(what string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.failed = fmt.Errorf("%w: %s of %s: %w", ErrFailed, what, l.cur.name, err)
	return l.mu.failed
}

// Close closes the files. It writes nothing: what was not appended is not there.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first error
	for _, f := range slices.Concat(l.mu.live, l.mu.spare) {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	l.mu.live, l.mu.spare = nil, nil
	if l.mu.failed == nil {
		l.mu.failed = fmt.Errorf("%w: closed", ErrFailed)
	}
	return first
}
