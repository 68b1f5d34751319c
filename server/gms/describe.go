package gms

import (
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// explained are the words behind EXPLAIN and DESCRIBE that are no table.
var explained = map[string]bool{
	"select": true, "insert": true, "replace": true, "update": true, "delete": true, "with": true, "table": true,
	"values": true, "format": true, "analyze": true, "extended": true, "partitions": true, "for": true, "into": true,
	"plan": true, "verbose": true, "debug": true,
}

// parseDescribe parses {DESCRIBE | DESC | EXPLAIN} table {column | 'pattern'}; the rest is
// the planner's.
func parseDescribe(l *lexer) (ast.Statement, error) {
	if l.kind == 'w' && explained[strings.ToLower(l.text)] {
		return nil, nil
	}
	tables := l.tableNames()
	if len(tables) != 1 || l.kind != 'w' && l.kind != 'i' && l.kind != 's' {
		return nil, nil
	}
	pattern := l.text
	l.next()
	if l.kind != 0 {
		return nil, nil
	}
	table := quoteName(tables[0].Name)
	if tables[0].Database != "" {
		table = quoteName(tables[0].Database) + "." + table
	}
	return ast.Parse("SHOW COLUMNS FROM " + table + " LIKE " + quoteText(pattern))
}

// quoteChanged quotes the names behind CHANGE in an ALTER TABLE: those that are words of
// the grammar, such as name, cannot stand there without.
func quoteChanged(query string) string {
	if !phrase(leading(query, 2), "alter", "table") || !containsFold(query, "change") {
		return query
	}
	var out strings.Builder
	done := 0
	for l := newLexer(query); l.kind != 0; l.next() {
		if l.kind != 'w' || !strings.EqualFold(l.text, "change") {
			continue
		}
		l.next()
		l.accept("column")
		for range 2 {
			if l.kind == 'w' {
				out.WriteString(query[done:l.start] + quoteName(l.text))
				done = l.at
			}
			l.next()
		}
	}
	return out.String() + query[done:]
}
