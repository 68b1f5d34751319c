package rewrite

import "strings"

// frameUnit is the unit of a number in a window's frame that is no interval: the grammar has intervals and whole numbers
// there only. It has no interval of this unit of its own, since the text has such a unit in quotes.
const frameUnit = "second_microsecond"

// ntileMark is the first argument of the LEAD that an NTILE is.
const ntileMark = "_ntile"

// operators are signs and words beside which EXISTS is an operand.
var operatorWords = map[string]bool{"*": true, "/": true, "+": true, "-": true, "%": true, "=": true, "<": true, ">": true, "div": true, "mod": true, "in": true, "between": true, "is": true}

// clause looks at words of queries and definitions that the grammar has in other forms only.
func (r *Marking) clause(token string, at int) {
	last := r.before[0].text
	next, end := r.follows(r.end)
	defines := r.first[0] == "create" || r.first[0] == "alter"
	switch {
	case token == "exists" && next == "(" && last != "if" && last != "not":
		close := r.closed(end - 1)
		if after, _ := r.follows(close); operatorWords[last] || operatorWords[after] {
			r.Put(at, at, "(")
			r.Closing[close] += ")"
		}
	case token == "." && next == "*" && r.first[0] == "delete" && r.depth == 0:
		if after, _ := r.follows(end); (after == "," || after == "from" || after == "using") && strings.Trim(last, "0123456789") != "" {
			r.Put(at, end, "")
			r.end = end
		}
	case token == "respect" && next == "nulls":
		r.Put(at, end, "")
	case token == "from" && next == "first" && last == ")":
		if after, _ := r.follows(end); after == "over" || after == "respect" { // of NTH_VALUE, which is so without
			r.Put(at, end, "")
			r.end = end
		}
	case token == "ntile" && next == "(":
		if number, _ := r.follows(end); strings.Trim(number, "0123456789") != "" {
			r.Put(at, end, "lead("+ntileMark+", ") // the grammar has whole numbers only
			r.end = end
			r.depth++
		}
	case token == "local" && last == "show":
		r.Put(at, r.end, "session")
	case (token == "union" || token == "intersect" || token == "except") && r.depth == 0:
		r.united = true
	case token == "limit" && r.depth == 0 && r.united:
		r.limited = true
	case token == "into" && (next == "@" || next == "outfile" || next == "dumpfile") && r.depth == 0 && !r.program:
		r.into(at)
	case token == "schemas" && last == "show":
		r.Put(at, r.end, "databases")
	case token == "extended" && last == "show" && (next == "tables" || next == "full"):
		if after, _ := r.follows(end); next == "tables" || after == "tables" { // all tables are the users' own
			r.Put(at, r.end, "")
		}
	case token == "in" && r.first[0] == "show" && (columnsWords[last] || columnsWords[r.before[2].text]):
		r.Put(at, r.end, "from")
	case token == "schema" && last == "alter" && r.first[1] == token:
		r.Put(at, r.end, "database")
	case token == "for" && next == "export" && r.first[0] == "flush":
		r.Put(at, end, "with read lock")
		r.end = end
	case token == "with" && next == "parser" && defines && !r.reading: // it is refused
		_, end = r.follows(end)
		r.Put(at, end, "")
		r.end = end
	case token == "replica" && last == "on" && r.before[1].text == "disable":
		r.Put(at, r.end, "slave")
	case token == "if" && (last == "procedure" || last == "trigger") && next == "not" && r.first[0] == "create" && !r.reading:
		_, end = r.follows(end)
		r.Put(at, end, "")
		r.end = end
	case token == "now" && next == "(" && (last == "starts" || last == "ends" || last == "at") && defines:
		if next, end := r.follows(end); next == ")" {
			r.Put(at, end, "current_timestamp")
			r.end = end
		}
	case r.params == 2 && (token == "charset" || token == "collate") && !beforeParameter[last]:
		r.Put(at, end, "")
		r.end = end
	case r.params == 2 && token == "character" && next == "set" && !beforeParameter[last]:
		_, end = r.follows(end)
		r.Put(at, end, "")
		r.end = end
	case token == "?" && (next == "preceding" || next == "following"):
		r.Put(at, r.end, "interval ? "+frameUnit)
	case token == "." && at > 0 && (next != "" && strings.Trim(next, "0123456789") == ""):
		if after, _ := r.follows(end); (after == "preceding" || after == "following") && strings.Trim(last, "0123456789") == "" {
			r.Put(r.before[0].at, end, "interval "+r.Q[r.before[0].at:end]+" "+frameUnit)
			r.end = end
		}
	}
}

// into puts INTO @v, … or a file's, which begins at at, behind the last part of a UNION and behind FOR UPDATE: the grammar has it behind a LIMIT
// there only, and not before a lock clause.
func (r *Marking) into(at int) {
	sign, end := r.follows(r.end)
	for {
		_, end = r.follows(end) // the name
		comma, behind := r.follows(end)
		if sign, behind = r.follows(behind); comma != "," || sign != "@" {
			break
		}
		end = behind
	}
	token, behind := r.follows(end)
	if !r.united && token != "for" && token != "lock" {
		return
	}
	last, limited := end, !r.united || r.limited
	for depth := 0; token != "" && token != ";"; token, behind = r.follows(behind) {
		switch token {
		case "(":
			depth++
		case ")":
			depth--
		case "limit":
			limited = limited || depth == 0
		}
		last = behind
	}
	variables := " " + r.Q[at:end]
	if !limited {
		variables = " limit 18446744073709551615" + variables
	}
	if last == end {
		r.Put(at, end, variables)
		r.end = end
		return
	}
	r.Put(at, end, "")
	r.end = end
	r.Closing[last] = variables
}

// columnsWords are the words of SHOW COLUMNS.
var columnsWords = map[string]bool{"columns": true, "fields": true}

// beforeParameter is what may stand before the name of a procedure's parameter.
var beforeParameter = map[string]bool{"(": true, ",": true, "in": true, "out": true, "inout": true}
