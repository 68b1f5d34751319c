package segment

import (
	"cmp"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// This file puts records in order a second time, for a driver that finds that its hot log
// cannot give their frames back.

// Rewrite asks for what the frames up to now have of records in memory to be written again,
// into later frames, and returns the index of the first frame that is not so replaced. It is
// called when a file has been begun with a Snapshot, which has all else that a replay
// needs: as the frames are synced, OldestFrame comes to that index. What a list hides that
// has not opened stays where it is until that is decided.
// See testdata/damaged_frames_are_written_again.txt.
func (h *Host) Rewrite() uint64 {
	h.rewrite = h.synced()
	return h.rewrite
}

// rewriteSome puts the next of those records in order and returns about how many bytes of
// memory they take.
func (h *Host) rewriteSome() (bytes int) {
	for _, c := range h.order {
		if bytes >= readyBytesMax {
			break
		}
		if len(c.log) == 0 || c.log[0].frame >= h.rewrite { // log is in the order of frames
			continue
		}
		b := &redo.Batch{Volume: h.o.Volume, Timeline: h.o.Timeline, PG: c.PG, Epoch: h.list.Epoch, Membership: c.Membership}
		size := int64(0)
		for i := range c.log {
			e := &c.log[i]
			if e.frame >= h.rewrite || size >= logstore.FillBytesMax {
				break
			}
			if !hidden(h.list.Ranges, e.LSN) {
				b.Records = append(b.Records, e.Record)
				size += memory(1, int64(len(e.Payload)))
			}
		}
		if len(b.Records) > 0 {
			sortByLSN(b.Records)
			h.persist(Input{}, FrameAgain, redo.AppendBatch(nil, b), b)
			bytes += int(size)
		}
	}
	return bytes
}

// moved notes that a later frame has records of b too; log stays in the order of frames. Those
// of b that are still in memory are at its beginning, with only hidden ones between.
func (c *chain) moved(b *redo.Batch, frame uint64, annulled redo.Ranges) {
	var stay, move []entry
	for i := range c.log {
		e := c.log[i]
		if has(b, e.LSN) {
			e.frame = frame
			move = append(move, e)
		} else if hidden(annulled, e.LSN) {
			stay = append(stay, e)
		} else {
			break
		}
	}
	n := len(move)
	copy(c.log[n:], stay)
	clear(c.log[:n])
	c.log = append(c.log[n:], move...)
	c.unindex()
}

// again replays such a frame. The snapshot before it counts the records as stored.
func (c *chain) again(b *redo.Batch, frame uint64, annulled redo.Ranges) {
	held := map[redo.LSN]bool{}
	for i := range c.log {
		held[c.log[i].LSN] = true
	}
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case c.damaged || held[r.LSN] || hidden(annulled, r.LSN):
		case c.runs.add(r.PrevPG, r.LSN) == addedFork:
			c.spoil()
		default:
			c.hold(r, frame)
		}
	}
}

func has(b *redo.Batch, l redo.LSN) bool {
	_, found := slices.BinarySearchFunc(b.Records, l, func(r redo.Record, l redo.LSN) int { return cmp.Compare(r.LSN, l) })
	return found
}
