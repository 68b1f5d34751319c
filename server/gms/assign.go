package gms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// TakeDivided returns the first warning of a division by zero or one of its kin since the last call, nil if there was none.
func (s *Session) TakeDivided() *sql.Warning {
	w := s.divided
	s.divided = nil
	return w
}

// strictSource are the rows that a statement changes.
type strictSource struct{ sql.Node }

// strictRows are the rows that a statement changes: in strict mode it fails by what the expressions that find them warn of.
type strictRows struct {
	sql.RowIter
	a value.Assigner
}

// Next implements sql.RowIter.
func (r *strictRows) Next(ctx *sql.Context) (sql.Row, error) {
	row, err := r.RowIter.Next(ctx)
	return row, strictly(ctx, &r.a, err)
}

// strictly returns err, or in strict mode the error of what was evaluated for a row, also if there is no other row.
func strictly(ctx *sql.Context, a *value.Assigner, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // as iterators return it
		if failed := a.Divided(ctx); failed != nil {
			return failed
		}
	}
	return err
}

// Warn implements sql.Session.
func (s *Session) Warn(w *sql.Warning) {
	if s.quiet > 0 {
		return
	}
	if w.Code == duplicateIndex && s.b.mysql && !s.isDuplicateIndex(w.Message) {
		return
	}
	if !s.b.mysql || !strings.HasPrefix(w.Message, "Truncated incorrect ") {
	} else if m := value.TruncatedNumber.FindStringSubmatch(w.Message); m != nil {
		kind := "INTEGER"
		switch m[1] {
		case "float", "double":
			kind = "DOUBLE"
		case "decimal":
			kind = "DECIMAL"
		}
		w = &sql.Warning{Level: w.Level, Code: w.Code, Message: "Truncated incorrect " + kind + " value: '" + m[2] + "'"}
	} else if m := value.WrongMoment.FindStringSubmatch(w.Message); m != nil {
		w = &sql.Warning{Level: w.Level, Code: w.Code, Message: "Incorrect datetime value: '" + m[1] + "'"}
	}
	if s.b.mysql && value.ZeroMoment.MatchString(w.Message) {
		w = &sql.Warning{Level: w.Level, Code: w.Code, Message: value.ZeroMoment.ReplaceAllString(w.Message, "'0000-00-00 00:00:00'")}
	}
	if s.b.mysql && strings.HasPrefix(w.Message, "Setting CHARACTER SET, COLLATION and ENCRYPTION") {
		return // of databases, which are set
	}
	if s.b.mysql && w.Code == mysql.ERBadTable {
		w = s.unknownTable(w)
	}
	if s.b.mysql && w.Code == 1007 {
		w = &sql.Warning{Level: w.Level, Code: w.Code, Message: databaseExists.ReplaceAllString(w.Message, "Can't create database '$1'; database exists")}
	}
	if s.b.mysql && strings.HasPrefix(w.Message, "'disable/enable keys'") {
		w = &sql.Warning{Level: "Note", Code: 1031, Message: fmt.Sprintf("Table storage engine for '%s' doesn't have this option", s.altered)}
	}
	if s.b.mysql && value.StrictStates[w.Code] != "" && w.Level == "Warning" {
		s.divided = cmp.Or(s.divided, w)
	}
	if s.b.mysql && w.Code == value.DivisionByZero {
		if !value.ModeEnabled(sql.NewContext(context.Background(), sql.WithSession(s)), sql.ErrorForDivisionByZero) {
			return
		}
		s.divided = cmp.Or(s.divided, w)
	}
	if s.b.mysql && w.Level == "Note" && (value.Ignored[w.Code] || w.Code == mysql.ERUnknownError) {
		e, ok := s.violated(errors.New(w.Message)).(*mysql.SQLError)
		if !ok {
			e = clientError(mysql.NewSQLError(mysql.ERUnknownError, "HY000", "%s", w.Message), s.GetCurrentDatabase())
		}
		code := w.Code
		if rewrite.Generic(code) {
			code = e.Num
		}
		w = &sql.Warning{Level: "Warning", Code: code, Message: e.Message}
	}
	s.BaseSession.Warn(w)
}
