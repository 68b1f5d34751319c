package planrule

import (
	"math"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// exactLookup returns the read of an index for each row of a join whose keys are not rounded to the index's integers.
func exactLookup(ctx *sql.Context, n *plan.IndexedTableAccess) (sql.Node, transform.TreeIdentity, error) {
	columns, nulls := n.Index().ColumnExpressionTypes(ctx), n.NullMask()
	keys, some := n.Expressions(), false
	exact := make([]sql.Expression, len(keys))
	for i, e := range keys {
		exact[i] = e
		from := e.Type(ctx)
		if _, done := e.(*exactKey); done || i >= len(columns) || i < len(nulls) && nulls[i] {
			continue
		}
		to := columns[i].Type
		if moment := types.IsDateType(to) || types.IsDatetimeType(to); moment && types.IsTextOnly(from) {
			m := expr.NewTextMoment(ctx, e)
			if _, literal := expr.LiteralIn(e); literal {
				m.Refused = expr.MomentKind(to)
			}
			e = m
		} else if moreDigits(from, to) || fixedBytes(to) > 0 || types.IsJSON(from) && types.IsNumber(to) || types.IsTextOnly(from) && (types.IsEnum(to) || types.IsSet(to)) || types.IsBit(to) || types.IsFloat(from) && types.IsDecimal(to) {
			exact[i], some = &exactKey{expression.UnaryExpressionStub{Child: e}, to}, true
			continue
		} else if !types.IsInteger(to) || !types.IsFloat(from) && !types.IsDecimal(from) && !types.IsTextOnly(from) {
			continue
		}
		exact[i], some = &exactKey{expression.UnaryExpressionStub{Child: e}, to}, true
	}
	if !some {
		return n, transform.SameTree, nil
	}
	to, err := n.WithExpressions(ctx, exact...)
	return to, transform.NewTree, err
}

// moreDigits reports whether a type of moments has digits that a column's does not.
func moreDigits(from, to sql.Type) bool {
	f, ok1 := from.(sql.DatetimeType)
	t, ok2 := to.(sql.DatetimeType)
	return ok1 && ok2 && !types.IsDateType(from) && (types.IsDateType(to) || f.Precision() > t.Precision())
}

// fixedBytes returns the length of a BINARY, 0 of other types.
func fixedBytes(t sql.Type) int {
	if s, ok := t.(sql.StringType); ok && s.Type() == sqltypes.Binary {
		return int(s.MaxByteLength())
	}
	return 0
}

// exactKey is a number as a key of integers, a moment as one of DATEs or DATETIMEs, bytes as one of BINARYs, a number in a
// document as one, or a text as a member: NULL, which finds nothing, if the type does not have it.
type exactKey struct {
	expression.UnaryExpressionStub
	typ sql.Type
}

// Type implements sql.Expression.
func (k *exactKey) Type(*sql.Context) sql.Type { return k.typ }

// String implements sql.Expression.
func (k *exactKey) String() string { return k.Child.String() }

// WithChildren implements sql.Expression.
func (k *exactKey) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(k, len(children), 1)
	}
	return &exactKey{expression.UnaryExpressionStub{Child: children[0]}, k.typ}, nil
}

// Eval implements sql.Expression.
func (k *exactKey) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := k.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if at, ok := v.(time.Time); ok {
		if key, in, err := k.typ.Convert(ctx, at); err == nil && in == sql.InRange && at.Equal(key.(time.Time)) {
			return key, nil
		}
		return nil, nil
	}
	if types.IsEnum(k.typ) || types.IsSet(k.typ) || types.IsBit(k.typ) {
		member, in, err := k.typ.Convert(ctx, v)
		if err != nil || in != sql.InRange {
			return nil, nil
		}
		return member, nil
	}
	if document, ok := v.(sql.JSONWrapper); ok {
		if v, err = document.ToInterface(ctx); err != nil {
			return nil, err
		}
		if _, text := v.(string); text {
			return nil, nil
		}
	}
	if types.IsDecimal(k.typ) || types.IsFloat(k.typ) {
		number, _, err := value.ToDecimal(ctx, v)
		if err != nil {
			return nil, nil
		}
		return number, nil
	}
	if length := fixedBytes(k.typ); length > 0 { // shorter ones are filled up
		switch x := v.(type) {
		case string:
			if len(x) != length {
				return nil, nil
			}
		case []byte:
			if len(x) != length {
				return nil, nil
			}
		}
		return v, nil
	}
	d, ok := v.(*apd.Decimal)
	if !ok {
		f, _, err := types.Float64.Convert(ctx, v)
		x, ok := f.(float64)
		if err != nil && !sql.ErrTruncatedIncorrect.Is(err) || !ok || x != math.Trunc(x) {
			return nil, nil
		}
		if d, err = new(apd.Decimal).SetFloat64(x); err != nil {
			return nil, nil
		}
	}
	var whole apd.Decimal
	if _, err := sql.DecimalCtx.Floor(&whole, d); err != nil || whole.Cmp(d) != 0 {
		return nil, nil
	}
	v, in, err := k.typ.Convert(ctx, &whole)
	if err != nil || in != sql.InRange {
		return nil, nil
	}
	return v, nil
}
