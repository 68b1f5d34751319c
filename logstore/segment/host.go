package segment

import (
	"sextant/internal/redo"
	"sextant/logstore"
)

// Host is the segments of one volume on one node. It is not safe for concurrent
// use; the driver's lock guards it, and need not be held while frames are synced
// or a Serve runs.
//
// State changes only in Persisted (and Replay), so everything that the other
// methods say is backed by synced frames.
type Host struct{}

// New returns a Host without any segment at volume epoch 0.
func New(o Options) *Host { panic("to come") }

// Replay takes the next frame of the hot log, in the order appended. It is called
// before the first Step. Each frame is judged by the epoch frames before it, as it
// was when it was appended. Returns an error wrapping redo.ErrCorrupt or
// redo.ErrVersion if the body is not what a Host wrote; the frame has no effect then.
func (h *Host) Replay(kind FrameKind, body []byte) error { panic("to come") }

// Step takes one message. It only queues it; Ready judges it.
func (h *Host) Step(in Input) { panic("to come") }

// Tick lets time pass: gossip is due. The driver calls it every gossip interval.
func (h *Host) Tick() { panic("to come") }

// Ready judges what is queued and returns, and forgets, what must be done.
func (h *Host) Ready() Ready { panic("to come") }

// Persisted says that the Persist of the last Ready is appended and synced.
func (h *Host) Persisted() { panic("to come") }

// Snapshot returns the body of a snapshot frame of the present state. Every file
// of the hot log starts with one; it is taken when no Persist is outstanding.
func (h *Host) Snapshot() []byte { panic("to come") }

// ReadPage decides on a page read by the synced state, without queueing. It returns
// either what to run, or the refusal to send. A read that only waits for
// gossip is refused as Retry, and that group's gossip goes first.
func (h *Host) ReadPage(m logstore.ReadPage, apply Apply) (func(Store) (logstore.Message, error), *logstore.Refused) {
	panic("to come")
}

// Drain returns what can leave memory for one segment, nil if nothing can.
func (h *Host) Drain(pg redo.PGID) *DrainPlan { panic("to come") }

// Drained says that the Store holds p durably.
func (h *Host) Drained(p *DrainPlan) { panic("to come") }

// ImageDue reports whether a page with so many stored records and payload bytes
// since its newest image should get a new one.
func (h *Host) ImageDue(records, bytes int) bool { panic("to come") }

// OldestFrame returns the lowest index of a frame that has records in memory which
// the Store does not hold, or the next frame's index if there is none. Hot-log
// files with only lower indexes may be recycled.
func (h *Host) OldestFrame() uint64 { panic("to come") }

// Garbage says what the Store may delete of a segment.
func (h *Host) Garbage(pg redo.PGID) GarbagePlan { panic("to come") }

// Quarantine marks a segment as damaged: it answers nothing and counts in no
// quorum until it has been copied from a peer.
func (h *Host) Quarantine(pg redo.PGID) { panic("to come") }

// PGs returns the groups that this node has a segment of, ascending.
func (h *Host) PGs() []redo.PGID { panic("to come") }

// Health returns the answer to a HealthAsk.
func (h *Host) Health() logstore.Health { panic("to come") }
