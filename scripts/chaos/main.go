// Command chaos measures what a cluster of real processes does under load: the time
// from kill -9 of the writer to the next acknowledged commit of a client that
// retries, over many kills, and the readers' lag while sysbench writes at half of
// what the cluster can do. It checks that nothing acknowledged was lost.
//
// Its figures are goals, not gates: it fails only when something was lost.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/cluster"
)

const (
	patience = 2 * time.Minute
	between  = 4 * time.Second // two kills: after three early failures in a row the control plane waits on purpose
)

type options struct {
	kills   int
	seconds int
	binary  string
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 10, "how often the writer is killed")
	flag.IntVar(&o.seconds, "lag-seconds", 15, "how long the readers' lag is sampled; 0: not at all")
	flag.StringVar(&o.binary, "binary", "bin/sextant", "the program")
	flag.Parse()
	_ = mysql.SetLogger(log.New(io.Discard, "", 0)) // broken connections are what is asked for
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "sextant-chaos")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	up, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := cluster.Start(up, cluster.Options{Binary: o.binary, Data: filepath.Join(dir, "data"), Log: out})
	if err != nil {
		return err
	}
	defer c.KillAll()
	var lags []float64
	if o.seconds > 0 {
		if lags, err = lag(ctx, c, o.seconds); err != nil {
			return err
		}
	}
	gaps, acked, err := kills(ctx, c, o.kills)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\tn\tp50\tp99\tmax\t")
	row(w, "failover: kill to next acknowledged commit, ms", gaps)
	row(w, "reader lag under oltp_write_only at half rate, ms", lags)
	w.Flush()
	fmt.Printf("%d commits acknowledged, 0 lost\n", acked)
	return nil
}

func row(w *tabwriter.Writer, what string, v []float64) {
	if len(v) == 0 {
		fmt.Fprintf(w, "%s\t0\t-\t-\t-\t\n", what)
		return
	}
	slices.Sort(v)
	at := func(p float64) float64 { return v[min(len(v)-1, int(p*float64(len(v))))] }
	fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t\n", what, len(v), at(.5), at(.99), v[len(v)-1])
}

// kills ends the writer n times under load and returns the gaps that a client saw.
func kills(ctx context.Context, c *cluster.Cluster, n int) (gaps []float64, acked int64, err error) {
	load, err := cluster.StartLoad(ctx, c, "chaos", 4)
	if err != nil {
		return nil, 0, err
	}
	defer load.Stop()
	var last time.Time
	for k := range n {
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		s, err := c.Await(wait, "a writer and a healthy reader", func(s *cluster.Status) bool {
			return s.Writer != "" && slices.ContainsFunc(s.Instances, func(i cluster.Instance) bool { return i.Role == "reader" && i.Healthy })
		})
		if err != nil {
			return nil, 0, err
		}
		if err := load.AwaitAcks(wait, 100); err != nil {
			return nil, 0, err
		}
		pause(wait, time.Until(last.Add(between)))
		last = time.Now()
		load.ResetGap()
		if err := c.Signal(s.Writer, syscall.SIGKILL); err != nil {
			return nil, 0, err
		}
		old := s.Writer
		if _, err := c.Await(wait, "a new writer", func(s *cluster.Status) bool { return s.Writer != "" && s.Volume.Epoch > uint64(0) && s.Writer != old }); err != nil {
			return nil, 0, err
		}
		if err := load.AwaitAcks(wait, 50); err != nil {
			return nil, 0, err
		}
		gap := load.ResetGap()
		gaps = append(gaps, float64(gap)/1e6)
		fmt.Fprintf(os.Stderr, "kill %d/%d of %s: %v\n", k+1, n, old, gap.Round(time.Millisecond))
	}
	load.Stop()
	db, err := c.DB(cluster.PortCluster, "chaos")
	if err != nil {
		return nil, 0, err
	}
	defer db.Close()
	return gaps, load.Acked(), load.Check(ctx, db)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var reTPS = regexp.MustCompile(`transactions:\s+\d+\s+\(([\d.]+) per sec`)

// lag samples the readers' lag while sysbench writes at half of its maximum rate.
// Without sysbench it says so and returns nothing.
func lag(ctx context.Context, c *cluster.Cluster, seconds int) ([]float64, error) {
	if _, err := exec.LookPath("sysbench"); err != nil {
		fmt.Fprintln(os.Stderr, "no sysbench (Debian: apt-get install sysbench): the lag is not measured")
		return nil, nil
	}
	db, err := c.DB(cluster.PortCluster, "")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE sbtest"); err != nil {
		return nil, err
	}
	sysbench := func(args ...string) *exec.Cmd {
		base := []string{"oltp_write_only", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=root",
			"--mysql-port=" + strconv.Itoa(c.Base+cluster.PortCluster), "--tables=4", "--table-size=25000", "--threads=8", "--rand-type=uniform"}
		return exec.CommandContext(ctx, "sysbench", append(base, args...)...)
	}
	fmt.Fprintln(os.Stderr, "filling tables for the lag")
	if out, err := sysbench("prepare").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("sysbench prepare: %w\n%s", err, out)
	}
	out, err := sysbench("--time=5", "run").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("sysbench run: %w\n%s", err, out)
	}
	m := reTPS.FindSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("sysbench does not tell its rate:\n%s", out)
	}
	most, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "maximum %.0f transactions per second; sampling the lag at half of it for %d s\n", most, seconds)
	half := sysbench("--time="+strconv.Itoa(seconds), "--rate="+strconv.Itoa(max(1, int(most/2))), "run")
	if err := half.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- half.Wait() }()
	var v []float64
	for {
		select {
		case err := <-ended:
			return v, err
		case <-time.After(100 * time.Millisecond):
		}
		s, err := c.Status()
		if err != nil {
			return nil, err
		}
		for _, i := range s.Instances {
			if i.Role == "reader" && i.LagMS != nil {
				v = append(v, *i.LagMS)
			}
		}
	}
}
