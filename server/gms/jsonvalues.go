package gms

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine/row"
)

// A JSON document is stored as its text. Of a document with numbers whose type the text
// does not tell, the text comes behind typedJSON and a list of them: how many there are,
// and for each its number among the document's numbers, less the one before's, and its
// type. Text never begins with that byte.
const typedJSON = 1

// Types of numbers in that list.
const (
	jsonDecimal  = 'd'
	jsonUnsigned = 'u'
	jsonSigned   = 'i' // one that a double does not hold
)

// doubleExact bounds the integers that a double holds, all of them up to it.
const doubleExact = 1 << 53

var errJSON = errors.New("gms: stored JSON document is damaged")

// numberKind returns the type to be stored with a number, 0 of none.
func numberKind(v any) byte {
	switch v := v.(type) {
	case *apd.Decimal:
		return jsonDecimal
	case uint, uint8, uint16, uint32, uint64:
		return jsonUnsigned
	case int64:
		if v > doubleExact || v < -doubleExact {
			return jsonSigned
		}
	}
	return 0
}

// hasTyped reports whether a number within v has a type to be stored.
func hasTyped(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if hasTyped(e) {
				return true
			}
		}
		return false
	case []any:
		for _, e := range v {
			if hasTyped(e) {
				return true
			}
		}
		return false
	}
	return numberKind(v) != 0
}

func jsonDatum(ctx context.Context, v any) (row.Datum, error) {
	w, ok := v.(sql.JSONWrapper)
	if !ok {
		u, _, err := types.JSON.Convert(ctx, v)
		if err != nil {
			return row.Datum{}, err
		}
		if w, ok = u.(sql.JSONWrapper); !ok {
			return row.Datum{}, errValue(types.JSON, v)
		}
	}
	text, err := types.JsonToMySqlBytes(ctx, w)
	if err != nil {
		return row.Datum{}, err
	}
	if _, plain := w.(*types.LazyJSONDocument); plain {
		return row.NewBytes(text), nil // it was text
	}
	doc, err := w.ToInterface(ctx)
	if err == nil && hasTyped(doc) {
		text, err = appendTyped(text, doc)
	}
	if err != nil {
		return row.Datum{}, err
	}
	return row.NewBytes(text), nil
}

// appendTyped returns the stored form of a document with typed numbers.
func appendTyped(text []byte, doc any) ([]byte, error) {
	var list []byte
	n, last := uint64(0), uint64(0)
	count := uint64(0)
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_, err := readJSON(d, doc, func(_ json.Number, v any) (any, error) {
		if kind := numberKind(v); kind != 0 {
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
	out := binary.AppendUvarint([]byte{typedJSON}, count)
	return append(append(out, list...), text...), nil
}

func getJSON(d *row.Desc, r row.Row, i int) any {
	b := d.Bytes(r, i)
	if len(b) == 0 || b[0] != typedJSON {
		return types.NewLazyJSONDocument(bytes.Clone(b))
	}
	v, err := typedDocument(b[1:])
	if err != nil {
		return badValue{err}
	}
	return types.JSONDocument{Val: v}
}

// typedDocument decodes what follows typedJSON.
func typedDocument(b []byte) (any, error) {
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
	return readJSON(d, nil, func(text json.Number, _ any) (any, error) {
		kind := kinds[n]
		n++
		switch kind {
		case jsonDecimal:
			v, _, err := apd.NewFromString(string(text))
			return v, err
		case jsonUnsigned:
			return strconv.ParseUint(string(text), 10, 64)
		case jsonSigned:
			return strconv.ParseInt(string(text), 10, 64)
		case 0:
			return text.Float64()
		}
		return nil, errJSON
	})
}

// readJSON reads a value, beside the same value in memory if that is given, and calls
// number for each number.
func readJSON(d *json.Decoder, beside any, number func(text json.Number, beside any) (any, error)) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errJSON, err)
	}
	switch t := t.(type) {
	case json.Number:
		return number(t, beside)
	case json.Delim:
		if t == '[' {
			return readArray(d, beside, number)
		}
		return readObject(d, beside, number)
	}
	return t, nil
}

func readArray(d *json.Decoder, beside any, number func(json.Number, any) (any, error)) (any, error) {
	array, _ := beside.([]any)
	out := []any{}
	for d.More() {
		var e any
		if len(out) < len(array) {
			e = array[len(out)]
		}
		v, err := readJSON(d, e, number)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

func readObject(d *json.Decoder, beside any, number func(json.Number, any) (any, error)) (any, error) {
	object, _ := beside.(map[string]any)
	out := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errJSON, err)
		}
		key, _ := t.(string)
		if out[key], err = readJSON(d, object[key], number); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return out, err
}
