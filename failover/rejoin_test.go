package failover

import (
	"errors"
	"path/filepath"
	"testing"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
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
		{"one is away: it could know more", []peerLog{log(9, 40), none}, past{}, false},
		{"a majority has forgotten", []peerLog{log(9, 40), empty}, past{}, false},
	} {
		if p, ready := enter(c.others); ready != c.ready || ready && p != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, p, ready, c.want, c.ready)
		}
	}
}
