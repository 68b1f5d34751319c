package gms

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// assignedAs returns e as what a column of a type is assigned: a text of an ENUM, a SET, a moment or a
// number with a format, and a number of a moment or of a literal of bits. The planner goes by the value, which does not tell.
// other: as is not e.
func assignedAs(ctx *sql.Context, e sql.Expression, to sql.Type) (as sql.Expression, other bool) {
	if k, ok := e.(*keptExpression); ok {
		as, other = assignedAs(ctx, k.Child, to)
		return &keptExpression{expression.UnaryExpressionStub{Child: as}, k.text}, other
	}
	if h, ok := e.(expr.HexLiteral); ok && expr.NumericType(to) {
		return h.Integer(), true
	}
	t := e.Type(ctx)
	if r := expr.NewRecoded(ctx, e, to); r != nil {
		return r, true
	}
	switch {
	case types.IsJSON(to) && expr.BinaryText(ctx, e): // of _binary'…' the planner's value is a text
		return &expr.Whole{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Typ: types.LongBlob}, true
	case types.IsJSON(t) && !types.IsText(to) && !types.IsJSON(to):
		if f, ok := e.(*expression.GetField); ok && f.Table() != "" { // of a column the value counts, of a function's result its text
			return e, false
		}
		return &expr.Whole{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Typ: types.LongText}, true
	case (types.IsEnum(t) || types.IsSet(t)) && (expr.IsMoment(to) || (types.IsEnum(to) || types.IsSet(to)) && !t.Equals(to)):
		return expr.AsMemberText(ctx, e), true
	case types.IsBit(t) && types.IsTextBlob(to):
		return &expr.BitBytes{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}}, true
	case types.IsText(to) && !types.IsJSON(to):
		if types.IsEnum(t) || types.IsSet(t) {
			return expr.AsMemberText(ctx, e), true
		}
		if f, ok := e.(sql.FunctionExpression); ok && types.IsDatetimeType(t) && f.FunctionName() == "now" {
			digits := expr.CreatedExpr(ctx, e, nil).MomentDigits() // the planner's type has six
			moment := types.MustCreateDatetimeType(sqltypes.Datetime, digits)
			return &expr.MomentText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Moment: moment, Exact: true}, true
		}
		if q := expr.NewUnrounded(ctx, e); q != nil {
			return q, true
		}
		if _, column := e.(*expression.GetField); types.IsFloat(t) && !(column && types.IsTextBlob(to)) { // it has all digits
			return e, false
		}
		return expr.AsText(ctx, e), expr.IsMoment(t) || expr.FormattedText(ctx, e) != nil
	case types.IsNumber(to) && !types.IsYear(to) && (expr.IsMoment(t) || expr.BinaryText(ctx, e)):
		n := expr.NewDateNumber(ctx, e)
		if d, ok := n.(*expr.DateNumber); ok && types.IsInteger(to) {
			d.Typ, d.Seconds = types.Int64, true
		}
		return n, true
	}
	if q := expr.NewUnrounded(ctx, e); q != nil && (types.IsNumber(to) || types.IsText(to)) {
		return q, true
	}
	return e, false
}

// The comments before expressions of definitions that tell what they are assigned to.
const (
	toText   = "/* to a text */"
	toNumber = "/* to a number */"
	toOther  = "/* to another */"
)

// assignedText is the expression of a generated column or a default as the planner gets it.
func assignedText(text string, t sql.Type) string {
	switch {
	case types.IsText(t) && !types.IsJSON(t):
		return toText + text
	case types.IsNumber(t):
		return toNumber + text
	}
	return toOther + text
}

// withoutAssigned returns an expression as it was before assignedText.
func withoutAssigned(text string) string {
	for _, to := range []string{toText, toNumber, toOther} {
		if rest, ok := strings.CutPrefix(text, to); ok {
			return rest
		}
	}
	return text
}

// assignedDefinition is assignedText for a column that an ALTER defines, whose expressions are planned.
func assignedDefinition(ctx *sql.Context, c *sql.Column) {
	for _, d := range []**sql.ColumnDefaultValue{&c.Generated, &c.Default} {
		if *d != nil && (*d).Resolved() && !(*d).Literal {
			column := expression.NewGetFieldWithTable(0, 0, c.Type, c.DatabaseSource, c.Source, c.Name, true)
			a := &value.Assigner{Table: c.Source, Format: expr.FieldFormat(ctx, column), Ignore: c.Virtual}
			value := *nullDocument(*d)
			value.Expr, _ = assignedAs(ctx, value.Expr, c.Type)
			if c.Virtual { // there is no validation
				value.ReturnNil = true
			}
			value.Expr = &assignedValue{expression.UnaryExpressionStub{Child: value.Expr}, column, a, c.Virtual}
			*d = &value
		}
	}
}

// withAssigned makes an expression with assignedText's comment what is assigned, with its text if it is to be kept.
func withAssigned(query string, stmt ast.Statement, keep bool) {
	sel, ok := stmt.(*ast.Select)
	if !ok || len(sel.SelectExprs) != 1 {
		return
	}
	e, ok := sel.SelectExprs[0].(*ast.AliasedExpr)
	if !ok {
		return
	}
	var to sql.Type
	switch query = strings.TrimPrefix(query, "SELECT "); {
	case strings.HasPrefix(query, toText):
		to = types.LongText
	case strings.HasPrefix(query, toNumber):
		to = types.Float64
	case !strings.HasPrefix(query, toOther):
		return
	}
	if keep {
		e.Expr = ast.InjectedExpr{Auth: rewrite.Open, Expression: keptText(withoutParentheses(withoutAssigned(query))), Children: ast.Exprs{e.Expr}}
	}
	if to != nil {
		e.Expr = ast.InjectedExpr{Auth: rewrite.Open, Expression: assignedTo{to}, Children: ast.Exprs{e.Expr}}
	}
	e.Expr = &ast.ParenExpr{Expr: e.Expr}
}

// assignedTo makes an expression what is assigned to a type.
type assignedTo struct{ to sql.Type }

// WithResolvedChildren implements ast.Injectable.
func (a assignedTo) WithResolvedChildren(ctx context.Context, resolved []any) (any, error) {
	e, ok := resolved[0].(sql.Expression)
	sctx, isSQL := ctx.(*sql.Context)
	if !ok || !isSQL {
		return nil, fmt.Errorf("gms: %T is no expression", resolved[0])
	}
	if s, ok := sctx.Session.(*Session); ok && s.b.mysql {
		e, _ = assignedAs(sctx, e, a.to)
	}
	return e, nil
}

// assignedDefault returns a default or a generated column whose expression is assigned to the column before the planner converts
// it, with errors of its own; others as they are.
func assignedDefault(ctx *sql.Context, e sql.Expression, c *sql.Column, index int, ignore bool) sql.Expression {
	d, ok := e.(*sql.ColumnDefaultValue)
	if !ok || d == nil || d.Literal || !d.Resolved() {
		return e
	}
	if types.IsJSON(c.Type) {
		return nullDocument(d)
	}
	generated := c.Generated != nil
	column := expression.NewGetFieldWithTable(index, 0, c.Type, c.DatabaseSource, c.Source, c.Name, !generated || c.Nullable)
	val, _ := assignedAs(ctx, d.Expr, c.Type)
	out := *d
	out.ReturnNil = out.ReturnNil || generated
	a := newAssignment(ctx, val, column, ignore)
	a.strict = generated
	out.Expr = a
	return &out
}

// nullDocument returns an expression of a column of documents whose NULL is NULL; to the planner it is the document null.
func nullDocument(d *sql.ColumnDefaultValue) *sql.ColumnDefaultValue {
	if d == nil || d.OutType == nil || !types.IsJSON(d.OutType) {
		return d
	}
	out := *d
	out.OutType, out.ReturnNil = documentOrNull{d.OutType}, true // that of a NOT NULL column is refused where it is stored
	return &out
}

// documentOrNull is JSON, of which NULL stays what it is.
type documentOrNull struct{ columnType }

type columnType = sql.Type

// Convert implements sql.Type.
func (t documentOrNull) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	if v == nil {
		return nil, sql.InRange, nil
	}
	return t.columnType.Convert(ctx, v)
}

// assignedValue is a value that is assigned to a column. What the type of a virtual column that is read cannot hold is cut,
// without a warning.
type assignedValue struct {
	expression.UnaryExpressionStub
	column *expression.GetField
	a      *value.Assigner
	read   bool
}

// readVirtual has a table assign the values of its virtual columns to their types.
func readVirtual(ctx *sql.Context, t sql.Table) error {
	w, ok := plan.FindVirtualColumnTable(t)
	if !ok {
		return nil
	}
	schema := w.Schema(ctx)
	for i, e := range w.Projections {
		d, ok := e.(*sql.ColumnDefaultValue)
		if !ok || d.Literal {
			continue
		}
		if types.IsJSON(schema[i].Type) {
			w.Projections[i] = nullDocument(d)
			continue
		}
		c := schema[i]
		column := expression.NewGetFieldWithTable(i, 0, c.Type, c.DatabaseSource, c.Source, c.Name, c.Nullable)
		val, _, err := transform.Expr(ctx, d.Expr, expr.Check) // no rule comes to it
		if err != nil {
			return err
		}
		val, _ = assignedAs(ctx, val, c.Type)
		w.Projections[i] = &assignedValue{
			expression.UnaryExpressionStub{Child: val}, column, &value.Assigner{Ignore: true, Table: c.Source, Format: expr.FieldFormat(ctx, column)}, true,
		}
	}
	return nil
}

// Type implements sql.Expression.
func (v *assignedValue) Type(ctx *sql.Context) sql.Type { return v.column.Type(ctx) }

// String implements sql.Expression.
func (v *assignedValue) String() string { return v.Child.String() }

// WithChildren implements sql.Expression.
func (v *assignedValue) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(v, len(children), 1)
	}
	c := *v
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression.
func (v *assignedValue) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if s, ok := ctx.Session.(*Session); ok && v.read {
		s.quiet++
		defer func() { s.quiet-- }()
	}
	v.a.Row++
	x, err := v.Child.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	if x == nil && v.read && !v.column.IsNullable(ctx) {
		return v.a.Null(ctx, v.column.Name(), v.column.Type(ctx), false), nil
	}
	return v.a.Assign(ctx, v.column.Name(), v.column.Type(ctx), x)
}

// assignedTypes makes the values of an INSERT's rows what its columns are assigned.
func assignedTypes(ctx *sql.Context, source sql.Node, n *plan.InsertInto) (sql.Node, error) {
	p, ok := source.(*plan.Project)
	schema := n.Destination.Schema(ctx)
	if !ok || len(p.Projections) != len(schema) {
		return source, nil
	}
	exprs := slices.Clone(p.Projections)
	for i, c := range schema {
		exprs[i] = assignedDefault(ctx, exprs[i], c, i, n.Ignore)
	}
	child := p.Child
	if _, ok := child.(*plan.LoadData); ok {
		for i, c := range schema { // to the planner a row's values have the types of the table's first columns, whichever the statement names
			if f, ok := exprs[i].(*expression.GetField); ok {
				exprs[i] = expression.NewGetFieldWithTable(f.Index(), int(f.TableId()), c.Type, f.Database(), f.Table(), f.Name(), f.IsNullable(ctx))
			}
		}
		return plan.NewProject(ctx, exprs, child), nil
	}
	if v, ok := child.(*plan.Values); ok {
		values := *v
		values.ExpressionTuples = slices.Clone(v.ExpressionTuples)
		for i, c := range schema {
			f, ok := exprs[i].(*expression.GetField)
			if !ok {
				continue
			}
			for row, t := range values.ExpressionTuples {
				if f.Index() >= len(t) {
					continue
				}
				x, other := assignedAs(ctx, t[f.Index()], c.Type)
				if w, ok := t[f.Index()].(*expression.Wrapper); ok && len(w.Children()) == 1 { // of a row without values
					if d, ok := w.Children()[0].(*sql.ColumnDefaultValue); ok {
						x = assignedDefault(ctx, d, c, i, n.Ignore)
						other = x != sql.Expression(d)
					}
				}
				if other {
					t = slices.Clone(t)
					t[f.Index()] = x
					values.ExpressionTuples[row], child = t, &values
				}
			}
		}
		return plan.NewProject(ctx, exprs, child), nil
	}
	from := child.Schema(ctx)
	if of, ok := child.(*plan.Project); ok {
		some, inner := false, slices.Clone(of.Projections)
		for i, c := range schema {
			f, ok := exprs[i].(*expression.GetField)
			if !ok || f.Index() >= len(inner) || types.IsInteger(c.Type) {
				continue
			}
			e, name := inner[f.Index()], ""
			if a, ok := e.(*expression.Alias); ok {
				e, name = a.Child, a.Name()
			}
			q := expr.NewUnrounded(ctx, e)
			if _, defined := e.(expr.Defined); defined && q == nil && !types.IsText(e.Type(ctx)) {
				q, _ = assignedAs(ctx, e, c.Type)
			}
			if q != nil {
				if inner[f.Index()], some = q, true; name != "" {
					inner[f.Index()] = expression.NewAlias(ctx, name, q)
				}
			}
		}
		if some {
			child = plan.NewProject(ctx, inner, of.Child)
		}
	}
	for i, c := range schema {
		if f, ok := exprs[i].(*expression.GetField); ok && f.Index() < len(from) {
			of := from[f.Index()]
			read := expression.NewGetFieldWithTable(f.Index(), 0, of.Type, of.DatabaseSource, of.Source, of.Name, of.Nullable)
			x, other := assignedAs(ctx, read, c.Type)
			if expr.IsMoment(of.Type) && types.IsText(c.Type) && !types.IsJSON(c.Type) {
				x, other = expr.ColumnText(ctx, read, child, f.Index()), true
			}
			if other {
				exprs[i] = x
			}
		}
	}
	return plan.NewProject(ctx, exprs, child), nil
}
