package value

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// ExactText returns the document of a JSON text with numbers that the planner takes for others: integers that a double does
// not hold, DOUBLEs without a fraction; ok is false of other texts.
func ExactText(text string) (doc sql.JSONWrapper, ok bool) {
	if !longInteger(text) && !pointedNumber(text) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := readJSON(d, nil, func(token, _ any) (any, error) {
		n, number := token.(json.Number)
		if !number {
			return token, nil
		}
		i, err := strconv.ParseInt(string(n), 10, 64)
		u, uerr := strconv.ParseUint(string(n), 10, 64)
		switch {
		case err == nil && (i > DoubleExact || i < -DoubleExact):
			return i, nil
		case err == nil:
			return float64(i), nil
		case uerr == nil:
			return u, nil
		}
		f, err := n.Float64()
		if err != nil {
			return nil, err
		}
		return NewDouble(f), nil
	})
	if err != nil {
		return nil, false
	}
	if _, err = d.Token(); err != io.EOF {
		return nil, false
	}
	return NewDocument(v), true
}

// pointedNumber reports whether a digit stands before a point or an exponent.
func pointedNumber(text string) bool {
	for i := 1; i < len(text); i++ {
		if c := text[i]; (c == '.' || c|0x20 == 'e') && text[i-1] >= '0' && text[i-1] <= '9' {
			return true
		}
	}
	return false
}

// longInteger reports whether a text has as many digits in a row as DoubleExact.
func longInteger(text string) bool {
	run := 0
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			run = 0
		} else if run++; run == 16 {
			return true
		}
	}
	return false
}

// momentType returns the JSON_TYPE of a date or a time, "" of other types.
func momentType(t sql.Type) string {
	switch {
	case types.IsTimespan(t):
		return "TIME"
	case types.IsDateType(t):
		return "DATE"
	case types.IsTime(t):
		return "DATETIME"
	}
	return ""
}

// DocumentUse is what a function does with an argument.
type DocumentUse byte

const (
	ReadIn     DocumentUse = iota // a document: texts are read
	CastIn                        // of a CAST: texts are read, other values are themselves
	PutIn                         // a value in a document: texts are strings
	ComparedIn                    // a document that the planner compares
	CastMoment                    // what is cast to a date or a time
)

// PlainJSON returns a value of a document without TypedScalars and, if it is compared, with numbers that are DOUBLEs, or
// texts that no document has if a DOUBLE does not hold them.
func PlainJSON(v any, compared bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = PlainJSON(e, compared)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = PlainJSON(e, compared)
		}
		return out
	case TypedScalar:
		switch {
		case !compared:
			return v.Plain()
		case v.Kind != JSONDouble:
			return "\x00" + v.Kind + v.Text
		}
		return PlainJSON(v.Plain(), compared)
	case int64, uint64, *apd.Decimal:
		if !compared {
			return v
		}
		d, err := ExactNumber(v)
		if err != nil {
			return v
		}
		f, err := d.Float64()
		if x, ferr := ExactNumber(f); err != nil || ferr != nil || x.Cmp(d) != 0 && d.Exponent == 0 {
			return "\x00" + d.Text('f')
		}
		return f
	}
	return v
}
