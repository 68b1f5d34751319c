package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"sextant/internal/config"
)

const (
	restartFirst = 50 * time.Millisecond // pause before the first restart of a process that died
	restartMax   = 5 * time.Second       // longest pause; it doubles with each death
	restartCalm  = 10 * time.Second      // a process that lived that long starts again with the first pause
	stopPatience = 10 * time.Second      // after SIGTERM, before SIGKILL
	markerPoll   = 100 * time.Millisecond

	markStopped  = "stopped"  // file in the directory of a process that shall not run
	markStarting = "starting" // stands before it, until the process was started again

	lifelineFD = 3 // open in children, which config.EnvLifeline tells: pipe whose end means that the parent has gone
)

// A child is one process of a role.
type child struct {
	id, role string
	dir      string
	netns    string // network namespace that it runs in; "" is the parent's
}

// supervisor runs the processes of a local cluster: it starts them, starts again
// what dies, leaves alone what was stopped with `sextant stop`, and stops all.
//
// `stop` and `start` act through files in a process's directory: pid, there while
// it runs, stopped, and starting. What was stopped stays so when its directory is emptied: the supervisor
// remembers it, and the control plane for the next one.
type supervisor struct {
	binary string
	args   []string // common flags of every role
	stderr io.Writer
	exited func(c child, pid int) // called after a process has ended

	lifeline *os.File // write end; never written to
	read     *os.File

	mu      sync.Mutex
	running map[string]context.CancelFunc
	live    map[string]bool // processes that exist now
	wg      sync.WaitGroup
	out     sync.Mutex // one line of output at a time
}

func newSupervisor(binary string, args []string, stderr io.Writer, exited func(child, int)) (*supervisor, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the pipe that ties children to their parent: %w", err)
	}
	return &supervisor{binary: binary, args: args, stderr: stderr, exited: exited, lifeline: w, read: r, running: map[string]context.CancelFunc{}, live: map[string]bool{}}, nil
}

// add runs c until ctx ends or remove(c.id) is called; one that is held, not before it is started with `sextant start`.
func (s *supervisor) add(ctx context.Context, c child, held bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[c.id] != nil {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of %s: %w", c.id, err)
	}
	os.Remove(filepath.Join(c.dir, "pid")) // left behind by a parent that was killed: it may be anybody's by now
	ctx, cancel := context.WithCancel(ctx)
	s.running[c.id] = cancel
	s.wg.Go(func() { s.keep(ctx, c, held) })
	return nil
}

func (s *supervisor) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[id]; cancel != nil {
		cancel()
		delete(s.running, id)
	}
}

// has returns the ids of the processes that are kept running.
func (s *supervisor) has() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.running {
		ids = append(ids, id)
	}
	return ids
}

// alive returns the ids of the processes that exist.
func (s *supervisor) alive() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, ok := range s.live {
		if ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *supervisor) setAlive(id string, alive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[id] = alive
}

func (s *supervisor) wait() { s.wg.Wait() }

// keep runs c again and again until ctx ends.
func (s *supervisor) keep(ctx context.Context, c child, held bool) {
	pause := restartFirst
	for ctx.Err() == nil {
		// The directory of one that was stopped may be emptied or removed, its mark with it.
		if held = stopped(c.dir) || held && !marked(c.dir, markStarting); held {
			os.MkdirAll(c.dir, 0o700) // by which `start` knows that it runs here; without, that says so
			sleep(ctx, markerPoll)
			continue
		}
		began := time.Now()
		err := s.run(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if stopped(c.dir) {
			s.say(c.id, "stopped")
			held = true
			continue
		}
		if time.Since(began) > restartCalm {
			pause = restartFirst
		}
		s.say(c.id, fmt.Sprintf("ended (%v); starting again in %v", err, pause))
		sleep(ctx, pause)
		pause = min(2*pause, restartMax)
	}
}

// run starts c once and returns when it has ended and exited was told.
func (s *supervisor) run(ctx context.Context, c child) error {
	args := append([]string{s.binary, c.role, "--id", c.id}, s.args...)
	if c.netns != "" {
		args = append([]string{"ip", "netns", "exec", c.netns}, args...) // which becomes the process: the pid is its
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), config.EnvLifeline+"=1")
	cmd.ExtraFiles = []*os.File{s.read}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the parent only
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	cmd.Stdout = cmd.Stderr
	// The file comes first, then a look at the marker; `stop` does the same the other
	// way round. So either sees the other, and nothing starts once `stop` has returned.
	pid := filepath.Join(c.dir, "pid")
	defer os.Remove(pid)
	err = os.MkdirAll(c.dir, 0o700) // it may have been removed as a whole
	if err == nil {
		err = os.WriteFile(pid, []byte("0"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("announce %s: %w", c.id, err)
	}
	if stopped(c.dir) {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.id, err)
	}
	s.setAlive(c.id, true)
	defer s.setAlive(c.id, false)
	if err := os.WriteFile(pid, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		s.say(c.id, err.Error())
	}
	os.Remove(filepath.Join(c.dir, markStarting))
	stop := context.AfterFunc(ctx, func() {
		terminate(cmd.Process, stopPatience, func() { s.say(c.id, "did not end in time and was killed") })
	})
	s.copyLines(c.id, log)
	err = cmd.Wait()
	stop()
	os.Remove(pid)
	s.exited(c, cmd.Process.Pid)
	if err == nil {
		err = errors.New("exit status 0")
	}
	return err
}

// terminate asks p to end; it kills it if it has not after patience, and calls killed then.
func terminate(p *os.Process, patience time.Duration, killed func()) {
	if p.Signal(syscall.SIGTERM) != nil {
		return
	}
	p.Signal(syscall.SIGCONT) // one that was stopped by SIGSTOP shall end too
	time.AfterFunc(patience, func() {
		if p.Kill() == nil {
			killed()
		}
	})
}

// copyLines prints every line of r with the process's name until r ends.
func (s *supervisor) copyLines(id string, r io.Reader) {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			s.mustWrite(id, line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (s *supervisor) mustWrite(id string, line []byte) {
	if line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	s.out.Lock()
	defer s.out.Unlock()
	fmt.Fprintf(s.stderr, "%-9s | %s", id, line)
}

func (s *supervisor) say(id, text string) { s.mustWrite(id, []byte(text+"\n")) }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// stopped reports whether the process of a directory was stopped on purpose.
func stopped(dir string) bool { return marked(dir, markStopped) && !marked(dir, markStarting) }

func marked(dir, mark string) bool {
	_, err := os.Stat(filepath.Join(dir, mark))
	return err == nil
}

// stopRole stops the process of a directory and returns when it has ended.
func stopRole(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no process with the directory %s", dir)
	}
	os.Remove(filepath.Join(dir, markStarting)) // of a start that nobody has seen to
	if err := os.WriteFile(filepath.Join(dir, markStopped), nil, 0o600); err != nil {
		return err
	}
	told := 0
	return waitFor(ctx, func() bool {
		pid, err := pidOf(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if err != nil || pid == 0 || pid == told { // it is about to be written, or to end
			return false
		}
		told = pid
		if p, err := os.FindProcess(pid); err == nil {
			terminate(p, stopPatience, func() { fmt.Fprintf(os.Stderr, "process %d did not end in time and was killed\n", pid) })
		}
		return false
	})
}

// startRole undoes stopRole and returns when the process was started, also if it
// has ended again since. The directory may have been emptied meanwhile, or removed.
func startRole(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, markStarting), nil, 0o600); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, markStopped)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return waitFor(ctx, func() bool { return !marked(dir, markStarting) })
}

// pidOf returns the pid of the process of a directory, 0 for one that is about to
// start, fs.ErrNotExist if there is none.
func pidOf(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// waitFor polls cond until it holds or ctx ends.
func waitFor(ctx context.Context, cond func() bool) error {
	for !cond() {
		sleep(ctx, markerPoll)
		if ctx.Err() != nil {
			return errors.New("it did not happen in time; does `sextant up` run on this data directory?")
		}
	}
	return nil
}

// dieWithParent ends this process when the parent that started it has gone.
// It does nothing in a process that was started by hand.
func dieWithParent() {
	if os.Getenv(config.EnvLifeline) == "" {
		return
	}
	go func() {
		io.Copy(io.Discard, os.NewFile(lifelineFD, "lifeline"))
		fmt.Fprintln(os.Stderr, "the parent process has gone; ending")
		os.Exit(1)
	}()
}
