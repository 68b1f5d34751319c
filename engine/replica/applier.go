package replica

import "sextant/internal/redo"

type Applier struct{}

type Status struct{ Epoch redo.VolumeEpoch }

func (a *Applier) Status() Status { return Status{} }
