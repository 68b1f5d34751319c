package gms

import (
	"context"
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/transform"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// definitionText returns an expression of a table's definition as it is kept, false if it has something that is not known here.
// It is read again as it was.
func definitionText(e ast.Expr) (string, bool) {
	p := exprPrinter{kept: true, column: ownColumn}
	text := p.expr(e)
	return text, !p.failed
}

// ownColumn writes a column of the table that an expression belongs to.
func ownColumn(c *ast.ColName) (string, bool) { return syntax.QuoteName(c.Name.String()), true }

// keepTexts gives the expressions in the definitions of tables their texts. Those of the planner are of what it has made of
// them, and leave things out.
func keepTexts(stmt ast.Statement) {
	switch d := stmt.(type) {
	case *ast.AlterTable:
		for _, d := range d.Statements {
			keepTexts(d)
		}
	case *ast.DDL:
		if d.IndexSpec != nil {
			keepKeys(d.IndexSpec.Fields)
		}
		if d.DefaultSpec != nil {
			keepDefault(d.DefaultSpec.Value)
		}
		if d.TableSpec == nil {
			return
		}
		for _, c := range d.TableSpec.Columns {
			keepText(&c.Type.GeneratedExpr)
			keepDefault(c.Type.Default)
		}
		for _, ix := range d.TableSpec.Indexes {
			keepKeys(ix.Fields)
		}
		for _, x := range d.TableSpec.Constraints {
			if check, ok := x.Details.(*ast.CheckConstraintDefinition); ok {
				keepText(&check.Expr)
			}
		}
	}
}

func keepKeys(fields []*ast.IndexField) {
	for _, f := range fields {
		keepText(&f.Expression)
	}
}

// keepDefault gives a default its text if it is an expression: those are in parentheses.
func keepDefault(value ast.Expr) {
	if paren, ok := value.(*ast.ParenExpr); ok {
		keepText(&paren.Expr)
	}
}

// keepText gives an expression its text.
func keepText(e *ast.Expr) {
	inner := *e
	paren, parenthesized := inner.(*ast.ParenExpr)
	if parenthesized {
		inner = paren.Expr
	}
	if _, kept := inner.(ast.InjectedExpr); inner == nil || kept {
		return
	}
	if text, ok := definitionText(inner); ok {
		if typed, err := rewrite.TypedForm(inner); err == nil {
			inner = typed
		}
		inner = ast.InjectedExpr{Auth: rewrite.Open, Expression: keptText(text), Children: ast.Exprs{inner}}
		if *e = inner; parenthesized {
			*e = &ast.ParenExpr{Expr: inner}
		}
	}
}

// keptText is the text of an expression.
type keptText string

// String implements fmt.Stringer.
func (t keptText) String() string { return string(t) }

// WithResolvedChildren implements ast.Injectable. An expression that the planner writes as it is kept stays by itself.
func (t keptText) WithResolvedChildren(ctx context.Context, resolved []any) (any, error) {
	e, ok := resolved[0].(sql.Expression)
	if !ok {
		return nil, fmt.Errorf("gms: %T is no expression", resolved[0])
	}
	if value.Served(ctx) { // the rules of the planner come before it has the values of columns
		var err error
		if e, _, err = transform.Expr(ctx.(*sql.Context), e, expr.Check); err != nil {
			return nil, err
		}
	}
	if e.String() == string(t) {
		return e, nil
	}
	return &keptExpression{expression.UnaryExpressionStub{Child: e}, string(t)}, nil
}

// keptExpression is an expression with the text that is kept of it.
type keptExpression struct {
	expression.UnaryExpressionStub
	text string
}

// String implements sql.Expression.
func (k *keptExpression) String() string { return k.text }

// Type implements sql.Expression.
func (k *keptExpression) Type(ctx *sql.Context) sql.Type { return k.Child.Type(ctx) }

// WithChildren implements sql.Expression.
func (k *keptExpression) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(k, len(children), 1)
	}
	return &keptExpression{expression.UnaryExpressionStub{Child: children[0]}, k.text}, nil
}

// Eval implements sql.Expression.
func (k *keptExpression) Eval(ctx *sql.Context, r sql.Row) (any, error) { return k.Child.Eval(ctx, r) }
