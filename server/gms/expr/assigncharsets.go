package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// Recoded is a text of a character set as the bytes that it has there, or what bytes are as
// one: texts are kept as UTF-8 whatever the set.
type Recoded struct {
	expression.UnaryExpressionStub
	set   sql.CharacterSetID
	bytes bool // it is bytes
}

// NewRecoded returns what a binary column is assigned of a text of another set than UTF-8, and
// what a column of such a set is of bytes; nil for other values.
func NewRecoded(ctx *sql.Context, e sql.Expression, to sql.Type) *Recoded {
	from, ok := e.Type(ctx).(sql.StringType)
	if !ok {
		return nil
	}
	column, ok := to.(sql.StringType)
	if !ok {
		return nil
	}
	r := &Recoded{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, set: from.CharacterSet(), bytes: true}
	if r.set == sql.CharacterSet_binary {
		r.set, r.bytes = column.CharacterSet(), false
	} else if column.CharacterSet() != sql.CharacterSet_binary {
		return nil
	}
	if keptAsItIs(r.set) {
		return nil
	}
	return r
}

// keptAsItIs reports whether the texts of a character set are kept as the bytes that they have in it.
func keptAsItIs(set sql.CharacterSetID) bool {
	switch set {
	case sql.CharacterSet_utf8mb4, sql.CharacterSet_utf8mb3, sql.CharacterSet_ascii, sql.CharacterSet_binary:
		return true
	}
	return set.Encoder() == nil
}

// AsBytes returns a text of another set than UTF-8 as the bytes that it has there; other expressions as they are.
func AsBytes(ctx *sql.Context, e sql.Expression) sql.Expression {
	if t := e.Type(ctx); types.IsTextOnly(t) {
		if r := NewRecoded(ctx, e, types.LongBlob); r != nil {
			return r
		}
	}
	return e
}

// TextOfSet returns a value of a type as a text of a character set: in binary one it is the bytes of its own set, bytes are taken for the
// set's where they are its characters.
func TextOfSet(ctx *sql.Context, v any, t sql.Type, set sql.CharacterSetID) (string, error) {
	text, collation, err := types.ConvertToCollatedString(ctx, v, t)
	if err != nil {
		return "", err
	}
	switch own := collation.CharacterSet(); {
	case set == sql.CharacterSet_binary && !keptAsItIs(own):
		if b, ok := own.Encoder().Encode([]byte(text)); ok {
			text = string(b)
		}
	case own == sql.CharacterSet_binary && !keptAsItIs(set):
		if b, ok := set.Encoder().Decode([]byte(text)); ok {
			text = string(b)
		}
	}
	return text, nil
}

// Type implements sql.Expression.
func (r *Recoded) Type(*sql.Context) sql.Type {
	if r.bytes {
		return types.LongBlob
	}
	return types.LongText
}

// String implements sql.Expression.
func (r *Recoded) String() string { return r.Child.String() }

// WithChildren implements sql.Expression.
func (r *Recoded) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 1)
	}
	return &Recoded{expression.UnaryExpressionStub{Child: children[0]}, r.set, r.bytes}, nil
}

// Eval implements sql.Expression.
func (r *Recoded) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	v, err := r.Child.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	var b []byte
	switch x := v.(type) {
	case string:
		b = []byte(x)
	case []byte:
		b = x
	default:
		return v, nil
	}
	if r.bytes {
		if out, ok := r.set.Encoder().Encode(b); ok {
			return out, nil
		}
	} else if out, ok := r.set.Encoder().Decode(b); ok {
		return string(out), nil
	}
	return v, nil
}
