// Command clients runs real client programs, drivers and ORMs against the cluster
// endpoint of a cluster of its own and prints one table of what passed and what
// failed. Each directory below is one client; it gets the endpoint in CLIENTS_HOST
// and CLIENTS_PORT, logs in as root, works in databases of its own, and prints what
// package check describes.
//
// What is missing of the clients themselves is installed: packages of Debian with
// apt-get, those of npm and Go with their pinned versions.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sextant/scripts/cluster"
)

const (
	patience = 2 * time.Minute // for a start, and for one client
	shown    = 6               // lines of a failure in the table
	tags     = "gms_pure_go,hashicorpmetrics"
)

// client is one program in a directory below scripts/clients.
type client struct {
	name   string
	debian []string // packages it needs
	npm    bool     // `npm ci` first
	run    []string // run in its directory
}

func golang() []string { return []string{"go", "run", "-tags", tags, "."} }

var clients = []client{
	{name: "mariadb", debian: []string{"mariadb-client"}, run: golang()},
	{name: "dump", debian: []string{"mariadb-client"}, run: golang()},
	{name: "godriver", run: golang()},
	{name: "gorm", run: []string{"go", "run", "."}},
	{name: "pymysql", debian: []string{"python3-pymysql"}, run: []string{"/usr/bin/python3", "main.py"}},
	{name: "sqlalchemy", debian: []string{"python3-pymysql", "python3-sqlalchemy", "python3-alembic"}, run: []string{"/usr/bin/python3", "main.py"}},
	{name: "node", debian: []string{"nodejs", "npm"}, npm: true, run: []string{"node", "main.js"}},
	{name: "sequelize", debian: []string{"nodejs", "npm"}, npm: true, run: []string{"node", "main.js"}},
	{name: "php", debian: []string{"php-cli", "php-mysql"}, run: []string{"php", "main.php"}},
	{name: "jdbc", debian: []string{"default-jdk-headless", "libmariadb-java"}, run: []string{"java", "-cp", "/usr/share/java/mariadb-java-client.jar", "Main.java"}},
	{name: "django", debian: []string{"python3-django", "python3-mysqldb"}, run: []string{"/usr/bin/python3", "main.py"}},
	{name: "ruby", debian: []string{"ruby", "ruby-mysql2", "ruby-activerecord"}, run: []string{"/usr/bin/ruby", "-W0", "main.rb"}},
	{name: "knex", debian: []string{"nodejs", "npm"}, npm: true, run: []string{"node", "main.js"}},
	{name: "typeorm", debian: []string{"nodejs", "npm"}, npm: true, run: []string{"node", "main.js"}},
	{name: "perl", debian: []string{"libdbd-mariadb-perl"}, run: []string{"/usr/bin/perl", "main.pl"}},
}

// outcome is what one client found.
type outcome struct {
	client   string
	passed   int
	failures []failure
	took     time.Duration
}

// failure is one check that failed.
type failure struct {
	check string
	why   []string
}

type options struct {
	only, binary, address string
	install               bool
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "comma-separated clients (default: all)")
	flag.StringVar(&o.binary, "binary", "bin/sextant", "the program")
	flag.StringVar(&o.address, "address", "", "host:port of a running server that lets root in, instead of a cluster of its own")
	flag.BoolVar(&o.install, "install", true, "install what is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (failed bool, err error) {
	chosen := clients
	if o.only != "" {
		names := strings.Split(o.only, ",")
		chosen = slices.DeleteFunc(slices.Clone(clients), func(c client) bool { return !slices.Contains(names, c.name) })
	}
	if len(chosen) == 0 {
		return false, fmt.Errorf("no client is named %s", o.only)
	}
	if err := install(ctx, o, chosen); err != nil {
		return false, err
	}
	host, port, err := net.SplitHostPort(o.address)
	if o.address == "" {
		dir, err := os.MkdirTemp("", "sextant-clients")
		if err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
		up, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		c, err := cluster.Start(up, cluster.Options{Binary: o.binary, Data: filepath.Join(dir, "data")})
		if err != nil {
			return false, err
		}
		defer c.KillAll()
		host, port, err = net.SplitHostPort(c.Addr(cluster.PortCluster))
		if err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	var outcomes []outcome
	for _, c := range chosen {
		fmt.Printf("== %s\n", c.name)
		outcomes = append(outcomes, c.test(ctx, host, port))
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
	return report(outcomes), nil
}

// install installs the missing packages of Debian and the pinned ones of npm.
func install(ctx context.Context, o options, chosen []client) error {
	var missing []string
	for _, c := range chosen {
		for _, p := range c.debian {
			if !slices.Contains(missing, p) && !installed(p) {
				missing = append(missing, p)
			}
		}
	}
	if len(missing) > 0 {
		args := append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, missing...)
		if os.Geteuid() != 0 {
			args = append([]string{"sudo"}, args...)
		}
		if !o.install {
			return fmt.Errorf("missing: %s", strings.Join(args, " "))
		}
		fmt.Println("installing:", strings.Join(args, " "))
		if err := command(ctx, "", args...).Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	for _, c := range chosen {
		if !c.npm {
			continue
		}
		dir := filepath.Join("scripts", "clients", c.name)
		if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
			continue
		}
		if !o.install {
			return fmt.Errorf("missing: npm ci in %s", dir)
		}
		fmt.Println("installing: npm ci in", dir)
		if err := command(ctx, dir, "npm", "ci", "--no-audit", "--no-fund").Run(); err != nil {
			return fmt.Errorf("npm ci in %s: %w", dir, err)
		}
	}
	return nil
}

// installed says whether Debian's package is there, or a program with one of the
// names by which it may have come otherwise.
func installed(pkg string) bool {
	programs := map[string][]string{
		"nodejs": {"node"}, "npm": {"npm"}, "php-cli": {"php"}, "default-jdk-headless": {"javac", "java"},
		"mariadb-client": {"mariadb", "mariadb-dump"},
	}[pkg]
	found := func(p string) bool { _, err := exec.LookPath(p); return err == nil }
	if len(programs) > 0 && !slices.ContainsFunc(programs, func(p string) bool { return !found(p) }) {
		return true
	}
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Status}", pkg).Output()
	return err == nil && string(out) == "install ok installed"
}

func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return cmd
}

// test runs the client. That it ended with an error and yet no check failed, or that
// it made none, is a failure too.
func (c client) test(ctx context.Context, host, port string) outcome {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := time.Now()
	var out strings.Builder
	cmd := command(ctx, filepath.Join("scripts", "clients", c.name), c.run...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(cmd.Env, "CLIENTS_HOST="+host, "CLIENTS_PORT="+port)
	cmd.Stdout = io.MultiWriter(os.Stdout, &out)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("not done after %s", patience)
	}
	o := parse(out.String())
	o.client, o.took = c.name, time.Since(begin)
	if err == nil && o.passed == 0 && len(o.failures) == 0 {
		err = errors.New("no check was made")
	}
	if err != nil && (len(o.failures) == 0 || ctx.Err() != nil) {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		o.failures = append(o.failures, failure{"the program ends", append([]string{err.Error()}, lines[max(0, len(lines)-shown):]...)})
	}
	return o
}

// parse reads the lines that package check describes; others belong to nothing.
func parse(out string) (o outcome) {
	in := false // a failure's own lines follow
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		line := s.Text()
		if _, ok := strings.CutPrefix(line, "ok "); ok {
			o.passed++
			in = false
		} else if name, ok := strings.CutPrefix(line, "FAIL "); ok {
			o.failures = append(o.failures, failure{check: name})
			in = true
		} else if why, ok := strings.CutPrefix(line, "    "); ok && in {
			f := &o.failures[len(o.failures)-1]
			f.why = append(f.why, why)
		}
	}
	return o
}

func report(outcomes []outcome) (failed bool) {
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "client\tpassed\tfailed\tseconds\tfailures")
	for _, o := range outcomes {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t", o.client, o.passed, len(o.failures), o.took.Seconds())
		for i, f := range o.failures {
			failed = true
			if i > 0 {
				fmt.Fprint(w, "\t\t\t\t")
			}
			fmt.Fprintln(w, f.check)
			for _, line := range f.why[:min(shown, len(f.why))] {
				fmt.Fprintf(w, "\t\t\t\t  %.160s\n", line)
			}
		}
		if len(o.failures) == 0 {
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	return failed
}
