package segment

import (
	"fmt"
	"slices"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// ReadPage decides on a page read by the synced state, without queueing. It returns
// either what to run, or the refusal to send. A read that only waits for gossip
// is refused as Retry, and that segment's gossip goes first (Ready has it).
//
// The segment answers iff it is complete to m.Need, and m.At is not below the
// minimum read point: with exactly the version at m.At, never one nearby.
//
// Source: SIGMOD 2017 §4.2.3. Deviation: the paper asks for an SCL above the read
// point, which would block an idle group for ever.
func (h *Host) ReadPage(m logstore.ReadPage, apply Apply) (func(Store) (logstore.Message, error), *logstore.Refused) {
	c, no := h.readable(m, m.PG, m.Reader, redo.Range{After: m.At, Through: m.At}, m.Need)
	if no == nil && m.At < h.minReadPoint {
		no = h.no(m, logstore.Gone, fmt.Sprintf("read at %d, minimum read point is %d", m.At, h.minReadPoint))
	}
	if no == nil && len(m.Pages) > logstore.ReadPagesMax {
		no = h.no(m, logstore.Invalid, "too many pages")
	}
	if no != nil {
		return nil, no
	}
	memory := make([][]redo.Record, len(m.Pages))
	for i, p := range m.Pages {
		memory[i] = c.ofPage(p, m.At, h.list.Ranges)
	}
	answer := logstore.PageAnswer{Header: h.head(), SCL: c.scl()}
	return c.guard(func(s Store) (logstore.Message, error) {
		for i, p := range m.Pages {
			b, err := Build(s, m.PG, p, m.At, memory[i], apply)
			if err != nil {
				return nil, err
			}
			answer.Pages = append(answer.Pages, b)
		}
		return answer, nil
	}), nil
}

// Build returns a page as of at: the Store's newest image at or below it and every
// record since, those given (in LSN order) and those in the Store. It returns nil if
// there is nothing. The result is the caller's.
func Build(s Store, pg redo.PGID, p redo.PageID, at redo.LSN, memory []redo.Record, apply Apply) ([]byte, error) {
	b, _, err := build(s, pg, p, at, memory, apply)
	return b, err
}

// build is Build, with the LSN of the last record in the page.
func build(s Store, pg redo.PGID, p redo.PageID, at redo.LSN, memory []redo.Record, apply Apply) ([]byte, redo.LSN, error) {
	image, lsn, stored, err := s.Page(pg, p, at)
	if err != nil {
		return nil, 0, fmt.Errorf("read page %d at %d: %w", p, at, err)
	}
	records := merge(stored, memory)
	for len(records) > 0 && records[0].LSN <= lsn {
		records = records[1:]
	}
	if image == nil && len(records) == 0 {
		return nil, 0, nil
	}
	b := slices.Clone(image)
	if image == nil {
		b = make([]byte, page.Size)
	}
	for i := range records {
		if err := apply(b, &records[i]); err != nil {
			return nil, 0, fmt.Errorf("apply record %d to page %d: %w", records[i].LSN, p, err)
		}
		lsn = records[i].LSN
	}
	return b, lsn, nil
}

// ReadLog decides on a read of the log, as ReadPage does. The answer has every
// record of the group in the range, in pieces of LogBytesMax.
func (h *Host) ReadLog(m logstore.ReadLog) (func(Store) (logstore.Message, error), *logstore.Refused) {
	c, no := h.readable(m, m.PG, m.Reader, m.Range, m.Need)
	if no != nil {
		return nil, no
	}
	records, all := c.within(m.Range, h.list.Ranges)
	annulled := h.list.Ranges
	answer := logstore.LogAnswer{Header: h.head(), PG: m.PG}
	return c.guard(func(s Store) (logstore.Message, error) {
		if !all {
			stored, gone, err := s.Records(m.PG, m.Range, logstore.LogBytesMax)
			if err != nil {
				return nil, err
			}
			if gone {
				return *h.gone(m, m.PG, answer.Header), nil
			}
			records = merge(records, slices.DeleteFunc(stored, func(r redo.Record) bool { return hidden(annulled, r.LSN) }))
		}
		answer.Records, answer.More = shorten(linked(records), logstore.LogBytesMax)
		n := len(answer.Records)
		// A Store does not say whether it has more than it gave.
		answer.More = answer.More || n < len(records) || !all && n > 0 && answer.Records[n-1].LSN < m.Range.Through
		return answer, nil
	}), nil
}

// linked cuts records, in LSN order, where one is missing: the Store gave only the
// first of what it has.
func linked(records []redo.Record) []redo.Record {
	for i := 1; i < len(records); i++ {
		if records[i].PrevPG != records[i-1].LSN {
			return records[:i]
		}
	}
	return records
}

// gone refuses a read of log that has been collected. It reads no state.
func (*Host) gone(m logstore.Message, pg redo.PGID, head logstore.Header) *logstore.Refused {
	return &logstore.Refused{
		Header: head, Kind: logstore.Gone, Of: m.Head().Epoch, Segment: true, PG: pg, Text: "log collected as garbage",
	}
}

// readable decides what page and log reads have in common: the epoch, the
// segment, and whether it is complete to need.
//
// A writer's read at an older epoch is refused like its writes, since a deposed
// writer must not show what it holds. A reader's is answered unless the list
// annuls where it reads.
func (h *Host) readable(m logstore.Message, pg redo.PGID, reader bool, r redo.Range, need redo.LSN) (*chain, *logstore.Refused) {
	head, c := m.Head(), h.chain(pg)
	switch {
	case head.Volume != h.o.Volume || head.Timeline != h.o.Timeline:
		return nil, h.no(m, logstore.Invalid, "another volume or timeline")
	case head.Epoch > h.list.Epoch:
		return nil, h.no(m, logstore.Behind, "the node lacks this volume epoch's list")
	case !reader && head.Epoch < h.fence:
		return nil, h.no(m, logstore.Fenced, "older volume epoch")
	case reader && hidden(h.list.Ranges, r.Through):
		return nil, h.no(m, logstore.Fenced, "the list annuls this LSN")
	case c == nil:
		no := h.segmentRefusal(m, logstore.Behind, pg, "no such segment")
		return nil, &no
	case c.damaged:
		no := h.segmentRefusal(m, logstore.Corrupt, pg, "the segment is damaged")
		return nil, &no
	case r.After < c.readFrom:
		no := h.segmentRefusal(m, logstore.Gone, pg, fmt.Sprintf("copied at %d, older versions are elsewhere", c.readFrom))
		return nil, &no
	case c.scl() < need:
		h.hurry(c)
		no := h.segmentRefusal(m, logstore.Retry, pg, fmt.Sprintf("complete to %d, needed is %d", c.scl(), need))
		return nil, &no
	}
	return c, nil
}

func (h *Host) no(m logstore.Message, kind logstore.Kind, text string) *logstore.Refused {
	r := h.refusal(m, kind, text)
	return &r
}

// fetch answers a recovery. What it asks for is above the group's highest hint and
// so in memory; hidden records are included, since only the list that the
// recovery adopts may filter them.
func (h *Host) fetch(in Input, m logstore.Fetch) {
	switch {
	case m.Epoch < h.fence:
		h.refuse(in, logstore.Fenced, "older volume epoch")
		return
	case m.Epoch > h.fence:
		h.refuse(in, logstore.Behind, "fetch before fence")
		return
	}
	a := logstore.FetchAnswer{Header: h.head(), Store: h.o.Store}
	room := logstore.FetchBytesMax
	for _, r := range m.Ranges {
		f := logstore.Fetched{PG: r.PG}
		c := h.chain(r.PG)
		switch {
		case c == nil:
		case !c.whole():
			h.refuseSegment(in, logstore.Corrupt, r.PG, "the segment is damaged")
			return
		case r.LSN < c.hint.VDL:
			h.refuseSegment(in, logstore.Invalid, r.PG, "fetch below the hint")
			return
		case room <= 0:
			f.More = true
		default:
			f.Records, f.More = c.above(r.LSN, room)
			for i := range f.Records {
				room -= len(f.Records[i].Payload)
			}
		}
		a.Groups = append(a.Groups, f)
	}
	h.send(in, a)
}
