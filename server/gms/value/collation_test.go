package value

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine/row"
)

// unicodes are the collations of utf8mb4 that are Unicode's.
func unicodes() []*row.Collation {
	RegisterCollations()
	var out []*row.Collation
	it := sql.NewCollationsIterator()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		if r := row.CollationByID(row.CollationID(c.ID)); c.ID.CharacterSet() == sql.CharacterSet_utf8mb4 && r != nil && r.Unicode != nil {
			out = append(out, r)
		}
	}
	return out
}

// Characters by themselves are ordered as the planner's ranks have them, which are MySQL's. In
// Chinese, whose symbols made of Han and pinyin are not tailored, some are not.
func TestCharactersAreOrderedAsMySQLs(t *testing.T) {
	for _, c := range unicodes() {
		id := sql.CollationID(c.ID)
		weigh := id.Sorter()
		var chars []rune
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if !utf8.ValidRune(r) {
				continue
			}
			if r < 0x3400 || r >= 0xF900 && r < 0x20000 || r%997 == 0 {
				chars = append(chars, r)
			}
		}
		slices.SortStableFunc(chars, func(a, b rune) int { return cmp.Compare(weigh(a), weigh(b)) })
		wrong := 0
		for i, b := range chars[1:] {
			a := chars[i]
			if got, want := c.Compare([]byte(string(a)), []byte(string(b))), cmp.Compare(weigh(a), weigh(b)); got != want {
				if wrong++; wrong < 4 && !strings.Contains(c.Name, "_zh_") {
					t.Errorf("%s: %U and %U: %d, not %d", c.Name, a, b, got, want)
				}
			}
		}
		if strings.Contains(c.Name, "_zh_") && wrong > 130 {
			t.Errorf("%s: %d are wrong", c.Name, wrong)
		}
	}
}

// A comparison is a total order, and the bytes of keys, of their first characters too, are in it.
func TestKeysAreInTheOrderOfTexts(t *testing.T) {
	alphabet := []rune("aAbcChHsSßztTuüllLnñåäæÆøö eé\u0301\u0308\u0300\u00AD\u200B\t\n\x01  ..-0一ー丁アあカｶかァ가각ﬁﷺǆǅdžŽyYgGzsij")
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func() []byte {
		var b strings.Builder
		for range rnd.IntN(7) {
			b.WriteRune(alphabet[rnd.IntN(len(alphabet))])
		}
		return []byte(b.String())
	}
	all := unicodes()
	for _, id := range []sql.CollationID{sql.Collation_utf8mb4_general_ci, sql.Collation_utf8mb4_bin, sql.Collation_latin1_swedish_ci, sql.Collation_utf8mb3_general_ci} {
		all = append(all, CollationOf(id))
	}
	for _, c := range all {
		texts := make([][]byte, 90)
		for i := range texts {
			texts[i] = text()
			if i > 0 && rnd.IntN(4) == 0 { // one that is like another at its beginning
				texts[i] = append(slices.Clone(texts[rnd.IntN(i)]), texts[i]...)
			}
		}
		keys := make([][]byte, len(texts))
		d := row.NewDesc(1, []row.Column{{Name: "c", Type: row.TypeText, Collation: c.ID}})
		whole, err := row.NewKey(d, []row.KeyPart{{Column: 0}})
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range texts {
			keys[i] = whole.Append(nil, 0, row.NewBytes(x))
			if n, err := whole.Skip(append(slices.Clone(keys[i]), 0, 7, 0, 255, 0), 0); err != nil || n != len(keys[i]) {
				t.Fatalf("%s: the key of %q has %d bytes, not %d: %v", c.Name, x, n, len(keys[i]), err)
			}
		}
		for i, x := range texts {
			for j, y := range texts {
				order := c.Compare(x, y)
				if order != -c.Compare(y, x) || order != bytes.Compare(keys[i], keys[j]) {
					t.Fatalf("%s: %q and %q: %d, the other way %d, their keys %d (% x, % x)", c.Name, x, y, order, c.Compare(y, x), bytes.Compare(keys[i], keys[j]), keys[i], keys[j])
				}
				for _, n := range []uint32{1, 2, 4} {
					column := row.Column{Name: "c", Type: row.TypeText, Collation: c.ID}
					a, b := row.AppendKey(nil, column, n, false, row.NewBytes(x)), row.AppendKey(nil, column, n, false, row.NewBytes(y))
					if order == 0 && !bytes.Equal(a, b) {
						t.Fatalf("%s: %q and %q are equal, not the first %d of them: % x, % x", c.Name, x, y, n, a, b)
					}
					if bound := row.AppendKeyBound(nil, column, n, false, row.NewBytes(y)); order < 0 && bytes.Compare(a, row.PrefixEnd(bound)) >= 0 || order > 0 && bytes.Compare(a, bound) < 0 {
						t.Fatalf("%s: the first %d of %q are not on the side of %q: % x, % x", c.Name, n, x, y, a, bound)
					}
				}
			}
		}
	}
}
