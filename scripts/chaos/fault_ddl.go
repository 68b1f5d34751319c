package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sextant/scripts/chaos/check"
)

// alteredRows is how many rows a table has whose ALTER is interrupted: 0 to that, without.
const alteredRows = 4000

// definition is what a table is before or after an ALTER TABLE.
type definition struct {
	columns string            // what CREATE TABLE would say
	right   string            // condition that every row meets, beside its id
	indexes map[string]string // for each, a condition that it serves and every row meets
}

var unaltered = definition{"id INT PRIMARY KEY, a INT NOT NULL, note VARCHAR(100) NOT NULL", "a = id % 97 AND note = CONCAT('row ', id)", map[string]string{"PRIMARY": "id >= 0"}}

// alterations are ALTER TABLEs of unaltered and what they give.
var alterations = []struct {
	clauses string
	to      definition
}{
	{"ADD INDEX extra (a)", definition{"id INT PRIMARY KEY, a INT NOT NULL, note VARCHAR(100) NOT NULL, KEY extra (a)",
		unaltered.right, map[string]string{"PRIMARY": "id >= 0", "extra": "a >= 0"}}},
	{"MODIFY a VARCHAR(20) NOT NULL, ADD INDEX extra (a)", definition{"id INT PRIMARY KEY, a VARCHAR(20) NOT NULL, note VARCHAR(100) NOT NULL, KEY extra (a)",
		"a = CAST(id % 97 AS CHAR) AND note = CONCAT('row ', id)", map[string]string{"PRIMARY": "id >= 0", "extra": "a >= ''"}}},
	{"DROP PRIMARY KEY, ADD PRIMARY KEY (a, id), ADD INDEX extra (note)", definition{"id INT NOT NULL, a INT NOT NULL, note VARCHAR(100) NOT NULL, PRIMARY KEY (a, id), KEY extra (note)",
		unaltered.right, map[string]string{"PRIMARY": "a >= 0", "extra": "note >= ''"}}},
	{"ADD COLUMN b INT NOT NULL DEFAULT 7 FIRST, DROP COLUMN note, ADD INDEX extra (b, a)", definition{"b INT NOT NULL DEFAULT 7, id INT PRIMARY KEY, a INT NOT NULL, KEY extra (b, a)",
		"a = id % 97 AND b = 7", map[string]string{"PRIMARY": "id >= 0", "extra": "b = 7"}}},
}

// failoverInDDL kills the writer while a table of some thousand rows is altered, which
// must be done whole or not at all.
func failoverInDDL(ctx context.Context, w *world, rng *rand.Rand, _ time.Duration) error {
	table := fmt.Sprintf("ddl_%d", rng.Int64N(1<<40))
	if err := w.unaltered(ctx, table); err != nil {
		return err
	}
	old, err := w.writer(ctx)
	if err != nil {
		return err
	}
	s := &session{w: w, db: w.db}
	defer s.drop()
	if err := s.open(ctx); err != nil {
		return err
	}
	change := pick(rng, alterations)
	sent, done := make(chan struct{}), make(chan error, 1)
	go func() {
		close(sent)
		_, err := s.conn.ExecContext(ctx, "ALTER TABLE "+table+" "+change.clauses)
		done <- err
	}()
	<-sent
	pause(ctx, time.Duration(rng.Int64N(int64(100*time.Millisecond))))
	w.inject(change.clauses, true)
	if err := w.signal(unix.SIGKILL, old); err != nil {
		return err
	}
	amid := len(done) == 0
	answer := <-done
	w.mu.Lock()
	w.alters++
	if amid {
		w.amid++
	}
	w.mu.Unlock()
	if _, err := w.another(ctx, old); err != nil {
		return err
	}
	if err := w.altered(ctx, table, answer == nil, change.to); err != nil {
		return fmt.Errorf("%s: %w", change.clauses, err)
	}
	return w.retry(ctx, "DROP TABLE IF EXISTS "+table)
}

// unaltered makes a table to be altered.
func (w *world) unaltered(ctx context.Context, table string) error {
	if err := w.retry(ctx, "CREATE TABLE IF NOT EXISTS "+table+" ("+unaltered.columns+")"); err != nil {
		return err
	}
	var values []string
	for i := range alteredRows {
		values = append(values, fmt.Sprintf("(%d,%d,'row %d')", i, i%97, i))
	}
	return w.retry(ctx, "INSERT IGNORE INTO "+table+" VALUES "+strings.Join(values, ","))
}

// altered checks a table of which an ALTER TABLE was interrupted: it is exactly what it
// was or, always if that was acknowledged, exactly what it should become.
func (w *world) altered(ctx context.Context, table string, acked bool, to definition) error {
	is, err := w.shown(ctx, table)
	if err != nil {
		return err
	}
	was, err := w.wouldShow(ctx, table, unaltered)
	if err != nil {
		return err
	}
	becomes, err := w.wouldShow(ctx, table, to)
	if err != nil {
		return err
	}
	d := to
	switch {
	case is == was && acked:
		w.h.anomaly(check.Lost, "ALTER TABLE %s was acknowledged", table)
		return nil
	case is == was:
		d = unaltered
	case is != becomes:
		w.h.anomaly(check.Torn, "an interrupted ALTER TABLE left %s; it is neither %s nor %s", is, was, becomes)
		return nil
	}
	for index, all := range d.indexes {
		var rows, ids, right int
		q := fmt.Sprintf("SELECT COUNT(*), COUNT(DISTINCT id), COALESCE(SUM(id BETWEEN 0 AND %d AND %s), 0) FROM %s FORCE INDEX (%s) WHERE %s", alteredRows-1, d.right, table, index, all)
		if err := w.ask(ctx, q, &rows, &ids, &right); err != nil {
			return err
		}
		if rows != alteredRows || ids != rows || right != rows {
			w.h.anomaly(check.Torn, "%s has %d of %d rows by its index %s, %d different and %d right: %s", table, rows, alteredRows, index, ids, right, is)
		}
	}
	return nil
}

// shown is what SHOW CREATE TABLE says of a table, without its name.
func (w *world) shown(ctx context.Context, table string) (text string, err error) {
	var name string
	err = w.ask(ctx, "SHOW CREATE TABLE "+table, &name, &text)
	return strings.Replace(text, "`"+table+"`", "", 1), err
}

// wouldShow is what shown would return for a table that was never altered.
func (w *world) wouldShow(ctx context.Context, table string, d definition) (string, error) {
	table += "_new"
	if err := w.retry(ctx, "CREATE TABLE IF NOT EXISTS "+table+" ("+d.columns+")"); err != nil {
		return "", err
	}
	text, err := w.shown(ctx, table)
	return text, errors.Join(err, w.retry(ctx, "DROP TABLE IF EXISTS "+table))
}
