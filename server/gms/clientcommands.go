package gms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
	"sextant/server/protocol"
)

// disconnects reports whether an error may not be told: the planner keeps nothing
// of it but its text.
func disconnects(err error) bool {
	return errors.Is(err, errDisconnect) || strings.Contains(err.Error(), errDisconnect.Error())
}

// operate runs something that is no statement but uses the planner.
func (c *client) operate(ctx context.Context, query string, f func(ctx *sql.Context) error) error {
	processes := c.srv().engine.ProcessList
	sctx, err := processes.BeginOperation(c.context(ctx, query, nil))
	if err != nil {
		return c.told(err)
	}
	defer processes.EndOperation(sctx)
	defer c.sess.CommandEnd()
	c.refreshPrivileges(sctx)
	if err := c.sess.ValidateSession(sctx); err != nil {
		return c.fail(ctx, err)
	}
	run := func() (err error) {
		defer func() { c.survive(recover(), nil, &err) }()
		return f(sctx)
	}
	if err := run(); err != nil {
		return c.fail(ctx, err)
	}
	return nil
}

// InitDB implements protocol.Session.
func (c *client) InitDB(ctx context.Context, name string) error {
	return c.operate(ctx, "", func(sctx *sql.Context) error {
		restore, err := c.sess.authorize(sctx, &ast.Use{DBName: ast.NewTableIdent(name)})
		if err != nil {
			return err
		}
		defer restore()
		if _, err := c.srv().engine.Analyzer.Catalog.Database(sctx, name); err != nil {
			return rewrite.StatementError(&ast.Use{}, err)
		}
		c.sess.SetCurrentDatabase(name)
		c.srv().engine.ProcessList.ConnectionReady(c.sess)
		return nil
	})
}

// FieldList implements protocol.Session.
func (c *client) FieldList(ctx context.Context, table, wildcard string) ([]protocol.Column, error) {
	var out []protocol.Column
	err := c.operate(ctx, "", func(sctx *sql.Context) error {
		restore, err := c.sess.authorize(sctx, &ast.Show{Type: "columns", Table: ast.TableName{Name: ast.NewTableIdent(table)}})
		if err != nil {
			return err
		}
		defer restore()
		node, err := c.srv().engine.PrepareQuery(sctx, "SELECT * FROM "+syntax.QuoteName(table)+" LIMIT 0")
		if err != nil {
			return err
		}
		for _, col := range sentColumns(sctx, nil, node, node.Schema(sctx)) {
			match, err := expression.NewLike(expression.NewLiteral(col.Name, types.LongText),
				expression.NewLiteral(wildcard, types.LongText), nil).Eval(sctx, nil)
			if err != nil {
				return err
			}
			if wildcard == "" || match == true {
				out = append(out, col)
			}
		}
		return nil
	})
	return out, err
}

// Statistics implements protocol.Session.
func (c *client) Statistics(context.Context) string {
	s := c.srv()
	questions := uint64(0)
	if _, v, ok := sql.StatusVariables.GetGlobal("Questions"); ok {
		questions, _ = v.(uint64)
	}
	up := max(time.Since(s.started).Seconds(), 1)
	return fmt.Sprintf("Uptime: %d  Threads: %d  Questions: %d  Slow queries: %d  Opens: 0  Flush tables: 0  Open tables: 0  Queries per second avg: %.3f",
		int(up), s.sql.Connections(), questions, globalCount("Slow_queries"), float64(questions)/up)
}

// Kill implements protocol.Session.
func (c *client) Kill(ctx context.Context, id uint32) error {
	e := c.srv().engine
	return c.operate(ctx, "", func(sctx *sql.Context) error {
		_, rows, _, err := e.QueryWithBindings(sctx, fmt.Sprintf("KILL %d", id), nil, nil, nil)
		if err != nil {
			return err
		}
		return rows.Close(sctx)
	})
}

// Idle implements protocol.Session.
func (c *client) Idle() time.Duration {
	name := "wait_timeout"
	if c.conn.Capabilities()&gomysql.CLIENT_INTERACTIVE != 0 {
		name = "interactive_timeout"
	}
	return time.Duration(c.number(name)) * time.Second
}

// Status implements protocol.Session.
func (c *client) Status() uint16 {
	s := c.sess
	status := uint16(0)
	if s.autocommit {
		status |= gomysql.SERVER_STATUS_AUTOCOMMIT
	}
	if s.tx != nil && !s.tx.done && (s.GetIgnoreAutoCommit() || !s.autocommit && s.tx.used) {
		status |= gomysql.SERVER_STATUS_IN_TRANS
		if s.tx.readOnly {
			status |= gomysql.SERVER_STATUS_IN_TRANS_READONLY
		}
	}
	if s.plainBackslashes() {
		status |= gomysql.SERVER_STATUS_NO_BACKSLASH_ESCAPED
	}
	if s.recorder.run.whole {
		status |= gomysql.SERVER_STATUS_NO_INDEX_USED
	}
	return status
}

// Warnings implements protocol.Session.
func (c *client) Warnings() uint16 { return c.sess.WarningCount() }

// MaxPacket implements protocol.Session.
func (c *client) MaxPacket() int { return int(c.number("max_allowed_packet")) }

// changes are what a session has changed of itself since its client was last told.
type changes struct {
	variables []string // that were set, also to what they were
	any       bool     // what session_track_state_change is about
}

// set notes a variable.
func (c *changes) set(name string) {
	c.any = true
	if name = strings.ToLower(name); !slices.Contains(c.variables, name) {
		c.variables = append(c.variables, name)
	}
}

// Changes implements protocol.Session: what the session_track_ variables ask for, but for
// session_track_transaction_info.
func (c *client) Changes() []protocol.Change {
	var out []protocol.Change
	changed := &c.sess.changes
	for _, name := range changed.variables {
		if !c.tracks(name) {
			continue
		}
		if v, err := c.sess.GetSessionVariable(value.NoContext(), name); err == nil {
			out = append(out, protocol.Change{Type: gomysql.SESSION_TRACK_SYSTEM_VARIABLES, Name: name, Value: shownVariable(v)})
		}
	}
	if db := c.sess.shownDatabase(); db != c.tracked {
		c.tracked, changed.any = db, true
		if c.switchedOn("session_track_schema") {
			out = append(out, protocol.Change{Type: gomysql.SESSION_TRACK_SCHEMA, Value: db})
		}
	}
	if changed.any && c.switchedOn("session_track_state_change") {
		out = append(out, protocol.Change{Type: gomysql.SESSION_TRACK_STATE_CHANGE, Value: "1"})
	}
	*changed = changes{variables: changed.variables[:0]}
	return out
}

// switchedOn returns a session variable that is a switch.
func (c *client) switchedOn(name string) bool {
	v, err := c.sess.BaseSession.GetSessionVariable(value.NoContext(), name)
	return err == nil && v == int8(1)
}

// tracks reports whether session_track_system_variables has a name.
func (c *client) tracks(name string) bool {
	v, err := c.sess.BaseSession.GetSessionVariable(value.NoContext(), "session_track_system_variables")
	list, _ := v.(string)
	if err != nil || list == "" {
		return false
	}
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}
