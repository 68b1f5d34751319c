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
		if s.name == "TransactionScripts" { // there are no transactions in memory
			continue
		}
		if strings.Contains(","+want+",", ","+s.name+",") {
			t.Run(s.name, func(t *testing.T) { s.run(t, enginetest.NewDefaultMemoryHarness()) })
		}
	}
}

var resultLine = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): [^/ ]+/(.+) \(\d+\.\d+s\)$`)

// results runs suites in memory and returns what became of each test, by its name
// below TestInMemory.
func results(t *testing.T, names []string) map[string]string {
	return resultsOf(t, "TestInMemory", inMemory+"="+strings.Join(names, ","))
}

// resultsOf runs a test of this program in a process of its own and returns what became
// of each test below it.
func resultsOf(t *testing.T, test, environ string) map[string]string {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), environ)
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
// entry. With -conformance every suite is run in memory and on our storage: then
// suites that are skipped as a whole must pass in memory, nothing else may be
// skipped on our storage that is not skipped in memory, and what is skipped over the
// wire must pass on our storage.
func TestSkips(t *testing.T) {
	var names []string
	for _, s := range suites {
		if _, part := skips[s.name]; part || *conformance {
			names = append(names, s.name)
		}
	}
	got := results(t, names)
	passes(t, skips, got)
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
	if !*conformance {
		return
	}
	ours := resultsOf(t, "TestConformance", "SEXTANT_CONFORMANCE=")
	for path, result := range ours {
		suite, _, _ := strings.Cut(path, "/")
		if _, ran := got[suite]; !ran {
			continue
		}
		if _, whole := suiteSkips[suite]; result == "SKIP" && !whole && got[path] != "SKIP" && !listed(skips[suite], path) {
			t.Errorf("%s is skipped without an entry; in memory: %q", path, got[path])
		}
	}
	passes(t, wireSkips, ours)
	for name, reason := range wireSuiteSkips {
		if reason == "" || ours[name] != "PASS" && got[name] != "SKIP" {
			t.Errorf("%s is not run over the wire: %q; in process: %q", name, reason, ours[name])
		}
	}
}

// passes fails the test for every entry of a list of skips that has no reason or does
// not pass where it is run.
func passes(t *testing.T, skips map[string]map[string]string, got map[string]string) {
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
						t.Errorf("%s fails there too", path)
					}
				}
				if passed == 0 {
					t.Error("nothing of it passes there")
				}
			})
		}
	}
}

// listed reports whether a test is one of those of a list of skips.
func listed(list map[string]string, path string) bool {
	for name := range list {
		if within(path, name) {
			return true
		}
	}
	return false
}

// within reports whether a test's path has a name as one of its elements. Names have
// slashes themselves.
func within(path, name string) bool {
	return strings.Contains(path+"/", "/"+name+"/")
}
