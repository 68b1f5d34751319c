package gms_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// sameRow reports whether a row as a client gets it is the row that a suite expects,
// which expects the Unix epoch for each time in a timeless result.
func sameRow(want, got sql.Row, timeless bool) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if t, ok := want[i].(time.Time); ok && timeless && t.Unix() == 0 && got[i] != nil { // the suite's word for any time
			continue
		}
		if !sameValue(want[i], got[i]) {
			return false
		}
	}
	return true
}

func sameValue(want, got any) bool {
	if c, ok := want.(enginetest.CustomValueValidator); ok {
		if b, isBytes := got.([]byte); isBytes {
			got = string(b)
		}
		valid, err := c.Validate(got)
		return err == nil && valid
	}
	if want == nil || got == nil {
		return want == nil && got == nil
	}
	if g, ok := got.(types.OkResult); ok {
		w, ok := want.(types.OkResult)
		return ok && w.RowsAffected == g.RowsAffected && w.InsertID == g.InsertID
	}
	text := fmt.Sprint(got)
	if b, ok := got.([]byte); ok {
		text = string(b)
	}
	switch w := want.(type) {
	case string:
		if w == text || sameNumber(w, text) {
			return true
		}
		var v any // JSON that a suite expects as text
		return json.Unmarshal([]byte(w), &v) == nil && sameJSON(v, text)
	case []byte:
		return bytes.Equal(w, []byte(text))
	case bool:
		return text == "1" == w && (text == "0" || text == "1")
	case time.Time:
		return sameTime(w, text)
	case types.Timespan:
		return sameTimespan(w, text)
	case sql.JSONWrapper:
		v, err := w.ToInterface(context.Background())
		return err == nil && sameJSON(v, text)
	case types.GeometryValue:
		g, _, err := types.GeometryType{}.Convert(context.Background(), []byte(text))
		return err == nil && reflect.DeepEqual(g, want)
	case float32:
		f, err := strconv.ParseFloat(text, 32)
		return err == nil && float32(f) == w
	case float64:
		f, err := strconv.ParseFloat(text, 64)
		return err == nil && f == w
	case *apd.Decimal:
		return sameNumber(w.Text('f'), text)
	}
	return sameNumber(fmt.Sprint(want), text)
}

func sameNumber(a, b string) bool {
	x, _, err := apd.NewFromString(a)
	if err != nil {
		return a == b
	}
	y, _, err := apd.NewFromString(b)
	return err == nil && x.Cmp(y) == 0
}

func sameTime(want time.Time, text string) bool {
	for _, layout := range []string{"2006-01-02 15:04:05.999999", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Equal(want.UTC())
		}
	}
	return want.Year() < 1 && len(text) >= 10 && text[:10] == "0000-00-00"
}

func sameTimespan(want types.Timespan, text string) bool {
	v, _, err := types.Time.Convert(context.Background(), text)
	return err == nil && v == want
}

func sameJSON(want any, text string) bool {
	a, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal([]byte(text), &y) == nil && reflect.DeepEqual(x, y)
}
