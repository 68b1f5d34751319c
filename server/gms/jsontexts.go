package gms

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// exactText returns the document of a JSON text with numbers that the planner takes for others: integers that a double does
// not hold, DOUBLEs without a fraction; ok is false of other texts.
func exactText(text string) (doc sql.JSONWrapper, ok bool) {
	if !longInteger(text) && !pointedNumber(text) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := readJSON(d, nil, func(token, _ any) (any, error) {
		n, number := token.(json.Number)
		if !number {
			return token, nil
		}
		i, err := strconv.ParseInt(string(n), 10, 64)
		u, uerr := strconv.ParseUint(string(n), 10, 64)
		switch {
		case err == nil && (i > doubleExact || i < -doubleExact):
			return i, nil
		case err == nil:
			return float64(i), nil
		case uerr == nil:
			return u, nil
		}
		f, err := n.Float64()
		if err != nil {
			return nil, err
		}
		return newDouble(f), nil
	})
	if err != nil {
		return nil, false
	}
	if _, err = d.Token(); err != io.EOF {
		return nil, false
	}
	return newDocument(v), true
}

// pointedNumber reports whether a digit stands before a point or an exponent.
func pointedNumber(text string) bool {
	for i := 1; i < len(text); i++ {
		if c := text[i]; (c == '.' || c|0x20 == 'e') && text[i-1] >= '0' && text[i-1] <= '9' {
			return true
		}
	}
	return false
}

// longInteger reports whether a text has as many digits in a row as doubleExact.
func longInteger(text string) bool {
	run := 0
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			run = 0
		} else if run++; run == 16 {
			return true
		}
	}
	return false
}

// jsonReaders are functions whose first argument is a document that they read.
var jsonReaders = map[string]func(*sql.Context, ...sql.Expression) (sql.Expression, error){
	"json_type":   newJSONTypeCall,
	"json_pretty": single(builtin.NewJSONPretty),
	"json_value":  builtin.NewJsonValue,
}

// momentType returns the JSON_TYPE of a date or a time, "" of other types.
func momentType(t sql.Type) string {
	switch {
	case types.IsTimespan(t):
		return "TIME"
	case types.IsDateType(t):
		return "DATE"
	case types.IsTime(t):
		return "DATETIME"
	}
	return ""
}

// jsonArguments returns arguments of which every step-th from one on is put into a document.
func jsonArguments(args []sql.Expression, from, step int) []sql.Expression {
	args = slices.Clone(args)
	for i := from; i < len(args); i += step {
		args[i] = &exactDocument{args[i], putIn}
	}
	return args
}

// jsonTypeCall is JSON_TYPE.
type jsonTypeCall struct{ *builtin.JSONType }

func newJSONTypeCall(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
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
	return newJSONTypeCall(ctx, children...)
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
	doc, err := jsonOf(ctx, v, 1, "json_type")
	return typeOfJSON(doc), err
}

// jsonMaker returns a function that makes documents of values.
func jsonMaker(name string) (sql.Function, bool) {
	switch name {
	case "json_array":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return builtin.NewJSONArray(ctx, jsonArguments(args, 0, 1)...)
		}}, true
	case "json_object":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return builtin.NewJSONObject(ctx, jsonArguments(args, 1, 2)...)
		}}, true
	case "json_arrayagg":
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewJsonArray(&exactDocument{e, putIn})
		}}, true
	case "json_objectagg":
		return sql.Function2{Name: name, Fn: func(ctx *sql.Context, key, value sql.Expression) sql.Expression {
			return aggregation.NewJSONObjectAgg(ctx, key, &exactDocument{value, putIn})
		}}, true
	}
	return nil, false
}

// jsonReader returns one of jsonReaders.
func jsonReader(name string) (sql.Function, bool) {
	f, ok := jsonReaders[name]
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if none := expression.NewLiteral("", types.LongText); name == "json_value" && len(args) == 2 {
			args = append(args, none, none, none, none, none)
		}
		if name == "json_value" && len(args) == 7 {
			return jsonValueOf(ctx, args)
		}
		if len(args) == 0 {
			return f(ctx)
		}
		return f(ctx, append([]sql.Expression{&exactDocument{args[0], readIn}}, args[1:]...)...)
	}}, true
}

// exactDocument is an argument that is a document with MySQL's types.
type exactDocument struct {
	sql.Expression
	as documentUse
}

// documentUse is what a function does with an argument.
type documentUse byte

const (
	readIn     documentUse = iota // a document: texts are read
	castIn                        // of a CAST: texts are read, other values are themselves
	putIn                         // a value in a document: texts are strings
	comparedIn                    // a document that the planner compares
	castMoment                    // what is cast to a date or a time
)

// Children implements sql.Expression.
func (e *exactDocument) Children() []sql.Expression { return []sql.Expression{e.Expression} }

// WithChildren implements sql.Expression.
func (e *exactDocument) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &exactDocument{children[0], e.as}, nil
}

// Eval implements sql.Expression.
func (e *exactDocument) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Expression.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	t := e.Type(ctx)
	value := e.as == putIn || e.as == castIn
	if e.as == castIn && (types.IsEnum(t) || types.IsSet(t)) {
		text, err := asMemberText(ctx, expression.NewLiteral(v, t)).Eval(ctx, r)
		return newDocument(text), err
	}
	if text, ok := v.(string); ok && types.IsBinaryType(t) && !types.IsJSON(t) {
		v = []byte(text)
	}
	if s, ok := newMoment(v, t); ok {
		return e.scalar(s), nil
	}
	switch v.(type) {
	case uint8, uint16, uint32:
		if _, literal := e.Expression.(*expression.Literal); literal && value { // the planner's types of small numbers
			n, _, err := types.Int64.Convert(ctx, v)
			return n, err
		}
	}
	switch x := v.(type) {
	case string:
		if e.as == putIn {
			return x, nil
		}
		if err := tooNested(x); err != nil {
			return nil, err
		}
		if doc, ok := exactText(x); ok {
			return e.document(ctx, doc)
		}
		if e.as == castIn {
			return jsonDocument(ctx, x, 1, "cast_as_json")
		}
	case []byte:
		if !value {
			return nil, errBinaryJSON()
		}
		return e.scalar(newBlob("BLOB", bytesNumber(ctx, e.Expression), x)), nil
	case uint64:
		if bit, ok := t.(types.BitType); ok && value {
			b := binary.BigEndian.AppendUint64(nil, x)
			return e.scalar(newBlob("BIT", bitNumber, b[8-(int(bit.NumberOfBits())+7)/8:])), nil
		}
	case float32:
		if value {
			return e.scalar(newDouble(float64(x))), nil
		}
	case float64:
		if value {
			return e.scalar(newDouble(x)), nil
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
	if _, field := e.(*expression.GetField); field && ok {
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
func (e *exactDocument) scalar(v any) any {
	if s, ok := v.(typedScalar); ok && e.as != putIn {
		return newDocument(s)
	}
	return v
}

// document returns a document as the function wants it.
func (e *exactDocument) document(ctx *sql.Context, w sql.JSONWrapper) (any, error) {
	if _, lazy := w.(*types.LazyJSONDocument); lazy {
		return w, nil
	}
	v, err := rawJSON(ctx, w)
	if err != nil {
		return nil, err
	}
	switch e.as {
	case castMoment:
		if s, ok := v.(typedScalar); ok {
			return s.plain(), nil
		}
		return w, nil
	case comparedIn:
		return types.JSONDocument{Val: plainJSON(v, true)}, nil
	case putIn:
		if s, ok := v.(typedScalar); ok {
			return s, nil
		}
	}
	return newDocument(v), nil
}

// plainJSON returns a value of a document without typedScalars and, if it is compared, with numbers that are DOUBLEs, or
// texts that no document has if a DOUBLE does not hold them.
func plainJSON(v any, compared bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plainJSON(e, compared)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainJSON(e, compared)
		}
		return out
	case typedScalar:
		switch {
		case !compared:
			return v.plain()
		case v.kind != jsonDouble:
			return "\x00" + v.kind + v.text
		}
		return plainJSON(v.plain(), compared)
	case int64, uint64, *apd.Decimal:
		if !compared {
			return v
		}
		d, err := exactNumber(v)
		if err != nil {
			return v
		}
		f, err := d.Float64()
		if x, ferr := exactNumber(f); err != nil || ferr != nil || x.Cmp(d) != 0 && d.Exponent == 0 {
			return "\x00" + d.Text('f')
		}
		return f
	}
	return v
}
