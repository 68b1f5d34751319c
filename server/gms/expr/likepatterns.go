package expr

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// likePattern is the pattern of a LIKE. One that ends with the escape character ends with that character, which the
// planner refuses, and one whose escape character is % or _, which are wildcards to the planner, has backslashes instead.
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
		text, ok := LiteralText(e.Escape)
		if !ok || text == "" {
			return nil
		}
		escape = text
	}
	text, literal := LiteralText(e.RightChild)
	wildcard := escape == "%" || escape == "_"
	switch _, done := e.RightChild.(*likePattern); {
	case done, literal && !wildcard && !endsEscaping(text, escape):
		return nil
	case wildcard:
		return expression.NewLike(e.LeftChild, &likePattern{expression.UnaryExpressionStub{Child: e.RightChild}, escape},
			expression.NewLiteral(`\`, types.LongText))
	}
	return expression.NewLike(e.LeftChild, &likePattern{expression.UnaryExpressionStub{Child: e.RightChild}, escape}, e.Escape)
}

// collatedLike returns a LIKE of two texts that weigh the same of which one is binary, or which are of different Unicode character sets,
// as one of two texts of the collation that applies; nil for others. The planner would compare the former in the other's collation, and
// the latter as bytes.
func collatedLike(ctx *sql.Context, e *expression.Like) sql.Expression {
	l, ln := coercibilityOf(ctx, e.LeftChild)
	r, rn := coercibilityOf(ctx, e.RightChild)
	switch {
	case ln != rn || l == r || !types.IsText(e.LeftChild.Type(ctx)) || !types.IsText(e.RightChild.Type(ctx)):
		return nil
	case r == sql.Collation_binary:
		return expression.NewLike(expression.NewBinary(e.LeftChild), e.RightChild, e.Escape)
	case l == sql.Collation_binary:
		return expression.NewLike(e.LeftChild, expression.NewBinary(e.RightChild), e.Escape)
	case unlikeUnicode(l, ln, r, rn):
		collation, _ := Resolved(l, ln, r, rn)
		converted := &ConvertUsing{expression.NewConvertUsing(e.LeftChild, collation.CharacterSet())}
		return expression.NewLike(expression.NewCollatedExpression(converted, collation), e.RightChild, e.Escape)
	}
	return nil
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

// withBackslashes returns a pattern with backslashes as its escapes.
func withBackslashes(pattern string, escape rune) string {
	var out strings.Builder
	escaped := false
	for _, c := range pattern {
		switch {
		case c == escape && !escaped:
			escaped = true
			continue
		case escaped || c == '\\':
			out.WriteByte('\\')
		}
		out.WriteRune(c)
		escaped = false
	}
	if escaped {
		out.WriteByte('\\')
		out.WriteRune(escape)
	}
	return out.String()
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
	if text, ok := v.(string); ok && (p.escape == "%" || p.escape == "_") {
		return withBackslashes(text, rune(p.escape[0])), err
	}
	if text, ok := v.(string); ok && endsEscaping(text, p.escape) {
		return text + p.escape, err
	}
	return v, err
}

// LiteralText returns the text of a literal.
func LiteralText(e sql.Expression) (string, bool) {
	l, ok := e.(*expression.Literal)
	if !ok {
		return "", false
	}
	s, ok := l.Value().(string)
	return s, ok
}

// Uncontracted returns how many of the first characters of a pattern match texts alone that begin with
// the same weights. (A pattern is compared character by character, and a text weighed by its contractions.)
func Uncontracted(id sql.CollationID, chars []rune, wild bool) int {
	by := value.CollationOf(id)
	if by.Unicode == nil {
		return len(chars)
	}
	same := func(a, b rune) bool { return by.Compare([]byte(string(a)), []byte(string(b))) == 0 }
	for _, c := range by.Unicode.Contractions() {
		for i, r := range chars {
			if same(r, c[0]) && (i+1 < len(chars) && same(chars[i+1], c[1]) || i+1 == len(chars) && wild) {
				chars = chars[:i]
				break
			}
		}
	}
	return len(chars)
}

// textEnds has what TextEnds has found.
var textEnds sync.Map

// TextEnds returns the characters that a collation has first and last, of those that it does not ignore.
func TextEnds(id sql.CollationID) [2]rune {
	if ends, ok := textEnds.Load(id); ok {
		return ends.([2]rune)
	}
	by := value.CollationOf(id)
	compare := func(a, b rune) int { return by.Compare([]byte(string(a)), []byte(string(b))) }
	ends := [2]rune{' ', ' '}
	for r := range rune(utf8.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue
		}
		if compare(r, ends[1]) > 0 {
			ends[1] = r
		} else if r < ' ' && compare(r, ends[0]) < 0 {
			ends[0] = r
		}
	}
	textEnds.Store(id, ends)
	return ends
}
