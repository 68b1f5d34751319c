package router

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sextant/router/route"
)

// adminHandler serves /healthz (200 while the router knows a topology, has every
// address of it open and does not close; 503 and the reason otherwise), /topology
// and /metrics.
func (r *Router) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", r.serveHealth)
	mux.HandleFunc("GET /topology", r.serveTopology)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

func (r *Router) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if why := r.unhealthy(); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // a client that went away needs no answer
}

func (r *Router) unhealthy() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	addresses := 0
	for _, e := range r.mu.topology.Endpoints {
		addresses += len(e.Addresses)
	}
	switch {
	case r.mu.closed:
		return "closing"
	case !r.mu.known:
		return "no topology yet"
	case len(r.mu.listeners) < addresses:
		return "not every address is open"
	}
	return ""
}

type topologyJSON struct {
	Epoch     uint64         `json:"epoch"`
	Version   uint64         `json:"version"`
	Writer    string         `json:"writer"`
	Serves    bool           `json:"serves"`
	Instances []instanceJSON `json:"instances"`
	Endpoints []endpointJSON `json:"endpoints"`
}

type instanceJSON struct {
	ID          string     `json:"id"`
	Role        route.Role `json:"role"`
	Address     string     `json:"address"`
	Healthy     bool       `json:"healthy"`
	LagMillis   *int64     `json:"lag_ms"`
	Connections int        `json:"connections"`
	Sessions    int        `json:"sessions"` // of this router
}

type endpointJSON struct {
	Name       string             `json:"name"`
	Type       route.EndpointType `json:"type"`
	Addresses  []string           `json:"addresses"` // that are open
	MemberType route.MemberType   `json:"member_type,omitempty"`
	ListType   route.ListType     `json:"list_type,omitempty"`
	Configured []string           `json:"configured,omitempty"`
	Members    []string           `json:"members"`
}

func (r *Router) serveTopology(w http.ResponseWriter, _ *http.Request) {
	b, err := json.MarshalIndent(r.topologyJSON(), "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // a client that went away needs no answer
}

func (r *Router) topologyJSON() topologyJSON {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.mu.topology
	j := topologyJSON{
		Epoch: uint64(t.Epoch), Version: t.Version, Writer: t.Writer, Serves: t.Serves,
		Instances: []instanceJSON{}, Endpoints: []endpointJSON{},
	}
	for _, i := range t.Instances {
		ij := instanceJSON{
			ID: i.ID, Role: i.Role, Address: i.Address, Healthy: i.Healthy,
			Connections: i.Connections, Sessions: r.mu.load[i.ID].Own,
		}
		if i.LagMillis != route.LagUnknown {
			ij.LagMillis = &i.LagMillis
		}
		j.Instances = append(j.Instances, ij)
	}
	for _, e := range t.Endpoints {
		ej := endpointJSON{
			Name: e.Name, Type: e.Type, MemberType: e.Members, ListType: e.List,
			Configured: e.Listed, Addresses: []string{}, Members: route.Members(t, e),
		}
		for _, address := range e.Addresses {
			if l := r.mu.listeners[listenKey{e.Name, address}]; l != nil {
				ej.Addresses = append(ej.Addresses, l.Addr().String())
			}
		}
		j.Endpoints = append(j.Endpoints, ej)
	}
	return j
}
