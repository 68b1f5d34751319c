package segment_test

import "testing"

// A drain in parts comes to the highest page though a low one is given as much with each
// part as a part moves; then the first frames are not needed any more.
func TestDrainInPartsIsOnePass(t *testing.T) {
	const pages = 20
	h, more := loaded(t, 1000, 10*pages, pages)
	first, parts := h.OldestFrame(), 0
	for p := h.Drain(0, 0); p != nil; p = h.Drain(0, p.Next) {
		if parts++; parts > pages {
			t.Fatal("a pass does not end")
		}
		h.Drained(p)
		more(10, 1, 0)
		if p.Next == 0 {
			break
		}
	}
	if parts < 2 || h.OldestFrame() <= first {
		t.Fatalf("%d parts, oldest frame %d", parts, h.OldestFrame())
	}
}

// What a drain would free is what it frees.
func TestDrainableIsWhatADrainFrees(t *testing.T) {
	h, more := loaded(t, 1000, 200, 20)
	each := h.Memory() / 200
	expect := func(records int64) {
		t.Helper()
		if got := h.Drainable(); got != records*each {
			t.Fatalf("%d bytes, not of %d records", got, records)
		}
	}
	expect(200)
	more(10, 1, 4)
	expect(206)
	more(10, 2, 14)
	expect(206)
	more(1, 2, 0)
	expect(221)
	for p := h.Drain(0, 0); p != nil; p = h.Drain(0, p.Next) {
		before := h.Memory()
		expect(before / each)
		h.Drained(p)
		expect(h.Memory() / each)
	}
	expect(0)
}
