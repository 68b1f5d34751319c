package fleet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/internal/spent"
)

// randomCommand draws a command that is often sensible: about the current epoch or
// one near it, about known nodes.
func randomCommand(r *rand.Rand, s *fleet.State) fleet.Command {
	node := fmt.Sprintf("db-%d", 1+r.IntN(4))
	near := redo.VolumeEpoch(max(0, int(s.Epoch)-r.IntN(3)))
	name := []string{"aa", "bb", "cc", "cluster", "db-1", "x--y"}[r.IntN(6)]
	ids := []string{"db-1", "db-2", "db-9"}[:r.IntN(4)]
	inc := fleet.Incarnation(1 + r.IntN(3))
	switch r.IntN(17) {
	case 15:
		if r.IntN(3) == 0 {
			return &fleet.AddStorage{Node: fleet.StorageNode{ID: "storage-10", AZ: "az-a", Address: "127.0.0.1:6410"}}
		}
		return &fleet.Replace{Old: fmt.Sprintf("storage-%d", 1+r.IntN(9)), New: fmt.Sprintf("storage-%d", 1+r.IntN(9)), Store: uint64(r.IntN(12)), Away: r.IntN(2) == 0}
	case 16:
		if r.IntN(3) == 0 {
			return &fleet.CancelReplace{Old: s.Replacing.Old, New: s.Replacing.New}
		}
		return &fleet.FinishReplace{Epoch: near, Began: s.Replacing.Began, Groups: uint64(len(s.Groups))}
	case 0, 1, 2:
		return &fleet.MakeGrant{Expected: near, Node: node, Incarnation: inc, Host: "h",
			LAL: uint64(1 + r.IntN(9)), ReadLease: fleet.Micros(r.IntN(9)), RequestID: uint64(r.IntN(40))}
	case 3, 4:
		return &fleet.Opened{Epoch: near}
	case 5:
		return &fleet.Resign{Epoch: near, Successor: node}
	case 6:
		return &fleet.ExitSeen{Node: node, Incarnation: inc}
	case 7:
		return &fleet.CreateGroup{Epoch: near, ID: redo.PGID(len(s.Groups) - r.IntN(2))}
	case 8:
		return &fleet.RegisterStore{Node: fmt.Sprintf("storage-%d", 1+r.IntN(9)), StoreID: uint64(r.IntN(12))}
	case 9:
		return &fleet.AddInstance{Instance: instance(node, "az-a", uint8(r.IntN(17)), r.IntN(5))}
	case 10:
		return &fleet.RemoveInstance{ID: node}
	case 11:
		if r.IntN(2) == 0 {
			return &fleet.Stop{ID: node}
		}
		return &fleet.Start{ID: node}
	case 12:
		return &fleet.CreateEndpoint{Endpoint: fleet.Endpoint{Name: name, List: fleet.ListType(r.IntN(4)),
			Member: fleet.MemberType(r.IntN(4)), Listed: ids}}
	case 13:
		return &fleet.ModifyEndpoint{Name: name, List: fleet.ListType(r.IntN(4)),
			Member: fleet.MemberType(r.IntN(4)), SetListed: r.IntN(2) == 0, Listed: ids}
	}
	if r.IntN(2) == 0 {
		return &fleet.SetTier{ID: node, Tier: uint8(r.IntN(17))}
	}
	return &fleet.DeleteEndpoint{Name: name}
}

func firstCommand() *fleet.Bootstrap {
	s := fleet.State{Cluster: "test", Volume: 7, Timeline: 1, SegmentBytes: 1 << 20, PortBase: 6000}
	for i := range 3 {
		s.Instances = append(s.Instances, instance(fmt.Sprintf("db-%d", i+1), "az-a", 1, i))
	}
	for i := range 9 {
		s.Storage = append(s.Storage, fleet.StorageNode{ID: fmt.Sprintf("storage-%d", i+1),
			AZ: fmt.Sprintf("az-%c", 'a'+i%3), Address: fmt.Sprintf("127.0.0.1:%d", 6401+i)})
	}
	return &fleet.Bootstrap{Initial: s}
}

// randomLog returns the encoded commands of one run, duplicated, reordered and lost
// on their way as a network and impatient proposers do it.
func randomLog(seed uint64, n int) [][]byte {
	r := rand.New(rand.NewPCG(seed, 0))
	s := &fleet.State{}
	var log, late [][]byte
	put := func(b []byte) {
		m, err := fleet.DecodeCommand(b)
		if err != nil {
			panic(err)
		}
		s.Apply(m)
		log = append(log, b)
	}
	b, err := fleet.EncodeCommand(firstCommand())
	if err != nil {
		panic(err)
	}
	put(b)
	for len(log) < n {
		b, err := fleet.EncodeCommand(randomCommand(r, s))
		if err != nil {
			continue // a field beyond its bound is not proposed
		}
		switch r.IntN(6) {
		case 0: // lost
		case 1: // late
			late = append(late, b)
		case 2: // twice
			put(b)
			late = append(late, b)
		default:
			put(b)
		}
		if len(late) > 0 && r.IntN(4) == 0 {
			i := r.IntN(len(late))
			put(late[i])
			late = append(late[:i], late[i+1:]...)
		}
	}
	return log
}

func replay(t *testing.T, from *fleet.State, log [][]byte, after func(m fleet.Command, r fleet.Result, s *fleet.State)) *fleet.State {
	t.Helper()
	s := from
	for _, b := range log {
		m, err := fleet.DecodeCommand(b)
		if err != nil {
			t.Fatal(err)
		}
		r := s.Apply(m)
		if after != nil {
			after(m, r, s)
		}
	}
	return s
}

// TestReplay: the same log gives the same fleet, byte for byte, also from a snapshot
// taken anywhere on the way (S10).
func TestReplay(t *testing.T) {
	for seed := range uint64(60) {
		log := randomLog(seed, 300)
		want := fleet.EncodeState(replay(t, &fleet.State{}, log, nil))
		if !bytes.Equal(want, fleet.EncodeState(replay(t, &fleet.State{}, log, nil))) {
			t.Fatalf("seed %d: two replays differ", seed)
		}
		cut := 1 + int(seed)%(len(log)-1)
		half := replay(t, &fleet.State{}, log[:cut], nil)
		restored, err := fleet.DecodeState(fleet.EncodeState(half))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !bytes.Equal(want, fleet.EncodeState(replay(t, restored, log[cut:], nil))) {
			t.Fatalf("seed %d: the replay from a snapshot at %d differs", seed, cut)
		}
	}
}

// TestOneGrantPerEpoch: under duplicated, reordered and lost commands no epoch is
// granted twice, epochs never go back, Opened never exceeds Epoch, and a refused
// command changes nothing. The lease wait equals that of a dumb list of all grants.
func TestOneGrantPerEpoch(t *testing.T) {
	grants, waits, refusals := 0, 0, 0
	for seed := range uint64(60) {
		granted := map[redo.VolumeEpoch]fleet.Grant{}
		gone := map[redo.VolumeEpoch]bool{} // epochs whose grantee resigned or exited
		var epoch, opened redo.VolumeEpoch
		before := fleet.EncodeState(&fleet.State{})
		replay(t, &fleet.State{}, randomLog(seed, 300), func(m fleet.Command, r fleet.Result, s *fleet.State) {
			now := fleet.EncodeState(s)
			if r.Changed == bytes.Equal(before, now) {
				t.Fatalf("seed %d: %T: changed=%v is not what happened", seed, m, r.Changed)
			}
			if r.Code != fleet.CodeOK {
				refusals++
			}
			before = now
			if s.Epoch < epoch || s.Epoch > epoch+1 || s.Opened < opened || s.Opened > s.Epoch {
				t.Fatalf("seed %d: %T: epoch %d to %d, opened %d to %d", seed, m, epoch, s.Epoch, opened, s.Opened)
			}
			epoch, opened = s.Epoch, s.Opened
			if old, seen := granted[s.Epoch]; seen && old != s.Holder {
				t.Fatalf("seed %d: %T: epoch %d granted to %+v and %+v", seed, m, s.Epoch, old, s.Holder)
			}
			if s.Epoch > 0 {
				granted[s.Epoch] = s.Holder
				grants++
			}
			switch m := m.(type) {
			case *fleet.Resign:
				gone[m.Epoch] = gone[m.Epoch] || r.Code == fleet.CodeOK
			case *fleet.ExitSeen:
				for e, g := range granted {
					gone[e] = gone[e] || g.Node == m.Node && g.Incarnation == m.Incarnation
				}
			}
			var wait fleet.Micros
			var lal uint64
			for e, g := range granted {
				if e >= opened && e != epoch && !gone[e] {
					wait = max(wait, g.ReadLease)
				}
				if e >= opened {
					lal = max(lal, g.LAL)
				}
			}
			if s.LeaseWait() < wait || len(s.Leases) < 32 && s.LeaseFolded == 0 && s.LeaseWait() != wait || s.LALMax != lal {
				t.Fatalf("seed %d: %T: lease wait %d, LAL %d; want %d, %d", seed, m, s.LeaseWait(), s.LALMax, wait, lal)
			}
			if wait > 0 {
				waits++
			}
		})
	}
	if grants == 0 || waits == 0 || refusals == 0 {
		t.Errorf("%d grants, %d waits, %d refusals: the test saw nothing", grants, waits, refusals)
	}
}

// TestGranteesBeyondTheList: a grantee that no longer fits into the list still counts.
func TestGranteesBeyondTheList(t *testing.T) {
	s := &fleet.State{}
	s.Apply(firstCommand())
	for i := range 100 {
		lease := fleet.Micros(10)
		if i == 0 {
			lease = 77
		}
		r := s.Apply(&fleet.MakeGrant{Expected: redo.VolumeEpoch(i), Node: "db-1", LAL: 1,
			Incarnation: fleet.Incarnation(i + 1), ReadLease: lease, RequestID: uint64(i + 1)})
		if r.Code != fleet.CodeOK {
			t.Fatal(r)
		}
	}
	s.Apply(&fleet.ExitSeen{Node: "db-1", Incarnation: 1})
	if s.LeaseWait() != 77 {
		t.Errorf("lease wait %d, want that of the first grantee, 77", s.LeaseWait())
	}
	s.Apply(&fleet.Opened{Epoch: 100})
	if s.LeaseWait() != 0 {
		t.Errorf("lease wait %d after opening, want 0", s.LeaseWait())
	}
}

func TestCloneSharesNothing(t *testing.T) {
	for seed := range uint64(20) {
		s := replay(t, &fleet.State{}, randomLog(seed, 100), nil)
		before := fleet.EncodeState(s)
		r := rand.New(rand.NewPCG(seed, 1))
		c := s.Clone()
		for range 100 {
			c.Apply(randomCommand(r, c))
		}
		if !bytes.Equal(before, fleet.EncodeState(s)) {
			t.Fatalf("seed %d: changing a clone changed the original", seed)
		}
	}
}

func TestDamagedEncodingIsRefused(t *testing.T) {
	state := fleet.EncodeState(replay(t, &fleet.State{}, randomLog(1, 100), nil))
	command, err := fleet.EncodeCommand(firstCommand())
	if err != nil {
		t.Fatal(err)
	}
	for i := range state {
		b := bytes.Clone(state)
		b[i] ^= 1 << (i % 8)
		if _, err := fleet.DecodeState(b); !errors.Is(err, fleet.ErrFormat) {
			t.Fatalf("state with a flipped bit in byte %d: %v", i, err)
		}
	}
	for i := range command {
		if _, err := fleet.DecodeCommand(command[:i]); !errors.Is(err, fleet.ErrFormat) {
			t.Fatalf("command cut at byte %d: %v", i, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range randomLog(3, 60) {
		f.Add(b)
	}
	f.Add(fleet.EncodeState(&fleet.State{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m fleet.Command
		var s *fleet.State
		var err, serr error
		spent.Within(t, 128*len(b), func() { m, err = fleet.DecodeCommand(b) })
		spent.Within(t, 128*len(b), func() { s, serr = fleet.DecodeState(b) })
		if err == nil {
			again, err := fleet.EncodeCommand(m)
			if err != nil {
				t.Fatalf("decoded, but not encoded again: %v", err)
			}
			(&fleet.State{}).Apply(m)
			s := &fleet.State{}
			s.Apply(firstCommand())
			s.Apply(m)
			if _, err := fleet.DecodeCommand(again); err != nil {
				t.Fatal(err)
			}
		}
		if serr == nil {
			if _, err := fleet.DecodeState(fleet.EncodeState(s)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPlanBootstrap(t *testing.T) {
	six := firstCommand().Initial
	six.Storage = six.Storage[:6]
	reports := func(n int, change func(i int, r *fleet.StoreReport)) []fleet.StoreReport {
		var rs []fleet.StoreReport
		for i := range n {
			r := fleet.StoreReport{Node: fmt.Sprintf("storage-%d", i+1), StoreID: uint64(i + 1)}
			change(i, &r)
			rs = append(rs, r)
		}
		return rs
	}
	empty := func(int, *fleet.StoreReport) {}
	old := func(i int, r *fleet.StoreReport) {
		r.Volume, r.Epoch, r.Groups = 77, redo.VolumeEpoch(i), map[redo.PGID]redo.MembershipEpoch{0: 1}
		if i == 2 {
			r.Groups[1] = 0
		}
	}
	for _, c := range []struct {
		name    string
		initial fleet.State
		reports []fleet.StoreReport
		code    fleet.Code
		volume  redo.VolumeID
		floor   redo.VolumeEpoch
		groups  int
	}{
		{"too few", six, reports(3, empty), fleet.CodeNotReady, 0, 0, 0},
		{"empty stores", six, reports(4, empty), fleet.CodeOK, 5, 0, 0},
		{"an old volume", six, reports(4, old), fleet.CodeOK, 77, 3, 2},
		{"two volumes", six, reports(4, func(i int, r *fleet.StoreReport) { r.Volume = redo.VolumeID(1 + i%2) }), fleet.CodeInvalid, 0, 0, 0},
		{"nine nodes need all", firstCommand().Initial, reports(8, empty), fleet.CodeNotReady, 0, 0, 0},
		{"nine nodes, groups not whole", firstCommand().Initial, reports(9, old), fleet.CodeInvalid, 0, 0, 0},
		{"nine nodes, whole groups", firstCommand().Initial, reports(9, func(i int, r *fleet.StoreReport) {
			r.Volume, r.Epoch = 77, 9
			if i < 6 {
				r.Groups = map[redo.PGID]redo.MembershipEpoch{0: 1}
			}
		}), fleet.CodeOK, 77, 9, 1},
		{"members have changed, and no state was kept", six, reports(6, func(i int, r *fleet.StoreReport) {
			r.Volume, r.Groups = 77, map[redo.PGID]redo.MembershipEpoch{0: redo.MembershipEpoch(1 + i/5)}
		}), fleet.CodeInvalid, 0, 0, 0},
		{"a node that the configuration does not know has a segment", six, append(reports(6, old), fleet.StoreReport{
			Node: "storage-7", StoreID: 7, Volume: 77, Groups: map[redo.PGID]redo.MembershipEpoch{0: 1}}), fleet.CodeInvalid, 0, 0, 0},
	} {
		m, r := fleet.PlanBootstrap(&c.initial, 5, c.reports)
		if r.Code != c.code {
			t.Errorf("%s: code %d, want %d (%s)", c.name, r.Code, c.code, r.Detail)
			continue
		}
		if r.Code != fleet.CodeOK {
			continue
		}
		if in := m.(*fleet.Bootstrap).Initial; in.Volume != c.volume || in.Epoch != c.floor || len(in.Groups) != c.groups {
			t.Errorf("%s: volume %d, floor %d, %d groups", c.name, in.Volume, in.Epoch, len(in.Groups))
		}
		s := &fleet.State{}
		if r := s.Apply(m); r.Code != fleet.CodeOK {
			t.Errorf("%s: %s", c.name, r.Detail)
		}
	}
}

// TestLostControlPlaneGoesOn with the newest state that was kept, if nothing that a segment
// was told is newer, and four of each group's members have reported.
func TestLostControlPlaneGoesOn(t *testing.T) {
	kept := &fleet.State{}
	begin := []fleet.Command{firstCommand(),
		&fleet.MakeGrant{Node: "db-1", Incarnation: 11, LAL: 1000, ReadLease: 50, RequestID: 1},
		&fleet.Opened{Epoch: 1}}
	for i, n := range firstCommand().Initial.Storage {
		begin = append(begin, &fleet.RegisterStore{Node: n.ID, StoreID: uint64(i + 1)})
	}
	for _, m := range append(begin, &fleet.CreateGroup{Epoch: 1, ID: 0}) {
		if r := kept.Apply(m); r.Code != fleet.CodeOK {
			t.Fatal(r.Detail)
		}
	}
	members := kept.Groups[0].Members
	old, spare := members[0], ""
	from, _ := kept.StorageNode(old)
	for _, n := range kept.Storage {
		if n.AZ == from.AZ && !slices.Contains(members, n.ID) {
			spare = n.ID
		}
	}
	older := kept.Clone()
	if r := kept.Apply(&fleet.Replace{Old: old, New: spare}); r.Code != fleet.CodeOK {
		t.Fatal(r.Detail)
	}
	membership := kept.Groups[0].Membership
	// The report of a node that holds a segment of group 0.
	holder := func(id string, s *fleet.State, at redo.MembershipEpoch, epoch redo.VolumeEpoch) fleet.StoreReport {
		n, _ := kept.StorageNode(id)
		return fleet.StoreReport{Node: id, StoreID: n.StoreID, Volume: kept.Volume, Epoch: epoch, State: s,
			Groups: map[redo.PGID]redo.MembershipEpoch{0: at}}
	}
	all := func(epoch redo.VolumeEpoch, ids ...string) (rs []fleet.StoreReport) {
		for i, id := range ids {
			s := older
			if i == 1 {
				s = kept
			}
			rs = append(rs, holder(id, s, membership, epoch))
		}
		return rs
	}
	initial := firstCommand().Initial
	initial.LeaseFolded = 70
	emptied := older.Clone() // one is replaced by the store that answers in its own place
	if r := emptied.Apply(&fleet.Replace{Old: old, New: old, Store: 777, Away: true}); r.Code != fleet.CodeOK {
		t.Fatal(r.Detail)
	}
	filled := fleet.StoreReport{Node: old, StoreID: 777, Volume: kept.Volume, State: emptied, Groups: map[redo.PGID]redo.MembershipEpoch{0: 1}}
	three := []fleet.StoreReport{filled}
	for _, id := range members[1:4] {
		three = append(three, holder(id, emptied, 1, 1))
	}
	if _, r := fleet.PlanBootstrap(&initial, 5, three); r.Code != fleet.CodeNotReady {
		t.Errorf("three of the old set and the store that is being filled: code %d (%s), want not ready", r.Code, r.Detail)
	}
	const branch = 1 << 20 // the lost control plane's numbers are below
	another := holder(members[3], nil, 0, 1)
	another.StoreID = 999
	for _, c := range []struct {
		name    string
		reports []fleet.StoreReport
		code    fleet.Code
		above   redo.VolumeEpoch // what the new numbers are above
	}{
		{"four of both sets", all(1, members[1:5]...), fleet.CodeOK, 1},
		{"four of the old set", all(1, members[:4]...), fleet.CodeNotReady, 0},
		{"and the new one", all(1, append([]string{spare}, members[:4]...)...), fleet.CodeOK, 1},
		{"three and one of another store", append(all(1, members[:3]...), another), fleet.CodeNotReady, 0},
		{"somebody fenced with a grant that nobody kept", all(4, members[1:]...), fleet.CodeOK, 4},
		{"a segment knows later members", append(all(1, members[1:]...), holder(spare, kept, membership+1, 1)), fleet.CodeInvalid, 0},
		{"nobody kept the newer state", []fleet.StoreReport{holder(members[1], older, membership, 1)}, fleet.CodeInvalid, 0},
		{"a group that the state does not know", append(all(1, members[1:]...), fleet.StoreReport{Node: spare, Volume: kept.Volume,
			Groups: map[redo.PGID]redo.MembershipEpoch{1: 1}}), fleet.CodeInvalid, 0},
		{"stores of another volume", append(all(1, members[1:]...), fleet.StoreReport{Node: spare, Volume: 5}), fleet.CodeInvalid, 0},
	} {
		m, r := fleet.PlanBootstrap(&initial, 5, c.reports)
		if r.Code != c.code {
			t.Errorf("%s: code %d, want %d (%s)", c.name, r.Code, c.code, r.Detail)
			continue
		}
		if r.Code != fleet.CodeOK {
			continue
		}
		b, err := fleet.EncodeCommand(m)
		if err != nil {
			t.Fatal(err)
		}
		if m, err = fleet.DecodeCommand(b); err != nil {
			t.Fatal(err)
		}
		everybody := slices.Clone(c.reports)
		for _, n := range kept.Storage {
			if !m.(*fleet.Restore).Misses(everybody) {
				t.Errorf("%s: misses nobody, though %s has not reported", c.name, n.ID)
			}
			everybody = slices.DeleteFunc(everybody, func(r fleet.StoreReport) bool { return r.Node == n.ID })
			everybody = append(everybody, fleet.StoreReport{Node: n.ID})
		}
		if m.(*fleet.Restore).Misses(everybody) {
			t.Errorf("%s: misses somebody of all", c.name)
		}
		s := &fleet.State{}
		if r := s.Apply(m); r.Code != fleet.CodeOK {
			t.Errorf("%s: %s", c.name, r.Detail)
		}
		if s.Version <= kept.Version+branch || s.Epoch != c.above+branch || s.Groups[0].Membership != membership+branch || s.Writer() != "" ||
			s.Opened != 1 || s.Replacing != kept.Replacing || s.LeaseFolded != 70 {
			t.Errorf("%s: version %d, epoch %d, writer %q, lease %d, %+v", c.name, s.Version, s.Epoch, s.Writer(), s.LeaseFolded, s.Replacing)
		}
		if r := s.Apply(m); r.Code != fleet.CodeOK || r.Changed {
			t.Errorf("%s again: %+v", c.name, r)
		}
		if r := s.Apply(&fleet.MakeGrant{Expected: c.above + branch, Node: "db-2", Incarnation: 22, LAL: 1000, ReadLease: 50, RequestID: 2}); r.Code != fleet.CodeOK || s.LeaseWait() != 70 {
			t.Errorf("%s: the next grant: %+v, lease wait %d", c.name, r, s.LeaseWait())
		}
	}
}

// TestEndpointsAreWhereTheRouterListens: on the hosts of the cluster endpoint, also those
// that are made later.
func TestEndpointsAreWhereTheRouterListens(t *testing.T) {
	b := firstCommand()
	b.Initial.Endpoints = []fleet.Endpoint{
		{Name: "cluster", Type: fleet.EndpointCluster, Addresses: []string{"[fd00::7]:6306", "127.0.0.1:6306"}},
		{Name: "aa", Type: fleet.EndpointCustom, List: fleet.ListExclusion},
	}
	s := &fleet.State{}
	for _, m := range []fleet.Command{b, &fleet.CreateEndpoint{Endpoint: fleet.Endpoint{Name: "later", List: fleet.ListExclusion}}} {
		if r := s.Apply(m); r.Code != fleet.CodeOK {
			t.Fatal(r.Detail)
		}
	}
	for name, port := range map[string]int{"db-1": 6331, "db-2": 6332, "aa": 6351, "later": 6352} {
		want := fmt.Sprintf("[[fd00::7]:%d 127.0.0.1:%d]", port, port)
		if e, _ := s.Endpoint(name); fmt.Sprint(e.Addresses) != want {
			t.Errorf("endpoint %s: %v, want %s", name, e.Addresses, want)
		}
	}
	b.Initial.Endpoints[0].Addresses = []string{"nowhere"}
	if r := new(fleet.State).Apply(b); r.Code != fleet.CodeInvalid {
		t.Errorf("an address without a port: %v", r)
	}
}

// TestBootstrapTakesConfiguredEndpoints in whatever order they are given.
func TestBootstrapTakesConfiguredEndpoints(t *testing.T) {
	b := firstCommand()
	b.Initial.Endpoints = []fleet.Endpoint{
		{Name: "zz", Type: fleet.EndpointCustom, List: fleet.ListStatic, Listed: []string{"db-1"}},
		{Name: "reader", Type: fleet.EndpointReader, Addresses: []string{"127.0.0.2:3306"}},
		{Name: "aa", Type: fleet.EndpointCustom, List: fleet.ListExclusion},
		{Name: "db-2", Type: fleet.EndpointInstance, Addresses: []string{"127.0.0.3:3306"}},
	}
	s := &fleet.State{}
	if r := s.Apply(b); r.Code != fleet.CodeOK {
		t.Fatal(r.Detail)
	}
	for name, want := range map[string]string{"reader": "127.0.0.2:3306", "db-2": "127.0.0.3:3306",
		"db-1": "127.0.0.1:6331", "aa": "127.0.0.1:6351", "zz": "127.0.0.1:6352", "cluster": "127.0.0.1:6306"} {
		if e, found := s.Endpoint(name); !found || len(e.Addresses) != 1 || e.Addresses[0] != want {
			t.Errorf("endpoint %s: %v, want %s", name, e.Addresses, want)
		}
	}
}

// A state that was stored before segments moved is read: it ended where the last four fields
// begin, each of which is one byte when it is zero.
func TestFormerStateIsRead(t *testing.T) {
	s := &fleet.State{Version: 9, Cluster: "test", Replacing: fleet.Replacement{Old: "storage-1", New: "storage-7", Store: 7, Began: 8}}
	b := fleet.EncodeState(s)
	b = b[:len(b)-4-4]
	b[4] = 2
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	got, err := fleet.DecodeState(b)
	if err != nil || !bytes.Equal(fleet.EncodeState(got), fleet.EncodeState(s)) {
		t.Errorf("%+v, %v", got, err)
	}
}
