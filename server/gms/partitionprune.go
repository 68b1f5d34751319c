package gms

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// Pruning leaves out partitions that have no row for a condition. Conditions that are not understood here hold for every
// partition: a partition is left out only where it is known that it has none.

// boxesMax bounds the combinations of intervals that are looked at one by one.
const boxesMax = 512

// everywhere is the interval of all values of a column.
func everywhere() []span { return []span{{}} }

// prune returns the partitions that may have rows for which a condition on a table is true, nil if any may. name is what
// the statement calls the table.
func (p *partitioning) prune(ctx *sql.Context, sh *shape, name string, e sql.Expression) []int {
	columns := make([][]span, len(p.columns))
	for i := range columns {
		columns[i] = everywhere()
	}
	var found []int
	for _, c := range expression.SplitConjunction(ctx, e) {
		if or, ok := c.(*expression.Or); ok {
			left, right := p.prune(ctx, sh, name, or.LeftChild), p.prune(ctx, sh, name, or.RightChild)
			if left != nil && right != nil {
				found = both(found, ascending(append(slices.Clone(left), right...)))
			}
			continue
		}
		if i, spans, ok := p.spans(ctx, sh, name, c); ok {
			columns[i] = intersected(columns[i], spans)
		}
	}
	return both(found, p.within(columns))
}

func ascending(parts []int) []int {
	slices.Sort(parts)
	return slices.Compact(parts)
}

// intersected returns the intervals that are in both lists.
func intersected(a, b []span) []span {
	out := []span{}
	for _, x := range a {
		for _, y := range b {
			s := span{lo: x.lo, hi: x.hi, point: x.point}
			if bytes.Compare(y.lo, s.lo) > 0 {
				s.lo = y.lo
			}
			if s.hi == nil || y.hi != nil && bytes.Compare(y.hi, s.hi) < 0 {
				s.hi = y.hi
			}
			if s.point == nil {
				s.point = y.point
			}
			if s.hi == nil || bytes.Compare(s.lo, s.hi) < 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

// spans returns the intervals of the values of a partition column for which a condition may be true, by the column's place
// among them; false if it is no condition of that kind.
func (p *partitioning) spans(ctx *sql.Context, sh *shape, name string, e sql.Expression) (int, []span, bool) {
	at := func(x sql.Expression) int {
		f, ok := expr.Plain(x).(*expression.GetField)
		if !ok || !strings.EqualFold(f.Table(), name) {
			return -1
		}
		return slices.IndexFunc(p.columns, func(c int) bool { return strings.EqualFold(sh.schema[c].Name, f.Name()) })
	}
	switch x := e.(type) {
	case *expression.IsNull:
		if i := at(x.Child); i >= 0 {
			return i, p.compared(i, "null", nil), true
		}
	case *expression.Between:
		if i := at(x.Val); i >= 0 {
			lo, null, ok := p.literal(ctx, sh, i, x.Lower)
			hi, null2, ok2 := p.literal(ctx, sh, i, x.Upper)
			if null || null2 {
				return i, nil, true
			}
			if ok && ok2 {
				return i, intersected(p.compared(i, ">=", lo), p.compared(i, "<=", hi)), true
			}
		}
	case *expression.InTuple:
		return p.members(ctx, sh, at(x.Left()), x.Right())
	case *expression.HashInTuple:
		return p.members(ctx, sh, at(x.Left()), x.Right())
	case expression.Comparer:
		operator, mirrored := "", ""
		switch e.(type) {
		case *expression.Equals:
			operator, mirrored = "=", "="
		case *expression.NullSafeEquals:
			operator, mirrored = "<=>", "<=>"
		case *expression.LessThan:
			operator, mirrored = "<", ">"
		case *expression.LessThanOrEqual:
			operator, mirrored = "<=", ">="
		case *expression.GreaterThan:
			operator, mirrored = ">", "<"
		case *expression.GreaterThanOrEqual:
			operator, mirrored = ">=", "<="
		default:
			return 0, nil, false
		}
		i, other := at(x.Left()), x.Right()
		if i < 0 {
			i, other, operator = at(x.Right()), x.Left(), mirrored
		}
		if i < 0 {
			return 0, nil, false
		}
		key, null, ok := p.literal(ctx, sh, i, other)
		switch {
		case null && operator == "<=>":
			return i, p.compared(i, "null", nil), true
		case null:
			return i, nil, true
		case ok:
			return i, p.compared(i, operator, key), true
		}
	}
	return 0, nil, false
}

// members is spans of IN.
func (p *partitioning) members(ctx *sql.Context, sh *shape, i int, list sql.Expression) (int, []span, bool) {
	tuple, ok := list.(expression.Tuple)
	if i < 0 || !ok {
		return 0, nil, false
	}
	var out []span
	for _, x := range tuple {
		key, null, ok := p.literal(ctx, sh, i, x)
		switch {
		case null:
		case !ok:
			return 0, nil, false
		default:
			out = append(out, p.compared(i, "=", key)...)
		}
	}
	return i, out, true
}

// compared returns the interval of the values that compare so with one, whose key is given.
func (p *partitioning) compared(i int, operator string, key []byte) []span {
	var some []byte // the lowest value that is not NULL
	nullable := p.key.Nullable(i)
	if nullable {
		some = []byte{1}
	}
	s := span{lo: some}
	switch operator {
	case "null":
		if !nullable {
			return nil
		}
		return []span{{lo: []byte{0}, hi: []byte{1}, point: []byte{0}}}
	case "=", "<=>":
		s = span{lo: key, hi: row.PrefixEnd(key), point: key}
	case "<":
		s.hi = key
	case "<=":
		s.hi = row.PrefixEnd(key)
	case ">":
		if s.lo = row.PrefixEnd(key); s.lo == nil {
			return nil
		}
	case ">=":
		s.lo = key
	}
	return []span{s}
}

// literal returns the key that a constant has in a partition column, null if it is NULL, false if it cannot be said which.
func (p *partitioning) literal(ctx *sql.Context, sh *shape, i int, e sql.Expression) (key []byte, null, ok bool) {
	constant := true
	sql.Inspect(ctx, e, func(_ *sql.Context, x sql.Expression) bool {
		switch x.(type) {
		case *expression.GetField, *plan.Subquery, *expression.UserVar, *expression.BindVar:
			constant = false
		}
		if nd, is := x.(sql.NonDeterministicExpression); is && nd.IsNonDeterministic() {
			constant = false
		}
		return constant
	})
	if !constant || !e.Resolved() {
		return nil, false, false
	}
	v, err := e.Eval(ctx, nil)
	if err != nil {
		return nil, false, false
	}
	if v == nil {
		return nil, true, true
	}
	codec := sh.codecs[p.columns[i]]
	switch {
	case integerColumn(codec.Store):
		switch v.(type) {
		case int8, int16, int32, int64, uint8, uint16, uint32, uint64, int, uint:
		default:
			return nil, false, false
		}
		if codec.Store == row.TypeYear {
			if n, _, err := types.Int64.Convert(ctx, v); err != nil || n.(int64) < 1901 { // those of two digits are others
				return nil, false, false
			}
		}
	case codec.Store == row.TypeDate, codec.Store == row.TypeDatetime, codec.Store == row.TypeTimestamp:
		if _, text := v.(string); !text {
			if _, moment := v.(time.Time); !moment {
				return nil, false, false
			}
		}
		u, in, err := types.DatetimeMaxPrecision.Convert(ctx, v)
		t, is := u.(time.Time)
		if err != nil || in != sql.InRange || !is || t.Equal(types.ZeroTime) {
			return nil, false, false
		}
		if codec.Store == row.TypeDate && !t.Equal(t.Truncate(24*time.Hour)) || t.Nanosecond() != 0 {
			return nil, false, false
		}
		if codec.Store == row.TypeTimestamp {
			if value.ZoneOf(ctx) != nil { // it may show a time twice
				return nil, false, false
			}
		}
		v = t
	case codec.Store == row.TypeText:
		if _, plain := expr.Plain(e).(*expression.Literal); !plain {
			return nil, false, false
		}
		if by, ok := e.Type(ctx).(sql.StringType); ok && expr.Plain(e) != e && by.Collation() != sh.schema[p.columns[i]].Type.(sql.StringType).Collation() {
			return nil, false, false
		}
		if _, text := v.(string); !text || !types.IsTextOnly(e.Type(ctx)) { // bytes compare by their own order
			return nil, false, false
		}
	default:
		return nil, false, false
	}
	u, in, err := codec.Typ.Convert(ctx, v)
	if err != nil || in != sql.InRange {
		return nil, false, false
	}
	d, err := codec.Stored(ctx, u)
	if err != nil {
		return nil, false, false
	}
	return p.key.Append(nil, i, d), false, true
}

// ofLookup returns the partitions that may have rows of a lookup in an index, nil if any may.
func (p *partitioning) ofLookup(ctx *sql.Context, sh *shape, l sql.IndexLookup) ([]int, error) {
	ix, ok := l.Index.(*Index)
	coll, ranges := l.Ranges.(sql.MySQLRangeCollection)
	if !ok || !ranges || ix.pseudo != nil {
		return nil, nil
	}
	k := sh.findIndex(ix.ID()).space
	out := []int{}
	for _, r := range coll {
		columns := make([][]span, len(p.columns))
		for i, c := range p.columns {
			columns[i] = everywhere()
			at := slices.Index(k.parts, engine.IndexColumn{Column: c})
			if at < 0 || at >= len(r) {
				continue
			}
			s, some, err := k.span(ctx, at, r[at])
			if err != nil {
				return nil, err
			}
			if !some {
				columns[i] = nil
				continue
			}
			columns[i] = []span{s}
		}
		found := p.within(columns)
		if found == nil {
			return nil, nil
		}
		out = append(out, found...)
	}
	return ascending(out), nil
}

// within returns the partitions that may have rows whose columns are in one of the intervals of each, nil if any may.
func (p *partitioning) within(columns [][]span) []int {
	n := 1
	for i, c := range columns {
		if n *= len(c); n > boxesMax {
			hull := span{lo: c[0].lo, hi: c[0].hi}
			for _, s := range c[1:] {
				if bytes.Compare(s.lo, hull.lo) < 0 {
					hull.lo = s.lo
				}
				if s.hi == nil || hull.hi != nil && bytes.Compare(s.hi, hull.hi) > 0 {
					hull.hi = s.hi
				}
			}
			columns = slices.Clone(columns)
			columns[i] = []span{hull}
			n = n / len(c)
		}
	}
	out := []int{}
	b := make(box, len(columns))
	var each func(i int) bool
	each = func(i int) bool {
		if i == len(columns) {
			found := p.inBox(b)
			out = append(out, found...)
			return found != nil
		}
		for _, s := range columns[i] {
			b[i] = s
			if !each(i + 1) {
				return false
			}
		}
		return true
	}
	if !each(0) {
		return nil
	}
	return ascending(out)
}

// inBox returns the partitions that may have rows in a box, nil if any may; empty if none has.
func (p *partitioning) inBox(b box) []int {
	points := !slices.ContainsFunc(b, func(s span) bool { return s.point == nil })
	switch {
	case p.expr == nil && points:
		var key []byte
		for _, s := range b {
			key = append(key, s.point...)
		}
		at, err := p.ofKey(key)
		if err != nil {
			return []int{}
		}
		return []int{at}
	case p.Columns && p.Method == "LIST":
		out := []int{}
		for _, t := range p.tuples {
			in := true
			for i, s := range b {
				in = in && bytes.Compare(t.keys[i], s.lo) >= 0 && (s.hi == nil || bytes.Compare(t.keys[i], s.hi) < 0)
			}
			if in {
				out = append(out, t.part)
			}
		}
		return ascending(out)
	case p.Columns:
		return p.keysBetween(b)
	case p.expr == nil:
		return nil
	case points:
		return p.ofPoints(b)
	case p.monotone:
		return p.valuesBetween(b[0])
	}
	return nil
}

// keysBetween is inBox of RANGE COLUMNS.
func (p *partitioning) keysBetween(b box) []int {
	var prefix []byte
	lo, hi := []byte(nil), []byte(nil)
	for i, s := range b {
		if s.point != nil && i < len(b)-1 {
			prefix = append(prefix, s.point...)
			continue
		}
		lo = slices.Concat(prefix, s.lo)
		if hi = row.PrefixEnd(prefix); s.hi != nil {
			hi = slices.Concat(prefix, s.hi)
		}
		break
	}
	out := []int{}
	for at := p.rangedKey(lo); at < len(p.Parts); at++ {
		if at > 0 && len(hi) > 0 && bytes.Compare(p.below[at-1], hi) >= 0 {
			break
		}
		out = append(out, at)
	}
	return out
}

// ofPoints is inBox of values of all columns of an expression.
func (p *partitioning) ofPoints(b box) []int {
	values := make([]row.Datum, len(b))
	for i, s := range b {
		d, _, err := p.key.Decode(s.point, i)
		if err != nil {
			return nil
		}
		values[i] = d
	}
	at, err := p.ofValue(func(c int) row.Datum { return values[slices.Index(p.columns, c)] })
	if err != nil {
		return []int{}
	}
	return []int{at}
}

// valuesBetween is inBox of an interval of the only column of an expression whose values rise with it.
func (p *partitioning) valuesBetween(s span) []int {
	nulls := p.key.Nullable(0) && (len(s.lo) == 0 || s.lo[0] == 0)
	lo, low, err := p.valueAt(s.lo, 0)
	if err != nil {
		return nil
	}
	hi, high, err := p.valueAt(s.hi, 1)
	if err != nil || s.hi != nil && !high {
		return nil
	}
	low, high = low && !lo.null, high && !hi.null
	out := []int{}
	switch p.Method {
	case "RANGE":
		from, to := 0, len(p.Parts)-1
		if low && !nulls {
			from = p.ranged(lo)
		}
		if high {
			to = min(to, p.ranged(hi))
		}
		for at := from; at <= to; at++ {
			out = append(out, at)
		}
	case "LIST":
		if p.null >= 0 && (nulls || !p.bare) { // a function may be NULL of values that are not
			out = append(out, p.null)
		}
		for v, at := range p.lists {
			if !(low && v.less(lo)) && !(high && hi.less(v)) {
				out = append(out, at)
			}
		}
		return ascending(out)
	case "HASH":
		if !p.bare || !low || !high || nulls || lo.unsigned != hi.unsigned || uint64(hi.n-lo.n) > 32 {
			return nil
		}
		for v := lo; !hi.less(v); v.n++ {
			out = append(out, p.hashed(v))
		}
		return ascending(out)
	}
	return out
}

// valueAt returns the function's value at a bound of its only column, less below it; false if the bound is open.
func (p *partitioning) valueAt(key []byte, less uint64) (partValue, bool, error) {
	size := p.key.Size(0)
	head := 0
	if p.key.Nullable(0) {
		head = 1
	}
	if len(key) <= head || size == 0 {
		return partValue{}, false, nil
	}
	full := make([]byte, size)
	copy(full, key)
	d, _, err := p.key.Decode(full, 0)
	if err != nil || d.Null() {
		return partValue{null: true}, err == nil, err
	}
	d.N -= less
	v, err := p.expr(func(int) row.Datum { return d })
	return v, true, err
}

// withPartitions returns a plan in which the table below a condition reads the partitions that may have rows for it.
func withPartitions(ctx *sql.Context, n sql.Node, name string, e sql.Expression) sql.Node {
	limited := func(table sql.Table, name string) *Table {
		t, ok := counted(table).(*Table)
		if !ok || t.shape.parts == nil {
			return nil
		}
		if name == "" {
			name = t.Name()
		}
		pruned := t.shape.parts.prune(ctx, t.shape, name, e)
		if pruned == nil {
			return nil
		}
		c := *t
		c.pruned = both(t.pruned, pruned)
		return &c
	}
	switch x := n.(type) {
	case *plan.TableAlias:
		if child := withPartitions(ctx, x.Child, x.Name(), e); child != x.Child {
			c := *x
			c.Child = child
			return &c
		}
	case *plan.ResolvedTable:
		if t := limited(x.Table, name); t != nil {
			c := *x
			c.Table = t
			return &c
		}
	case *plan.IndexedTableAccess:
		if t := limited(x.Table, name); t != nil {
			c := *x
			c.Table = t
			return &c
		}
	}
	return n
}
