// Package failover is the control plane's driver: control nodes that replicate a
// fleet.State through Raft (Control), what other processes use to talk to them
// (Client, Agent for instances, Reporter for storage nodes and routers), and what
// status shows (Status).
//
// It decides nothing. Who is dead, who is promoted and which command is refused is
// package fleet; here are sockets, the clock that makes ticks, and Raft. No
// heartbeat goes through Raft. The Raft leader is not the writer, and a leader that
// only believes to be one harms nothing: every grant is a compare-and-set through
// the log, and storage fences by the granted epoch.
//
// The parent of the processes that `sextant up` starts calls Client.ExitSeen when
// one has exited.
package failover

import (
	"errors"
	"slices"
	"time"

	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// Errors of this package, matched with errors.Is; refused commands are the
// sentinels of package fleet (fleet.ErrStale and so on).
var (
	// ErrNoLeader is returned when no control node led before the context ended.
	ErrNoLeader = errors.New("failover: no control node leads")
	// ErrWrongCluster is returned by a control node or a directory of another cluster.
	ErrWrongCluster = errors.New("failover: another cluster")
	// ErrRefused is returned for a call that this process may not make: of another role, in
	// another's name, or a command about an epoch that it was not granted.
	ErrRefused = errors.New("failover: refused")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("failover: closed")
)

// Topology is what a control node says of the cluster at one moment. It is a value
// that nobody changes: keep it, compare it, share it.
type Topology struct {
	// State is the replicated state. Never nil, never to be changed.
	State *fleet.State
	// Live is what the leader's streams say, by process id; nil if no leader has
	// been heard since the watch began. It may be older than State.
	Live map[string]Live
}

// Live is what the leader knows of one process from its stream.
type Live struct {
	ID          string
	Kind        fleet.Kind
	Incarnation fleet.Incarnation
	PID         int
	Healthy     bool   // the stream is up, heartbeats come, and the process says so
	Detail      string // why not healthy
	Address     string // routers and storage nodes: as they reported it

	// Of instances:
	Role        fleet.Role
	Epoch       redo.VolumeEpoch
	Applied     redo.LSN // highest LSN that its snapshots may show
	VDL, VCL    redo.LSN // as far as it knows
	Lag         time.Duration
	LagKnown    bool
	Connections int
	Bytes       uint64 // writer: logical size of the volume

	// Of storage nodes:
	SCL         map[redo.PGID]redo.LSN
	StoredBytes uint64

	DamageFound, DamageRepaired uint64 // in its files, since it began
}

// Writer returns the instance that serves writes, "" while none does: before the
// current epoch is opened there is no writer to send a session to.
func (t Topology) Writer() string {
	if t.State == nil || !t.State.Serves() {
		return ""
	}
	return t.State.Holder.Node
}

// Readers returns the ids of the instances that serve reads and are not the writer,
// sorted. An instance counts while it is healthy in the role of a reader. While no
// leader has been heard every instance counts that is neither stopped nor the
// holder of the current epoch.
func (t Topology) Readers() []string {
	var ids []string
	for _, i := range t.State.Instances {
		if t.State.IsStopped(i.ID) || i.ID == t.State.Writer() {
			continue
		}
		l, seen := t.Live[i.ID]
		if t.Live == nil || seen && l.Healthy && l.Role == fleet.RoleReader {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// Members returns the ids of the instances that a session on that endpoint may be
// sent to now, sorted: fleet.State.Members of what Writer and Readers say.
func (t Topology) Members(e fleet.Endpoint) []string {
	return e.Members(t.Writer(), t.Readers())
}

// Newer reports whether t replaces u: the higher volume epoch wins, then the
// higher version.
func (t Topology) Newer(u Topology) bool {
	if u.State == nil || t.State == nil {
		return t.State != nil
	}
	if t.State.Epoch != u.State.Epoch {
		return t.State.Epoch > u.State.Epoch
	}
	return t.State.Version > u.State.Version
}

// liveIDs returns the ids of the processes of a kind that the leader knows, sorted.
func (t Topology) liveIDs(k fleet.Kind) []string {
	var ids []string
	for id, l := range t.Live {
		if l.Kind == k {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
