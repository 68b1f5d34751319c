package route_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/internal/redo"
	"sextant/router/route"
)

// TestScripts runs testdata: each file is one topology that changes.
//
//	topology [epoch=E] [version=V] [writer=ID] [serves]   instances, one per line:
//	    ID ROLE [unhealthy] [conns=N] [no-address]        replaces the topology if it supersedes it
//	endpoint NAME TYPE [READER|ANY] [static|exclusion] [IDs...]
//	load ID=N...                    this router's own sessions
//	given ID=N...                   how many connections it has been given
//	decide NAME                     candidates in order
//	status                          every endpoint: its members and the decision
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := world{load: map[string]route.Load{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "topology":
				return w.topology(t, d)
			case "endpoint":
				return w.endpoint(d)
			case "load", "given":
				for _, a := range d.CmdArgs {
					n, err := strconv.Atoi(a.Vals[0])
					if err != nil {
						t.Fatal(err)
					}
					l := w.load[a.Key]
					if d.Cmd == "given" {
						l.Given = uint64(n)
					} else {
						l.Own = n
					}
					w.load[a.Key] = l
				}
				return ""
			case "decide":
				return w.decide(d.CmdArgs[0].Key) + "\n"
			case "status":
				return w.status()
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

type world struct {
	now  route.Topology
	load map[string]route.Load
}

func (w *world) topology(t *testing.T, d *datadriven.TestData) string {
	next := route.Topology{Endpoints: w.now.Endpoints}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "epoch":
			next.Epoch = redo.VolumeEpoch(number(t, a.Vals[0]))
		case "version":
			next.Version = uint64(number(t, a.Vals[0]))
		case "writer":
			next.Writer = a.Vals[0]
		case "serves":
			next.Serves = true
		default:
			t.Fatalf("unknown argument %s", a.Key)
		}
	}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		i := route.Instance{ID: f[0], Role: route.Role(f[1]), Healthy: true, Address: f[0] + ":3306"}
		for _, a := range f[2:] {
			switch {
			case a == "unhealthy":
				i.Healthy = false
			case a == "no-address":
				i.Address = ""
			case strings.HasPrefix(a, "conns="):
				i.Connections = number(t, a[6:])
			default:
				t.Fatalf("unknown word %s", a)
			}
		}
		next.Instances = append(next.Instances, i)
	}
	if !next.Supersedes(w.now) {
		return "ignored: older\n"
	}
	lost := w.now.Lost(next)
	w.now = next
	for id, l := range w.load {
		l.OwnAtReport = l.Own
		w.load[id] = l
	}
	if lost != "" {
		return "sessions of " + lost + " end\n"
	}
	return ""
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) endpoint(d *datadriven.TestData) string {
	e := route.Endpoint{Name: d.CmdArgs[0].Key, Type: route.EndpointType(d.CmdArgs[1].Key)}
	for _, a := range d.CmdArgs[2:] {
		switch a.Key {
		case "READER", "ANY":
			e.Members = route.MemberType(a.Key)
		case "static", "exclusion":
			e.List = route.ListType(a.Key)
		default:
			e.Listed = append(e.Listed, a.Key)
		}
	}
	w.now.Endpoints = append(w.now.Endpoints, e)
	return ""
}

func (w *world) decide(name string) string {
	at := slices.IndexFunc(w.now.Endpoints, func(e route.Endpoint) bool { return e.Name == name })
	d := route.Decide(w.now, w.now.Endpoints[at], w.load)
	s := "-> " + strings.Join(ids(d.Backends), " ")
	if len(d.Backends) == 0 {
		s = "nobody"
		if !d.Hold {
			s = "refuse"
		}
	}
	if d.Writer {
		s += " (as writer)"
	}
	return s
}

func (w *world) status() string {
	var b strings.Builder
	for _, e := range w.now.Endpoints {
		fmt.Fprintf(&b, "%-8s members [%s]  %s\n", e.Name,
			strings.Join(route.Members(w.now, e), " "), w.decide(e.Name))
	}
	return b.String()
}

func ids(instances []route.Instance) []string {
	var s []string
	for _, i := range instances {
		s = append(s, i.ID)
	}
	return s
}

// TestEveryTopologyOfThree tries all roles, health states and writers of three
// instances against what each endpoint may and must do.
func TestEveryTopologyOfThree(t *testing.T) {
	kinds := []route.Endpoint{
		{Name: "cluster", Type: route.TypeCluster},
		{Name: "reader", Type: route.TypeReader},
		{Name: "static-reader", Type: route.TypeCustom, Members: route.MembersReader, List: route.ListStatic, Listed: []string{"a", "b"}},
		{Name: "static-any", Type: route.TypeCustom, Members: route.MembersAny, List: route.ListStatic, Listed: []string{"a", "b"}},
		{Name: "excl-reader", Type: route.TypeCustom, Members: route.MembersReader, List: route.ListExclusion, Listed: []string{"c"}},
		{Name: "excl-any", Type: route.TypeCustom, Members: route.MembersAny, List: route.ListExclusion, Listed: []string{"c"}},
		{Name: "c", Type: route.TypeInstance, Listed: []string{"c"}},
	}
	cases := 0
	eachTopology(func(top route.Topology) {
		for _, e := range kinds {
			cases++
			check(t, top, e)
		}
		// With {a, b, c}, excluding c is the same as listing a and b.
		for _, pair := range [][2]int{{2, 4}, {3, 5}} {
			x, y := route.Decide(top, kinds[pair[0]], nil), route.Decide(top, kinds[pair[1]], nil)
			if !slices.Equal(ids(x.Backends), ids(y.Backends)) {
				t.Fatalf("%+v: static %v, exclusion %v", top, ids(x.Backends), ids(y.Backends))
			}
		}
	})
	t.Logf("%d cases", cases)
}

func eachTopology(yield func(route.Topology)) {
	roles := []route.Role{route.RoleWriter, route.RoleReader, route.RoleJoining, route.RoleStopped}
	names := []string{"a", "b", "c"}
	states := len(roles) * 4 // role, healthy, has an address
	for n := range states * states * states {
		var instances []route.Instance
		for k, id := range names {
			s := n
			for range k {
				s /= states
			}
			s %= states
			i := route.Instance{ID: id, Role: roles[s/4], Healthy: s&1 == 0}
			if s&2 == 0 {
				i.Address = id
			}
			instances = append(instances, i)
		}
		for _, writer := range []string{"", "a", "b", "c", "gone"} {
			for _, serves := range []bool{false, true} {
				yield(route.Topology{Epoch: 3, Writer: writer, Serves: serves, Instances: instances})
			}
		}
	}
}

// check states the rules once more, each on its own.
func check(t *testing.T, top route.Topology, e route.Endpoint) {
	t.Helper()
	d := route.Decide(top, e, nil)
	members := route.Members(top, e)
	fail := func(what string) {
		t.Helper()
		t.Fatalf("%s: %s: %+v: %v", e.Name, what, top, ids(d.Backends))
	}
	readers := 0
	for _, i := range top.Instances {
		if i.ID != top.Writer && i.Role == route.RoleReader && i.Healthy && i.Address != "" {
			readers++
		}
	}
	if d.Hold != (e.Type != route.TypeInstance) || d.Writer != (e.Type == route.TypeCluster) {
		fail("flags")
	}
	if !slices.IsSortedFunc(d.Backends, func(a, b route.Instance) int { return strings.Compare(a.ID, b.ID) }) {
		fail("equal load is not in order of id")
	}
	for _, i := range d.Backends {
		isWriter := i.ID == top.Writer
		fallback := e.Type == route.TypeReader && isWriter
		switch {
		case i.Address == "":
			fail("no address")
		case e.Type != route.TypeInstance && isWriter && !top.Serves:
			fail("a writer that does not serve")
		case e.Type == route.TypeCluster && !isWriter:
			fail("not the writer")
		case fallback && readers > 0:
			fail("the writer although there is a reader")
		case e.Members == route.MembersReader && isWriter:
			fail("the writer in a READER endpoint")
		case e.Type != route.TypeInstance && !isWriter && (!i.Healthy || i.Role != route.RoleReader):
			fail("an unavailable reader")
		case !fallback && !slices.Contains(members, i.ID):
			fail("not a member")
		}
	}
	if e.Type == route.TypeReader && readers > 0 && len(d.Backends) != readers {
		fail("not every reader")
	}
	w, found := top.Instance(top.Writer)
	serving := found && top.Serves && w.Address != ""
	if (e.Type == route.TypeCluster || e.Type == route.TypeReader && readers == 0) && serving != (len(d.Backends) == 1) {
		fail("the serving writer is missed, or made up")
	}
}

// A burst between two reports is spread over the instances evenly, and what other
// routers have there counts.
func TestBurstEvensOut(t *testing.T) {
	top := route.Topology{Epoch: 1, Writer: "w", Serves: true}
	for id, conns := range map[string]int{"a": 30, "b": 0, "c": 10} {
		top.Instances = append(top.Instances, route.Instance{ID: id, Role: route.RoleReader,
			Healthy: true, Address: id, Connections: conns})
	}
	load := map[string]route.Load{"a": {Own: 5, OwnAtReport: 5}}
	for range 50 {
		id := route.Decide(top, route.Endpoint{Type: route.TypeReader}, load).Backends[0].ID
		l := load[id]
		l.Own++
		load[id] = l
	}
	if a, b, c := load["a"].Own, load["b"].Own, load["c"].Own; a != 5 || b != 30 || c != 20 {
		t.Errorf("own sessions: a %d, b %d, c %d; want 5, 30, 20", a, b, c)
	}
}
