package e2e

import (
	"bytes"
	"cmp"
	le "encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sextant/scripts/cluster"
)

// What the three kinds of damage make the cluster say.
var damageNamed = regexp.MustCompile(`msg="hot log is damaged: the store is set aside, and the node is an emptied one" node=storage-3 ` +
	`|msg="segment is damaged and out of service" node=storage-4 ` +
	`|msg="another store answers; it counts in no quorum" .*node=storage-[35] `)

// TestDamagedStorage damages the files of stopped storage nodes, one after another,
// under a load that goes on and with page caches so small that pages are read from
// storage all the time. Whatever is damaged is named or healed; no client sees an
// error, and every row is right. A damaged segment is filled again from a peer; the
// emptied node gets everything again, and counts again.
func TestDamagedStorage(t *testing.T) {
	c := start(t, cluster.Options{Env: []string{"SEXTANT_SERVER_PAGE_CACHE=1MiB", "SEXTANT_STORAGE_DRAIN_INTERVAL=300ms"}}, damageNamed, killed)
	l := load(t, c)
	for _, damage := range []struct {
		name string
		do   func(*testing.T, *cluster.Cluster, *cluster.Load)
	}{
		{"FlippedBitsInTheHotLog", flippedBits}, {"OverwrittenPagesOfASegment", overwrittenPages},
		{"EmptiedDirectory", emptiedDirectory}, {"EmptiedCountsAgain", emptiedCountsAgain},
	} {
		if !t.Run(damage.name, func(t *testing.T) { damage.do(t, c, l) }) {
			t.FailNow() // each counts on what the ones before leave
		}
	}
	settled(t, c, l)
}

func stop(t *testing.T, c *cluster.Cluster, id string) string {
	t.Helper()
	_, err := c.Run("stop", id)
	must(t, err)
	return filepath.Join(c.Data, id)
}

// frame is one frame of a hot log.
type frame struct {
	path            string
	offset          int64
	length          int // of the body, which begins frameHead after offset
	generation, seq uint64
}

const (
	frameAlign = 64
	frameHead  = 64
)

// lastGeneration returns the frames of the newest generation of a hot log in order.
func lastGeneration(t *testing.T, dir string) []frame {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "hot", "*.log"))
	must(t, err)
	var all []frame
	for _, path := range files {
		b, err := os.ReadFile(path)
		must(t, err)
		for off := 0; off+frameHead <= len(b); off += frameAlign {
			if bytes.HasPrefix(b[off:], []byte("SXHF")) {
				all = append(all, frame{path, int64(off), int(le.LittleEndian.Uint32(b[off+8:])),
					le.LittleEndian.Uint64(b[off+24:]), le.LittleEndian.Uint64(b[off+32:])})
			}
		}
	}
	slices.SortFunc(all, func(a, b frame) int { return cmp.Compare(a.seq, b.seq) })
	if len(all) == 0 {
		t.Fatalf("no frames in %s", dir)
	}
	newest := all[len(all)-1].generation
	return slices.DeleteFunc(all, func(f frame) bool { return f.generation != newest })
}

func flip(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], offset)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], offset)
	must(t, err)
}

var setAside = regexp.MustCompile(`msg="hot log is damaged: the store is set aside.*`)

// flippedBits flips a bit at a time in the log of a node that was stopped under load.
// A node that cannot replay its log sets the store aside and takes its own place as
// another one, by itself; what was set aside is removed, as the operator would.
func flippedBits(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	const id = "storage-3"
	replaced, healed := 0, 0
	for _, at := range []struct {
		what   string
		choose func([]frame) (frame, int64) // which, and how far from its start
	}{
		{"the first head", func(f []frame) (frame, int64) { return f[0], 16 }},
		{"the first body", func(f []frame) (frame, int64) { return f[0], frameHead + 5 }},
		{"a body in the middle", func(f []frame) (frame, int64) { return f[len(f)/2], frameHead + int64(f[len(f)/2].length)/2 }},
		{"the magic number in the middle", func(f []frame) (frame, int64) { return f[len(f)/2], 0 }},
		{"the last body", func(f []frame) (frame, int64) { return f[len(f)-1], frameHead + int64(f[len(f)-1].length) - 1 }},
		{"the last head", func(f []frame) (frame, int64) { return f[len(f)-1], 40 }},
	} {
		dir := stop(t, c, id)
		frames := lastGeneration(t, dir)
		f, off := at.choose(frames)
		flip(t, f.path, f.offset+off)
		printed := len(c.Output())
		_, err := c.Run("start", id)
		must(t, err)
		store := ""
		_, err = c.Await(deadline(t), at.what+": the node to be whole", func(s *cluster.Status) bool {
			out := c.Output()[printed:]
			store = setAside.FindString(out)
			return s.CaughtUp(id) && (store == "" || strings.Contains(out, `msg="storage node is replaced" node=`+id+` by=`+id))
		})
		must(t, err)
		must(t, l.AwaitAcks(deadline(t), 50))
		quiet(t, l, at.what)
		check(t, c, l)
		aside, err := filepath.Glob(filepath.Join(dir, "damaged-*"))
		must(t, err)
		if store != "" {
			t.Logf("%s (frame %d of %d): %s", at.what, f.seq, len(frames), store)
			replaced++
			if len(aside) != 1 || !strings.Contains(store, "hotlog: damaged: file ") {
				t.Fatalf("%s: set aside %q: %s", at.what, aside, store)
			}
			must(t, os.RemoveAll(aside[0]))
		} else {
			t.Logf("%s (frame %d of %d): healed", at.what, f.seq, len(frames))
			if healed++; len(aside) > 0 {
				t.Fatalf("%s: set aside %q", at.what, aside)
			}
		}
	}
	if replaced == 0 || healed == 0 {
		t.Errorf("%d damaged stores were replaced and %d tails healed: the positions do not test both", replaced, healed)
	}
}

const bboltPage = 4096

// overwrite puts garbage into every n-th page of a bbolt file, its meta pages excepted.
func overwrite(t *testing.T, path string, every int64) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	garbage := bytes.Repeat([]byte{0xa5, 0x01, 0xff, 0x7e}, bboltPage/4)
	for page := int64(2); (page+1)*bboltPage <= info.Size(); page += every {
		_, err = f.WriteAt(garbage, page*bboltPage)
		must(t, err)
	}
}

// overwrittenPages damages the structure of a segment's file: some pages first, which
// may be found at once, or when they are read, or never; then all of them. The node
// copies the segment and has all that the others have.
func overwrittenPages(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	const id = "storage-4"
	for _, every := range []int64{29, 1} {
		dir := stop(t, c, id)
		files, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
		must(t, err)
		if len(files) != 1 {
			t.Fatalf("%d segments", len(files))
		}
		overwrite(t, files[0], every)
		out, err := c.Run("check", id)
		judge(t, out, []noise{loud}) // it names the problems; it has no stack trace
		if every == 1 && err == nil {
			t.Errorf("check finds nothing:\n%s", out)
		}
		_, err = c.Run("start", id)
		must(t, err)
		must(t, l.AwaitAcks(deadline(t), 200))
		_, err = c.Await(deadline(t), "the node to be whole", func(s *cluster.Status) bool { return s.CaughtUp(id) })
		must(t, err)
		check(t, c, l)
		quiet(t, l, "a damaged segment")
	}
	says(t, c, `segment is damaged and out of service.* node=`+id)
	says(t, c, `segment is whole again.* node=`+id)
}

// emptiedDirectory takes everything from a node: what starts then is another store, which
// takes the place of the old one by itself.
func emptiedDirectory(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	const id = "storage-5"
	stop(t, c, id)
	must(t, c.EmptyStorage(id))
	_, err := c.Run("start", id)
	must(t, err)
	says(t, c, `msg="storage node is replaced" node=`+id+` by=`+id)
	_, err = c.Await(deadline(t), "the node to be whole", func(s *cluster.Status) bool { return s.CaughtUp(id) })
	must(t, err)
	must(t, l.AwaitAcks(deadline(t), 100))
	quiet(t, l, "an emptied node")
	check(t, c, l)
}

// emptiedCountsAgain leaves four nodes, of which the emptied one is one: writes go on, and
// a new writer recovers from them.
func emptiedCountsAgain(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	stop(t, c, "storage-1")
	stop(t, c, "storage-2")
	must(t, l.AwaitAcks(deadline(t), 200))
	quiet(t, l, "a zone away, with a node that was emptied")
	newWriter(t, c)
	must(t, l.AwaitAcks(deadline(t), 100))
	check(t, c, l)
}

// newWriter kills the writer and waits for the next one.
func newWriter(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	s, err := c.Status()
	must(t, err)
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "a new writer", func(now *cluster.Status) bool { return now.Writer != "" && now.Volume.Epoch > s.Volume.Epoch })
	must(t, err)
}
