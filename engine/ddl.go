package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/internal/redo"
)

// DDL is part of the transaction: it shows in Tx.Catalog at once, to others at
// Commit, and a rollback takes it back. Every method takes the exclusive metadata
// locks it needs and returns package txn's lock errors, ErrNotWriter,
// ErrReadOnlyTx, ErrTxDone besides what it names. There are no savepoints for DDL:
// the SQL layer commits around it.

// ErrNeedsRewrite is returned by AlterTable for a change that old rows or keys do
// not fit: use Rewrite, or CreateIndex for a new index.
var ErrNeedsRewrite = errors.New("engine: the change needs new trees")

// txDDL is the catalog changes of one transaction.
type txDDL struct {
	changes []change
	notes   []treeNotes       // of trees that the commit publishes
	drops   []droppedTree     // trees that it drops
	tables  map[TableID]bool  // tables that were changed here
	new     map[TableID]bool  // tables whose trees are not in the snapshot
	gone    map[TableID]bool  // tables that were dropped
	ids     bool              // the table counter was used
	raises  []*TableDef       // tables whose counters bulk work used
	counts  map[TableID]int64 // rows of tables that were rewritten
	base    *Catalog          // of the cached overlay
	overlay *Catalog          // base with all changes
	w       *writer
}

type treeNotes struct {
	intent intent
	parts  uint32
}

type droppedTree struct {
	tree btree.Tree
	long bool
}

func (d *txDDL) empty() bool { return d == nil || len(d.changes) == 0 }

// changed reports whether the transaction changed the table's definition.
func (d *txDDL) changed(id TableID) bool { return d != nil && d.tables[id] }

// dropped reports whether the transaction dropped the table.
func (d *txDDL) dropped(id TableID) bool { return d != nil && d.gone[id] }

// fresh reports whether the table's trees were made by this transaction: they are
// to be read at newest, since no snapshot has them.
func (d *txDDL) fresh(id TableID) bool { return d != nil && d.new[id] }

// catalog returns base with the transaction's changes.
func (d *txDDL) catalog(base *Catalog) *Catalog {
	if d.empty() {
		return base
	}
	if d.base != base || d.overlay == nil {
		d.base, d.overlay = base, base.with(d.changes)
		d.overlay.own = true
	}
	return d.overlay
}

// discard gives up what was made: the trees become garbage.
func (d *txDDL) discard() {
	if d == nil {
		return
	}
	for _, n := range d.notes {
		d.w.endIntent(n.intent)
	}
	d.notes = nil
}

// rows says how many rows a rewritten table has.
func (d *txDDL) rows(id TableID, n int64) {
	if d.counts == nil {
		d.counts = map[TableID]int64{}
	}
	d.counts[id] = n
}

func (d *txDDL) add(ch ...change) {
	d.changes = append(d.changes, ch...)
	d.overlay = nil
	for _, c := range ch {
		if c.table != nil {
			d.tables[c.table.ID] = true
			d.gone[c.table.ID] = c.gone
			for _, p := range c.table.Parts {
				d.tables[p.ID], d.gone[p.ID] = true, c.gone
			}
		}
	}
}

// prepare reads the pages that apply will need.
func (d *txDDL) prepare(ctx context.Context, w *writer, p btree.Pager) error {
	for _, ch := range d.changes {
		if err := w.system.tree(treeCatalog).Prepare(ctx, p, ch.key()); err != nil {
			return err
		}
	}
	for _, n := range d.notes {
		if err := w.system.tree(treeIntents).Prepare(ctx, p, n.intent.key(0)); err != nil {
			return err
		}
	}
	for _, t := range d.drops {
		key := binary.BigEndian.AppendUint64(nil, t.tree.ID)
		if err := w.system.tree(treeGarbage).Prepare(ctx, p, key); err != nil {
			return err
		}
	}
	return nil
}

// apply writes the changes in the commit.
func (d *txDDL) apply(t *turn) error {
	for _, n := range d.notes {
		if err := t.unnote(n.intent, n.parts); err != nil {
			return err
		}
	}
	for _, dr := range d.drops {
		if err := t.drop(dr.tree, dr.long); err != nil {
			return err
		}
	}
	if d.ids {
		if err := t.raiseCounter(idRaise(counterTable)); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.gone)) {
		if d.gone[id] {
			if err := t.forgetTable(id); err != nil {
				return err
			}
		}
	}
	return t.writeCatalog(d.changes)
}

// forgetTable deletes what the system trees keep for a dropped table.
func (t *turn) forgetTable(id TableID) error {
	key := binary.BigEndian.AppendUint64(nil, uint64(id))
	return deleteIfThere(t, t.db.system.tree(treeStats), key)
}

func deleteIfThere(t *turn, tree btree.Tree, key []byte) error {
	err := tree.Delete(context.Background(), t, key)
	if errors.Is(err, btree.ErrNotFound) {
		return nil
	}
	return err
}

// idRaise is the raise of a counter of ids, which are used at once.
func idRaise(kind byte) raise {
	id := counterID{kind: kind}
	return raise{id, id.key(), 0}
}

// nextID returns a new table or tree id.
func (db *writer) nextID(ctx context.Context, kind byte) (uint64, error) {
	id := counterID{kind: kind}
	c := db.counters.get(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.loaded {
		p, _, done := db.newest()
		defer done()
		last, err := db.system.counter(ctx, p, id.key())
		if err != nil {
			return 0, err
		}
		if kind == counterTree {
			last = max(last, firstTreeID)
		}
		c.raise(last)
		c.loaded = true
	}
	return c.last.Add(1), nil
}

// beginDDL returns the writer, and the transaction's changes.
func (tx *Tx) beginDDL() (*writer, *txDDL, error) {
	if err := tx.begin(true); err != nil {
		return nil, nil, err
	}
	w, err := tx.db.writer()
	if err != nil {
		return nil, nil, err
	}
	if tx.ddl == nil {
		tx.ddl = &txDDL{w: w, tables: map[TableID]bool{}, new: map[TableID]bool{}, gone: map[TableID]bool{}}
	}
	if tx.ddl.w != w {
		return nil, nil, ErrClosed // the role changed within the transaction
	}
	return w, tx.ddl, nil
}

// CreateDatabase creates a database. Returns ErrExists.
func (tx *Tx) CreateDatabase(ctx context.Context, d DatabaseDef) error {
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return err
	}
	if err := tx.lockMeta(ctx, d.Name, "", txn.MetaExclusive); err != nil {
		return err
	}
	if tx.NewestCatalog().Database(d.Name) != nil {
		return fmt.Errorf("%w: database %s", ErrExists, d.Name)
	}
	ddl.add(change{database: &d})
	return nil
}

// AlterDatabase replaces a database's definition. Returns ErrNotFound.
func (tx *Tx) AlterDatabase(ctx context.Context, d DatabaseDef) error {
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return err
	}
	if err := tx.lockMeta(ctx, d.Name, "", txn.MetaExclusive); err != nil {
		return err
	}
	old := tx.NewestCatalog().Database(d.Name)
	if old == nil {
		return fmt.Errorf("%w: database %s", ErrNotFound, d.Name)
	}
	d.Name = old.Name
	ddl.add(change{database: &d})
	return nil
}

// DropDatabase drops a database with all its tables and objects. Returns ErrNotFound.
func (tx *Tx) DropDatabase(ctx context.Context, name string) error {
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return err
	}
	if err := tx.lockMeta(ctx, name, "", txn.MetaExclusive); err != nil {
		return err
	}
	cat := tx.NewestCatalog()
	d := cat.Database(name)
	if d == nil {
		return fmt.Errorf("%w: database %s", ErrNotFound, name)
	}
	for _, t := range cat.Tables(name) {
		if err := tx.DropTable(ctx, t); err != nil {
			return err
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(cat.objects), objectKey.compare) {
		if k.database == fold(name) {
			ddl.add(change{object: cat.objects[k], gone: true})
		}
	}
	ddl.add(change{database: d, gone: true})
	return nil
}

// LockDefinition takes the locks for creating or changing a table of a name, until the end of the
// transaction: nobody else uses it then. What the rows must be like for a change is looked at after it.
// Returns begin's errors and package txn's lock errors.
func (tx *Tx) LockDefinition(ctx context.Context, database, name string) error {
	if err := tx.begin(true); err != nil {
		return err
	}
	if err := tx.lockMeta(ctx, database, "", txn.MetaWrite); err != nil {
		return err
	}
	return tx.lockMeta(ctx, database, name, txn.MetaExclusive)
}

// current returns the newest definition of t, whose lock the transaction has.
func (tx *Tx) current(t *TableDef) (*TableDef, error) {
	now := tx.NewestCatalog().TableByID(t.ID)
	if now == nil {
		return nil, fmt.Errorf("%w: table %s.%s", ErrNotFound, t.Database, t.Name)
	}
	if now.Version != t.Version {
		return nil, fmt.Errorf("%w: %s.%s", ErrDefinitionChanged, t.Database, t.Name)
	}
	return now, nil
}

// CreateTable creates a table. ID, Version, index ids, column ids that are 0, tree
// ids and roots are filled in; a nil Primary adds the hidden row id (T-23). It
// returns the definition as stored. Returns ErrExists, ErrNotFound (database), an error of row.NewKey.
//
// A temporary table belongs to the session, not to the transaction, is in no
// catalog (see Session.Temporary) and needs no writer.
func (tx *Tx) CreateTable(ctx context.Context, def *TableDef) (*TableDef, error) {
	if def.Temporary {
		return tx.s.createTemporary(def)
	}
	w, ddl, err := tx.beginDDL()
	if err != nil {
		return nil, err
	}
	if err := tx.LockDefinition(ctx, def.Database, def.Name); err != nil {
		return nil, err
	}
	cat := tx.NewestCatalog()
	if cat.Database(def.Database) == nil {
		return nil, fmt.Errorf("%w: database %s", ErrNotFound, def.Database)
	}
	if cat.Table(def.Database, def.Name) != nil {
		return nil, fmt.Errorf("%w: table %s.%s", ErrExists, def.Database, def.Name)
	}
	t := def.Clone()
	id, err := w.nextID(ctx, counterTable)
	if err != nil {
		return nil, err
	}
	t.ID, ddl.ids = TableID(id), true
	if err := t.complete(); err != nil {
		return nil, err
	}
	parts, err := w.newParts(ctx, ddl, t)
	if err != nil {
		return nil, err
	}
	if err := w.newTrees(ctx, ddl, t, parts, t.allIndexes()); err != nil {
		return nil, err
	}
	ddl.new[t.ID] = true
	ddl.add(change{table: t})
	return t, nil
}

// treesAtOnce is how many trees one mini-transaction makes.
const treesAtOnce = 64

// newTrees makes empty trees for indexes of t, noted as intents of the transaction,
// and compiles t. Those of a partitioned table are made in each of parts.
func (db *writer) newTrees(ctx context.Context, ddl *txDDL, t *TableDef, parts []*PartDef, ixs []*IndexDef) error {
	type place struct {
		ix   *IndexDef
		tree *TreeID
		root *redo.PageID
	}
	var places []place
	for _, ix := range ixs {
		switch {
		case !ix.stored():
		case len(t.Parts) == 0:
			places = append(places, place{ix, &ix.Tree, &ix.Root})
		default:
			for _, p := range parts {
				p.Trees = append(p.Trees, PartTree{Index: ix.ID})
			}
		}
	}
	for _, p := range parts {
		for i := range p.Trees {
			if at := &p.Trees[i]; at.Tree == 0 {
				places = append(places, place{t.indexByID(at.Index), &at.Tree, &at.Root})
			}
		}
	}
	for some := range slices.Chunk(places, treesAtOnce) {
		for _, at := range some {
			id, err := db.nextID(ctx, counterTree)
			if err != nil {
				return err
			}
			*at.tree = TreeID(id)
		}
		n := db.newIntent()
		noted := uint32(0)
		_, err := db.apply(ctx, &commitRequest{apply: func(tn *turn) error {
			noted = 0
			for _, at := range some {
				root, err := tn.Allocate()
				if err != nil {
					return err
				}
				*at.root = root
				tree := btree.Tree{Root: root, ID: uint64(*at.tree)}
				if err := tree.Create(tn); err != nil {
					return err
				}
				if err := tn.note(n.key(noted), treeNote(tree, at.ix.ID == 0 && t.mayBeLong())); err != nil {
					return err
				}
				noted++
			}
			return tn.raiseCounter(idRaise(counterTree))
		}})
		if err != nil {
			db.endIntent(n)
			return err
		}
		ddl.notes = append(ddl.notes, treeNotes{n, noted})
	}
	for _, ix := range ixs {
		if ix.key != nil {
			ix.KeyFormat, ix.CollationHash = row.KeyFormat, ix.key.HashCollations()
		}
	}
	return t.compile()
}

// dropTrees notes that the commit drops the trees of t's indexes.
func (d *txDDL) dropTrees(t *TableDef, ixs ...*IndexDef) {
	for _, ix := range ixs {
		if ix.stored() && ix.Root != 0 {
			d.drops = append(d.drops, droppedTree{ix.tree(), ix.ID == 0 && t.mayBeLong()})
		}
	}
}

// DropTable drops a table. Returns ErrNotFound, ErrDefinitionChanged.
func (tx *Tx) DropTable(ctx context.Context, t *TableDef) error {
	if t.Temporary {
		return tx.s.dropTemporary(t)
	}
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return err
	}
	if err := tx.LockDefinition(ctx, t.Database, t.Name); err != nil {
		return err
	}
	if t, err = tx.current(t); err != nil {
		return err
	}
	for _, pt := range t.tables() {
		ddl.dropTrees(pt, pt.allIndexes()...)
	}
	ddl.add(change{table: t, gone: true})
	return nil
}

// RenameTable gives a table another database and name. Returns ErrExists,
// ErrNotFound, ErrDefinitionChanged.
func (tx *Tx) RenameTable(ctx context.Context, t *TableDef, database, name string) (*TableDef, error) {
	n := t.Clone()
	n.Database, n.Name = database, name
	return tx.AlterTable(ctx, n)
}

// AlterTable replaces the definition of the table def.ID by def, as a change of
// metadata: no row is rewritten. Columns that are gone are dropped instantly, new
// ones (ID 0) are added with ColumnDef.Added as the value in old rows; indexes that
// are gone are dropped, new ones come from CreateIndex. It returns the new definition.
// Returns ErrNotFound, ErrExists (name), ErrDefinitionChanged if def.Version is not
// the current one, ErrNeedsRewrite.
func (tx *Tx) AlterTable(ctx context.Context, def *TableDef) (*TableDef, error) {
	if def.Temporary {
		return tx.s.alterTemporary(def)
	}
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return nil, err
	}
	old := tx.NewestCatalog().TableByID(def.ID)
	if old == nil {
		return nil, fmt.Errorf("%w: table %s.%s", ErrNotFound, def.Database, def.Name)
	}
	if err := tx.LockDefinition(ctx, old.Database, old.Name); err != nil {
		return nil, err
	}
	if old, err = tx.current(def); err != nil {
		return nil, err
	}
	if err := tx.lockNewName(ctx, old, def); err != nil {
		return nil, err
	}
	t := def.Clone()
	if !slices.EqualFunc(old.Parts, t.Parts, func(a, b *PartDef) bool { return a.ID == b.ID }) {
		return nil, fmt.Errorf("%w: partitions", ErrNeedsRewrite)
	}
	if err := t.alterFrom(old); err != nil {
		return nil, err
	}
	for _, ix := range old.Indexes {
		if t.indexByID(ix.ID) == nil {
			for _, pt := range old.tables() {
				ddl.dropTrees(pt, pt.indexByID(ix.ID))
			}
		}
	}
	ddl.add(change{table: t})
	return t, nil
}

// lockNewName locks the name that def gives the table, if it is another one.
func (tx *Tx) lockNewName(ctx context.Context, old, def *TableDef) error {
	if equalFold(old.Database, def.Database) && equalFold(old.Name, def.Name) {
		return nil
	}
	if err := tx.LockDefinition(ctx, def.Database, def.Name); err != nil {
		return err
	}
	cat := tx.NewestCatalog()
	if cat.Database(def.Database) == nil {
		return fmt.Errorf("%w: database %s", ErrNotFound, def.Database)
	}
	if cat.Table(def.Database, def.Name) != nil {
		return fmt.Errorf("%w: table %s.%s", ErrExists, def.Database, def.Name)
	}
	return nil
}

// TruncateTable gives the table new empty trees and resets its counter. It is DDL:
// the SQL layer commits before and after. It returns the new definition.
// Returns ErrNotFound, ErrDefinitionChanged.
func (tx *Tx) TruncateTable(ctx context.Context, t *TableDef) (*TableDef, error) {
	b, err := tx.Rewrite(ctx, t)
	if err != nil {
		return nil, err
	}
	b.def.CounterGen++
	b.def.AutoIncrementBase = 0
	return b.Finish(ctx)
}

// SetAutoIncrement sets the counter's next value to v, also downwards but never to
// or below a value that a committed row has: the caller looked. It is DDL.
// Returns ErrNotFound, ErrDefinitionChanged.
func (tx *Tx) SetAutoIncrement(ctx context.Context, t *TableDef, v uint64) (*TableDef, error) {
	n := t.Clone()
	n.AutoIncrementBase = v
	n.CounterGen++
	return tx.AlterTable(ctx, n)
}

// PutObject stores an object under its kind, database and name.
func (tx *Tx) PutObject(ctx context.Context, o Object) error {
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return err
	}
	if err := tx.lockMeta(ctx, o.Database, objectLock(o.Kind, o.Name), txn.MetaExclusive); err != nil {
		return err
	}
	ddl.add(change{object: &o})
	return nil
}

// DeleteObject deletes an object. Returns ErrNotFound.
func (tx *Tx) DeleteObject(ctx context.Context, kind ObjectKind, database, name string) error {
	_, ddl, err := tx.beginDDL()
	if err != nil {
		return err
	}
	if err := tx.lockMeta(ctx, database, objectLock(kind, name), txn.MetaExclusive); err != nil {
		return err
	}
	o := tx.NewestCatalog().Object(kind, database, name)
	if o == nil {
		return fmt.Errorf("%w: object %s.%s", ErrNotFound, database, name)
	}
	ddl.add(change{object: o, gone: true})
	return nil
}

// objectLock is the name that an object is locked by; a view's is a table's.
func objectLock(kind ObjectKind, name string) string {
	if kind == ObjectView {
		return name
	}
	return string([]byte{0, byte(kind)}) + name
}
