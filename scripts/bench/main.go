// Command bench runs sysbench's OLTP workloads against Sextant and MariaDB side by
// side and prints the medians as a table of ratios. It starts all of them itself on
// loopback: a Sextant cluster (measured at the writer's own port and at the cluster
// endpoint), a MariaDB alone, and a MariaDB with one strict semi-sync replica.
//
// Rounds are interleaved, workload by workload, since a machine's speed drifts by
// more than what is measured; compare ratios of one run, never times of two.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"sextant/scripts/cluster"
)

var workloads = []string{
	"oltp_point_select", "oltp_read_only", "select_random_points", "select_random_ranges",
	"oltp_update_index", "oltp_update_non_index", "oltp_insert", "oltp_write_only", "oltp_read_write", "oltp_delete",
}

type options struct {
	threads, seconds, rounds, tables, rows int
	only, out, binary                      string
}

// target is one server that is measured.
type target struct {
	name string
	port int
}

// result is one run of one workload, as it is kept.
type result struct {
	Workload   string  `json:"workload"`
	Target     string  `json:"target"`
	Round      int     `json:"round"`
	TPS        float64 `json:"tps"`
	P95        float64 `json:"p95_ms"`
	Errors     int     `json:"ignored_errors"`
	Reconnects int     `json:"reconnects"`
	Failed     string  `json:"failed,omitempty"`
}

func main() {
	var o options
	flag.IntVar(&o.threads, "threads", 8, "sysbench threads")
	flag.IntVar(&o.seconds, "seconds", 5, "seconds per run")
	flag.IntVar(&o.rounds, "rounds", 3, "interleaved rounds")
	flag.IntVar(&o.tables, "tables", 4, "tables")
	flag.IntVar(&o.rows, "rows", 25000, "rows per table")
	flag.StringVar(&o.only, "only", "", "comma-separated workloads (default: all)")
	flag.StringVar(&o.out, "out", "bench-results", "directory of the raw results")
	flag.StringVar(&o.binary, "binary", "bin/sextant", "the program to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	var missing []string
	for program, pkg := range map[string]string{"sysbench": "sysbench", "mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (Debian: apt-get install %s)", program, pkg))
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	if o.only != "" {
		workloads = strings.Split(o.only, ",")
	}
	dir, err := os.MkdirTemp("", "sextant-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	targets, primary, stop, err := startAll(ctx, dir, o.binary)
	defer stop()
	if err != nil {
		return err
	}
	results, err := measure(ctx, o, targets)
	if err != nil {
		return err
	}
	if err := keep(o.out, results); err != nil {
		return err
	}
	report(results, targets)
	n, err := primary.unreplicated()
	if err == nil && n > 0 {
		err = fmt.Errorf("%d commits of the semi-sync primary were answered without its replica: its figures are too good", n)
	}
	return err
}

// startAll starts everything that is measured. stop ends it, also after an error.
func startAll(ctx context.Context, dir, binary string) (targets []target, primary *mariadb, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	progress("starting MariaDB")
	alone, err := startMariaDB(ctx, filepath.Join(dir, "alone"), 1, "--skip-log-bin")
	if err != nil {
		return nil, nil, stop, err
	}
	stops = append(stops, alone.stop)
	progress("starting MariaDB with a semi-sync replica")
	primary, replica, err := startSemiSync(ctx, filepath.Join(dir, "semisync"))
	if primary != nil {
		stops = append(stops, primary.stop, replica.stop)
	}
	if err != nil {
		return nil, nil, stop, err
	}
	progress("starting Sextant")
	up, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	log, err := os.Create(filepath.Join(dir, "sextant.log"))
	if err != nil {
		return nil, nil, stop, err
	}
	c, err := cluster.Start(up, cluster.Options{Binary: binary, Data: filepath.Join(dir, "sextant"), Log: log})
	if err != nil {
		return nil, nil, stop, err
	}
	stops = append(stops, c.KillAll)
	s, err := c.Status()
	if err != nil {
		return nil, nil, stop, err
	}
	port := 0
	for _, i := range s.Instances {
		if i.ID == s.Writer {
			port, err = strconv.Atoi(i.Address[strings.LastIndex(i.Address, ":")+1:])
			if err != nil {
				return nil, nil, stop, err
			}
		}
	}
	return []target{{"instance", port}, {"cluster endpoint", c.Base + cluster.PortCluster}, {"MariaDB", alone.port}, {"MariaDB semi-sync", primary.port}}, primary, stop, nil
}

// measure runs every workload on every target, round by round. The instance and
// the cluster endpoint share their tables; oltp_delete and oltp_insert change
// them, so tables are made anew for each of those.
func measure(ctx context.Context, o options, targets []target) (results []result, err error) {
	total, done, began := len(workloads)*len(targets)*o.rounds, 0, time.Now()
	for _, t := range targets {
		if err := sysbench(ctx, o, t, "oltp_common", "prepare", true); err != nil {
			return nil, err
		}
	}
	for _, w := range workloads {
		for round := range o.rounds {
			for _, t := range targets {
				if w == "oltp_delete" || w == "oltp_insert" {
					if err := sysbench(ctx, o, t, "oltp_common", "prepare", true); err != nil {
						return nil, err
					}
				}
				r := one(ctx, o, t, w)
				r.Round = round
				results = append(results, r)
				done++
				left := time.Duration(float64(time.Since(began)) / float64(done) * float64(total-done)).Round(time.Second)
				progress("%3d/%d %-22s round %d %-18s %9.0f tps  p95 %6.2f ms  %v left", done, total, w, round+1, t.name, r.TPS, r.P95, left)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
			}
		}
	}
	return results, nil
}

func args(o options, t target, workload, command string) []string {
	return []string{
		workload, "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=root", "--mysql-port=" + strconv.Itoa(t.port), "--mysql-db=sbtest",
		"--tables=" + strconv.Itoa(o.tables), "--table-size=" + strconv.Itoa(o.rows), "--threads=" + strconv.Itoa(o.threads),
		"--time=" + strconv.Itoa(o.seconds), "--rand-type=uniform", command,
	}
}

// sysbench runs a command that measures nothing, on a fresh database if asked.
func sysbench(ctx context.Context, o options, t target, workload, command string, fresh bool) error {
	if fresh {
		c := &cluster.Cluster{Base: t.port - cluster.PortCluster}
		db, err := c.DB(cluster.PortCluster, "")
		if err != nil {
			return err
		}
		defer db.Close()
		for _, q := range []string{"DROP DATABASE IF EXISTS sbtest", "CREATE DATABASE sbtest"} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("%s on %s: %w", q, t.name, err)
			}
		}
	}
	out, err := exec.CommandContext(ctx, "sysbench", args(o, t, "oltp_read_write", command)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("sysbench %s %s on %s: %w\n%s", workload, command, t.name, err, out)
	}
	return nil
}

var (
	reTPS        = regexp.MustCompile(`transactions:\s+\d+\s+\(([\d.]+) per sec`)
	reP95        = regexp.MustCompile(`95th percentile:\s+([\d.]+)`)
	reErrors     = regexp.MustCompile(`ignored errors:\s+(\d+)`)
	reReconnects = regexp.MustCompile(`reconnects:\s+(\d+)`)
)

func one(ctx context.Context, o options, t target, workload string) result {
	r := result{Workload: workload, Target: t.name}
	out, err := exec.CommandContext(ctx, "sysbench", args(o, t, workload, "run")...).CombinedOutput()
	if err != nil {
		r.Failed = fmt.Sprintf("%v: %s", err, lastLines(string(out), 4))
		progress("sysbench %s on %s: %s", workload, t.name, r.Failed)
	}
	number := func(re *regexp.Regexp) float64 {
		if m := re.FindStringSubmatch(string(out)); m != nil {
			v, _ := strconv.ParseFloat(m[1], 64)
			return v
		}
		return 0
	}
	r.TPS, r.P95, r.Errors, r.Reconnects = number(reTPS), number(reP95), int(number(reErrors)), int(number(reReconnects))
	return r
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " / ")
}

// keep writes the raw results to a file of their own.
func keep(dir string, results []result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, time.Now().Format("20060102-150405")+".json")
	fmt.Println("raw results:", path)
	return os.WriteFile(path, b, 0o644)
}

// report prints the medians and their ratios to MariaDB and to MariaDB with semi-sync.
func report(results []result, targets []target) {
	median := func(workload, target string) float64 {
		var v []float64
		for _, r := range results {
			if r.Workload == workload && r.Target == target {
				v = append(v, r.TPS)
			}
		}
		if len(v) == 0 {
			return 0
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "median tps\t")
	for _, t := range targets {
		fmt.Fprint(w, t.name, "\t")
	}
	fmt.Fprintln(w, "instance / MariaDB\tinstance / semi-sync\tendpoint / instance\terrors\treconnects\t")
	for _, name := range workloads {
		fmt.Fprint(w, name, "\t")
		for _, t := range targets {
			fmt.Fprintf(w, "%.0f\t", median(name, t.name))
		}
		errors, reconnects := 0, 0
		for _, r := range results {
			if r.Workload == name && !strings.HasPrefix(r.Target, "MariaDB") {
				errors += r.Errors
				reconnects += r.Reconnects
			}
		}
		ratio := func(a, b string) float64 { return median(name, a) / max(median(name, b), 1e-9) }
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%d\t%d\t\n", ratio("instance", "MariaDB"), ratio("instance", "MariaDB semi-sync"),
			ratio("cluster endpoint", "instance"), errors, reconnects)
	}
	w.Flush()
}

func progress(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }
