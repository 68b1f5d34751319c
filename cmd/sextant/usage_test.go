package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"sextant/internal/config"
)

// TestMissingArgumentsAreNamed in every command, with an example that is right itself.
func TestMissingArgumentsAreNamed(t *testing.T) {
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			look(sub)
		}
		path, names := strings.Fields(cmd.CommandPath())[1:], strings.Fields(cmd.Use)[1:]
		if _, err := run(append(path, "a", "b", "c")...); err == nil || !strings.Contains(err.Error(), cmd.CommandPath()) {
			t.Errorf("%v with too many arguments: %v", path, err)
		}
		if len(names) == 0 {
			return
		}
		_, err := run(path...)
		for _, want := range append(names, "needs", "for example `"+cmd.CommandPath()) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v instead of %q", path, err, want)
			}
		}
	}
	look(command())
}

func TestCommandLineErrors(t *testing.T) {
	none := t.TempDir()
	for line, want := range map[string]string{
		"up --port-base abc":                       `--port-base "abc" is not a whole number (1024 to 64936`,
		"up --port-base":                           "--port-base needs a value",
		"up --portbase 1":                          "unknown flag: --portbase; `sextant up --help`",
		"log storage-3 --pg x":                     `--pg "x" is not a whole number`,
		"log storage-3 --page -1":                  `--page "-1" is not a whole number from 0 on`,
		"storage":                                  "needs --id, for example `sextant storage --id storage-1`",
		"server --id x-1":                          "a server is called db-N",
		"begin":                                    `no command "begin"`,
		"cert begin":                               `no command "begin"; ` + "`sextant cert --help`",
		"cert list --data " + none:                 "has no cluster yet",
		"cert issue db-1 --data " + none:           "has no cluster yet",
		"storage add storage-7 --data " + none:     "has no cluster yet",
		"storage replace storage-7 --data " + none: "has no cluster yet",
		"stop db-1 --data " + none:                 "has no cluster yet",
		"start db-1 --data " + none:                "has no cluster yet",
		"failover --data " + none:                  "has no cluster yet",
		"status --data " + none:                    "has no cluster yet",
		"endpoint list --data " + none:             "has no cluster yet",
		"instance remove db-1 --data " + none:      "has no cluster yet",
		"status --port-base 5":                     "cluster.port_base: 5 is not in 1024",
		"status --config " + none + "/none.yaml":   "no such file",
	} {
		if out, err := run(strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v instead of %q\n%s", line, err, want, out)
		}
	}
}

// TestOutgoingPortsAreSaid: a taken port that an outgoing connection may have is said to be such.
func TestOutgoingPortsAreSaid(t *testing.T) {
	b, err := os.ReadFile(portRange)
	var first, last int
	if _, e := fmt.Sscan(string(b), &first, &last); err != nil || e != nil || last >= 65535 {
		t.Skip("no range of ports is known, or it has all to the last")
	}
	cfg := config.Default()
	for port, want := range map[int]bool{first: true, last: true, first - 1: false, last + 1: false} {
		err := named(&cfg, fmt.Sprintf("127.0.0.1:%d", port), syscall.EADDRINUSE)
		if !strings.Contains(err.Error(), "port_base") || strings.Contains(err.Error(), "outgoing") != want {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

func TestFilesOfAnotherUser(t *testing.T) {
	err := owned(&fs.PathError{Op: "open", Path: "/srv/cluster.json", Err: fs.ErrPermission})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "/srv/cluster.json") || !strings.Contains(err.Error(), "as the user that runs") {
		t.Error(err)
	}
	if err := owned(fs.ErrNotExist); err != fs.ErrNotExist {
		t.Error(err)
	}
}
