//go:build !linux

package router

import "net"

// hangupSide is the side of a session that closed its connection.
type hangupSide int32

const (
	hangupClient   hangupSide = 1
	hangupInstance hangupSide = 2
)

// hangups is not there on this system: a session learns that its instance closed
// the connection with its next command, and that its client did with its next answer.
type hangups struct{ stop chan struct{} }

func newHangups() (*hangups, error) { return &hangups{make(chan struct{})}, nil }

func (h *hangups) watch(net.Conn, uint32, hangupSide) {}

func (h *hangups) run(func(uint32, hangupSide)) { <-h.stop }

func (h *hangups) close() { close(h.stop) }

func (h *hangups) free() error { return nil }
