// Package check is how a client program tells scripts/clients what it found: a line
// "ok NAME" or "FAIL NAME" for each check, the latter followed by indented lines that
// say why. Programs in other languages print the same.
package check

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

var failed bool

// Run makes one check; its error, or its panic, fails it and no other.
func Run(name string, f func() error) {
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return f()
	}()
	if err == nil {
		fmt.Println("ok", name)
		return
	}
	failed = true
	fmt.Printf("FAIL %s\n    %s\n", name, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n    "))
}

// Exit ends the program, with code 1 if a check has failed.
func Exit() {
	if failed {
		os.Exit(1)
	}
	os.Exit(0)
}

// Equal returns an error that shows both values unless they print the same.
func Equal(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s\ngot:  %s\nwant: %s", what, g, w)
	}
	return nil
}

// Contains returns an error that names the parts that a text lacks.
func Contains(text string, parts ...string) error {
	var missing []error
	for _, p := range parts {
		if !strings.Contains(text, p) {
			missing = append(missing, fmt.Errorf("no %q in the text", p))
		}
	}
	return errors.Join(missing...)
}

// Host and Port are where the server is.
var (
	Host = os.Getenv("CLIENTS_HOST")
	Port = os.Getenv("CLIENTS_PORT")
)
