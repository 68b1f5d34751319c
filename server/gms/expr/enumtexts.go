package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// MemberText is an ENUM or SET as a text. To most of the planner's functions, which go by
// the value, they are the numbers of their members.
type MemberText struct {
	expression.UnaryExpressionStub
	Of sql.Type
}

var (
	_ sql.Expression         = (*MemberText)(nil)
	_ sql.CollationCoercible = (*MemberText)(nil)
)

// memberTextFunctions are those that take the members of an ENUM or SET as texts, beside TextFunctions.
var memberTextFunctions = map[string]bool{
	"field": true, "elt": true, "strcmp": true, "find_in_set": true, "ascii": true, "ord": true, "crc32": true, "unhex": true,
	"make_set": true, "export_set": true, "bin": true, "oct": true, "conv": true, "inet_aton": true, "inet6_aton": true,
	"insert": true, "repeat": true, "soundex": true, "from_base64": true, "str_to_date": true, "uuid_to_bin": true,
	"hour": true, "minute": true, "second": true, "microsecond": true, "time_to_sec": true, "time": true,
	"json_object": true, "json_array": true, "json_quote": true, "JsonArray": true /* JSON_ARRAYAGG */, "json_objectagg": true, "json_contains": true,
	"json_set": true, "json_insert": true, "json_replace": true, "json_array_append": true, "json_array_insert": true,
}

// withMembers returns an expression with the ENUMs and SETs among its arguments as texts, if
// it takes texts or gives one of its arguments, and whether it is another.
func withMembers(ctx *sql.Context, e sql.Expression) (sql.Expression, bool) {
	args := slices.Clone(e.Children())
	concerned := func(int) bool { return true }
	switch x := planned(e).(type) {
	case *expression.Case:
		first := 1 // the value of the first WHEN, and every second from there, and the ELSE
		if x.Expr != nil {
			first = 2
		}
		concerned = func(i int) bool {
			return i >= first && (i-first)%2 == 0 || x.Else != nil && i == len(args)-1
		}
	case *builtin.If:
		concerned = func(i int) bool { return i > 0 }
	case *builtin.Coalesce, *builtin.IfNull:
	case sql.FunctionExpression:
		if name := x.FunctionName(); !textFunctions[name] && !memberTextFunctions[name] {
			return e, false
		}
	default:
		return e, false
	}
	if !MembersAsTexts(ctx, args, concerned) {
		return e, false
	}
	out, err := e.WithChildren(ctx, args...)
	if err != nil {
		return e, false
	}
	return out, true
}

// MembersAsTexts makes texts of the ENUMs and SETs among those arguments, and reports whether
// there are any.
func MembersAsTexts(ctx *sql.Context, args []sql.Expression, concerned func(int) bool) bool {
	changed := false
	for i, a := range args {
		if !concerned(i) || !a.Resolved() {
			continue
		}
		if t := a.Type(ctx); types.IsEnum(t) || types.IsSet(t) {
			args[i], changed = &MemberText{expression.UnaryExpressionStub{Child: a}, t}, true
		}
	}
	return changed
}

// AsMemberText returns e as a text if it is an ENUM or SET; others are returned as they are.
func AsMemberText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if t := e.Type(ctx); types.IsEnum(t) || types.IsSet(t) {
		return &MemberText{expression.UnaryExpressionStub{Child: e}, t}
	}
	return e
}

// MemberOperand is the function in the place of what is compared with texts: of that and them.
const MemberOperand = "_member_operand"

// NewMemberOperand returns what is compared.
func NewMemberOperand(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	operands, _ := ComparedMembers(ctx, args...)
	return operands[0], nil
}

// ComparedMembers returns the operands of a comparison with ENUMs and SETs as texts if there
// are texts among them, and whether they are others.
func ComparedMembers(ctx *sql.Context, operands ...sql.Expression) ([]sql.Expression, bool) {
	texts, members := false, false
	for _, e := range operands {
		switch t := e.Type(ctx); {
		case types.IsText(t):
			texts = true
		case types.IsEnum(t) || types.IsSet(t):
			members = true
		case t != types.Null: // a number is compared with their numbers
			return operands, false
		}
	}
	if !texts || !members {
		return operands, false
	}
	operands = slices.Clone(operands)
	for i, e := range operands {
		operands[i] = AsMemberText(ctx, e)
	}
	return operands, true
}

// ComparedAsTexts returns a comparison of ENUMs or SETs with texts as one of texts, nil if it
// is none.
func ComparedAsTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := e.Children()
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		operands = append(operands[:1:1], list...)
	}
	operands, changed := ComparedMembers(ctx, operands...)
	if !changed {
		return nil
	}
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	out := WithOperands(ctx, e, operands)
	if x := ComparedTexts(ctx, out); x != nil {
		return x
	}
	return out
}

// Type implements sql.Expression.
func (m *MemberText) Type(*sql.Context) sql.Type {
	length := int64(0)
	var values []string
	collation := sql.Collation_Default
	switch t := m.Of.(type) {
	case sql.EnumType:
		values, collation = t.Values(), t.Collation()
	case sql.SetType:
		values, collation = t.Values(), t.Collation()
		length = int64(len(values))
	}
	for _, v := range values {
		if n := int64(len([]rune(v))); types.IsSet(m.Of) {
			length += n
		} else {
			length = max(length, n)
		}
	}
	if t, err := types.CreateString(sqltypes.VarChar, max(length, 1), collation); err == nil {
		return t
	}
	return types.LongText
}

// String implements sql.Expression.
func (m *MemberText) String() string { return m.Child.String() }

// IsNullable implements sql.Expression.
func (m *MemberText) IsNullable(ctx *sql.Context) bool { return m.Child.IsNullable(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (m *MemberText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, m.Child)
}

// WithChildren implements sql.Expression.
func (m *MemberText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 1)
	}
	return &MemberText{expression.UnaryExpressionStub{Child: children[0]}, m.Of}, nil
}

// Eval implements sql.Expression.
func (m *MemberText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := m.Child.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case uint16:
		if t, ok := m.Of.(sql.EnumType); ok {
			text, _ := t.At(int(v))
			return text, nil
		}
	case uint64:
		if t, ok := m.Of.(sql.SetType); ok {
			return t.BitsToString(v)
		}
	}
	return v, nil
}
