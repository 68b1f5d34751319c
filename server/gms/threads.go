package gms

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/engine"
	"sextant/engine/txn"
	"sextant/server/gms/value"
)

// thread is one connection as monitors see it.
type thread struct {
	id                        uint64
	user, host, address       string // host: with its port
	db, command, state, query string
	start                     time.Time // of the command
	pid                       uint64    // of the statement
	attributes                map[string]string
}

func (t *thread) seconds() int64 { return int64(time.Since(t.start) / time.Second) }

// info is the statement that runs, nil if none does.
func (t *thread) info() any { return orNull(t.query) }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// threads returns the connections that ctx's user may see, all of them with PROCESS.
func (b *Backend) threads(ctx *sql.Context) []thread {
	if b.processes == nil {
		return nil
	}
	waits := map[uint64]txn.LockInfo{}
	for _, w := range b.db.LockWaits() {
		waits[w.Owner] = w
	}
	all := b.may(ctx, sql.PrivilegeType_Process)
	var out []thread
	for _, p := range b.processes() {
		if !all && p.User != ctx.Client().User {
			continue
		}
		t := thread{id: uint64(p.Connection), user: p.User, address: p.Host, host: p.Host, db: p.Database,
			command: string(p.Command), start: p.StartedAt, query: p.Query, pid: p.QueryPid}
		if v, ok := b.sessions.Load(p.Connection); ok {
			s := v.(*Session)
			t.state = alterState(s.sess.Progress())
			t.attributes = s.attributes
			if db := s.database.Load(); db != nil {
				t.db = *db
			}
			t.user, t.address, t.host = s.user, s.host, s.host
			if s.port != "" {
				t.host += ":" + s.port
			}
		}
		switch w, waiting := waits[t.id]; {
		case p.Command == sql.ProcessCommandConnect:
			t.state = "login"
		case waiting:
			t.state = waitState(w, t.query)
		case p.Command == sql.ProcessCommandQuery && t.state == "":
			t.state = "executing"
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b thread) int { return cmp.Compare(a.id, b.id) })
	return out
}

// alterState is the state of a thread whose bulk work is so far, "" if it does none.
func alterState(done, total uint64, running bool) string {
	if !running {
		return ""
	}
	return fmt.Sprintf("altering table: %d%%", done*100/max(total, 1))
}

// waitState is the state of a thread that waits for a lock.
func waitState(w txn.LockInfo, query string) string {
	switch w.Space.Kind {
	case txn.SpaceUser:
		return "User lock"
	case txn.SpaceMeta:
		if _, name := engine.LockedName(w); name == "" {
			return "Waiting for schema metadata lock"
		}
		return "Waiting for table metadata lock"
	}
	if words := leading(query, 1); len(words) > 0 {
		switch words[0] {
		case "update", "delete":
			return "updating"
		case "insert", "replace":
			return "update"
		}
	}
	return "executing"
}

// may reports whether ctx's user has a global privilege.
func (b *Backend) may(ctx *sql.Context, p sql.PrivilegeType) bool {
	return b.users == nil || !b.users.Enabled() || b.users.UserActivePrivilegeSet(ctx).Has(p)
}

// setPeer notes the port of the client's address.
func (s *Session) setPeer(addr net.Addr) {
	if addr == nil {
		return
	}
	if _, port, err := net.SplitHostPort(addr.String()); err == nil {
		s.port = port
	}
}

// showInfoMax is how much of a statement SHOW PROCESSLIST shows.
const showInfoMax = 100

// showProcessList answers SHOW [FULL] PROCESSLIST.
func (b *builder) showProcessList(ctx *sql.Context, s *Session, n *plan.ShowProcessList) (sql.RowIter, error) {
	words := leading(ctx.Query(), 2)
	full := len(words) > 1 && words[1] == "full"
	var rows []sql.Row
	for _, t := range s.b.threads(ctx) {
		info := t.query
		if !full {
			info = value.FirstRunes(info, showInfoMax)
		}
		rows = append(rows, sql.Row{int64(t.id), t.user, t.host, orNull(t.db), t.command, t.seconds(), t.state, orNull(info)})
	}
	if err := convertRows(ctx, n.Schema(ctx), rows); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(rows...), nil
}
