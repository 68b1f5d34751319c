package rewrite

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// notAlias are the words that follow the table of a DELETE that has no alias.
var notAlias = map[string]bool{
	"where": true, "order": true, "limit": true, "using": true, "partition": true, "join": true, "inner": true, "left": true, "right": true,
	"cross": true, "natural": true, "straight_join": true, "returning": true, "for": true, "use": true, "force": true, "ignore": true,
}

// deleteWords may stand between DELETE and FROM.
var deleteWords = map[string]bool{"low_priority": true, "quick": true, "ignore": true}

// form looks at words that the planner's grammar has in other forms only.
func (r *Marking) form(token string, at int) {
	last := r.before[0].text
	next, end := r.follows(r.end)
	for n := len(r.parts); n > 0 && (r.parts[n-1] > r.depth && token == ")" || token == ";"); n-- {
		r.parts = r.parts[:n-1]
	}
	switch {
	case (token == "leading" || token == "trailing" || token == "both") && last == "(" && r.before[1].text == "trim" && next == "from":
		r.Put(r.end, r.end, " ' '")
	case token == "-" && r.end+1 < len(r.Q) && r.Q[r.end] == '-' && r.Q[r.end+1] > ' ' && strings.TrimSpace(r.Q[r.end+1:]) != "-":
		r.Put(at, r.end, "- ") // no comment
	case len(token) > 19 && beyondIntegers(token) && last != "." && last != "limit" && last != "offset" && (r.end == len(r.Q) || r.Q[r.end] != '.'):
		r.Put(r.end, r.end, ".") // it is a DECIMAL
	case (token == "substring" || token == "substr" || token == "mid") && next == "(":
		r.parts = append(r.parts, r.depth+1)
	case (token == "from" || token == "for") && len(r.parts) > 0 && r.parts[len(r.parts)-1] == r.depth:
		r.Put(at, r.end, ",") // the grammar has SUBSTRING(text FROM start FOR length) of columns and texts only
	case strings.HasPrefix(token, "sql_tsi_") && last == "(":
		r.Put(at, at+len("sql_tsi_"), "")
	case token == "engine" && r.definesTable() && r.depth == 0 && !r.reading:
		if next == "=" {
			next, end = r.follows(end)
		}
		if behind, _ := r.follows(end); r.first[0] == "create" && (behind == "as" || behind == "select") {
			r.Put(at, end, "") // the grammar has no query there
		} else if next == "'" || next == `"` {
			from := r.end + strings.Index(r.Q[r.end:end], next)
			r.Put(from, end, " "+r.Q[from+1:end-1]) // the grammar has names only
			r.end = end
		}
	case token == "precision" && last == "double":
		r.Put(at, r.end, "") // what is noted of a DOUBLE goes by the one word
	case token == "using" && (next == "btree" || next == "hash") && r.definesTable():
		if word, open := r.follows(end); word == "(" {
			r.Put(at, end, "")
			r.Closing[r.closed(open-1)] = " using " + next // the grammar has it behind the columns
		}
	case token == "match" && (next == "full" || next == "simple" || next == "partial") && r.definesTable():
		r.Put(at, end, "") // of a foreign key; InnoDB has MATCH SIMPLE only
	case token == "match" && next != "(" && next != "":
		behind := r.end
		for at, tokens := r.end, 0; at < len(r.Q) && tokens < 8*matchedMax; tokens++ {
			word, end := syntax.NextWord(r.Q, at)
			if word == " " && (r.Q[at] == '(' || r.Q[at] == ')' || r.Q[at] == ';') {
				break
			}
			if strings.EqualFold(word, "against") {
				r.Put(r.end, r.end, " (") // the grammar has no list without parentheses
				r.Closing[behind] = ") "
				break
			}
			if at = end; word != "" {
				behind = end
			}
		}
	case token == "unknown" && (last == "is" || last == "not" && r.before[1].text == "is"):
		r.Put(at, r.end, "null")
	case token == "cast" && next == "(":
		r.arrayCast(at, end-1)
	case token == "json_value" && next == "(":
		r.jsonValue(end - 1)
	case token == "interval" && next == "(" && r.several(end-1):
		r.Put(at, r.end, expr.IntervalFunction)
	case token == "row" && next == "(":
		if last == "values" {
			r.rowsAt = r.depth + 1
		} else if last != "," || r.rowsAt != r.depth+1 {
			r.Put(at, r.end, "")
		}
	case token == ")" && r.rowsAt > r.depth+1, token == ";":
		r.rowsAt = 0
	case token == "from" && r.first[0] == "delete" && r.depth == 0 && (last == "delete" || deleteWords[last]) && r.alias == "":
		r.deleted()
	case r.alias != "" && next == "." && (token == r.alias || token == "`" && strings.ToLower(syntax.Unescaped(r.Q[at:r.end], true)) == r.alias):
		r.Put(at, r.end, r.aliased)
	case token == "set" && (r.first[0] == "insert" || r.first[0] == "replace") && !r.reading:
		r.inserted(at)
	}
}

// beyondIntegers reports whether a word is a number that is too large for a BIGINT UNSIGNED.
func beyondIntegers(word string) bool {
	_, err := strconv.ParseUint(word, 10, 64)
	return errors.Is(err, strconv.ErrRange) && strings.Trim(word, "0123456789") == ""
}

// HighNot gives the NOTs of a statement the precedence of !, in place (sql_mode HIGH_NOT_PRECEDENCE).
func HighNot(stmt ast.Statement) error {
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
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
func (r *Marking) ordered(at int) {
	for r.end < len(r.Q) && r.Q[r.end] != ';' {
		_, r.end = syntax.NextWord(r.Q, r.end)
	}
	r.Put(at, r.end, "engine = InnoDB")
}

// keepEscapes keeps the backslashes of \% and \_ in a text, which are part of it and which the planner's
// grammar drops.
func (r *Marking) keepEscapes(at int) {
	text := r.Q[at:r.end]
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
	r.Put(at, r.end, out.String())
}

// several reports whether there is a comma in the parentheses at a position.
func (r *Marking) several(at int) bool {
	depth := 0
	for end := r.closed(at); at < end; {
		word, next := syntax.NextWord(r.Q, at)
		if word == " " {
			switch r.Q[at] {
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
func (r *Marking) deleted() {
	l := syntax.NewLexer(r.Q[r.end:])
	from := l.Start
	if _, ok := l.Name(); !ok {
		return
	}
	if l.Accept(".") {
		from = l.Start
		if _, ok := l.Name(); !ok {
			return
		}
	}
	table := strings.TrimSpace(l.Q[from:l.Start])
	begin := l.Start
	as := l.Accept("as")
	if !as && l.Kind == 'w' && notAlias[strings.ToLower(l.Text)] {
		return
	}
	alias, ok := l.Name()
	if !ok {
		return
	}
	alias = strings.ToLower(alias)
	if l.Kind != 0 && l.Text != ";" && !notAlias[strings.ToLower(l.Text)] {
		return
	}
	r.alias, r.aliased = alias, table
	offset := r.end
	r.end = offset + begin
	r.Put(offset+begin, offset+l.Start, "")
}

// inserted makes INSERT … SET a = b, … AS alias an INSERT … (a, …) VALUES (b, …) AS alias,
// which the grammar has.
func (r *Marking) inserted(at int) {
	var names, values []string
	begin, value := r.end, -1
	depth := 0
	for p := r.end; p < len(r.Q); {
		word, end := syntax.NextWord(r.Q, p)
		sign := word == " "
		switch {
		case sign && r.Q[p] == '(':
			depth++
		case sign && r.Q[p] == ')':
			depth--
		case depth > 0:
		case sign && r.Q[p] == '=' && value < 0:
			names, value = append(names, r.Q[begin:p]), p+1
		case sign && r.Q[p] == ',' && value >= 0:
			values, begin, value = append(values, r.Q[value:p]), p+1, -1
		case sign && r.Q[p] == ';', strings.EqualFold(word, "on"):
			return
		case strings.EqualFold(word, "as") && value >= 0:
			values = append(values, r.Q[value:p])
			r.Put(at, p, "("+strings.Join(names, ",")+") values ("+strings.Join(values, ",")+") ")
			return
		}
		p = end
	}
}

// orderOfDistinct is the order in which GROUP_CONCAT(DISTINCT …) has its values in MySQL: that of the values, nil if they cannot
// be made twice.
func orderOfDistinct(exprs ast.SelectExprs) (order ast.OrderBy) {
	for _, e := range exprs {
		a, ok := e.(*ast.AliasedExpr)
		if !ok {
			return nil
		}
		if _, literal := a.Expr.(*ast.SQLVal); literal {
			continue
		}
		twice := true
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			switch n.(type) {
			case *ast.Subquery, *ast.AssignmentExpr:
				twice = false
			}
			return twice, nil
		}, a.Expr)
		if !twice {
			return nil
		}
		order = append(order, &ast.Order{Expr: Cloned(a.Expr), Direction: ast.AscScr})
	}
	return order
}

// FunctionCalls completes calls of functions, in place: those that the planner has otherwise in mind
// become ones of others. GROUP_CONCAT of several expressions is one of their concatenation, and is ordered by an argument where
// it has its number and by its arguments where it is DISTINCT, INSTR is LOCATE, EXTRACT of one unit is the function of that name, TIMESTAMPADD is DATE_ADD.
func FunctionCalls(stmt ast.Statement) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.GroupConcatExpr:
			for _, o := range n.OrderBy { // by the number of an argument
				if v, ok := o.Expr.(*ast.SQLVal); ok && v.Type == ast.IntVal {
					if at, err := strconv.Atoi(string(v.Val)); err == nil && at >= 1 && at <= len(n.Exprs) {
						if a, ok := n.Exprs[at-1].(*ast.AliasedExpr); ok {
							o.Expr = Cloned(a.Expr)
						}
					}
				}
			}
			if n.Distinct != "" && len(n.OrderBy) == 0 {
				n.OrderBy = orderOfDistinct(n.Exprs)
			}
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
				return syntax.Call(unit, n.Expr), true, nil
			default:
				return syntax.Call(function.ExtractFunction, ast.NewStrVal([]byte(unit)), n.Expr), true, nil
			}
		case *ast.SubstrExpr:
			args := []ast.Expr{n.Name, n.From}
			if n.To != nil {
				args = append(args, n.To)
			}
			if n.StrVal != nil {
				args[0] = n.StrVal
			}
			return syntax.Call("substring", args...), true, nil
		case *ast.TrimExpr:
			return syntax.Call(expr.TrimFunctions[strings.ToLower(n.Dir)], n.Str, n.Pattern), true, nil
		case *ast.CharExpr:
			return charForm(n), true, nil
		case *ast.TimestampFuncExpr:
			if n.Name == "timestampadd" {
				return syntax.Call("date_add", n.Expr2, &ast.IntervalExpr{Expr: n.Expr1, Unit: n.Unit}), true, nil
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
	case len(n.Exprs) > 1 && expr.UnitLength(strings.ToLower(n.Type)) > 1:
		text := &ast.FuncExpr{Name: ast.NewColIdent("concat")}
		for _, e := range n.Exprs {
			text.Exprs = append(text.Exprs, &ast.AliasedExpr{Expr: charForm(&ast.CharExpr{Exprs: ast.SelectExprs{e}, Type: n.Type})})
		}
		return text
	}
	return &ast.ConvertUsingExpr{Expr: char, Type: n.Type}
}

// matchedMax is how many columns a FULLTEXT index has.
const matchedMax = 16

// definesTable reports whether the statement is a CREATE TABLE or ALTER TABLE.
func (r *Marking) definesTable() bool {
	return (r.first[0] == "create" || r.first[0] == "alter") && (r.first[1] == "table" || r.first[1] == "temporary")
}

// addedColumns makes ALTER TABLE … ADD [COLUMN] (a, b) an ADD a, ADD b, which the grammar has. The token is ADD.
func (r *Marking) addedColumns() {
	next, end := r.follows(r.end)
	if next == "column" {
		next, end = r.follows(end)
	}
	if next != "(" {
		return
	}
	if r.clauses == nil {
		r.clauses = map[int]replacement{}
	}
	r.clauses[end-1] = replacement{end: end}
	closed := r.closed(end - 1)
	r.clauses[closed-1] = replacement{end: closed}
	for depth := 0; end < closed; {
		word, behind := syntax.NextWord(r.Q, end)
		if word == " " {
			switch r.Q[end] {
			case '(':
				depth++
			case ')':
				depth--
			case ',':
				if depth == 0 {
					r.clauses[end] = replacement{behind, ", add "}
				}
			}
		}
		end = behind
	}
}

// IgnoreMark is a comment in the place of the IGNORE of a DELETE, which the grammar lacks.
const IgnoreMark = "/*_ignore*/"

// jsonValue makes arguments of the clauses of a JSON_VALUE whose parenthesis is at a position: the
// type, what is done if nothing is found and on an error, and their defaults.
func (r *Marking) jsonValue(at int) {
	end := r.closed(at) - 1
	depth, commas := 0, 0
	for p := at; p < end; {
		word, next := syntax.NextWord(r.Q, p)
		switch {
		case word == " " && r.Q[p] == '(':
			depth++
		case word == " " && r.Q[p] == ')':
			depth--
		case word == " " && r.Q[p] == ',' && depth == 1:
			commas++
		case depth == 1 && commas == 1 && (strings.EqualFold(word, "returning") || strings.EqualFold(word, "null") ||
			strings.EqualFold(word, "error") || strings.EqualFold(word, "default")):
			m := jsonValueClauses.FindStringSubmatch(r.Q[p:end])
			if m == nil || strings.ContainsAny(m[1], `'"`) {
				return
			}
			text := ", '" + m[1] + "'"
			for i := 2; i < len(m); i += 2 {
				kind, value, _ := strings.Cut(strings.ToLower(m[i]), " ")
				if value = m[i+1]; value == "" {
					value = "null"
				}
				text += ", '" + kind + "', " + value
			}
			if r.clauses == nil {
				r.clauses = map[int]replacement{}
			}
			if !strings.Contains(r.Q[p:end], "*/") {
				text = clausesMark + r.Q[p:end] + "*/" + text + clausesEnd
			}
			r.clauses[p] = replacement{end, text}
			return
		}
		p = next
	}
}
