package failover

import (
	"time"

	"google.golang.org/grpc/backoff"
)

// Bounds of messages, retries and waits.
const (
	messageBytesMax   = 64 << 20               // one gRPC message: a whole state
	callTimeout       = 2 * time.Second        // one try of a unary call
	connectTimeout    = 500 * time.Millisecond // one try of a connection
	retryEvery        = 30 * time.Millisecond  // between tries of a call or a stream
	probeTimeout      = 300 * time.Millisecond // of one reconnect by the leader
	keepaliveTime     = 10 * time.Second
	keepaliveTimeout  = 2 * time.Second
	followerWatchMax  = time.Second // then the leader is looked for again
	raftApplyTimeout  = time.Second
	ordersMax         = 16              // undelivered orders of one stream; a slower one is cut
	eventsMax         = 256             // events on their way to the leader's loop
	rolesMax          = 512             // storage nodes and routers that report to a leader
	reportSilenceMax  = 2 * time.Second // of a storage node or router that counts as healthy
	lookEvery         = time.Second     // at one that does not report
	restoreWait       = 3 * time.Second // for the storage nodes that may have kept a newer state
	moveSilenceMax    = time.Minute     // of a storage node that a segment moves to, before that is taken back
	leaderSilenceMax  = 4 * liveEvery   // before an agent or a watcher looks for another
	awayNotes         = 8               // of how long a storage node is away, until it is replaced
	heartbeatEvery    = 100 * time.Millisecond
	reportEvery       = 500 * time.Millisecond
	raftCommitTimeout = 20 * time.Millisecond  // an idle leader tells followers what is committed
	liveEvery         = 200 * time.Millisecond // between live updates of an unchanged topology
	sayWaitingAfter   = 5 * time.Second        // of other control nodes, before it is logged
	sayWaitingEvery   = time.Minute            // then
	drainTimeout      = 5 * time.Second        // of a planned switchover
)

// reconnectBackoff keeps a client near a control node that restarts.
var reconnectBackoff = backoff.Config{
	BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 500 * time.Millisecond}
