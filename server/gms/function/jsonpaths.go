package function

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
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

// JSONPath is a path and whether it may find several values.
type JSONPath struct {
	legs []jsonLeg
	many bool
}

// ParseJSONPath reads a path.
func ParseJSONPath(text string) (p JSONPath, err error) {
	s := strings.TrimSpace(text)
	bad := func(rest string) (JSONPath, error) {
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
					end += value.BoolInt(rest[end] == '\\')
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
	text, err := types.JsonToMySqlString(value.NoContext(), types.JSONDocument{Val: k})
	if err != nil {
		return strconv.Quote(k)
	}
	return text
}
