package rewrite

import (
	"slices"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// Visibility is a VISIBLE or INVISIBLE of a column that a statement defines or alters.
type Visibility struct {
	Column   string
	Hidden   bool
	from, to int  // of what the grammar does not get
	Alters   bool // ALTER COLUMN … SET; else it is part of a definition
}

// notColumns are the words that begin a definition of what is no column.
var notColumns = []string{"index", "key", "unique", "fulltext", "spatial", "primary", "constraint", "foreign", "check"}

// Visibilities returns those of a CREATE TABLE or ALTER TABLE, nil of other statements.
func Visibilities(query string) (out []Visibility) {
	if !syntax.ContainsFold(query, "visible") {
		return nil
	}
	l := syntax.NewLexer(query)
	alter := l.Accept("alter", "table")
	if !alter && !l.Accept("create", "table") && !l.Accept("create", "temporary", "table") {
		return nil
	}
	level := 0 // where the columns are
	if l.TableNames(); !alter {
		level = 1
		for l.Kind != 0 && l.Kind != '(' && !l.Is("as") {
			l.Next()
		}
		if !l.Accept("(") || l.Is("select") || l.Is("with") || l.Is("(") {
			return nil
		}
	}
	depth, before := level, ""
	begin := func() Visibility {
		v := definedColumn(l, alter && level == 0)
		if alter && level == 0 && v.Column == "" && l.Accept("(") { // ADD (…, …)
			level, depth = 1, 1
			v = definedColumn(l, false)
		}
		return v
	}
	for c := begin(); l.Kind != 0 && depth >= level; {
		ends := depth == level && l.Kind == ','
		if depth += Nesting(l); alter && depth == 0 {
			level = 0
		}
		if hidden := l.Is("invisible"); l.Kind == 'w' && depth == level && (hidden || l.Is("visible")) && c.Column != "" && before != "after" {
			v := c
			if v.Hidden, v.to = hidden, l.At; !v.Alters {
				v.from = l.Start
			}
			out = append(out, v)
		}
		before = strings.ToLower(l.Text)
		if l.Next(); ends {
			c, before = begin(), ""
		}
	}
	return out
}

// definedColumn reads the beginning of a column's definition, or of a clause of ALTER TABLE that defines or alters one.
// Of others it returns no column.
func definedColumn(l *syntax.Lexer, alter bool) (v Visibility) {
	clause := ""
	if alter {
		if clause = l.AcceptOne("add", "modify", "change", "alter"); clause == "" {
			return v
		}
	}
	if l.Kind == 'w' && slices.ContainsFunc(notColumns, l.Is) {
		return v
	}
	if alter {
		l.Accept("column")
	}
	if v.Column, _ = l.Name(); clause == "change" {
		v.Column, _ = l.Name()
	}
	v.Alters, v.from = clause == "alter" && l.Is("set"), l.Start
	return v
}

// visible takes the words of columns out of a statement's text. ALTER COLUMN … SET is a DROP DEFAULT of the column
// by then, see setVisibility.
func (r *Marking) visible() {
	if !syntax.ContainsFold(r.Q, "visible") {
		return
	}
	r.clauses = map[int]replacement{}
	for at := 0; at < len(r.Q); { // also in the body of a program
		word, end := syntax.NextWord(r.Q, at)
		if strings.EqualFold(word, "create") || strings.EqualFold(word, "alter") {
			for _, v := range Visibilities(r.Q[at:]) {
				x := replacement{end: at + v.to}
				if v.Alters {
					x.text = "drop default"
				}
				r.clauses[at+v.from] = x
			}
		}
		at = end
	}
}

// StarTable is a table of a FROM: its name in the statement, and its columns if `*` does not have all.
type StarTable struct {
	Name    ast.TableName
	Columns ast.Columns
}

// GeneratedKey is the column of sql_generate_invisible_primary_key.
const GeneratedKey = "my_row_id"

// Nesting is what the token adds to the depth of parentheses.
func Nesting(l *syntax.Lexer) int {
	switch l.Kind {
	case '(':
		return 1
	case ')':
		return -1
	}
	return 0
}
