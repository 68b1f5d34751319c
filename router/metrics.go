package router

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of a connection's waiting for a backend.
const (
	outcomeAttached = "attached"
	outcomeTimeout  = "timeout"
	outcomeGone     = "client_gone"
	outcomeGaveWay  = "gave_way"
	outcomeClosed   = "router_closed"
)

type metrics struct {
	registry  *prometheus.Registry
	held      *prometheus.HistogramVec
	failovers prometheus.Counter
	connects  *prometheus.CounterVec
	kills     *prometheus.CounterVec

	mu struct {
		sync.Mutex
		endpoints map[string]*endpointStats
	}
}

// endpointStats is what is counted per endpoint name. It outlives the endpoint.
type endpointStats struct {
	name      string
	up, down  atomic.Uint64 // bytes sent to instances, to clients
	connected prometheus.Counter
	denied    prometheus.Counter // by an instance
	refused   prometheus.Counter // by the router
	broken    prometheus.Counter // by a connection that ended
	kills     prometheus.Counter
}

func newMetrics(r *Router) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		held: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sextant_router_hold_seconds",
			Help:    "How long new connections waited for a backend, by outcome.",
			Buckets: []float64{.01, .03, .1, .3, .5, 1, 2, 5, 10, 30, 60},
		}, []string{"outcome"}),
		failovers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sextant_router_failovers_total",
			Help: "Changes of the volume epoch seen.",
		}),
		connects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sextant_router_connects_total",
			Help: "Client connections that ended their login, by result.",
		}, []string{"endpoint", "result"}),
		kills: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sextant_router_kills_total",
			Help: "KILL commands translated.",
		}, []string{"endpoint"}),
	}
	m.mu.endpoints = map[string]*endpointStats{}
	m.registry.MustRegister(m.held, m.failovers, m.connects, m.kills, &collector{r: r, m: m})
	return m
}

func (m *metrics) endpoint(name string) *endpointStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.mu.endpoints[name]
	if e == nil {
		e = &endpointStats{
			name:      name,
			connected: m.connects.WithLabelValues(name, "ok"),
			denied:    m.connects.WithLabelValues(name, "denied"),
			refused:   m.connects.WithLabelValues(name, "refused"),
			broken:    m.connects.WithLabelValues(name, "broken"),
			kills:     m.kills.WithLabelValues(name),
		}
		m.mu.endpoints[name] = e
	}
	return e
}

// collector counts what is there when it is asked.
type collector struct {
	r *Router
	m *metrics
}

var (
	sessionsDesc = prometheus.NewDesc("sextant_router_sessions",
		"Sessions attached or being attached to an instance.", []string{"endpoint", "instance"}, nil)
	connectionsDesc = prometheus.NewDesc("sextant_router_connections",
		"Client connections, those in login included.", nil, nil)
	heldDesc = prometheus.NewDesc("sextant_router_held_connections",
		"New connections that wait for a backend now.", nil, nil)
	epochDesc = prometheus.NewDesc("sextant_router_volume_epoch",
		"Volume epoch of the topology in force.", nil, nil)
	bytesDesc = prometheus.NewDesc("sextant_router_bytes_total",
		"Bytes passed on.", []string{"endpoint", "direction"}, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sessionsDesc, connectionsDesc, heldDesc, epochDesc, bytesDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	type key struct{ endpoint, instance string }
	sessions := map[key]int{}
	c.r.mu.Lock()
	for _, s := range c.r.mu.sessions {
		if s.mu.instance != "" {
			sessions[key{s.stats.name, s.mu.instance}]++
		}
	}
	connections, held, epoch := len(c.r.mu.sessions), c.r.mu.held.n, c.r.mu.topology.Epoch
	c.r.mu.Unlock()

	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for k, n := range sessions {
		gauge(sessionsDesc, float64(n), k.endpoint, k.instance)
	}
	gauge(connectionsDesc, float64(connections))
	gauge(heldDesc, float64(held))
	gauge(epochDesc, float64(epoch))

	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for name, e := range c.m.mu.endpoints {
		for direction, n := range map[string]*atomic.Uint64{"up": &e.up, "down": &e.down} {
			ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue,
				float64(n.Load()), name, direction)
		}
	}
}
