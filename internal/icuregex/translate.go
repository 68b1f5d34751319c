package icuregex

import (
	"fmt"
	"strings"
	"unicode"
)

// translator turns a pattern of ICU into one of regexp2.
type translator struct {
	in   []rune
	at   int // of the next rune of in
	out  strings.Builder
	seen int // groups that capture, begun before at
	back int // the highest number of a back-reference

	// flags and extended are those in force: the last entry of each open group.
	flags    []Flags
	extended []bool
	closed   bool // a quantifier may follow
	sets     int  // open sets and their operators
}

// terminators are ICU's line terminators, as the inside of a set.
const terminators = `\n\x0B\f\r\x85\u2028\u2029`

func (t *translator) more() bool { return t.at < len(t.in) }

// rest reports whether what follows begins with s.
func (t *translator) rest(s string) bool {
	r := []rune(s)
	return len(t.in)-t.at >= len(r) && string(t.in[t.at:t.at+len(r)]) == s
}

func (t *translator) now() *Flags { return &t.flags[len(t.flags)-1] }

func (t *translator) run() error {
	for t.more() {
		c := t.in[t.at]
		t.at++
		var err error
		switch c {
		case '\\':
			err = t.escape()
		case '(':
			err = t.open()
		case ')':
			err = t.close()
		case '[':
			var set string
			if set, err = t.set(); err == nil {
				t.atom(set)
			}
		case '{':
			err = t.interval()
		case '*', '+', '?':
			err = t.repeat(c)
		case '.':
			t.atom(t.dot())
		case '^':
			t.atom(t.lineStart())
		case '$':
			t.atom(t.lineEnd(t.now().Multiline))
		case '|':
			t.out.WriteByte('|')
			t.closed = false
		default:
			t.other(c)
		}
		if err == nil && len(t.flags) > DepthMax {
			err = ErrTooBig
		}
		if err != nil {
			return err
		}
	}
	switch {
	case len(t.flags) > 1:
		return ErrParen
	case t.back > t.seen:
		return ErrBackRef
	}
	return nil
}

func (t *translator) atom(s string) {
	t.out.WriteString(s)
	t.closed = true
}

// other writes a character that stands for itself, or nothing for what is white
// space and comments in an extended pattern.
func (t *translator) other(c rune) {
	if !t.extended[len(t.extended)-1] {
		t.atom(literal(c))
		return
	}
	switch {
	case c == '#':
		for t.more() && t.in[t.at] != '\n' {
			t.at++
		}
	case unicode.IsSpace(c):
	default:
		t.atom(literal(c))
	}
}

// literal returns a pattern for one character.
func literal(c rune) string {
	switch {
	case c < 0x20 || c == 0x7f:
		return fmt.Sprintf(`\x%02X`, c)
	case strings.ContainsRune(`\*+?|{}[]()^$.# -&`, c):
		return `\` + string(c)
	}
	return string(c)
}

func (t *translator) dot() string {
	switch f := t.now(); {
	case f.DotAll:
		return `[\s\S]`
	case f.UnixLines:
		return `[^\n]`
	}
	return `[^` + terminators + `]`
}

func (t *translator) lineStart() string {
	switch f := t.now(); {
	case !f.Multiline:
		return `(?:\A)`
	case f.UnixLines:
		return `(?:\A|(?<=\n)(?!\z))`
	}
	return `(?:\A|(?<=[` + terminators + `])(?<!\r(?=\n))(?!\z))`
}

func (t *translator) lineEnd(every bool) string {
	unix := t.now().UnixLines
	switch {
	case every && unix:
		return `(?:(?=\n)|\z)`
	case every:
		return `(?:(?=[` + terminators + `])(?<!\r(?=\n))|\z)`
	case unix:
		return `(?:(?=\n?\z))`
	}
	return `(?:(?=(?:\r\n|[` + terminators + `])?\z)(?<!\r(?=\n)))`
}

func (t *translator) repeat(c rune) error {
	if !t.closed {
		return ErrSyntax
	}
	t.out.WriteRune(c)
	t.suffix()
	return nil
}

// suffix copies what makes a quantifier lazy or possessive.
func (t *translator) suffix() {
	if t.more() && (t.in[t.at] == '?' || t.in[t.at] == '+') {
		t.out.WriteRune(t.in[t.at])
		t.at++
	}
	t.closed = false
}

func (t *translator) interval() error {
	if !t.closed {
		return ErrSyntax
	}
	from, ok := t.number()
	if !ok {
		return ErrInterval
	}
	to := from
	t.out.WriteString(fmt.Sprintf("{%d", from))
	if t.rest(",") {
		t.at++
		t.out.WriteByte(',')
		if to, ok = t.number(); ok {
			t.out.WriteString(fmt.Sprint(to))
		} else {
			to = from
		}
	}
	if !t.rest("}") || from > repeatMax || to > repeatMax {
		return ErrInterval
	}
	if to < from {
		return ErrMaxLtMin
	}
	t.at++
	t.out.WriteByte('}')
	t.suffix()
	return nil
}

// number reads a decimal number, no larger than a little above repeatMax.
func (t *translator) number() (n int, ok bool) {
	for ; t.more() && digit(t.in[t.at]); t.at++ {
		n, ok = min(10*n+int(t.in[t.at]-'0'), repeatMax+1), true
	}
	return n, ok
}

func (t *translator) push() {
	t.flags = append(t.flags, *t.now())
	t.extended = append(t.extended, t.extended[len(t.extended)-1])
	t.closed = false
}

func (t *translator) close() error {
	if len(t.flags) == 1 {
		return ErrParen
	}
	t.flags, t.extended = t.flags[:len(t.flags)-1], t.extended[:len(t.extended)-1]
	t.atom(")")
	return nil
}

// open handles what follows an opening parenthesis.
func (t *translator) open() error {
	if !t.rest("?") {
		t.seen++
		t.push()
		t.out.WriteByte('(')
		return nil
	}
	for _, begin := range []string{"?:", "?>", "?=", "?!", "?<=", "?<!"} {
		if t.rest(begin) {
			t.at += len(begin)
			t.push()
			t.out.WriteString("(" + begin)
			return nil
		}
	}
	switch {
	case t.rest("?#"):
		for t.more() && t.in[t.at] != ')' {
			t.at++
		}
		if !t.more() {
			return ErrParen
		}
		t.at++
		return nil
	case t.rest("?<"):
		t.at += 2
		name, err := t.name('>')
		if err != nil {
			return err
		}
		t.seen++
		t.push()
		t.out.WriteString("(?<" + name + ">")
		return nil
	}
	return t.inline()
}

// name reads a group's name and what ends it.
func (t *translator) name(end rune) (string, error) {
	begin := t.at
	for t.more() && t.in[t.at] != end {
		if c := t.in[t.at]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c) && t.at > begin) {
			return "", ErrGroupName
		}
		t.at++
	}
	if !t.more() || t.at == begin {
		return "", ErrGroupName
	}
	t.at++
	return string(t.in[begin : t.at-1]), nil
}

// inline handles flags in a pattern: (?i) from here on, or (?i: … ) for a group.
func (t *translator) inline() error {
	t.at++ // the question mark
	f, extended := *t.now(), t.extended[len(t.extended)-1]
	on := true
	for ; t.more(); t.at++ {
		switch t.in[t.at] {
		case 'i':
			f.IgnoreCase = on
		case 'm':
			f.Multiline = on
		case 's':
			f.DotAll = on
		case 'd':
			f.UnixLines = on
		case 'x':
			extended = on
		case 'w', 'u':
		case '-':
			if !on {
				return ErrSyntax
			}
			on = false
		case ':', ')':
			mode := "(?-i"
			if f.IgnoreCase {
				mode = "(?i"
			}
			group := t.in[t.at] == ':'
			t.at++
			if group {
				t.push()
			}
			*t.now(), t.extended[len(t.extended)-1] = f, extended
			t.out.WriteString(mode + string(t.in[t.at-1]))
			t.closed = false
			return nil
		default:
			return ErrSyntax
		}
	}
	return ErrParen
}
