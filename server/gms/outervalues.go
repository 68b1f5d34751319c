package gms

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// What remembered keeps: answers, bytes of the outer values that each is for, and bytes of a text.
const (
	answersMax     = 1024
	outerBytesMax  = 256
	answerBytesMax = 256
)

// remembered is an expression with a subquery that uses columns of the query around it. Its answer is
// looked up by the values of those columns, so that it is not evaluated again for each row that has
// the same ones. The planner keeps the rows of a subquery that uses none.
type remembered struct {
	expression.UnaryExpressionStub
	mu      sync.Mutex
	known   bool
	columns []int // of the outer row, in order; nil: it is evaluated each time
	answers map[string]any
}

var (
	_ sql.Expression         = (*remembered)(nil)
	_ sql.CollationCoercible = (*remembered)(nil)
)

// rememberSubqueries puts the expressions with subqueries of the conditions in a plan into remembereds.
func rememberSubqueries(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		switch n.(type) {
		case *plan.Filter, *plan.Having, *plan.JoinNode:
		default:
			return n, transform.SameTree, nil
		}
		x := n.(sql.Expressioner)
		exprs, some := remember(ctx, x.Expressions())
		if !some {
			return n, transform.SameTree, nil
		}
		to, err := x.WithExpressions(ctx, exprs...)
		return to, transform.NewTree, err
	})
}

// remember returns expressions with those put into remembereds that have a subquery, false if none has.
func remember(ctx *sql.Context, exprs []sql.Expression) ([]sql.Expression, bool) {
	some := false
	for i, e := range exprs {
		var to sql.Expression
		switch x := e.(type) {
		case *remembered:
		case *plan.Subquery:
			if !x.Correlated().Empty() {
				to = newRemembered(e)
			}
		case *plan.InSubquery, *expr.InRows, *plan.ExistsSubquery, *expr.QuantifiedComparison:
			to = newRemembered(e)
		default:
			if children, changed := remember(ctx, e.Children()); changed {
				to = expr.WithOperands(ctx, e, children)
			}
		}
		if to != nil {
			if !some {
				exprs, some = slices.Clone(exprs), true
			}
			exprs[i] = to
		}
	}
	return exprs, some
}

func newRemembered(e sql.Expression) *remembered {
	return &remembered{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}}
}

// Type implements sql.Expression.
func (r *remembered) Type(ctx *sql.Context) sql.Type { return r.Child.Type(ctx) }

// IsNullable implements sql.Expression.
func (r *remembered) IsNullable(ctx *sql.Context) bool { return r.Child.IsNullable(ctx) }

// String implements sql.Expression.
func (r *remembered) String() string { return r.Child.String() }

// DebugString implements sql.DebugStringer.
func (r *remembered) DebugString(ctx *sql.Context) string { return sql.DebugString(ctx, r.Child) }

// CollationCoercibility implements sql.CollationCoercible.
func (r *remembered) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, r.Child)
}

// WithChildren implements sql.Expression.
func (r *remembered) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 1)
	}
	return newRemembered(children[0]), nil
}

// Eval implements sql.Expression.
func (r *remembered) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	s, ok := ctx.Session.(*Session)
	if !ok || s.dml > 0 { // what a trigger reads may change from row to row
		return r.Child.Eval(ctx, row)
	}
	var room [64]byte
	key, ok := r.key(ctx, row, room[:0])
	if !ok {
		return r.Child.Eval(ctx, row)
	}
	r.mu.Lock()
	v, found := r.answers[string(key)]
	r.mu.Unlock()
	if !found {
		var err error
		if v, err = r.Child.Eval(ctx, row); err != nil {
			return nil, err
		}
		r.keep(string(key), v)
	}
	if d, ok := v.(*apd.Decimal); ok {
		return new(apd.Decimal).Set(d), nil // it may be changed in place
	}
	return v, nil
}

// keep remembers an answer, unless it is large or there are too many.
func (r *remembered) keep(key string, v any) {
	switch x := v.(type) {
	case nil, bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, time.Time, types.Timespan:
	case string:
		if len(x) > answerBytesMax {
			return
		}
	case *apd.Decimal:
		v = new(apd.Decimal).Set(x)
	default:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answers) < answersMax {
		r.answers[key] = v
	}
}

// key appends the values of the outer columns to dst, each of which has another text. Returns false if the
// expression has to be evaluated.
func (r *remembered) key(ctx *sql.Context, row sql.Row, dst []byte) ([]byte, bool) {
	r.mu.Lock()
	if !r.known {
		r.known, r.answers = true, map[string]any{}
		r.columns = outerIndexes(ctx, r.Child, len(row))
	}
	columns := r.columns
	r.mu.Unlock()
	if len(columns) == 0 || columns[len(columns)-1] >= len(row) {
		return nil, false
	}
	for _, i := range columns {
		switch v := row[i].(type) {
		case nil:
			dst = append(dst, 0)
		case bool:
			if dst = append(dst, 1); v {
				dst = append(dst, 1)
			} else {
				dst = append(dst, 0)
			}
		case int8:
			dst = binary.BigEndian.AppendUint64(append(dst, 2), uint64(v))
		case int16:
			dst = binary.BigEndian.AppendUint64(append(dst, 3), uint64(v))
		case int32:
			dst = binary.BigEndian.AppendUint64(append(dst, 4), uint64(v))
		case int64:
			dst = binary.BigEndian.AppendUint64(append(dst, 5), uint64(v))
		case uint8:
			dst = binary.BigEndian.AppendUint64(append(dst, 6), uint64(v))
		case uint16:
			dst = binary.BigEndian.AppendUint64(append(dst, 7), uint64(v))
		case uint32:
			dst = binary.BigEndian.AppendUint64(append(dst, 8), uint64(v))
		case uint64:
			dst = binary.BigEndian.AppendUint64(append(dst, 9), v)
		case float32:
			dst = binary.BigEndian.AppendUint64(append(dst, 10), math.Float64bits(float64(v)))
		case float64:
			dst = binary.BigEndian.AppendUint64(append(dst, 11), math.Float64bits(v))
		case types.Timespan:
			dst = binary.BigEndian.AppendUint64(append(dst, 12), uint64(v))
		case time.Time:
			dst = binary.BigEndian.AppendUint64(append(dst, 13), uint64(v.Unix()))
			dst = binary.BigEndian.AppendUint32(dst, uint32(v.Nanosecond()))
		case string:
			dst = append(binary.AppendUvarint(append(dst, 14), uint64(len(v))), v...)
		case []byte:
			dst = append(binary.AppendUvarint(append(dst, 15), uint64(len(v))), v...)
		case *apd.Decimal:
			text := v.Text('E')
			dst = append(binary.AppendUvarint(append(dst, 16), uint64(len(text))), text...)
		default:
			return nil, false
		}
		if len(dst) > outerBytesMax {
			return nil, false
		}
	}
	return dst, true
}

// outerIndexes returns the columns of an outer row of a length that an expression uses, and its subqueries
// do: their rows begin with it. nil: something in it is not the same for the same values.
func outerIndexes(ctx *sql.Context, e sql.Expression, width int) []int {
	var out []int
	varies := false
	var look func(*sql.Context, sql.Expression) bool
	within := func(n sql.Node) {
		transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
			if x, ok := n.(sql.Expressioner); ok {
				for _, e := range x.Expressions() {
					transform.InspectExpr(ctx, e, look)
				}
			}
			return !varies
		})
	}
	look = func(ctx *sql.Context, e sql.Expression) bool {
		switch x := e.(type) {
		case *expression.GetField:
			if i := x.Index(); i >= 0 && i < width && !slices.Contains(out, i) {
				out = append(out, i)
			}
		case *plan.Subquery:
			varies = varies || x.Volatile()
			within(x.Query)
			return varies
		case *expression.UserVar:
			varies = true
		}
		if nd, ok := e.(sql.NonDeterministicExpression); ok && nd.IsNonDeterministic() {
			varies = true
		}
		return varies
	}
	transform.InspectExpr(ctx, e, look)
	if varies {
		return nil
	}
	slices.Sort(out)
	return out
}
