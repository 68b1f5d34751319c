package function

import (
	"maps"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// jsonChange is what a function does at a path of a document.
type jsonChange byte

const (
	jsonSet jsonChange = iota
	jsonInsert
	jsonReplace
	jsonAppend
	jsonArrayInsert
	jsonRemove
)

// jsonPathFunctions are the functions that change a document at paths, and those that look for something at them.
var jsonPathFunctions = map[string]*expr.FunctionDef{
	"json_set": jsonChanger("json_set", jsonSet), "json_insert": jsonChanger("json_insert", jsonInsert),
	"json_replace": jsonChanger("json_replace", jsonReplace), "json_array_append": jsonChanger("json_array_append", jsonAppend),
	"json_array_insert": jsonChanger("json_array_insert", jsonArrayInsert), "json_remove": jsonChanger("json_remove", jsonRemove),
	"json_extract": jsonElements, "json_contains_path": jsonContainsPath, "json_search": jsonSearch,
	"json_length": {Name: "json_length", Args: expr.AnyArgs, Pure: true, Typ: types.Int32, Eval: jsonLength},
	"json_keys":   {Name: "json_keys", Args: expr.AnyArgs, Pure: true, Typ: types.JSON, Eval: jsonKeys},
}

// fewest are how many arguments the functions with paths have at least, and how many more come with each path.
var fewest = map[string][2]int{
	"json_set": {3, 2}, "json_insert": {3, 2}, "json_replace": {3, 2}, "json_array_append": {3, 2}, "json_array_insert": {3, 2}, "json_remove": {2, 1},
	"json_extract": {2, 1}, "json_contains_path": {3, 1}, "json_search": {3, 1}, "json_length": {1, 1}, "json_keys": {1, 1},
}

// jsonPathFunction returns one of jsonPathFunctions.
func jsonPathFunction(name string) (sql.Function, bool) {
	d := jsonPathFunctions[name]
	if d == nil {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		n := fewest[name]
		if len(args) < n[0] || (len(args)-n[0])%n[1] != 0 || n[0] == 1 && len(args) > 2 {
			return nil, sql.ErrInvalidArgumentNumber.New(name, n[0], len(args))
		}
		if n[1] == 2 {
			args = jsonArguments(args, 2, 2)
		}
		return &expr.Function{Def: d, Args: args}, nil
	}}, true
}

// jsonRead returns the document that the first argument of a function is.
func jsonRead(ctx *sql.Context, v any, function string) (any, error) {
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return nil, err
	}
	switch v.(type) {
	case string, []byte, sql.JSONWrapper:
		return value.JSONOf(ctx, v, 1, function)
	}
	return nil, sql.ErrInvalidJSONArgument.New(1, function)
}

// onePath reads a path that may find one value only.
func onePath(ctx *sql.Context, v any) ([]jsonLeg, error) {
	text, err := value.TextOf(ctx, v)
	if err != nil {
		return nil, err
	}
	p, err := ParseJSONPath(text)
	if err == nil && p.many {
		err = mysql.NewSQLError(3149, "42000", "In this situation, path expressions may not contain the * and ** tokens or an array range.")
	}
	return p.legs, err
}

// jsonChanger returns a function that changes a document.
func jsonChanger(name string, kind jsonChange) *expr.FunctionDef {
	step := 2
	if kind == jsonRemove {
		step = 1
	}
	return &expr.FunctionDef{Name: name, Args: expr.AnyArgs, Pure: true, Typ: types.JSON, Eval: func(ctx *sql.Context, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		doc, err := jsonRead(ctx, args[0], name)
		if err != nil {
			return nil, err
		}
		for i := 1; i < len(args); i += step {
			if args[i] == nil {
				return nil, nil
			}
			legs, err := onePath(ctx, args[i])
			switch {
			case err != nil:
				return nil, err
			case kind == jsonRemove && len(legs) == 0:
				return nil, mysql.NewSQLError(3153, "42000", "The path expression '$' is not allowed in this context.")
			case kind == jsonArrayInsert && (len(legs) == 0 || legs[len(legs)-1].kind != '['):
				return nil, mysql.NewSQLError(3165, "42000", "A path expression is not a path to a cell in an array.")
			}
			var value any
			if kind != jsonRemove {
				if value, err = expr.JSONValueIn(ctx, args[i+1]); err != nil {
					return nil, err
				}
			}
			doc = changedJSON(doc, legs, kind, value)
		}
		return value.NewDocument(doc), nil
	}}
}

// changedJSON returns a document that is changed at a path, itself where the function changes nothing there.
func changedJSON(doc any, legs []jsonLeg, kind jsonChange, val any) any {
	if len(legs) == 0 {
		switch kind {
		case jsonSet, jsonReplace:
			return val
		case jsonAppend:
			return append(slices.Clone(jsonArray(doc)), val)
		}
		return doc
	}
	l, last := legs[0], len(legs) == 1
	adds := last && (kind == jsonSet || kind == jsonInsert)
	if l.kind == '.' {
		object, ok := doc.(map[string]any)
		old, there := object[l.key]
		switch {
		case !ok || !there && !adds:
			return doc
		case !there:
			old = val
		case last && kind == jsonRemove:
			out := maps.Clone(object)
			delete(out, l.key)
			return out
		default:
			old = changedJSON(old, legs[1:], kind, val)
		}
		out := maps.Clone(object)
		out[l.key] = old
		return out
	}
	array, ok := doc.([]any)
	at := l.from.of(max(len(array), value.BoolInt(!ok)))
	switch {
	case !ok && at == 0 && !(last && (kind == jsonRemove || kind == jsonArrayInsert)): // what is no array is the element of one
		return changedJSON(doc, legs[1:], kind, val)
	case !ok && !adds:
		return doc
	case !ok:
		array = []any{doc}
	}
	within := ok && at >= 0 && at < len(array)
	switch {
	case last && kind == jsonArrayInsert || adds && !within:
		return slices.Insert(slices.Clone(array), max(min(at, len(array)), 0), val)
	case !within:
		return doc
	case last && kind == jsonRemove:
		return slices.Delete(slices.Clone(array), at, at+1)
	}
	out := slices.Clone(array)
	out[at] = changedJSON(out[at], legs[1:], kind, val)
	return out
}

// jsonAt returns what the last argument, a path, finds in the document that is the first, false for NULL.
func jsonAt(ctx *sql.Context, args []any, function string) (v any, ok bool, err error) {
	if slices.Contains(args, nil) {
		return nil, false, nil
	}
	doc, err := jsonRead(ctx, args[0], function)
	if err != nil || len(args) == 1 {
		return doc, err == nil, err
	}
	legs, err := onePath(ctx, args[1])
	if err != nil {
		return nil, false, err
	}
	found := find(doc, legs)
	if len(found) == 0 {
		return nil, false, nil
	}
	return found[0], true, nil
}

func jsonLength(ctx *sql.Context, args []any) (any, error) {
	v, ok, err := jsonAt(ctx, args, "json_length")
	if !ok {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		return int32(len(v)), nil
	case map[string]any:
		return int32(len(v)), nil
	}
	return int32(1), nil
}

func jsonKeys(ctx *sql.Context, args []any) (any, error) {
	v, ok, err := jsonAt(ctx, args, "json_keys")
	object, is := v.(map[string]any)
	if !ok || !is {
		return nil, err
	}
	keys := make([]any, 0, len(object))
	for _, k := range sortedKeys(object) {
		keys = append(keys, k)
	}
	return value.NewDocument(keys), nil
}

// jsonSearch is JSON_SEARCH.
var jsonSearch = &expr.FunctionDef{Name: "json_search", Args: expr.AnyArgs, Pure: true, Typ: types.JSON, Eval: func(ctx *sql.Context, args []any) (any, error) {
	if slices.Contains(args[:3], nil) || len(args) > 4 && slices.Contains(args[4:], nil) {
		return nil, nil
	}
	doc, err := jsonRead(ctx, args[0], "json_search")
	if err != nil {
		return nil, err
	}
	all, err := oneOrAll(ctx, args[1], "json_search")
	if err != nil {
		return nil, err
	}
	var texts [2]string // what is searched for, the escape character
	for i, a := range args[2:min(len(args), 4)] {
		if a == nil {
			continue
		}
		if texts[i], err = value.TextOf(ctx, a); err != nil {
			return nil, err
		}
	}
	escape := []rune(texts[1])
	switch {
	case len(escape) > 1:
		return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to ESCAPE")
	case len(escape) == 0:
		escape = []rune{'\\'}
	}
	pattern := []rune(texts[0])
	paths := []any{"$"}
	if len(args) > 4 {
		paths = args[4:]
	}
	var found []any
	for _, a := range paths {
		text, err := value.TextOf(ctx, a)
		if err != nil {
			return nil, err
		}
		p, err := ParseJSONPath(text)
		if err != nil {
			return nil, err
		}
		walkJSON(doc, p.legs, "$", func(v any, at string) {
			walkJSON(v, []jsonLeg{{kind: '*'}}, at, func(v any, at string) {
				if s, ok := v.(string); ok && (all || len(found) == 0) && !slices.Contains(found, any(at)) && likeText([]rune(s), pattern, escape[0]) {
					found = append(found, at)
				}
			})
		})
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return value.NewDocument(found[0]), nil
	}
	return value.NewDocument(found), nil
}}

// oneOrAll reads the argument of a function that is 'one' or 'all'.
func oneOrAll(ctx *sql.Context, v any, function string) (bool, error) {
	mode, err := value.TextOf(ctx, v)
	if err != nil {
		return false, err
	}
	all := strings.EqualFold(mode, "all")
	if !all && !strings.EqualFold(mode, "one") {
		return false, mysql.NewSQLError(3154, "42000", "The oneOrAll argument to %s may take these values: 'one' or 'all'.", function)
	}
	return all, nil
}

// likeText reports whether a text is LIKE a pattern, by its characters.
func likeText(s, pattern []rune, escape rune) bool {
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == escape && i+1 < len(pattern):
			i++
			c = pattern[i]
		case c == '%':
			for at := range len(s) + 1 {
				if likeText(s[at:], pattern[i+1:], escape) {
					return true
				}
			}
			return false
		case c == '_' && len(s) > 0:
			s = s[1:]
			continue
		}
		if len(s) == 0 || s[0] != c {
			return false
		}
		s = s[1:]
	}
	return len(s) == 0
}
