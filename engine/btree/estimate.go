package btree

import (
	"context"

	"sextant/internal/page"
)

// Estimate returns about how many keys are in [lo, hi); nil is no bound. It reads
// the two ways down, no more. It is exact if both end in the same leaf, and good
// where pages are filled alike.
func (t Tree) Estimate(ctx context.Context, p Pager, lo, hi []byte) (float64, error) {
	a, err := t.way(ctx, p, lo, false)
	if err != nil {
		return 0, err
	}
	b, err := t.way(ctx, p, hi, hi == nil)
	if err != nil {
		return 0, err
	}
	if len(a) != len(b) {
		return 0, ErrCorrupt // one snapshot has one root
	}
	// per[d] is the mean number of keys below one cell at depth d of the ways.
	per := make([]float64, len(a))
	for d, keys := len(a)-1, 1.0; d >= 0; d-- {
		per[d] = keys
		keys *= float64(a[d].cells+b[d].cells) / 2
	}
	rows := 0.0
	parted := false
	for d := range a {
		switch {
		case !parted && a[d].i >= b[d].i && d < len(a)-1:
			if a[d].i > b[d].i {
				return 0, nil // hi is below lo
			}
		case !parted:
			between := b[d].i - a[d].i
			if d < len(a)-1 {
				between-- // the subtree of a is counted below
			}
			rows += float64(max(between, 0)) * per[d]
			parted = true
		default:
			behind := a[d].cells - a[d].i
			if d < len(a)-1 {
				behind-- // all but the subtree that the way goes through
			}
			rows += float64(behind+b[d].i) * per[d]
		}
	}
	return rows, nil
}

type place struct {
	i, cells int
}

// way returns the place of a key, or of the end, in every page on its way down.
func (t Tree) way(ctx context.Context, p Pager, key []byte, end bool) ([]place, error) {
	var out []place
	id, level := t.Root, -1
	for {
		b, err := t.page(ctx, p, id, level)
		if err != nil {
			return nil, err
		}
		n := page.Len(b)
		level = page.Level(b)
		i := 0
		switch {
		case end && level == 0:
			i = n
		case end:
			i = n - 1
		case level == 0:
			i, _ = page.Search(b, key)
		default:
			i = page.SearchChild(b, key)
		}
		out = append(out, place{i, n})
		if level == 0 {
			return out, nil
		}
		id, level = page.Child(b, i), level-1
	}
}

// Sample reads one leaf, drawn by the caller's draw(n) in [0, n) at each level,
// and calls visit for its cells, with a long value's head only. It returns the
// reciprocal of the probability of that leaf: the mean of weight × cells over many
// samples estimates the number of keys without bias, the mean of weight the leaves.
func (t Tree) Sample(
	ctx context.Context, p Pager, draw func(n int) int, visit func(key, value []byte),
) (weight float64, err error) {
	id, level := t.Root, -1
	for weight = 1; ; {
		b, err := t.page(ctx, p, id, level)
		if err != nil {
			return 0, err
		}
		n := page.Len(b)
		if level = page.Level(b); level > 0 {
			weight *= float64(n)
			id, level = page.Child(b, draw(n)), level-1
			continue
		}
		for i := range n {
			key, value, long := page.Cell(b, i)
			if long && len(value) >= refSize {
				value = value[refSize:]
			}
			visit(key, value)
		}
		return weight, nil
	}
}
