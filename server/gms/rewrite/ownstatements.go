package rewrite

import (
	"slices"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// ownText is the name of a variable to which the text of a statement in a stored program that the planner's grammar
// lacks is assigned: no client can name one that ends with a blank.
const ownText = "statement "

// beforeStatements are the words of a stored program behind which a statement begins.
var beforeStatements = map[string]bool{"begin": true, ";": true, "then": true, "else": true, "do": true, "loop": true, "repeat": true}

// inPrograms are the statements of ours that may stand in a stored program, by their first word, with the second.
var inPrograms = map[string][]string{
	"do": nil, "alter": {"procedure", "function", "user"}, "create": nil, "drop": {"function", "view"}, "kill": nil, "reset": {"persist"},
	"set":   {"role", "default"},
	"show":  {"open", "create", "engine", "storage", "master", "binary", "binlog", "relaylog", "replicas", "slave", "count", "profile", "profiles"},
	"check": tableWords, "checksum": tableWords, "optimize": tableWords, "repair": tableWords,
}

var tableWords = []string{"table", "tables", "local", "no_write_to_binlog"}

// markOwn makes a statement of a stored program that the planner's grammar lacks an assignment of its text.
func (r *Marking) markOwn(token string, at int) bool {
	seconds, ok := inPrograms[token]
	last := r.before[0].text
	if !r.program || !ok || !beforeStatements[last] && (last != ")" || r.depth != 0 || r.reading || token == "do") {
		return false
	}
	next, end := r.follows(r.end)
	if token == "create" || token == "alter" && !slices.Contains(seconds, next) {
		if h, ok := NewObjectHead(r.Q[at:]); !ok || h.Kind != "view" {
			return false
		}
	} else if token == "show" && next == "create" {
		if next, _ = r.follows(end); next != "function" {
			return false
		}
	} else if seconds != nil && !slices.Contains(seconds, next) {
		return false
	} else if token == "set" {
		if next, _ = r.follows(end); strings.HasPrefix(next, "=") || strings.HasPrefix(next, ":") {
			return false // a variable
		}
	}
	for end = r.end; end < len(r.Q) && r.Q[end] != ';'; {
		_, end = syntax.NextWord(r.Q, end)
	}
	r.Put(at, end, "SET `"+ownText+"` = "+syntax.QuoteText(r.Q[at:end]))
	return true
}

// OwnView returns the text of the CREATE or ALTER VIEW that a SET stands for, "" if it is another: the planner takes the
// view's query from the text.
func OwnView(n *ast.Set) string {
	if !IsOwn(n) {
		return ""
	}
	if v, ok := n.Exprs[0].Expr.(*ast.SQLVal); ok {
		if h, ok := NewObjectHead(string(v.Val)); ok && h.Kind == "view" {
			return string(v.Val)
		}
	}
	return ""
}

// IsOwn reports whether a SET stands for a statement of this package in a stored program.
func IsOwn(n *ast.Set) bool { return len(n.Exprs) == 1 && n.Exprs[0].Name.Name.String() == ownText }

// CutWord cuts a text's first word.
func CutWord(text, word string) (string, bool) {
	if len(text) <= len(word) || !strings.EqualFold(text[:len(word)], word) {
		return text, false
	}
	return text[len(word):], true
}
