package planrule

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
)

// WindowStage is the window functions of a SELECT whose windows have the same partitions and order.
type WindowStage struct {
	Order     sql.SortConditions // PARTITION BY, then ORDER BY
	Partition int                // how many of Order are PARTITION BY
	Places    []int              // which expressions of the SELECT the functions are
	funcs     []windowFunc
}

// windowFunc returns a function's value of the row that the partition is at.
type windowFunc func(ctx *sql.Context, p *Partition) (any, error)

// Partition is the rows of a partition, which are gone through from the first one.
type Partition struct {
	N     int // rows
	At    int // the current one
	Row   func(ctx *sql.Context, i int) (sql.Row, error)
	Same  func(ctx *sql.Context, i, j int) (bool, error) // whether two rows are peers
	peers sql.WindowInterval
	group int // of peers, from 1
}

// Begin begins a partition without rows.
func (p *Partition) Begin() { p.N, p.At, p.group, p.peers = 0, 0, 0, sql.WindowInterval{} }

// WindowStages returns the stages in which the window functions of a SELECT are evaluated, in MySQL's order: as the windows come,
// those that sort alike together. The rows come out of the last one in its order.
func WindowStages(ctx *sql.Context, n *plan.Window) ([]*WindowStage, error) {
	var stages []*WindowStage
	var sorts []string
	for i, e := range n.SelectExprs {
		if a, ok := e.(*expression.Alias); ok {
			e = a.Child
		}
		w, ok := e.(sql.WindowAdaptableExpression)
		if !ok {
			continue
		}
		def := w.Window()
		if def == nil {
			def = &sql.WindowDefinition{}
		}
		s := &WindowStage{Partition: len(def.PartitionBy)}
		for _, e := range def.PartitionBy {
			s.Order = append(s.Order, sql.SortCondition{Expr: expr.WeighedKey(ctx, e)})
		}
		order, _ := WeighedSort(ctx, def.OrderBy)
		s.Order = append(s.Order, order...)
		sort := fmt.Sprint(s.Partition)
		for _, o := range s.Order {
			sort += fmt.Sprint(",", sql.DebugString(ctx, o.Expr), o.Order)
		}
		at := slices.Index(sorts, sort)
		if at < 0 || len(s.Order) == 0 && at < len(stages)-1 {
			at = len(stages)
			stages, sorts = append(stages, s), append(sorts, sort)
		}
		f, err := newWindowFunc(ctx, w, def, order)
		if err != nil {
			return nil, err
		}
		stages[at].Places = append(stages[at].Places, i)
		stages[at].funcs = append(stages[at].funcs, f)
	}
	return stages, nil
}

// Values evaluates the functions for the current row of a partition, and goes on to the next one. A frame may have all rows
// anew for each: it ends with the statement.
func (s *WindowStage) Values(ctx *sql.Context, p *Partition, to func(place int, v any)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, f := range s.funcs {
		v, err := f(ctx, p)
		if err != nil {
			return err
		}
		to(s.Places[i], v)
	}
	p.At++
	return nil
}

// peersOf returns the rows that the current one is equal to by ORDER BY, all without one.
func (p *Partition) peersOf(ctx *sql.Context) (sql.WindowInterval, error) {
	for p.peers.End <= p.At {
		p.group++
		first := p.peers.End
		for p.peers = (sql.WindowInterval{Start: first, End: first + 1}); p.peers.End < p.N; p.peers.End++ {
			if same, err := p.Same(ctx, first, p.peers.End); err != nil {
				return p.peers, err
			} else if !same {
				break
			}
		}
	}
	return p.peers, nil
}

// newWindowFunc returns the calculation of a function.
func newWindowFunc(ctx *sql.Context, w sql.WindowAdaptableExpression, def *sql.WindowDefinition, order sql.SortConditions) (windowFunc, error) {
	frame, err := newFrame(def, order)
	if err != nil {
		return nil, err
	}
	if a, ok := expr.WeighedAggregate(ctx, w).(sql.Aggregation); ok {
		return frameValue(ctx, a, frame), nil
	}
	ranked := func(value func(p *Partition) any) windowFunc {
		return func(ctx *sql.Context, p *Partition) (any, error) {
			_, err := p.peersOf(ctx)
			return value(p), err
		}
	}
	var args []sql.Expression
	if c := w.Children(); len(c) > def.ExpressionsLen() {
		args = c[def.ExpressionsLen():]
	}
	name := strings.ToLower(w.(sql.FunctionExpression).FunctionName())
	switch name {
	case "row_number":
		return func(_ *sql.Context, p *Partition) (any, error) { return uint64(p.At + 1), nil }, nil
	case "rank":
		return ranked(func(p *Partition) any { return uint64(p.peers.Start + 1) }), nil
	case "dense_rank":
		return ranked(func(p *Partition) any { return uint64(p.group) }), nil
	case "percent_rank":
		return ranked(func(p *Partition) any { return float64(p.peers.Start) / float64(max(p.N-1, 1)) }), nil
	case "ntile":
		return ntile(ctx, w.(interface{ Number() sql.Expression }).Number())
	case "lead", "lag":
		offset := int(reflect.ValueOf(w).Elem().FieldByName("offset").Int()) // which the planner shows in no other way
		if name == "lag" {
			offset = -offset
		}
		return func(ctx *sql.Context, p *Partition) (any, error) {
			if at := p.At + offset; at >= 0 && at < p.N {
				return p.value(ctx, args[0], at)
			}
			if len(args) < 2 {
				return nil, nil
			}
			return p.value(ctx, args[1], p.At)
		}, nil
	case "first_value", "last_value":
		nth := 0
		if n, ok := args[0].(*expr.Nth); ok {
			if nth, err = nthNumber(ctx, n.RightChild); err != nil {
				return nil, err
			}
		}
		return func(ctx *sql.Context, p *Partition) (any, error) {
			rows, err := frame.rows(ctx, p)
			at := rows.Start + nth
			if name == "last_value" {
				at = rows.End - 1
			}
			if err != nil || at < rows.Start || at >= rows.End {
				return nil, err
			}
			return p.value(ctx, args[0], at)
		}, nil
	}
	return nil, sql.ErrWindowUnsupported.New(name)
}

// value evaluates an expression for a row.
func (p *Partition) value(ctx *sql.Context, e sql.Expression, i int) (any, error) {
	r, err := p.Row(ctx, i)
	if err != nil {
		return nil, err
	}
	return e.Eval(ctx, r)
}

// ntile returns NTILE, whose first groups have a row more than the others.
func ntile(ctx *sql.Context, number sql.Expression) (windowFunc, error) {
	v, err := number.Eval(ctx, nil)
	if err != nil {
		return nil, err
	}
	i, inRange, err := types.Int64.Convert(ctx, v)
	n, ok := i.(int64)
	if err != nil || !ok || n <= 0 || inRange != sql.InRange {
		return nil, errors.Join(err, sql.ErrInvalidArgument.New("NTILE"))
	}
	return func(_ *sql.Context, p *Partition) (any, error) {
		size, more := int64(p.N)/n, int64(p.N)%n
		if at := int64(p.At); at >= more*(size+1) {
			return uint64(more + (at-more*(size+1))/size + 1), nil
		}
		return uint64(int64(p.At)/(size+1) + 1), nil
	}, nil
}

// frame finds the frames of the rows of a partition.
type frame struct {
	sql.WindowFrame
	order      sql.SortConditions
	start, end *int // ROWS: how far from the current row, nil: RANGE, or no number
	ranges     bool
	from, to   int // RANGE: the last bounds
}

// newFrame returns the frames of a window, those of ORDER BY without a frame: up to the current row's peers.
func newFrame(w *sql.WindowDefinition, order sql.SortConditions) (*frame, error) {
	f := &frame{WindowFrame: w.Frame, order: order}
	if f.WindowFrame == nil {
		f.WindowFrame = plan.NewRangeUnboundedPrecedingToCurrentRowFrame()
	}
	f.ranges = strings.HasPrefix(strings.ToLower(f.String()), "range")
	numbers := []sql.Expression{f.StartNPreceding(), f.StartNFollowing(), f.EndNPreceding(), f.EndNFollowing()}
	for i, e := range numbers {
		switch {
		case e == nil:
		case f.ranges:
			t := sql.Type(nil)
			if len(order) == 1 {
				t = order[0].Expr.Type(nil)
			}
			if t == nil || !types.IsNumber(t) && !types.IsTime(t) && !types.IsTimespan(t) {
				return nil, mysql.NewSQLError(3587, "HY000", "Window '<unnamed window>' with RANGE N PRECEDING/FOLLOWING frame "+
					"requires exactly one ORDER BY expression, of numeric or temporal type")
			}
		default:
			n, err := expression.LiteralToInt(e)
			if err != nil {
				return nil, err
			}
			if i%2 == 0 {
				n = -n
			}
			if i < 2 {
				f.start = &n
			} else {
				f.end = &n
			}
		}
	}
	return f, nil
}

// rows returns the frame of the current row.
func (f *frame) rows(ctx *sql.Context, p *Partition) (sql.WindowInterval, error) {
	if p.At == 0 {
		f.from, f.to = 0, 0
	}
	peers := sql.WindowInterval{Start: p.At, End: p.At + 1}
	if f.ranges && !(f.UnboundedPreceding() && f.UnboundedFollowing()) {
		var err error
		if peers, err = p.peersOf(ctx); err != nil {
			return peers, err
		}
	}
	out := sql.WindowInterval{End: p.N}
	var err error
	switch {
	case f.UnboundedPreceding():
	case f.StartCurrentRow():
		out.Start = peers.Start
	case f.ranges:
		f.from, err = f.bound(ctx, p, f.from, f.StartNPreceding(), f.StartNFollowing(), 0, peers.Start)
		out.Start = f.from
	default:
		out.Start = max(p.At+*f.start, 0)
	}
	switch {
	case err != nil:
	case f.UnboundedFollowing():
	case f.EndCurrentRow():
		out.End = peers.End
	case f.ranges:
		f.to, err = f.bound(ctx, p, f.to, f.EndNPreceding(), f.EndNFollowing(), 1, peers.End)
		out.End = f.to
	default:
		out.End = min(max(p.At+*f.end+1, 0), p.N)
	}
	out.Start = min(out.Start, out.End)
	return out, err
}

// bound returns the first row, from a known one on, whose key is as far behind the current
// row's as is said, or farther: at least with behind 0, more with 1. The frame of a NULL is
// that of its peers.
func (f *frame) bound(ctx *sql.Context, p *Partition, from int, preceding, following sql.Expression, behind, peers int) (int, error) {
	key := f.order[0].Expr
	v, err := p.value(ctx, key, p.At)
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
	want, err := p.value(ctx, limit, p.At)
	if err != nil {
		return 0, err
	}
	t := types.GetCompareType(key.Type(ctx), limit.Type(ctx))
	for ; from < p.N; from++ {
		v, err := p.value(ctx, key, from)
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

// nthNumber returns how many rows of a frame are before the one that an nth_value is of.
func nthNumber(ctx *sql.Context, number sql.Expression) (int, error) {
	if !constant(ctx, number) {
		return 0, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to nth_value")
	}
	v, err := number.Eval(ctx, nil)
	if err != nil {
		return 0, err
	}
	i, _, err := types.Int64.Convert(ctx, v)
	if n, ok := i.(int64); ok && err == nil && n > 0 {
		return int(n - 1), nil
	}
	return 0, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to nth_value")
}
