package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"sextant/engine/row"
	"sextant/internal/page"
)

// Clone returns a copy that may be changed. What the engine computed is not copied
// but for what says where the table's data is.
func (t *TableDef) Clone() *TableDef {
	n := *t
	n.Columns = slices.Clone(t.Columns)
	for i := range n.Columns {
		n.Columns[i].Options = maps.Clone(n.Columns[i].Options)
	}
	if t.Primary != nil {
		n.Primary = t.Primary.clone()
	}
	n.Indexes = make([]*IndexDef, len(t.Indexes))
	for i, ix := range t.Indexes {
		n.Indexes[i] = ix.clone()
	}
	n.ForeignKeys = slices.Clone(t.ForeignKeys)
	n.Checks = slices.Clone(t.Checks)
	n.Options = maps.Clone(t.Options)
	n.Parts = cloneParts(t.Parts)
	n.history = slices.Clone(t.history)
	return &n
}

func (ix *IndexDef) clone() *IndexDef {
	n := *ix
	n.Columns = slices.Clone(ix.Columns)
	n.Options = maps.Clone(ix.Options)
	return &n
}

func (t *TableDef) indexByID(id IndexID) *IndexDef {
	for _, ix := range t.allIndexes() {
		if ix.ID == id {
			return ix
		}
	}
	return nil
}

// complete fills in a new table's ids, its primary and its first row schema.
func (t *TableDef) complete() error {
	t.Version, t.history, t.nextColumn, t.nextIndex = 1, nil, 0, 0
	for i := range t.Columns {
		t.nextColumn++
		t.Columns[i].ID = t.nextColumn
	}
	t.choosePrimary()
	t.Primary.ID = 0
	for _, ix := range t.Indexes {
		t.nextIndex++
		ix.ID = t.nextIndex
	}
	t.forgetTrees()
	t.history = []rowSchema{{Version: 1, Columns: t.rowColumns()}}
	if err := t.compile(); err != nil {
		return err
	}
	return t.usable()
}

// forgetTrees makes t a table without trees.
func (t *TableDef) forgetTrees() {
	for _, ix := range t.allIndexes() {
		ix.Root, ix.Tree, ix.KeyFormat = 0, 0, 0
	}
	for _, p := range t.Parts {
		p.ID, p.Trees = 0, nil
	}
}

// usable returns why an index of the table cannot be used, if so.
func (t *TableDef) usable() error {
	for _, ix := range t.allIndexes() {
		if ix.unusable != nil {
			return fmt.Errorf("index %s: %w", ix.Name, ix.unusable)
		}
	}
	return nil
}

// choosePrimary sets Primary, if it is nil, to the hidden row id (T-23). A UNIQUE
// index never takes its place: it would look like a PRIMARY KEY that nobody declared.
func (t *TableDef) choosePrimary() {
	if t.Primary != nil {
		return
	}
	t.nextColumn++
	t.Columns = append(t.Columns, ColumnDef{
		Column: row.Column{ID: t.nextColumn, Name: RowIDColumn, Type: row.TypeUint64}, Hidden: true,
	})
	t.Primary = &IndexDef{Unique: true, Columns: []IndexColumn{{Column: len(t.Columns) - 1}}}
}

func (t *TableDef) rowColumns() []row.Column {
	out := make([]row.Column, len(t.Columns))
	for i := range t.Columns {
		out[i] = t.Columns[i].Column
	}
	return out
}

// alterFrom makes t, a changed copy of old, the version after it. Returns
// ErrNeedsRewrite if rows or keys of old do not fit.
func (t *TableDef) alterFrom(old *TableDef) error {
	t.ID, t.Version = old.ID, old.Version+1
	t.nextColumn, t.nextIndex, t.history = old.nextColumn, old.nextIndex, slices.Clone(old.history)
	t.newIDs()
	if err := t.keepsRows(old); err != nil {
		return err
	}
	t.nextSchema()
	for _, p := range t.Parts {
		p.Trees = slices.DeleteFunc(p.Trees, func(at PartTree) bool { return t.indexByID(at.Index) == nil })
	}
	if err := t.compile(); err != nil {
		return err
	}
	for _, ix := range t.allIndexes() {
		was := old.indexByID(ix.ID)
		if ix.stored() && (was == nil || was.Root != ix.Root || !sameKey(old, was, t, ix)) {
			return fmt.Errorf("%w: index %s", ErrNeedsRewrite, ix.Name)
		}
	}
	return nil
}

// newIDs gives ids to columns and indexes that have none.
func (t *TableDef) newIDs() {
	for i := range t.Columns {
		if t.Columns[i].ID == 0 {
			t.nextColumn++
			t.Columns[i].ID = t.nextColumn
		}
	}
	for _, ix := range t.Indexes {
		if ix.ID == 0 {
			t.nextIndex++
			ix.ID = t.nextIndex
		}
	}
}

// keepsRows returns ErrNeedsRewrite if a column has another storage type.
func (t *TableDef) keepsRows(old *TableDef) error {
	for i := range t.Columns {
		c := &t.Columns[i]
		for j := range old.Columns {
			if o := &old.Columns[j]; o.ID == c.ID && (o.Type != c.Type || o.Nullable && !c.Nullable) {
				return fmt.Errorf("%w: column %s", ErrNeedsRewrite, c.Name)
			}
		}
	}
	return nil
}

// nextSchema adds a row schema if rows are to be written in another way.
func (t *TableDef) nextSchema() {
	columns := t.rowColumns()
	last := &t.history[len(t.history)-1]
	if slices.EqualFunc(columns, last.Columns, func(a, b row.Column) bool {
		return a.ID == b.ID && a.Type == b.Type
	}) {
		// Only names, collations or NULL differ: the bytes of a row are the same.
		t.history[len(t.history)-1] = rowSchema{last.Version, columns}
		return
	}
	t.history = append(t.history, rowSchema{last.Version + 1, columns})
}

// sameKey reports whether keys of was, an index of old, are keys of ix, one of t.
func sameKey(old *TableDef, was *IndexDef, t *TableDef, ix *IndexDef) bool {
	return slices.EqualFunc(was.Columns, ix.Columns, func(a, b IndexColumn) bool {
		ca, cb := &old.Columns[a.Column].Column, &t.Columns[b.Column].Column
		return ca.ID == cb.ID && ca.Type == cb.Type && ca.Nullable == cb.Nullable &&
			ca.Collation == cb.Collation && a.Prefix == b.Prefix && a.Desc == b.Desc && a.Multi == b.Multi
	})
}

// mayBeLong reports whether a row of the table can have a tail on overflow pages.
func (t *TableDef) mayBeLong() bool {
	return len(t.Columns)*8 > page.MaxCell/2 ||
		slices.ContainsFunc(t.Columns, func(c ColumnDef) bool { return c.Type.Width() == 0 })
}

func (k objectKey) compare(b objectKey) int {
	return cmp.Or(cmp.Compare(k.kind, b.kind), cmp.Compare(k.database, b.database), cmp.Compare(k.name, b.name))
}
