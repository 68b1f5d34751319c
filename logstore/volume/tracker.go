package volume

import (
	"sextant/internal/redo"
	"sextant/logstore"
)

// Tracker is the writer's view of an open volume: which LSNs are given out, what
// each node has, how far the volume is complete and durable.
//
// Invariant: VDL <= VCL < every record not yet covered. VDL and VCL never regress.
type Tracker struct{}

// Next returns the LSN that the next record gets.
func (t *Tracker) Next() redo.LSN { panic("to come") }

// Room reports whether a turn of that many records and payload bytes would be accepted now.
func (t *Tracker) Room(records, bytes int) bool { panic("to come") }

// Append numbers and links the records of a turn, in place, marks the last of each
// MTR as CPL, and keeps them for shipping. Their payloads must not change any more.
// Returns logstore.ErrNoRoom (nothing was numbered), logstore.ErrFenced, ErrUnknownGroup.
func (t *Tracker) Append(turn []redo.MTR) error { panic("to come") }

// Seal closes what has been appended into batches, encodes them once, and returns
// the ones not returned before, in order: they are what readers are sent.
func (t *Tracker) Seal() []logstore.Batch { panic("to come") }

// Ship returns what a node is to be sent now; false if nothing, or if it has not
// answered the last. now is counted for Confirmed.
func (t *Tracker) Ship(node int, now Time) (Shipment, bool) { panic("to come") }

// Step takes an answer of a node: Ack, ListAnswer, SegmentCreated or Refused. It
// reports whether VDL has moved.
func (t *Tracker) Step(node int, m logstore.Message) bool { panic("to come") }

// Connected says that there is a new connection to a node: what was sent on an
// earlier one may be lost.
func (t *Tracker) Connected(node int) { panic("to come") }

// Disconnected says that nothing can be sent to a node.
func (t *Tracker) Disconnected(node int) { panic("to come") }

// Tick lets time pass: unanswered requests are due again, and an idle node is due a
// message that carries the newest hint and confirms the epoch.
func (t *Tracker) Tick() { panic("to come") }

// VCL returns the LSN up to which every record is on a write quorum of its group.
func (t *Tracker) VCL() redo.LSN { panic("to come") }

// VDL returns the highest CPL at or below VCL.
func (t *Tracker) VDL() redo.LSN { panic("to come") }

// Epoch returns the volume epoch.
func (t *Tracker) Epoch() redo.VolumeEpoch { panic("to come") }

// Fenced returns the higher volume epoch that a node has answered with, 0 if none.
func (t *Tracker) Fenced() redo.VolumeEpoch { panic("to come") }

// Confirmed returns the latest time t such that a write quorum of one group has
// answered requests sent at or after t: until then no higher epoch had fenced one.
func (t *Tracker) Confirmed() Time { panic("to come") }

// Need returns an LSN such that a segment of pg with SCL >= it has every record of pg
// at or below at.
func (t *Tracker) Need(pg redo.PGID, at redo.LSN) redo.LSN { panic("to come") }

// Readable appends the nodes that are connected and known to have SCL >= need.
func (t *Tracker) Readable(pg redo.PGID, need redo.LSN, dst []int) []int { panic("to come") }

// PGOf returns the group of a page.
func (t *Tracker) PGOf(p redo.PageID) redo.PGID { panic("to come") }

// SetMinReadPoint says that no read below l will come. It never goes back.
func (t *Tracker) SetMinReadPoint(l redo.LSN) { panic("to come") }

// AddGroup adds a group that the control plane has recorded: its segments are
// created, and once a write quorum has them, PageLimit includes it.
func (t *Tracker) AddGroup(g Group) error { panic("to come") }

// PageLimit returns the highest page of the created groups.
func (t *Tracker) PageLimit() redo.PageID { panic("to come") }

// List returns the truncation list of this epoch.
func (t *Tracker) List() logstore.List { panic("to come") }

// Lasts returns each group's last LSN at or below VDL, which is what a reader needs
// for its page reads.
func (t *Tracker) Lasts() []logstore.PGLSN { panic("to come") }
