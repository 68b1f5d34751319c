package main

import (
	"io"
	"log/slog"
	"runtime/debug"
	"testing"

	"sextant/internal/config"
)

func TestMemoryLimitFollowsTheBudgets(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := config.Default().Server
	t.Setenv("GOMEMLIMIT", "")
	limitMemory(memoryLimit(s), log)
	if got := config.Bytes(debug.SetMemoryLimit(-1)); got != memoryLimit(s) || got < s.PageCache+s.Memory+s.LogWindow || got > 3*config.GiB {
		t.Errorf("limit %v", got)
	}
	cfg := config.Default()
	for _, commit := range []config.Bytes{cfg.Server.LogWindow / 2, cfg.Server.LogWindow * 2} {
		cfg.Server.MaxTransactionBytes = commit
		limitMemory(storageLimit(&cfg), log)
		if got := config.Bytes(debug.SetMemoryLimit(-1)); got < cfg.Storage.Memory+cfg.Server.LogWindow || got < cfg.Storage.Memory+commit {
			t.Errorf("storage node's limit %v with commits of %v", got, commit)
		}
	}
	limitMemory(routerLimit(cfg.Router), log)
	if got := config.Bytes(debug.SetMemoryLimit(-1)); got < config.Bytes(cfg.Router.MaxConnections)*strangerBytes || got > 3*config.GiB/2 {
		t.Errorf("router's limit %v", got)
	}
	debug.SetMemoryLimit(was)
	t.Setenv("GOMEMLIMIT", "1GiB")
	limitMemory(memoryLimit(s), log)
	if got := debug.SetMemoryLimit(-1); got != was {
		t.Errorf("GOMEMLIMIT is set, and the limit is %d", got)
	}
}
