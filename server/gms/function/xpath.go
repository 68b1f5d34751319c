package function

import (
	"math"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// xpathNode is a node in a set: its number in the document, its place in the set that a step has found from one node, and how many
// nodes there are if it stands for one of them in a condition.
type xpathNode struct{ number, place, size int }

// xpath evaluates an expression of MySQL's part of XPath 1.0 on a document while it reads it. A value is a []xpathNode, a float64,
// an int64, a bool, a string or nil, a variable's NULL.
type xpath struct {
	ctx     *sql.Context
	text    sql.StringType // by which texts are compared
	query   string
	at      int         // behind the token
	token   string      // "": the end
	kind    byte        // 'n' of a name, '0' of a number, 's' of a text, ' ' of a sign
	from    int         // of the token
	nodes   []xmlNode   // of the document
	context []xpathNode // of the condition, or the document
	inside  bool        // in a condition
	depth   int         // of the parts that are being read
	err     error
}

// xpathDepth is how deep the parts of an expression may be nested.
const xpathDepth = 1000

// evaluateXPath returns the value of an expression, or MySQL's error.
func evaluateXPath(ctx *sql.Context, query string, nodes []xmlNode, collation sql.CollationID) (any, error) {
	x := &xpath{ctx: ctx, text: types.CreateLongText(collation), query: query, nodes: nodes, context: []xpathNode{{}}}
	x.next()
	v := x.or()
	if x.err == nil && x.token != "" {
		x.wrong()
	}
	return v, x.err
}

// wrong notes the error of the token.
func (x *xpath) wrong() { x.fail("XPATH syntax error: '%s'", x.from) }

func (x *xpath) fail(format string, from int) {
	if x.err == nil {
		rest := []rune(x.query[from:])
		x.err = mysql.NewSQLError(1105, "HY000", format, string(rest[:min(len(rest), 32)]))
	}
	x.token, x.kind, x.at = "", ' ', len(x.query)
}

// next reads a token.
func (x *xpath) next() {
	for x.at < len(x.query) && strings.IndexByte(" \t\r\n", x.query[x.at]) >= 0 {
		x.at++
	}
	x.from = x.at
	rest := x.query[x.at:]
	end := 1
	switch {
	case rest == "":
		x.token, x.kind = "", ' '
		return
	case xmlNameStart(rest[0]) && rest[0] != ':':
		for end < len(rest) && xmlNamePart(rest[end]) && (rest[end] != ':' || !strings.HasPrefix(rest[end:], "::") && rest[end-1] != ':') {
			end++
		}
		x.kind = 'n'
	case rest[0] >= '0' && rest[0] <= '9':
		for end < len(rest) && (rest[end] >= '0' && rest[end] <= '9' || rest[end] == '.') {
			end++
		}
		x.kind = '0'
	case rest[0] == '"' || rest[0] == '\'':
		close := strings.IndexByte(rest[1:], rest[0])
		if close < 0 {
			x.wrong()
			return
		}
		x.token, x.kind, x.at = rest[1:close+1], 's', x.at+close+2
		return
	default:
		for _, sign := range []string{"//", "..", "::", "!=", "<=", ">="} {
			if strings.HasPrefix(rest, sign) {
				end = 2
			}
		}
		x.kind = ' '
	}
	x.token, x.at = rest[:end], x.at+end
}

// accept reads a sign or an operator's name if it is the token.
func (x *xpath) accept(token string) bool {
	if x.kind == 's' || x.token != token || token == "" {
		return false
	}
	x.next()
	return true
}

func (x *xpath) expect(token string) {
	if !x.accept(token) {
		x.wrong()
	}
}

// followed reports whether a sign follows the token.
func (x *xpath) followed(sign string) bool {
	return strings.HasPrefix(strings.TrimLeft(x.query[x.at:], " \t\r\n"), sign)
}

func (x *xpath) or() any {
	v := x.and()
	for x.accept("or") {
		a, b := x.truth(v), x.truth(x.and())
		v = a || b
	}
	return v
}

func (x *xpath) and() any {
	v := x.equality()
	for x.accept("and") {
		a, b := x.truth(v), x.truth(x.equality())
		v = a && b
	}
	return v
}

func (x *xpath) equality() any {
	return x.comparisons(func() any {
		return x.comparisons(x.sum, "<=", ">=", "<", ">")
	}, "=", "!=")
}

// comparisons reads operands with comparisons between them.
func (x *xpath) comparisons(operand func() any, operators ...string) any {
	v := operand()
	for slices.Contains(operators, x.token) && x.kind == ' ' {
		operator, from := x.token, x.from
		x.next()
		w := operand()
		a, set := v.([]xpathNode)
		b, also := w.([]xpathNode)
		switch {
		case set && also:
			x.fail("XPATH error: comparison of two nodesets is not supported: '%s'", from)
		case set:
			v = slices.ContainsFunc(x.texts(a), func(t string) bool { return x.compares(operator, t, w) })
		case also:
			v = slices.ContainsFunc(x.texts(b), func(t string) bool { return x.compares(operator, v, t) })
		default:
			v = x.compares(operator, v, w)
		}
	}
	return v
}

// compares compares two values that are no sets: texts by their collation, others as numbers.
func (x *xpath) compares(operator string, v, w any) bool {
	order := 0
	a, text := v.(string)
	b, also := w.(string)
	if text && also {
		order, _ = x.text.Compare(x.ctx, a, b)
	} else {
		switch d := x.number(v) - x.number(w); {
		case d < 0:
			order = -1
		case d > 0:
			order = 1
		}
	}
	switch operator {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (x *xpath) sum() any {
	v := x.product()
	for x.token == "+" || x.token == "-" {
		sign := x.token
		x.next()
		w := x.product()
		a, b := x.number(v), x.number(w)
		if v = a + b; sign == "-" {
			v = a - b
		}
	}
	return v
}

func (x *xpath) product() any {
	v := x.negative()
	for {
		operator := x.token
		if x.kind == 's' || !x.accept("*") && !x.accept("div") && !x.accept("mod") {
			return v
		}
		a, b := x.number(v), x.number(x.negative())
		switch operator {
		case "*":
			v = a * b
		case "div":
			v = a / b
		default:
			v = math.Mod(a, b)
		}
	}
}

func (x *xpath) negative() any {
	if x.depth++; x.depth > xpathDepth {
		x.wrong()
		return nil
	}
	defer func() { x.depth-- }()
	if x.kind == ' ' && x.accept("-") {
		return -x.number(x.negative())
	}
	v := x.path()
	for x.kind == ' ' && x.accept("|") {
		a, set := v.([]xpathNode)
		b, also := x.path().([]xpathNode)
		if !set || !also {
			x.wrong()
		}
		v = x.inOrder(append(slices.Clone(a), b...))
	}
	return v
}

// texts returns the texts of the nodes of a set, in the order of the document.
func (x *xpath) texts(set []xpathNode) []string {
	var found []int
	for _, n := range set {
		for i := n.number + 1; x.below(i, n.number); i++ {
			if x.nodes[i].kind == xmlText && x.nodes[i].parent == n.number {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	out := make([]string, len(found))
	for i, n := range found {
		out[i] = x.nodes[n].text
	}
	return out
}

// string returns a value as a text: of a set its texts.
func (x *xpath) string(v any) string {
	switch v := v.(type) {
	case []xpathNode:
		return strings.Join(x.texts(v), " ")
	case nil:
		return ""
	case string:
		return v
	case bool:
		return map[bool]string{false: "0", true: "1"}[v]
	}
	text, err := value.TextOf(x.ctx, v)
	if err != nil && x.err == nil {
		x.err = err
	}
	return text
}

func (x *xpath) number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case bool:
		if v {
			return 1
		}
		return 0
	}
	f, _, _ := types.Float64.Convert(x.ctx, x.string(v))
	n, _ := f.(float64)
	return n
}

func (x *xpath) truth(v any) bool {
	if set, ok := v.([]xpathNode); ok {
		return len(set) > 0
	}
	return x.number(v) != 0
}

// variable reads a user variable.
func (x *xpath) variable() any {
	from := x.from
	x.next()
	if !x.accept("@") || x.kind != 'n' {
		x.fail("Unknown XPATH variable at: '%s'", from)
		return ""
	}
	_, v, err := x.ctx.GetUserVariable(x.ctx, x.token)
	if err != nil && x.err == nil {
		x.err = err
	}
	x.next()
	switch v := v.(type) {
	case nil, int64, float64, string:
		return v
	default:
		return x.string(v)
	}
}
