package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"
)

// withColumns returns a CREATE VIEW with the columns that there are in the place of its one `*`
// or `t.*`, so that later ones do not become columns of the view. Others are returned as they
// are: those with several, or without one. Returns 1060 for columns of the same name.
func withColumns(ctx *sql.Context, n *plan.CreateView) (*plan.CreateView, error) {
	schema := n.Definition.Schema(ctx)
	for i, c := range schema {
		if schema[:i].IndexOfColName(c.Name) >= 0 {
			return nil, mysql.NewSQLError(mysql.ERDupFieldName, "42S21", "Duplicate column name '%s'", c.Name)
		}
	}
	text := n.Definition.TextDefinition
	from, to, qualifier, before, after, ok := starOf(text)
	if !ok || before+after >= len(schema) {
		return n, nil
	}
	var names []string
	for _, c := range schema[before : len(schema)-after] {
		name := quoteName(c.Name)
		if child := n.Definition.Child.Schema(ctx); len(child) == len(schema) {
			name = quoteName(child[before+len(names)].Name) // not that of the view's list of columns
		}
		names = append(names, qualifier+name)
	}
	at := strings.LastIndex(n.CreateViewString, text)
	if at < 0 {
		return n, nil
	}
	c, d := *n, *n.Definition
	d.TextDefinition = text[:from] + strings.Join(names, ", ") + text[to:]
	c.CreateViewString = n.CreateViewString[:at] + d.TextDefinition + n.CreateViewString[at+len(text):]
	c.Definition = &d
	return &c, nil
}

// starOf returns where the only star is in the list of a SELECT that is no set operation, what
// stands before the star up to its point, and how many expressions are before and after it.
func starOf(text string) (from, to int, qualifier string, before, after int, ok bool) {
	l := newLexer(text)
	if !l.accept("select") {
		return
	}
	for l.acceptOne("distinct", "all", "distinctrow", "straight_join", "sql_small_result", "sql_big_result", "sql_buffer_result", "sql_no_cache") != "" {
	}
	depth, first, items, stars := 0, l.start, 0, 0
	for begins := true; l.kind != 0; l.next() {
		if depth == 0 && begins {
			first, begins = l.start, false
		}
		switch {
		case l.kind == '(':
			depth++
		case l.kind == ')':
			depth--
		case depth > 0:
		case l.kind == ',':
			items++
			begins = true
		case l.is("from"):
			if set := *l; stars != 1 || unites(&set) {
				return
			}
			return from, to, qualifier, before, items - before, true
		case l.kind == '*':
			prefix := text[first:l.start]
			if prefix != "" && !strings.HasSuffix(strings.TrimSpace(prefix), ".") {
				continue // a product
			}
			stars++
			from, to, qualifier, before = first, l.at, prefix, items
		}
	}
	return
}

// unites reports whether a UNION or the like follows outside of parentheses.
func unites(l *lexer) bool {
	for depth := 0; l.kind != 0; l.next() {
		switch {
		case l.kind == '(':
			depth++
		case l.kind == ')':
			depth--
		case depth == 0 && (l.is("union") || l.is("except") || l.is("intersect")):
			return true
		}
	}
	return false
}
