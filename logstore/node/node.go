// Package node is the process of a storage node round package segment's state
// machine: the listener, the hot log, the segments' store, and the clock.
//
// It decides nothing about the protocol. What arrives is given to segment.Host;
// what the Host wants persisted is appended to the hot log and synced before any
// answer that depends on it goes out. Behind that, in the background and slowly
// while writers are busy, records move from memory to package boltstore, images are
// built, gossip is sent and garbage is deleted.
//
// # The foreground
//
// Each connection has one goroutine. It reads every message that has arrived, steps
// the Host, and then tries to be the one that persists: one Ready, one append, one
// sync, the acknowledgements of everybody whose messages were in it. With one writer
// that is no hand-over at all; with several, whoever is first takes the others'
// frames along.
//
// # What is kept
//
// Log is kept as long as a member of the group lacks it and the files are below
// RetentionBytes; above, for Retention. A member that comes back after that copies the
// segments whole.
//
// Start with Open. Sources: SIGMOD 2017 §3.3.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"sextant/internal/mtls"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/segment"
	"sextant/logstore/wire"
)

// Options of a node. Zero values are replaced by the defaults of limits.go.
type Options struct {
	ID      logstore.NodeID
	AZ      string
	Cluster string // id of the cluster; data and peers of another are refused
	Dir     string // made if it does not exist
	// Listener, or if it is nil the address Listen, is where writers, readers and
	// other nodes connect: the append stream and gRPC on one port.
	Listener net.Listener
	Identity *mtls.Identity // holds peers to their certificates; the listener is its. nil: plain
	Listen   string
	// Peers returns the addresses of the other nodes; it is asked at every connect.
	Peers func() map[logstore.NodeID]string
	// Gone reports whether a storage node or instance of that id is known to be none of the cluster's, because it was
	// removed or replaced: its certificate is good still. nil: of nobody.
	Gone func(id string) bool
	// Left returns the membership epoch at which the control plane has recorded members of a group of which this
	// node is none, nor is about to be; 0 if it is one, or that is not known. It may be late. nil: of no group.
	Left func(redo.PGID) redo.MembershipEpoch
	// Moving returns the group of which a segment moves here at MoveRate bytes a second; false if none does. May be nil.
	Moving   func() (redo.PGID, bool)
	MoveRate int64
	Logger   *slog.Logger

	HotFileBytes int64         // of each file of the hot log
	HotFiles     int           // files of the hot log; input waits when all are full
	TickEvery    time.Duration // clock of gossip; an idle hot log is covered after one
	DrainEvery   time.Duration // between two drains of a segment, while the hot log has room
	// UndrainedBytes is what the hot log has room for beyond HotFiles: the files of the most
	// that can come before a hint covers any of it. With less the node could wait for ever
	// for a hint that it does not read.
	UndrainedBytes int64
	// What the minimum read point has passed is kept for Retention, or until the
	// segments' files take RetentionBytes, whichever is less.
	Retention      time.Duration
	RetentionBytes int64
	// MemoryBytes is about what the records in memory take at most, as long as a drain can help:
	// then input waits for it. What no hint covers, at most a writer's window or one commit,
	// cannot be drained, and input goes on while that is, later, part by part.
	MemoryBytes int64
	ScrubRate   int64 // bytes of its files that the background verifies in a second
}

// Node is a running storage node.
type Node struct {
	opt   Options
	id    identity
	hot   *hotlog.Log
	lis   net.Listener
	rpc   *grpc.Server
	conns connections
	// Who is refused an append stream is logged as mtls.Refusals are.
	refused *mtls.Refusals
	runs    atomic.Bool // Serve has been called

	ctx  context.Context
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	// persist is held by whoever appends to the hot log.
	persist sync.Mutex
	marks   struct {
		sync.Mutex
		list []mark // generations of the hot log, ascending, the newest last
	}
	touched atomic.Bool
	room    chan struct{} // signalled when a generation was released
	urgent  chan struct{} // signalled when the hot log fills up
	spare   chan struct{} // signalled when a file of the hot log was taken

	installs chan segment.Install // for the background: nothing else writes a segment meanwhile

	mu      sync.Mutex // of the fields below
	host    *segment.Host
	store   *boltstore.Store
	volume  redo.VolumeID
	line    redo.TimelineID
	waiting map[logstore.NodeID]func(logstore.Envelope) // who gets what is sent to that peer
	out     map[redo.PGID]bool                          // out of service, and not said to be whole again
	harmed  map[redo.PGID]bool                          // those of them that are damaged, not merely behind
	hotBad  error                                       // damage to the hot log that is not repaired yet
	unnoted bool                                        // a quarantine that no snapshot in the hot log says
	ceiling ceiling                                     // of the records in memory
	rewrite struct {
		due     bool   // a file is to be begun for what a damaged one has
		through uint64 // when it has been: files before that frame can go when it is replaced
	}

	found, repaired uint64 // damages, in this process's life
	aside           bool   // one of them is a store that was set aside, and is not repaired yet

	serving chan struct{} // a slot per answer that is being read from the store
	bg      background
}

// mark says with which frame of the Host a generation of the hot log ends: end is
// the index after it.
type mark struct{ generation, end uint64 }

// Open replays the node's data and listens, but accepts nothing before Serve. An
// empty directory becomes a new store with a random store id, and so does one whose hot log
// is damaged (hotlog.ErrDamaged): what was there is set aside. Returns ErrAside and the
// damage if that was done before, ErrForeign for data of another cluster or node,
// ErrVersion for data of a newer format, ErrLocked, ErrIdentity, ErrNoLog, hotlog.ErrForeign,
// hotlog.ErrVersion, redo.ErrCorrupt, or an error of the file system: all of them leave the data as it is.
func Open(o Options) (*Node, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	n := &Node{
		opt: o, refused: mtls.NewRefusals(o.Logger), room: make(chan struct{}, 1), urgent: make(chan struct{}, 1), spare: make(chan struct{}, 1),
		serving: make(chan struct{}, serveMax), waiting: map[logstore.NodeID]func(logstore.Envelope){},
		out: map[redo.PGID]bool{}, harmed: map[redo.PGID]bool{}, installs: make(chan segment.Install, installsMax),
	}
	n.ctx, n.stop = context.WithCancelCause(context.Background())
	n.ceiling = ceiling{limit: o.MemoryBytes, part: o.MemoryBytes / drainParts}
	n.bg.init()
	if err := n.open(); err != nil {
		n.stop(err)
		n.closeFiles()
		return nil, fmt.Errorf("storage node %s: %w", o.ID, err)
	}
	return n, nil
}

func (n *Node) open() error {
	var err error
	if n.id, err = openIdentity(n.opt.Dir, n.opt.Cluster, string(n.opt.ID)); err != nil {
		return err
	}
	err = n.replay()
	if errors.Is(err, hotlog.ErrDamaged) {
		err = n.beginAnew(err)
	}
	if err != nil {
		return err
	}
	if n.host != nil {
		if err := n.begin(); err != nil {
			return err
		}
	}
	if err := n.hot.Prepare(); err != nil {
		return err
	}
	if err := n.id.confirm(); err != nil {
		return err
	}
	if n.lis = n.opt.Listener; n.lis == nil {
		if n.lis, err = net.Listen("tcp", n.opt.Listen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	n.opt.Logger.Info("storage node is open", "node", n.opt.ID, "store", n.id.Store, "address", n.lis.Addr().String())
	return nil
}

// beginAnew sets the store aside, whose hot log has that damage, and goes on with a new one.
func (n *Node) beginAnew(damage error) error {
	old, to := n.id.Store, n.id.aside()
	if err := n.id.setAside(); err != nil {
		return errors.Join(damage, err)
	}
	if err := n.id.load(); err != nil {
		return err
	}
	n.opt.Logger.Warn("hot log is damaged: the store is set aside, and the node is an emptied one",
		"node", n.opt.ID, "store", old, "directory", to, "error", damage)
	n.found, n.aside = n.found+1, true
	n.host, n.volume, n.line = nil, 0, 0 // of what was replayed before the damage
	return n.replay()
}

// begin begins this process's file of the hot log. Nothing drains yet that a full log
// could wait for: it is drained here. What was replayed is given back at once, and
// durably, so that a process that ends soon after each start does not fill the log.
func (n *Node) begin() error {
	if live, _ := n.hot.Live(); live >= n.opt.HotFiles {
		for _, pg := range n.host.PGs() {
			if err := n.drain(pg); err != nil {
				return err
			}
		}
	}
	if err := n.sweep(); err != nil {
		return err
	}
	n.look()
	if err := n.rotateNow(0); err != nil {
		return err
	}
	n.release()
	return n.hot.Cover()
}

// replay reads the hot log and opens the segments' store.
func (n *Node) replay() error {
	disk, err := openDisk(filepath.Join(n.opt.Dir, "hot"))
	if err != nil {
		return err
	}
	opt := hotlog.Options{Owner: uint64(n.id.Store), FileBytes: n.opt.HotFileBytes, FilesMax: n.opt.hotFilesHard(), FilesKept: n.opt.HotFiles}
	var expect []redo.PGID
	hot, rep, err := hotlog.Open(disk, opt, func(p hotlog.Position, f hotlog.Frame) error {
		err := n.replayFrame(f, &expect)
		if err != nil {
			return fmt.Errorf("replay %s at offset %d: %w", p.File, p.Offset, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.hot = hot
	if n.id.used && rep.Files == 0 {
		return fmt.Errorf("%w: %s", ErrNoLog, disk.dir)
	}
	if rep.Torn.File != "" {
		n.opt.Logger.Info("unsynced tail of the hot log dropped", "node", n.opt.ID, "file", rep.Torn.File, "offset", rep.Torn.Offset)
	}
	if n.host == nil {
		return nil
	}
	n.marks.list = append(n.marks.list, mark{rep.Generation, n.host.NextFrame()})
	return n.openStore(expect)
}

// replayFrame gives a frame to the Host.
func (n *Node) replayFrame(f hotlog.Frame, expect *[]redo.PGID) error {
	if f.Kind != hotlog.KindSnapshot {
		if n.host == nil {
			return fmt.Errorf("%w: a frame of kind %d before any volume", redo.ErrCorrupt, f.Kind)
		}
		kind := segment.FrameKind(f.Kind - hotlog.KindCaller)
		if m, err := segment.Decode(kind, f.Body); kind == segment.FrameDropped && err == nil {
			*expect = slices.DeleteFunc(*expect, func(pg redo.PGID) bool { return pg == m.(segment.Dropped).PG })
		}
		return n.host.Replay(kind, f.Body)
	}
	s, err := decodeSnapshot(f.Body)
	if err != nil || s.volume == 0 {
		return err
	}
	if n.host == nil {
		n.newHost(s.volume, s.line)
	}
	*expect = s.stored
	return n.host.Replay(segment.FrameSnapshot, s.host)
}

// newHost makes the Host of the one volume that this node stores.
func (n *Node) newHost(v redo.VolumeID, line redo.TimelineID) {
	n.volume, n.line = v, line
	n.host = segment.New(segment.Options{Node: n.opt.ID, Store: n.id.Store, Volume: v, Timeline: line, Apply: page.Apply,
		DrainBytes: n.ceiling.part})
}

// openStore opens the segments' files. Damaged ones, and those of expect that are
// gone, are quarantined.
func (n *Node) openStore(expect []redo.PGID) error {
	s, err := boltstore.Open(boltstore.Options{
		Dir: filepath.Join(n.opt.Dir, "segments"), Cluster: n.opt.Cluster, Store: n.id.Store, Volume: n.volume, Timeline: n.line,
	})
	if err != nil {
		return err
	}
	n.store = s
	damaged := s.Damaged()
	have := map[redo.PGID]bool{}
	for _, pg := range s.Groups() {
		have[pg] = true
	}
	for _, pg := range expect {
		if !have[pg] {
			damaged[pg] = &boltstore.DamageError{PG: pg, What: "the segment's file is missing"}
		}
	}
	mine := n.host.PGs()
	for pg, err := range damaged {
		if slices.Contains(mine, pg) { // else it was dropped
			n.quarantine(pg, err)
		}
	}
	for _, g := range n.host.Health().Segments {
		if n.out[g.PG] = g.Damaged; g.Damaged && !n.harmed[g.PG] {
			n.harm(g.PG)
		}
	}
	return nil
}

// quarantine takes a damaged segment out of service: it answers nothing and counts
// in no quorum until it has been copied from a peer. Its records leave memory: until a
// snapshot that says so is in the hot log, release gives nothing back, and nothing is
// copied. mu is held while serving.
func (n *Node) quarantine(pg redo.PGID, err error) {
	harmed := !errors.Is(err, errForked) && !errors.Is(err, errLogGone)
	if errors.Is(err, errLogGone) {
		n.opt.Logger.Info("segment is copied from a peer, since none has the log any more that it lacks", "node", n.opt.ID, "pg", pg)
	} else {
		n.opt.Logger.Warn("segment is damaged and out of service", "node", n.opt.ID, "pg", pg, "error", err)
	}
	n.host.Quarantine(pg)
	if harmed && !n.harmed[pg] {
		n.harm(pg)
	}
	n.out[pg] = true
	n.unnoted = true
	n.signal(n.room) // its records have left memory
}

// Serve accepts connections and works until Close, or until the node cannot go on:
// then it returns why. A write or sync error of the hot log is such a reason; the
// process must end and replay.
func (n *Node) Serve() error {
	n.runs.Store(true)
	rpcLis := newHandedListener(n.lis.Addr())
	n.rpc = n.newServer()
	n.spawn(func() { n.acceptLoop(rpcLis) })
	n.spawn(n.tickLoop)
	n.spawn(n.backgroundLoop)
	n.spawn(func() {
		if err := n.rpc.Serve(rpcLis); err != nil && n.ctx.Err() == nil {
			n.fail(fmt.Errorf("serve gRPC: %w", err))
		}
	})
	<-n.ctx.Done()
	_ = n.lis.Close()
	_ = rpcLis.Close()
	n.rpc.Stop()
	n.conns.closeAll()
	n.wg.Wait()
	n.closeFiles()
	if err := context.Cause(n.ctx); !errors.Is(err, errClosed) {
		return err
	}
	return nil
}

func (n *Node) spawn(f func()) {
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		f()
	}()
}

var errClosed = errors.New("node: closed")

// fail ends the node.
func (n *Node) fail(err error) { n.stop(err) }

// Close ends Serve and returns at once; Serve returns when everything is closed.
// Without a Serve it closes the files itself.
func (n *Node) Close() error {
	n.stop(errClosed)
	if !n.runs.Load() {
		_ = n.lis.Close()
		n.closeFiles()
	}
	return nil
}

func (n *Node) closeFiles() {
	n.persist.Lock()
	defer n.persist.Unlock()
	if n.hot != nil {
		_ = n.hot.Close() // nothing is written at closing
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			n.opt.Logger.Error("close the segments", "node", n.opt.ID, "error", err)
		}
	}
	n.id.close()
}

// Addr returns where the node listens.
func (n *Node) Addr() net.Addr { return n.lis.Addr() }

// Status is what a node says of itself.
type Status struct {
	ID          logstore.NodeID
	AZ          string
	Store       logstore.StoreID
	Healthy     bool
	Detail      string        // what is wrong, "" if nothing
	Volume      redo.VolumeID // 0: none yet
	Epoch       redo.VolumeEpoch
	ListEpoch   redo.VolumeEpoch
	StoredBytes int64 // of the segments' files
	FreeBytes   int64 // of those, free: used again before the files grow
	Undrained   int64 // payload bytes in memory
	Memory      int64 // bytes that records in memory take, about
	HotFiles    int   // that a replay would read
	// Damages of segments and of the hot log since the process began, found by whatever; a store that
	// was set aside is one, and repaired when the segments of the one in its place are complete.
	DamageFound, DamageRepaired uint64
	ScrubbedBytes, ScrubRounds  int64 // read and verified by the scrub; times that it has seen all
	Segments                    []logstore.SegmentState
}

// Status returns the node's state, of synced data.
func (n *Node) Status() Status {
	s := Status{ID: n.opt.ID, AZ: n.opt.AZ, Store: n.id.Store, Healthy: n.ctx.Err() == nil}
	s.HotFiles, _ = n.hot.Live()
	if dir := Aside(n.opt.Dir); dir != "" {
		s.Detail = fmt.Sprintf("a damaged store is set aside in %s: remove it when the cluster is whole", dir)
	}
	if !s.Healthy {
		s.Detail = context.Cause(n.ctx).Error()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.DamageFound, s.DamageRepaired = n.found, n.repaired
	if n.host == nil {
		return s
	}
	h := n.host.Health()
	s.Volume, s.Epoch, s.ListEpoch = n.volume, h.Epoch, h.List.Epoch
	s.Undrained, s.Memory, s.Segments = h.Undrained, n.host.Memory(), h.Segments
	s.ScrubbedBytes, s.ScrubRounds = n.bg.scrub.bytes.Load(), n.bg.scrub.rounds.Load()
	s.StoredBytes, s.FreeBytes = n.bg.storedBytes.Load(), n.bg.freeBytes.Load()
	if n.hotBad != nil {
		s.Detail = n.hotBad.Error()
	}
	what := func(pg redo.PGID) string {
		if n.harmed[pg] {
			return fmt.Sprintf("segment of group %d is damaged", pg)
		}
		return fmt.Sprintf("segment of group %d is being filled", pg)
	}
	out := 0
	for _, g := range h.Segments {
		if g.Damaged {
			s.Detail = what(g.PG)
			out++
		}
	}
	if pg, from, pages, ok := n.host.Copying(); ok {
		s.Detail = fmt.Sprintf("%s: %d pages copied from %s", what(pg), pages, from)
	}
	if out > 1 {
		s.Detail += fmt.Sprintf("; and %d more", out-1)
	}
	return s
}

// greeting is what the node says of itself on an append stream.
func (n *Node) greeting() wire.Greeting {
	return wire.Greeting{Cluster: n.opt.Cluster, Node: n.opt.ID, Store: n.id.Store}
}

var _ segment.Apply = page.Apply
