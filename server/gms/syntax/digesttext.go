package syntax

import (
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/information_schema"
)

// DigestTextMax is performance_schema_max_digest_length.
const DigestTextMax = 1024

// Normalizer makes the digest text of statements: literals are "?", lists of them
// "(...)", identifiers are in backticks, keywords in upper case, and one space is
// between tokens, as MySQL's digests have them. It reads a statement once and
// allocates nothing once its buffers have grown.
type Normalizer struct {
	text   []byte
	tokens []digestToken
}

// digestToken is a token of the text.
type digestToken struct {
	kind   tokenKind
	starts bool // an expression may begin after it
	at     int  // where it begins in the text
}

// tokenKind is what later tokens must know of an earlier one.
type tokenKind uint8

const (
	tokenOther    tokenKind = iota
	tokenSign               // + or -
	tokenOpen               // (
	tokenComma              // ,
	tokenIn                 // IN
	tokenDot                // .
	tokenAt                 // @ of a user variable or an account
	tokenSystem             // @@
	tokenValue              // ?
	tokenValues             // ?, ...
	tokenRow                // (?)
	tokenRows               // (?) /* , ... */
	tokenWideRow            // (...)
	tokenWideRows           // (...) /* , ... */
)

// Normalize returns the digest text of a statement. It is valid until the next call.
func (n *Normalizer) Normalize(query string) []byte {
	n.text, n.tokens = n.text[:0], n.tokens[:0]
	at := 0
	for at < len(query) && len(n.text) < DigestTextMax {
		at = n.token(query, at)
	}
	if end := len(n.text) - 1; at >= len(query) && end >= 0 && n.text[end] == ' ' {
		n.text = n.text[:end]
	}
	if at < len(query) || len(n.text) > DigestTextMax { // the last token may be a long one
		return append(n.text[:DigestTextMax-3], "..."...)
	}
	return n.text
}

// token takes one token, or what is none, at at and returns where the next begins.
func (n *Normalizer) token(q string, at int) int {
	c := q[at]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		return at + 1
	case c == '#', c == '-' && strings.HasPrefix(q[at:], "--") && (at+2 == len(q) || q[at+2] <= ' '):
		return endOf(q, at, "\n")
	case c == '/' && strings.HasPrefix(q[at:], "/*"):
		if strings.HasPrefix(q[at:], "/*!") { // what is in it is executed
			at += 3
			for at < len(q) && IsDigit(q[at]) {
				at++
			}
			return at
		}
		return endOf(q, at+2, "*/")
	case c == '*' && strings.HasPrefix(q[at:], "*/"):
		return at + 2
	case c == ';' && strings.TrimSpace(q[at+1:]) == "":
		return len(q)
	case c == '\'' || c == '"':
		n.value()
		return quoteEnd(q, at)
	case c == '`':
		end := quoteEnd(q, at)
		n.push(q[at:end], tokenOther, false)
		return end
	case c == '?':
		n.value()
		return at + 1
	case IsDigit(c), c == '.' && at+1 < len(q) && IsDigit(q[at+1]) && !n.ident():
		end, number := numberEnd(q, at)
		if number && n.last().kind != tokenDot {
			n.value()
		} else {
			n.identifier(q[at:end])
		}
		return end
	case identByte(c):
		return n.word(q, at)
	}
	return n.operator(q, at)
}

func endOf(q string, at int, mark string) int {
	if i := strings.Index(q[at:], mark); i >= 0 {
		return at + i + len(mark)
	}
	return len(q)
}

// quoteEnd returns where a quoted text that begins at at ends.
func quoteEnd(q string, at int) int {
	quote := q[at]
	for at++; at < len(q); at++ {
		switch {
		case q[at] == '\\' && quote != '`':
			at++
		case q[at] == quote && at+1 < len(q) && q[at+1] == quote:
			at++
		case q[at] == quote:
			return at + 1
		}
	}
	return len(q)
}

// IsDigit reports whether a byte is a decimal digit.
func IsDigit(c byte) bool { return c >= '0' && c <= '9' }

func identByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || IsDigit(c) || c == '_' || c == '$' || c >= 0x80
}

// numberEnd returns where a number ends, or, if it is none, the identifier that
// begins with a digit.
func numberEnd(q string, at int) (end int, number bool) {
	i := at
	for i < len(q) && identByte(q[i]) {
		i++
	}
	word := q[at:i]
	if len(word) > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'b') {
		return i, true
	}
	digits := 0
	for digits < len(word) && IsDigit(word[digits]) {
		digits++
	}
	rest := word[digits:]
	if rest == "" && i < len(q) && q[i] == '.' {
		for i++; i < len(q) && IsDigit(q[i]); i++ {
		}
		if i < len(q) && (q[i] == 'e' || q[i] == 'E') {
			rest = q[i : i+1]
			for i++; i < len(q) && IsDigit(q[i]); i++ {
			}
		}
	}
	if rest == "" {
		return i, true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return i, false
	}
	if len(rest) == 1 && i < len(q) && (q[i] == '+' || q[i] == '-') {
		for i++; i < len(q) && IsDigit(q[i]); i++ {
		}
		return i, true
	}
	return i, strings.Trim(rest[1:], "0123456789") == ""
}

var noToken digestToken

func (n *Normalizer) last() digestToken { return n.back(1) }

// back returns the i-th last token.
func (n *Normalizer) back(i int) digestToken {
	if len(n.tokens) < i {
		return noToken
	}
	return n.tokens[len(n.tokens)-i]
}

// ident reports whether the last token ended an identifier, so that a dot goes on with it.
func (n *Normalizer) ident() bool {
	return len(n.text) > 1 && n.text[len(n.text)-2] == '`'
}

func (n *Normalizer) push(text string, kind tokenKind, starts bool) {
	n.tokens = append(n.tokens, digestToken{kind, starts, len(n.text)})
	n.text = append(n.text, text...)
	if kind != tokenAt && kind != tokenSystem {
		n.text = append(n.text, ' ')
	}
}

// pop takes the last count tokens back.
func (n *Normalizer) pop(count int) {
	at := len(n.tokens) - count
	n.text, n.tokens = n.text[:n.tokens[at].at], n.tokens[:at]
}

func (n *Normalizer) identifier(name string) {
	n.tokens = append(n.tokens, digestToken{at: len(n.text)})
	n.text = append(n.text, '`')
	n.text = append(n.text, name...)
	n.text = append(n.text, '`', ' ')
}

// value takes a literal: its sign belongs to it, and a list of literals is one token.
func (n *Normalizer) value() {
	for n.last().kind == tokenSign && (len(n.tokens) == 1 || n.back(2).starts) {
		n.pop(1)
	}
	if k := n.back(2).kind; n.last().kind == tokenComma && (k == tokenValue || k == tokenValues) {
		n.pop(2)
		n.push("?, ...", tokenValues, false)
		return
	}
	n.push("?", tokenValue, false)
}

// closing takes a ")": rows of literals become one token.
func (n *Normalizer) closing() {
	inner := n.last().kind
	if n.back(2).kind != tokenOpen || inner != tokenValue && inner != tokenValues {
		n.push(")", tokenOther, false)
		return
	}
	n.pop(2)
	one, many, text, texts := tokenRow, tokenRows, "(?)", "(?) /* , ... */"
	if inner == tokenValues {
		one, many, text, texts = tokenWideRow, tokenWideRows, "(...)", "(...) /* , ... */"
	}
	switch k := n.back(2).kind; {
	case n.last().kind == tokenIn:
		n.pop(1)
		n.push("IN (...)", tokenOther, false)
	case n.last().kind == tokenComma && (k == one || k == many):
		n.pop(2)
		n.push(texts, many, false)
	default:
		n.push(text, one, false)
	}
}

// operators are those of more than one character, longer ones first.
var operators = []string{"<=>", "->>", "<=", ">=", "<>", "!=", ":=", "||", "&&", "<<", ">>", "->"}

func (n *Normalizer) operator(q string, at int) int {
	switch q[at] {
	case '(':
		n.push("(", tokenOpen, true)
		return at + 1
	case ')':
		n.closing()
		return at + 1
	case ',':
		n.push(",", tokenComma, true)
		return at + 1
	case '.':
		n.push(".", tokenDot, false)
		return at + 1
	case '@':
		if strings.HasPrefix(q[at:], "@@") {
			n.push("@@", tokenSystem, false)
			return at + 2
		}
		n.push("@", tokenAt, false)
		return at + 1
	}
	for _, op := range operators {
		if strings.HasPrefix(q[at:], op) {
			n.push(op, tokenOther, true)
			return at + len(op)
		}
	}
	kind := tokenOther
	if q[at] == '+' || q[at] == '-' {
		kind = tokenSign
	}
	n.push(q[at:at+1], kind, q[at] != ';' && q[at] != '}')
	return at + 1
}

// word takes a keyword, an identifier, or a literal with a letter before it.
func (n *Normalizer) word(q string, at int) int {
	end := at
	for end < len(q) && identByte(q[end]) {
		end++
	}
	w := q[at:end]
	if end < len(q) && q[end] == '\'' {
		switch {
		case len(w) == 1 && strings.Contains("xXbBnN", w):
			n.value()
			return quoteEnd(q, end)
		case w[0] == '_':
			n.push("(_charset)", tokenOther, false)
			return end
		}
	}
	var upper [maxKeyword]byte
	k, ok := keyword{}, false
	if len(w) <= maxKeyword {
		for i := range len(w) {
			c := w[i]
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
			upper[i] = c
		}
		k, ok = keywords()[string(upper[:len(w)])]
	}
	switch prev := n.last(); {
	case prev.kind == tokenDot, prev.kind == tokenAt, !ok,
		prev.kind == tokenSystem && !k.scope,
		k.function && !strings.HasPrefix(q[end:], "("):
		n.identifier(w)
	case k.null && prev.starts && !n.negation():
		n.value()
	default:
		n.push(k.text, k.kind, k.starts)
	}
	return end
}

// negation reports whether the last token is NOT, after which NULL is no value.
func (n *Normalizer) negation() bool { return strings.HasSuffix(string(n.text), "NOT ") }

// maxKeyword bounds the length of keywords.
const maxKeyword = 40

// keyword is what the normalizer knows of one.
type keyword struct {
	text   string
	kind   tokenKind
	starts bool
	// function: a keyword only before "("; scope: one after "@@", too; null: NULL.
	function, scope, null bool
}

const (
	functionKeywords = "ADDDATE BIT_AND BIT_OR BIT_XOR CAST COUNT CURDATE CURTIME DATE_ADD DATE_SUB EXTRACT " +
		"GROUP_CONCAT JSON_ARRAYAGG JSON_OBJECTAGG MAX MID MIN NOW POSITION SESSION_USER STD STDDEV STDDEV_POP " +
		"STDDEV_SAMP ST_COLLECT SUBDATE SUBSTR SUBSTRING SUM SYSDATE SYSTEM_USER TRIM VARIANCE VAR_POP VAR_SAMP"
	startKeywords = "SELECT WHERE HAVING AND OR XOR NOT ON BY BETWEEN LIKE REGEXP RLIKE ESCAPE CASE WHEN THEN ELSE " +
		"ELSEIF IF WHILE UNTIL RETURN DEFAULT DIV MOD INTERVAL BINARY LIMIT OFFSET EVERY AT STARTS ENDS DISTINCT VALUE VALUES SET"
)

var keywords = sync.OnceValue(func() map[string]keyword {
	m := map[string]keyword{}
	t, _ := information_schema.GetInformationSchemaTables()[information_schema.KeywordsTableName].(*information_schema.InformationSchemaTable)
	ctx := sql.NewEmptyContext()
	if it, err := t.Reader(ctx, nil); err == nil {
		rows, err := sql.RowIterToRows(ctx, it)
		for _, r := range rows {
			if w, ok := r[0].(string); ok && err == nil {
				m[w] = keyword{text: w}
			}
		}
	}
	for _, w := range strings.Fields(functionKeywords) {
		m[w] = keyword{text: w, function: true}
	}
	for _, w := range strings.Fields(startKeywords) {
		m[w] = keyword{text: w, starts: true}
	}
	m["IN"] = keyword{text: "IN", kind: tokenIn, starts: true}
	m["NULL"] = keyword{text: "NULL", null: true}
	for _, w := range []string{"GLOBAL", "SESSION", "LOCAL", "PERSIST", "PERSIST_ONLY"} {
		k := m[w]
		k.text, k.scope = w, true
		m[w] = k
	}
	return m
})
