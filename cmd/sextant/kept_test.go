package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/locked"
)

// TestKeeper: the newest state of a volume is in the file, also after a restart; an older
// one and one of no cluster are not kept; a damaged file is written anew.
func TestKeeper(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	open := func() *keeper {
		k, err := keepStates(t.Context(), dir, log)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	version := func(k *keeper) uint64 {
		if s := k.kept(); s != nil {
			return s.Version
		}
		return 0
	}
	onDisk := func(want uint64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			b, err := os.ReadFile(filepath.Join(dir, keptFile))
			s, err2 := fleet.DecodeState(b)
			if err == nil && err2 == nil && s.Version == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the file has %+v, %v, %v; want version %d", s, err, err2, want)
			}
		}
	}
	k := open()
	if b := k.encoded(); b != nil {
		t.Errorf("an empty directory has a state: %q", b)
	}
	k.see(&fleet.State{Cluster: "c", Volume: 7, Version: 5})
	k.see(&fleet.State{Cluster: "c", Volume: 7, Version: 4})
	k.see(&fleet.State{Version: 9})
	onDisk(5)
	if k = open(); version(k) != 5 {
		t.Errorf("after a restart: version %d, want 5", version(k))
	}
	k.see(&fleet.State{Cluster: "c", Volume: 8, Version: 1})
	onDisk(1)
	if err := os.WriteFile(filepath.Join(dir, keptFile), []byte("SXfs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k = open(); k.kept() != nil {
		t.Errorf("a damaged file gives %+v", k.kept())
	}
	k.see(&fleet.State{Cluster: "c", Volume: 8, Version: 2})
	onDisk(2)
}

// TestKeeperLeavesALaterVersions: a file that a later version has written is not damage. It
// stays, and what is heard meanwhile is told but not written.
func TestKeeperLeavesALaterVersions(t *testing.T) {
	var log locked.Buffer
	path := filepath.Join(t.TempDir(), keptFile)
	later := fleet.EncodeState(&fleet.State{Cluster: "c", Volume: 7, Version: 5})
	later = later[:len(later)-4]
	later[4] = 255 // its version
	later = binary.LittleEndian.AppendUint32(later, crc32.Checksum(later, crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(path, later, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := keepStates(t.Context(), filepath.Dir(path), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for v := range uint64(50) {
		k.see(&fleet.State{Cluster: "c", Volume: 7, Version: v + 1})
		time.Sleep(time.Millisecond)
	}
	if s, err := fleet.DecodeState(k.encoded()); err != nil || s.Version != 50 {
		t.Errorf("told: %+v, %v", s, err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, later) {
		t.Errorf("the file has %q, %v", b, err)
	}
	if n := strings.Count(log.String(), "later version of sextant"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
}

// TestWhoKnowsNobodyRefusesNobody: the state of a control node that has only just started
// says of no process that it has gone.
func TestWhoKnowsNobodyRefusesNobody(t *testing.T) {
	l := new(latest)
	l.set(failover.Topology{State: &fleet.State{}})
	if l.lacks("storage-5") {
		t.Error("a state of no cluster lacks a storage node")
	}
	l.set(failover.Topology{State: &fleet.State{Cluster: "c"}})
	if !l.lacks("storage-5") {
		t.Error("a state without the storage node does not lack it")
	}
}
