package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

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
		return nil, fmt.Errorf("%w: make one where it is by `sextant cert issue %s --role %s --out DIR`, and copy it to %s", err, id, role, dir)
	}
	return secure, err
}

// adminID is whom operators' commands are.
const adminID = "admin"

func certCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{Use: "cert", Short: "certificates that the cluster's processes show each other"}
	cmd.AddCommand(certListCommand(c), certIssueCommand(c))
	return cmd
}

func certListCommand(c *common) *cobra.Command {
	return plain(c, "list", "what this host has, and until when it is valid", "sextant cert list", func(_ context.Context, cfg *config.Config, _ *common) error {
		list, err := mtls.Certificates(peerCerts(cfg))
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tROLE\tCLUSTER\tVALID UNTIL\tSERIAL\tPROBLEM")
		for _, x := range list {
			problem, until := "", ""
			if x.Err != nil {
				problem = x.Err.Error()
			}
			if !x.NotAfter.IsZero() {
				until = x.NotAfter.Format(time.DateOnly)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Role, x.Cluster, until, x.Serial, problem)
		}
		return w.Flush()
	})
}

func certIssueCommand(c *common) *cobra.Command {
	var role, out string
	roles := map[string]mtls.Role{"storage": mtls.Storage, "control": mtls.Control, "db": mtls.Instance, "router": mtls.Router, adminID: mtls.Admin}
	cmd := &cobra.Command{
		Use: "issue ID", Short: "sign a new certificate and key of a process; a running one takes it up by itself",
		Example: "  sextant cert issue storage-3 --out /mnt/usb/peer-certs", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			ident, err := needIdentity(cfg)
			if err != nil {
				return err
			}
			r := mtls.Role(role)
			if prefix, _, _ := strings.Cut(args[0], "-"); r == "" {
				r = roles[prefix]
			}
			if r == "" {
				return fmt.Errorf("%q: say --role storage, control, instance, router or admin", args[0])
			}
			dir := peerCerts(cfg)
			return mtls.Issue(dir, cmp.Or(out, dir), mtls.Peer{Cluster: ident.Cluster, Role: r, ID: args[0]})
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "storage, control, instance, router or admin; otherwise from the id")
	cmd.Flags().StringVar(&out, "out", "", "directory, to be copied to the process's host as DATA/peer-certs; otherwise this host's")
	return cmd
}
