package node

import "testing"

// After a commit of many times the budget input is admitted at once, and again after each
// part that is drained; however much comes, memory falls to the limit, and does not pass it
// by more than half a part and one input.
func TestCeilingAdmitsInputWhileALargeCommitIsDrained(t *testing.T) {
	const limit, part, input = 64, 16, 1
	c := ceiling{limit: limit, part: part}
	bytes, drainable, waited, drains := int64(0), int64(0), 0, 0
	for range 500 { // not drainable: accepted, however much it is
		if bytes++; !c.admits(bytes, drainable) {
			t.Fatalf("kept out at %d bytes, of which none can be drained", bytes)
		}
	}
	drainable = bytes
	for range 100 {
		admitted := 0
		for c.admits(bytes, drainable) {
			if bytes, drainable = bytes+input, drainable+input; bytes > limit && admitted > part {
				break // below the limit anything is
			}
			admitted++
		}
		if admitted == 0 {
			waited++
		}
		before := bytes
		bytes, drainable = bytes-min(part, bytes), drainable-min(part, drainable)
		c.freed(before - bytes)
		drains++
	}
	if waited > 0 {
		t.Errorf("of %d drains %d let nothing in", drains, waited)
	}
	if bytes > limit+part/2+input {
		t.Errorf("%d bytes in memory after %d drains, the limit is %d", bytes, drains, limit)
	}
}
