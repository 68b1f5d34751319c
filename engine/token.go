package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"sextant/engine/btree"
	"sextant/internal/redo"
)

// Token names one commit of one command of one session; the router counts alike.
type Token struct {
	Session uint64 // attach number: grows with every session of the cluster
	Command uint32 // ordinal of the command in the session
	Ordinal uint32 // ordinal of the commit in the command
}

// Outcome is what the client would have been told.
type Outcome struct {
	LSN          redo.LSN // an LSN of the commit, filled in by the engine
	AffectedRows uint64
	InsertID     uint64
	Warnings     uint16
}

// TokenState is what is known of a token.
type TokenState uint8

// The states of a token.
const (
	TokenUnknown      TokenState = iota // forgotten: nothing can be said
	TokenNotCommitted                   // it did not commit and never will
	TokenCommitted                      // it committed with the outcome returned
)

// Limits of the tokens tree: an outcome is kept at least tokenKept, and every commit
// looks at tokenSweep others, so that the tree holds about the sessions that
// committed within that time.
const (
	tokenKept  = 10 * time.Minute
	tokenSweep = 2
	tokenSize  = 50
)

// tokenHand is where the sweep of the tokens tree is. The commit lock guards it.
type tokenHand struct{ next []byte }

func tokenKey(session uint64) []byte { return binary.BigEndian.AppendUint64(nil, session) }

// A token's value: format (1), command (4), ordinal (4), LSN (8), wall µs (8),
// affected rows (8), insert id (8), warnings (2); zero to the end.
func encodeToken(k Token, o Outcome, wall int64) []byte {
	b := make([]byte, 0, tokenSize)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, k.Command)
	b = binary.BigEndian.AppendUint32(b, k.Ordinal)
	b = binary.BigEndian.AppendUint64(b, uint64(o.LSN))
	b = binary.BigEndian.AppendUint64(b, uint64(wall))
	b = binary.BigEndian.AppendUint64(b, o.AffectedRows)
	b = binary.BigEndian.AppendUint64(b, o.InsertID)
	b = binary.BigEndian.AppendUint16(b, o.Warnings)
	return b[:tokenSize]
}

func decodeToken(b []byte) (command, ordinal uint32, o Outcome, wall int64, err error) {
	if len(b) != tokenSize || b[0] != 1 {
		return 0, 0, Outcome{}, 0, fmt.Errorf("%w: token %x", ErrCorrupt, b)
	}
	be := binary.BigEndian
	o = Outcome{LSN: redo.LSN(be.Uint64(b[9:])), AffectedRows: be.Uint64(b[25:]),
		InsertID: be.Uint64(b[33:]), Warnings: be.Uint16(b[41:])}
	return be.Uint32(b[1:]), be.Uint32(b[5:]), o, int64(be.Uint64(b[17:])), nil
}

// putToken stores the outcome in the session's slot and evicts outcomes that are
// old enough, raising forgotten-through in the same mini-transaction.
func (t *turn) putToken(k Token, o Outcome) error {
	tree := t.db.system.tree(treeTokens)
	o.LSN = t.start
	if err := tree.Put(context.Background(), t, tokenKey(k.Session), encodeToken(k, o, t.wall)); err != nil {
		return err
	}
	return t.sweepTokens()
}

// sweepTokens looks at the next outcomes. A page that is not in the cache is not
// worth a retry of the commit: the sweep goes on there another time.
func (t *turn) sweepTokens() error {
	ctx := context.Background()
	tree := t.db.system.tree(treeTokens)
	c := btree.NewCursor(tree, t)
	hand := &t.db.tokens
	var old [][]byte
	ok := c.Seek(ctx, hand.next)
	for range tokenSweep {
		if !ok {
			hand.next = nil
			break
		}
		v, err := c.Value(ctx)
		if err != nil {
			break
		}
		_, _, _, wall, err := decodeToken(v)
		if err != nil {
			return err
		}
		key := append([]byte(nil), c.Key()...)
		if wall < t.wall-tokenKept.Microseconds() {
			old = append(old, key)
		}
		hand.next = append(key[:len(key):len(key)], 0)
		ok = c.Next(ctx)
	}
	if errors.Is(c.Err(), btree.ErrMiss) {
		t.missed = t.missed[:0]
	} else if c.Err() != nil {
		return c.Err()
	}
	for _, key := range old {
		if err := tree.Delete(ctx, t, key); err != nil {
			return err
		}
		err := t.db.system.tree(treeCounters).Raise(ctx, t, []byte{counterForgotten}, binary.BigEndian.Uint64(key))
		if err != nil {
			return err
		}
	}
	return nil
}

// LookupToken says what became of a commit. Only the last command of a session can be
// asked for, and the session must have ended, so that no commit of it is under way
// on this instance. On a reader the answer is as of its snapshot: ask the writer.
func (db *DB) LookupToken(ctx context.Context, k Token) (TokenState, Outcome, error) {
	at := db.acquire()
	defer db.snaps.Release(at)
	p := db.pagerAt(at)
	v, found, err := db.system.tree(treeTokens).Get(ctx, p, tokenKey(k.Session))
	if err != nil {
		return TokenUnknown, Outcome{}, err
	}
	if !found {
		forgotten, err := db.system.counter(ctx, p, []byte{counterForgotten})
		if err != nil || k.Session <= forgotten {
			return TokenUnknown, Outcome{}, err
		}
		return TokenNotCommitted, Outcome{}, nil
	}
	command, ordinal, o, _, err := decodeToken(v)
	if err != nil {
		return TokenUnknown, Outcome{}, err
	}
	switch {
	case command == k.Command && ordinal == k.Ordinal:
		return TokenCommitted, o, nil
	case command > k.Command || command == k.Command && ordinal > k.Ordinal:
		return TokenUnknown, Outcome{}, nil // overwritten: it was not the session's last
	}
	return TokenNotCommitted, Outcome{}, nil
}
