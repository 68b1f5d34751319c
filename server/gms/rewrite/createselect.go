package rewrite

import (
	"fmt"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// CreateSelect writes a CREATE TABLE … SELECT as the grammar takes it, which has no query in
// parentheses, none WITH, no VALUES, and no set operation without AS. Other texts are returned as they are.
func CreateSelect(query string) string {
	var words [3]string // the first ones
	n, depth, begin, end := 0, 0, -1, len(query)
	prev, open := "", -1 // the word before; where a parenthesis was opened by it
	for at := 0; at < len(query) && end == len(query); {
		word, next := syntax.NextWord(query, at)
		if word == " " {
			word = query[at : at+1]
		}
		if word == "" {
			at = next
			continue
		}
		word = strings.ToLower(word)
		if n < len(words) {
			words[n] = word
			if n == 0 && word != "create" || n == 1 && word != "table" && word != "temporary" || n == 2 && words[1] == "temporary" && word != "table" {
				return query
			}
			n++
		}
		switch {
		case word == ";" && depth == 0:
			end = at
		case begin >= 0:
		case depth == 0 && prev == "as":
			begin = at
		case depth == 0 && (word == "select" || word == "with" || word == "values"):
			begin = at
		case prev == "(" && depth == 1 && (word == "select" || word == "with" || word == "values" || word == "("):
			begin = open
		case depth == 0 && word == "like":
			return query
		}
		switch word {
		case "(":
			if depth++; depth == 1 {
				open = at
			}
		case ")":
			depth--
		}
		prev, at = word, next
	}
	if begin < 0 {
		return query
	}
	body := strings.TrimSpace(query[begin:end])
	for parenthesized(body) {
		body = strings.TrimSpace(body[1 : len(body)-1])
	}
	switch word, end := syntax.NextWord(body, 0); {
	case strings.EqualFold(word, "with") && end < len(body):
		body = "SELECT * FROM (" + body + ") AS `query`"
	case strings.EqualFold(word, "values"):
		body = unionOfRows(body)
	}
	head := strings.TrimRight(query[:begin], " \t\r\n")
	if word := lastWord(head); strings.EqualFold(word, "as") {
		head = strings.TrimRight(head[:len(head)-len(word)], " \t\r\n")
	}
	word := lastWord(head)
	if mark := DuplicateMarks[strings.ToLower(word)]; mark != "" {
		head = head[:len(head)-len(word)] + mark
	}
	return withoutColumns(head) + " AS " + body + query[end:]
}

// unionOfRows is a query that begins with VALUES ROW(…), … as a union of SELECTs, of which the columns of a table are what MySQL
// makes them of VALUES.
func unionOfRows(query string) string {
	var out strings.Builder
	l := syntax.NewLexer(query)
	l.Next()
	for comma := false; l.Accept("row") && l.Accept("("); comma = true {
		if comma {
			out.WriteString(" UNION ALL ")
		}
		out.WriteString("SELECT ")
		from, column := l.Start, 0
		for depth := 1; l.Kind != 0 && depth > 0; l.Next() {
			if depth += Nesting(l); depth == 0 || depth == 1 && l.Kind == ',' {
				fmt.Fprintf(&out, "%s AS column_%d", query[from:l.Start], column)
				if from, column = l.At, column+1; depth > 0 {
					out.WriteString(", ")
				}
			}
		}
		if !l.Accept(",") {
			break
		}
	}
	return out.String() + " " + query[l.Start:]
}

// noColumn is the column of a CREATE TABLE … SELECT that defines none: the grammar has options behind columns only.
const noColumn = "(none)"

// withoutColumns gives the head of a CREATE TABLE … SELECT that has options and no columns a column, see DropNoColumn.
func withoutColumns(head string) string {
	before := ""
	for at := 0; at < len(head); {
		word, next := syntax.NextWord(head, at)
		switch word = strings.ToLower(word); {
		case word == "":
			at = next
			continue
		case word == " " && head[at] == '(':
			return head
		case word == "partition":
			return head
		case before != "table" && before != "exists" && before != "." && tableOptions[word]:
			return head[:at] + "(`" + noColumn + "` int) " + head[at:]
		}
		if before = word; word == " " {
			before = head[at : at+1]
		}
		at = next
	}
	return head
}

// DropNoColumn takes out of a statement the column that withoutColumns has put in.
func DropNoColumn(stmt ast.Statement) {
	d, ok := stmt.(*ast.DDL)
	if ok && d.OptSelect != nil && d.TableSpec != nil && len(d.TableSpec.Columns) == 1 && d.TableSpec.Columns[0].Name.String() == noColumn {
		d.TableSpec.Columns = nil
	}
}

// DuplicateMarks are what a text that CreateSelect has written has for IGNORE and REPLACE.
var DuplicateMarks = map[string]string{"ignore": "/*_ignore*/", "replace": "/*_replace*/"}

// parenthesized reports whether one pair of parentheses is around the whole of a text.
func parenthesized(text string) bool {
	depth := 0
	for at := 0; at < len(text); {
		word, next := syntax.NextWord(text, at)
		if word == " " {
			switch text[at] {
			case '(':
				depth++
			case ')':
				if depth--; depth == 0 {
					return next == len(text)
				}
			}
		}
		if depth == 0 {
			return false
		}
		at = next
	}
	return false
}

// lastWord returns the word that a text ends with.
func lastWord(text string) string {
	i := len(text)
	for i > 0 && syntax.WordByte(text[i-1]) {
		i--
	}
	return text[i:]
}
