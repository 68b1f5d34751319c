package rewrite

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// markedWords are the words that the marks stand for.
var markedWords = strings.NewReplacer(append(momentWords, syntax.AnyMark, "any", syntax.SomeMark, "some", syntax.AllMark, "all", syntax.AssignMark, ":=",
	syntax.RollupMark, " with rollup", syntax.MemberMark, "member of", syntax.SoundsMark, "sounds like", expr.DefaultMark, "default", expr.IntervalFunction, "interval")...)

// Unmarked returns a text with the words that the marks stand for, as it was sent.
func Unmarked(query string) string {
	if !strings.Contains(query, "_") {
		return query
	}
	return markedWords.Replace(query)
}

// Edits are where a text has marks, in order: where each ends, and by how much the text
// up to there is longer than what was sent.
type Edits []edit

// edit is one place of a text that has been changed: where it ends in the new text, and by how much the text is longer up to there.
type edit struct{ End, Longer int }

// Sent returns where in the text that was sent a position is that is in none of the marks.
func (e Edits) Sent(position int) int {
	longer := 0
	for _, x := range e {
		if x.End <= position {
			longer = x.Longer
		}
	}
	return position - longer
}

// Positions makes those of a definition's body the ones in the text that was sent.
func (e Edits) Positions(stmt ast.Statement) {
	if d, ok := stmt.(*ast.DDL); ok {
		d.SubStatementPositionStart = e.Sent(d.SubStatementPositionStart)
		d.SubStatementPositionEnd = e.Sent(d.SubStatementPositionEnd)
	}
}

// WithMarks puts marks in the place of words that the grammar lacks, see markedWords, takes
// words out that change nothing here, and returns where. Texts without such words are
// returned as they are.
func WithMarks(query string) (string, Edits) {
	if strings.Count(query, "(") > DepthLeast && nested(query) > DepthLeast {
		return query, nil // it is refused
	}
	r := Marking{Q: query, Opened: true, Closing: map[int]string{}}
	return r.Read()
}

// Read reads the text.
func (r *Marking) Read() (string, Edits) {
	query := r.Q
	r.visible()
	r.locks()
	for at := 0; at < len(query); {
		word, end := syntax.NextWord(query, at)
		if word == "" {
			at = end
			continue
		}
		token := query[at : at+1]
		if word != " " {
			token = strings.ToLower(word)
		}
		r.end = end
		r.token(token, at)
		if text := r.Closing[r.end]; text != "" {
			r.Put(r.end, r.end, text)
		}
		copy(r.before[1:], r.before[:])
		r.before[0] = wordAt{token, at}
		at = max(r.end, r.Done)
	}
	if r.Made == nil {
		return query, nil
	}
	r.Out.WriteString(query[r.Done:])
	return r.Out.String(), r.Made
}

// reads are the first words of the statements with DEFAULT(column).
var reads = map[string]bool{"explain": true, "describe": true, "desc": true, "select": true, "(": true, "with": true, "update": true, "delete": true}

// BeforeName are the words of an ALTER TABLE behind which a word is a name.
var BeforeName = map[string]bool{
	"add": true, "after": true, "alter": true, "as": true, "change": true, "column": true, "constraint": true, "drop": true, "exists": true,
	"index": true, "key": true, "modify": true, "rename": true, "table": true, "to": true, ".": true,
}

// takesAll are the aggregates before whose argument ALL may stand, which says nothing.
var takesAll = map[string]bool{"sum": true, "avg": true, "min": true, "max": true, "std": true, "stddev": true, "stddev_pop": true, "stddev_samp": true,
	"variance": true, "var_pop": true, "var_samp": true, "bit_and": true, "bit_or": true, "bit_xor": true, "count": true}

// tableOptions are the words that begin options of tables.
var tableOptions = map[string]bool{"auto_increment": true, "charset": true, "character": true, "comment": true, "default": true, "engine": true, "row_format": true,
	"min_rows": true, "max_rows": true, "avg_row_length": true, "pack_keys": true, "stats_persistent": true, "stats_auto_recalc": true, "stats_sample_pages": true,
	"checksum": true, "delay_key_write": true, "key_block_size": true, "collate": true, "compression": true, "encryption": true, "insert_method": true,
	"autoextend_size": true, "engine_attribute": true,
}

// beforeSounds is what stands before an operand or a name: SOUNDS behind it is one.
var beforeSounds = map[string]bool{
	"": true, ";": true, ",": true, "(": true, ".": true, "=": true, "<": true, ">": true, "+": true, "-": true, "*": true, "/": true, "!": true,
	"where": true, "and": true, "or": true, "xor": true, "not": true, "on": true, "having": true, "select": true, "distinct": true, "all": true, "table": true,
	"exists": true, "from": true, "in": true, "by": true, "set": true, "when": true, "then": true, "else": true, "case": true, "if": true, "like": true,
	"into": true, "update": true, "join": true, "as": true,
}

// labelled are the words that may follow a label.
var labelled = map[string]bool{"begin": true, "loop": true, "repeat": true, "while": true}

// wordAt is a word, in lower case, or a sign of a text, and where it begins.
type wordAt struct {
	text string
	at   int
}

// Marking is what WithMarks has read.
type Marking struct {
	Q          string
	Out        strings.Builder
	Done       int // of q, in out
	Made       Edits
	before     [3]wordAt // the last first
	end        int       // of the token
	first      [3]string // the statement's first words
	options    string    // of which statement the options follow
	setting    bool      // in the list of a SET
	reading    bool      // behind SELECT or DUPLICATE KEY
	program    bool      // in a CREATE of a trigger, routine or event
	depth      int       // of parentheses, since SET
	braces     int
	Opened     bool                // nothing but parentheses stands before the token
	Closing    map[int]string      // what is put behind a position
	parts      []int               // the depths in the calls of SUBSTRING that are open
	rowsAt     int                 // the depth of VALUES ROW(…), ROW(…), plus one
	alias      string              // of the table of a DELETE
	aliased    string              // the table
	foreign    bool                // behind FOREIGN KEY, before its REFERENCES
	clauses    map[int]replacement // of JSON_VALUE, of columns and of parentheses that are dropped, by where they begin
	pairs      map[int]int         // where parentheses end, by where they begin; nil: not looked for
	params     int                 // 1: the parameters of a procedure follow, 2: they are read
	Deprecated []string            // the warnings of what it has
	updates    bool                // behind ON DUPLICATE KEY
	optioned   bool                // in a clause of an ALTER TABLE that is options
	united     bool                // behind UNION, INTERSECT or EXCEPT
	limited    bool                // behind a LIMIT there
	checked    bool                // a column's definition has a CHECK
	keys       int                 // the depth within the columns of an index, 0: there was none
}

// Put replaces a part of the text.
func (r *Marking) Put(from, end int, text string) {
	if from < r.Done { // of a form that another one has rewritten
		return
	}
	r.Out.WriteString(r.Q[r.Done:from])
	r.Out.WriteString(text)
	r.Done = end
	r.Made = append(r.Made, edit{r.Out.Len(), r.Out.Len() - end})
}

// option puts a comma before an option of an ALTER TABLE that follows another one without it: the grammar has one option in
// a clause. COLLATE behind a character set is a part of that option, and DEFAULT may begin one and be the value of one.
func (r *Marking) option(token string, at int) {
	last, before := r.before[0].text, r.before[1].text
	if r.first[0] != "alter" || r.first[1] != "table" || r.depth != 0 {
		return
	}
	if last == "," || before == "table" || before == "." {
		r.optioned = tableOptions[token]
		return
	}
	value := last == "=" || tableOptions[last] && (last != "default" || before != "=" && !tableOptions[before])
	if before == "=" {
		before = r.before[2].text
	}
	if r.optioned && tableOptions[token] && !value && (token != "collate" || before != "charset" && before != "set") {
		r.Put(at, at, ", ")
	}
}

// follows returns the token behind a position, and where it ends.
func (r *Marking) follows(at int) (string, int) {
	for at < len(r.Q) {
		word, end := syntax.NextWord(r.Q, at)
		if word == " " {
			return r.Q[at : at+1], end
		}
		if word != "" {
			return strings.ToLower(word), end
		}
		at = end
	}
	return "", at
}

// token looks at the next token, which begins at at.
func (r *Marking) token(token string, at int) {
	last := r.before[0]
	if c, ok := r.clauses[at]; ok {
		r.end = c.end
		r.Put(at, c.end, c.text)
		return
	}
	if r.markOwn(token, at) {
		return
	}
	for i := range r.first {
		if r.first[i] == "" {
			r.first[i] = token
			break
		}
	}
	r.option(token, at)
	switch token {
	case "alter":
		if r.first[1] == "" {
			if h, ok := NewObjectHead(r.Q[at:]); ok && h.Alter {
				r.Put(at, r.end, "create or replace")
			}
		}
	case "'", `"`:
		r.keepEscapes(at)
	case "read":
		if next, end := r.follows(r.end); next == "only" && r.first[0] == "alter" && (r.first[1] == "database" || r.first[1] == "schema") {
			r.end = end
			_, end = r.value()
			r.Put(at, end, "")
		}
	case "add":
		if r.first[0] == "alter" && r.first[1] == "table" && r.depth == 0 {
			r.addedColumns()
		}
	case "charset":
		created := r.first[0] == "create" && (r.first[1] == "table" || r.first[2] == "table")
		if next, _ := r.follows(r.end); next != "(" && !r.reading && (created || r.first[0] == "alter" && r.first[1] == "table") && r.depth == 0 && !BeforeName[last.text] && r.before[1].text != "change" {
			r.Put(at, r.end, "character set")
		}
	case "table":
		if (last.text == "lock" || last.text == "unlock") && r.first[1] == token {
			r.Put(at, r.end, "tables")
		}
	case "order":
		if next, _ := r.follows(r.end); r.first[0] == "alter" && r.first[1] == "table" && next == "by" && r.depth == 0 {
			r.ordered(at)
		}
	case "rollup":
		if last.text == "with" {
			r.Put(len(strings.TrimRight(r.Q[:last.at], " \t\r\n")), r.end, syntax.RollupMark)
		}
	case "any", "some", "all":
		if token == "all" && last.text == "(" && takesAll[r.before[1].text] {
			r.Put(at, r.end, "")
			break
		}
		if next, _ := r.follows(r.end); next == "(" && (last.text == "=" || last.text == "<" || last.text == ">") {
			r.Put(at, r.end, map[string]string{"any": syntax.AnyMark, "some": syntax.SomeMark, "all": syntax.AllMark}[token])
		}
	case "of":
		if next, _ := r.follows(r.end); last.text == "member" && next == "(" {
			r.Put(last.at, r.end, syntax.MemberMark)
		}
	case "like":
		if last.text == "sounds" && !beforeSounds[r.before[1].text] {
			r.Put(last.at, r.end, syntax.SoundsMark)
		}
	case "blob": // of a length
		if next, end := r.follows(r.end); next == "(" && (r.first[0] == "create" || r.first[0] == "alter") && (last.text == "`" || beforeYear(last.text)) {
			length, end := r.follows(end)
			n, err := strconv.ParseUint(length, 10, 64)
			if next, end = r.follows(end); next != ")" || err != nil {
				break
			}
			kind := "longblob"
			switch {
			case n == 0 || n >= 1<<8 && n < 1<<16:
				kind = "blob"
			case n < 1<<8:
				kind = "tinyblob"
			case n < 1<<24:
				kind = "mediumblob"
			}
			r.Put(at, end, kind)
			r.end = end
		}
	case "national": // of a CAST
		if next, end := r.follows(r.end); (next == "char" || next == "character") && (last.text == "as" || last.text == ",") {
			r.Put(at, end, "nchar")
			r.end = end
		}
	case "float": // of a CAST, with a precision
		if next, end := r.follows(r.end); next == "(" && last.text == "as" {
			digits, end := r.follows(end)
			n, err := strconv.ParseUint(digits, 10, 8)
			if next, end = r.follows(end); next != ")" || err != nil || n > 53 {
				break
			}
			kind := "float"
			if n > 24 {
				kind = "double"
			}
			r.Put(at, end, kind)
			r.end = end
		}
	case "year": // of a column
		if next, end := r.follows(r.end); next == "(" && (r.first[0] == "create" || r.first[0] == "alter") && (last.text == "`" || beforeYear(last.text)) {
			if next, end = r.follows(end); next == "4" {
				if next, end = r.follows(end); next == ")" {
					r.Put(at, end, token)
					r.end = end
				}
			}
		}
	case "default":
		if next, _ := r.follows(r.end); next == "(" && (reads[r.first[0]] || r.reading || r.first[0] == "insert" || r.first[0] == "replace") {
			r.Put(at, r.end, expr.DefaultMark)
		}
		r.defaulted(at)
	case "cascade", "restrict":
		if r.first[0] == "alter" && r.dropsColumn() {
			r.Put(at, r.end, "")
		}
	case ",":
		r.checked = r.checked && r.depth > r.definitionDepth()
	case "check":
		r.check(at)
	case "primary":
		if last.text == "constraint" && r.before[1].text == "add" && r.first[0] == "alter" && r.first[1] == "table" {
			r.Put(last.at, at, "") // which the grammar has with a name alone
		}
	case "get":
		r.markDiagnostics(at)
	case "signal", "resignal":
		if r.program {
			r.markSignal(at)
		}
	case "select", "duplicate":
		r.reading = true
	case "trigger", "procedure", "function", "event":
		if token == "procedure" && r.first[0] == "create" && !r.reading && !r.program {
			r.params = 1
		}
		r.program = r.program || r.first[0] == "create" && !r.reading
	case "date", "time", "timestamp":
		r.moment(at)
	case "set":
		if r.first[1] != "table" && r.first[2] != "table" { // of CHARACTER SET, ON DELETE SET NULL or a type there
			r.setting, r.depth = true, 0
		}
	case "where":
		r.setting = false
	case ";":
		r.setting, r.reading, r.united, r.limited, r.first = false, false, false, false, [3]string{}
	case "(":
		if r.depth++; r.params == 1 && r.depth == 1 {
			r.params = 2
		}
	case ")":
		if r.depth--; r.depth == 0 && r.params == 2 {
			r.params = 0
		}
		if r.depth < r.keys {
			r.keys = 0
		}
	case ":":
		if next, _ := r.follows(r.end); labelled[next] {
			r.Put(r.end, r.end, " ") // behind a label; the grammar has variables there
		} else if next != "=" {
			r.Put(at, r.end, "}") // it is wrong: the grammar has variables there, of which :v1 is the first ?
		}
		if r.end < len(r.Q) && r.Q[r.end] == '=' && r.before[1].text == "@" && r.before[2].text != "@" {
			if r.end++; !r.setting || r.depth > 0 || r.before[2].text != "set" && r.before[2].text != "," {
				r.Put(at, r.end, syntax.AssignMark)
				r.deprecate(assignmentDeprecated)
			}
		}
	}
	r.deprecates(token)
	r.form(token, at)
	r.word(token, at)
	r.clause(token, at)
	r.query(token, at)
}

// definitionDepth is how many parentheses are around the definition of a column.
func (r *Marking) definitionDepth() int {
	if r.first[0] == "create" {
		return 1
	}
	return 0
}

// defaulted drops the DEFAULT of a column, which begins at at, if another one follows in the column's definition: the last one
// counts, and the grammar has one.
func (r *Marking) defaulted(at int) {
	alter := r.first[0] == "alter" && r.first[1] == "table"
	value, end := r.follows(r.end)
	if value == "" || value == "," || r.reading || r.depth != r.definitionDepth() || r.before[0].text == "set" || tableOptions[value] ||
		!alter && (r.first[0] != "create" || r.first[1] != "table" && r.first[2] != "table") {
		return
	}
	if value == "-" || value == "+" || strings.HasPrefix(value, "_") {
		_, end = r.follows(end)
	}
	if value == "(" {
		end = r.closed(end - 1)
	} else if next, behind := r.follows(end); next == "(" {
		end = r.closed(behind - 1)
	}
	for last := end; ; {
		next, behind := r.follows(last)
		switch next {
		case "", ",", ";", ")":
			return
		case "(":
			behind = r.closed(behind - 1)
		case "default":
			r.Put(at, end, "")
			r.end = end
			return
		}
		last = behind
	}
}

// check makes each CHECK of a column but the first one, which begins at at, a CHECK of the table behind the column: the grammar
// has one.
func (r *Marking) check(at int) {
	next, end := r.follows(r.end)
	alter := r.first[0] == "alter" && r.first[1] == "table"
	if next != "(" || r.reading || r.depth != r.definitionDepth() || !alter && (r.first[0] != "create" || r.first[1] != "table" && r.first[2] != "table") {
		return
	}
	if !r.checked {
		r.checked = true
		return
	}
	from := at
	if r.before[0].text == "constraint" {
		from = r.before[0].at
	} else if r.before[1].text == "constraint" {
		from = r.before[1].at
	}
	end = r.closed(end - 1)
	next, behind := r.follows(end)
	if next == "not" {
		if next, behind = r.follows(behind); next != "enforced" {
			next = ""
		}
	}
	if next == "enforced" {
		end = behind
	}
	last := end // of the column's definition
	for {
		next, behind := r.follows(last)
		if next == "" || next == "," || next == ";" || next == ")" {
			break
		}
		if last = behind; next == "(" {
			last = r.closed(behind - 1)
		}
	}
	text := ", " + r.Q[from:end]
	if alter {
		text = ", add " + r.Q[from:end]
	}
	r.Put(from, end, "")
	r.Closing[last] += text
	r.end = end
}

// beforeYear reports whether a token may be the name of a column or RETURNS, behind which YEAR is a type.
func beforeYear(token string) bool {
	switch token {
	case "select", "distinct", "all", "and", "or", "not", "xor", "where", "by", "when", "then", "else", "case", "in", "like", "between", "div", "mod",
		"having", "on", "interval", "return", "if", "is", "regexp", "rlike":
		return false
	}
	return token != "" && (syntax.WordByte(token[0]) || token[0] >= utf8.RuneSelf)
}

// dropsColumn reports whether the token follows DROP COLUMN and a name, and ends the clause.
func (r *Marking) dropsColumn() bool {
	drop := r.before[1].text
	next, _ := r.follows(r.end)
	return (drop == "drop" || drop == "column") && (next == "," || next == ";" || next == "")
}

// Unmark completes a statement of a text with marks, in place. It looks everywhere in it,
// also where the grammar's own walk does not go: definitions, bodies, EXPLAIN.
func Unmark(stmt ast.Statement) error {
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.AliasedExpr:
			n.InputExpression = Unmarked(withClauses(n.InputExpression))
		case *ast.ComparisonExpr:
			if e := quantified(n); e != nil {
				return e, true, nil
			}
			if e := syntax.Introduced(n.Right, "_dec8"); e != nil {
				return syntax.Call(expr.MemberFunction, n.Left, e), true, nil
			}
			if e := soundsLike(n.Right); e != nil {
				n.Left, n.Right = syntax.Call("soundex", n.Left), syntax.Call("soundex", e)
			}
		case *ast.UnaryExpr:
			if n.Operator == ast.TildaStr {
				return syntax.Call(expr.InvertFunction, n.Expr), true, nil
			}
			if e, err := momentLiteral(n); e != nil || err != nil {
				return e, true, err
			}
		case *ast.FuncExpr:
			if n.Name.EqualString("name_const") {
				plainMoments(n.Exprs)
			}
		case *ast.OrExpr:
			if e := variableAssignment(n); e != nil {
				return e, true, nil
			}
		case *ast.Select:
			if rolledUp(n) {
				return nil, true, rollup(n)
			}
		}
		return nil, true, nil
	})
}

// soundsLike returns what stands behind SOUNDS LIKE, nil if e does not.
func soundsLike(e ast.Expr) ast.Expr {
	b, ok := e.(*ast.BinaryExpr)
	if !ok || b.Operator != ast.BitOrStr {
		return nil
	}
	if syntax.Introduced(b.Left, "_cp850") != nil {
		return b.Right
	}
	left := soundsLike(b.Left)
	if left == nil {
		return nil
	}
	b.Left = left
	return b
}

// SentError returns an error of a text with marks as one of the text that was sent: its
// words and its positions.
func (e Edits) SentError(err error) error {
	if err == nil || e == nil {
		return err
	}
	text := Unmarked(err.Error())
	if m := syntax.ErrorNear.FindStringSubmatchIndex(text); m != nil {
		if at, aerr := strconv.Atoi(text[m[2]:m[3]]); aerr == nil {
			text = text[:m[2]] + strconv.Itoa(e.Sent(at)) + text[m[3]:]
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// nested returns how deep the parentheses of a text are.
func nested(q string) (deepest int) {
	depth := 0
	for at := 0; at < len(q); {
		word, end := syntax.NextWord(q, at)
		if word == " " && end == at+1 {
			switch q[at] {
			case '(':
				depth++
				deepest = max(deepest, depth)
			case ')':
				depth--
			}
		}
		at = end
	}
	return deepest
}

// IsLiteral reports whether an expression is a literal.
func IsLiteral(e ast.Expr) bool { _, ok := e.(*ast.SQLVal); return ok }

// ModeNumber has a number for sql_mode be converted by the variable's type; the planner has bits of its own.
func ModeNumber(stmt ast.Statement) {
	s, ok := stmt.(*ast.Set)
	if !ok {
		return
	}
	for _, e := range s.Exprs {
		if v, ok := e.Expr.(*ast.SQLVal); ok && v.Type == ast.IntVal && strings.HasSuffix(e.Name.Name.Lowered(), "sql_mode") {
			e.Expr = &ast.ParenExpr{Expr: v}
		}
	}
}
