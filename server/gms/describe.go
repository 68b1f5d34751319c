package gms

import (
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// explainWords are the words behind EXPLAIN and DESCRIBE that are no table.
var explainWords = map[string]bool{
	"select": true, "insert": true, "replace": true, "update": true, "delete": true, "with": true, "table": true,
	"values": true, "format": true, "analyze": true, "extended": true, "partitions": true, "for": true, "into": true,
	"plan": true, "verbose": true, "debug": true,
}

// parseDescribe parses {DESCRIBE | DESC | EXPLAIN} table {column | 'pattern'}, and EXPLAIN … FOR
// CONNECTION; the rest is the planner's.
func parseDescribe(l *lexer) (ast.Statement, error) {
	if l.is("for") || l.is("format") {
		return parseExplainConnection(l)
	}
	if l.kind == 'w' && explainWords[strings.ToLower(l.text)] {
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
