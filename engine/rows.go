package engine

import (
	"context"
	"errors"
	"fmt"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/internal/redo"
)

// ErrIndexStale is returned by a use of an index whose keys were made with another
// key format or other collation weights than this program has (T-15): rebuild it.
var ErrIndexStale = errors.New("engine: index was made with other collation weights")

// compile makes the index's key codec. An index that cannot be used (a collation
// that is not registered, other weights) says so at its use, not here: the other
// tables must open.
func (ix *IndexDef) compile(t *TableDef) error {
	parts := make([]row.KeyPart, len(ix.Columns))
	for i, c := range ix.Columns {
		if c.Column < 0 || c.Column >= len(t.Columns) {
			return fmt.Errorf("%w: index %s.%s has column %d", ErrCorrupt, t.Name, ix.Name, c.Column)
		}
		parts[i] = row.KeyPart{Column: c.Column, Prefix: c.Prefix, Desc: c.Desc, Multi: c.Multi}
	}
	if ix.Kind != IndexBTree {
		return nil
	}
	ix.key, ix.unusable = row.NewKey(t.desc, parts)
	if made := ix.Root != 0 || len(t.Parts) > 0 && ix.KeyFormat != 0; ix.unusable == nil && made && (ix.KeyFormat != row.KeyFormat || ix.CollationHash != ix.key.HashCollations()) {
		ix.unusable = fmt.Errorf("%w: %s.%s", ErrIndexStale, t.Name, ix.Name)
	}
	return nil
}

// Key returns the codec of the index's own columns, without the primary key.
// Returns ErrIndexStale, or an error that names a collation that is not registered.
func (ix *IndexDef) Key() (*row.Key, error) { return ix.key, ix.unusable }

// stored reports whether the index has a tree of its own: full-text, spatial and
// vector indexes are the SQL layer's.
func (ix *IndexDef) stored() bool { return ix.Kind == IndexBTree }

// AppendPrimaryKey appends the key of r in the primary's tree. r is a row of Desc.
// Returns row.ErrKeyTooLong, ErrIndexStale.
func (t *TableDef) AppendPrimaryKey(dst []byte, r row.Row) ([]byte, error) {
	if t.Primary.unusable != nil {
		return dst, t.Primary.unusable
	}
	dst, _, err := t.Primary.key.AppendRow(dst, t.desc, r)
	return dst, err
}

// entries returns how many entries r has in ix's tree: one, unless the index is multi-valued. Their keys ascend. Errors as AppendPrimaryKey.
func (t *TableDef) entries(ix *IndexDef, r row.Row) (int, error) {
	if ix.unusable != nil {
		return 0, ix.unusable
	}
	return ix.key.Entries(t.desc, r)
}

// eachEntry calls f with the key of each of r's entries in ix's tree, which is new memory, and what appendIndexKey says of it, until
// f returns an error. Errors are f's and those of appendIndexKey.
func (t *TableDef) eachEntry(ix *IndexDef, r row.Row, f func(key []byte, columns int, null bool) error) error {
	n, err := t.entries(ix, r)
	for i := 0; i < n && err == nil; i++ {
		var key []byte
		var columns int
		var null bool
		if key, columns, null, err = t.appendIndexKey(nil, ix, r, i); err == nil {
			err = f(key, columns, null)
		}
	}
	return err
}

// appendIndexKey appends the key of r's entry at in ix's tree: the index's columns, and behind
// them the primary key if ix is a secondary index. columns is the length of the
// columns' part; null says that one of them is NULL. Errors as AppendPrimaryKey.
func (t *TableDef) appendIndexKey(dst []byte, ix *IndexDef, r row.Row, entry int) (key []byte, columns int, null bool, err error) {
	if ix.unusable != nil {
		return dst, 0, false, ix.unusable
	}
	at := len(dst)
	dst, null, err = ix.key.AppendEntry(dst, t.desc, r, entry)
	if err != nil {
		return dst, 0, null, err
	}
	columns = len(dst) - at
	if ix == t.Primary || ix.ID == t.Primary.ID {
		return dst, columns, null, nil
	}
	dst, err = t.AppendPrimaryKey(dst, r)
	if err == nil && len(dst)-at > row.KeyMax {
		return dst[:at], 0, null, fmt.Errorf("%w: %d bytes with the primary key", row.ErrKeyTooLong, len(dst)-at)
	}
	return dst, columns, null, err
}

// PrimaryKeyOf returns the primary key in a key of ix's tree, in key's memory.
func (t *TableDef) PrimaryKeyOf(ix *IndexDef, key []byte) ([]byte, error) {
	if ix.ID == t.Primary.ID {
		return key, nil
	}
	if ix.unusable != nil {
		return nil, ix.unusable
	}
	n, err := ix.key.Len(key, len(ix.Columns))
	if err != nil {
		return nil, err
	}
	return key[n:], nil
}

// Upgrade returns r, a row of any of the table's schema versions, as a row of
// Desc that was checked (row.Desc.Check). It returns r itself if it is one, otherwise new
// memory. Returns row.ErrCorrupt, or ErrCorrupt for a version that the table never had;
// both name the table.
func (t *TableDef) Upgrade(r row.Row) (row.Row, error) {
	v, err := r.Version()
	if err != nil {
		return nil, t.corruptRow(err)
	}
	from := t.desc
	if v != from.Version {
		if from = t.descs[v]; from == nil {
			return nil, t.corruptRow(fmt.Errorf("%w: no row schema %d", ErrCorrupt, v))
		}
	}
	if err := from.Check(r); err != nil {
		return nil, t.corruptRow(err)
	}
	if from == t.desc {
		return r, nil
	}
	return t.desc.Convert(row.NewBuilder(t.desc), from, r, func(i int) row.Datum { return t.Columns[i].Added })
}

func (t *TableDef) corruptRow(err error) error {
	return fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
}

// treeRow returns the row that a cursor over the primary's tree stands on, as Upgrade
// does; its error of Upgrade names the page.
func (t *TableDef) treeRow(ctx context.Context, c *btree.Cursor) (row.Row, error) {
	v, err := c.Value(ctx)
	if err != nil {
		return nil, err
	}
	r, err := t.Upgrade(v)
	if err != nil {
		leaf, at := c.Leaf()
		return nil, fmt.Errorf("page %d at %d: %w", leaf, at, err)
	}
	return r, nil
}

// rowLSN is the value of the row's LSN that a commit at lsn stores.
func rowLSN(lsn redo.LSN) redo.LSN { return lsn & (1<<48 - 1) }
