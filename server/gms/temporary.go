package gms

import (
	"errors"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
)

// temporaries are the session's temporary tables. A temporary table is a table of
// the engine whose name only this session knows.
type temporaries struct {
	m map[string]temporary // by tableKey
}

type temporary struct {
	db, name string
	id       engine.TableID
}

// temporary returns the definition of a temporary table, nil if there is none.
func (s *Session) temporary(db, name string) *engine.TableDef {
	if len(s.temps.m) == 0 {
		return nil
	}
	x, ok := s.temps.m[tableKey(db, name)]
	if !ok {
		return nil
	}
	return s.sess.Temporary(x.id)
}

// hide keeps a temporary table from being found until the function it returns is called: a table of its name
// is created beside it.
func (t *temporaries) hide(db, name string) func() {
	k := tableKey(db, name)
	x, there := t.m[k]
	delete(t.m, k)
	return func() {
		if there {
			t.m[k] = x
		}
	}
}

// names returns the temporary tables of a database.
func (t *temporaries) names(db string) []string {
	var out []string
	for _, x := range t.m {
		if strings.EqualFold(x.db, db) && !isFulltextTable(x.name) {
			out = append(out, x.name)
		}
	}
	slices.Sort(out)
	return out
}

// remove drops a temporary table and reports whether there was one of the name.
func (t *temporaries) remove(ctx *sql.Context, s *Session, tx *engine.Tx, db, name string) (bool, error) {
	k := tableKey(db, name)
	x, ok := t.m[k]
	if !ok {
		return false, nil
	}
	delete(t.m, k)
	s.changes.any = true
	def := s.sess.Temporary(x.id)
	if def == nil {
		return true, nil
	}
	if err := tx.DropTable(ctx, def); err != nil && !errors.Is(err, engine.ErrNotFound) {
		return true, s.fail(ctx, err)
	}
	return true, nil
}

// CreateTemporaryTable implements sql.TemporaryTableCreator.
func (d *Database) CreateTemporaryTable(ctx *sql.Context, name string, schema sql.PrimaryKeySchema, c sql.CollationID) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	k := tableKey(d.Name(), name)
	if _, there := s.temps.m[k]; there {
		return sql.ErrTableAlreadyExists.New(name)
	}
	def, err := tableDef(ctx, d.Name(), name, schema, c, "", nil, true)
	if err != nil {
		return err
	}
	stored, err := tx.CreateTable(ctx, def)
	if err != nil {
		return s.fail(ctx, err)
	}
	if s.temps.m == nil {
		s.temps.m = make(map[string]temporary)
	}
	s.temps.m[k] = temporary{db: d.Name(), name: name, id: stored.ID}
	s.changes.any = true
	s.defined(stored.ID)
	return nil
}

// GetAllTemporaryTables implements sql.TemporaryTableDatabase.
func (d *Database) GetAllTemporaryTables(ctx *sql.Context) ([]sql.Table, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	var out []sql.Table
	for _, name := range s.temps.names(d.Name()) {
		sh, err := d.b.shapes.of(ctx, s.temporary(d.Name(), name))
		if err != nil {
			return nil, err
		}
		out = append(out, newTable(d, sh, reference{}))
	}
	return out, nil
}
