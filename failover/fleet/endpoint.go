package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const tierMax = 15

// Names of the built-in endpoints. Instance endpoints have their instance's id.
const (
	ClusterEndpointName = "cluster"
	ReaderEndpointName  = "reader"
)

// Members returns the instances that a session on e may be sent to now, sorted,
// given the writer that serves ("" for none) and the healthy readers.
//
// The reader endpoint has the readers, and the writer when there is no reader. A
// custom endpoint has those of its list that are healthy in a role of its member
// type; there is no fallback: a custom READER endpoint without a reader has nobody,
// as in Aurora. Static lists keep ids of instances that are gone or not there yet.
func (e Endpoint) Members(writer string, readers []string) []string {
	var all []string
	switch e.Type {
	case EndpointCluster:
		if writer != "" {
			all = append(all, writer)
		}
	case EndpointReader:
		all = slices.Clone(readers)
		if len(all) == 0 && writer != "" {
			all = append(all, writer)
		}
	case EndpointInstance:
		all = e.choose(writer, readers)
	case EndpointCustom:
		if e.Member == MemberReader {
			writer = ""
		}
		all = e.choose(writer, readers)
	}
	slices.Sort(all)
	return all
}

// choose returns those of writer and readers that e's list allows.
func (e Endpoint) choose(writer string, readers []string) []string {
	candidates := slices.Clone(readers)
	if writer != "" {
		candidates = append(candidates, writer)
	}
	return slices.DeleteFunc(candidates, func(id string) bool {
		return slices.Contains(e.Listed, id) == (e.List == ListExclusion)
	})
}

func clusterEndpoint(base uint32, t EndpointType) Endpoint {
	const clusterPort, readerPort = 306, 307
	if t == EndpointReader {
		return Endpoint{Name: ReaderEndpointName, Type: t, Addresses: []string{loopback(base, readerPort)}}
	}
	return Endpoint{Name: ClusterEndpointName, Type: t, Addresses: []string{loopback(base, clusterPort)}}
}

func loopback(base, offset uint32) string { return fmt.Sprintf("127.0.0.1:%d", base+offset) }

// at returns the addresses of an endpoint with a port offset: on every host that the
// cluster endpoint is on, which are those that the router listens on.
func (s *State) at(offset uint32) (addrs []string) {
	e, _ := s.Endpoint(ClusterEndpointName)
	for _, a := range e.Addresses {
		a = fmt.Sprintf("%s:%d", a[:strings.LastIndexByte(a, ':')], s.PortBase+offset)
		if !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func (s *State) addEndpoint(e Endpoint) {
	at, _ := find(s.Endpoints, e.Name, endpointName)
	s.Endpoints = slices.Insert(s.Endpoints, at, e)
}

// createEndpoint adds e, with the first port of [first, last] that is free if it has no address.
func (s *State) createEndpoint(e Endpoint, first, last uint32) Result {
	used := map[string]string{}
	for _, o := range s.Endpoints {
		for _, a := range o.Addresses {
			used[a] = o.Name
		}
	}
	if len(e.Addresses) == 0 {
		for p := first; p <= last && len(e.Addresses) == 0; p++ {
			if at := s.at(p); !slices.ContainsFunc(at, func(a string) bool { return used[a] != "" }) {
				e.Addresses = at
			}
		}
		if len(e.Addresses) == 0 {
			return refuse(CodeLimit, "no port from %d to %d is free", s.PortBase+first, s.PortBase+last)
		}
	}
	switch {
	case len(s.Endpoints) == endpointsMax:
		return refuse(CodeLimit, "at most %d endpoints", endpointsMax)
	case len(e.Addresses) > addressesMax:
		return refuse(CodeLimit, "at most %d addresses per endpoint", addressesMax)
	}
	if _, found := s.Endpoint(e.Name); found {
		return refuse(CodeExists, "endpoint %q exists", e.Name)
	}
	for _, a := range e.Addresses {
		if !validAddress(a) {
			return refuse(CodeInvalid, "endpoint %q: %q is not host:port", e.Name, a)
		}
		if used[a] != "" {
			return refuse(CodeExists, "endpoint %q has address %s", used[a], a)
		}
	}
	s.addEndpoint(e)
	return ok(true)
}

func (m *CreateEndpoint) apply(s *State) Result {
	e := m.Endpoint
	e.Type = EndpointCustom
	listed, r := checkList(e.Name, e.Listed)
	if r.Code != CodeOK {
		return r
	}
	e.Listed = listed
	e.Addresses = slices.Clone(e.Addresses)
	if e.Member == 0 {
		e.Member = MemberAny
	}
	switch {
	case !validName(e.Name):
		return refuse(CodeInvalid,
			"%q: a name has letters, digits and hyphens, begins with a letter, does not end with a hyphen, has no two in a row", e.Name)
	case e.Member > MemberReader || e.List != ListStatic && e.List != ListExclusion:
		return refuse(CodeInvalid, "endpoint %q: unknown member or list type", e.Name)
	}
	if old, found := s.Endpoint(e.Name); found && old.Type == EndpointCustom &&
		old.Member == e.Member && old.List == e.List && slices.Equal(old.Listed, e.Listed) &&
		(len(e.Addresses) == 0 || slices.Equal(old.Addresses, e.Addresses)) {
		return ok(false)
	}
	return s.createEndpoint(e, CustomEndpointFirst, CustomEndpointLast)
}

func (m *ModifyEndpoint) apply(s *State) Result {
	at, found := find(s.Endpoints, m.Name, endpointName)
	if !found {
		return refuse(CodeNotFound, "no endpoint %q", m.Name)
	}
	e := s.Endpoints[at]
	switch {
	case e.Type != EndpointCustom:
		return refuse(CodeInvalid, "endpoint %q is a built-in one", m.Name)
	case m.Member > MemberReader || m.List > ListExclusion:
		return refuse(CodeInvalid, "endpoint %q: unknown member or list type", m.Name)
	case m.List != 0 && m.List != e.List && !m.SetListed:
		return refuse(CodeInvalid, "endpoint %q: a change of the list type needs the list", m.Name)
	}
	changed := m.Member != 0 && m.Member != e.Member || m.List != 0 && m.List != e.List
	if m.Member != 0 {
		e.Member = m.Member
	}
	if m.List != 0 {
		e.List = m.List
	}
	if m.SetListed {
		listed, r := checkList(m.Name, m.Listed)
		if r.Code != CodeOK {
			return r
		}
		changed = changed || !slices.Equal(listed, e.Listed)
		e.Listed = listed
	}
	s.Endpoints[at] = e
	return ok(changed)
}

func (m *DeleteEndpoint) apply(s *State) Result {
	at, found := find(s.Endpoints, m.Name, endpointName)
	if !found {
		return ok(false)
	}
	if s.Endpoints[at].Type != EndpointCustom {
		return refuse(CodeInvalid, "endpoint %q is a built-in one", m.Name)
	}
	s.Endpoints = slices.Delete(s.Endpoints, at, at+1)
	return ok(true)
}

// checkList returns ids sorted, without duplicates, nil if there are none.
func checkList(endpoint string, ids []string) ([]string, Result) {
	var list []string
	for _, id := range ids {
		if !validName(id) {
			return nil, refuse(CodeInvalid, "endpoint %q: %q is not an instance id", endpoint, id)
		}
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	if len(list) > instancesMax {
		return nil, refuse(CodeLimit, "endpoint %q: at most %d ids", endpoint, instancesMax)
	}
	slices.Sort(list)
	return list, ok(false)
}

// validName reports whether s is an identifier in the sense of RDS: 1 to 63 letters,
// digits and hyphens, a letter first, no hyphen last, no two hyphens in a row.
// Lower case only, so that two names never differ by case alone.
func validName(s string) bool {
	if len(s) == 0 || len(s) > nameBytesMax || s[0] < 'a' || s[0] > 'z' ||
		s[len(s)-1] == '-' || strings.Contains(s, "--") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// validAddress reports whether s is host:port with a port from 1 to 65535.
func validAddress(s string) bool {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || len(s) > addressBytesMax {
		return false
	}
	p, err := strconv.ParseUint(s[i+1:], 10, 16)
	return err == nil && p > 0
}
