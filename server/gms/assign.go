package gms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// TakeDivided returns the warning of a division by zero or one of its kin since the last call, nil if there was none.
func (s *Session) TakeDivided() *sql.Warning {
	w := s.divided
	s.divided = nil
	return w
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
	if s.b.mysql && value.StrictStates[w.Code] != "" {
		s.divided = w
	}
	if s.b.mysql && w.Code == value.DivisionByZero {
		if !value.ModeEnabled(sql.NewContext(context.Background(), sql.WithSession(s)), sql.ErrorForDivisionByZero) {
			return
		}
		s.divided = w
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
