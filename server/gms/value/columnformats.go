package value

import (
	"math"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// ColumnFormat is what is noted of a column.
type ColumnFormat struct {
	Digits, Scale int  // of FLOAT(M,D); digits is 0 of others
	Zeros         int  // the width that ZEROFILL fills
	Unsigned      bool // nothing below 0
}

// Bounded returns a number as the format of its column has it.
func (a *Assigner) Bounded(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	f := a.Format
	if f.Unsigned && negative(v) {
		return a.Keep(ctx, column, outOfRange, t.Zero())
	}
	if f.Digits == 0 {
		return v, nil
	}
	c, _, err := types.Float64.Convert(ctx, v)
	x, ok := c.(float64)
	if err != nil || !ok {
		return v, nil
	}
	unit := math.Pow10(f.Scale)
	x = f.Rounded(x)
	most := f.Rounded(math.Pow10(f.Digits-f.Scale) - 1/unit)
	over := math.Abs(x) > most
	if over {
		x = math.Copysign(most, x)
	}
	if v = x; t.Type() == sqltypes.Float32 {
		v = float32(x)
	}
	if over {
		return a.Keep(ctx, column, outOfRange, v)
	}
	return v, nil
}

// Rounded returns a DOUBLE with the digits of the format. Source: Field_real::truncate.
func (f ColumnFormat) Rounded(x float64) float64 {
	unit := math.Pow10(f.Scale)
	whole := math.Floor(x)
	if y := whole + math.RoundToEven((x-whole)*unit)/unit; !math.IsInf(y, 0) && !math.IsNaN(y) {
		return y
	}
	return x
}

// TypeText is the text of a type with the format.
func (f ColumnFormat) TypeText(text string) string {
	kind, rest, _ := strings.Cut(text, " ")
	switch {
	case f.Digits > 0:
		kind += "(" + strconv.Itoa(f.Digits) + "," + strconv.Itoa(f.Scale) + ")"
	case f.Zeros > 0 && !strings.Contains(kind, "(") && kind != "float" && kind != "double":
		kind += "(" + strconv.Itoa(f.Zeros) + ")"
	}
	if rest == "" && f.Unsigned {
		rest = "unsigned"
	}
	if rest != "" {
		kind += " " + rest
	}
	if f.Zeros > 0 {
		kind += " zerofill"
	}
	return kind
}
