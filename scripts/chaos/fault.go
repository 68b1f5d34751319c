package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sextant/scripts/chaos/check"
	"sextant/scripts/cluster"
)

// A fault does something to a cluster, waits, and ends it. What it chooses it draws from
// rng. It returns an error if the cluster does not do what it must; what clients may
// have seen wrong goes into the history.
type fault struct {
	kind       string
	namespaces bool // needs them
	ends       bool // a process
	takes      part // no undertow beneath it may take more of these; of an undertow: what it slows or removes
	run        func(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error
}

// part is parts of a cluster.
type part int

const (
	ofStorage part = 1 << iota
	ofReaders
	ofLinks
)

// faults is every kind of fault. A new one is a row here; the schedule draws from all.
var faults = []fault{
	{"kill writer", false, true, 0, killWriter},
	{"kill reader", false, true, 0, kill(reader)},
	{"kill storage", false, true, 0, kill(someStorage(1))},
	{"kill two storage", false, true, ofStorage, kill(someStorage(2))},
	{"kill all storage", false, true, ofStorage, kill(someStorage(6))},
	{"kill Raft leader", false, true, 0, kill(raftLeader)},
	{"kill router", false, true, 0, kill(router)},
	{"kill all", false, true, ofStorage | ofReaders, killAll},
	{"pause writer", false, false, 0, pauseWriter},
	{"pause reader", false, false, 0, suspend(reader)},
	{"pause storage", false, false, 0, suspend(someStorage(1))},
	{"pause Raft leader", false, false, 0, suspend(raftLeader)},
	{"stop zone", false, true, ofStorage | ofReaders, zoneAway((*world).stopped)},
	{"stop zone and one", false, true, ofStorage, stopZonePlusOne},
	{"switchover", false, false, 0, switchover},
	{"failover in failover", false, true, ofReaders, failoverInFailover},
	{"failover in DDL", false, true, 0, failoverInDDL},
	{"failover in commit", false, true, 0, failoverInCommit},
	{"empty storage", false, true, 0, emptyStorage(false)},
	{"empty Raft leader", false, true, 0, emptyRaftLeader},
	{"empty control plane", false, true, ofStorage, emptyControl},
	{"failover in replacement", false, true, 0, emptyStorage(true)},
	{"segments move", false, true, ofStorage | ofReaders, moveSegments},
	{"slow disk", false, false, ofStorage, slowDisk},
	{"slow clients", false, false, 0, slowClients},
	{"cut writer off", true, false, ofLinks, cutWriter},
	{"cut writer from storage", true, false, ofLinks, cutFrom(storageIDs, 6, true)},
	{"cut writer from control", true, false, ofLinks, cutFrom(controlIDs, 3, false)},
	{"cut writer from half", true, false, ofStorage | ofLinks, cutFrom(storageIDs, 3, true)},
	{"cut one way", true, false, ofLinks, cutOneWay},
	{"cut both ways", true, false, ofLinks, cutBothWays},
	{"cut zone off", true, false, ofStorage | ofLinks, zoneAway((*world).unlinked)},
	{"slow links", true, false, ofStorage | ofLinks, slowLinks},
	{"full disk", true, true, 0, fullDisk},
}

// target chooses processes.
type target = func(context.Context, *world, *rand.Rand) ([]string, error)

func reader(ctx context.Context, w *world, rng *rand.Rand) ([]string, error) {
	var ids []string
	_, err := w.await(ctx, "a reader", func(s *cluster.Status) bool {
		for _, i := range s.Instances {
			if i.Role == "reader" {
				ids = append(ids, i.ID)
			}
		}
		return len(ids) > 0
	})
	if err != nil {
		return nil, err
	}
	return []string{pick(rng, ids)}, nil
}

func raftLeader(ctx context.Context, w *world, _ *rand.Rand) (ids []string, err error) {
	_, err = w.await(ctx, "a Raft leader", func(s *cluster.Status) bool {
		for _, n := range s.Control {
			if n.Leader {
				ids = []string{n.ID}
			}
		}
		return len(ids) > 0
	})
	return ids, err
}

func router(context.Context, *world, *rand.Rand) ([]string, error) { return []string{"router-1"}, nil }

func someStorage(n int) target {
	return func(_ context.Context, _ *world, rng *rand.Rand) (ids []string, err error) {
		for _, i := range rng.Perm(len(storageIDs))[:n] {
			ids = append(ids, storageIDs[i])
		}
		return ids, nil
	}
}

// kill ends some processes.
func kill(which target) func(context.Context, *world, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, w *world, rng *rand.Rand, _ time.Duration) error {
		ids, err := which(ctx, w, rng)
		if err != nil {
			return err
		}
		w.inject(strings.Join(ids, " "), false)
		return w.signal(unix.SIGKILL, ids...)
	}
}

func killWriter(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
	old, err := w.writer(ctx)
	if err != nil {
		return err
	}
	w.inject(old, false)
	return w.killed(ctx, old)
}

// killAgain kills a process once a second, as often as it has come back; another one, if
// it is none of those any more from which it was chosen.
func killAgain(which target) func(context.Context, *world, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
		ctx, cancel := context.WithTimeout(ctx, hold)
		defer cancel()
		seed := rng.Uint64()
		for n := 0; ; n++ {
			ids, err := which(ctx, w, rand.New(rand.NewPCG(seed, 0)))
			if n == 0 && err == nil {
				w.inject(strings.Join(ids, " "), false)
			}
			if ctx.Err() != nil {
				return nil
			}
			if err = errors.Join(err, w.signal(unix.SIGKILL, ids...)); err != nil {
				return err
			}
			pause(ctx, time.Second)
		}
	}
}

// killed kills the writer and waits for another.
func (w *world) killed(ctx context.Context, writer string) error {
	w.lost()
	if err := w.signal(unix.SIGKILL, writer); err != nil {
		return err
	}
	_, err := w.another(ctx, writer)
	return err
}

func killAll(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
	w.inject("", true)
	w.mu.Lock()
	w.injected[len(w.injected)-1].all = true
	w.mu.Unlock()
	w.c.KillAll()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.c.Up(ctx)
}

// suspend pauses some processes.
func suspend(which target) func(context.Context, *world, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
		ids, err := which(ctx, w, rng)
		if err != nil {
			return err
		}
		w.inject(strings.Join(ids, " "), false)
		if err := w.signal(unix.SIGSTOP, ids...); err != nil {
			return err
		}
		pause(ctx, hold)
		return w.signal(unix.SIGCONT, ids...)
	}
}

// pauseWriter stops the writer, and wakes it up when its successor has served for a
// while. What clients have sent to it meanwhile must not be answered from the past.
func pauseWriter(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	old, err := w.writer(ctx)
	if err != nil {
		return err
	}
	late, err := w.lateClients(ctx, old)
	if err != nil {
		return err
	}
	defer late.close()
	w.inject(old, true)
	if err := w.signal(unix.SIGSTOP, old); err != nil {
		return err
	}
	defer w.signal(unix.SIGCONT, old)
	if _, err = w.another(ctx, old); err != nil {
		return err
	}
	mark := rng.Int64N(1<<40) + 1
	if err := w.mark(ctx, mark); err != nil {
		return err
	}
	late.send(ctx, w, mark)
	pause(ctx, hold)
	if err := w.signal(unix.SIGCONT, old); err != nil {
		return err
	}
	late.answers(w, old)
	return nil
}

// stopped runs f while some processes are stopped by `sextant stop`.
func (w *world) stopped(ctx context.Context, ids []string, f func() error) error {
	for _, id := range ids {
		if err := w.sextant(ctx, "stop", id); err != nil {
			return err
		}
	}
	err := f()
	for _, id := range ids {
		// The last control node that starts makes the majority that takes the note.
		var e error
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause(ctx, 100*time.Millisecond) {
			if e = w.sextant(ctx, "start", id); e == nil || ctx.Err() != nil {
				break
			}
		}
		err = errors.Join(err, e)
	}
	return err
}

// zoneAway takes a zone away in one of several ways; nobody may need it.
func zoneAway(away func(*world, context.Context, []string, func() error) error) func(context.Context, *world, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
		z := rng.IntN(3)
		writer, err := w.writer(ctx)
		if err != nil {
			return err
		}
		w.inject(fmt.Sprintf("az-%c", 'a'+z), slices.Contains(zone(z), writer))
		return away(w, ctx, zone(z), func() error {
			if err := w.progress(ctx, 20, 5); err != nil {
				return fmt.Errorf("with a zone away: %w", err)
			}
			pause(ctx, hold)
			return nil
		})
	}
}

// quiet waits until what was under way has been answered: no commit is acknowledged for a
// second, or ten have passed. It returns how many are.
func (w *world) quiet(ctx context.Context) (acks int) {
	acks, _ = w.h.counts()
	for range 10 {
		pause(ctx, time.Second)
		now, _ := w.h.counts()
		if now == acks {
			break
		}
		acks = now
	}
	return acks
}

// stopZonePlusOne leaves three of six segments: reads go on, writes wait.
func stopZonePlusOne(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	z := rng.IntN(3)
	more := storageIDs[(2*z+2+rng.IntN(4))%6]
	ids := []string{storageIDs[2*z], storageIDs[2*z+1], controlIDs[z], more}
	w.inject(fmt.Sprintf("az-%c and %s", 'a'+z, more), false)
	return w.stopped(ctx, ids, func() error {
		before := w.quiet(ctx)
		pause(ctx, hold)
		if err := w.progress(ctx, 0, 20); err != nil {
			return fmt.Errorf("with a zone and one more away: %w", err)
		}
		if after, _ := w.h.counts(); after > before {
			w.h.anomaly(check.Lost, "%d commits were acknowledged with three of six segments", after-before)
		}
		return nil
	})
}

func switchover(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
	w.inject("", true)
	// Refused while no reader is well, as on a machine too busy for heartbeats.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := w.sextant(ctx, "failover")
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// failoverInFailover kills the writer, and the next one as soon as it is granted.
func failoverInFailover(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
	s, err := w.await(ctx, "a writer", func(s *cluster.Status) bool { return s.Writer != "" })
	if err != nil {
		return err
	}
	w.inject(s.Writer, true)
	seen := len(w.c.Output())
	if err := w.signal(unix.SIGKILL, s.Writer); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if g := grants(w.c.Output()[seen:]); len(g) > 0 {
			w.lost()
			return w.signal(unix.SIGKILL, g[0].node)
		}
		if pause(wait, time.Millisecond); wait.Err() != nil {
			return fmt.Errorf("no second writer: %w", wait.Err())
		}
	}
}

// slowDisk makes the syncs of two storage nodes of different zones slow: four others are enough.
func slowDisk(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	a := rng.IntN(6)
	ids := []string{storageIDs[a], storageIDs[(a+2+rng.IntN(2))%6]}
	d := time.Duration(20+rng.IntN(300)) * time.Millisecond
	w.inject(strings.Join(ids, " ")+" "+d.String(), false)
	for _, id := range ids {
		path := filepath.Join(w.c.Data, id, "slow")
		if err := os.WriteFile(path, []byte(d.String()), 0o600); err != nil {
			return err
		}
		defer os.Remove(path)
	}
	return w.lasts(ctx, hold)
}

// slowClients delays what clients behind the proxy send and get.
func slowClients(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	d := time.Duration(5+rng.IntN(100)) * time.Millisecond
	w.inject(d.String(), false)
	w.client.delay.Store(int64(d))
	pause(ctx, hold)
	w.client.delay.Store(0)
	return nil
}
