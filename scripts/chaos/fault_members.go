package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sextant/scripts/cluster"
)

// emptyStorage takes away all that a storage node has. It is replaced by itself, so that
// every recovery and every write meets both sets of members until it is whole again.
func emptyStorage(failover bool) func(context.Context, *world, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, w *world, rng *rand.Rand, _ time.Duration) error {
		id := pick(rng, storageIDs)
		w.inject(id, false)
		err := w.stopped(ctx, []string{id}, func() error { return w.c.EmptyStorage(id) })
		if err == nil && failover {
			var writer string
			if writer, err = w.writer(ctx); err == nil {
				err = w.killed(ctx, writer)
			}
		}
		if err != nil {
			return err
		}
		_, err = w.await(ctx, id+" to be whole again", func(s *cluster.Status) bool {
			return !slices.ContainsFunc(s.Storage, func(n cluster.Storage) bool { return n.Replacing != nil }) && s.CaughtUp(id)
		})
		return err
	}
}

// emptyRaftLeader takes what it has from the leader of the control plane, and kills the
// writer while it comes back.
func emptyRaftLeader(ctx context.Context, w *world, rng *rand.Rand, _ time.Duration) error {
	ids, err := raftLeader(ctx, w, rng)
	if err != nil {
		return err
	}
	w.inject(ids[0], false)
	if err := w.stopped(ctx, ids, func() error { return w.c.EmptyControl(ids[0]) }); err != nil {
		return err
	}
	writer, err := w.writer(ctx)
	if err != nil {
		return err
	}
	if err := w.killed(ctx, writer); err != nil {
		return err
	}
	// Without one of the others nothing is decided but with the emptied one. The leader is
	// stopped last: then that must vote, not only acknowledge.
	leader, err := raftLeader(ctx, w, rng)
	if err != nil {
		return err
	}
	for _, other := range slices.Concat(slices.DeleteFunc(slices.Clone(controlIDs), func(id string) bool { return id == leader[0] }), leader) {
		if other == ids[0] {
			continue
		}
		if err := w.stopped(ctx, []string{other}, func() error { return w.decides(ctx) }); err != nil {
			return fmt.Errorf("%s was emptied, %s is stopped: %w", ids[0], other, err)
		}
	}
	return nil
}

// emptyControl takes what they have from all control nodes at once. Storage nodes have kept the control plane's
// state; it grants a writer anew, of an epoch far above.
func emptyControl(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
	s, err := w.await(ctx, "a writer", func(s *cluster.Status) bool { return s.Writer != "" })
	if err != nil {
		return err
	}
	w.inject("", true)
	if err := w.signal(unix.SIGSTOP, controlIDs...); err != nil {
		return err
	}
	for _, id := range controlIDs {
		if err := w.c.EmptyControl(id); err != nil {
			return err
		}
	}
	if err := w.signal(unix.SIGKILL, controlIDs...); err != nil {
		return err
	}
	_, err = w.await(ctx, "the control plane to go on", func(now *cluster.Status) bool { return now.Writer != "" && now.Volume.Epoch > s.Volume.Epoch+1000 })
	return err
}

// decides has the control plane create an endpoint and delete it again.
func (w *world) decides(ctx context.Context) error {
	const name = "probe"
	for _, c := range []struct {
		there bool
		args  []string
	}{{true, []string{"endpoint", "create", name, "--static", instanceIDs[0]}}, {false, []string{"endpoint", "delete", name}}} {
		_, err := w.await(ctx, strings.Join(c.args, " "), func(s *cluster.Status) bool {
			done := c.there == slices.ContainsFunc(s.Endpoints, func(e cluster.Endpoint) bool { return e.Name == name })
			if !done {
				_ = w.sextant(ctx, c.args...) // no answer is no refusal: the next status tells
			}
			return done
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moveSegments adds a storage node, and drains it when segments have moved to it: a writer is killed
// amid each.
func moveSegments(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
	w.added++
	id := fmt.Sprintf("storage-%d", len(storageIDs)+w.added)
	w.inject(id, false)
	if err := w.configure(w.c.Config, id); err != nil {
		return err
	}
	kill := func() error {
		writer, err := w.writer(ctx)
		if err == nil {
			err = w.killed(ctx, writer)
		}
		return err
	}
	if err := w.sextant(ctx, "storage", "add", id, "--az", w.spareZone()); err != nil {
		return err
	}
	_, err := w.await(ctx, "a segment on "+id, func(s *cluster.Status) bool {
		return slices.ContainsFunc(s.Storage, func(n cluster.Storage) bool { return n.ID == id && n.Segments > 0 })
	})
	if err == nil {
		err = kill()
	}
	if err == nil {
		err = w.sextant(ctx, "storage", "drain", id)
	}
	if err == nil {
		err = kill()
	}
	if err == nil {
		_, err = w.await(ctx, id+" to leave", func(s *cluster.Status) bool { return len(s.Storage) == len(storageIDs) })
	}
	if err != nil {
		return err
	}
	return w.configure(w.c.Config, "")
}
