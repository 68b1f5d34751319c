package rewrite

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// MatchModes puts expr.MatchFunction in the place of MATCH IN BOOLEAN MODE and WITH QUERY EXPANSION. Other searches
// are for the words that an index has, of which the planner's has more.
func MatchModes(stmt ast.Statement) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		m, ok := n.(*ast.MatchExpr)
		if !ok {
			return nil, true, nil
		}
		if m.Option == "" || m.Option == ast.NaturalLanguageModeStr {
			if _, done := m.Expr.(ast.InjectedExpr); !done {
				m.Expr = ast.InjectedExpr{Auth: Open, Expression: &searchedWords{}, Children: ast.Exprs{m.Expr}}
			}
			return nil, false, nil
		}
		mode := m.Option
		m.Option = ast.NaturalLanguageModeStr
		return syntax.Call(expr.MatchFunction, m, ast.NewStrVal([]byte(mode))), false, nil
	})
}

// searchedWords is a text without the words that no index has.
type searchedWords struct {
	expression.UnaryExpressionStub
}

var _ sql.Expression = (*searchedWords)(nil)

// WithResolvedChildren implements ast.Injectable.
func (*searchedWords) WithResolvedChildren(_ context.Context, resolved []any) (any, error) {
	e, ok := resolved[0].(sql.Expression)
	if !ok {
		return nil, fmt.Errorf("gms: %T is no expression", resolved[0])
	}
	return &searchedWords{expression.UnaryExpressionStub{Child: e}}, nil
}

// Type implements sql.Expression.
func (w *searchedWords) Type(ctx *sql.Context) sql.Type { return w.Child.Type(ctx) }

// String implements sql.Expression.
func (w *searchedWords) String() string {
	if w.Child == nil { // before it is resolved
		return ""
	}
	return w.Child.String()
}

// WithChildren implements sql.Expression.
func (w *searchedWords) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(w, len(children), 1)
	}
	return &searchedWords{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (w *searchedWords) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := w.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return v, err
	}
	text, err := value.TextOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return strings.Join(slices.DeleteFunc(expr.TokensOf(text), func(word string) bool { return !expr.Indexed(word) }), " "), nil
}
