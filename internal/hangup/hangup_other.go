//go:build !linux

package hangup

import "net"

// Set is the connections that are watched: none, on this system.
type Set struct{ stop chan struct{} }

// New returns a set that watches nothing.
func New() (*Set, error) { return &Set{make(chan struct{})}, nil }

// Watch does nothing.
func (s *Set) Watch(net.Conn, uint32, int32) {}

// Run waits for Close.
func (s *Set) Run(func(uint32, int32)) { <-s.stop }

// Close ends Run.
func (s *Set) Close() { close(s.stop) }

// Free does nothing.
func (s *Set) Free() error { return nil }

// Bound leaves it to the system's defaults when a peer that has vanished is noticed.
func Bound(net.Conn) {}
