package gms

import "github.com/dolthub/go-mysql-server/sql"

// histograms reads what follows the table in ANALYZE TABLE … {UPDATE | DROP} HISTOGRAM ON
// column [, column] … [WITH n BUCKETS | USING DATA 'json']. There are histograms of indexes
// only, which ANALYZE TABLE makes itself: the answer has an error for each column, as MySQL's
// has for a column that cannot have one, and the statement succeeds. Returns nil if no such
// clause comes next.
func (l *lexer) histograms() func(*sql.Context, *Session, tableName) ([]tableMessage, error) {
	back := *l
	if !l.accept("update", "histogram", "on") && !l.accept("drop", "histogram", "on") {
		return nil
	}
	var messages []tableMessage
	for {
		column, ok := l.name()
		if !ok {
			*l = back
			return nil
		}
		messages = append(messages, tableMessage{kind: "Error", text: "There is no histogram of column '" + column + "': those of indexes are made without BUCKETS."})
		if !l.accept(",") {
			break
		}
	}
	if l.accept("with") {
		l.next()
		l.accept("buckets")
	} else if l.accept("using", "data") {
		l.next()
	}
	return func(ctx *sql.Context, s *Session, t tableName) ([]tableMessage, error) {
		def, _, err := s.definition(ctx, t)
		if err == nil && def == nil {
			return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
		}
		return messages, err
	}
}
