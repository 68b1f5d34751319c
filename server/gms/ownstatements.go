package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// ownOf returns the statement that a SET stands for, nil if it is another. A DO is a SELECT whose rows nobody gets.
func ownOf(ctx *sql.Context, n *ast.Set) (ast.Statement, error) {
	if !rewrite.IsOwn(n) {
		return nil, nil
	}
	v, ok := n.Exprs[0].Expr.(*ast.SQLVal)
	if !ok {
		return nil, nil
	}
	text := string(v.Val)
	parser := newParser()
	parser.routine = true
	if rest, ok := rewrite.CutWord(text, "do"); ok {
		text = "SELECT " + rest
	}
	stmt, _, _, err := parser.Parse(ctx, text, false)
	return stmt, err
}

// allowedOwn returns the error of a statement of ours that the program must not have.
func (c *programCheck) allowedOwn(n *ast.Set) error {
	v, _ := n.Exprs[0].Expr.(*ast.SQLVal)
	if v == nil {
		return nil
	}
	if l := syntax.NewLexer(string(v.Val)); l.AcceptOne("alter", "drop") != "" {
		if kind := l.AcceptOne("procedure", "function"); kind != "" {
			return errNoDropWithin(strings.ToUpper(kind))
		}
	}
	if c.kind != programFunction && c.kind != programTrigger {
		return nil
	}
	switch word, _ := syntax.NextWord(string(v.Val), 0); {
	case strings.EqualFold(word, "do"), strings.EqualFold(word, "kill"), strings.EqualFold(word, "reset"):
		return nil
	case strings.EqualFold(word, "set"):
		if l := syntax.NewLexer(string(v.Val)); l.Accept("set", "role") {
			return nil
		}
		return c.commit()
	case strings.EqualFold(word, "alter"), strings.EqualFold(word, "drop"), rewrite.OwnView(n) != "":
		return c.commit()
	}
	return c.resultSet()
}

// runOwn runs a statement of ours in a stored program, and reports whether n is one.
func (r *routine) runOwn(ctx *sql.Context, n *ast.Set, sc *scope) (bool, error) {
	if text := rewrite.OwnView(n); text != "" {
		_, err := r.s.query(ctx, text)
		return true, err
	}
	stmt, err := ownOf(ctx, n)
	if err != nil || stmt == nil {
		return err != nil, err
	}
	_, do := stmt.(*ast.Select)
	_, _, err = r.run(ctx, stmt, sc, !do)
	return true, err
}
