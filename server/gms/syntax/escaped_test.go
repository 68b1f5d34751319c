package syntax

import "testing"

// TestEscaped: what a client has quoted under NO_BACKSLASH_ESCAPES stays within its quotes, whatever stands before it.
func TestEscaped(t *testing.T) {
	user := `'\'' or 1=1 -- '`
	quoted := `'\\'' or 1=1 -- '`
	for _, c := range []struct{ before, want string }{
		{"select ", "select "},
		{"select 1 --\tdon't\n, ", "select 1 --\tdon t\n, "},
		{"select 1 --\n, ", "select 1 --\n, "},
		{"select 1 -- don't\\\n, ", "select 1 -- don t \n, "},
		{"select 1--'a\\', ", `select 1- -'a\\', `},
		{"select 1 # don't\n, ", "select 1 # don t\n, "},
		{"select 1 /*!99999 don't */, ", "select 1 /*!99999 don t */, "},
		{"select 1 /*M! don't */, ", "select 1 /*M! don t */, "},
		{"select 1 /*/ don't */, ", "select 1 /*/ don t */, "},
		{`select 1 /*!40101 , 'a\' */, `, `select 1 /*!40101 , 'a\\' */, `},
		{"select 1 /*! , 'it''s\\' */, ", `select 1 /*! , 'it''s\\' */, `},
		{"select `a\\`, ", "select `a\\`, "},
		{"select `a``'\\`, ", "select `a``'\\`, "},
		{`select 'it''s\', "don't\", `, `select 'it''s\\', "don't\\", `},
		{`select _latin1'\', x'41', N'\', `, `select _latin1'\\', x'41', N'\\', `},
	} {
		if got := Escaped(c.before+user, false); got != c.want+quoted {
			t.Errorf("%s%s\nis %s\nnot %s%s", c.before, user, got, c.want, quoted)
		}
	}
	for q, want := range map[string]string{
		"select n as \"x\\\" from u where n = " + user: "select n as `x\\` from u where n = " + quoted,
		"select \"a`b\"\"c'\\\", '\\'":                 "select `a``b\"c'\\`, '\\\\'",
		`select "a\`:                                   "select `a\\`",
	} {
		if got := Escaped(q, true); got != want {
			t.Errorf("%s\nis %s\nnot %s", q, got, want)
		}
	}
}
