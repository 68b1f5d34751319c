package gms

import (
	"net/netip"
	"testing"

	"github.com/dolthub/go-mysql-server/sql/mysql_db"

	"sextant/server/gms/syntax"
)

type fetcher []*mysql_db.User

func (f fetcher) GetUser(k mysql_db.UserPrimaryKey) (*mysql_db.User, bool) {
	for _, u := range f {
		if u.User == k.User && u.Host == k.Host {
			return u, true
		}
	}
	return nil, false
}

func (f fetcher) GetUsersByUsername(name string) []*mysql_db.User {
	var out []*mysql_db.User
	for _, u := range f {
		if u.User == name {
			out = append(out, u)
		}
	}
	return out
}

func TestTheNarrowestAccountLogsIn(t *testing.T) {
	all := fetcher{
		{User: "u", Host: "%"}, {User: "u", Host: "10.%"}, {User: "u", Host: "10.1.%"}, {User: "u", Host: "10.1.2.3"},
		{User: "u", Host: "localhost"}, {User: "u", Host: "127.0.0.1"}, {User: "u", Host: "192.168.0.0/255.255.0.0"},
		{User: "v", Host: "10.0.0.0/8"}, {User: "", Host: "10.1.2.%"}, {User: "w", Host: "fe80::1"}, {User: "x", Host: "10.1.2._"},
	}
	for _, c := range []struct{ user, from, want string }{
		{"u", "10.1.2.3", "'u'@'10.1.2.3'"},
		{"u", "10.1.9.9", "'u'@'10.1.%'"},
		{"u", "10.2.0.1", "'u'@'10.%'"},
		{"u", "11.0.0.1", "'u'@'%'"},
		{"u", "::ffff:10.1.2.3", "'u'@'10.1.2.3'"},
		{"u", "127.0.0.1", "'u'@'localhost'"},
		{"u", "::1", "'u'@'localhost'"},
		{"u", "127.0.0.3", "'u'@'%'"},
		{"u", "192.168.7.7", "'u'@'192.168.0.0/255.255.0.0'"},
		{"v", "10.200.0.1", "'v'@'10.0.0.0/8'"},
		{"v", "11.0.0.1", ""},
		{"nobody", "10.1.2.9", "''@'10.1.2.%'"},
		{"u", "10.1.2.9", "''@'10.1.2.%'"}, // MySQL: the host decides first
		{"nobody", "10.3.0.1", ""},
		{"w", "fe80::1", "'w'@'fe80::1'"},
		{"x", "10.1.2.7", "'x'@'10.1.2._'"},
		{"x", "10.1.2.77", "''@'10.1.2.%'"},
	} {
		got := ""
		if u := findAccount(all, c.user, netip.MustParseAddr(c.from)); u != nil {
			got = quotedAccount(syntax.AccountName{User: u.User, Host: u.Host})
		}
		if got != c.want {
			t.Errorf("%s from %s: %q, want %q", c.user, c.from, got, c.want)
		}
	}
}

func TestAccountNamesAreRead(t *testing.T) {
	for text, want := range map[string]syntax.AccountName{
		"u@localhost, x": {User: "u", Host: "localhost"}, "'u'@'%' x": {User: "u", Host: "%"}, "u": {User: "u", Host: "%"}, "`a b`@`h`": {User: "a b", Host: "h"},
		"u@10.0.0.1": {User: "u", Host: "10.0.0.1"}, "u@My-Host.example.com": {User: "u", Host: "my-host.example.com"}, "u@%": {User: "u", Host: "%"}, "'it''s'@h": {User: "it's", Host: "h"},
	} {
		l := syntax.NewLexer(text)
		got, self, ok := l.AccountName()
		if !ok || self || got != want {
			t.Errorf("%s: %v %v %v", text, got, self, ok)
		}
	}
}
