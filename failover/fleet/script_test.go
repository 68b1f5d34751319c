package fleet_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// world is a replicated state and, after the command leader, a detector beside it.
// What the detector decides is done at once, except while proposals are lost.
type world struct {
	state   *fleet.State
	det     *fleet.Detector
	lose    bool
	request uint64
	members map[string]*process
	out     strings.Builder
}

// process is an instance as the script describes it.
type process struct {
	inc  fleet.Incarnation
	host string
	beat fleet.Beat
}

// One tick is 100 ms.
var patience = fleet.DetectorConfig{Suspect: 4, Silence: 15, Reattach: 10, Stuck: 40, Recover: 50,
	Drain: 20, Probe: 2, Hold: 30, Penalty: 100, LAL: 1000, ReadLease: 200_000}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "/fuzz/") { // a corpus, not a script
			return
		}
		w := &world{state: &fleet.State{}, members: map[string]*process{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.out.Reset()
			w.run(t, d)
			if w.out.Len() == 0 {
				return "ok\n"
			}
			return w.out.String()
		})
	})
}

func (w *world) printf(format string, args ...any) { fmt.Fprintf(&w.out, format+"\n", args...) }

func (w *world) run(t *testing.T, d *datadriven.TestData) {
	t.Helper()
	a := args{t, d}
	switch d.Cmd {
	case "bootstrap":
		w.apply(bootstrap(a))
	case "apply":
		for line := range strings.Lines(d.Input) {
			w.apply(command(t, strings.Fields(line)))
		}
	case "leader": // a new Raft leader begins
		w.det = fleet.NewDetector(patience)
		w.step(fleet.Applied{State: w.state.Clone()})
	case "attach":
		id := a.word("id")
		w.members[id] = &process{inc: fleet.Incarnation(a.number("inc", 0)), host: "host-" + id,
			beat: fleet.Beat{Role: fleet.RoleReader, Healthy: true}}
		if d.HasArg("host") {
			w.members[id].host = a.word("host")
		}
		w.step(fleet.Attached{Node: id, Incarnation: w.members[id].inc, Host: w.members[id].host})
	case "detach":
		w.step(fleet.Detached{Node: a.word("id"), Incarnation: w.members[a.word("id")].inc})
	case "beat":
		w.beat(a)
	case "tick": // n ticks; beats=(…) send a heartbeat in each, moving=(…) one that shows progress
		w.tick(a)
	case "probed":
		w.step(fleet.Probed{Node: a.word("id"), Refused: d.HasArg("refused")})
	case "exit":
		w.step(fleet.Exited{Node: a.word("id"), Incarnation: fleet.Incarnation(a.number("inc", 0))})
	case "switchover":
		to, r := w.det.Switchover(a.word("to"))
		w.printf("to=%q code=%d %s", to, r.Code, r.Detail)
		w.act()
	case "lose": // proposals from now on
		w.lose = true
	case "keep":
		w.lose = false
	case "settle": // what is planned is done, and finished at once by the holder, until nothing is planned
		w.settle(a)
	case "plan": // stores seen, id:store; away=(id,…), silent=(id,…), damaged=(id:group,…)
		w.plan(a)
	case "waits": // what the drain of a node waits for; as plan
		w.printf("%q", w.state.DrainWaits(a.word("id"), w.seen(a)))
	case "state":
		w.print()
	case "members": // the part of the state about storage
		w.print()
		lines := strings.SplitAfter(w.out.String(), "\n")
		w.out.Reset()
		for _, l := range lines {
			for _, p := range []string{"storage", "group", "  membership", "replacing"} {
				if strings.HasPrefix(l, p) {
					w.out.WriteString(l)
				}
			}
		}
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
}

// settle has every store that is registered seen, but for those away and stopped.
func (w *world) settle(a args) {
	for range 1000 {
		seen := map[string]fleet.StoreSeen{}
		for _, n := range w.state.Storage {
			if w.state.IsStopped(n.ID) {
				continue
			}
			seen[n.ID] = fleet.StoreSeen{StoreID: n.StoreID, Whole: func(redo.PGID) bool { return true }}
			if slices.Contains(a.words("away"), n.ID) {
				seen[n.ID] = fleet.StoreSeen{Silent: true, Away: true}
			}
		}
		m := w.state.PlanReplacement(seen)
		if m == nil {
			m = w.state.PlanMove(seen)
		}
		if m == nil {
			return
		}
		w.printf("%T%+v", m, m)
		w.apply(m)
		if r := w.state.Replacing; r.Old != "" {
			w.apply(&fleet.FinishReplace{Epoch: w.state.Epoch, Began: r.Began, Groups: uint64(len(w.state.Groups))})
		}
	}
	a.t.Fatal("moves do not end")
}

// seen returns what was seen of stores.
func (w *world) seen(a args) map[string]fleet.StoreSeen {
	seen := map[string]fleet.StoreSeen{}
	for _, v := range a.words("seen") {
		id, store, _ := strings.Cut(v, ":")
		n, err := strconv.ParseUint(store, 10, 64)
		if err != nil {
			a.t.Fatal(err)
		}
		seen[id] = fleet.StoreSeen{StoreID: n, Volume: redo.VolumeID(a.number("volume", 0)), Whole: func(pg redo.PGID) bool {
			return !slices.Contains(a.words("damaged"), fmt.Sprintf("%s:%d", id, pg))
		}}
	}
	for _, id := range a.words("silent") {
		seen[id] = fleet.StoreSeen{Silent: true}
	}
	for _, id := range a.words("away") {
		seen[id] = fleet.StoreSeen{Silent: true, Away: true}
	}
	return seen
}

// plan says what should be done about the stores that were seen, and does it.
func (w *world) plan(a args) {
	seen := w.seen(a)
	m := w.state.PlanReplacement(seen)
	if m == nil {
		m = w.state.PlanMove(seen)
	}
	if m == nil {
		w.printf("nothing")
		return
	}
	w.printf("%T%+v", m, m)
	w.apply(m)
}

func (w *world) beat(a args) {
	p := w.members[a.word("id")]
	p.beat.Applied = redo.LSN(a.number("applied", uint64(p.beat.Applied)))
	p.beat.Epoch = redo.VolumeEpoch(a.number("epoch", uint64(p.beat.Epoch)))
	p.beat.Healthy = !a.d.HasArg("sick")
	if a.d.HasArg("role") {
		p.beat.Role = map[string]fleet.Role{"joining": fleet.RoleJoining, "reader": fleet.RoleReader,
			"recovering": fleet.RoleRecovering, "writer": fleet.RoleWriter}[a.word("role")]
	}
	w.step(fleet.Heard{Node: a.word("id"), Incarnation: p.inc, Beat: p.beat})
}

func (w *world) tick(a args) {
	for range a.number("n", 1) {
		w.step(fleet.Tick{})
		for _, name := range []string{"beats", "moving"} {
			for _, id := range a.words(name) {
				p := w.members[id]
				if name == "moving" {
					p.beat.Progress++
				}
				w.step(fleet.Heard{Node: id, Incarnation: p.inc, Beat: p.beat})
			}
		}
	}
}

func (w *world) step(ev fleet.Event) {
	w.det.Step(ev)
	w.act()
}

// act does what was decided and prints it.
func (w *world) act() {
	for _, d := range w.det.Ready() {
		switch d := d.(type) {
		case fleet.DoGrant:
			w.request++
			d.Grant.RequestID = 1000 + w.request
			w.printf("grant epoch %d to %s/%d: %s", d.Grant.Expected+1, d.Grant.Node, d.Grant.Incarnation, d.Reason)
			w.propose(&d.Grant, fleet.GrantFailed{})
		case fleet.DoExit:
			w.printf("exit of %s/%d", d.Exit.Node, d.Exit.Incarnation)
			w.propose(&d.Exit, fleet.ExitFailed{})
		case fleet.DoProbe:
			w.printf("probe %s at %s", d.Node, d.Address)
		case fleet.DoOrder:
			kind := []string{"none", "become writer", "demote", "drain", "resume", "stop"}[d.Order.Kind]
			w.printf("order %s/%d: %s epoch=%d lease_wait=%d successor=%q", d.Node, d.Incarnation, kind,
				d.Order.Epoch, d.Order.LeaseWait, d.Order.Successor)
		}
	}
}

func (w *world) propose(m fleet.Command, lost fleet.Event) {
	if w.lose {
		w.printf("  lost")
		w.step(lost)
		return
	}
	w.apply(m)
}

// apply puts a command through its encoding and the state, and tells the detector.
func (w *world) apply(m fleet.Command) {
	b, err := fleet.EncodeCommand(m)
	if err != nil {
		w.printf("%v", err)
		return
	}
	if m, err = fleet.DecodeCommand(b); err != nil {
		panic(err)
	}
	next := w.state.Clone()
	switch r := next.Apply(m); {
	case r.Code != fleet.CodeOK:
		w.printf("%T: code %d: %s", m, r.Code, r.Detail)
	case !r.Changed:
		w.printf("%T: no change", m)
	}
	w.state = next
	if w.det != nil {
		w.step(fleet.Applied{State: next})
	}
}

func (w *world) print() {
	s := w.state
	w.printf("version=%d cluster=%s volume=%d segment=%d", s.Version, s.Cluster, s.Volume, s.SegmentBytes)
	w.printf("epoch=%d opened=%d holder=%s/%d ended=%v writer=%q serves=%v lal_max=%d lease_wait=%d",
		s.Epoch, s.Opened, s.Holder.Node, s.Holder.Incarnation, s.Ended, s.Writer(), s.Serves(), s.LALMax, s.LeaseWait())
	for _, l := range s.Leases {
		w.printf("lease epoch=%d %s/%d read_lease=%d", l.Epoch, l.Node, l.Incarnation, l.ReadLease)
	}
	for _, i := range s.Instances {
		w.printf("instance %s az=%s tier=%d stopped=%v", i.ID, i.AZ, i.Tier, s.IsStopped(i.ID))
	}
	for _, n := range s.Storage {
		w.printf("storage %s az=%s store=%d", n.ID, n.AZ, n.StoreID)
	}
	for _, g := range s.Groups {
		w.printf("group %d created=%d members=%s", g.ID, g.Created, strings.Join(g.Members, " "))
		if g.Membership > 1 {
			w.printf("  membership=%d leaving=%d", g.Membership, s.Leaving(&g))
		}
	}
	if r := s.Replacing; r.Old != "" {
		of := "all"
		if r.Move {
			of = fmt.Sprint(r.PG)
		}
		w.printf("replacing %s by %s/%d away=%v began=%d groups=%s", r.Old, r.New, r.Store, r.Away, r.Began, of)
	}
	if len(s.Draining) > 0 {
		w.printf("storage draining: %v", s.Draining)
	}
	for _, e := range s.Endpoints {
		w.printf("endpoint %s %s %v %s %s %v", e.Name, e.Type, e.Addresses, e.Member, e.List, e.Listed)
	}
}

type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) words(name string) []string {
	for _, c := range a.d.CmdArgs {
		if c.Key == name {
			return c.Vals
		}
	}
	return nil
}

func (a args) word(name string) string {
	if v := a.words(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (a args) number(name string, or uint64) uint64 {
	if !a.d.HasArg(name) {
		return or
	}
	n, err := strconv.ParseUint(a.word(name), 10, 64)
	if err != nil {
		a.t.Fatalf("%s: %v", name, err)
	}
	return n
}

// bootstrap makes instances=(db-1:tier,…) and storage=n nodes over three zones.
func bootstrap(a args) *fleet.Bootstrap {
	s := fleet.State{Cluster: "test", Volume: 7, Timeline: 1, SegmentBytes: 1 << 20, PortBase: 6000,
		Epoch: redo.VolumeEpoch(a.number("floor", 0))}
	zone := func(i int) string { return "az-" + string(rune('a'+i%3)) }
	for i, v := range a.words("instances") {
		id, tier, _ := strings.Cut(v, ":")
		n, err := strconv.Atoi(tier)
		if err != nil {
			a.t.Fatal(err)
		}
		s.Instances = append(s.Instances, instance(id, zone(i), uint8(n), i))
	}
	for i := range int(a.number("storage", 6)) {
		s.Storage = append(s.Storage, fleet.StorageNode{ID: fmt.Sprintf("storage-%d", i+1), AZ: zone(i),
			Address: fmt.Sprintf("127.0.0.1:%d", 6401+i)})
	}
	return &fleet.Bootstrap{Initial: s}
}

func instance(id, az string, tier uint8, i int) fleet.Instance {
	return fleet.Instance{ID: id, AZ: az, Tier: tier, Address: fmt.Sprintf("127.0.0.1:%d", 6311+i),
		Control: fmt.Sprintf("127.0.0.1:%d", 6521+i)}
}

// command parses "name key=value …".
func command(t *testing.T, f []string) fleet.Command {
	t.Helper()
	v := map[string]string{}
	for _, kv := range f[1:] {
		k, val, _ := strings.Cut(kv, "=")
		v[k] = val
	}
	n := func(k string) uint64 {
		if v[k] == "" {
			return 0
		}
		x, err := strconv.ParseUint(v[k], 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		return x
	}
	ids := func(k string) []string {
		if v[k] == "" {
			return nil
		}
		return strings.Split(v[k], ",")
	}
	member := fleet.MemberType(slices.Index([]string{"", "ANY", "READER"}, v["member"]))
	listType := fleet.ListType(slices.Index([]string{"", "static", "exclusion"}, v["list"]))
	_, setListed := v["ids"]
	switch f[0] {
	case "grant":
		return &fleet.MakeGrant{Expected: redo.VolumeEpoch(n("expected")), Node: v["node"], LAL: n("lal"),
			Incarnation: fleet.Incarnation(n("inc")), ReadLease: fleet.Micros(n("lease")), RequestID: n("request")}
	case "opened":
		return &fleet.Opened{Epoch: redo.VolumeEpoch(n("epoch"))}
	case "resign":
		return &fleet.Resign{Epoch: redo.VolumeEpoch(n("epoch")), Successor: v["to"]}
	case "exit":
		return &fleet.ExitSeen{Node: v["node"], Incarnation: fleet.Incarnation(n("inc"))}
	case "group":
		return &fleet.CreateGroup{Epoch: redo.VolumeEpoch(n("epoch")), ID: redo.PGID(n("id"))}
	case "store":
		return &fleet.RegisterStore{Node: v["node"], StoreID: n("id")}
	case "add":
		return &fleet.AddInstance{Instance: instance(v["id"], "az-a", uint8(n("tier")), int(n("i")))}
	case "remove":
		return &fleet.RemoveInstance{ID: v["id"]}
	case "storage":
		return &fleet.AddStorage{Node: fleet.StorageNode{ID: v["id"], AZ: v["az"], Address: v["at"]}}
	case "replace":
		return &fleet.Replace{Old: v["old"], New: v["new"], Store: n("store"), Away: v["away"] != ""}
	case "move":
		return &fleet.Move{PG: redo.PGID(n("pg")), Old: v["old"], New: v["new"]}
	case "drain":
		return &fleet.DrainStorage{Node: v["node"], Cancel: v["cancel"] != ""}
	case "cancel":
		return &fleet.CancelReplace{Old: v["old"], New: v["new"]}
	case "finish":
		return &fleet.FinishReplace{Epoch: redo.VolumeEpoch(n("epoch")), Began: n("began"), Groups: n("groups")}
	case "tier":
		return &fleet.SetTier{ID: v["id"], Tier: uint8(n("tier"))}
	case "stop":
		return &fleet.Stop{ID: v["id"]}
	case "start":
		return &fleet.Start{ID: v["id"]}
	case "endpoint":
		return &fleet.CreateEndpoint{Endpoint: fleet.Endpoint{Name: v["name"], Member: member, List: listType,
			Listed: ids("ids"), Addresses: ids("at")}}
	case "modify":
		return &fleet.ModifyEndpoint{Name: v["name"], Member: member, List: listType, SetListed: setListed, Listed: ids("ids")}
	case "delete":
		return &fleet.DeleteEndpoint{Name: v["name"]}
	}
	t.Fatalf("unknown command %v", f)
	return nil
}
