package gms

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// jsonDepth is the most levels of arrays and objects that MySQL's documents have.
const jsonDepth = 100

// tooNested returns the error of a text that has more than jsonDepth levels of arrays and objects.
func tooNested(text string) error {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > jsonDepth {
				return errTooNested()
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// errTooNested is the error of a document with more levels than jsonDepth.
func errTooNested() error {
	return mysql.NewSQLError(3157, "22032", "The JSON document exceeds the maximum depth.")
}

// errBinaryJSON is the error of a binary text where a document is read.
func errBinaryJSON() error {
	return mysql.NewSQLError(3144, "22032", "Cannot create a JSON value from a string with CHARACTER SET 'binary'.")
}

// readable returns the error of a value of a type that is no text of a document.
func readable(v any, t sql.Type) error {
	switch v := v.(type) {
	case []byte:
		return errBinaryJSON()
	case string:
		if types.IsBinaryType(t) && !types.IsJSON(t) {
			return errBinaryJSON()
		}
		return tooNested(v)
	}
	return nil
}

// pathFunctions are the functions with JSON paths other than jsonReaders: which argument is the first one, and how far the next is.
var pathFunctions = map[string]struct{ from, step int }{
	"json_set": {1, 2}, "json_insert": {1, 2}, "json_replace": {1, 2}, "json_array_append": {1, 2}, "json_array_insert": {1, 2},
	"json_remove": {1, 1}, "json_contains_path": {2, 1}, "json_length": {1, 1}, "json_keys": {1, 1}, "json_contains": {2, 1}, "json_search": {4, 1},
}

// withElements returns one of pathFunctions that takes paths with last and ranges: the planner's lack them.
func withElements(name string, f sql.Function) sql.Function {
	at := pathFunctions[name]
	reads := at.step == 1 && name != "json_remove" && name != "json_search"
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		counted, ranges := false, false
		for i := at.from; i < len(args); i += at.step {
			if text, ok := literalText(args[i]); ok && (countsElements(text) || reads && readsElements(text)) {
				p, err := parseJSONPath(text)
				if err != nil {
					return nil, err
				}
				counted, ranges = true, ranges || p.many
			}
		}
		switch {
		case !counted:
			return f.NewInstance(ctx, args)
		case name == "json_contains_path":
			return &function{def: jsonContainsPath, args: args}, nil
		case ranges && name == "json_search":
			return nil, errNotSupported("ranges in the paths of JSON_SEARCH")
		case ranges:
			return nil, mysql.NewSQLError(3149, "42000", "In this situation, path expressions may not contain the * and ** tokens or an array range.")
		}
		args = slices.Clone(args)
		if len(args) == at.from+1 && reads { // what is asked of the value there
			args[0] = &function{def: jsonElements, args: []sql.Expression{args[0], args[at.from]}}
			return f.NewInstance(ctx, args[:at.from])
		}
		for i := at.from; i < len(args); i += at.step {
			args[i] = &elementPath{expression.BinaryExpressionStub{LeftChild: args[0], RightChild: args[i]}, name}
		}
		return f.NewInstance(ctx, args)
	}}
}

// jsonContainsPath is JSON_CONTAINS_PATH.
var jsonContainsPath = &functionDef{name: "json_contains_path", args: anyArgs, pure: true, typ: types.Boolean,
	eval: func(ctx *sql.Context, _ *Session, args []any) (any, error) {
		if slices.Contains(args, nil) {
			return nil, nil
		}
		doc, err := jsonOf(ctx, args[0], 1, "json_contains_path")
		if err != nil {
			return nil, err
		}
		mode, err := textOf(ctx, args[1])
		if err != nil {
			return nil, err
		}
		all := strings.EqualFold(mode, "all")
		if !all && !strings.EqualFold(mode, "one") {
			return nil, mysql.NewSQLError(3154, "42000", "The oneOrAll argument to json_contains_path may take these values: 'one' or 'all'.")
		}
		for _, a := range args[2:] {
			text, err := textOf(ctx, a)
			if err != nil {
				return nil, err
			}
			p, err := parseJSONPath(text)
			if err != nil {
				return nil, err
			}
			if found := len(find(doc, p.legs)) > 0; found != all {
				return found, nil
			}
		}
		return all, nil
	}}

// elementPath is a path with the numbers that its last elements have in a document.
type elementPath struct {
	expression.BinaryExpressionStub
	function string
}

// Type implements sql.Expression.
func (*elementPath) Type(*sql.Context) sql.Type { return types.LongText }

// String implements sql.Expression.
func (e *elementPath) String() string { return e.RightChild.String() }

// WithChildren implements sql.Expression.
func (e *elementPath) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 2)
	}
	return &elementPath{expression.BinaryExpressionStub{LeftChild: children[0], RightChild: children[1]}, e.function}, nil
}

// Eval implements sql.Expression.
func (e *elementPath) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.RightChild.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	text, err := textOf(ctx, v)
	if err != nil || !countsElements(text) {
		return v, err
	}
	p, err := parseJSONPath(text)
	if err != nil {
		return nil, err
	}
	if v, err = e.LeftChild.Eval(ctx, r); err != nil || v == nil {
		return nil, err
	}
	doc, err := jsonOf(ctx, v, 1, e.function)
	if err != nil {
		return nil, err
	}
	return numbered(doc, p.legs), nil
}

// nowhere is the number of an element that no document has.
const nowhere = 1<<31 - 1

// numbered returns a path of legs with the numbers that elements have in a document.
func numbered(doc any, legs []jsonLeg) string {
	path := "$"
	for _, l := range legs {
		if l.kind == '.' {
			path += "." + strconv.Quote(l.key)
			object, _ := doc.(map[string]any)
			doc = object[l.key]
			continue
		}
		array, ok := doc.([]any)
		if !ok {
			array = []any{doc} // a scalar is an array of itself
		}
		at := l.from.of(len(array))
		if doc = nil; at >= 0 && at < len(array) {
			doc = array[at]
		} else if at < 0 {
			at = nowhere
		}
		path += "[" + strconv.Itoa(at) + "]"
	}
	return path
}

// tableDocument is the document of a JSON_TABLE; with a path it is what that finds, as an array.
type tableDocument struct {
	sql.Expression
	path *jsonPath
}

// Eval implements sql.Expression.
func (d tableDocument) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Expression.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if _, text := v.(string); !text && d.path == nil {
		if doc, typed := v.(typedDocument); typed {
			return types.JSONDocument{Val: plainJSON(doc.Val, false)}, nil
		}
		if _, binary := v.([]byte); binary {
			return nil, errBinaryJSON()
		}
		return v, nil
	}
	doc, err := jsonOf(ctx, v, 1, "json_table")
	if doc = plainJSON(doc, false); err == nil && d.path != nil {
		found := find(doc, d.path.legs)
		doc = append(make([]any, 0, len(found)), found...)
	}
	return types.JSONDocument{Val: doc}, err
}

// jsonTable has a JSON_TABLE read its document as MySQL does.
func jsonTable(n *plan.JSONTable) (*plan.JSONTable, error) {
	c := *n
	d := tableDocument{Expression: n.DataExpr}
	if countsElements(n.RootPath) {
		p, err := parseJSONPath(n.RootPath)
		if err != nil {
			return nil, err
		}
		d.path, c.RootPath = &p, "$[*]"
	}
	c.DataExpr = d
	return &c, nil
}

// unquote is JSON_UNQUOTE: what does not begin and end with a quote stays as it is.
type unquote struct{ *json.JSONUnquote }

func newUnquote(ctx *sql.Context, e sql.Expression) sql.Expression {
	return unquote{json.NewJSONUnquote(ctx, e).(*json.JSONUnquote)}
}

// WithChildren implements sql.Expression.
func (u unquote) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(u, len(children), 1)
	}
	return newUnquote(ctx, children[0]), nil
}

// Eval implements sql.Expression.
func (u unquote) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if t := u.Child.Type(ctx); t != types.Null && !types.IsText(t) && !types.IsJSON(t) {
		return u.JSONUnquote.Eval(ctx, r)
	}
	v, err := u.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	text, err := textOf(ctx, v)
	if err != nil || len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text, err
	}
	return json.NewJSONUnquote(ctx, expression.NewLiteral(text, types.LongText)).Eval(ctx, nil)
}
