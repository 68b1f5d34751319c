package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Access is one read or write of a register: a row with a value and the number of
// writes that it has had. Writes put values that nobody else writes.
type Access struct {
	Session    string
	Reader     bool // through the reader endpoint; reads only
	Key        int
	Begin, End int64
	Write      bool
	Value      int     // written or read; 0 before the first write
	Count      int     // read: writes so far
	Outcome    Outcome // of a write
}

// Registers checks that what went through the cluster endpoint is linearizable, key by
// key, which includes that everybody reads their own writes; that sessions through the
// reader endpoint do not go back; and that a count never stands for two values. It
// returns how many registers there are and how many of them were not decided, each within
// a patience of its own: what was found says nothing of those.
func Registers(history []Access, patience time.Duration) (found []Anomaly, registers, undecided int) {
	var r report
	r.counts(history)
	seen := map[int]int64{} // by when a value had been read
	for _, a := range history {
		if end, ok := seen[a.Value]; !a.Write && (!ok || a.End < end) {
			seen[a.Value] = a.End
		}
	}
	byKey := map[int][]porcupine.Operation{}
	for _, a := range history {
		switch {
		case a.Reader, a.Write && a.Outcome == Aborted:
			continue
		case a.Write && a.Outcome == Unknown:
			a.End = math.MaxInt64 // it may take effect at any time, or never
			if end, ok := seen[a.Value]; ok {
				a.End = max(a.Begin, end)
			}
		}
		byKey[a.Key] = append(byKey[a.Key], porcupine.Operation{Input: a, Call: a.Begin, Output: a, Return: a.End})
	}
	for k, ops := range byKey {
		switch porcupine.CheckOperationsTimeout(register, ops, patience) {
		case porcupine.Illegal:
			r.add(Nonlinear, "register %d: %s", k, accesses(ops))
		case porcupine.Unknown:
			undecided++
		}
	}
	return r, len(byKey), undecided
}

// register is one register: the value, and the number of writes.
var register = porcupine.Model{
	Init: func() any { return [2]int{} },
	Step: func(state, in, _ any) (bool, any) {
		s, a := state.([2]int), in.(Access)
		if a.Write {
			return true, [2]int{a.Value, s[1] + 1}
		}
		return s == [2]int{a.Value, a.Count}, s
	},
}

// counts checks what needs no search.
func (r *report) counts(history []Access) {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b Access) int { return cmp.Compare(a.Begin, b.Begin) })
	type at struct{ key, count int }
	type in struct {
		session string
		key     int
	}
	values := map[at]int{}
	last := map[in]int{}
	wrote := map[int]Outcome{}
	for _, a := range history {
		if a.Write {
			wrote[a.Value] = a.Outcome
		}
	}
	for _, a := range history {
		if a.Write {
			continue
		}
		if v, ok := values[at{a.Key, a.Count}]; ok && v != a.Value {
			r.add(Fork, "write %d of register %d was %d and is %d: %+v", a.Count, a.Key, v, a.Value, a)
		}
		values[at{a.Key, a.Count}] = a.Value
		if before := last[in{a.Session, a.Key}]; a.Count < before {
			r.add(Backwards, "register %d after write %d, then %d: %+v", a.Key, before, a.Count, a)
		}
		last[in{a.Session, a.Key}] = a.Count
		if o, ok := wrote[a.Value]; a.Value != 0 && !ok {
			r.add(Phantom, "nobody wrote %d: %+v", a.Value, a)
		} else if o == Aborted {
			r.add(DirtyRead, "the write of %d failed: %+v", a.Value, a)
		}
	}
}

func accesses(ops []porcupine.Operation) (text string) {
	for _, o := range ops[max(0, len(ops)-40):] {
		a := o.Input.(Access)
		text += fmt.Sprintf(" [%s %.3f–%.3f", a.Session, float64(a.Begin)/1e9, float64(a.End)/1e9)
		if a.Write {
			text += fmt.Sprintf(" write %d %s]", a.Value, a.Outcome)
		} else {
			text += fmt.Sprintf(" read %d (%d)]", a.Value, a.Count)
		}
	}
	return text
}
