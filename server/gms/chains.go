package gms

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// chainMark is a comment in the parentheses that chained puts.
const chainMark = "/*_chain*/"

// comparisonSigns are the operators that are evaluated from the left to the right.
var comparisonSigns = []string{"=", "<", ">", "<=", ">=", "<>", "!=", "<=>"}

// beforeOperand are the words behind which the left side of a comparison begins.
var beforeOperand = map[string]bool{
	"select": true, "distinct": true, "distinctrow": true, "all": true, "sql_no_cache": true, "sql_calc_found_rows": true, "where": true, "and": true,
	"or": true, "xor": true, "not": true, "on": true, "having": true, "when": true, "then": true, "else": true, "case": true, "by": true, "if": true,
	"elseif": true, "while": true, "until": true, "return": true, "values": true, "set": true, "update": true, "limit": true, "default": true, "do": true,
}

// chained returns a text with parentheses around the left sides of comparisons that follow another, `(2 > 1) > 0`, which the
// planner's grammar does not have in a row. Texts without such are returned as they are.
func chained(q string) string {
	type group struct {
		start       int  // of the left side
		compared    bool // it has a comparison
		assigns     bool // the next = assigns
		assignments bool // in a list of them
	}
	type insertion struct {
		at   int
		text string
	}
	groups, found := []group{{}}, []insertion(nil)
	for at := 0; at < len(q); {
		word, end := syntax.NextWord(q, at)
		g := &groups[len(groups)-1]
		switch lower := strings.ToLower(word); {
		case word != " ":
			if beforeOperand[lower] {
				set := lower == "set" || lower == "update"
				*g = group{start: end, assigns: set, assignments: set || g.assignments && lower != "where" && lower != "limit"}
			}
		case q[at] == '(':
			groups = append(groups, group{start: end})
		case q[at] == ')':
			if len(groups) > 1 {
				groups = groups[:len(groups)-1]
			}
		case q[at] == ',' || q[at] == ';':
			*g = group{start: end, assigns: g.assignments && q[at] == ',', assignments: g.assignments && q[at] == ','}
		case strings.HasPrefix(q[at:], "||"), strings.HasPrefix(q[at:], "&&"), strings.HasPrefix(q[at:], ":="):
			end++
			*g = group{start: end, assignments: g.assignments}
		case strings.IndexByte("<>=!", q[at]) >= 0:
			for end < len(q) && strings.IndexByte("<>=!", q[end]) >= 0 {
				end++
			}
			switch sign := q[at:end]; {
			case !slices.Contains(comparisonSigns, sign), at > 0 && q[at-1] == '-':
			case g.assigns && sign == "=":
				*g = group{start: end, assignments: true}
			case g.compared:
				found = append(found, insertion{g.start, "(" + chainMark}, insertion{at, chainMark + ")"})
			default:
				g.compared = true
			}
		}
		at = end
	}
	slices.SortStableFunc(found, func(a, b insertion) int { return a.at - b.at })
	var out strings.Builder
	done := 0
	for _, f := range found {
		out.WriteString(q[done:f.at])
		out.WriteString(f.text)
		done = f.at
	}
	return out.String() + q[done:]
}

// unchain takes the parentheses out of the names of results, in place.
func unchain(stmt ast.Statement) error {
	marks := strings.NewReplacer("("+chainMark, "", chainMark+")", "", chainMark, "")
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if e, ok := n.(*ast.AliasedExpr); ok {
			e.InputExpression = strings.TrimSpace(marks.Replace(e.InputExpression))
		}
		return nil, true, nil
	})
}

// emptyAggregate is a call of an aggregate that needs an argument without one.
var emptyAggregate = regexp.MustCompile(`^(?i:count|group_concat)\(\s*\)`)

func emptyParentheses(q string) bool {
	for {
		i := strings.IndexByte(q, '(')
		if i < 0 {
			return false
		}
		if q = strings.TrimLeft(q[i+1:], " \t\r\n"); strings.HasPrefix(q, ")") {
			return true
		}
	}
}

// emptyAggregates returns the syntax error of COUNT() and GROUP_CONCAT(), which the planner's grammar has.
func emptyAggregates(q string) error {
	if !emptyParentheses(q) {
		return nil
	}
	last := ""
	for at := 0; at < len(q); {
		word, end := syntax.NextWord(q, at)
		if end < len(q) && q[end] == '(' && last != "." {
			if loc := emptyAggregate.FindStringIndex(q[at:]); loc != nil {
				return syntax.Error(q, at+loc[1]-1)
			}
		}
		if word != "" {
			last = q[at:end]
		}
		at = end
	}
	return nil
}
