package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
)

type savepoint struct {
	name string
	seq  engine.Seq
}

// CreateSavepoint implements sql.TransactionSession.
func (s *Session) CreateSavepoint(ctx *sql.Context, _ sql.Transaction, name string) error {
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	t := s.tx
	t.used = true
	for i, sp := range t.savepoints {
		if strings.EqualFold(sp.name, name) {
			t.savepoints = append(t.savepoints[:i], t.savepoints[i+1:]...)
			break
		}
	}
	t.savepoints = append(t.savepoints, savepoint{name: name, seq: tx.Savepoint()})
	return nil
}

func (s *Session) savepoint(name string) int {
	if s.tx == nil || s.tx.done {
		return -1
	}
	for i, sp := range s.tx.savepoints {
		if strings.EqualFold(sp.name, name) {
			return i
		}
	}
	return -1
}

// RollbackToSavepoint implements sql.TransactionSession.
func (s *Session) RollbackToSavepoint(_ *sql.Context, _ sql.Transaction, name string) error {
	i := s.savepoint(name)
	if i < 0 {
		return sql.ErrSavepointDoesNotExist.New(name)
	}
	t := s.tx
	t.tx.RollbackTo(t.savepoints[i].seq)
	t.savepoints = t.savepoints[:i+1]
	return nil
}

// ReleaseSavepoint implements sql.TransactionSession.
func (s *Session) ReleaseSavepoint(_ *sql.Context, _ sql.Transaction, name string) error {
	i := s.savepoint(name)
	if i < 0 {
		return sql.ErrSavepointDoesNotExist.New(name)
	}
	s.tx.savepoints = s.tx.savepoints[:i]
	return nil
}
