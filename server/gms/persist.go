package gms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
)

// SET PERSIST keeps a global variable as an object of the catalog, in a transaction
// of its own: it is not part of the session's.

// inOwnTx runs f in a transaction of a session of its own and commits it.
func (b *Backend) inOwnTx(ctx context.Context, f func(*engine.Tx) error) error {
	if b.readOnly.Load() {
		return errReadOnly()
	}
	s := b.db.NewSession(0)
	defer s.Close()
	tx, err := s.Begin(ctx, engine.TxOptions{})
	if err != nil {
		return wireError(err)
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return wireError(err)
	}
	_, err = tx.Commit(ctx)
	return wireError(err)
}

// PersistGlobal implements sql.PersistableSession.
func (s *Session) PersistGlobal(ctx *sql.Context, name string, value any) error {
	v, _, ok := sql.SystemVariables.GetGlobal(name)
	if !ok {
		return sql.ErrUnknownSystemVariable.New(name)
	}
	conv, _, err := v.GetType().Convert(ctx, value)
	if err != nil {
		return err
	}
	data, err := json.Marshal(conv)
	if err != nil {
		return fmt.Errorf("persist %s: %w", name, err)
	}
	return s.b.inOwnTx(ctx, func(tx *engine.Tx) error {
		return tx.PutObject(ctx, engine.Object{Kind: engine.ObjectVariable, Name: name, Data: data})
	})
}

// RemovePersistedGlobal implements sql.PersistableSession.
func (s *Session) RemovePersistedGlobal(name string) error {
	ctx := context.Background()
	return s.b.inOwnTx(ctx, func(tx *engine.Tx) error {
		err := tx.DeleteObject(ctx, engine.ObjectVariable, "", name)
		if errors.Is(err, engine.ErrNotFound) {
			return nil
		}
		return err
	})
}

// RemoveAllPersistedGlobals implements sql.PersistableSession.
func (s *Session) RemoveAllPersistedGlobals() error {
	ctx := context.Background()
	return s.b.inOwnTx(ctx, func(tx *engine.Tx) error {
		for _, o := range tx.NewestCatalog().Objects(engine.ObjectVariable, "") {
			if err := tx.DeleteObject(ctx, engine.ObjectVariable, "", o.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// GetPersistedValue implements sql.PersistableSession.
func (s *Session) GetPersistedValue(name string) (any, error) {
	cat, err := s.b.db.CatalogAt(context.Background(), 0)
	if err != nil {
		return nil, wireError(err)
	}
	o := cat.Object(engine.ObjectVariable, "", name)
	if o == nil {
		return nil, nil
	}
	return persistedValue(o)
}

func persistedValue(o *engine.Object) (any, error) {
	var v any
	if err := json.Unmarshal(o.Data, &v); err != nil {
		return nil, fmt.Errorf("persisted variable %s: %w", o.Name, err)
	}
	if of, _, ok := sql.SystemVariables.GetGlobal(o.Name); ok {
		typed, _, err := of.GetType().Convert(context.Background(), v)
		return typed, err
	}
	return v, nil
}

// loadPersisted sets the persisted global variables.
func (s *Server) loadPersisted() error {
	ctx := sql.NewEmptyContext()
	cat, err := s.o.DB.CatalogAt(ctx, 0)
	if err != nil {
		return err
	}
	for _, o := range cat.Objects(engine.ObjectVariable, "") {
		v, err := persistedValue(o)
		if err != nil {
			return err
		}
		if err := sql.SystemVariables.SetGlobal(ctx, o.Name, v); err != nil {
			s.o.Logger.Warn("persisted variable", "name", o.Name, "err", err)
		}
	}
	return nil
}
