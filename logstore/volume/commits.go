package volume

import (
	"cmp"
	"slices"

	"sextant/internal/redo"
)

// CommitQueue holds what waits for VDL to pass an LSN, each with a value that says
// whom to tell. The zero value is empty.
//
// Source: SIGMOD 2017 §4.2.2.
type CommitQueue[T any] struct{ heap []parked[T] }

type parked[T any] struct {
	lsn   redo.LSN
	value T
}

// Park adds a value that Release returns once VDL has reached lsn.
func (q *CommitQueue[T]) Park(lsn redo.LSN, value T) {
	q.heap = append(q.heap, parked[T]{lsn, value})
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if q.heap[up].lsn <= q.heap[i].lsn {
			break
		}
		q.heap[up], q.heap[i] = q.heap[i], q.heap[up]
		i = up
	}
}

// Release removes every value whose LSN is at or below vdl and appends them to dst,
// in LSN order; those of one LSN in no particular order.
func (q *CommitQueue[T]) Release(vdl redo.LSN, dst []T) []T {
	for len(q.heap) > 0 && q.heap[0].lsn <= vdl {
		dst = append(dst, q.heap[0].value)
		q.pop()
	}
	return dst
}

// Forget removes the values that nobody waits for any more. It looks at all of them.
func (q *CommitQueue[T]) Forget(gone func(T) bool) {
	q.heap = slices.DeleteFunc(q.heap, func(p parked[T]) bool { return gone(p.value) })
	slices.SortFunc(q.heap, func(a, b parked[T]) int { return cmp.Compare(a.lsn, b.lsn) }) // sorted is a heap
}

// Drain removes and returns every value, in LSN order: the volume is closed.
func (q *CommitQueue[T]) Drain(dst []T) []T { return q.Release(^redo.LSN(0), dst) }

// Len returns how many values are parked.
func (q *CommitQueue[T]) Len() int { return len(q.heap) }

func (q *CommitQueue[T]) pop() {
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = parked[T]{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		low := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.heap[c].lsn < q.heap[low].lsn {
				low = c
			}
		}
		if low == i {
			return
		}
		q.heap[i], q.heap[low] = q.heap[low], q.heap[i]
		i = low
	}
}
