package inspect

import (
	"fmt"
	"io"
	"path/filepath"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/segment"
)

// Filter says which records Log shows. The zero Filter is everything.
type Filter struct {
	Group    *redo.PGID  // nil: all
	Page     redo.PageID // 0: all
	From, To redo.LSN    // both included; To 0: no end
}

func (f *Filter) any() bool { return f.Group != nil || f.Page != 0 || f.From > 1 || f.To != 0 }

func (f *Filter) span() redo.Range {
	r := redo.Range{Through: f.To}
	if f.From > 0 {
		r.After = f.From - 1
	}
	if f.To == 0 {
		r.Through = ^redo.LSN(0)
	}
	return r
}

func (f *Filter) has(r *redo.Record) bool {
	return (f.Group == nil || *f.Group == r.PG) && (f.Page == 0 || f.Page == r.Page) && f.span().Contains(r.LSN)
}

// Log writes the frames of the hot log in their order, with their records, and then
// the records that the segments' files hold, by group and LSN. With a filter it shows
// only the records that pass, and the frames that have some. Returns ErrUnsound if
// it met damage, which it names.
func (n *Node) Log(w io.Writer, f Filter) error {
	s, err := n.load()
	if err != nil {
		return err
	}
	defer s.close()
	p := &printer{w: w}
	var annulled redo.Ranges
	if s.host != nil {
		_, _, list, _ := s.host.Epochs()
		annulled = list.Ranges
	}
	file := ""
	_, err = hotlog.Inspect(n.files.Hot, uint64(n.files.Store), func(e hotlog.Entry) error {
		lines, show := frameText(&e, &f, annulled)
		if !show {
			return nil
		}
		if e.File != file {
			p.line("hot/%s: generation %d", e.File, e.Generation)
			file = e.File
		}
		p.line("  offset %d  frame %d  synced %d  %s", e.Offset, e.Sequence, e.Synced, lines[0])
		for _, l := range lines[1:] {
			p.line("      %s", l)
		}
		return p.err
	})
	if err != nil && len(s.hot.Files) > 0 {
		return err
	}
	bad := logEnd(p, s)
	bad = logStored(p, s, &f, annulled) || bad
	if p.err == nil && bad {
		return ErrUnsound
	}
	return p.err
}

// logEnd says how the hot log ends.
func logEnd(p *printer, s *state) (bad bool) {
	for _, err := range s.damage() {
		p.line("DAMAGED: %v", err)
		bad = true
	}
	if s.hot.Torn.File != "" {
		p.line("torn tail: file %s, offset %d: what was not synced; it is dropped when the node starts", s.hot.Torn.File, s.hot.Torn.Offset)
	}
	return bad
}

// frameText describes a frame, the first line for itself and one per record, and
// says whether the filter shows it.
func frameText(e *hotlog.Entry, f *Filter, annulled redo.Ranges) (lines []string, show bool) {
	kind := kindOf(e.Kind)
	head := fmt.Sprintf("%v  %d bytes", kind, len(e.Body))
	if kind == segment.FrameSnapshot || kind == segment.FrameEmpty {
		return []string{head}, !f.any()
	}
	m, err := segment.Decode(kind, e.Body)
	switch m := m.(type) {
	case logstore.Fence:
		head += fmt.Sprintf("  epoch %d  holder %016x  LAL %d", m.Epoch, m.Holder, m.LAL)
	case logstore.PutList:
		head += fmt.Sprintf("  epoch %d  holder %016x  LAL %d  annuls %s", m.Epoch, m.Holder, m.LAL, rangesText(m.List.Ranges))
		lines = append(lines, head)
		for _, g := range m.Groups {
			lines = append(lines, startText(&g))
		}
		return lines, !f.any()
	case logstore.CreateSegment:
		return []string{head + fmt.Sprintf("  epoch %d", m.Epoch), startText(&m.GroupStart)}, !f.any()
	case segment.Dropped:
		head += fmt.Sprintf("  group %d  membership %d", m.PG, m.Membership)
	case *redo.Batch:
		if err == nil {
			return batchText(head, m, f, annulled)
		}
	}
	if err != nil {
		return []string{head + "  " + err.Error()}, true
	}
	return []string{head}, !f.any()
}

func startText(g *logstore.GroupStart) string {
	return fmt.Sprintf("group %d  membership %d  start %d  members %v", g.PG, g.Membership, g.Start, g.Members)
}

func batchText(head string, b *redo.Batch, f *Filter, annulled redo.Ranges) (lines []string, show bool) {
	head += fmt.Sprintf("  group %d  epoch %d  membership %d  start %d  hint (%d, %d)  min read point %d  %d records",
		b.PG, b.Epoch, b.Membership, b.Start, b.Hint.VDL, b.Hint.PGLast, b.MinReadPoint, len(b.Records))
	if b.Opened {
		head += "  opened"
	}
	if b.Recovery {
		head += "  recovery"
	}
	lines = append(lines, head)
	for i := range b.Records {
		if f.has(&b.Records[i]) {
			lines = append(lines, recordText(&b.Records[i], annulled))
		}
	}
	return lines, !f.any() || len(lines) > 1
}

// logStored writes the records of the segments' files.
func logStored(p *printer, s *state, f *Filter, annulled redo.Ranges) (bad bool) {
	if s.store == nil {
		return false
	}
	damaged := s.store.Damaged()
	for _, pg := range s.store.Groups() {
		if f.Group != nil && *f.Group != pg {
			continue
		}
		if err := damaged[pg]; err != nil {
			p.line("DAMAGED: segments: %v", err)
			bad = true
			continue
		}
		first := true
		gone, err := s.store.EachRecord(pg, f.span(), f.Page, func(r *redo.Record) error {
			if first {
				p.line("segments/%s: group %d", filepath.Base(s.store.FileOf(pg)), pg)
				first = false
			}
			p.line("      %s", recordText(r, annulled))
			return p.err
		})
		switch {
		case p.err != nil:
			return bad
		case err != nil:
			p.line("DAMAGED: segments: %v", err)
			bad = true
		case gone > f.span().After:
			p.line("group %d: records up to %d have been collected as garbage, but for some", pg, gone)
		}
	}
	return bad
}
