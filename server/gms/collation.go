package gms

import (
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/encodings"

	"sextant/engine/row"
)

var registered sync.Map // sql.CollationID -> struct{}

// registerCollation makes a collation of the planner known to the key codec.
// Weights are the planner's ranks, so index order equals its comparisons.
func registerCollation(id sql.CollationID) {
	if _, done := registered.Load(id); done {
		return
	}
	c := &row.Collation{ID: row.CollationID(id), Name: id.Name(), Pad: pads(id)}
	switch id {
	case sql.Collation_binary, sql.Collation_utf8mb4_0900_bin:
		c.Binary = true
	default:
		c.Weight = id.Sorter()
	}
	row.RegisterCollation(c)
	registered.Store(id, struct{}{})
}

// appendCode appends what a text is compared by: texts that the collation takes for equal
// have the same.
func appendCode(dst []byte, id sql.CollationID, text string) []byte {
	c := row.CollationByID(row.CollationID(id))
	if c == nil {
		registerCollation(id)
		c = row.CollationByID(row.CollationID(id))
	}
	if c.Binary {
		return append(append(dst, text...), 0)
	}
	return c.AppendWeights(dst, encodings.StringToBytes(text))
}

// RegisterCollations makes every collation known to the key codec that the planner
// implements: the catalog may name any of them, and an index whose collation is unknown
// when the catalog is read cannot be used. Call it before a volume is opened.
func RegisterCollations() {
	it := sql.NewCollationsIterator()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		if c.Sorter != nil {
			registerCollation(c.ID)
		}
	}
}
