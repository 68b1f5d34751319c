package sim

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/segment"
)

// hotLog is a node's hot log: files of frames, of which some are synced.
type hotLog struct {
	files []*logFile
	fresh bool // the last file was begun by this start of the node

	disk  *platter
	owner uint64
	log   *hotlog.Log
}

type logFile struct {
	frames []segment.Frame
	synced int
	end    uint64 // index of the first frame that is not in it or an earlier file
	bad    bool   // a synced frame does not verify

	generation uint64 // of package hotlog
}

// append puts frames behind the others; a new file begins with a snapshot. Reports whether
// it has begun one.
func (d *hotLog) append(frames []segment.Frame, fileFrames int, snapshot func() []byte) (begun bool) {
	n := len(d.files)
	if begun = !d.fresh || len(d.files[n-1].frames) >= fileFrames || !d.fits(frames); begun {
		d.files = append(d.files, &logFile{frames: []segment.Frame{{Kind: segment.FrameSnapshot, Body: snapshot()}}})
		d.fresh, n = true, n+1
	}
	f := d.files[n-1]
	f.frames = append(f.frames, frames...)
	f.end = frames[len(frames)-1].Index + 1
	return begun
}

// sync makes everything durable and returns what was not. After an error the process ends.
func (d *hotLog) sync() (fresh []segment.Frame, err error) {
	if err := d.write(); err != nil {
		return nil, err
	}
	for _, f := range d.files {
		fresh = append(fresh, f.frames[f.synced:]...)
		f.synced = len(f.frames)
	}
	return fresh, nil
}

// unsynced returns how many frames a crash may lose.
func (d *hotLog) unsynced() (n int) {
	for _, f := range d.files {
		n += len(f.frames) - f.synced
	}
	return n
}

// note begins a file that has nothing but a snapshot.
func (d *hotLog) note(snapshot []byte) {
	var end uint64
	if n := len(d.files); n > 0 {
		end = d.files[n-1].end
	}
	d.files = append(d.files, &logFile{frames: []segment.Frame{{Kind: segment.FrameSnapshot, Body: snapshot}}, end: end})
	d.fresh = true
}

// release deletes files of which nothing is needed any more.
func (d *hotLog) release(oldest uint64) {
	for len(d.files) > 1 && d.files[0].end <= oldest && d.files[1].synced > 0 {
		d.log.Release(d.files[0].generation)
		d.files = d.files[1:]
	}
}

// store is a node's segment.Store. What is in it is durable.
type store struct{ shelves map[redo.PGID]*shelf }

type shelf struct {
	log   []redo.Record // by LSN
	pages map[redo.PageID]*versions
	gone  redo.LSN // records at or below it may be collected
	bad   bool     // the file is damaged: what is in it is garbled, and does not verify
	since tick     // when it was damaged
}

type versions struct {
	records []redo.Record // by LSN
	images  []image       // by LSN
	floor   redo.LSN      // the oldest version that can be read
	since   int           // records since the last image
}

type image struct {
	lsn redo.LSN
	b   []byte
}

// pageWrite is one page's part of a drain.
type pageWrite struct {
	page    redo.PageID
	records []redo.Record
	image   *image
}

var (
	errCollected = errors.New("sim: the version has been collected")
	errDamaged   = errors.New("sim: the file is damaged")
)

func (s *store) shelf(pg redo.PGID) *shelf {
	if s.shelves[pg] == nil {
		s.shelves[pg] = &shelf{pages: map[redo.PageID]*versions{}}
	}
	return s.shelves[pg]
}

func (sh *shelf) page(p redo.PageID) *versions {
	if sh.pages[p] == nil {
		sh.pages[p] = &versions{}
	}
	return sh.pages[p]
}

func byLSN(r redo.Record, l redo.LSN) int { return cmp.Compare(r.LSN, l) }

// insert adds records to a sequence; those that are there stay.
func insert(to []redo.Record, rs []redo.Record) []redo.Record {
	for _, r := range rs {
		if n := len(to); n == 0 || to[n-1].LSN < r.LSN {
			to = append(to, r)
		} else if i, found := slices.BinarySearchFunc(to, r.LSN, byLSN); !found {
			to = slices.Insert(to, i, r)
		}
	}
	return to
}

// within returns a copy of the records in a range.
func within(rs []redo.Record, r redo.Range) []redo.Record {
	i, _ := slices.BinarySearchFunc(rs, r.After+1, byLSN)
	j, _ := slices.BinarySearchFunc(rs, r.Through+1, byLSN)
	return slices.Clone(rs[i:max(i, j)])
}

func (s *store) write(pg redo.PGID, pages []pageWrite) {
	sh := s.shelf(pg)
	for _, w := range pages {
		sh.log = insert(sh.log, w.records)
		v := sh.page(w.page)
		v.records = insert(v.records, w.records)
		v.since += len(w.records)
		if w.image != nil {
			v.images, v.since = append(v.images, *w.image), 0
			slices.SortStableFunc(v.images, func(a, b image) int { return cmp.Compare(a.lsn, b.lsn) })
		}
	}
}

// Page implements segment.Store.
func (s *store) Page(pg redo.PGID, p redo.PageID, at redo.LSN) ([]byte, redo.LSN, []redo.Record, error) {
	if err := s.shelf(pg).verify(); err != nil {
		return nil, 0, nil, err
	}
	v := s.shelf(pg).pages[p]
	if v == nil {
		return nil, 0, nil, nil
	}
	if at < v.floor {
		return nil, 0, nil, errCollected
	}
	var of image
	for _, i := range v.images {
		if i.lsn <= at {
			of = i
		}
	}
	return of.b, of.lsn, within(v.records, redo.Range{After: of.lsn, Through: at}), nil
}

// Pages implements segment.Store.
func (s *store) Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) (out []redo.PageID, err error) {
	sh := s.shelf(pg)
	if err := sh.verify(); err != nil {
		return nil, err
	}
	for _, p := range slices.Sorted(maps.Keys(sh.pages)) {
		v := sh.pages[p]
		if has := v.floor > at || len(v.images) > 0 && v.images[0].lsn <= at || len(v.records) > 0 && v.records[0].LSN <= at; has && p > after && len(out) < limit {
			out = append(out, p)
		}
	}
	return out, nil
}

// install puts pages of a copy in place of what was there; false if the file is damaged.
func (s *store) install(i segment.Install) bool {
	if i.Begin {
		s.shelves[i.PG] = &shelf{pages: map[redo.PageID]*versions{}, gone: i.Gone}
	}
	if s.shelf(i.PG).bad {
		return false
	}
	for _, p := range i.Pages {
		*s.shelf(i.PG).page(p.Page) = versions{images: []image{{p.LSN, slices.Clone(p.Data[:pageBytes])}}, floor: p.LSN}
	}
	return true
}

// readMax is how many records a store gives a read of the log at once, so that readers have to ask again.
const readMax = 64

// Records implements segment.Store.
func (s *store) Records(pg redo.PGID, r redo.Range, bytesMax int) ([]redo.Record, bool, error) {
	sh := s.shelf(pg)
	if err := sh.verify(); err != nil {
		return nil, false, err
	}
	out := within(sh.log, r)
	if bytesMax == logstore.LogBytesMax {
		out = out[:min(len(out), readMax)]
	}
	bytes := 0
	for i := range out {
		if bytes += len(out[i].Payload); i > 0 && bytes > bytesMax {
			return out[:i], r.After < sh.gone, nil
		}
	}
	return out, r.After < sh.gone, nil
}

// collect deletes all that the plan allows to.
func (s *store) collect(p segment.GarbagePlan) {
	sh := s.shelf(p.PG)
	for _, v := range sh.pages { // each page for itself: the order does not matter
		var keep redo.LSN
		for _, i := range v.images {
			if i.lsn <= p.ReadFloor {
				keep = i.lsn
			}
		}
		if len(v.images) > 0 && v.images[0].lsn < keep {
			v.images = slices.DeleteFunc(v.images, func(i image) bool { return i.lsn < keep })
			v.floor = max(v.floor, keep)
		}
		through := min(keep, p.LogFloor)
		n, _ := slices.BinarySearchFunc(v.records, through+1, byLSN)
		if n > 0 {
			v.floor = max(v.floor, keep)
			sh.gone = max(sh.gone, v.records[n-1].LSN)
			v.records = slices.Delete(v.records, 0, n)
		}
	}
	sh.log = slices.DeleteFunc(sh.log, func(r redo.Record) bool {
		_, held := slices.BinarySearchFunc(sh.page(r.Page).records, r.LSN, byLSN)
		return !held
	})
}

// apply is page.Apply for simulated pages.
func apply(p []byte, r *redo.Record) error {
	lsn, sum := content(p)
	if lsn >= r.LSN {
		return page.ErrOrder
	}
	binary.LittleEndian.PutUint64(p[lsnAt:], uint64(r.LSN))
	binary.LittleEndian.PutUint64(p[sumAt:], fold(sum, r))
	return nil
}

// fold adds a record to a page's sum; one that formats the page makes a new one.
func fold(sum uint64, r *redo.Record) uint64 {
	if r.Op == redo.OpFormat {
		sum = 0
	}
	return (sum^uint64(r.LSN)^uint64(redo.Checksum(0, r.Payload))<<32)*0x9E3779B97F4A7C15 + 1
}
