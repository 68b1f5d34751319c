package hotlog_test

import "testing"

// Prepare runs beside the goroutine that appends: no data race, and a file in use is
// never taken for a spare one.
func TestPrepareBesideRotate(t *testing.T) {
	opt := small
	opt.FilesKept = 3
	l, _ := mustOpen(t, newMemDisk(), opt)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if err := l.Prepare(); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	for range 200 {
		rotate(t, l, "s")
		appendBodies(t, l, "a")
		l.Release(l.Generation() - 1)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if live, _ := l.Live(); live != 1 {
		t.Errorf("%d files are live, want 1", live)
	}
}
