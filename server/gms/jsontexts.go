package gms

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	fn "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// exactText returns the document of a JSON text with integers that a double does not hold,
// which the planner rounds; ok is false of other texts.
func exactText(text string) (doc types.JSONDocument, ok bool) {
	if !longInteger(text) {
		return doc, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := readJSON(d, nil, func(n json.Number, _ any) (any, error) {
		if i, err := strconv.ParseInt(string(n), 10, 64); err == nil && (i > doubleExact || i < -doubleExact) {
			return i, nil
		}
		if u, err := strconv.ParseUint(string(n), 10, 64); err == nil && u > doubleExact {
			return u, nil
		}
		return n.Float64()
	})
	if err != nil {
		return doc, false
	}
	_, err = d.Token()
	return types.JSONDocument{Val: v}, err == io.EOF
}

// longInteger reports whether a text has as many digits in a row as doubleExact.
func longInteger(text string) bool {
	run := 0
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			run = 0
		} else if run++; run == 16 {
			return true
		}
	}
	return false
}

// jsonReaders are functions whose first argument is a document that they read.
var jsonReaders = map[string]func(*sql.Context, ...sql.Expression) (sql.Expression, error){
	"json_extract": builtin.NewJSONExtract,
	"json_search":  builtin.NewJSONSearch,
	"json_type":    builtin.NewJSONType,
	"json_value":   builtin.NewJsonValue,
}

// momentType returns the JSON_TYPE of a date or a time, "" of other types.
func momentType(t sql.Type) string {
	switch {
	case types.IsTimespan(t):
		return "TIME"
	case types.IsDateType(t):
		return "DATE"
	case types.IsTime(t):
		return "DATETIME"
	}
	return ""
}

// jsonMoments returns arguments whose dates and times are JSON: every step-th from one on.
func jsonMoments(ctx *sql.Context, args []sql.Expression, from, step int) []sql.Expression {
	args = slices.Clone(args)
	for i := from; i < len(args); i += step {
		if momentType(args[i].Type(ctx)) != "" {
			args[i] = &exactDocument{args[i], false}
		}
	}
	return args
}

// jsonMaker returns a function that makes documents of values.
func jsonMaker(name string) (sql.Function, bool) {
	switch name {
	case "json_array":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return builtin.NewJSONArray(ctx, jsonMoments(ctx, args, 0, 1)...)
		}}, true
	case "json_object":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return builtin.NewJSONObject(ctx, jsonMoments(ctx, args, 1, 2)...)
		}}, true
	case "json_arrayagg":
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewJsonArray(jsonMoments(ctx, []sql.Expression{e}, 0, 1)[0])
		}}, true
	case "json_objectagg":
		return sql.Function2{Name: name, Fn: func(ctx *sql.Context, key, value sql.Expression) sql.Expression {
			return aggregation.NewJSONObjectAgg(ctx, key, jsonMoments(ctx, []sql.Expression{value}, 0, 1)[0])
		}}, true
	}
	return nil, false
}

// jsonReader returns one of jsonReaders.
func jsonReader(name string) (sql.Function, bool) {
	f, ok := jsonReaders[name]
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		counted := len(args) > 1 && slices.ContainsFunc(args[1:], func(a sql.Expression) bool {
			path, ok := literalText(a)
			return ok && (countsElements(path) || strings.Contains(path, "**"))
		})
		if none := expression.NewLiteral("", types.LongText); name == "json_value" && len(args) == 2 {
			args = append(args, none, none, none, none, none)
		}
		if name == "json_value" && len(args) == 7 {
			return jsonValueOf(ctx, args)
		}
		if name == "json_extract" && (counted || len(args) > 2) {
			return &function{def: jsonElements, args: args}, nil
		}
		if len(args) == 0 {
			return f(ctx)
		}
		if cast, ok := args[0].(*expression.Convert); ok && name == "json_type" && len(args) == 1 {
			if of := momentType(cast.Child.Type(ctx)); of != "" {
				null := expression.NewLiteral(nil, types.Text)
				return fn.NewIf(ctx, expression.NewIsNull(cast), null, expression.NewLiteral(of, types.Text)), nil
			}
		}
		return f(ctx, append([]sql.Expression{&exactDocument{args[0], false}}, args[1:]...)...)
	}}, true
}

// exactDocument is an argument whose texts are documents with exact integers, and whose
// dates and times are texts as MySQL writes them.
type exactDocument struct {
	sql.Expression
	cast bool // of a CAST, whose texts are read
}

// Children implements sql.Expression.
func (e *exactDocument) Children() []sql.Expression { return []sql.Expression{e.Expression} }

// WithChildren implements sql.Expression.
func (e *exactDocument) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &exactDocument{children[0], e.cast}, nil
}

// Eval implements sql.Expression.
func (e *exactDocument) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Expression.Eval(ctx, r)
	if err == nil && !(e.cast && types.IsBinaryType(e.Type(ctx))) {
		err = readable(v, e.Type(ctx))
	}
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case string:
		if doc, ok := exactText(x); ok {
			return doc, nil
		}
		if e.cast {
			return jsonDocument(ctx, x, "cast_as_json")
		}
	case time.Time:
		layout := sql.DatetimeLayoutNoTrim
		if types.IsDateType(e.Type(ctx)) {
			layout = time.DateOnly
		}
		return types.JSONDocument{Val: x.Format(layout)}, nil
	case types.Timespan:
		text := spanText(x.AsTimeDuration())
		if !strings.Contains(text, ".") {
			text += ".000000"
		}
		return types.JSONDocument{Val: text}, nil
	}
	return v, err
}
