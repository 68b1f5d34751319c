// Package inspect reads the files of a storage node that does not run and says in
// text what is in them: the log, one page, and whether everything is sound.
//
// It decides nothing about the protocol and changes no file. Which frames are
// believed is package hotlog's judgement, what they mean package segment's, what is
// older package boltstore's: what is shown is what the node would find if it started
// now. Start with Open.
package inspect

import (
	"errors"
	"fmt"
	"io/fs"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/node"
	"sextant/logstore/segment"
)

// ErrUnsound is returned when something that was read is damaged. Each problem has
// been written to the output.
var ErrUnsound = errors.New("the node's files are damaged")

// Node is the files of a stopped node.
type Node struct {
	dir   string
	files *node.Offline
}

// Open opens the data directory of a node of a cluster and locks it against a start
// until Close. Returns node.ErrLocked while the node runs, node.ErrForeign for the
// directory of another node or cluster, node.ErrVersion for one of a newer format.
func Open(dir, cluster string, id logstore.NodeID) (*Node, error) {
	f, err := node.OpenOffline(dir, cluster, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no storage node: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	return &Node{dir, f}, nil
}

// Close gives the directory free.
func (n *Node) Close() error { return n.files.Close() }

// state is what the files say of the node.
type state struct {
	hot      hotlog.Inspected
	snapshot node.Snapshot    // the newest; Volume is 0 if there is none
	host     *segment.Host    // nil if the hot log knows no volume
	problems []error          // frames that verify and cannot be understood, after hot's
	store    *boltstore.Store // nil if there is no volume
	files    []boltstore.FileName
	others   []string // files that are not segments
}

// load reads the hot log whole, as a start of the node would, and opens the
// segments' files. Damage is noted, not returned.
func (n *Node) load() (*state, error) {
	s := &state{}
	var err error
	s.hot, err = hotlog.Inspect(n.files.Hot, uint64(n.files.Store), func(e hotlog.Entry) error {
		if err := n.replay(s, e.Frame); err != nil {
			s.problems = append(s.problems, fmt.Errorf("file %s, offset %d: frame %d: %w", e.File, e.Offset, e.Sequence, err))
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(s.hot.Files) == 0 {
		s.problems = append(s.problems, errors.New("there is no hot log, and the store was in use"))
	}
	if s.files, s.others, err = boltstore.Files(n.files.Segments); err != nil {
		return nil, err
	}
	volume, line := s.snapshot.Volume, s.snapshot.Timeline
	if volume == 0 && len(s.files) > 0 { // the segments can be read without the hot log
		volume, line = s.files[0].Volume, s.files[0].Timeline
	}
	if volume == 0 {
		return s, nil
	}
	s.store, err = boltstore.OpenReadOnly(boltstore.Options{
		Dir: n.files.Segments, Cluster: n.files.Cluster, Store: n.files.Store, Volume: volume, Timeline: line,
	})
	return s, err
}

func (s *state) close() {
	if s.store != nil {
		_ = s.store.Close() // nothing was written
	}
}

// damage returns every problem of the hot log.
func (s *state) damage() []error {
	return append(s.hot.Problems[:len(s.hot.Problems):len(s.hot.Problems)], s.problems...)
}

// replay gives a frame to the Host, as the node does when it starts.
func (n *Node) replay(s *state, f hotlog.Frame) error {
	switch {
	case f.Kind == hotlog.KindEmpty:
		return nil
	case f.Kind == hotlog.KindSnapshot:
		snap, err := node.DecodeSnapshot(f.Body)
		if err != nil || snap.Volume == 0 {
			return err
		}
		if s.host == nil {
			s.host = segment.New(segment.Options{
				Node: logstore.NodeID(n.files.Node), Store: n.files.Store, Volume: snap.Volume, Timeline: snap.Timeline,
			})
		}
		s.snapshot = snap
		return s.host.Replay(segment.FrameSnapshot, snap.Host)
	case s.host == nil:
		return fmt.Errorf("%w: a frame of kind %d before any volume", redo.ErrCorrupt, f.Kind)
	}
	return s.host.Replay(kindOf(f.Kind), f.Body)
}

func kindOf(k hotlog.Kind) segment.FrameKind {
	switch k {
	case hotlog.KindSnapshot:
		return segment.FrameSnapshot
	case hotlog.KindEmpty:
		return segment.FrameEmpty
	}
	return segment.FrameKind(k - hotlog.KindCaller)
}

// groups returns the groups that the hot log or the segments' files know, ascending.
func (s *state) groups() []redo.PGID {
	var all []redo.PGID
	if s.host != nil {
		all = s.host.PGs()
	}
	if s.store != nil {
		all = append(all, s.store.Groups()...)
	}
	return sortedUnique(append(all, s.snapshot.Stored...))
}

// segments returns the state of each segment by group.
func (s *state) segments() map[redo.PGID]logstore.SegmentState {
	out := map[redo.PGID]logstore.SegmentState{}
	if s.host != nil {
		for _, g := range s.host.Health().Segments {
			out[g.PG] = g
		}
	}
	return out
}
