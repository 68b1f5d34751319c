package rewrite

import (
	"slices"
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
)

// options are the words between a statement's verb and what it is about, by verb. Those that are true
// change nothing here, and the grammar lacks them; so it does DELETE IGNORE's.
var options = map[string]map[string]bool{
	"select": {"all": false, "distinct": false, "distinctrow": true, "high_priority": true, "straight_join": false, "sql_small_result": true,
		"sql_big_result": true, "sql_buffer_result": true, "sql_no_cache": false, "sql_calc_found_rows": false},
	"insert":  {"low_priority": true, "high_priority": true, "delayed": true},
	"replace": {"low_priority": true, "delayed": true},
	"update":  {"low_priority": true},
	"delete":  {"low_priority": true, "quick": true, "ignore": true}, // IGNORE becomes a comment
}

// units are the units of an INTERVAL that the grammar takes for keywords.
var units = map[string]bool{
	"second_microsecond": true, "minute_microsecond": true, "minute_second": true, "hour_microsecond": true, "hour_second": true,
	"hour_minute": true, "day_microsecond": true, "day_second": true, "day_minute": true, "day_hour": true, "year_month": true,
}

// bareValues are keywords that are values of variables.
var bareValues = map[string]bool{"binary": true, "row": true, "all": true, "system": true}

// escapes are ODBC's forms of literals, calls and joins, and what each is without its braces.
var escapes = map[string]string{"d": "date", "t": "time", "ts": "timestamp", "fn": "", "oj": ""}

// keyWords stand before the columns of an index, or the name or method before those.
var keyWords = map[string]bool{"key": true, "index": true, "unique": true}

// binaryDigits reports whether a token is a literal 0b….
func binaryDigits(token string) bool {
	return len(token) > 2 && strings.HasPrefix(token, "0b") && strings.Trim(token[2:], "01") == ""
}

// word looks at a token for what the grammar has another word for, or none.
func (r *Marking) word(token string, at int) {
	last := r.before[0].text
	if kind := options[r.options]; kind != nil {
		drop, option := kind[token]
		if !option {
			r.options = ""
		} else if drop {
			r.Put(at, r.end, map[string]string{"distinctrow": "distinct", "ignore": IgnoreMark}[token])
		}
	}
	if options[token] != nil && last != "for" && last != "on" && last != "key" {
		r.options = token
	}
	defines := r.first[0] == "create" && (r.first[1] == "table" || r.first[2] == "table") && !r.reading || r.first[0] == "alter" && r.first[1] == "table"
	if token == "(" && !r.reading && (r.definesTable() && r.depth == r.definitionDepth()+1 && slices.ContainsFunc(r.before[:], func(w wordAt) bool { return keyWords[w.text] }) ||
		r.first[0] == "create" && (r.first[1] == "index" || r.first[2] == "index") && r.depth == 1) {
		r.keys = r.depth
	}
	switch {
	case token == "(" && last != "" && defines && r.first[0] == "create" && r.depth == 1:
		if next, _ := r.follows(r.end); next == "like" {
			r.like(at)
		}
	case token == "n" && r.end < len(r.Q) && r.Q[r.end] == '\'':
		r.Put(at, r.end, "_utf8mb4")
	case binaryDigits(token) && last != ".":
		r.Put(at, r.end, "b'"+token[2:]+"'")
	case token == "dec" && last == "as" && !defines:
		r.Put(at, r.end, "decimal")
	case token == "ascii" && last == "char" && !defines:
		r.Put(at, r.end, "character set latin1")
	case token == "int" && (last == "signed" || last == "unsigned"):
		r.Put(at, r.end, "integer")
	case token == "(" && (last == "as" || last == "default" && !r.reading) && (r.first[0] == "alter" && r.first[1] == "table" ||
		r.first[0] == "create" && (r.first[1] == "table" || r.first[2] == "table") && r.depth > 1):
		if next, _ := r.follows(r.end); next != "select" && next != "with" && next != "values" && next != "table" {
			r.Put(at, r.end, "((") // the grammar has no condition in a generated column and a default
			r.Closing[r.closed(at)] = ")"
		}
	case (token == "varchar" || token == "varbinary") && defines && last != "long":
		if next, end := r.follows(r.end); next != "(" {
			r.Put(end-len(next), end, " }") // the planner would say something else
		}
	case token == "(" && r.keys > 0 && r.depth == r.keys+1 && (last == "(" || last == ","):
		r.Put(at, r.end, "((") // nor in an index
		r.Closing[r.closed(at)] = ")"
	case token == "text" && (r.first[0] == "create" || r.first[0] == "alter") && (last == "`" || beforeYear(last)):
		r.sizedText(token, at)
	case (token == "char" || token == "character") && defines:
		r.byteColumn(at)
	case token == "ascii" && defines && r.depth >= r.definitionDepth() && (last == ")" || characterTypes[last]):
		r.Put(at, r.end, "character set latin1")
	case (token == "column_format" || token == "storage") && defines:
		if next, end := r.follows(r.end); formats[next] {
			r.Put(at, end, "")
			r.end = end
		}
	case token == "autoextend_size" && defines:
		_, end := r.value()
		r.Put(at, end, "")
		r.end = end
	case token == "+" && last == "default" && (r.first[0] == "create" || r.first[0] == "alter"):
		r.Put(at, r.end, "")
	case token == "geomcollection" && (r.first[0] == "create" || r.first[0] == "alter") && (last == "`" || beforeYear(last)):
		r.Put(at, r.end, "geometrycollection")
	case token == "long" && (r.first[0] == "create" || r.first[0] == "alter"):
		text, end := "mediumtext", r.end
		switch next, behind := r.follows(r.end); next {
		case "varbinary", "byte":
			text, end = "mediumblob", behind
		case "varchar":
			end = behind
		}
		r.Put(at, end, text)
		r.end = end
	case token == "current_user" && last == "=" && r.before[1].text == "definer" && (r.first[0] == "create" || r.first[0] == "alter"):
		end := r.end
		if next, behind := r.follows(end); next == "(" {
			end = r.closed(behind - 1)
		}
		r.Put(r.before[1].at, end, "") // it is so without
		r.end = end
	case (token == "restrict" || token == "cascade") && r.first[0] == "drop" && r.first[1] == "view":
		if next, _ := r.follows(r.end); next == "" || next == ";" {
			r.Put(at, r.end, "")
		}
	case token == "foreign":
		r.foreign = true
	case token == "references" && (r.first[0] == "create" || r.first[0] == "alter"):
		if !r.foreign {
			r.references(at)
		}
		r.foreign = false
	case bareValues[token] && last == "=" && r.first[0] == "set":
		if next, _ := r.follows(r.end); next == "," || next == ";" || next == "" {
			r.Put(at, r.end, "'"+token+"'")
		}
	case units[token] && last != "(" && r.before[1].text != "every":
		if next, _ := r.follows(r.end); next != "preceding" && next != "following" || token == frameUnit {
			r.Put(at, r.end, "`"+token+"`")
		}
	case token == "{":
		next, end := r.follows(r.end)
		if word, ok := escapes[next]; ok {
			r.braces++
			if mark := expr.MomentMarks[word]; mark != "" && r.marksMoments() {
				word = mark
			}
			r.Put(at, end, word)
		}
	case token == "}" && r.braces > 0:
		r.braces--
		r.Put(at, r.end, "")
	case (token == "index" || token == "key") && (last == "use" || last == "force" || last == "ignore"):
		r.hint(at)
	case token == "tables" && (r.first[0] == "drop" && (last == "drop" || last == "temporary") || last == "rename" && r.first[0] == "rename"):
		r.Put(at, r.end, "table")
	case (token == "algorithm" || token == "lock") && r.depth == 0 && (r.first[1] == "index" || r.first[2] == "index") &&
		(r.first[0] == "create" || r.first[0] == "drop"):
		_, end := r.value()
		r.Put(at, end, "")
	}
}

// characterBytes are the bytes of a character, of the sets that do not have four.
var characterBytes = map[string]uint64{"latin1": 1, "ascii": 1, "binary": 1, "utf8": 3, "utf8mb3": 3, "ucs2": 2}

// formats are the values of COLUMN_FORMAT and STORAGE, which change nothing in InnoDB.
var formats = map[string]bool{"fixed": true, "dynamic": true, "default": true, "disk": true, "memory": true}

// characterTypes are the types behind which ASCII is a character set.
var characterTypes = map[string]bool{"char": true, "character": true, "text": true, "tinytext": true, "mediumtext": true, "longtext": true}

// byteColumn makes CHAR(n) BYTE, of which CHAR is at at, BINARY(n).
func (r *Marking) byteColumn(at int) {
	next, end := r.follows(r.end)
	length := ""
	if next == "(" {
		closed := r.closed(end - 1)
		length = r.Q[end-1 : closed]
		next, end = r.follows(closed)
	}
	if next == "byte" {
		r.Put(at, end, "binary"+length)
		r.end = end
	}
}

// like drops the parentheses of CREATE TABLE … (LIKE …), of which the first is at at.
func (r *Marking) like(at int) {
	closed := r.closed(at)
	r.Put(at, r.end, "")
	if r.clauses == nil {
		r.clauses = map[int]replacement{}
	}
	r.clauses[closed-1] = replacement{end: closed}
}

// sizedText makes a BLOB or TEXT of a length the smallest type that has it.
func (r *Marking) sizedText(token string, at int) {
	open, end := r.follows(r.end)
	digits, end := r.follows(end)
	closing, end := r.follows(end)
	length, err := strconv.ParseUint(digits, 10, 32)
	if open != "(" || closing != ")" || err != nil {
		return
	}
	if token == "text" {
		bytes := uint64(4)
		next, behind := r.follows(end)
		if next == "character" {
			next, behind = r.follows(behind)
		}
		if next == "set" || next == "charset" {
			if set, _ := r.follows(behind); characterBytes[set] > 0 {
				bytes = characterBytes[set]
			}
		}
		length *= bytes
	}
	size := "long"
	switch {
	case length > 0 && length < 1<<8:
		size = "tiny"
	case length < 1<<16:
		size = ""
	case length < 1<<24:
		size = "medium"
	}
	r.Put(at, end, size+token)
	r.end = end
}

// references drops the REFERENCES of a column, which MySQL reads and forgets.
func (r *Marking) references(at int) {
	_, end := r.follows(r.end)
	if next, behind := r.follows(end); next == "." {
		_, end = r.follows(behind)
	}
	if next, behind := r.follows(end); next == "(" {
		end = r.closed(behind - 1)
	}
	if next, behind := r.follows(end); next == "match" {
		_, end = r.follows(behind)
	}
	for {
		on, behind := r.follows(end)
		verb, behind := r.follows(behind)
		action, behind := r.follows(behind)
		if action == "set" || action == "no" {
			_, behind = r.follows(behind)
		}
		if on != "on" || verb != "delete" && verb != "update" || action != "set" && action != "no" && action != "restrict" && action != "cascade" {
			break
		}
		end = behind
	}
	r.Put(at, end, "")
	r.end = end
}

// value returns what follows the value of an option, [=] value, and where the value ends.
func (r *Marking) value() (next string, end int) {
	word, end := r.follows(r.end)
	if word == "=" {
		_, end = r.follows(end)
	}
	next, _ = r.follows(end)
	return next, end
}

// hint makes the index hints of a table, of which INDEX or KEY at at is the first one's second token, one: the grammar has no more for
// a table, and none without names or for some purposes. Its names are those that SplitHint reads.
func (r *Marking) hint(at int) {
	from, verb, end := r.before[0].at, r.before[0].text, r.end
	var names []string
	for {
		kind := verb + " index"
		word, next := r.follows(end)
		for word == "for" || word == "join" || word == "order" || word == "group" || word == "by" {
			kind += " " + word
			word, next = r.follows(next)
		}
		if word != "(" {
			return
		}
		empty := true
		for {
			start := next
			if word, next = r.follows(next); word == ")" || word == "" {
				break
			}
			if word != "," {
				name := strings.Trim(strings.TrimSpace(r.Q[start:next]), "`")
				names, empty = append(names, "`"+kind+hintMark+name+"`"), false
			}
		}
		if empty && verb != "use" {
			return
		}
		if empty {
			names = append(names, "`"+kind+hintMark+"`")
		}
		r.end = next
		if verb, end = r.follows(next); verb != "use" && verb != "force" && verb != "ignore" {
			break
		}
		if word, end = r.follows(end); word != "index" && word != "key" {
			break
		}
	}
	r.Put(from, r.end, r.before[0].text+" index ("+strings.Join(names, ", ")+")")
}

// hintMark stands in the names of an index hint between what the hint is and the name of the index.
const hintMark = "!"

// SplitHint returns what an index hint is, as "use index for join", and the name of an index in it, "" if it has none.
func SplitHint(name string) (kind, index string) {
	kind, index, _ = strings.Cut(name, hintMark)
	return kind, index
}

// HintOf returns the name that SplitHint splits.
func HintOf(kind, index string) ast.ColIdent { return ast.NewColIdent(kind + hintMark + index) }

// moment marks DATE, TIME or TIMESTAMP at a position if a text follows.
func (r *Marking) moment(at int) {
	if next, _ := r.follows(r.end); next != "'" || !r.marksMoments() {
		return
	}
	word := r.Q[at:r.end]
	if mark, ok := expr.MomentMarks[word]; ok {
		r.Put(at, r.end, mark)
	} else {
		r.Put(at, r.end, expr.MomentMarks[strings.ToLower(word)])
	}
}

// marksMoments reports whether the statement is one whose literals are marked: the texts of defaults are kept as they are.
func (r *Marking) marksMoments() bool {
	switch r.first[0] {
	case "insert", "replace", "set", "call":
		return true
	case "create":
		return r.reading || r.program
	}
	return reads[r.first[0]]
}
