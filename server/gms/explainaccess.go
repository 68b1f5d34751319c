package gms

import (
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// indexed returns the access of a table that is read by an index.
func (e *explaining) indexed(n *plan.IndexedTableAccess) *access {
	a := &access{key: n.Index().ID(), typ: "ref", rows: -1}
	e.known(a, n.TableNode.UnderlyingTable())
	ix, ours := n.Index().(*Index)
	if ours && ix.pseudo != nil {
		a.typ = strings.ToLower(ix.IndexType())
		return a
	}
	used := 0
	if n.IsStatic() {
		used = e.ranges(a, n, ix)
	} else {
		a.backward = a.of != nil && a.of.reversed
		for _, x := range n.Expressions() {
			text := "func"
			switch x := x.(type) {
			case *expression.GetField:
				text = strings.TrimPrefix(x.Database()+"."+x.Table()+"."+x.Name(), ".")
			case *expression.Literal:
				text = "const"
			}
			if sub := expr.SubqueryOf(x); sub != nil && sub.CanCacheResults() {
				text = "const"
			}
			a.ref = append(a.ref, text)
		}
		used = len(a.ref)
		if n.IsStrictLookup(e.ctx) {
			a.typ, a.rows = "eq_ref", 1
			if !slices.ContainsFunc(a.ref, func(text string) bool { return text != "const" }) {
				a.typ = "const"
			}
		} else if a.rows >= 0 && ours {
			a.rows = e.equal(a, ix, used)
		}
	}
	if ours {
		if a.of != nil && a.of.ends != nil {
			if used = a.of.ends.columns; a.of.ends.min || a.of.ends.max {
				used++
			}
		}
		used = min(used, len(ix.columns))
		for i, c := range ix.columns[:used] {
			a.parts = append(a.parts, ix.shape.schema[c].Name)
			a.length += keyLength(ix.keyColumn(i, c), int(ix.def.Columns[i].Prefix))
		}
		a.covering = a.of != nil && a.of.projected && ix.has(a.of.columns)
		if a.of != nil && a.of.ends != nil {
			a.typ, a.rows, a.covering, a.loose = "range", min(a.of.ends.groups+1, max(1, a.rows)), false, true
		}
	}
	return a
}

// ranges completes the access by a lookup of values that are known, and returns how many
// columns of the index it uses.
func (e *explaining) ranges(a *access, n *plan.IndexedTableAccess, ix *Index) (used int) {
	l, _, err := n.GetLookup(e.ctx, nil)
	coll, ok := l.Ranges.(sql.MySQLRangeCollection)
	if err != nil || !ok {
		return 0
	}
	a.backward = l.IsReverse
	points, bounded := 0, 0
	for _, r := range coll {
		for i := range r {
			if r[i].HasLowerBound() || r[i].HasUpperBound() || r[i].Type() == sql.RangeType_EqualNull {
				bounded = max(bounded, i+1)
			}
		}
	}
	if len(coll) == 1 {
		for points < len(coll[0]) && isPoint(coll[0][points]) {
			points++
		}
	}
	columns := len(l.Index.Expressions())
	switch {
	case points == columns && l.Index.IsUnique():
		a.typ, a.rows = "const", 1
	case points > 0 && points == bounded:
	case bounded == 0:
		a.typ = "index"
		return columns
	default:
		a.typ = "range"
	}
	if a.typ != "range" {
		a.ref = slices.Repeat([]string{"const"}, points)
	}
	if a.typ != "const" && a.of != nil && ix != nil {
		if lk, err := newLookup(e.ctx, ix, l); err == nil {
			if rows, err := e.s.b.db.EstimateRows(e.ctx, a.of.shape.def, ix.def, lk.ranges); err == nil {
				a.rows = max(1, min(a.rows, float64(rows)))
			}
		}
	}
	return bounded
}

// isPoint reports whether a range of a column is one value, or NULL.
func isPoint(c sql.MySQLRangeColumnExpr) bool {
	return c.Type() == sql.RangeType_EqualNull || c.Type() == sql.RangeType_ClosedClosed &&
		reflect.DeepEqual(sql.GetMySQLRangeCutKey(c.LowerBound), sql.GetMySQLRangeCutKey(c.UpperBound))
}

// equal estimates the rows that have the same values in the first n columns of an index.
func (e *explaining) equal(a *access, ix *Index, n int) float64 {
	if st, err := e.s.b.stats.of(e.ctx, a.of); err == nil {
		if distinct, ok := st.cardinality(ix.def, min(n, len(ix.columns))).(uint64); ok {
			return max(1, float64(st.rowCount())/float64(max(1, distinct)))
		}
	}
	return max(1, a.rows*shareEqual)
}

// possible finds the indexes whose first column a condition compares, or that is used.
func (e *explaining) possible(a *access, name string, b *block) {
	compared := map[string]bool{}
	if len(a.parts) > 0 && a.typ != "index" {
		compared[strings.ToLower(a.parts[0])] = true
	}
	for _, w := range b.wheres {
		transform.InspectExpr(e.ctx, w.Expression, func(_ *sql.Context, x sql.Expression) bool {
			var sides []sql.Expression
			switch x := x.(type) {
			case expression.Comparer:
				sides = []sql.Expression{x.Left(), x.Right()}
			case *expression.InTuple:
				sides = []sql.Expression{x.Left()}
			case *expression.HashInTuple:
				sides = []sql.Expression{x.Left()}
			case *expr.TextIn:
				sides = []sql.Expression{x.Left()}
			case *expression.Between:
				sides = []sql.Expression{x.Val}
			case *expression.IsNull:
				sides = []sql.Expression{x.Child}
			}
			for _, s := range sides {
				if f, ok := expr.Plain(s).(*expression.GetField); ok && strings.EqualFold(f.Table(), name) {
					compared[strings.ToLower(f.Name())] = true
				}
			}
			return false
		})
	}
	for _, ix := range a.indexes() {
		if a.of.ref.reads(ix) && (ix.multi < 0 || a.key == ix.ID()) && compared[strings.ToLower(ix.shape.schema[ix.columns[0]].Name)] {
			a.possible = append(a.possible, ix.ID())
		}
	}
}

// What share of rows a condition lets through where nothing is known of the values.
const (
	shareEqual   = 0.1
	shareLess    = 1.0 / 3
	shareBetween = 1.0 / 9
	shareInMax   = 0.5
)

// share estimates the share of a table's rows for which a condition holds.
//
// Source: MySQL's condition filtering (COND_FILTER_EQUALITY and its like), with the
// statistics of indexes for the columns that have one.
func (e *explaining) share(a *access, c sql.Expression) float64 {
	if f, ok := e.histogramShare(a, c); ok {
		return f
	}
	switch c := c.(type) {
	case *expression.And:
		return e.share(a, c.LeftChild) * e.share(a, c.RightChild)
	case *expression.Or:
		l, r := e.share(a, c.LeftChild), e.share(a, c.RightChild)
		return l + r - l*r
	case *expression.Not:
		return 1 - e.share(a, c.Child)
	case *expression.Equals, *expression.NullSafeEquals:
		x := c.(expression.Comparer)
		return min(e.shareOf(a, x.Left()), e.shareOf(a, x.Right()))
	case *expression.IsNull:
		return e.shareOf(a, c.Child)
	case *expression.InTuple:
		return min(shareInMax, float64(len(c.Right().Children()))*e.shareOf(a, c.Left()))
	case *expression.HashInTuple:
		return min(shareInMax, float64(len(c.Right().Children()))*e.shareOf(a, c.Left()))
	case *expr.TextIn:
		return min(shareInMax, float64(len(c.List))*e.shareOf(a, c.Left()))
	case *expression.Between, *expression.Like:
		return shareBetween
	case expression.Comparer:
		return shareLess
	}
	return 1
}

// histogramShare is the share of a comparison of a column that has a histogram with a value.
func (e *explaining) histogramShare(a *access, c sql.Expression) (float64, bool) {
	x, ok := c.(expression.Comparer)
	if !ok || a.of == nil {
		return 0, false
	}
	f, field := expr.Plain(x.Left()).(*expression.GetField)
	v, literal := expr.LiteralIn(x.Right())
	turned := !field
	if turned {
		f, field = expr.Plain(x.Right()).(*expression.GetField)
		v, literal = expr.LiteralIn(x.Left())
	}
	if !field || !literal || v.Value() == nil || !strings.EqualFold(f.Table(), a.table) {
		return 0, false
	}
	st, err := e.s.b.stats.of(e.ctx, a.of)
	at := slices.IndexFunc(a.of.shape.schema, func(c *sql.Column) bool { return syntax.SameName(c.Name, f.Name()) })
	if err != nil || st == nil || at < 0 {
		return 0, false
	}
	all, err := histogramsOf(st.stored)
	h := all[a.of.shape.def.Columns[at].ID]
	if err != nil || h == nil {
		return 0, false
	}
	below, equal, err := h.shares(e.ctx, a.of.shape.schema[at].Type, v.Value())
	if err != nil {
		return 0, false
	}
	above := max(0, 1-h.Nulls-below-equal)
	if turned {
		below, above = above, below
	}
	switch c.(type) {
	case *expression.Equals, *expression.NullSafeEquals:
		return equal, true
	case *expression.LessThan:
		return below, true
	case *expression.LessThanOrEqual:
		return below + equal, true
	case *expression.GreaterThan:
		return above, true
	case *expression.GreaterThanOrEqual:
		return above + equal, true
	}
	return 0, false
}

// shareOf is the share of one value of a column.
func (e *explaining) shareOf(a *access, x sql.Expression) float64 {
	f, ok := expr.Plain(x).(*expression.GetField)
	if ok && a.of != nil && strings.EqualFold(f.Table(), a.table) {
		for _, ix := range a.indexes() {
			if strings.EqualFold(ix.shape.schema[ix.columns[0]].Name, f.Name()) {
				return e.equal(a, ix, 1) / max(1, a.rows)
			}
		}
	}
	return shareEqual
}

// keyLength is the bytes of a column in a key as MySQL counts them; prefix: its characters
// or bytes, 0: the whole.
func keyLength(c *sql.Column, prefix int) int {
	n := 0
	if c.Nullable {
		n = 1
	}
	switch t := c.Type; t.Type() {
	case sqltypes.Int8, sqltypes.Uint8, sqltypes.Year:
		n++
	case sqltypes.Int16, sqltypes.Uint16:
		n += 2
	case sqltypes.Int24, sqltypes.Uint24, sqltypes.Date, sqltypes.Time:
		n += 3
	case sqltypes.Int32, sqltypes.Uint32, sqltypes.Float32:
		n += 4
	case sqltypes.Int64, sqltypes.Uint64, sqltypes.Float64:
		n += 8
	case sqltypes.Datetime, sqltypes.Timestamp:
		n += 4
		if t.Type() == sqltypes.Datetime {
			n++
		}
		if d, ok := t.(interface{ Precision() int }); ok {
			n += (d.Precision() + 1) / 2
		}
	case sqltypes.Decimal:
		if d, ok := t.(sql.DecimalType); ok {
			n += decimalLength(int(d.Precision()-d.Scale())) + decimalLength(int(d.Scale()))
		}
	case sqltypes.Bit:
		if b, ok := t.(types.BitType); ok {
			n += (int(b.NumberOfBits()) + 7) / 8
		}
	case sqltypes.Enum:
		n++
		if x, ok := t.(sql.EnumType); ok && x.NumberOfElements() > 255 {
			n++
		}
	case sqltypes.Set:
		if x, ok := t.(sql.SetType); ok {
			bytes := (int(x.NumberOfElements()) + 7) / 8
			if bytes > 4 {
				bytes = 8
			}
			n += bytes
		}
	default:
		s, ok := t.(sql.StringType)
		if !ok {
			return n
		}
		characters := int(s.MaxCharacterLength())
		if prefix > 0 {
			characters = prefix
		}
		if n += characters * int(s.CharacterSet().MaxLength()); t.Type() != sqltypes.Char && t.Type() != sqltypes.Binary {
			n += 2
		}
	}
	return n
}

// decimalLength is the bytes of so many digits of a DECIMAL: four for nine.
func decimalLength(digits int) int {
	return digits/9*4 + (digits%9+1)/2
}
