package gms

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// accountOptions are what an account has besides what the planner's grant tables keep.
type accountOptions struct {
	DefaultRoles       []syntax.AccountName `json:",omitempty"`
	AllRoles           bool                 `json:",omitempty"` // DEFAULT ROLE ALL
	Expired            bool                 `json:",omitempty"` // PASSWORD EXPIRE
	Lifetime           *int                 `json:",omitempty"` // days, 0: never; nil: default_password_lifetime
	MaxUserConnections int                  `json:",omitempty"` // 0: max_user_connections
	MaxQueries         int                  `json:",omitempty"` // MAX_QUERIES_PER_HOUR, 0: no limit
	MaxUpdates         int                  `json:",omitempty"`
	MaxConnections     int                  `json:",omitempty"`

	History        *int           `json:",omitempty"` // PASSWORD HISTORY; nil: password_history
	ReuseDays      *int           `json:",omitempty"` // PASSWORD REUSE INTERVAL; nil: password_reuse_interval
	RequireCurrent *bool          `json:",omitempty"` // nil: password_require_current
	Passwords      []usedPassword `json:",omitempty"`
	Second         string         `json:",omitempty"` // authentication_string of RETAIN CURRENT PASSWORD

	FailedLoginAttempts int `json:",omitempty"`
	PasswordLockDays    int `json:",omitempty"` // or lockUnbounded
	Unlocks             int `json:",omitempty"` // counts what ends a lock by failed logins
}

// none reports whether an account has no options.
func (o accountOptions) none() bool {
	data, err := json.Marshal(o)
	return err == nil && string(data) == "{}"
}

// accountsObject is the name of the object with every account's options.
const accountsObject = "account options"

// accountOptions returns the options of all accounts that have any.
func (s *Session) accountOptions(ctx *sql.Context) (map[string]accountOptions, error) {
	cat, err := s.catalog(ctx)
	if err != nil {
		return nil, err
	}
	return storedAccountOptions(cat)
}

func storedAccountOptions(cat *engine.Catalog) (map[string]accountOptions, error) {
	all := map[string]accountOptions{}
	o := cat.Object(engine.ObjectOther, "", accountsObject)
	if o == nil {
		return all, nil
	}
	if err := json.Unmarshal(o.Data, &all); err != nil {
		return nil, fmt.Errorf("decode %s: %w", accountsObject, err)
	}
	return all, nil
}

// setAccountOptions stores options of accounts in the statement's transaction; the zero
// value is an account that has none.
func setAccountOptions(ctx *sql.Context, change func(all map[string]accountOptions)) error {
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	all, err := s.accountOptions(ctx)
	if err != nil {
		return err
	}
	change(all)
	for name, o := range all {
		if o.none() {
			delete(all, name)
		}
	}
	return putObject(ctx, engine.ObjectOther, "", accountsObject, all)
}

// accountMatches returns how narrowly an account's host part names a client's
// address, -1 if it does not: a host or address without wildcards is narrowest, then
// the longer text before the first wildcard (MySQL 8.0 manual, 8.2.6).
func accountMatches(host string, client netip.Addr) int {
	local := client.Unmap() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || client == netip.IPv6Loopback()
	if local && strings.EqualFold(host, "localhost") {
		return 1 << 20
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Unmap() == client.Unmap() {
			return 1<<20 - 1
		}
		return -1
	}
	if network, mask, ok := strings.Cut(host, "/"); ok {
		if p, ok := prefix(network, mask); ok && p.Contains(client.Unmap()) {
			return 1<<16 + p.Bits()
		}
		return -1
	}
	at := strings.IndexAny(host, "%_")
	if at < 0 || !like(client.Unmap().String(), host) && !(local && like("localhost", host)) {
		return -1
	}
	return at
}

// prefix returns the network of an account's host part with a mask, as in
// 10.1.0.0/255.255.0.0 or 10.1.0.0/16.
func prefix(network, mask string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(network + "/" + mask); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(network)
	m, merr := netip.ParseAddr(mask)
	if err != nil || merr != nil || !a.Is4() || !m.Is4() {
		return netip.Prefix{}, false
	}
	bits := 0
	for _, b := range m.AsSlice() {
		for ; b != 0; b <<= 1 {
			bits++
		}
	}
	return netip.PrefixFrom(a, bits), true
}

// like reports whether text matches a pattern with % and _, in any case.
func like(text, pattern string) bool {
	text, pattern = strings.ToLower(text), strings.ToLower(pattern)
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '%':
			for at := 0; at <= len(text); at++ {
				if like(text[at:], pattern[i+1:]) {
					return true
				}
			}
			return false
		case '_':
			if text == "" {
				return false
			}
		default:
			if text == "" || text[0] != pattern[i] {
				return false
			}
		}
		text = text[1:]
	}
	return text == ""
}

// findAccount returns the account that a user from an address logs in to, nil if there is none:
// the one whose host names the address most narrowly, one with a name before the anonymous one.
func findAccount(users mysql_db.UserFetcher, user string, client netip.Addr) *mysql_db.User {
	var best *mysql_db.User
	rank := -1
	names := []string{user, ""}
	if user == "" {
		names = names[:1]
	}
	for _, name := range names {
		for _, u := range users.GetUsersByUsername(name) {
			if n := accountMatches(u.Host, client); n > rank {
				best, rank = u, n
			}
		}
	}
	return best
}

// expired reports whether an account's password has to be changed before anything else.
func (o accountOptions) expired(u *mysql_db.User, lifetime int64, now time.Time) bool {
	days := lifetime
	if o.Lifetime != nil {
		days = int64(*o.Lifetime)
	}
	return o.Expired || days > 0 && now.Sub(u.PasswordLastChanged) > time.Duration(days)*24*time.Hour
}

// roles are a session's active roles.
type roles struct {
	all    bool // every granted role
	except []syntax.AccountName
	list   []syntax.AccountName
	// stale: the session's privileges are the planner's, with every granted role.
	stale bool
}

// SetPrivilegeSet implements sql.Session: what the planner has computed, with every
// granted role, is narrowed to the active ones by refreshPrivileges.
func (s *Session) SetPrivilegeSet(p sql.PrivilegeSet, counter uint64) {
	s.roles.stale = true
	s.BaseSession.SetPrivilegeSet(p, counter)
}

// refreshPrivileges makes the session's privileges those of its account and active roles,
// if grants have changed since.
func (s *Session) refreshPrivileges(ctx *sql.Context) {
	if !s.checked() {
		return
	}
	s.b.users.UserActivePrivilegeSet(ctx)
	if !s.roles.stale {
		return
	}
	s.roles.stale = false
	_, counter := s.BaseSession.GetPrivilegeSet()
	set, _ := s.privilegesOf(s.account, s.roles.active)
	set.AddGlobalStatic(plannersOwn)
	s.BaseSession.SetPrivilegeSet(set, counter)
}

// granted returns the roles that an account or role was granted, in order.
func granted(rd interface {
	GetToUserRoleEdges(mysql_db.RoleEdgesToKey) []*mysql_db.RoleEdge
}, to syntax.AccountName) []syntax.AccountName {
	var out []syntax.AccountName
	for _, e := range rd.GetToUserRoleEdges(mysql_db.RoleEdgesToKey{ToHost: to.Host, ToUser: to.User}) {
		out = append(out, syntax.AccountName{User: e.FromUser, Host: e.FromHost})
	}
	slices.SortFunc(out, func(a, b syntax.AccountName) int {
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Host, b.Host))
	})
	return out
}

// mandatoryRoles are the roles that every account was granted (mandatory_roles).
func mandatoryRoles() []syntax.AccountName {
	_, v, _ := sql.SystemVariables.GetGlobal("mandatory_roles")
	text, _ := v.(string)
	out, _ := readRoleNames(syntax.NewLexer(text))
	return out
}

// rolesOf returns the roles that an account has, those that all have last.
func rolesOf(rd accountReader, n syntax.AccountName) []syntax.AccountName {
	out := granted(rd, n)
	for _, r := range mandatoryRoles() {
		if _, there := rd.GetUser(r.Key()); there && r != n && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// active returns those of the granted roles that are active.
func (r roles) active(granted []syntax.AccountName) []syntax.AccountName {
	var out []syntax.AccountName
	for _, g := range granted {
		if r.all && !slices.Contains(r.except, g) || slices.Contains(r.list, g) {
			out = append(out, g)
		}
	}
	return out
}

// activate makes roles active from the next statement on.
func (s *Session) activate(r roles) {
	s.roles = r
	s.BaseSession.SetPrivilegeSet(mysql_db.NewPrivilegeSet(), 0) // computed anew at the next use
}

// defaultRoles returns the roles that are active when an account logs in.
func (s *Session) defaultRoles(ctx *sql.Context, account syntax.AccountName) (roles, error) {
	if s.boolVariable(ctx, "activate_all_roles_on_login") {
		return roles{all: true}, nil
	}
	all, err := s.accountOptions(ctx)
	if err != nil {
		return roles{}, err
	}
	o := all[account.String()]
	return roles{all: o.AllRoles, list: o.DefaultRoles}, nil
}

// currentRole is CURRENT_ROLE().
func currentRole(_ *sql.Context, s *Session, _ []any) (any, error) {
	if s.b.users == nil {
		return "NONE", nil
	}
	rd := s.b.users.Reader()
	defer rd.Close()
	var names []string
	for _, r := range s.roles.active(rolesOf(rd, s.account)) {
		names = append(names, r.String())
	}
	if names == nil {
		return "NONE", nil
	}
	return strings.Join(names, ","), nil
}

// errMustChangePassword is what every statement of a session whose password has
// expired fails with, but for one that changes it.
func errMustChangePassword() error {
	return mysql.NewSQLError(1820, "HY000",
		"You must reset your password using ALTER USER statement before executing this statement.")
}
