package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sextant/failover"
	"sextant/internal/config"
	"sextant/internal/redo"
	"sextant/logstore/client"
)

func statusCommand(c *common) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "status", Short: "roles, LSNs, lag, health and endpoints", Example: "  sextant status --json",
		RunE: asking(c, func(ctx context.Context, _ *config.Config, client *failover.Client, _ []string) error {
			s, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(os.Stdout)
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			printStatus(os.Stdout, &s)
			if s.Leaderless {
				return errors.New("no control node leads: who is up, and how far, is not known; shown is what one control node has last heard of the cluster's members")
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

// printStatus writes the status as tables, and below them what keeps the writer from its work.
func printStatus(out io.Writer, s *failover.Status) {
	if v := &s.Volume; s.Leaderless {
		fmt.Fprintf(out, "volume: epoch %d, %d protection groups; its LSNs and size are not known\n\n", v.Epoch, v.ProtectionGroups)
	} else {
		fmt.Fprintf(out, "volume: epoch %d, VDL %d, VCL %d, %d protection groups, %s of pages, %s stored\n\n", v.Epoch, v.VDL, v.VCL, v.ProtectionGroups, human(v.Bytes), human(v.StoredBytes))
	}
	pid := func(n int) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	trouble := ""
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tAZ\tROLE\tADDRESS\tPID\tHEALTHY\tAPPLIED\tLAG\tTIER\tDETAIL")
	for _, i := range s.Instances {
		lag := "-"
		if i.LagMS != nil {
			lag = fmt.Sprintf("%.1f ms", *i.LagMS)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%v\t%d\t%s\t%d\t%s\n", i.ID, i.AZ, i.Role, i.Address, pid(i.PID), i.Healthy, i.AppliedLSN, lag, i.Tier, i.Detail)
		if strings.HasPrefix(i.Detail, client.QuorumLost) {
			trouble = "\n" + i.Detail + "\n"
		}
	}
	fmt.Fprintln(w, "\nSTORAGE\tAZ\tADDRESS\tPID\tHEALTHY\tSEGMENTS\tLOWEST SCL\tHIGHEST SCL\tDAMAGE\tDETAIL")
	used := usedGroups(s.Storage)
	for i := range s.Storage {
		n := &s.Storage[i]
		low, high := scls(n, used)
		damage := "-"
		if n.DamageFound > 0 {
			damage = fmt.Sprintf("%d found, %d repaired", n.DamageFound, n.DamageRepaired)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%d\t%s\t%s\t%s\t%s\n", n.ID, n.AZ, n.Address, pid(n.PID), n.Healthy, n.Segments, low, high, damage, storageDetail(n))
	}
	fmt.Fprintln(w, "\nCONTROL\tAZ\tADDRESS\tPID\tHEALTHY\tLEADER\tDETAIL")
	for _, n := range s.Control {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%v\t%s\n", n.ID, n.AZ, n.Address, pid(n.PID), n.Healthy, n.Leader, n.Detail)
	}
	fmt.Fprintln(w, "\nROUTER\tADDRESS\tPID\tHEALTHY\tDETAIL")
	for _, n := range s.Routers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%s\n", n.ID, n.Address, pid(n.PID), n.Healthy, n.Detail)
	}
	fmt.Fprintln(w, "\nENDPOINT\tTYPE\tADDRESSES\tMEMBER TYPE\tLIST\tMEMBERS")
	for _, e := range s.Endpoints {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Type, strings.Join(e.Addresses, " "), e.MemberType,
			strings.TrimSpace(e.ListType+" "+strings.Join(e.Configured, " ")), strings.Join(e.Members, " "))
	}
	w.Flush()
	fmt.Fprint(out, trouble)
}

// usedGroups returns the protection groups that some node has a record of.
func usedGroups(nodes []failover.StorageStatus) map[string]bool {
	used := map[string]bool{}
	for i := range nodes {
		for pg, scl := range nodes[i].SCL {
			used[pg] = used[pg] || scl > 0
		}
	}
	return used
}

// scls returns a node's lowest and highest SCL of groups that have records, "-" if it has none.
func scls(n *failover.StorageStatus, used map[string]bool) (low, high string) {
	var least, most redo.LSN
	any := false
	for pg, scl := range n.SCL {
		if !used[pg] {
			continue
		}
		if !any || scl < least {
			least = scl
		}
		most, any = max(most, scl), true
	}
	if !any {
		return "-", "-"
	}
	return fmt.Sprint(least), fmt.Sprint(most)
}

// storageDetail returns what is wrong with a storage node, and what moves off it.
func storageDetail(n *failover.StorageStatus) string {
	var parts []string
	if n.Detail != "" {
		parts = append(parts, n.Detail)
	}
	if r := n.Replacing; r != nil {
		doing := fmt.Sprintf("being replaced by %s: %d of %d segments complete", r.By, r.Complete, r.Segments)
		if r.Group != nil {
			doing = fmt.Sprintf("segment of group %d moves to %s", *r.Group, r.By)
		}
		if r.Detail != "" && r.By != n.ID {
			doing += fmt.Sprintf(" (there: %s)", r.Detail)
		}
		parts = append(parts, doing)
	}
	if n.Draining {
		parts = append(parts, "draining")
	}
	detail := strings.Join(parts, "; ")
	if n.WaitsFor != "" {
		detail += ", waits for " + n.WaitsFor
	}
	return detail
}

func human(n uint64) string {
	for _, u := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
