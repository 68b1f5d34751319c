// Command sextant is every role of a Sextant cluster and its tools in one binary:
// `sextant up` runs a whole local cluster as child processes, the roles run alone,
// and the tools ask a running cluster or read the files of a stopped node.
//
// It wires and decides nothing. Start with commands in this file; up.go is the
// local cluster, roles.go one process per role, admin.go the tools for a running
// cluster, offline.go those for the files of a stopped node.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"sextant/internal/config"
)

// version is set by the build.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sextant:", err)
		os.Exit(1)
	}
}

// common are the flags that every command takes.
type common struct {
	config, data string
	portBase     int
	id           string
}

func command() *cobra.Command {
	var c common
	root := &cobra.Command{
		Use: "sextant", Short: "A MySQL-compatible database whose log is the database",
		Version: version, SilenceUsage: true, SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.config, "config", "", "configuration file (default ./config.yaml if there is one)")
	flags.StringVar(&c.data, "data", "", "directory of all data (cluster.data)")
	flags.IntVar(&c.portBase, "port-base", 0, "1024 to 64936; the ports are offsets from it (cluster.port_base)")
	storage := role(&c, "storage", "run one storage node; add and replace storage nodes", runStorage)
	storage.AddCommand(storageCommands(&c)...)
	root.AddCommand(
		plain(&c, "up", "run a whole cluster on this machine until Ctrl-C", "sextant up --port-base 7000 --data ./data", up),
		storage,
		role(&c, "control", "run one control node", runControl),
		role(&c, "server", "run one SQL instance", runServer),
		role(&c, "router", "run one router", runRouter),
	)
	root.AddCommand(adminCommands(&c)...)
	root.AddCommand(offlineCommands(&c)...)
	explain(root)
	return root
}

func plain(c *common, name, short, example string, run func(context.Context, *config.Config, *common) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Example: "  " + example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, c)
		},
	}
}

func role(c *common, name, short string, run func(context.Context, *config.Config, string, *slog.Logger) error) *cobra.Command {
	cmd := plain(c, name, short, "sextant "+name+" --id "+idPrefix[name]+"-1", func(ctx context.Context, cfg *config.Config, c *common) error {
		if c.id == "" {
			return fmt.Errorf("`sextant %s` needs --id, for example `sextant %s --id %s-1`", name, name, idPrefix[name])
		}
		if n := config.Number(c.id); n == 0 || c.id != fmt.Sprintf("%s-%d", idPrefix[name], n) {
			return fmt.Errorf("--id %q: a %s is called %s-N", c.id, name, idPrefix[name])
		}
		dieWithParent()
		return run(ctx, cfg, c.id, logger(cfg))
	})
	cmd.Flags().StringVar(&c.id, "id", "", "id of the process, like "+idPrefix[name]+"-1")
	return cmd
}

// idPrefix is what the ids of a role start with.
var idPrefix = map[string]string{"storage": "storage", "control": "control", "server": "db", "router": "router"}

// load reads the configuration with the given flags.
func (c *common) load() (*config.Config, error) {
	flags := map[string]string{}
	if c.data != "" {
		flags["cluster.data"] = c.data
	}
	if c.portBase != 0 {
		flags["cluster.port_base"] = strconv.Itoa(c.portBase)
	}
	return config.Load(c.config, flags)
}

// args returns the flags that make another process load the same configuration.
func (c *common) args() (args []string) {
	if c.config != "" {
		args = append(args, "--config", c.config)
	}
	if c.data != "" {
		args = append(args, "--data", c.data)
	}
	if c.portBase != 0 {
		args = append(args, "--port-base", strconv.Itoa(c.portBase))
	}
	return args
}

func logger(cfg *config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused anything else
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// named turns "address already in use" into an error that names the port and the key.
func named(cfg *config.Config, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return errors.New(cfg.PortKey(addr) + outgoing(addr))
	}
	return err
}

// portRange says from which ports the kernel takes those of outgoing connections.
const portRange = "/proc/sys/net/ipv4/ip_local_port_range"

// outgoing returns the end of an error about a taken port if it may be an outgoing
// connection that has it, "" otherwise.
func outgoing(addr string) string {
	a, err := netip.ParseAddrPort(addr)
	b, _ := os.ReadFile(portRange)
	var first, last uint16
	if _, e := fmt.Sscan(string(b), &first, &last); err != nil || e != nil || a.Port() < first || a.Port() > last {
		return ""
	}
	return fmt.Sprintf("; outgoing connections of this machine take ports from %d to %d (net.ipv4.ip_local_port_range), so choose a base below or above that", first, last)
}
