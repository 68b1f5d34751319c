package volume

import (
	"sextant/internal/redo"
	"sextant/logstore"
)

// Recovery takes over a volume at a new volume epoch: fence, fetch, compute, put
// the list, ship. Afterwards the control plane records Opened(epoch), and Open
// makes the Tracker.
type Recovery struct{}

// RecoveryPlan is what a recovery has decided. It is complete before anything but
// the fence has been changed.
type RecoveryPlan struct {
	Epoch  redo.VolumeEpoch
	VDL    redo.LSN      // the volume's durable end; 0: empty
	Base   redo.LSN      // upper end of this recovery's annulled range; the next LSN is Base+1
	List   logstore.List // the adopted list and (VDL, Base]
	Groups []GroupPlan
}

// GroupPlan is a RecoveryPlan's part for one group.
type GroupPlan struct {
	PG   redo.PGID
	Hint redo.Hint     // the highest among the answers
	Prev redo.LSN      // the group's last LSN at or below VDL
	Keep []redo.Record // above Hint and at or below VDL, in LSN order: shipped
}

// NewRecovery returns a recovery that has asked nobody yet.
func NewRecovery(g Grant, geo Geometry, lim Limits) *Recovery { panic("to come") }

// Step takes an answer of a node: FenceAnswer, FetchAnswer, ListAnswer, Ack or Refused.
func (r *Recovery) Step(node int, m logstore.Message) { panic("to come") }

// Tick lets time pass: unanswered requests are due again.
func (r *Recovery) Tick() { panic("to come") }

// Outgoing is a message for one node of the geometry.
type Outgoing struct {
	Node int
	Msg  logstore.Message
}

// Ready returns, and forgets, what is to be sent.
func (r *Recovery) Ready() []Outgoing { panic("to come") }

// Plan returns what was decided, nil before that.
func (r *Recovery) Plan() *RecoveryPlan { panic("to come") }

// FenceQuorum reports whether the new epoch is durable on a write quorum of every
// group: from then on no older writer can get a commit acknowledged, and the wait
// for older read leases counts from here.
func (r *Recovery) FenceQuorum() bool { panic("to come") }

// Shipped reports whether the volume can be opened.
func (r *Recovery) Shipped() bool { panic("to come") }

// Err returns logstore.ErrFenced once a node has answered with a higher epoch, an
// error wrapping redo.ErrCorrupt if two nodes hold different records under one LSN,
// nil otherwise. A recovery with an error never gets further.
func (r *Recovery) Err() error { panic("to come") }

// Open returns the Tracker of the recovered volume. The control plane must have
// recorded that the epoch has opened. Returns ErrState before Shipped.
func (r *Recovery) Open() (*Tracker, error) { panic("to come") }
