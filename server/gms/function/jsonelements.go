package function

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// jsonContainsPath is JSON_CONTAINS_PATH.
var jsonContainsPath = &expr.FunctionDef{Name: "json_contains_path", Args: expr.AnyArgs, Pure: true, Typ: types.Boolean,
	Eval: func(ctx *sql.Context, args []any) (any, error) {
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
			text, err := value.TextOf(ctx, a)
			if err != nil {
				return nil, err
			}
			p, err := ParseJSONPath(text)
			if err != nil {
				return nil, err
			}
			if found := len(find(doc, p.legs)) > 0; found != all {
				return found, nil
			}
		}
		return all, nil
	}}

// TableDocument is the document of a JSON_TABLE; with a path it is what that finds, as an array, with paths of columns objects of a row and
// of what the paths find in it.
type TableDocument struct {
	sql.Expression
	path    *JSONPath
	columns map[string]JSONPath
}

// Eval implements sql.Expression.
func (d TableDocument) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Expression.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if _, text := v.(string); !text && d.path == nil {
		if doc, typed := v.(value.TypedDocument); typed {
			return types.JSONDocument{Val: value.PlainJSON(doc.Val, false)}, nil
		}
		if _, binary := v.([]byte); binary {
			return nil, value.ErrBinaryJSON()
		}
		return v, nil
	}
	doc, err := value.JSONOf(ctx, v, 1, "json_table")
	if doc = value.PlainJSON(doc, false); err == nil && d.path != nil {
		found := find(doc, d.path.legs)
		rows := append(make([]any, 0, len(found)), found...)
		for i, row := range rows {
			if len(d.columns) == 0 {
				break
			}
			with := map[string]any{tableRow: row}
			for name, p := range d.columns {
				if values := find(row, p.legs); len(values) == 1 { // of several it is NULL
					with[name] = values[0]
				}
			}
			rows[i] = with
		}
		doc = rows
	}
	return types.JSONDocument{Val: doc}, err
}

// tableRow is the member of a row where paths of columns have found others.
const tableRow = "row"

// ofElements reports whether a path has `last` or a range, which the planner's paths lack.
func ofElements(path string) bool {
	return strings.Contains(path, "last") || strings.Contains(path, " to ")
}

// JSONTable has a JSON_TABLE read its document as MySQL does. Returns the error of a path that is none, and of such elements within NESTED.
func JSONTable(n *plan.JSONTable) (*plan.JSONTable, error) {
	c := *n
	d := TableDocument{Expression: n.DataExpr}
	columns := slices.ContainsFunc(n.Cols, func(col plan.JSONTableCol) bool { return ofElements(col.Path) })
	if columns || ofElements(n.RootPath) {
		p, err := ParseJSONPath(n.RootPath)
		if err != nil {
			return nil, err
		}
		d.path, c.RootPath = &p, "$[*]"
	}
	if columns {
		c.Cols, d.columns = slices.Clone(n.Cols), map[string]JSONPath{}
		for i, col := range c.Cols {
			switch {
			case !ofElements(col.Path):
				c.Cols[i].Path = "$." + tableRow + strings.TrimPrefix(col.Path, "$")
			case len(col.NestedCols) > 0:
				return nil, value.ErrNotSupported("NESTED PATH '" + col.Path + "'")
			default:
				p, err := ParseJSONPath(col.Path)
				if err != nil {
					return nil, err
				}
				name := "column" + strconv.Itoa(i)
				c.Cols[i].Path, d.columns[name] = "$."+name, p
			}
		}
	}
	for _, col := range n.Cols {
		if err := plainNested(col.NestedCols); err != nil {
			return nil, err
		}
	}
	c.DataExpr, c.Cols = d, withMissing(c.Cols)
	return &c, nil
}

// withMissing returns columns of which those that are documents are NULL where there is none: the planner would have the document null.
func withMissing(columns []plan.JSONTableCol) []plan.JSONTableCol {
	out := slices.Clone(columns)
	for i, col := range out {
		if out[i].NestedCols = withMissing(col.NestedCols); col.Opts != nil && types.IsJSON(col.Opts.Type) {
			o := *col.Opts
			o.Type = tableColumn{o.Type}
			for _, e := range []*sql.Expression{&o.DefEmptyVal, &o.DefErrorVal} {
				if l, ok := (*e).(*expression.Literal); ok && l.Value() == nil {
					*e = expression.NewLiteral(missing{}, types.Null)
				}
			}
			out[i].Opts = &o
		}
	}
	return out
}

// tableColumn is the type of a document in JSON_TABLE, and missing the value in the place of none.
type (
	tableColumn  struct{ documentType }
	documentType = sql.Type
	missing      struct{}
)

// Convert implements sql.Type.
func (t tableColumn) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	if _, none := v.(missing); none {
		return nil, sql.InRange, nil
	}
	return t.documentType.Convert(ctx, v)
}

// plainNested returns the error of columns within NESTED whose paths the planner's lack.
func plainNested(columns []plan.JSONTableCol) error {
	for _, col := range columns {
		if ofElements(col.Path) {
			return value.ErrNotSupported("NESTED PATH … '" + col.Path + "'")
		}
		if err := plainNested(col.NestedCols); err != nil {
			return err
		}
	}
	return nil
}

// unquote is JSON_UNQUOTE: what does not begin and end with a quote stays as it is.
type unquote struct{ *json.JSONUnquote }

func newUnquote(ctx *sql.Context, e sql.Expression) sql.Expression {
	return unquote{json.NewJSONUnquote(ctx, expr.AsMemberText(ctx, e)).(*json.JSONUnquote)}
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
	if t := u.Child.Type(ctx); !types.IsJSON(t) {
		if err := quotable(ctx, u.Child, "json_unquote"); err != nil {
			return nil, err
		}
	}
	v, err := u.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	text, err := value.TextOf(ctx, v)
	if err != nil || len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text, err
	}
	return json.NewJSONUnquote(ctx, expression.NewLiteral(text, types.LongText)).Eval(ctx, nil)
}

// quote is JSON_QUOTE.
type quote struct{ *json.JSONQuote }

func newQuote(ctx *sql.Context, e sql.Expression) sql.Expression {
	return quote{json.NewJSONQuote(ctx, expr.AsMemberText(ctx, e)).(*json.JSONQuote)}
}

// WithChildren implements sql.Expression.
func (q quote) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(q, len(children), 1)
	}
	return newQuote(ctx, children[0]), nil
}

// Eval implements sql.Expression.
func (q quote) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if err := quotable(ctx, q.Children()[0], "json_quote"); err != nil {
		return nil, err
	}
	return q.JSONQuote.Eval(ctx, r)
}

// quotable returns the error of an argument that a function of quotes does not take: one that is no text.
func quotable(ctx *sql.Context, e sql.Expression, function string) error {
	switch t := e.Type(ctx); {
	case t != types.Null && !types.IsText(t) && !types.IsEnum(t) && !types.IsSet(t):
		return mysql.NewSQLError(3064, "HY000", "Incorrect type for argument 1 in function %s.", function)
	case types.IsBinaryType(t):
		return value.ErrBinaryJSON()
	}
	return nil
}
