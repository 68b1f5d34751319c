package sim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sextant/logstore/sim"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mutants is how many there are: a file that is lost fails.
const mutants = 63

// TestMutants plants bugs, one at a time, and demands that the simulator finds each
// within the number of seeds that its file states. A bug is a small change of text in
// testdata/mutants, applied to a copy of the file that the compiler is given in
// its place. A change that does not apply any more fails.
func TestMutants(t *testing.T) {
	if *once {
		return // this is the run that looks for one
	}
	files, err := filepath.Glob("testdata/mutants/*.patch")
	if err != nil || len(files) != mutants {
		t.Fatalf("%d mutants, not %d: %v", len(files), mutants, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".patch"), func(t *testing.T) {
			m, err := readMutant(f)
			if err != nil {
				t.Fatal(err)
			}
			find(t, m)
		})
	}
}

// mutant is a planted bug: whole changed files, by their path in the module.
type mutant struct {
	seeds  int
	checks []string // one of them must find it
	files  map[string]string
}

// readMutant reads a mutant's file: lines of comment, "found within N seeds by I-2, I-25", then
// for each file "file PATH" and changes, each between <<<<<<<, ======= and >>>>>>>.
func readMutant(path string) (*mutant, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := &mutant{files: map[string]string{}}
	var file string
	var before, after strings.Builder
	to := (*strings.Builder)(nil)
	for line := range strings.Lines(string(b)) {
		switch word := strings.TrimSuffix(line, "\n"); {
		case word == "<<<<<<<":
			before.Reset()
			to = &before
		case word == "=======":
			after.Reset()
			to = &after
		case word == ">>>>>>>":
			if m.files[file], err = change(m.files[file], before.String(), after.String()); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, file, err)
			}
			to = nil
		case to != nil:
			to.WriteString(line)
		case strings.HasPrefix(word, "file "):
			file = strings.TrimPrefix(word, "file ")
			b, err := os.ReadFile(filepath.Join("../..", file))
			if err != nil {
				return nil, err
			}
			m.files[file] = string(b)
		case strings.HasPrefix(word, "found within"):
			within, by, _ := strings.Cut(word, " by ")
			if _, err := fmt.Sscanf(within, "found within %d seeds", &m.seeds); err != nil {
				return nil, err
			}
			m.checks = strings.Split(by, ", ")
		}
	}
	if m.seeds == 0 || len(m.files) == 0 {
		return nil, fmt.Errorf("%s: no seeds or no change", path)
	}
	return m, nil
}

// change replaces the one place where before is. The last lines of both may be the
// beginning of a line.
func change(s, before, after string) (string, error) {
	b, a := strings.TrimSuffix(before, "\n"), strings.TrimSuffix(after, "\n")
	if a == "" {
		b = before
	}
	if n := strings.Count(s, b); n != 1 || b == "" {
		return "", fmt.Errorf("is %d times in the file, must be there once:\n%s", n, before)
	}
	return strings.Replace(s, b, a, 1), nil
}

var found = regexp.MustCompile(`seed=(0x[0-9a-f]+) : .*\n\s*violation of (\S+): (.*)`)

// find builds this package with the bug and runs seeds until one fails: by a check that this bug must fail, and
// without the bug it must not.
func find(t *testing.T, m *mutant) {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range m.files {
		real, err := filepath.Abs(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[real] = copied
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "sim.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "invariants", "-ldflags", "-s -w",
		"-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the bug does not compile: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.timeout", "8m", "-once", "-seeds", fmt.Sprint(m.seeds))
	out, err := run.CombinedOutput()
	hit := found.FindSubmatch(out)
	switch {
	case err == nil:
		t.Errorf("not found within %d seeds:\n%s", m.seeds, out)
	case hit == nil:
		t.Errorf("the run failed, but no check did: %v\n%s", err, out)
	case !slices.Contains(m.checks, string(hit[2])):
		t.Errorf("seed %s, check %s, want one of %s: %s", hit[1], hit[2], m.checks, hit[3])
	default:
		t.Logf("seed %s, check %s: %.150s", hit[1], hit[2], hit[3])
		seed, err := strconv.ParseUint(string(hit[1]), 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		if r := sim.Run(sim.Options{Seed: seed}); r.Err != nil {
			t.Errorf("seed %s fails without the bug, too: %v", hit[1], r.Err)
		}
	}
}
