// Package route decides which instances a new connection may be sent to: from
// the fleet's topology and an endpoint it makes an ordered list of backends, or
// says that the connection has to wait. It also decides which of two topologies
// is the newer one and whose sessions end when the topology changes.
//
// It does no I/O and keeps no state: dialing, waiting and closing belong to
// package router. Start with Decide.
//
// The endpoints are Amazon Aurora's. Cluster: the writer. Reader: the healthy
// readers, the writer while there is none. Custom: a static list or an exclusion
// list, of type READER or ANY; an unavailable member stays listed and gets no
// connections, a promoted member leaves a READER endpoint and is back when it is
// a reader again, an instance that joins the cluster is a member of every
// exclusion list that does not name it. Instance: that one, whatever its role.
//
// Source: Amazon Aurora User Guide, "Amazon Aurora endpoint connections",
// "Membership rules for custom endpoints".
//
// Not done: weights, lag limits, preference for an availability zone.
package route

import (
	"cmp"
	"slices"

	"sextant/internal/redo"
)

// Role is what an instance does now.
type Role string

// The roles.
const (
	RoleWriter  Role = "writer"
	RoleReader  Role = "reader"
	RoleJoining Role = "joining" // starts, or catches up; takes no sessions
	RoleStopped Role = "stopped" // stopped on request; stays so
)

// LagUnknown is an instance's lag as long as nobody measured it.
const LagUnknown = -1

// Instance is one SQL instance as the control plane sees it.
type Instance struct {
	ID          string
	Role        Role
	Address     string // host:port of its own MySQL listener; empty while unknown
	Healthy     bool
	LagMillis   int64 // reader: age of what it shows; LagUnknown if not measured
	Connections int   // its open sessions at its last report, all routers together
}

// EndpointType says how an endpoint finds its members.
type EndpointType string

// The endpoint types.
const (
	TypeCluster  EndpointType = "cluster"
	TypeReader   EndpointType = "reader"
	TypeCustom   EndpointType = "custom"
	TypeInstance EndpointType = "instance"
)

// MemberType says which roles a custom endpoint takes.
type MemberType string

// The member types.
const (
	MembersReader MemberType = "READER" // readers only
	MembersAny    MemberType = "ANY"    // readers and the writer
)

// ListType says how a custom endpoint's list is read.
type ListType string

// The list types.
const (
	ListStatic    ListType = "static"    // the list names the members
	ListExclusion ListType = "exclusion" // the list names who is no member
)

// Endpoint is a set of addresses that clients connect to.
type Endpoint struct {
	Name      string
	Type      EndpointType
	Addresses []string   // host:port to listen on
	Members   MemberType // custom only
	List      ListType   // custom only
	Listed    []string   // custom: the list, instance ids; instance: that one id
}

// Topology is the whole of what routing depends on, at one moment.
//
// Invariant: the instance Writer is the writer of Epoch; whatever Role an
// instance reports, nobody else is.
type Topology struct {
	Epoch  redo.VolumeEpoch // the epoch of the last grant; 0 before the first
	Writer string           // id of that grant's holder; empty if there is none
	Serves bool             // that writer has opened: it may be given sessions

	// Version orders topologies of one epoch. It is the index of the control
	// plane's log that this one reflects; 0 if unknown.
	Version   uint64
	Instances []Instance
	Endpoints []Endpoint
}

// Supersedes reports whether t replaces old. The higher epoch wins, then the
// higher version. An equal one replaces too: health, lag and connections change
// without a new version.
func (t Topology) Supersedes(old Topology) bool {
	if t.Epoch != old.Epoch {
		return t.Epoch > old.Epoch
	}
	return t.Version >= old.Version
}

// Instance returns the instance with that id; false if there is none.
func (t Topology) Instance(id string) (Instance, bool) {
	i := slices.IndexFunc(t.Instances, func(i Instance) bool { return i.ID == id })
	if i < 0 {
		return Instance{}, false
	}
	return t.Instances[i], true
}

// Lost returns the instance whose sessions end when next replaces t: the writer
// of the older epoch, also if it is granted the newer one, because it lost every
// open transaction in between. Empty if no session ends. Sessions on readers
// stay, also on the one that is promoted.
func (t Topology) Lost(next Topology) string {
	if next.Epoch > t.Epoch {
		return t.Writer
	}
	return ""
}

// Load is how many sessions a router has on an instance.
type Load struct {
	Own         int // now
	OwnAtReport int // when the topology in force arrived
	// Given counts the connections that this router has given it: equally loaded
	// instances take turns, also if every session ends before the next one comes.
	Given uint64
}

// sessions estimates the sessions an instance has now. What it reported counts
// all routers but is old; this router's own count is exact but blind for others.
func (l Load) sessions(i Instance) int {
	return max(l.Own, i.Connections+l.Own-l.OwnAtReport)
}

// Decision is where a new connection may go.
type Decision struct {
	// Backends are tried in this order. Empty: there is none now.
	Backends []Instance
	// Writer: the connection is to the writer of the topology's epoch, and to
	// nobody who is not.
	Writer bool
	// Hold: a connection that reached no backend waits for another topology.
	// False: it is refused at once, so that a client that looks for a live
	// instance by its endpoint finds out.
	Hold bool
}

// Decide returns the backends for a new connection to e, the least loaded first,
// equal ones in turn, then by id. An instance that load does not name has no sessions.
func Decide(t Topology, e Endpoint, load map[string]Load) Decision {
	switch e.Type {
	case TypeCluster:
		return Decision{Backends: t.servingWriter(), Writer: true, Hold: true}
	case TypeReader:
		readers := t.balance(t.where(t.availableReader), load)
		if len(readers) == 0 {
			return Decision{Backends: t.servingWriter(), Hold: true}
		}
		return Decision{Backends: readers, Hold: true}
	case TypeCustom:
		available := t.where(func(i Instance) bool {
			return t.member(e, i) && t.available(i)
		})
		return Decision{Backends: t.balance(available, load), Hold: true}
	case TypeInstance:
		return Decision{Backends: t.where(func(i Instance) bool {
			return slices.Contains(e.Listed, i.ID) && i.Role != RoleStopped && i.Address != ""
		})}
	}
	return Decision{}
}

// Members returns the ids that belong to e now, available or not, in order of
// id. An instance that a list names and the cluster does not have is none.
func Members(t Topology, e Endpoint) []string {
	var ids []string
	for _, i := range t.where(func(i Instance) bool { return t.member(e, i) }) {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	return ids
}

// member reports whether i belongs to e, available or not.
func (t Topology) member(e Endpoint, i Instance) bool {
	isWriter := i.ID == t.Writer
	switch e.Type {
	case TypeCluster:
		return isWriter
	case TypeReader:
		return !isWriter
	case TypeCustom:
		if isWriter && e.Members != MembersAny {
			return false
		}
		return slices.Contains(e.Listed, i.ID) == (e.List == ListStatic)
	case TypeInstance:
		return slices.Contains(e.Listed, i.ID)
	}
	return false
}

// available reports whether i takes sessions now.
func (t Topology) available(i Instance) bool {
	if i.ID == t.Writer {
		return t.Serves && i.Address != ""
	}
	return t.availableReader(i)
}

func (t Topology) availableReader(i Instance) bool {
	return i.ID != t.Writer && i.Role == RoleReader && i.Healthy && i.Address != ""
}

// servingWriter returns the writer once it has opened. Its health is not asked:
// it holds the epoch until another grant, and may answer all the same.
func (t Topology) servingWriter() []Instance {
	return t.where(func(i Instance) bool { return i.ID == t.Writer && t.available(i) })
}

func (t Topology) where(want func(Instance) bool) []Instance {
	var found []Instance
	for _, i := range t.Instances {
		if want(i) {
			found = append(found, i)
		}
	}
	return found
}

// balance sorts in place.
func (t Topology) balance(found []Instance, load map[string]Load) []Instance {
	slices.SortFunc(found, func(a, b Instance) int {
		return cmp.Or(
			cmp.Compare(load[a.ID].sessions(a), load[b.ID].sessions(b)),
			cmp.Compare(load[a.ID].Given, load[b.ID].Given),
			cmp.Compare(a.ID, b.ID))
	})
	return found
}
