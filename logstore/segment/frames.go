package segment

import (
	"encoding/binary"
	"fmt"

	"sextant/internal/redo"
	"sextant/logstore"
)

// bodyVersion is the first byte of the body of every frame but batches, which have
// their own. Integers are uvarints, booleans bytes, lists have their length first.
//
// Version 2 added barrier and read floor to each segment of a snapshot, version 3 the last
// record kept to each segment of a list.
const bodyVersion = 3

type encoder struct{ b []byte }

func newEncoder() *encoder { return &encoder{b: []byte{bodyVersion}} }

func (e *encoder) put(vs ...uint64) {
	for _, v := range vs {
		e.b = binary.AppendUvarint(e.b, v)
	}
}

func (e *encoder) bool(v bool) {
	if v {
		e.put(1)
	} else {
		e.put(0)
	}
}

func (e *encoder) string(s string) {
	e.put(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) list(l logstore.List) {
	e.put(uint64(l.Epoch), uint64(len(l.Ranges)))
	for _, r := range l.Ranges {
		e.put(uint64(r.After), uint64(r.Through))
	}
}

func (e *encoder) start(g *logstore.GroupStart) {
	e.put(uint64(g.PG), uint64(g.Membership), uint64(g.Start), uint64(len(g.Members)))
	for _, m := range g.Members {
		e.string(string(m))
	}
}

// decoder reads what encoder wrote; once something is missing, bad is true and
// everything is zero.
type decoder struct {
	b       []byte
	bad     bool
	version byte
}

func (d *decoder) get() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) lsn() redo.LSN           { return redo.LSN(d.get()) }
func (d *decoder) epoch() redo.VolumeEpoch { return redo.VolumeEpoch(d.get()) }

func (d *decoder) bool() bool {
	v := d.get()
	d.bad = d.bad || v > 1
	return v == 1
}

// count reads a length of things that take at least one byte each.
func (d *decoder) count() int {
	n := d.get()
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.count()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) list() (l logstore.List) {
	l.Epoch = d.epoch()
	for range d.count() {
		r := redo.Range{After: d.lsn(), Through: d.lsn()}
		d.bad = d.bad || r.Through <= r.After || len(l.Ranges) > 0 && r.After <= l.Ranges.End()
		l.Ranges = append(l.Ranges, r)
	}
	return l
}

func (d *decoder) start() (g logstore.GroupStart) {
	g.PG, g.Membership, g.Start = redo.PGID(d.get()), redo.MembershipEpoch(d.get()), d.lsn()
	for range d.count() {
		g.Members = append(g.Members, logstore.NodeID(d.string()))
	}
	return g
}

// open checks the version and returns a decoder of the rest.
func open(body []byte) (*decoder, error) {
	if len(body) == 0 {
		return nil, fmt.Errorf("segment: empty frame body: %w", redo.ErrCorrupt)
	}
	if body[0] == 0 || body[0] > bodyVersion {
		return nil, fmt.Errorf("segment: frame body version %d: %w", body[0], redo.ErrVersion)
	}
	return &decoder{b: body[1:], version: body[0]}, nil
}

// done returns an error unless everything was read and was whole.
func (d *decoder) done() error {
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("segment: frame body: %w", redo.ErrCorrupt)
	}
	return nil
}

func encodeFence(m logstore.Fence) []byte {
	e := newEncoder()
	e.put(uint64(m.Volume), uint64(m.Timeline), uint64(m.Epoch), m.Holder, m.LAL)
	return e.b
}

func (d *decoder) header() logstore.Header {
	return logstore.Header{Volume: redo.VolumeID(d.get()), Timeline: redo.TimelineID(d.get()), Epoch: d.epoch()}
}

func decodeFence(body []byte) (m logstore.Fence, err error) {
	d, err := open(body)
	if err != nil {
		return m, err
	}
	m = logstore.Fence{Header: d.header(), Holder: d.get(), LAL: d.get()}
	return m, d.done()
}

func encodeList(m logstore.PutList) []byte {
	e := newEncoder()
	e.put(uint64(m.Volume), uint64(m.Timeline), uint64(m.Epoch), m.Holder, m.LAL)
	e.list(m.List)
	e.put(uint64(len(m.Groups)))
	for i := range m.Groups {
		e.start(&m.Groups[i])
		e.put(uint64(m.Groups[i].Last))
	}
	return e.b
}

func decodeList(body []byte) (m logstore.PutList, err error) {
	d, err := open(body)
	if err != nil {
		return m, err
	}
	m = logstore.PutList{Header: d.header(), Holder: d.get(), LAL: d.get(), List: d.list()}
	for range d.count() {
		g := d.start()
		if g.Last = g.Start; d.version > 2 {
			g.Last = d.lsn()
		}
		m.Groups = append(m.Groups, g)
	}
	return m, d.done()
}

func encodeCreate(m logstore.CreateSegment) []byte {
	e := newEncoder()
	e.put(uint64(m.Volume), uint64(m.Timeline), uint64(m.Epoch))
	e.start(&m.GroupStart)
	return e.b
}

func decodeCreate(body []byte) (m logstore.CreateSegment, err error) {
	d, err := open(body)
	if err != nil {
		return m, err
	}
	m = logstore.CreateSegment{Header: d.header(), GroupStart: d.start()}
	return m, d.done()
}

// Snapshot returns the body of a snapshot frame of the synced state. Every file of
// the hot log starts with one. Between Ready and Persisted it gives the state
// before the frames of that Ready, which is right for a file that will start with them.
// See Noted.
func (h *Host) Snapshot() []byte {
	e := newEncoder()
	e.put(uint64(h.o.Volume), uint64(h.o.Timeline), uint64(h.fence), h.holder)
	e.put(uint64(len(h.lals)))
	for _, l := range h.lals {
		e.put(uint64(l.Epoch), l.LAL)
	}
	e.list(h.list)
	e.bool(h.opened)
	e.put(uint64(h.minReadPoint), uint64(len(h.order)))
	for _, c := range h.order {
		e.start(&c.GroupStart)
		e.put(uint64(c.hint.VDL), uint64(c.hint.PGLast))
		e.bool(c.damaged)
		e.put(uint64(len(c.runs)))
		for _, r := range c.runs {
			e.put(uint64(r.after), uint64(r.through))
		}
		e.put(uint64(c.barrier), uint64(c.readFrom))
		c.repair.noting = c.damaged && c.repair.quarantined
	}
	return e.b
}

// restore makes the state that of a snapshot. Records in memory stay: the file
// that has them is still there because the Store does not hold them.
func (h *Host) restore(body []byte) error {
	d, err := open(body)
	if err != nil {
		return err
	}
	s := Host{}
	head := d.header()
	s.fence, s.holder = head.Epoch, d.get()
	for range d.count() {
		s.lals = append(s.lals, logstore.EpochLAL{Epoch: d.epoch(), LAL: d.get()})
	}
	s.list, s.opened, s.minReadPoint = d.list(), d.bool(), d.lsn()
	for range d.count() {
		c := &chain{GroupStart: d.start(), hint: redo.Hint{VDL: d.lsn(), PGLast: d.lsn()}, damaged: d.bool()}
		for range d.count() {
			c.runs = append(c.runs, run{d.lsn(), d.lsn()})
		}
		if d.version > 1 {
			c.barrier, c.readFrom = d.lsn(), d.lsn()
		}
		s.order = append(s.order, c)
	}
	if err := d.done(); err != nil {
		return err
	}
	if head.Volume != h.o.Volume || head.Timeline != h.o.Timeline {
		return fmt.Errorf("segment: snapshot of volume %x timeline %d: %w", head.Volume, head.Timeline, redo.ErrCorrupt)
	}
	h.fence, h.holder, h.lals, h.list, h.opened = s.fence, s.holder, s.lals, s.list, s.opened
	h.minReadPoint, h.relisting = s.minReadPoint, none
	for _, c := range s.order {
		to := h.chain(c.PG)
		if to == nil {
			to = h.create(c.GroupStart)
		}
		to.GroupStart, to.hint, to.runs, to.damaged = c.GroupStart, c.hint, c.runs, false
		to.barrier, to.readFrom, to.repair, to.sound = c.barrier, c.readFrom, repair{}, sound()
		if c.damaged {
			h.Quarantine(c.PG) // its records before are not relied on
			to.repair.noted = true
		}
	}
	h.purge()
	return nil
}
