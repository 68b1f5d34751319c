package failover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
)

// A Raft node whose directory was emptied has forgotten for whom it voted and which
// entries it acknowledged. With its old name it could help two leaders into one term,
// or elect one that lacks a committed entry (Ongaro, Consensus: Bridging Theory and
// Practice, 3.8). So a node with an empty directory asks all others first:
//
//   - All of them are new too: this is the first start.
//   - All of them have a log, in which nothing is missing: a past is what they know. Every term in which this node
//     may have voted is at most past.term, because a candidate keeps its own term; every
//     entry that it may have acknowledged is in one of their logs. It votes in no term
//     up to past.term, and neither votes nor stands for election until its log has got,
//     from a leader of at least that term, as far as the longest of theirs, or to an entry
//     of a later term.
//   - Else it waits: a majority would be of nodes that forgot, or one that is away
//     could know more.

// past bounds what a node with an empty directory may have promised; zero: nothing.
type past struct {
	term  uint64 // highest of the other nodes
	index uint64 // highest last index of the other nodes
}

// peerLog is what another control node says of its Raft log. One that has a log and has
// not read it yet does not answer, nor does one that forgot and has not caught up: neither
// is new, and neither knows enough.
type peerLog struct {
	answered bool
	begun    bool // it has a log
	term     uint64
	last     uint64 // last index
}

// untouched reports whether no election can have taken place at the peer: its log is
// empty, or has only the configuration with which it begins.
func (p peerLog) untouched() bool { return !p.begun || p.term <= 1 && p.last <= 1 }

// enter says how a node with an empty directory goes on, given all others: not yet, as
// in a first start, or with a past.
func enter(others []peerLog) (p past, ready bool) {
	first, all := true, true
	for _, o := range others {
		if !o.answered {
			return past{}, false
		}
		first = first && o.untouched()
		all = all && o.begun
		p.term, p.index = max(p.term, o.term), max(p.index, o.last)
	}
	if first {
		return past{}, true
	}
	return p, all
}

var (
	keyPastTerm     = []byte("SextantPastTerm")
	keyPastIndex    = []byte("SextantPastIndex")
	keyCurrentTerm  = []byte("CurrentTerm") // these three are Raft's
	keyLastVoteTerm = []byte("LastVoteTerm")
	keyLastVoteCand = []byte("LastVoteCand")
)

// forgottenVote stands for the candidate that is not known any more.
const forgottenVote = "forgotten"

// write makes p durable in the empty store s. The term comes last, and only after the
// rest: with it the directory counts as one that has been in use.
func (p past) write(s hraft.StableStore) error {
	for _, v := range []struct {
		key   []byte
		value uint64
	}{{keyPastTerm, p.term}, {keyPastIndex, p.index}, {keyLastVoteTerm, p.term}} {
		if err := s.SetUint64(v.key, v.value); err != nil {
			return err
		}
	}
	if err := s.Set(keyLastVoteCand, []byte(forgottenVote)); err != nil {
		return err
	}
	return s.SetUint64(keyCurrentTerm, p.term)
}

// readPast returns what write wrote, zero if it was never called.
func readPast(s *raftboltdb.BoltStore) (past, error) {
	term, err := s.GetUint64(keyPastTerm)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return past{}, nil
	}
	index, err2 := s.GetUint64(keyPastIndex)
	return past{term: term, index: index}, errors.Join(err, err2)
}

// begin asks the other nodes until enter knows how to go on, and makes that durable.
// Returns ctx's error if it ends before.
func (c *Control) begin(ctx context.Context) error {
	var conns []failoverpb.ControlClient
	var ids []string
	for _, p := range c.opt.Peers {
		if p.ID == c.opt.ID {
			continue
		}
		conn, err := grpc.NewClient("passthrough:///"+p.Address, dialOptions(c.opt.Identity, p.ID)...)
		if err != nil {
			return fmt.Errorf("dial control node %s: %w", p.Address, err)
		}
		defer func() { _ = conn.Close() }() // nothing is lost with it
		conns, ids = append(conns, failoverpb.NewControlClient(conn)), append(ids, p.ID)
	}
	began := time.Now()
	say := sayWaitingAfter
	for {
		others := make([]peerLog, len(conns))
		var asked sync.WaitGroup
		for i, n := range conns {
			asked.Go(func() { others[i] = askLog(ctx, n, c.opt.Cluster, ids[i]) })
		}
		asked.Wait()
		p, ready := enter(others)
		switch {
		case ready && p == past{}:
			return c.raft.bootstrap(c.opt.Peers)
		case ready:
			c.opt.Logger.Warn("control node has an empty Raft directory, the others do not: it votes again when it has caught up",
				"node", c.opt.ID, "term", p.term, "index", p.index)
			return p.write(c.raft.store)
		case time.Since(began) > say:
			say += sayWaitingEvery
			c.opt.Logger.Warn("control node has an empty Raft directory and waits until all others answer and agree whether they are new too",
				"node", c.opt.ID, "others", describe(ids, others))
		}
		if !pause(ctx, retryEvery) {
			return ctx.Err()
		}
	}
}

func describe(ids []string, others []peerLog) string {
	var b strings.Builder
	for i, o := range others {
		how := "has a log"
		switch {
		case !o.answered:
			how = "does not answer, or has not caught up"
		case !o.begun:
			how = "is empty too"
		}
		fmt.Fprintf(&b, "%s %s; ", ids[i], how)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func askLog(ctx context.Context, n failoverpb.ControlClient, cluster, id string) peerLog {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := n.RaftLog(ctx, &failoverpb.RaftLogRequest{Cluster: cluster})
	if err != nil || r.Id != id {
		return peerLog{}
	}
	return peerLog{answered: true, begun: r.Begun, term: r.Term, last: r.LastIndex}
}

// RaftLog implements failoverpb.ControlServer.
func (s *service) RaftLog(_ context.Context, r *failoverpb.RaftLogRequest) (*failoverpb.RaftLogReply, error) {
	if err := s.check(r.Cluster); err != nil {
		return nil, err
	}
	reply := &failoverpb.RaftLogReply{Id: s.c.opt.ID}
	switch r := s.c.raft.running.Load(); {
	case r == nil && s.c.raft.inUse, r != nil && !s.c.raft.caughtUp():
		return nil, status.Errorf(codes.Unavailable, "control node %s: %s", s.c.opt.ID, s.c.raft.detail())
	case r != nil:
		// The term first: what is appended in it meanwhile only makes the index larger.
		reply.Begun, reply.Term, reply.LastIndex = true, r.CurrentTerm(), r.LastIndex()
	}
	return reply, nil
}

var errForgot = errors.New("failover: a node that forgot its votes does not stand for election before it has caught up")

// caughtUp reports whether nothing that the node may have promised is missing in its
// log: it votes. Only after start.
func (n *raftNode) caughtUp() bool {
	if n.past == (past{}) || n.votes.Load() {
		return true
	}
	r := n.running.Load()
	if r == nil {
		return false
	}
	term, err := strconv.ParseUint(r.Stats()["last_log_term"], 10, 64)
	if (err != nil || term <= n.past.term) && r.LastIndex() < n.past.index {
		return false
	}
	if n.votes.CompareAndSwap(false, true) {
		n.opt.Logger.Info("control node has caught up and votes again", "node", n.opt.ID)
	}
	return true
}

// detail returns why the node takes no full part in Raft, "" if it does.
func (n *raftNode) detail() string {
	switch {
	case n.running.Load() == nil && n.inUse:
		return "reads its Raft log"
	case n.running.Load() == nil:
		return "has an empty Raft directory, waits until all other control nodes answer"
	case !n.caughtUp():
		return "lost its Raft directory, votes again when it has caught up"
	}
	return ""
}

// abstaining is the transport of a node with a past: no vote passes in either
// direction before its log has caught up.
type abstaining struct {
	*hraft.NetworkTransport
	node *raftNode
	rpcs chan hraft.RPC
}

// abstain returns the transport and filters what n's brings until ctx ends.
func abstain(ctx context.Context, n *raftNode) *abstaining {
	a := &abstaining{NetworkTransport: n.transport, node: n, rpcs: make(chan hraft.RPC)}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case rpc := <-n.transport.Consumer():
				if a.refuse(rpc) {
					continue
				}
				select {
				case <-ctx.Done():
					return
				case a.rpcs <- rpc:
				}
			}
		}
	}()
	return a
}

// refuse answers a request for a vote, and reports whether it did.
func (a *abstaining) refuse(rpc hraft.RPC) bool {
	switch req := rpc.Command.(type) {
	case *hraft.RequestVoteRequest:
		if !a.node.caughtUp() {
			rpc.Respond(&hraft.RequestVoteResponse{RPCHeader: req.RPCHeader, Term: req.Term}, nil)
			return true
		}
	case *hraft.RequestPreVoteRequest:
		if !a.node.caughtUp() {
			rpc.Respond(&hraft.RequestPreVoteResponse{RPCHeader: req.RPCHeader, Term: req.Term}, nil)
			return true
		}
	}
	return false
}

// Consumer implements hraft.Transport.
func (a *abstaining) Consumer() <-chan hraft.RPC { return a.rpcs }

// RequestVote implements hraft.Transport.
func (a *abstaining) RequestVote(id hraft.ServerID, to hraft.ServerAddress, req *hraft.RequestVoteRequest, resp *hraft.RequestVoteResponse) error {
	if !a.node.caughtUp() {
		return errForgot
	}
	return a.NetworkTransport.RequestVote(id, to, req, resp)
}

// RequestPreVote implements hraft.WithPreVote.
func (a *abstaining) RequestPreVote(id hraft.ServerID, to hraft.ServerAddress, req *hraft.RequestPreVoteRequest, resp *hraft.RequestPreVoteResponse) error {
	if !a.node.caughtUp() {
		return errForgot
	}
	return a.NetworkTransport.RequestPreVote(id, to, req, resp)
}
