package value

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// A document in memory is made of nil, bool, string, []any, map[string]any and float64, as the planner's are, of *apd.Decimal,
// int64 and uint64 for numbers that have these types to MySQL, and of TypedScalars.

// TypedScalar is a value in a document that Go's types do not tell from others: a DATE, TIME or DATETIME, a BLOB or BIT, or a
// DOUBLE that the planner would show as an integer or with many digits.
type TypedScalar struct {
	Kind string // what JSON_TYPE says
	Text string // as the document has it, without quotes
}

// JSONDouble is the Kind of a DOUBLE.
const JSONDouble = "DOUBLE"

var _ types.ComparableJSON = TypedScalar{}

// NewDouble returns a DOUBLE of a document.
func NewDouble(f float64) any {
	text, _ := AppendDouble(NoContext(), nil, types.Float64, f)
	if !strings.ContainsAny(string(text), ".e") {
		text = append(text, ".0"...)
	}
	if strconv.FormatFloat(f, 'f', -1, 64) == string(text) {
		return f
	}
	return TypedScalar{JSONDouble, string(text)}
}

// MarshalJSON implements json.Marshaler.
func (s TypedScalar) MarshalJSON() ([]byte, error) {
	if s.Kind == JSONDouble {
		return []byte(s.Text), nil
	}
	return []byte(`"` + s.Text + `"`), nil // there is nothing to be escaped
}

// Clone implements sql.JSONWrapper.
func (s TypedScalar) Clone(context.Context) sql.JSONWrapper { return s }

// ToInterface implements sql.JSONWrapper.
func (s TypedScalar) ToInterface(context.Context) (any, error) { return s, nil }

// JsonType implements types.ComparableJSON.
func (s TypedScalar) JsonType(context.Context) (string, error) { return s.Kind, nil }

// Compare implements types.ComparableJSON.
func (s TypedScalar) Compare(ctx context.Context, other any) (int, error) {
	return CompareJSON(ctx, s, other)
}

// Plain is the value as one of Go's: a string, or of a DOUBLE a DECIMAL if that is shown as it is, else a float64.
func (s TypedScalar) Plain() any {
	if s.Kind != JSONDouble {
		return s.Text
	}
	if x, _, err := apd.NewFromString(s.Text); err == nil && x.Text('f') == s.Text {
		return x
	}
	f, _ := strconv.ParseFloat(s.Text, 64)
	return f
}

// TypedDocument is a document with values that the planner's functions lose when they copy it or cannot compare.
type TypedDocument struct{ types.JSONDocument }

var (
	_ types.ComparableJSON = TypedDocument{}
	_ types.MutableJSON    = TypedDocument{}
	_ types.SearchableJSON = TypedDocument{}
	_ types.JSONBytes      = TypedDocument{}
)

// NewDocument returns the document of a value.
func NewDocument(v any) sql.JSONWrapper {
	switch v.(type) {
	case *apd.Decimal: // all takes it as it is
	default:
		if hasTyped(v) {
			return TypedDocument{types.JSONDocument{Val: v}}
		}
	}
	return types.JSONDocument{Val: v}
}

// RawJSON returns the value of a document.
func RawJSON(ctx context.Context, w sql.JSONWrapper) (any, error) {
	if d, ok := w.(TypedDocument); ok {
		return d.Val, nil
	}
	return w.ToInterface(ctx)
}

// ToInterface implements sql.JSONWrapper.
func (d TypedDocument) ToInterface(context.Context) (any, error) {
	if s, ok := d.Val.(TypedScalar); ok {
		return s.Plain(), nil
	}
	return d.Val, nil
}

// Clone implements sql.JSONWrapper.
func (d TypedDocument) Clone(context.Context) sql.JSONWrapper {
	return TypedDocument{types.JSONDocument{Val: cloneJSON(d.Val)}}
}

func cloneJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = cloneJSON(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneJSON(e)
		}
		return out
	}
	return v
}

// GetBytes implements types.JSONBytes.
func (d TypedDocument) GetBytes(ctx context.Context) ([]byte, error) {
	return types.JsonToMySqlBytes(ctx, d.JSONDocument)
}

// Lookup implements types.SearchableJSON.
func (d TypedDocument) Lookup(ctx context.Context, path string) (sql.JSONWrapper, error) {
	found, err := d.JSONDocument.Lookup(ctx, path)
	if err != nil || found == nil {
		return nil, err
	}
	v, err := found.ToInterface(ctx)
	return NewDocument(v), err
}

// JsonType implements types.ComparableJSON.
func (d TypedDocument) JsonType(context.Context) (string, error) { return TypeOfJSON(d.Val), nil }

// Compare implements types.ComparableJSON.
func (d TypedDocument) Compare(ctx context.Context, other any) (int, error) {
	return CompareJSON(ctx, d, other)
}

// TypeOfJSON is the JSON_TYPE of a value.
func TypeOfJSON(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case bool:
		return "BOOLEAN"
	case string:
		return "STRING"
	case []any:
		return "ARRAY"
	case map[string]any:
		return "OBJECT"
	case TypedScalar:
		return v.Kind
	case *apd.Decimal:
		return "DECIMAL"
	case uint, uint8, uint16, uint32, uint64:
		return "UNSIGNED INTEGER"
	case float64:
		if v != math.Trunc(v) {
			return JSONDouble
		}
	}
	return "INTEGER"
}

// jsonRanks is the order of types of documents.
var jsonRanks = map[string]int{"NULL": 0, "STRING": 2, "OBJECT": 3, "ARRAY": 4, "BOOLEAN": 5, "DATE": 6, "TIME": 7, "DATETIME": 8, "BIT": 9, "BLOB": 10}

// jsonRank is the place of a value's type in the order of types; all numbers have one.
func jsonRank(v any) int {
	if rank, ok := jsonRanks[TypeOfJSON(v)]; ok {
		return rank
	}
	return 1
}

// CompareJSON compares values of documents, or documents, by MySQL's rules: numbers are exact.
func CompareJSON(ctx context.Context, a, b any) (int, error) {
	for _, v := range []*any{&a, &b} {
		if w, ok := (*v).(sql.JSONWrapper); ok {
			var err error
			if *v, err = RawJSON(ctx, w); err != nil {
				return 0, err
			}
		}
	}
	if c := cmp.Compare(jsonRank(a), jsonRank(b)); c != 0 {
		return c, nil
	}
	switch a := a.(type) {
	case nil:
		return 0, nil
	case bool:
		b, _ := b.(bool)
		return BoolInt(a) - BoolInt(b), nil
	case string:
		b, _ := b.(string)
		return strings.Compare(a, b), nil
	case []any:
		b, _ := b.([]any)
		for i := range min(len(a), len(b)) {
			if c, err := CompareJSON(ctx, a[i], b[i]); c != 0 || err != nil {
				return c, err
			}
		}
		return cmp.Compare(len(a), len(b)), nil
	case map[string]any:
		b, _ := b.(map[string]any)
		if c := cmp.Compare(len(a), len(b)); c != 0 {
			return c, nil
		}
		ours, theirs := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))
		for i := range min(len(ours), len(theirs)) {
			if c := strings.Compare(theirs[i], ours[i]); c != 0 { // that of the planner's
				return c, nil
			}
			if c, err := CompareJSON(ctx, a[ours[i]], b[theirs[i]]); c != 0 || err != nil {
				return c, err
			}
		}
		return 0, nil
	case TypedScalar:
		if b, ok := b.(TypedScalar); ok && a.Kind != JSONDouble {
			if before, behind := strings.HasPrefix(a.Text, "-"), strings.HasPrefix(b.Text, "-"); before != behind {
				return BoolInt(behind) - BoolInt(before), nil
			} else if before { // a TIME
				return strings.Compare(b.Text, a.Text), nil
			}
			return strings.Compare(a.Text, b.Text), nil
		}
	}
	x, err := ExactNumber(a)
	if err != nil {
		return 0, err
	}
	y, err := ExactNumber(b)
	if err != nil {
		return 0, err
	}
	return x.Cmp(y), nil
}

// AppendDocument appends what equal values of documents have in common.
func AppendDocument(b []byte, v any) ([]byte, error) {
	b = append(b, byte(jsonRank(v)))
	var err error
	switch v := v.(type) {
	case nil:
	case bool:
		b = append(b, byte(BoolInt(v)))
	case string:
		b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ')
		b = append(b, v...)
	case []any:
		b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ')
		for _, e := range v {
			if b, err = AppendDocument(b, e); err != nil {
				return b, err
			}
		}
	case map[string]any:
		b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = strconv.AppendQuote(b, k)
			if b, err = AppendDocument(b, v[k]); err != nil {
				return b, err
			}
		}
	default:
		if s, ok := v.(TypedScalar); ok && s.Kind != JSONDouble {
			return append(b, s.Text...), nil
		}
		x, err := ExactNumber(v)
		if err != nil {
			return b, err
		}
		short, _ := new(apd.Decimal).Reduce(x)
		return append(append(b, short.String()...), ' '), nil
	}
	return b, nil
}

// ExactNumber returns a number of a document.
func ExactNumber(v any) (*apd.Decimal, error) {
	switch x := v.(type) {
	case TypedScalar:
		d, _, err := apd.NewFromString(x.Text)
		return d, err
	case float64:
		return new(apd.Decimal).SetFloat64(x)
	case *apd.Decimal:
		return x, nil
	case uint64:
		d, _, err := apd.NewFromString(strconv.FormatUint(x, 10))
		return d, err
	}
	n, _, err := types.Int64.Convert(NoContext(), v)
	i, ok := n.(int64)
	if err == nil && !ok {
		err = ErrValue(types.JSON, v)
	}
	return apd.New(i, 0), err
}

// ShallowDocument returns the error of a document with too many levels, which functions have made.
func ShallowDocument(ctx *sql.Context, w sql.JSONWrapper) error {
	if _, lazy := w.(*types.LazyJSONDocument); lazy {
		return nil
	}
	v, err := RawJSON(ctx, w)
	if err == nil && jsonLevels(v) > jsonDepth {
		err = errTooNested()
	}
	return err
}

// jsonLevels is how many levels of arrays and objects a value has.
func jsonLevels(v any) (n int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n = max(n, jsonLevels(e))
		}
		return n + 1
	case map[string]any:
		for _, e := range v {
			n = max(n, jsonLevels(e))
		}
		return n + 1
	}
	return 0
}
