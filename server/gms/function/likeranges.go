package function

import (
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// likeBound is a bound of the texts that a LIKE matches, for an index. The LIKE stands beside it: as
// a condition it is always true.
type likeBound struct {
	op    sql.IndexScanOp
	field sql.Expression
	text  sql.Expression
}

var (
	_ sql.Expression                = (*likeBound)(nil)
	_ sql.IndexComparisonExpression = (*likeBound)(nil)
)

// IndexScanOperation implements sql.IndexComparisonExpression.
func (b *likeBound) IndexScanOperation() (sql.IndexScanOp, sql.Expression, sql.Expression, bool) {
	return b.op, b.field, b.text, true
}

// Resolved implements sql.Expression.
func (b *likeBound) Resolved() bool { return b.field.Resolved() && b.text.Resolved() }

// String implements sql.Expression.
func (b *likeBound) String() string {
	return "(" + b.field.String() + " " + b.op.String() + " " + b.text.String() + ")"
}

// Type implements sql.Expression.
func (b *likeBound) Type(*sql.Context) sql.Type { return types.Boolean }

// IsNullable implements sql.Expression.
func (b *likeBound) IsNullable(*sql.Context) bool { return false }

// Eval implements sql.Expression.
func (b *likeBound) Eval(*sql.Context, sql.Row) (any, error) { return true, nil }

// Children implements sql.Expression.
func (b *likeBound) Children() []sql.Expression { return []sql.Expression{b.field, b.text} }

// WithChildren implements sql.Expression.
func (b *likeBound) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(b, len(children), 2)
	}
	return &likeBound{b.op, children[0], children[1]}, nil
}

// The functions in the place of a LIKE's bounds: of a column, the pattern and the escape.
const (
	LikeLower = "\x00like_lower"
	LikeUpper = "\x00like_upper"
)

// newLikeBound returns a bound, TRUE where there is none.
func newLikeBound(name string) sql.FunctionN {
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if len(args) != 3 {
			return nil, sql.ErrFunctionNotFound.New(name)
		}
		lower, upper, ok := likeBounds(ctx, args[0], args[1], args[2])
		switch {
		case !ok:
			return expression.NewTrue(), nil
		case name == LikeLower:
			return &likeBound{sql.IndexScanOpGte, args[0], expression.NewLiteral(lower, args[0].Type(ctx))}, nil
		}
		return &likeBound{sql.IndexScanOpLte, args[0], expression.NewLiteral(upper, args[0].Type(ctx))}, nil
	}}
}

// indexTextMax is how many characters of a text an index has at most.
const indexTextMax = 3072

// likeBounds returns the least and the greatest text of a column that a LIKE may match.
func likeBounds(ctx *sql.Context, column, like, escapes sql.Expression) (lower, upper string, ok bool) {
	f, isField := column.(*expression.GetField)
	pattern, isText := expr.LiteralText(like)
	escape, isRune := expr.LiteralText(escapes)
	if !isField || !isText || !isRune || utf8.RuneCountInString(escape) > 1 || !utf8.ValidString(pattern) {
		return "", "", false
	}
	t, isString := f.Type(ctx).(sql.StringType)
	if !isString || !types.IsText(t) || t.Collation().CharacterSet() != sql.CharacterSet_utf8mb4 {
		return "", "", false
	}
	if c, _ := expression.NewLike(column, like, nil).(*expression.Like).CollationCoercibility(ctx); c != t.Collation() {
		return "", "", false
	}
	var prefix strings.Builder
	length, wild := 0, false
	for i := 0; i < len(pattern) && !wild; {
		r, n := utf8.DecodeRuneInString(pattern[i:])
		i += n
		switch {
		case string(r) == escape && i < len(pattern):
			r, n = utf8.DecodeRuneInString(pattern[i:])
			i += n
		case r == '%' || r == '_':
			wild = true
			continue
		}
		prefix.WriteRune(r)
		length++
	}
	most := int(min(t.MaxCharacterLength(), indexTextMax))
	if length == 0 || length > most {
		return "", "", false
	}
	chars := []rune(prefix.String())
	if n := expr.Uncontracted(t.Collation(), chars, wild); n < len(chars) {
		if wild, length = true, n; n == 0 {
			return "", "", false
		}
		prefix.Reset()
		prefix.WriteString(string(chars[:n]))
	}
	lower = prefix.String()
	if !wild {
		return lower, lower, true
	}
	ends := expr.TextEnds(t.Collation())
	if value.Pads(t.Collation()) { // what is below a blank may follow
		lower += strings.Repeat(string(ends[0]), most-length)
	}
	return lower, prefix.String() + strings.Repeat(string(ends[1]), most-length), true
}
