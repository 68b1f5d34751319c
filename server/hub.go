package server

import (
	"errors"
	"sync"
	"time"

	"sextant/internal/redo"
	"sextant/server/serverpb"
)

// Bounds of the redo stream.
const (
	followersMax     = 64       // readers that follow one writer
	followerBytesMax = 64 << 20 // frames queued for one reader; one that is slower is cut and catches up from storage
)

// errSlow ends the stream of a reader that does not keep up.
var errSlow = errors.New("server: the reader is too slow for the redo stream")

// hub hands what the writer ships to the readers that follow it: every frame as it
// is sealed, and how far the log is durable. It implements logstore.Tap.
//
// Invariant: inflight holds every frame with a record above vdl, in the order of sealing.
type hub struct {
	moved  chan struct{} // one token when the VDL has moved
	joined chan struct{} // one token when a reader has made its first promise

	mu        sync.Mutex
	vdl       redo.LSN
	inflight  []frame
	followers map[*follower]struct{}
	promises  map[string]bool      // readers that have made a promise which still holds
	gone      map[string]time.Time // when a reader left that does not follow now
}

// frame is an encoded batch; nobody changes its bytes.
type frame struct {
	last  redo.LSN
	bytes []byte
}

func newHub() *hub {
	return &hub{moved: make(chan struct{}, 1), joined: make(chan struct{}, 1), followers: map[*follower]struct{}{}, promises: map[string]bool{}, gone: map[string]time.Time{}}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Frame is called by the volume with each batch before it is sent to storage.
func (h *hub) Frame(b []byte, last redo.LSN) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := frame{last, b}
	h.inflight = append(h.inflight, f)
	for fo := range h.followers {
		fo.push(f)
	}
}

// VDL is called by the volume when the VDL has moved.
func (h *hub) VDL(vdl redo.LSN) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.vdl = max(h.vdl, vdl)
	keep := h.inflight[:0]
	for _, f := range h.inflight {
		if f.last > h.vdl {
			keep = append(keep, f)
		}
	}
	clear(h.inflight[len(keep):])
	h.inflight = keep
	signal(h.moved)
}

// tick tells every reader how far the log is durable.
func (h *hub) tick(t *serverpb.Tick) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.followers {
		f.pushTick(t)
	}
}

// join adds a reader: it gets every frame with a record above the VDL that the hub was
// told last, and all later ones. Returns false if there are too many.
func (h *hub) join(id string) (*follower, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.followers) >= followersMax {
		return nil, false
	}
	f := &follower{id: id, wake: make(chan struct{}, 1)}
	for _, fr := range h.inflight {
		f.push(fr)
	}
	h.followers[f] = struct{}{}
	delete(h.gone, id)
	return f, true
}

// promised notes that a reader has said which snapshots it may still read.
func (h *hub) promised(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, follows := h.followers[f]; follows && !h.promises[f.id] {
		h.promises[f.id] = true
		signal(h.joined)
	}
}

// has reports whether a reader has made a promise since this hub began.
func (h *hub) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.promises[id]
}

// forgotten returns, and forgets, the readers that left longer than patience ago,
// also those that left before they had made a promise.
func (h *hub) forgotten(patience time.Duration) (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, at := range h.gone {
		if time.Since(at) > patience {
			delete(h.gone, id)
			delete(h.promises, id)
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *hub) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
	for other := range h.followers {
		if other.id == f.id {
			return // it is back already
		}
	}
	h.gone[f.id] = time.Now()
}

// count returns how many readers follow.
func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.followers)
}

// follower is the queue of one reader: frames in order, and the newest tick.
type follower struct {
	id   string
	wake chan struct{} // one token while there is something to take

	mu     sync.Mutex
	frames []frame
	bytes  int
	tick   *serverpb.Tick
	slow   bool
}

func (f *follower) push(fr frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bytes+len(fr.bytes) > followerBytesMax {
		f.slow, f.frames, f.bytes = true, nil, 0
	}
	if !f.slow {
		f.frames = append(f.frames, fr)
		f.bytes += len(fr.bytes)
	}
	signal(f.wake)
}

func (f *follower) pushTick(t *serverpb.Tick) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tick = t
	signal(f.wake)
}

// take returns and forgets what is queued. The frames come before the tick.
// Returns errSlow once the queue has overflowed.
func (f *follower) take() ([]frame, *serverpb.Tick, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slow {
		return nil, nil, errSlow
	}
	frames, tick := f.frames, f.tick
	f.frames, f.bytes, f.tick = nil, 0, nil
	return frames, tick, nil
}
