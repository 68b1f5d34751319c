package gms

import (
	"slices"
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

// jsonContainsPath is JSON_CONTAINS_PATH.
var jsonContainsPath = &functionDef{name: "json_contains_path", args: anyArgs, pure: true, typ: types.Boolean,
	eval: func(ctx *sql.Context, args []any) (any, error) {
		if slices.Contains(args, nil) {
			return nil, nil
		}
		doc, err := jsonRead(ctx, args[0], "json_contains_path")
		if err != nil {
			return nil, err
		}
		all, err := oneOrAll(ctx, args[1], "json_contains_path")
		if err != nil {
			return nil, err
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
	if strings.Contains(n.RootPath, "last") || strings.Contains(n.RootPath, " to ") { // which the planner's paths lack
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
