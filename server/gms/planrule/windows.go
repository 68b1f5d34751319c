package planrule

import (
	"io"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation/window"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
)

// WithRanges gives the functions of a window node RANGE frames of this package: the
// planner's take every order for an ascending one without NULLs. Texts are compared by their collations.
func WithRanges(ctx *sql.Context, n *plan.Window) (*plan.Window, error) {
	c := *n
	c.SelectExprs = make([]sql.Expression, len(n.SelectExprs))
	for i, e := range n.SelectExprs {
		var err error
		c.SelectExprs[i], _, err = transform.Expr(ctx, e, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			w, ok := e.(sql.WindowAdaptableExpression)
			if !ok || w.Window() == nil {
				return e, transform.SameTree, nil
			}
			def := *w.Window()
			switch {
			case def.Frame == nil:
				def.Frame = rangeFrame{plan.NewRangeUnboundedPrecedingToCurrentRowFrame()}
			case def.Frame != nil && strings.HasPrefix(strings.ToLower(def.Frame.String()), "range"):
				def.Frame = rangeFrame{def.Frame}
			}
			var err error
			if def.Frame, err = nthFrame(ctx, e, def.Frame); err != nil {
				return nil, transform.SameTree, err
			}
			def.PartitionBy = slices.Clone(def.PartitionBy)
			for i, e := range def.PartitionBy {
				def.PartitionBy[i] = expr.WeighedKey(ctx, e)
			}
			def.OrderBy, _ = WeighedSort(ctx, def.OrderBy)
			w = expr.WeighedAggregate(ctx, w).(sql.WindowAdaptableExpression)
			return w.WithWindow(ctx, &def), transform.NewTree, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// rangeFrame is a RANGE frame.
type rangeFrame struct{ sql.WindowFrame }

// NewFramer implements sql.WindowFrame.
func (f rangeFrame) NewFramer(w *sql.WindowDefinition) (sql.WindowFramer, error) {
	if f.StartNPreceding() != nil || f.StartNFollowing() != nil || f.EndNPreceding() != nil || f.EndNFollowing() != nil {
		t := sql.Type(nil)
		if len(w.OrderBy) == 1 {
			t = w.OrderBy[0].Expr.Type(nil)
		}
		if t == nil || !types.IsNumber(t) && !types.IsTime(t) && !types.IsTimespan(t) {
			return nil, mysql.NewSQLError(3587, "HY000", "Window '<unnamed window>' with RANGE N PRECEDING/FOLLOWING frame "+
				"requires exactly one ORDER BY expression, of numeric or temporal type")
		}
	}
	return &rangeFramer{frame: f.WindowFrame, order: w.OrderBy}, nil
}

// rangeFramer finds the frames of the rows of a partition.
type rangeFramer struct {
	frame      sql.WindowFrame
	order      sql.SortConditions
	partition  sql.WindowInterval
	row        int // the next
	peers      sql.WindowInterval
	start, end int
}

// NewFramer implements sql.WindowFramer.
func (f *rangeFramer) NewFramer(partition sql.WindowInterval) (sql.WindowFramer, error) {
	at := sql.WindowInterval{Start: partition.Start, End: partition.Start}
	return &rangeFramer{frame: f.frame, order: f.order, partition: partition, row: at.Start, peers: at, start: at.Start, end: at.Start}, nil
}

// Next implements sql.WindowFramer.
func (f *rangeFramer) Next(ctx *sql.Context, buf sql.WindowBuffer) (sql.WindowInterval, error) {
	if f.row >= f.partition.End {
		return sql.WindowInterval{}, io.EOF
	}
	if f.row >= f.peers.End {
		f.peers = sql.WindowInterval{Start: f.row, End: f.row + 1}
		for f.peers.End < f.partition.End {
			equal, err := f.equal(ctx, buf[f.row], buf[f.peers.End])
			if err != nil {
				return sql.WindowInterval{}, err
			}
			if !equal {
				break
			}
			f.peers.End++
		}
	}
	var err error
	switch {
	case f.frame.UnboundedPreceding():
		f.start = f.partition.Start
	case f.frame.StartCurrentRow():
		f.start = f.peers.Start
	default:
		f.start, err = f.bound(ctx, buf, f.start, f.frame.StartNPreceding(), f.frame.StartNFollowing(), 0, f.peers.Start)
	}
	if err != nil {
		return sql.WindowInterval{}, err
	}
	switch {
	case f.frame.UnboundedFollowing():
		f.end = f.partition.End
	case f.frame.EndCurrentRow():
		f.end = f.peers.End
	default:
		f.end, err = f.bound(ctx, buf, f.end, f.frame.EndNPreceding(), f.frame.EndNFollowing(), 1, f.peers.End)
	}
	if err != nil {
		return sql.WindowInterval{}, err
	}
	f.row++
	return f.Interval()
}

// equal reports whether two rows are peers.
func (f *rangeFramer) equal(ctx *sql.Context, a, b sql.Row) (bool, error) {
	for _, o := range f.order {
		x, err := o.Expr.Eval(ctx, a)
		if err != nil {
			return false, err
		}
		y, err := o.Expr.Eval(ctx, b)
		if err != nil {
			return false, err
		}
		if c, err := o.Expr.Type(ctx).Compare(ctx, x, y); err != nil || c != 0 {
			return false, err
		}
	}
	return true, nil
}

// bound returns the first row, from a known one on, whose key is as far behind the current
// row's as is said, or farther: at least with behind 0, more with 1. The frame of a NULL is
// that of its peers.
func (f *rangeFramer) bound(ctx *sql.Context, buf sql.WindowBuffer, from int, preceding, following sql.Expression, behind, peers int) (int, error) {
	key := f.order[0].Expr
	v, err := key.Eval(ctx, buf[f.row])
	if err != nil || v == nil {
		return peers, err
	}
	op, distance := ast.PlusStr, following
	if preceding != nil {
		op, distance = ast.MinusStr, preceding
	}
	descending := f.order[0].Order == sql.Descending
	if descending {
		op = map[string]string{ast.PlusStr: ast.MinusStr, ast.MinusStr: ast.PlusStr}[op]
	}
	if i, ok := distance.(*expression.Interval); ok {
		if n, err := i.Child.Eval(ctx, nil); err != nil || n == nil {
			return 0, mysql.NewSQLError(3586, "HY000", "Window '<unnamed window>': frame start or end is negative, NULL or of non-integral type")
		}
	}
	limit := expression.NewArithmetic(key, distance, op)
	want, err := limit.Eval(ctx, buf[f.row])
	if err != nil {
		return 0, err
	}
	t := types.GetCompareType(key.Type(ctx), limit.Type(ctx))
	for ; from < f.partition.End; from++ {
		v, err := key.Eval(ctx, buf[from])
		if err != nil {
			return 0, err
		}
		c := -1 // NULLs come first
		if v != nil {
			if c, err = t.Compare(ctx, v, want); err != nil {
				return 0, err
			}
		}
		if descending {
			c = -c
		}
		if c >= behind {
			break
		}
	}
	return from, nil
}

// FirstIdx implements sql.WindowFramer.
func (f *rangeFramer) FirstIdx() int { return f.start }

// LastIdx implements sql.WindowFramer.
func (f *rangeFramer) LastIdx() int { return f.end }

// Interval implements sql.WindowFramer.
func (f *rangeFramer) Interval() (sql.WindowInterval, error) {
	return sql.WindowInterval{Start: min(f.start, f.end), End: f.end}, nil
}

// nthFrame returns the frame that begins with the row that an nth_value is of, other frames
// as they are.
func nthFrame(ctx *sql.Context, e sql.Expression, frame sql.WindowFrame) (sql.WindowFrame, error) {
	first, ok := e.(*window.FirstValue)
	if !ok {
		return frame, nil
	}
	n, ok := first.Child.(*expr.Nth)
	if !ok {
		return frame, nil
	}
	if !constant(ctx, n.RightChild) {
		return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to nth_value")
	}
	v, err := n.RightChild.Eval(ctx, nil)
	if err != nil {
		return nil, err
	}
	i, _, err := types.Int64.Convert(ctx, v)
	if number, ok := i.(int64); ok && err == nil && number > 0 {
		return rewrite.LaterFrame{WindowFrame: frame, Without: int(number - 1)}, nil
	}
	return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to nth_value")
}
