// Command gotest runs `go test` on the whole module, or the packages that are given,
// and ends with one line: "N passed, N failed, N skipped". It prints a line per package as it ends, and
// the output of a test only if it failed.
//
// A test that lacks a program skips with a message that starts with "tool
// missing: ". With CI set in the environment such a skip is a failure, since CI
// installs every program that tests need.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type tally struct {
	passed, failed, skipped int
	missing, failures       []string
}

func main() {
	// -count=1: a cached result of the end-to-end tests would be of another binary.
	args := append([]string{"test", "-json", "-count=1", "-timeout", "20m"}, os.Args[1:]...)
	if !slices.ContainsFunc(os.Args[1:], func(a string) bool { return strings.HasPrefix(a, "./") }) {
		args = append(args, "./...")
	}
	start := time.Now()
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest: start go test:", err)
		os.Exit(1)
	}
	var t tally
	t.read(bufio.NewReader(out))
	err = cmd.Wait()
	t.report(time.Since(start))
	if err != nil || t.failed > 0 {
		os.Exit(1)
	}
}

// read counts the results of the stream of events and prints as it goes.
func (t *tally) read(r *bufio.Reader) {
	output := map[string]*strings.Builder{}
	dec := json.NewDecoder(r)
	for {
		var e event
		if dec.Decode(&e) != nil {
			return
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			b := output[key]
			if b == nil {
				b = &strings.Builder{}
				output[key] = b
			}
			b.WriteString(e.Output)
		case "pass", "fail", "skip":
			text := ""
			if b := output[key]; b != nil {
				text = b.String()
			}
			delete(output, key)
			t.end(e, text)
		case "build-fail":
			fmt.Print(output[key])
		}
	}
}

func (t *tally) end(e event, text string) {
	if e.Test == "" {
		if e.Action != "skip" {
			fmt.Printf("%-4s %s %.1fs\n", e.Action, e.Package, e.Elapsed)
		}
		if e.Action == "fail" {
			fmt.Print(text)
			t.failed++
			t.failures = append(t.failures, e.Package)
		}
		return
	}
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		t.failures = append(t.failures, e.Package+"."+e.Test)
		fmt.Print(text)
	case "skip":
		t.skipped++
		if at := strings.Index(text, "tool missing: "); at >= 0 {
			why, _, _ := strings.Cut(text[at:], "\n")
			t.missing = append(t.missing, e.Package+"."+e.Test+": "+why)
		}
	}
}

func (t *tally) report(took time.Duration) {
	for _, m := range t.missing {
		fmt.Println("skipped:", m)
	}
	if os.Getenv("CI") != "" && len(t.missing) > 0 {
		t.failed += len(t.missing)
		t.skipped -= len(t.missing)
	}
	for _, f := range t.failures {
		fmt.Println("failed:", f)
	}
	fmt.Printf("%s in all\n", took.Round(time.Second))
	fmt.Printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
}
