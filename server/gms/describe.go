package gms

import (
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// explainWords are the words behind EXPLAIN and DESCRIBE that are no table.
var explainWords = map[string]bool{
	"select": true, "insert": true, "replace": true, "update": true, "delete": true, "with": true, "table": true,
	"values": true, "format": true, "analyze": true, "extended": true, "partitions": true, "for": true, "into": true,
	"plan": true, "verbose": true, "debug": true,
}

// parseDescribe parses {DESCRIBE | DESC | EXPLAIN} table {column | 'pattern'}, and EXPLAIN … FOR
// CONNECTION; the rest is the planner's.
func parseDescribe(l *syntax.Lexer) (ast.Statement, error) {
	if l.Is("for") || l.Is("format") {
		return parseExplainConnection(l)
	}
	if l.Kind == 'w' && explainWords[strings.ToLower(l.Text)] {
		return nil, nil
	}
	tables := l.TableNames()
	if len(tables) != 1 || l.Kind != 'w' && l.Kind != 'i' && l.Kind != 's' {
		return nil, nil
	}
	pattern := l.Text
	l.Next()
	if l.Kind != 0 {
		return nil, nil
	}
	table := syntax.QuoteName(tables[0].Name)
	if tables[0].Database != "" {
		table = syntax.QuoteName(tables[0].Database) + "." + table
	}
	return ast.Parse("SHOW COLUMNS FROM " + table + " LIKE " + syntax.QuoteText(pattern))
}
