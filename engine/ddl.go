package engine

import (
	"context"

	"sextant/engine/row"
)

// DDL is part of the transaction: it shows in Tx.Catalog at once, to others at
// Commit, and a rollback takes it back. Every method takes the exclusive metadata
// locks it needs and returns package txn's lock errors, ErrNotWriter,
// ErrReadOnlyTx, ErrTxDone besides what it names. There are no savepoints for DDL:
// the SQL layer commits around it.

// CreateDatabase creates a database. Returns ErrExists.
func (tx *Tx) CreateDatabase(ctx context.Context, d DatabaseDef) error {
	panic("engine: being written")
}

// DropDatabase drops a database with all its tables and objects. Returns ErrNotFound.
func (tx *Tx) DropDatabase(ctx context.Context, name string) error { panic("engine: being written") }

// AlterDatabase replaces a database's definition. Returns ErrNotFound.
func (tx *Tx) AlterDatabase(ctx context.Context, d DatabaseDef) error { panic("engine: being written") }

// CreateTable creates a table. ID, Version, index ids, column ids that are 0, tree
// ids and roots are filled in; a nil Primary makes the first UNIQUE index without
// nullable columns the primary, or adds the hidden row id (T-23). It returns the
// definition as stored. Returns ErrExists, ErrNotFound (database), ErrKeyTooLong.
func (tx *Tx) CreateTable(ctx context.Context, def *TableDef) (*TableDef, error) {
	panic("engine: being written")
}

// AlterTable replaces the definition of the table def.ID by def, as a change of
// metadata: no row is rewritten. Columns that are gone are dropped instantly, new
// ones (ID 0) are added with ColumnDef.Added as the value in old rows; indexes that
// are gone are dropped, new ones must have come from CreateIndex. Changing the
// row.Type of a column or the primary needs Rewrite. It returns the new definition.
// Returns ErrNotFound, ErrExists (name), ErrDefinitionChanged if def.Version is not the current one.
func (tx *Tx) AlterTable(ctx context.Context, def *TableDef) (*TableDef, error) {
	panic("engine: being written")
}

// DropTable drops a table. Returns ErrNotFound.
func (tx *Tx) DropTable(ctx context.Context, t *TableDef) error { panic("engine: being written") }

// RenameTable gives a table another database and name. Returns ErrExists, ErrNotFound.
func (tx *Tx) RenameTable(ctx context.Context, t *TableDef, database, name string) (*TableDef, error) {
	panic("engine: being written")
}

// TruncateTable gives the table new empty trees and resets its counter. It is DDL:
// the SQL layer commits before and after. It returns the new definition.
func (tx *Tx) TruncateTable(ctx context.Context, t *TableDef) (*TableDef, error) {
	panic("engine: being written")
}

// CreateIndex builds an index over the committed rows of t, in bounded commits of
// its own, and publishes it at the commit of tx. It returns the new definition.
// Returns ErrExists, ErrKeyTooLong, *DuplicateError.
func (tx *Tx) CreateIndex(ctx context.Context, t *TableDef, ix IndexDef) (*TableDef, error) {
	panic("engine: being written")
}

// PutObject stores an object under its kind, database and name.
func (tx *Tx) PutObject(ctx context.Context, o Object) error { panic("engine: being written") }

// DeleteObject deletes an object. Returns ErrNotFound.
func (tx *Tx) DeleteObject(ctx context.Context, kind ObjectKind, database, name string) error {
	panic("engine: being written")
}

// BulkWriter fills the new trees of a table in bounded commits; they are published
// by the commit of the transaction that made it.
type BulkWriter struct{}

// Rewrite starts a rewriting ALTER: def, a changed copy of an existing table's
// definition, gets new trees that hold what is added to the BulkWriter. For a table
// that is empty and exclusively locked it is the bulk load path (T-14).
func (tx *Tx) Rewrite(ctx context.Context, def *TableDef) (*BulkWriter, error) {
	panic("engine: being written")
}

// Add adds a row, in any order. Returns *DuplicateError when it can tell already.
func (b *BulkWriter) Add(ctx context.Context, r row.Row) error { panic("engine: being written") }

// Finish writes what is left and puts the new definition into the transaction.
// Returns *DuplicateError.
func (b *BulkWriter) Finish(ctx context.Context) (*TableDef, error) { panic("engine: being written") }

// Abort gives the pages back; after Finish it does nothing.
func (b *BulkWriter) Abort(ctx context.Context) error { panic("engine: being written") }
