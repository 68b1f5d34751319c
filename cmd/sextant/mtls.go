package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sextant/failover"
	"sextant/internal/config"
	"sextant/internal/mtls"
)

// peerCerts is the directory of the certificates that processes show each other.
func peerCerts(cfg *config.Config) string { return filepath.Join(cfg.Cluster.Data, "peer-certs") }

// membership returns the identity of a process of the cluster, nil without mutual TLS.
// Where the authority's key is at hand, a process that has no certificate gets one.
func membership(cfg *config.Config, ident identity, role mtls.Role, id string) (*mtls.Identity, error) {
	if !cfg.Cluster.MutualTLS {
		return nil, nil
	}
	dir := peerCerts(cfg)
	self := mtls.Peer{Cluster: ident.Cluster, Role: role, ID: id}
	secure, err := mtls.Ensure(dir, self)
	if errors.Is(err, mtls.ErrNoAuthority) {
		return nil, fmt.Errorf("%w: make one where it is by `sextant cert issue %s --out DIR`, and copy it to %s", err, id, dir)
	}
	return secure, owned(err)
}

// adminID is whom operators' commands are.
const adminID = "admin"

func certCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{Use: "cert", Short: "certificates that the cluster's processes show each other"}
	cmd.AddCommand(certListCommand(c), certIssueCommand(c))
	return cmd
}

func certListCommand(c *common) *cobra.Command {
	var cmd *cobra.Command
	cmd = plain(c, "list", "what this host has, and until when it is valid", "sextant cert list", func(ctx context.Context, cfg *config.Config, _ *common) error {
		ident, err := needIdentity(cfg)
		if err != nil {
			return err
		}
		list, err := mtls.Certificates(peerCerts(cfg))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s has no certificates: `sextant up` makes them unless cluster.mutual_tls is false", cfg.Cluster.Data)
		}
		if err != nil {
			return owned(err)
		}
		members, _ := memberIDs(ctx, cfg, ident)
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tROLE\tCLUSTER\tVALID UNTIL\tSERIAL\tPROBLEM")
		for _, x := range list {
			problem, until := "", ""
			switch {
			case x.Err != nil:
				problem = x.Err.Error()
			case !slices.Contains(members, x.ID):
				problem = "of no process of the cluster: delete its two files, if it has gone"
			}
			if !x.NotAfter.IsZero() {
				until = x.NotAfter.Format(time.DateOnly)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Role, x.Cluster, until, x.Serial, problem)
		}
		return w.Flush()
	})
	return cmd
}

// certRoles are the roles of processes, by what their ids start with.
var certRoles = map[string]mtls.Role{"storage": mtls.Storage, "control": mtls.Control, "db": mtls.Instance, "router": mtls.Router, adminID: mtls.Admin}

func certIssueCommand(c *common) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "issue ID", Short: "sign a new certificate and key of a process; a running one takes it up by itself",
		Example: "  sextant cert issue storage-3\n  sextant cert issue storage-3 --out /mnt/usb/peer-certs",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			ident, err := needIdentity(cfg)
			if err != nil {
				return err
			}
			id := args[0]
			if err := isMember(cmd.Context(), cfg, ident, id); err != nil {
				return err
			}
			prefix, _, _ := strings.Cut(id, "-")
			return issue(cmd.OutOrStdout(), peerCerts(cfg), out, mtls.Peer{Cluster: ident.Cluster, Role: certRoles[prefix], ID: id})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "directory, to be copied to the process's host as DATA/peer-certs; otherwise this host's")
	return cmd
}

// memberIDs returns the ids of the cluster's processes, and where they are from: of its state where a control node
// answers, otherwise of the configuration and of those that run here.
func memberIDs(ctx context.Context, cfg *config.Config, ident identity) (ids []string, where string) {
	ids, where = []string{adminID}, "the configuration or in "+cfg.Cluster.Data+" (no control node answers)"
	nodes := func(n config.Node) string { return n.ID }
	ids = append(append(ids, idsOf(cfg.Control.Nodes, nodes)...), idsOf(cfg.Router.Nodes, nodes)...)
	if s, err := statusOf(ctx, cfg, ident); err == nil && len(s.Storage) > 0 {
		where = "the cluster"
		ids = append(ids, idsOf(s.Storage, func(n failover.StorageStatus) string { return n.ID })...)
		ids = append(ids, idsOf(s.Instances, func(i failover.InstanceStatus) string { return i.ID })...)
	} else {
		ids = append(append(ids, idsOf(cfg.Storage.Nodes, nodes)...), idsOf(cfg.Instances, func(i config.Instance) string { return i.ID })...)
		ids = append(ids, processes(cfg)...) // added at run time
		ids = slices.DeleteFunc(ids, func(id string) bool { return left(cfg, id) })
	}
	slices.Sort(ids)
	return slices.Compact(ids), where
}

// isMember refuses an id of no process of the cluster.
func isMember(ctx context.Context, cfg *config.Config, ident identity, id string) error {
	ids, where := memberIDs(ctx, cfg, ident)
	if slices.Contains(ids, id) {
		return nil
	}
	return fmt.Errorf("there is no process %q in %s; there are %s. `sextant storage add` and `sextant instance add` add some", id, where, orNone(ids))
}

// statusOf asks a cluster that may not run, with a certificate that may not be good any more.
func statusOf(ctx context.Context, cfg *config.Config, ident identity) (failover.Status, error) {
	secure, err := membership(cfg, ident, mtls.Admin, adminID)
	if err != nil {
		return failover.Status{}, err
	}
	client, err := controlClient(cfg, ident, secure, nil)
	if err != nil {
		return failover.Status{}, err
	}
	defer client.Close()
	return client.Status(ctx)
}

// issue makes a certificate below out, dir if that is "", and says what it did and what is to be done.
func issue(w io.Writer, dir, out string, p mtls.Peer) error {
	to := cmp.Or(out, dir)
	if err := mtls.Issue(dir, to, p); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: certificates are issued where the authority's key is, on the host of the first `sextant up`", err)
	} else if err != nil {
		return owned(err)
	}
	list, err := mtls.Certificates(to)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(c mtls.Certificate) bool { return c.Peer == p })
	if at < 0 || list[at].Err != nil {
		return fmt.Errorf("the new certificate of %s in %s cannot be used: issue it again, or look at `sextant cert list`", p, to)
	}
	fmt.Fprintf(w, "certificate and key of %s, valid until %s: %s-key.pem and %[3]s.pem\n", p, list[at].NotAfter.Format(time.DateOnly), filepath.Join(to, p.ID))
	if filepath.Clean(to) == filepath.Clean(dir) {
		fmt.Fprintf(w, "%s uses them for its next connections, running or not: there is nothing else to do\n", p.ID)
	} else {
		fmt.Fprintf(w, "Copy what is in %s to the data directory of %s's host, as peer-certs; the process uses it for its next connections. Then delete this copy.\n", to, p.ID)
	}
	return nil
}
