package gms

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// A document in memory is made of nil, bool, string, []any, map[string]any and float64, as the planner's are, of *apd.Decimal,
// int64 and uint64 for numbers that have these types to MySQL, and of typedScalars.

// typedScalar is a value in a document that Go's types do not tell from others: a DATE, TIME or DATETIME, a BLOB or BIT, or a
// DOUBLE that the planner would show as an integer or with many digits.
type typedScalar struct {
	kind string // what JSON_TYPE says
	text string // as the document has it, without quotes
}

const jsonDouble = "DOUBLE"

var _ types.ComparableJSON = typedScalar{}

// newDouble returns a DOUBLE of a document.
func newDouble(f float64) any {
	text, _ := appendDouble(noContext(), nil, types.Float64, f)
	if !strings.ContainsAny(string(text), ".e") {
		text = append(text, ".0"...)
	}
	if strconv.FormatFloat(f, 'f', -1, 64) == string(text) {
		return f
	}
	return typedScalar{jsonDouble, string(text)}
}

// newBlob returns a binary text of a document, whose type in MySQL has this number.
func newBlob(kind string, number int, b []byte) typedScalar {
	return typedScalar{kind, "base64:type" + strconv.Itoa(number) + ":" + base64.StdEncoding.EncodeToString(b)}
}

// newMoment returns a date or a time of a document, false for other values.
func newMoment(v any, t sql.Type) (s typedScalar, ok bool) {
	switch x := v.(type) {
	case time.Time:
		s = typedScalar{"DATETIME", x.Format(sql.DatetimeLayoutNoTrim)}
		if types.IsDateType(t) {
			s = typedScalar{"DATE", x.Format(time.DateOnly)}
		}
	case types.Timespan:
		s = typedScalar{"TIME", spanText(x.AsTimeDuration())}
		if !strings.Contains(s.text, ".") {
			s.text += ".000000"
		}
	}
	return s, s.kind != ""
}

// MarshalJSON implements json.Marshaler.
func (s typedScalar) MarshalJSON() ([]byte, error) {
	if s.kind == jsonDouble {
		return []byte(s.text), nil
	}
	return []byte(`"` + s.text + `"`), nil // there is nothing to be escaped
}

// Clone implements sql.JSONWrapper.
func (s typedScalar) Clone(context.Context) sql.JSONWrapper { return s }

// ToInterface implements sql.JSONWrapper.
func (s typedScalar) ToInterface(context.Context) (any, error) { return s, nil }

// JsonType implements types.ComparableJSON.
func (s typedScalar) JsonType(context.Context) (string, error) { return s.kind, nil }

// Compare implements types.ComparableJSON.
func (s typedScalar) Compare(ctx context.Context, other any) (int, error) {
	return compareJSON(ctx, s, other)
}

// plain is the value as one of Go's: a string, or of a DOUBLE a DECIMAL if that is shown as it is, else a float64.
func (s typedScalar) plain() any {
	if s.kind != jsonDouble {
		return s.text
	}
	if x, _, err := apd.NewFromString(s.text); err == nil && x.Text('f') == s.text {
		return x
	}
	f, _ := strconv.ParseFloat(s.text, 64)
	return f
}

// typedDocument is a document with values that the planner's functions lose when they copy it or cannot compare.
type typedDocument struct{ types.JSONDocument }

var (
	_ types.ComparableJSON = typedDocument{}
	_ types.MutableJSON    = typedDocument{}
	_ types.SearchableJSON = typedDocument{}
	_ types.JSONBytes      = typedDocument{}
)

// newDocument returns the document of a value.
func newDocument(v any) sql.JSONWrapper {
	switch v.(type) {
	case *apd.Decimal: // all takes it as it is
	default:
		if hasTyped(v) {
			return typedDocument{types.JSONDocument{Val: v}}
		}
	}
	return types.JSONDocument{Val: v}
}

// rawJSON returns the value of a document.
func rawJSON(ctx context.Context, w sql.JSONWrapper) (any, error) {
	if d, ok := w.(typedDocument); ok {
		return d.Val, nil
	}
	return w.ToInterface(ctx)
}

// ToInterface implements sql.JSONWrapper.
func (d typedDocument) ToInterface(context.Context) (any, error) {
	if s, ok := d.Val.(typedScalar); ok {
		return s.plain(), nil
	}
	return d.Val, nil
}

// Clone implements sql.JSONWrapper.
func (d typedDocument) Clone(context.Context) sql.JSONWrapper {
	return typedDocument{types.JSONDocument{Val: cloneJSON(d.Val)}}
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
func (d typedDocument) GetBytes(ctx context.Context) ([]byte, error) {
	return types.JsonToMySqlBytes(ctx, d.JSONDocument)
}

// Lookup implements types.SearchableJSON.
func (d typedDocument) Lookup(ctx context.Context, path string) (sql.JSONWrapper, error) {
	found, err := d.JSONDocument.Lookup(ctx, path)
	if err != nil || found == nil {
		return nil, err
	}
	v, err := found.ToInterface(ctx)
	return newDocument(v), err
}

// JsonType implements types.ComparableJSON.
func (d typedDocument) JsonType(context.Context) (string, error) { return typeOfJSON(d.Val), nil }

// Compare implements types.ComparableJSON.
func (d typedDocument) Compare(ctx context.Context, other any) (int, error) {
	return compareJSON(ctx, d, other)
}

// typeOfJSON is the JSON_TYPE of a value.
func typeOfJSON(v any) string {
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
	case typedScalar:
		return v.kind
	case *apd.Decimal:
		return "DECIMAL"
	case uint, uint8, uint16, uint32, uint64:
		return "UNSIGNED INTEGER"
	case float64:
		if v != math.Trunc(v) {
			return jsonDouble
		}
	}
	return "INTEGER"
}

// jsonRanks is the order of types of documents.
var jsonRanks = map[string]int{"NULL": 0, "STRING": 2, "OBJECT": 3, "ARRAY": 4, "BOOLEAN": 5, "DATE": 6, "TIME": 7, "DATETIME": 8, "BIT": 9, "BLOB": 10}

// jsonRank is the place of a value's type in the order of types; all numbers have one.
func jsonRank(v any) int {
	if rank, ok := jsonRanks[typeOfJSON(v)]; ok {
		return rank
	}
	return 1
}

// compareJSON compares values of documents, or documents, by MySQL's rules: numbers are exact.
func compareJSON(ctx context.Context, a, b any) (int, error) {
	for _, v := range []*any{&a, &b} {
		if w, ok := (*v).(sql.JSONWrapper); ok {
			var err error
			if *v, err = rawJSON(ctx, w); err != nil {
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
		return b2i(a) - b2i(b), nil
	case string:
		b, _ := b.(string)
		return strings.Compare(a, b), nil
	case []any:
		b, _ := b.([]any)
		for i := range min(len(a), len(b)) {
			if c, err := compareJSON(ctx, a[i], b[i]); c != 0 || err != nil {
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
			if c, err := compareJSON(ctx, a[ours[i]], b[theirs[i]]); c != 0 || err != nil {
				return c, err
			}
		}
		return 0, nil
	case typedScalar:
		if b, ok := b.(typedScalar); ok && a.kind != jsonDouble {
			if before, behind := strings.HasPrefix(a.text, "-"), strings.HasPrefix(b.text, "-"); before != behind {
				return b2i(behind) - b2i(before), nil
			} else if before { // a TIME
				return strings.Compare(b.text, a.text), nil
			}
			return strings.Compare(a.text, b.text), nil
		}
	}
	x, err := exactNumber(a)
	if err != nil {
		return 0, err
	}
	y, err := exactNumber(b)
	if err != nil {
		return 0, err
	}
	return x.Cmp(y), nil
}

// appendDocument appends what equal values of documents have in common.
func appendDocument(b []byte, v any) ([]byte, error) {
	b = append(b, byte(jsonRank(v)))
	var err error
	switch v := v.(type) {
	case nil:
	case bool:
		b = append(b, byte(b2i(v)))
	case string:
		b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ')
		b = append(b, v...)
	case []any:
		b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ')
		for _, e := range v {
			if b, err = appendDocument(b, e); err != nil {
				return b, err
			}
		}
	case map[string]any:
		b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = strconv.AppendQuote(b, k)
			if b, err = appendDocument(b, v[k]); err != nil {
				return b, err
			}
		}
	default:
		if s, ok := v.(typedScalar); ok && s.kind != jsonDouble {
			return append(b, s.text...), nil
		}
		x, err := exactNumber(v)
		if err != nil {
			return b, err
		}
		short, _ := new(apd.Decimal).Reduce(x)
		return append(append(b, short.String()...), ' '), nil
	}
	return b, nil
}

// exactNumber returns a number of a document.
func exactNumber(v any) (*apd.Decimal, error) {
	switch x := v.(type) {
	case typedScalar:
		d, _, err := apd.NewFromString(x.text)
		return d, err
	case float64:
		return new(apd.Decimal).SetFloat64(x)
	case *apd.Decimal:
		return x, nil
	case uint64:
		d, _, err := apd.NewFromString(strconv.FormatUint(x, 10))
		return d, err
	}
	n, _, err := types.Int64.Convert(noContext(), v)
	i, ok := n.(int64)
	if err == nil && !ok {
		err = errValue(types.JSON, v)
	}
	return apd.New(i, 0), err
}

// shallowDocument returns the error of a document with too many levels, which functions have made.
func shallowDocument(ctx *sql.Context, w sql.JSONWrapper) error {
	if _, lazy := w.(*types.LazyJSONDocument); lazy {
		return nil
	}
	v, err := rawJSON(ctx, w)
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
