package gms

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// intervalFunction is INTERVAL(n, …), a function whose name begins an interval in the
// planner's grammar.
const intervalFunction = "_interval"

// notAlias are the words that follow the table of a DELETE that has no alias.
var notAlias = map[string]bool{
	"where": true, "order": true, "limit": true, "using": true, "partition": true, "join": true, "inner": true, "left": true, "right": true,
	"cross": true, "natural": true, "straight_join": true, "returning": true, "for": true, "use": true, "force": true, "ignore": true,
}

// deleteWords may stand between DELETE and FROM.
var deleteWords = map[string]bool{"low_priority": true, "quick": true, "ignore": true}

// form looks at words that the planner's grammar has in other forms only.
func (r *marking) form(token string, at int) {
	last := r.before[0].text
	next, end := r.follows(r.end)
	for n := len(r.parts); n > 0 && (r.parts[n-1] > r.depth && token == ")" || token == ";"); n-- {
		r.parts = r.parts[:n-1]
	}
	switch {
	case (token == "leading" || token == "trailing" || token == "both") && last == "(" && r.before[1].text == "trim" && next == "from":
		r.put(r.end, r.end, " ' '")
	case token == "-" && r.end+1 < len(r.q) && r.q[r.end] == '-' && r.q[r.end+1] > ' ' && strings.TrimSpace(r.q[r.end+1:]) != "-":
		r.put(at, r.end, "- ") // no comment
	case len(token) > 19 && beyondIntegers(token) && last != "." && last != "limit" && last != "offset" && (r.end == len(r.q) || r.q[r.end] != '.'):
		r.put(r.end, r.end, ".") // it is a DECIMAL
	case (token == "substring" || token == "substr" || token == "mid") && next == "(":
		r.parts = append(r.parts, r.depth+1)
	case (token == "from" || token == "for") && len(r.parts) > 0 && r.parts[len(r.parts)-1] == r.depth:
		r.put(at, r.end, ",") // the grammar has SUBSTRING(text FROM start FOR length) of columns and texts only
	case strings.HasPrefix(token, "sql_tsi_") && last == "(":
		r.put(at, at+len("sql_tsi_"), "")
	case token == "engine" && r.definesTable() && r.depth == 0 && !r.reading:
		if next == "=" {
			next, end = r.follows(end)
		}
		if behind, _ := r.follows(end); r.first[0] == "create" && (behind == "as" || behind == "select") {
			r.put(at, end, "") // the grammar has no query there
		} else if next == "'" || next == `"` {
			from := r.end + strings.Index(r.q[r.end:end], next)
			r.put(from, end, " "+r.q[from+1:end-1]) // the grammar has names only
			r.end = end
		}
	case token == "precision" && last == "double":
		r.put(at, r.end, "") // what is noted of a DOUBLE goes by the one word
	case token == "using" && (next == "btree" || next == "hash") && r.definesTable():
		if word, open := r.follows(end); word == "(" {
			r.put(at, end, "")
			r.closing[r.closed(open-1)] = " using " + next // the grammar has it behind the columns
		}
	case token == "match" && (next == "full" || next == "simple" || next == "partial") && r.definesTable():
		r.put(at, end, "") // of a foreign key; InnoDB has MATCH SIMPLE only
	case token == "match" && next != "(" && next != "":
		behind := r.end
		for at, tokens := r.end, 0; at < len(r.q) && tokens < 8*matchedMax; tokens++ {
			word, end := nextWord(r.q, at)
			if word == " " && (r.q[at] == '(' || r.q[at] == ')' || r.q[at] == ';') {
				break
			}
			if strings.EqualFold(word, "against") {
				r.put(r.end, r.end, " (") // the grammar has no list without parentheses
				r.closing[behind] = ") "
				break
			}
			if at = end; word != "" {
				behind = end
			}
		}
	case token == "unknown" && (last == "is" || last == "not" && r.before[1].text == "is"):
		r.put(at, r.end, "null")
	case token == "json_value" && next == "(":
		r.jsonValue(end - 1)
	case token == "interval" && next == "(" && r.several(end-1):
		r.put(at, r.end, intervalFunction)
	case token == "row" && next == "(":
		if last == "values" {
			r.rowsAt = r.depth + 1
		} else if last != "," || r.rowsAt != r.depth+1 {
			r.put(at, r.end, "")
		}
	case token == ")" && r.rowsAt > r.depth+1, token == ";":
		r.rowsAt = 0
	case token == "from" && r.first[0] == "delete" && r.depth == 0 && (last == "delete" || deleteWords[last]) && r.alias == "":
		r.deleted()
	case r.alias != "" && token == r.alias && next == ".":
		r.put(at, r.end, r.aliased)
	case token == "set" && (r.first[0] == "insert" || r.first[0] == "replace") && !r.reading:
		r.inserted(at)
	}
}

// beyondIntegers reports whether a word is a number that is too large for a BIGINT UNSIGNED.
func beyondIntegers(word string) bool {
	_, err := strconv.ParseUint(word, 10, 64)
	return errors.Is(err, strconv.ErrRange) && strings.Trim(word, "0123456789") == ""
}

// highNot gives the NOTs of a statement the precedence of !, in place (sql_mode HIGH_NOT_PRECEDENCE).
func highNot(stmt ast.Statement) error {
	return replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		not, ok := n.(*ast.NotExpr)
		if !ok {
			return nil, true, nil
		}
		first := &not.Expr // the operand at the left
		for next := first; next != nil; {
			first = next
			switch e := (*first).(type) {
			case *ast.ComparisonExpr:
				next = &e.Left
			case *ast.RangeCond:
				next = &e.Left
			case *ast.IsExpr:
				next = &e.Expr
			case *ast.BinaryExpr:
				next = &e.Left
			default:
				next = nil
			}
		}
		if first == &not.Expr {
			return nil, true, nil
		}
		*first = &ast.NotExpr{Expr: *first}
		return not.Expr, true, nil
	})
}

// ordered takes the ORDER BY out of an ALTER TABLE: rows are in the order of the primary key.
func (r *marking) ordered(at int) {
	for r.end < len(r.q) && r.q[r.end] != ';' {
		_, r.end = nextWord(r.q, r.end)
	}
	r.put(at, r.end, "engine = InnoDB")
}

// keepEscapes keeps the backslashes of \% and \_ in a text, which are part of it and which the planner's
// grammar drops.
func (r *marking) keepEscapes(at int) {
	text := r.q[at:r.end]
	if !strings.Contains(text, `\%`) && !strings.Contains(text, `\_`) {
		return
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		out.WriteByte(text[i])
		if text[i] == '\\' && i+1 < len(text) {
			i++
			if text[i] == '%' || text[i] == '_' {
				out.WriteByte('\\')
			}
			out.WriteByte(text[i])
		}
	}
	r.put(at, r.end, out.String())
}

// several reports whether there is a comma in the parentheses at a position.
func (r *marking) several(at int) bool {
	depth := 0
	for end := r.closed(at); at < end; {
		word, next := nextWord(r.q, at)
		if word == " " {
			switch r.q[at] {
			case '(':
				depth++
			case ')':
				depth--
			case ',':
				if depth == 1 {
					return true
				}
			}
		}
		at = next
	}
	return false
}

// deleted takes the alias out of DELETE FROM table [AS] alias; the table's name stands for it.
func (r *marking) deleted() {
	l := newLexer(r.q[r.end:])
	from := l.start
	if _, ok := l.name(); !ok {
		return
	}
	if l.accept(".") {
		from = l.start
		if _, ok := l.name(); !ok {
			return
		}
	}
	table := strings.TrimSpace(l.q[from:l.start])
	begin := l.start
	as := l.accept("as")
	if l.kind != 'w' || !as && notAlias[strings.ToLower(l.text)] {
		return
	}
	alias := strings.ToLower(l.text)
	l.next()
	if l.kind != 0 && l.text != ";" && !notAlias[strings.ToLower(l.text)] {
		return
	}
	r.alias, r.aliased = alias, table
	offset := r.end
	r.end = offset + begin
	r.put(offset+begin, offset+l.start, "")
}

// inserted makes INSERT … SET a = b, … AS alias an INSERT … (a, …) VALUES (b, …) AS alias,
// which the grammar has.
func (r *marking) inserted(at int) {
	var names, values []string
	begin, value := r.end, -1
	depth := 0
	for p := r.end; p < len(r.q); {
		word, end := nextWord(r.q, p)
		sign := word == " "
		switch {
		case sign && r.q[p] == '(':
			depth++
		case sign && r.q[p] == ')':
			depth--
		case depth > 0:
		case sign && r.q[p] == '=' && value < 0:
			names, value = append(names, r.q[begin:p]), p+1
		case sign && r.q[p] == ',' && value >= 0:
			values, begin, value = append(values, r.q[value:p]), p+1, -1
		case sign && r.q[p] == ';', strings.EqualFold(word, "on"):
			return
		case strings.EqualFold(word, "as") && value >= 0:
			values = append(values, r.q[value:p])
			r.put(at, p, "("+strings.Join(names, ",")+") values ("+strings.Join(values, ",")+") ")
			return
		}
		p = end
	}
}

// functionCalls completes calls of functions, in place: those that the planner has otherwise in mind
// become ones of others. GROUP_CONCAT of several expressions is one of their concatenation,
// INSTR is LOCATE, EXTRACT of one unit is the function of that name, TIMESTAMPADD is DATE_ADD.
func functionCalls(stmt ast.Statement) {
	_ = replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.GroupConcatExpr:
			if len(n.Exprs) > 1 {
				n.Exprs = ast.SelectExprs{&ast.AliasedExpr{Expr: &ast.FuncExpr{Name: ast.NewColIdent("concat"), Exprs: n.Exprs}}}
			}
		case *ast.FuncExpr:
			if n.Name.EqualString("instr") && n.Qualifier.IsEmpty() && len(n.Exprs) == 2 {
				return &ast.FuncExpr{Name: ast.NewColIdent("locate"), Exprs: ast.SelectExprs{n.Exprs[1], n.Exprs[0]}}, true, nil
			}
		case *ast.ExtractFuncExpr:
			switch unit := strings.ToLower(n.Unit); unit {
			case "week", "year", "quarter", "month", "day":
				return call(unit, n.Expr), true, nil
			default:
				return call(extractFunction, ast.NewStrVal([]byte(unit)), n.Expr), true, nil
			}
		case *ast.SubstrExpr:
			args := []ast.Expr{n.Name, n.From}
			if n.To != nil {
				args = append(args, n.To)
			}
			if n.StrVal != nil {
				args[0] = n.StrVal
			}
			return call("substring", args...), true, nil
		case *ast.TrimExpr:
			return call(trimFunctions[strings.ToLower(n.Dir)], n.Str, n.Pattern), true, nil
		case *ast.CharExpr:
			return charForm(n), true, nil
		case *ast.TimestampFuncExpr:
			if n.Name == "timestampadd" {
				return call("date_add", n.Expr2, &ast.IntervalExpr{Expr: n.Expr1, Unit: n.Unit}), true, nil
			}
		}
		return nil, true, nil
	})
}

// charForm returns a CHAR without USING, or the CONVERT of one to the character set of its USING. Each of its numbers is
// as many bytes there as a character has at least.
func charForm(n *ast.CharExpr) ast.Expr {
	char := &ast.FuncExpr{Name: ast.NewColIdent("char"), Exprs: n.Exprs}
	switch {
	case n.Type == "":
		return char
	case len(n.Exprs) > 1 && unitLength(strings.ToLower(n.Type)) > 1:
		text := &ast.FuncExpr{Name: ast.NewColIdent("concat")}
		for _, e := range n.Exprs {
			text.Exprs = append(text.Exprs, &ast.AliasedExpr{Expr: charForm(&ast.CharExpr{Exprs: ast.SelectExprs{e}, Type: n.Type})})
		}
		return text
	}
	return &ast.ConvertUsingExpr{Expr: char, Type: n.Type}
}

// intervalIndex returns how many of the numbers behind the first, which ascend, are not
// greater than it, -1 for NULL.
func intervalIndex(ctx *sql.Context, args []any) (any, error) {
	var first float64
	for i, a := range args {
		if a == nil && i > 0 {
			continue
		}
		if a == nil {
			return int64(-1), nil
		}
		v, _, err := types.Float64.Convert(ctx, a)
		f, ok := v.(float64)
		if !ok {
			return nil, err
		}
		if i == 0 {
			first = f
		} else if f > first {
			return int64(i - 1), nil
		}
	}
	return int64(len(args) - 1), nil
}

// matchedMax is how many columns a FULLTEXT index has.
const matchedMax = 16

// definesTable reports whether the statement is a CREATE TABLE or ALTER TABLE.
func (r *marking) definesTable() bool {
	return (r.first[0] == "create" || r.first[0] == "alter") && (r.first[1] == "table" || r.first[1] == "temporary")
}
