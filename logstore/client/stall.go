package client

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sextant/logstore/volume"
)

// Stalled returns in words which write quorum is lost: that commits have waited for for two seconds and more; "" if
// none. It may be called at any time.
func (v *Volume) Stalled() string {
	if s := v.stalled.Load(); s != nil {
		return *s
	}
	return ""
}

// tellStall logs that a write quorum is lost, now and then as long as that lasts, and when it is
// there again. said is what it returned before: when it was last logged, zero if it is not lost.
func (v *Volume) tellStall(s volume.Stall, stalled bool, said time.Time) time.Time {
	if !stalled {
		v.stalled.Store(nil)
		if !said.IsZero() {
			v.opt.Logger.Info("write quorum is there again: commits go on", "volume_epoch", v.grant.Epoch, "vdl", v.VDL())
		}
		return time.Time{}
	}
	ids := make([]string, len(s.Answer))
	for i, id := range s.Answer {
		ids[i] = string(id)
	}
	needed := fmt.Sprintf("%d of %d", s.Needed, s.Of)
	if s.Joining != "" {
		needed += fmt.Sprintf(", and so many with %s in the place of %s", s.Joining, s.Leaving)
	}
	nodes := cmp.Or(strings.Join(ids, ", "), "none")
	text := fmt.Sprintf("write quorum lost: commits wait for group %d, of whose storage nodes %d answer (%s), %s are needed", s.PG, len(ids), nodes, needed)
	v.stalled.Store(&text)
	if time.Since(said) < stallAgain {
		return said
	}
	v.opt.Logger.Warn("write quorum lost: commits wait", "volume_epoch", v.grant.Epoch, "vdl", v.VDL(), "pg", s.PG,
		"answer", len(ids), "nodes", nodes, "needed", needed)
	return time.Now()
}
