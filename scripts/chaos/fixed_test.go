package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sextant/scripts/chaos/check"
	"sextant/scripts/cluster"
)

// Every kind of fault once, in their order, each a subtest; the first that bear one have an
// undertow, each kind once. The usage of every process is sampled meanwhile. There is no
// gate on times.
func TestFixedSchedule(t *testing.T) {
	dir := t.TempDir()
	binary, err := cluster.Build(dir, "faults", "invariants")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(t.Context(), worldOptions{binary: binary, dir: dir, namespaces: noNamespaces == "", seed: 1, say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	var events []event
	missing := map[string]bool{}
	left := slices.DeleteFunc(slices.Clone(undertows), func(u fault) bool { return u.namespaces && noNamespaces != "" })
	for i, f := range faults {
		missing[f.kind] = f.namespaces && noNamespaces != ""
		if !missing[f.kind] {
			e := event{fault: f, seed: uint64(i), hold: 500 * time.Millisecond, calm: 100 * time.Millisecond}
			if len(left) > 0 && f.bears(left[0]) {
				e.undertow, e.lead, left = &left[0], 100*time.Millisecond, left[1:]
			}
			events = append(events, e)
		}
	}
	injected := func(kind string) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.injected, func(i injection) bool { return i.kind == kind || strings.HasPrefix(i.kind, kind+" during ") })
	}
	n, tries := 0, 0
	sampled := w.sampleUsage(t.Context(), 100*time.Millisecond)
	err = w.suffer(t.Context(), t.ArtifactDir(), false, func() (e event, more bool) {
		if n > 0 && tries < 10 && !injected(events[n-1].fault.kind) { // a commit may end before its kill
			n--
			tries++
		}
		if more = n < len(events); more {
			e = events[n]
			e.seed += uint64(100 * tries)
			n++
		}
		return e, more
	})
	used := sampled()
	if err != nil {
		t.Errorf("%v\n%s", err, w.c.History())
	}
	for _, f := range faults {
		t.Run(f.kind, func(t *testing.T) {
			if missing[f.kind] {
				t.Skip("tool missing:", noNamespaces)
			}
			if !injected(f.kind) {
				t.Error("was not injected")
			}
		})
	}
	if len(left) > 0 {
		t.Errorf("no fault bears the undertow %s", left[0].kind)
	}
	t.Run("ALTER TABLE", func(t *testing.T) { findsWrongAlterations(t, w) })
	t.Run("end", func(t *testing.T) { readsTheEndInOneSnapshot(t, w) })
	t.Run("usage", func(t *testing.T) { readsEveryProcess(t, used) })
}

// findsWrongAlterations expects the check of an interrupted ALTER TABLE to accept what is
// whole, and nothing else.
func findsWrongAlterations(t *testing.T, w *world) {
	for i, c := range []struct {
		what  string
		alter []string // of table %s
		acked bool
		want  string
	}{
		{"done", []string{"ALTER TABLE %s " + alterations[0].clauses}, true, ""},
		{"not done", nil, false, ""},
		{"acknowledged and not done", nil, true, check.Lost},
		{"half done", []string{"ALTER TABLE %s ADD INDEX other (a)"}, false, check.Torn},
		{"a wrong value", []string{"UPDATE %s SET note = 'row' WHERE id = 7"}, false, check.Torn},
		{"a row too few", []string{"ALTER TABLE %s " + alterations[0].clauses, "DELETE FROM %s WHERE id = 7"}, true, check.Torn},
	} {
		table := fmt.Sprintf("wrong_%d", i)
		err := w.unaltered(t.Context(), table)
		for _, q := range c.alter {
			err = errors.Join(err, w.retry(t.Context(), fmt.Sprintf(q, table)))
		}
		before, found := len(w.h.Direct), ""
		if err = errors.Join(err, w.altered(t.Context(), table, c.acked, alterations[0].to)); err != nil {
			t.Fatal(err)
		}
		for _, a := range w.h.Direct[before:] {
			found = a.Kind
		}
		if found != c.want {
			t.Errorf("%s: found %q, want %q", c.what, found, c.want)
		}
	}
}

// readsTheEndInOneSnapshot expects inserts that commit while the end of a run is read to be
// in the table and in its index, or in neither.
func readsTheEndInOneSnapshot(t *testing.T, w *world) {
	next := 1 << 51 // above what the run has inserted
	for range 20 {
		inserting, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for range 4 {
			s := &session{w: w, db: w.db}
			if err := s.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := next
			next += 1000
			clients.Go(func() {
				for id := first; inserting.Err() == nil; id++ {
					_, _ = s.conn.ExecContext(inserting, fmt.Sprintf("INSERT INTO uniq VALUES (%d, %d, '')", id, id))
				}
				s.drop()
			})
		}
		pause(t.Context(), 20*time.Millisecond)
		stop()
		w.h.ByKey, w.h.ByIndex = nil, nil
		err := (&workload{w: w}).last(t.Context())
		clients.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range check.Inserts(nil, w.h.ByKey, w.h.ByIndex) {
			if a.Kind == check.Torn {
				t.Error(a)
			}
		}
	}
}

// readsEveryProcess expects that sampling has read each process of the cluster, with what
// a Go program that listens has at least.
func readsEveryProcess(t *testing.T, used map[string][]usage) {
	for _, id := range others("") {
		var most usage
		for _, u := range used[id] {
			most.bytes, most.files = max(most.bytes, u.bytes), max(most.files, u.files)
		}
		if most.bytes < 1<<20 || most.files < 4 {
			t.Errorf("%s was sampled %d times and used %d bytes and %d files at most", id, len(used[id]), most.bytes, most.files)
		}
	}
}
