// Package cluster starts a whole Sextant cluster of real processes on loopback,
// for end-to-end tests and for the programs in scripts. It ends only processes
// that it started.
package cluster

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sextant/internal/locked"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql" // driver "mysql"
)

// Instance is one instance in a Status.
type Instance struct {
	ID         string   `json:"id"`
	AZ         string   `json:"az"`
	Role       string   `json:"role"`
	Address    string   `json:"address"`
	PID        int      `json:"pid"`
	Healthy    bool     `json:"healthy"`
	AppliedLSN uint64   `json:"applied_lsn"`
	LagMS      *float64 `json:"lag_ms"`
	Tier       int      `json:"tier"`
	Detail     string   `json:"detail"`
}

// Replacing is how far the replacement of a storage node is, in a Status.
type Replacing struct {
	By       string `json:"by"`
	Complete int    `json:"complete"`
	Segments int    `json:"segments"`
}

// Storage is a storage node in a status.
type Storage struct {
	ID             string            `json:"id"`
	AZ             string            `json:"az"`
	PID            int               `json:"pid"`
	Healthy        bool              `json:"healthy"`
	SCL            map[string]uint64 `json:"scl"`
	Detail         string            `json:"detail"`
	DamageFound    uint64            `json:"damage_found"`
	DamageRepaired uint64            `json:"damage_repaired"`
	Segments       int               `json:"segments"`
	Draining       bool              `json:"draining"`
	Replacing      *Replacing        `json:"replacing"`
}

// Endpoint is an endpoint in a Status.
type Endpoint struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Addresses  []string `json:"addresses"`
	MemberType string   `json:"member_type"`
	ListType   string   `json:"list_type"`
	Configured []string `json:"configured"`
	Members    []string `json:"members"`
}

// Status is what `sextant status --json` prints.
type Status struct {
	Volume struct {
		Epoch            uint64 `json:"epoch"`
		VCL              uint64 `json:"vcl"`
		VDL              uint64 `json:"vdl"`
		ProtectionGroups int    `json:"protection_groups"`
		Bytes            uint64 `json:"bytes"`
		StoredBytes      uint64 `json:"stored_bytes"`
	} `json:"volume"`
	Writer    string     `json:"writer"`
	Instances []Instance `json:"instances"`
	Storage   []Storage  `json:"storage"`
	Control   []struct {
		ID      string `json:"id"`
		AZ      string `json:"az"`
		PID     int    `json:"pid"`
		Healthy bool   `json:"healthy"`
		Leader  bool   `json:"leader"`
	} `json:"control"`
	Routers []struct {
		ID      string `json:"id"`
		PID     int    `json:"pid"`
		Healthy bool   `json:"healthy"`
	} `json:"routers"`
	Endpoints []Endpoint `json:"endpoints"`
}

// CaughtUp reports whether a storage node has, without a hole, what any other node had when
// its own report was made.
func (s *Status) CaughtUp(id string) bool {
	own, lowest := uint64(0), uint64(math.MaxUint64)
	for _, n := range s.Storage {
		switch {
		case n.ID == id && n.Healthy:
			own = n.SCL["0"]
		case n.Healthy:
			lowest = min(lowest, n.SCL["0"])
		}
	}
	return own > 0 && own >= lowest
}

// EmptyStorage removes what a stopped storage node has stored.
func (c *Cluster) EmptyStorage(id string) error { return c.empty(id, "STORE", "hot", "segments") }

// EmptyControl removes what a stopped control node keeps of Raft.
func (c *Cluster) EmptyControl(id string) error { return c.empty(id, "raft.db", "snapshots") }

func (c *Cluster) empty(id string, names ...string) error {
	for _, name := range names {
		path := filepath.Join(c.Data, id, name)
		if _, err := os.Stat(path); err != nil {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// PID returns the process id of a role, 0 if the status does not know it.
func (s *Status) PID(id string) int {
	for _, i := range s.Instances {
		if i.ID == id {
			return i.PID
		}
	}
	for _, n := range s.Storage {
		if n.ID == id {
			return n.PID
		}
	}
	for _, n := range s.Control {
		if n.ID == id {
			return n.PID
		}
	}
	for _, n := range s.Routers {
		if n.ID == id {
			return n.PID
		}
	}
	return 0
}

// Instance returns an instance, the zero value if the status does not know it.
func (s *Status) Instance(id string) Instance {
	for _, i := range s.Instances {
		if i.ID == id {
			return i
		}
	}
	return Instance{}
}

// Role returns the role of an instance, "" if the status does not know it.
func (s *Status) Role(id string) string { return s.Instance(id).Role }

// Healthy reports whether every storage and control node is.
func (s *Status) Healthy() bool {
	for _, n := range s.Storage {
		if !n.Healthy {
			return false
		}
	}
	for _, n := range s.Control {
		if !n.Healthy {
			return false
		}
	}
	return true
}

// Lags returns the lag of every reader that knows it, in milliseconds.
func (s *Status) Lags() (v []float64) {
	for _, i := range s.Instances {
		if i.Role == "reader" && i.LagMS != nil {
			v = append(v, *i.LagMS)
		}
	}
	return v
}

// Options say how a cluster is started.
type Options struct {
	Binary string
	Data   string
	Log    io.Writer // output of `sextant up`
	Config string    // path; "" is the defaults
	Net    string    // network of the MySQL driver that leads to the router's loopback; "" is tcp
	Env    []string
}

// Cluster is one `sextant up` and its children.
type Cluster struct {
	Options
	Base  int // port base
	cmd   *exec.Cmd
	out   *locked.Buffer // of the last start
	past  strings.Builder
	ended chan struct{}
}

// Build builds the binary into dir, with further build tags, and returns its path.
func Build(dir string, tags ...string) (string, error) {
	binary := filepath.Join(dir, "sextant")
	tags = append(tags, "gms_pure_go", "hashicorpmetrics")
	cmd := exec.Command("go", "build", "-tags", strings.Join(tags, ","), "-o", binary, "sextant/cmd/sextant")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

// FreeBase returns a port base whose ports were free a moment ago.
func FreeBase() (int, error) {
	for range 100 {
		base := 10000 + 600*rand.IntN(36) // below the range of ephemeral ports where possible
		if portsFree(base) {
			return base, nil
		}
	}
	return 0, errors.New("no free range of ports")
}

func portsFree(base int) bool {
	for off := 300; off < 600; off++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+off)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// Start starts `sextant up` and returns when it has printed its line "ready".
func Start(ctx context.Context, o Options) (*Cluster, error) {
	base, err := FreeBase()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Options: o, Base: base}
	return c, c.Up(ctx)
}

// Environ returns the environment without what sets the configuration, and tests.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SEXTANT_") })
}

// Up starts the stopped or killed cluster on its data again.
func (c *Cluster) Up(ctx context.Context) error {
	args := []string{"up", "--data", c.Data, "--port-base", strconv.Itoa(c.Base)}
	if c.Config != "" {
		args = append(args, "--config", c.Config)
	}
	c.cmd = exec.Command(c.Binary, args...)
	c.cmd.Env = append(Environ(), c.Env...)
	if c.out != nil {
		c.past.WriteString(c.out.String())
	}
	c.out = &locked.Buffer{}
	var w io.Writer = c.out
	if c.Log != nil {
		w = io.MultiWriter(c.out, c.Log)
	}
	c.cmd.Stdout, c.cmd.Stderr = w, w
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start sextant up: %w", err)
	}
	c.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		cmd.Wait()
		close(ended)
	}(c.cmd, c.ended)
	for {
		if strings.Contains("\n"+c.out.String(), "\nready\n") {
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("sextant up ended:\n%s", c.out.String())
		case <-ctx.Done():
			status, _ := c.Run("status") // tells why, if it can
			c.KillAll()
			return fmt.Errorf("sextant up is not ready: %w\n%s\n%s", ctx.Err(), c.out.String(), status)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var never = regexp.MustCompile(`panic|^goroutine \d+ \[|fatal error|runtime error|SIGSEGV|DATA RACE|invalid memory address|\.go:\d+ \+0x|did not end in time`)

// Never reports whether a line of a cluster's output may never be printed, whatever
// happens to a cluster.
func Never(line string) bool {
	_, own, _ := strings.Cut(line, "| ")
	return never.MatchString(line) || never.MatchString(own)
}

// Output returns what `sextant up` has printed since it was started last.
func (c *Cluster) Output() string { return c.out.String() }

// History returns what `sextant up` has printed since the first start.
func (c *Cluster) History() string { return c.past.String() + c.out.String() }

// Stop sends what Ctrl-C sends and returns when everything has ended. An exit code
// other than 0 is an error.
func (c *Cluster) Stop() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.ended:
		if code := c.cmd.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("sextant up ended with code %d", code)
		}
		return nil
	case <-time.After(30 * time.Second):
		c.KillAll()
		return errors.New("sextant up did not stop within 30 s")
	}
}

// KillAll kills the parent and every child at once, and returns when they have ended.
func (c *Cluster) KillAll() {
	pids := c.pids()
	c.cmd.Process.Kill()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-c.ended
	for _, pid := range pids {
		for exists(pid) {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// KillParent kills `sextant up` alone and returns when its children have ended by
// themselves, or an error with those that have not when ctx ends.
func (c *Cluster) KillParent(ctx context.Context) error {
	pids := c.pids()
	if len(pids) == 0 {
		return errors.New("sextant up has no children")
	}
	c.cmd.Process.Kill()
	<-c.ended
	for {
		left := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !exists(pid) })
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v outlive their parent: %w", left, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// pids returns the pids of the running children, from their directories.
func (c *Cluster) pids() (pids []int) {
	dirs, _ := os.ReadDir(c.Data)
	for _, d := range dirs {
		if b, err := os.ReadFile(filepath.Join(c.Data, d.Name(), "pid")); err == nil {
			if pid, err := strconv.Atoi(string(b)); err == nil && c.ours(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// exists reports whether a process has not ended; one that ends still holds its
// ports and locks when it has no arguments any more.
func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

// ours reports whether a process runs and is one of this cluster: the file of one
// that was killed may name a pid that somebody else has by now.
func (c *Cluster) ours(pid int) bool {
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(args, []byte("\x00"+c.Data+"\x00"))
}

// PID returns the process id of a role from its directory. It returns an os.ErrNotExist
// or os.ErrProcessDone if that does not run.
func (c *Cluster) PID(id string) (int, error) {
	b, err := os.ReadFile(filepath.Join(c.Data, id, "pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil || !c.ours(pid) { // empty or 0: about to start
		return 0, fmt.Errorf("%s does not run: %w", id, os.ErrProcessDone)
	}
	return pid, nil
}

// Signal sends a signal to the process of a role. It returns PID's errors.
func (c *Cluster) Signal(id string, s syscall.Signal) error {
	pid, err := c.PID(id)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, s)
}

// Run runs `sextant args…` against this cluster and returns its output.
func (c *Cluster) Run(args ...string) (string, error) {
	args = append(args, "--data", c.Data, "--port-base", strconv.Itoa(c.Base))
	if c.Config != "" {
		args = append(args, "--config", c.Config)
	}
	cmd := exec.Command(c.Binary, args...)
	cmd.Env = Environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("sextant %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Status returns what `sextant status --json` prints.
func (c *Cluster) Status() (*Status, error) {
	out, err := c.Run("status", "--json")
	if err != nil {
		return nil, err
	}
	var s Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return nil, fmt.Errorf("status: %w\n%s", err, out)
	}
	return &s, nil
}

// Await polls the status until cond holds.
func (c *Cluster) Await(ctx context.Context, what string, cond func(*Status) bool) (*Status, error) {
	var last *Status
	for {
		s, err := c.Status()
		if err == nil {
			last = s
			if cond(s) {
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			text, _ := json.Marshal(last)
			return nil, fmt.Errorf("waiting for %s: %w (status error %v)\n%s", what, ctx.Err(), err, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Ports of the fixed endpoints, as offsets from the base.
const (
	PortCluster = 306
	PortReader  = 307
)

// Addr returns the loopback address of a port offset.
func (c *Cluster) Addr(offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Base+offset))
}

// DB opens a pool to a port offset as root, on a database ("" for none).
func (c *Cluster) DB(offset int, database string) (*sql.DB, error) {
	return sql.Open("mysql", fmt.Sprintf("root@%s(%s)/%s?timeout=35s&readTimeout=60s&writeTimeout=60s", cmp.Or(c.Net, "tcp"), c.Addr(offset), database))
}
