package client

import (
	"context"
	"fmt"

	"sextant/internal/redo"
	"sextant/logstore"
)

// ReadPage implements logstore.Volume.
func (v *Volume) ReadPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	pages, err := v.ReadPages(ctx, []redo.PageID{id}, at)
	if err != nil {
		return nil, err
	}
	return pages[0], nil
}

// ReadPages implements logstore.Volume.
func (v *Volume) ReadPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error) {
	out := make([][]byte, len(ids))
	byPG := map[redo.PGID][]int{}
	for i, id := range ids {
		pg := redo.PGID((uint64(id) - 1) / v.PagesPerGroup())
		byPG[pg] = append(byPG[pg], i)
	}
	for pg, at2 := range byPG {
		for len(at2) > 0 {
			n := min(len(at2), logstore.ReadPagesMax)
			if err := v.readGroup(ctx, pg, ids, at2[:n], at, out); err != nil {
				return nil, err
			}
			at2 = at2[n:]
		}
	}
	return out, nil
}

// readGroup reads the pages ids[which] of one group from one segment.
func (v *Volume) readGroup(ctx context.Context, pg redo.PGID, ids []redo.PageID, which []int, at redo.LSN, out [][]byte) error {
	m := logstore.ReadPage{
		Header: logstore.Header{Volume: v.grant.Volume, Timeline: v.grant.Timeline, Epoch: v.grant.Epoch},
		PG:     pg, At: at, Pages: make([]redo.PageID, len(which)),
	}
	for i, w := range which {
		m.Pages[i] = ids[w]
	}
	return v.ask.patiently(ctx, func() error {
		if err := v.Err(); err != nil {
			return err
		}
		nodes, need, err := v.whom(pg, at)
		if err != nil {
			return err
		}
		m.Need = need
		a, err := v.ask.hedged(ctx, nodes, m)
		if err != nil {
			return fmt.Errorf("read %d pages of group %d at %d: %w", len(which), pg, at, err)
		}
		for i, w := range which {
			out[w] = a.(logstore.PageAnswer).Pages[i]
		}
		return nil
	})
}

// whom returns the nodes to ask for pages of a group, best first: those known to have
// what is needed, or if there are none, every member; what such a one lacks, it then
// gets from its peers first.
func (v *Volume) whom(pg redo.PGID, at redo.LSN) ([]logstore.NodeID, redo.LSN, error) {
	v.mu.Lock()
	if int(pg) >= len(v.groups) {
		v.mu.Unlock()
		return nil, 0, fmt.Errorf("group %d is not there: %w", pg, logstore.ErrUnavailable)
	}
	need := v.t.Need(pg, at)
	var ids []logstore.NodeID
	for _, n := range v.t.Readable(pg, need, nil) {
		ids = append(ids, v.nodes[n].ID)
	}
	if len(ids) == 0 {
		ids = append(ids, v.groups[pg].Members...)
	}
	v.mu.Unlock()
	v.ask.byLatency(ids)
	return ids, need, nil
}
