package value

import (
	"sync"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine/row"
)

var registered sync.Map // sql.CollationID -> struct{}

// RegisterCollation makes a collation of the planner known to the key codec.
// Weights are the planner's ranks, so index order equals its comparisons.
func RegisterCollation(id sql.CollationID) {
	if _, done := registered.Load(id); done {
		return
	}
	c := &row.Collation{ID: row.CollationID(id), Name: id.Name(), Pad: Pads(id)}
	switch id {
	case sql.Collation_binary, sql.Collation_utf8mb4_0900_bin:
		c.Binary = true
	default:
		c.Weight = id.Sorter()
	}
	row.RegisterCollation(c)
	registered.Store(id, struct{}{})
}

// RegisterCollations makes every collation known to the key codec that the planner
// implements: the catalog may name any of them, and an index whose collation is unknown
// when the catalog is read cannot be used. Call it before a volume is opened.
func RegisterCollations() {
	it := sql.NewCollationsIterator()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		if c.Sorter != nil {
			RegisterCollation(c.ID)
		}
	}
}

// Pads reports whether a collation takes texts for equal that differ only in blanks at their ends.
func Pads(c sql.CollationID) bool { return c.PadAttribute() == "PAD SPACE" }
