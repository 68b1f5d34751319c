package txn

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// LockInfo is one lock, or one wish for a lock, in a listing.
type LockInfo struct {
	Owner   uint64
	Space   Space
	Key, Hi []byte // a key; or, of an interval, its bounds [Key, Hi), Hi nil meaning none
	Mode    Mode
	Range   bool // an interval
	Gap     bool // of an interval: inserts only
	Written bool // the key was written by the open transaction
	Session bool
	Waiting bool
	Insert  bool      // of a waiting one: it asks for room for a new key
	Since   time.Time // of a waiting one: when the wait began
	// BlockedBy are the owners that a waiting one waits for.
	BlockedBy []uint64
}

// Locks returns all locks and waits, in order of space, key, and time of waiting.
// Its cost is that of copying the table: it is for monitors.
func (t *Table) Locks() []LockInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	spaces := make([]*space, 0, len(t.spaces))
	for _, sp := range t.spaces {
		spaces = append(spaces, sp)
	}
	slices.SortFunc(spaces, func(a, b *space) int { return a.id.compare(b.id) })
	var out []LockInfo
	for _, sp := range spaces {
		out = append(out, t.list(sp)...)
	}
	return out
}

func (t *Table) list(sp *space) (out []LockInfo) {
	for _, rs := range sp.ranges {
		for k := range kinds {
			for _, v := range rs.sets[k] {
				l := LockInfo{Owner: rs.o.ID, Space: sp.id, Key: []byte(v.lo), Mode: Exclusive, Range: true, Gap: k == rangeGap}
				if !v.unbounded {
					l.Hi = []byte(v.hi)
				}
				if k == rangeShared {
					l.Mode = Shared
				}
				out = append(out, l)
			}
		}
	}
	sp.points.Ascend(nil, func(key string, p *point) bool {
		p.others(nil, func(h *holder) bool {
			for m := range modes {
				if h.all()&(1<<m) != 0 {
					out = append(out, LockInfo{Owner: h.o.ID, Space: sp.id, Key: []byte(key), Mode: m,
						Written: m == Exclusive && h.write != 0, Session: h.session&(1<<m) != 0})
				}
			}
			return true
		})
		for _, w := range p.queue() {
			out = append(out, t.wish(w))
		}
		return true
	})
	slices.SortStableFunc(out, func(a, b LockInfo) int { return cmp.Compare(string(a.Key), string(b.Key)) })
	return out
}

// wish returns a waiter as it is listed.
func (t *Table) wish(w *Waiter) LockInfo {
	l := LockInfo{Owner: w.o.ID, Space: w.sp.id, Key: slices.Clone(w.req.Key), Mode: w.req.Mode,
		Waiting: true, Insert: w.req.Insert, Since: w.since}
	t.blockers(w, func(o *Owner) {
		if !slices.Contains(l.BlockedBy, o.ID) {
			l.BlockedBy = append(l.BlockedBy, o.ID)
		}
	})
	return l
}

// Waits returns the waits alone, the longest first. It costs little.
func (t *Table) Waits() []LockInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []LockInfo
	for o := range t.owners {
		if o.waiting != nil {
			out = append(out, t.wish(o.waiting))
		}
	}
	slices.SortFunc(out, func(a, b LockInfo) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Owner, b.Owner))
	})
	return out
}

// Deadlock is a cycle of waits: each waits for the one before it, the first for the
// last. Victim is the owner whose wait was ended.
type Deadlock struct {
	Waits  []LockInfo
	Victim uint64
}

// OnDeadlock has f called with every deadlock, before its victim is told. f must
// return at once and not call the table.
func (t *Table) OnDeadlock(f func(Deadlock)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onDeadlock = f
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waits
}

// UserLock takes the lock of a name for the session (GET_LOCK); a second call of the same
// owner succeeds and must be undone by another UserUnlock. Errors as Acquire's.
func (o *Owner) UserLock(ctx context.Context, name string, p Policy) error {
	if o.users[name] == 0 {
		r := Request{Space: Space{Kind: SpaceUser}, Key: []byte(name), Mode: MetaExclusive, Session: true}
		if err := o.Acquire(ctx, r, p); err != nil {
			return err
		}
	}
	if o.users == nil {
		o.users = map[string]int{}
	}
	o.users[name]++
	return nil
}

// UserUnlock undoes one UserLock and reports whether the owner had the lock (RELEASE_LOCK).
func (o *Owner) UserUnlock(name string) bool {
	switch o.users[name] {
	case 0:
		return false
	case 1:
		o.UnlockSession(Space{Kind: SpaceUser}, []byte(name), MetaExclusive)
		delete(o.users, name)
	default:
		o.users[name]--
	}
	return true
}

// HoldsUserLocks reports whether the owner has a lock of UserLock.
func (o *Owner) HoldsUserLocks() bool { return len(o.users) > 0 }

// UserUnlockAll gives all such locks back and returns how many calls of UserLock that
// undid (RELEASE_ALL_LOCKS).
func (o *Owner) UserUnlockAll() (n int) {
	names := make([]string, 0, len(o.users))
	for name, c := range o.users {
		names = append(names, name)
		n += c
	}
	slices.Sort(names)
	for _, name := range names {
		o.users[name] = 1
		o.UserUnlock(name)
	}
	return n
}

// UserHolder returns the owner of the lock of a name (IS_USED_LOCK), 0 if it is free.
func (t *Table) UserHolder(name string) (owner uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.space(Space{Kind: SpaceUser}).points.Get([]byte(name)); p != nil && p.first.o != nil {
		return p.first.o.ID
	}
	return 0
}
