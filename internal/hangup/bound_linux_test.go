package hangup

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns the two ends of a connection, the first one bounded.
func pair(t *testing.T) (sender, receiver net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if sender, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sender.Close() })
	if receiver, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = receiver.Close() })
	Bound(sender)
	return sender, receiver
}

// TestFullPeerKeepsConnection: who does not read for longer than silenceMax gets all of
// it when it reads again.
func TestFullPeerKeepsConnection(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t)
	const size = 16 << 20 // more than the sockets hold
	sent := make(chan error, 1)
	go func() {
		_, err := sender.Write(make([]byte, size))
		sent <- err
	}()
	select {
	case err := <-sent:
		t.Fatalf("%d bytes wait for nobody: %v", size, err)
	case <-time.After(silenceMax + 3*lookEvery): // how long it reads nothing
	}
	if n, err := io.CopyN(io.Discard, receiver, size); err != nil {
		t.Fatalf("%d of %d bytes: %v", n, size, err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// TestSilence: what counts as a peer's silence, second by second.
func TestSilence(t *testing.T) {
	type look struct {
		unacked uint32 // segments
		probes  uint8  // of a full window, unanswered
		heard   uint32 // seconds ago
	}
	for name, c := range map[string]struct {
		looks  []look
		silent int // the look at which it is; 0: never
	}{
		"idle":                      {[]look{{0, 0, 1}, {0, 0, 10}, {0, 0, 20}, {0, 0, 30}, {0, 0, 40}, {0, 0, 50}, {0, 0, 60}}, 0},
		"gone":                      {[]look{{1, 0, 0}, {1, 0, 1}, {2, 0, 2}, {2, 0, 3}, {2, 0, 4}, {2, 0, 5}}, 5},
		"gone after it was idle":    {[]look{{0, 0, 100}, {1, 0, 101}, {1, 0, 102}, {1, 0, 103}, {1, 0, 104}, {1, 0, 105}, {1, 0, 106}}, 6},
		"acknowledges":              {[]look{{9, 0, 0}, {9, 0, 0}, {9, 0, 0}, {9, 0, 0}, {9, 0, 0}, {9, 0, 0}, {9, 0, 0}}, 0},
		"comes back":                {[]look{{9, 0, 0}, {9, 0, 1}, {9, 0, 2}, {9, 0, 3}, {9, 0, 0}, {9, 0, 1}, {9, 0, 2}, {9, 0, 3}, {9, 0, 4}}, 0},
		"full":                      {[]look{{0, 1, 1}, {0, 0, 2}, {0, 0, 3}, {0, 1, 4}, {0, 1, 5}, {0, 1, 6}, {0, 1, 7}, {0, 1, 8}, {0, 0, 0}}, 0},
		"full, and gone":            {[]look{{0, 1, 9}, {0, 2, 10}, {0, 2, 11}, {0, 2, 12}, {0, 3, 13}, {0, 3, 14}, {0, 3, 15}}, 6},
		"full, and a probe is lost": {[]look{{0, 1, 9}, {0, 2, 10}, {0, 2, 11}, {0, 2, 12}, {0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {0, 0, 3}}, 0},
	} {
		var a answers
		now, at := time.Unix(1, 0), 0
		for i, l := range c.looks {
			info := &unix.TCPInfo{Unacked: l.unacked, Probes: l.probes, Last_ack_recv: l.heard * 1000, Last_data_recv: 1e6}
			if a.silent(now.Add(time.Duration(i)*time.Second), info) && at == 0 {
				at = i
			}
		}
		if at != c.silent {
			t.Errorf("%s: silent at look %d, want %d", name, at, c.silent)
		}
	}
}

// TestClosedIsForgotten: who closes a connection does not have it looked at for ever.
func TestClosedIsForgotten(t *testing.T) {
	c, _ := pair(t)
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{raw: raw}
	if !a.look(time.Now()) {
		t.Fatal("an open connection is not looked at")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if a.look(time.Now()) {
		t.Error("a closed connection is looked at")
	}
}
