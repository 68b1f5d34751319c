package rewrite

import (
	"regexp"
	"strings"
)

// jsonValueClauses are what follows the path of a JSON_VALUE.
var jsonValueClauses = regexp.MustCompile(`(?is)^(?:returning\s+(.+?))?` +
	`(?:\s*\b(null|error|default\s+(.+?))\s+on\s+empty)?(?:\s*\b(null|error|default\s+(.+?))\s+on\s+error)?\s*$`)

// Comments keep the clauses as they were sent, and where the arguments that are made of them end.
const (
	clausesMark = "/*_returning "
	clausesEnd  = "/*_end*/"
)

// keptClauses are the arguments that jsonValue makes, with their comments.
var keptClauses = regexp.MustCompile("(?s)" + regexp.QuoteMeta(clausesMark) + `(.*?)\*/.*?` + regexp.QuoteMeta(clausesEnd))

// withClauses returns a text with the clauses of its JSON_VALUEs as they were sent.
func withClauses(text string) string {
	if !strings.Contains(text, clausesMark) {
		return text
	}
	return keptClauses.ReplaceAllString(text, "$1")
}

// replacement is what is put in the place of a part of a text, which ends there.
type replacement struct {
	end  int
	text string
}
