package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sextant/internal/admin"
	"sextant/internal/config"
)

// gauge is one number that a process tells of itself.
type gauge struct {
	name, help string
	value      func() float64
}

// adminDoor returns who may call the operators' ports. An error names the key.
func adminDoor(cfg *config.Config, log *slog.Logger) (admin.Door, error) {
	file := cfg.Admin.TokenFile
	if file == "" {
		return admin.Door{}, nil
	}
	if _, err := admin.ReadToken(file); err != nil {
		return admin.Door{}, fmt.Errorf("admin.token_file: %w", err)
	}
	source, err := instanceTLS(cfg, log)
	if err == nil && source == nil {
		err = errors.New("needs certificates: name them in server.tls_cert")
	}
	if err != nil {
		return admin.Door{}, fmt.Errorf("admin.token_file: %w", err)
	}
	return admin.Door{TokenFile: file, TLS: source.Server}, nil
}

// serveMetrics serves /metrics and /debug/pprof at a port offset until ctx ends.
// A port that is taken is a warning: the process does its work without.
func serveMetrics(ctx context.Context, cfg *config.Config, door admin.Door, offset int, id string, log *slog.Logger, gauges []gauge) {
	l, err := listenAt(cfg, cfg.AdminAddr(offset))
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
	s := door.Server(mux, log)
	context.AfterFunc(ctx, func() { s.Close() })
	go func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Warn("metrics ended", "error", err)
		}
	}()
}
