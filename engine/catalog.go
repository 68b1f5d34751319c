package engine

import (
	"cmp"
	"maps"
	"slices"

	"sextant/internal/redo"
)

// Catalog is the schema at one log position. It is immutable and safe for
// concurrent use; definitions returned from it must not be changed.
// Names keep their case and are compared without it.
type Catalog struct {
	version   uint64
	from, end redo.LSN // first and last LSN of the commit that made it
	own       bool     // has uncommitted changes of one transaction
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
	database, name string // folded
}

func (o *Object) key() objectKey { return objectKey{o.Kind, fold(o.Database), fold(o.Name)} }

func emptyCatalog() *Catalog {
	return &Catalog{
		databases: map[string]*database{}, byID: map[TableID]*TableDef{}, objects: map[objectKey]*Object{},
	}
}

// Version returns a number that differs between any two catalogs that were
// committed in this volume. With a transaction's own DDL in it, a catalog has the
// version of the committed one below it: see Own.
func (c *Catalog) Version() uint64 { return c.version }

// Own reports whether the catalog has uncommitted changes of a transaction in it.
// Such a catalog must not be cached by its version.
func (c *Catalog) Own() bool { return c.own }

// LSN returns the last LSN of the commit that made the catalog: what a session that
// relies on it has seen.
func (c *Catalog) LSN() redo.LSN { return c.end }

// Databases returns the databases in order of name.
func (c *Catalog) Databases() []*DatabaseDef {
	out := make([]*DatabaseDef, 0, len(c.databases))
	for _, d := range c.databases {
		out = append(out, d.def)
	}
	slices.SortFunc(out, func(a, b *DatabaseDef) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// Database returns a database, nil if there is none of that name.
func (c *Catalog) Database(name string) *DatabaseDef {
	if d := c.databases[fold(name)]; d != nil {
		return d.def
	}
	return nil
}

// Tables returns a database's tables in order of name.
func (c *Catalog) Tables(db string) []*TableDef {
	d := c.databases[fold(db)]
	if d == nil {
		return nil
	}
	out := slices.Collect(maps.Values(d.tables))
	slices.SortFunc(out, func(a, b *TableDef) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// Table returns a table, nil if there is none of that name.
func (c *Catalog) Table(db, name string) *TableDef {
	if d := c.databases[fold(db)]; d != nil {
		return d.tables[fold(name)]
	}
	return nil
}

// TableByID returns a table, or a partition of one, nil if there is none.
func (c *Catalog) TableByID(id TableID) *TableDef { return c.byID[id] }

// Object returns an object, nil if there is none.
func (c *Catalog) Object(kind ObjectKind, db, name string) *Object {
	return c.objects[objectKey{kind, fold(db), fold(name)}]
}

// Objects returns the objects of a kind in a database, in order of name.
func (c *Catalog) Objects(kind ObjectKind, db string) []*Object {
	var out []*Object
	db = fold(db)
	for k, o := range c.objects {
		if k.kind == kind && k.database == db {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *Object) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// change is one change of the catalog: one thing put or deleted. Exactly one of
// the fields but gone is set; gone says that it is deleted.
type change struct {
	database *DatabaseDef
	table    *TableDef
	object   *Object
	gone     bool
}

// with returns the catalog with the changes made, in their order.
func (c *Catalog) with(changes []change) *Catalog {
	n := *c
	b := builder{c: &n, copied: map[string]bool{}}
	for _, ch := range changes {
		b.apply(ch)
	}
	return &n
}

// builder changes a catalog's maps, copying each before its first change.
type builder struct {
	c         *Catalog
	databases bool
	byID      bool
	objects   bool
	copied    map[string]bool // databases whose own map was copied
}

func (b *builder) apply(ch change) {
	switch {
	case ch.database != nil:
		name := fold(ch.database.Name)
		b.copyDatabases()
		if ch.gone {
			delete(b.c.databases, name)
			return
		}
		d := &database{def: ch.database, tables: map[string]*TableDef{}}
		if old := b.c.databases[name]; old != nil {
			d.tables = old.tables
		} else {
			b.copied[name] = true
		}
		b.c.databases[name] = d
	case ch.table != nil:
		b.table(ch)
	case ch.object != nil:
		if !b.objects {
			b.c.objects, b.objects = maps.Clone(b.c.objects), true
		}
		if ch.gone {
			delete(b.c.objects, ch.object.key())
		} else {
			b.c.objects[ch.object.key()] = ch.object
		}
	}
}

func (b *builder) table(ch change) {
	if !b.byID {
		b.c.byID, b.byID = maps.Clone(b.c.byID), true
	}
	// Another definition of the table may stand under another name.
	if old := b.c.byID[ch.table.ID]; old != nil {
		if d := b.own(old.Database); d != nil && d.tables[fold(old.Name)] == old {
			delete(d.tables, fold(old.Name))
		}
		for _, p := range old.Parts {
			delete(b.c.byID, p.ID)
		}
	}
	if ch.gone {
		delete(b.c.byID, ch.table.ID)
		return
	}
	b.c.byID[ch.table.ID] = ch.table
	for _, p := range ch.table.Parts {
		b.c.byID[p.ID] = p.table
	}
	if d := b.own(ch.table.Database); d != nil {
		d.tables[fold(ch.table.Name)] = ch.table
	}
}

// own returns a database whose map of tables may be changed, nil if there is none.
func (b *builder) own(name string) *database {
	name = fold(name)
	d := b.c.databases[name]
	if d == nil || b.copied[name] {
		return d
	}
	b.copyDatabases()
	d = &database{def: d.def, tables: maps.Clone(d.tables)}
	b.c.databases[name], b.copied[name] = d, true
	return d
}

func (b *builder) copyDatabases() {
	if !b.databases {
		b.c.databases, b.databases = maps.Clone(b.c.databases), true
	}
}
