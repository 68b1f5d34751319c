package halfopen_test

import (
	"net"
	"testing"

	"sextant/internal/halfopen"
)

// conn is a connection that remembers whether it was closed.
type conn struct {
	net.Conn
	closed bool
}

func (c *conn) Close() error { c.closed = true; return nil }

func TestTheFirstGivesWay(t *testing.T) {
	most := 3
	s := halfopen.New(func() int { return most })
	var conns []*conn
	var leave []func() bool
	enter := func() {
		conns = append(conns, &conn{})
		leave = append(leave, s.Enter(conns[len(conns)-1]))
	}
	closed := func(want string) {
		t.Helper()
		got := ""
		for _, c := range conns {
			got += map[bool]string{true: "x", false: "-"}[c.closed]
		}
		if got != want {
			t.Fatalf("closed %s, want %s", got, want)
		}
	}
	for range 3 {
		enter()
	}
	closed("---")
	if !leave[1]() { // it has shown who it is
		t.Fatal("1 was not in")
	}
	enter()
	closed("----")
	enter()
	closed("x----")
	if leave[0]() || leave[1]() {
		t.Fatal("who is out leaves again")
	}
	most = 1
	enter()
	closed("x-xxx-")
	most = 0 // one is always let in
	enter()
	closed("x-xxxx-")
}
