package value

import (
	"sync"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine/row"
	"sextant/internal/uca"
)

var registered sync.Map // sql.CollationID -> struct{}

// RegisterCollation makes a collation of the planner known to the key codec: Unicode's by
// their own tables, others by the planner's ranks.
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
		c.Unicode = uca.New(id.Name(), c.Weight)
	}
	row.RegisterCollation(c)
	registered.Store(id, struct{}{})
}

// CollationOf returns what a collation of the planner is to the key codec.
func CollationOf(id sql.CollationID) *row.Collation {
	c := row.CollationByID(row.CollationID(id))
	if c == nil {
		RegisterCollation(id)
		c = row.CollationByID(row.CollationID(id))
	}
	return c
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
