package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// onePage is a Pager of one page.
type onePage []byte

func (p onePage) Page(context.Context, redo.PageID) ([]byte, error) { return p, nil }

// A stored row whose bytes are no row of any of its table's layouts is an error that names
// the table and the page, not a panic in whoever reads its columns.
func TestDamagedRowsAreErrors(t *testing.T) {
	const text = `{"ID":5,"Database":"d","Name":"t","Columns":[{"ID":1,"Name":"a","Type":3},{"ID":2,"Name":"b","Type":20}],` +
		`"Primary":{"ID":1,"Columns":[{"Column":0}]},"History":[{"Version":1,"Columns":[{"ID":1,"Type":3}]},{"Version":2,"Columns":[{"ID":1,"Type":3},{"ID":2,"Type":20}]}],"NextColumn":3}`
	ch, err := decodeChange([]byte{catalogTableKey, 0, 0, 0, 0, 0, 0, 0, 5}, append([]byte{catalogFormat}, text...))
	if err != nil {
		t.Fatal(err)
	}
	def := ch.table
	made := func(d *row.Desc, change func(r row.Row)) row.Row {
		b := row.NewBuilder(d)
		b.SetInt(0, 7)
		if len(d.Columns) > 1 {
			b.SetBytes(1, []byte("text"))
		}
		r, err := b.Row()
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		return r
	}
	old := def.descs[1]
	for name, r := range map[string]row.Row{
		"empty":                made(def.desc, func(row.Row) {})[:0],
		"cut":                  made(def.desc, func(row.Row) {})[:14],
		"a long column":        made(def.desc, func(r row.Row) { r[len(r)-6] = 200 }),
		"of another version":   made(def.desc, func(r row.Row) { r[7] = 9 }),
		"of an old layout":     made(old, func(row.Row) {}),
		"cut in an old layout": made(old, func(row.Row) {})[:10],
	} {
		b := make([]byte, page.Size)
		f := page.AppendCell(page.AppendFormat(nil, page.KindLeaf, 0, 4), []byte("k"), r, false)
		if err := page.Apply(b, &redo.Record{LSN: 3, Page: 8, Op: redo.OpFormat, Payload: f}); err != nil {
			t.Fatal(err)
		}
		c := btree.NewCursor(btree.Tree{Root: 8, ID: 4}, onePage(b))
		if !c.Seek(t.Context(), nil) {
			t.Fatal(c.Err())
		}
		got, err := def.treeRow(t.Context(), c)
		switch {
		case name == "of an old layout":
			if err != nil || def.desc.Int(got, 0) != 7 || !def.desc.IsNull(got, 1) {
				t.Errorf("%s: %x, %v", name, got, err)
			}
		case !errors.Is(err, row.ErrCorrupt) && !errors.Is(err, ErrCorrupt), !strings.Contains(fmt.Sprint(err), "page 8 at 3: table d.t: "):
			t.Errorf("%s: %v", name, err)
		}
	}
}
