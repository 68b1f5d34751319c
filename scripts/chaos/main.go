// Command chaos runs a cluster of real processes under load, breaks it, and checks what
// clients saw. What it does is one of these modes:
//
//   - chaos: a schedule of faults of every kind, some with another beneath, drawn from -seed; the histories of bank
//     transfers, list-append transactions, unique inserts and registers are checked against
//     the isolation levels (package check), over the writer and the readers together
//   - soak: the same for long, with the memory and files of every process that is not killed judged
//   - kills, hung, switchover: the distribution of what a client sees of these
//   - recovery: the time of a recovery with little and with much data
//   - lag: the readers' lag under sysbench
//
// Times are reported, not gated. It fails when something was lost, an anomaly was seen,
// too much could not be checked, the cluster did not recover by itself, or a process does
// not stop growing.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/cluster"
)

type options struct {
	mode      string
	minutes   float64
	seed      uint64
	n         int
	megabytes int
	binary    string
	save      string
	only      string
	keep      bool

	dir    string
	log    *os.File
	reason string // why there are no namespaces; "" if there are
}

func main() {
	var o options
	flag.StringVar(&o.mode, "mode", "chaos", "chaos, soak, kills, hung, switchover, recovery or lag")
	flag.Float64Var(&o.minutes, "minutes", 10, "how long chaos and soak go on")
	flag.Uint64Var(&o.seed, "seed", 0, "of the schedule and of what clients do; 0 draws one")
	flag.IntVar(&o.n, "n", 100, "how often kills, hung and switchover do it, or seconds of lag")
	flag.IntVar(&o.megabytes, "megabytes", 2000, "of table data, for recovery")
	flag.StringVar(&o.binary, "binary", "", "the program; one with the seams of faults is built otherwise")
	flag.StringVar(&o.save, "save", ".", "directory for histories that fail")
	flag.StringVar(&o.only, "only", "", "kinds of faults, separated by commas; empty: all")
	flag.BoolVar(&o.keep, "log", false, "keep the cluster's output, also if nothing fails")
	flag.Parse()
	o.reason = enter()
	quietDriver()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1)
	}
}

// quietDriver keeps the driver from telling of broken connections: they are what is asked for.
func quietDriver() { _ = mysql.SetLogger(log.New(io.Discard, "", 0)) }

func (o options) run(ctx context.Context) (err error) {
	modes := map[string]func(options, context.Context) error{"chaos": options.chaos, "soak": options.soak, "kills": options.kills,
		"hung": options.hung, "switchover": options.switchovers, "recovery": options.recovery, "lag": options.lag}
	mode, ok := modes[o.mode]
	if !ok {
		return fmt.Errorf("-mode %q is none", o.mode)
	}
	if o.dir, err = os.MkdirTemp("", "sextant-chaos"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	if o.binary == "" {
		fmt.Fprintln(os.Stderr, "building")
		if o.binary, err = cluster.Build(o.dir, "faults"); err != nil {
			return err
		}
	}
	if o.log, err = os.Create(filepath.Join(o.dir, "log")); err != nil {
		return err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	return mode(o, ctx)
}

// chosen reports whether -only names a fault.
func (o options) chosen(f fault) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), f.kind)
}

// say prints a line of progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// world starts a cluster for chaos or soak.
func (o options) world(ctx context.Context) (*world, error) {
	if o.reason != "" {
		say("no faults of networks and disks: %s (root, or user namespaces, and iproute2 are needed)", o.reason)
	}
	say("seed %d; starting a cluster", o.seed)
	return newWorld(ctx, worldOptions{binary: o.binary, dir: o.dir, namespaces: o.reason == "", seed: o.seed, log: o.log, say: say})
}

func (o options) chaos(ctx context.Context) error {
	w, err := o.world(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	s := newSchedule(o.seed, o.reason == "", o.chosen)
	end := time.Now().Add(time.Duration(o.minutes * float64(time.Minute)))
	return w.suffer(ctx, o.save, o.keep, func() (event, bool) { return s.next(), time.Now().Before(end) })
}

// suffer runs the clients through a sequence of faults, checks what they saw, prints the
// table, and saves the history if something is wrong.
func (w *world) suffer(ctx context.Context, save string, keep bool, next func() (event, bool)) error {
	l := w.startWorkload(w.seed)
	sampling, stop := context.WithCancel(ctx)
	sampled := make(chan struct{})
	go func() { w.sampleLag(sampling); close(sampled) }()
	err := w.progress(ctx, 50, 10)
	for err == nil && ctx.Err() == nil {
		e, more := next()
		if !more {
			break
		}
		err = w.perform(ctx, e)
	}
	stop()
	<-sampled
	l.end()
	if err == nil {
		err = l.last(ctx)
	}
	say("checking the histories")
	v := w.h.check()
	output := w.c.History()
	w.print(os.Stdout, output, v)
	if err == nil {
		err = v.err()
	}
	for line := range strings.Lines(output) {
		if err == nil && cluster.Never(line) {
			err = fmt.Errorf("a process has printed: %s", line)
		}
	}
	if err != nil || keep {
		dir, failed := w.h.save(save, w.seed, v.found, output)
		if failed != nil {
			say("the history is not saved: %v", failed)
		} else {
			say("history and output: %s", dir)
		}
	}
	return err
}
