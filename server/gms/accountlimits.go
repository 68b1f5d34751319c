package gms

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/protocol"
)

// resource is one that an account may be given so much of in an hour.
type resource int

const (
	queries resource = iota
	updates
	connections
)

// limit returns what an account may have of r in an hour, 0 for as much as it likes, and
// what error 1226 calls it.
func (o accountOptions) limit(r resource) (n int, name string) {
	switch r {
	case queries:
		return o.MaxQueries, "max_questions"
	case updates:
		return o.MaxUpdates, "max_updates"
	}
	return o.MaxConnections, "max_connections_per_hour"
}

// hourly reports whether anything of an account is limited by the hour.
func (o accountOptions) hourly() bool { return o.MaxQueries+o.MaxUpdates+o.MaxConnections > 0 }

// hourlyUse is what accounts have used since their hour began. It is this instance's and not
// kept, as in MySQL.
type hourlyUse struct {
	mu sync.Mutex
	of map[syntax.AccountName]used
}

type used struct {
	since  time.Time
	limits [3]int // those it is counted for: others begin anew
	n      [3]int
}

// take counts one use of r by an account, or returns error 1226 if it has none left in its
// hour, which begins with the first use after the last one.
func (h *hourlyUse) take(n syntax.AccountName, o accountOptions, r resource, now time.Time) error {
	limit, name := o.limit(r)
	if limit == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.of[n]
	if limits := [3]int{o.MaxQueries, o.MaxUpdates, o.MaxConnections}; x.limits != limits || now.Sub(x.since) >= time.Hour {
		x = used{since: now, limits: limits}
	}
	if x.n[r] >= limit {
		return errExceeded(n.User, name, limit)
	}
	x.n[r]++
	if h.of == nil {
		h.of = map[syntax.AccountName]used{}
	}
	h.of[n] = x
	return nil
}

// forget begins everybody's hour anew (FLUSH USER_RESOURCES, FLUSH PRIVILEGES).
func (h *hourlyUse) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of = nil
}

func errExceeded(user, name string, limit int) error {
	return &protocol.Error{Number: 1226, State: "42000", Message: fmt.Sprintf("User '%s' has exceeded the '%s' resource (current value: %d)", user, name, limit)}
}

// ration counts a statement against the limits of its account. Who had none when the session
// began is not counted, as in MySQL.
func (c *client) ration(ctx context.Context, query string, parsed ast.Statement) error {
	if !c.limited {
		return nil
	}
	o, err := c.h.options(ctx, c.account)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := c.srv().b.used.take(c.account, o, queries, now); err != nil {
		return err
	}
	if parsed == nil {
		parsed, _ = c.sess.GetPreparedQuery(query)
	}
	if !changesData(parsed) {
		return nil
	}
	return c.srv().b.used.take(c.account, o, updates, now)
}

// changesData reports whether MySQL counts a statement as an update: what changes rows or
// definitions.
func changesData(stmt ast.Statement) bool {
	switch stmt.(type) {
	case *ast.Insert, *ast.Update, *ast.Delete:
		return true
	}
	verb, _, _ := strings.Cut(commandCounter(stmt), "_")
	switch verb {
	case "load", "truncate", "create", "alter", "drop", "rename", "grant", "revoke",
		"optimize", "repair", "analyze":
		return true
	}
	return false
}
