package gms

import (
	"strings"

	"sextant/server/gms/syntax"
)

// withoutSecrets returns a statement as others may see it, in lists of processes and
// digests: where it names passwords its strings are '<secret>', as MySQL writes them.
func withoutSecrets(query string) string {
	if !syntax.ContainsFold(query, "identified") && !syntax.ContainsFold(query, "password") {
		return query
	}
	var out strings.Builder
	done := 0 // copied so far
	l := syntax.NewLexer(query)
	secret := false // a string that comes next is one
	for l.At < len(query) || l.Kind != 0 {
		if l.Kind == 0 { // a ; between statements
			l.At = min(l.At+1, len(query))
			l.Next()
			continue
		}
		switch {
		case l.Kind == 's' && secret:
			out.WriteString(query[done:l.Start])
			out.WriteString("'<secret>'")
			done = l.At
			secret = false
		case l.Is("by"), l.Is("as"), l.Is("replace"), l.Is("="):
			secret = true
		case l.Is("password"), l.Kind == '(':
		default:
			secret = false
		}
		l.Next()
	}
	if done == 0 {
		return query
	}
	out.WriteString(query[done:])
	return out.String()
}
