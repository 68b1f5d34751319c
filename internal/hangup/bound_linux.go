package hangup

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	silenceMax = 5 * time.Second // for which a peer may leave unacknowledged what it was sent, or take nothing
	probeIdle  = 2 * time.Second // after which one that says nothing is probed
	probeEvery = time.Second
	probesMax  = 3
)

// Bound has the kernel break a TCP connection whose peer, or the way to it, has vanished
// without a word: whoever reads or writes gets an error some seconds later, instead of a
// quarter of an hour. A peer that hangs is not noticed, its kernel acknowledges.
// Source: RFC 5482.
func Bound(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	// A connection that is closed already fails, and is found out by who uses it.
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: probeEvery, Count: probesMax})
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silenceMax.Milliseconds()))
		})
	}
}
