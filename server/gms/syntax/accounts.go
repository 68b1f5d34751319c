package syntax

import (
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql/mysql_db"
)

// AccountName is an account's or a role's.
type AccountName struct{ User, Host string }

// String returns the name as SQL text.
func (n AccountName) String() string { return QuoteName(n.User) + "@" + QuoteName(n.Host) }

// Key returns the account's key in the planner's tables of grants.
func (n AccountName) Key() mysql_db.UserPrimaryKey {
	return mysql_db.UserPrimaryKey{User: n.User, Host: n.Host}
}

// AccountName reads an account's name; self is true for CURRENT_USER and USER().
func (l *Lexer) AccountName() (n AccountName, self, ok bool) {
	n, self, ok = l.anyAccountName()
	return n, self, ok && utf8.ValidString(n.User) && utf8.ValidString(n.Host)
}

func (l *Lexer) anyAccountName() (n AccountName, self, ok bool) {
	for _, f := range []string{"current_user", "user"} {
		if l.Accept(f, "(", ")") || f == "current_user" && l.Accept(f) {
			return n, true, true
		}
	}
	if l.Kind != 'w' && l.Kind != 'i' && l.Kind != 's' {
		return n, false, false
	}
	n.User, n.Host = l.Text, "%"
	l.Next()
	if !l.Accept("@") {
		return n, false, true
	}
	if l.Kind != 'w' && l.Kind != 'i' && l.Kind != 's' && l.Kind != '%' {
		return n, false, false
	}
	if n.Host = l.Text; l.Kind != 'w' && l.Kind != '%' {
		n.Host = strings.ToLower(n.Host)
		l.Next()
		return n, false, true
	}
	for end := l.At; ; end = l.At { // an unquoted host: its parts touch each other
		l.Next()
		if l.Start != end || l.Kind == 0 || strings.ContainsRune(",)=;s", rune(l.Kind)) {
			break
		}
		n.Host += l.Text
	}
	n.Host = strings.ToLower(n.Host)
	return n, false, true
}
