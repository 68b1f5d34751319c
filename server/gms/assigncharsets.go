package gms

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// encoded returns what the character set of a column can hold of a text: a question mark
// stands for each character that it lacks, where that is no error.
func (a *assigner) encoded(ctx *sql.Context, column string, t sql.StringType, s string) (string, error) {
	cs := t.CharacterSet()
	if cs == sql.CharacterSet_utf8mb4 || cs == sql.CharacterSet_binary {
		return s, nil
	}
	first := -1
	var out strings.Builder
	for i, r := range s {
		if r < utf8.RuneSelf || encodes(cs, r) {
			out.WriteRune(r)
			continue
		}
		if first < 0 {
			first = i
		}
		out.WriteByte('?')
	}
	if first < 0 {
		return s, nil
	}
	left, err := a.keep(ctx, column, notEncoded(s[first:]), out.String())
	if err != nil {
		return "", err
	}
	return left.(string), nil
}

// notEncoded is the loss of a text from what its column cannot hold.
func notEncoded(from string) lost {
	bad := strings.ReplaceAll(escapedBytes(from), "%", "%%")
	return lost{number: 1366, message: "Incorrect string value: '" + bad + "' for column '%s' at row %d"}
}

// invalidFrom returns a text from the first byte that is no UTF-8.
func invalidFrom(s string) string {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return s[i:]
		}
	}
	return ""
}

// encodes reports whether a character set has a character, which is none of ASCII.
func encodes(cs sql.CharacterSetID, r rune) bool {
	if cs == sql.CharacterSet_utf8mb3 {
		return r <= 0xFFFF
	}
	e := cs.Encoder()
	if e == nil {
		return true
	}
	_, ok := e.EncodeRune([]byte(string(r)))
	return ok
}

// escapedBytes are the first bytes of a text as the errors of character sets show them.
func escapedBytes(s string) string {
	const most = 6
	var out strings.Builder
	for i := 0; i < len(s) && i < most; i++ {
		if c := s[i]; c >= ' ' && c < 0x7F {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "\\x%02X", c)
		}
	}
	if len(s) > most {
		out.WriteString("...")
	}
	return out.String()
}

// recoded is a text of a character set as the bytes that it has there, or what bytes are as
// one: texts are kept as UTF-8 whatever the set.
type recoded struct {
	expression.UnaryExpressionStub
	set   sql.CharacterSetID
	bytes bool // it is bytes
}

// newRecoded returns what a binary column is assigned of a text of another set than UTF-8, and
// what a column of such a set is of bytes; nil for other values.
func newRecoded(ctx *sql.Context, e sql.Expression, to sql.Type) *recoded {
	from, ok := e.Type(ctx).(sql.StringType)
	if !ok {
		return nil
	}
	column, ok := to.(sql.StringType)
	if !ok {
		return nil
	}
	r := &recoded{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, set: from.CharacterSet(), bytes: true}
	if r.set == sql.CharacterSet_binary {
		r.set, r.bytes = column.CharacterSet(), false
	} else if column.CharacterSet() != sql.CharacterSet_binary {
		return nil
	}
	switch r.set {
	case sql.CharacterSet_utf8mb4, sql.CharacterSet_utf8mb3, sql.CharacterSet_ascii, sql.CharacterSet_binary:
		return nil
	}
	if r.set.Encoder() == nil {
		return nil
	}
	return r
}

// Type implements sql.Expression.
func (r *recoded) Type(*sql.Context) sql.Type {
	if r.bytes {
		return types.LongBlob
	}
	return types.LongText
}

// String implements sql.Expression.
func (r *recoded) String() string { return r.Child.String() }

// WithChildren implements sql.Expression.
func (r *recoded) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 1)
	}
	return &recoded{expression.UnaryExpressionStub{Child: children[0]}, r.set, r.bytes}, nil
}

// Eval implements sql.Expression.
func (r *recoded) Eval(ctx *sql.Context, row sql.Row) (any, error) {
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
