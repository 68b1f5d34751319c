package client

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sextant/logstore/volume"
)

// QuorumLost begins what Options.Stalled is told.
const QuorumLost = "write quorum lost"

// stalling is what has been told of a volume that waits for a write quorum; the tick's goroutine uses it alone.
type stalling struct {
	text string    // "" if it does not
	said time.Time // in the log
}

// tellStall tells of a write quorum that is lost, and now and then logs it as long as that lasts; and when it is there
// again. what waits for it: commits, or the recovery.
func (v *Volume) tellStall(old stalling, what string, s volume.Stall, stalled bool) stalling {
	next := stalling{said: old.said}
	if stalled {
		ids := make([]string, len(s.Answer))
		for i, id := range s.Answer {
			ids[i] = string(id)
		}
		nodes, needed := cmp.Or(strings.Join(ids, ", "), "none"), fmt.Sprintf("%d of %d", s.Needed, s.Of)
		if s.Joining != "" {
			needed += fmt.Sprintf(", and so many with %s in the place of %s", s.Joining, s.Leaving)
		}
		next.text = fmt.Sprintf("%s: %s for group %d, of whose storage nodes %d answer (%s), %s are needed", QuorumLost, what, s.PG, len(ids), nodes, needed)
		if time.Since(next.said) >= stallAgain {
			next.said = time.Now()
			v.opt.Logger.Warn(QuorumLost+": "+what, "volume_epoch", v.grant.Epoch, "vdl", v.VDL(), "pg", s.PG,
				"answer", len(ids), "nodes", nodes, "needed", needed)
		}
	} else if old.text != "" {
		next.said = time.Time{}
		v.opt.Logger.Info("write quorum is there again", "volume_epoch", v.grant.Epoch, "vdl", v.VDL())
	}
	if next.text != old.text && v.opt.Stalled != nil {
		v.opt.Stalled(next.text)
	}
	return next
}
