package client

import (
	"log/slog"
	"time"
)

// Defaults of Options.
const (
	defaultWindowBytes  = 64 << 20
	defaultLaggardBytes = 16 << 20
	defaultBatchBytes   = 1 << 20
	defaultReconnectMin = 10 * time.Millisecond
	defaultReconnectMax = time.Second
	defaultDialTimeout  = 2 * time.Second
	defaultPatience     = 30 * time.Second
	defaultHedge        = 5 * time.Millisecond
)

// Limits.
const (
	requestTimeout   = 5 * time.Second // of one request to one node
	retryPause       = 10 * time.Millisecond
	probeEvery       = 64 // every so many reads another node than the fastest is asked first
	latencyWeight    = 8  // of the running average of a node's latency
	hedgeFactor      = 4  // of the average latency, after which a second node is asked
	leaseTicks       = 4  // ticks in a read lease: an idle writer probes that often
	tickMin          = 5 * time.Millisecond
	tickMax          = 100 * time.Millisecond
	stallAfter       = 2 * time.Second  // for which commits wait for a write quorum, before that is said
	recoveryStall    = 5 * time.Second  // for which a recovery does: its nodes may be starting with it
	stallAgain       = 10 * time.Second // and until it is said again
	unsentMax        = 8                // messages of a recovery kept for a node that is not connected
	numberedMax      = 8192             // records that are numbered before others may have the lock
	recordsRoundsMax = 6                // segments of a group asked for the same log
	recordOverhead   = 256              // bytes of memory that a record takes besides its payload, about
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.WindowBytes = orDefault(o.WindowBytes, defaultWindowBytes)
	o.LaggardBytes = orDefault(o.LaggardBytes, defaultLaggardBytes)
	o.BatchBytes = orDefault(o.BatchBytes, defaultBatchBytes)
	o.ReconnectMin = orDefault(o.ReconnectMin, defaultReconnectMin)
	o.ReconnectMax = orDefault(o.ReconnectMax, defaultReconnectMax)
	o.DialTimeout = orDefault(o.DialTimeout, defaultDialTimeout)
	o.Patience = orDefault(o.Patience, defaultPatience)
	o.HedgeAfter = orDefault(o.HedgeAfter, defaultHedge)
	return o
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
