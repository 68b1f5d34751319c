package gms

import (
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// momentText is a DATE, DATETIME, TIMESTAMP or TIME as a text. To the planner, which goes
// by the value, all but TIME are texts of a DATETIME.
type momentText struct {
	expression.UnaryExpressionStub
	moment sql.Type
}

var (
	_ sql.Expression         = (*momentText)(nil)
	_ sql.CollationCoercible = (*momentText)(nil)
)

// asText returns e as a text if it is a moment; others are returned as they are.
func asText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if t := e.Type(ctx); isMoment(t) {
		return &momentText{expression.UnaryExpressionStub{Child: e}, t}
	}
	return e
}

func isMoment(t sql.Type) bool { return types.IsTime(t) || types.IsTimespan(t) }

// Type implements sql.Expression.
func (m *momentText) Type(*sql.Context) sql.Type { return types.LongText }

// String implements sql.Expression.
func (m *momentText) String() string { return m.Child.String() }

// IsNullable implements sql.Expression.
func (m *momentText) IsNullable(ctx *sql.Context) bool { return m.Child.IsNullable(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (m *momentText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return ctx.GetCollation(), 4
}

// WithChildren implements sql.Expression.
func (m *momentText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 1)
	}
	return &momentText{expression.UnaryExpressionStub{Child: children[0]}, m.moment}, nil
}

// Eval implements sql.Expression.
func (m *momentText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := m.Child.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case time.Time:
		layout := time.DateTime
		if types.IsDateType(m.moment) {
			layout = time.DateOnly
		} else if t, ok := m.moment.(sql.DatetimeType); ok && t.Precision() > 0 {
			layout += "." + strings.Repeat("0", t.Precision())
		}
		if v.Equal(types.ZeroTime) {
			return strings.NewReplacer("2006", "0000", "01", "00", "02", "00", "15", "00", "04", "00", "05", "00").Replace(layout), nil
		}
		return v.Format(layout), nil
	case types.Timespan:
		return strings.TrimSuffix(v.String(), ".000000"), nil
	}
	return v, nil
}

// textFunctions take their arguments as texts.
var textFunctions = map[string]bool{
	"concat": true, "concat_ws": true, "left": true, "right": true, "substring": true, "substr": true, "mid": true,
	"lower": true, "upper": true, "lcase": true, "ucase": true, "length": true, "octet_length": true, "char_length": true,
	"character_length": true, "replace": true, "lpad": true, "rpad": true, "trim": true, "ltrim": true, "rtrim": true,
	"hex": true, "md5": true, "sha1": true, "sha": true, "sha2": true, "quote": true, "reverse": true, "instr": true,
	"locate": true, "position": true, "substring_index": true, "to_base64": true, "regexp_like": true,
}

// withTexts returns an expression with the moments among its arguments as texts, where
// it takes texts or makes one of them and of others; nil if there are none.
func withTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	args := slices.Clone(e.Children())
	var values []int // of the arguments, those that may be texts
	mixes := false   // they are texts only if one of them is no moment
	switch e := planned(e).(type) {
	case *expression.Case:
		at := 0
		if e.Expr != nil {
			at = 1
		}
		for range e.Branches {
			values = append(values, at+1)
			at += 2
		}
		if e.Else != nil {
			values = append(values, at)
		}
		mixes = true
	case *builtin.If:
		values, mixes = []int{1, 2}, true
	case *builtin.Coalesce, *builtin.IfNull:
		mixes = true
	case *expression.Convert:
		if !types.IsText(e.Type(ctx)) {
			return nil
		}
	case *expression.Like:
	case sql.FunctionExpression:
		if name := e.FunctionName(); name == "json_object" || name == "json_array" { // a DATETIME has its own form there
			for i, a := range args {
				if types.IsDateType(a.Type(ctx)) {
					values = append(values, i)
				}
			}
			if values == nil {
				return nil
			}
			break
		}
		if !textFunctions[e.FunctionName()] {
			return nil
		}
	default:
		return nil
	}
	if values == nil {
		for i := range args {
			values = append(values, i)
		}
	}
	some, others := false, false
	for _, i := range values {
		switch t := args[i].Type(ctx); {
		case isMoment(t):
			some = true
		case t != types.Null:
			others = true
		}
	}
	if !some || mixes && !others {
		return nil
	}
	for _, i := range values {
		args[i] = asText(ctx, args[i])
	}
	out, err := e.WithChildren(ctx, args...)
	if err != nil {
		return nil
	}
	return out
}

// united returns the planner's conversion to text of a column of a UNION, nil if e is none.
// It has the column's name.
func united(e sql.Expression) *expression.Convert {
	a, ok := e.(*expression.Alias)
	if !ok {
		return nil
	}
	c, ok := a.Child.(*expression.Convert)
	if !ok {
		return nil
	}
	child := c.Child
	if m, ok := child.(*momentText); ok {
		child = m.Child
	}
	if f, ok := child.(*expression.GetField); !ok || f.Name() != a.Name() {
		return nil
	}
	return c
}

// union builds a UNION or the like. A column that is a moment on both sides is a DATETIME.
func (b *builder) union(ctx *sql.Context, s *Session, n *plan.SetOp, r sql.Row) (sql.RowIter, error) {
	left, ok := n.Left().(*plan.Project)
	right, both := n.Right().(*plan.Project)
	if !ok || !both || len(left.Projections) != len(right.Projections) {
		return b.keep(ctx, s, n, r)
	}
	sides := [2][]sql.Expression{slices.Clone(left.Projections), slices.Clone(right.Projections)}
	changed := false
	for i := range left.Projections {
		x, y := united(left.Projections[i]), united(right.Projections[i])
		if x == nil || y == nil {
			continue
		}
		l, ok := x.Child.(*momentText)
		r, both := y.Child.(*momentText)
		if !ok || !both {
			continue
		}
		changed = true
		for side, m := range []*momentText{l, r} {
			e, _, err := transform.Expr(ctx, sides[side][i], func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
				if e == m {
					return m.Child, transform.NewTree, nil
				}
				return e, transform.SameTree, nil
			})
			if err != nil {
				return nil, err
			}
			sides[side][i] = e
		}
	}
	if !changed {
		return b.keep(ctx, s, n, r)
	}
	c, err := n.WithChildren(ctx, plan.NewProject(ctx, sides[0], left.Child), plan.NewProject(ctx, sides[1], right.Child))
	if err != nil {
		return nil, err
	}
	it, err := b.keep(ctx, s, c, r)
	if it == nil && err == nil {
		return b.plain(ctx, s, c, r)
	}
	return it, err
}
