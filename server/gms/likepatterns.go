package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// likePattern is the pattern of a LIKE. One that ends with the escape character ends with that character, which the
// planner refuses.
type likePattern struct {
	expression.UnaryExpressionStub
	escape string
}

var (
	_ sql.Expression         = (*likePattern)(nil)
	_ sql.CollationCoercible = (*likePattern)(nil)
)

// closedPattern returns a LIKE whose pattern does not end amid an escape, nil if it is one.
func closedPattern(e *expression.Like) sql.Expression {
	escape := `\`
	if e.Escape != nil {
		text, ok := literalText(e.Escape)
		if !ok || text == "" {
			return nil
		}
		escape = text
	}
	text, literal := literalText(e.RightChild)
	switch _, done := e.RightChild.(*likePattern); {
	case done, literal && !endsEscaping(text, escape):
		return nil
	}
	return expression.NewLike(e.LeftChild, &likePattern{expression.UnaryExpressionStub{Child: e.RightChild}, escape}, e.Escape)
}

// endsEscaping reports whether a pattern ends with an escape character that escapes nothing.
func endsEscaping(pattern, escape string) bool {
	rest := strings.TrimSuffix(pattern, escape)
	ends := rest != pattern
	for strings.HasSuffix(rest, escape) {
		rest, ends = strings.TrimSuffix(rest, escape), !ends
	}
	return ends
}

// Type implements sql.Expression.
func (p *likePattern) Type(ctx *sql.Context) sql.Type { return p.Child.Type(ctx) }

// String implements sql.Expression.
func (p *likePattern) String() string { return p.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (p *likePattern) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, p.Child)
}

// WithChildren implements sql.Expression.
func (p *likePattern) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(p, len(children), 1)
	}
	return &likePattern{expression.UnaryExpressionStub{Child: children[0]}, p.escape}, nil
}

// Eval implements sql.Expression.
func (p *likePattern) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := p.Child.Eval(ctx, r)
	if text, ok := v.(string); ok && endsEscaping(text, p.escape) {
		return text + p.escape, err
	}
	return v, err
}
