package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/wire"
	"sextant/logstore/wirepb"
)

// answering is a storage node that gives the same page whatever it is asked for.
type answering struct {
	wirepb.UnimplementedStorageServer
	page []byte
}

func (a answering) Ask(_ context.Context, p *wirepb.Message) (*wirepb.Message, error) {
	m, err := wire.FromProto(p)
	if err != nil {
		return nil, err
	}
	return wire.ToProto(logstore.PageAnswer{Header: m.Head(), Pages: [][]byte{a.page}, SCL: 9})
}

func serving(t *testing.T, p []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	wirepb.RegisterStorageServer(s, answering{page: p})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// A page of another place, a damaged one and one without a seal are never taken: the
// next node is asked, and without one the read fails.
func TestPagesAreVerifiedWhenTheyArrive(t *testing.T) {
	addr := page.Address{Volume: 7, Timeline: 1, PG: 2, Page: 5}
	made := func(a page.Address) []byte {
		p := make([]byte, page.Size)
		r := page.FormatRecord(a.Page, page.KindLeaf, 0, 1000)
		r.LSN = 9
		if err := page.Apply(p, &r); err != nil {
			t.Fatal(err)
		}
		page.Seal(p, a)
		return p
	}
	bad := map[string][]byte{}
	for name, other := range map[string]page.Address{
		"volume":   {Volume: 8, Timeline: 1, PG: 2, Page: 5},
		"timeline": {Volume: 7, Timeline: 2, PG: 2, Page: 5},
		"group":    {Volume: 7, Timeline: 1, PG: 3, Page: 5},
		"page":     {Volume: 7, Timeline: 1, PG: 2, Page: 6},
	} {
		bad["another "+name] = made(other)
	}
	bad["a flipped bit"] = made(addr)
	bad["a flipped bit"][9000] ^= 4
	bad["no seal"] = made(addr)
	page.Unseal(bad["no seal"])
	bad["a short page"] = made(addr)[:page.Size/2]
	bad["cells that are not there"] = made(addr)
	bad["cells that are not there"][38] = 3
	page.Seal(bad["cells that are not there"], addr)

	want := made(addr)
	page.Unseal(want)
	right := serving(t, made(addr))
	for name, p := range bad {
		t.Run(name, func(t *testing.T) {
			nodes := map[logstore.NodeID]string{"bad": serving(t, p), "right": right}
			a := &askers{
				opt:     Options{HedgeAfter: time.Hour, DialTimeout: 10 * time.Second, ReconnectMin: time.Millisecond, ReconnectMax: time.Second},
				resolve: func(id logstore.NodeID) string { return nodes[id] },
			}
			t.Cleanup(a.close)
			ask := logstore.ReadPage{
				Header: logstore.Header{Volume: addr.Volume, Timeline: addr.Timeline, Epoch: 3}, PG: addr.PG, At: 9, Need: 9,
			}
			ask.Pages = append(ask.Pages, addr.Page)
			if _, err := a.hedged(t.Context(), []logstore.NodeID{"bad"}, ask); err == nil || !strings.Contains(err.Error(), "page 5 of group 2 at 9") {
				t.Fatalf("%v", err)
			}
			got, err := a.hedged(t.Context(), []logstore.NodeID{"bad", "right"}, ask)
			if err != nil {
				t.Fatal(err)
			}
			if pages := got.(logstore.PageAnswer).Pages; len(pages) != 1 || string(pages[0]) != string(want) {
				t.Fatal("not the page asked for")
			}
		})
	}
}

// A wait that its session gave up leaves nothing behind, however long VDL stands still.
func TestWaitForVDLThatEndsLeavesNothing(t *testing.T) {
	v := &Volume{done: make(chan struct{})}
	var waiting sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for l := range redo.LSN(100) {
		waiting.Go(func() {
			if err := v.WaitVDL(ctx, l+1); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	cancel()
	waiting.Wait()
	if n := v.waits.commits.Len(); n != 0 {
		t.Errorf("%d waits are left", n)
	}
}
