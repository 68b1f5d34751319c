package expr

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dolthub/vitess/go/mysql"
)

// A search IN BOOLEAN MODE is a list of terms, each with an operator before it.

// BoolTerm is a term of a search: a word, the words that begin with it, a phrase or a list of terms.
type BoolTerm struct {
	op     byte // + - > < ~, 0
	texts  []string
	words  []string // the texts as document.words
	phrase bool
	prefix bool
	list   []BoolTerm
}

// InnoDB's limits of words, characters.
const (
	tokenMin = 3
	tokenMax = 84
)

// stopwords are InnoDB's, which no index has.
var stopwords = map[string]bool{
	"a": true, "about": true, "an": true, "are": true, "as": true, "at": true, "be": true, "by": true, "com": true, "de": true,
	"en": true, "for": true, "from": true, "how": true, "i": true, "in": true, "is": true, "it": true, "la": true, "of": true,
	"on": true, "or": true, "that": true, "the": true, "this": true, "to": true, "was": true, "what": true, "when": true,
	"where": true, "who": true, "will": true, "with": true, "und": true, "www": true,
}

// TokensOf returns the words of a text.
func TokensOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_'
	})
}

// Indexed reports whether an index has a word.
func Indexed(word string) bool {
	n := utf8.RuneCountInString(word)
	return n >= tokenMin && n <= tokenMax && !stopwords[strings.ToLower(word)]
}

// boolParser reads a search.
type boolParser struct {
	text string
	at   int
}

// unexpected is the error of what stands where it may not, at the end if there is nothing.
func (p *boolParser) unexpected() error {
	what := "$end"
	if p.at < len(p.text) {
		what = "'" + string(p.text[p.at]) + "'"
	}
	return mysql.NewSQLError(mysql.ERParseError, "42000", "syntax error, unexpected %s", what)
}

// ParseBoolean returns the terms of a search.
func ParseBoolean(text string) ([]BoolTerm, error) {
	p := &boolParser{text: text}
	list, err := p.list(false)
	if err == nil && p.at < len(text) {
		err = p.unexpected()
	}
	return list, err
}

// boolSigns end a word.
const boolSigns = "+-><~()\"*@ \t\r\n"

// list reads terms up to the parenthesis that closes, or to the end.
func (p *boolParser) list(inner bool) ([]BoolTerm, error) {
	var out []BoolTerm
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			p.at++
			continue
		case c == ')' && inner:
			return out, nil
		}
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	if inner {
		return nil, p.unexpected()
	}
	return out, nil
}

func (p *boolParser) term() (t BoolTerm, err error) {
	if strings.IndexByte("+-><~", p.text[p.at]) >= 0 {
		t.op = p.text[p.at]
		p.at++
	}
	if p.at == len(p.text) {
		return t, p.unexpected()
	}
	switch p.text[p.at] {
	case '(':
		p.at++
		if t.list, err = p.list(true); err == nil {
			p.at++
		}
		return t, err
	case '"':
		end := strings.IndexByte(p.text[p.at+1:], '"')
		if end < 0 {
			p.at = len(p.text)
			return t, p.unexpected()
		}
		t.words, t.phrase = TokensOf(p.text[p.at+1:p.at+1+end]), true
		p.at += end + 2
		return t, nil
	}
	end := strings.IndexAny(p.text[p.at:], boolSigns)
	if end == 0 {
		return t, p.unexpected()
	}
	if end < 0 {
		end = len(p.text) - p.at
	}
	words := TokensOf(p.text[p.at : p.at+end])
	p.at += end
	if p.at < len(p.text) && p.text[p.at] == '*' {
		t.prefix = true
		p.at++
	}
	if len(words) > 1 { // what signs join is a list
		for i, w := range words {
			t.list = append(t.list, BoolTerm{words: []string{w}, prefix: t.prefix && i == len(words)-1})
		}
		return t, nil
	}
	t.words = words
	return t, nil
}

// document is a row's text: its words in order.
type document struct {
	texts []string
	words []string // as their collation compares them
	known []bool   // which an index has
}

// count returns how often a term is in the document.
func (d *document) count(t BoolTerm) (n float64) {
	if len(t.words) == 0 {
		return 0
	}
	for i := range d.words {
		switch {
		case t.phrase:
			if i+len(t.words) > len(d.words) {
				return n
			}
			same := 0
			for same < len(t.words) && d.words[i+same] == t.words[same] {
				same++
			}
			if same == len(t.words) {
				n++
			}
		case d.known[i] && (d.words[i] == t.words[0] || t.prefix && strings.HasPrefix(d.words[i], t.words[0])):
			n++
		}
	}
	return n
}

// match returns whether the document is one that a list of terms finds, and its rank.
func (d *document) match(list []BoolTerm, weight func(BoolTerm) float64) (found bool, rank float64) {
	change := 0.0
	required := false
	for _, t := range list {
		var in bool
		var r float64
		if t.list != nil {
			in, r = d.match(t.list, weight)
		} else if n := d.count(t); n > 0 {
			in, r = true, n*weight(t)
		}
		switch {
		case t.op == '+' && !in, t.op == '-' && in:
			return false, 0
		case t.op == '+':
			required = true
		}
		if !in {
			continue
		}
		found = true
		switch t.op {
		case '>':
			change++
		case '<', '~':
			change--
		}
		rank += r
	}
	return found || required, rank + math.Max(-1, math.Min(1, change))
}
