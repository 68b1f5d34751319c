package gms

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/fulltext"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

func contextWithoutDeadline() context.Context { return context.Background() }

// A FULLTEXT index is five ordinary tables that the planner keeps by way of an
// editor around the table's own; only its name and columns are kept with the table.
// Their names begin with a NUL, which no identifier of a statement may have: clients
// neither see nor reach them.

func isFulltextTable(name string) bool { return strings.HasPrefix(name, "\x00") }

// CreateFulltextTableNames implements fulltext.Database.
func (d *Database) CreateFulltextTableNames(ctx *sql.Context, table, _ string) (fulltext.IndexTableNames, error) {
	s, tx, err := writer(ctx)
	if err != nil {
		return fulltext.IndexTableNames{}, err
	}
	cat := tx.NewestCatalog()
	def := s.temporary(d.Name(), table)
	if def == nil {
		def = cat.Table(d.Name(), table)
	}
	if def == nil {
		return fulltext.IndexTableNames{}, sql.ErrTableNotFound.New(table)
	}
	for i := 0; ; i++ {
		prefix := fmt.Sprintf("\x00fts_%d_", def.ID)
		n := fulltext.IndexTableNames{
			Config:   prefix + "config",
			Position: fmt.Sprintf("%s%d_position", prefix, i), DocCount: fmt.Sprintf("%s%d_doc_count", prefix, i),
			GlobalCount: fmt.Sprintf("%s%d_global_count", prefix, i), RowCount: fmt.Sprintf("%s%d_row_count", prefix, i),
		}
		if cat.Table(d.Name(), n.Position) == nil && s.temporary(d.Name(), n.Position) == nil {
			return n, nil
		}
	}
}

// CreateFulltextIndex implements fulltext.IndexAlterableTable. It fills the index: the planner
// would have the rows again in those that are there, and so gets none.
func (t *Table) CreateFulltextIndex(ctx *sql.Context, ix sql.IndexDef, key fulltext.KeyColumns, names fulltext.IndexTableNames) error {
	if t.live(ctx).findIndex(ix.Name) != nil {
		return sql.ErrDuplicateKey.New(ix.Name)
	}
	if err := t.addPseudo(ctx, pseudoIndex{
		Name: ix.Name, Kind: engine.IndexFulltext, Columns: ix.ColumnNames(), Comment: ix.Comment,
		Position: names.Position, DocCount: names.DocCount, GlobalCount: names.GlobalCount, RowCount: names.RowCount,
		KeyType: byte(key.Type), KeyName: key.Name, KeyPositions: key.Positions,
	}); err != nil {
		return err
	}
	if err := t.alter(ctx, func(def *engine.TableDef) error {
		def.Options[optConfig] = names.Config
		return nil
	}); err != nil {
		return err
	}
	t.building = true
	return t.indexWords(ctx, ix.Name)
}

// indexWords puts the rows into a fulltext index.
func (t *Table) indexWords(ctx *sql.Context, index string) error {
	sets, err := t.fulltextSets(ctx, t.live(ctx))
	if err != nil {
		return err
	}
	sets = slices.DeleteFunc(sets, func(s fulltext.TableSet) bool { return !syntax.SameName(s.Index.ID(), index) })
	words, err := t.wordsEditor(ctx, sets)
	if err != nil {
		return err
	}
	rows, err := t.scan(ctx, nil)
	if err != nil {
		return err
	}
	if it, ok := rows.(*rowIter); ok {
		it.zone = nil // see kept
	}
	defer func() { _ = rows.Close(ctx) }()
	for {
		r, err := rows.Next(ctx)
		if expr.IsEOF(err) {
			return nil
		}
		if err == nil {
			err = words.Insert(ctx, r)
		}
		if err != nil {
			return err
		}
	}
}

func (t *Table) addPseudo(ctx *sql.Context, p pseudoIndex) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		list, err := pseudoIndexes(def)
		if err != nil {
			return err
		}
		return setPseudoIndexes(def, append(list, p))
	})
}

// dropFromPseudo takes a column out of the indexes without trees; an index without
// columns goes.
func dropFromPseudo(def *engine.TableDef, column string) error {
	return changePseudo(def, func(p *pseudoIndex) {
		p.Columns = slices.DeleteFunc(p.Columns, func(c string) bool { return syntax.SameName(c, column) })
	})
}

func renameInPseudo(def *engine.TableDef, from, to string) error {
	return changePseudo(def, func(p *pseudoIndex) {
		for i, c := range p.Columns {
			if syntax.SameName(c, from) {
				p.Columns[i] = to
			}
		}
	})
}

func changePseudo(def *engine.TableDef, f func(*pseudoIndex)) error {
	list, err := pseudoIndexes(def)
	if err != nil || len(list) == 0 {
		return err
	}
	for i := range list {
		f(&list[i])
	}
	return setPseudoIndexes(def, slices.DeleteFunc(list, func(p pseudoIndex) bool { return len(p.Columns) == 0 }))
}

// withWords returns an editor that keeps the fulltext indexes as well, nil if
// there are none.
func (t *Table) withWords(ctx *sql.Context, e *editor) sql.TableEditor {
	sets, err := t.fulltextSets(ctx, t.live(ctx))
	if err == nil && len(sets) == 0 {
		return nil
	}
	var words fulltext.TableEditor
	if err == nil {
		words, err = t.wordsEditor(ctx, sets)
	}
	if err != nil {
		return brokenEditor{e, err}
	}
	return &fulltextEditor{e, words}
}

// wordsEditor returns the planner's editor of fulltext indexes.
func (t *Table) wordsEditor(ctx *sql.Context, sets []fulltext.TableSet) (fulltext.TableEditor, error) {
	config, err := t.pseudoTable(ctx, t.live(ctx).def.Options[optConfig])
	if err != nil {
		return fulltext.TableEditor{}, err
	}
	return fulltext.CreateEditor(ctx, t, config, sets...)
}

// fulltextEditor writes a table's rows and then their words: a row that is refused leaves none.
// Both are in the session's one write set, so the table's editor begins, ends and
// undoes statements for the two.
type fulltextEditor struct {
	*editor
	words fulltext.TableEditor
}

// Insert implements sql.RowInserter.
func (e *fulltextEditor) Insert(ctx *sql.Context, r sql.Row) error {
	if err := e.editor.Insert(ctx, r); err != nil {
		return err
	}
	r, err := e.kept(ctx, r)
	if err != nil {
		return err
	}
	return e.words.Insert(ctx, r)
}

// Update implements sql.RowUpdater.
func (e *fulltextEditor) Update(ctx *sql.Context, old, new sql.Row) error {
	if err := e.editor.Update(ctx, old, new); err != nil {
		return err
	}
	old, err := e.kept(ctx, old)
	if err != nil {
		return err
	}
	if new, err = e.kept(ctx, new); err != nil {
		return err
	}
	return e.words.Update(ctx, old, new)
}

// Delete implements sql.RowDeleter.
func (e *fulltextEditor) Delete(ctx *sql.Context, r sql.Row) error {
	if err := e.editor.Delete(ctx, r); err != nil {
		return err
	}
	r, err := e.kept(ctx, r)
	if err != nil {
		return err
	}
	return e.words.Delete(ctx, r)
}

// kept returns a row as the index knows it, which has a hash of it: as it is stored, without a row id, and
// in UTC whatever the session's time zone is.
func (e *fulltextEditor) kept(ctx *sql.Context, r sql.Row) (sql.Row, error) {
	_, _, sh, err := e.begin(ctx)
	if err == nil {
		sh, err = e.t.db.b.shapes.of(ctx, sh.def)
	}
	if err != nil {
		return nil, err
	}
	r = r[:len(sh.codecs)]
	if r, err = sh.inFormats(ctx, value.Assigner{Row: 1}, sh.rounded(ctx, r)); err != nil {
		return nil, err
	}
	stored, err := e.encode(ctx, sh, r)
	if err != nil {
		return nil, err
	}
	return sh.decode(nil, sh.def.Desc(), stored, nil)
}

// brokenEditor is the editor of a table whose fulltext indexes cannot be kept:
// every write fails.
type brokenEditor struct {
	*editor
	err error
}

func (b brokenEditor) Insert(*sql.Context, sql.Row) error { return b.err }

func (b brokenEditor) Update(_ *sql.Context, _, _ sql.Row) error { return b.err }

func (b brokenEditor) Delete(*sql.Context, sql.Row) error { return b.err }

func (t *Table) pseudoTable(ctx *sql.Context, name string) (fulltext.EditableTable, error) {
	tab, ok, err := t.db.GetTableInsensitive(ctx, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sql.ErrTableNotFound.New(name)
	}
	ed, ok := tab.(fulltext.EditableTable)
	if !ok {
		return nil, sql.ErrIncompleteFullTextIntegration.New()
	}
	return ed, nil
}

func (t *Table) fulltextSets(ctx *sql.Context, sh *shape) ([]fulltext.TableSet, error) {
	var sets []fulltext.TableSet
	for _, ix := range sh.indexes {
		if ix.pseudo == nil || ix.pseudo.Kind != engine.IndexFulltext {
			continue
		}
		set := fulltext.TableSet{Index: ix}
		for _, p := range []struct {
			name string
			to   *fulltext.EditableTable
		}{
			{ix.pseudo.Position, &set.Position}, {ix.pseudo.DocCount, &set.DocCount},
			{ix.pseudo.GlobalCount, &set.GlobalCount}, {ix.pseudo.RowCount, &set.RowCount},
		} {
			tab, err := t.pseudoTable(ctx, p.name)
			if err != nil {
				return nil, err
			}
			*p.to = tab
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// hasFulltext reports whether the table has a fulltext index.
func (s *shape) hasFulltext() bool {
	return slices.ContainsFunc(s.indexes, func(ix *Index) bool { return ix.def.Kind == engine.IndexFulltext })
}

// fulltextTables returns the tables of a table's FULLTEXT indexes.
func fulltextTables(def *engine.TableDef) []string {
	list, err := pseudoIndexes(def)
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range list {
		if p.Kind == engine.IndexFulltext {
			out = append(out, p.Position, p.DocCount, p.GlobalCount, p.RowCount)
		}
	}
	if len(out) > 0 {
		out = append(out, def.Options[optConfig])
	}
	return out
}
