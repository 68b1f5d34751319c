// Package fleet decides who the writer is and what the cluster consists of: the
// state machine that Raft replicates (State, changed by Apply alone), and the
// failure detector that the Raft leader runs beside it (Detector).
//
// Both are pure: no clock, no socket, no goroutine. Time is a tick, and what was
// seen is an Event. Package failover feeds them and does what they decide. The same
// commands in the same order give the same State, byte for byte (Encode).
//
// The volume epoch is a counter in State, moved by Grant alone, a compare-and-set:
// there are never two holders of one epoch. A granted writer fences storage, recovers,
// waits out the leases of its predecessors, and says Opened; only then is the volume
// served. Nothing here depends on a clock for safety: a wrong suspicion costs a
// failover and never data.
//
// Not here: clones.
//
// Start with State. Sources: SIGMOD 2018 §2.4 (volume epoch), §4.1 (membership);
// SIGMOD 2017 §2.1 (two segments in each of three zones).
package fleet

import (
	"slices"

	"sextant/internal/redo"
)

// Micros is a duration in microseconds.
type Micros uint64

// Incarnation identifies one process: drawn at random when it starts, never 0.
type Incarnation uint64

// Kind says what a process is.
type Kind uint8

// The kinds of processes.
const (
	KindInstance Kind = 1
	KindStorage  Kind = 2
	KindControl  Kind = 3
	KindRouter   Kind = 4
)

// Role is what an instance does at the moment, in its own words.
type Role uint8

// The roles of an instance.
const (
	RoleJoining    Role = 0 // not serving yet: no writer to follow, or catching up
	RoleReader     Role = 1
	RoleRecovering Role = 2 // granted, not opened
	RoleWriter     Role = 3
	RoleStopped    Role = 4
)

// String returns the word that status uses. A recovering instance is joining.
func (r Role) String() string {
	switch r {
	case RoleReader:
		return "reader"
	case RoleWriter:
		return "writer"
	case RoleStopped:
		return "stopped"
	case RoleJoining, RoleRecovering:
	}
	return "joining"
}

// State is the replicated state of one cluster. Its zero value is a fleet that has
// not been bootstrapped.
//
// Invariant: Epoch never goes back, and each epoch has one grant.
// Invariant: Opened <= Epoch; Holder.Epoch is Epoch, or 0 before the first grant.
// Invariant: Instances, Storage, Endpoints, Stopped, Draining, Away are sorted by id or name;
// Groups[i].ID is i.
type State struct {
	Version      uint64 // grows by one with every command that changed something
	Cluster      string // "" before Bootstrap
	Volume       redo.VolumeID
	Timeline     redo.TimelineID
	SegmentBytes uint64 // bytes of pages per protection group

	Epoch  redo.VolumeEpoch // highest granted, or the floor set by Bootstrap
	Opened redo.VolumeEpoch // highest that was opened; 0: none
	Holder Grant            // of Epoch
	// Ended says that the holder of Epoch will write no more: it resigned, or its exit was seen.
	Ended     bool
	Successor string // whom a resigned holder was told to hand over to; "" if nobody

	LALMax      uint64  // largest LAL granted since the last opened epoch, that one included
	Leases      []Lease // grantees since the last opened epoch that may still run, by epoch
	LeaseFolded Micros  // longest lease among those that no longer fit into Leases

	Instances []Instance
	Storage   []StorageNode
	Groups    []Group
	Endpoints []Endpoint
	Stopped   []string // roles of any kind that an operator stopped
	PortBase  uint32   // offset 0 of the cluster's ports

	Replacing Replacement // of a storage node, or of one of its segments, that is under way
	Draining  []string    // storage nodes that give away their segments and then leave
	Away      []Absence   // storage nodes that have not been heard of for some time
}

// Grant is the permission to be the writer of one volume epoch.
type Grant struct {
	Epoch       redo.VolumeEpoch
	Node        string
	Incarnation Incarnation
	Host        string // the kernel and network namespace in which the incarnation runs; not for people
	LAL         uint64 // LSNs that may be allocated above max(VDL, base)
	ReadLease   Micros // how long a confirmation of the epoch allows answers
	RequestID   uint64 // drawn by the proposer, never 0
}

// Lease is a grantee that has neither resigned nor been seen to exit.
type Lease struct {
	Epoch       redo.VolumeEpoch
	Node        string
	Incarnation Incarnation
	Host        string
	ReadLease   Micros
}

// Instance is a SQL instance.
type Instance struct {
	ID      string
	AZ      string
	Tier    uint8  // promotion tier, 0 (first) to 15
	Address string // its own MySQL port
	Control string // redo stream and probes, gRPC
}

// StorageNode is a storage node.
type StorageNode struct {
	ID      string
	AZ      string
	Address string
	StoreID uint64 // of the store that counts in quorums; 0: none registered yet
}

// Group is a protection group.
type Group struct {
	ID         redo.PGID
	Membership redo.MembershipEpoch
	Created    redo.VolumeEpoch // that its segments are created with
	Members    []string         // six storage node ids; see Leaving for a seventh
}

// EndpointType is the type of an endpoint.
type EndpointType uint8

// The types of endpoints.
const (
	EndpointCluster  EndpointType = 1 // the writer
	EndpointReader   EndpointType = 2 // readers, the writer if there is none
	EndpointInstance EndpointType = 3 // one instance
	EndpointCustom   EndpointType = 4 // a chosen set
)

// String returns the word that status uses.
func (t EndpointType) String() string {
	switch t {
	case EndpointCluster:
		return "cluster"
	case EndpointReader:
		return "reader"
	case EndpointInstance:
		return "instance"
	case EndpointCustom:
		return "custom"
	}
	return "unknown"
}

// MemberType says which roles a custom endpoint serves.
type MemberType uint8

// The member types. (Aurora's third, WRITER, cannot be created by users.)
const (
	MemberAny    MemberType = 1 // readers and the writer
	MemberReader MemberType = 2 // readers only
)

// String returns the word that status and commands use.
func (m MemberType) String() string {
	switch m {
	case MemberAny:
		return "ANY"
	case MemberReader:
		return "READER"
	}
	return ""
}

// ListType says how a custom endpoint's list is meant.
type ListType uint8

// The list types.
const (
	ListStatic    ListType = 1 // exactly these instances
	ListExclusion ListType = 2 // all but these, new ones included
)

// String returns the word that status and commands use.
func (l ListType) String() string {
	switch l {
	case ListStatic:
		return "static"
	case ListExclusion:
		return "exclusion"
	}
	return ""
}

// Endpoint is an address that clients connect to.
type Endpoint struct {
	Name      string
	Type      EndpointType
	Addresses []string   // listen addresses of the router
	Member    MemberType // custom
	List      ListType   // custom
	Listed    []string   // custom: the configured ids, sorted; instance: the one
}

// Clone returns a copy that shares nothing with s.
func (s *State) Clone() *State {
	c := *s
	c.Leases = slices.Clone(s.Leases)
	c.Instances = slices.Clone(s.Instances)
	c.Storage = slices.Clone(s.Storage)
	c.Stopped, c.Draining, c.Away = slices.Clone(s.Stopped), slices.Clone(s.Draining), slices.Clone(s.Away)
	c.Groups = slices.Clone(s.Groups)
	for i := range c.Groups {
		c.Groups[i].Members = slices.Clone(c.Groups[i].Members)
	}
	c.Endpoints = slices.Clone(s.Endpoints)
	for i := range c.Endpoints {
		c.Endpoints[i].Addresses = slices.Clone(c.Endpoints[i].Addresses)
		c.Endpoints[i].Listed = slices.Clone(c.Endpoints[i].Listed)
	}
	return &c
}

// Writer returns the holder of the current epoch, "" if there is none that may
// still write. It may not have opened the volume yet: see Serves.
func (s *State) Writer() string {
	if s.Holder.Epoch == 0 || s.Ended {
		return ""
	}
	return s.Holder.Node
}

// Serves reports whether the current epoch's holder has opened the volume.
func (s *State) Serves() bool { return s.Writer() != "" && s.Opened == s.Epoch }

// LeaseWait returns how long the holder of the current epoch must wait, from its
// fence quorum on, before it opens: the longest read_lease of an earlier grantee
// since the last opened epoch, that one included, that neither resigned nor was
// seen to exit. 0 if there is none. It can only shrink within an epoch. Clock drift
// is for the caller to add.
func (s *State) LeaseWait() Micros {
	wait := s.LeaseFolded
	for _, l := range s.Leases {
		if l.Epoch != s.Epoch {
			wait = max(wait, l.ReadLease)
		}
	}
	return wait
}

// Instance returns the instance of that id.
func (s *State) Instance(id string) (Instance, bool) {
	i, ok := find(s.Instances, id, instanceID)
	if !ok {
		return Instance{}, false
	}
	return s.Instances[i], true
}

// StorageNode returns the storage node of that id.
func (s *State) StorageNode(id string) (StorageNode, bool) {
	i, ok := find(s.Storage, id, storageID)
	if !ok {
		return StorageNode{}, false
	}
	return s.Storage[i], true
}

// Has reports whether there is a storage node or an instance of that id.
func (s *State) Has(id string) bool {
	_, stores := s.StorageNode(id)
	_, serves := s.Instance(id)
	return stores || serves
}

// Endpoint returns the endpoint of that name.
func (s *State) Endpoint(name string) (Endpoint, bool) {
	i, ok := find(s.Endpoints, name, endpointName)
	if !ok {
		return Endpoint{}, false
	}
	return s.Endpoints[i], true
}

// IsStopped reports whether an operator stopped the role of that id.
func (s *State) IsStopped(id string) bool {
	_, ok := slices.BinarySearch(s.Stopped, id)
	return ok
}

func instanceID(i Instance) string   { return i.ID }
func storageID(n StorageNode) string { return n.ID }
func endpointName(e Endpoint) string { return e.Name }

// find returns where key is in list, or belongs.
func find[T any](list []T, key string, keyOf func(T) string) (int, bool) {
	return slices.BinarySearchFunc(list, key, func(e T, key string) int {
		switch k := keyOf(e); {
		case k < key:
			return -1
		case k > key:
			return 1
		}
		return 0
	})
}
