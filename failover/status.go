package failover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// Status is what `sextant status --json` prints. The field names are fixed.
type Status struct {
	// Leaderless: no control node leads that answers, and so nothing is known of what runs.
	Leaderless bool `json:"leaderless"`

	Volume    VolumeStatus     `json:"volume"`
	Writer    string           `json:"writer"` // "" while none serves
	Instances []InstanceStatus `json:"instances"`
	Storage   []StorageStatus  `json:"storage"`
	Control   []ControlStatus  `json:"control"`
	Routers   []RouterStatus   `json:"routers"`
	Endpoints []EndpointStatus `json:"endpoints"`
}

// VolumeStatus is the volume as its writer reports it.
type VolumeStatus struct {
	Epoch            redo.VolumeEpoch `json:"epoch"`
	VCL              redo.LSN         `json:"vcl"`
	VDL              redo.LSN         `json:"vdl"`
	ProtectionGroups int              `json:"protection_groups"`
	Bytes            uint64           `json:"bytes"`        // logical
	StoredBytes      uint64           `json:"stored_bytes"` // on all storage nodes that report
}

// InstanceStatus is one SQL instance.
type InstanceStatus struct {
	ID         string   `json:"id"`
	AZ         string   `json:"az"`
	Role       string   `json:"role"` // writer, reader, joining, stopped
	Address    string   `json:"address"`
	PID        int      `json:"pid"` // 0: not known
	Healthy    bool     `json:"healthy"`
	AppliedLSN redo.LSN `json:"applied_lsn"`
	LagMS      *float64 `json:"lag_ms"` // nil: not known
	Tier       uint8    `json:"tier"`
	Detail     string   `json:"detail,omitempty"` // why not healthy
}

// StorageStatus is one storage node.
type StorageStatus struct {
	ID      string              `json:"id"`
	AZ      string              `json:"az"`
	Address string              `json:"address"`
	PID     int                 `json:"pid"` // 0: none, or not known
	Healthy bool                `json:"healthy"`
	SCL     map[string]redo.LSN `json:"scl"` // by protection group
	// Detail is what is wrong, or being repaired. It begins with "stopped", "dead", "hung" or "unreachable" for one that
	// does not report and of which that is known.
	Detail string `json:"detail,omitempty"`
	// Since the process began:
	DamageFound    uint64 `json:"damage_found,omitempty"`
	DamageRepaired uint64 `json:"damage_repaired,omitempty"`

	Segments  int              `json:"segments"` // of groups that it is a member of
	Draining  bool             `json:"draining,omitempty"`
	WaitsFor  string           `json:"waits_for,omitempty"` // what the drain does, before the next segment moves off it
	Replacing *ReplacingStatus `json:"replacing,omitempty"` // nil: it is not being replaced, and no segment moves off it
}

// ReplacingStatus is how far the replacement of a storage node is.
type ReplacingStatus struct {
	By       string     `json:"by"`              // the node itself, if it lost its data
	Group    *redo.PGID `json:"group,omitempty"` // whose segment moves; nil: all of the node's do
	Complete int        `json:"complete"`        // segments that are as far as the other members'
	Segments int        `json:"segments"`
	Detail   string     `json:"detail,omitempty"` // By's, which says what it is copying; or how far the segment is that moves
}

// ControlStatus is one control node. It is healthy if it answered and takes full part in Raft.
type ControlStatus struct {
	ID      string `json:"id"`
	AZ      string `json:"az"`
	Address string `json:"address"`
	PID     int    `json:"pid"`
	Healthy bool   `json:"healthy"`
	Leader  bool   `json:"leader"`
	Detail  string `json:"detail,omitempty"` // why not healthy
}

// RouterStatus is one router.
type RouterStatus struct {
	ID      string `json:"id"`
	PID     int    `json:"pid"`
	Address string `json:"address"`
	Healthy bool   `json:"healthy"`
	Detail  string `json:"detail,omitempty"` // why not healthy
}

// EndpointStatus is one endpoint. MemberType and ListType are "" unless it is a
// custom one; Configured is its list, Members whom a session may be sent to now.
type EndpointStatus struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Addresses  []string `json:"addresses"`
	MemberType string   `json:"member_type"`
	ListType   string   `json:"list_type"`
	Configured []string `json:"configured"`
	Members    []string `json:"members"`
}

// Status asks every control node and returns the whole picture: the leader's if one
// leads, else the newest state that any of them has applied, with nobody's health
// known. Returns ErrNoLeader if no control node answers, ErrWrongCluster or ErrRefused.
func (c *Client) Status(ctx context.Context) (Status, error) {
	replies := make([]*failoverpb.StatusReply, len(c.opt.Addresses))
	errs := make([]error, len(c.opt.Addresses))
	var asked sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for i, a := range c.opt.Addresses {
		asked.Go(func() {
			n := failoverpb.NewControlClient(c.conns[a])
			replies[i], errs[i] = n.Status(ctx, &failoverpb.StatusRequest{Cluster: c.opt.Cluster})
		})
	}
	asked.Wait()
	var best *failoverpb.StatusReply
	var top Topology
	for i, r := range replies {
		if refused(errs[i]) {
			return Status{}, translate(errs[i])
		}
		if errs[i] != nil {
			continue
		}
		s, err := fleet.DecodeState(r.State)
		if err != nil {
			return Status{}, fmt.Errorf("status of %s: %w", c.opt.Addresses[i], err)
		}
		t := Topology{State: s}
		if r.Leader {
			t.Live = liveFromPB(r.Live)
		}
		if best == nil || (t.Live != nil) == (top.Live != nil) && t.Newer(top) || t.Live != nil && top.Live == nil {
			best, top = r, t
		}
	}
	if best == nil {
		return Status{}, fmt.Errorf("%w: %w", ErrNoLeader, errors.Join(errs...))
	}
	st := NewStatus(top)
	st.Leaderless = top.Live == nil
	st.Control = controlStatus(best.Control, replies, top.Live != nil, best.Id)
	for i := range st.Control {
		if n := &st.Control[i]; n.PID == 0 && top.State.IsStopped(n.ID) {
			n.Detail = stoppedDetail(n.ID)
		}
	}
	return st, nil
}

func controlStatus(nodes []*failoverpb.ControlNode, replies []*failoverpb.StatusReply, led bool, leader string) []ControlStatus {
	list := []ControlStatus{}
	for _, n := range nodes {
		s := ControlStatus{ID: n.Id, AZ: n.Az, Address: n.Address, Detail: "does not answer"}
		for _, r := range replies {
			if r != nil && r.Id == n.Id {
				s.PID, s.Healthy, s.Leader, s.Detail = int(r.Pid), r.Detail == "", led && r.Id == leader, r.Detail
			}
		}
		list = append(list, s)
	}
	return list
}

// NewStatus renders a topology. Control is left empty: a topology does not know the
// control nodes.
func NewStatus(t Topology) Status {
	s := t.State
	st := Status{
		Volume: VolumeStatus{Epoch: s.Epoch, ProtectionGroups: len(s.Groups)}, Writer: t.Writer(),
		Instances: []InstanceStatus{}, Storage: []StorageStatus{}, Control: []ControlStatus{},
		Routers: []RouterStatus{}, Endpoints: []EndpointStatus{},
	}
	for _, i := range s.Instances {
		st.Instances = append(st.Instances, t.instanceStatus(i))
	}
	for _, l := range t.Live {
		if l.Kind == fleet.KindInstance {
			st.Volume.VDL = max(st.Volume.VDL, l.VDL)
		}
	}
	if w, ok := t.Live[st.Writer]; ok {
		st.Volume.VCL, st.Volume.VDL, st.Volume.Bytes = w.VCL, w.VDL, w.Bytes
	}
	st.Volume.VCL = max(st.Volume.VCL, st.Volume.VDL)
	segments := s.Segments()
	for _, n := range s.Storage {
		l := t.Live[n.ID]
		x := StorageStatus{ID: n.ID, AZ: n.AZ, Address: n.Address, PID: l.PID,
			Healthy: l.Healthy, SCL: map[string]redo.LSN{}, Detail: l.Detail, DamageFound: l.DamageFound, DamageRepaired: l.DamageRepaired,
			Segments: segments[n.ID], Draining: s.IsDraining(n.ID), WaitsFor: t.drainWaits(n.ID), Replacing: t.replacing(n.ID)}
		if s.IsStopped(n.ID) && !l.Healthy {
			x.PID, x.Detail = 0, stoppedDetail(n.ID)
		}
		for pg, scl := range l.SCL {
			x.SCL[strconv.FormatUint(uint64(pg), 10)] = scl
		}
		st.Volume.StoredBytes += l.StoredBytes
		st.Storage = append(st.Storage, x)
	}
	for _, id := range t.liveIDs(fleet.KindRouter) {
		l := t.Live[id]
		st.Routers = append(st.Routers, RouterStatus{ID: id, PID: l.PID, Address: l.Address, Healthy: l.Healthy, Detail: l.Detail})
		if r := &st.Routers[len(st.Routers)-1]; s.IsStopped(id) && !l.Healthy {
			r.PID, r.Detail = 0, stoppedDetail(id)
		}
	}
	for _, e := range s.Endpoints {
		st.Endpoints = append(st.Endpoints, t.endpointStatus(e))
	}
	return st
}

func stoppedDetail(id string) string {
	return fmt.Sprintf("stopped by an operator: `sextant start %s` starts it", id)
}

// instanceStatus renders one instance. One without a stream to the leader is
// stopped as far as anybody knows; if no leader is known it is joining.
func (t Topology) instanceStatus(i fleet.Instance) InstanceStatus {
	l, attached := t.Live[i.ID]
	x := InstanceStatus{ID: i.ID, AZ: i.AZ, Address: i.Address, Tier: i.Tier, PID: l.PID,
		Healthy: l.Healthy, AppliedLSN: l.Applied, Role: fleet.RoleJoining.String(), Detail: l.Detail}
	switch {
	case t.State.IsStopped(i.ID) && !attached:
		x.Detail = stoppedDetail(i.ID)
	case t.Live != nil && !attached:
		x.Detail = "dead, or cut off: it has no connection to the control plane"
	case attached && !l.Healthy && l.Detail == "" && (l.Role == fleet.RoleReader || l.Role == fleet.RoleWriter):
		x.Detail = "hung, or cut off: it sends no heartbeat"
	}
	switch {
	case i.ID == t.Writer() && (attached || t.Live == nil):
		x.Role = fleet.RoleWriter.String()
	case t.State.IsStopped(i.ID), t.Live != nil && !attached:
		x.Role = fleet.RoleStopped.String()
	case l.Role == fleet.RoleReader:
		x.Role = fleet.RoleReader.String()
	}
	if attached && l.LagKnown {
		ms := float64(l.Lag) / float64(time.Millisecond)
		x.LagMS = &ms
	}
	return x
}

func (t Topology) endpointStatus(e fleet.Endpoint) EndpointStatus {
	x := EndpointStatus{Name: e.Name, Type: e.Type.String(), Addresses: append([]string{}, e.Addresses...),
		Configured: append([]string{}, e.Listed...), Members: append([]string{}, t.Members(e)...)}
	if e.Type == fleet.EndpointCustom {
		x.MemberType, x.ListType = e.Member.String(), e.List.String()
	}
	return x
}
