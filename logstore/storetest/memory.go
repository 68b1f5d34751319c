package storetest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
	"sextant/logstore/segment"
)

// Memory is a Store in memory, by the shortest code that is right.
type Memory struct {
	runs   map[place][][]redo.Record // of each drain
	images map[place]map[redo.LSN][]byte
	gone   map[redo.PGID]redo.LSN
}

type place struct {
	pg   redo.PGID
	page redo.PageID
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{map[place][][]redo.Record{}, map[place]map[redo.LSN][]byte{}, map[redo.PGID]redo.LSN{}}
}

// Write keeps one drain.
func (m *Memory) Write(pg redo.PGID, pages []boltstore.PageWrite) error {
	for _, p := range pages {
		at := place{pg, p.Page}
		if len(p.Records) > 0 {
			m.runs[at] = append(m.runs[at], slices.Clone(p.Records))
		}
		if p.Image != nil {
			if m.images[at] == nil {
				m.images[at] = map[redo.LSN][]byte{}
			}
			m.images[at][p.LSN] = bytes.Clone(p.Image)
		}
	}
	return nil
}

// Page implements segment.Store.
func (m *Memory) Page(pg redo.PGID, page redo.PageID, at redo.LSN) ([]byte, redo.LSN, []redo.Record, error) {
	var image []byte
	var lsn redo.LSN
	for l, b := range m.images[place{pg, page}] {
		if l <= at && l > lsn {
			image, lsn = b, l
		}
	}
	return image, lsn, m.within(place{pg, page}, redo.Range{After: lsn, Through: at}), nil
}

func (m *Memory) within(at place, r redo.Range) []redo.Record {
	var out []redo.Record
	for _, run := range m.runs[at] {
		for _, rec := range run {
			if r.Contains(rec.LSN) {
				out = append(out, rec)
			}
		}
	}
	return sorted(out)
}

func sorted(rs []redo.Record) []redo.Record {
	slices.SortFunc(rs, func(a, b redo.Record) int { return cmp.Compare(a.LSN, b.LSN) })
	return slices.CompactFunc(rs, func(a, b redo.Record) bool { return a.LSN == b.LSN })
}

// Records implements segment.Store.
func (m *Memory) Records(pg redo.PGID, r redo.Range, bytesMax int) ([]redo.Record, bool, error) {
	var out []redo.Record
	for at := range m.runs {
		if at.pg == pg {
			out = append(out, m.within(at, r)...)
		}
	}
	size := 0
	out = sorted(out)
	for i := range out {
		if size += len(out[i].Payload); i > 0 && size > bytesMax {
			out = out[:i]
			break
		}
	}
	return out, r.After < m.gone[pg], nil
}

// Pages implements segment.Store.
func (m *Memory) Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) ([]redo.PageID, error) {
	all := map[redo.PageID]bool{}
	for p := range m.runs {
		all[p.page] = all[p.page] || p.pg == pg && p.page > after && len(m.within(p, redo.Range{Through: at})) > 0
	}
	for p, is := range m.images {
		for l := range is {
			all[p.page] = all[p.page] || p.pg == pg && p.page > after && l <= at
		}
	}
	var out []redo.PageID
	for _, p := range slices.Sorted(maps.Keys(all)) {
		if all[p] && len(out) < limit {
			out = append(out, p)
		}
	}
	return out, nil
}

// Collect deletes what p allows to.
func (m *Memory) Collect(p segment.GarbagePlan, after redo.PageID, limit int) (boltstore.Collected, error) {
	var c boltstore.Collected
	pages, _ := m.Pages(p.PG, after, p.ReadFloor, limit)
	if len(pages) == limit {
		c.Next = pages[limit-1]
	}
	for _, page := range pages {
		at := place{p.PG, page}
		var keep redo.LSN
		for l := range m.images[at] {
			if l <= p.ReadFloor {
				keep = max(keep, l)
			}
		}
		for l := range m.images[at] {
			if l < keep {
				delete(m.images[at], l)
				c.Images++
			}
		}
		m.runs[at] = slices.DeleteFunc(m.runs[at], func(run []redo.Record) bool {
			last := run[len(run)-1].LSN
			if last > min(keep, p.LogFloor) {
				return false
			}
			m.gone[p.PG] = max(m.gone[p.PG], last)
			c.Runs++
			return true
		})
	}
	return c, nil
}
