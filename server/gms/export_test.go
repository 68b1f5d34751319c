package gms

// Draining reports whether new transactions wait.
func (s *Server) Draining() bool {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return s.gate.shut != nil
}
