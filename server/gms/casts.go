package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/encodings"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
)

// convertUsing is CONVERT(… USING …): a text of that character set, in which what the set lacks
// is a question mark. The planner's has the set's bytes where its other functions have UTF-8.
type convertUsing struct{ *expression.ConvertUsing }

var (
	_ sql.Expression         = (*convertUsing)(nil)
	_ sql.CollationCoercible = (*convertUsing)(nil)
)

// Type implements sql.Expression.
func (c *convertUsing) Type(ctx *sql.Context) sql.Type {
	if c.TargetCharSet == sql.CharacterSet_binary {
		return types.LongBlob
	}
	if t := c.Child.Type(ctx); types.IsTextOnly(t) {
		return c.ConvertUsing.Type(ctx)
	}
	return types.MustCreateString(sqltypes.Text, types.LongTextBlobMax, c.TargetCharSet.DefaultCollation())
}

// WithChildren implements sql.Expression.
func (c *convertUsing) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	return &convertUsing{expression.NewConvertUsing(children[0], c.TargetCharSet)}, nil
}

// Eval implements sql.Expression.
func (c *convertUsing) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	if c.TargetCharSet == sql.CharacterSet_binary {
		v, _, err = types.LongBlob.Convert(ctx, v)
		return v, err
	}
	set := c.TargetCharSet.Encoder()
	if set == nil {
		return nil, mysql.NewSQLError(mysql.ERUnknownCharacterSet, "42000", "Unknown character set: '%s'", c.TargetCharSet.Name())
	}
	b, binary := v.([]byte) // bytes are taken for the set's
	if !binary {
		s, _, err := types.ConvertToCollatedString(ctx, v, c.Child.Type(ctx))
		if err != nil {
			return nil, err
		}
		b = set.EncodeReplaceUnknown(encodings.StringToBytes(s))
	}
	text, ok := set.Decode(b)
	if !ok {
		return nil, nil
	}
	return string(text), nil
}

// timeCast is CAST(… AS TIME(n)), rounded to n digits.
type timeCast struct {
	*expression.Convert
	digits int
}

var (
	_ sql.Expression         = (*timeCast)(nil)
	_ sql.CollationCoercible = (*timeCast)(nil)
)

func newTimeCast(c *expression.Convert) *timeCast {
	t := &timeCast{Convert: c}
	text := c.String()
	if at := strings.LastIndex(text, ", time("); at >= 0 {
		t.digits = int(text[at+len(", time(")] - '0')
	}
	return t
}

// WithChildren implements sql.Expression.
func (t *timeCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := t.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return newTimeCast(e.(*expression.Convert)), nil
}

// Eval implements sql.Expression.
func (t *timeCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if s, ok := v.(string); ok && hasDate(s) {
		d, ok := clock(ctx, s)
		if !ok {
			return nil, nil
		}
		return roundSpan(types.Timespan(d/time.Microsecond), t.digits), nil
	}
	v, err = t.Convert.Eval(ctx, r)
	if span, ok := v.(types.Timespan); ok {
		return roundSpan(span, t.digits), err
	}
	return v, err
}
