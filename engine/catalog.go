package engine

import "sextant/internal/redo"

// Catalog is the schema at one log position. It is immutable and safe for
// concurrent use; definitions returned from it must not be changed.
// Names are matched as MySQL does with lower_case_table_names=1 semantics for
// lookups: case is kept and ignored.
type Catalog struct {
	version   uint64
	from      redo.LSN
	databases map[string]*database
	byID      map[TableID]*TableDef
	objects   map[objectKey]*Object
}

// database is one database of a Catalog.
type database struct {
	def    *DatabaseDef
	tables map[string]*TableDef
}

type objectKey struct {
	kind           ObjectKind
	database, name string
}

// Version returns a number that differs between any two different catalogs that
// were committed in this volume. A transaction's own DDL gives it a version of its own.
func (c *Catalog) Version() uint64 { return c.version }
