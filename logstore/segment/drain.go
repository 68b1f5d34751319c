package segment

import (
	"maps"
	"slices"

	"sextant/internal/redo"
)

// Drain returns what can leave memory for one segment, of the pages from one on; nil if
// nothing can. Part after part, each from the Next of the one before, it goes through
// the pages once, however much arrives meanwhile.
//
// Nothing above the hint does: what a later recovery may annul, or must be given in
// a fetch, is never in the Store.
func (h *Host) Drain(pg redo.PGID, from redo.PageID) *DrainPlan {
	c := h.chain(pg)
	if c == nil || c.damaged {
		return nil
	}
	p := &DrainPlan{PG: pg, Through: c.hint.VDL, ImageThrough: min(c.scl(), c.hint.VDL), from: from, before: h.synced()}
	c.index()
	count := 0
	for _, id := range slices.Sorted(maps.Keys(c.byPage)) {
		if id < from {
			continue
		}
		if h.o.DrainBytes > 0 && memory(count, p.Bytes) >= h.o.DrainBytes {
			p.Next = id
			break
		}
		var of []redo.Record
		for _, i := range c.byPage[id] {
			if r := &c.log[i].Record; r.LSN <= p.Through && !hidden(h.list.Ranges, r.LSN) {
				of = append(of, *r)
				p.Bytes += int64(len(r.Payload))
			}
		}
		if count += len(of); len(of) > 0 {
			sortByLSN(of)
			p.Pages = append(p.Pages, DrainPage{id, of})
		}
	}
	if len(p.Pages) == 0 {
		return nil
	}
	return p
}

// Drained says that the Store holds p durably.
func (h *Host) Drained(p *DrainPlan) {
	c := h.chain(p.PG)
	if c == nil {
		return
	}
	drained := func(id redo.PageID) bool { return id >= p.from && (p.Next == 0 || id < p.Next) }
	c.keep(func(e *entry) bool { return e.frame >= p.before || e.LSN > p.Through || !drained(e.Page) })
}

// recordBytes is about what a record in memory takes besides its payload.
const recordBytes = 128

func memory(records int, payload int64) int64 { return int64(records)*recordBytes + payload }

// Memory returns about how many bytes the records in memory take.
func (h *Host) Memory() (bytes int64) {
	for _, c := range h.order {
		bytes += memory(len(c.log), c.bytes)
	}
	return bytes
}

// Drainable returns about how many of those bytes a drain would free now: what is above the
// hint stays. It looks at no record twice but at the first that was above: the hint is taken to
// pass those in the order in which they were stored.
func (h *Host) Drainable() (bytes int64) {
	for _, c := range h.order {
		if c.damaged {
			continue
		}
		for ; c.counted < len(c.log); c.counted++ {
			switch r := &c.log[c.counted].Record; {
			case hidden(h.list.Ranges, r.LSN):
			case r.LSN > c.hint.VDL:
				c.waiting = append(c.waiting, int32(c.counted))
			default:
				c.drainable += memory(1, int64(len(r.Payload)))
			}
		}
		for ; len(c.waiting) > 0 && c.log[c.waiting[0]].LSN <= c.hint.VDL; c.waiting = c.waiting[1:] {
			c.drainable += memory(1, int64(len(c.log[c.waiting[0]].Payload)))
		}
		bytes += c.drainable
	}
	return bytes
}

// ImageDue reports whether a page with so many stored records and payload bytes
// since its newest image should get a new one.
func (h *Host) ImageDue(records, bytes int) bool {
	return records >= h.o.ImageRecords || bytes >= h.o.ImageBytes
}

// OldestFrame returns the lowest index of a frame that a restart needs, or the next
// frame's index if there is none. Hot-log files with only lower indexes may be
// recycled. A restart needs the frames of what is in memory, since the Store does
// not hold it; and those of what was in memory when the newest list was stored,
// until a file begins with a snapshot taken later: a replay that comes through the list
// must see what it hides, and what it does not, among the records above the hint of that time.
// See testdata/list_keeps_what_its_replay_needs.txt.
func (h *Host) OldestFrame() uint64 {
	return min(h.relisting, h.synced(), h.oldestInMemory())
}

// oldestInMemory returns the lowest index of a frame that has records in memory.
func (h *Host) oldestInMemory() uint64 {
	oldest := none
	for _, c := range h.order {
		if len(c.log) > 0 {
			oldest = min(oldest, c.log[0].frame)
		}
	}
	return oldest
}

// synced returns the index of the first frame whose effect is not in the state.
func (h *Host) synced() uint64 {
	if len(h.flying) > 0 {
		return h.flying[0].index
	}
	return h.frames
}

// Garbage says what the Store may delete of a segment. What a member that is away
// lacks is kept until it is back or the driver's retention ends.
func (h *Host) Garbage(pg redo.PGID) GarbagePlan {
	p := GarbagePlan{PG: pg}
	c := h.chain(pg)
	if c == nil || c.damaged {
		return p
	}
	p.ReadFloor = min(h.minReadPoint, c.scl(), c.hint.VDL)
	p.LogFloor = p.ReadFloor
	for i := range h.peers {
		if t := c.with(h.peers, i); t != nil {
			p.LogFloor = min(p.LogFloor, t.theirs)
		}
	}
	return p
}

// Quarantine marks a segment as damaged: from now on it answers nothing and counts
// in no quorum. The next Snapshot says so; until then the driver finds the damage
// again after a restart. Once that is synced (Noted) the segment is copied from a peer.
func (h *Host) Quarantine(pg redo.PGID) {
	if c := h.chain(pg); c != nil {
		c.spoil()
		c.repair = repair{quarantined: true}
		c.keep(func(*entry) bool { return false })
	}
}

// Spoilt is a segment that must be quarantined: it lacks log that no peer has any more, or else it
// was given two records for one LSN.
type Spoilt struct {
	PG      redo.PGID
	LogGone bool
}

// Spoiled returns the segments that must be quarantined.
func (h *Host) Spoiled() (spoilt []Spoilt) {
	for _, c := range h.order {
		if c.damaged && !c.repair.quarantined {
			spoilt = append(spoilt, Spoilt{c.PG, c.repair.logGone})
		}
	}
	return spoilt
}
