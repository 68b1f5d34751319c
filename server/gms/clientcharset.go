package gms

import (
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// clientSet returns the character set that a client sends texts in, false if they are kept as they are.
func (s *Session) clientSet() (sql.CharacterSetID, bool) {
	v, err := s.GetSessionVariable(value.NoContext(), "character_set_client")
	name, ok := v.(string)
	if err != nil || !ok {
		return 0, false
	}
	set, err := sql.ParseCharacterSet(name)
	if err != nil || set.Encoder() == nil {
		return 0, false
	}
	switch set {
	case sql.CharacterSet_utf8mb3, sql.CharacterSet_utf8mb4, sql.CharacterSet_binary, sql.CharacterSet_Unspecified:
		return set, false
	}
	return set, true
}

// received returns a statement that a client has sent as UTF-8. What stands behind an introducer is of that character set. A literal that
// is no text of utf8mb3, as drivers send bytes, is one of bytes: the planner has no other place for it.
func (s *Session) received(text string) string {
	if ascii(text) {
		return text
	}
	set, ok := s.clientSet()
	if !ok && (set != sql.CharacterSet_utf8mb3 || utf8.ValidString(text)) {
		return text
	}
	var out strings.Builder
	before := ""
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		part := text[at:end]
		literal := part[0] == '\'' || part[0] == '"'
		switch {
		case literal && strings.HasPrefix(before, "_"):
			out.WriteString(part)
		case ok:
			out.WriteString(decodedText(set, part))
		case literal && !utf8.ValidString(part) && (at == 0 || !syntax.WordByte(text[at-1])):
			out.WriteString("_binary" + part)
		default:
			out.WriteString(part)
		}
		if word != "" {
			before = word
		}
		at = end
	}
	return out.String()
}

// decodedText returns a text of a character set as UTF-8, as it is if it is none.
func decodedText(set sql.CharacterSetID, text string) string {
	if ascii(text) {
		return text
	}
	if decoded, ok := set.Encoder().Decode([]byte(text)); ok {
		return string(decoded)
	}
	return text
}

// encodedName returns a name of a column as a client reads it, with a ? for each byte that is no text.
func encodedName(set sql.CharacterSetID, name string) string {
	if ascii(name) {
		return name
	}
	if !utf8.ValidString(name) {
		var out strings.Builder
		for i, r := range name {
			if _, n := utf8.DecodeRuneInString(name[i:]); r == utf8.RuneError && n == 1 {
				r = '?'
			}
			out.WriteRune(r)
		}
		name = out.String()
	}
	if set == sql.CharacterSet_Unspecified || set.Encoder() == nil {
		return name
	}
	return string(set.Encoder().EncodeReplaceUnknown([]byte(name)))
}

// ascii reports whether a text has the same bytes in every character set.
func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
