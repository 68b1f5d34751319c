package rewrite

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// sides are the words that stand before a side of a set operation.
var sides = map[string]bool{"union": true, "intersect": true, "except": true, "all": true, "distinct": true}

// query looks at a token that begins a query expression which the grammar does not take
// where it is: VALUES as a side of a set operation, a query in parentheses with ORDER BY or
// LIMIT behind it. They become derived tables.
func (r *Marking) query(token string, at int) {
	switch {
	case token == "inner" && r.before[0].text == "natural":
		r.Put(at, r.end, "")
	case token == "values":
		end, ok := r.rows()
		if next, _ := r.follows(end); ok && (sides[r.before[0].text] || sides[next] || r.before[0].text == "(" && !tables[r.before[1].text]) {
			r.Put(at, r.end, "select * from (values")
			r.Closing[end] = ") `" + Derived + "`"
		}
	case token == "(":
		r.undouble(at)
		if !r.Opened && !r.begins() {
			return
		}
		if next, _ := r.follows(r.end); next != "(" && next != "select" && next != "with" && next != "table" && next != "values" {
			r.Opened = false
			return
		}
		end := r.closed(at)
		switch next := r.behind(end); {
		case next == "" || next == ";", (next == "order" || next == "limit") && plainQuery(r.Q[r.end:end-1]):
			r.Put(at, r.end, " ")
			r.drop(end - 1)
			r.depth--
		case next == "order" || next == "limit":
			r.Put(at, r.end, "select * from (")
			r.Closing[end] = " `" + Derived + "`"
		}
	default:
		r.Opened = token == ";"
	}
}

// drop leaves a parenthesis out that follows.
func (r *Marking) drop(at int) {
	if r.clauses == nil {
		r.clauses = map[int]replacement{}
	}
	r.clauses[at] = replacement{at + 1, " "}
}

// behind returns the token behind a position that is no parenthesis which is dropped.
func (r *Marking) behind(at int) string {
	for {
		token, end := r.follows(at)
		if _, dropped := r.clauses[end-1]; token != ")" || !dropped {
			return token
		}
		at = end
	}
}

// begins reports whether a parenthesis is the one that the query of a WITH or an EXPLAIN begins with.
func (r *Marking) begins() bool {
	last := r.before[0].text
	switch r.first[0] {
	case "with":
		return last == ")" && r.depth == 1
	case "explain", "describe", "desc":
		return r.depth == 1 && (last == r.first[0] || last == "analyze" || last == "tree" || last == "json" || last == "traditional")
	}
	return false
}

// beforeQuery are the words before the parenthesis of a query.
var beforeQuery = map[string]bool{
	"": true, ";": true, "(": true, "in": true, "exists": true, "any": true, "some": true, "all": true, "from": true, "join": true, "union": true, "intersect": true,
	"except": true, "as": true, "select": true, "=": true, "<": true, ">": true,
}

// undouble drops the pairs of parentheses that have nothing around them but the one that is opened, if a query is in them.
func (r *Marking) undouble(at int) {
	last := r.before[0].text
	if last == "(" && r.before[1].text == "(" { // the one before has looked
		return
	}
	if !beforeQuery[last] || last == "as" && (r.first[1] == "table" || r.first[2] == "table") {
		return
	}
	word, end := "(", r.end
	for word == "(" {
		word, end = r.follows(end)
	}
	if word != "select" && word != "with" && word != "table" {
		return
	}
	for {
		next, end := r.follows(at + 1)
		closed := r.closed(end - 1)
		if after, behind := r.follows(closed); next != "(" || after != ")" || behind != r.closed(at) {
			return
		}
		r.drop(end - 1)
		r.drop(closed - 1)
		at = end - 1
	}
}

// plainQuery reports whether a query has no clauses at its end that stand behind its parentheses, too.
func plainQuery(text string) bool {
	depth := 0
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		switch {
		case word == " " && text[at] == '(':
			depth++
		case word == " " && text[at] == ')':
			depth--
		case depth == 0 && slices.ContainsFunc([]string{"order", "limit", "into", "for", "lock"}, func(w string) bool { return strings.EqualFold(w, word) }):
			return false
		}
		at = end
	}
	return true
}

// tables are the words before the parenthesis of a derived table.
var tables = map[string]bool{"from": true, "join": true, "lateral": true}

// rows returns where the list of a VALUES ROW(…), … ends; ok is false if it is another VALUES.
func (r *Marking) rows() (end int, ok bool) {
	for end = r.end; ; {
		word, behind := r.follows(end)
		if word != "row" {
			return end, false
		}
		if word, behind = r.follows(behind); word != "(" {
			return end, false
		}
		end = r.closed(behind - 1)
		if word, behind = r.follows(end); word != "," {
			return end, true
		}
		end = behind
	}
}

// closed returns where what a parenthesis opens ends.
func (r *Marking) closed(at int) int {
	if r.pairs == nil {
		r.pairs = map[int]int{}
		var open []int
		for at := 0; at < len(r.Q); {
			word, end := syntax.NextWord(r.Q, at)
			if word == " " && end == at+1 {
				switch r.Q[at] {
				case '(':
					open = append(open, at)
				case ')':
					if len(open) > 0 {
						r.pairs[open[len(open)-1]] = end
						open = open[:len(open)-1]
					}
				}
			}
			at = end
		}
	}
	if end, ok := r.pairs[at]; ok {
		return end
	}
	return len(r.Q)
}

// Derived is the name of the derived tables that this package makes.
const Derived = "__query"

// IntersectLimit and ExceptLimit are LIMITs, which no statement has, of UNIONs that stand for other operations.
const (
	IntersectLimit = -1
	ExceptLimit    = -2
)

var otherOperations = map[string]int64{ast.IntersectStr: IntersectLimit, ast.ExceptStr: ExceptLimit}

// SetOperations makes derived tables of the sides of set operations that have an ORDER BY or
// a LIMIT of their own, which the planner takes for the whole's, and of set operations that
// are ordered by the number of a column: the planner takes the value that the first row has
// in it, if that is a constant. INTERSECT and EXCEPT beside a WITH RECURSIVE are UNIONs with a LIMIT
// that says what they are (see planrule.OtherSetOperations): the planner refuses all that read what that has.
func SetOperations(query string, stmt *ast.Statement) error {
	if !syntax.ContainsFold(query, "union") && !syntax.ContainsFold(query, "except") && !syntax.ContainsFold(query, "intersect") {
		return nil
	}
	recursive := map[ast.SelectStatement]bool{}
	explained := false // only how it is executed is shown
	recurs := syntax.ContainsFold(query, "recursive")
	return syntax.ReplaceNodes(reflect.ValueOf(stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.Explain:
			explained = !n.Analyze
		case *ast.SetOp:
			for i, o := range n.OrderBy {
				if Groups(o.Expr) {
					return nil, false, mysql.NewSQLError(3028, "HY000", "Expression #%d of ORDER BY contains aggregate function and applies to a UNION", i+1)
				}
			}
			n.Left, n.Right = side(n.Left), side(n.Right)
			counted := n.Limit != nil && countsRows(n.Left)
			limit, other := otherOperations[strings.Fields(n.Type)[0]]
			other = other && recurs
			if err := withOffsets(n.With, recursive, n.Left, n.Right); err != nil || !other && (recursive[n] || explained || !ordinals(n.OrderBy) && !counted) {
				return nil, true, err
			}
			s := &ast.Select{
				QueryOpts: ast.QueryOpts{SQLCalcFoundRows: counted}, SelectExprs: ast.SelectExprs{&ast.StarExpr{}}, From: ast.TableExprs{derivedTable(n, Derived)},
				With: n.With, OrderBy: n.OrderBy, Limit: n.Limit, Into: n.Into,
			}
			n.With, n.OrderBy, n.Limit, n.Into = nil, nil, nil, nil
			if other {
				_, all := strings.CutSuffix(n.Type, " all")
				n.Type = map[bool]string{false: ast.UnionStr, true: ast.UnionAllStr}[all]
				n.Limit = &ast.Limit{Rowcount: intVal(limit)}
			}
			return s, true, nil
		case *ast.Select:
			return nil, true, withOffsets(n.With, recursive, n.From, n.SelectExprs, n.Where)
		}
		return nil, true, nil
	})
}

// countsRows reports whether the first side of a set operation has SQL_CALC_FOUND_ROWS, and takes it away: it is of the whole.
func countsRows(s ast.SelectStatement) bool {
	switch s := s.(type) {
	case *ast.ParenSelect:
		return countsRows(s.Select)
	case *ast.SetOp:
		return countsRows(s.Left)
	case *ast.Select:
		counts := s.QueryOpts.SQLCalcFoundRows
		s.QueryOpts.SQLCalcFoundRows = false
		return counts
	}
	return false
}

// ordinals reports whether a column is named by its number.
func ordinals(list ast.OrderBy) bool {
	return slices.ContainsFunc(list, func(o *ast.Order) bool {
		_, ok := integerOf(o.Expr)
		return ok
	})
}

// side returns a side of a set operation as the planner is to have it.
func side(s ast.SelectStatement) ast.SelectStatement {
	p, ok := s.(*ast.ParenSelect)
	if !ok {
		return s
	}
	switch q := p.Select.(type) {
	case *ast.ParenSelect:
		return side(q)
	case *ast.SetOp:
		if q.Limit != nil || q.With != nil {
			return &ast.ParenSelect{Select: &ast.Select{SelectExprs: ast.SelectExprs{&ast.StarExpr{}}, From: ast.TableExprs{derivedTable(q, Derived)}}}
		}
		q.OrderBy = nil // of no use
	}
	return s
}

func derivedTable(q ast.SelectStatement, name string) *ast.AliasedTableExpr {
	return &ast.AliasedTableExpr{Auth: Open, As: ast.NewTableIdent(name), Expr: &ast.Subquery{Select: q}}
}

// withOffsets gives the OFFSET of a WITH RECURSIVE's UNION, which the planner forgets, to those
// who read it: parts are where they are. It notes the queries of the WITH RECURSIVE.
func withOffsets(with *ast.With, recursive map[ast.SelectStatement]bool, parts ...any) error {
	if with == nil || !with.Recursive {
		return nil
	}
	for i, cte := range with.Ctes {
		t, ok := cte.AliasedTableExpr.Expr.(*ast.Subquery)
		if !ok {
			continue
		}
		recursive[t.Select] = true
		u, ok := t.Select.(*ast.SetOp)
		if ok {
			namedOrder(u, cte.Columns)
		}
		if !ok || u.Limit == nil || u.Limit.Offset == nil {
			continue
		}
		offset, ok := integerOf(u.Limit.Offset)
		count, both := integerOf(u.Limit.Rowcount)
		if !ok || !both {
			return value.ErrNotSupported("OFFSET ? in WITH RECURSIVE")
		}
		u.Limit = &ast.Limit{Rowcount: intVal(count + min(offset, math.MaxInt64-count))}
		name := cte.AliasedTableExpr.As.String()
		for _, later := range with.Ctes[i+1:] {
			parts = append(parts, later)
		}
		for _, part := range parts {
			if err := syntax.ReplaceNodes(reflect.ValueOf(&part), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
				a, ok := n.(*ast.AliasedTableExpr)
				if !ok {
					return nil, true, nil
				}
				from, ok := a.Expr.(ast.TableName)
				if !ok || !from.DbQualifier.IsEmpty() || !strings.EqualFold(from.Name.String(), name) {
					return nil, true, nil
				}
				as := name
				if !a.As.IsEmpty() {
					as = a.As.String()
				}
				inner := &ast.Select{
					SelectExprs: ast.SelectExprs{&ast.StarExpr{}}, From: ast.TableExprs{&ast.AliasedTableExpr{Expr: from, Auth: a.Auth}},
					Limit: &ast.Limit{Rowcount: intVal(math.MaxInt64), Offset: intVal(offset)},
				}
				return derivedTable(inner, as), false, nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// namedOrder has the ORDER BY of a WITH RECURSIVE name the columns that it has by number, which are not the planner's.
func namedOrder(u *ast.SetOp, columns ast.Columns) {
	var names []string
	for _, c := range columns {
		names = append(names, c.String())
	}
	if names == nil {
		names = SelectedNames(u)
	}
	for _, o := range u.OrderBy {
		if n, ok := integerOf(o.Expr); ok && 1 <= n && n <= int64(len(names)) {
			o.Expr = &ast.ColName{Name: ast.NewColIdent(names[n-1])}
		}
	}
}

// integerOf returns the value of a literal integer.
func integerOf(e ast.Expr) (int64, bool) {
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.IntVal {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.Val), 10, 64)
	return n, err == nil
}

func intVal(n int64) *ast.SQLVal { return ast.NewIntVal(strconv.AppendInt(nil, n, 10)) }

// SelectedNames returns the names of a query's columns, nil if there is a * among them.
func SelectedNames(q ast.SelectStatement) (names []string) {
	switch q := q.(type) {
	case *ast.ParenSelect:
		return SelectedNames(q.Select)
	case *ast.SetOp:
		return SelectedNames(q.Left)
	case *ast.Select:
		for _, e := range q.SelectExprs {
			a, ok := e.(*ast.AliasedExpr)
			if !ok {
				return nil
			}
			names = append(names, SelectedName(a))
		}
	}
	return names
}

// Open is the authorization of what everybody may do.
var Open = ast.AuthInformation{AuthType: ast.AuthType_IGNORE, TargetType: ast.AuthTargetType_Ignore}
