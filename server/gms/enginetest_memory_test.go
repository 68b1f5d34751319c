package gms_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dolthub/go-mysql-server/enginetest"
)

// inMemory is set in the process that runs suites on go-mysql-server's backend in
// memory: a list of their names with commas between.
const inMemory = "SEXTANT_CONFORMANCE_IN_MEMORY"

// TestInMemory runs suites on go-mysql-server's backend in memory, for TestSkips.
func TestInMemory(t *testing.T) {
	want := os.Getenv(inMemory)
	if want == "" {
		t.Skip("run by TestSkips, in a process of its own")
	}
	dir, err := moduleDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "enginetest"))
	for _, s := range suites {
		if strings.Contains(","+want+",", ","+s.name+",") {
			t.Run(s.name, func(t *testing.T) { s.run(t, enginetest.NewDefaultMemoryHarness()) })
		}
	}
}

var resultLine = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): [^/ ]+/(.+) \(\d+\.\d+s\)$`)

// results runs suites in memory and returns what became of each test, by its name
// below TestInMemory.
func results(t *testing.T, names []string) map[string]string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestInMemory$", "-test.v", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), inMemory+"="+strings.Join(names, ","))
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	byName := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		if m := resultLine.FindStringSubmatch(lines.Text()); m != nil {
			byName[m[2]] = m[1]
		}
	}
	return byName
}

// TestSkips runs what is skipped on the backend in memory, where all of it must
// pass: what does not pass there either says nothing about our storage and needs no
// entry. Suites that are skipped as a whole are run with -conformance only.
func TestSkips(t *testing.T) {
	var names []string
	for name := range skips {
		names = append(names, name)
	}
	if *conformance {
		for name := range suiteSkips {
			names = append(names, name)
		}
	}
	got := results(t, names)
	for suite, list := range skips {
		for name, reason := range list {
			t.Run(suite+"/"+name, func(t *testing.T) {
				if reason == "" {
					t.Error("no reason")
				}
				passed := 0
				for path, result := range got {
					if !strings.HasPrefix(path, suite+"/") || !within(path, name) {
						continue
					}
					switch result {
					case "PASS":
						passed++
					case "FAIL":
						t.Errorf("%s fails in memory too", path)
					}
				}
				if passed == 0 {
					t.Error("nothing of it passes in memory")
				}
			})
		}
	}
	for name, reason := range suiteSkips {
		t.Run(name, func(t *testing.T) {
			if reason == "" {
				t.Error("no reason")
			}
			if *conformance && got[name] != "PASS" {
				t.Errorf("in memory: %q", got[name])
			}
		})
	}
}

// within reports whether a test's path has a name as one of its elements. Names have
// slashes themselves.
func within(path, name string) bool {
	return strings.Contains(path+"/", "/"+name+"/")
}
