package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"sextant/scripts/cluster"
)

// between is the least time between two failovers: after three early failures in a row
// the control plane waits on purpose.
const between = 4 * time.Second

// plain starts a cluster with the default configuration on loopback.
func (o options) plain(ctx context.Context) (*cluster.Cluster, error) {
	up, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return cluster.Start(up, cluster.Options{Binary: o.binary, Data: filepath.Join(o.dir, "data"), Log: o.log})
}

// blow takes the writer's role away from an instance. It returns what ends it.
type blow func(ctx context.Context, c *cluster.Cluster, writer string) (end func() error, err error)

func nothing() error { return nil }

func killOnce(_ context.Context, c *cluster.Cluster, writer string) (func() error, error) {
	return nothing, c.Signal(writer, unix.SIGKILL)
}

func hangOnce(_ context.Context, c *cluster.Cluster, writer string) (func() error, error) {
	return func() error { return c.Signal(writer, unix.SIGCONT) }, c.Signal(writer, unix.SIGSTOP)
}

func handOver(_ context.Context, c *cluster.Cluster, _ string) (func() error, error) {
	_, err := c.Run("failover")
	return nothing, err
}

func (o options) kills(ctx context.Context) error {
	return o.distribution(ctx, "kill -9 of the writer: gap", killOnce)
}

func (o options) hung(ctx context.Context) error {
	return o.distribution(ctx, "SIGSTOP of the writer: gap", hangOnce)
}

func (o options) switchovers(ctx context.Context) error {
	return o.distribution(ctx, "switchover: gap", handOver)
}

// distribution does one thing to the writer o.n times under load and prints how long
// clients waited from one acknowledged commit to the next.
func (o options) distribution(ctx context.Context, what string, b blow) error {
	c, err := o.plain(ctx)
	if err != nil {
		return err
	}
	defer c.KillAll()
	gaps, acked, err := blows(ctx, c, what, o.n, b)
	if err != nil {
		return err
	}
	printGaps(map[string][]float64{what + ", ms": gaps}, []string{what + ", ms"})
	fmt.Printf("%d commits acknowledged, 0 lost\n", acked)
	return nil
}

func printGaps(v map[string][]float64, order []string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\tn\tp50\tp99\tmax\t")
	for _, what := range order {
		quantiles(w, what, v[what])
	}
	w.Flush()
}

// blows does b n times under load. It returns the gaps in milliseconds and how many
// commits were acknowledged, or an error if one of those is lost.
func blows(ctx context.Context, c *cluster.Cluster, what string, n int, b blow) (gaps []float64, acked int64, err error) {
	load, err := cluster.StartLoad(ctx, c, "pairs", 4)
	if err != nil {
		return nil, 0, err
	}
	defer load.Stop()
	var last time.Time
	for k := range n {
		gap, err := func() (time.Duration, error) {
			wait, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			s, err := c.Await(wait, "a writer and two healthy readers", func(s *cluster.Status) bool {
				readers := 0
				for _, i := range s.Instances {
					if i.Role == "reader" && i.Healthy {
						readers++
					}
				}
				return s.Writer != "" && readers == 2
			})
			if err != nil {
				return 0, err
			}
			if err := load.AwaitAcks(wait, 100); err != nil {
				return 0, err
			}
			pause(wait, time.Until(last.Add(between)))
			last = time.Now()
			load.ResetGap()
			end, err := b(wait, c, s.Writer)
			if err != nil {
				return 0, err
			}
			if _, err := c.Await(wait, "a new writer", func(now *cluster.Status) bool { return now.Writer != "" && now.Volume.Epoch > s.Volume.Epoch }); err != nil {
				return 0, err
			}
			if err := load.AwaitAcks(wait, 50); err != nil {
				return 0, err
			}
			return load.ResetGap(), end()
		}()
		if err != nil {
			return nil, 0, err
		}
		gaps = append(gaps, millis(gap))
		say("%s %d/%d: %v", what, k+1, n, gap.Round(time.Millisecond))
	}
	load.Stop()
	db, err := c.DB(cluster.PortCluster, "pairs")
	if err != nil {
		return nil, 0, err
	}
	defer db.Close()
	return gaps, load.Acked(), load.Check(ctx, db)
}

// recovery compares kills of the writer with little and with much table data.
func (o options) recovery(ctx context.Context) error {
	c, err := o.plain(ctx)
	if err != nil {
		return err
	}
	defer c.KillAll()
	v := map[string][]float64{}
	var order []string
	filled := 0
	for _, size := range []int{20, o.megabytes} {
		say("filling a table to %d MB", size)
		if err := fill(ctx, c, filled, size); err != nil {
			return err
		}
		filled = size
		before := len(parseLines(reOpen, c.Output()))
		gaps, _, err := blows(ctx, c, fmt.Sprintf("kill with %d MB", size), min(o.n, 10), killOnce)
		if err != nil {
			return err
		}
		recovered := tookAll(c.Output())[before:]
		for what, x := range map[string][]float64{"recovery": recovered, "gap": gaps} {
			name := fmt.Sprintf("%s with %d MB of rows, ms", what, size)
			v[name] = x
			order = append(order, name)
		}
	}
	slices.Sort(order)
	printGaps(v, order)
	return nil
}

var reTook = regexp.MustCompile(`msg="volume is open" .* took=(\S+)`)

// tookAll returns how long each recovery in an output took, in milliseconds.
func tookAll(output string) (v []float64) {
	for _, m := range reTook.FindAllStringSubmatch(output, -1) {
		if d, err := time.ParseDuration(m[1]); err == nil {
			v = append(v, millis(d))
		}
	}
	return v
}

// fill inserts rows of a kilobyte, a megabyte at a time.
func fill(ctx context.Context, c *cluster.Cluster, from, to int) error {
	db, err := c.DB(cluster.PortCluster, "")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, q := range []string{"CREATE DATABASE IF NOT EXISTS fill", "CREATE TABLE IF NOT EXISTS fill.t (id INT PRIMARY KEY, v VARCHAR(1000) NOT NULL)"} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	var next, done atomic.Int64
	next.Store(int64(from))
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for {
				mb := int(next.Add(1)) - 1
				if mb >= to || ctx.Err() != nil {
					return
				}
				if errs[i] = fillMegabyte(ctx, db, mb); errs[i] != nil {
					return
				}
				if n := int(done.Add(1)) + from; n%100 == 0 {
					say("%d MB", n)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func fillMegabyte(ctx context.Context, db *sql.DB, mb int) error {
	const rows = 1000
	values := make([]string, rows)
	for i := range values {
		values[i] = fmt.Sprintf("(%d,'%s')", mb*rows+i, strings.Repeat(string(rune('a'+i%26)), 990))
	}
	_, err := db.ExecContext(ctx, "INSERT INTO fill.t VALUES "+strings.Join(values, ","))
	return err
}

var reTPS = regexp.MustCompile(`transactions:\s+\d+\s+\(([\d.]+) per sec`)

// lag samples the readers' lag for o.n seconds while sysbench writes at half of its
// maximum rate.
func (o options) lag(ctx context.Context) error {
	if _, err := exec.LookPath("sysbench"); err != nil {
		return fmt.Errorf("%w (Debian: apt-get install sysbench)", err)
	}
	c, err := o.plain(ctx)
	if err != nil {
		return err
	}
	defer c.KillAll()
	db, err := c.DB(cluster.PortCluster, "")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE sbtest"); err != nil {
		return err
	}
	sysbench := func(args ...string) *exec.Cmd {
		base := []string{"oltp_write_only", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=root",
			"--mysql-port=" + strconv.Itoa(c.Base+cluster.PortCluster), "--tables=4", "--table-size=25000", "--threads=8", "--rand-type=uniform"}
		return exec.CommandContext(ctx, "sysbench", append(base, args...)...)
	}
	say("filling tables for the lag")
	if out, err := sysbench("prepare").CombinedOutput(); err != nil {
		return fmt.Errorf("sysbench prepare: %w\n%s", err, out)
	}
	out, err := sysbench("--time=5", "run").CombinedOutput()
	if err != nil {
		return fmt.Errorf("sysbench run: %w\n%s", err, out)
	}
	m := reTPS.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("sysbench does not tell its rate:\n%s", out)
	}
	most, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return err
	}
	say("maximum %.0f transactions per second; sampling the lag at half of it for %d s", most, o.n)
	half := sysbench("--time="+strconv.Itoa(o.n), "--rate="+strconv.Itoa(max(1, int(most/2))), "run")
	if err := half.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- half.Wait() }()
	var v []float64
	for {
		select {
		case err := <-ended:
			what := "reader lag under oltp_write_only at half rate, ms"
			printGaps(map[string][]float64{what: v}, []string{what})
			return err
		case <-time.After(100 * time.Millisecond):
		}
		s, err := c.Status()
		if err != nil {
			return err
		}
		v = append(v, s.Lags()...)
	}
}
