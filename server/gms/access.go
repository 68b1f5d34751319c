package gms

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// The planner weighs every index of a table for every statement, which is a third
// of what a lookup by key costs. Conditions on integer columns that leave it no
// choice are turned into a lookup here: a whole unique key, or one column that one
// index alone can serve. Everything else is left to the planner.

// interval is the integers from lo to hi, both included. math.MinInt64 and
// math.MaxInt64 are no bounds.
type interval struct{ lo, hi int64 }

// SkipIndexCosting implements sql.IndexSearchable.
func (t *Table) SkipIndexCosting() bool { return false }

// LookupForExpressions implements sql.IndexSearchable: false for conditions that
// the planner is to weigh. The expression is what the lookup does not decide, nil
// if there is none.
func (t *Table) LookupForExpressions(ctx *sql.Context, exprs ...sql.Expression) (
	sql.IndexLookup, *sql.FuncDepSet, sql.Expression, bool, error) {
	if t.live(ctx) == t.shape {
		if l, rest, ok := t.uniqueLookup(ctx, exprs); ok {
			return l, sql.NewMax1RowFDs(sql.ColSet{}, sql.ColSet{}), rest, true, nil
		}
		if s, err := sessionOf(ctx); err == nil && s.tables == 1 {
			if l, rest, ok := t.rangeLookup(ctx, exprs); ok {
				return l, &sql.FuncDepSet{}, rest, true, nil
			}
		}
		if l, rest, ok, err := t.chosenLookup(ctx, exprs); ok || err != nil {
			return l, &sql.FuncDepSet{}, expression.JoinAnd(rest...), ok, err
		}
	}
	return sql.IndexLookup{}, nil, nil, false, nil
}

// uniqueLookup returns the lookup of a unique key all of whose columns the
// conditions set equal to integers.
func (t *Table) uniqueLookup(ctx *sql.Context, exprs []sql.Expression) (sql.IndexLookup, sql.Expression, bool) {
	for _, ix := range t.shape.indexes {
		if !ix.integers || !ix.def.Unique || ix.def.Invisible || !t.ref.reads(ix) {
			continue
		}
		r := make(sql.MySQLRange, len(ix.columns))
		used := make([]bool, len(exprs))
		found := 0
		for i, e := range exprs {
			eq, ok := e.(*expression.Equals)
			if !ok {
				continue
			}
			c, v, ok := t.comparison(eq.Left(), eq.Right())
			at := slices.Index(ix.columns, c)
			if !ok || at < 0 || r[at].Typ != nil {
				continue
			}
			if r[at], ok = t.closed(ctx, c, interval{v, v}); !ok {
				return sql.IndexLookup{}, nil, false
			}
			used[i] = true
			found++
		}
		if found < len(r) {
			continue
		}
		var rest []sql.Expression
		for i, e := range exprs {
			if !used[i] {
				rest = append(rest, e)
			}
		}
		return sql.NewIndexLookup(ix, sql.MySQLRangeCollection{r}, false, false, false, false),
			expression.JoinAnd(rest...), true
	}
	return sql.IndexLookup{}, nil, false
}

// rangeLookup returns the lookup of the integers of one column, if no condition
// could be served by another index.
func (t *Table) rangeLookup(ctx *sql.Context, exprs []sql.Expression) (sql.IndexLookup, sql.Expression, bool) {
	none := sql.IndexLookup{}
	column := -1
	set := []interval{{math.MinInt64, math.MaxInt64}}
	var rest []sql.Expression
	for _, e := range exprs {
		c, some, ok := t.intervals(e)
		switch {
		case !ok && t.indexed(ctx, e):
			return none, nil, false
		case !ok:
			rest = append(rest, e)
		case column >= 0 && c != column:
			return none, nil, false
		default:
			column, set = c, intersect(set, some)
		}
	}
	if column < 0 || len(set) == 0 || t.shape.only[column] == nil || !t.ref.reads(t.shape.only[column]) {
		return none, nil, false
	}
	ranges := make(sql.MySQLRangeCollection, len(set))
	for i, iv := range set {
		r, ok := t.closed(ctx, column, iv)
		if !ok {
			return none, nil, false
		}
		ranges[i] = sql.MySQLRange{r}
	}
	return sql.NewIndexLookup(t.shape.only[column], ranges, false, false, false, false),
		expression.JoinAnd(rest...), true
}

// closed returns an interval as the planner's range of a column, false if the
// column cannot hold its bounds, or there are none.
func (t *Table) closed(ctx *sql.Context, column int, iv interval) (sql.MySQLRangeColumnExpr, bool) {
	typ := t.shape.schema[column].Type
	r := sql.MySQLRangeColumnExpr{LowerBound: sql.AboveNull{}, UpperBound: sql.AboveAll{}, Typ: typ}
	if iv.lo != math.MinInt64 {
		v, in, err := typ.Convert(ctx, iv.lo)
		if err != nil || in != sql.InRange {
			return r, false
		}
		r.LowerBound = sql.Below{Key: v, Typ: typ}
	}
	if iv.hi != math.MaxInt64 {
		v, in, err := typ.Convert(ctx, iv.hi)
		if err != nil || in != sql.InRange {
			return r, false
		}
		r.UpperBound = sql.Above{Key: v, Typ: typ}
	}
	return r, iv.lo != math.MinInt64 || iv.hi != math.MaxInt64
}

// indexed reports whether an index could serve a condition: it names the first
// column of one, or something that is not a column of the table.
func (t *Table) indexed(ctx *sql.Context, e sql.Expression) bool {
	found := t.shape.computed
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if f, ok := e.(*expression.GetField); ok {
			c := t.column(f)
			found = found || c < 0 || slices.ContainsFunc(t.shape.indexes, func(ix *Index) bool {
				return ix.columns[0] == c
			})
		}
		return !found
	})
	return found
}

// column returns the ordinal of one of the table's columns, -1 for another field.
func (t *Table) column(f *expression.GetField) int {
	if t.alias != "" && !strings.EqualFold(f.Table(), t.alias) {
		return -1
	}
	if t.alias == "" && (!strings.EqualFold(f.Table(), t.Name()) || !strings.EqualFold(f.Database(), t.db.Name())) {
		return -1
	}
	return t.shape.schema.IndexOfColName(f.Name())
}

// comparison returns the integer column and the number that it is compared with.
func (t *Table) comparison(left, right sql.Expression) (column int, v int64, ok bool) {
	f, isField := left.(*expression.GetField)
	l, isLiteral := right.(*expression.Literal)
	if !isField || !isLiteral {
		return -1, 0, false
	}
	if v, ok = integer(l); !ok {
		return -1, 0, false
	}
	column = t.column(f)
	return column, v, column >= 0 && t.shape.codecs[column].Integer()
}

// integer returns the value of a literal, false if it is no integer or so large
// that it could be taken for no bound.
func integer(l *expression.Literal) (int64, bool) {
	var v int64
	switch n := l.Value().(type) {
	case int8:
		v = int64(n)
	case int16:
		v = int64(n)
	case int32:
		v = int64(n)
	case int64:
		v = n
	case uint8:
		v = int64(n)
	case uint16:
		v = int64(n)
	case uint32:
		v = int64(n)
	case uint64:
		if n > math.MaxInt64 {
			return 0, false
		}
		v = int64(n)
	default:
		return 0, false
	}
	return v, v > math.MinInt64+1 && v < math.MaxInt64-1
}

// intervals returns the integers of one column that make a condition true, in
// order, false if it is of another kind.
func (t *Table) intervals(e sql.Expression) (column int, set []interval, ok bool) {
	switch e := e.(type) {
	case *expression.Equals:
		c, v, ok := t.comparison(e.Left(), e.Right())
		return c, []interval{{v, v}}, ok
	case *expression.GreaterThanOrEqual:
		c, v, ok := t.comparison(e.Left(), e.Right())
		return c, []interval{{v, math.MaxInt64}}, ok
	case *expression.GreaterThan:
		c, v, ok := t.comparison(e.Left(), e.Right())
		return c, []interval{{v + 1, math.MaxInt64}}, ok
	case *expression.LessThanOrEqual:
		c, v, ok := t.comparison(e.Left(), e.Right())
		return c, []interval{{math.MinInt64, v}}, ok
	case *expression.LessThan:
		c, v, ok := t.comparison(e.Left(), e.Right())
		return c, []interval{{math.MinInt64, v - 1}}, ok
	case *expression.Between:
		c, lo, ok := t.comparison(e.Val, e.Lower)
		_, hi, ok2 := t.comparison(e.Val, e.Upper)
		return c, []interval{{lo, hi}}, ok && ok2 && lo <= hi
	case *expression.InTuple:
		return t.inTuple(e)
	case *expression.And:
		a, left, ok1 := t.intervals(e.LeftChild)
		b, right, ok2 := t.intervals(e.RightChild)
		return a, intersect(left, right), ok1 && ok2 && a == b
	case *expression.Or:
		a, left, ok1 := t.intervals(e.LeftChild)
		b, right, ok2 := t.intervals(e.RightChild)
		return a, union(slices.Concat(left, right)), ok1 && ok2 && a == b
	}
	return -1, nil, false
}

func (t *Table) inTuple(e *expression.InTuple) (column int, set []interval, ok bool) {
	list, ok := e.Right().(expression.Tuple)
	if !ok || len(list) == 0 {
		return -1, nil, false
	}
	for _, v := range list {
		c, n, ok := t.comparison(e.Left(), v)
		if !ok {
			return -1, nil, false
		}
		column, set = c, append(set, interval{n, n})
	}
	return column, union(set), true
}

// union sorts the intervals and joins those that overlap. Neighbours stay apart:
// the gap that a lock on both would take is not in either.
func union(set []interval) []interval {
	slices.SortFunc(set, func(a, b interval) int { return cmp.Compare(a.lo, b.lo) })
	n := 0
	for _, iv := range set {
		if n > 0 && iv.lo <= set[n-1].hi {
			set[n-1].hi = max(set[n-1].hi, iv.hi)
			continue
		}
		set[n] = iv
		n++
	}
	return set[:n]
}

// intersect returns what is in both sets; both are in order and do not overlap.
func intersect(a, b []interval) []interval {
	var out []interval
	for len(a) > 0 && len(b) > 0 {
		if lo, hi := max(a[0].lo, b[0].lo), min(a[0].hi, b[0].hi); lo <= hi {
			out = append(out, interval{lo, hi})
		}
		if a[0].hi < b[0].hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}
