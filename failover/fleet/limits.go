package fleet

// Bounds of the fleet. A command that would exceed one is refused with CodeLimit
// or CodeInvalid; a decoder refuses what exceeds them.
const (
	nameBytesMax      = 63       // an id or an endpoint's name
	addressBytesMax   = 255      // one host:port
	detailBytesMax    = 1024     // text of a result
	instancesMax      = 16       // one writer and 15 readers
	storageNodesMax   = 99       // ports 401 to 499
	groupsMax         = 1 << 16  // 640 TiB of 10 GiB groups
	endpointsMax      = 64       // built-in and custom ones together
	stoppedMax        = 256      // roles
	addressesMax      = 8        // listen addresses of one endpoint
	leasesMax         = 32       // unreleased grantees kept by name
	stateBytesMax     = 64 << 20 // also of a command: Restore has a state
	groupMembersCount = 6
	azCount           = 3
	earlyFailuresMax  = 3 // holders in a row that may fail early before a grant waits
)

// Ports of endpoints, as offsets from the port base.
const (
	InstanceEndpointFirst, InstanceEndpointLast = 331, 350
	CustomEndpointFirst, CustomEndpointLast     = 351, 370
)
