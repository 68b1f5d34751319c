package segment_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
)

// The scripts in testdata drive one node, A, message by message. A message is only
// queued; "ready" shows what must be persisted and what may be sent, "persisted"
// says that it is. Records are written LSN<PREV, with ! for a CPL; their page is 1
// unless :PAGE follows. Peers are B and C.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newNode()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			return strings.TrimSuffix(w.run(t, d), "\n")
		})
	})
}

type node struct {
	h         *segment.Host
	files     []file // of the hot log, synced
	flying    []segment.Frame
	store     *store
	plan      *segment.DrainPlan
	applied   []redo.LSN
	installed segment.Install
}

// file is a file of the hot log: a snapshot, then frames.
type file struct {
	frames []segment.Frame
	end    uint64 // index after its last frame
}

var options = segment.Options{Node: "A", Store: 1, Volume: 1, Timeline: 1, ImageRecords: 3, Apply: func([]byte, *redo.Record) error { return nil }, CopyPages: 2}

func newNode() *node {
	w := &node{h: segment.New(options), store: &store{}}
	w.roll()
	return w
}

// roll starts a new file and deletes the ones that are not needed.
func (w *node) roll() {
	w.release()
	w.files = append(w.files, file{frames: []segment.Frame{{Kind: segment.FrameSnapshot, Body: w.h.Snapshot()}}, end: math.MaxUint64})
	w.h.Noted()
}

func (w *node) release() {
	w.files = slices.DeleteFunc(w.files, func(f file) bool { return f.end <= w.h.OldestFrame() })
}

// persisted puts what is in flight into the last file.
func (w *node) persisted() {
	f := &w.files[len(w.files)-1]
	f.frames = append(f.frames, w.flying...)
	f.end = w.h.NextFrame()
	w.flying = nil
	w.h.Persisted()
}

// replay starts the node again from its files.
func (w *node) replay() error {
	w.flying = nil
	w.h = segment.New(options)
	for i := range w.files {
		for _, f := range w.files[i].frames {
			if err := w.h.Replay(f.Kind, f.Body); err != nil {
				return err
			}
		}
		w.files[i].end = w.h.NextFrame()
	}
	return nil
}

// store is a Store in memory; its only images are those of copies.
type store struct {
	records []redo.Record
	images  []logstore.PageImage
	gone    redo.LSN
}

func (s *store) Page(_ redo.PGID, p redo.PageID, at redo.LSN) (image []byte, lsn redo.LSN, out []redo.Record, err error) {
	for _, i := range s.images {
		if i.Page == p && i.LSN <= at {
			image, lsn = i.Data, i.LSN
		}
	}
	for _, r := range s.records {
		if r.Page == p && r.LSN <= at && r.LSN > lsn {
			out = append(out, r)
		}
	}
	return image, lsn, out, nil
}

func (s *store) Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) (out []redo.PageID, err error) {
	for _, r := range s.records {
		if r.PG == pg && r.Page > after && r.LSN <= at {
			out = append(out, r.Page)
		}
	}
	for _, i := range s.images {
		if i.Page > after && i.LSN <= at {
			out = append(out, i.Page)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), limit)], nil
}

func (s *store) install(i segment.Install) {
	if i.Begin {
		s.records, s.images, s.gone = nil, nil, i.Gone
	}
	s.images = append(s.images, i.Pages...)
}

func (s *store) Records(pg redo.PGID, in redo.Range, _ int) ([]redo.Record, bool, error) {
	var out []redo.Record
	for _, r := range s.records {
		if r.PG == pg && in.Contains(r.LSN) {
			out = append(out, r)
		}
	}
	return out, in.After < s.gone, nil
}

func (s *store) put(p *segment.DrainPlan) {
	for _, page := range p.Pages {
		s.records = append(s.records, page.Records...)
	}
	slices.SortFunc(s.records, func(a, b redo.Record) int { return cmp.Compare(a.LSN, b.LSN) })
	s.records = slices.CompactFunc(s.records, func(a, b redo.Record) bool { return a.LSN == b.LSN })
}

// args are a command's arguments as numbers, by name.
type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) num(key string, otherwise int) int {
	if a.d.HasArg(key) {
		a.d.ScanArgs(a.t, key, &otherwise)
	}
	return otherwise
}

func (a args) list(key string) []string {
	for _, c := range a.d.CmdArgs {
		if c.Key == key {
			return c.Vals
		}
	}
	return nil
}

func (a args) head() logstore.Header {
	return logstore.Header{Volume: 1, Timeline: 1, Epoch: redo.VolumeEpoch(a.num("epoch", 1))}
}

func (a args) records() []redo.Record {
	var out []redo.Record
	for _, s := range a.list("recs") {
		r := redo.Record{PG: redo.PGID(a.num("pg", 0)), Page: 1, Op: redo.OpInsert, CPL: strings.Contains(s, "!")}
		s = strings.ReplaceAll(s, "!", "")
		if before, page, ok := strings.Cut(s, ":"); ok {
			a.scan(page, "%d", &r.Page)
			s = before
		}
		if strings.ContainsAny(s, " ") {
			a.d.Fatalf(a.t, "records are separated by commas")
		}
		a.scan(s, "%d<%d", &r.LSN, &r.PrevPG)
		r.PrevVolume = r.LSN - 1
		r.Payload = []byte(fmt.Sprint(r.LSN))
		out = append(out, r)
	}
	return out
}

func (a args) scan(s, format string, to ...any) {
	a.t.Helper()
	if _, err := fmt.Sscanf(s, format, to...); err != nil {
		a.d.Fatalf(a.t, "%q: %v", s, err)
	}
}

func (a args) ranges() redo.Ranges {
	var out []redo.Range
	for _, s := range a.list("ranges") {
		var r redo.Range
		a.scan(s, "%d-%d", &r.After, &r.Through)
		out = append(out, r)
	}
	return redo.Join(out...)
}

func (a args) hint() (h redo.Hint) {
	for _, s := range a.list("hint") {
		a.scan(s, "%d/%d", &h.VDL, &h.PGLast)
	}
	return h
}

func (w *node) step(from string, m logstore.Message) string {
	w.h.Step(logstore.Envelope{Peer: logstore.NodeID(from), Msg: m})
	return "queued"
}

func (w *node) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	a := args{t, d}
	pg := redo.PGID(a.num("pg", 0))
	start := logstore.GroupStart{
		PG: pg, Membership: redo.MembershipEpoch(a.num("membership", 1)), Members: []logstore.NodeID{"A", "B", "C"}, Start: redo.LSN(a.num("start", 0)),
	}
	for i, s := range a.list("members") {
		start.Members = append(start.Members[:i], logstore.NodeID(s))
	}
	start.Last = redo.LSN(a.num("last", int(start.Start)))
	from, peer := fmt.Sprintf("w%d", a.num("epoch", 1)), "B"
	if d.HasArg("from") && d.Cmd != "drain" { // there it is a page
		d.ScanArgs(t, "from", &peer)
	}
	switch d.Cmd {
	case "fence":
		return w.step(from, logstore.Fence{Header: a.head(), Holder: uint64(a.num("holder", 1)), LAL: uint64(a.num("lal", 4))})
	case "list":
		groups := []logstore.GroupStart{start}
		for _, s := range a.list("with") { // further groups, PG:MEMBERSHIP
			g := logstore.GroupStart{Members: start.Members}
			a.scan(s, "%d:%d", &g.PG, &g.Membership)
			groups = append(groups, g)
		}
		return w.step(from, logstore.PutList{
			Header: a.head(), Holder: uint64(a.num("holder", 1)), LAL: uint64(a.num("lal", 4)),
			List: logstore.List{Epoch: a.head().Epoch, Ranges: a.ranges()}, Groups: groups,
		})
	case "create":
		return w.step(from, logstore.CreateSegment{Header: a.head(), GroupStart: start})
	case "pace":
		w.h.Pace(pg, int64(a.num("bytes", 0)))
		return "ok"
	case "emptied":
		w.h.Emptied(w.h.PGs())
		return "ok"
	case "leave":
		w.h.Leave(pg, redo.MembershipEpoch(a.num("membership", 1)))
		return "queued"
	case "batch":
		b := redo.Batch{
			Volume: 1, Timeline: 1, PG: pg, Epoch: a.head().Epoch, Membership: redo.MembershipEpoch(a.num("membership", 1)),
			Start: start.Start, Hint: a.hint(), MinReadPoint: redo.LSN(a.num("minread", 0)),
			Opened: !d.HasArg("recovery"), Records: a.records(),
		}
		return w.step(from, logstore.Append{
			Header: a.head(), Seq: 1, Batches: []logstore.Batch{{Bytes: redo.AppendBatch(nil, &b)}},
		})
	case "fetch":
		return w.step(from, logstore.Fetch{
			Header: a.head(), Ranges: []logstore.PGLSN{{PG: pg, LSN: redo.LSN(a.num("above", 0))}},
		})
	case "fill":
		return w.step(peer, logstore.GossipFill{
			Header: a.head(), ListEpoch: redo.VolumeEpoch(a.num("list", 1)), PG: pg, Records: a.records(), Gone: d.HasArg("gone"),
		})
	case "gossip":
		return w.step(peer, logstore.Gossip{
			Header: a.head(), ListEpoch: redo.VolumeEpoch(a.num("list", 1)),
			SCLs: []logstore.PGLSN{{PG: pg, LSN: redo.LSN(a.num("scl", 0))}},
		})
	case "asked": // B asks for what it lacks
		return w.step("B", logstore.GossipAsk{
			Header: a.head(), ListEpoch: redo.VolumeEpoch(a.num("list", 1)),
			Asks: []logstore.Ask{{PG: pg, Holes: a.ranges()}},
		})
	case "tick":
		for range a.num("n", 1) {
			w.h.Tick()
		}
		return "ok"
	case "ready":
		return w.ready()
	case "persisted":
		w.persisted()
		return w.ready()
	case "settle": // ready and persisted until nothing is left
		out := w.ready()
		for len(w.flying) > 0 {
			w.persisted()
			out += w.ready()
		}
		return out
	case "crash", "restart": // what was not synced is lost; the rest is replayed
		if err := w.replay(); err != nil {
			d.Fatalf(t, "%v", err)
		}
		return w.status()
	case "roll": // a new file of the hot log starts; files that are not needed go
		w.roll()
		return fmt.Sprintf("%d older files kept", len(w.files)-1)
	case "rewrite": // the frames until now are damaged; a new file begins
		w.roll()
		w.h.Rewrite()
		return "ok"
	case "release": // files that are not needed go
		w.release()
		return fmt.Sprintf("%d files kept", len(w.files))
	case "read":
		return w.read(a, pg)
	case "log":
		run, no := w.h.ReadLog(logstore.ReadLog{
			Header: a.head(), PG: pg, Range: a.ranges()[0], Need: redo.LSN(a.num("need", 0)), Reader: true,
		})
		if no != nil {
			return no.Error()
		}
		m, err := run(w.store)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return describe(m)
	case "drain":
		w.plan = w.h.Drain(pg, redo.PageID(a.num("from", 0)))
		if w.plan == nil {
			return "nothing"
		}
		return fmt.Sprintf("through %d, images through %d: %s", w.plan.Through, w.plan.ImageThrough, pages(w.plan))
	case "drained":
		w.store.put(w.plan)
		w.h.Drained(w.plan)
		return fmt.Sprintf("oldest frame needed: %d", w.h.OldestFrame())
	case "garbage":
		g := w.h.Garbage(pg)
		return fmt.Sprintf("read floor %d, log floor %d", g.ReadFloor, g.LogFloor)
	case "quarantine":
		w.h.Quarantine(pg)
		return "ok"
	case "noted": // a file begins that says what is damaged
		w.roll()
		return "ok"
	case "copyasked": // B asks for pages
		return w.step("B", logstore.CopySegment{
			Header: a.head(), ListEpoch: redo.VolumeEpoch(a.num("list", 1)), PG: pg, After: redo.PageID(a.num("after", 0)),
		})
	case "copy": // a peer gives pages, PAGE@LSN
		m := logstore.CopyAnswer{
			Header: a.head(), ListEpoch: redo.VolumeEpoch(a.num("list", 1)), PG: pg,
			After: redo.PageID(a.num("after", 0)), Hint: a.hint(), More: d.HasArg("more"),
		}
		for _, s := range a.list("pages") {
			i := logstore.PageImage{Data: []byte{0}}
			a.scan(s, "%d@%d", &i.Page, &i.LSN)
			m.Pages = append(m.Pages, i)
		}
		return w.step(peer, m)
	case "installed":
		w.h.Installed(w.installed)
		return "ok"
	case "spoiled":
		return fmt.Sprint(w.h.Spoiled())
	case "status":
		return w.status()
	default:
		d.Fatalf(t, "unknown command")
		return ""
	}
}

func (w *node) ready() string {
	var b strings.Builder
	rd := w.h.Ready()
	w.flying = append(w.flying, rd.Persist...)
	for _, f := range rd.Persist {
		fmt.Fprintf(&b, "persist %d: %s\n", f.Index, frame(f))
	}
	for _, e := range rd.Send {
		fmt.Fprintf(&b, "to %s: %s\n", e.Peer, describe(e.Msg))
	}
	for _, i := range rd.Install {
		w.store.install(i)
		w.installed = i
		fmt.Fprintf(&b, "install pg%d begin=%v gone=%d: %s\n", i.PG, i.Begin, i.Gone, images(i.Pages))
	}
	for _, s := range rd.Serve {
		m, err := s.Run(w.store)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "to %s, with the store: %s\n", s.Peer, describe(m))
	}
	return b.String()
}

func (w *node) read(a args, pg redo.PGID) string {
	w.applied = nil
	run, no := w.h.ReadPage(logstore.ReadPage{
		Header: a.head(), PG: pg, Pages: []redo.PageID{redo.PageID(a.num("page", 1))},
		At: redo.LSN(a.num("at", 0)), Need: redo.LSN(a.num("need", 0)), Reader: a.d.HasArg("reader"),
	}, func(_ []byte, r *redo.Record) error {
		w.applied = append(w.applied, r.LSN)
		return nil
	})
	if no != nil {
		return no.Error()
	}
	if _, err := run(w.store); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("records %v", w.applied)
}

func (w *node) status() string {
	var b strings.Builder
	s := w.h.Health()
	fmt.Fprintf(&b, "fence=%d list=%d%v opened=%v minread=%d undrained=%d\n",
		s.Epoch, s.List.Epoch, s.List.Ranges, s.Opened, s.MinReadPoint, s.Undrained)
	for _, g := range s.Segments {
		fmt.Fprintf(&b, "pg%d hint=%d/%d start=%d tail=%d scl=%d last=%d",
			g.PG, g.Hint.VDL, g.Hint.PGLast, g.Start, g.Tail, g.SCL, g.Last)
		if g.Damaged {
			b.WriteString(" damaged")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func pages(p *segment.DrainPlan) string {
	var s []string
	for _, page := range p.Pages {
		s = append(s, fmt.Sprintf("page %d %v", page.Page, lsns(page.Records)))
	}
	return strings.Join(s, ", ")
}

func lsns(records []redo.Record) []redo.LSN {
	var out []redo.LSN
	for _, r := range records {
		out = append(out, r.LSN)
	}
	return out
}

func images(pages []logstore.PageImage) string {
	var s []string
	for _, i := range pages {
		s = append(s, fmt.Sprintf("page %d at %d", i.Page, i.LSN))
	}
	return strings.Join(s, ", ")
}

func frame(f segment.Frame) string {
	switch f.Kind {
	case segment.FrameFence:
		return "fence"
	case segment.FrameList:
		return "list"
	case segment.FrameCreate:
		return "create"
	case segment.FrameCopied:
		return "copied"
	case segment.FrameDropped:
		return "dropped"
	case segment.FrameBatch, segment.FrameFill:
		b, err := redo.DecodeBatch(f.Body)
		if err != nil {
			return err.Error()
		}
		name := "batch"
		if f.Kind == segment.FrameFill {
			name = "fill"
		}
		return fmt.Sprintf("%s of epoch %d pg%d %v", name, b.Epoch, b.PG, lsns(b.Records))
	default:
		return fmt.Sprint(f.Kind)
	}
}

func describe(m logstore.Message) string {
	switch m := m.(type) {
	case logstore.Ack:
		s := "ack"
		for _, a := range m.Segments {
			s += fmt.Sprintf(" pg%d tail=%d scl=%d", a.PG, a.Tail, a.SCL)
		}
		return s
	case logstore.ListAnswer:
		s := fmt.Sprintf("listed at %d", m.Epoch)
		for _, a := range m.Segments {
			s += fmt.Sprintf(" pg%d tail=%d scl=%d", a.PG, a.Tail, a.SCL)
		}
		return s
	case logstore.SegmentCreated:
		return fmt.Sprintf("created pg%d", m.Ack.PG)
	case logstore.FenceAnswer:
		s := fmt.Sprintf("fenced at %d, list %d%v, LALs %v", m.Epoch, m.List.Epoch, m.List.Ranges, m.LALs)
		for _, g := range m.Segments {
			s += fmt.Sprintf(" pg%d hint=%d/%d tail=%d scl=%d", g.PG, g.Hint.VDL, g.Hint.PGLast, g.Tail, g.SCL)
			if g.Damaged {
				s += " damaged"
			}
		}
		return s
	case logstore.FetchAnswer:
		s := "fetched"
		for _, g := range m.Groups {
			s += fmt.Sprintf(" pg%d %v", g.PG, lsns(g.Records))
		}
		return s
	case logstore.Gossip:
		s := "gossip"
		for _, g := range m.SCLs {
			s += fmt.Sprintf(" pg%d scl=%d", g.PG, g.LSN)
		}
		return s
	case logstore.GossipAsk:
		s := "ask"
		for _, g := range m.Asks {
			s += fmt.Sprintf(" pg%d %v", g.PG, g.Holes)
		}
		return s
	case logstore.GossipFill:
		return fmt.Sprintf("fill pg%d %v", m.PG, lsns(m.Records))
	case logstore.CopySegment:
		return fmt.Sprintf("copy pg%d after %d", m.PG, m.After)
	case logstore.CopyAnswer:
		return fmt.Sprintf("copy of pg%d after %d, hint %d/%d: %s more=%v", m.PG, m.After, m.Hint.VDL, m.Hint.PGLast, images(m.Pages), m.More)
	case logstore.LogAnswer:
		return fmt.Sprintf("log pg%d %v more=%v", m.PG, lsns(m.Records), m.More)
	case logstore.Refused:
		return m.Error()
	default:
		return fmt.Sprintf("%T", m)
	}
}
