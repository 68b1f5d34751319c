package gms

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

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
		return bad(s[min(1, len(s)):])
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
				for end = 1; end < len(rest) && rest[end] != '"'; end++ {
					end += b2i(rest[end] == '\\')
				}
				if end++; end > len(rest) || json.Unmarshal([]byte(rest[:end]), &l.key) != nil {
					return bad(rest)
				}
			case end == 0:
				return bad(rest)
			default:
				l.key = rest[:end]
			}
			rest = rest[end:]
		case rest[0] == '[':
			inner, after, closed := strings.Cut(rest[1:], "]")
			behind := rest[1:]
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
				return bad(behind)
			}
			if !closed {
				return bad("")
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

// sortedKeys are the keys of an object in MySQL's order: shorter ones first.
func sortedKeys(object map[string]any) []string {
	return slices.SortedFunc(maps.Keys(object), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}

// find returns the values that legs find in a document, in order.
func find(doc any, legs []jsonLeg) (out []any) {
	var seen map[string]bool // with **, which finds what is no array as its own element again
	if slices.ContainsFunc(legs, func(l jsonLeg) bool { return l.kind == '*' }) {
		seen = map[string]bool{}
	}
	walkJSON(doc, legs, "", func(v any, at string) {
		if seen != nil {
			if seen[at] {
				return
			}
			seen[at] = true
		}
		out = append(out, v)
	})
	return out
}

// walkJSON calls f with the values that legs find in what is at a path of a document, in order, and with their paths.
func walkJSON(doc any, legs []jsonLeg, path string, f func(v any, path string)) {
	if len(legs) == 0 {
		f(doc, path)
		return
	}
	l, rest := legs[0], legs[1:]
	object, isObject := doc.(map[string]any)
	array, isArray := doc.([]any)
	member := func(k string, legs []jsonLeg) { walkJSON(object[k], legs, path+"."+pathKey(k), f) }
	cell := func(i int, legs []jsonLeg) { walkJSON(array[i], legs, path+"["+strconv.Itoa(i)+"]", f) }
	switch {
	case l.kind == '*':
		walkJSON(doc, rest, path, f)
		for _, k := range sortedKeys(object) {
			member(k, legs)
		}
		for i := range array {
			cell(i, legs)
		}
	case l.kind == '.' && l.all && isObject:
		for _, k := range sortedKeys(object) {
			member(k, rest)
		}
	case l.kind == '.':
		if _, ok := object[l.key]; ok && !l.all {
			member(l.key, rest)
		}
	case l.all:
		for i := range array {
			cell(i, rest)
		}
	case !isArray: // it is an array of itself
		if l.from.of(1) <= 0 && l.to.of(1) >= 0 && (l.from != l.to || l.from.of(1) == 0) {
			walkJSON(doc, rest, path, f)
		}
	default:
		for i := max(l.from.of(len(array)), 0); i <= min(l.to.of(len(array)), len(array)-1); i++ {
			if l.from == l.to && l.from.of(len(array)) < 0 {
				break
			}
			cell(i, rest)
		}
	}
}

// pathKey is a key as a path has it: in quotes, if it is no identifier.
func pathKey(k string) string {
	for i, r := range k {
		if !unicode.IsLetter(r) && r != '$' && r != '_' && (i == 0 || !unicode.IsDigit(r)) {
			return quotedKey(k)
		}
	}
	if k == "" {
		return quotedKey(k)
	}
	return k
}

func quotedKey(k string) string {
	text, err := types.JsonToMySqlString(noContext(), types.JSONDocument{Val: k})
	if err != nil {
		return strconv.Quote(k)
	}
	return text
}

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

// jsonElements is JSON_EXTRACT.
var jsonElements = &functionDef{name: "json_extract", args: anyArgs, pure: true, typ: types.JSON,
	eval: func(ctx *sql.Context, args []any) (any, error) {
		if slices.Contains(args, nil) {
			return nil, nil
		}
		doc, err := jsonRead(ctx, args[0], "json_extract")
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

// jsonArrows makes calls of -> and ->>, in place.
func jsonArrows(stmt ast.Statement) {
	_ = replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		b, ok := n.(*ast.BinaryExpr)
		if !ok || b.Operator != ast.JSONExtractOp && b.Operator != ast.JSONUnquoteExtractOp {
			return nil, true, nil
		}
		e := call("json_extract", b.Left, b.Right)
		if b.Operator == ast.JSONUnquoteExtractOp {
			e = call("json_unquote", e)
		}
		return e, true, nil
	})
}
