package failover

import (
	"log/slog"
	"time"

	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// AgentOptions says what an instance's Agent needs.
type AgentOptions struct {
	ID      string
	Cluster string
	// Incarnation of this process, from NewIncarnation. Start the agent only when
	// this process listens on the instance's addresses: that it does is taken as
	// proof that no earlier process of the id on this host still runs. And listen on
	// the control address until exit: a refused connection is taken for the exit.
	Incarnation fleet.Incarnation
	Client      *Client // shared with the rest of the process; the agent does not close it
	Logger      *slog.Logger
	// Heartbeat is called every HeartbeatEvery (default 100 ms), and after Poke, from
	// one goroutine. It must not block.
	Heartbeat      func() Heartbeat
	HeartbeatEvery time.Duration
	// Handle is called with each order, one at a time, in order. Any order may come
	// again after a reconnect, and one that is already done is to be ignored; a
	// BecomeWriter is repeated only if its LeaseWait has changed. Handle must not block
	// for long: start a goroutine.
	Handle func(Order)
}

// Heartbeat is what an instance says of itself.
type Heartbeat struct {
	Role        fleet.Role
	Epoch       redo.VolumeEpoch // of its open volume, its recovery, or the stream it follows
	Applied     redo.LSN
	VDL, VCL    redo.LSN
	Progress    uint64 // grows while a write quorum of storage answers; in a recovery, with every answer that it needed
	Lag         time.Duration
	LagKnown    bool
	Connections int
	Bytes       uint64 // writer: logical size of the volume
	Healthy     bool   // a reader that is not is the last choice as writer and gets no sessions; of the writer it is for operators only
	Detail      string // why not healthy
}

// Order is what the leader wants: *BecomeWriter, *Demote, *Drain, *Resume or *StopRole.
type Order interface{ order() }

// BecomeWriter makes this process the holder of a volume epoch. It recovers the
// volume (fence, look, truncate, re-send), waits LeaseWait plus drift from its fence
// quorum on, calls Agent.Opened, and only when that returned nil serves.
//
// It comes again with the same epoch and a shorter LeaseWait when a predecessor's
// exit is seen meanwhile.
type BecomeWriter struct {
	Epoch     redo.VolumeEpoch
	LAL       uint64        // of this epoch
	LALMax    uint64        // largest since the last opened epoch, that one included: for base
	ReadLease time.Duration // of this epoch
	// LeaseWait is the longest read_lease of a predecessor that neither resigned nor
	// was seen to exit; 0: do not wait.
	LeaseWait time.Duration
	// State is the fleet as of the grant: the geometry that the recovery uses.
	State *fleet.State
}

// Demote says that a higher epoch was granted to another process: stop writing and
// answering, drop what is above the new epoch's VDL, follow it as a reader. A process
// that has been granted Epoch or a higher one ignores it.
type Demote struct {
	Epoch redo.VolumeEpoch // the current one
}

// Drain begins a planned switchover: let running transactions end for a bounded
// time, start none, wait until VDL covers the last commit, stop answering, then call
// Agent.Resign(Epoch, Successor). After Within, or on Resume, serve on.
type Drain struct {
	Epoch     redo.VolumeEpoch
	Successor string
	Within    time.Duration
}

// Resume ends a Drain that was given up. If Resign was called meanwhile, its result decides.
type Resume struct {
	Epoch redo.VolumeEpoch
}

// StopRole says that an operator stopped this instance.
type StopRole struct{}

func (*BecomeWriter) order() {}
func (*Demote) order()       {}
func (*Drain) order()        {}
func (*Resume) order()       {}
func (*StopRole) order()     {}
