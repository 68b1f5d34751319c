package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// packetMin is the least value of max_allowed_packet: what is not longer is not too long.
const packetMin = 1024

// bounded is a function whose result may be much longer than its arguments. One longer
// than max_allowed_packet is NULL with a warning, and is not made. The planner's own
// makes whatever is asked for.
type bounded struct {
	sql.Expression // the planner's function, for everything but Eval
	def            *BoundedDef
	set            sql.CharacterSetID // of the result
}

// BoundedDef is what a function is. eval gets text, NULLs as nil, and the places of
// Numbers are int64; long reports whether so many bytes are too many.
type BoundedDef struct {
	Name    string
	Build   func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error)
	Numbers []int // the arguments that are numbers
	Bits    bool  // the first is a BIGINT UNSIGNED
	Nulls   bool
	Eval    func(args []any, binary bool, long func(int64) bool) any
}

var (
	_ sql.FunctionExpression = (*bounded)(nil)
	_ sql.CollationCoercible = (*bounded)(nil)
)

// TrimFunctions are TRIM(LEADING, TRAILING and BOTH … FROM …), of a text and what to remove.
var TrimFunctions = map[string]string{"l": "_trim_leading", "r": "_trim_trailing", "b": "_trim_both"}

// Call returns the function of arguments.
func (d *BoundedDef) Call(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := d.Build(ctx, TextArguments(ctx, d.Name, args)...)
	if err != nil {
		return nil, err
	}
	return WithType(ctx, newBounded(ctx, e, d)), nil
}

// newBounded returns the function in the place of the planner's.
func newBounded(ctx *sql.Context, e sql.Expression, d *BoundedDef) *bounded {
	b := &bounded{Expression: e, def: d}
	var texts []sql.Expression
	for i, a := range e.Children() {
		if !a.Resolved() {
			return b
		}
		if !slices.Contains(d.Numbers, i) {
			texts = append(texts, a)
		}
	}
	if n := CollatedFunctions[d.Name]; n > 0 {
		texts = texts[:n]
	}
	collation, _ := CommonCollation(ctx, texts)
	b.set = collation.CharacterSet()
	return b
}

// FunctionName implements sql.FunctionExpression.
func (b *bounded) FunctionName() string { return b.def.Name }

// Description implements sql.FunctionExpression.
func (b *bounded) Description() string { return b.def.Name }

// CollationCoercibility implements sql.CollationCoercible.
func (b *bounded) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, b.Expression)
}

// IsNullable implements sql.Expression: a result that is too long is NULL.
func (b *bounded) IsNullable(*sql.Context) bool { return true }

// DebugString implements sql.DebugStringer.
func (b *bounded) DebugString(ctx *sql.Context) string { return sql.DebugString(ctx, b.Expression) }

// WithChildren implements sql.Expression.
func (b *bounded) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := b.Expression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return newBounded(ctx, e, b.def), nil
}

// Eval implements sql.Expression.
func (b *bounded) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	children := b.Children()
	args := make([]any, len(children))
	for i, e := range children {
		v, err := e.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		switch {
		case v == nil && (!b.def.Nulls || i == 0):
			return nil, nil
		case v == nil:
			continue
		case slices.Contains(b.def.Numbers, i):
			if n, ok := v.(uint64); ok && b.def.Bits && i == 0 {
				v = int64(n)
			} else {
				v, err = WholeOf(ctx, v)
			}
		default:
			v, err = TextOfSet(ctx, v, e.Type(ctx), b.set)
		}
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	tooLong := int64(0)
	long := func(n int64) bool {
		if n <= packetMin {
			return false
		}
		most := PacketMax(ctx)
		if n > most {
			tooLong = most
		}
		return n > most
	}
	v := b.def.Eval(args, b.set == sql.CharacterSet_binary, long)
	if tooLong > 0 {
		ctx.Warn(1301, "Result of %s() was larger than max_allowed_packet (%d) - truncated", b.def.Name, tooLong)
		return nil, nil
	}
	return v, nil
}

// longCast reports whether a cast is to more than max_allowed_packet, and warns if it is: its value is NULL.
func longCast(ctx *sql.Context, name string, length int) bool {
	most := PacketMax(ctx)
	if int64(length) <= most {
		return false
	}
	ctx.Warn(1301, "Result of %s() was larger than max_allowed_packet (%d) - truncated", name, most)
	return true
}

// longBinary is CAST(… AS BINARY(n)) with a length that may be more than max_allowed_packet.
type longBinary struct {
	*expression.Convert
	length int
}

// WithChildren implements sql.Expression.
func (c *longBinary) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &longBinary{e.(*expression.Convert), c.length}, nil
}

// Eval implements sql.Expression.
func (c *longBinary) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if longCast(ctx, "cast_as_binary", c.length) {
		return nil, nil
	}
	return c.Convert.Eval(ctx, r)
}

// PacketMax is max_allowed_packet.
func PacketMax(ctx *sql.Context) int64 {
	v, err := ctx.GetSessionVariable(ctx, "max_allowed_packet")
	if err != nil {
		return 64 << 20
	}
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(n)
	}
	return 64 << 20
}
