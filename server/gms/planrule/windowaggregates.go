package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// frameValue returns the calculation of an aggregate of frames. COUNT and exact sums take the rows back that a frame leaves
// behind, MIN and MAX keep those that may be the extreme of a later frame: it does not matter how large frames are. DOUBLEs are
// added up anew for each, as in MySQL, since their sum is another one in another order.
func frameValue(ctx *sql.Context, a sql.Aggregation, f *frame) windowFunc {
	v := &frameAggregate{Aggregation: a, frame: f}
	if f.UnboundedPreceding() || varies(ctx, a, false) {
		return v.value
	}
	switch e := a.(type) {
	case *aggregation.Count:
		v.Aggregation, v.slides = slidingCounts{e}, true
	case *expr.Aggregate:
		v.slides = e.Slides(ctx)
	case *aggregation.Min:
		return (&frameExtreme{of: a.Children()[0], sign: -1, frame: f}).value
	case *aggregation.Max:
		return (&frameExtreme{of: a.Children()[0], sign: 1, frame: f}).value
	}
	return v.value
}

// frameAggregate computes an aggregate of frames. A frame that begins where the last one did and ends behind it, a running sum,
// costs only its new rows; one that begins behind it those, too, that are taken back.
type frameAggregate struct {
	sql.Aggregation
	frame  *frame
	buffer sql.AggregationBuffer
	have   sql.WindowInterval // what the buffer holds
	slides bool               // the buffer is expr.Sliding
}

// value is a windowFunc.
func (a *frameAggregate) value(ctx *sql.Context, p *Partition) (any, error) {
	rows, err := a.frame.rows(ctx, p)
	if err != nil {
		return nil, err
	}
	if gone := rows.Start - a.have.Start; a.slides && p.At > 0 && gone > 0 && rows.End >= a.have.End && gone < a.have.End-rows.Start {
		for ; a.have.Start < rows.Start; a.have.Start++ {
			r, err := p.Row(ctx, a.have.Start)
			if err != nil {
				return nil, err
			}
			if err := a.buffer.(expr.Sliding).Remove(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	if p.At == 0 || rows.Start != a.have.Start || rows.End < a.have.End {
		a.have = sql.WindowInterval{Start: rows.Start, End: rows.Start}
		if b, ok := a.buffer.(interface{ Reset() }); ok {
			b.Reset()
		} else if a.buffer, err = a.NewBuffer(ctx); err != nil {
			return nil, err
		}
	}
	for ; a.have.End < rows.End; a.have.End++ {
		r, err := p.Row(ctx, a.have.End)
		if err != nil {
			return nil, err
		}
		if err := a.buffer.Update(ctx, r); err != nil {
			return nil, err
		}
	}
	if _, array := a.Aggregation.(*aggregation.JsonArray); array && rows.Start == rows.End {
		return nil, nil
	}
	return a.buffer.Eval(ctx)
}

// extremesKept is how many bytes of values a frameExtreme keeps, but for one.
const extremesKept = 1 << 20

// frameExtreme computes MIN or MAX of frames.
//
// Invariant: kept are rows of the frame, each more extreme than all between it and the one before it, and as extreme at most as
// that; with those from lost on, which are no more extreme than kept, they are all that may be the extreme of this frame or of a
// later one of the rows that were read.
type frameExtreme struct {
	frame *frame
	of    sql.Expression
	sign  int // of a comparison by which a value is more extreme
	kept  []extremeRow
	bytes int64              // of kept
	lost  int                // the first row for which there was no place, -1: none
	have  sql.WindowInterval // what was read
}

// extremeRow is a row of a partition and, as a row of its own, its value.
type extremeRow struct {
	at  int
	row sql.Row
}

// value is a windowFunc.
func (x *frameExtreme) value(ctx *sql.Context, p *Partition) (any, error) {
	rows, err := x.frame.rows(ctx, p)
	if err != nil {
		return nil, err
	}
	if p.At == 0 || rows.Start < x.have.Start || rows.End < x.have.End || rows.Start >= x.have.End {
		x.kept, x.bytes, x.lost, x.have.End = x.kept[:0], 0, -1, rows.Start
	}
	for x.have.Start = rows.Start; len(x.kept) > 0 && x.kept[0].at < rows.Start; {
		x.bytes -= function.RowSize(x.kept[0].row)
		x.kept[0].row = nil
		x.kept = x.kept[1:]
	}
	if len(x.kept) == 0 && x.lost >= 0 {
		x.have.End, x.lost = max(x.lost, rows.Start), -1
	}
	for ; x.have.End < rows.End; x.have.End++ {
		if err := x.add(ctx, p, x.have.End); err != nil {
			return nil, err
		}
	}
	if len(x.kept) == 0 {
		return nil, nil
	}
	return x.kept[0].row[0], nil
}

// add reads a row.
func (x *frameExtreme) add(ctx *sql.Context, p *Partition, at int) error {
	v, err := p.value(ctx, x.of, at)
	if err != nil || v == nil {
		return err
	}
	for ; len(x.kept) > 0; x.kept = x.kept[:len(x.kept)-1] {
		last := x.kept[len(x.kept)-1].row
		c, err := x.of.Type(ctx).Compare(ctx, v, last[0])
		if err != nil {
			return err
		}
		if c != x.sign {
			break
		}
		x.bytes, x.lost = x.bytes-function.RowSize(last), -1
	}
	if x.lost >= 0 {
		return nil
	}
	if x.bytes >= extremesKept {
		x.lost = at
		return nil
	}
	row := sql.Row{v}
	x.bytes += function.RowSize(row)
	x.kept = append(x.kept, extremeRow{at, row})
	return nil
}

// slidingCounts is COUNT, whose buffers are expr.Sliding.
type slidingCounts struct{ *aggregation.Count }

// NewBuffer implements sql.Aggregation.
func (c slidingCounts) NewBuffer(*sql.Context) (sql.AggregationBuffer, error) {
	return &slidingCount{of: c.Children()[0]}, nil
}

// slidingCount counts the rows whose value is not NULL.
type slidingCount struct {
	of sql.Expression
	n  int64
}

var _ expr.Sliding = (*slidingCount)(nil)

// Update implements sql.AggregationBuffer.
func (c *slidingCount) Update(ctx *sql.Context, r sql.Row) error { return c.add(ctx, r, 1) }

// Remove implements expr.Sliding.
func (c *slidingCount) Remove(ctx *sql.Context, r sql.Row) error { return c.add(ctx, r, -1) }

// add adds a row, or takes it back with -1.
func (c *slidingCount) add(ctx *sql.Context, r sql.Row, n int64) error {
	if _, all := c.of.(*expression.Star); !all {
		if v, err := c.of.Eval(ctx, r); err != nil || v == nil {
			return err
		}
	}
	c.n += n
	return nil
}

// Eval implements sql.AggregationBuffer.
func (c *slidingCount) Eval(*sql.Context) (any, error) { return c.n, nil }

// Dispose implements sql.Disposable.
func (c *slidingCount) Dispose(ctx *sql.Context) { expression.Dispose(ctx, c.of) }
