package gms

import (
	"bytes"
	"fmt"
	"runtime/debug"

	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/protocol"
)

// survive makes a panic of the planner, p, the statement's error. It panics on if the
// connection must end: a part of the answer has left, the engine is in the middle of
// something, or a transaction would go on with a part of the statement.
func (c *client) survive(p any, w *protocol.Results, err *error) {
	if p == nil {
		return
	}
	stack := debug.Stack()
	s := c.sess
	inTransaction := s.tx != nil && !s.tx.done && (!s.autocommit || s.GetIgnoreAutoCommit())
	if w != nil && w.Sent() || bytes.Contains(stack, []byte("sextant/engine")) || s.root != nil && inTransaction {
		panic(fmt.Sprintf("%v\n%s", p, stack))
	}
	c.srv().o.Logger.Error("panic in a statement", "connection", c.conn.ID(), "panic", p, "stack", string(stack))
	*err = mysql.NewSQLError(mysql.ERUnknownError, "HY000", "Internal error: the server's log has it")
}
