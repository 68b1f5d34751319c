package failover

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
)

// WritePast makes dir that of a node that was emptied, has learnt its past, and has not
// caught up.
func WritePast(dir string, term, index uint64) error {
	s, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, "raft.db")})
	if err != nil {
		return err
	}
	return errors.Join(past{term, index}.write(s), s.Close())
}

// TestEnter: a node with an empty Raft directory begins as in a first start only if all
// are new, takes part with a past only if all others know theirs, and else waits.
func TestEnter(t *testing.T) {
	none := peerLog{}
	empty := peerLog{answered: true}
	bootstrapped := peerLog{answered: true, begun: true, term: 1, last: 1}
	log := func(term, last uint64) peerLog { return peerLog{answered: true, begun: true, term: term, last: last} }
	for _, c := range []struct {
		name   string
		others []peerLog
		want   past
		ready  bool
	}{
		{"the only one", nil, past{}, true},
		{"first start", []peerLog{empty, empty}, past{}, true},
		{"first start, one is faster", []peerLog{bootstrapped, empty}, past{}, true},
		{"first start, one does not answer: it could know of a term", []peerLog{empty, none}, past{}, false},
		{"late in the first start", []peerLog{log(2, 3), log(2, 2)}, past{2, 3}, true},
		{"one that was never reached, one with a history", []peerLog{bootstrapped, log(7, 90)}, past{7, 90}, true},
		{"the highest of each", []peerLog{log(9, 40), log(7, 90)}, past{9, 90}, true},
		{"one has not read its log yet", []peerLog{empty, none}, past{}, false},
		{"one is away: it could know more", []peerLog{log(9, 40), none}, past{}, false},
		{"a majority has forgotten", []peerLog{log(9, 40), empty}, past{}, false},
	} {
		if p, ready := enter(c.others); ready != c.ready || ready && p != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, p, ready, c.want, c.ready)
		}
	}
}

// TestRaftLogOfWhoMayKnowMore: who has a log that it has not read yet does not answer, or
// all that start together would take themselves for new; nor does who has forgotten and not
// caught up, which is no witness, and is not new either.
func TestRaftLogOfWhoMayKnowMore(t *testing.T) {
	opt := &Options{ID: "control-1", Cluster: "test", Logger: slog.New(slog.DiscardHandler)}
	n := &raftNode{opt: opt, inUse: true}
	s := &service{c: &Control{opt: *opt, raft: n}}
	ask := func() (*failoverpb.RaftLogReply, error) {
		return s.RaftLog(t.Context(), &failoverpb.RaftLogRequest{Cluster: "test"})
	}
	if r, err := ask(); status.Code(err) != codes.Unavailable {
		t.Errorf("a log that is not read yet: %v, %v; want Unavailable", r, err)
	}
	n.inUse = false
	if r, err := ask(); err != nil || r.Begun || r.Id != "control-1" {
		t.Errorf("an empty directory: %v, %v; want not begun", r, err)
	}
	store := hraft.NewInmemStore()
	address, transport := hraft.NewInmemTransport("")
	cfg := hraft.DefaultConfig()
	cfg.LocalID, cfg.Logger = "control-1", hclog.NewNullLogger()
	one := hraft.Configuration{Servers: []hraft.Server{{ID: "control-1", Address: address}}}
	if err := hraft.BootstrapCluster(cfg, store, store, hraft.NewDiscardSnapshotStore(), transport, one); err != nil {
		t.Fatal(err)
	}
	r, err := hraft.NewRaft(cfg, newFSM(opt.Fatal), store, store, hraft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Shutdown()
	n.running.Store(r)
	n.past = past{term: 1 << 60, index: 1 << 60}
	if r, err := ask(); status.Code(err) != codes.Unavailable {
		t.Errorf("a log that has not caught up: %v, %v; want Unavailable", r, err)
	}
	n.past.index = 1
	if r, err := ask(); err != nil || !r.Begun || r.LastIndex == 0 {
		t.Errorf("a log that has: %v, %v; want begun", r, err)
	}
}

// brokenStore fails one write.
type brokenStore struct {
	hraft.StableStore
	fails int // the how-many-th
}

func (s *brokenStore) broken() error {
	if s.fails--; s.fails == -1 {
		return errors.New("no space left")
	}
	return nil
}

func (s *brokenStore) Set(k, v []byte) error {
	if err := s.broken(); err != nil {
		return err
	}
	return s.StableStore.Set(k, v)
}

func (s *brokenStore) SetUint64(k []byte, v uint64) error {
	if err := s.broken(); err != nil {
		return err
	}
	return s.StableStore.SetUint64(k, v)
}

// TestPastIsWholeOrNot: a past that could not be written whole leaves a directory that
// counts as empty.
func TestPastIsWholeOrNot(t *testing.T) {
	inUse := func(fails int) (bool, error) {
		s := hraft.NewInmemStore()
		err := (past{7, 9}).write(&brokenStore{s, fails})
		used, err2 := hraft.HasExistingState(hraft.NewInmemStore(), s, hraft.NewDiscardSnapshotStore())
		if err2 != nil {
			t.Fatal(err2)
		}
		return used, err
	}
	for fails := range 5 {
		if used, err := inUse(fails); used || err == nil {
			t.Errorf("write %d of 5 fails: %v, in use %v; want an error and an empty directory", fails+1, err, used)
		}
	}
	if used, err := inUse(5); !used || err != nil {
		t.Errorf("nothing fails: %v, in use %v", err, used)
	}
}
