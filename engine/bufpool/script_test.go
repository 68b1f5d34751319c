package bufpool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/engine/bufpool"
	"sextant/internal/page"
	"sextant/internal/redo"
)

const testPage = 256 // bytes

// record makes the record that changes a page at an LSN: every test's page holds
// one cell, whose value is the LSN of its last change.
func record(id redo.PageID, lsn redo.LSN, first bool) redo.Record {
	cell := page.AppendCell(nil, []byte("k"), binary.LittleEndian.AppendUint64(nil, uint64(lsn)), false)
	r := redo.Record{LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, Page: id, Op: redo.OpReplace, Payload: cell}
	if first {
		r.Op, r.Payload = redo.OpFormat, append(page.AppendFormat(nil, page.KindLeaf, 0, uint64(id)), cell...)
	}
	return r
}

// history is the LSNs at which each page changes: the storage.
type history map[redo.PageID][]redo.LSN

func (h history) page(id redo.PageID, at redo.LSN) []byte {
	b := make([]byte, testPage)
	for i, lsn := range h[id] {
		if lsn > at {
			break
		}
		r := record(id, lsn, i == 0)
		if err := page.Apply(b, &r); err != nil {
			panic(err)
		}
	}
	return b
}

// script runs the commands of a testdata file. Loads that begin-head and begin-at
// start stand in their fetch until land.
type script struct {
	pool    *bufpool.Pool
	history history
	live    []redo.LSN
	loads   map[redo.PageID]*load
	fetches int
}

type load struct {
	fetching chan redo.LSN // the fetch has begun, at
	release  chan error
	result   chan string
}

func describe(b []byte, err error) string {
	switch {
	case errors.Is(err, bufpool.ErrFetch):
		return err.Error()
	case err != nil:
		return "error: " + err.Error()
	case page.LSN(b) == 0:
		return "never written"
	}
	if v := page.Value(b, 0); binary.LittleEndian.Uint64(v) != uint64(page.LSN(b)) {
		return fmt.Sprintf("wrong content: LSN %d, value %x", page.LSN(b), v)
	}
	return fmt.Sprintf("as of %d", page.LSN(b))
}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{
			pool:    bufpool.New(bufpool.Options{Bytes: 64 * testPage, PageSize: testPage}),
			history: history{}, loads: map[redo.PageID]*load{},
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := s.run(t, d)
			s.pool.CheckInvariants()
			return strings.TrimSuffix(out, "\n") + "\n"
		})
		if len(s.loads) > 0 {
			t.Fatal("a load is left in its fetch")
		}
	})
}

func lsns(d *datadriven.TestData, key string) (out []redo.LSN) {
	arg, ok := d.Arg(key)
	if !ok {
		return nil
	}
	for i := range arg.Vals {
		if arg.Vals[i] == "" {
			continue
		}
		var v uint64
		if _, err := fmt.Sscan(arg.Vals[i], &v); err != nil {
			panic(err)
		}
		out = append(out, redo.LSN(v))
	}
	return out
}

func one(d *datadriven.TestData, key string) uint64 {
	v := lsns(d, key)
	if len(v) != 1 {
		panic(d.Pos + ": one value of " + key)
	}
	return uint64(v[0])
}

//nolint:funlen // one case per command
func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	id := redo.PageID(0)
	if d.HasArg("page") {
		id = redo.PageID(one(d, "page"))
	}
	ctx := context.Background()
	switch d.Cmd {
	case "history":
		s.history[id] = lsns(d, "lsns")
		return "ok"
	case "publish":
		lsn := redo.LSN(one(d, "lsn"))
		s.pool.Publish(id, s.history.page(id, lsn), redo.LSN(one(d, "first")), s.live)
		return s.pool.Dump()
	case "at":
		b, ok := s.pool.At(id, redo.LSN(one(d, "s")))
		if !ok {
			return "miss"
		}
		return describe(b, nil)
	case "head":
		b, ok := s.pool.Head(id)
		if !ok {
			return "miss"
		}
		return describe(b, nil)
	case "load-at":
		before := s.fetches
		out := describe(s.pool.LoadAt(ctx, id, redo.LSN(one(d, "s")), s.fetch))
		return fmt.Sprintf("%s, fetches=%d", out, s.fetches-before)
	case "load-head":
		before := s.fetches
		at := redo.LSN(one(d, "at"))
		out := describe(s.pool.LoadHead(ctx, id, func() redo.LSN { return at }, s.fetch))
		return fmt.Sprintf("%s, fetches=%d", out, s.fetches-before)
	case "begin-head", "begin-at":
		return s.begin(t, d, id)
	case "land":
		l := s.loads[id]
		var err error
		if d.HasArg("fail") {
			err = errors.New("storage is away")
		}
		l.release <- err
		return s.landed(id, l)
	case "hold":
		var rs []redo.Record
		for _, lsn := range lsns(d, "lsns") {
			rs = append(rs, record(id, lsn, lsn == s.history[id][0]))
		}
		head, held := s.pool.Hold(id, rs)
		switch {
		case head != nil:
			return "to apply to head " + describe(head, nil)
		case held:
			return "held"
		}
		return "dropped"
	case "durable":
		s.pool.SetDurable(redo.LSN(one(d, "vdl")))
		return "ok"
	case "live":
		s.live = lsns(d, "s")
		return "ok"
	case "pin":
		s.pool.Pin(id)
		return s.pool.Dump()
	case "unpin":
		s.pool.Unpin(id)
		return s.pool.Dump()
	case "budget":
		s.pool.SetBytes(int64(one(d, "pages")) * testPage)
		return s.pool.Dump()
	case "cut":
		var ranges []redo.Range
		for r := range slices.Chunk(lsns(d, "annulled"), 2) {
			ranges = append(ranges, redo.Range{After: r[0], Through: r[1]})
		}
		s.pool.Cut(redo.Join(ranges...), redo.LSN(one(d, "vdl")))
		return s.pool.Dump()
	case "reset":
		s.pool.Reset()
		return s.pool.Dump()
	case "status":
		return s.pool.Dump()
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

func (s *script) fetch(_ context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	s.fetches++
	return s.history.page(id, at), nil
}

// begin starts a load in a goroutine of its own and returns when it is in its fetch.
func (s *script) begin(t *testing.T, d *datadriven.TestData, id redo.PageID) string {
	l := &load{fetching: make(chan redo.LSN), release: make(chan error), result: make(chan string, 1)}
	fetch := func(_ context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
		b := s.history.page(id, at)
		l.fetching <- at
		err := <-l.release
		return b, err
	}
	arg := redo.LSN(one(d, "at"))
	head := d.Cmd == "begin-head"
	go func() {
		if head {
			l.result <- describe(s.pool.LoadHead(context.Background(), id, func() redo.LSN { return arg }, fetch))
		} else {
			l.result <- describe(s.pool.LoadAt(context.Background(), id, arg, fetch))
		}
	}()
	s.loads[id] = l
	return s.landed(id, l)
}

// landed waits until the load is in a fetch or over.
func (s *script) landed(id redo.PageID, l *load) string {
	select {
	case at := <-l.fetching:
		return fmt.Sprintf("fetching at %d", at)
	case out := <-l.result:
		delete(s.loads, id)
		return out
	}
}
