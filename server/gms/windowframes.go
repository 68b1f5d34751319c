package gms

import (
	"io"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// framed returns a window's expressions with the frames that end at peers as peerFrames. The
// planner's go by the first expression of ORDER BY alone, and take it for ascending and
// without NULL.
func framed(ctx *sql.Context, exprs []sql.Expression) ([]sql.Expression, error) {
	out := make([]sql.Expression, len(exprs))
	for i, e := range exprs {
		out[i] = e
		inner := e
		alias, aliased := e.(*expression.Alias)
		if aliased {
			inner = alias.Child
		}
		w, ok := inner.(sql.WindowAdaptableExpression)
		if !ok || w.Window() == nil {
			continue
		}
		f := newPeerFrame(w.Window())
		if f == nil {
			continue
		}
		def := *w.Window()
		def.Frame = f
		out[i] = w.WithWindow(ctx, &def)
		if aliased {
			var err error
			if out[i], err = alias.WithChildren(ctx, out[i]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// peerFrame is a RANGE frame whose ends are the partition's or the current row's peers'.
type peerFrame struct {
	sql.WindowFrame // what the statement says, nil: nothing

	fromPeers, toPeers bool
}

// newPeerFrame returns the frame of a window with ORDER BY, nil if it is of another kind.
func newPeerFrame(w *sql.WindowDefinition) *peerFrame {
	switch f := w.Frame; {
	case len(w.OrderBy) == 0:
		return nil
	case f == nil:
		return &peerFrame{toPeers: true}
	case !strings.HasPrefix(f.String(), "RANGE") || !f.UnboundedPreceding() && !f.StartCurrentRow() || !f.UnboundedFollowing() && !f.EndCurrentRow():
		return nil
	default:
		return &peerFrame{WindowFrame: f, fromPeers: f.StartCurrentRow(), toPeers: f.EndCurrentRow()}
	}
}

// NewFramer implements sql.WindowFrame.
func (f *peerFrame) NewFramer(w *sql.WindowDefinition) (sql.WindowFramer, error) {
	return &peerFramer{frame: f, orderBy: w.OrderBy.ToExpressions()}, nil
}

// String implements sql.WindowFrame.
func (f *peerFrame) String() string {
	if f.WindowFrame == nil {
		return ""
	}
	return f.WindowFrame.String()
}

// peerFramer gives the frame of each row of a partition, in turn.
type peerFramer struct {
	frame     *peerFrame
	orderBy   []sql.Expression
	partition sql.WindowInterval
	peers     sql.WindowInterval // of the row
	next      int
	set       bool
}

var _ sql.WindowFramer = (*peerFramer)(nil)

// NewFramer implements sql.WindowFramer.
func (f *peerFramer) NewFramer(partition sql.WindowInterval) (sql.WindowFramer, error) {
	n := peerFramer{frame: f.frame, orderBy: f.orderBy, partition: partition, next: partition.Start, set: true}
	n.peers = sql.WindowInterval{Start: partition.Start, End: partition.Start}
	return &n, nil
}

// Next implements sql.WindowFramer.
func (f *peerFramer) Next(ctx *sql.Context, rows sql.WindowBuffer) (sql.WindowInterval, error) {
	if !f.set || f.next >= f.partition.End {
		return sql.WindowInterval{}, io.EOF
	}
	if f.next >= f.peers.End {
		f.peers.Start = f.next
		first, err := f.key(ctx, rows[f.next])
		if err != nil {
			return sql.WindowInterval{}, err
		}
		for f.peers.End = f.next + 1; f.peers.End < f.partition.End; f.peers.End++ {
			key, err := f.key(ctx, rows[f.peers.End])
			if err != nil {
				return sql.WindowInterval{}, err
			}
			if same, err := f.same(ctx, first, key); err != nil {
				return sql.WindowInterval{}, err
			} else if !same {
				break
			}
		}
	}
	f.next++
	return f.Interval()
}

// key evaluates ORDER BY for a row.
func (f *peerFramer) key(ctx *sql.Context, r sql.Row) (sql.Row, error) {
	key := make(sql.Row, len(f.orderBy))
	for i, e := range f.orderBy {
		var err error
		if key[i], err = e.Eval(ctx, r); err != nil {
			return nil, err
		}
	}
	return key, nil
}

func (f *peerFramer) same(ctx *sql.Context, a, b sql.Row) (bool, error) {
	for i, e := range f.orderBy {
		if c, err := e.Type(ctx).Compare(ctx, a[i], b[i]); err != nil || c != 0 {
			return false, err
		}
	}
	return true, nil
}

// FirstIdx implements sql.WindowFramer.
func (f *peerFramer) FirstIdx() int {
	if f.frame.fromPeers {
		return f.peers.Start
	}
	return f.partition.Start
}

// LastIdx implements sql.WindowFramer.
func (f *peerFramer) LastIdx() int {
	if f.frame.toPeers {
		return f.peers.End
	}
	return f.partition.End
}

// Interval implements sql.WindowFramer.
func (f *peerFramer) Interval() (sql.WindowInterval, error) {
	return sql.WindowInterval{Start: f.FirstIdx(), End: f.LastIdx()}, nil
}
