package btree

import (
	"context"

	"sextant/internal/page"
)

// Estimate returns about how many keys are in [lo, hi); nil is no bound. It reads
// the ways down to both and one in the middle between them, no more. It is exact if
// both end in the same leaf, and good where pages are filled alike.
func (t Tree) Estimate(ctx context.Context, p Pager, lo, hi []byte) (float64, error) {
	a, err := t.way(ctx, p, func(b []byte) int { return placeOf(b, lo) })
	if err != nil {
		return 0, err
	}
	b, err := t.way(ctx, p, func(b []byte) int {
		switch {
		case hi != nil:
			return placeOf(b, hi)
		case page.Level(b) > 0:
			return page.Len(b) - 1
		}
		return page.Len(b)
	})
	if err != nil {
		return 0, err
	}
	if len(a) != len(b) {
		return 0, ErrCorrupt // one snapshot has one root
	}
	part := 0 // the depth at which the two ways part
	for part < len(a)-1 && a[part].i == b[part].i {
		part++
	}
	if a[part].i >= b[part].i {
		return 0, nil // hi is at or below lo
	}
	if part == len(a)-1 {
		return float64(b[part].i - a[part].i), nil
	}
	d := -1
	mid, err := t.way(ctx, p, func(b2 []byte) int {
		switch d++; {
		case d < part:
			return a[d].i
		case d == part:
			return (a[d].i + b[d].i) / 2
		}
		return page.Len(b2) / 2
	})
	if err != nil {
		return 0, err
	}
	// From the leaves up, keys is the mean number of keys below one cell. The
	// subtrees that the ways go through are counted below, hence the -1.
	rows, keys := 0.0, 1.0
	for d := len(a) - 1; d > part; d-- {
		through := 1
		if d == len(a)-1 {
			through = 0
		}
		rows += float64(a[d].cells-a[d].i-through+b[d].i) * keys
		keys *= float64(mid[d].cells)
	}
	return rows + float64(b[part].i-a[part].i-1)*keys, nil
}

func placeOf(b, key []byte) int {
	if page.Level(b) > 0 {
		return page.SearchChild(b, key)
	}
	i, _ := page.Search(b, key)
	return i
}

type place struct {
	i, cells int
}

// way goes down from the root by the cells that choose picks, and returns them.
func (t Tree) way(ctx context.Context, p Pager, choose func(b []byte) int) ([]place, error) {
	var out []place
	id, level := t.Root, -1
	for {
		b, err := t.page(ctx, p, id, level)
		if err != nil {
			return nil, err
		}
		i := choose(b)
		out = append(out, place{i, page.Len(b)})
		if level = page.Level(b); level == 0 {
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
