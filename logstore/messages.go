package logstore

import (
	"fmt"

	"sextant/internal/redo"
)

// This file is what crosses between a storage node and those who talk to it: the
// writer, a recovery, readers and other nodes. The types are values without
// behaviour; packages volume and segment decide what they mean, package wire
// turns them into bytes.

// NodeID names a process in messages: a storage node, or whoever asks it.
type NodeID string

// StoreID is drawn at random when a node's directory is first used and is
// registered with the control plane; 0 means none.
//
// Invariant: a node that answers with another store id than the registered one
// counts in no fence, write or read quorum.
type StoreID uint64

// Limits of messages.
const (
	FetchBytesMax  = 16 << 20 // payload bytes in one FetchAnswer, unless its first record alone is larger
	FillBytesMax   = 4 << 20  // payload bytes in one GossipFill, unless its first record alone is larger
	LogBytesMax    = 4 << 20  // payload bytes in one LogAnswer, unless its first record alone is larger
	CopyBytesMax   = 8 << 20  // bytes of pages in one CopyAnswer, unless its first page alone is larger
	ReadPagesMax   = 256      // pages in one ReadPage
	GossipPGsMax   = 4096     // entries in one Gossip
	GossipAsksMax  = 64       // entries in one GossipAsk
	HolesMax       = 64       // ranges in one Ask
	CopyPagesMax   = 1024     // pages in one CopyAnswer
	AppendBatchMax = 4096     // batches in one Append
	AppendBytesMax = 8 << 20  // encoded bytes of batches in one Append, unless its first batch alone is larger
)

// Header is carried by every message: which history it is about, and the volume
// epoch its sender works at. In an answer, Epoch is the highest that the node has
// stored.
type Header struct {
	Volume   redo.VolumeID
	Timeline redo.TimelineID
	Epoch    redo.VolumeEpoch
}

// Head returns the header itself; it makes every type that embeds one a Message.
func (h Header) Head() Header { return h }

// Message is any of the types of this file that embed a Header.
type Message interface{ Head() Header }

// Envelope is a message with its other end: the sender of an input, the receiver
// of an output.
type Envelope struct {
	Peer NodeID
	// ID is chosen by the one who asks and repeated in the answer; 0 if none is expected.
	ID  uint64
	Msg Message
}

// List is a whole truncation list: everything that recoveries have declared void.
//
// Invariant: two lists with the same Epoch are equal, since an epoch is recovered
// at most once.
type List struct {
	Epoch  redo.VolumeEpoch // of the recovery that wrote it; 0: no list yet
	Ranges redo.Ranges
}

// EpochLAL is the LSN allocation limit that one volume epoch was granted.
type EpochLAL struct {
	Epoch redo.VolumeEpoch
	LAL   uint64
}

// Fence asks a node to refuse every older volume epoch from now on and to say
// what it holds, in that order and in one step.
//
// Source: SIGMOD 2018 §2.4. Deviation: the paper tells of the epoch after the
// recomputation; then a commit could reach its write quorum in between and be annulled.
type Fence struct {
	Header
	// Holder names the process that was granted the epoch, at random. A node that
	// stored the epoch for one holder refuses it to another: one epoch, one recovery.
	Holder uint64
	LAL    uint64 // of this epoch
}

// FenceAnswer is computed after the sync that covers the fence and includes
// everything that was stored before it.
type FenceAnswer struct {
	Header
	Store    StoreID
	List     List
	Opened   bool       // List's own epoch is known to have opened
	LALs     []EpochLAL // ascending; of every epoch stored since the last that opened, that one included
	Segments []SegmentState
}

// SegmentState says how far one segment is. A segment that a registered store
// does not list is empty.
type SegmentState struct {
	PG         redo.PGID
	Membership redo.MembershipEpoch
	Hint       redo.Hint
	Tail       redo.LSN // highest LSN contiguous from a start point of the list's epoch
	Start      redo.LSN // the highest such start point
	SCL        redo.LSN // highest LSN contiguous from the beginning
	Last       redo.LSN // highest LSN in memory, hidden ones included; none above Hint is anywhere else
	Damaged    bool     // quarantined: counts in no quorum
}

// Fetch asks for the records of groups above an LSN each, hidden ones included.
type Fetch struct {
	Header
	Ranges []PGLSN
}

// PGLSN is an LSN that belongs to a group.
type PGLSN struct {
	PG  redo.PGID
	LSN redo.LSN
}

// FetchAnswer has the records asked for, of each group in LSN order.
type FetchAnswer struct {
	Header
	Store  StoreID
	Groups []Fetched
}

// Fetched is one group's part of a FetchAnswer.
type Fetched struct {
	PG      redo.PGID
	Records []redo.Record
	More    bool // ask again above the last of Records
}

// PutList gives a node the whole truncation list of Header.Epoch and the start
// points of its segments. A segment that the node lacks is created, empty.
//
// Invariant: List.Epoch == Header.Epoch.
type PutList struct {
	Header
	Holder uint64 // as in Fence
	LAL    uint64 // as in Fence: a node that missed the fence learns it here
	List   List
	Groups []GroupStart
}

// GroupStart is what a node must know of one of its segments.
type GroupStart struct {
	PG         redo.PGID
	Membership redo.MembershipEpoch
	Members    []NodeID // the other nodes are who it gossips with
	Start      redo.LSN // everything at or below it is on a write quorum
	Last       redo.LSN // of a PutList: what lies above it was on no write quorum; >= Start
}

// ListAnswer says that the node works at Header.Epoch now, and how far it is.
type ListAnswer struct {
	Header
	Store    StoreID
	Segments []SegmentAck
}

// Append is what a node is sent at one time: batches in the order they are to be stored.
type Append struct {
	Header
	Seq     uint64 // counts the writer's messages to this node; the Ack repeats it
	Batches []Batch
}

// Batch is a batch as bytes and, at the receiver, as what they say.
type Batch struct {
	*redo.Batch          // nil at the sender; a receiver that finds nil decodes Bytes
	Bytes       []byte   // never changed: they are shared by all who send them
	Last        redo.LSN // of its records; set by the sender, 0 if it has none
}

// Ack says how far the segments are that an Append touched, and those whose SCL has
// changed since the last Ack, after the sync that covers the Append. It is
// cumulative: Seq answers every Append up to it. Segments that could not take
// their batch are refused one by one beside it.
type Ack struct {
	Header
	Store    StoreID
	Seq      uint64
	Segments []SegmentAck
}

// SegmentAck is one segment's part of an Ack.
type SegmentAck struct {
	PG         redo.PGID
	Membership redo.MembershipEpoch
	Tail       redo.LSN
	SCL        redo.LSN
}

// CreateSegment asks a node for a new, empty segment. It is issued by the open
// writer of Header.Epoch after the control plane has recorded the group.
type CreateSegment struct {
	Header
	GroupStart
}

// SegmentCreated answers CreateSegment, also if the segment was there already.
type SegmentCreated struct {
	Header
	Store StoreID
	Ack   SegmentAck
}

// ReadPage asks for pages of one group as of At.
type ReadPage struct {
	Header
	PG    redo.PGID
	Pages []redo.PageID
	At    redo.LSN
	// Need is the group's last LSN at or below At, or any later durable LSN of the group.
	Need redo.LSN
	// Reader: the asker is a reader; an older epoch is no reason to refuse it.
	Reader bool
}

// PageAnswer has the pages asked for, in the order asked. A page that no record
// touched is nil.
type PageAnswer struct {
	Header
	Pages [][]byte
	SCL   redo.LSN // of the segment that answered
}

// ReadLog asks for a group's records in a range of LSNs, which ends at or below VDL:
// a reader fills a gap of its stream.
type ReadLog struct {
	Header
	PG    redo.PGID
	Range redo.Range
	// Need is as in ReadPage, for Range.Through.
	Need   redo.LSN
	Reader bool // as in ReadPage
}

// LogAnswer has the records asked for, in LSN order, without annulled ones.
type LogAnswer struct {
	Header
	PG      redo.PGID
	Records []redo.Record
	More    bool // ask again above the last of Records
}

// Gossip tells another node the SCLs that have changed since the last one to it.
// There is one per pair of nodes and tick, not one per segment.
type Gossip struct {
	Header
	ListEpoch redo.VolumeEpoch // of the sender's list; another one's gossip is ignored
	SCLs      []PGLSN          // ascending by PG
}

// GossipAsk asks a node that is further for records.
type GossipAsk struct {
	Header
	ListEpoch redo.VolumeEpoch
	Asks      []Ask
}

// Ask is what one segment lacks.
type Ask struct {
	PG    redo.PGID
	Holes []redo.Range // ascending; at most HolesMax
}

// GossipFill has records that the asker lacks, none of them annulled.
type GossipFill struct {
	Header
	ListEpoch redo.VolumeEpoch
	PG        redo.PGID
	Records   []redo.Record // in LSN order
	// Gone: part of what was asked for has been collected as garbage here; only a
	// copy of the segment can help.
	Gone bool
}

// CopySegment asks for a segment's pages above After.
type CopySegment struct {
	Header
	ListEpoch redo.VolumeEpoch
	PG        redo.PGID
	After     redo.PageID // 0 in the first request
}

// CopyAnswer has the pages of a segment above After, to the last of Pages, as of
// Hint.VDL. The next answer may be of a later one.
type CopyAnswer struct {
	Header
	ListEpoch redo.VolumeEpoch
	PG        redo.PGID
	After     redo.PageID // repeats the request's
	Hint      redo.Hint
	Pages     []PageImage // ascending by page
	More      bool        // ask again above the last of Pages
}

// PageImage is a page's content after a record.
type PageImage struct {
	Page redo.PageID
	LSN  redo.LSN // of the last record in it
	Data []byte
}

// HealthAsk asks a node how it is.
type HealthAsk struct{ Header }

// Health is what a node says of itself.
type Health struct {
	Header
	Store        StoreID
	List         List
	Opened       bool
	MinReadPoint redo.LSN
	Segments     []SegmentState
	Undrained    int64 // payload bytes in memory
	Holes        int   // gaps in all segments
}

// Kind classifies a refusal. The numbers are part of the wire format and never reused.
type Kind uint8

// The kinds.
const (
	Retry   Kind = 1 // try elsewhere or later
	Fenced  Kind = 2 // the sender is not the writer any more: stop
	Corrupt Kind = 3 // this copy is damaged: it is repaired from its peers
	Invalid Kind = 4 // a bug, or a client of another volume
	Gone    Kind = 5 // below the minimum read point, or collected as garbage; if Refused.Segment, this copy alone lacks it
	Behind  Kind = 6 // the node lacks the list of the sender's epoch, or the segment: send it
)

// String returns the kind's name.
func (k Kind) String() string {
	names := [...]string{Retry: "retry", Fenced: "fenced", Corrupt: "corrupt", Invalid: "invalid", Gone: "gone", Behind: "behind"}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Refused answers any request that was not done. Header.Epoch is the highest
// volume epoch that the node has stored.
//
// It is an error; errors.Is matches ErrFenced, ErrGone and ErrUnavailable by kind.
type Refused struct {
	Header
	Kind      Kind
	Of        redo.VolumeEpoch // of the request refused
	ListEpoch redo.VolumeEpoch // of the node's list
	Seq       uint64           // of the Append refused
	PG        redo.PGID        // that is missing or damaged, if Segment
	Segment   bool             // the refusal is about segment PG alone
	Text      string
}

// Error returns the kind and what was wrong.
func (r Refused) Error() string {
	return fmt.Sprintf("logstore: %v (node is at volume epoch %d, list %d): %s", r.Kind, r.Epoch, r.ListEpoch, r.Text)
}

// Is reports whether target is the sentinel of r's kind.
func (r Refused) Is(target error) bool {
	switch r.Kind {
	case Fenced:
		return target == ErrFenced
	case Gone:
		return target == ErrGone
	case Retry, Behind, Corrupt:
		return target == ErrUnavailable
	default:
		return false
	}
}
