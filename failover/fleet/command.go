package fleet

import (
	"fmt"

	"sextant/internal/redo"
)

// Code is the kind of a command's result. Every code is a function of the state and
// the command alone. Numbers are part of the wire format and never reused.
type Code uint8

// The codes.
const (
	CodeOK        Code = 0 // done, or had been done already
	CodeStale     Code = 1 // the epoch, or the incarnation, is not the current one
	CodeNotFound  Code = 2
	CodeExists    Code = 3 // and differs
	CodeInvalid   Code = 4 // the command is malformed: try it never again
	CodeNotReady  Code = 5 // something must happen first: try again later
	CodeInUse     Code = 6 // what should go is needed
	CodeLimit     Code = 7 // a bound of the fleet is reached
	CodeBootstrap Code = 8 // the fleet has not been bootstrapped, or as another cluster
)

// Result is what a command did.
type Result struct {
	Code    Code
	Detail  string // for people; "" if OK
	Changed bool   // the state is another one now
}

// Err returns nil, or the result as *Error.
func (r Result) Err() error {
	if r.Code == CodeOK {
		return nil
	}
	return &Error{Code: r.Code, Detail: r.Detail}
}

// Error is a refused command. Errors are matched with errors.Is against the
// sentinels below, which compares the code.
type Error struct {
	Code   Code
	Detail string
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Sentinels of refused commands, for errors.Is.
var (
	// ErrStale is returned when the volume epoch or the incarnation is not current.
	ErrStale = &Error{Code: CodeStale, Detail: "not the current volume epoch"}
	// ErrNotFound is returned when the command names something that is not there.
	ErrNotFound = &Error{Code: CodeNotFound, Detail: "not found"}
	// ErrExists is returned when another thing of that name is there.
	ErrExists = &Error{Code: CodeExists, Detail: "exists"}
	// ErrInvalid is returned for a malformed command.
	ErrInvalid = &Error{Code: CodeInvalid, Detail: "invalid"}
	// ErrNotReady is returned when something else must happen first.
	ErrNotReady = &Error{Code: CodeNotReady, Detail: "not ready"}
	// ErrInUse is returned when the thing to remove is needed.
	ErrInUse = &Error{Code: CodeInUse, Detail: "in use"}
	// ErrLimit is returned when a bound of the fleet is reached.
	ErrLimit = &Error{Code: CodeLimit, Detail: "limit reached"}
	// ErrBootstrap is returned before Bootstrap, or for another cluster's.
	ErrBootstrap = &Error{Code: CodeBootstrap, Detail: "not bootstrapped"}
)

func ok(changed bool) Result { return Result{Changed: changed} }

func refuse(code Code, format string, args ...any) Result {
	detail := fmt.Sprintf(format, args...)
	return Result{Code: code, Detail: detail[:min(len(detail), detailBytesMax)]}
}

// Command is one change of the state. Every command is idempotent or a
// compare-and-set, because a proposer that loses its leader does not learn whether
// its command was applied and proposes it again.
type Command interface {
	kind() commandKind
	code(c *codec)
	apply(s *State) Result
}

type commandKind uint8

// Numbers are part of the log's format and never reused.
const (
	kindBootstrap      commandKind = 1
	kindGrant          commandKind = 2
	kindOpened         commandKind = 3
	kindResign         commandKind = 4
	kindExitSeen       commandKind = 5
	kindCreateGroup    commandKind = 6
	kindRegisterStore  commandKind = 7
	kindAddInstance    commandKind = 8
	kindRemoveInstance commandKind = 9
	kindSetTier        commandKind = 10
	kindStop           commandKind = 11
	kindStart          commandKind = 12
	kindCreateEndpoint commandKind = 13
	kindModifyEndpoint commandKind = 14
	kindDeleteEndpoint commandKind = 15
	kindAddStorage     commandKind = 16
	kindReplace        commandKind = 17
	kindCancelReplace  commandKind = 18
	kindFinishReplace  commandKind = 19
	kindMove           commandKind = 20
	kindDrainStorage   commandKind = 21
	kindRestore        commandKind = 22
	kindNoteAway       commandKind = 23
)

// Bootstrap makes the fleet. Initial holds Cluster, Volume, Timeline, SegmentBytes,
// PortBase, Instances, Storage, Groups, Endpoints and, as Epoch, the floor: above
// it is every epoch to be granted, so it is at least the highest epoch that a write
// quorum of existing segments reports. The endpoints of the cluster, the readers and
// the instances are added if they are missing; without addresses an endpoint is on the
// hosts of the cluster endpoint. Repeated for the same cluster it
// changes nothing; for another: CodeBootstrap.
type Bootstrap struct {
	Initial State
}

// MakeGrant makes (Node, Incarnation) the holder of epoch Expected+1. CodeStale unless
// the current epoch is Expected; the same RequestID again is OK and changes nothing
// while its grant is the current one.
type MakeGrant struct {
	Expected    redo.VolumeEpoch
	Node        string
	Incarnation Incarnation
	Host        string
	LAL         uint64
	ReadLease   Micros
	RequestID   uint64
}

// Opened says that the holder of Epoch has recovered the volume, has waited out
// LeaseWait, and is about to serve. CodeStale unless Epoch is the current one and
// the holder still holds it.
type Opened struct {
	Epoch redo.VolumeEpoch
}

// Resign says that the holder of Epoch will never again write in it or answer
// anything. For an older epoch it only releases that epoch's lease.
type Resign struct {
	Epoch     redo.VolumeEpoch
	Successor string // whom to grant next, "" for the best candidate
}

// ExitSeen says that the process does not exist any more: its parent has waited for
// it, or a new incarnation answers on the same host.
type ExitSeen struct {
	Node        string
	Incarnation Incarnation
}

// CreateGroup makes protection group ID, the next one, at the holder's epoch.
// CodeStale unless Epoch is current; OK without change if the group is there;
// CodeNotReady while fewer than two registered stores are in any of three zones.
type CreateGroup struct {
	Epoch redo.VolumeEpoch
	ID    redo.PGID
}

// RegisterStore makes StoreID the store of a node that has none. CodeExists if the
// node has another one: that store counts in no quorum.
type RegisterStore struct {
	Node    string
	StoreID uint64
}

// AddInstance adds an instance and its endpoint, whose addresses are the first instance
// endpoint port that is free on the hosts of the cluster endpoint, unless EndpointAddresses are given.
type AddInstance struct {
	Instance          Instance
	EndpointAddresses []string
}

// RemoveInstance removes an instance and its endpoint, and its id from every
// custom endpoint's list. CodeInUse if it is the writer.
type RemoveInstance struct {
	ID string
}

// SetTier sets an instance's promotion tier.
type SetTier struct {
	ID   string
	Tier uint8
}

// Stop marks a role as stopped by an operator: it is not restarted, not promoted,
// and not missed.
type Stop struct {
	ID string
}

// Start takes the mark of Stop away.
type Start struct {
	ID string
}

// CreateEndpoint makes a custom endpoint. Without addresses it gets the first free
// port of the custom range on 127.0.0.1.
type CreateEndpoint struct {
	Endpoint Endpoint
}

// ModifyEndpoint replaces the member type and list of a custom endpoint; zero
// Member or List leave that unchanged, SetListed says whether Listed is meant.
// A change of List without Listed is CodeInvalid: the ids would mean their opposite.
type ModifyEndpoint struct {
	Name      string
	Member    MemberType
	List      ListType
	SetListed bool
	Listed    []string
}

// DeleteEndpoint removes a custom endpoint. OK if it is not there.
type DeleteEndpoint struct {
	Name string
}
