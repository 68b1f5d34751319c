package value

import (
	"bytes"
	"math"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// floatDigits are the digits that are shown of a FLOAT.
const floatDigits = 6

// AppendDouble appends the text of a FLOAT or DOUBLE to dst: as few digits as are needed, of a FLOAT
// six at most, with an exponent only where there were too many zeros. Returns false for other values.
func AppendDouble(ctx *sql.Context, dst []byte, t sql.Type, v any) ([]byte, bool) {
	kind := t.Type()
	if kind != sqltypes.Float32 && kind != sqltypes.Float64 {
		return dst, false
	}
	bits, digits := 64, -1
	if kind == sqltypes.Float32 {
		bits, digits = 32, floatDigits-1
	}
	c, _, err := types.Float64.Convert(ctx, v)
	f, ok := c.(float64)
	if err != nil || !ok {
		return dst, false
	}
	if f == 0 {
		return append(dst, '0'), true
	}
	var short [32]byte
	text := strconv.AppendFloat(short[:0], f, 'e', digits, bits)
	mantissa, power, _ := bytes.Cut(text, []byte("e"))
	exponent, err := strconv.Atoi(string(power))
	if err != nil {
		return dst, false // no number
	}
	if exponent >= -15 && exponent < 15 {
		if f, err = strconv.ParseFloat(string(text), 64); err != nil {
			return dst, false
		}
		return strconv.AppendFloat(dst, f, 'f', -1, 64), true
	}
	if bytes.IndexByte(mantissa, '.') >= 0 {
		mantissa = bytes.TrimRight(bytes.TrimRight(mantissa, "0"), ".")
	}
	dst = append(append(dst, mantissa...), 'e')
	return strconv.AppendInt(dst, int64(exponent), 10), true
}

// AppendFixed appends a DOUBLE with so many digits behind the point: of one that needs fewer the others are zeros, as the
// C library's text of what is beyond 2^53 has them not.
func AppendFixed(dst []byte, f float64, digits int) []byte {
	text := strconv.AppendFloat(nil, f, 'f', -1, 64)
	_, fraction, _ := bytes.Cut(text, []byte("."))
	if len(fraction) > digits {
		return strconv.AppendFloat(dst, f, 'f', digits, 64)
	}
	if len(fraction) == 0 && digits > 0 {
		text = append(text, '.')
	}
	return append(append(dst, text...), bytes.Repeat([]byte("0"), digits-len(fraction))...)
}

// CutOff is a number cut off behind so many digits, before the point of fewer than none. The planner's DecimalTruncate takes what is
// cut off from its argument too where that has more than 38 digits: its copy shares them.
func CutOff(d *apd.Decimal, scale int32) (*apd.Decimal, error) {
	if -scale <= d.Exponent {
		return d, nil
	}
	down := sql.DecimalCtx.WithPrecision(uint32(d.NumDigits()) + uint32(max(scale, 0)))
	down.Rounding = apd.RoundDown
	out := new(apd.Decimal)
	if _, err := down.Quantize(out, d, -scale); err != nil {
		return nil, err
	}
	if out.IsZero() {
		out.Negative, out.Exponent = false, 0
	}
	return out, nil
}

// UnsignedZero returns a number, 0 of -0.
func UnsignedZero(d *apd.Decimal) *apd.Decimal {
	if d.Negative && d.IsZero() {
		d = new(apd.Decimal).Abs(d)
	}
	return d
}

// Finite reports whether a value is no infinity and no NaN.
func Finite(v any) bool {
	switch v := v.(type) {
	case float64:
		return v-v == 0
	case float32:
		return v-v == 0
	}
	return true
}

// Nearest returns the number of a FLOAT or DOUBLE type that is next to an infinity, 0 for NaN.
func Nearest(t sql.Type, v any) any {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	}
	limit := math.MaxFloat64
	if t == types.Float32 {
		limit = math.MaxFloat32
	}
	switch {
	case math.IsNaN(f):
		f = 0
	case f > 0:
		f = limit
	default:
		f = -limit
	}
	if t == types.Float32 {
		return float32(f)
	}
	return f
}
