package inspect

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/node"
)

// Check reads everything: every file's identity and format, every live frame of the
// hot log, every segment's file with its tree, values, images and records, that each
// image is what the image before it and the records since give, that the newest
// version of each page can be made, and that no record is missing from what the node
// believes to hold. It writes every problem and a table, and returns ErrUnsound if
// there was a problem.
//
// A torn tail, and holes that the node knows of and gossip fills, are no problems.
func (n *Node) Check(w io.Writer) error {
	s, err := n.load()
	if err != nil {
		return err
	}
	defer s.close()
	c := &checker{printer: printer{w: w}, s: s, segments: s.segments()}
	c.identity(n)
	for _, err := range s.damage() {
		c.problem("hot log: %v", err)
	}
	if s.hot.Torn.File != "" {
		c.line("note: hot log: torn tail: file %s, offset %d: what was not synced; it is dropped when the node starts",
			s.hot.Torn.File, s.hot.Torn.Offset)
	}
	c.files()
	for _, pg := range s.groups() {
		c.rows = append(c.rows, c.group(pg))
	}
	c.table(n)
	switch {
	case c.err != nil:
		return c.err
	case c.problems > 0:
		return ErrUnsound
	}
	return nil
}

type checker struct {
	printer
	s        *state
	segments map[redo.PGID]logstore.SegmentState
	problems int
	rows     []row
}

// row is one group's line of the table.
type row struct {
	pg                     redo.PGID
	bytes                  int64
	pages, images, records int
	memory, holes          int
	problems               int
	state                  logstore.SegmentState
}

func (c *checker) problem(format string, args ...any) {
	c.problems++
	c.line("PROBLEM: "+format, args...)
}

func (c *checker) identity(n *Node) {
	c.line("node %s of cluster %s, store %016x", n.files.Node, n.files.Cluster, uint64(n.files.Store))
	if aside := node.Aside(n.dir); aside != "" {
		c.line("note: a damaged store is set aside in %s: remove it when the cluster is whole", aside)
	}
	if c.s.host == nil {
		c.line("the hot log knows no volume")
		return
	}
	fence, _, list, opened := c.s.host.Epochs()
	c.line("volume %016x, timeline %d, volume epoch %d; list of epoch %d (opened: %v) annuls %s", uint64(c.s.snapshot.Volume),
		c.s.snapshot.Timeline, fence, list.Epoch, opened, rangesText(list.Ranges))
}

// files compares the files that are there with those that should be.
func (c *checker) files() {
	volume, line := c.s.snapshot.Volume, c.s.snapshot.Timeline
	for _, f := range c.s.files {
		if volume != 0 && (f.Volume != volume || f.Timeline != line) {
			c.problem("segments: file %s is of volume %016x timeline %d, the hot log of %016x timeline %d", f.Name,
				uint64(f.Volume), f.Timeline, uint64(volume), line)
		}
	}
	for _, name := range c.s.others {
		c.line("note: segments: file %s is no segment", name)
	}
}

// group checks one segment.
func (c *checker) group(pg redo.PGID) row {
	r := row{pg: pg, state: c.segments[pg]}
	before := c.problems
	defer func() { r.problems = c.problems - before }()
	if r.state.Damaged {
		c.problem("group %d: the node has put the segment out of service", pg)
	}
	pages := &pageChecker{scl: r.state.SCL, memory: map[redo.PageID][]redo.Record{}}
	if c.s.host != nil {
		for _, rec := range c.s.host.InMemory(pg) {
			r.memory++
			pages.memory[rec.Page] = append(pages.memory[rec.Page], rec)
			pages.note(&rec)
		}
	}
	gone, readable := c.stored(pg, &r, pages)
	for _, id := range slices.Sorted(maps.Keys(pages.memory)) { // not in the file
		if err := pages.check(boltstore.PageData{Page: id}); err != nil {
			c.problem("group %d: %v", pg, err)
		}
	}
	if readable && c.s.host != nil && len(c.s.damage()) == 0 && !r.state.Damaged {
		r.holes = c.chain(pg, pages.links, gone)
	}
	r.problems = c.problems - before
	return r
}

// stored checks the segment's file and reports whether all of it could be read.
func (c *checker) stored(pg redo.PGID, r *row, pages *pageChecker) (gone redo.LSN, readable bool) {
	if c.s.store == nil || !slices.Contains(c.s.store.Groups(), pg) {
		if slices.Contains(c.s.snapshot.Stored, pg) {
			c.problem("segments: the file of group %d is missing", pg)
			return 0, false
		}
		return 0, true
	}
	if fi, err := os.Stat(c.s.store.FileOf(pg)); err == nil {
		r.bytes = fi.Size()
	}
	if err := c.s.store.Damaged()[pg]; err != nil {
		c.problem("segments: %v", err)
		return 0, false
	}
	v := c.s.store.Verify(pg, pages.check)
	for _, err := range v.Problems {
		c.problem("segments: %v", err)
	}
	r.pages, r.images, r.records = v.Pages, v.Images, v.Records
	return v.Gone, len(v.Problems) == 0
}

// pageChecker checks the pages of one group and keeps the links of their records.
type pageChecker struct {
	scl    redo.LSN
	memory map[redo.PageID][]redo.Record // of pages not seen yet, in LSN order
	links  []link
}

// link is a record in its group's chain.
type link struct {
	lsn, prev redo.LSN
	sum       uint32 // of all of the record
}

func (p *pageChecker) note(r *redo.Record) {
	p.links = append(p.links, link{r.LSN, r.PrevPG, redo.Checksum(0, redo.AppendRecord(nil, r, r.LSN-1))})
}

// check makes every version of a page that has an image, compares, and goes on to
// the newest version that the segment is complete to.
func (p *pageChecker) check(d boltstore.PageData) error {
	for i := range d.Records {
		p.note(&d.Records[i])
	}
	rest := append(d.Records, p.memory[d.Page]...)
	delete(p.memory, d.Page)
	if d.Page == 0 {
		return nil // its records change no page
	}
	slices.SortStableFunc(rest, func(a, b redo.Record) int { return cmp.Compare(a.LSN, b.LSN) })
	rest = slices.CompactFunc(rest, func(a, b redo.Record) bool { return a.LSN == b.LSN })
	b := make([]byte, page.Size)
	for i, v := range d.Images {
		if err := page.Check(v.Image); err != nil || page.LSN(v.Image) != v.LSN || len(v.Image) != page.Size {
			return fmt.Errorf("page %d: the image at %d is no sound page of that LSN: %w", d.Page, v.LSN, orCorrupt(err))
		}
		if i == 0 && d.Floor > 0 { // what it was made of was collected
			b = bytes.Clone(v.Image)
		}
		var err error
		if rest, err = apply(b, d.Page, rest, v.LSN); err != nil {
			return err
		}
		if !bytes.Equal(b, v.Image) {
			return fmt.Errorf("page %d: the image at %d is not what the records give: %w", d.Page, v.LSN, page.ErrCorrupt)
		}
	}
	_, err := apply(b, d.Page, rest, p.scl)
	if err == nil && page.Check(b) != nil {
		err = fmt.Errorf("page %d: its newest version is unsound: %w", d.Page, page.ErrCorrupt)
	}
	return err
}

func orCorrupt(err error) error {
	if err == nil {
		return page.ErrCorrupt
	}
	return err
}

// apply changes b by the records up to an LSN that are newer than it, and returns
// those above.
func apply(b []byte, id redo.PageID, rs []redo.Record, through redo.LSN) ([]redo.Record, error) {
	for len(rs) > 0 && rs[0].LSN <= through {
		if rs[0].LSN > page.LSN(b) {
			if err := page.Apply(b, &rs[0]); err != nil {
				return nil, fmt.Errorf("page %d: record %d: %w", id, rs[0].LSN, err)
			}
		}
		rs = rs[1:]
	}
	return rs, nil
}

// chain compares what the node believes to hold of the group's chain with the records
// that are there, and returns how many holes it knows of.
func (c *checker) chain(pg redo.PGID, links []link, gone redo.LSN) (holes int) {
	slices.SortFunc(links, func(a, b link) int { return cmp.Or(cmp.Compare(a.lsn, b.lsn), cmp.Compare(a.sum, b.sum)) })
	links = slices.Compact(links)
	for i := 1; i < len(links); i++ {
		if links[i].lsn == links[i-1].lsn {
			c.problem("group %d: record %d is stored with two different contents", pg, links[i].lsn)
		}
	}
	runs := c.s.host.Runs(pg)
	end := redo.LSN(0)
	for _, run := range runs {
		if run.After > end {
			holes++
			c.line("note: group %d: hole (%d,%d]: the node lacks these records; gossip fills it", pg, end, run.After)
		}
		end = run.Through
		c.run(pg, run, links, gone)
	}
	return holes
}

// run checks that the records of one stretch of the chain are all there, but for
// those that may have been collected.
func (c *checker) run(pg redo.PGID, run redo.Range, links []link, gone redo.LSN) {
	at, within := run.After, redo.Range{After: max(run.After, gone), Through: run.Through}
	for _, l := range links {
		if !within.Contains(l.lsn) {
			continue
		}
		if l.prev != at && (at > gone || l.prev > gone) {
			c.problem("group %d: records between %d and %d are missing: record %d follows %d", pg, at, l.lsn, l.lsn, l.prev)
		}
		at = l.lsn
	}
	if at < run.Through && run.Through > gone {
		c.problem("group %d: records above %d are missing: the node believes to be complete to %d", pg, at, run.Through)
	}
}

func (c *checker) table(n *Node) {
	c.line("")
	c.line("hot log: %d files, %d live (generations %d to %d), %d frames", len(c.s.hot.Files), len(c.s.hot.Live), c.s.hot.Oldest,
		c.s.hot.Newest, c.s.hot.Frames)
	t := tabwriter.NewWriter(c.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tFILE BYTES\tPAGES\tIMAGES\tRECORDS\tIN HOT LOG\tSCL\tTAIL\tHINT\tHOLES\tPROBLEMS")
	for _, r := range c.rows {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", r.pg, r.bytes, r.pages, r.images, r.records, r.memory,
			r.state.SCL, r.state.Tail, r.state.Hint.VDL, r.holes, r.problems)
	}
	if err := t.Flush(); c.err == nil {
		c.err = err
	}
	if c.problems == 0 {
		c.line("%s: sound", n.files.Node)
	} else {
		c.line("%s: %d problems", n.files.Node, c.problems)
	}
}
