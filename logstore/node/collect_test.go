package node

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
	"sextant/logstore/segment"
)

// One round of garbage collection goes through as many pages as a round may, so that a
// segment of any size is seen within the retention's time; it ends early to drain in time.
func TestCollectionSeesManyPages(t *testing.T) {
	const pages = 3*collectPages + 1
	store, err := boltstore.Open(boltstore.Options{Dir: t.TempDir(), Cluster: "c", Volume: 5, Timeline: 1, Store: 9, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, lsn := range []redo.LSN{1, 2} {
		var writes []boltstore.PageWrite
		for p := range pages {
			writes = append(writes, boltstore.PageWrite{Page: redo.PageID(p + 1), Image: fmt.Appendf(nil, "%d of %d", lsn, p), LSN: lsn})
		}
		if err := store.Write(0, writes); err != nil {
			t.Fatal(err)
		}
	}
	n := &Node{store: store, ctx: t.Context(), urgent: make(chan struct{}, 1)}
	n.bg.init()
	collected := func() (count int) {
		for p := range pages {
			if _, _, _, err := store.Page(0, redo.PageID(p+1), 1); errors.Is(err, boltstore.ErrCollected) {
				count++
			}
		}
		return count
	}
	for _, step := range []struct {
		until time.Time
		want  int
	}{{time.Now(), collectPages}, {time.Now().Add(time.Hour), pages}} {
		if err := n.collectSegment(segment.GarbagePlan{ReadFloor: 2, LogFloor: 2}, step.until); err != nil {
			t.Fatal(err)
		}
		if got := collected(); got != step.want {
			t.Fatalf("garbage of %d pages is collected, of %d; want %d", got, pages, step.want)
		}
	}
}
