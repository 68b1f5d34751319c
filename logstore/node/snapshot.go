package node

import (
	"encoding/binary"
	"fmt"

	"sextant/internal/redo"
)

// snapshot is the body of a hot log's snapshot frame: which volume it is about,
// which segments have a file, and the Host's own snapshot.
type snapshot struct {
	volume redo.VolumeID
	line   redo.TimelineID
	stored []redo.PGID
	host   []byte
}

// snapshotLocked returns the body for the present state. mu is held.
func (n *Node) snapshotLocked() []byte {
	b := []byte{snapshotVersion}
	b = binary.AppendUvarint(b, uint64(n.volume))
	b = binary.AppendUvarint(b, uint64(n.line))
	var stored []redo.PGID
	if n.store != nil {
		stored = n.store.Groups()
	}
	b = binary.AppendUvarint(b, uint64(len(stored)))
	for _, pg := range stored {
		b = binary.AppendUvarint(b, uint64(pg))
	}
	if n.host == nil {
		return b
	}
	return append(b, n.host.Snapshot()...)
}

func decodeSnapshot(b []byte) (s snapshot, err error) {
	if len(b) == 0 || b[0] != snapshotVersion {
		return s, fmt.Errorf("%w: snapshot frame", redo.ErrVersion)
	}
	b = b[1:]
	next := func() uint64 {
		v, k := binary.Uvarint(b)
		if k <= 0 {
			err = fmt.Errorf("%w: snapshot frame", redo.ErrCorrupt)
			return 0
		}
		b = b[k:]
		return v
	}
	s.volume, s.line = redo.VolumeID(next()), redo.TimelineID(next())
	for k := next(); k > 0 && err == nil; k-- {
		s.stored = append(s.stored, redo.PGID(next()))
	}
	s.host = b
	return s, err
}
