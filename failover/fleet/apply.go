package fleet

import (
	"cmp"
	"math"
	"slices"

	"sextant/internal/redo"
)

// Apply changes s by one command and says what happened. It is a function of s and
// m alone. Before Bootstrap every other command is refused with CodeBootstrap.
func (s *State) Apply(m Command) Result {
	_, boot := m.(*Bootstrap)
	if _, again := m.(*Restore); !boot && !again && s.Cluster == "" {
		return refuse(CodeBootstrap, "the fleet has not been bootstrapped yet")
	}
	r := m.apply(s)
	if r.Changed {
		s.Version++
	}
	return r
}

func (m *Bootstrap) apply(s *State) Result {
	in := m.Initial.Clone()
	if s.Cluster != "" {
		if s.Cluster != in.Cluster {
			return refuse(CodeBootstrap, "bootstrapped as cluster %q, not %q", s.Cluster, in.Cluster)
		}
		return ok(false)
	}
	next := State{
		Cluster: in.Cluster, Volume: in.Volume, Timeline: in.Timeline,
		SegmentBytes: in.SegmentBytes, Epoch: in.Epoch, PortBase: in.PortBase,
		Storage: in.Storage, Groups: in.Groups, LeaseFolded: in.LeaseFolded,
	}
	slices.SortFunc(next.Storage, func(a, b StorageNode) int { return cmp.Compare(a.ID, b.ID) })
	if r := next.checkBootstrap(); r.Code != CodeOK {
		return r
	}
	slices.SortFunc(in.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Name, b.Name) })
	next.addEndpoint(clusterEndpoint(in.PortBase, EndpointCluster))
	next.addEndpoint(clusterEndpoint(in.PortBase, EndpointReader))
	for _, e := range in.Endpoints {
		if e.Type == EndpointCluster || e.Type == EndpointReader {
			at, found := find(next.Endpoints, e.Name, endpointName)
			if !found || next.Endpoints[at].Type != e.Type || len(e.Addresses) == 0 {
				return refuse(CodeInvalid, "endpoint %q is not of its type", e.Name)
			}
			for _, a := range e.Addresses {
				if !validAddress(a) {
					return refuse(CodeInvalid, "endpoint %q: %q is not host:port", e.Name, a)
				}
			}
			next.Endpoints[at].Addresses = e.Addresses
		}
	}
	slices.SortFunc(in.Instances, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	for _, i := range in.Instances {
		add := AddInstance{Instance: i}
		if at, found := find(in.Endpoints, i.ID, endpointName); found && in.Endpoints[at].Type == EndpointInstance {
			add.EndpointAddresses = in.Endpoints[at].Addresses
		}
		if r := add.apply(&next); r.Code != CodeOK {
			return r
		}
	}
	for _, e := range in.Endpoints {
		if e.Type != EndpointCustom {
			continue
		}
		if r := (&CreateEndpoint{Endpoint: e}).apply(&next); r.Code != CodeOK {
			return r
		}
	}
	*s = next
	return ok(true)
}

// checkBootstrap checks what Bootstrap takes over as it is.
func (s *State) checkBootstrap() Result {
	switch {
	case !validName(s.Cluster):
		return refuse(CodeInvalid, "cluster id %q is not a name", s.Cluster)
	case s.Volume == 0 || s.Timeline == 0 || s.SegmentBytes == 0:
		return refuse(CodeInvalid, "volume, timeline and segment size must not be 0")
	case len(s.Storage) > storageNodesMax || len(s.Groups) > groupsMax:
		return refuse(CodeLimit, "at most %d storage nodes and %d groups", storageNodesMax, groupsMax)
	}
	for i, n := range s.Storage {
		if !validName(n.ID) || !validName(n.AZ) || !validAddress(n.Address) {
			return refuse(CodeInvalid, "storage node %q: id, az or address is malformed", n.ID)
		}
		if i > 0 && s.Storage[i-1].ID == n.ID {
			return refuse(CodeInvalid, "storage node %q is given twice", n.ID)
		}
	}
	for i, g := range s.Groups {
		if g.ID != redo.PGID(i) || len(g.Members) != groupMembersCount || g.Membership == 0 {
			return refuse(CodeInvalid, "group %d is not well formed", g.ID)
		}
		for _, id := range g.Members {
			if _, found := s.StorageNode(id); !found {
				return refuse(CodeInvalid, "group %d: no storage node %q", g.ID, id)
			}
		}
	}
	return ok(false)
}

func (m *MakeGrant) apply(s *State) Result {
	switch {
	case m.RequestID == 0 || m.Incarnation == 0 || m.LAL == 0:
		return refuse(CodeInvalid, "a grant needs a request id, an incarnation and a LAL")
	case s.Holder.RequestID == m.RequestID:
		return ok(false)
	case m.Expected != s.Epoch:
		return refuse(CodeStale, "the volume epoch is %d, not %d", s.Epoch, m.Expected)
	case s.Epoch == math.MaxUint64:
		return refuse(CodeLimit, "no volume epoch is left")
	}
	if _, found := s.Instance(m.Node); !found {
		return refuse(CodeNotFound, "no instance %q", m.Node)
	}
	if s.IsStopped(m.Node) {
		return refuse(CodeNotReady, "instance %q is stopped", m.Node)
	}
	s.LALMax = max(s.LALMax, m.LAL)
	s.Epoch++
	s.Holder = Grant{Epoch: s.Epoch, Node: m.Node, Incarnation: m.Incarnation, Host: m.Host,
		LAL: m.LAL, ReadLease: m.ReadLease, RequestID: m.RequestID}
	s.Ended, s.Successor = false, ""
	if len(s.Leases) == leasesMax {
		s.LeaseFolded = max(s.LeaseFolded, s.Leases[0].ReadLease)
		s.Leases = slices.Delete(s.Leases, 0, 1)
	}
	s.Leases = append(s.Leases, Lease{Epoch: s.Epoch, Node: m.Node, Incarnation: m.Incarnation,
		Host: m.Host, ReadLease: m.ReadLease})
	return ok(true)
}

// release forgets the leases that gone selects and reports whether there was one.
func (s *State) release(gone func(Lease) bool) bool {
	n := len(s.Leases)
	s.Leases = slices.DeleteFunc(s.Leases, gone)
	return len(s.Leases) != n
}

func (m *Opened) apply(s *State) Result {
	switch {
	case m.Epoch == 0 || m.Epoch != s.Epoch || s.Holder.Epoch != m.Epoch:
		return refuse(CodeStale, "the volume epoch is %d, not %d", s.Epoch, m.Epoch)
	case s.Ended:
		return refuse(CodeStale, "the holder of volume epoch %d has ended", m.Epoch)
	case s.Opened == m.Epoch:
		return ok(false)
	}
	s.Opened = m.Epoch
	s.LALMax = s.Holder.LAL
	s.release(func(l Lease) bool { return l.Epoch < m.Epoch })
	s.LeaseFolded = 0
	return ok(true)
}

func (m *Resign) apply(s *State) Result {
	if m.Epoch == 0 || m.Epoch > s.Epoch {
		return refuse(CodeStale, "the volume epoch is %d, not %d", s.Epoch, m.Epoch)
	}
	changed := s.release(func(l Lease) bool { return l.Epoch == m.Epoch })
	if m.Epoch == s.Holder.Epoch && !s.Ended {
		s.Ended, changed = true, true
		if _, found := s.Instance(m.Successor); found {
			s.Successor = m.Successor
		}
	}
	return ok(changed)
}

func (m *ExitSeen) apply(s *State) Result {
	changed := s.release(func(l Lease) bool {
		return l.Node == m.Node && l.Incarnation == m.Incarnation
	})
	if s.Holder.Node == m.Node && s.Holder.Incarnation == m.Incarnation && !s.Ended {
		s.Ended, changed = true, true
	}
	return ok(changed)
}

func (m *CreateGroup) apply(s *State) Result {
	switch {
	case m.Epoch == 0 || m.Epoch != s.Epoch || s.Writer() == "":
		return refuse(CodeStale, "volume epoch %d has no right to create groups; the current one is %d",
			m.Epoch, s.Epoch)
	case int(m.ID) < len(s.Groups):
		return ok(false)
	case int(m.ID) > len(s.Groups):
		return refuse(CodeInvalid, "the next group is %d, not %d", len(s.Groups), m.ID)
	case len(s.Groups) == groupsMax:
		return refuse(CodeLimit, "at most %d groups", groupsMax)
	}
	members := s.place()
	if members == nil {
		return refuse(CodeNotReady, "a group needs two registered stores in each of three zones")
	}
	s.Groups = append(s.Groups, Group{ID: m.ID, Membership: 1, Created: m.Epoch, Members: members})
	return ok(true)
}

func (m *RegisterStore) apply(s *State) Result {
	i, found := find(s.Storage, m.Node, storageID)
	switch {
	case !found:
		return refuse(CodeNotFound, "no storage node %q", m.Node)
	case m.StoreID == 0:
		return refuse(CodeInvalid, "store id 0")
	case s.Storage[i].StoreID == m.StoreID:
		return ok(false)
	case s.Storage[i].StoreID != 0:
		return refuse(CodeExists, "%s is registered with store %016x, not %016x",
			m.Node, s.Storage[i].StoreID, m.StoreID)
	}
	for _, n := range s.Storage {
		if n.StoreID == m.StoreID {
			return refuse(CodeExists, "store %016x is that of %s", m.StoreID, n.ID)
		}
	}
	s.Storage[i].StoreID = m.StoreID
	return ok(true)
}

func (m *AddInstance) apply(s *State) Result {
	in := m.Instance
	at, found := find(s.Instances, in.ID, instanceID)
	if found {
		if s.Instances[at] == in {
			return ok(false)
		}
		return refuse(CodeExists, "instance %q exists", in.ID)
	}
	switch {
	case !validName(in.ID) || !validName(in.AZ):
		return refuse(CodeInvalid, "instance %q: id or az is not a name", in.ID)
	case in.Tier > tierMax:
		return refuse(CodeInvalid, "promotion tier %d is not in 0 to %d", in.Tier, tierMax)
	case !validAddress(in.Address) || !validAddress(in.Control):
		return refuse(CodeInvalid, "instance %q: an address is not host:port", in.ID)
	case len(s.Instances) == instancesMax:
		return refuse(CodeLimit, "at most %d instances", instancesMax)
	}
	for _, o := range s.Instances {
		if o.Address == in.Address || o.Control == in.Control {
			return refuse(CodeExists, "instance %q has that address", o.ID)
		}
	}
	e := Endpoint{Name: in.ID, Type: EndpointInstance, Addresses: m.EndpointAddresses, Listed: []string{in.ID}}
	if r := s.createEndpoint(e, InstanceEndpointFirst, InstanceEndpointLast); r.Code != CodeOK {
		return r
	}
	s.Instances = slices.Insert(s.Instances, at, in)
	return ok(true)
}

func (m *RemoveInstance) apply(s *State) Result {
	at, found := find(s.Instances, m.ID, instanceID)
	if !found {
		return ok(false)
	}
	if s.Writer() == m.ID {
		return refuse(CodeInUse, "instance %q is the writer: fail over first", m.ID)
	}
	s.Instances = slices.Delete(s.Instances, at, at+1)
	s.Endpoints = slices.DeleteFunc(s.Endpoints, func(e Endpoint) bool {
		return e.Type == EndpointInstance && e.Name == m.ID
	})
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		e.Listed = slices.DeleteFunc(slices.Clone(e.Listed), func(id string) bool { return id == m.ID })
	}
	s.Stopped = slices.DeleteFunc(s.Stopped, func(id string) bool { return id == m.ID })
	return ok(true)
}

func (m *SetTier) apply(s *State) Result {
	at, found := find(s.Instances, m.ID, instanceID)
	switch {
	case !found:
		return refuse(CodeNotFound, "no instance %q", m.ID)
	case m.Tier > tierMax:
		return refuse(CodeInvalid, "promotion tier %d is not in 0 to %d", m.Tier, tierMax)
	case s.Instances[at].Tier == m.Tier:
		return ok(false)
	}
	s.Instances[at].Tier = m.Tier
	return ok(true)
}

func (m *Stop) apply(s *State) Result {
	at, found := slices.BinarySearch(s.Stopped, m.ID)
	switch {
	case found:
		return ok(false)
	case !validName(m.ID):
		return refuse(CodeInvalid, "%q is not a name", m.ID)
	case len(s.Stopped) == stoppedMax:
		return refuse(CodeLimit, "at most %d stopped roles", stoppedMax)
	}
	s.Stopped = slices.Insert(s.Stopped, at, m.ID)
	return ok(true)
}

func (m *Start) apply(s *State) Result {
	at, found := slices.BinarySearch(s.Stopped, m.ID)
	if found {
		s.Stopped = slices.Delete(s.Stopped, at, at+1)
		s.Away = slices.DeleteFunc(s.Away, func(a Absence) bool { return a.ID == m.ID }) // it begins now, if it does not come
	}
	return ok(found)
}

// place chooses the members of the next group: two registered stores in each of
// three zones, those with the fewest segments first, then by id. Returns nil if
// there are not enough.
//
// Source: SIGMOD 2017 §2.1.
func (s *State) place() []string {
	segments, r := s.Segments(), s.Replacing
	nodes := slices.DeleteFunc(slices.Clone(s.Storage), func(n StorageNode) bool {
		return n.StoreID == 0 || s.IsDraining(n.ID) || n.ID == r.New && r.New != r.Old && !r.Move // it takes the other's place in the new group too
	})
	slices.SortFunc(nodes, func(a, b StorageNode) int {
		return cmp.Or(cmp.Compare(a.AZ, b.AZ), cmp.Compare(segments[a.ID], segments[b.ID]), cmp.Compare(a.ID, b.ID))
	})
	type zone struct {
		load  int
		nodes []string
	}
	var zones []zone
	for i := 0; i < len(nodes); {
		az := nodes[i].AZ
		z := zone{}
		for ; i < len(nodes) && nodes[i].AZ == az; i++ {
			if len(z.nodes) < groupMembersCount/azCount {
				z.nodes = append(z.nodes, nodes[i].ID)
				z.load += segments[nodes[i].ID]
			}
		}
		if len(z.nodes) == groupMembersCount/azCount {
			zones = append(zones, z)
		}
	}
	if len(zones) < azCount {
		return nil
	}
	slices.SortStableFunc(zones, func(a, b zone) int { return cmp.Compare(a.load, b.load) })
	var members []string
	for _, z := range zones[:azCount] {
		members = append(members, z.nodes...)
	}
	slices.Sort(members)
	return members
}
