package volume_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
	"sextant/logstore/volume"
)

// The scripts in testdata run writers, recoveries and up to eight nodes, A to H,
// in one world where a message moves only when a command moves it. PG n has the
// pages n*100+1 to n*100+100; every group's members are A to F.

const pagesPerGroup = 100

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(1)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			return w.run(t, d)
		})
	})
}

type world struct {
	groups  int
	lal     uint64
	hosts   []*host
	writers map[string]*writer
	held    map[string]parcel
}

type host struct {
	id    logstore.NodeID
	h     *segment.Host
	disk  []segment.Frame
	out   []logstore.Envelope // to other nodes
	reads segment.Store
}

// writer is a process that was granted an epoch.
type writer struct {
	name    string
	grant   volume.Grant
	r       *volume.Recovery
	t       *volume.Tracker
	pending map[int][]logstore.Message // from the recovery, not delivered yet
	now     volume.Time

	// Writing by hand, where a script must say exactly what is sent.
	next, last redo.LSN
	prev       map[redo.PGID]redo.LSN
	chain      []redo.Record
}

// parcel is a message that a script holds back.
type parcel struct {
	from *writer
	to   int
	msg  logstore.Message
}

func newWorld(groups int) *world {
	w := &world{groups: groups, lal: 4, writers: map[string]*writer{}, held: map[string]parcel{}}
	for i := range 6 {
		h := &host{id: logstore.NodeID('A' + rune(i))}
		h.start(logstore.StoreID(i + 1))
		w.hosts = append(w.hosts, h)
	}
	return w
}

func (h *host) start(s logstore.StoreID) {
	h.h = segment.New(segment.Options{Node: h.id, Store: s, Volume: 1, Timeline: 1})
}

func (w *world) geometry() volume.Geometry {
	g := volume.Geometry{PagesPerGroup: pagesPerGroup}
	for i := range w.hosts {
		g.Nodes = append(g.Nodes, volume.Node{ID: w.hosts[i].id, Store: logstore.StoreID(i + 1)})
	}
	for pg := range w.groups {
		g.Groups = append(g.Groups, group(pg))
	}
	return g
}

func group(pg int) volume.Group {
	return volume.Group{PG: redo.PGID(pg), Membership: 1, Members: []int{0, 1, 2, 3, 4, 5}}
}

// deliver gives a node a message and returns what it answers to the sender.
func (w *world) deliver(to int, from string, m logstore.Message) []logstore.Message {
	w.hosts[to].h.Step(logstore.Envelope{Peer: logstore.NodeID(from), Msg: m})
	return w.hosts[to].settle(from)
}

// settle lets a node persist and answer until nothing is left to do.
func (h *host) settle(from string) []logstore.Message {
	var out []logstore.Message
	for {
		rd := h.h.Ready()
		for _, e := range rd.Send {
			if string(e.Peer) == from {
				out = append(out, e.Msg)
			} else {
				h.out = append(h.out, e)
			}
		}
		if len(rd.Persist) == 0 && h.h.Queued() == 0 {
			return out
		}
		h.disk = append(h.disk, rd.Persist...)
		h.h.Persisted()
	}
}

func (wr *writer) collect() {
	for _, o := range wr.r.Ready() {
		wr.pending[o.Node] = append(wr.pending[o.Node], o.Msg)
	}
}

// exchange delivers what a recovery has for the nodes, and the answers, until stop
// says so or nothing is left. Messages for other nodes stay pending.
func (w *world) exchange(wr *writer, nodes []int, stop func() bool) {
	wr.collect()
	for moved := true; moved && !stop(); {
		moved = false
		for _, n := range nodes {
			batch := wr.pending[n]
			wr.pending[n] = nil
			for i, m := range batch {
				if stop() {
					wr.pending[n] = append(batch[i:], wr.pending[n]...)
					break
				}
				moved = true
				for _, a := range w.deliver(n, wr.name, m) {
					wr.r.Step(n, a)
				}
				wr.collect()
			}
		}
	}
}

func (w *world) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	var out strings.Builder
	switch d.Cmd {
	case "cluster": // cluster pgs=N lal=N
		groups := 1
		scan(t, d, "pgs", &groups)
		lal := 4
		scan(t, d, "lal", &lal)
		*w = *newWorld(groups)
		w.lal = uint64(lal)
		return "ok"
	case "look", "open", "recover":
		return w.recovery(t, d)
	case "put", "ship": // what a recovery has for the nodes, and nothing else
		wr := w.writer(t, d)
		for _, n := range nodes(t, d) {
			for _, m := range wr.pending[n] {
				for _, a := range w.deliver(n, wr.name, m) {
					fmt.Fprintf(&out, "%s: %s\n", w.hosts[n].id, describe(a))
					wr.r.Step(n, a)
				}
			}
			wr.pending[n] = nil
		}
		wr.collect()
	case "rec": // rec w1 pg=N [part]: a record by hand
		wr := w.writer(t, d)
		pg := 0
		scan(t, d, "pg", &pg)
		r := wr.record(redo.PGID(pg), !d.HasArg("part"))
		fmt.Fprintf(&out, "%d after %d, in group after %d\n", r.LSN, r.PrevVolume, r.PrevPG)
	case "send": // send w1 NODES pg=N recs=(..) [start=N] [vdl=N]: a batch by hand
		w.sendByHand(t, d, &out)
	case "connect", "disconnect":
		wr := w.writer(t, d)
		for _, n := range nodes(t, d) {
			if d.Cmd == "connect" {
				wr.t.Connected(n)
			} else {
				wr.t.Disconnected(n)
			}
		}
		return "ok"
	case "write": // write w1 PG...: one MTR with a record in each group
		return w.write(t, d)
	case "tick":
		wr := w.writer(t, d)
		n := 1
		scan(t, d, "n", &n)
		for range n {
			if wr.t != nil {
				wr.t.Tick()
			} else {
				wr.r.Tick()
				wr.collect()
			}
		}
		return "ok"
	case "flow": // flow w1 NODES: everything that the writer has for them, and the answers
		wr := w.writer(t, d)
		at := wr.t.VDL()
		w.flow(wr, nodes(t, d))
		if f := wr.t.Fenced(); f != 0 {
			return fmt.Sprintf("fenced by volume epoch %d", f)
		}
		return fmt.Sprintf("vcl=%d vdl=%d (was %d)", wr.t.VCL(), wr.t.VDL(), at)
	case "hold": // hold w1 NODE as=NAME: the writer's next message to it, on the way
		return w.hold(t, d)
	case "deliver": // deliver NAME [lost-answer]: the held message arrives
		p := w.held[d.CmdArgs[0].Key]
		for _, a := range w.deliver(p.to, p.from.name, p.msg) {
			fmt.Fprintf(&out, "%s: %s\n", w.hosts[p.to].id, describe(a))
			if p.from.t != nil && !d.HasArg("lost-answer") {
				p.from.t.Step(p.to, a)
			}
		}
	case "gossip": // gossip NODES: they talk until nothing moves
		w.gossip(nodes(t, d))
		return w.status()
	case "restart": // restart NODES: what was synced is replayed
		for _, n := range nodes(t, d) {
			if err := w.hosts[n].restart(logstore.StoreID(n + 1)); err != nil {
				d.Fatalf(t, "%v", err)
			}
		}
		return w.status()
	case "empty": // empty NODES: they come back with an empty directory
		for _, n := range nodes(t, d) {
			w.hosts[n].disk = nil
			w.hosts[n].start(logstore.StoreID(n + 101))
		}
		return "ok"
	case "grow":
		w.groups++
		if err := w.writer(t, d).t.AddGroup(group(w.groups - 1)); err != nil {
			d.Fatalf(t, "%v", err)
		}
		return "ok"
	case "limit":
		return fmt.Sprint(w.writer(t, d).t.PageLimit())
	case "damage": // damage NODES pg=N: the segment is found damaged
		pg := 0
		scan(t, d, "pg", &pg)
		for _, n := range nodes(t, d) {
			w.hosts[n].h.Quarantine(redo.PGID(pg))
		}
		return "ok"
	case "ack": // ack w1 NODES pg=N tail=N [scl=N] [epoch=N] [store=N]: an answer by hand
		return w.ackByHand(t, d)
	case "minread":
		lsn := 0
		scan(t, d, "at", &lsn)
		w.writer(t, d).t.SetMinReadPoint(redo.LSN(lsn))
		return "ok"
	case "read": // read w1 NODE pg=N at=N [need=N] [reader] [epoch=N]
		return w.read(t, d)
	case "need": // need w1 pg=N at=N
		pg, at := 0, 0
		scan(t, d, "pg", &pg)
		scan(t, d, "at", &at)
		tr := w.writer(t, d).t
		return fmt.Sprintf("need=%d readable=%s", tr.Need(redo.PGID(pg), redo.LSN(at)),
			w.letters(tr.Readable(redo.PGID(pg), tr.Need(redo.PGID(pg), redo.LSN(at)), nil)))
	case "confirmed":
		return fmt.Sprint(w.writer(t, d).t.Confirmed())
	case "state":
		return w.writer(t, d).state(w)
	case "status":
		return w.status()
	default:
		d.Fatalf(t, "unknown command")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// recovery runs one: look until it has a plan, open until it is shipped.
func (w *world) recovery(t *testing.T, d *datadriven.TestData) string {
	epoch, lal, holder := 0, int(w.lal), 0
	scan(t, d, "epoch", &epoch)
	scan(t, d, "lal", &lal)
	scan(t, d, "holder", &holder)
	name := d.CmdArgs[0].Key
	wr := w.writers[name]
	if wr == nil || epoch != 0 {
		wr = &writer{name: name, pending: map[int][]logstore.Message{}}
		wr.grant = volume.Grant{
			Volume: 1, Timeline: 1, Epoch: redo.VolumeEpoch(epoch), Holder: uint64(epoch*10 + holder), LAL: uint64(lal),
		}
		wr.r = volume.NewRecovery(wr.grant, w.geometry(), volume.Limits{RetryTicks: 2})
		w.writers[name] = wr
	}
	stop := map[string]func() bool{
		"look":    func() bool { return wr.r.Plan() != nil || wr.r.Err() != nil },
		"open":    func() bool { return !d.HasArg("all") && wr.r.Shipped() || wr.r.Err() != nil },
		"recover": func() bool { return false },
	}[d.Cmd]
	w.exchange(wr, nodes(t, d), stop)
	if err := wr.r.Err(); err != nil {
		return err.Error()
	}
	if d.Cmd == "open" {
		tr, err := wr.r.Open()
		if errors.Is(err, volume.ErrState) {
			return err.Error()
		}
		wr.t = tr
	}
	p := wr.r.Plan()
	if p == nil {
		return wr.r.Phase()
	}
	wr.next, wr.last, wr.prev = p.Base+1, p.VDL, map[redo.PGID]redo.LSN{}
	for _, g := range p.Groups {
		wr.prev[g.PG] = g.Prev
	}
	return fmt.Sprintf("%s: %v", wr.r.Phase(), p)
}

func (wr *writer) record(pg redo.PGID, cpl bool) redo.Record {
	r := redo.Record{
		LSN: wr.next, PrevVolume: wr.last, PrevPG: wr.prev[pg], PG: pg, Page: page(pg), Op: redo.OpInsert,
		CPL: cpl, Payload: []byte(strconv.Itoa(int(wr.next))),
	}
	wr.chain = append(wr.chain, r)
	wr.last, wr.prev[pg] = r.LSN, r.LSN
	wr.next++
	return r
}

func page(pg redo.PGID) redo.PageID { return redo.PageID(pg)*pagesPerGroup + 1 }

func (w *world) sendByHand(t *testing.T, d *datadriven.TestData, out *strings.Builder) {
	wr := w.writer(t, d)
	pg, start, vdl := 0, 0, 0
	scan(t, d, "pg", &pg)
	scan(t, d, "start", &start)
	scan(t, d, "vdl", &vdl)
	b := redo.Batch{
		Volume: 1, Timeline: 1, PG: redo.PGID(pg), Epoch: wr.grant.Epoch, Membership: 1,
		Start: redo.LSN(start), Hint: redo.Hint{VDL: redo.LSN(vdl)}, Opened: true,
	}
	var want []string
	for _, a := range d.CmdArgs {
		if a.Key == "recs" {
			want = a.Vals
		}
	}
	if p := wr.r.Plan(); b.Hint.VDL >= p.VDL {
		b.Hint.PGLast = p.Groups[pg].Prev
	}
	for _, r := range wr.chain {
		if r.PG == b.PG && r.LSN <= b.Hint.VDL {
			b.Hint.PGLast = r.LSN
		}
		if slices.Contains(want, fmt.Sprint(r.LSN)) {
			b.Records = append(b.Records, r)
		}
	}
	if len(b.Records) != len(want) {
		d.Fatalf(t, "no such records")
	}
	m := logstore.Append{
		Header:  logstore.Header{Volume: 1, Timeline: 1, Epoch: wr.grant.Epoch},
		Batches: []logstore.Batch{{Bytes: redo.AppendBatch(nil, &b)}},
	}
	for _, n := range nodes(t, d) {
		for _, a := range w.deliver(n, wr.name, m) {
			fmt.Fprintf(out, "%s: %s\n", w.hosts[n].id, describe(a))
		}
	}
}

func (w *world) ackByHand(t *testing.T, d *datadriven.TestData) string {
	wr := w.writer(t, d)
	pg, tail, scl, epoch, store := 0, 0, 0, int(wr.grant.Epoch), 0
	scan(t, d, "pg", &pg)
	scan(t, d, "tail", &tail)
	scan(t, d, "scl", &scl)
	scan(t, d, "epoch", &epoch)
	scan(t, d, "store", &store)
	for _, n := range nodes(t, d) {
		a := logstore.Ack{
			Header:   logstore.Header{Volume: 1, Timeline: 1, Epoch: redo.VolumeEpoch(epoch)},
			Store:    logstore.StoreID(n + 1),
			Segments: []logstore.SegmentAck{{PG: redo.PGID(pg), Membership: 1, Tail: redo.LSN(tail), SCL: redo.LSN(scl)}},
		}
		if store != 0 {
			a.Store = logstore.StoreID(store)
		}
		wr.t.Step(n, a)
	}
	return fmt.Sprintf("pgcl=%d vcl=%d vdl=%d", wr.t.PGCL(redo.PGID(pg)), wr.t.VCL(), wr.t.VDL())
}

func (w *world) write(t *testing.T, d *datadriven.TestData) string {
	wr := w.writer(t, d)
	var m redo.MTR
	for _, a := range d.CmdArgs[1:] {
		var pg, n int
		if _, err := fmt.Sscanf(a.Key+"x1", "%dx%d", &pg, &n); err != nil {
			d.Fatalf(t, "%v", err)
		}
		for range n {
			m.Records = append(m.Records, redo.Record{Page: page(redo.PGID(pg)), Op: redo.OpInsert, Payload: []byte("x")})
		}
	}
	if err := wr.t.Append([]redo.MTR{m}); err != nil {
		return err.Error()
	}
	var s []string
	if n := len(m.Records); n > 4 {
		return fmt.Sprintf("%d to %d", m.Records[0].LSN, m.Records[n-1].LSN)
	}
	for _, r := range m.Records {
		s = append(s, fmt.Sprintf("%d(pg%d<%d,%d)", r.LSN, r.PG, r.PrevPG, r.PrevVolume))
	}
	return strings.Join(s, " ")
}

// flow ships to the nodes and takes their answers until nothing moves.
func (w *world) flow(wr *writer, to []int) {
	for moved := true; moved; {
		moved = false
		for _, n := range to {
			wr.now++
			s, ok := wr.t.Ship(n, wr.now)
			if !ok {
				continue
			}
			moved = true
			msgs := s.Control
			if s.Append != nil {
				msgs = append(msgs, *s.Append)
			}
			for _, m := range msgs {
				for _, a := range w.deliver(n, wr.name, m) {
					wr.t.Step(n, a)
				}
			}
		}
		wr.t.Seal()
	}
}

func (w *world) hold(t *testing.T, d *datadriven.TestData) string {
	wr := w.writer(t, d)
	n := nodes(t, d)[0]
	var name string
	d.ScanArgs(t, "as", &name)
	if wr.t == nil {
		if len(wr.pending[n]) == 0 {
			return "nothing"
		}
		w.held[name] = parcel{wr, n, wr.pending[n][0]}
		wr.pending[n] = wr.pending[n][1:]
		return describe(w.held[name].msg)
	}
	wr.now++
	s, ok := wr.t.Ship(n, wr.now)
	switch {
	case !ok:
		return "nothing"
	case len(s.Control) > 0:
		w.held[name] = parcel{wr, n, s.Control[0]}
	default:
		w.held[name] = parcel{wr, n, *s.Append}
	}
	return describe(w.held[name].msg)
}

// gossip ticks the nodes and lets them talk to each other only.
func (w *world) gossip(who []int) {
	for range 3 {
		for _, n := range who {
			w.hosts[n].h.Tick()
			w.hosts[n].settle("")
		}
		for moved := true; moved; {
			moved = false
			for _, n := range who {
				out := w.hosts[n].out
				w.hosts[n].out = nil
				for _, e := range out {
					to := int(e.Peer[0] - 'A')
					if len(e.Peer) == 1 && slices.Contains(who, to) {
						moved = true
						w.hosts[to].h.Step(logstore.Envelope{Peer: w.hosts[n].id, Msg: e.Msg})
						w.hosts[to].settle("")
					}
				}
			}
		}
	}
}

func (h *host) restart(s logstore.StoreID) error {
	h.start(s)
	h.out = nil
	for _, f := range h.disk {
		if err := h.h.Replay(f.Kind, f.Body); err != nil {
			return err
		}
	}
	return nil
}

// nothing is a Store that holds nothing.
type nothing struct{}

func (nothing) Page(redo.PGID, redo.PageID, redo.LSN) ([]byte, redo.LSN, []redo.Record, error) {
	return nil, 0, nil, nil
}

func (nothing) Pages(redo.PGID, redo.PageID, redo.LSN, int) ([]redo.PageID, error) { return nil, nil }

func (nothing) Records(redo.PGID, redo.Range, int) ([]redo.Record, bool, error) {
	return nil, false, nil
}

func (w *world) read(t *testing.T, d *datadriven.TestData) string {
	wr := w.writer(t, d)
	n := nodes(t, d)[0]
	pg, at, need, epoch := 0, 0, -1, int(wr.grant.Epoch)
	scan(t, d, "pg", &pg)
	scan(t, d, "at", &at)
	scan(t, d, "need", &need)
	scan(t, d, "epoch", &epoch)
	if need < 0 {
		need = int(wr.t.Need(redo.PGID(pg), redo.LSN(at)))
	}
	m := logstore.ReadPage{
		Header: logstore.Header{Volume: 1, Timeline: 1, Epoch: redo.VolumeEpoch(epoch)},
		PG:     redo.PGID(pg), Pages: []redo.PageID{page(redo.PGID(pg))}, At: redo.LSN(at), Need: redo.LSN(need),
		Reader: d.HasArg("reader"),
	}
	var applied []redo.LSN
	run, no := w.hosts[n].h.ReadPage(m, func(_ []byte, r *redo.Record) error {
		applied = append(applied, r.LSN)
		return nil
	})
	if no != nil {
		w.hosts[n].settle("")
		return describe(*no)
	}
	if _, err := run(nothing{}); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("records %v", applied)
}

func (w *world) letters(nodes []int) string {
	var s string
	for _, n := range nodes {
		s += string(w.hosts[n].id)
	}
	return s
}

func (wr *writer) state(w *world) string {
	var b strings.Builder
	t := wr.t
	fmt.Fprintf(&b, "next=%d vcl=%d vdl=%d", t.Next(), t.VCL(), t.VDL())
	for pg := range w.groups {
		fmt.Fprintf(&b, "\npg%d pgcl=%d need=%d", pg, t.PGCL(redo.PGID(pg)), t.Need(redo.PGID(pg), t.VDL()))
	}
	return b.String()
}

func (w *world) status() string {
	var b strings.Builder
	for _, h := range w.hosts {
		s := h.h.Health()
		fmt.Fprintf(&b, "%s fence=%d list=%d%v opened=%v", h.id, s.Epoch, s.List.Epoch, s.List.Ranges, s.Opened)
		for _, g := range s.Segments {
			fmt.Fprintf(&b, " | pg%d hint=%d/%d start=%d tail=%d scl=%d last=%d",
				g.PG, g.Hint.VDL, g.Hint.PGLast, g.Start, g.Tail, g.SCL, g.Last)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// describe prints a message in a line.
func describe(m logstore.Message) string {
	acks := func(as []logstore.SegmentAck) string {
		var s string
		for _, a := range as {
			s += fmt.Sprintf(" pg%d tail=%d scl=%d", a.PG, a.Tail, a.SCL)
		}
		return s
	}
	switch m := m.(type) {
	case logstore.Ack:
		return "ack" + acks(m.Segments)
	case logstore.ListAnswer:
		return fmt.Sprintf("listed at %d", m.Epoch) + acks(m.Segments)
	case logstore.SegmentCreated:
		return "created" + acks([]logstore.SegmentAck{m.Ack})
	case logstore.Refused:
		if m.Segment {
			return fmt.Sprintf("%v pg%d (fence %d, list %d): %s", m.Kind, m.PG, m.Epoch, m.ListEpoch, m.Text)
		}
		return fmt.Sprintf("%v (fence %d, list %d): %s", m.Kind, m.Epoch, m.ListEpoch, m.Text)
	case logstore.FenceAnswer:
		return fmt.Sprintf("fenced at %d, list %d%v", m.Epoch, m.List.Epoch, m.List.Ranges)
	case logstore.Fence:
		return fmt.Sprintf("fence %d", m.Epoch)
	case logstore.PutList:
		return fmt.Sprintf("list %d%v", m.Epoch, m.List.Ranges)
	case logstore.CreateSegment:
		return fmt.Sprintf("create pg%d", m.PG)
	case logstore.Append:
		s := "append"
		for i := range m.Batches {
			b, err := redo.DecodeBatch(m.Batches[i].Bytes)
			if err != nil {
				return err.Error()
			}
			s += fmt.Sprintf(" pg%d start=%d hint=%d/%d [", b.PG, b.Start, b.Hint.VDL, b.Hint.PGLast)
			for j, r := range b.Records {
				if j > 0 {
					s += " "
				}
				s += fmt.Sprint(r.LSN)
			}
			s += "]"
		}
		return s
	default:
		return fmt.Sprintf("%T", m)
	}
}

func (w *world) writer(t *testing.T, d *datadriven.TestData) *writer {
	t.Helper()
	wr := w.writers[d.CmdArgs[0].Key]
	if wr == nil {
		d.Fatalf(t, "no writer %s", d.CmdArgs[0].Key)
	}
	return wr
}

// nodes reads the argument that is made of node letters.
func nodes(t *testing.T, d *datadriven.TestData) []int {
	t.Helper()
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 && strings.Trim(a.Key, "ABCDEFGH") == "" {
			var out []int
			for _, c := range a.Key {
				out = append(out, int(c-'A'))
			}
			return out
		}
	}
	d.Fatalf(t, "no nodes given")
	return nil
}

func scan(t *testing.T, d *datadriven.TestData, key string, to *int) {
	t.Helper()
	if d.HasArg(key) {
		d.ScanArgs(t, key, to)
	}
}
