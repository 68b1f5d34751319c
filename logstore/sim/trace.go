package sim

import (
	"fmt"

	"sextant/internal/redo"
	"sextant/logstore"
)

// name names an endpoint in a trace.
func (w *world) name(e endpoint) logstore.NodeID {
	switch e := e.(type) {
	case *node:
		return e.id
	case *holder:
		return e.id
	case *reader:
		return e.id
	case *call:
		return e.id
	}
	return "?"
}

// brief writes a message on one line.
func brief(m logstore.Message) string {
	e := m.Head().Epoch
	switch m := m.(type) {
	case logstore.Fence:
		return fmt.Sprintf("fence@%d", e)
	case logstore.FenceAnswer:
		s := fmt.Sprintf("fenced@%d list@%d%v", e, m.List.Epoch, m.List.Ranges)
		for _, g := range m.Segments {
			s += fmt.Sprintf(" %d:hint=%d/%d,tail=%d,scl=%d,last=%d", g.PG, g.Hint.VDL, g.Hint.PGLast, g.Tail, g.SCL, g.Last)
		}
		return s
	case logstore.Fetch:
		return fmt.Sprintf("fetch@%d %v", e, m.Ranges)
	case logstore.FetchAnswer:
		s := fmt.Sprintf("fetched@%d", e)
		for _, g := range m.Groups {
			s += fmt.Sprintf(" %d:%v", g.PG, lsns(g.Records))
		}
		return s
	case logstore.PutList:
		return fmt.Sprintf("list@%d %v", e, m.List.Ranges)
	case logstore.ListAnswer:
		return fmt.Sprintf("listed@%d %v", e, m.Segments)
	case logstore.Append:
		s := fmt.Sprintf("append@%d seq=%d", e, m.Seq)
		for _, b := range m.Batches {
			if d, err := redo.DecodeBatch(b.Bytes); err == nil {
				s += fmt.Sprintf(" %d:start=%d,hint=%d/%d%v", d.PG, d.Start, d.Hint.VDL, d.Hint.PGLast, lsns(d.Records))
			}
		}
		return s
	case logstore.Ack:
		return fmt.Sprintf("ack@%d seq=%d %v", e, m.Seq, m.Segments)
	case logstore.CopySegment:
		return fmt.Sprintf("copy@%d %d after %d", e, m.PG, m.After)
	case logstore.CopyAnswer:
		out := fmt.Sprintf("copied@%d %d hint=%d/%d after %d, more=%v:", e, m.PG, m.Hint.VDL, m.Hint.PGLast, m.After, m.More)
		for _, p := range m.Pages {
			out += fmt.Sprintf(" %d at %d", p.Page, p.LSN)
		}
		return out
	case logstore.Refused:
		return fmt.Sprintf("refused@%d %v of %d: %s", e, m.Kind, m.Of, m.Text)
	case logstore.CreateSegment:
		return fmt.Sprintf("create@%d %d", e, m.PG)
	case logstore.SegmentCreated:
		return fmt.Sprintf("created@%d %d", e, m.Ack.PG)
	case logstore.ReadPage:
		return fmt.Sprintf("read@%d %v at %d need %d", e, m.Pages, m.At, m.Need)
	case logstore.PageAnswer:
		return fmt.Sprintf("pages@%d %d", e, len(m.Pages))
	case logstore.ReadLog:
		return fmt.Sprintf("readlog@%d %d %v need %d", e, m.PG, m.Range, m.Need)
	case logstore.LogAnswer:
		return fmt.Sprintf("log@%d %d %v", e, m.PG, lsns(m.Records))
	case logstore.Gossip:
		return fmt.Sprintf("gossip@%d/%d %v", e, m.ListEpoch, m.SCLs)
	case logstore.GossipAsk:
		return fmt.Sprintf("ask@%d/%d %v", e, m.ListEpoch, m.Asks)
	case logstore.GossipFill:
		return fmt.Sprintf("fill@%d/%d %d %v", e, m.ListEpoch, m.PG, lsns(m.Records))
	}
	return fmt.Sprintf("%T@%d", m, e)
}

func lsns(rs []redo.Record) []redo.LSN {
	out := make([]redo.LSN, len(rs))
	for i := range rs {
		out[i] = rs[i].LSN
	}
	return out
}
