package gms

import (
	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// changers are the functions that change a document. The planner's copy it first, and
// lose every DECIMAL in it: they are given DOUBLEs. Deviation: MySQL's keep them. Those that
// compare documents have no integers but DOUBLEs.
var changers = map[string]struct {
	make func(*sql.Context, ...sql.Expression) (sql.Expression, error)
	all  bool // of the arguments are documents, not just the first
}{
	"json_array_append":   {json.NewJSONArrayAppend, false},
	"json_array_insert":   {json.NewJSONArrayInsert, false},
	"json_contains":       {json.NewJSONContains, true},
	"json_insert":         {json.NewJSONInsert, false},
	"json_merge":          {json.NewJSONMergePreserve, true},
	"json_merge_patch":    {json.NewJSONMergePatch, true},
	"json_merge_preserve": {json.NewJSONMergePreserve, true},
	"json_overlaps":       {json.NewJSONOverlaps, true},
	"json_remove":         {json.NewJSONRemove, false},
	"json_replace":        {json.NewJSONReplace, false},
	"json_set":            {json.NewJSONSet, false},
}

// changer returns one of changers.
func changer(name string) (sql.Function, bool) {
	c, ok := changers[name]
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		given := make([]sql.Expression, len(args))
		for i, a := range args {
			if given[i] = a; i == 0 || c.all {
				given[i] = &withoutDecimals{a, name == "json_contains" || name == "json_overlaps"}
			}
		}
		if !c.all {
			given = jsonMoments(ctx, given, 1, 1)
		}
		return c.make(ctx, given...)
	}}, true
}

// withoutDecimals is an argument in whose documents DECIMALs are DOUBLEs, and integers too
// if it says so.
type withoutDecimals struct {
	sql.Expression
	integers bool
}

// Children implements sql.Expression.
func (e *withoutDecimals) Children() []sql.Expression { return []sql.Expression{e.Expression} }

// WithChildren implements sql.Expression.
func (e *withoutDecimals) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &withoutDecimals{children[0], e.integers}, nil
}

// Eval implements sql.Expression.
func (e *withoutDecimals) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Expression.Eval(ctx, r)
	if err == nil {
		err = readable(v, e.Type(ctx))
	}
	if err != nil {
		return nil, err
	}
	switch text := v.(type) {
	case types.JSONDocument, *types.JSONDocument:
	case string:
		if doc, ok := exactText(text); ok && !e.integers {
			return doc, nil
		}
		return v, nil
	default:
		return v, nil
	}
	doc, err := v.(sql.JSONWrapper).ToInterface(ctx)
	if err != nil || !hasTyped(doc) {
		return v, err
	}
	if doc, err = doubles(doc, e.integers); err != nil {
		return nil, err
	}
	return types.JSONDocument{Val: doc}, nil
}

func doubles(v any, integers bool) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if out[k], err = doubles(e, integers); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			if out[i], err = doubles(e, integers); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *apd.Decimal:
		return v.Float64()
	case int64:
		if integers {
			return float64(v), nil
		}
	case uint64:
		if integers {
			return float64(v), nil
		}
	}
	return v, nil
}
