package value

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
)

// encoded returns what the character set of a column can hold of a text: a question mark
// stands for each character that it lacks, where that is no error.
func (a *Assigner) encoded(ctx *sql.Context, column string, t sql.StringType, s string) (string, error) {
	cs := t.CharacterSet()
	if cs == sql.CharacterSet_utf8mb4 || cs == sql.CharacterSet_binary {
		return s, nil
	}
	first := -1
	var out strings.Builder
	for i, r := range s {
		if r < utf8.RuneSelf || Encodes(cs, r) {
			out.WriteRune(r)
			continue
		}
		if first < 0 {
			first = i
		}
		out.WriteByte('?')
	}
	if first < 0 {
		return s, nil
	}
	left, err := a.Keep(ctx, column, notEncoded(s[first:]), out.String())
	if err != nil {
		return "", err
	}
	return left.(string), nil
}

// notEncoded is the loss of a text from what its column cannot hold.
func notEncoded(from string) Lost {
	bad := strings.ReplaceAll(EscapedBytes(from, EscapedMost), "%", "%%")
	return Lost{number: 1366, message: "Incorrect string value: '" + bad + "' for column '%s' at row %d"}
}

// invalidFrom returns a text from the first byte that is no UTF-8.
func invalidFrom(s string) string {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return s[i:]
		}
	}
	return ""
}

// Encodes reports whether a character set has a character, which is none of ASCII.
func Encodes(cs sql.CharacterSetID, r rune) bool {
	if cs == sql.CharacterSet_utf8mb3 {
		return r <= 0xFFFF
	}
	e := cs.Encoder()
	if e == nil {
		return true
	}
	_, ok := e.EncodeRune([]byte(string(r)))
	return ok
}

// EscapedMost is how many bytes of a text the errors of character sets show.
const EscapedMost = 6

// EscapedBytes are the first bytes of a binary text as errors show them.
func EscapedBytes(s string, most int) string {
	var out strings.Builder
	for i := 0; i < len(s) && i < most; i++ {
		if c := s[i]; c >= ' ' && c < 0x7F {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "\\x%02X", c)
		}
	}
	if len(s) > most {
		out.WriteString("...")
	}
	return out.String()
}
