package gms

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/go-mysql-server/sql/mysql_db/serial"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// users is what the server has loaded of the users and grants.
type users struct {
	mu     sync.Mutex
	loaded []byte
	seen   atomic.Pointer[engine.Catalog] // the newest schema that was looked at, on a reader
}

// userPersister stores users and grants as one object, in the transaction of the
// statement that changed them.
type userPersister struct{}

// Persist implements mysql_db.MySQLDbPersistence. A transaction that fails is rolled back
// by the statement: that reads the users again, which the caller has locked.
func (userPersister) Persist(ctx *sql.Context, data []byte) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	s.tx.wroteUsers = true
	return wireError(tx.PutObject(ctx, engine.Object{Kind: engine.ObjectUsers, Data: bytes.Clone(data)}))
}

// initUsers loads the users of the volume, or makes the first ones.
func (s *Server) initUsers() error {
	there, err := s.loadUsers()
	if err != nil || there {
		return err
	}
	ctx, end := s.internalContext(context.Background())
	defer end()
	ed := s.b.users.Editor()
	s.b.users.AddSuperUser(ed, "root", "localhost", "")
	s.b.users.AddSuperUser(ed, "root", "127.0.0.1", "")
	err = s.b.users.Persist(ctx, ed)
	ed.Close()
	if err != nil {
		return err
	}
	sess, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	return sess.CommitTransaction(ctx, sess.tx)
}

// loadUsers makes the users of the newest catalog the server's and reports whether
// the volume has any.
func (s *Server) loadUsers() (bool, error) {
	ctx := context.Background()
	cat, err := s.o.DB.CatalogAt(ctx, 0)
	if err != nil {
		return false, err
	}
	o := cat.Object(engine.ObjectUsers, "", "")
	if o == nil {
		return false, nil
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if bytes.Equal(s.users.loaded, o.Data) {
		return true, nil
	}
	ed := s.b.users.Editor()
	defer ed.Close()
	if err := s.b.users.OverwriteUsersAndGrantData(sql.NewEmptyContext(), ed, o.Data); err != nil {
		return true, fmt.Errorf("decode users: %w", err)
	}
	administrators(ed, serial.GetRootAsMySQLDb(o.Data, 0))
	s.b.users.SetEnabled(true)
	s.users.loaded = o.Data
	return true, nil
}

// administrators gives grants of roles the WITH ADMIN OPTION that the planner stores and does not
// read again.
func administrators(ed *mysql_db.Editor, stored *serial.MySQLDb) {
	for i := range stored.RoleEdgesLength() {
		var e serial.RoleEdge
		if stored.RoleEdges(&e, i) && e.WithAdminOption() {
			role, to := syntax.AccountName{User: string(e.FromUser()), Host: string(e.FromHost())}, syntax.AccountName{User: string(e.ToUser()), Host: string(e.ToHost())}
			ed.RemoveRoleEdge(edge(role, to))
			ed.PutRoleEdge(&mysql_db.RoleEdge{FromHost: role.Host, FromUser: role.User, ToHost: to.Host, ToUser: to.User, WithAdminOption: true})
		}
	}
}

// reloadUsers takes back changes of a transaction that was rolled back.
func (s *Server) reloadUsers() {
	s.users.mu.Lock()
	s.users.loaded = nil
	s.users.mu.Unlock()
	if _, err := s.loadUsers(); err != nil {
		s.o.Logger.Warn("reload users", "err", err)
	}
}

// refreshUsers loads the users if they changed: another instance writes them. It costs
// a look at a pointer while the schema stays the same.
func (s *Server) refreshUsers() {
	if s.writer.Load() {
		return
	}
	cat, err := s.o.DB.CatalogAt(context.Background(), 0)
	if err == nil && s.users.seen.Load() == cat {
		return
	}
	if err == nil {
		_, err = s.loadUsers()
	}
	if err != nil {
		s.o.Logger.Warn("refresh users", "err", err)
		return
	}
	s.users.seen.Store(cat)
}
