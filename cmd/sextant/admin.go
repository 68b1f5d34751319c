package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/config"
	"sextant/internal/mtls"
)

const adminPatience = 30 * time.Second // for a command of a person

// adminCommands are the tools that ask a running cluster.
func adminCommands(c *common) []*cobra.Command {
	return []*cobra.Command{statusCommand(c), failoverCommand(c), stopCommand(c), startCommand(c), endpointCommand(c), instanceCommand(c), certCommand(c)}
}

// asking returns a RunE that connects to the control plane and calls run.
func asking(c *common, run func(context.Context, *config.Config, *failover.Client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		id, err := needIdentity(cfg)
		if err != nil {
			return err
		}
		secure, err := membership(cfg, id, mtls.Admin, adminID)
		if err != nil {
			return err
		}
		client, err := controlClient(cfg, id, secure, nil)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), adminPatience)
		defer cancel()
		err = run(ctx, cfg, client, args)
		if errors.Is(err, failover.ErrNoLeader) {
			return fmt.Errorf("no control node leads at %s; does `sextant up` run with this --port-base and --data?", strings.Join(controlAddrs(cfg), ", "))
		}
		return err
	}
}

func failoverCommand(c *common) *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use: "failover", Short: "hand the writer's role over, without losing anything", Example: "  sextant failover --to db-2",
		RunE: asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, _ []string) error {
			began := time.Now()
			if to != "" {
				if err := areInstances(ctx, client, []string{to}); err != nil {
					return err
				}
			} else if _, err := client.Status(ctx); err != nil { // at once where nobody answers
				return err
			}
			target, err := client.Failover(ctx, to)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			done := false
			err = client.Watch(ctx, func(t failover.Topology) {
				if t.Writer() == target {
					done = true
					cancel()
				}
			})
			if !done {
				return fmt.Errorf("%s did not become the writer: %w", target, err)
			}
			fmt.Printf("%s is the writer (%v)\n", target, time.Since(began).Round(time.Millisecond))
			return nil
		}),
	}
	cmd.Flags().StringVar(&to, "to", "", "the instance that becomes the writer (default: the best candidate)")
	return cmd
}

func stopCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "stop ID", Short: "stop a role of the local cluster; it stays stopped", Example: "  sextant stop storage-3",
		RunE: asking(c, func(ctx context.Context, cfg *config.Config, client *failover.Client, args []string) error {
			id := args[0]
			if err := runsHere(cfg, id); err != nil {
				return err
			}
			if err := stopRole(ctx, roleDir(cfg, id)); err != nil {
				return err
			}
			// With the last control nodes stopped nobody can note it: then only the process is stopped.
			if err := noted(ctx, client, &fleet.Stop{ID: id}); err != nil {
				return err
			}
			fmt.Println(id, "stopped")
			return nil
		}),
	}
}

// noted has the control plane note what was done, if a control node leads.
func noted(ctx context.Context, client *failover.Client, cmd fleet.Command) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := client.Propose(ctx, cmd); !errors.Is(err, failover.ErrNoLeader) {
		return err
	}
	return nil
}

func startCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "start ID", Short: "start a stopped role of the local cluster again", Example: "  sextant start storage-3",
		RunE: asking(c, func(ctx context.Context, cfg *config.Config, client *failover.Client, args []string) error {
			id := args[0]
			if err := runsHere(cfg, id); err != nil {
				return err
			}
			if _, err := pidOf(roleDir(cfg, id)); err == nil && !stopped(roleDir(cfg, id)) {
				fmt.Println(id, "runs already")
				return noted(ctx, client, &fleet.Start{ID: id}) // as stopped, perhaps: its mark may have been removed with its files
			}
			st, err := client.Status(ctx)
			switch {
			case err != nil && errors.Is(err, failover.ErrNoLeader) && !strings.HasPrefix(id, "control-"):
				return err
			case err == nil && gone(&st, id):
				return fmt.Errorf("%s is not in the cluster any more", id)
			}
			// First, or an instance is told to stop when it attaches; and again, for no control node may have led.
			if err := noted(ctx, client, &fleet.Start{ID: id}); err != nil {
				return err
			}
			if err := startRole(ctx, roleDir(cfg, id)); err != nil {
				return err
			}
			if _, err := client.Propose(ctx, &fleet.Start{ID: id}); err != nil {
				return err
			}
			fmt.Println(id, "started")
			return nil
		}),
	}
}

// gone reports whether a storage node or instance is none of the cluster's.
func gone(s *failover.Status, id string) bool {
	switch {
	case strings.HasPrefix(id, "storage-"):
		return !slices.ContainsFunc(s.Storage, func(n failover.StorageStatus) bool { return n.ID == id })
	case strings.HasPrefix(id, "db-"):
		return !slices.ContainsFunc(s.Instances, func(i failover.InstanceStatus) bool { return i.ID == id })
	}
	return false
}

// processes returns the ids of the processes that have a directory here.
func processes(cfg *config.Config) (ids []string) {
	entries, err := os.ReadDir(cfg.Cluster.Data)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		prefix, _, _ := strings.Cut(e.Name(), "-")
		if certRoles[prefix] != "" && config.Number(e.Name()) > 0 && e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids
}

// known refuses the id of a process that has no directory here.
func known(cfg *config.Config, id string) error {
	if ids := processes(cfg); !slices.Contains(ids, id) {
		return fmt.Errorf("there is no process %q in %s; there are %s", id, cfg.Cluster.Data, orNone(ids))
	}
	return nil
}

// runsHere refuses the id of a process that `sextant up` does not run here.
func runsHere(cfg *config.Config, id string) error {
	err := known(cfg, id)
	if err == nil && left(cfg, id) {
		err = fmt.Errorf("%s has left the cluster, another storage node has its place, and is not started any more; `sextant status` lists the nodes", id)
	}
	return err
}

// orNone lists ids for a message.
func orNone(ids []string) string { return cmp.Or(strings.Join(ids, ", "), "none") }

func endpointCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{Use: "endpoint", Short: "list, create, modify and delete endpoints"}
	list := &cobra.Command{
		Use: "list", Short: "all endpoints",
		RunE: asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, _ []string) error {
			s, err := client.Status(ctx)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ENDPOINT\tTYPE\tADDRESSES\tMEMBER TYPE\tLIST\tCONFIGURED\tMEMBERS")
			for _, e := range s.Endpoints {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Type, strings.Join(e.Addresses, " "), e.MemberType, e.ListType,
					strings.Join(e.Configured, " "), strings.Join(e.Members, " "))
			}
			return w.Flush()
		}),
	}
	del := &cobra.Command{
		Use: "delete NAME", Short: "delete a custom endpoint; its connections stay", Example: "  sextant endpoint delete reports",
		RunE: asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, args []string) error {
			s, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(s.Endpoints, func(e failover.EndpointStatus) bool { return e.Name == args[0] }) {
				return noEndpoint(&s, args[0])
			}
			if _, err = client.Propose(ctx, &fleet.DeleteEndpoint{Name: args[0]}); err == nil {
				fmt.Println(args[0], "deleted")
			}
			return err
		}),
	}
	cmd.AddCommand(list, createEndpoint(c), modifyEndpoint(c), del)
	return cmd
}

func noEndpoint(s *failover.Status, name string) error {
	return fmt.Errorf("there is no endpoint %q; there are %s", name, orNone(idsOf(s.Endpoints, func(e failover.EndpointStatus) string { return e.Name })))
}

// idsOf returns what id says of each element.
func idsOf[T any](list []T, id func(T) string) (ids []string) {
	for _, x := range list {
		ids = append(ids, id(x))
	}
	return ids
}

// members are the flags of a custom endpoint's list.
type members struct {
	memberType        string
	static, exclusion []string
}

func (m *members) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.memberType, "member-type", "", "READER or ANY")
	cmd.Flags().StringSliceVar(&m.static, "static", nil, "the members: these instances")
	cmd.Flags().StringSliceVar(&m.exclusion, "exclude", nil, "the members: all instances but these")
}

// check refuses two lists, and none if there must be one.
func (m *members) check(cmd *cobra.Command, must bool) error {
	static, exclude := cmd.Flags().Changed("static"), cmd.Flags().Changed("exclude")
	if static && exclude || must && !static && !exclude {
		return fmt.Errorf("`%s` needs one of --static and --exclude, which name its members%s", cmd.CommandPath(), example(cmd))
	}
	return nil
}

func (m *members) list(cmd *cobra.Command) (fleet.ListType, []string) {
	if cmd.Flags().Changed("exclude") {
		return fleet.ListExclusion, m.exclusion
	}
	return fleet.ListStatic, m.static
}

func (m *members) member() (fleet.MemberType, error) {
	switch strings.ToUpper(m.memberType) {
	case "":
		return 0, nil
	case "READER", "ANY":
		return memberType(strings.ToUpper(m.memberType)), nil
	}
	return 0, fmt.Errorf("--member-type %q is not READER or ANY", m.memberType)
}

// areInstances refuses a list that names something else than instances.
func areInstances(ctx context.Context, client *failover.Client, ids []string) error {
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	all := idsOf(s.Instances, func(i failover.InstanceStatus) string { return i.ID })
	for _, id := range ids {
		if !slices.Contains(all, id) {
			return fmt.Errorf("there is no instance %q; there are %s", id, orNone(all))
		}
	}
	return nil
}

func createEndpoint(c *common) *cobra.Command {
	var m members
	cmd := &cobra.Command{
		Use: "create NAME", Short: "create a custom endpoint",
		Example: "  sextant endpoint create reports --member-type READER --static db-3\n  sextant endpoint create all --member-type ANY --exclude db-1",
	}
	m.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, args []string) error {
			if err := m.check(cmd, true); err != nil {
				return err
			}
			e := fleet.Endpoint{Name: args[0], Type: fleet.EndpointCustom, Member: fleet.MemberAny}
			e.List, e.Listed = m.list(cmd)
			member, err := m.member()
			if err != nil {
				return err
			}
			if member != 0 {
				e.Member = member
			}
			if config.Number(e.Name) > 0 && strings.HasPrefix(e.Name, "db-") {
				return fmt.Errorf("%q is the name of an instance's own endpoint", e.Name)
			}
			if err := areInstances(ctx, client, e.Listed); err != nil {
				return err
			}
			s, err := client.Propose(ctx, &fleet.CreateEndpoint{Endpoint: e})
			if err != nil {
				return err
			}
			for _, e := range s.Endpoints {
				if e.Name == args[0] {
					fmt.Println(e.Name, "listens on", strings.Join(e.Addresses, " "))
				}
			}
			return nil
		})(cmd, args)
	}
	return cmd
}

func modifyEndpoint(c *common) *cobra.Command {
	var m members
	cmd := &cobra.Command{
		Use: "modify NAME", Short: "change the members of a custom endpoint; its connections stay",
		Example: "  sextant endpoint modify reports --static db-2,db-3",
	}
	m.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, args []string) error {
			change := &fleet.ModifyEndpoint{Name: args[0]}
			err := m.check(cmd, false)
			if err != nil {
				return err
			}
			if change.Member, err = m.member(); err != nil {
				return err
			}
			if cmd.Flags().Changed("static") || cmd.Flags().Changed("exclude") {
				change.SetListed = true
				change.List, change.Listed = m.list(cmd)
			}
			if !change.SetListed && change.Member == 0 {
				return errors.New("nothing to change: name --member-type, --static or --exclude")
			}
			s, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(s.Endpoints, func(e failover.EndpointStatus) bool { return e.Name == args[0] }) {
				return noEndpoint(&s, args[0])
			}
			if err := areInstances(ctx, client, change.Listed); err != nil {
				return err
			}
			if _, err = client.Propose(ctx, change); err == nil {
				fmt.Println(args[0], "modified")
			}
			return err
		})(cmd, args)
	}
	return cmd
}

func instanceCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{Use: "instance", Short: "add and remove instances"}
	az, tier := "", 1
	add := &cobra.Command{
		Use: "add ID", Short: "add an instance; `sextant up` starts it as a reader", Example: "  sextant instance add db-4 --az az-b",
		RunE: asking(c, func(ctx context.Context, cfg *config.Config, client *failover.Client, args []string) error {
			id := args[0]
			n := config.Number(id)
			if id != fmt.Sprintf("db-%d", n) || n < 1 || n > 20 {
				return fmt.Errorf("%q is not db-N with N in 1…20", id)
			}
			if tier < 0 || tier > 15 {
				return fmt.Errorf("--tier %d is not in 0…15", tier)
			}
			s, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(s.Instances, func(i failover.InstanceStatus) bool { return i.ID == id }) {
				return fmt.Errorf("%s is in the cluster already", id)
			}
			if err := isZone(az, idsOf(s.Storage, func(n failover.StorageStatus) string { return n.AZ })); err != nil {
				return err
			}
			if _, err = client.Propose(ctx, &fleet.AddInstance{Instance: instanceOf(cfg, config.Instance{Node: config.Node{ID: id, AZ: az}, Tier: tier})}); err == nil {
				fmt.Println(id, "added; `sextant up` starts it")
			}
			return err
		}),
	}
	add.Flags().StringVar(&az, "az", "az-a", "its availability zone")
	add.Flags().IntVar(&tier, "tier", 1, "promotion tier, 0 first to 15 last")
	remove := &cobra.Command{
		Use: "remove ID", Short: "remove an instance that is not the writer", Example: "  sextant instance remove db-4",
		RunE: asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, args []string) error {
			if err := areInstances(ctx, client, args); err != nil {
				return err
			}
			_, err := client.Propose(ctx, &fleet.RemoveInstance{ID: args[0]})
			if err == nil {
				fmt.Println(args[0], "removed")
			}
			return err
		}),
	}
	cmd.AddCommand(add, remove)
	return cmd
}
