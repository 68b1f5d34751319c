package failover

import (
	"log/slog"
	"time"

	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// ReporterOptions says what the reporter of a storage node or a router needs.
type ReporterOptions struct {
	ID          string
	Kind        fleet.Kind // KindStorage or KindRouter
	Cluster     string
	Incarnation fleet.Incarnation
	Address     string
	Client      *Client
	Logger      *slog.Logger
	// Report is called every ReportEvery (default 500 ms) from one goroutine.
	Report      func() Report
	ReportEvery time.Duration
	// Refused is called, once, when the fleet has another store registered for this
	// node: it must serve no quorum. May be nil for a router.
	Refused func(detail string)
}

// Report is what a storage node or a router says of itself.
type Report struct {
	Healthy bool
	Detail  string
	// Of storage nodes:
	StoreID     uint64                 // never 0
	Volume      redo.VolumeID          // 0: the store is empty
	Epoch       redo.VolumeEpoch       // highest stored
	SCL         map[redo.PGID]redo.LSN // of every segment it holds, 0 for an empty one
	StoredBytes uint64
}
