package volume_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
	"sextant/logstore/volume"
)

// TestRandom runs writers, recoveries and nodes against each other: messages are
// lost, doubled and late, nodes crash between append and sync, holders of an epoch
// are overtaken in any state or go on as zombies, nodes drain and restart. After
// everything: what was shown is there, no LSN was given out twice, links are
// true, pages read are exact; and once all is well again, a commit succeeds.
func TestRandom(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		m := newModel(seed)
		m.run()
		if m.wrong != "" {
			t.Fatalf("seed %d: %s", seed, m.wrong)
		}
	}
}

type model struct {
	*rand.Rand
	nodes   []*modelNode
	holders []*holder
	pool    []letter
	epoch   redo.VolumeEpoch
	loss    float64
	reach   []int // how many nodes a holder reaches
	groups  int

	issued map[redo.LSN]redo.Record
	shown  map[redo.LSN]bool
	opened *holder
	wrong  string
}

type modelNode struct {
	id    logstore.NodeID
	h     *segment.Host
	up    bool
	disk  [][]segment.Frame
	store *memory
}

// holder is the process that was granted an epoch.
type holder struct {
	epoch redo.VolumeEpoch
	r     *volume.Recovery
	t     *volume.Tracker
	now   volume.Time
	reach []bool
}

// letter is a message on its way: to a node, or from one to a holder.
type letter struct {
	from  logstore.NodeID
	node  int
	h     *holder // nil: from node to node
	reply bool
	msg   logstore.Message
}

// memory is a Store without images.
type memory struct{ records map[redo.LSN]redo.Record }

func (s *memory) sorted(keep func(redo.Record) bool) (out []redo.Record) {
	for _, r := range s.records {
		if keep(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b redo.Record) int { return cmp.Compare(a.LSN, b.LSN) })
	return out
}

func (s *memory) Page(_ redo.PGID, p redo.PageID, at redo.LSN) ([]byte, redo.LSN, []redo.Record, error) {
	return nil, 0, s.sorted(func(r redo.Record) bool { return r.Page == p && r.LSN <= at }), nil
}

func (s *memory) Records(pg redo.PGID, in redo.Range, _ int) ([]redo.Record, bool, error) {
	return s.sorted(func(r redo.Record) bool { return r.PG == pg && in.Contains(r.LSN) }), false, nil
}

func (s *memory) Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) (out []redo.PageID, err error) {
	for _, r := range s.sorted(func(r redo.Record) bool { return r.PG == pg && r.Page > after && r.LSN <= at }) {
		out = append(out, r.Page)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), limit)], nil
}

func newModel(seed uint64) *model {
	m := &model{
		Rand: rand.New(rand.NewPCG(seed, 2)), groups: 2, issued: map[redo.LSN]redo.Record{}, shown: map[redo.LSN]bool{},
	}
	m.loss = []float64{.02, .1, .25}[m.IntN(3)]
	m.reach = [][]int{{2, 4, 6, 8, 8}, {1, 3, 5, 5}, {4, 5, 6}}[m.IntN(3)]
	for i := range modelNodes {
		n := &modelNode{id: logstore.NodeID('A' + rune(i)), up: true, store: &memory{map[redo.LSN]redo.Record{}}}
		n.start(i)
		n.disk = [][]segment.Frame{{{Kind: segment.FrameSnapshot, Body: n.h.Snapshot()}}}
		m.nodes = append(m.nodes, n)
	}
	return m
}

func (n *modelNode) start(i int) {
	n.h = segment.New(segment.Options{Node: n.id, Store: logstore.StoreID(i + 1), Volume: 1, Timeline: 1})
}

func (m *model) fail(format string, args ...any) {
	if m.wrong == "" {
		m.wrong = fmt.Sprintf(format, args...)
	}
}

func (m *model) chance(p float64) bool { return m.Float64() < p }

// grant is the control plane: the next epoch. Earlier holders die or go on.
func (m *model) grant() {
	m.holders = slices.DeleteFunc(m.holders, func(*holder) bool { return m.chance(.3) })
	m.epoch++
	h := &holder{epoch: m.epoch, reach: make([]bool, modelNodes)}
	h.r = volume.NewRecovery(volume.Grant{
		Volume: 1, Timeline: 1, Epoch: m.epoch, Holder: m.Uint64(), LAL: 3 + m.Uint64N(4),
	}, m.geometry(), volume.Limits{RetryTicks: 2})
	m.holders = append(m.holders, h)
	m.repartition(h)
	down := m.Perm(modelNodes)[:m.IntN(3)]
	for i, n := range m.nodes {
		if !n.up {
			m.restart(i)
		}
		n.up = !slices.Contains(down, i)
	}
}

// modelNodes are more than a group's members, so that groups get on at different speeds.
const modelNodes = 8

func (m *model) geometry() volume.Geometry {
	g := volume.Geometry{PagesPerGroup: pagesPerGroup}
	for i := range m.nodes {
		g.Nodes = append(g.Nodes, volume.Node{ID: m.nodes[i].id, Store: logstore.StoreID(i + 1)})
	}
	for pg := range m.groups {
		x := group(pg)
		for i := range x.Members {
			x.Members[i] += 2 * pg
		}
		g.Groups = append(g.Groups, x)
	}
	return g
}

// repartition draws which nodes a holder reaches.
func (m *model) repartition(h *holder) {
	clear(h.reach)
	for _, i := range m.Perm(modelNodes)[:m.reach[m.IntN(len(m.reach))]] {
		h.reach[i] = true
	}
}

// log returns the LSNs of the log that ends at v.
func (m *model) log(v redo.LSN) map[redo.LSN]bool {
	out := map[redo.LSN]bool{}
	for ; v > 0; v = m.issued[v].PrevVolume {
		out[v] = true
	}
	return out
}

func (m *model) last(log map[redo.LSN]bool, pg redo.PGID) (last redo.LSN) {
	for l := range log {
		if m.issued[l].PG == pg {
			last = max(last, l)
		}
	}
	return last
}

// step lets a holder do something.
func (m *model) step(h *holder) {
	if m.loss > 0 && m.chance(.25) {
		m.repartition(h)
	}
	if h.t == nil {
		h.r.Tick()
		for _, o := range h.r.Ready() {
			m.send(letter{node: o.Node, h: h, msg: o.Msg})
		}
		if h.r.Shipped() && h.epoch == m.epoch {
			m.open(h)
		}
		return
	}
	if m.chance(.6) {
		m.write(h)
	}
	if m.chance(.3) {
		h.t.Tick()
	}
	for i := range m.nodes {
		m.ship(h, i)
	}
	h.t.Seal()
	if m.chance(.3) {
		m.read(h, m.IntN(modelNodes))
	}
}

func (m *model) ship(h *holder, i int) {
	h.now++
	s, ok := h.t.Ship(i, h.now)
	if !ok {
		return
	}
	for _, c := range s.Control {
		m.send(letter{node: i, h: h, msg: c})
	}
	if s.Append != nil {
		m.send(letter{node: i, h: h, msg: *s.Append})
	}
}

func (m *model) open(h *holder) {
	p := h.r.Plan()
	log := m.log(p.VDL)
	for l := range m.shown {
		if !log[l] {
			m.fail("epoch %d opens at VDL %d without %d, which was shown", h.epoch, p.VDL, l)
		}
	}
	for _, g := range p.Groups {
		if want := m.last(log, g.PG); g.Prev != want {
			m.fail("epoch %d: last record of group %d is %d, recovered %d", h.epoch, g.PG, want, g.Prev)
		}
	}
	if p.VDL > 0 && !m.issued[p.VDL].CPL {
		m.fail("epoch %d: VDL %d is no CPL", h.epoch, p.VDL)
	}
	t, err := h.r.Open()
	if err != nil {
		m.fail("open: %v", err)
		return
	}
	h.t, m.opened = t, h
	for i := range m.nodes {
		t.Connected(i)
	}
	m.show(h)
}

// show is what happens when VDL has moved: clients hear OK, readers see it.
func (m *model) show(h *holder) {
	log := m.log(h.t.VDL())
	if m.opened != h {
		newest := m.log(m.opened.t.VDL())
		for l := range log {
			if !newest[l] {
				m.fail("zombie %d shows %d, which is not in the log of %d", h.epoch, l, m.opened.epoch)
			}
		}
	}
	for l := range log {
		m.shown[l] = true
	}
	m.counted(h.t.VDL(), log)
}

// counted checks that everything up to a VDL is in view on a write quorum.
func (m *model) counted(vdl redo.LSN, log map[redo.LSN]bool) {
	copies := map[redo.LSN]int{}
	for _, n := range m.nodes {
		for _, pg := range n.h.PGs() {
			for r, more := (redo.Range{Through: vdl}), true; more; {
				run, _ := n.h.ReadLog(logstore.ReadLog{
					Header: logstore.Header{Volume: 1, Timeline: 1, Epoch: n.h.Health().List.Epoch}, PG: pg, Range: r, Reader: true,
				})
				if run == nil {
					break // its list annuls vdl
				}
				a, err := run(n.store)
				if err != nil {
					m.fail("read log: %v", err)
					return
				}
				for _, rec := range a.(logstore.LogAnswer).Records {
					copies[rec.LSN]++
					r.After = rec.LSN
				}
				more = a.(logstore.LogAnswer).More
			}
		}
	}
	for l := range log {
		if copies[l] < 4 {
			m.fail("record %d <= VDL %d is on %d nodes", l, vdl, copies[l])
		}
	}
}

func (m *model) write(h *holder) {
	var mtr redo.MTR
	for range 1 + m.IntN(3) {
		mtr.Records = append(mtr.Records, redo.Record{
			Page: page(redo.PGID(m.IntN(m.groups))) + redo.PageID(m.IntN(2)), Op: redo.OpInsert, Payload: []byte{byte(h.epoch)},
		})
	}
	if h.t.Admit([]redo.MTR{mtr}) != nil {
		return // no room, or fenced
	}
	part := m.IntN(len(mtr.Records)) // of it is shipped, and acknowledged perhaps, before the rest is numbered
	h.t.Number(mtr.Records[:part], false)
	for range part {
		m.ship(h, m.IntN(modelNodes))
		m.deliver()
	}
	if h.t.Fenced() != 0 {
		return
	}
	h.t.Number(mtr.Records[part:], true)
	for _, r := range mtr.Records {
		if _, ok := m.issued[r.LSN]; ok {
			m.fail("LSN %d given out again by epoch %d", r.LSN, h.epoch)
		}
		m.issued[r.LSN] = r
	}
}

func (m *model) send(l letter) {
	reachable := l.h == nil || l.h.reach[l.node]
	if reachable && !m.chance(m.loss) {
		m.pool = append(m.pool, l)
	}
}

// deliver takes one message off the pool, sometimes leaving a copy.
func (m *model) deliver() {
	if len(m.pool) == 0 {
		return
	}
	i := m.IntN(len(m.pool))
	l := m.pool[i]
	if m.loss == 0 || !m.chance(.05) {
		m.pool = slices.Delete(m.pool, i, i+1)
	}
	if !l.reply {
		if m.nodes[l.node].up {
			m.receive(l)
		}
		return
	}
	if !slices.Contains(m.holders, l.h) {
		return
	}
	if l.h.t == nil {
		l.h.r.Step(l.node, l.msg)
		for _, o := range l.h.r.Ready() {
			m.send(letter{node: o.Node, h: l.h, msg: o.Msg})
		}
		if err := l.h.r.Err(); err != nil && m.epoch == l.h.epoch {
			m.fail("recovery %d: %v", l.h.epoch, err)
		}
	} else if l.h.t.Step(l.node, l.msg) {
		m.show(l.h)
	}
}

// receive lets a node take a message; it may crash at any point of persisting.
func (m *model) receive(l letter) {
	n := m.nodes[l.node]
	from := l.from
	if l.h != nil {
		from = logstore.NodeID(fmt.Sprint(l.h.epoch))
	}
	n.h.Step(logstore.Envelope{Peer: from, Msg: l.msg})
	if m.loss > 0 && m.chance(.3) {
		return // it waits with others
	}
	m.settle(l.node)
}

func (m *model) settle(i int) {
	n := m.nodes[i]
	for {
		rd := n.h.Ready()
		for _, e := range rd.Send {
			m.answer(i, e)
		}
		for _, s := range rd.Serve {
			msg, err := s.Run(n.store)
			if err != nil {
				m.fail("serve: %v", err)
			}
			m.answer(i, logstore.Envelope{Peer: s.Peer, Msg: msg})
		}
		if len(rd.Persist) == 0 {
			return
		}
		if m.loss > 0 && m.chance(.01) { // a prefix of it is on disk, by luck
			m.persist(n, rd.Persist[:m.IntN(len(rd.Persist)+1)])
			m.restart(i)
			return
		}
		m.persist(n, rd.Persist)
		n.h.Persisted()
	}
}

func (m *model) persist(n *modelNode, frames []segment.Frame) {
	last := len(n.disk) - 1
	n.disk[last] = append(n.disk[last], frames...)
}

func (m *model) answer(node int, e logstore.Envelope) {
	if len(e.Peer) == 1 && e.Peer[0] >= 'A' {
		m.send(letter{from: m.nodes[node].id, node: int(e.Peer[0] - 'A'), msg: e.Msg})
		return
	}
	for _, h := range m.holders {
		if fmt.Sprint(h.epoch) == string(e.Peer) {
			m.send(letter{node: node, h: h, reply: true, msg: e.Msg})
		}
	}
}

func (m *model) restart(i int) {
	n := m.nodes[i]
	n.start(i)
	for _, f := range n.disk {
		for _, x := range f {
			if err := n.h.Replay(x.Kind, x.Body); err != nil {
				m.fail("replay: %v", err)
			}
		}
	}
}

// drain moves what can be moved into the store, and sometimes starts a new file
// of the hot log, deleting the older ones if nothing in them is needed.
func (m *model) drain(n *modelNode) {
	for _, pg := range n.h.PGs() {
		if p := n.h.Drain(pg, 0); p != nil {
			for _, dp := range p.Pages {
				for _, r := range dp.Records {
					if r.LSN > p.Through {
						m.fail("node %s drains %d above its hint %d", n.id, r.LSN, p.Through)
					}
					n.store.records[r.LSN] = r
				}
			}
			n.h.Drained(p)
		}
	}
	if m.chance(.5) {
		if n.h.OldestFrame() == n.h.NextFrame() {
			n.disk = nil
		}
		n.disk = append(n.disk, []segment.Frame{{Kind: segment.FrameSnapshot, Body: n.h.Snapshot()}})
		n.h.Noted()
	}
}

// read asks a node for a page at VDL: if it answers, then exactly.
func (m *model) read(h *holder, i int) {
	n, pg := m.nodes[i], redo.PGID(m.IntN(m.groups))
	at, p := h.t.VDL(), page(pg)+redo.PageID(m.IntN(2))
	var got []redo.LSN
	run, _ := n.h.ReadPage(logstore.ReadPage{
		Header: logstore.Header{Volume: 1, Timeline: 1, Epoch: h.epoch}, PG: pg, Pages: []redo.PageID{p},
		At: at, Need: h.t.Need(pg, at),
	}, func(_ []byte, r *redo.Record) error {
		got = append(got, r.LSN)
		return nil
	})
	if run == nil {
		return
	}
	if _, err := run(n.store); err != nil {
		m.fail("read: %v", err)
	}
	var want []redo.LSN
	for l := range m.log(at) {
		if m.issued[l].Page == p {
			want = append(want, l)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.fail("node %s gives page %d at %d to epoch %d from %v, want %v", n.id, p, at, h.epoch, got, want)
	}
}

func (m *model) run() {
	for range 12 {
		m.grant()
		overtaken := []string{"", "", "listing", "shipping", "open"}[m.IntN(5)]
		for range []int{8, 12, 20, 40}[m.IntN(4)] {
			h := m.holders[len(m.holders)-1]
			if m.chance(.25) {
				h = m.holders[m.IntN(len(m.holders))]
			}
			m.step(h)
			for range m.IntN(16) {
				m.deliver()
			}
			m.disturb()
			if m.wrong != "" {
				return
			}
			if h.epoch == m.epoch && m.chance(.4) && (h.t == nil && h.r.Phase() == overtaken || h.t != nil && overtaken == "open") {
				break
			}
		}
	}
	m.heal()
}

// disturb lets a node go, come back, gossip or drain.
func (m *model) disturb() {
	i := m.IntN(modelNodes)
	n := m.nodes[i]
	switch x := m.Float64(); {
	case x < .05:
		if n.up = !n.up; n.up {
			m.restart(i)
		}
	case x < .2 && n.up:
		n.h.Tick()
		m.settle(i)
	case x < .3 && n.up:
		m.drain(n)
	}
}

// heal takes the faults away: with two nodes away a recovery opens and a commit
// succeeds; with all of them every segment becomes complete.
func (m *model) heal() {
	m.pool, m.loss = nil, 0
	down := m.Perm(modelNodes)[:2]
	for i, n := range m.nodes {
		n.up = !slices.Contains(down, i)
		m.restart(i)
	}
	m.grant()
	m.holders = m.holders[len(m.holders)-1:]
	h := m.holders[0]
	commit := redo.LSN(0)
	for round := range 400 {
		if h.t == nil {
			m.step(h)
		} else {
			if commit == 0 {
				commit = h.t.Next()
				m.write(h)
			}
			h.t.Tick()
			for i := range m.nodes {
				m.ship(h, i)
			}
			h.t.Seal()
		}
		for i := range h.reach {
			h.reach[i] = true
		}
		for i, n := range m.nodes {
			if n.up {
				n.h.Tick()
				m.settle(i)
			}
		}
		for len(m.pool) > 0 {
			m.deliver()
		}
		if round == 100 {
			if h.t == nil || commit == 0 || h.t.VDL() < commit {
				m.fail("no commit after healing: %s", h.r.Phase())
				return
			}
			for _, n := range m.nodes {
				n.up = true
			}
		}
	}
	log := m.log(h.t.VDL())
	for _, n := range m.nodes {
		for _, s := range n.h.Health().Segments {
			if want := m.last(log, s.PG); s.SCL != want || s.Tail != want {
				m.fail("node %s group %d has SCL %d, tail %d, want %d", n.id, s.PG, s.SCL, s.Tail, want)
			}
		}
	}
}
