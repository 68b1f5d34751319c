package gms

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// jsonLeg is a step of a JSON path.
type jsonLeg struct {
	kind byte // . a key, [ elements, * what is within at any depth
	all  bool // .* and [*]
	key  string
	from jsonIndex
	to   jsonIndex
}

// jsonIndex is an element's number, from the last one if it says so.
type jsonIndex struct {
	n    int
	last bool
}

func (i jsonIndex) of(length int) int {
	if i.last {
		return length - 1 - i.n
	}
	return i.n
}

// jsonPath is a path and whether it may find several values.
type jsonPath struct {
	legs []jsonLeg
	many bool
}

// parseJSONPath reads a path.
func parseJSONPath(text string) (p jsonPath, err error) {
	s := strings.TrimSpace(text)
	bad := func(rest string) (jsonPath, error) {
		return p, mysql.NewSQLError(3143, "42000", "Invalid JSON path expression. The error is around character position %d.", len(text)-len(rest))
	}
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return bad(s)
	}
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var l jsonLeg
		switch {
		case strings.HasPrefix(rest, "**"):
			l.kind, p.many, rest = '*', true, rest[2:]
			if rest == "" {
				return bad(rest)
			}
		case rest[0] == '.':
			l.kind, rest = '.', strings.TrimLeft(rest[1:], " ")
			end := strings.IndexAny(rest, ".[* ")
			if end < 0 {
				end = len(rest)
			}
			switch {
			case strings.HasPrefix(rest, "*"):
				l.all, p.many, end = true, true, 1
			case strings.HasPrefix(rest, `"`):
				q, err := strconv.QuotedPrefix(rest)
				if err != nil {
					return bad(rest)
				}
				if l.key, err = strconv.Unquote(q); err != nil {
					return bad(rest)
				}
				end = len(q)
			case end == 0:
				return bad(rest)
			default:
				l.key = rest[:end]
			}
			rest = rest[end:]
		case rest[0] == '[':
			inner, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return bad(rest)
			}
			l.kind = '['
			inner = strings.TrimSpace(inner)
			from, to, span := strings.Cut(inner, " to ")
			if !span {
				to = from
			}
			var ok2 bool
			l.from, ok = parseIndex(from)
			l.to, ok2 = parseIndex(to)
			l.all = inner == "*"
			if !l.all && (!ok || !ok2) || span && l.from.last == l.to.last && (l.from.n > l.to.n) != l.from.last && l.from.n != l.to.n {
				return bad(rest)
			}
			p.many = p.many || l.all || span
			rest = after
		default:
			return bad(rest)
		}
		p.legs = append(p.legs, l)
	}
	return p, nil
}

func parseIndex(text string) (i jsonIndex, ok bool) {
	text = strings.TrimSpace(text)
	if rest, last := strings.CutPrefix(text, "last"); last {
		i.last = true
		if rest = strings.TrimSpace(rest); rest == "" {
			return i, true
		}
		if text, ok = strings.CutPrefix(rest, "-"); !ok {
			return i, false
		}
		text = strings.TrimSpace(text)
	}
	n, err := strconv.ParseUint(text, 10, 31)
	i.n = int(n)
	return i, err == nil
}

// find returns the values that legs find in a document, in order.
func find(doc any, legs []jsonLeg) []any {
	if len(legs) == 0 {
		return []any{doc}
	}
	var out []any
	l, rest := legs[0], legs[1:]
	object, isObject := doc.(map[string]any)
	array, isArray := doc.([]any)
	keys := slices.SortedFunc(maps.Keys(object), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	switch {
	case l.kind == '*':
		out = append(out, find(doc, rest)...)
		for _, k := range keys {
			out = append(out, find(object[k], legs)...)
		}
		for _, v := range array {
			out = append(out, find(v, legs)...)
		}
	case l.kind == '.' && l.all && isObject:
		for _, k := range keys {
			out = append(out, find(object[k], rest)...)
		}
	case l.kind == '.':
		if v, ok := object[l.key]; ok {
			out = find(v, rest)
		}
	case l.all:
		for _, v := range array {
			out = append(out, find(v, rest)...)
		}
	default:
		if !isArray {
			array = []any{doc} // a scalar is an array of itself
		}
		for i := max(l.from.of(len(array)), 0); i <= min(l.to.of(len(array)), len(array)-1); i++ {
			if l.from == l.to && l.from.of(len(array)) < 0 {
				break
			}
			out = append(out, find(array[i], rest)...)
		}
	}
	return out
}

// countsElements reports whether a path has what the planner's paths lack: last and ranges.
func countsElements(path string) bool {
	return strings.Contains(path, "last") || strings.Contains(path, " to ")
}

// readsElements reports whether a path has what the planner's paths lack where a document is read: also the element 0 of
// what is no array, which is that itself.
func readsElements(path string) bool { return countsElements(path) || strings.Contains(path, "[0]") }

// jsonOf returns the document that the n-th argument of a function is.
func jsonOf(ctx *sql.Context, v any, n int, function string) (any, error) {
	if err := readable(v, types.LongText); err != nil {
		return nil, err
	}
	if text, ok := v.(string); ok {
		if doc, ok := exactText(text); ok {
			return rawJSON(ctx, doc)
		}
	}
	w, err := jsonDocument(ctx, v, n, function)
	if err != nil {
		return nil, err
	}
	return rawJSON(ctx, w)
}

// jsonDocument returns the document that the n-th argument of a function is.
func jsonDocument(ctx *sql.Context, v any, n int, function string) (sql.JSONWrapper, error) {
	c, _, err := types.JSON.Convert(ctx, v)
	if text, ok := v.(string); ok && err == nil {
		err = tooNested(text)
	} else if ok {
		return nil, invalidArgument(text, n, function)
	}
	if err != nil {
		return nil, err
	}
	w, ok := c.(sql.JSONWrapper)
	if !ok {
		return nil, errValue(types.JSON, v)
	}
	return w, nil
}

// jsonElements is JSON_EXTRACT with paths that count elements.
var jsonElements = &functionDef{name: "json_extract", args: anyArgs, pure: true, typ: types.JSON,
	eval: func(ctx *sql.Context, _ *Session, args []any) (any, error) {
		if slices.Contains(args, nil) {
			return nil, nil
		}
		doc, err := jsonOf(ctx, args[0], 1, "json_extract")
		if err != nil {
			return nil, err
		}
		var found []any
		many := len(args) > 2
		for _, a := range args[1:] {
			text, err := textOf(ctx, a)
			if err != nil {
				return nil, err
			}
			p, err := parseJSONPath(text)
			if err != nil {
				return nil, err
			}
			found, many = append(found, find(doc, p.legs)...), many || p.many
		}
		switch {
		case len(found) == 0:
			return nil, nil
		case many:
			return newDocument(found), nil
		}
		return newDocument(found[0]), nil
	}}

// jsonArrows makes calls of -> and ->> with such paths, in place.
func jsonArrows(stmt ast.Statement) {
	_ = replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		b, ok := n.(*ast.BinaryExpr)
		if !ok || b.Operator != ast.JSONExtractOp && b.Operator != ast.JSONUnquoteExtractOp {
			return nil, true, nil
		}
		if path, ok := b.Right.(*ast.SQLVal); !ok || !readsElements(string(path.Val)) {
			return nil, true, nil
		}
		e := call("json_extract", b.Left, b.Right)
		if b.Operator == ast.JSONUnquoteExtractOp {
			e = call("json_unquote", e)
		}
		return e, true, nil
	})
}
