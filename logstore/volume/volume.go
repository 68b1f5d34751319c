// Package volume is the writer's side of the log: it hands out LSNs, decides what
// each storage node is sent, counts acknowledgements, says what is durable, and
// recovers the volume when a new writer takes over.
//
// It touches no socket and no clock: its driver (package client) sends what it is
// told, hands in answers, and calls Tick. One lock or goroutine of the driver
// guards each object. Start with Tracker; Recovery makes one.
//
// The rules that keep data, each with a script in testdata:
//   - Acknowledgements count tails: the highest LSN contiguous from a start point,
//     start points being on a write quorum already. A group is complete to what a
//     write quorum of tails reaches, never to what each record's copies add up to.
//   - VCL follows the volume's order: neither the lowest nor the highest PGCL.
//   - Recovery fences a write quorum of every group first and believes only
//     answers that came with the fence. It takes the union of what those nodes
//     hold above the hint, and ships what it keeps to a write quorum before it opens.
//   - New LSNs start above max(VDL, every annulled range) + LAL.
//   - The truncation list of the highest epoch is adopted; others are ignored.
//
// Not done: unhydrated groups, full and tail segments.
//
// Sources: SIGMOD 2017 §4.1–4.3; SIGMOD 2018 §2.2–2.4. Deviation: the papers count
// SCLs and put the annulled range's end at VDL + LAL; both lose data when nodes
// or recoveries come and go, see the scripts.
package volume

import (
	"errors"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// Errors of this package.
var (
	// ErrUnknownGroup is returned when a page lies in no created group.
	ErrUnknownGroup = errors.New("volume: page is in no created group")
	// ErrState is returned when something is asked of a recovery too early.
	ErrState = errors.New("volume: recovery is not that far")
)

// Time is a reading of the driver's monotonic clock that includes suspension, in
// nanoseconds; 0 means never.
type Time int64

// Geometry is where the volume's groups are.
//
// Invariant: the geometry of a recovery is the state at its grant.
type Geometry struct {
	PagesPerGroup uint64
	Nodes         []Node
	Groups        []Group // ascending by PG, dense from 0
}

// Node is a storage node as registered with the control plane.
type Node struct {
	ID    logstore.NodeID
	Store logstore.StoreID // the registered one; answers of another are not counted
}

// Group is a protection group.
type Group struct {
	PG         redo.PGID
	Membership redo.MembershipEpoch
	Members    []int // indexes into Geometry.Nodes: six, and while one is being replaced the one that joins
	Leaving    int   // index into Members of the one being replaced; only if there are seven
	// since is the membership epoch with which each member has joined, in this volume epoch; nil if none has.
	since []redo.MembershipEpoch
}

// Grant is what the control plane gave to this process.
type Grant struct {
	Volume   redo.VolumeID
	Timeline redo.TimelineID
	Epoch    redo.VolumeEpoch
	Holder   uint64 // drawn at random by the process for this grant; see logstore.Fence
	LAL      uint64
	// LALs of earlier epochs since the last that opened, that one included, as far as
	// the control plane knows; storage's answers add theirs.
	LALs []logstore.EpochLAL
}

// Shipment is what one node is to be sent now.
type Shipment struct {
	// Control is sent first: PutList or CreateSegment.
	Control []logstore.Message
	// Append is nil if there are only control messages. Its batches share their
	// bytes with the shipments of the other nodes.
	Append *logstore.Append
}

// member returns the index of a node among the group's members, -1 if it is none.
func (g *Group) member(node int) int { return slices.Index(g.Members, node) }

// start returns what a member must know of its segment.
func (geo *Geometry) start(g *Group, start, last redo.LSN) logstore.GroupStart {
	s := logstore.GroupStart{PG: g.PG, Membership: g.Membership, Start: start, Last: last}
	for _, m := range g.Members {
		s.Members = append(s.Members, geo.Nodes[m].ID)
	}
	return s
}

// registered reports whether an answer comes from the store that the control plane
// knows for the node.
func (geo *Geometry) registered(node int, s logstore.StoreID) bool {
	return s == geo.Nodes[node].Store
}

// encode closes a batch: its bytes are made here and nowhere else.
func encode(b *redo.Batch) logstore.Batch {
	size := 128
	for i := range b.Records {
		size += 32 + len(b.Records[i].Payload)
	}
	out := logstore.Batch{Bytes: redo.AppendBatch(make([]byte, 0, size), b)}
	if n := len(b.Records); n > 0 {
		out.Last = b.Records[n-1].LSN
	}
	return out
}
