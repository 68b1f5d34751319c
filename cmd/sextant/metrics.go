package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sextant/internal/config"
)

// gauge is one number that a process tells of itself.
type gauge struct {
	name, help string
	value      func() float64
}

// serveMetrics serves /metrics and /debug/pprof at a port offset until ctx ends.
// A port that is taken is a warning: the process does its work without.
func serveMetrics(ctx context.Context, cfg *config.Config, offset int, id string, log *slog.Logger, gauges []gauge) {
	l, err := listen(cfg, id, offset)
	if err != nil {
		log.Warn("no metrics", "error", err)
		return
	}
	reg := prometheus.NewRegistry()
	labels := prometheus.WrapRegistererWith(prometheus.Labels{"node": id}, reg)
	labels.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, g := range gauges {
		labels.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "sextant", Name: g.name, Help: g.help}, g.value))
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { s.Close() })
	go func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Warn("metrics ended", "error", err)
		}
	}()
}
