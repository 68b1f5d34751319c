package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"sextant/internal/config"
)

// What a process uses beside its budgets: a connection's session and buffers, what a
// client may have taken that has not logged in (docs/limits.md), and the program itself.
const (
	connectionBytes = 128 * config.KiB
	strangerBytes   = 192 * config.KiB
	programBytes    = 256 * config.MiB
)

// memoryLimit is what an instance's heap is expected to stay under: its budgets, the log
// records of the largest commit, the connections, and a margin of an eighth for what the
// collector has not swept.
func memoryLimit(s config.Server) config.Bytes {
	n := s.PageCache + s.Memory + s.LogWindow + 2*s.MaxTransactionBytes + config.Bytes(s.MaxConnections)*connectionBytes + programBytes
	return n + n/8
}

// storageLimit is what a storage node's heap is expected to stay under: its budget, and what
// a drain cannot move yet, since it is not durable on a quorum: the writer's window or
// one commit.
func storageLimit(cfg *config.Config) config.Bytes {
	return cfg.Storage.Memory + max(cfg.Server.LogWindow, cfg.Server.MaxTransactionBytes)
}

// routerLimit is what a router's heap is expected to stay under: the clients that have
// logged in, as many that are logging in, and those that wait for a writer.
func routerLimit(r config.Router) config.Bytes {
	n := config.Bytes(r.MaxConnections)*(connectionBytes+strangerBytes) + config.Bytes(r.HoldMax)*strangerBytes + programBytes
	return n + n/8
}

// limitMemory makes the collector work harder instead of letting the heap grow past what
// is configured. GOMEMLIMIT in the environment stands before it. Control nodes have no
// budget that it could follow.
func limitMemory(limit config.Bytes, log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(int64(limit))
	log.Debug("memory limit", "bytes", int64(limit))
}
