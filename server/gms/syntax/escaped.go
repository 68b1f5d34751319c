package syntax

import "strings"

// Escaped returns a text of statements under sql_mode NO_BACKSLASH_ESCAPES as the grammar, which takes backslashes for
// escapes, reads it: those within texts are doubled. What could be taken for the beginning or the end of a text by who
// reads it otherwise than MySQL is not left in it, or what a client has quoted as the mode asks could be read as SQL: comments
// lose their quotes and backslashes, "x" under ANSI_QUOTES becomes `x`, and -- that is no comment has a blank within.
func Escaped(q string, ansi bool) string {
	if strings.IndexByte(q, '\\') < 0 {
		return q
	}
	var out strings.Builder
	for at := 0; at < len(q); {
		end := at + 1
		switch c := q[at]; {
		case c == '\'' || c == '"' || c == '`':
			end = plainEnd(q, at)
			part := q[at:end]
			switch {
			case c == '"' && ansi && len(part) > 1:
				name := strings.ReplaceAll(strings.TrimSuffix(part[1:], `"`), `""`, `"`)
				out.WriteString("`" + strings.ReplaceAll(name, "`", "``") + "`")
			case c == '`':
				out.WriteString(part)
			default:
				out.WriteString(strings.ReplaceAll(part, `\`, `\\`))
			}
		case commentEnd(q, at) > at:
			end = commentEnd(q, at)
			out.WriteString(noQuotes.Replace(q[at:end]))
		case strings.HasPrefix(q[at:], "--"):
			out.WriteString("- ")
		default:
			out.WriteByte(c)
		}
		at = end
	}
	return out.String()
}

var noQuotes = strings.NewReplacer("'", " ", `"`, " ", "`", " ", `\`, " ")

// plainEnd returns where a text or a name that is quoted from at on ends: at the quote, if it is not twice. A backslash is itself.
func plainEnd(q string, at int) int {
	for i := at + 1; i < len(q); i++ {
		if q[i] != q[at] {
			continue
		}
		if i+1 == len(q) || q[i+1] != q[at] {
			return i + 1
		}
		i++
	}
	return len(q)
}

// commentEnd returns where a comment that begins at at ends, at if none does: # and -- before a blank or a control character go to
// the end of the line, and /* to the next */, but for those that are executed, whose beginning is nothing to the texts within.
func commentEnd(q string, at int) int {
	rest := q[at:]
	switch {
	case rest[0] == '#', strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' ' || rest[2] == 0x7f):
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			return at + i
		}
		return len(q)
	case strings.HasPrefix(rest, "/*") && !executedComment(rest):
		if i := strings.Index(rest[2:], "*/"); i >= 0 {
			return at + 2 + i + 2
		}
		return len(q)
	}
	return at
}

// executedComment reports whether rest begins with a comment that is executed: /*! without a version, or with one that is not
// later than this server's.
func executedComment(rest string) bool {
	if !strings.HasPrefix(rest, "/*!") {
		return false
	}
	digits, version := commentVersion(rest)
	return digits < 5 || version <= serverVersion
}

// commentVersion returns the version behind /*! and how many digits it has, at most 6.
func commentVersion(rest string) (digits, version int) {
	for digits < 6 && digits+3 < len(rest) && rest[digits+3] >= '0' && rest[digits+3] <= '9' {
		version = 10*version + int(rest[digits+3]-'0')
		digits++
	}
	return digits, version
}
