package gms

import (
	"sort"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// jsonValue is JSON_VALUE, which gives a text as it is and nothing of arrays and objects.
type jsonValue struct{ *builtin.JsonValue }

func newJSONValue(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewJsonValue(ctx, args...)
	if err != nil {
		return nil, err
	}
	return &jsonValue{e.(*builtin.JsonValue)}, nil
}

// WithChildren implements sql.Expression.
func (j *jsonValue) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := j.JsonValue.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &jsonValue{e.(*builtin.JsonValue)}, nil
}

// Eval implements sql.Expression.
func (j *jsonValue) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	found := *j.JsonValue
	found.Typ = nil
	v, err := found.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if doc, ok := v.(sql.JSONWrapper); ok {
		if v, err = doc.ToInterface(ctx); err != nil {
			return nil, err
		}
	}
	switch v.(type) {
	case nil, map[string]any, []any:
		return nil, nil
	case bool:
		if types.IsText(j.Typ) {
			if v == true {
				return "true", nil
			}
			return "false", nil
		}
	}
	v, _, err = j.Typ.Convert(ctx, v)
	return v, err
}

// jsonExtract is JSON_EXTRACT. Of several paths, or one with a wildcard, it gives an array
// of all that they find, which the planner's does not.
type jsonExtract struct{ *builtin.JSONExtract }

func newJSONExtract(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewJSONExtract(ctx, args...)
	if err != nil {
		return nil, err
	}
	x, ok := e.(*builtin.JSONExtract)
	if !ok {
		return e, nil
	}
	return &jsonExtract{x}, nil
}

// WithChildren implements sql.Expression.
func (j *jsonExtract) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return newJSONExtract(ctx, children...)
}

// Eval implements sql.Expression.
func (j *jsonExtract) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	paths := make([]string, len(j.Paths))
	several := len(paths) > 1
	for i, p := range j.Paths {
		v, err := p.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if v, _, err = types.LongText.Convert(ctx, v); err != nil {
			return nil, err
		}
		paths[i], _ = v.(string)
		several = several || strings.Contains(paths[i], "**")
	}
	if !several {
		return j.JSONExtract.Eval(ctx, r)
	}
	doc, err := j.JSON.Eval(ctx, r)
	if err != nil || doc == nil {
		return nil, err
	}
	if doc, _, err = types.JSON.Convert(ctx, doc); err != nil {
		return nil, err
	}
	wrapper, ok := doc.(sql.JSONWrapper)
	if !ok {
		return j.JSONExtract.Eval(ctx, r)
	}
	var all []any
	for _, p := range paths {
		found, err := foundBy(ctx, wrapper, p)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if all == nil {
		return nil, nil
	}
	return types.JSONDocument{Val: all}, nil
}

// foundBy returns what a path finds in a document.
func foundBy(ctx *sql.Context, doc sql.JSONWrapper, path string) ([]any, error) {
	if before, behind, ok := strings.Cut(path, "**"); ok {
		begin, err := types.LookupJSONValue(ctx, doc, before)
		if err != nil || begin == nil {
			return nil, err
		}
		root, err := begin.ToInterface(ctx)
		if err != nil {
			return nil, err
		}
		var all []any
		for _, v := range descendants(root, nil) {
			found, err := foundBy(ctx, types.JSONDocument{Val: v}, "$"+behind)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	found, err := types.LookupJSONValue(ctx, doc, path)
	if err != nil || found == nil {
		return nil, err
	}
	v, err := found.ToInterface(ctx)
	if err != nil {
		return nil, err
	}
	if list, ok := v.([]any); ok && strings.Contains(path, "*") {
		return list, nil
	}
	return []any{v}, nil
}

// descendants appends a value and all values in it to list.
func descendants(v any, list []any) []any {
	list = append(list, v)
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			list = descendants(e, list)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Slice(keys, func(i, j int) bool { // as documents have them
			if len(keys[i]) != len(keys[j]) {
				return len(keys[i]) < len(keys[j])
			}
			return keys[i] < keys[j]
		})
		for _, k := range keys {
			list = descendants(v[k], list)
		}
	}
	return list
}
