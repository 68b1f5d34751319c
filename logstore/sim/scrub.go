package sim

import (
	"maps"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
)

// This file is latent damage: files that rot, and the scrub that finds it though nothing
// reads them.

// rot garbles what is in a file. Records in it are shared with those in memory.
func (sh *shelf) rot(w *world) {
	if !sh.bad {
		sh.bad, sh.since = true, w.now
	}
	flip := func(b []byte) []byte {
		if b = slices.Clone(b); len(b) > 0 {
			b[w.rng.IntN(len(b))] ^= 1 << w.rng.IntN(8)
		}
		return b
	}
	for _, p := range slices.Sorted(maps.Keys(sh.pages)) {
		v := sh.pages[p]
		for i := range v.images {
			v.images[i].b = flip(v.images[i].b)
		}
		for i := range v.records {
			v.records[i].Payload = flip(v.records[i].Payload)
		}
	}
	for i := range sh.log {
		sh.log[i].Payload = flip(sh.log[i].Payload)
	}
}

// verify is what checksums are for.
func (sh *shelf) verify() error {
	if sh.bad {
		return errDamaged
	}
	return nil
}

// storeTime is how long an answer from the store takes: now and then so long that the
// segment may be damaged, emptied and filled meanwhile.
func (n *node) storeTime() tick {
	if n.w.swarm.rot > 0 && n.w.chance(.15) {
		return n.w.between(20, 600)
	}
	return n.w.between(0, 5)
}

// latent looks for damage that nobody has found though the node works.
func (o *oracle) latent(n *node) {
	for _, pg := range n.h.PGs() {
		sh := n.store.shelf(pg)
		if began := max(sh.since, n.since, n.pausedTo); n.up && sh.bad && o.w.now > began+latentMax && !o.state(n.i, pg).Damaged {
			o.w.fail("I-27", "%s: the file of group %d is damaged since %d, and nobody knows", n.id, pg, sh.since)
		}
	}
}

const latentMax = 1000 // ticks

// rotten reports whether a file of the log is damaged.
func (d *hotLog) rotten() bool {
	return slices.ContainsFunc(d.files, func(f *logFile) bool { return f.bad })
}

// rotLog damages a file of the hot log. The frames are good in memory: what they led to
// is known, and what they hold is in memory or in the store.
func (n *node) rotLog() {
	if len(n.disk.files) == 0 {
		return
	}
	if f := n.disk.files[n.w.rng.IntN(len(n.disk.files))]; f.synced > 0 {
		f.bad = true
		n.w.counts.RottedLogs++
		n.w.say("%s: a file of the hot log is damaged", n.id)
	}
}

// scrub reads everything.
func (n *node) scrub() {
	if !n.running() {
		return
	}
	for _, pg := range n.h.PGs() {
		if n.store.shelf(pg).verify() != nil && !n.w.oracle.state(n.i, pg).Damaged {
			n.w.say("%s: the scrub finds the file of group %d damaged", n.id, pg)
			n.w.counts.Scrubbed++
			n.quarantine(pg)
			n.wake()
		}
	}
	if !n.mend() {
		n.rewriting = true
		n.wake()
	}
}

// release lets go of files of the hot log that are not needed any more.
func (n *node) release() {
	if !n.unnoted && !n.syncing {
		n.disk.release(n.h.OldestFrame())
	}
}

// mend lets go of damaged files of the hot log for good, and reports whether there are no more.
func (n *node) mend() bool {
	if !n.disk.rotten() {
		return true
	}
	n.release()
	if n.disk.rotten() {
		return false
	}
	if err := n.disk.log.Cover(); err != nil {
		n.w.fail("I-4", "%s covers its log: %v", n.id, err)
	}
	return true
}

// again reports whether there is one of the frames that take the place of damaged ones.
func again(fs []segment.Frame) bool {
	return slices.ContainsFunc(fs, func(f segment.Frame) bool { return f.Kind == segment.FrameAgain })
}

// rewrite has what a damaged file held written again, when another one has been begun.
func (n *node) rewrite(begun bool) {
	if n.rewriting && begun {
		n.rewriting = false
		n.h.Rewrite()
	}
}

// found takes the segment that a request is about out of service.
func (n *node) found(m logstore.Message) {
	var pg redo.PGID
	switch m := m.(type) {
	case logstore.ReadPage:
		pg = m.PG
	case logstore.ReadLog:
		pg = m.PG
	}
	n.quarantine(pg)
	n.wake()
}
