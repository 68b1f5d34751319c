package volume_test

import (
	"testing"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
	"sextant/logstore/volume"
)

// slowNode is a segment.Host that answers an Append only some ticks after it came,
// one at a time.
type slowNode struct {
	h     *segment.Host
	queue []logstore.Message
	wait  int
	taken int // payload bytes of Appends
}

func (n *slowNode) tick(every int) []logstore.Message {
	if len(n.queue) == 0 {
		return nil
	}
	if n.wait++; n.wait < every {
		return nil
	}
	n.wait = 0
	m := n.queue[0]
	n.queue = n.queue[1:]
	return n.now(m)
}

func (n *slowNode) now(m logstore.Message) (out []logstore.Message) {
	if a, ok := m.(logstore.Append); ok {
		for _, b := range a.Batches {
			n.taken += len(b.Bytes)
		}
	}
	n.h.Step(logstore.Envelope{Peer: "w", Msg: m})
	for {
		rd := n.h.Ready()
		for _, e := range rd.Send {
			if e.Peer == "w" {
				out = append(out, e.Msg)
			}
		}
		if len(rd.Persist) == 0 && n.h.Queued() == 0 {
			return out
		}
		n.h.Persisted()
	}
}

func sixHosts() ([]*slowNode, volume.Geometry) {
	geo := volume.Geometry{PagesPerGroup: 100, Groups: []volume.Group{{PG: 0, Membership: 1, Members: []int{0, 1, 2, 3, 4, 5}}}}
	var nodes []*slowNode
	for i := range 6 {
		id := logstore.NodeID('A' + rune(i))
		geo.Nodes = append(geo.Nodes, volume.Node{ID: id, Store: logstore.StoreID(i + 1)})
		nodes = append(nodes, &slowNode{h: segment.New(segment.Options{Node: id, Store: logstore.StoreID(i + 1), Volume: 1, Timeline: 1})})
	}
	return nodes, geo
}

func grantAt(e redo.VolumeEpoch) volume.Grant {
	return volume.Grant{Volume: 1, Timeline: 1, Epoch: e, Holder: uint64(e), LAL: 1 << 20}
}

// drive lets a recovery run to its end; it reports how many ticks that took, -1 if
// it did not end within limit. Appends are answered only every few ticks.
func drive(r *volume.Recovery, nodes []*slowNode, every, limit int) int {
	for tick := range limit {
		for moved := true; moved; {
			moved = false
			for _, o := range r.Ready() {
				moved = true
				n := nodes[o.Node]
				if _, ok := o.Msg.(logstore.Append); ok {
					n.queue = append(n.queue, o.Msg)
					continue
				}
				for _, a := range n.now(o.Msg) {
					r.Step(o.Node, a)
				}
			}
		}
		if r.Shipped() {
			return tick
		}
		for i, n := range nodes {
			for _, a := range n.tick(every) {
				r.Step(i, a)
			}
		}
		r.Tick()
	}
	return -1
}

// A recovery must end although its ragged edge takes longer to ship than one retry:
// 64 MiB in 8 Appends, each of which a node needs longer for than RetryTicks. When
// every retry began anew with the first batch, the nodes' logs filled with copies of
// it and the volume never opened.
func TestLargeRaggedEdgeIsShippedBySlowNodes(t *testing.T) {
	nodes, geo := sixHosts()
	lim := volume.Limits{RetryTicks: 10}
	first := volume.NewRecovery(grantAt(1), geo, lim)
	if drive(first, nodes, 1, 100) < 0 {
		t.Fatal("the empty volume does not open")
	}
	tr, err := first.Open()
	if err != nil {
		t.Fatal(err)
	}
	const mtrs = 64
	for i := range mtrs {
		rec := redo.Record{Page: redo.PageID(1 + i), Op: redo.OpImage, Payload: make([]byte, 1<<20-64)}
		if err := tr.Append([]redo.MTR{{Records: []redo.Record{rec}}}); err != nil {
			t.Fatal(err)
		}
	}
	last := tr.Next() - 1
	for i := range 3 { // three copies: not durable, but recovery finds all of it
		tr.Connected(i)
		for {
			s, ok := tr.Ship(i, 1)
			if !ok || s.Append == nil {
				break
			}
			for _, a := range nodes[i].now(*s.Append) {
				tr.Step(i, a)
			}
		}
	}
	for _, n := range nodes {
		n.taken = 0
	}
	second := volume.NewRecovery(grantAt(2), geo, lim)
	ticks := drive(second, nodes, 15, 2000)
	if ticks < 0 {
		t.Fatalf("not shipped after 2000 ticks; phase %s, node D took %d MiB", second.Phase(), nodes[3].taken>>20)
	}
	if got := second.Plan().VDL; got != last {
		t.Fatalf("recovered to %d, want %d", got, last)
	}
	for i, n := range nodes[3:] {
		if n.taken > 3*mtrs<<20 {
			t.Errorf("node %c was sent %d MiB for an edge of %d MiB", 'D'+i, n.taken>>20, mtrs)
		}
	}
}

// A node that refuses the list itself (it stores no volume yet) is sent it again
// after RetryTicks, not in a busy loop.
func TestRefusedListWaitsForItsTurn(t *testing.T) {
	nodes, geo := sixHosts()
	r := volume.NewRecovery(grantAt(1), geo, volume.Limits{RetryTicks: 10})
	away := 5
	for moved := true; moved; {
		moved = false
		for _, o := range r.Ready() {
			if o.Node == away {
				continue
			}
			moved = true
			for _, a := range nodes[o.Node].now(o.Msg) {
				r.Step(o.Node, a)
			}
		}
	}
	tr, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	tr.Connected(away)
	lists := 0
	for range 30 {
		for range 100 {
			s, ok := tr.Ship(away, 1)
			if !ok {
				break
			}
			lists += len(s.Control)
			tr.Step(away, logstore.Refused{
				Header: logstore.Header{Volume: 1, Timeline: 1}, Kind: logstore.Behind, Of: 1, Text: "the node stores no volume yet",
			})
		}
		tr.Tick()
	}
	if lists < 2 || lists > 4 {
		t.Fatalf("the list was sent %d times in 30 ticks, want once per 10 ticks", lists)
	}
}

// What a recovery has heard already is no progress, however often it is said.
func TestRepeatedAnswersAreNoProgress(t *testing.T) {
	nodes, geo := sixHosts()
	r := volume.NewRecovery(grantAt(1), geo, volume.Limits{RetryTicks: 1})
	from := func(who ...int) {
		for _, o := range r.Ready() {
			for _, i := range who {
				if o.Node == i {
					for _, a := range nodes[i].now(o.Msg) {
						r.Step(i, a)
						r.Step(i, a)
					}
				}
			}
		}
		r.Tick()
	}
	for range 10 {
		from(0, 1, 2)
	}
	if r.FenceQuorum() || r.Progress() != 3 {
		t.Fatalf("three nodes answered: fenced %v, progress %d", r.FenceQuorum(), r.Progress())
	}
	from(0, 1, 2, 3)
	if !r.FenceQuorum() || r.Progress() < 4 {
		t.Fatalf("four nodes answered: fenced %v, progress %d", r.FenceQuorum(), r.Progress())
	}
}
