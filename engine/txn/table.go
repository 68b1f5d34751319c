package txn

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Bytes that the bookkeeping of a lock takes beside its key, rounded up.
const (
	pointBytes    = 128 // with the owner's reference
	intervalBytes = 64
)

// emptySpacesMax is how many spaces are kept before empty ones are forgotten.
const emptySpacesMax = 4096

// creditBytes is how much an owner takes from the budget at a time.
const creditBytes = 4 << 10

// Table is the lock table of one instance. It is safe for concurrent use.
//
// Invariant: two owners hold conflicting locks on no key; whoever waits has an
// owner in his way; no cycle of owners waits.
type Table struct {
	budget *Budget

	mu     sync.Mutex // guards everything below, and the fields of owners and waiters
	spaces map[Space]*space
	owners map[*Owner]struct{}
	mark   uint64 // of the last deadlock search
	waits  Stats
	closed error

	onDeadlock func(Deadlock) // nil: nobody asked
}

// Stats counts what happened to requests since the table was made.
type Stats struct {
	Waits, Deadlocks, Timeouts uint64
	// RowWaits are the waits for rows and gaps, RowTime how long those that have ended took
	// together, and RowLongest the longest of them.
	RowWaits            uint64
	RowTime, RowLongest time.Duration
}

// space is the locks of one Space.
type space struct {
	id      Space
	points  Map[point]
	ranges  []*ownerRanges // of owners with intervals here
	waiters []*Waiter      // all of the space, in no order
}

// point is the locks on one key, and who waits for it, first come first.
type point struct {
	first holder // o is nil if nobody holds the key
	ext   *pointExt
}

type pointExt struct {
	holders []holder // beside the first one
	queue   []*Waiter
}

// holder is what one owner has of a key.
type holder struct {
	o       *Owner
	write   Seq     // the first write of the key that is not undone, 0: none
	modes   modeSet // until the transaction's end, or Unlock
	session modeSet // until UnlockSession
	visible bool    // the written key is an index entry, which scans must see
}

func (h *holder) all() modeSet {
	m := h.modes | h.session
	if h.write != 0 {
		m |= 1 << Exclusive
	}
	return m
}

func (p *point) holder(o *Owner) *holder {
	if p.first.o == o {
		return &p.first
	}
	if p.ext != nil {
		for i := range p.ext.holders {
			if p.ext.holders[i].o == o {
				return &p.ext.holders[i]
			}
		}
	}
	return nil
}

func (p *point) add(o *Owner) *holder {
	if p.first.o == nil {
		p.first = holder{o: o}
		return &p.first
	}
	if p.ext == nil {
		p.ext = &pointExt{}
	}
	p.ext.holders = append(p.ext.holders, holder{o: o})
	return &p.ext.holders[len(p.ext.holders)-1]
}

func (p *point) remove(o *Owner) {
	switch {
	case p.first.o == o && p.ext != nil && len(p.ext.holders) > 0:
		p.first = p.ext.holders[0]
		p.ext.holders = slices.Delete(p.ext.holders, 0, 1)
	case p.first.o == o:
		p.first = holder{}
	case p.ext != nil:
		p.ext.holders = slices.DeleteFunc(p.ext.holders, func(h holder) bool { return h.o == o })
	}
}

func (p *point) queue() []*Waiter {
	if p.ext == nil {
		return nil
	}
	return p.ext.queue
}

// others calls f for the holders but o, until it returns false.
func (p *point) others(o *Owner, f func(*holder) bool) {
	if p.first.o != nil && p.first.o != o && !f(&p.first) {
		return
	}
	if p.ext == nil {
		return
	}
	for i := range p.ext.holders {
		if h := &p.ext.holders[i]; h.o != o && !f(h) {
			return
		}
	}
}

// NewTable returns an empty lock table whose locks take their bytes from b.
func NewTable(b *Budget) *Table {
	return &Table{budget: b, spaces: map[Space]*space{}, owners: map[*Owner]struct{}{}}
}

// Owner is who holds locks and waits for them: a session. Its methods are for one
// goroutine at a time.
//
// Invariant: an owner waits for at most one lock.
type Owner struct {
	ID uint64 // for listings and the choice of a victim
	t  *Table

	// Guarded by t.mu.
	held    []ref // keys with modes until the end of the transaction
	writes  []writeRef
	ranged  []*space // spaces with intervals
	waiting *Waiter
	mark    uint64
	credit  int // bytes taken from the budget and not used
	users   map[string]int
}

type ref struct {
	sp  *space
	key string
}

type writeRef struct {
	ref
	seq Seq
}

// NewOwner returns an owner without locks. It must be closed.
func (t *Table) NewOwner(id uint64) *Owner {
	o := &Owner{ID: id, t: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owners[o] = struct{}{}
	return o
}

// Request is one wish for a lock on a key.
type Request struct {
	Space Space
	Key   []byte
	Mode  Mode
	// Write makes it the lock of a key that the transaction writes at this sequence:
	// Mode must be Exclusive, and ReleaseAfter takes it back (T-21). 0: a lock of a reader or
	// of metadata, until the end of the transaction.
	Write Seq
	// Insert asks whether the intervals of others allow a new key (insert intention), and
	// shows the key to scans although no tree has it (T-3).
	Insert bool
	// Session keeps the lock beyond the transaction, until UnlockSession or Close.
	Session bool
}

// charge takes n bytes from the budget and reports whether they were there.
func (o *Owner) charge(n int) bool {
	if n > o.credit {
		want := max(n-o.credit, creditBytes)
		if !o.t.budget.Take(int64(want)) {
			if want = n - o.credit; !o.t.budget.Take(int64(want)) {
				return false
			}
		}
		o.credit += want
	}
	o.credit -= n
	return true
}

func (t *Table) space(id Space) *space {
	sp := t.spaces[id]
	if sp == nil {
		if len(t.spaces) >= emptySpacesMax {
			for old, x := range t.spaces {
				if x.points.Len() == 0 && len(x.ranges) == 0 {
					delete(t.spaces, old)
				}
			}
		}
		sp = &space{id: id}
		t.spaces[id] = sp
	}
	return sp
}

func (sp *space) rangesOf(o *Owner) *ownerRanges {
	for _, r := range sp.ranges {
		if r.o == o {
			return r
		}
	}
	return nil
}

// has reports whether the owner need not ask: what it holds covers the request. The
// lock of a write does not: it may be given back before a scan's.
func (o *Owner) has(sp *space, p *point, r *Request) bool {
	h := p.holderOrNil(o)
	switch {
	case r.Session:
		return h != nil && h.session&covered[r.Mode] != 0
	case r.Write != 0:
		// A write leaves its own mark even where a scan's lock covers the key.
		return h != nil && h.write != 0 && (h.visible || !r.Insert)
	case h != nil && (h.modes|h.session)&covered[r.Mode] != 0:
		return true
	}
	if rs := sp.rangesOf(o); rs != nil {
		return rs.holds(string(r.Key), r.Mode)
	}
	return false
}

func (p *point) holderOrNil(o *Owner) *holder {
	if p == nil {
		return nil
	}
	return p.holder(o)
}

// free reports whether o can have the lock now. Waiters do not stand in the way of
// an owner that they wait for.
func (o *Owner) free(sp *space, p *point, r *Request, queue []*Waiter) bool {
	key := string(r.Key)
	for _, rs := range sp.ranges {
		if rs.o != o && rs.excludes(key, r.Mode, r.Insert) {
			return false
		}
	}
	if p == nil {
		return true
	}
	ok := true
	p.others(o, func(h *holder) bool {
		ok = h.all()&conflicts[r.Mode] == 0
		return ok
	})
	if !ok || o.passes(sp, p, key) {
		return ok
	}
	for _, w := range queue {
		if w.o != o && conflicts[r.Mode]&(1<<w.req.Mode) != 0 {
			return false
		}
	}
	return true
}

// passes reports whether o goes ahead of those who wait for the key: they wait for o
// as it is, by what it holds of the key or by an interval that has it.
func (o *Owner) passes(sp *space, p *point, key string) bool {
	if p.holder(o) != nil {
		return true
	}
	rs := sp.rangesOf(o)
	return rs != nil && rs.excludes(key, Exclusive, true)
}

// grant records the lock. Returns ErrLocksFull if the budget is used up.
func (o *Owner) grant(sp *space, r *Request) error {
	kept, p, _ := sp.points.Put(r.Key)
	h := p.holder(o)
	if h == nil {
		if !o.charge(pointBytes + len(kept)) {
			o.t.sweep(sp, kept, p)
			return ErrLocksFull
		}
		h = p.add(o)
	}
	before := *h
	switch {
	case r.Session:
		h.session |= 1 << r.Mode
	case r.Write != 0:
		if h.write == 0 {
			h.write = r.Write
			o.writes = append(o.writes, writeRef{ref{sp, kept}, r.Write})
		}
		h.visible = h.visible || r.Insert
	default:
		h.modes |= 1 << r.Mode
		if before.modes == 0 {
			o.held = append(o.held, ref{sp, kept})
		}
	}
	return nil
}

// sweep forgets a point that nobody holds or waits for.
func (t *Table) sweep(sp *space, key string, p *point) {
	if p.first.o == nil && len(p.queue()) == 0 {
		sp.points.Delete([]byte(key))
	}
}

// drop takes something of a holder away by f, and lets waiters go on.
func (o *Owner) drop(r ref, f func(h *holder)) {
	p := r.sp.points.Get([]byte(r.key))
	h := p.holderOrNil(o)
	if h == nil {
		return
	}
	f(h)
	if h.write == 0 {
		h.visible = false
	}
	if h.all() == 0 {
		p.remove(o)
		o.credit += pointBytes + len(r.key)
	}
	if len(p.queue()) > 0 {
		o.t.wake(r.sp, r.key)
		return
	}
	o.t.sweep(r.sp, r.key, p)
}

// Unlock gives back a lock in a mode, of a row that a scan looked at and does not
// return (READ COMMITTED). A write lock of the key stays.
func (o *Owner) Unlock(s Space, key []byte, m Mode) {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	sp := o.t.space(s)
	p := sp.points.Get(key)
	h := p.holderOrNil(o)
	if h == nil || h.modes&(1<<m) == 0 {
		return
	}
	if h.modes == 1<<m {
		// Mostly the lock taken last.
		for i := len(o.held) - 1; i >= 0; i-- {
			if o.held[i].sp == sp && o.held[i].key == string(key) {
				o.held = slices.Delete(o.held, i, i+1)
				break
			}
		}
	}
	o.drop(ref{sp, string(key)}, func(h *holder) { h.modes &^= 1 << m })
}

// UnlockSession gives back a lock that Request.Session took.
func (o *Owner) UnlockSession(s Space, key []byte, m Mode) {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	o.drop(ref{o.t.space(s), string(key)}, func(h *holder) { h.session &^= 1 << m })
}

// ReleaseAfter gives back the locks of keys that were written after s: those writes
// are undone. Locks of scans stay (T-21).
func (o *Owner) ReleaseAfter(s Seq) {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	o.releaseAfter(s)
}

func (o *Owner) releaseAfter(s Seq) {
	n := len(o.writes)
	for n > 0 && o.writes[n-1].seq > s {
		n--
	}
	for _, w := range o.writes[n:] {
		o.drop(w.ref, func(h *holder) { h.write = 0 })
	}
	clear(o.writes[n:])
	o.writes = o.writes[:n]
}

// Release gives back everything but what was taken for the session: the
// transaction has ended.
func (o *Owner) Release() {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	o.releaseAfter(0)
	for _, r := range o.held {
		o.drop(r, func(h *holder) { h.modes = 0 })
	}
	for _, sp := range o.ranged {
		o.dropRanges(sp)
	}
	o.held, o.ranged, o.writes = reuse(o.held), reuse(o.ranged), reuse(o.writes)
	// What is still held is the session's and stays paid for.
	o.t.budget.Give(int64(o.credit))
	o.credit = 0
}

// reuse empties a list, keeping memory for a small transaction.
func reuse[T any](list []T) []T {
	if cap(list) > 256 {
		return nil
	}
	clear(list)
	return list[:0]
}

func (o *Owner) dropRanges(sp *space) {
	i := slices.IndexFunc(sp.ranges, func(r *ownerRanges) bool { return r.o == o })
	if i < 0 {
		return
	}
	gone := sp.ranges[i]
	sp.ranges = slices.Delete(sp.ranges, i, i+1)
	for k := range kinds {
		for _, v := range gone.sets[k] {
			o.credit += v.size()
		}
	}
	var keys []string
	for _, w := range sp.waiters {
		key := string(w.req.Key)
		if gone.excludes(key, w.req.Mode, w.req.Insert) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		o.t.wake(sp, key)
	}
}

// Close releases everything, also what is the session's, and ends a wait.
func (o *Owner) Close() {
	o.t.mu.Lock()
	if o.waiting != nil {
		o.t.end(o.waiting, ErrClosed)
	}
	for id, sp := range o.t.spaces {
		if id.Kind == SpaceIndex {
			continue
		}
		var keys []string
		sp.points.Ascend(nil, func(key string, p *point) bool {
			if h := p.holder(o); h != nil && h.session != 0 {
				keys = append(keys, key)
			}
			return true
		})
		for _, key := range keys {
			o.drop(ref{sp, key}, func(h *holder) { h.session = 0 })
		}
	}
	delete(o.t.owners, o)
	o.users = nil
	o.t.mu.Unlock()
	o.Release()
}

// Step is one step of a locking scan: the scan stands at From and the tree's next
// key is Key.
type Step struct {
	Space Space
	// From is where the scan stands; its own keys begin there. Scanning in reverse,
	// they end before From; nil: no bound.
	From []byte
	// Key is the next key that the tree has; nil: there is none up to To.
	Key []byte
	// To is the range's other bound, exclusive (inclusive in reverse); nil: no bound.
	To      []byte
	Mode    Mode
	Reverse bool
	// Gaps keeps others from inserting where the scan has been (REPEATABLE READ).
	Gaps bool
	// Entries says that the keys are entries of a secondary index: they are not locked
	// themselves, their rows are.
	Entries bool
	// SkipPending does not look for keys that others wrote and no tree has.
	SkipPending bool
}

// Next takes the locks of a scan's step, without waiting. If all are free it returns
// nil. Otherwise it returns the key that is not: Step.Key or a key before it that
// another transaction has written and no tree has yet (T-3). Returns ErrLocksFull.
func (o *Owner) Next(s *Step) (blocked []byte, err error) {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	sp := o.t.space(s.Space)
	if !s.SkipPending {
		if key, found := o.pending(sp, s); found {
			return []byte(key), nil
		}
	}
	if s.Key != nil && !s.Entries {
		r := Request{Space: s.Space, Key: s.Key, Mode: s.Mode}
		p := sp.points.Get(s.Key)
		if !o.has(sp, p, &r) {
			if !o.free(sp, p, &r, p.queueOrNil()) {
				return s.Key, nil
			}
			if !s.Gaps {
				return nil, o.grant(sp, &r)
			}
		}
	}
	if s.Gaps {
		return nil, o.lockRange(sp, s.interval(), s.kind())
	}
	return nil, nil
}

func (p *point) queueOrNil() []*Waiter {
	if p == nil {
		return nil
	}
	return p.queue()
}

func (s *Step) kind() kind {
	switch {
	case s.Entries:
		return rangeGap
	case s.Mode == Exclusive:
		return rangeExclusive
	}
	return rangeShared
}

// interval returns what the step has passed: from where the scan stands through
// Key, or to To.
func (s *Step) interval() interval {
	if s.Reverse {
		v := interval{hi: string(s.From), unbounded: s.From == nil, lo: string(s.To)}
		if s.Key != nil {
			v.lo = string(s.Key)
		}
		return v
	}
	v := interval{lo: string(s.From), hi: string(s.To), unbounded: s.To == nil}
	if s.Key != nil {
		v.hi, v.unbounded = string(s.Key)+"\x00", false
	}
	return v
}

// pending returns the first key that another owner wrote, in the step's order,
// before Key (with it, for entries), or up to To if there is no Key.
func (o *Owner) pending(sp *space, s *Step) (key string, found bool) {
	v := s.interval()
	if !v.unbounded && v.lo >= v.hi {
		return "", false
	}
	look := func(k string, p *point) bool {
		if s.Key != nil && !s.Entries && k == string(s.Key) {
			return true
		}
		p.others(o, func(h *holder) bool {
			found = h.write != 0 && h.visible && h.all()&conflicts[s.Mode] != 0
			return !found
		})
		if found {
			key = k
		}
		return !found
	}
	if s.Reverse {
		var below []byte
		if !v.unbounded {
			below = []byte(v.hi)
		}
		sp.points.Descend(below, func(k string, p *point) bool { return k >= v.lo && look(k, p) })
		return key, found
	}
	sp.points.Ascend([]byte(v.lo), func(k string, p *point) bool { return (v.unbounded || k < v.hi) && look(k, p) })
	return key, found
}

// lockRange adds an interval. It never waits: keys in it are free, or were found not to be there.
func (o *Owner) lockRange(sp *space, v interval, k kind) error {
	if !v.unbounded && v.lo >= v.hi {
		return nil
	}
	rs := sp.rangesOf(o)
	if rs == nil {
		rs = &ownerRanges{o: o}
		sp.ranges = append(sp.ranges, rs)
		o.ranged = append(o.ranged, sp)
	}
	if rs.sets[k].coversAll(v) || k == rangeGap && (rs.sets[rangeShared].coversAll(v) || rs.sets[rangeExclusive].coversAll(v)) {
		return nil
	}
	if !o.charge(v.size()) {
		return ErrLocksFull
	}
	var grown int
	rs.sets[k], grown = rs.sets[k].add(v)
	o.credit += v.size() - grown
	return nil
}

// LockGap keeps others from inserting keys in [lo, hi), hi nil meaning no bound,
// until the end of the transaction. It never waits. Returns ErrLocksFull.
func (o *Owner) LockGap(s Space, lo, hi []byte) error {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	return o.lockRange(o.t.space(s), interval{lo: string(lo), hi: string(hi), unbounded: hi == nil}, rangeGap)
}

// Holds reports whether the owner has key locked in mode m, by whatever lock.
func (o *Owner) Holds(s Space, key []byte, m Mode) bool {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	sp := o.t.space(s)
	return o.has(sp, sp.points.Get(key), &Request{Key: key, Mode: m})
}

// compare orders spaces for listings.
func (s Space) compare(b Space) int {
	switch {
	case s.Kind != b.Kind:
		return int(s.Kind) - int(b.Kind)
	case s.Table != b.Table:
		return cmp.Compare(s.Table, b.Table)
	}
	return int(s.Index) - int(b.Index)
}
