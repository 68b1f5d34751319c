package segment

import (
	"fmt"

	"sextant/internal/redo"
	"sextant/logstore"
)

// Replay takes the next frame of the hot log, in the order appended. It is called
// before the first Step, and no answer is given before what was replayed is synced.
// Each frame is judged by the epoch frames before it, as it was when it was
// appended. Returns an error wrapping redo.ErrCorrupt or redo.ErrVersion if the
// body is not what a Host wrote; the frame has no effect then, and the driver
// treats it as damage.
func (h *Host) Replay(kind FrameKind, body []byte) error {
	index := h.frames
	h.frames++
	switch kind {
	case FrameSnapshot:
		return h.restore(body)
	case FrameFence:
		m, err := decodeFence(body)
		if err == nil {
			err = h.ours(m.Header)
		}
		if err == nil && m.Epoch >= h.fence {
			h.applyFence(m)
		}
		return err
	case FrameList:
		m, err := decodeList(body)
		if err == nil {
			err = h.ours(m.Header)
		}
		if err == nil && m.Epoch >= h.fence {
			h.applyList(m)
		}
		return err
	case FrameCreate:
		m, err := decodeCreate(body)
		if err == nil {
			err = h.ours(m.Header)
		}
		if err == nil && m.Epoch == h.fence && m.Epoch == h.list.Epoch {
			h.applyStart(m.GroupStart)
		}
		return err
	case FrameBatch, FrameFill, FrameAgain:
		return h.replayBatch(kind, body, index)
	case FrameCopied:
		m, err := decodeCopied(body)
		if err == nil {
			err = h.ours(m.Header)
		}
		if c := h.chain(m.PG); err == nil && c != nil && c.damaged {
			h.applyCopied(m)
		}
		return err
	case FrameDropped:
		m, err := decodeDropped(body)
		if err == nil {
			err = h.ours(m.Header)
		}
		if err == nil {
			h.applyDropped(m)
		}
		return err
	case FrameEmpty:
		return nil
	default:
		return fmt.Errorf("segment: frame kind %d: %w", kind, redo.ErrVersion)
	}
}

func (h *Host) replayBatch(kind FrameKind, body []byte, index uint64) error {
	b, err := redo.DecodeBatch(body)
	if err != nil {
		return err
	}
	if err := h.ours(logstore.Header{Volume: b.Volume, Timeline: b.Timeline}); err != nil {
		return err
	}
	c := h.chain(b.PG)
	switch {
	case c == nil || b.Epoch != h.list.Epoch:
	case kind == FrameFill:
		h.applyFill(b, index)
	case kind == FrameAgain:
		c.again(b, index, h.list.Ranges)
	case b.Epoch >= h.fence:
		h.applyBatch(b, index)
	}
	return nil
}

// ours returns an error if a frame belongs to another volume or timeline.
func (h *Host) ours(m logstore.Header) error {
	if m.Volume != h.o.Volume || m.Timeline != h.o.Timeline {
		return fmt.Errorf("segment: frame of volume %x timeline %d: %w", m.Volume, m.Timeline, redo.ErrCorrupt)
	}
	return nil
}

// NextFrame returns the index that the next frame gets, replayed or new.
func (h *Host) NextFrame() uint64 { return h.frames }
