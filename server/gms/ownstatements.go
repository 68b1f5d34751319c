package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// ownText is the name of a variable to which the text of a statement in a stored program that the planner's grammar
// lacks is assigned: no client can name one that ends with a blank.
const ownText = "statement "

// beforeStatements are the words of a stored program behind which a statement begins.
var beforeStatements = map[string]bool{"begin": true, ";": true, "then": true, "else": true, "do": true, "loop": true, "repeat": true}

// inPrograms are the statements of ours that may stand in a stored program, by their first word, with the second.
var inPrograms = map[string][]string{
	"do": nil, "alter": {"procedure", "function"}, "create": nil, "show": {"open", "create"},
	"check": tableWords, "checksum": tableWords, "optimize": tableWords, "repair": tableWords,
}

var tableWords = []string{"table", "tables", "local", "no_write_to_binlog"}

// markOwn makes a statement of a stored program that the planner's grammar lacks an assignment of its text.
func (r *marking) markOwn(token string, at int) bool {
	seconds, ok := inPrograms[token]
	last := r.before[0].text
	if !r.program || !ok || !beforeStatements[last] && (last != ")" || r.depth != 0 || r.reading || token == "do") {
		return false
	}
	next, end := r.follows(r.end)
	if token == "create" || token == "alter" && next != "procedure" && next != "function" {
		if h, ok := newObjectHead(r.q[at:]); !ok || h.kind != "view" {
			return false
		}
	} else if token == "show" && next == "create" {
		if next, _ = r.follows(end); next != "function" {
			return false
		}
	} else if seconds != nil && !slices.Contains(seconds, next) {
		return false
	}
	for end = r.end; end < len(r.q) && r.q[end] != ';'; {
		_, end = nextWord(r.q, end)
	}
	r.put(at, end, "SET `"+ownText+"` = "+quoteText(r.q[at:end]))
	return true
}

// ownOf returns the statement that a SET stands for, nil if it is another. A DO is a SELECT whose rows nobody gets.
func ownOf(ctx *sql.Context, n *ast.Set) (ast.Statement, error) {
	if !isOwn(n) {
		return nil, nil
	}
	v, ok := n.Exprs[0].Expr.(*ast.SQLVal)
	if !ok {
		return nil, nil
	}
	text := string(v.Val)
	parser := newParser()
	parser.routine = true
	if rest, ok := cutWord(text, "do"); ok {
		text = "SELECT " + rest
	}
	stmt, _, _, err := parser.Parse(ctx, text, false)
	return stmt, err
}

// ownView returns the text of the CREATE or ALTER VIEW that a SET stands for, "" if it is another: the planner takes the
// view's query from the text.
func ownView(n *ast.Set) string {
	if !isOwn(n) {
		return ""
	}
	if v, ok := n.Exprs[0].Expr.(*ast.SQLVal); ok {
		if h, ok := newObjectHead(string(v.Val)); ok && h.kind == "view" {
			return string(v.Val)
		}
	}
	return ""
}

func isOwn(n *ast.Set) bool { return len(n.Exprs) == 1 && n.Exprs[0].Name.Name.String() == ownText }

// cutWord cuts a text's first word.
func cutWord(text, word string) (string, bool) {
	if len(text) <= len(word) || !strings.EqualFold(text[:len(word)], word) {
		return text, false
	}
	return text[len(word):], true
}

// allowedOwn returns the error of a statement of ours that the program must not have.
func (c *programCheck) allowedOwn(n *ast.Set) error {
	if c.kind != programFunction && c.kind != programTrigger {
		return nil
	}
	v, _ := n.Exprs[0].Expr.(*ast.SQLVal)
	if v == nil {
		return nil
	}
	if _, do := cutWord(string(v.Val), "do"); do {
		return nil
	}
	if _, alter := cutWord(string(v.Val), "alter"); alter || ownView(n) != "" {
		return c.commit()
	}
	return c.resultSet()
}

// runOwn runs a statement of ours in a stored program, and reports whether n is one.
func (r *routine) runOwn(ctx *sql.Context, n *ast.Set, sc *scope) (bool, error) {
	if text := ownView(n); text != "" {
		_, err := r.s.query(ctx, text)
		return true, err
	}
	stmt, err := ownOf(ctx, n)
	if err != nil || stmt == nil {
		return err != nil, err
	}
	c, err := sc.copy(ctx, stmt)
	if err != nil {
		return true, err
	}
	_, _, err = r.run(ctx, c)
	return true, err
}
