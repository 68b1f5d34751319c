package sim

import (
	"errors"
	"fmt"
	"slices"

	"sextant/engine/bufpool"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// cache is the page cache of an instance with the statements that read it: the driver
// of a bufpool.Pool and its Loads. A reader that is promoted gives it, warm and with
// its open statements, to the writer that it becomes.
type cache struct {
	w       *world
	src     source
	pool    *bufpool.Pool
	snaps   bufpool.Snapshots
	waiting []waiter
	dead    bool // its process is
}

// source is the role that a cache has: where pages come from.
type source interface {
	name() logstore.NodeID
	number() int
	ended() bool // its process has
	// run calls do now, or when the process runs again after a pause; never if it is dead.
	run(do func())
	readPoint() redo.LSN
	// request says how to read a page as of an LSN, and of whom; false if it may not be read.
	request(id redo.PageID, at redo.LSN) (logstore.ReadPage, []int, bool)
	// visible is what a snapshot may be taken at.
	visible() redo.LSN
	pages() int // that it knows of
}

// waiter is a load that waits for another's fetch.
type waiter struct {
	until <-chan struct{}
	go_   func()
}

func (w *world) newCache(src source) *cache {
	return &cache{w: w, src: src, pool: bufpool.New(bufpool.Options{
		Bytes: int64(w.swarm.cached * pageBytes), PageSize: pageBytes, Apply: apply,
	})}
}

// load takes a load to its end, and then calls then.
func (c *cache) load(l *bufpool.Load, id redo.PageID, then func(b []byte, err error)) {
	c.src.run(func() {
		if c.dead {
			return
		}
		switch st := l.Next(); {
		case st.Page != nil || st.Err != nil:
			then(st.Page, st.Err)
		case st.Wait != nil:
			c.waiting = append(c.waiting, waiter{st.Wait, func() { c.load(l, id, then) }})
		default:
			c.fetch(id, st.At, func(b []byte, err error) {
				l.Fetched(b, err)
				c.landed()
				c.load(l, id, then)
			})
		}
	})
}

// landed lets loads go on whose wait is over, soon.
func (c *cache) landed() {
	c.waiting = slices.DeleteFunc(c.waiting, func(x waiter) bool {
		select {
		case <-x.until:
			c.w.after(c.w.between(0, 3), x.go_)
			return true
		default:
			return false
		}
	})
}

// fetch reads a page from storage, of one member after another.
func (c *cache) fetch(id redo.PageID, at redo.LSN, then func(b []byte, err error)) {
	m, nodes, ok := c.src.request(id, at)
	if !ok {
		then(nil, errNotReadable)
		return
	}
	c.w.call(c.src, m, nodes, func(a logstore.Message, err error) {
		if c.dead {
			return
		}
		if err != nil {
			then(nil, err)
			return
		}
		b := make([]byte, pageBytes) // of zeros: a page that no record touched
		copy(b, a.(logstore.PageAnswer).Pages[0])
		then(b, nil)
	})
}

var (
	errNotReadable = errors.New("sim: the LSN was annulled")
	errAway        = fmt.Errorf("sim: no member answers: %w", logstore.ErrUnavailable)
)

// call is a request that is sent to one member of a group after another until one answers:
// the first answer counts.
type call struct {
	w     *world
	id    logstore.NodeID
	by    source
	m     logstore.Message
	nodes []int
	gone  map[logstore.NodeID]bool // copies that lack what is asked for
	tries int
	done  func(logstore.Message, error)
}

// callsMax is how often a request is sent before it fails.
const callsMax = 12

func (w *world) call(by source, m logstore.Message, nodes []int, done func(logstore.Message, error)) {
	w.calls++
	c := &call{
		w: w, id: logstore.NodeID(fmt.Sprintf("%s#%d", by.name(), w.calls)), by: by, m: m, nodes: nodes,
		gone: map[logstore.NodeID]bool{}, done: done,
	}
	w.peers[c.id] = c
	c.send()
}

func (c *call) number() int { return c.by.number() }

func (c *call) send() {
	if c.w.peers[c.id] == nil || c.by.ended() {
		delete(c.w.peers, c.id)
		return
	}
	if c.tries++; c.tries > callsMax || len(c.nodes) == 0 {
		c.end(nil, errAway)
		return
	}
	c.w.letter(c.id, c.number(), c.w.nodes[pick(c.w, c.nodes...)], c.m)
	tries, patience := c.tries, c.w.swarm.patience
	if c.w.calm {
		patience = 40
	}
	c.w.after(c.w.between(patience/4, patience), func() {
		if c.tries == tries {
			c.send()
		}
	})
}

func (c *call) end(m logstore.Message, err error) {
	delete(c.w.peers, c.id)
	c.done(m, err)
}

// receive takes an answer.
func (c *call) receive(from logstore.NodeID, m logstore.Message) {
	c.by.run(func() {
		if c.w.peers[c.id] == nil {
			return // answered already
		}
		no, refused := m.(logstore.Refused)
		switch {
		case !refused:
			c.end(m, nil)
		case no.Kind == logstore.Gone && no.Segment: // of this copy
			c.gone[from] = true
			if !slices.ContainsFunc(c.nodes, func(i int) bool { return !c.w.nodes[i].dead && !c.gone[c.w.nodes[i].id] }) {
				c.end(nil, fmt.Errorf("all copies: %w", no))
			}
		case no.Kind == logstore.Gone || no.Kind == logstore.Fenced:
			c.end(nil, no)
		default:
			c.w.after(c.w.between(2, 10), c.send)
		}
	})
}

// statement reads some pages as of one snapshot, perhaps for long, and compares each with
// what it was at that LSN. newest: the snapshot is what a writer's locking read sees,
// which need not be durable. A writer then answers its client.
func (c *cache) statement(newest bool) {
	at := c.snaps.AcquireNewest()
	if !newest {
		c.snaps.Release(at)
		at = c.snaps.Acquire(c.src.visible())
		c.w.oracle.snapshot(c, at)
	}
	h, told := c.writer(), c.w.oracle.told
	left, pause := 1+c.w.rng.IntN(4), 10
	if c.w.chance(c.w.swarm.long) {
		left, pause = 4+c.w.rng.IntN(20), 400
	}
	var next func()
	next = func() {
		if left--; left < 0 || c.dead {
			c.snaps.Release(at)
			if h != nil && !c.dead {
				h.replies = append(h.replies, reply{at, told})
				h.settle()
			}
			return
		}
		id := c.anyPage()
		c.load(c.pool.AsOf(id, at, c.readPoint), id, func(b []byte, err error) {
			if err == nil {
				c.w.oracle.cached(c, id, at, b, "a statement's read")
				c.w.counts.Cached++
			}
			c.w.after(c.w.between(0, pause), func() { c.src.run(next) })
		})
	}
	next()
}

// writer returns the writer that the cache is of, nil if it is a reader's.
func (c *cache) writer() *holder {
	h, _ := c.src.(*holder)
	return h
}

// readPoint is that of the role, also after a change of it.
func (c *cache) readPoint() redo.LSN { return c.src.readPoint() }

func (c *cache) anyPage() redo.PageID {
	return redo.PageID(1 + c.w.rng.IntN(c.src.pages()))
}

// check compares everything in the cache that a snapshot in use selects.
func (c *cache) check() {
	for _, at := range c.snaps.Readable(c.src.visible()) {
		for id := range redo.PageID(c.src.pages()) {
			if b, ok := c.pool.AtCold(id+1, at); ok {
				c.w.oracle.cached(c, id+1, at, b, "the cache's version")
			}
		}
	}
}

// snapshot takes an LSN at which a statement begins to read.
func (o *oracle) snapshot(c *cache, at redo.LSN) {
	if x := o.issued[at]; at > 0 && (x == nil || x.at == 0 || !x.CPL) {
		o.w.fail("I-21", "%s reads at %d, which is not the end of a durable mini-transaction", c.src.name(), at)
	}
}

// cached compares a page of a cache with what it was at an LSN, in the log that ends there.
func (o *oracle) cached(c *cache, id redo.PageID, at redo.LSN, b []byte, what string) {
	want := o.versionAt(id, at)
	if lsn, sum := content(b); lsn != want.lsn || sum != want.sum {
		o.w.fail("I-19", "%s: %s of page %d at %d has LSN %d, want %d", c.src.name(), what, id, at, lsn, want.lsn)
	}
}

// versionAt returns what a page is as of at. What is not durable is found by the links.
func (o *oracle) versionAt(id redo.PageID, at redo.LSN) version {
	var above []*redo.Record
	for x := o.issued[at]; x != nil && x.at == 0; x = o.issued[at] {
		if x.Page == id {
			above = append(above, &x.Record)
		}
		at = x.PrevVolume
	}
	vs := o.pages[id]
	v := version{}
	if i, _ := slices.BinarySearchFunc(vs, at+1, func(v version, l redo.LSN) int { return int(int64(v.lsn) - int64(l)) }); i > 0 {
		v = vs[i-1]
	}
	for _, r := range slices.Backward(above) {
		v = version{r.LSN, fold(v.sum, r)}
	}
	return v
}

// A simulated page is a header with the LSN of the last record in it, where package page
// has it, and a sum of all of them: it differs if one is missing, doubled, foreign or in
// another order.
const (
	pageBytes = page.HeaderSize
	lsnAt     = 40
	sumAt     = 48
)
