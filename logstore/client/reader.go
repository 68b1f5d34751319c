package client

import (
	"context"
	"fmt"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/quorum"
	"sextant/logstore/volume"
)

// Reader reads pages and log of a volume that another instance writes. It goes on
// when there is no writer. It keeps no position: the caller says at which epoch and
// LSN, and what a segment must have.
type Reader struct {
	volume   redo.VolumeID
	timeline redo.TimelineID
	geometry func() Geometry
	ask      askers
}

// NewReader returns a reader. geometry is asked at every read, for groups may be added.
func NewReader(v redo.VolumeID, tl redo.TimelineID, o Options, geometry func() Geometry) (*Reader, error) {
	r := &Reader{volume: v, timeline: tl, geometry: geometry}
	r.ask.opt = o.withDefaults()
	r.ask.resolve = func(id logstore.NodeID) string {
		if o.Resolve != nil {
			if a := o.Resolve(id); a != "" {
				return a
			}
		}
		for _, n := range geometry().Nodes {
			if n.ID == id {
				return n.Addr
			}
		}
		return ""
	}
	return r, nil
}

// Reachable returns nil if a write quorum of every group answers now, else the last
// node's error or the context's. Who answers from another store than the registered one
// does not count.
func (r *Reader) Reachable(ctx context.Context) error {
	shape := r.geometry()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		node int
		err  error
	}
	results := make(chan result, len(shape.Nodes))
	for i, n := range shape.Nodes {
		go func() {
			a, err := r.ask.ask(ctx, n.ID, logstore.HealthAsk{Header: r.head(0)})
			if h, ok := a.(logstore.Health); err == nil && (!ok || h.Store != n.Store) {
				err = fmt.Errorf("another store answers as %s: %w", n.ID, logstore.ErrUnavailable)
			}
			results <- result{i, err}
		}()
	}
	g, err := geometry(shape)
	if err != nil {
		return fmt.Errorf("%w: %w", err, logstore.ErrUnavailable)
	}
	answered := make([]bool, len(shape.Nodes))
	for range shape.Nodes {
		a := <-results
		if a.err != nil {
			err = a.err
			continue
		}
		answered[a.node] = true
		if quorate(g.Groups, answered) {
			return nil
		}
	}
	return err
}

// quorate reports whether a write quorum of every group is among the nodes.
func quorate(groups []volume.Group, nodes []bool) bool {
	for i := range groups {
		var s quorum.Set
		for m, n := range groups[i].Members {
			if nodes[n] {
				s |= quorum.Of(m)
			}
		}
		if !groups[i].Write().Met(s) {
			return false
		}
	}
	return true
}

// Close closes the connections; reads fail from then on with ErrClosed.
func (r *Reader) Close() error {
	r.ask.close()
	return nil
}

func (r *Reader) head(e redo.VolumeEpoch) logstore.Header {
	return logstore.Header{Volume: r.volume, Timeline: r.timeline, Epoch: e}
}

// ReadPages returns the pages, all of one group, as of at. need is the group's last
// LSN at or below at, or any later durable one. epoch may be older than the newest
// as long as no recovery since has annulled at: then it is ErrFenced. Other errors
// are those of logstore.PageReader.
func (r *Reader) ReadPages(ctx context.Context, epoch redo.VolumeEpoch, ids []redo.PageID, at, need redo.LSN) ([][]byte, error) {
	var out [][]byte
	for len(ids) > 0 {
		n := min(len(ids), logstore.ReadPagesMax)
		pages, err := r.readPages(ctx, epoch, ids[:n], at, need)
		if err != nil {
			return nil, err
		}
		out, ids = append(out, pages...), ids[n:]
	}
	return out, nil
}

func (r *Reader) readPages(ctx context.Context, epoch redo.VolumeEpoch, ids []redo.PageID, at, need redo.LSN) (pages [][]byte, err error) {
	err = r.ask.patiently(ctx, func() error {
		g := r.geometry()
		if g.PagesPerGroup == 0 {
			return fmt.Errorf("the volume's shape is not known: %w", logstore.ErrUnavailable)
		}
		pg := (uint64(ids[0]) - 1) / g.PagesPerGroup
		if pg >= uint64(len(g.Groups)) {
			return fmt.Errorf("group %d is not there: %w", pg, logstore.ErrUnavailable)
		}
		nodes := slices.Clone(g.Groups[pg].Members)
		r.ask.byLatency(nodes)
		a, err := r.ask.hedged(ctx, nodes, logstore.ReadPage{
			Header: r.head(epoch), PG: redo.PGID(pg), Pages: ids, At: at, Need: need, Reader: true,
		})
		if err != nil {
			return fmt.Errorf("read %d pages of group %d at %d: %w", len(ids), pg, at, err)
		}
		pages = a.(logstore.PageAnswer).Pages
		return nil
	})
	return pages, err
}

// Records returns the whole records in (after, through] of all groups, in LSN order,
// without annulled ones. through must be a consistency point. Returns ErrGone if some
// are not retained any more, logstore.ErrTooLong if they take more than max bytes of
// memory, ErrFenced if through was annulled.
//
// It needs no word of how far each group goes: a record names the one before it in
// the volume, so that what one segment lacks shows, and is asked of another.
func (r *Reader) Records(ctx context.Context, epoch redo.VolumeEpoch, after, through redo.LSN, max int) ([]redo.Record, error) {
	if after >= through {
		return nil, nil
	}
	have := gathered{records: map[redo.LSN]redo.Record{}, max: max}
	for round := range recordsRoundsMax {
		g := r.geometry()
		for i := range g.Groups {
			if err := r.groupRecords(ctx, epoch, &g.Groups[i], round, redo.Range{After: after, Through: through}, &have); err != nil {
				return nil, fmt.Errorf("read the log (%d,%d] of group %d: %w", after, through, i, err)
			}
		}
		if out, whole := chained(have.records, after, through); whole {
			return out, nil
		}
	}
	return nil, fmt.Errorf("read the log (%d,%d]: no segment is complete: %w", after, through, logstore.ErrUnavailable)
}

// gathered are the records that were read so far, bounded in memory.
type gathered struct {
	records    map[redo.LSN]redo.Record
	bytes, max int
}

func (g *gathered) add(r redo.Record) error {
	if _, there := g.records[r.LSN]; !there {
		g.bytes += len(r.Payload) + recordOverhead
	}
	if g.bytes > g.max {
		return fmt.Errorf("more than %d bytes: %w", g.max, logstore.ErrTooLong)
	}
	g.records[r.LSN] = r
	return nil
}

// chained returns the records in volume order, and whether none is missing.
func chained(have map[redo.LSN]redo.Record, after, through redo.LSN) ([]redo.Record, bool) {
	var out []redo.Record
	for l := through; l > after; {
		rec, ok := have[l]
		if !ok {
			return nil, false
		}
		out = append(out, rec)
		l = rec.PrevVolume
	}
	slices.Reverse(out)
	return out, true
}

// groupRecords adds what one segment has of a group; round says which one goes first.
func (r *Reader) groupRecords(
	ctx context.Context, epoch redo.VolumeEpoch, g *Group, round int, rg redo.Range, have *gathered,
) error {
	nodes := slices.Clone(g.Members)
	r.ask.byLatency(nodes)
	nodes = slices.Concat(nodes[round%len(nodes):], nodes[:round%len(nodes)])
	for more := true; more && rg.After < rg.Through; {
		var a logstore.Message
		err := r.ask.patiently(ctx, func() (err error) {
			a, err = r.ask.hedged(ctx, nodes, logstore.ReadLog{Header: r.head(epoch), PG: g.PG, Range: rg, Reader: true})
			return err
		})
		if err != nil {
			return err
		}
		log, ok := a.(logstore.LogAnswer)
		if !ok {
			return fmt.Errorf("a %T for a read of the log: %w", a, logstore.ErrUnavailable)
		}
		for i := range log.Records {
			if err := have.add(log.Records[i]); err != nil {
				return err
			}
		}
		if n := len(log.Records); n > 0 {
			rg.After = log.Records[n-1].LSN
		}
		more = log.More && len(log.Records) > 0
	}
	return nil
}
