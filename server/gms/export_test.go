package gms

// Backend returns the server's storage, for tests.
func (s *Server) Backend() *Backend { return s.b }

// Draining reports whether new transactions wait.
func (s *Server) Draining() bool {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return s.gate.shut != nil
}
