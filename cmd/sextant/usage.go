package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explain makes the errors of a command line, of cmd and of all commands below it, say
// which argument or flag is wrong, what is allowed, and how it is written.
func explain(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(flagError)
	for _, sub := range cmd.Commands() {
		explain(sub)
	}
	cmd.Args = arguments
	if !cmd.Runnable() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

// arguments wants those that cmd.Use names behind the command.
func arguments(cmd *cobra.Command, args []string) error {
	names := strings.Fields(cmd.Use)[1:]
	switch {
	case len(args) < len(names):
		return fmt.Errorf("`%s` needs %s%s", cmd.CommandPath(), strings.Join(names[len(args):], " and "), example(cmd))
	case len(args) > len(names) && cmd.HasSubCommands():
		return fmt.Errorf("`%s` has no command %q; `%s --help` lists them", cmd.CommandPath(), args[len(names)], cmd.CommandPath())
	case len(args) > len(names):
		return fmt.Errorf("`%s` does not take %q%s", cmd.CommandPath(), args[len(names)], example(cmd))
	}
	return nil
}

// example returns the end of an error: the first line of cmd's example that is cmd itself.
func example(cmd *cobra.Command) string {
	for line := range strings.Lines(cmd.Example) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, cmd.CommandPath()) {
			return fmt.Sprintf(", for example `%s`", line)
		}
	}
	return fmt.Sprintf("; see `%s --help`", cmd.CommandPath())
}

// flagError says what a flag takes, instead of how Go failed to read it.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		what := map[string]string{"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0 on", "bool": "true or false"}[f.Value.Type()]
		return fmt.Errorf("--%s %q is not %s (%s)", f.Name, invalid.GetValue(), what, f.Usage)
	case errors.As(err, &missing):
		return fmt.Errorf("--%s needs a value (%s)", missing.GetFlag().Name, missing.GetFlag().Usage)
	}
	return fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())
}

// owned adds to an error about the cluster's files who may read and write them.
func owned(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: the cluster's files are its owner's alone; run this as the user that runs `sextant up`", err)
	}
	return err
}
