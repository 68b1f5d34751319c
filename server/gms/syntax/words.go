package syntax

import "strings"

// serverVersion is ServerVersion as versioned comments have it.
const serverVersion = 80039

// PlainComments makes plain comments of those that MySQL does not execute: /*M! … */,
// which is another server's, and /*!99999 … */ of a later version; and plain text of
// those that it executes, whose ends the grammar would look for in strings and in
// comments within, too. Lengths stay.
func PlainComments(query string) string {
	if !strings.Contains(query, "/*M!") && !strings.Contains(query, "/*!") {
		return query
	}
	out := []byte(query)
	executed := false // at is in a comment that is executed
	for at := 0; at < len(query); {
		end := 0
		switch rest := query[at:]; {
		case strings.HasPrefix(rest, "/*M!"):
			out[at+2], out[at+3] = ' ', ' '
			end = strings.Index(rest, "*/")
		case strings.HasPrefix(rest, "/*!"):
			digits, _ := commentVersion(rest)
			if !executedComment(rest) {
				out[at+2] = ' '
				end = strings.Index(rest, "*/")
				break
			}
			if digits < 5 {
				digits = 0
			}
			executed = true
			copy(out[at:], strings.Repeat(" ", digits+3))
			at += digits + 3
			continue
		case executed && strings.HasPrefix(rest, "*/"):
			executed = false
			copy(out[at:], "  ")
			at += 2
			continue
		}
		if end > 0 {
			at += end + 2
			continue
		}
		_, at = NextWord(query, at)
	}
	return string(out)
}

// NextWord returns the next word of q at or after at, and where it ends. Anything
// else, a string, a comment, a sign, comes as a word of one blank; white space and
// the end of q as an empty one. (The grammar's tokenizer reads ahead behind FOR, so
// its positions cannot be used.)
func NextWord(q string, at int) (string, int) {
	c := q[at]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return "", at + 1
	case WordByte(c):
		end := at
		for end < len(q) && WordByte(q[end]) {
			end++
		}
		return q[at:end], end
	case c == '\'' || c == '"' || c == '`':
		return " ", quotedEnd(q, at)
	case strings.HasPrefix(q[at:], "/*"):
		if i := strings.Index(q[at+2:], "*/"); i >= 0 && at+2 < len(q) && q[at+2] != '!' {
			return "", at + 2 + i + 2
		}
		return "", at + 2
	case c == '#', strings.HasPrefix(q[at:], "-- "):
		if i := strings.IndexByte(q[at:], '\n'); i >= 0 {
			return "", at + i
		}
		return "", len(q)
	}
	return " ", at + 1
}

// WordByte reports whether a byte may be part of an identifier that is not quoted.
func WordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// quotedEnd returns where a quoted text that begins at at ends.
func quotedEnd(q string, at int) int {
	for i := at + 1; i < len(q); i++ {
		switch {
		case q[i] == '\\' && q[at] != '`':
			i++
		case q[i] == q[at] && i+1 < len(q) && q[i+1] == q[at]:
			i++
		case q[i] == q[at]:
			return i + 1
		}
	}
	return len(q)
}

// ContainsFold reports whether s contains the ASCII word in any case.
func ContainsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 == word[0] && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
