package expr

import (
	"encoding/binary"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// Bit operations are of BIGINTs UNSIGNED, and of binary strings if their operands are such: of the same length,
// as the result then is.

// BinaryString reports whether an operand is a binary string.
func BinaryString(ctx *sql.Context, e sql.Expression) bool {
	t := e.Type(ctx)
	return types.IsBinaryType(t) && !types.IsJSON(t) && !types.IsBit(t)
}

// errBitsDiffer is the error of binary strings of different lengths.
func errBitsDiffer() error {
	return mysql.NewSQLError(3513, "HY000", "Binary operands of bitwise operators must be of equal length")
}

// BytesOf returns a value as bytes, nil of NULL.
func BytesOf(ctx *sql.Context, v any) ([]byte, error) {
	v, err := sql.UnwrapAny(ctx, v)
	if s, ok := v.(string); ok {
		return []byte(s), err
	}
	b, _ := v.([]byte)
	return b, err
}

// InvertFunction is the function that ~x is to the planner, which has the operator for nothing.
const InvertFunction = "\x00~"

// bitOp is & | ^ << or >>.
type bitOp struct {
	*expression.BitOp
	strings bool
}

// newBitOp returns the operator in the place of the planner's.
func newBitOp(ctx *sql.Context, e *expression.BitOp) sql.Expression {
	l, r := e.LeftChild, e.RightChild
	shift := e.Op == ast.ShiftLeftStr || e.Op == ast.ShiftRightStr
	if BinaryString(ctx, l) && (shift || BinaryString(ctx, r) || types.IsNull(ctx, r)) || !shift && types.IsNull(ctx, l) && BinaryString(ctx, r) {
		return &bitOp{e, true}
	}
	for _, side := range []*sql.Expression{&l, &r} {
		if h, ok := (*side).(HexLiteral); ok {
			*side = h.Integer()
		}
	}
	l, r, _ = datesAsNumbers(ctx, l, r)
	return &bitOp{expression.NewBitOp(l, r, e.Op), false}
}

// Type implements sql.Expression.
func (e *bitOp) Type(ctx *sql.Context) sql.Type {
	if e.strings {
		return types.LongBlob
	}
	return e.BitOp.Type(ctx)
}

// WithChildren implements sql.Expression.
func (e *bitOp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.BitOp.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &bitOp{x.(*expression.BitOp), e.strings}, nil
}

// Eval implements sql.Expression.
func (e *bitOp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	left, err := e.LeftChild.Eval(ctx, r)
	if err != nil || left == nil {
		return nil, err
	}
	right, err := e.RightChild.Eval(ctx, r)
	if err != nil || right == nil {
		return nil, err
	}
	if e.strings {
		return e.ofStrings(ctx, left, right)
	}
	a, err := BitsOf(ctx, left)
	if err != nil {
		return nil, err
	}
	b, err := BitsOf(ctx, right)
	if err != nil {
		return nil, err
	}
	return bitwiseOf(e.Op, a, b), nil
}

// bitwiseOf is what an operator makes of two numbers.
func bitwiseOf(op string, a, b uint64) uint64 {
	switch op {
	case ast.BitAndStr:
		return a & b
	case ast.BitOrStr:
		return a | b
	case ast.BitXorStr:
		return a ^ b
	case ast.ShiftLeftStr:
		return a << b
	}
	return a >> b
}

// ofStrings is the operation of binary strings.
func (e *bitOp) ofStrings(ctx *sql.Context, left, right any) (any, error) {
	a, err := BytesOf(ctx, left)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(a))
	if e.Op == ast.ShiftLeftStr || e.Op == ast.ShiftRightStr {
		n, err := BitsOf(ctx, right)
		if err != nil || n >= uint64(len(a))*8 {
			return out, err
		}
		whole, rest := int(n/8), n%8
		for i := range out {
			from, next := i-whole, i-whole-1 // the byte that comes here, and that whose lower bits do
			if e.Op == ast.ShiftLeftStr {
				from, next = i+whole, i+whole+1
			}
			at := func(i int) uint16 {
				if i < 0 || i >= len(a) {
					return 0
				}
				return uint16(a[i])
			}
			if e.Op == ast.ShiftLeftStr {
				out[i] = byte((at(from)<<8 | at(next)) << rest >> 8)
			} else {
				out[i] = byte((at(next)<<8 | at(from)) >> rest)
			}
		}
		return out, nil
	}
	b, err := BytesOf(ctx, right)
	if err != nil {
		return nil, err
	}
	if len(a) != len(b) {
		return nil, errBitsDiffer()
	}
	for i := range out {
		out[i] = byte(bitwiseOf(e.Op, uint64(a[i]), uint64(b[i])))
	}
	return out, nil
}

// BitsOf is a value as a bit operation has it: a negative number has the bits of a BIGINT, a
// literal x'…' its own.
func BitsOf(ctx *sql.Context, v any) (uint64, error) {
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return 0, err
	}
	c := &IntegerCast{}
	switch x := v.(type) {
	case uint64:
		return x, nil
	case string:
		return c.ofText(ctx, x), nil
	case []byte:
		n := uint64(0)
		for _, b := range x {
			n = n<<8 | uint64(b)
		}
		return n, nil
	case *apd.Decimal:
		return c.ofDecimal(ctx, x), nil
	case float32, float64:
		if n, ok := ofDouble(x); ok {
			return n, nil
		}
	}
	n, _, err := types.Int64.Convert(ctx, v)
	i, _ := n.(int64)
	return uint64(i), err
}

// bitwise is the state of BIT_AND, BIT_OR or BIT_XOR of one group.
type bitwise struct {
	word  uint64
	bytes []byte
}

// bitsMax are the longest binary strings that BIT_AND and its kin take, in bytes.
const bitsMax = 511

// updateBits takes a value into BIT_AND, BIT_OR or BIT_XOR.
func (a *accumulator) updateBits(ctx *sql.Context, v any) error {
	if !a.strings {
		n, err := BitsOf(ctx, v)
		if err != nil {
			return err
		}
		if a.n == 0 {
			a.bits.word = a.kind.neutral
		}
		a.n++
		a.bits.word = bitwiseOf(a.kind.Op, a.bits.word, n)
		return nil
	}
	b, err := BytesOf(ctx, v)
	switch {
	case err != nil:
		return err
	case len(b) > bitsMax:
		return mysql.NewSQLError(3514, "HY000", "Aggregate bitwise functions cannot accept arguments longer than 511 bytes; consider using the SUBSTRING() function")
	case a.n == 0:
		a.n++
		a.bits.bytes = append([]byte{}, b...)
		return nil
	case len(a.bits.bytes) != len(b):
		return errBitsDiffer()
	}
	a.n++
	for i := range b {
		a.bits.bytes[i] = byte(bitwiseOf(a.kind.Op, uint64(a.bits.bytes[i]), uint64(b[i])))
	}
	return nil
}

// evalBits returns BIT_AND, BIT_OR or BIT_XOR: of nothing all bits or none, as many as an argument may have.
func (a *accumulator) evalBits(ctx *sql.Context) any {
	switch {
	case a.strings && a.n > 0:
		return append([]byte{}, a.bits.bytes...)
	case a.strings:
		out := []byte{}
		if t, ok := a.child.Type(ctx).(sql.StringType); ok && t.MaxByteLength() <= bitsMax {
			out = make([]byte, t.MaxByteLength())
		}
		for i := range out {
			out[i] = byte(a.kind.neutral)
		}
		return out
	case a.n == 0:
		return a.kind.neutral
	}
	return a.bits.word
}

// BitBytes is a column of bits as a TEXT or a BLOB has it: its bytes. (A VARCHAR has its number.)
type BitBytes struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*BitBytes) Type(*sql.Context) sql.Type { return types.LongBlob }

// String implements sql.Expression.
func (b *BitBytes) String() string { return b.Child.String() }

// WithChildren implements sql.Expression.
func (b *BitBytes) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(b, len(children), 1)
	}
	return &BitBytes{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (b *BitBytes) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := b.Child.Eval(ctx, r)
	n, ok := v.(uint64)
	t, bits := b.Child.Type(ctx).(types.BitType)
	if err != nil || !ok || !bits {
		return v, err
	}
	return binary.BigEndian.AppendUint64(nil, n)[8-(t.NumberOfBits()+7)/8:], nil
}
