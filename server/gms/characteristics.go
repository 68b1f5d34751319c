package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// The planner takes SET TRANSACTION for SET SESSION TRANSACTION, and drops WITH
// CONSISTENT SNAPSHOT and AND CHAIN. The parser turns the first into the setting of a user
// variable that no client can name; the others are looked up in the statement's text.

// nextTransaction is that user variable.
const nextTransaction = "\x00next transaction"

// characteristics are what SET TRANSACTION said of the next transaction, "" what
// it did not say.
type characteristics struct{ isolation, access string }

// setNextTransaction turns SET TRANSACTION without a scope into settings of nextTransaction.
func setNextTransaction(stmt ast.Statement) {
	set, ok := stmt.(*ast.Set)
	if !ok {
		return
	}
	for _, e := range set.Exprs {
		if e.Scope == "" && strings.EqualFold(e.Name.String(), "transaction") {
			e.Scope, e.Name = ast.SetScope_User, ast.NewColName("@"+nextTransaction)
		}
	}
}

// SetUserVariable implements sql.Session.
func (s *Session) SetUserVariable(ctx *sql.Context, name string, value any, typ sql.Type) error {
	if name != nextTransaction {
		s.changes.any = true
		s.variables.LoadOrStore(strings.ToLower(name), name)
		return s.BaseSession.SetUserVariable(ctx, name, value, s.variableType(ctx, name, typ))
	}
	if s.GetIgnoreAutoCommit() || s.tx != nil && !s.tx.done && s.tx.used {
		return mysql.NewSQLError(1568, "25001",
			"Transaction characteristics can't be changed while a transaction is in progress")
	}
	text, _ := value.(string)
	text = strings.ToLower(text)
	if level, ok := strings.CutPrefix(text, "isolation level "); ok {
		s.next.isolation = strings.ReplaceAll(level, " ", "-")
	} else {
		s.next.access = text
	}
	s.retune(ctx)
	return nil
}

// tuning is the session's characteristics of transactions, read from its variables.
type tuning struct {
	known     bool
	isolation string
	readOnly  bool
}

func (s *Session) tune(ctx *sql.Context) *tuning {
	if !s.tuning.known {
		v, err := s.GetSessionVariable(ctx, "transaction_isolation")
		level, _ := v.(string)
		if err != nil {
			level = ""
		}
		s.tuning = tuning{known: true, isolation: level, readOnly: s.boolVariable(ctx, "transaction_read_only")}
	}
	return &s.tuning
}

// isolation returns the level of a name; REPEATABLE READ for others.
func isolation(name string) engine.Isolation {
	switch strings.ToLower(name) {
	case "read-committed", "read-uncommitted":
		return engine.ReadCommitted
	case "serializable":
		return engine.Serializable
	}
	return engine.RepeatableRead
}

// characterize gives a transaction that is about to begin its isolation and access.
func (s *Session) characterize(ctx *sql.Context, t *transaction, c sql.TransactionCharacteristic) {
	tune := s.tune(ctx)
	t.level, t.readOnly = cmp.Or(s.next.isolation, tune.isolation), tune.readOnly
	t.isolation = isolation(t.level)
	if s.next.access != "" {
		t.readOnly = s.next.access == "read only"
	}
	if q := ctx.Query(); len(q) > 5 && strings.EqualFold(q[:5], "start") {
		words := leading(q, 12)
		t.readOnly = t.readOnly && !phrase(words, "read", "write")
		t.snapshot = phrase(words, "consistent", "snapshot")
	}
	t.readOnly = t.readOnly || c == sql.ReadOnly
}

// retune gives a transaction in which nothing has happened the session's new
// characteristics: with autocommit off, SET itself began one.
func (s *Session) retune(ctx *sql.Context) {
	t := s.tx
	if t == nil || t.done || t.used || s.GetIgnoreAutoCommit() {
		return
	}
	if t.tx != nil {
		t.tx.Rollback()
		t.tx, t.begun = nil, false
	}
	s.characterize(ctx, t, sql.ReadWrite)
}

// chains reports whether a COMMIT or ROLLBACK begins the next transaction at once, by itself or
// by completion_type.
func (s *Session) chains(ctx *sql.Context) bool {
	words := endWords(ctx.Query())
	if phrase(words, "and", "chain") {
		return true
	}
	v, err := s.GetSessionVariable(ctx, "completion_type")
	return err == nil && v == "CHAIN" && !phrase(words, "no", "chain")
}

// endWords are the words of a COMMIT or ROLLBACK.
func endWords(query string) []string { return leading(query, 7) }

// releases reports whether a COMMIT or ROLLBACK ends the connection, by itself or by
// completion_type.
func (s *Session) releases(ctx *sql.Context) bool {
	words := endWords(ctx.Query())
	if slices.Contains(words, "release") {
		return !phrase(words, "no", "release")
	}
	v, err := s.GetSessionVariable(ctx, "completion_type")
	return err == nil && v == "RELEASE"
}

// phrase reports whether one word directly follows another.
func phrase(words []string, first, second string) bool {
	for i := 1; i < len(words); i++ {
		if words[i-1] == first && words[i] == second {
			return true
		}
	}
	return false
}

// leading returns the first words of a statement in lower case, at most n.
func leading(q string, n int) []string {
	var out []string
	for at := 0; at < len(q) && len(out) < n; {
		word, end := syntax.NextWord(q, at)
		if word == " " && q[at] == ';' {
			break
		}
		if word != "" && word != " " {
			out = append(out, strings.ToLower(word))
		}
		at = end
	}
	return out
}
