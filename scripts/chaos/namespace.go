package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// envInside says what the process was started with: namespaces of its own.
const envInside = "SEXTANT_CHAOS_INSIDE"

// enter starts this program again in namespaces of its own, for the network, mounts and
// processes, and for users where it is not root, and ends with it; all that it made and
// started ends too then, whatever happens. In the last process it returns "". Where
// namespaces cannot be had it returns why: then faults of networks and full disks are
// left out.
func enter() (reason string) {
	switch {
	case os.Getpid() == 1 && os.Getenv(envInside) != "":
		os.Exit(first())
	case os.Getenv(envInside) != "":
		return prepare()
	}
	for _, tool := range []string{"ip", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	runtime.LockOSThread() // Pdeathsig is of the thread
	if err := cmd.Start(); err != nil {
		return fmt.Sprintf("neither root nor user namespaces: %v", err)
	}
	forward(cmd.Process.Pid)
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(max(cmd.ProcessState.ExitCode(), -cmd.ProcessState.ExitCode()))
	return ""
}

// forward passes on what asks this process to end.
func forward(pid int) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, unix.SIGTERM)
	go func() {
		for s := range signals {
			_ = unix.Kill(pid, s.(syscall.Signal))
		}
	}()
}

// first is the first process of a process namespace: it starts this program once more,
// buries whatever dies without a parent, and returns the program's exit code.
func first() int {
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	forward(pid)
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == nil && ended == pid && status.Exited():
			return status.ExitStatus()
		case err == nil && ended == pid, err != nil && err != unix.EINTR:
			return 1
		}
	}
}

// prepare makes the namespaces usable.
func prepare() (reason string) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Sprintf("make mounts private: %v", err)
	}
	for dir, kind := range map[string]string{"/run": "tmpfs", "/proc": "proc"} {
		if err := unix.Mount("none", dir, kind, 0, ""); err != nil {
			return fmt.Sprintf("mount %s: %v", dir, err)
		}
	}
	if err := ip("link set lo up"); err != nil {
		return err.Error()
	}
	// A kernel without bridges or veth is told apart here, not in the midst of a run.
	n, err := newNetwork([]string{"probe"})
	if err != nil {
		return err.Error()
	}
	n.close()
	return ""
}

// ip runs the program of that name.
func ip(args string) error {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// network is hosts in network namespaces on one bridge. This process is on it too.
type network struct {
	hosts map[string]string // IP address of each
}

const (
	bridge        = "sextant0"
	bridgeAddress = "10.77.0.1"
)

// newNetwork makes a host for each of the names.
func newNetwork(names []string) (*network, error) {
	n := &network{hosts: map[string]string{}}
	commands := []string{"link add " + bridge + " type bridge", "addr add " + bridgeAddress + "/24 dev " + bridge, "link set " + bridge + " up"}
	for i, name := range names {
		n.hosts[name] = fmt.Sprintf("10.77.0.%d", 10+i)
		commands = append(commands, "netns add "+name,
			fmt.Sprintf("link add v%d type veth peer name eth0 netns %s", i, name),
			fmt.Sprintf("link set v%d master %s alias %s up", i, bridge, name),
			fmt.Sprintf("-n %s addr add %s/24 dev eth0", name, n.hosts[name]),
			fmt.Sprintf("-n %s link set eth0 up", name),
			fmt.Sprintf("-n %s link set lo up", name))
	}
	for _, c := range commands {
		if err := ip(c); err != nil {
			n.close()
			return nil, err
		}
	}
	for _, name := range names {
		if _, err := in(name, ownAddressesOnly); err != nil {
			n.close()
			return nil, err
		}
	}
	return n, nil
}

// ownAddressesOnly keeps a host from telling others that the addresses on its loopback
// device are its.
func ownAddressesOnly() (none struct{}, err error) {
	for key, value := range map[string]string{"arp_ignore": "1", "arp_announce": "2"} {
		err = errors.Join(err, os.WriteFile("/proc/sys/net/ipv4/conf/all/"+key, []byte(value), 0))
	}
	return none, err
}

func (n *network) close() {
	for name := range n.hosts { // the kernel would take its time to unplug them
		_ = ip("-n " + name + " link del eth0")
		_ = ip("netns del " + name)
	}
	_ = ip("link del " + bridge)
}

// cut loses every packet from one host to another.
func (n *network) cut(from, to string) error {
	return ip(fmt.Sprintf("-n %s route replace blackhole %s/32", from, n.hosts[to]))
}

// heal ends a cut.
func (n *network) heal(from, to string) error {
	return ip(fmt.Sprintf("-n %s route del blackhole %s/32", from, n.hosts[to]))
}

// link pulls a host's cable, or plugs it in again.
func (n *network) link(host string, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return ip(fmt.Sprintf("-n %s link set eth0 %s", host, state))
}

// in calls f on a thread that is in a host's namespace; sockets that f makes are there.
func in[T any](host string, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var r result
		ns, err := os.Open(filepath.Join("/run/netns", host))
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		if r.err = err; err == nil {
			r.v, r.err = f()
		}
		done <- r
	}()
	r := <-done
	return r.v, r.err
}

// dial connects from 127.0.0.1 of a host.
func (n *network) dial(ctx context.Context, host, addr string) (net.Conn, error) {
	return in(host, func() (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
		return d.DialContext(ctx, "tcp", addr)
	})
}

// delayed puts a proxy that delays between a host and a port of another, until undo: the
// first takes the second's address for its own. Connections that there are break at
// either: while the first has the address, it can be told of the end of those that
// have it at both ends.
func (n *network) delayed(from, to string, port int, d time.Duration) (undo func() error, err error) {
	addr := n.hosts[to]
	if err := ip(fmt.Sprintf("-n %s addr add %s/32 dev lo", from, addr)); err != nil {
		return nil, err
	}
	away := func() error { return ip(fmt.Sprintf("-n %s addr del %s/32 dev lo", from, addr)) }
	at := fmt.Sprintf("%s:%d", addr, port)
	l, err := in(from, func() (net.Listener, error) { return net.Listen("tcp", at) })
	if err != nil {
		return nil, errors.Join(err, away())
	}
	p := newProxy(l, func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", at) })
	p.delay.Store(int64(d))
	return func() error { p.close(); return away() }, nil
}
