package segment

import (
	"fmt"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// This file is for tools that look at a node's files: it changes no state.

// String returns the kind's name.
func (k FrameKind) String() string {
	names := [...]string{
		FrameSnapshot: "snapshot", FrameFence: "fence", FrameList: "list", FrameBatch: "batch", FrameFill: "fill",
		FrameCreate: "create", FrameEmpty: "empty", FrameCopied: "copied",
		FrameAgain: "again", FrameDropped: "dropped",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Decode returns what the body of a frame says: a logstore.Fence, PutList or
// CreateSegment, a *redo.Batch, a logstore.SegmentState of a copy, a Dropped, or nil for an empty
// frame. Snapshots are for
// Host.Replay. Errors are those of Replay.
func Decode(kind FrameKind, body []byte) (any, error) {
	switch kind {
	case FrameFence:
		return decodeFence(body)
	case FrameList:
		return decodeList(body)
	case FrameCreate:
		return decodeCreate(body)
	case FrameBatch, FrameFill, FrameAgain:
		return redo.DecodeBatch(body)
	case FrameCopied:
		m, err := decodeCopied(body)
		return logstore.SegmentState{PG: m.PG, Hint: m.Hint, SCL: m.Hint.PGLast}, err
	case FrameDropped:
		return decodeDropped(body)
	case FrameEmpty:
		return nil, nil
	default:
		return nil, fmt.Errorf("segment: frame kind %d: %w", kind, redo.ErrVersion)
	}
}

// Epochs returns the fence, its holder, the list, and whether the list's epoch is
// known to have opened.
func (h *Host) Epochs() (fence redo.VolumeEpoch, holder uint64, list logstore.List, opened bool) {
	return h.fence, h.holder, logstore.List{Epoch: h.list.Epoch, Ranges: slices.Clone(h.list.Ranges)}, h.opened
}

// Runs returns the stretches of a group's chain that the segment holds without a
// hole, ascending: every record of the group in each (After, Through], the first of
// them following the record After.
func (h *Host) Runs(pg redo.PGID) []redo.Range {
	c := h.chain(pg)
	if c == nil {
		return nil
	}
	out := make([]redo.Range, len(c.runs))
	for i, r := range c.runs {
		out[i] = redo.Range{After: r.after, Through: r.through}
	}
	return out
}

// InMemory returns the records of a group that are in memory and not hidden, in LSN
// order.
func (h *Host) InMemory(pg redo.PGID) []redo.Record {
	c := h.chain(pg)
	if c == nil {
		return nil
	}
	var out []redo.Record
	for i := range c.log {
		if r := &c.log[i].Record; !hidden(h.list.Ranges, r.LSN) {
			out = append(out, *r)
		}
	}
	sortByLSN(out)
	return out
}
