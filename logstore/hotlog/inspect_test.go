package hotlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sextant/logstore/hotlog"
)

// inspected returns what Inspect shows, in the form of replay.
func inspected(t *testing.T, d hotlog.Disk) ([]string, hotlog.Inspected) {
	t.Helper()
	var got []string
	out, err := hotlog.Inspect(d, owner, func(e hotlog.Entry) error {
		if e.Kind != hotlog.KindEmpty {
			got = append(got, fmt.Sprintf("%d:%s", e.Kind, e.Body))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, out
}

// TestInspectBelievesWhatOpenBelieves: the same frames and the same verdict, for
// logs with no, one and several harmed bytes; behind damage Inspect shows more.
func TestInspectBelievesWhatOpenBelieves(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	damaged := 0
	for round := range 600 {
		d, _ := threeGenerations(t)
		var harmed []string
		for range round % 4 {
			names, _ := d.List()
			slices.Sort(names)
			f := d.files[names[r.IntN(len(names))]]
			at := r.IntN(1 << (6 + r.IntN(6)))
			f.synced[at] ^= 1 << r.IntN(8)
			harmed = append(harmed, fmt.Sprint(at))
		}
		before := d.log
		shown, out := inspected(t, d)
		for _, op := range d.log[len(before):] {
			if strings.Contains("write sync create remove", op) {
				t.Fatalf("Inspect did %q", op)
			}
		}
		_, opened, rep, err := replay(d, small)
		switch {
		case err == nil && len(out.Problems) == 0:
			if !slices.Equal(shown, opened) || (rep.Torn.File == "") != (out.Torn.File == "") {
				t.Fatalf("harmed %v: Inspect shows %v, torn %+v; Open %v, %+v", harmed, shown, out.Torn, opened, rep.Torn)
			}
		case err == nil || len(out.Problems) == 0:
			t.Fatalf("harmed %v: Open: %v; Inspect: %v", harmed, err, out.Problems)
		case errors.Is(err, hotlog.ErrDamaged):
			damaged++
			if len(shown) < len(opened) || !slices.Equal(shown[:len(opened)], opened) {
				t.Fatalf("harmed %v: Inspect shows %v, Open %v", harmed, shown, opened)
			}
		}
	}
	if damaged < 50 {
		t.Errorf("only %d logs were damaged", damaged)
	}
}

// TestInspectGoesOnBehindDamage: of three generations with a harmed frame in the
// first, everything else is shown, and the place is named.
func TestInspectGoesOnBehindDamage(t *testing.T) {
	d, want := threeGenerations(t)
	all, out := inspected(t, d)
	if len(out.Problems) != 0 || !slices.Equal(all, want) {
		t.Fatal(all, out)
	}
	d.files["hot-000001.log"].synced[64+3] ^= 1 // in the second frame, or the first one's body
	got, out := inspected(t, d)
	if len(got) != len(want)-1 || len(out.Problems) != 1 || !strings.Contains(out.Problems[0].Error(), "file hot-000001.log, offset ") {
		t.Fatal(got, out.Problems)
	}
}
