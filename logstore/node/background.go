package node

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync/atomic"
	"time"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/segment"
)

// background is what the background goroutine keeps between its rounds.
type background struct {
	storedBytes atomic.Int64
	freeBytes   atomic.Int64
	counts      map[pageOf]count          // of records stored since a page's last image
	cursor      map[redo.PGID]redo.PageID // where garbage collection goes on
	floors      map[redo.PGID][]floorAt   // read floors of the retention time, oldest first
	collected   time.Time
	compacted   time.Time
	scrub       scrubbing
}

func (b *background) init() {
	b.counts = map[pageOf]count{}
	b.cursor, b.floors = map[redo.PGID]redo.PageID{}, map[redo.PGID][]floorAt{}
	b.collected, b.compacted, b.scrub.last = time.Now(), time.Now(), time.Now()
}

type pageOf struct {
	pg   redo.PGID
	page redo.PageID
}

type count struct{ records, bytes int }

type floorAt struct {
	when time.Time
	plan segment.GarbagePlan
}

// backgroundLoop drains, collects, compacts and scrubs. It begins at a point of the interval
// that depends on the node, so that six nodes on one machine do not drain at once.
func (n *Node) backgroundLoop() {
	h := fnv.New32a()
	_, _ = h.Write([]byte(n.opt.ID))
	next := time.Now().Add(n.opt.DrainEvery/2 + n.opt.DrainEvery*time.Duration(h.Sum32()%64)/64)
	scrub := time.NewTicker(scrubEvery)
	defer scrub.Stop()
	for {
		urgent := false
		select {
		case now := <-scrub.C:
			if err := n.scrub(now); err != nil && n.ctx.Err() == nil {
				n.fail(fmt.Errorf("scrub: %w", err))
				return
			}
			continue
		case <-time.After(time.Until(next)):
		case <-n.spare:
			if err := n.hot.Prepare(); err != nil && n.ctx.Err() == nil {
				n.fail(fmt.Errorf("make a file of the hot log: %w", err))
				return
			}
			continue
		case i := <-n.installs:
			if err := n.install(i); err != nil && n.ctx.Err() == nil {
				n.fail(fmt.Errorf("background: %w", err))
				return
			}
			continue
		case <-n.urgent:
			urgent = true
		case <-n.ctx.Done():
			return
		}
		next = time.Now().Add(n.opt.DrainEvery)
		if err := n.round(urgent); err != nil && n.ctx.Err() == nil {
			n.fail(fmt.Errorf("background: %w", err))
			return
		}
	}
}

// round is one look at every segment.
func (n *Node) round(urgent bool) error {
	n.mu.Lock()
	var pgs []redo.PGID
	if n.host != nil {
		pgs = n.host.PGs()
	}
	store := n.store
	n.mu.Unlock()
	for _, pg := range pgs {
		began := time.Now()
		if err := n.drain(pg); err != nil {
			return err
		}
		if !urgent {
			n.rest(time.Since(began))
		}
		if n.ctx.Err() != nil {
			return nil
		}
	}
	if err := n.sweep(); err != nil {
		return err
	}
	n.look()
	if err := n.note(); err != nil {
		return err
	}
	if len(pgs) > 0 {
		n.release()
	}
	if now := time.Now(); now.Sub(n.bg.collected) >= min(collectEvery, n.opt.Retention) {
		n.bg.collected = now
		if err := n.collect(pgs, now); err != nil {
			return err
		}
	}
	if store != nil {
		n.bg.storedBytes.Store(store.Bytes())
		n.bg.freeBytes.Store(store.FreeBytes())
	}
	return nil
}

// sweep deletes the files of segments that were dropped. Only the goroutine that writes
// segments calls it: a segment that is made meanwhile has put nothing there.
func (n *Node) sweep() error {
	n.mu.Lock()
	host, store := n.host, n.store
	var mine []redo.PGID
	if host != nil {
		mine = host.PGs()
	}
	n.mu.Unlock()
	if store == nil {
		return nil
	}
	for _, pg := range store.Groups() {
		if slices.Contains(mine, pg) {
			continue
		}
		if err := store.Remove(pg); err != nil {
			return err
		}
		n.mu.Lock()
		delete(n.out, pg)
		delete(n.harmed, pg)
		n.mu.Unlock()
		delete(n.bg.cursor, pg)
		delete(n.bg.floors, pg)
		n.opt.Logger.Info("segment is dropped: the node is no member of its group any more", "node", n.opt.ID, "pg", pg)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.host.Emptied(mine)
	return nil
}

// rest gives way to the foreground in proportion to the work just done.
func (n *Node) rest(worked time.Duration) {
	if !n.touched.Load() {
		return
	}
	select {
	case <-time.After(min(worked*drainDuty, drainRestMax)):
	case <-n.urgent:
		n.signal(n.urgent)
	case <-n.ctx.Done():
	}
}

// drain moves one segment's records from memory to the store: once through its pages, a
// part at a time.
func (n *Node) drain(pg redo.PGID) error {
	for from := redo.PageID(0); n.ctx.Err() == nil; {
		n.mu.Lock()
		p := n.host.Drain(pg, from)
		n.mu.Unlock()
		if p == nil {
			return nil
		}
		if err := n.drainPart(p); err != nil {
			return n.storeFailed(pg, err)
		}
		if from = p.Next; from == 0 {
			return nil
		}
	}
	return nil
}

// drainPart moves one part.
func (n *Node) drainPart(p *segment.DrainPlan) error {
	writes := make([]boltstore.PageWrite, 0, len(p.Pages))
	for i := range p.Pages {
		w, err := n.pageWrite(p, &p.Pages[i])
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	if err := n.store.Write(p.PG, writes); err != nil {
		return err
	}
	n.mu.Lock()
	before := n.host.Memory()
	n.host.Drained(p)
	n.ceiling.freed(before - n.host.Memory())
	n.mu.Unlock()
	n.signal(n.room)
	return nil
}

// pageWrite adds an image to a page's records if one is due.
func (n *Node) pageWrite(p *segment.DrainPlan, d *segment.DrainPage) (boltstore.PageWrite, error) {
	w := boltstore.PageWrite{Page: d.Page, Records: d.Records}
	at := pageOf{p.PG, d.Page}
	c := n.bg.counts[at]
	for i := range d.Records {
		c.records++
		c.bytes += len(d.Records[i].Payload)
	}
	defer func() {
		if len(n.bg.counts) >= pageCountsMax {
			clear(n.bg.counts) // images come later, no more
		}
		n.bg.counts[at] = c
	}()
	// Page 0 holds records that change no page.
	if d.Page == 0 || len(d.Records) == 0 || d.Records[len(d.Records)-1].LSN > p.ImageThrough || !n.host.ImageDue(c.records, c.bytes) {
		return w, nil
	}
	last := d.Records[len(d.Records)-1].LSN
	b, err := segment.Build(n.store, p.PG, d.Page, last, d.Records, page.Apply)
	if errors.Is(err, boltstore.ErrCollected) {
		return w, nil // drained again after a restart: the store has a newer image
	}
	if err != nil {
		return w, err
	}
	w.Image, w.LSN, c = b, last, count{}
	return w, nil
}

// storeFailed puts a damaged segment out of service; any other failure is the node's end.
func (n *Node) storeFailed(pg redo.PGID, err error) error {
	if !errors.Is(err, boltstore.ErrDamaged) {
		return fmt.Errorf("store of segment %d: %w", pg, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.quarantine(pg, err)
	return nil
}

// look takes segments out of service that the Host says are spoilt, since like a damaged
// file they must not pin the hot log, and reports those that are whole again.
func (n *Node) look() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.host == nil {
		return
	}
	for _, s := range n.host.Spoiled() {
		err := errForked
		if s.LogGone {
			err = errLogGone
		}
		n.quarantine(s.PG, err)
	}
	segments := n.host.Health().Segments
	lacks := func(g logstore.SegmentState) bool { return g.Damaged || g.SCL < g.Start }
	if n.aside && len(segments) > 0 && !slices.ContainsFunc(segments, lacks) {
		n.aside = false
		n.repaired++
	}
	for _, g := range segments {
		if n.out[g.PG] && !g.Damaged {
			delete(n.out, g.PG)
			if n.harmed[g.PG] {
				delete(n.harmed, g.PG)
				n.repaired++
			}
			n.opt.Logger.Info("segment is whole again", "node", n.opt.ID, "pg", g.PG, "scl", g.SCL)
		}
	}
}

// Why a segment is copied whose files are sound.
var (
	errForked  = errors.New("node: the segment has two records for one LSN")
	errLogGone = errors.New("node: no peer has the log any more that the segment lacks")
)

// install puts a part of a segment's copy into the store.
func (n *Node) install(i segment.Install) error {
	n.mu.Lock()
	wanted := n.host.Installing(i)
	n.mu.Unlock()
	if !wanted {
		return nil
	}
	if err := n.store.Install(i); err != nil {
		return n.storeFailed(i.PG, err)
	}
	n.mu.Lock()
	n.host.Installed(i)
	n.mu.Unlock()
	return nil
}

// note makes quarantines durable: a file that begins with a snapshot of them. Whoever
// appends may be about to do the same, or wait for room: then it is for the next round.
func (n *Node) note() error {
	n.mu.Lock()
	due := n.unnoted
	n.mu.Unlock()
	if !due || !n.persist.TryLock() {
		return nil
	}
	defer n.persist.Unlock()
	if err := n.rotateNow(0); err != nil {
		return fmt.Errorf("note a quarantine: %w", err) // the next start has room for it
	}
	return nil
}

// release gives back the hot log's files whose records are in the store.
func (n *Node) release() {
	n.mu.Lock()
	oldest, unnoted := n.host.OldestFrame(), n.unnoted
	n.mu.Unlock()
	if unnoted {
		return
	}
	n.marks.Lock()
	defer n.marks.Unlock()
	var through uint64
	for len(n.marks.list) > 1 && n.marks.list[0].end <= oldest {
		through = n.marks.list[0].generation
		n.marks.list = n.marks.list[1:]
	}
	if through > 0 {
		n.hot.Release(through)
		n.signal(n.room)
	}
}

// collect deletes garbage of each segment, a bounded number of pages, and gives free space
// back now and then. It ends early to drain in time, and goes on there the next time.
func (n *Node) collect(pgs []redo.PGID, now time.Time) error {
	compact := now.Sub(n.bg.compacted) >= compactEvery
	if compact {
		n.bg.compacted = now
	}
	full := n.bg.storedBytes.Load() > n.opt.RetentionBytes
	for _, pg := range pgs {
		n.mu.Lock()
		plan := n.host.Garbage(pg)
		n.mu.Unlock()
		plan = n.retained(pg, plan, now, full)
		if plan.ReadFloor == 0 {
			continue
		}
		err := n.collectSegment(plan, now.Add(n.opt.DrainEvery))
		if err == nil && compact {
			_, err = n.store.Compact(pg)
		}
		if err != nil {
			if err := n.storeFailed(pg, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// collectSegment deletes garbage of a segment, of collectPages in any case.
func (n *Node) collectSegment(plan segment.GarbagePlan, until time.Time) error {
	for range collectSteps {
		began := time.Now()
		c, err := n.store.Collect(plan, n.bg.cursor[plan.PG], collectPages)
		if err != nil {
			return err
		}
		n.bg.cursor[plan.PG] = c.Next
		if c.Next == 0 || len(n.urgent) > 0 || n.ctx.Err() != nil || time.Now().After(until) {
			return nil
		}
		n.rest(time.Since(began))
	}
	return nil
}

// retained returns the plan of a retention time ago; if full, today's, with all of the
// log that was garbage a retention time ago but for a member that lacks it: that one will
// copy the segment. The clock only keeps garbage longer here; what may be garbage is for
// the Host to say.
func (n *Node) retained(pg redo.PGID, plan segment.GarbagePlan, now time.Time, full bool) segment.GarbagePlan {
	q := append(n.bg.floors[pg], floorAt{now, plan})
	for len(q) > 1 && now.Sub(q[1].when) >= n.opt.Retention {
		q = q[1:]
	}
	n.bg.floors[pg] = q
	if full {
		for _, f := range q {
			if now.Sub(f.when) >= n.opt.Retention {
				plan.LogFloor = max(plan.LogFloor, f.plan.ReadFloor)
			}
		}
		return plan
	}
	if now.Sub(q[0].when) < n.opt.Retention {
		return segment.GarbagePlan{PG: pg}
	}
	old := q[0].plan
	old.LogFloor = min(old.LogFloor, plan.LogFloor)
	return old
}
