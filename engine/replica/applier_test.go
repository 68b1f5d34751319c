package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/engine/bufpool"
	"sextant/engine/replica"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// TestScripts runs testdata. Pages hold keys; "1 p1 +a" is record 1, which inserts a
// into page 1 ("-a" deletes it, "new" formats), "!" behind it makes it a CPL. Storage
// has every record of "store", which readers of pages and of the log see.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "/fuzz/") { // a corpus, not a script
			return
		}
		w := &script{t: t, pool: bufpool.New(bufpool.Options{Bytes: 1 << 20})}
		w.applier = replica.NewApplier(w.pool, w, w)
		datadriven.RunTest(t, path, w.run)
	})
}

// script is the world of one file: the storage, and the applier's host and log.
type script struct {
	t       *testing.T
	pool    *bufpool.Pool
	applier *replica.Applier
	stored  []redo.Record
	applied redo.LSN
	catalog []redo.LSN
	live    []redo.LSN
	logErr  error
	flights map[redo.PageID]chan struct{}
	landed  map[redo.PageID]chan string
}

func (w *script) Live() []redo.LSN {
	out := append(slices.Clone(w.live), w.applied)
	slices.Sort(out)
	return slices.Compact(out)
}

func (w *script) Applied(_ context.Context, vdl redo.LSN, catalog bool) error {
	w.applied = vdl
	if catalog {
		w.catalog = append(w.catalog, vdl)
	}
	return nil
}

func (w *script) Records(_ context.Context, _ redo.VolumeEpoch, after, through redo.LSN, _ int) (out []redo.Record, _ error) {
	if w.logErr != nil {
		return nil, w.logErr
	}
	for _, r := range w.stored {
		if after < r.LSN && r.LSN <= through {
			out = append(out, r)
		}
	}
	return out, nil
}

func (w *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "store": // records that are durable in storage, instead of those of the same LSN or above
		rs := w.records(d.Input)
		i := sort.Search(len(w.stored), func(i int) bool { return w.stored[i].LSN >= rs[0].LSN })
		w.stored = append(w.stored[:i:i], rs...)
		return ""
	case "accept": // epoch=1 vdl=3 annulled=4-9 log=gone
		return w.accept(d)
	case "frame": // epoch=1, records
		b := &redo.Batch{Volume: 1, Timeline: 1, Epoch: redo.VolumeEpoch(number(t, d, "epoch")), Records: w.records(d.Input)}
		return w.status(w.applier.Frame(redo.AppendBatch(nil, b)))
	case "vdl":
		return w.status(w.applier.VDL(context.Background(), redo.LSN(atoi(t, d.CmdArgs[0].Key)), 1))
	case "snapshot": // keep one readable
		w.live = append(w.live, redo.LSN(atoi(t, d.CmdArgs[0].Key)))
		return ""
	case "cache": // read pages into the cache as open heads
		var out []string
		for _, a := range d.CmdArgs {
			b, err := w.pool.LoadHead(context.Background(), pageID(t, a.Key), w.applier.ReadPoint, w.fetch)
			out = append(out, a.Key+": "+show(b, err))
		}
		return strings.Join(out, "\n")
	case "read": // pages from the cache: at=LSN p1 p2
		return w.read(t, d)
	case "send": // a fetch leaves, its answer comes with "arrive"
		return w.send(t, d)
	case "arrive":
		id := pageID(t, d.CmdArgs[0].Key)
		close(w.flights[id])
		return <-w.landed[id]
	}
	t.Fatalf("unknown command %s", d.Cmd)
	return ""
}

func (w *script) accept(d *datadriven.TestData) string {
	ans := replica.Answer{Epoch: redo.VolumeEpoch(number(w.t, d, "epoch")), VDL: redo.LSN(number(w.t, d, "vdl")),
		PGLast: map[redo.PGID]redo.LSN{0: redo.LSN(number(w.t, d, "vdl"))}, PagesPerGroup: 1000}
	w.logErr = nil
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "annulled":
			for _, v := range a.Vals {
				from, to, _ := strings.Cut(v, "-")
				ans.Annulled = redo.Join(append(ans.Annulled,
					redo.Range{After: redo.LSN(atoi(w.t, from)) - 1, Through: redo.LSN(atoi(w.t, to))})...)
			}
		case "log":
			w.logErr = map[string]error{"gone": logstore.ErrGone, "long": logstore.ErrTooLong,
				"down": logstore.ErrUnavailable}[a.Vals[0]]
		}
	}
	return w.status(w.applier.Accept(context.Background(), ans))
}

func (w *script) status(err error) string {
	s := w.applier.Status()
	out := fmt.Sprintf("epoch=%d applied=%d snapshot=%d resets=%d catalog=%v", s.Epoch, s.Applied, w.applied, s.Resets, w.catalog)
	if err != nil {
		out = "error: " + err.Error() + "\n" + out
	}
	return out
}

// fetch is the storage: the page as of at.
func (w *script) fetch(_ context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	if _, _, ok := w.applier.Need(id, at); !ok {
		return nil, errors.New("annulled")
	}
	b := make([]byte, page.Size)
	for i := range w.stored {
		if r := &w.stored[i]; r.Page == id && r.LSN <= at {
			if err := page.Apply(b, r); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// send starts a LoadHead whose storage answers as of now, but late.
func (w *script) send(t *testing.T, d *datadriven.TestData) string {
	id := pageID(t, d.CmdArgs[0].Key)
	if w.flights == nil {
		w.flights, w.landed = map[redo.PageID]chan struct{}{}, map[redo.PageID]chan string{}
	}
	gate, landed, left := make(chan struct{}), make(chan string, 1), make(chan redo.LSN, 16)
	w.flights[id], w.landed[id] = gate, landed
	go func() {
		b, err := w.pool.LoadHead(context.Background(), id, w.applier.ReadPoint,
			func(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
				b, err := w.fetch(ctx, id, at)
				left <- at
				<-gate
				return b, err
			})
		landed <- show(b, err)
	}()
	return fmt.Sprintf("asked at %d", <-left)
}

func (w *script) read(t *testing.T, d *datadriven.TestData) string {
	at := redo.LSN(number(t, d, "at"))
	var out []string
	for _, a := range d.CmdArgs {
		if a.Key == "at" {
			continue
		}
		b, ok := w.pool.At(pageID(t, a.Key), at)
		if !ok {
			out = append(out, a.Key+": not cached")
			continue
		}
		out = append(out, a.Key+": "+show(b, nil))
	}
	return strings.Join(out, "\n")
}

func show(b []byte, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var keys []string
	for i := range page.Len(b) {
		keys = append(keys, string(page.Key(b, i)))
	}
	return fmt.Sprintf("%v@%d", keys, page.LSN(b))
}

// records parses one record per line. The volume link is the record before in LSN
// order, or "prev=n".
func (w *script) records(in string) (out []redo.Record) {
	for _, line := range strings.Split(strings.TrimSpace(in), "\n") {
		f := strings.Fields(line)
		r := redo.Record{LSN: redo.LSN(atoi(w.t, f[0])), Page: pageID(w.t, f[1])}
		r.PrevVolume, r.PrevPG = r.LSN-1, r.LSN-1
		switch op := f[2]; {
		case op == "new":
			r.Op, r.Payload = redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, 1)
		case op[0] == '+':
			r.Op, r.Payload = redo.OpInsert, page.AppendCell(nil, []byte(op[1:]), nil, false)
		case op[0] == '-':
			r.Op, r.Payload = redo.OpDelete, []byte(op[1:])
		}
		for _, x := range f[3:] {
			switch {
			case x == "!":
				r.CPL, r.Wall = true, int64(r.LSN)
			case x == "catalog":
				r.Flags = redo.FlagCatalog
			case strings.HasPrefix(x, "prev="):
				r.PrevVolume = redo.LSN(atoi(w.t, x[5:]))
				r.PrevPG = r.PrevVolume
			}
		}
		out = append(out, r)
	}
	return out
}

func pageID(t *testing.T, s string) redo.PageID {
	return redo.PageID(atoi(t, strings.TrimPrefix(s, "p")))
}

func number(t *testing.T, d *datadriven.TestData, key string) uint64 {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return atoi(t, a.Vals[0])
		}
	}
	t.Fatalf("%s: no %s", d.Pos, key)
	return 0
}

func atoi(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
