package gms

import "strings"

// withoutSecrets returns a statement as others may see it, in lists of processes and
// digests: where it names passwords its strings are '<secret>', as MySQL writes them.
func withoutSecrets(query string) string {
	if !containsFold(query, "identified") && !containsFold(query, "password") {
		return query
	}
	var out strings.Builder
	done := 0 // copied so far
	l := newLexer(query)
	secret := false // a string that comes next is one
	for l.at < len(query) || l.kind != 0 {
		if l.kind == 0 { // a ; between statements
			l.at = min(l.at+1, len(query))
			l.next()
			continue
		}
		switch {
		case l.kind == 's' && secret:
			out.WriteString(query[done:l.start])
			out.WriteString("'<secret>'")
			done = l.at
			secret = false
		case l.is("by"), l.is("as"), l.is("replace"), l.is("="):
			secret = true
		case l.is("password"), l.kind == '(':
		default:
			secret = false
		}
		l.next()
	}
	if done == 0 {
		return query
	}
	out.WriteString(query[done:])
	return out.String()
}
