package gms

import (
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/internal/redo"
)

// command numbers a session's commits for their tokens: what became of a commit whose
// answer was lost can be asked for by its token.
type command struct {
	attach  uint64         // 0: the session has not committed anything yet
	epoch   uint64         // of attach
	ordinal uint32         // of the command in the session
	commits uint32         // of this command so far
	last    engine.Token   // of the last commit
	more    bool           // the command's text has more statements
	ok      types.OkResult // what the statement answers with
}

// attaches counts the sessions that committed something, for this process.
var attaches atomic.Uint32

// beginCommand counts a command that can commit: COM_QUERY and COM_STMT_EXECUTE.
// The statements of one text are one command.
func (s *Session) beginCommand() {
	s.locks.stmt, s.locks.refused = nil, nil
	if !s.command.more {
		s.command.ordinal++
		s.command.commits = 0
	}
}

// giveToken gives a commit its token and what the client is going to be told. The attach
// number has the writer's epoch above a count, so that it grows with every session
// of the cluster. Embedded sessions, which have no commands, have no tokens.
func (s *Session) giveToken(tx *engine.Tx) {
	c := &s.command
	if c.ordinal == 0 {
		return
	}
	if epoch := uint64(s.b.db.Epoch()); c.attach == 0 || c.epoch != epoch {
		c.attach, c.epoch = epoch<<32|uint64(attaches.Add(1)), epoch
	}
	tx.SetToken(engine.Token{Session: c.attach, Command: c.ordinal, Ordinal: c.commits + 1}, engine.Outcome{
		AffectedRows: c.ok.RowsAffected, InsertID: c.ok.InsertID, Warnings: s.WarningCount(),
	})
}

// committed counts a commit that wrote something: only those have tokens.
func (c *command) committed(at redo.LSN) {
	if at != 0 && c.ordinal != 0 {
		c.commits++
		c.last = engine.Token{Session: c.attach, Command: c.ordinal, Ordinal: c.commits}
	}
}

// note remembers a statement's answer, which is read before its commit.
func (c *command) note(r sql.Row) {
	if len(r) == 1 {
		if ok, is := r[0].(types.OkResult); is {
			c.ok = ok
		}
	}
}

// lastToken returns the token of the session's last commit, false if there was none.
func (s *Session) lastToken() (engine.Token, bool) {
	return s.command.last, s.command.last.Session != 0
}
