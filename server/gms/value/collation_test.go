package value

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
)

// TestKeysAreInTheOrderOfTexts compares random texts, of letters that are two, none, or count together, as
// the collations do with the keys that they make of them.
func TestKeysAreInTheOrderOfTexts(t *testing.T) {
	letters := []rune("aAbcChHsSßæÆeéÉzZ 'ʼ\u00AD\u200B\u0301\tﬁǆñöÖøåかカｶ中한𝄞\x00lLjJ")
	random := rand.New(rand.NewPCG(7, 7))
	text := func() []byte {
		var out []rune
		for range random.IntN(6) {
			out = append(out, letters[random.IntN(len(letters))])
		}
		return []byte(string(out))
	}
	it := sql.NewCollationsIterator()
	for id, ok := it.Next(); ok; id, ok = it.Next() {
		if id.Sorter == nil {
			continue
		}
		RegisterCollation(id.ID)
		c := CollationOf(id.ID)
		if c.Binary {
			continue
		}
		equal := 0
		for range 2000 {
			a, b := text(), text()
			want := c.Compare(a, b)
			if got := bytes.Compare(c.AppendWeights(nil, a), c.AppendWeights(nil, b)); got != want {
				t.Fatalf("%s: %q and %q compare as %d, their keys as %d", c.Name, a, b, want, got)
			}
			if back := c.Compare(b, a); back != -want {
				t.Fatalf("%s: %q and %q compare as %d, the other way as %d", c.Name, a, b, want, back)
			}
			equal += cmp.Compare(1, want*want)
		}
		if equal == 0 {
			t.Errorf("%s: no two of these texts are equal", c.Name)
		}
	}
}
