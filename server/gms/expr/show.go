package expr

import "sextant/server/gms/syntax"

// DefaultLiteral returns the value of the quoted literal that a default is; other texts as they are.
func DefaultLiteral(s string) string {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return s
	}
	return syntax.Unescaped(s, false)
}
