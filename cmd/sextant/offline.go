package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sextant/internal/config"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/inspect"
	"sextant/logstore/node"
)

// offlineCommands are the tools that read the files of a stopped storage node.
func offlineCommands(c *common) []*cobra.Command {
	all := []*cobra.Command{logCommand(c), pageCommand(c), checkCommand(c)}
	for _, cmd := range all {
		cmd.Flags().Bool("aside", false, "read the store that the node has set aside, whose hot log is damaged; the node may run")
	}
	return all
}

// reading returns a RunE that opens the files of the node args[0] and calls run.
func reading(c *common, run func(n *inspect.Node, w io.Writer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		ident, err := needIdentity(cfg)
		if err != nil {
			return err
		}
		aside, err := cmd.Flags().GetBool("aside")
		if err != nil {
			return err
		}
		n, err := openOffline(cfg, ident, args[0], aside)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.Close()) }()
		return run(n, cmd.OutOrStdout(), args[1:])
	}
}

// openOffline opens the files of a storage node and refuses one that runs; with aside, those of the store that it has set aside.
func openOffline(cfg *config.Config, ident identity, id string, aside bool) (*inspect.Node, error) {
	if !strings.HasPrefix(id, "storage-") {
		return nil, fmt.Errorf("%s is not a storage node; only storage nodes, storage-N, keep log and pages", id)
	}
	if err := known(cfg, id); err != nil {
		return nil, err
	}
	dir := roleDir(cfg, id)
	if aside {
		if dir = node.Aside(dir); dir == "" {
			return nil, fmt.Errorf("%s has set no store aside", id)
		}
	}
	n, err := inspect.Open(dir, ident.Cluster, logstore.NodeID(id))
	if errors.Is(err, node.ErrLocked) {
		who := id
		if pid, e := pidOf(roleDir(cfg, id)); e == nil {
			who = fmt.Sprintf("%s (pid %d)", id, pid)
		}
		return nil, fmt.Errorf("%s runs; its files can be read when it is stopped: sextant stop %s", who, id)
	}
	return n, err
}

func logCommand(c *common) *cobra.Command {
	var f inspect.Filter
	var group int64
	var id, from, to uint64
	cmd := &cobra.Command{
		Use: "log ID", Short: "show the log of a stopped storage node",
		Long: "log shows the frames of the hot log of a stopped storage node in their order, with their records, and then\n" +
			"the older records in its segments' files, by group and LSN. Damage and a torn tail are named with file and\n" +
			"offset; damage makes the exit code 1. Nothing is changed.",
		Example: "  sextant stop storage-3\n  sextant log storage-3\n  sextant log storage-3 --page 17 --from 1000 --to 2000",
	}
	cmd.Flags().Int64Var(&group, "pg", 0, "only records of this protection group")
	cmd.Flags().Uint64Var(&id, "page", 0, "only records of this page")
	cmd.Flags().Uint64Var(&from, "from", 0, "only records from this LSN on")
	cmd.Flags().Uint64Var(&to, "to", 0, "only records up to this LSN")
	cmd.RunE = reading(c, func(n *inspect.Node, w io.Writer, _ []string) error {
		if cmd.Flags().Changed("pg") {
			pg := redo.PGID(group)
			if int64(pg) != group {
				return fmt.Errorf("--pg %d is not the number of a protection group", group)
			}
			f.Group = &pg
		}
		if cmd.Flags().Changed("page") && id == 0 {
			return errors.New("--page 0: pages are numbered from 1")
		}
		if to != 0 && to < from {
			return fmt.Errorf("--to %d is below --from %d", to, from)
		}
		f.Page, f.From, f.To = redo.PageID(id), redo.LSN(from), redo.LSN(to)
		return n.Log(w, f)
	})
	return cmd
}

func pageCommand(c *common) *cobra.Command {
	var at uint64
	cmd := &cobra.Command{
		Use: "page ID PAGE", Short: "show a page of a stopped storage node",
		Long: "page shows header and cells of a page, made of what a stopped storage node has of it. Without --at that is\n" +
			"the newest version, which may have changes that are not durable on a quorum yet. Nothing is changed.",
		Example: "  sextant stop storage-3\n  sextant page storage-3 17\n  sextant page storage-3 17 --at 1200",
	}
	cmd.Flags().Uint64Var(&at, "at", 0, "the page as of this LSN (default: the newest)")
	cmd.RunE = reading(c, func(n *inspect.Node, w io.Writer, args []string) error {
		id, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not the number of a page", args[0])
		}
		return n.Page(w, redo.PageID(id), redo.LSN(at))
	})
	return cmd
}

func checkCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "check ID", Short: "check all files of a stopped storage node",
		Long: "check reads every file of a stopped storage node: identity and format of each, every frame of the hot log,\n" +
			"the tree and every value of each segment's file, every page image against the records, and the chain of\n" +
			"records. It names every problem, ends with a table, and exits with 1 if there was one. A torn tail and holes\n" +
			"that the node knows of are no problems: the first was never acknowledged, gossip fills the others. Nothing is\n" +
			"changed.",
		Example: "  sextant stop storage-3\n  sextant check storage-3 && sextant start storage-3",
		RunE:    reading(c, func(n *inspect.Node, w io.Writer, _ []string) error { return n.Check(w) }),
	}
}
