package gms

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	querypb "github.com/dolthub/vitess/go/vt/proto/query"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// replansMax bounds how often a statement is planned again because the definition
// of a table changed while it was planned (T-6).
const replansMax = 3

// handler stands between the wire server and the planner's handler. Nothing of an
// answer, row, OK or error, leaves before what the session saw is durable.
type handler struct {
	*server.Handler
	sm    *server.SessionManager
	srv   *Server
	conns sync.Map // connection id -> *clientConn
}

// clientConn is what the handler knows of a connection.
type clientConn struct {
	mysql *mysql.Conn
	net   *conn // nil if the connection is not one of listener's
	sess  atomic.Pointer[Session]
	// inTransaction: a transaction is counted in the server's gate.
	inTransaction atomic.Bool
}

var (
	_ mysql.Handler              = (*handler)(nil)
	_ mysql.ExtendedHandler      = (*handler)(nil)
	_ mysql.BinlogReplicaHandler = (*handler)(nil)
)

func (h *handler) get(id uint32) *clientConn {
	if c, ok := h.conns.Load(id); ok {
		return c.(*clientConn)
	}
	return nil
}

func (h *handler) each(f func(id uint32, c *clientConn)) {
	h.conns.Range(func(k, v any) bool {
		f(k.(uint32), v.(*clientConn))
		return true
	})
}

func (h *handler) setSession(c *mysql.Conn, s *Session) {
	if cc := h.get(c.ConnectionID); cc != nil {
		cc.sess.Store(s)
	}
}

// NewConnection implements mysql.Handler. A connection that is not admitted gets an
// error in place of the greeting.
func (h *handler) NewConnection(c *mysql.Conn) {
	cc := &clientConn{mysql: c}
	cc.net, _ = c.Conn.(*conn)
	h.conns.Store(c.ConnectionID, cc)
	if err := h.admit(cc); err != nil {
		refuse(c.Conn, errorPacket(mysql.ERServerShutdown, "08S01", err.Error()))
	}
	h.srv.refreshUsers()
	h.Handler.NewConnection(c)
}

func (h *handler) admit(c *clientConn) error {
	if c.net == nil {
		return nil
	}
	epoch, err := c.net.WriterEpoch()
	if err != nil || h.srv.o.Admit == nil {
		return err
	}
	return h.srv.o.Admit(epoch)
}

// ConnectionAuthenticated implements mysql.Handler.
func (h *handler) ConnectionAuthenticated(c *mysql.Conn) error {
	if err := h.Handler.ConnectionAuthenticated(c); err != nil {
		return h.clientError(c, err)
	}
	c.StatusFlags |= uint16(mysql.ServerStatusAutocommit)
	h.idle(c)
	return nil
}

// ConnectionClosed implements mysql.Handler.
func (h *handler) ConnectionClosed(c *mysql.Conn) {
	h.Handler.ConnectionClosed(c)
	if cc := h.get(c.ConnectionID); cc != nil && cc.inTransaction.Swap(false) {
		h.srv.gate.leave()
	}
	h.conns.Delete(c.ConnectionID)
}

// idle arms wait_timeout for the next command.
func (h *handler) idle(c *mysql.Conn) {
	cc := h.get(c.ConnectionID)
	if cc == nil || cc.net == nil {
		return
	}
	d := 8 * time.Hour
	if s := cc.sess.Load(); s != nil {
		if v, err := s.BaseSession.GetSessionVariable(noContext(), "wait_timeout"); err == nil {
			if n, ok := v.(int64); ok && n > 0 {
				d = time.Duration(n) * time.Second
			}
		}
	}
	cc.net.SetIdle(d)
}

// command runs one command of a client: f with a callback that settles first.
func (h *handler) command(ctx context.Context, c *mysql.Conn, query string,
	f func(ctx context.Context, sent func()) error) error {
	cc := h.get(c.ConnectionID)
	if cc == nil || cc.sess.Load() == nil {
		return f(ctx, func() {})
	}
	if cc.net != nil {
		cc.net.SetIdle(0)
	}
	defer h.idle(c)
	if !cc.inTransaction.Load() {
		if err := h.srv.gate.enter(ctx); err != nil {
			return h.clientError(c, errInterrupted())
		}
		cc.inTransaction.Store(true)
	}
	defer h.leave(cc)
	ctx, cancel := h.deadline(ctx, cc, query)
	defer cancel()
	if query != "" {
		cc.sess.Load().beginCommand()
	}
	for try := 0; ; try++ {
		sent := false
		err := f(ctx, func() { sent = true })
		if err == nil {
			return nil
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = mysql.NewSQLError(mysql.ERQueryTimeout, "HY000",
				"Query execution was interrupted, maximum statement execution time exceeded")
		}
		if !sent && try < replansMax && definitionChanged(err) && cc.sess.Load().GetTransaction() == nil {
			continue
		}
		if disconnects(err) {
			c.Close()
			return err
		}
		if serr := cc.sess.Load().Settle(context.WithoutCancel(ctx)); serr != nil {
			c.Close()
			return serr
		}
		return h.clientError(c, err)
	}
}

// leave gives the connection's place in the gate back unless a transaction is open.
func (h *handler) leave(cc *clientConn) {
	if s := cc.sess.Load(); s != nil && s.GetTransaction() != nil && !s.idleTransaction() {
		return
	}
	if cc.inTransaction.Swap(false) {
		h.srv.gate.leave()
	}
}

// idleTransaction reports whether the open transaction has used no table yet.
func (s *Session) idleTransaction() bool { return s.tx == nil || s.tx.done || s.tx.tx == nil }

// deadline applies max_execution_time, which is for SELECT only.
func (h *handler) deadline(ctx context.Context, cc *clientConn, query string) (context.Context, context.CancelFunc) {
	q := strings.TrimLeft(query, " \t\r\n(")
	if len(q) < 6 || !strings.EqualFold(q[:6], "select") {
		return ctx, func() {}
	}
	v, err := cc.sess.Load().BaseSession.GetSessionVariable(noContext(), "max_execution_time")
	if n, ok := v.(int64); err == nil && ok && n > 0 {
		return context.WithTimeout(ctx, time.Duration(n)*time.Millisecond)
	}
	return ctx, func() {}
}

// noContext is a context for reading variables where there is no statement.
// Making one costs as much as planning a small statement.
var noContext = sync.OnceValue(sql.NewEmptyContext)

func definitionChanged(err error) bool {
	var se *mysql.SQLError
	return errors.As(err, &se) && se.Num == 1412
}

// disconnects reports whether an error may not be told: the planner keeps nothing
// of it but its text.
func disconnects(err error) bool {
	return errors.Is(err, errDisconnect) || strings.Contains(err.Error(), errDisconnect.Error())
}

func (h *handler) clientError(c *mysql.Conn, err error) error {
	if err == nil {
		return nil
	}
	db := ""
	if cc := h.get(c.ConnectionID); cc != nil && cc.sess.Load() != nil {
		db = cc.sess.Load().GetCurrentDatabase()
	}
	out := clientError(err, db)
	h.srv.b.nameColumns(out)
	return out
}

// settled returns a callback that lets a part of an answer through once it is durable.
func (h *handler) settled(ctx context.Context, c *mysql.Conn, sent func(), cb mysql.ResultSpoolFn) mysql.ResultSpoolFn {
	return func(r *sqltypes.Result, more bool) error {
		if cc := h.get(c.ConnectionID); cc != nil && cc.sess.Load() != nil {
			if err := cc.sess.Load().Settle(ctx); err != nil {
				if ctx.Err() != nil {
					return errInterrupted()
				}
				return errDisconnect
			}
		}
		sent()
		if r != nil {
			describe(r.Fields)
		}
		return cb(r, more)
	}
}

// ComQuery implements mysql.Handler.
func (h *handler) ComQuery(ctx context.Context, c *mysql.Conn, query string, cb mysql.ResultSpoolFn) error {
	return h.command(ctx, c, query, func(ctx context.Context, sent func()) error {
		return h.Handler.ComQuery(ctx, c, query, h.settled(ctx, c, sent, cb))
	})
}

// ComMultiQuery implements mysql.Handler.
func (h *handler) ComMultiQuery(ctx context.Context, c *mysql.Conn, query string, cb mysql.ResultSpoolFn) (string, error) {
	var rest string
	err := h.command(ctx, c, query, func(ctx context.Context, sent func()) error {
		var err error
		rest, err = h.Handler.ComMultiQuery(ctx, c, query, h.settled(ctx, c, sent, cb))
		return err
	})
	if cc := h.get(c.ConnectionID); cc != nil && cc.sess.Load() != nil {
		cc.sess.Load().command.more = err == nil && rest != ""
	}
	return rest, err
}

// ComParsedQuery implements mysql.ExtendedHandler.
func (h *handler) ComParsedQuery(ctx context.Context, c *mysql.Conn, query string, parsed ast.Statement, cb mysql.ResultSpoolFn) error {
	return h.command(ctx, c, query, func(ctx context.Context, sent func()) error {
		return h.Handler.ComParsedQuery(ctx, c, query, parsed, h.settled(ctx, c, sent, cb))
	})
}

// ComStmtExecute implements mysql.Handler.
func (h *handler) ComStmtExecute(ctx context.Context, c *mysql.Conn, p *mysql.PrepareData, cb func(*sqltypes.Result) error) error {
	return h.command(ctx, c, p.PrepareStmt, func(ctx context.Context, sent func()) error {
		out := h.settled(ctx, c, sent, func(r *sqltypes.Result, _ bool) error { return cb(r) })
		return h.Handler.ComStmtExecute(ctx, c, p, func(r *sqltypes.Result) error { return out(r, false) })
	})
}

// ComExecuteBound implements mysql.ExtendedHandler.
func (h *handler) ComExecuteBound(ctx context.Context, c *mysql.Conn, query string, bound mysql.BoundQuery, cb mysql.ResultSpoolFn) error {
	return h.command(ctx, c, query, func(ctx context.Context, sent func()) error {
		return h.Handler.ComExecuteBound(ctx, c, query, bound, h.settled(ctx, c, sent, cb))
	})
}

// ComPrepare implements mysql.Handler.
func (h *handler) ComPrepare(ctx context.Context, c *mysql.Conn, query string, p *mysql.PrepareData) ([]*querypb.Field, error) {
	var fields []*querypb.Field
	err := h.command(ctx, c, "", func(ctx context.Context, _ func()) error {
		var err error
		fields, err = h.Handler.ComPrepare(ctx, c, query, p)
		describe(fields)
		return err
	})
	return fields, err
}

// ComInitDB implements mysql.Handler.
func (h *handler) ComInitDB(c *mysql.Conn, db string) error {
	return h.clientError(c, h.Handler.ComInitDB(c, db))
}

// ComResetConnection implements mysql.Handler.
func (h *handler) ComResetConnection(c *mysql.Conn) error {
	if err := h.Handler.ComResetConnection(c); err != nil {
		return h.clientError(c, err)
	}
	c.StatusFlags = uint16(mysql.ServerStatusAutocommit)
	return nil
}
