package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/mtls"
	"sextant/router/route"
	"sextant/server/serverpb"
)

// latest holds the newest topology.
type latest struct {
	p atomic.Pointer[heard]
}

type heard struct {
	failover.Topology
	at time.Time
}

func (l *latest) set(t failover.Topology) { l.p.Store(&heard{t, time.Now()}) }

func (l *latest) get() failover.Topology {
	if t := l.p.Load(); t != nil {
		return t.Topology
	}
	return failover.Topology{}
}

// lacks reports whether the cluster has no storage node or instance of that id, as far as is known: who has not heard
// of the control plane for heardMax may have missed that it was added, and a control node that starts knows of nobody yet.
func (l *latest) lacks(id string) bool {
	t := l.p.Load()
	return t != nil && time.Since(t.at) < heardMax && t.State.Cluster != "" && !t.State.Has(id)
}

const heardMax = 10 * time.Second

// topologySource is the control plane as a router wants to see it.
type topologySource struct {
	client *failover.Client
	secure *mtls.Identity
	latest latest
}

// Watch implements router.Topology.
func (s *topologySource) Watch(ctx context.Context, apply func(route.Topology)) error {
	return s.client.Watch(ctx, func(t failover.Topology) {
		if t.State != nil && t.State.Cluster != "" {
			s.latest.set(t)
			apply(routeTopology(t))
		}
	})
}

func routeTopology(t failover.Topology) route.Topology {
	out := route.Topology{Epoch: t.State.Epoch, Writer: t.State.Holder.Node, Serves: t.State.Serves(), Version: t.State.Version}
	readers := t.Readers()
	for _, i := range t.State.Instances {
		out.Instances = append(out.Instances, routeInstance(t, i, slices.Contains(readers, i.ID)))
	}
	for _, e := range t.State.Endpoints {
		r := route.Endpoint{Name: e.Name, Type: route.EndpointType(e.Type.String()), Addresses: e.Addresses, Listed: e.Listed}
		r.Members, r.List = route.MembersAny, route.ListStatic
		if e.Member == fleet.MemberReader {
			r.Members = route.MembersReader
		}
		if e.List == fleet.ListExclusion {
			r.List = route.ListExclusion
		}
		out.Endpoints = append(out.Endpoints, r)
	}
	return out
}

// routeInstance is one instance as a router wants to see it. reader: it counts as
// one, also while no leader of the control plane tells who is healthy.
func routeInstance(t failover.Topology, i fleet.Instance, reader bool) route.Instance {
	l := t.Live[i.ID]
	r := route.Instance{ID: i.ID, Address: i.Address, Healthy: l.Healthy || reader, LagMillis: route.LagUnknown, Connections: l.Connections, Role: route.RoleJoining}
	if l.LagKnown {
		r.LagMillis = l.Lag.Milliseconds()
	}
	switch {
	case t.State.IsStopped(i.ID):
		r.Role, r.Healthy = route.RoleStopped, false
	case t.Writer() == i.ID:
		r.Role = route.RoleWriter
	case reader:
		r.Role = route.RoleReader
	}
	return r
}

// kill ends a session on an instance that the asking client has no session on: it
// asks the instance.
func (s *topologySource) kill(ctx context.Context, on route.Instance, connection uint32, queryOnly bool) error {
	addr := ""
	for _, i := range s.latest.get().State.Instances {
		if i.ID == on.ID {
			addr = i.Control
		}
	}
	if addr == "" {
		return fmt.Errorf("the control plane does not know %s", on.ID)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, s.secure.DialOption(on.ID, mtls.Instance))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = serverpb.NewInstanceClient(conn).Kill(ctx, &serverpb.KillRequest{Connection: connection, QueryOnly: queryOnly})
	return err
}
