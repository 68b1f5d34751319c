package memvolume

import (
	"context"
	"fmt"
	"sync/atomic"

	"sextant/internal/redo"
	"sextant/logstore"
)

// Volume is a Store opened for writing at one volume epoch.
type Volume struct {
	s     *Store
	epoch redo.VolumeEpoch
	vdl   atomic.Uint64
	done  chan struct{}
	err   error // set before done is closed
}

var _ logstore.Volume = (*Volume)(nil)

// end closes done once. The store's lock is held.
func (v *Volume) end(err error) {
	select {
	case <-v.done:
	default:
		v.err = err
		close(v.done)
	}
}

// Epoch implements logstore.Volume.
func (v *Volume) Epoch() redo.VolumeEpoch { return v.epoch }

// VDL implements logstore.Volume.
func (v *Volume) VDL() redo.LSN { return redo.LSN(v.vdl.Load()) }

// Done implements logstore.Volume.
func (v *Volume) Done() <-chan struct{} { return v.done }

// Err implements logstore.Volume.
func (v *Volume) Err() error {
	select {
	case <-v.done:
		return v.err
	default:
		return nil
	}
}

// Close implements logstore.Volume. What was appended stays in the store.
func (v *Volume) Close() error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.end(logstore.ErrClosed)
	v.s.wake()
	return nil
}

// ReadPage implements logstore.PageReader.
func (v *Volume) ReadPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	if err := v.Err(); err != nil {
		return nil, err
	}
	return v.s.ReadPage(ctx, id, at)
}

// ReadPages implements logstore.PageReader.
func (v *Volume) ReadPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error) {
	out := make([][]byte, len(ids))
	for i, id := range ids {
		p, err := v.ReadPage(ctx, id, at)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

// Next implements logstore.Volume.
func (v *Volume) Next() redo.LSN {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return v.s.next()
}

func (s *Store) next() redo.LSN { return max(s.mu.last, s.mu.base) + 1 }

// Append implements logstore.Volume. It copies the payloads.
func (v *Volume) Append(turn []redo.MTR) error {
	s := v.s
	s.mu.Lock()
	fault := s.mu.faults.Append
	s.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := v.Err(); err != nil {
		return err
	}
	records, bytes := 0, 0
	for _, m := range turn {
		records += len(m.Records)
		for i := range m.Records {
			bytes += len(m.Records[i].Payload)
		}
	}
	if !s.room(records, bytes) {
		return logstore.ErrNoRoom
	}
	buf := make([]byte, 0, bytes)
	first := len(s.mu.log)
	for _, m := range turn {
		for i := range m.Records {
			r := &m.Records[i]
			r.PG = s.group(r.Page)
			if int(r.PG) >= s.mu.groups {
				return fmt.Errorf("memvolume: page %d is in no group", r.Page)
			}
			r.LSN, r.PrevVolume, r.PrevPG = s.next(), s.mu.last, s.mu.pgLast[r.PG]
			r.CPL = i == len(m.Records)-1
			if r.CPL && r.Wall == 0 {
				return fmt.Errorf("memvolume: no wall time at %d", r.LSN)
			}
			s.mu.last, s.mu.pgLast[r.PG] = r.LSN, r.LSN
			kept := *r
			n := len(buf)
			buf = append(buf, r.Payload...)
			kept.Payload = buf[n:len(buf):len(buf)]
			s.mu.log = append(s.mu.log, kept)
			if r.Page != 0 {
				if err := s.keep(kept); err != nil {
					return err
				}
			}
		}
	}
	s.mu.window += bytes
	s.frames(s.mu.log[first:])
	switch {
	case s.o.Behind && !s.mu.behind:
		s.mu.behind = true
		go s.follow()
	case !s.o.Manual && !s.o.Behind:
		s.advance(s.mu.last)
	}
	return nil
}

// follow moves the VDL to the last CPL of this moment.
func (s *Store) follow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.behind = false
	s.advance(s.mu.last)
}

func (s *Store) group(id redo.PageID) redo.PGID {
	if id == 0 {
		return 0
	}
	return redo.PGID((uint64(id) - 1) / s.o.PagesPerGroup)
}

// frames gives the taps one batch per group.
func (s *Store) frames(records []redo.Record) {
	if len(s.mu.taps) == 0 {
		return
	}
	var order []redo.PGID
	by := map[redo.PGID][]redo.Record{}
	for _, r := range records {
		if by[r.PG] == nil {
			order = append(order, r.PG)
		}
		by[r.PG] = append(by[r.PG], r)
	}
	for _, pg := range order {
		b := redo.AppendBatch(nil, &redo.Batch{
			Volume: s.o.Volume, Timeline: 1, PG: pg, Epoch: s.mu.epoch, Membership: 1,
			Start: s.mu.pgStart[pg], Hint: redo.Hint{VDL: s.mu.vdl, PGLast: s.mu.pgStart[pg]},
			MinReadPoint: s.mu.minRead, Opened: true, Records: by[pg],
		})
		for _, t := range s.mu.taps {
			t.Frame(b, by[pg][len(by[pg])-1].LSN)
		}
	}
}

func (s *Store) room(records, bytes int) bool {
	lal := max(s.mu.vdl, s.mu.base) + redo.LSN(s.o.LAL)
	return s.next()-1+redo.LSN(records) <= lal && (s.mu.window == 0 || s.mu.window+bytes <= s.o.WindowBytes)
}

// WaitRoom implements logstore.Volume.
func (v *Volume) WaitRoom(ctx context.Context, records, bytes int) error {
	return v.wait(ctx, func() bool { return v.s.room(records, bytes) })
}

// WaitVDL implements logstore.Volume.
func (v *Volume) WaitVDL(ctx context.Context, l redo.LSN) error {
	if v.VDL() >= l {
		return nil
	}
	return v.wait(ctx, func() bool { return v.VDL() >= l })
}

// wait returns nil once ok, which is asked under the store's lock, says so.
func (v *Volume) wait(ctx context.Context, ok func() bool) error {
	for {
		v.s.mu.Lock()
		good, moved := ok(), v.s.mu.moved
		v.s.mu.Unlock()
		if good {
			return nil
		}
		select {
		case <-moved:
		case <-v.done:
			return v.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitConfirmed implements logstore.Volume.
func (v *Volume) WaitConfirmed(ctx context.Context) error {
	if err := v.Err(); err != nil {
		return err
	}
	v.s.mu.Lock()
	blocked := v.s.mu.blocked
	v.s.mu.Unlock()
	if blocked == nil {
		return nil
	}
	select {
	case <-blocked:
		return v.Err()
	case <-v.done:
		return v.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetMinReadPoint implements logstore.Volume.
func (v *Volume) SetMinReadPoint(l redo.LSN) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if v.Err() == nil {
		v.s.mu.minRead = max(v.s.mu.minRead, min(l, v.s.mu.vdl))
	}
}

// PageLimit implements logstore.Volume.
func (v *Volume) PageLimit() redo.PageID {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return redo.PageID(uint64(v.s.mu.groups) * v.s.o.PagesPerGroup)
}

// Grow implements logstore.Volume.
func (v *Volume) Grow(ctx context.Context, upTo redo.PageID) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if err := v.Err(); err != nil {
		return err
	}
	for redo.PageID(uint64(v.s.mu.groups)*v.s.o.PagesPerGroup) < upTo {
		v.s.mu.groups++
	}
	return nil
}
