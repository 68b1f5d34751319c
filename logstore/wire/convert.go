package wire

import (
	"fmt"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/wirepb"
)

const messageVersion = 2

// ToProto returns m as protobuf, without cluster and sender. Returns ErrInvalid for
// a message that does not travel this way.
func ToProto(m logstore.Message) (*wirepb.Message, error) {
	h := m.Head()
	p := &wirepb.Message{
		Volume: uint64(h.Volume), Timeline: uint32(h.Timeline), Epoch: uint64(h.Epoch), Version: messageVersion,
	}
	switch m := m.(type) {
	case logstore.Fence:
		p.Body = &wirepb.Message_Fence{Fence: &wirepb.Fence{Holder: m.Holder, Lal: m.LAL}}
	case logstore.FenceAnswer:
		p.Body = &wirepb.Message_FenceAnswer{FenceAnswer: &wirepb.FenceAnswer{
			Store: uint64(m.Store), List: listOut(m.List), Opened: m.Opened, Lals: each(m.LALs, lalOut), Segments: each(m.Segments, stateOut),
		}}
	case logstore.Fetch:
		p.Body = &wirepb.Message_Fetch{Fetch: &wirepb.Fetch{Ranges: each(m.Ranges, pglsnOut)}}
	case logstore.FetchAnswer:
		p.Body = &wirepb.Message_FetchAnswer{FetchAnswer: &wirepb.FetchAnswer{Store: uint64(m.Store), Groups: each(m.Groups, fetchedOut)}}
	case logstore.PutList:
		p.Body = &wirepb.Message_PutList{PutList: &wirepb.PutList{
			Holder: m.Holder, Lal: m.LAL, List: listOut(m.List), Groups: each(m.Groups, startOut),
		}}
	case logstore.ListAnswer:
		p.Body = &wirepb.Message_ListAnswer{ListAnswer: &wirepb.ListAnswer{Store: uint64(m.Store), Segments: each(m.Segments, ackOut)}}
	case logstore.CreateSegment:
		p.Body = &wirepb.Message_CreateSegment{CreateSegment: &wirepb.CreateSegment{Group: startOut(m.GroupStart)}}
	case logstore.SegmentCreated:
		p.Body = &wirepb.Message_SegmentCreated{SegmentCreated: &wirepb.SegmentCreated{Store: uint64(m.Store), Ack: ackOut(m.Ack)}}
	case logstore.ReadPage:
		p.Body = &wirepb.Message_ReadPage{ReadPage: &wirepb.ReadPage{
			Pg: uint32(m.PG), Pages: each(m.Pages, func(i redo.PageID) uint64 { return uint64(i) }),
			At: uint64(m.At), Need: uint64(m.Need), Reader: m.Reader,
		}}
	case logstore.PageAnswer:
		p.Body = &wirepb.Message_PageAnswer{PageAnswer: &wirepb.PageAnswer{Pages: m.Pages, Scl: uint64(m.SCL)}}
	case logstore.ReadLog:
		p.Body = &wirepb.Message_ReadLog{ReadLog: &wirepb.ReadLog{Pg: uint32(m.PG), Range: rangeOut(m.Range), Need: uint64(m.Need), Reader: m.Reader}}
	case logstore.LogAnswer:
		p.Body = &wirepb.Message_LogAnswer{LogAnswer: &wirepb.LogAnswer{Pg: uint32(m.PG), Records: recordsOut(m.Records), More: m.More}}
	case logstore.HealthAsk:
		p.Body = &wirepb.Message_HealthAsk{HealthAsk: &wirepb.HealthAsk{}}
	case logstore.Health:
		p.Body = &wirepb.Message_Health{Health: &wirepb.Health{
			Store: uint64(m.Store), List: listOut(m.List), Opened: m.Opened, MinReadPoint: uint64(m.MinReadPoint),
			Segments: each(m.Segments, stateOut), Undrained: m.Undrained, Holes: int64(m.Holes),
		}}
	case logstore.Refused:
		p.Body = &wirepb.Message_Refused{Refused: &wirepb.Refused{
			Kind: uint32(m.Kind), Of: uint64(m.Of), ListEpoch: uint64(m.ListEpoch), Seq: m.Seq, Pg: uint32(m.PG), Segment: m.Segment, Text: m.Text,
		}}
	default:
		if !peerToProto(p, m) {
			return nil, fmt.Errorf("%w: a %T does not travel as protobuf", ErrInvalid, m)
		}
	}
	return p, nil
}

// peerToProto does the messages between nodes.
func peerToProto(p *wirepb.Message, m logstore.Message) bool {
	switch m := m.(type) {
	case logstore.Gossip:
		p.Body = &wirepb.Message_Gossip{Gossip: &wirepb.Gossip{ListEpoch: uint64(m.ListEpoch), Scls: each(m.SCLs, pglsnOut)}}
	case logstore.GossipAsk:
		p.Body = &wirepb.Message_GossipAsk{GossipAsk: &wirepb.GossipAsk{ListEpoch: uint64(m.ListEpoch), Asks: each(m.Asks, askOut)}}
	case logstore.GossipFill:
		p.Body = &wirepb.Message_GossipFill{GossipFill: &wirepb.GossipFill{
			ListEpoch: uint64(m.ListEpoch), Pg: uint32(m.PG), Records: recordsOut(m.Records), Gone: m.Gone,
		}}
	case logstore.CopySegment:
		p.Body = &wirepb.Message_CopySegment{CopySegment: &wirepb.CopySegment{
			ListEpoch: uint64(m.ListEpoch), Pg: uint32(m.PG), After: uint64(m.After),
		}}
	case logstore.CopyAnswer:
		p.Body = &wirepb.Message_CopyAnswer{CopyAnswer: &wirepb.CopyAnswer{
			ListEpoch: uint64(m.ListEpoch), Pg: uint32(m.PG), After: uint64(m.After), Hint: hintOut(m.Hint), More: m.More,
			Pages: each(m.Pages, func(i logstore.PageImage) *wirepb.PageImage {
				return &wirepb.PageImage{Page: uint64(i.Page), Lsn: uint64(i.LSN), Data: i.Data}
			}),
		}}
	default:
		return false
	}
	return true
}

// FromProto checks p and returns the message it holds. Returns ErrVersion and ErrInvalid.
func FromProto(p *wirepb.Message) (logstore.Message, error) {
	if p.GetVersion() != messageVersion || p.GetFeatures() != 0 {
		return nil, fmt.Errorf("%w: message version %d, features %#x", ErrVersion, p.GetVersion(), p.GetFeatures())
	}
	c := checker{}
	h := logstore.Header{Volume: redo.VolumeID(p.GetVolume()), Timeline: redo.TimelineID(p.GetTimeline()), Epoch: redo.VolumeEpoch(p.GetEpoch())}
	m := c.message(h, p)
	if c.err == nil && m == nil {
		c.fail("no body that is known")
	}
	if c.err != nil {
		return nil, c.err
	}
	return m, nil
}

// checker converts and keeps the first thing that is wrong.
type checker struct{ err error }

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
}

func (c *checker) message(h logstore.Header, p *wirepb.Message) logstore.Message {
	switch b := p.GetBody().(type) {
	case *wirepb.Message_Fence:
		return logstore.Fence{Header: h, Holder: b.Fence.GetHolder(), LAL: b.Fence.GetLal()}
	case *wirepb.Message_FenceAnswer:
		m := b.FenceAnswer
		return logstore.FenceAnswer{
			Header: h, Store: logstore.StoreID(m.GetStore()), List: c.list(m.GetList()), Opened: m.GetOpened(),
			LALs: each(m.GetLals(), lalIn), Segments: each(m.GetSegments(), stateIn),
		}
	case *wirepb.Message_Fetch:
		return logstore.Fetch{Header: h, Ranges: each(b.Fetch.GetRanges(), pglsnIn)}
	case *wirepb.Message_FetchAnswer:
		return logstore.FetchAnswer{Header: h, Store: logstore.StoreID(b.FetchAnswer.GetStore()), Groups: each(b.FetchAnswer.GetGroups(), c.fetched)}
	case *wirepb.Message_PutList:
		m := b.PutList
		return logstore.PutList{
			Header: h, Holder: m.GetHolder(), LAL: m.GetLal(), List: c.list(m.GetList()), Groups: each(m.GetGroups(), c.start),
		}
	case *wirepb.Message_ListAnswer:
		return logstore.ListAnswer{Header: h, Store: logstore.StoreID(b.ListAnswer.GetStore()), Segments: each(b.ListAnswer.GetSegments(), ackIn)}
	case *wirepb.Message_CreateSegment:
		return logstore.CreateSegment{Header: h, GroupStart: c.start(b.CreateSegment.GetGroup())}
	case *wirepb.Message_SegmentCreated:
		return logstore.SegmentCreated{Header: h, Store: logstore.StoreID(b.SegmentCreated.GetStore()), Ack: ackIn(b.SegmentCreated.GetAck())}
	case *wirepb.Message_ReadPage:
		return c.readPage(h, b.ReadPage)
	case *wirepb.Message_PageAnswer:
		return c.pageAnswer(h, b.PageAnswer)
	case *wirepb.Message_ReadLog:
		m := b.ReadLog
		return logstore.ReadLog{
			Header: h, PG: redo.PGID(m.GetPg()), Need: redo.LSN(m.GetNeed()), Reader: m.GetReader(),
			Range: redo.Range{After: redo.LSN(m.GetRange().GetAfter()), Through: redo.LSN(m.GetRange().GetThrough())},
		}
	case *wirepb.Message_LogAnswer:
		m := b.LogAnswer
		return logstore.LogAnswer{
			Header: h, PG: redo.PGID(m.GetPg()), Records: c.records(redo.PGID(m.GetPg()), m.GetRecords()), More: m.GetMore(),
		}
	case *wirepb.Message_HealthAsk:
		return logstore.HealthAsk{Header: h}
	case *wirepb.Message_Health:
		m := b.Health
		return logstore.Health{
			Header: h, Store: logstore.StoreID(m.GetStore()), List: c.list(m.GetList()), Opened: m.GetOpened(),
			MinReadPoint: redo.LSN(m.GetMinReadPoint()), Segments: each(m.GetSegments(), stateIn),
			Undrained: m.GetUndrained(), Holes: int(m.GetHoles()),
		}
	case *wirepb.Message_Refused:
		m := b.Refused
		if m.GetKind() < uint32(logstore.Retry) || m.GetKind() > uint32(logstore.Behind) {
			c.fail("refusal of kind %d", m.GetKind())
		}
		return logstore.Refused{
			Header: h, Kind: logstore.Kind(m.GetKind()), Of: redo.VolumeEpoch(m.GetOf()), ListEpoch: redo.VolumeEpoch(m.GetListEpoch()), Seq: m.GetSeq(),
			PG: redo.PGID(m.GetPg()), Segment: m.GetSegment(), Text: m.GetText(),
		}
	default:
		return c.peerMessage(h, p)
	}
}

// peerMessage does the messages between nodes; nil for anything else.
func (c *checker) peerMessage(h logstore.Header, p *wirepb.Message) logstore.Message {
	switch b := p.GetBody().(type) {
	case *wirepb.Message_Gossip:
		c.atMost("gossip of groups", len(b.Gossip.GetScls()), logstore.GossipPGsMax)
		return logstore.Gossip{Header: h, ListEpoch: redo.VolumeEpoch(b.Gossip.GetListEpoch()), SCLs: each(b.Gossip.GetScls(), pglsnIn)}
	case *wirepb.Message_GossipAsk:
		c.atMost("asks", len(b.GossipAsk.GetAsks()), logstore.GossipAsksMax)
		return logstore.GossipAsk{Header: h, ListEpoch: redo.VolumeEpoch(b.GossipAsk.GetListEpoch()), Asks: each(b.GossipAsk.GetAsks(), c.ask)}
	case *wirepb.Message_GossipFill:
		m := b.GossipFill
		return logstore.GossipFill{
			Header: h, ListEpoch: redo.VolumeEpoch(m.GetListEpoch()), PG: redo.PGID(m.GetPg()),
			Records: c.records(redo.PGID(m.GetPg()), m.GetRecords()), Gone: m.GetGone(),
		}
	case *wirepb.Message_CopySegment:
		m := b.CopySegment
		return logstore.CopySegment{
			Header: h, ListEpoch: redo.VolumeEpoch(m.GetListEpoch()), PG: redo.PGID(m.GetPg()), After: redo.PageID(m.GetAfter()),
		}
	case *wirepb.Message_CopyAnswer:
		m := b.CopyAnswer
		c.atMost("pages of a copy", len(m.GetPages()), logstore.CopyPagesMax)
		return logstore.CopyAnswer{
			Header: h, ListEpoch: redo.VolumeEpoch(m.GetListEpoch()), PG: redo.PGID(m.GetPg()), After: redo.PageID(m.GetAfter()),
			Hint: hintIn(m.GetHint()), More: m.GetMore(),
			Pages: each(m.GetPages(), func(i *wirepb.PageImage) logstore.PageImage {
				return logstore.PageImage{Page: redo.PageID(i.GetPage()), LSN: redo.LSN(i.GetLsn()), Data: i.GetData()}
			}),
		}
	default:
		return nil
	}
}

func (c *checker) atMost(what string, n, limit int) {
	if n > limit {
		c.fail("%d %s, at most %d", n, what, limit)
	}
}

func (c *checker) readPage(h logstore.Header, p *wirepb.ReadPage) logstore.ReadPage {
	c.atMost("pages", len(p.GetPages()), logstore.ReadPagesMax)
	if len(p.GetPages()) == 0 {
		c.fail("read of no page")
	}
	return logstore.ReadPage{
		Header: h, PG: redo.PGID(p.GetPg()), Pages: each(p.GetPages(), func(i uint64) redo.PageID { return redo.PageID(i) }),
		At: redo.LSN(p.GetAt()), Need: redo.LSN(p.GetNeed()), Reader: p.GetReader(),
	}
}

func (c *checker) pageAnswer(h logstore.Header, p *wirepb.PageAnswer) logstore.PageAnswer {
	c.atMost("pages", len(p.GetPages()), logstore.ReadPagesMax)
	m := logstore.PageAnswer{Header: h, Pages: p.GetPages(), SCL: redo.LSN(p.GetScl())}
	for i := range m.Pages {
		if len(m.Pages[i]) == 0 {
			m.Pages[i] = nil
		}
	}
	return m
}

// list checks that the ranges are sorted, not empty and apart from each other.
func (c *checker) list(p *wirepb.List) logstore.List {
	l := logstore.List{Epoch: redo.VolumeEpoch(p.GetEpoch())}
	for i, r := range p.GetRanges() {
		g := redo.Range{After: redo.LSN(r.GetAfter()), Through: redo.LSN(r.GetThrough())}
		if g.Through <= g.After || i > 0 && g.After <= l.Ranges[i-1].Through {
			c.fail("truncation list of epoch %d is not in order at %v", l.Epoch, g)
		}
		l.Ranges = append(l.Ranges, g)
	}
	return l
}

func (c *checker) start(p *wirepb.GroupStart) logstore.GroupStart {
	c.atMost("members", len(p.GetMembers()), 16)
	for _, m := range p.GetMembers() {
		c.atMost("bytes of a member's id", len(m), IDBytesMax)
	}
	return logstore.GroupStart{
		PG: redo.PGID(p.GetPg()), Membership: redo.MembershipEpoch(p.GetMembership()), Start: redo.LSN(p.GetStart()),
		Last:    redo.LSN(max(p.GetStart(), p.GetLast())), // an older sender says none
		Members: each(p.GetMembers(), func(s string) logstore.NodeID { return logstore.NodeID(s) }),
	}
}

func (c *checker) ask(p *wirepb.Hole) logstore.Ask {
	c.atMost("holes", len(p.GetHoles()), logstore.HolesMax)
	a := logstore.Ask{PG: redo.PGID(p.GetPg())}
	for _, r := range p.GetHoles() {
		g := redo.Range{After: redo.LSN(r.GetAfter()), Through: redo.LSN(r.GetThrough())}
		if g.Through <= g.After {
			c.fail("hole %v", g)
		}
		a.Holes = append(a.Holes, g)
	}
	return a
}

func (c *checker) fetched(p *wirepb.Fetched) logstore.Fetched {
	return logstore.Fetched{PG: redo.PGID(p.GetPg()), Records: c.records(redo.PGID(p.GetPg()), p.GetRecords()), More: p.GetMore()}
}

// records decodes records and checks their sum, number and order.
func (c *checker) records(pg redo.PGID, p *wirepb.Records) []redo.Record {
	b := p.GetData()
	if len(b) == 0 && p.GetCount() == 0 {
		return nil
	}
	// The smallest record has six bytes.
	if redo.Checksum(uint32(pg), b) != p.GetCrc() || p.GetCount() == 0 || uint64(p.GetCount())*6 > uint64(len(b)) {
		c.fail("%d records of group %d do not verify", p.GetCount(), pg)
		return nil
	}
	out := make([]redo.Record, 0, p.GetCount())
	var prev redo.LSN
	for range p.GetCount() {
		r, rest, err := redo.ReadRecord(b, pg, prev)
		if err != nil {
			c.fail("record after %d of group %d: %v", prev, pg, err)
			return nil
		}
		out, b, prev = append(out, r), rest, r.LSN
	}
	if len(b) != 0 {
		c.fail("%d bytes after the records of group %d", len(b), pg)
	}
	return out
}

func recordsOut(rs []redo.Record) *wirepb.Records {
	if len(rs) == 0 {
		return nil
	}
	size := 0
	for i := range rs {
		size += len(rs[i].Payload) + 40
	}
	b := make([]byte, 0, size)
	var prev redo.LSN
	for i := range rs {
		b = redo.AppendRecord(b, &rs[i], prev)
		prev = rs[i].LSN
	}
	return &wirepb.Records{Count: uint32(len(rs)), Data: b, Crc: redo.Checksum(uint32(rs[0].PG), b)}
}

// each returns f of every element, nil for none.
func each[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = f(in[i])
	}
	return out
}

func listOut(l logstore.List) *wirepb.List {
	return &wirepb.List{Epoch: uint64(l.Epoch), Ranges: each(l.Ranges, rangeOut)}
}

func rangeOut(r redo.Range) *wirepb.Range {
	return &wirepb.Range{After: uint64(r.After), Through: uint64(r.Through)}
}

func lalOut(l logstore.EpochLAL) *wirepb.EpochLAL {
	return &wirepb.EpochLAL{Epoch: uint64(l.Epoch), Lal: l.LAL}
}

func lalIn(l *wirepb.EpochLAL) logstore.EpochLAL {
	return logstore.EpochLAL{Epoch: redo.VolumeEpoch(l.GetEpoch()), LAL: l.GetLal()}
}

func hintOut(h redo.Hint) *wirepb.Hint {
	return &wirepb.Hint{Vdl: uint64(h.VDL), PgLast: uint64(h.PGLast)}
}

func hintIn(h *wirepb.Hint) redo.Hint {
	return redo.Hint{VDL: redo.LSN(h.GetVdl()), PGLast: redo.LSN(h.GetPgLast())}
}

func stateOut(s logstore.SegmentState) *wirepb.SegmentState {
	return &wirepb.SegmentState{
		Pg: uint32(s.PG), Membership: uint64(s.Membership), Hint: hintOut(s.Hint), Tail: uint64(s.Tail),
		Start: uint64(s.Start), Scl: uint64(s.SCL), Last: uint64(s.Last), Damaged: s.Damaged,
	}
}

func stateIn(s *wirepb.SegmentState) logstore.SegmentState {
	return logstore.SegmentState{
		PG: redo.PGID(s.GetPg()), Membership: redo.MembershipEpoch(s.GetMembership()), Hint: hintIn(s.GetHint()), Tail: redo.LSN(s.GetTail()),
		Start: redo.LSN(s.GetStart()), SCL: redo.LSN(s.GetScl()), Last: redo.LSN(s.GetLast()), Damaged: s.GetDamaged(),
	}
}

func pglsnOut(p logstore.PGLSN) *wirepb.PGLSN {
	return &wirepb.PGLSN{Pg: uint32(p.PG), Lsn: uint64(p.LSN)}
}

func pglsnIn(p *wirepb.PGLSN) logstore.PGLSN {
	return logstore.PGLSN{PG: redo.PGID(p.GetPg()), LSN: redo.LSN(p.GetLsn())}
}

func fetchedOut(f logstore.Fetched) *wirepb.Fetched {
	return &wirepb.Fetched{Pg: uint32(f.PG), Records: recordsOut(f.Records), More: f.More}
}

func startOut(g logstore.GroupStart) *wirepb.GroupStart {
	return &wirepb.GroupStart{
		Pg: uint32(g.PG), Membership: uint64(g.Membership), Start: uint64(g.Start), Last: uint64(g.Last),
		Members: each(g.Members, func(n logstore.NodeID) string { return string(n) }),
	}
}

func ackOut(a logstore.SegmentAck) *wirepb.SegmentAck {
	return &wirepb.SegmentAck{Pg: uint32(a.PG), Membership: uint64(a.Membership), Tail: uint64(a.Tail), Scl: uint64(a.SCL)}
}

func ackIn(a *wirepb.SegmentAck) logstore.SegmentAck {
	return logstore.SegmentAck{
		PG: redo.PGID(a.GetPg()), Membership: redo.MembershipEpoch(a.GetMembership()), Tail: redo.LSN(a.GetTail()), SCL: redo.LSN(a.GetScl()),
	}
}

func askOut(a logstore.Ask) *wirepb.Hole {
	return &wirepb.Hole{Pg: uint32(a.PG), Holes: each(a.Holes, rangeOut)}
}
