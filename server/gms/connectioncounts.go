package gms

import (
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
)

// accountsMax bounds the accounts whose connections are counted.
const accountsMax = 10000

// account is who connected, and from where.
type account struct{ user, host string }

// connectionCounts counts the connections that there ever were. It is safe for concurrent use.
type connectionCounts struct {
	mu    sync.Mutex
	total map[account]uint64
}

// add counts a connection.
func (a *connectionCounts) add(user, host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total == nil {
		a.total = map[account]uint64{}
	}
	k := account{user, host}
	if _, there := a.total[k]; there || len(a.total) < accountsMax {
		a.total[k]++
	}
}

func (a *connectionCounts) list() map[account]uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make(map[account]uint64, len(a.total))
	for k, n := range a.total {
		out[k] = n
	}
	return out
}

// addAccounts adds accounts, users and hosts.
func (d *fixedDatabase) addAccounts() {
	const counts = `
		CURRENT_CONNECTIONS bigint not null
		TOTAL_CONNECTIONS bigint not null
		MAX_SESSION_CONTROLLED_MEMORY bigint unsigned not null
		MAX_SESSION_TOTAL_MEMORY bigint unsigned not null`
	const user, host = "USER char(32)\n", "HOST char(255)\n"
	rows := func(key func(account) account, columns func(account) sql.Row) func(*sql.Context, *Session) ([]sql.Row, error) {
		return func(_ *sql.Context, s *Session) ([]sql.Row, error) {
			total, open := map[account]uint64{}, map[account]uint64{}
			for a, n := range s.b.accounts.list() {
				total[key(a)] += n
			}
			s.b.sessions.Range(func(_, v any) bool {
				c := v.(*Session)
				open[key(account{c.user, c.host})]++
				return true
			})
			var out []sql.Row
			for a, n := range total {
				out = append(out, append(columns(a), open[a], n, 0, 0))
			}
			return out, nil
		}
	}
	d.add("accounts", user+host+counts, rows(
		func(a account) account { return a },
		func(a account) sql.Row { return sql.Row{a.user, a.host} }))
	d.add("users", user+counts, rows(
		func(a account) account { return account{user: a.user} },
		func(a account) sql.Row { return sql.Row{a.user} }))
	d.add("hosts", host+counts, rows(
		func(a account) account { return account{host: a.host} },
		func(a account) sql.Row { return sql.Row{a.host} }))
}
