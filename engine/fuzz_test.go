package engine

import (
	"bytes"
	"errors"
	"testing"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/internal/spent"
)

// FuzzEntries: no entry of the system trees, nor meta or map page, makes its decoder panic
// or take more memory than a multiple of its size.
func FuzzEntries(f *testing.F) {
	object := change{object: &Object{Kind: 1, Database: "d", Name: "v", Data: []byte("x")}}
	database := change{database: &DatabaseDef{Name: "d"}}
	for _, ch := range []change{object, database} {
		v, err := ch.value()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ch.key(), v)
	}
	table := `{"ID":5,"Database":"d","Name":"t","Columns":[{"ID":1,"Name":"a","Type":3}],"Primary":{"ID":1,"Columns":[{"Column":0}]},"Indexes":[{"ID":2,"Columns":[{"Column":0,"Desc":true}]}],"History":[{"Version":1,"Columns":[{"ID":1,"Type":3}]}],"NextColumn":2}`
	f.Add([]byte{catalogTableKey, 0, 0, 0, 0, 0, 0, 0, 5}, append([]byte{catalogFormat}, table...))
	f.Add([]byte{catalogTableKey}, append([]byte{catalogFormat}, `{"Primary":null,"Indexes":[null]}`...))
	f.Add([]byte{catalogTableKey}, append([]byte{catalogFormat}, "null"...))
	f.Add([]byte{0}, pagesNote([]redo.PageID{5, 3, 1 << 60}))
	f.Add([]byte{0}, encodeToken(Token{}, Outcome{}, 5))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		spent.Within(t, 2048*(len(key)+len(value)), func() {
			ch, err := decodeChange(key, value)
			switch {
			case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat):
				t.Fatal(err)
			case err != nil:
			case ch.table != nil:
				_, _ = ch.value() // a number that JSON does not have
			default:
				v, err := ch.value()
				if err != nil {
					t.Fatal(err)
				}
				if again, err := decodeChange(ch.key(), v); err != nil || !bytes.Equal(again.key(), ch.key()) {
					t.Fatalf("%+v became %+v, %v", ch, again, err)
				}
			}
			_, _, _ = decodeVersion(value)
			_, _ = decodePagesNote(value)
			_, _, _, _, _ = decodeToken(value)
			_, _ = decodeMeta(value)
			inUse(value, 5)
		})
		cells := append(page.AppendCell(nil, []byte{0}, value, false), page.AppendCell(nil, metaFormat, []byte{volumeFormat}, false)...)
		b := make([]byte, page.Size)
		r := redo.Record{LSN: 1, Page: 2, Op: redo.OpFormat, Payload: page.AppendFormat(nil, page.KindMeta, 0, 1)}
		if err := page.Apply(b, &r); err != nil {
			t.Fatal(err)
		}
		r = redo.Record{LSN: 2, Page: 2, Op: redo.OpInsert, Payload: cells}
		_ = page.Apply(b, &r) // too long for a page, perhaps
		inUse(b, 5)
		_, _ = decodeMeta(b)
	})
}
