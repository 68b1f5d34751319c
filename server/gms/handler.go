package gms

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/router/proxyv2"
	"sextant/server/gms/syntax"
	"sextant/server/protocol"
)

// loginTimeout is how long a connection may take to log in (connect_timeout).
const loginTimeout = 10 * time.Second

// handler makes the sessions of connections.
type handler struct {
	srv     *Server
	clients sync.Map      // connection id -> *client
	pids    atomic.Uint64 // of the list of processes
	refused *mtls.Refusals
}

var _ protocol.Handler = (*handler)(nil)

func (h *handler) get(id uint32) *client {
	if c, ok := h.clients.Load(id); ok {
		return c.(*client)
	}
	return nil
}

func (h *handler) each(f func(c *client)) {
	h.clients.Range(func(_, v any) bool {
		f(v.(*client))
		return true
	})
}

// Connect implements protocol.Handler: a connection that is not admitted gets an
// error in place of the greeting.
func (h *handler) Connect(c *protocol.Conn) error {
	sql.StatusVariables.IncrementGlobal("Connections", 1)
	h.srv.refreshUsers()
	if h.srv.o.Admit == nil {
		return nil
	}
	epoch := redo.VolumeEpoch(0)
	if p, ok := c.NetConn().(*proxyv2.Conn); ok {
		header, err := p.Header()
		if err != nil {
			return protocol.ErrDisconnect
		}
		epoch = redo.VolumeEpoch(header.WriterEpoch)
	}
	if err := h.srv.o.Admit(epoch); err != nil {
		return &protocol.Error{Number: mysql.ERServerShutdown, State: "08S01", Message: err.Error()}
	}
	return nil
}

// vouched is protocol.Options.Vouched: what comes from a router's address must be from a
// router of this cluster.
func (h *handler) vouched(c *protocol.Conn, salt, answer []byte) error {
	p, ok := c.NetConn().(*proxyv2.Conn)
	if !ok || h.srv.o.Identity == nil {
		return nil
	}
	message, err := p.Vouched(h.srv.o.InstanceID, salt, c.TLS()).Message()
	if err == nil {
		_, err = h.srv.o.Identity.Verify(message, answer, mtls.Router)
	}
	if err == nil {
		return nil
	}
	from := p.NetConn().RemoteAddr()
	host, _, _ := net.SplitHostPort(from.String()) // "" of what is not TCP
	h.refused.Warn("router", host, "router refused", "remote", from, "client", p.RemoteAddr(), "error", err)
	return errNoRouter
}

// errNoRouter is for whoever connects from a router's address and is none.
var errNoRouter = &protocol.Error{Number: 1043, State: "08S01", Message: "Bad handshake: connections from this address are a router's, and no router of this cluster has signed this one. " +
	"Connect to a router, or directly from another address; if this came through a router, see the instance's log"}

// address returns where a client is; the zero address, which is nobody's, if it is
// unknown.
func address(c *protocol.Conn) netip.Addr {
	if c.Host() == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	a, err := netip.ParseAddr(c.Host())
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// account returns a copy of the account that a user logs in to from c's address, nil
// if there is none.
func (h *handler) account(c *protocol.Conn, user string) *mysql_db.User {
	rd := h.srv.b.users.Reader()
	defer rd.Close()
	u := findAccount(rd, user, address(c))
	if u == nil {
		return nil
	}
	found := *u
	return &found
}

// named returns a copy of an account, nil if there is none.
func (h *handler) named(n syntax.AccountName) *mysql_db.User {
	rd := h.srv.b.users.Reader()
	defer rd.Close()
	u, ok := rd.GetUser(n.Key())
	if !ok {
		return nil
	}
	found := *u
	return &found
}

// eventScheduler is the planner's account for events, which nobody logs in to.
const eventScheduler = "event_scheduler"

// Account implements protocol.Handler. An account without a password is for clients
// on this machine only.
func (h *handler) Account(c *protocol.Conn, user string) (protocol.Account, error) {
	if insecure(transportOf(c)) {
		return protocol.Account{}, errInsecure
	}
	u := h.account(c, user)
	if u == nil || u.AuthString == "" && !address(c).IsLoopback() || user == eventScheduler {
		return protocol.Decoy(user, h.secret(), string(mysql.CachingSha2Password), string(mysql.MysqlNativePassword)), nil
	}
	n := syntax.AccountName{User: u.User, Host: u.Host}
	o, err := h.options(c.Context(), n)
	if err != nil {
		return protocol.Account{}, err
	}
	return protocol.Account{
		Plugin: u.Plugin, Auth: u.AuthString, Second: o.Second, Key: n.String(), RequireTLS: u.SslType != "",
		Denied: func() *protocol.Error { return h.srv.b.failed.attempt(n, o, user, c.Host(), false, time.Now()) },
	}, nil
}

// options returns an account's options.
func (h *handler) options(ctx context.Context, n syntax.AccountName) (accountOptions, error) {
	cat, err := h.srv.o.DB.CatalogAt(ctx, 0)
	if err != nil {
		return accountOptions{}, err
	}
	all, err := storedAccountOptions(cat)
	return all[n.String()], err
}

// secret is the same on every instance and unknown to clients: which plugin a name without
// an account is asked for follows from it.
func (h *handler) secret() string {
	rd := h.srv.b.users.Reader()
	defer rd.Close()
	root, ok := rd.GetUser(mysql_db.UserPrimaryKey{User: "root", Host: "localhost"})
	if !ok {
		return ""
	}
	return fmt.Sprint(root.PasswordLastChanged.Unix(), root.AuthString)
}

// Login implements protocol.Handler. Accounts may have changed since the client was
// asked for its password: it is let in to the account that it knew the password of only.
func (h *handler) Login(c *protocol.Conn, user, db string, a protocol.Account) (protocol.Session, error) {
	u := h.account(c, user)
	if u == nil || (syntax.AccountName{User: u.User, Host: u.Host}).String() != a.Key || u.Plugin != a.Plugin || u.AuthString != a.Auth {
		return nil, &protocol.Error{Number: 1045, State: "28000", Message: "Access denied for user '" + user + "'@'" + c.Host() + "'"}
	}
	account := syntax.AccountName{User: u.User, Host: u.Host}
	if u.Locked {
		return nil, &protocol.Error{Number: 3118, State: "HY000", Message: "Access denied for user '" + user + "'@'" + c.Host() + "'. Account is locked."}
	}
	o, err := h.options(c.Context(), account)
	if err != nil {
		return nil, err
	}
	if e := h.srv.b.failed.attempt(account, o, user, c.Host(), true, time.Now()); e != nil {
		return nil, e
	}
	if !certified(transportOf(c), u) {
		return nil, &protocol.Error{Number: 1045, State: "28000", Message: "Access denied for user '" + user + "'@'" + c.Host() + "' (using password: YES)"}
	}
	cl := &client{h: h, conn: c, account: account, user: user}
	if err := cl.open(c.Context()); err != nil {
		return nil, cl.told(err)
	}
	if err := cl.admit(c.Context(), u); err != nil {
		cl.Close()
		return nil, err
	}
	h.srv.b.accounts.add(user, shownHost(c))
	if db != "" {
		if err := cl.InitDB(c.Context(), db); err != nil {
			cl.Close()
			return nil, err
		}
	}
	return cl, nil
}

// admit applies an account's options to a session that has logged in.
func (c *client) admit(ctx context.Context, u *mysql_db.User) error {
	sctx := sql.NewContext(ctx, sql.WithSession(c.sess))
	defer c.sess.CommandEnd() // it has read the catalog
	active, err := c.sess.defaultRoles(sctx, c.account)
	if err != nil {
		return c.told(err)
	}
	c.sess.activate(active)
	all, err := c.sess.accountOptions(sctx)
	if err != nil {
		return c.told(err)
	}
	o := all[c.account.String()]
	lifetime, _ := c.sess.BaseSession.GetSessionVariable(sctx, "default_password_lifetime")
	days, _ := lifetime.(int64)
	if o.expired(u, days, time.Now()) {
		if c.conn.Capabilities()&gomysql.CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS == 0 {
			return &protocol.Error{Number: 1862, State: "HY000", Message: "Your password has expired. To log in you must change it using a client that supports expired passwords."}
		}
		c.sess.mustChangePassword = true
	}
	if o.MaxUserConnections > 0 {
		n := 0
		c.h.each(func(x *client) {
			if x.account == c.account {
				n++
			}
		})
		if n > o.MaxUserConnections {
			return errExceeded(c.user, "max_user_connections", o.MaxUserConnections)
		}
	}
	c.limited = o.hourly()
	return c.srv().b.used.take(c.account, o, connections, time.Now())
}
