package gms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/syntax"
)

// limitToPartitions resolves the partitions that the reference to a table names, or the statement that inserts into it.
// Returns 1735 for an unknown one, 1747 if the table is not partitioned.
func (s *Session) limitToPartitions(t *Table) (err error) {
	if names := t.ref.parts; names != "" {
		t.only, err = t.partitionsNamed(strings.Split(names[1:], "\x00"))
		return err
	}
	var into ast.TableName
	var list ast.Partitions
	switch n := s.current().(type) {
	case *ast.Insert:
		into, list = n.Table, n.Partitions
	case *ast.Load:
		into, list = n.Table, n.Partition
	}
	if len(list) == 0 || t.ref.lock != lockNone {
		return nil
	}
	if full := fullName(into, s.GetCurrentDatabase()); !syntax.SameName(full.Database, t.Database()) || !syntax.SameName(full.Name, t.Name()) {
		return nil
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.String()
	}
	t.into, err = t.partitionsNamed(names)
	return err
}

func (t *Table) partitionsNamed(names []string) ([]int, error) {
	if t.shape.parts == nil {
		return nil, mysql.NewSQLError(1747, "HY000", "PARTITION () clause on non partitioned table")
	}
	return t.shape.parts.named(t.Name(), names)
}

// place returns the table or partition that a stored row is to be in. Returns 1526 if it has none.
func (sh *shape) place(r row.Row) (*engine.TableDef, error) {
	if sh.parts == nil {
		return sh.def, nil
	}
	at, err := sh.parts.of(sh.def.Desc(), r)
	if err != nil {
		return nil, err
	}
	return sh.def.Part(at), nil
}

var errOtherPartition = mysql.NewSQLError(1748, "HY000", "Found a row not matching the given partition set")

// place is shape.place for a row that the editor writes. Returns 1748 if the statement is limited to other partitions.
func (e *editor) place(sh *shape, r row.Row) (*engine.TableDef, error) {
	if sh.parts == nil {
		return sh.def, nil
	}
	at, err := sh.parts.of(sh.def.Desc(), r)
	if err != nil {
		return nil, err
	}
	for _, limit := range [][]int{e.t.only, e.t.into} {
		if limit != nil && !slices.Contains(limit, at) {
			return nil, errOtherPartition
		}
	}
	return sh.def.Part(at), nil
}

// placed returns 1863 if a row that a scan for a write has returned is in another partition than it belongs to: EXCHANGE
// PARTITION WITHOUT VALIDATION may have put it there, and its key says nothing about where it is.
func (sh *shape) placed(cur *engine.Cursor, r row.Row) error {
	if sh.parts == nil {
		return nil
	}
	at, err := sh.parts.of(sh.def.Desc(), r)
	if err == nil && at != cur.Part() {
		err = errWrongPartition(fmt.Sprintf("%d. Correct is %d", cur.Part(), at))
	}
	return err
}

func errWrongPartition(text string) error {
	return mysql.NewSQLError(1863, "HY000", "Found a row in wrong partition %s", text)
}

// misplaced returns a row of a partition that belongs into another, as CHECK TABLE tells of it; "" if there is none.
func (sh *shape) misplaced(ctx *sql.Context, tx *engine.Tx, part int) (string, error) {
	cur, err := tx.Scan(ctx, sh.def, engine.ScanOptions{Parts: []int{part}})
	if err != nil {
		return "", err
	}
	defer cur.Close()
	for {
		r, err := cur.Next(ctx)
		if err == io.EOF {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		at, err := sh.parts.of(sh.def.Desc(), r)
		switch {
		case err != nil:
			return fmt.Sprintf("Found a misplaced row in part %d: %s", part, sql.CastSQLError(err).Message), nil
		case at != part:
			return fmt.Sprintf("Found a misplaced row in part %d should be in part %d", part, at), nil
		}
	}
}

// checkPlaces answers CHECK of partitions: that every row is in the partition where it belongs.
func (sh *shape) checkPlaces(ctx *sql.Context, s *Session, parts []int) ([]tableMessage, error) {
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	for _, at := range parts {
		text, err := sh.misplaced(ctx, tx, at)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		if text != "" {
			return []tableMessage{
				{kind: "error", text: text}, {kind: "error", text: "Partition " + sh.parts.Parts[at].Name + " returned error"}, {kind: "error", text: "Corrupt"},
			}, nil
		}
	}
	return done(), nil
}

// ignored returns the error of a row that has no partition to be in; with IGNORE it is a warning, and the row is left out.
func (s *Session) ignored(ctx *sql.Context, r sql.Row, err error) error {
	ignore := false
	switch n := s.current().(type) {
	case *ast.Insert:
		ignore = n.Ignore != ""
	case *ast.Update:
		ignore = n.Ignore != ""
	case *ast.Load:
		ignore = strings.TrimSpace(n.IgnoreOrReplace) == strings.TrimSpace(ast.IgnoreStr) || bool(n.Local) && n.IgnoreOrReplace == ""
	}
	var known *mysql.SQLError
	if !ignore || !errors.As(err, &known) || known.Num != 1526 && known.Num != 1748 {
		return err
	}
	ctx.Warn(known.Num, "%s", known.Message)
	return sql.NewIgnorableError(r)
}

// update replaces a stored row, which moves to another partition if the new one belongs there.
func (e *editor) update(ctx context.Context, tx *engine.Tx, sh *shape, old, r row.Row) error {
	if sh.parts == nil {
		return tx.Update(ctx, sh.def, old, r)
	}
	from, err := sh.place(old)
	if err != nil {
		return err
	}
	to, err := e.place(sh, r)
	if err != nil {
		return err
	}
	if from == to {
		return tx.Update(ctx, from, old, r)
	}
	if is, err := tx.Newest(ctx, from, old); err != nil || is == nil {
		if err == nil {
			err = engine.ErrNotFound
		}
		return err
	}
	// A duplicate leaves the row where it is.
	if err := tx.Insert(ctx, to, r); err != nil {
		return err
	}
	return tx.Delete(ctx, from, old)
}

// partsOf returns the partitions that a scan reads, nil: all.
func (t *Table) partsOf(ctx *sql.Context, sh *shape, l *sql.IndexLookup) ([]int, error) {
	parts := both(t.only, t.pruned)
	if l == nil {
		return parts, nil
	}
	found, err := sh.parts.ofLookup(ctx, sh, *l)
	return both(parts, found), err
}

// both returns the partitions of two sets, of which nil is all.
func both(a, b []int) []int {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := []int{}
	for _, x := range a {
		if slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}
