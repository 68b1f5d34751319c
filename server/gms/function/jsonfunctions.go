package function

import (
	"maps"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// changers are the functions that compare two documents.
var changers = map[string]func(*sql.Context, ...sql.Expression) (sql.Expression, error){
	"json_contains": json.NewJSONContains, "json_overlaps": json.NewJSONOverlaps,
}

// changer returns one of changers, or a function that merges documents.
func changer(name string) (sql.Function, bool) {
	if name == "json_merge" || name == "json_merge_patch" || name == "json_merge_preserve" {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if len(args) < 2 {
				return nil, sql.ErrInvalidArgumentNumber.New(name, "2 or more", len(args))
			}
			return merging(name, args), nil
		}}, true
	}
	newCall, ok := changers[name]
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		args = slices.Clone(args)
		if len(args) == 3 && name == "json_contains" {
			args = []sql.Expression{&expr.Function{Def: jsonPart, Args: []sql.Expression{args[0], args[2]}}, args[1]}
		}
		for i := range min(len(args), 2) {
			args[i] = &expr.ExactDocument{Expression: args[i], As: value.ComparedIn}
		}
		return newCall(ctx, args...)
	}}, true
}

// jsonPart is the part of a document that JSON_CONTAINS looks at.
var jsonPart = &expr.FunctionDef{Name: "json_contains", Args: 2, Pure: true, Typ: types.JSON, Eval: func(ctx *sql.Context, args []any) (any, error) {
	v, ok, err := jsonAt(ctx, args, "json_contains")
	if !ok {
		return nil, err
	}
	return value.NewDocument(v), nil
}}

// merging is JSON_MERGE_PATCH, or JSON_MERGE_PRESERVE under one of its names.
func merging(name string, args []sql.Expression) sql.Expression {
	patch := name == "json_merge_patch"
	given := make([]sql.Expression, len(args))
	for i, a := range args {
		given[i] = &expr.ExactDocument{Expression: a, As: value.ReadIn}
	}
	return &expr.Function{Args: given, Def: &expr.FunctionDef{Name: name, Args: expr.AnyArgs, Pure: true, Typ: types.JSON,
		Eval: func(ctx *sql.Context, args []any) (any, error) {
			if slices.Contains(args, nil) && !patch {
				return nil, nil
			}
			var merged any
			known := true // not NULL
			for i, a := range args {
				if a == nil {
					known = false
					continue
				}
				doc, err := value.JSONOf(ctx, a, i+1, name)
				switch {
				case err != nil:
					return nil, err
				case i == 0:
					merged = doc
				case patch && !known: // what is no object takes the place of all before
					_, object := doc.(map[string]any)
					merged, known = doc, !object
				case patch:
					merged = patchedJSON(merged, doc)
				default:
					merged = mergedJSON(merged, doc)
				}
			}
			if !known {
				return nil, nil
			}
			return value.NewDocument(merged), nil
		}}}
}

// mergedJSON merges two documents by the rules of JSON_MERGE_PRESERVE.
func mergedJSON(a, b any) any {
	first, ok := a.(map[string]any)
	second, both := b.(map[string]any)
	if !ok || !both {
		return slices.Concat(jsonArray(a), jsonArray(b))
	}
	out := maps.Clone(first)
	for k, v := range second {
		if old, ok := out[k]; ok {
			v = mergedJSON(old, v)
		}
		out[k] = v
	}
	return out
}

// jsonArray is an array, or the array of one value.
func jsonArray(v any) []any {
	if array, ok := v.([]any); ok {
		return array
	}
	return []any{v}
}

// patchedJSON merges two documents by the rules of JSON_MERGE_PATCH.
//
// Source: RFC 7396, section 2.
func patchedJSON(a, b any) any {
	patch, ok := b.(map[string]any)
	if !ok {
		return b
	}
	first, _ := a.(map[string]any)
	out := make(map[string]any, len(first)+len(patch))
	maps.Copy(out, first)
	for k, v := range patch {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = patchedJSON(out[k], v)
		}
	}
	return out
}

// jsonElements is JSON_EXTRACT.
var jsonElements = &expr.FunctionDef{Name: "json_extract", Args: expr.AnyArgs, Pure: true, Typ: types.JSON,
	Eval: func(ctx *sql.Context, args []any) (any, error) {
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
			text, err := value.TextOf(ctx, a)
			if err != nil {
				return nil, err
			}
			p, err := ParseJSONPath(text)
			if err != nil {
				return nil, err
			}
			found, many = append(found, find(doc, p.legs)...), many || p.many
		}
		switch {
		case len(found) == 0:
			return nil, nil
		case many:
			return value.NewDocument(found), nil
		}
		return value.NewDocument(found[0]), nil
	}}
