package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	soakSample = 5 * time.Second
	soakThink  = 100 * time.Millisecond // of a client between two transactions, on average
	soakCalm   = 10 * time.Second       // more between two faults
	soakJudged = 20.0                   // minutes; a shorter run does not show whether anything levels off

	// A process has levelled off if the most of the last third of a run is no more than
	// this factor of the most of the middle third, or that much more.
	soakFactor = 1.15
	soakBytes  = 32 << 20
	soakFiles  = 32
)

// usage is what one process used at one moment.
type usage struct {
	at    time.Duration
	bytes int64 // resident
	files int   // descriptors
}

// soak runs the clients for long, with those faults that leave every process alive: a
// restart would hide what grows.
func (o options) soak(ctx context.Context) error {
	w, err := o.world(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	w.think = soakThink
	s := newSchedule(o.seed, o.reason == "", func(f fault) bool { return !f.ends && o.chosen(f) })
	length := time.Duration(o.minutes * float64(time.Minute))
	began := time.Now()
	sampled := w.sampleUsage(ctx, soakSample)
	err = w.suffer(ctx, o.save, o.keep, func() (event, bool) {
		e := s.next()
		e.calm += soakCalm
		return e, time.Since(began) < length
	})
	used := sampled()
	took := time.Since(began)
	if bad := printUsage(used, took); len(bad) > 0 {
		err = errors.Join(err, errors.New(strings.Join(bad, ", ")))
	}
	return err
}

// sampleUsage reads what every process uses, again and again, until stop is called, which
// returns all of it. A process that does not run is left out meanwhile.
func (w *world) sampleUsage(ctx context.Context, every time.Duration) (stop func() map[string][]usage) {
	began := time.Now()
	used := map[string][]usage{}
	sampling, cancel := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	sampler.Go(func() {
		for sampling.Err() == nil {
			for _, id := range others("") {
				if u, err := w.usage(id); err == nil {
					u.at = time.Since(began)
					used[id] = append(used[id], u)
				}
			}
			pause(sampling, every)
		}
	})
	return func() map[string][]usage { cancel(); sampler.Wait(); return used }
}

// usage returns what a process uses now.
func (w *world) usage(id string) (u usage, err error) {
	pid, err := w.c.PID(id)
	if err != nil {
		return u, err
	}
	proc := fmt.Sprintf("/proc/%d", pid)
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return u, err
	}
	u.files = len(fds)
	f, err := os.Open(filepath.Join(proc, "status"))
	if err != nil {
		return u, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kb int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kb); n == 1 {
			u.bytes = kb << 10
			return u, nil
		}
	}
	return u, fmt.Errorf("%s does not tell its memory", id)
}

// levelsOff reports whether something that was at most middle in the middle third of a
// run, and at most last in its last, has stopped growing.
func levelsOff(middle, last, more int64) bool {
	return float64(last) <= max(float64(middle)*soakFactor, float64(middle+more))
}

// printUsage prints the table, and returns which processes do not level off or were not
// measured; none after a run that is too short.
func printUsage(used map[string][]usage, took time.Duration) (bad []string) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nprocess\tMiB, middle third\tlast third\tfiles, middle third\tlast third\t\t")
	for _, id := range others("") {
		var bytes, files [3]int64
		for _, u := range used[id] {
			third := min(2, int(3*u.at/took))
			bytes[third] = max(bytes[third], u.bytes)
			files[third] = max(files[third], int64(u.files))
		}
		says := "levels off"
		switch {
		case took.Minutes() < soakJudged:
			says = "too short to tell"
		case bytes[1] == 0 || bytes[2] == 0 || files[1] == 0 || files[2] == 0:
			says = "was not measured"
			bad = append(bad, id+" "+says)
		case !levelsOff(bytes[1], bytes[2], soakBytes) || !levelsOff(files[1], files[2], soakFiles):
			says = "grows"
			bad = append(bad, id+" "+says)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t\n", id, bytes[1]>>20, bytes[2]>>20, files[1], files[2], says)
	}
	t.Flush()
	return bad
}
