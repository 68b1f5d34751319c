package volume

// slot is what the Tracker keeps of a record above VDL: 12 bytes, no pointer.
type slot struct {
	pg   uint32
	size uint32 // payload bytes
	cpl  bool
}

// ring is a queue of slots in LSN order.
type ring struct {
	buf  []slot // its length is a power of two
	head int
	n    int
}

func (r *ring) at(i int) *slot { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring) push(s slot) {
	if r.n == len(r.buf) {
		bigger := make([]slot, max(1024, 2*len(r.buf)))
		for i := range r.n {
			bigger[i] = *r.at(i)
		}
		r.buf, r.head = bigger, 0
	}
	r.n++
	*r.at(r.n - 1) = s
}

func (r *ring) drop(n int) {
	r.head = (r.head + n) & (len(r.buf) - 1)
	r.n -= n
}
