package icuregex

import (
	"fmt"
	"strings"
	"unicode"
)

// escape handles what follows a backslash outside of sets.
func (t *translator) escape() error {
	if !t.more() {
		return ErrEscape
	}
	c := t.in[t.at]
	switch {
	case c >= '1' && c <= '9':
		return t.backReference()
	case c == 'Q':
		t.at++
		for _, q := range t.quoted() {
			t.atom(literal(q))
		}
		return nil
	case c == 'k':
		if !t.rest("k<") {
			return ErrGroupName
		}
		t.at += 2
		name, err := t.name('>')
		if err != nil {
			return err
		}
		t.atom(`\k<` + name + `>`)
		return nil
	case c == 'Z':
		t.at++
		t.atom(t.lineEnd(false))
		return nil
	case strings.ContainsRune("AbBGzRX", c):
		t.at++
		t.atom(`(?:\` + string(c) + `)`)
		return nil
	}
	if class, ok, err := t.class(); ok || err != nil {
		t.atom(class)
		return err
	}
	r, err := t.character()
	if err == nil {
		t.atom(literal(r))
	}
	return err
}

// backReference reads the number of a group. ICU takes digits while the number is
// below the count of the groups begun so far.
func (t *translator) backReference() error {
	n := 0
	for t.more() && digit(t.in[t.at]) {
		n = 10*n + int(t.in[t.at]-'0')
		t.at++
		if n >= t.seen {
			break
		}
	}
	t.back = max(t.back, n)
	t.atom(fmt.Sprintf(`\k<%d>`, n))
	return nil
}

// quoted reads up to \E, or the end.
func (t *translator) quoted() []rune {
	begin := t.at
	for t.more() && !t.rest(`\E`) {
		t.at++
	}
	text := t.in[begin:t.at]
	t.at = min(t.at+2, len(t.in))
	return text
}

// classes are the escapes that stand for a set, as the inside of a set of regexp2.
var classes = map[rune]string{
	'd': `\d`, 'D': `\D`, 's': `\s`, 'S': `\S`, 'w': `\w`, 'W': `\W`, 'h': `\t\p{Zs}`, 'v': terminators,
}

// negated are the classes that are the complement of another.
var negated = map[rune]string{'H': `\t\p{Zs}`, 'V': terminators}

// class reads an escape that stands for a set, without the backslash.
func (t *translator) class() (set string, ok bool, err error) {
	c := t.in[t.at]
	if c == 'p' || c == 'P' {
		t.at++
		return t.property(c == 'P')
	}
	if in, ok := classes[c]; ok {
		t.at++
		return "[" + in + "]", true, nil
	}
	if in, ok := negated[c]; ok {
		t.at++
		return "[^" + in + "]", true, nil
	}
	return "", false, nil
}

// property reads {name}, or one letter.
func (t *translator) property(not bool) (set string, ok bool, err error) {
	if !t.more() {
		return "", false, ErrProperty
	}
	name := string(t.in[t.at])
	t.at++
	if name == "{" {
		begin := t.at
		for t.more() && t.in[t.at] != '}' {
			t.at++
		}
		if !t.more() {
			return "", false, ErrProperty
		}
		name = string(t.in[begin:t.at])
		t.at++
	}
	if in, ok := posix(name); ok {
		return bracket(in, not), true, nil
	}
	return bracket(`\p{`+name+`}`, not), true, nil
}

func bracket(in string, not bool) string {
	if not {
		return "[^" + in + "]"
	}
	return "[" + in + "]"
}

// posixClasses are the classes that have a name in brackets, as the inside of a set.
var posixClasses = map[string]string{
	"alpha": `\p{L}\p{Nl}`, "digit": `\p{Nd}`, "alnum": `\p{L}\p{Nl}\p{Nd}`, "upper": `\p{Lu}`, "lower": `\p{Ll}`,
	"space": `\s`, "blank": `\t\p{Zs}`, "punct": `\p{P}`, "cntrl": `\p{Cc}`, "xdigit": `0-9A-Fa-f`, "word": `\w`,
	"graph": `\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}`, "print": `\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs}`,
	"any": `\s\S`, "ascii": `\x00-\x7F`,
}

func posix(name string) (in string, ok bool) {
	in, ok = posixClasses[strings.ToLower(name)]
	return in, ok
}

// controls are the letters that stand for a control character.
var controls = map[rune]rune{'a': 7, 'e': 27, 'f': 12, 'n': 10, 'r': 13, 't': 9}

// character reads an escape that stands for one character, without the backslash.
func (t *translator) character() (rune, error) {
	c := t.in[t.at]
	t.at++
	switch {
	case controls[c] != 0:
		return controls[c], nil
	case c == '0':
		return t.digits(8, 1, 3)
	case c == 'x' && t.rest("{"):
		t.at++
		r, err := t.digits(16, 1, 8)
		if err != nil || !t.rest("}") {
			return 0, ErrEscape
		}
		t.at++
		return r, nil
	case c == 'x':
		return t.digits(16, 1, 2)
	case c == 'u':
		return t.digits(16, 4, 4)
	case c == 'U':
		return t.digits(16, 8, 8)
	case c == 'c' && t.more():
		t.at++
		return t.in[t.at-1] & 0x1f, nil
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c):
		return 0, ErrEscape
	}
	return c, nil
}

// digits reads from least to most digits of a code point.
func (t *translator) digits(base, least, most int) (rune, error) {
	r, n := 0, 0
	for ; n < most && t.more(); n++ {
		d := strings.IndexRune("0123456789abcdef", unicode.ToLower(t.in[t.at]))
		if d < 0 || d >= base {
			break
		}
		r = r*base + d
		t.at++
	}
	if n < least || r > unicode.MaxRune {
		return 0, ErrEscape
	}
	return rune(r), nil
}
