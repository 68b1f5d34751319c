// Command fuzz runs every fuzz test of the module for a while, one after the other.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var fuzzTest = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

func main() {
	tags := flag.String("tags", "", "build tags")
	each := flag.String("fuzztime", "30s", "time for each test")
	flag.Parse()
	failed := false
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range fuzzTest.FindAllStringSubmatch(string(text), -1) {
			fmt.Printf("%s %s\n", filepath.Dir(path), m[1])
			cmd := exec.Command("go", "test", "-tags", *tags, "-run", "^$", "-fuzz", "^"+m[1]+"$", "-fuzztime", *each, "-fuzzminimizetime", "50x", "./"+filepath.Dir(path))
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			failed = cmd.Run() != nil || failed
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
	}
	if err != nil || failed {
		os.Exit(1)
	}
}
