package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"sextant/scripts/cluster"
)

// cutWriter pulls the writer's cable. Its clients' router still runs; the writer must
// stop by itself, and a successor serves.
func cutWriter(ctx context.Context, w *world, _ *rand.Rand, hold time.Duration) error {
	old, err := w.writer(ctx)
	if err != nil {
		return err
	}
	w.inject(old, true)
	return w.unlinked(ctx, []string{old}, func() error {
		if _, err := w.another(ctx, old); err != nil {
			return err
		}
		if err := w.progress(ctx, 20, 0); err != nil {
			return fmt.Errorf("with the old writer cut off: %w", err)
		}
		pause(ctx, hold)
		return nil
	})
}

// unlinked runs f while some hosts have no network.
func (w *world) unlinked(ctx context.Context, ids []string, f func() error) error {
	var err error
	for _, id := range ids {
		err = errors.Join(err, w.net.link(id, false))
	}
	if err == nil {
		err = f()
	}
	for _, id := range ids {
		err = errors.Join(err, w.net.link(id, true))
	}
	return err
}

// cutFrom loses what the writer sends to n of some hosts, or what they send to it, or
// both. lost: another instance does better and must replace it; otherwise one may.
func cutFrom(hosts []string, n int, lost bool) func(context.Context, *world, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
		old, err := w.writer(ctx)
		if err != nil {
			return err
		}
		var pairs [][2]string
		way := rng.IntN(3)
		for _, i := range rng.Perm(len(hosts))[:n] {
			if way != 1 {
				pairs = append(pairs, [2]string{old, hosts[i]})
			}
			if way != 0 {
				pairs = append(pairs, [2]string{hosts[i], old})
			}
		}
		w.inject(old+" "+[]string{"sends", "receives", "both ways"}[way], true)
		return w.cut(pairs, func() error {
			if lost {
				if _, err := w.another(ctx, old); err != nil {
					return err
				}
			}
			pause(ctx, hold)
			return nil
		})
	}
}

// cut runs f while packets from the first to the second of each pair are lost.
func (w *world) cut(pairs [][2]string, f func() error) error {
	var err error
	for _, p := range pairs {
		err = errors.Join(err, w.net.cut(p[0], p[1]))
	}
	if err == nil {
		err = f()
	}
	for _, p := range pairs {
		err = errors.Join(err, w.net.heal(p[0], p[1]))
	}
	return err
}

// cutOneWay loses packets one way between two processes of any role.
func cutOneWay(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	from := pick(rng, others(""))
	to := pick(rng, others(from))
	w.inject(from+" to "+to, false)
	return w.cut([][2]string{{from, to}}, func() error { pause(ctx, hold); return nil })
}

// cutBothWays loses all packets between two processes of any role.
func cutBothWays(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	a := pick(rng, others(""))
	b := pick(rng, others(a))
	w.inject(a+" and "+b, false)
	return w.cut([][2]string{{a, b}, {b, a}}, func() error { pause(ctx, hold); return nil })
}

// slowLinks puts proxies that delay between the writer and half of the storage, and
// between readers and the writer's redo stream.
func slowLinks(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) (err error) {
	writer, err := w.writer(ctx)
	if err != nil {
		return err
	}
	d := time.Duration(2+rng.IntN(100)) * time.Millisecond
	w.inject(writer+" "+d.String(), false)
	var undo []func() error
	defer func() {
		for _, u := range undo {
			err = errors.Join(err, u())
		}
	}()
	slow := func(from, to string, port int) error {
		u, err := w.net.delayed(from, to, w.c.Base+port, d)
		if err == nil {
			undo = append(undo, u)
		}
		return err
	}
	first := rng.IntN(6)
	for i := range 3 {
		n := (first + i) % 6
		if err := slow(writer, storageIDs[n], 401+n); err != nil {
			return err
		}
	}
	for i, id := range instanceIDs {
		if writer == id {
			for _, reader := range instanceIDs {
				if reader != id {
					if err := slow(reader, id, 521+i); err != nil {
						return err
					}
				}
			}
		}
	}
	return w.lasts(ctx, hold)
}

// fullDisk fills the disk of a storage node, and frees it again.
func fullDisk(ctx context.Context, w *world, rng *rand.Rand, hold time.Duration) error {
	id := pick(rng, smallDisks)
	w.inject(id, false)
	path := filepath.Join(w.c.Data, id, "ballast")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for len(chunk) > 0 {
		if _, err := f.Write(chunk); errors.Is(err, unix.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return err
		}
	}
	return w.lasts(ctx, hold)
}

// instanceAddr is an instance's own MySQL port.
func (w *world) instanceAddr(ctx context.Context, id string) (addr string, err error) {
	_, err = w.await(ctx, "the address of "+id, func(s *cluster.Status) bool {
		for _, i := range s.Instances {
			if i.ID == id {
				addr = i.Address
			}
		}
		return addr != ""
	})
	return addr, err
}
