package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

	// A process has levelled off if what it uses for nine tenths of the last third of a run
	// at most is no more than that much above the same of the middle third. An instance
	// that becomes the writer between them uses some 10 MiB and 25 files more.
	soakBytes = 16 << 20
	soakFiles = 32
)

// victims are killed again and again in a soak. What they use is not judged: it begins
// anew. What the others keep of a peer that dies and returns is.
var victims = []string{"storage-6", "control-3", "db-3"}

// thoseThatFollow are the victims without those that lead, whose death would be a failover.
func thoseThatFollow(ctx context.Context, w *world, _ *rand.Rand) (ids []string, err error) {
	leader, err := raftLeader(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	writer, err := w.writer(ctx)
	for _, id := range victims {
		if id != writer && id != leader[0] {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// usage is what one process used at one moment.
type usage struct {
	at    time.Duration
	bytes int64 // resident
	files int   // descriptors
}

// soak runs the clients for long, with those faults that leave every process alive, as a
// restart would hide what grows; before each, the victims are killed.
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
	kills := 0
	err = w.suffer(ctx, o.save, o.keep, func() (event, bool) {
		var e event
		if kills++; kills%2 == 1 {
			e.fault = fault{"kill victims", false, true, 0, kill(thoseThatFollow)}
		} else {
			e = s.next()
		}
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

// mostly returns what nine tenths of some samples are at most; 0 without any.
func mostly(us []usage, of func(usage) int64) int64 {
	if len(us) == 0 {
		return 0
	}
	var v []int64
	for _, u := range us {
		v = append(v, of(u))
	}
	slices.Sort(v)
	return v[(9*len(v)-1)/10]
}

// printUsage prints the table, and returns which processes do not level off or were not
// measured; none after a run that is too short.
func printUsage(used map[string][]usage, took time.Duration) (bad []string) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nprocess\tMiB, middle third\tlast third\tfiles, middle third\tlast third\t\t")
	for _, id := range others("") {
		var thirds [3][]usage
		for _, u := range used[id] {
			third := min(2, int(3*u.at/took))
			thirds[third] = append(thirds[third], u)
		}
		var bytes, files [3]int64
		for i, us := range thirds {
			bytes[i], files[i] = mostly(us, func(u usage) int64 { return u.bytes }), mostly(us, func(u usage) int64 { return int64(u.files) })
		}
		says := "levels off"
		switch {
		case slices.Contains(victims, id):
			says = "is killed"
		case took.Minutes() < soakJudged:
			says = "too short to tell"
		case bytes[1] == 0 || bytes[2] == 0 || files[1] == 0 || files[2] == 0:
			says = "was not measured"
			bad = append(bad, id+" "+says)
		case bytes[2] > bytes[1]+soakBytes || files[2] > files[1]+soakFiles:
			says = "grows"
			bad = append(bad, id+" "+says)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t\n", id, bytes[1]>>20, bytes[2]>>20, files[1], files[2], says)
	}
	t.Flush()
	return bad
}
