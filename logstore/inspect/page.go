package inspect

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore/segment"
)

// Page writes a page as of an LSN, or with all that the node has of it if at is 0:
// header and cells. Returns an error if the node has nothing of the page, no longer
// has that version, or cannot make it.
func (n *Node) Page(w io.Writer, id redo.PageID, at redo.LSN) error {
	if id == 0 {
		return fmt.Errorf("pages are numbered from 1; page 0 stands for records that change no page (see `sextant log`)")
	}
	s, err := n.load()
	if err != nil {
		return err
	}
	defer s.close()
	p := &printer{w: w}
	bad := logEnd(p, s)
	for _, pg := range s.groups() {
		found, err := s.page(p, pg, id, at)
		if err != nil {
			return err
		}
		if found && bad {
			return fmt.Errorf("%w: the page may lack changes", ErrUnsound)
		}
		if found {
			return p.err
		}
	}
	if bad {
		return fmt.Errorf("%w; what can be read has nothing of page %d", ErrUnsound, id)
	}
	if at != 0 {
		return fmt.Errorf("the node has nothing of page %d at or below LSN %d", id, at)
	}
	return fmt.Errorf("the node has nothing of page %d", id)
}

// page writes the page if the group has it, and reports whether it does.
func (s *state) page(p *printer, pg redo.PGID, id redo.PageID, at redo.LSN) (found bool, err error) {
	asked := at
	if at == 0 {
		at = ^redo.LSN(0)
	}
	var memory []redo.Record
	if s.host != nil {
		memory = slices.DeleteFunc(s.host.InMemory(pg), func(r redo.Record) bool { return r.Page != id || r.LSN > at })
	}
	var from segment.Store = nothing{}
	if s.store != nil {
		if err := s.store.Damaged()[pg]; err != nil {
			p.line("DAMAGED: segments: %v", err)
		} else {
			from = s.store
		}
	}
	_, image, stored, err := from.Page(pg, id, at)
	if err != nil {
		return false, fmt.Errorf("read page %d at %d: %w", id, at, err)
	}
	b, err := segment.Build(from, pg, id, at, memory, page.Apply)
	if err != nil || b == nil {
		return false, err
	}
	p.line("page %d of group %d, timeline %d", id, pg, s.snapshot.Timeline)
	if asked != 0 {
		p.line("as of LSN:  %d", asked)
	}
	p.line("made of:    %s, %d records of the segment's file, %d of the hot log (some may be in both)", imageText(image), len(stored), len(memory))
	if g, ok := s.segments()[pg]; ok {
		p.line("segment:    complete to LSN %d, durable to %d at least", g.SCL, g.Hint.VDL)
		if l := page.LSN(b); l > g.SCL {
			p.line("NOTE:       the segment lacks records between %d and %d; the page may lack changes", g.SCL, l)
		}
	}
	pageText(p, b)
	return true, nil
}

// pageText writes the header and the cells or body of a page.
func pageText(p *printer, b []byte) {
	k := page.KindOf(b)
	p.line("kind:       %s, level %d", kindName(k), page.Level(b))
	p.line("tree:       %d", page.Tree(b))
	p.line("page LSN:   %d", page.LSN(b))
	if err := page.Check(b); err != nil {
		p.line("DAMAGED:    %v", err)
	}
	if k == page.KindOverflow {
		p.line("body:       %d bytes", len(page.Body(b)))
		p.dump("    ", page.Body(b))
		return
	}
	p.line("cells:      %d, %d bytes used, %d free", page.Len(b), page.Used(b), page.Room(b))
	for i := range page.Len(b) {
		key, value, flag := page.Cell(b, i)
		p.line("cell %d", i)
		p.dump("    key    ", key)
		switch {
		case k == page.KindInternal:
			p.line("    child  page %d", page.Child(b, i))
		case flag && len(value) >= overflowRef:
			p.line("    long   %d bytes more at overflow page %d, level %d", binary.LittleEndian.Uint32(value[9:]),
				binary.LittleEndian.Uint64(value), value[8])
			p.dump("    value  ", value[overflowRef:])
		default:
			p.dump("    value  ", value)
		}
	}
}

// overflowRef is the length of the reference at the head of a long value: page (8),
// level (1), bytes (4).
const overflowRef = 13

// nothing is a segment without a file.
type nothing struct{}

// Page implements segment.Store.
func (nothing) Page(redo.PGID, redo.PageID, redo.LSN) ([]byte, redo.LSN, []redo.Record, error) {
	return nil, 0, nil, nil
}

// Records implements segment.Store.
func (nothing) Records(redo.PGID, redo.Range, int) ([]redo.Record, bool, error) {
	return nil, false, nil
}

// Pages implements segment.Store.
func (nothing) Pages(redo.PGID, redo.PageID, redo.LSN, int) ([]redo.PageID, error) { return nil, nil }

func imageText(l redo.LSN) string {
	if l == 0 {
		return "no image"
	}
	return fmt.Sprintf("image at LSN %d", l)
}
