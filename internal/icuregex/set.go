package icuregex

import "strings"

// set reads a set behind its opening bracket, and returns a pattern that matches one
// character. ICU's sets nest, and && and -- between them are intersection and
// difference, which bind less tightly than standing side by side and go from left to
// right.
func (t *translator) set() (string, error) {
	open := t.sets
	if t.sets++; t.sets > DepthMax {
		return "", ErrTooBig
	}
	defer func() { t.sets = open }()
	not := t.rest("^")
	if not {
		t.at++
	}
	var (
		plain strings.Builder // what regexp2 can have in one set
		parts []string        // sets that it cannot
		left  string          // the operand before op
		op    rune            // & or -, 0: none yet
		empty = true          // since op
		first = t.at          // of the members
	)
	union := func() string {
		all := parts
		if plain.Len() > 0 {
			all = append([]string{"[" + plain.String() + "]"}, parts...)
		}
		if len(all) == 1 {
			return all[0]
		}
		return "(?:" + strings.Join(all, "|") + ")"
	}
	combine := func() {
		switch u := union(); op {
		case '&':
			left = "(?:(?=" + left + ")" + u + ")"
		case '-':
			left = "(?:(?!" + u + ")" + left + ")"
		default:
			left = u
		}
	}
	for {
		switch {
		case !t.more():
			return "", ErrBracket
		case t.rest("]") && empty && t.at > first:
			return "", ErrBracket
		case t.rest("]") && t.at > first: // as the first member it stands for itself
			t.at++
			if plain.Len() == 0 && len(parts) == 0 { // [\Q\E]
				return "", ErrBracket
			}
			if op == 0 && len(parts) == 0 {
				return bracket(plain.String(), not), nil
			}
			combine()
			if not {
				return "(?:(?!" + left + `)[\s\S])`, nil
			}
			return left, nil
		case (t.rest("&&") || t.rest("--")) && !empty:
			if t.sets++; t.sets > DepthMax { // each is a level of what it is translated to
				return "", ErrTooBig
			}
			combine()
			op = t.in[t.at]
			t.at += 2
			plain.Reset()
			parts, empty = nil, true
			continue
		case t.rest("[:"):
			in, part, err := t.posixSet()
			if err != nil {
				return "", err
			}
			plain.WriteString(in)
			if part != "" {
				parts = append(parts, part)
			}
		case t.rest("["):
			t.at++
			s, err := t.set()
			if err != nil {
				return "", err
			}
			parts = append(parts, s)
		default:
			in, part, err := t.item()
			if err != nil {
				return "", err
			}
			plain.WriteString(in)
			if part != "" {
				parts = append(parts, part)
			}
		}
		empty = false
	}
}

// posixSet reads [:name:] or [:^name:]. It returns the inside of a set, or a set.
func (t *translator) posixSet() (in, part string, err error) {
	t.at += 2
	not := t.rest("^")
	if not {
		t.at++
	}
	begin := t.at
	for t.more() && !t.rest(":]") {
		t.at++
	}
	if !t.more() {
		return "", "", ErrBracket
	}
	name := string(t.in[begin:t.at])
	t.at += 2
	in, ok := posix(name)
	if !ok {
		in = `\p{` + name + `}`
	}
	if not {
		return "", "[^" + in + "]", nil
	}
	return in, "", nil
}

// item reads a character, a range, a class or a quoted text.
func (t *translator) item() (in, part string, err error) {
	if t.rest(`\Q`) {
		t.at += 2
		var b strings.Builder
		for _, q := range t.quoted() {
			b.WriteString(literal(q))
		}
		return b.String(), "", nil
	}
	if t.rest(`\`) && t.at+1 < len(t.in) {
		t.at++
		switch class, ok, err := t.class(); {
		case err != nil:
			return "", "", err
		case ok && strings.HasPrefix(class, "[^"):
			return "", class, nil
		case ok:
			return class[1 : len(class)-1], "", nil
		}
		t.at--
	}
	first, err := t.member()
	if err != nil {
		return "", "", err
	}
	if !t.rest("-") || t.rest("--") || t.rest("-]") || t.rest("-[") || t.at+1 >= len(t.in) {
		return literal(first), "", nil
	}
	t.at++
	last, err := t.member()
	if err != nil {
		return "", "", err
	}
	if last < first {
		return "", "", ErrRange
	}
	return literal(first) + "-" + literal(last), "", nil
}

// member reads one character of a set.
func (t *translator) member() (rune, error) {
	c := t.in[t.at]
	t.at++
	if c != '\\' {
		return c, nil
	}
	if !t.more() {
		return 0, ErrEscape
	}
	switch c := t.in[t.at]; {
	case c == 'b':
		t.at++
		return 8, nil
	case digit(c) && c != '0': // no back-reference here
		t.at++
		return c, nil
	}
	return t.character()
}
