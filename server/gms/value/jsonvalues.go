package value

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine/row"
)

// A JSON document is stored as its text. Of a document with values whose type the text does not tell, the text comes behind
// typedJSON or typedTexts and a list of them: how many there are, and for each its number among the document's numbers, or
// behind typedTexts among its numbers and strings, less the one before's, and its type. Text never begins with these bytes.
const (
	typedJSON  = 1
	typedTexts = 2
)

// Types in that list.
const (
	jsonDecimal  = 'd'
	jsonUnsigned = 'u'
	jsonSigned   = 'i' // one that a double does not hold
	jsonFloating = 'f' // a DOUBLE that the planner takes for an integer
)

// textKinds are those of strings, by what JSON_TYPE says.
var textKinds = map[string]byte{"DATE": 'D', "TIME": 'T', "DATETIME": 'M', "BLOB": 'B', "BIT": 'b'}

// DoubleExact bounds the integers that a double holds, all of them up to it.
const DoubleExact = 1 << 53

var errJSON = errors.New("gms: stored JSON document is damaged")

// scalarKind returns the type to be stored with a value, 0 of none.
func scalarKind(v any) byte {
	switch v := v.(type) {
	case *apd.Decimal:
		return jsonDecimal
	case uint, uint8, uint16, uint32, uint64:
		return jsonUnsigned
	case int64:
		if v > DoubleExact || v < -DoubleExact {
			return jsonSigned
		}
	case TypedScalar:
		if v.Kind == JSONDouble {
			return jsonFloating
		}
		return textKinds[v.Kind]
	}
	return 0
}

// hasTyped reports whether a value within v has a type to be stored.
func hasTyped(v any) bool { return anyScalar(v, func(v any) bool { return scalarKind(v) != 0 }) }

// anyScalar reports whether f is true of a value within v.
func anyScalar(v any, f func(any) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if anyScalar(e, f) {
				return true
			}
		}
		return false
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return anyScalar(e, f) })
	}
	return f(v)
}

func jsonDatum(ctx context.Context, v any) (row.Datum, error) {
	w, ok := v.(sql.JSONWrapper)
	if !ok {
		u, _, err := types.JSON.Convert(ctx, v)
		if err != nil {
			return row.Datum{}, err
		}
		if w, ok = u.(sql.JSONWrapper); !ok {
			return row.Datum{}, ErrValue(types.JSON, v)
		}
	}
	doc, err := RawJSON(ctx, w)
	if err != nil {
		return row.Datum{}, err
	}
	if jsonLevels(doc) > jsonDepth {
		return row.Datum{}, errTooNested()
	}
	text, err := types.JsonToMySqlBytes(ctx, types.JSONDocument{Val: doc})
	if err == nil && hasTyped(doc) {
		text, err = appendTyped(text, doc)
	}
	if err != nil {
		return row.Datum{}, err
	}
	return row.NewBytes(text), nil
}

// appendTyped returns the stored form of a document with typed values.
func appendTyped(text []byte, doc any) ([]byte, error) {
	var list []byte
	n, last := uint64(0), uint64(0)
	count := uint64(0)
	form := byte(typedJSON)
	if anyScalar(doc, func(v any) bool { s, ok := v.(TypedScalar); return ok && s.Kind != JSONDouble }) {
		form = typedTexts
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_, err := readJSON(d, doc, func(token, v any) (any, error) {
		if _, number := token.(json.Number); !number && form == typedJSON {
			return nil, nil
		}
		if kind := scalarKind(v); kind != 0 {
			list = append(binary.AppendUvarint(list, n-last), kind)
			last = n
			count++
		}
		n++
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	out := binary.AppendUvarint([]byte{form}, count)
	return append(append(out, list...), text...), nil
}

func getJSON(d *row.Desc, r row.Row, i int) any {
	b := d.Bytes(r, i)
	if len(b) == 0 || b[0] != typedJSON && b[0] != typedTexts {
		return types.NewLazyJSONDocument(bytes.Clone(b))
	}
	v, err := decodeTyped(b)
	if err != nil {
		return BadValue{err}
	}
	return NewDocument(v)
}

// decodeTyped decodes a document with typed values.
func decodeTyped(b []byte) (any, error) {
	form := b[0]
	b = b[1:]
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		return v
	}
	kinds := map[uint64]byte{}
	at := uint64(0)
	for count := next(); count > 0; count-- {
		at += next()
		if len(b) == 0 {
			return nil, errJSON
		}
		kinds[at], b = b[0], b[1:]
	}
	n := uint64(0)
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return readJSON(d, nil, func(token, _ any) (any, error) {
		text, number := token.(json.Number)
		if !number && form == typedJSON {
			return token, nil
		}
		kind := kinds[n]
		n++
		if !number {
			return typedText(token, kind)
		}
		switch kind {
		case jsonDecimal:
			v, _, err := apd.NewFromString(string(text))
			return v, err
		case jsonUnsigned:
			return strconv.ParseUint(string(text), 10, 64)
		case jsonSigned:
			return strconv.ParseInt(string(text), 10, 64)
		case jsonFloating:
			return TypedScalar{JSONDouble, string(text)}, nil
		case 0:
			return text.Float64()
		}
		return nil, errJSON
	})
}

// typedText returns a string of a stored document as its type.
func typedText(token any, kind byte) (any, error) {
	if kind == 0 {
		return token, nil
	}
	for name, k := range textKinds {
		if text, ok := token.(string); ok && k == kind {
			return TypedScalar{name, text}, nil
		}
	}
	return nil, errJSON
}

// readJSON reads a value, beside the same value in memory if that is given, and calls
// scalar for each number (a json.Number) and string.
func readJSON(d *json.Decoder, beside any, scalar func(token, beside any) (any, error)) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errJSON, err)
	}
	switch t := t.(type) {
	case json.Number, string:
		return scalar(t, beside)
	case json.Delim:
		if t == '[' {
			return readArray(d, beside, scalar)
		}
		return readObject(d, beside, scalar)
	}
	return t, nil
}

func readArray(d *json.Decoder, beside any, scalar func(token, beside any) (any, error)) (any, error) {
	array, _ := beside.([]any)
	out := []any{}
	for d.More() {
		var e any
		if len(out) < len(array) {
			e = array[len(out)]
		}
		v, err := readJSON(d, e, scalar)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

func readObject(d *json.Decoder, beside any, scalar func(token, beside any) (any, error)) (any, error) {
	object, _ := beside.(map[string]any)
	out := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errJSON, err)
		}
		key, _ := t.(string)
		if out[key], err = readJSON(d, object[key], scalar); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return out, err
}

// jsonDepth is the most levels of arrays and objects that MySQL's documents have.
const jsonDepth = 100

// TooNested returns the error of a text that has more than jsonDepth levels of arrays and objects.
func TooNested(text string) error {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > jsonDepth {
				return errTooNested()
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// errTooNested is the error of a document with more levels than jsonDepth.
func errTooNested() error {
	return mysql.NewSQLError(3157, "22032", "The JSON document exceeds the maximum depth.")
}

// ErrBinaryJSON is the error of a binary text where a document is read.
func ErrBinaryJSON() error {
	return mysql.NewSQLError(3144, "22032", "Cannot create a JSON value from a string with CHARACTER SET 'binary'.")
}

// readable returns the error of a value of a type that is no text of a document.
func readable(v any, t sql.Type) error {
	switch v := v.(type) {
	case []byte:
		return ErrBinaryJSON()
	case string:
		if types.IsBinaryType(t) && !types.IsJSON(t) {
			return ErrBinaryJSON()
		}
		return TooNested(v)
	}
	return nil
}
