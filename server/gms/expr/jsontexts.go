package expr

import (
	"encoding/binary"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// jsonTypeCall is JSON_TYPE.
type jsonTypeCall struct{ *builtin.JSONType }

// NewJSONTypeCall returns JSON_TYPE. Returns the planner's error of a wrong number of arguments.
func NewJSONTypeCall(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewJSONType(ctx, args...)
	if err != nil {
		return nil, err
	}
	return jsonTypeCall{e.(*builtin.JSONType)}, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (jsonTypeCall) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_utf8mb4_0900_ai_ci, 4
}

// WithChildren implements sql.Expression.
func (j jsonTypeCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return NewJSONTypeCall(ctx, children...)
}

// Eval implements sql.Expression.
func (j jsonTypeCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := j.JSON.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if _, doc := v.(sql.JSONWrapper); !doc && !types.IsText(j.JSON.Type(ctx)) {
		return nil, sql.ErrInvalidJSONArgument.New(1, "json_type")
	}
	doc, err := value.JSONOf(ctx, v, 1, "json_type")
	return value.TypeOfJSON(doc), err
}

// ExactDocument is an argument that is a document with MySQL's types.
type ExactDocument struct {
	sql.Expression
	As value.DocumentUse
}

// Children implements sql.Expression.
func (e *ExactDocument) Children() []sql.Expression { return []sql.Expression{e.Expression} }

// WithChildren implements sql.Expression.
func (e *ExactDocument) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &ExactDocument{children[0], e.As}, nil
}

// Eval implements sql.Expression.
func (e *ExactDocument) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Expression.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	t := e.Type(ctx)
	val := e.As == value.PutIn || e.As == value.CastIn
	if e.As == value.CastIn && (types.IsEnum(t) || types.IsSet(t)) {
		text, err := AsMemberText(ctx, expression.NewLiteral(v, t)).Eval(ctx, r)
		return value.NewDocument(text), err
	}
	if text, ok := v.(string); ok && types.IsBinaryType(t) && !types.IsJSON(t) {
		v = []byte(text)
	}
	if s, ok := newMoment(v, t); ok {
		return e.scalar(s), nil
	}
	if _, cast := e.Expression.(*yearCast); cast && val {
		n, _, err := types.Uint64.Convert(ctx, v)
		return n, err
	}
	switch v.(type) {
	case uint8, uint16, uint32:
		if _, literal := e.Expression.(*expression.Literal); literal && val { // the planner's types of small numbers
			n, _, err := types.Int64.Convert(ctx, v)
			return n, err
		}
	}
	switch x := v.(type) {
	case string:
		if e.As == value.PutIn {
			return x, nil
		}
		if err := value.TooNested(x); err != nil {
			return nil, err
		}
		if doc, ok := value.ExactText(x); ok {
			return e.document(ctx, doc)
		}
		if e.As == value.CastIn {
			return value.JSONDocument(ctx, x, 1, "cast_as_json")
		}
	case []byte:
		if !val {
			return nil, value.ErrBinaryJSON()
		}
		return e.scalar(newBlob("BLOB", bytesNumber(ctx, e.Expression), x)), nil
	case uint64:
		if bit, ok := t.(types.BitType); ok && val {
			b := binary.BigEndian.AppendUint64(nil, x)
			return e.scalar(newBlob("BIT", bitNumber, b[8-(int(bit.NumberOfBits())+7)/8:])), nil
		}
	case float32:
		if val {
			return e.scalar(value.NewDouble(float64(x))), nil
		}
	case float64:
		if val {
			return e.scalar(value.NewDouble(x)), nil
		}
	case sql.JSONWrapper:
		return e.document(ctx, x)
	}
	return v, nil
}

// MySQL's numbers of types, which documents show of binary texts and bits.
const (
	varbinaryNumber = 15
	bitNumber       = 16
	binaryNumber    = 254
)

// blobNumbers are those of BLOBs, by their lengths.
var blobNumbers = map[int64]int{types.TinyTextBlobMax: 249, types.TextBlobMax: 252, types.MediumTextBlobMax: 250, types.LongTextBlobMax: 251}

// bytesNumber is the number of the type of a binary text.
func bytesNumber(ctx *sql.Context, e sql.Expression) int {
	t, ok := e.Type(ctx).(sql.StringType)
	_, field := e.(*expression.GetField)
	if _, local := e.(*Local); (field || local) && ok {
		if n := blobNumbers[t.MaxByteLength()]; n > 0 && types.IsTextBlob(t) {
			return n
		}
		if t.Type() == sqltypes.Binary {
			return binaryNumber
		}
	}
	return varbinaryNumber
}

// scalar returns a value of a document as the function wants it.
func (e *ExactDocument) scalar(v any) any {
	if s, ok := v.(value.TypedScalar); ok && e.As != value.PutIn {
		return value.NewDocument(s)
	}
	return v
}

// document returns a document as the function wants it.
func (e *ExactDocument) document(ctx *sql.Context, w sql.JSONWrapper) (any, error) {
	if _, lazy := w.(*types.LazyJSONDocument); lazy {
		return w, nil
	}
	v, err := value.RawJSON(ctx, w)
	if err != nil {
		return nil, err
	}
	switch e.As {
	case value.CastMoment:
		if s, ok := v.(value.TypedScalar); ok {
			return s.Plain(), nil
		}
		return w, nil
	case value.ComparedIn:
		return types.JSONDocument{Val: value.PlainJSON(v, true)}, nil
	case value.PutIn:
		if s, ok := v.(value.TypedScalar); ok {
			return s, nil
		}
	}
	return value.NewDocument(v), nil
}

// JSONValueIn returns an argument that is put into a document as the document has it.
func JSONValueIn(ctx *sql.Context, v any) (any, error) {
	switch x := v.(type) {
	case sql.JSONWrapper:
		return value.RawJSON(ctx, x)
	case nil, bool, string, float64, int64, uint64:
		return v, nil
	case int8, int16, int32, int:
		n, _, err := types.Int64.Convert(ctx, v)
		return n, err
	case uint8, uint16, uint32, uint:
		n, _, err := types.Uint64.Convert(ctx, v)
		return n, err
	}
	if exact, err := value.ExactNumber(v); err == nil {
		return exact, nil
	}
	c, _, err := types.JSON.Convert(ctx, v)
	if w, ok := c.(sql.JSONWrapper); ok && err == nil {
		return value.RawJSON(ctx, w)
	}
	return c, err
}
