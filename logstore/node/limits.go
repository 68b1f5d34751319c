package node

import (
	"log/slog"
	"time"

	"sextant/logstore"
	"sextant/logstore/hotlog"
)

// Defaults of Options.
const (
	defaultHotFileBytes   = 32 << 20
	defaultHotFiles       = 8
	defaultUndrainedBytes = 512 << 20
	defaultTick           = 100 * time.Millisecond
	defaultDrain          = 10 * time.Second
	defaultRetention      = 10 * time.Minute
	defaultRetentionBytes = 64 << 30
	defaultMemoryBytes    = 64 << 20
	defaultScrubRate      = 2 << 20
)

// Limits.
const (
	hotFileBytesMin = 1 << 20

	inputBytesMax   = logstore.AppendBytesMax // read from one connection before it is stored
	installsMax     = 16                      // parts of copies that wait for the background
	serveMax        = 64                      // answers being read from the store at once
	peerQueueMax    = 64                      // messages waiting for one peer; more are dropped, gossip repeats
	tellTimeout     = 5 * time.Second
	greetingTimeout = 5 * time.Second
	connectionsMax  = 1024 // append streams and not yet greeted connections

	fullPatience    = 2 * time.Second  // before a full hot log takes more than HotFiles
	hotFilesUrgent  = 2                // a drain starts at once when fewer files are left
	drainParts      = 4                // of MemoryBytes: one is drained at a time, and at once when that many are taken
	drainDuty       = 4                // while writers are busy a drain rests this many times as long as it worked
	drainRestMax    = time.Second      // at a time
	collectEvery    = 10 * time.Second // between two rounds of garbage collection of a segment; Retention if that is less
	collectPages    = 512              // in one transaction
	collectSteps    = 32               // transactions of one round: a segment of 10 GiB is seen in 40 rounds, within Retention's default
	compactEvery    = 10 * time.Minute // between two looks at a segment's free space
	scrubEvery      = 200 * time.Millisecond
	pageCountsMax   = 1 << 18 // pages whose records since their last image are counted
	snapshotVersion = 1
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Peers == nil {
		o.Peers = func() map[logstore.NodeID]string { return nil }
	}
	if o.Gone == nil {
		o.Gone = func(string) bool { return false }
	}
	o.HotFileBytes = max(orDefault(o.HotFileBytes, defaultHotFileBytes), hotFileBytesMin)
	o.HotFiles = max(orDefault(o.HotFiles, defaultHotFiles), 3)
	o.UndrainedBytes = orDefault(o.UndrainedBytes, defaultUndrainedBytes)
	o.TickEvery = orDefault(o.TickEvery, defaultTick)
	o.DrainEvery = orDefault(o.DrainEvery, defaultDrain)
	o.Retention = orDefault(o.Retention, defaultRetention)
	o.RetentionBytes = orDefault(o.RetentionBytes, defaultRetentionBytes)
	o.MemoryBytes = orDefault(o.MemoryBytes, defaultMemoryBytes)
	o.ScrubRate = orDefault(o.ScrubRate, defaultScrubRate)
	return o
}

// hotFilesHard is the number of files that the hot log never exceeds: HotFiles for what can
// be drained, and what UndrainedBytes take beside them.
func (o Options) hotFilesHard() int {
	undrained := int((o.UndrainedBytes + o.HotFileBytes - 1) / o.HotFileBytes)
	return min(max(4*o.HotFiles, o.HotFiles+undrained), hotlog.FilesMaxMax)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
