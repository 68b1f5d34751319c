package syntax

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

// Lexer reads statements that the planner's grammar lacks, word by word.
type Lexer struct {
	Q     string
	At    int // behind the token
	Start int // of the token
	// Kind of the token: 'w' a word, 'i' a quoted identifier, 's' a string, 0 the
	// statement's end, any other sign stands for itself.
	Kind byte
	Text string       // of the token, without quotes
	Ansi bool         // "x" is an identifier
	Ctx  *sql.Context // of the statement, nil where none is parsed
}

// NewLexer returns a lexer at the first token of a statement.
func NewLexer(q string) *Lexer {
	l := &Lexer{Q: q}
	l.Next()
	return l
}

// Next reads a token.
func (l *Lexer) Next() {
	for l.At < len(l.Q) {
		l.Start = l.At
		word, end := NextWord(l.Q, l.At)
		c := l.Q[l.At]
		switch {
		case word == "" || strings.HasPrefix(l.Q[l.At:], "/*!"):
			l.At = end
			continue
		case word != " ":
			l.Kind, l.Text = 'w', word
		case c == '`' || c == '\'' || c == '"':
			l.Kind = 's'
			if c == '`' || c == '"' && l.Ansi {
				l.Kind = 'i'
			}
			l.Text = Unescaped(l.Q[l.At:end], l.Kind == 'i')
		case c == ';':
			l.Kind, l.Text = 0, ""
			return
		default:
			l.Kind, l.Text = c, string(c)
		}
		l.At = end
		return
	}
	l.Start, l.Kind, l.Text = len(l.Q), 0, ""
}

// Unescaped returns the value of a quoted text, in which a backslash is itself if it is an
// identifier.
func Unescaped(quoted string, identifier bool) string {
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

// Unescaping is the opposite of Escaped: it returns statements whose texts have backslashes for escapes as they are
// written under NO_BACKSLASH_ESCAPES.
func Unescaping(q string) string {
	if strings.IndexByte(q, '\\') < 0 {
		return q
	}
	var out strings.Builder
	for at := 0; at < len(q); {
		_, end := NextWord(q, at)
		part := q[at:end]
		if quote := part[:1]; (quote == "'" || quote == `"`) && strings.IndexByte(part, '\\') >= 0 {
			part = quote + strings.ReplaceAll(Unescaped(part, false), quote, quote+quote) + quote
		}
		out.WriteString(part)
		at = end
	}
	return out.String()
}

// Is reports whether the token is the word or sign, in any case.
func (l *Lexer) Is(word string) bool {
	return (l.Kind == 'w' || l.Kind == word[0]) && strings.EqualFold(l.Text, word)
}

// Accept reads the words if they come next, one after the other, and reports it; else nothing.
func (l *Lexer) Accept(words ...string) bool {
	back := *l
	for _, w := range words {
		if !l.Is(w) {
			*l = back
			return false
		}
		l.Next()
	}
	return true
}

// AcceptOne reads one of the words and returns it in lower case, "" if none comes next.
func (l *Lexer) AcceptOne(words ...string) string {
	for _, w := range words {
		if l.Accept(w) {
			return w
		}
	}
	return ""
}

// Name reads an identifier, false if none comes next.
func (l *Lexer) Name() (string, bool) {
	if l.Kind != 'w' && l.Kind != 'i' {
		return "", false
	}
	text := l.Text
	l.Next()
	return text, true
}

// TableName is a table's name as a statement has it; Database is "" where it has none.
type TableName struct{ Database, Name string }

// TableNames reads a list of tables, nil if none comes next.
func (l *Lexer) TableNames() []TableName {
	var out []TableName
	for {
		name, ok := l.Name()
		if !ok {
			return nil
		}
		t := TableName{Name: name}
		if l.Accept(".") {
			if t.Database = name; l.Kind == 'w' || l.Kind == 'i' {
				t.Name, _ = l.Name()
			} else {
				return nil
			}
		}
		out = append(out, t)
		if !l.Accept(",") {
			return out
		}
	}
}

// Skip moves to the statement's end.
func (l *Lexer) Skip() {
	for l.Kind != 0 {
		l.Next()
	}
}

// End returns nil at the statement's end, or the error of a statement that goes on
// where it must not.
func (l *Lexer) End() error {
	if l.Kind == 0 {
		return nil
	}
	return Error(l.Q, l.Start)
}

// nearMax is how much of a statement a syntax error shows.
const nearMax = 80

// Error returns MySQL's error of a text that cannot go on as it does at a position.
func Error(q string, at int) error {
	near := q[at:]
	if len(near) > nearMax {
		near = strings.ToValidUTF8(near[:nearMax], "")
	}
	return mysql.NewSQLError(mysql.ERParseError, "42000",
		"You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use near '%s' at line %d",
		near, 1+strings.Count(q[:at], "\n"))
}

// Identifiers returns the error of a quoted identifier with a NUL, which MySQL does not
// allow; nil if there is none.
func Identifiers(ctx context.Context, q string) error {
	if strings.IndexByte(q, 0) < 0 {
		return nil
	}
	ansi := AnsiQuotes(ctx)
	for l := NewLexer(q); l.Kind != 0; l.Next() {
		if (l.Kind != 's' || ansi && l.Q[l.Start] == '"') && strings.IndexByte(l.Q[l.Start:l.At], 0) >= 0 {
			return l.Syntax()
		}
	}
	return nil
}

// String reads a string.
func (l *Lexer) String() (string, bool) {
	if l.Kind != 's' {
		return "", false
	}
	s := l.Text
	l.Next()
	return s, true
}

// Syntax returns the error of a statement whose next token is not one that may come there.
func (l *Lexer) Syntax() error { return Error(l.Q, l.Start) }

// Rest is the text from the lexer's token on.
func (l *Lexer) Rest() string {
	return strings.TrimRight(l.Q[l.Start:], "; \t\r\n")
}

// Target reads a variable, of the user with its @, or a number.
func (l *Lexer) Target() (string, bool) {
	if l.Accept("@") {
		name, ok := l.NameOrString()
		return "@" + name, ok
	}
	return l.Name()
}

// Bytes reads a text, or a hexadecimal literal.
func (l *Lexer) Bytes() (string, error) {
	digits := ""
	switch {
	case l.Kind == 's':
		text := l.Text
		l.Next()
		return text, nil
	case l.Kind == 'w' && strings.EqualFold(l.Text, "x") && l.At < len(l.Q) && l.Q[l.At] == '\'':
		l.Next()
		digits = l.Text
	case l.Kind == 'w' && strings.HasPrefix(l.Text, "0x"):
		if digits = l.Text[2:]; len(digits)%2 == 1 {
			digits = "0" + digits
		}
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) == 0 {
		return "", l.Syntax()
	}
	l.Next()
	return string(b), nil
}

// ColumnList reads names in parentheses.
func (l *Lexer) ColumnList() (out []string, ok bool) {
	if !l.Accept("(") {
		return nil, false
	}
	for {
		name, ok := l.Name()
		if !ok {
			return nil, false
		}
		if out = append(out, name); !l.Accept(",") {
			return out, l.Accept(")")
		}
	}
}

// Charset takes the name of a character set or a collation, in quotes or without.
func (l *Lexer) Charset() (string, bool) {
	if l.Kind == 's' {
		text := Unquoted(l.Q[l.Start:l.At])
		l.Next()
		return text, text != ""
	}
	return l.Name()
}

// AnsiQuotes reports whether "x" is an identifier in a statement.
func AnsiQuotes(ctx context.Context) bool {
	sctx, _ := ctx.(*sql.Context)
	return sctx != nil && sql.LoadSqlMode(sctx).AnsiQuotes()
}

// Limit reads LIMIT n, LIMIT offset, n or nothing; ok is false if it is neither.
func (l *Lexer) Limit() (offset, count uint64, ok bool) {
	count = ^uint64(0)
	if !l.Accept("limit") {
		return 0, count, l.Kind == 0
	}
	if count, ok = l.Number(); !ok {
		return 0, 0, false
	}
	if l.Accept(",") {
		offset = count
		count, ok = l.Number()
	} else if l.Accept("offset") {
		offset, ok = l.Number()
	}
	return offset, count, ok && l.Kind == 0
}

// Number reads an unsigned integer.
func (l *Lexer) Number() (n uint64, ok bool) {
	if _, err := fmt.Sscanf(l.Text, "%d", &n); l.Kind != 'w' || err != nil {
		return 0, false
	}
	l.Next()
	return n, true
}

// NameOrString reads an identifier or a string.
func (l *Lexer) NameOrString() (string, bool) {
	if l.Kind == 's' {
		return l.String()
	}
	return l.Name()
}
