package check

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// parse makes a history of lines "session begin-end outcome op op …". An op is k+v for an
// append of v to k, or k=v,v,… for a read; a session that starts with r is a reader's;
// outcomes are c, a and u.
func parse(t *testing.T, text string) (out []Txn) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(text)) {
		f := strings.Fields(line)
		x := Txn{Session: f[0], Reader: f[0][0] == 'r', Outcome: map[string]Outcome{"c": Committed, "a": Aborted, "u": Unknown}[f[2]]}
		if _, err := fmt.Sscanf(f[1], "%d-%d", &x.Begin, &x.End); err != nil {
			t.Fatal(line, err)
		}
		for _, o := range f[3:] {
			var op Op
			if _, err := fmt.Sscanf(o, "%d+%d", &op.Key, &op.Append); err != nil {
				key, values, _ := strings.Cut(o, "=")
				fmt.Sscan(key, &op.Key)
				for _, v := range strings.FieldsFunc(values, func(r rune) bool { return r == ',' }) {
					var n int
					fmt.Sscan(v, &n)
					op.Read = append(op.Read, n)
				}
			}
			x.Ops = append(x.Ops, op)
		}
		out = append(out, x)
	}
	return out
}

func kinds(found []Anomaly) (out []string) {
	for _, a := range found {
		if !slices.Contains(out, a.Kind) {
			out = append(out, a.Kind)
		}
	}
	slices.Sort(out)
	return out
}

// Histories that are wrong on purpose, one for each kind, and those that only look so.
func TestListAppend(t *testing.T) {
	all := []Level{RepeatableRead, SnapshotIsolation, Serializable}
	for _, c := range []struct {
		name, history string
		levels        []Level // at which it is wrong; at the others it is right
		want          string
	}{
		{"one after the other", `
			a 0-1 c 1+1 2+1
			b 2-3 c 1=1 1+2 1=1,2
			r 4-5 c 1=1,2 2=1`, nil, ""},
		{"a reader may be behind", `
			a 0-1 c 1+1
			r 2-3 c 1=`, nil, ""},
		{"concurrent ones in either order", `
			a 0-9 c 1+1
			b 1-8 c 1+2
			c 10-11 c 1=2,1`, nil, ""},
		{"commit in doubt that took effect", `
			a 0-1 u 1+1
			b 2-3 c 1=1`, nil, ""},
		{"commit in doubt that did not", `
			a 0-1 u 1+1 1=1
			b 2-3 c 1=
			c 4-5 c 1+2 1=2`, nil, ""},
		{"commit in doubt that takes effect late", `
			a 0-1 u 1+1
			b 2-3 c 1=
			c 4-5 c 1=1`, nil, ""},
		{"acknowledged and gone", `
			a 0-1 c 1+1
			b 2-3 c 1=`, all, Stale},
		{"acknowledged, shown, and gone", `
			a 0-1 c 1+1
			b 2-3 c 1=1
			c 4-5 c 1=`, all, Stale},
		{"in doubt, shown, and gone", `
			a 0-1 u 1+1
			r 2-3 c 1=1
			c 4-5 c 1=`, all, Stale},
		{"a reader ahead of what the writer then shows", `
			a 0-9 c 1+1
			r 1-2 c 1=1
			b 3-4 c 1=`, all, Stale},
		{"a reader goes back", `
			a 0-1 c 1+1
			r 2-3 c 1=1
			r 4-5 c 1=`, all, Backwards},
		{"read of an aborted value", `
			a 0-1 a 1+1
			b 2-3 c 1=1`, all, DirtyRead},
		{"read of an overwritten value", `
			a 0-9 c 1+1 1+2
			b 1-2 c 1=1
			c 10-11 c 1=1,2`, all, ReadSkew + " " + Intermediate},
		{"nobody wrote it", `
			b 2-3 c 1=7`, all, Phantom},
		{"one append twice", `
			a 0-1 c 1+1
			b 2-3 c 1=1,1`, all, Duplicate},
		{"two orders", `
			a 0-9 c 1+1
			b 0-9 c 1+2
			r 1-9 c 1=1,2
			s 1-9 c 1=2,1`, all, Fork},
		{"own append is not seen", `
			a 0-1 c 1+1 1=`, all, Internal},
		{"two reads differ", `
			a 0-9 c 1+1
			b 1-8 c 1= 1=1`, all, ReadSkew + " " + Internal},
		{"two versions overwritten crosswise", `
			a 0-9 c 1+1 2+1
			b 0-9 c 1+2 2+2
			c 10-11 c 1=1,2 2=2,1`, all, Circular + " " + WriteCycle},
		{"each reads the other", `
			a 0-9 c 1+1 2=1
			b 0-9 c 2+1 1=1`, all, Circular},
		{"torn among two keys, on a reader", `
			a 0-1 c 1+1 2+1
			r 2-3 c 1=1 2=`, all, ReadSkew},
		{"two readers see two commits in two orders", `
			a 0-9 c 1+1
			b 0-9 c 2+1
			r 1-2 c 1=1 2=
			s 1-2 c 1= 2=1`, []Level{RepeatableRead, SnapshotIsolation, Serializable}, Nonadjacent},
		{"lost update: a snapshot read, then a blind append", `
			a 0-9 c 1= 1+1
			b 0-9 c 1= 1+2
			c 10-11 c 1=1,2`, []Level{SnapshotIsolation, Serializable}, ReadSkew},
		{"write skew", `
			a 0-9 c 1= 2+1
			b 0-9 c 2= 1+1`, []Level{Serializable}, WriteSkew},
		{"acknowledged first, ordered last", `
			a 0-1 c 1+1
			b 2-3 c 1+2
			c 4-5 c 1=2,1`, all, Circular + " " + WriteCycle},
	} {
		for _, level := range all {
			found := ListAppend(parse(t, c.history), level)
			bad := slices.Contains(c.levels, level)
			if bad && len(found) == 0 || !bad && len(found) > 0 {
				t.Errorf("%s at %s: %v", c.name, level, found)
			}
			for _, k := range kinds(found) {
				if !strings.Contains(c.want, k) {
					t.Errorf("%s at %s: %v, want %s", c.name, level, found, c.want)
				}
			}
		}
	}
}

// serial makes a correct history of n transactions by executing them one after the other.
func serial(rng *rand.Rand, n int) (out []Txn) {
	state := map[int][]int{}
	for i := range n {
		at := int64(10 * i)
		x := Txn{Session: fmt.Sprint("s", rng.IntN(8)), Begin: at, End: at + 5, Outcome: Committed}
		for range 1 + rng.IntN(4) {
			k := i/200*8 + rng.IntN(8)
			if rng.IntN(2) == 0 {
				state[k] = append(state[k], i*8+len(x.Ops)+1)
				x.Ops = append(x.Ops, Op{Key: k, Append: i*8 + len(x.Ops) + 1})
			} else {
				x.Ops = append(x.Ops, Op{Key: k, Read: slices.Clone(state[k])})
			}
		}
		out = append(out, x)
	}
	return out
}

// Long right histories are right; with one read of one transaction put back by a
// version, they are wrong.
func TestListAppendMutated(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := serial(rng, 2000)
		if found := ListAppend(h, Serializable); len(found) > 0 {
			t.Fatalf("seed %d: a serial history: %v", seed, found)
		}
		for {
			x := &h[rng.IntN(len(h))]
			i := rng.IntN(len(x.Ops))
			if o := &x.Ops[i]; len(o.Read) > 0 {
				o.Read = o.Read[:len(o.Read)-1]
				break
			}
		}
		if found := ListAppend(h, Serializable); len(found) == 0 {
			t.Errorf("seed %d: a read that is one version old is not found", seed)
		}
	}
}

func TestBank(t *testing.T) {
	moves := []Transfer{{0, 10, Committed}, {20, 30, Unknown}, {40, 50, Aborted}}
	for want, reads := range map[string][]Sums{
		"":        {{"w", false, 11, 12, 100, 2}, {"w", false, 31, 32, 100, 4}, {"r", true, 33, 34, 100, 0}},
		Torn:      {{"r", true, 11, 12, 90, 2}},
		Backwards: {{"r", true, 11, 12, 100, 2}, {"r", true, 13, 14, 100, 0}},
		Stale:     {{"w", false, 11, 12, 100, 0}},
		Phantom:   {{"r", true, 60, 61, 100, 6}},
	} {
		if got := strings.Join(kinds(Bank(moves, reads, 100)), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRegisters(t *testing.T) {
	write := func(s string, begin, end int64, v int, o Outcome) Access {
		return Access{Session: s, Key: 1, Begin: begin, End: end, Write: true, Value: v, Outcome: o}
	}
	read := func(s string, begin, end int64, v, count int) Access {
		return Access{Session: s, Reader: s[0] == 'r', Key: 1, Begin: begin, End: end, Value: v, Count: count}
	}
	for _, c := range []struct {
		want    string
		history []Access
	}{
		{"", []Access{write("a", 0, 1, 1, Committed), read("a", 2, 3, 1, 1), read("r", 4, 5, 0, 0), read("r", 6, 7, 1, 1)}},
		{"", []Access{write("a", 0, 1, 1, Unknown), read("b", 2, 3, 0, 0), read("b", 8, 9, 1, 1)}},
		{"", []Access{write("a", 0, 1, 1, Unknown), read("b", 2, 3, 0, 0)}},
		{Nonlinear, []Access{write("a", 0, 1, 1, Committed), read("a", 2, 3, 0, 0)}},
		{Nonlinear, []Access{write("a", 0, 1, 1, Committed), write("a", 2, 3, 2, Committed), read("b", 4, 5, 1, 1)}},
		{Nonlinear, []Access{write("a", 0, 1, 1, Committed), write("b", 2, 3, 2, Committed), read("c", 4, 5, 2, 1)}},
		{Backwards, []Access{write("a", 0, 1, 1, Committed), read("r", 2, 3, 1, 1), read("r", 4, 5, 0, 0)}},
		{Fork, []Access{write("a", 0, 9, 1, Committed), write("b", 0, 9, 2, Committed), read("r1", 2, 3, 1, 1), read("r2", 4, 5, 2, 1)}},
		{Phantom, []Access{read("r", 2, 3, 7, 1)}},
		{DirtyRead, []Access{write("a", 0, 1, 1, Aborted), read("r", 2, 3, 1, 1)}},
	} {
		found, registers, undecided := Registers(c.history, time.Minute)
		if got := strings.Join(kinds(found), " "); got != c.want || registers > 1 || undecided > 0 {
			t.Errorf("got %q, want %q, %d of %d registers are not decided: %+v", got, c.want, undecided, registers, c.history)
		}
	}
}

// A register whose search has no end in sight is told, and takes nothing from others.
func TestRegistersUndecided(t *testing.T) {
	history := []Access{{Key: 2, Write: true, Value: 99, End: 1, Outcome: Committed}, {Session: "a", Key: 2, Begin: 2, End: 3}}
	for i := range 60 { // in every order, and none gives the count that is read
		history = append(history, Access{Key: 1, Begin: int64(i), Write: true, Value: i + 1, Outcome: Unknown})
	}
	history = append(history, Access{Session: "a", Key: 1, Begin: 100, End: 101, Value: 60, Count: 61})
	found, registers, undecided := Registers(history, 100*time.Millisecond)
	if got := strings.Join(kinds(found), " "); got != Nonlinear || registers != 2 || undecided != 1 {
		t.Errorf("got %q, %d of %d registers are not decided", got, undecided, registers)
	}
	// What somebody has read had taken effect by then.
	for i := range 60 {
		history = append(history, Access{Session: "r", Reader: true, Key: 1, Begin: int64(200 + i), End: int64(i + 1), Value: i + 1, Count: i + 1})
	}
	if _, _, undecided = Registers(history, time.Minute); undecided != 0 {
		t.Error("unknown writes that were read make a search without an end")
	}
}

func TestInserts(t *testing.T) {
	tries := []Insert{{1, 10, Committed, false}, {2, 10, Aborted, true}, {3, 11, Unknown, false}, {4, 12, Aborted, false}}
	rows := []Row{{1, 10}}
	for _, c := range []struct {
		want           string
		tries          []Insert
		byKey, byIndex []Row
	}{
		{"", tries, rows, rows},
		{"", tries, append(rows, Row{3, 11}), append(rows, Row{3, 11})},
		{Lost, tries, nil, nil},
		{Lost, []Insert{{2, 10, Aborted, true}}, nil, nil},
		{DirtyRead, tries, append(rows, Row{4, 12}), append(rows, Row{4, 12})},
		{Duplicate, append(tries, Insert{5, 10, Committed, false}), append(rows, Row{5, 10}), append(rows, Row{5, 10})},
		{Phantom, tries, append(rows, Row{9, 19}), append(rows, Row{9, 19})},
		{Torn, tries, rows, nil},
		{Torn, tries, rows, append(rows, Row{3, 11})},
	} {
		if got := strings.Join(kinds(Inserts(c.tries, c.byKey, c.byIndex)), " "); got != c.want {
			t.Errorf("got %q, want %q: %+v", got, c.want, c)
		}
	}
}
