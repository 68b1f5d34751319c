package segment

import (
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/internal/redo"
)

// dumb is what a segment holds, as a set of records; everything is computed anew.
type dumb map[redo.LSN]redo.LSN // LSN → LSN before it in the group

func (d dumb) from(start redo.LSN) redo.LSN {
	for {
		next, ok := redo.LSN(0), false
		for l, prev := range d {
			if prev == start {
				next, ok = l, true
			}
		}
		if !ok {
			return start
		}
		start = next
	}
}

// groupChain makes the LSNs of one group's records: other groups' lie between.
func groupChain(r *rand.Rand, n int) []redo.LSN {
	chain := []redo.LSN{0}
	for range n {
		chain = append(chain, chain[len(chain)-1]+1+redo.LSN(r.IntN(3)))
	}
	return chain
}

// Records arrive in any order, repeatedly, with truncations between: SCL, tail from
// any start point, and the holes are those of the set that is held.
func TestRunsAgainstSet(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		chain := groupChain(r, 1+r.IntN(30))
		var rs runs
		d := dumb{}
		for range 80 {
			i := 1 + r.IntN(len(chain)-1)
			_, known := d[chain[i]]
			if got := rs.add(chain[i-1], chain[i]); (got == addedKnown) != known || got == addedFork {
				t.Fatalf("seed %d: add %d after %d to %v gives %d, known %v", seed, chain[i], chain[i-1], rs, got, known)
			}
			d[chain[i]] = chain[i-1]
			if r.IntN(20) == 0 {
				h := r.IntN(len(chain))
				rs = rs.cut(redo.Hint{VDL: chain[h], PGLast: chain[h]})
				for l := range d {
					if l > chain[h] {
						delete(d, l)
					}
				}
			}
			checkRuns(t, seed, rs, d, chain)
		}
	}
}

func checkRuns(t *testing.T, seed uint64, rs runs, d dumb, chain []redo.LSN) {
	t.Helper()
	for _, start := range chain {
		if got, want := rs.from(start), d.from(start); got != want {
			t.Fatalf("seed %d: %v from %d is %d, want %d", seed, rs, start, got, want)
		}
	}
	last := chain[len(chain)-1]
	holes := rs.holes(last, 100)
	for _, l := range chain[1:] {
		_, held := d[l]
		missing := slices.ContainsFunc(holes, func(h redo.Range) bool { return h.Contains(l) })
		if held == missing {
			t.Fatalf("seed %d: %d held %v, but holes of %v are %v", seed, l, held, rs, holes)
		}
	}
	for i := 1; i < len(rs); i++ {
		if rs[i-1].through >= rs[i].after {
			t.Fatalf("seed %d: runs touch: %v", seed, rs)
		}
	}
}

// Every order of five records of one group gives the same single run.
func TestRunsEveryOrder(t *testing.T) {
	chain := []redo.LSN{0, 2, 3, 7, 8, 11}
	var permute func(left []int, done []int)
	permute = func(left, done []int) {
		if len(left) == 0 {
			var rs runs
			for _, i := range done {
				rs.add(chain[i-1], chain[i])
			}
			if len(rs) != 1 || rs[0] != (run{0, 11}) {
				t.Errorf("order %v gives %v", done, rs)
			}
			return
		}
		for k := range left {
			permute(slices.Delete(slices.Clone(left), k, k+1), append(slices.Clone(done), left[k]))
		}
	}
	permute([]int{1, 2, 3, 4, 5}, nil)
}

func TestRunsFork(t *testing.T) {
	rs := runs{{0, 5}}
	if got := rs.add(3, 9); got != addedFork {
		t.Errorf("a second successor of 3 gives %d, want a fork", got)
	}
}

// A cut in the middle of a run ends at the hint's part of the group, which is
// lower than the hint's VDL if the group was idle.
func TestRunsCutAtHint(t *testing.T) {
	rs := runs{{0, 5}, {8, 20}, {30, 40}}
	if got, want := rs.cut(redo.Hint{VDL: 15, PGLast: 12}), (runs{{0, 5}, {8, 12}}); !slices.Equal(got, want) {
		t.Errorf("cut gives %v, want %v", got, want)
	}
}
