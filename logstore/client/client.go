// Package client is the storage service as an instance sees it: Volume, the
// writer's volume over its six storage nodes, and Reader, the pages and the log of
// a volume that another instance writes.
//
// It acts and does not decide: which LSNs there are, what is durable and what a
// recovery keeps is package volume; what a node does with a message is package
// segment. Here are the connections, one lock round a volume.Tracker, the clock, and
// the waiting. Start with Recover.
package client

import (
	"context"
	"log/slog"
	"time"

	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/logstore"
)

// Node is a storage node as the control plane knows it.
type Node struct {
	ID    logstore.NodeID
	AZ    string
	Addr  string           // host:port
	Store logstore.StoreID // registered; an answer of another store does not count
}

// Group is a protection group as the control plane knows it.
type Group struct {
	PG         redo.PGID
	Membership redo.MembershipEpoch
	Members    []logstore.NodeID // six, two of each AZ
	// Leaving is the member that Joining is taking the place of; "" if none is being replaced.
	// They are one if another store answers there; then the node is listed once for each store.
	Leaving, Joining logstore.NodeID
}

// Geometry is the volume's shape at one moment.
//
// Invariant: Groups[i].PG == i. Of two nodes with one id the second is the one that joins.
type Geometry struct {
	PagesPerGroup uint64
	Nodes         []Node
	Groups        []Group
}

// Grant is the permission to write the volume at one epoch, and the geometry that
// belongs to it.
type Grant struct {
	Volume    redo.VolumeID
	Timeline  redo.TimelineID
	Epoch     redo.VolumeEpoch
	Holder    uint64 // drawn at random by the process that asked for the grant, never 0
	LAL       uint64 // LSNs that may be allocated above max(VDL, base)
	LALMax    uint64 // largest since the last epoch that opened, as the control plane knows it; 0: it does not
	ReadLease time.Duration
	// LeaseWait is the longest read lease that a grantee since the last opened epoch
	// may still hold, drift included; 0 if there is none.
	LeaseWait time.Duration
	Geometry  Geometry
}

// Options of a volume and of a reader. Zero values are replaced by the defaults
// named in limits.go.
type Options struct {
	Self    logstore.NodeID // of this process, in messages and logs
	Cluster string          // id of the cluster; nodes of another refuse the connection
	Logger  *slog.Logger

	Identity *mtls.Identity // nil: plain connections

	// Resolve returns the address of a node; nil: the geometry's. It is asked at
	// every connect, since a node may come back at another address.
	Resolve func(logstore.NodeID) string

	// Tap receives what is shipped, from the first batch after the opening. May be nil.
	Tap logstore.Tap
	// Opened tells the control plane that the epoch serves. It is called once, when
	// recovery is complete and the predecessors' leases have passed. May be nil.
	Opened func(context.Context) error
	// LeasesEnded, when closed, says that every predecessor is known to have ended:
	// the wait for their leases is cut short. May be nil.
	LeasesEnded <-chan struct{}
	// Answered is called when a write quorum has confirmed the epoch anew, that of the group
	// for whose records commits wait if they do; and during recovery for each answer that
	// brought it further (volume.Recovery.Progress). A volume of which it is not called is cut off from storage, or stuck. It
	// is called under the volume's lock. May be nil.
	Answered func()
	// Stalled is told for which write quorum commits have waited for two seconds or more, or the recovery for five, in words that
	// begin with QuorumLost, and "" when that is over: whenever it changes, from one goroutine, without a lock. May be nil.
	Stalled func(why string)
	// CreateGroup registers group pg with the control plane at this epoch and returns the
	// geometry, which has it; it must be idempotent. Nil: the volume does not grow.
	CreateGroup func(ctx context.Context, epoch redo.VolumeEpoch, pg redo.PGID) (Geometry, error)

	// VerifyEpoch asks the control plane's leader, after a verified read, whether the
	// epoch is still the newest granted. It lets the volume answer while too few storage
	// nodes are up to confirm the epoch. May be nil.
	VerifyEpoch func(ctx context.Context, epoch redo.VolumeEpoch) error

	WindowBytes  int           // payload bytes appended and not durable, at most
	LaggardBytes int           // encoded bytes kept for connected nodes that are behind, at most
	BatchBytes   int           // payload bytes in one batch, at most
	ReconnectMin time.Duration // wait after the first failed connect; doubled up to
	ReconnectMax time.Duration // this
	DialTimeout  time.Duration
	Patience     time.Duration // a read is ErrUnavailable when no segment has answered by then
	HedgeAfter   time.Duration // least wait before a page is asked of a second node
}

// Recovered says what a recovery found and did.
type Recovered struct {
	VDL     redo.LSN      // the recovered one, a CPL; 0 for an empty volume
	Next    redo.LSN      // the first LSN that will be given out
	List    logstore.List // that is in force now
	Records int           // ragged records that were shipped again
	Took    time.Duration // without the wait for leases
}
