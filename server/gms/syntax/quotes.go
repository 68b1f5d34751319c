package syntax

import "strings"

// QuoteName returns an identifier in backquotes.
func QuoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// QuoteText returns a text as a literal.
func QuoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`, "\x00", `\0`).Replace(s) + "'"
}

// Unquoted returns the value of a quoted literal; other texts as they are.
func Unquoted(s string) string {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return s
	}
	return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
}

// SameName reports whether two names mean the same thing.
func SameName(a, b string) bool { return strings.EqualFold(a, b) }
