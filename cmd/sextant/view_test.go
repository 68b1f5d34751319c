package main

import (
	"strings"
	"testing"
	"time"

	"sextant/internal/config"
)

// What is not heard of is down only when that lasts: a new leader of the control plane has heard of nobody at first.
func TestDownIsSaidAfterAWhile(t *testing.T) {
	v := &view{roles: map[string]string{"storage-1": "up", "db-1": "writer", "router-1": "up", "storage-2": "down"}}
	silent := func() map[string]string {
		return map[string]string{"storage-1": "down", "db-1": "writer", "storage-2": "down"}
	}
	now := v.patient(silent())
	if now["storage-1"] != "up" || now["router-1"] != "up" || now["storage-2"] != "down" || now["db-1"] != "writer" {
		t.Fatal(now)
	}
	for id := range v.away {
		v.away[id] = time.Now().Add(-downGrace)
	}
	now = v.patient(silent())
	if _, there := now["router-1"]; there || now["storage-1"] != "down" {
		t.Fatal(now)
	}
	v.patient(map[string]string{"storage-1": "up", "db-1": "writer", "router-1": "up", "storage-2": "down"})
	if now = v.patient(silent()); now["storage-1"] != "up" { // it came between
		t.Fatal(now)
	}
}

func TestMissingDirectoryIsNamed(t *testing.T) {
	cfg := &config.Config{}
	if err := needFiles(cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Server.SecureFilePriv = t.TempDir()
	if err := needFiles(cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Server.SecureFilePriv += "/none"
	if err := needFiles(cfg); err == nil || !strings.Contains(err.Error(), "server.secure_file_priv: "+cfg.Server.SecureFilePriv) {
		t.Fatal(err)
	}
}
