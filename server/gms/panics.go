package gms

import (
	"bytes"
	"fmt"
	"runtime/debug"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/protocol"
)

// matchOfNoTable is the planner's panic of MATCH on a column of a view, a derived table or an outer query.
const matchOfNoTable = "shouldn't be able to resolve expression without table being available"

// survive makes a panic of the planner, p, the statement's error. It panics on if the
// connection must end: a part of the answer has left, or the engine is in the middle of
// something. A transaction that the client has begun goes on if the statement only read; no
// other knows which part of the statement it has, and is rolled back.
func (c *client) survive(p any, w *protocol.Results, err *error) {
	if p == nil {
		return
	}
	if e, ok := p.(error); ok && (sql.ErrCharSetNotYetImplementedTemp.Is(e) || sql.ErrCollationNotYetImplementedTemp.Is(e)) && (w == nil || !w.Sent()) {
		*err = e // of a type that the planner makes
		return
	}
	if p == matchOfNoTable && (w == nil || !w.Sent()) {
		*err = mysql.NewSQLError(1191, "HY000", "Can't find FULLTEXT index matching the column list")
		return
	}
	stack := debug.Stack()
	if w != nil && w.Sent() || bytes.Contains(stack, []byte("sextant/engine")) {
		panic(fmt.Sprintf("%v\n%s", p, stack))
	}
	c.srv().o.Logger.Error("panic in a statement", "connection", c.conn.ID(), "panic", p, "stack", string(stack))
	s, text := c.sess, "Internal error: the server's log has it"
	inTransaction := s.tx != nil && !s.tx.done && (!s.autocommit || s.GetIgnoreAutoCommit())
	if reads := s.root == nil || plan.IsReadOnly(s.root) && !isCall(s.root); inTransaction && (!reads || s.depth > 0 || s.dml > 0 || s.before != nil) {
		s.abort()
		text += "; the transaction is rolled back"
	}
	*err = mysql.NewSQLError(mysql.ERUnknownError, "HY000", "%s", text)
}
