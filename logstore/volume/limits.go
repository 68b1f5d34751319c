package volume

// Limits bounds what is in memory. Zero values mean the defaults.
type Limits struct {
	// WindowBytes is the payload above VDL. A single turn may exceed it when nothing
	// else is above VDL. 0: 64 MiB.
	WindowBytes int64
	// LaggardBytes is what encoded batches may take before those that are on a write
	// quorum are dropped even though a connected node has not been sent them yet;
	// such a node fills the gap by gossip. 0: 16 MiB.
	LaggardBytes int64
	// BatchBytes is the payload after which a batch is closed; a record is never
	// split. 0: 1 MiB.
	BatchBytes int
	// RetryTicks is after how many ticks an unanswered request is sent again. 0: 10.
	RetryTicks int
}

func (l Limits) withDefaults() Limits {
	if l.WindowBytes == 0 {
		l.WindowBytes = 64 << 20
	}
	if l.LaggardBytes == 0 {
		l.LaggardBytes = 16 << 20
	}
	if l.BatchBytes == 0 {
		l.BatchBytes = 1 << 20
	}
	if l.RetryTicks == 0 {
		l.RetryTicks = 10
	}
	return l
}
