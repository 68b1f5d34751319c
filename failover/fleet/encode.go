package fleet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The encoding of commands and states, in Raft's log, in its snapshots and between
// processes:
//
//	magic "SXfc" (command) or "SXfs" (state)
//	format version, one byte: 1; of a state 2, which added the replacement, 3, moves and drains, or 4, absences
//	feature bits, uvarint: 0
//	command kind, uvarint (a command only)
//	the fields in the order of the code methods: integers as uvarints, strings and
//	lists with their length first, a bool as 0 or 1
//	CRC32C of everything before, 4 bytes little-endian
const (
	commandMagic   = "SXfc"
	stateMagic     = "SXfs"
	commandVersion = 1
	stateVersion   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFormat is returned for bytes that are not a command or state of a known format.
var ErrFormat = errors.New("fleet: unknown or damaged encoding")

// ErrVersion is returned, with ErrFormat, for bytes that are whole, of a later version.
var ErrVersion = errors.New("fleet: written by a later version")

// codec writes values into b or, when decoding, reads them from it, so that each
// type states its layout once.
type codec struct {
	b        []byte
	decoding bool
	version  byte // of the encoding
	err      error
}

func (c *codec) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrFormat, what)
	}
	c.b = nil
}

// number codes any unsigned integer that fits into max.
func number[T ~uint8 | ~uint32 | ~uint64](c *codec, v *T) {
	if !c.decoding {
		c.b = binary.AppendUvarint(c.b, uint64(*v))
		return
	}
	n, size := binary.Uvarint(c.b)
	if size <= 0 || uint64(T(n)) != n {
		c.fail("number")
		return
	}
	c.b = c.b[size:]
	*v = T(n)
}

func (c *codec) flag(v *bool) {
	var n uint8
	if *v {
		n = 1
	}
	number(c, &n)
	if !c.decoding {
		return // v may be shared with others who encode it
	}
	if n > 1 {
		c.fail("flag")
	}
	*v = n == 1
}

func (c *codec) text(v *string, bytesMax int) {
	n := uint64(len(*v))
	number(c, &n)
	if !c.decoding {
		c.b = append(c.b, *v...)
		return
	}
	if n > uint64(bytesMax) || n > uint64(len(c.b)) {
		c.fail("text length")
		return
	}
	*v = string(c.b[:n])
	c.b = c.b[n:]
}

// list codes the elements of v, at most max of them. An empty list decodes as nil.
func list[T any](c *codec, v *[]T, most int, each func(*T)) {
	n := uint64(len(*v))
	number(c, &n)
	if c.decoding {
		if n > uint64(most) || n > uint64(len(c.b)) {
			c.fail("list length")
			return
		}
		*v = nil
		if n > 0 {
			*v = make([]T, n)
		}
	}
	for i := range *v {
		each(&(*v)[i])
	}
}

func (c *codec) name(v *string)    { c.text(v, nameBytesMax) }
func (c *codec) address(v *string) { c.text(v, addressBytesMax) }

func (s *State) code(c *codec) {
	number(c, &s.Version)
	c.name(&s.Cluster)
	number(c, &s.Volume)
	number(c, &s.Timeline)
	number(c, &s.SegmentBytes)
	number(c, &s.Epoch)
	number(c, &s.Opened)
	s.Holder.code(c)
	c.flag(&s.Ended)
	c.name(&s.Successor)
	number(c, &s.LALMax)
	list(c, &s.Leases, leasesMax, func(l *Lease) { l.code(c) })
	number(c, &s.LeaseFolded)
	list(c, &s.Instances, instancesMax, func(i *Instance) { i.code(c) })
	list(c, &s.Storage, storageNodesMax, func(n *StorageNode) { n.code(c) })
	list(c, &s.Groups, groupsMax, func(g *Group) { g.code(c) })
	list(c, &s.Endpoints, endpointsMax, func(e *Endpoint) { e.code(c) })
	list(c, &s.Stopped, stoppedMax, c.name)
	number(c, &s.PortBase)
	if c.version > 1 { // Bootstrap, a command, has none
		s.Replacing.code(c)
	}
	if c.version > 2 {
		list(c, &s.Draining, storageNodesMax, c.name)
	}
	if c.version > 3 {
		list(c, &s.Away, storageNodesMax, func(a *Absence) { c.name(&a.ID); number(c, &a.Millis) })
	}
}

func (g *Grant) code(c *codec) {
	number(c, &g.Epoch)
	c.name(&g.Node)
	number(c, &g.Incarnation)
	c.address(&g.Host)
	number(c, &g.LAL)
	number(c, &g.ReadLease)
	number(c, &g.RequestID)
}

func (l *Lease) code(c *codec) {
	number(c, &l.Epoch)
	c.name(&l.Node)
	number(c, &l.Incarnation)
	c.address(&l.Host)
	number(c, &l.ReadLease)
}

func (i *Instance) code(c *codec) {
	c.name(&i.ID)
	c.name(&i.AZ)
	number(c, &i.Tier)
	c.address(&i.Address)
	c.address(&i.Control)
}

func (n *StorageNode) code(c *codec) {
	c.name(&n.ID)
	c.name(&n.AZ)
	c.address(&n.Address)
	number(c, &n.StoreID)
}

func (g *Group) code(c *codec) {
	number(c, &g.ID)
	number(c, &g.Membership)
	number(c, &g.Created)
	list(c, &g.Members, storageNodesMax, c.name)
}

func (e *Endpoint) code(c *codec) {
	c.name(&e.Name)
	number(c, &e.Type)
	list(c, &e.Addresses, addressesMax, c.address)
	number(c, &e.Member)
	number(c, &e.List)
	list(c, &e.Listed, instancesMax, c.name)
}

func (m *Bootstrap) code(c *codec) { m.Initial.code(c) }

func (m *MakeGrant) code(c *codec) {
	number(c, &m.Expected)
	c.name(&m.Node)
	number(c, &m.Incarnation)
	c.address(&m.Host)
	number(c, &m.LAL)
	number(c, &m.ReadLease)
	number(c, &m.RequestID)
}

func (m *Opened) code(c *codec) { number(c, &m.Epoch) }
func (m *Resign) code(c *codec) { number(c, &m.Epoch); c.name(&m.Successor) }

func (m *ExitSeen) code(c *codec)      { c.name(&m.Node); number(c, &m.Incarnation) }
func (m *CreateGroup) code(c *codec)   { number(c, &m.Epoch); number(c, &m.ID) }
func (m *RegisterStore) code(c *codec) { c.name(&m.Node); number(c, &m.StoreID) }
func (m *AddInstance) code(c *codec) {
	m.Instance.code(c)
	list(c, &m.EndpointAddresses, addressesMax, c.address)
}
func (m *RemoveInstance) code(c *codec) { c.name(&m.ID) }
func (m *SetTier) code(c *codec)        { c.name(&m.ID); number(c, &m.Tier) }
func (m *Stop) code(c *codec)           { c.name(&m.ID) }
func (m *Start) code(c *codec)          { c.name(&m.ID) }
func (m *CreateEndpoint) code(c *codec) { m.Endpoint.code(c) }
func (m *ModifyEndpoint) code(c *codec) {
	c.name(&m.Name)
	number(c, &m.Member)
	number(c, &m.List)
	c.flag(&m.SetListed)
	list(c, &m.Listed, instancesMax, c.name)
}
func (m *DeleteEndpoint) code(c *codec) { c.name(&m.Name) }

func (m *Bootstrap) kind() commandKind      { return kindBootstrap }
func (m *MakeGrant) kind() commandKind      { return kindGrant }
func (m *Opened) kind() commandKind         { return kindOpened }
func (m *Resign) kind() commandKind         { return kindResign }
func (m *ExitSeen) kind() commandKind       { return kindExitSeen }
func (m *CreateGroup) kind() commandKind    { return kindCreateGroup }
func (m *RegisterStore) kind() commandKind  { return kindRegisterStore }
func (m *AddInstance) kind() commandKind    { return kindAddInstance }
func (m *RemoveInstance) kind() commandKind { return kindRemoveInstance }
func (m *SetTier) kind() commandKind        { return kindSetTier }
func (m *Stop) kind() commandKind           { return kindStop }
func (m *Start) kind() commandKind          { return kindStart }
func (m *CreateEndpoint) kind() commandKind { return kindCreateEndpoint }
func (m *ModifyEndpoint) kind() commandKind { return kindModifyEndpoint }
func (m *DeleteEndpoint) kind() commandKind { return kindDeleteEndpoint }

// newCommand returns an empty command of a kind, nil for an unknown kind.
func newCommand(k commandKind) Command {
	all := [...]Command{
		&Bootstrap{}, &MakeGrant{}, &Opened{}, &Resign{}, &ExitSeen{}, &CreateGroup{},
		&RegisterStore{}, &AddInstance{}, &RemoveInstance{}, &SetTier{}, &Stop{}, &Start{},
		&CreateEndpoint{}, &ModifyEndpoint{}, &DeleteEndpoint{},
		&AddStorage{}, &Replace{}, &CancelReplace{}, &FinishReplace{}, &Move{}, &DrainStorage{}, &Restore{}, &NoteAway{},
	}
	for _, m := range all {
		if m.kind() == k {
			return m
		}
	}
	return nil
}

// EncodeState returns the encoding of s. Two states are equal if and only if their
// encodings are.
func EncodeState(s *State) []byte {
	c := &codec{b: header(stateMagic, stateVersion), version: stateVersion}
	s.code(c)
	return seal(c.b)
}

// DecodeState is the inverse of EncodeState. Returns ErrFormat if b is damaged, and
// ErrVersion with it if it is of an unknown version.
func DecodeState(b []byte) (*State, error) {
	if len(b) > stateBytesMax {
		return nil, fmt.Errorf("%w: a state of %d bytes", ErrFormat, len(b))
	}
	c, err := open(b, stateMagic, stateVersion)
	if err != nil {
		return nil, err
	}
	var s State
	s.code(c)
	if err := c.end(); err != nil {
		return nil, err
	}
	return &s, nil
}

// EncodeCommand returns the encoding of m. Returns ErrInvalid if it is too large to
// be decoded again.
func EncodeCommand(m Command) ([]byte, error) {
	c := &codec{b: header(commandMagic, commandVersion), version: commandVersion}
	k := uint64(m.kind())
	number(c, &k)
	m.code(c)
	b := seal(c.b)
	if _, err := DecodeCommand(b); err != nil {
		return nil, fmt.Errorf("%w: a field exceeds its bound: %w", ErrInvalid, err)
	}
	return b, nil
}

// DecodeCommand is the inverse of EncodeCommand. Returns ErrFormat if b is damaged,
// of an unknown version or of an unknown kind.
func DecodeCommand(b []byte) (Command, error) {
	if len(b) > stateBytesMax {
		return nil, fmt.Errorf("%w: a command of %d bytes", ErrFormat, len(b))
	}
	c, err := open(b, commandMagic, commandVersion)
	if err != nil {
		return nil, err
	}
	var k commandKind
	number(c, &k)
	m := newCommand(k)
	if m == nil {
		return nil, fmt.Errorf("%w: command kind %d", ErrFormat, k)
	}
	m.code(c)
	if err := c.end(); err != nil {
		return nil, err
	}
	return m, nil
}

func header(magic string, version byte) []byte { return append([]byte(magic), version, 0) }

func seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// open checks magic, checksum, version and feature bits and returns a codec that
// reads what follows them.
func open(b []byte, magic string, newest byte) (*codec, error) {
	const head = 4 + 1 + 1
	if len(b) < head+4 || string(b[:4]) != magic {
		return nil, fmt.Errorf("%w: no %s header", ErrFormat, magic)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: checksum of %s", ErrFormat, magic)
	}
	if body[4] == 0 || body[4] > newest || body[5] != 0 {
		return nil, fmt.Errorf("%w: %w: %s version %d, features %#x; known: versions to %d, no features",
			ErrFormat, ErrVersion, magic, body[4], body[5], newest)
	}
	return &codec{b: body[head:], decoding: true, version: body[4]}, nil
}

func (c *codec) end() error {
	if c.err == nil && len(c.b) != 0 {
		c.fail("bytes left over")
	}
	return c.err
}
