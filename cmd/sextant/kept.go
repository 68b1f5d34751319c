package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"sextant/failover/fleet"
	"sextant/internal/durable"
)

// keptFile, in a storage node's directory, is the newest state of the control plane that
// the node has heard of: should the control plane lose its own, it goes on with it.
const keptFile = "fleet"

// keeper writes that file, in the background: a slow disk does not keep the node from hearing more.
type keeper struct {
	path string
	log  *slog.Logger
	wake chan struct{}
	mu   struct {
		sync.Mutex
		state *fleet.State // newest; nil: none
	}
}

// keepStates reads what was kept in dir and writes what see brings until ctx ends. Returns
// an error if the file cannot be read. A damaged one is said and written anew; one of a later
// version is said and left for that: nothing is written.
func keepStates(ctx context.Context, dir string, log *slog.Logger) (*keeper, error) {
	k := &keeper{path: filepath.Join(dir, keptFile), log: log, wake: make(chan struct{}, 1)}
	b, err := os.ReadFile(k.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the control plane's state that was kept: %w", err)
	}
	if err == nil {
		if k.mu.state, err = fleet.DecodeState(b); errors.Is(err, fleet.ErrVersion) {
			log.Error("the control plane's state that was kept is of a later version of sextant: it stays as it is, and none is kept until that version runs again or the file is removed",
				"path", k.path, "error", err)
			return k, nil
		} else if err != nil {
			log.Warn("the control plane's state that was kept is damaged, it is written anew", "path", k.path, "error", err)
		}
	}
	go k.run(ctx, k.kept())
	return k, nil
}

func (k *keeper) kept() *fleet.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.state
}

// encoded returns the newest state, nil if there is none.
func (k *keeper) encoded() []byte {
	if s := k.kept(); s != nil {
		return fleet.EncodeState(s)
	}
	return nil
}

// see takes a state that the control plane has told. One that is older than what is kept
// of the same volume, or of none, is not kept.
func (k *keeper) see(s *fleet.State) {
	if s.Cluster == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if old := k.mu.state; old != nil && old.Volume == s.Volume && old.Version >= s.Version {
		return
	}
	k.mu.state = s
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run(ctx context.Context, written *fleet.State) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		s := k.kept()
		if s == written {
			continue
		}
		if err := durable.WriteFile(k.path, fleet.EncodeState(s)); err != nil {
			k.log.Error("keep the control plane's state", "path", k.path, "error", err)
			continue // with the next one
		}
		written = s
	}
}
