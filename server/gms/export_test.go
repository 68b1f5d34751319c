package gms

// Backend returns the server's storage, for tests.
func (s *Server) Backend() *Backend { return s.b }
