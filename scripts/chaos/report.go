package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"sextant/scripts/chaos/check"
)

// granted is a line of the control plane's leader, or of a writer that has recovered.
type granted struct {
	epoch uint64
	node  string
	at    time.Time
}

var (
	reGrant = regexp.MustCompile(`time=(\S+) .*msg="writer granted" .*node=(db-\d+) volume_epoch=(\d+)`)
	reOpen  = regexp.MustCompile(`time=(\S+) .*msg="volume is open" node=(db-\d+) volume_epoch=(\d+)`)
)

func parseLines(re *regexp.Regexp, output string) (out []granted) {
	for _, m := range re.FindAllStringSubmatch(output, -1) {
		at, err := time.Parse(time.RFC3339Nano, m[1])
		epoch, err2 := strconv.ParseUint(m[3], 10, 64)
		if err == nil && err2 == nil {
			out = append(out, granted{epoch, m[2], at})
		}
	}
	return out
}

// grants returns whom the control plane has made the writer, from the cluster's output.
func grants(output string) []granted { return parseLines(reGrant, output) }

// takeover is one change of the writer.
type takeover struct {
	kind                string        // of the fault that asked for it
	detected, recovered time.Duration // fault to grant, grant to open
	gap                 time.Duration // longest time without an acknowledged commit round it
}

// takeovers matches the writers in a cluster's output with the faults that took their
// predecessors away. unasked counts those grants that came beneath a kind of fault and
// for which it had not asked; "" is before the first fault.
func (w *world) takeovers(output string) (out []takeover, unasked map[string]int) {
	opened := map[uint64]time.Time{}
	for _, o := range parseLines(reOpen, output) {
		opened[o.epoch] = o.at
	}
	since := func(t time.Time) int64 { return int64(t.Sub(w.h.began)) }
	unasked = map[string]int{}
	granted, served := map[int]int{}, map[int]int{} // for each fault, how many of those that it asked for; opened too
	events := append([]injection{{lost: []int64{0}, all: true}}, w.injected...)
	for _, g := range grants(output) {
		n := len(events) - 1
		for events[n].at > since(g.at) {
			n--
		}
		cause, asked := events[n], 0
		for asked < len(cause.lost) && cause.lost[asked] <= since(g.at) {
			asked++
		}
		if granted[n] < asked {
			granted[n]++
		} else {
			unasked[cause.kind]++
		}
		open, ok := opened[g.epoch]
		if !ok || served[n] == asked || cause.all {
			continue // it died on the way, nobody asked for it, or it was a start
		}
		first := cause.lost[served[n]]
		served[n] = asked
		out = append(out, takeover{cause.kind, time.Duration(since(g.at) - first), open.Sub(g.at), w.h.longest(first, since(open))})
	}
	return out, unasked
}

// quantiles renders n, p50, p99 and the largest of some milliseconds.
func quantiles(w io.Writer, what string, v []float64) {
	if len(v) == 0 {
		fmt.Fprintf(w, "%s\t0\t-\t-\t-\t\n", what)
		return
	}
	slices.Sort(v)
	at := func(p float64) float64 { return v[min(len(v)-1, int(p*float64(len(v))))] }
	fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t\n", what, len(v), at(.5), at(.99), v[len(v)-1])
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }

// undecidedMost is how many of a hundred registers may stay without a verdict.
const undecidedMost = 3

// verdict is what the checkers say of a run.
type verdict struct {
	found                []check.Anomaly
	registers, undecided int // undecided: of the registers, not checked to the end
}

// count sorts what was found into what was lost and what was only wrong.
func (v verdict) count() (lost, anomalies int) {
	for _, a := range v.found {
		switch a.Kind {
		case check.Lost, check.Stale:
			lost++
		default:
			anomalies++
		}
	}
	return lost, anomalies
}

// err returns an error if something is wrong, or if too much was not checked.
func (v verdict) err() error {
	lost, anomalies := v.count()
	switch {
	case lost+anomalies > 0:
		return fmt.Errorf("%d lost, %d anomalies", lost, anomalies)
	case 100*v.undecided > undecidedMost*v.registers:
		return fmt.Errorf("%d of %d registers are not checked: the search for an order of their operations took too long", v.undecided, v.registers)
	}
	return nil
}

// total renders a sum, and of what it is.
func total(of map[string]int) string {
	n, parts := 0, []string{}
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		n += of[kind]
		parts = append(parts, fmt.Sprintf("%s %d", cmp.Or(kind, "before any fault"), of[kind]))
	}
	return strings.TrimSpace(fmt.Sprint(n, "  ", strings.Join(parts, ", ")))
}

// print writes the table at the end of a run.
func (w *world) print(out io.Writer, output string, v verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := map[string]int{}
	for _, i := range w.injected {
		kinds[i.kind]++
	}
	fmt.Fprintf(out, "\nseed %d, %.0f s\n", w.seed, float64(w.h.now())/1e9)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FAULT\tINJECTED")
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(t, "%s\t%d\n", k, kinds[k])
	}
	t.Flush()
	lost, anomalies := v.count()
	acks, reads := w.h.counts()
	took, unasked := w.takeovers(output)
	t = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\ntransactions acknowledged\t%d\n", acks)
	fmt.Fprintf(t, "reads of readers\t%d\n", reads)
	fmt.Fprintf(t, "lost\t%d\n", lost)
	fmt.Fprintf(t, "anomalies\t%d\n", anomalies)
	fmt.Fprintf(t, "registers\t%d\n", v.registers)
	fmt.Fprintf(t, "registers not checked\t%d\n", v.undecided)
	fmt.Fprintf(t, "kills amid an ALTER TABLE\t%d of %d\n", w.amid, w.alters)
	fmt.Fprintf(t, "failovers that no fault asked for\t%s\n", total(unasked))
	t.Flush()
	fmt.Fprintln(out)
	t = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ms\tn\tp50\tp99\tmax\t")
	byKind := map[string][]takeover{}
	for _, x := range took {
		byKind[x.kind] = append(byKind[x.kind], x)
	}
	column := func(xs []takeover, f func(takeover) time.Duration) (v []float64) {
		for _, x := range xs {
			v = append(v, millis(f(x)))
		}
		return v
	}
	quantiles(t, "failovers: detection", column(took, func(x takeover) time.Duration { return x.detected }))
	quantiles(t, "failovers: recovery", column(took, func(x takeover) time.Duration { return x.recovered }))
	quantiles(t, "failovers: client-visible gap", column(took, func(x takeover) time.Duration { return x.gap }))
	for _, k := range slices.Sorted(maps.Keys(byKind)) {
		quantiles(t, "gap, "+k, column(byKind[k], func(x takeover) time.Duration { return x.gap }))
	}
	quantiles(t, "reader lag", slices.Clone(w.lags))
	t.Flush()
	for _, a := range v.found {
		fmt.Fprintln(out, strings.ToValidUTF8(a.String(), "?"))
	}
}
