package gms

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/value"
)

// editor writes rows of one table within a session's transaction. All editors of
// a session share that transaction's write set, so it holds nothing of its own but
// where the statement began.
//
// It has no effect before its first call: the planner makes editors while planning.
type editor struct {
	t       *Table
	builder row.Builder
	mark    engine.Seq
	marked  *transaction // whose mark it is
}

var (
	_ sql.TableEditor         = (*editor)(nil)
	_ sql.ForeignKeyEditor    = (*editor)(nil)
	_ sql.AutoIncrementSetter = (*editor)(nil)
)

// Inserter implements sql.InsertableTable.
func (t *Table) Inserter(ctx *sql.Context) sql.RowInserter { return t.editor(ctx) }

// Updater implements sql.UpdatableTable.
func (t *Table) Updater(ctx *sql.Context) sql.RowUpdater { return t.editor(ctx) }

// Replacer implements sql.ReplaceableTable.
func (t *Table) Replacer(ctx *sql.Context) sql.RowReplacer { return t.editor(ctx) }

// Deleter implements sql.DeletableTable.
func (t *Table) Deleter(ctx *sql.Context) sql.RowDeleter { return t.editor(ctx) }

// GetForeignKeyEditor implements sql.ForeignKeyTable.
func (t *Table) GetForeignKeyEditor(ctx *sql.Context) sql.ForeignKeyEditor {
	return t.editor(ctx).(sql.ForeignKeyEditor)
}

// AutoIncrementSetter implements sql.AutoIncrementTable.
func (t *Table) AutoIncrementSetter(*sql.Context) sql.AutoIncrementSetter { return &editor{t: t} }

// editor returns the table's editor; with fulltext indexes it keeps their tables too.
func (t *Table) editor(ctx *sql.Context) sql.TableEditor {
	e := &editor{t: t}
	if ft := t.withWords(ctx, e); ft != nil {
		return ft
	}
	return e
}

// StatementBegin implements sql.EditOpenerCloser. It may be called for each row (IGNORE).
func (e *editor) StatementBegin(ctx *sql.Context) {
	s, err := sessionOf(ctx)
	if err != nil {
		return
	}
	tx, err := s.begin(ctx)
	if err != nil {
		e.marked = nil
		return
	}
	e.mark, e.marked = tx.Savepoint(), s.tx
}

// DiscardChanges implements sql.EditOpenerCloser.
func (e *editor) DiscardChanges(ctx *sql.Context, _ error) error {
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	if e.marked != nil && e.marked == s.tx && !s.tx.done {
		s.tx.tx.RollbackTo(e.mark)
	}
	e.marked = nil
	return nil
}

// StatementComplete implements sql.EditOpenerCloser. A statement that was killed
// comes here as well and must not leave its half behind.
func (e *editor) StatementComplete(ctx *sql.Context) error {
	if ctx.Err() != nil {
		if err := e.DiscardChanges(ctx, ctx.Err()); err != nil {
			return err
		}
		return errInterrupted()
	}
	if s, err := sessionOf(ctx); err == nil && e.marked != nil && e.marked == s.tx && !s.tx.done {
		s.tx.tx.Release(e.mark)
	}
	e.marked = nil
	return nil
}

// Close implements sql.Closer.
func (e *editor) Close(*sql.Context) error { return nil }

// begin returns what a write needs.
func (e *editor) begin(ctx *sql.Context) (*Session, *engine.Tx, *shape, error) {
	s, tx, err := writer(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if s.tx.readOnly && !e.t.IsTemporary() {
		return nil, nil, nil, wireError(engine.ErrReadOnlyTx)
	}
	return s, tx, e.t.live(ctx), nil
}

func (e *editor) encode(ctx *sql.Context, sh *shape, r sql.Row) (row.Row, error) {
	if err := sh.encode(ctx, &e.builder, r); err != nil {
		return nil, err
	}
	return e.builder.Row()
}

// Insert implements sql.RowInserter.
func (e *editor) Insert(ctx *sql.Context, r sql.Row) error {
	s, tx, sh, err := e.begin(ctx)
	if err != nil {
		return err
	}
	if err := checkNulls(sh, r); err != nil {
		return err
	}
	if r, err = sh.inFormats(ctx, value.Assigner{Row: 1}, sh.rounded(ctx, r)); err != nil { // what a trigger has assigned
		return err
	}
	enc, err := e.encode(ctx, sh, r)
	if err != nil {
		return err
	}
	insert := tx.Insert
	if s.upserts[sh.def.ID] {
		insert = tx.InsertOrLock
	}
	def, err := e.place(sh, enc)
	if err != nil {
		return s.ignored(ctx, r, err)
	}
	err = insert(ctx, def, enc)
	if s.pin != nil {
		s.pin.note(e.t, sh, r, err == nil)
		if err := s.pin.displaces(ctx, s, e.t, enc, err); err != nil {
			return err
		}
	}
	if err != nil {
		return e.failed(ctx, s, sh, r, err)
	}
	s.work.add(wrote, 1)
	return e.raise(ctx, s, sh, r)
}

// raise makes the counter pass an explicit AUTO_INCREMENT value.
func (e *editor) raise(ctx *sql.Context, s *Session, sh *shape, r sql.Row) error {
	if sh.autoInc < 0 || r[sh.autoInc] == nil {
		return nil
	}
	v, ok := counterValue(r[sh.autoInc])
	if !ok {
		return nil
	}
	if r := s.reserved[sh.def.ID]; r != nil && r.next < r.end && v >= r.next { // later ones must be above v
		if r.next += ((v-r.next)/r.step + 1) * r.step; r.next >= r.end {
			r.next, r.end = 0, 0
		}
	}
	if s.pin != nil && s.pin.of(sh) && v >= s.pin.generated {
		s.pin.unused = false
	}
	return s.fail(ctx, e.t.db.b.db.RaiseAutoIncrement(ctx, sh.def, v))
}

// stored returns the stored row that the planner's row stands for. Of a keyless
// table without a row id in it, it is one that a locking scan returned (T-23).
func (e *editor) stored(ctx *sql.Context, s *Session, sh *shape, r sql.Row) (row.Row, error) {
	if sh.rowID < len(r) {
		return e.encode(ctx, sh, r)
	}
	enc, err := e.encode(ctx, sh, sh.withoutVirtual(r))
	if err != nil {
		return nil, err
	}
	if found := s.rowIDs.take(sh.def.ID, string(enc)); found != nil {
		return found, nil
	}
	return nil, sql.ErrDeleteRowNotFound.New()
}

// Update implements sql.RowUpdater.
func (e *editor) Update(ctx *sql.Context, old, new sql.Row) error {
	s, tx, sh, err := e.begin(ctx)
	if err != nil {
		return err
	}
	if err := checkNulls(sh, new); err != nil {
		return err
	}
	if new, err = sh.inFormats(ctx, value.Assigner{Row: 1}, sh.rounded(ctx, new)); err != nil {
		return err
	}
	oldRow, err := e.stored(ctx, s, sh, old)
	if err != nil {
		return err
	}
	if err := sh.encode(ctx, &e.builder, new); err != nil {
		return err
	}
	if sh.rowID >= 0 {
		e.builder.Set(sh.rowID, sh.def.Desc().Datum(oldRow, sh.rowID))
	}
	newRow, err := e.builder.Row()
	if err != nil {
		return err
	}
	if err := e.update(ctx, tx, sh, oldRow, newRow); err != nil {
		return s.ignored(ctx, new, e.failed(ctx, s, sh, new, err))
	}
	if s.pin != nil && !bytes.Equal(oldRow, newRow) {
		s.pin.note(e.t, sh, new, true)
	}
	s.work.add(updated, 1)
	if sh.autoInc < 0 || old[sh.autoInc] == new[sh.autoInc] {
		return nil
	}
	return e.raise(ctx, s, sh, new)
}

// Delete implements sql.RowDeleter.
func (e *editor) Delete(ctx *sql.Context, r sql.Row) error {
	s, tx, sh, err := e.begin(ctx)
	if err != nil {
		return err
	}
	old, err := e.stored(ctx, s, sh, r)
	if err != nil {
		return err
	}
	def, err := e.place(sh, old)
	if err != nil {
		return err
	}
	if err := tx.Delete(ctx, def, old); err != nil {
		return e.failed(ctx, s, sh, r, err)
	}
	s.work.add(deleted, 1)
	return nil
}

// failed turns an error of a write into the planner's. A duplicate carries the row
// that is there, which REPLACE and ON DUPLICATE KEY UPDATE then change (T-20).
func (e *editor) failed(ctx *sql.Context, s *Session, sh *shape, r sql.Row, err error) error {
	var dup *engine.DuplicateError
	if !errors.As(err, &dup) {
		if errors.Is(err, engine.ErrNotFound) {
			return sql.ErrDeleteRowNotFound.New()
		}
		return s.fail(ctx, err)
	}
	existing, derr := sh.decode(s.TimeZone(ctx), sh.def.Desc(), dup.Existing, nil)
	if derr != nil {
		return derr
	}
	if sh.rowID >= len(existing) {
		if err := s.noteRow(ctx, sh, &e.builder, existing, dup.Existing); err != nil {
			return err
		}
	}
	values := make([]string, len(dup.Index.Columns))
	for i, c := range dup.Index.Columns {
		if c.Multi {
			values[i] = sh.takenMember(ctx, dup, i)
			continue
		}
		values[i] = text(ctx, sh.codecs[c.Column].Typ, r[c.Column], int(c.Prefix))
	}
	return sql.NewUniqueKeyErr(duplicateEntry(values, sh.def.Name, dup.Index.Name),
		dup.Index == sh.def.Primary || dup.Index.ID == sh.def.Primary.ID, existing)
}

// messageMost is how many bytes of a binary value a message has room for.
const messageMost = 128

// text returns a value as messages show it: what is not printable of a binary one as \x and two digits, without the zeros at its end.
func text(ctx *sql.Context, t sql.Type, v any, prefix int) string {
	if v == nil {
		return "NULL"
	}
	w, err := t.SQL(ctx, nil, v)
	if err != nil {
		return fmt.Sprint(v)
	}
	out := w.ToString()
	if types.IsBinaryType(t) || types.IsBit(t) {
		if prefix > 0 && len(out) > prefix {
			out = out[:prefix]
		}
		if t.Type() == sqltypes.Binary {
			out = strings.TrimRight(out, "\x00")
		}
		return value.EscapedBytes(out, messageMost)
	}
	if runes := []rune(out); prefix > 0 && len(runes) > prefix {
		out = string(runes[:prefix])
	}
	return out
}

// checkNulls returns 1048 for a NULL in a column that has none: foreign key
// actions and rewrites do not ask the planner.
func checkNulls(sh *shape, r sql.Row) error {
	for i, c := range sh.schema {
		if r[i] == nil && !c.Nullable && !c.Virtual {
			return sql.ErrInsertIntoNonNullableProvidedNull.New(c.Name)
		}
	}
	return nil
}

// IndexedAccess implements sql.IndexAddressable: foreign keys look up parents,
// which they lock shared, and children, which they may change (T-5: at "now").
func (e *editor) IndexedAccess(ctx *sql.Context, l sql.IndexLookup) sql.IndexedTable {
	n := *e.t
	n.projected, n.projection, n.columns, n.schema, n.filter = false, nil, nil, nil, nil
	n.now, n.ref = true, reference{lock: lockWrite, joined: e.t.ref.joined}
	n.lookup = &l
	return &n
}

// GetIndexes implements sql.IndexAddressable.
func (e *editor) GetIndexes(ctx *sql.Context) ([]sql.Index, error) {
	return e.t.Unhinted().GetIndexes(ctx)
}

// PreciseMatch implements sql.IndexAddressable.
func (e *editor) PreciseMatch() bool { return true }

// counterValue returns an explicit value as a counter's, false if it is negative.
func counterValue(v any) (uint64, bool) {
	switch v := v.(type) {
	case int8:
		return uint64(v), v >= 0
	case int16:
		return uint64(v), v >= 0
	case int32:
		return uint64(v), v >= 0
	case int64:
		return uint64(v), v >= 0
	case uint8:
		return uint64(v), true
	case uint16:
		return uint64(v), true
	case uint32:
		return uint64(v), true
	case uint64:
		return v, true
	case float32:
		return uint64(v), v >= 0
	case float64:
		return uint64(v), v >= 0
	}
	return 0, false
}

// PeekNextAutoIncrementValue implements sql.AutoIncrementGetter.
func (t *Table) PeekNextAutoIncrementValue(ctx *sql.Context) (uint64, error) {
	sh := t.live(ctx)
	if sh.autoInc < 0 {
		return 0, nil
	}
	v, err := t.db.b.db.PeekAutoIncrement(ctx, sh.def)
	if err != nil {
		return 0, wireError(err)
	}
	if !inRange(ctx, sh, v) {
		return v - 1, nil // used up: MySQL shows the highest value
	}
	return v, nil
}

// inRange reports whether the AUTO_INCREMENT column can hold v.
func inRange(ctx *sql.Context, sh *shape, v uint64) bool {
	_, in, err := sh.schema[sh.autoInc].Type.Convert(ctx, v)
	return err != nil || in == sql.InRange
}

// GetNextAutoIncrementValue implements sql.AutoIncrementTable. A statement takes
// its values from what it reserved, so that they are consecutive (T-22).
func (t *Table) GetNextAutoIncrementValue(ctx *sql.Context, given any) (uint64, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return 0, err
	}
	sh := t.live(ctx)
	if given != nil {
		v, ok := counterValue(given)
		if !ok {
			c, _, err := types.Uint64.Convert(ctx, given)
			if err != nil {
				return 0, err
			}
			v, _ = c.(uint64)
		}
		if s.insertIDUsed && s.calls.within == nil && v >= s.insertID {
			step, offset, err := counterStep(ctx)
			if err != nil {
				return 0, err
			}
			s.insertID = (v+step-offset)/step*step + offset
		}
		return v, nil
	}
	if sh.autoInc < 0 {
		return 0, sql.ErrColumnNotFound.New("auto_increment")
	}
	if s.insertID > 0 && s.calls.within == nil {
		v := s.insertID
		s.insertIDUsed = true
		if s.pin != nil {
			s.pin.generated = v
		}
		return t.GetNextAutoIncrementValue(ctx, v)
	}
	if s.pin != nil && s.pin.unused && s.pin.of(sh) {
		return s.pin.generated, nil
	}
	r := s.reserved[sh.def.ID]
	if r == nil {
		r = &reservation{hint: 1}
		if s.reserved == nil {
			s.reserved = make(map[engine.TableID]*reservation)
		}
		s.reserved[sh.def.ID] = r
	}
	if r.next == r.end {
		step, offset, err := counterStep(ctx)
		if err != nil {
			return 0, err
		}
		first, err := t.db.b.db.ReserveAutoIncrement(ctx, sh.def, r.hint*step)
		if err != nil {
			return 0, s.fail(ctx, err)
		}
		// of step values in a row one is in the series
		r.next, r.step = first+(offset%step+step-first%step)%step, step
		r.end, r.hint = r.next+r.hint*step, 1
	}
	v := r.next
	r.next += r.step
	if most, in, err := sh.schema[sh.autoInc].Type.Convert(ctx, v); err == nil && in != sql.InRange { // the last value is given again
		v, _ = counterValue(most)
	}
	if s.pin != nil {
		s.pin.generated, s.pin.unused = v, s.pin.of(sh)
	}
	return v, nil
}

// counterStep returns auto_increment_increment and auto_increment_offset; MySQL ignores an
// offset above the increment.
func counterStep(ctx *sql.Context) (step, offset uint64, err error) {
	var values [2]uint64
	for i, name := range []string{"auto_increment_increment", "auto_increment_offset"} {
		v, err := ctx.GetSessionVariable(ctx, name)
		if err != nil {
			return 0, 0, err
		}
		u, _, err := types.Uint64.Convert(ctx, v)
		if err != nil {
			return 0, 0, err
		}
		values[i], _ = u.(uint64)
	}
	if step, offset = max(values[0], 1), values[1]; offset > step {
		offset = 1
	}
	return step, offset, nil
}

// SetAutoIncrementValue implements sql.AutoIncrementSetter. The counter goes on behind the values
// that there are.
func (e *editor) SetAutoIncrementValue(ctx *sql.Context, v uint64) error {
	s, tx, sh, err := e.begin(ctx)
	if err != nil {
		return err
	}
	def, err := tx.SetAutoIncrement(ctx, sh.def, v)
	if err != nil {
		return s.fail(ctx, err)
	}
	s.defined(sh.def.ID)
	if sh.autoInc < 0 {
		return nil
	}
	rows, err := e.t.scan(ctx, nil)
	if err != nil {
		return err
	}
	most := uint64(0)
	for {
		r, err := rows.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(err, rows.Close(ctx))
		}
		if n, ok := counterValue(r[sh.autoInc]); ok {
			most = max(most, n)
		}
	}
	if err := rows.Close(ctx); err != nil || most < v || most == math.MaxUint64 {
		return err
	}
	_, err = tx.SetAutoIncrement(ctx, def, most+1)
	return s.fail(ctx, err)
}

// AcquireAutoIncrementLock implements sql.AutoIncrementSetter. Reservations make the
// values of a statement consecutive without one.
func (e *editor) AcquireAutoIncrementLock(*sql.Context) (func(), error) { return func() {}, nil }

var errNoSuchCheck = func(name string) error {
	return mysql.NewSQLError(3821, "HY000", "Check constraint '%s' is not found in the table.", strings.TrimSpace(name))
}
