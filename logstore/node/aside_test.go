package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sextant/logstore/hotlog"
	"sextant/logstore/node"
)

// stored makes a node that has acknowledged two commits, and stops it.
func stored(t *testing.T, o node.Options) node.Status {
	t.Helper()
	s := serve(t, o)
	s.open(3)
	s.write(3, 0, 1, 0, 0)
	s.write(3, 0, 2, 1, 0)
	st := s.n.Status()
	s.close()
	return st
}

// rot flips a bit of the first batch in the hot log, amid synced frames.
func rot(t *testing.T, dir string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(strings.NewReplacer("[", `\[`).Replace(dir), "hot", "*.log"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(b, []byte("SXRB")); at >= 0 {
			b[at+100] ^= 4
			if err := os.WriteFile(f, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no batch was found in the hot log")
}

// A store whose hot log is damaged is set aside, whole, and the node is an emptied one
// with another store id. What was set aside can be put back. It is done once: then the
// operator is asked.
func TestDamagedStoreIsSetAside(t *testing.T) {
	o := options(filepath.Join(t.TempDir(), "data[0]")) // no pattern
	was := stored(t, o)
	rot(t, o.Dir)
	often := o
	often.DrainEvery = 10 * time.Millisecond
	s := serve(t, often)
	aside := filepath.Join(o.Dir, fmt.Sprintf("damaged-%016x", was.Store))
	if st := s.n.Status(); st.Store == was.Store || st.Volume != 0 || len(st.Segments) != 0 || !st.Healthy || !strings.Contains(st.Detail, aside) {
		t.Fatalf("%+v, was %+v", st, was)
	}
	if st := s.n.Status(); st.DamageFound != 1 || st.DamageRepaired != 0 {
		t.Fatalf("a store set aside counts as %d found, %d repaired", st.DamageFound, st.DamageRepaired)
	}
	if f, err := node.OpenOffline(node.Aside(o.Dir), o.Cluster, o.ID); err != nil || f.Store != was.Store {
		t.Fatalf("what was set aside cannot be read: %+v %v", f, err)
	}
	fresh := s.n.Status().Store
	s.open(3) // it is given segments, which have nothing to lack
	until(t, func() bool { return s.n.Status().DamageRepaired == 1 })
	s.close()

	second := stored(t, o)
	if second.Store != fresh {
		t.Fatalf("store %016x, was %016x", second.Store, fresh)
	}
	rot(t, o.Dir)
	for range 2 { // nothing is moved
		if _, err := node.Open(o); !errors.Is(err, node.ErrAside) || !errors.Is(err, hotlog.ErrDamaged) || !strings.Contains(err.Error(), aside) {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(aside); err != nil {
		t.Fatal(err)
	}
	s = serve(t, o)
	if st := s.n.Status(); st.Store == second.Store || st.Store == was.Store {
		t.Fatalf("%+v", st)
	}
	s.close()

	// Put back by hand, and whole, it is the store that it was.
	aside = filepath.Join(o.Dir, fmt.Sprintf("damaged-%016x", second.Store))
	for _, name := range []string{"hot", "segments", "STORE"} {
		if err := os.RemoveAll(filepath.Join(o.Dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(aside, name), filepath.Join(o.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	rot(t, o.Dir) // the bit again
	s = serve(t, o)
	if st := s.n.Status(); st.Store != second.Store || s.scl(0) != 2 {
		t.Fatalf("%+v", st)
	}
}

// A process that ends while it sets a store aside leaves it to the next, at each step.
func TestSettingAsideGoesOnAfterACrash(t *testing.T) {
	for moved := range 4 {
		o := options(t.TempDir())
		was := stored(t, o)
		rot(t, o.Dir)
		aside := filepath.Join(o.Dir, fmt.Sprintf("damaged-%016x", was.Store))
		if err := os.Mkdir(aside, 0o750); err != nil {
			t.Fatal(err)
		}
		names := []string{"hot", "segments", "STORE"}
		for _, name := range names[:moved] {
			if err := os.Rename(filepath.Join(o.Dir, name), filepath.Join(aside, name)); err != nil {
				t.Fatal(err)
			}
		}
		s := serve(t, o)
		if st := s.n.Status(); st.Store == was.Store || st.Volume != 0 {
			t.Fatalf("%d moved: %+v", moved, st)
		}
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(aside, name)); err != nil {
				t.Fatalf("%d moved: %v", moved, err)
			}
		}
	}
}

// What cannot be read, or not by this program, is left where it is, and so is a log
// that only has a torn tail.
func TestOnlyDamageSetsAside(t *testing.T) {
	o := options(t.TempDir())
	was := stored(t, o)
	files, _ := filepath.Glob(filepath.Join(o.Dir, "hot", "*.log"))
	for _, c := range []struct {
		what string
		do   func(f string) error // to a file of the hot log
	}{
		{"cannot be read", func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o750)) }},
		{"of another store", func(f string) error {
			other := options(t.TempDir())
			stored(t, other)
			b, err := os.ReadFile(filepath.Join(other.Dir, "hot", filepath.Base(f)))
			return errors.Join(err, os.WriteFile(f, b, 0o600))
		}},
		{"not of a hot log", func(f string) error { return os.Rename(f, filepath.Join(filepath.Dir(f), "hot.bak")) }},
	} {
		good := filepath.Join(t.TempDir(), "hot")
		if err := os.CopyFS(good, os.DirFS(filepath.Join(o.Dir, "hot"))); err != nil {
			t.Fatal(err)
		}
		if err := c.do(files[0]); err != nil {
			t.Fatal(err)
		}
		if n, err := node.Open(o); err == nil || errors.Is(err, hotlog.ErrDamaged) {
			t.Fatalf("%s: %v, %v", c.what, n, err)
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(o.Dir, "hot")), os.Rename(good, filepath.Join(o.Dir, "hot"))); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, o)
	if st := s.n.Status(); st.Store != was.Store || s.scl(0) != 2 || st.Detail != "" {
		t.Fatalf("%+v", st)
	}
}
