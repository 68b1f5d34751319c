package gms

import (
	"context"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

// lexer reads statements that the planner's grammar lacks, word by word.
type lexer struct {
	q     string
	at    int // behind the token
	start int // of the token
	// kind of the token: 'w' a word, 'i' a quoted identifier, 's' a string, 0 the
	// statement's end, any other sign stands for itself.
	kind byte
	text string       // of the token, without quotes
	ansi bool         // "x" is an identifier
	ctx  *sql.Context // of the statement, nil where none is parsed
}

// newLexer returns a lexer at the first token of a statement.
func newLexer(q string) *lexer {
	l := &lexer{q: q}
	l.next()
	return l
}

// next reads a token.
func (l *lexer) next() {
	for l.at < len(l.q) {
		l.start = l.at
		word, end := nextWord(l.q, l.at)
		c := l.q[l.at]
		switch {
		case word == "" || strings.HasPrefix(l.q[l.at:], "/*!"):
			l.at = end
			continue
		case word != " ":
			l.kind, l.text = 'w', word
		case c == '`' || c == '\'' || c == '"':
			l.kind = 's'
			if c == '`' || c == '"' && l.ansi {
				l.kind = 'i'
			}
			l.text = unescaped(l.q[l.at:end], l.kind == 'i')
		case c == ';':
			l.kind, l.text = 0, ""
			return
		default:
			l.kind, l.text = c, string(c)
		}
		l.at = end
		return
	}
	l.start, l.kind, l.text = len(l.q), 0, ""
}

// unescaped returns the value of a quoted text, in which a backslash is itself if it is an
// identifier.
func unescaped(quoted string, identifier bool) string {
	q := quoted[0]
	if len(quoted) < 2 || quoted[len(quoted)-1] != q {
		return quoted[1:]
	}
	body := quoted[1 : len(quoted)-1]
	if !strings.ContainsAny(body, "\\"+string(q)) {
		return body
	}
	var out strings.Builder
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == q:
			i++
			out.WriteByte(q)
		case c == '\\' && !identifier && i+1 < len(body):
			i++
			if at := strings.IndexByte("0bnrtZ", body[i]); at >= 0 {
				out.WriteByte("\x00\b\n\r\t\x1a"[at])
			} else {
				if body[i] == '%' || body[i] == '_' {
					out.WriteByte(c)
				}
				out.WriteByte(body[i])
			}
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// is reports whether the token is the word or sign, in any case.
func (l *lexer) is(word string) bool {
	return (l.kind == 'w' || l.kind == word[0]) && strings.EqualFold(l.text, word)
}

// accept reads the words if they come next, one after the other, and reports it; else nothing.
func (l *lexer) accept(words ...string) bool {
	back := *l
	for _, w := range words {
		if !l.is(w) {
			*l = back
			return false
		}
		l.next()
	}
	return true
}

// acceptOne reads one of the words and returns it in lower case, "" if none comes next.
func (l *lexer) acceptOne(words ...string) string {
	for _, w := range words {
		if l.accept(w) {
			return w
		}
	}
	return ""
}

// name reads an identifier, false if none comes next.
func (l *lexer) name() (string, bool) {
	if l.kind != 'w' && l.kind != 'i' {
		return "", false
	}
	text := l.text
	l.next()
	return text, true
}

// tableName is a table's name as a statement has it; Database is "" where it has none.
type tableName struct{ Database, Name string }

// tableNames reads a list of tables, nil if none comes next.
func (l *lexer) tableNames() []tableName {
	var out []tableName
	for {
		name, ok := l.name()
		if !ok {
			return nil
		}
		t := tableName{Name: name}
		if l.accept(".") {
			if t.Database = name; l.kind == 'w' || l.kind == 'i' {
				t.Name, _ = l.name()
			} else {
				return nil
			}
		}
		out = append(out, t)
		if !l.accept(",") {
			return out
		}
	}
}

// skip moves to the statement's end.
func (l *lexer) skip() {
	for l.kind != 0 {
		l.next()
	}
}

// end returns nil at the statement's end, or the error of a statement that goes on
// where it must not.
func (l *lexer) end() error {
	if l.kind == 0 {
		return nil
	}
	return syntaxError(l.q, l.start)
}

// nearMax is how much of a statement a syntax error shows.
const nearMax = 80

// syntaxError returns MySQL's error of a text that cannot go on as it does at a position.
func syntaxError(q string, at int) error {
	near := q[at:]
	if len(near) > nearMax {
		near = strings.ToValidUTF8(near[:nearMax], "")
	}
	return mysql.NewSQLError(mysql.ERParseError, "42000",
		"You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use near '%s' at line %d",
		near, 1+strings.Count(q[:at], "\n"))
}

// identifiers returns the error of a quoted identifier with a NUL, which MySQL does not
// allow; nil if there is none.
func identifiers(ctx context.Context, q string) error {
	if strings.IndexByte(q, 0) < 0 {
		return nil
	}
	ansi := ansiQuotes(ctx)
	for l := newLexer(q); l.kind != 0; l.next() {
		if (l.kind != 's' || ansi && l.q[l.start] == '"') && strings.IndexByte(l.q[l.start:l.at], 0) >= 0 {
			return l.syntax()
		}
	}
	return nil
}
