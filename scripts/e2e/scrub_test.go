package e2e

import (
	"path/filepath"
	"regexp"
	"testing"

	"sextant/scripts/cluster"
)

// What rotten files make two nodes say.
var rotNamed = regexp.MustCompile(`msg="(segment is damaged and out of service|hot log is damaged and is written again)" node=storage-[34] `)

// TestRottenFilesUnderLoad lets the files of two running nodes rot, under a load and with
// page caches so small that pages are read from storage all the time: bits of the hot log,
// and ever more pages of the segments. No client sees an error or a wrong row. Both nodes
// find what is damaged, say so, and make it whole; at the end they start from it again.
func TestRottenFilesUnderLoad(t *testing.T) {
	c := start(t, cluster.Options{Env: []string{
		"SEXTANT_SERVER_PAGE_CACHE=1MiB", "SEXTANT_STORAGE_DRAIN_INTERVAL=300ms", "SEXTANT_STORAGE_SCRUB_RATE=1GiB",
	}}, rotNamed)
	l := load(t, c)
	ids := []string{"storage-3", "storage-4"}
	damage := func(s *cluster.Status, id string) (found, repaired uint64) {
		for _, n := range s.Storage {
			if n.ID == id {
				return n.DamageFound, n.DamageRepaired
			}
		}
		return 0, 0
	}
	for _, every := range []int64{0, 5, 1} { // of a segment's pages; 0: the hot log
		before, err := c.Status()
		must(t, err)
		for _, id := range ids {
			dir := filepath.Join(c.Data, id)
			if every == 0 {
				f := lastGeneration(t, dir)
				flip(t, f[len(f)/2].path, f[len(f)/2].offset+frameHead)
				continue
			}
			files, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
			must(t, err)
			if len(files) != 1 {
				t.Fatalf("%d segments", len(files))
			}
			overwrite(t, files[0], every)
		}
		_, err = c.Await(deadline(t), "the damage to be found and repaired", func(s *cluster.Status) bool {
			for _, id := range ids {
				was, _ := damage(before, id)
				if found, repaired := damage(s, id); found == was || repaired != found || !s.CaughtUp(id) {
					return false
				}
			}
			return true
		})
		must(t, err)
		must(t, l.AwaitAcks(deadline(t), 100))
		check(t, c, l)
		quiet(t, l, "rotten files")
	}
	for _, id := range ids {
		says(t, c, `segment is damaged and out of service.* node=`+id)
		says(t, c, `hot log is damaged and is written again.* node=`+id)
	}
	c.KillAll()
	l.Stop()
	for _, id := range ids {
		out, err := c.Run("check", id)
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	must(t, c.Up(deadline(t)))
	check(t, c, l)
}
