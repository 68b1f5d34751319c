package expr

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// typedCall is a call of a function of the planner's with MySQL's type: texts have the collation
// of the function's arguments, and one of several numbers has the digits that all of them need.
type typedCall struct {
	sql.FunctionExpression
	found atomic.Pointer[callType] // when it is asked first with all arguments resolved
}

// callType is the type of a call and the collation of its texts.
type callType struct {
	typ          sql.Type
	collation    sql.CollationID
	coercibility byte
	mixed        bool // see mixedNumbers
}

var (
	_ sql.FunctionExpression = (*typedCall)(nil)
	_ sql.CollationCoercible = (*typedCall)(nil)
)

// CollatedFunctions are those whose texts are made of their arguments'. A number is how many
// arguments are, 0: all.
var CollatedFunctions = map[string]int{
	"concat": 0, "concat_ws": 0, "left": 1, "right": 1, "substring": 1, "substr": 1, "mid": 1, "substring_index": 1,
	"lower": 1, "lcase": 1, "upper": 1, "ucase": 1, "ltrim": 1, "rtrim": 1, "lpad": 0, "rpad": 0, "replace": 0, "reverse": 1,
	"repeat": 1, "insert": 0, "nullif": 1, "greatest": 0, "least": 0, "quote": 1,
}

// Choices are the functions that give one of their arguments, by where those begin that they choose of.
var Choices = map[string]int{"coalesce": 0, "ifnull": 0, "if": 1, "greatest": 0, "least": 0}

// QuoteCall is QUOTE, which of NULL is the word.
type QuoteCall struct{ *builtin.Quote }

// WithChildren implements sql.Expression.
func (q QuoteCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := q.Quote.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return QuoteCall{e.(*builtin.Quote)}, nil
}

// FunctionName implements sql.FunctionExpression.
func (QuoteCall) FunctionName() string { return "quote" }

// Description implements sql.FunctionExpression.
func (QuoteCall) Description() string { return "quote" }

// IsNullable implements sql.Expression.
func (QuoteCall) IsNullable(*sql.Context) bool { return false }

// Eval implements sql.Expression.
func (q QuoteCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := q.Quote.Eval(ctx, r)
	if v == nil && err == nil {
		return "NULL", nil
	}
	if text, ok := v.(string); ok {
		return strings.ReplaceAll(text, "\x1a", "Z"), err
	}
	return v, err
}

// WithType returns a call with MySQL's type.
func WithType(ctx *sql.Context, e sql.Expression) sql.Expression {
	f, ok := e.(sql.FunctionExpression)
	if !ok {
		return e
	}
	return &typedCall{FunctionExpression: f}
}

// planned returns the planner's expression where e has another type.
func planned(e sql.Expression) sql.Expression {
	if c, ok := e.(*typedCall); ok {
		if k, ok := c.FunctionExpression.(CaseCall); ok {
			return k.Case
		}
		return c.FunctionExpression
	}
	return e
}

// values returns the arguments that make the result.
func (c *typedCall) values() []sql.Expression {
	args := c.Children()
	if k, ok := c.FunctionExpression.(CaseCall); ok {
		args = nil
		for _, b := range k.Branches {
			args = append(args, b.Value)
		}
		if k.Else != nil {
			args = append(args, k.Else)
		}
		return args
	}
	name := strings.ToLower(c.FunctionName())
	if from, ok := Choices[name]; ok {
		return args[min(from, len(args)):]
	}
	if n := CollatedFunctions[name]; n > 0 {
		return args[:min(n, len(args))]
	}
	return args
}

// resolve finds out the type.
func (c *typedCall) resolve(ctx *sql.Context) *callType {
	if t := c.found.Load(); t != nil {
		return t
	}
	t := &callType{typ: c.FunctionExpression.Type(ctx)}
	values, name := c.values(), c.FunctionName()
	if types.IsEnum(t.typ) || types.IsSet(t.typ) {
		t.typ = (&MemberText{Of: t.typ}).Type(ctx)
	} else if c.makesText() && !types.IsText(t.typ) {
		t.typ = types.LongText
	}
	if c.chooses() && t.typ == types.Null {
		for _, e := range values {
			if t.typ = e.Type(ctx); t.typ != types.Null {
				break
			}
		}
	}
	moments := CommonMoment(ctx, values)
	switch {
	case c.chooses() && moments != nil:
		t.typ = moments
		t.collation, t.coercibility = coercibilityOf(ctx, c.FunctionExpression)
	case c.chooses() && name != "greatest" && name != "least" && mixedNumbers(ctx, values) != nil:
		t.typ, t.mixed = mixedNumbers(ctx, values), true
		t.collation, t.coercibility = coercibilityOf(ctx, c.FunctionExpression)
	case types.IsTextOnly(t.typ):
		t.collation, t.coercibility = CommonCollation(ctx, values)
		if t.collation == sql.Collation_binary {
			t.typ = types.LongBlob
		} else if typ, ok := t.typ.(sql.TypeWithCollation); ok {
			if typ, err := typ.WithNewCollation(t.collation); err == nil {
				t.typ = typ
			}
		}
	default:
		t.collation, t.coercibility = coercibilityOf(ctx, c.FunctionExpression)
		if c.chooses() && types.IsNumber(t.typ) {
			if typ := commonNumber(ctx, values, types.IsDecimal(t.typ)); typ != nil {
				t.typ = typ
			} else if name == "greatest" || name == "least" {
				if !slices.ContainsFunc(values, func(e sql.Expression) bool { t := e.Type(ctx); return !types.IsInteger(t) && !types.IsYear(t) }) {
					t.typ = commonInteger(ctx, values)
				}
			}
		}
	}
	if c.Resolved() {
		c.found.Store(t)
	}
	return t
}

// CommonCollation returns the collation of a text that is made of several values, the
// connection's if none of them is a text.
func CommonCollation(ctx *sql.Context, values []sql.Expression) (sql.CollationID, byte) {
	collation, coercibility, some := sql.CollationID(0), byte(0), false
	for _, e := range values {
		t := e.Type(ctx)
		if !types.IsText(t) && !types.IsEnum(t) && !types.IsSet(t) {
			continue
		}
		c, n := coercibilityOf(ctx, e)
		switch {
		case !some:
			collation, coercibility, some = c, n, true
		case (c == sql.Collation_binary) == (collation == sql.Collation_binary):
			collation, coercibility = Resolved(collation, coercibility, c, n)
		case n < coercibility || n == coercibility && c == sql.Collation_binary: // of a text and bytes that are as strong it is the bytes
			collation, coercibility = c, n
		}
	}
	if !some || coercibility > 4 {
		return ctx.GetCollation(), 4
	}
	return collation, coercibility
}

// CommonMoment returns the type of one of several dates and times: what all are, or else DATETIME with
// as many digits as one of them has; nil if there are others among them, or none but TIMEs.
func CommonMoment(ctx *sql.Context, values []sql.Expression) sql.Type {
	digits := -1
	var common sql.Type
	for _, e := range values {
		t := e.Type(ctx)
		switch {
		case t == types.Null:
			continue
		case types.IsTimespan(t):
			digits = max(digits, CreatedExpr(ctx, e, nil).MomentDigits())
			t = types.Time
		case types.IsTime(t):
			digits = max(digits, precisionOf(ctx, e))
		default:
			return nil
		}
		if common != nil && common.Type() != t.Type() {
			t = types.Datetime
		}
		common = t
	}
	switch {
	case common == nil:
		return nil
	case types.IsTimespan(common):
		return types.Time
	case types.IsTimestampType(common):
		return types.MustCreateDatetimeType(sqltypes.Timestamp, digits)
	case types.IsDateType(common):
		return common
	}
	return value.Datetimes[max(digits, 0)]
}

// mixedNumbers returns the type of one of several numbers of which one is a FLOAT, a DOUBLE or a YEAR and not all are of the
// same type, which the planner takes for texts, DECIMALs or DOUBLEs; nil for others.
func mixedNumbers(ctx *sql.Context, values []sql.Expression) sql.Type {
	var common *ResultColumn
	some, mixed, float, exact := false, false, false, false
	for _, e := range values {
		t := e.Type(ctx)
		switch {
		case t == types.Null:
			continue
		case types.IsFloat(t):
			some, float = true, true
		case types.IsYear(t):
			some = true
		case !types.IsNumber(t) && !types.IsBoolean(t):
			return nil
		}
		exact = exact || types.IsDecimal(t)
		_, field := e.(*expression.GetField)
		c := ResultColumn{Typ: t, Field: field, whole: 20}
		if common != nil {
			mixed = mixed || common.Typ.Type() != t.Type()
			c = common.With(ctx, c)
		}
		common = &c
	}
	if !some || !mixed || exact && !float {
		return nil
	}
	return common.Typ
}

// numberType is an expression's type. The planner's of MOD of integers is a DECIMAL.
func numberType(ctx *sql.Context, e sql.Expression) sql.Type {
	if m, ok := e.(*expression.Mod); ok && types.IsInteger(m.LeftChild.Type(ctx)) && types.IsInteger(m.RightChild.Type(ctx)) {
		if Unsigned(ctx, m.LeftChild) {
			return types.Uint64
		}
		return types.Int64
	}
	return e.Type(ctx)
}

// commonNumber returns the type of one of several exact numbers, if it is a DECIMAL, as of a BIGINT UNSIGNED beside an INT,
// or one of them is; nil for others.
func commonNumber(ctx *sql.Context, values []sql.Expression, decimal bool) sql.Type {
	whole, scale := 0, 0
	for _, e := range values {
		switch t := numberType(ctx, e).(type) {
		case sql.DecimalType:
			n := exactDigits{int(t.Precision()) - int(t.Scale()), int(t.Scale())}
			if derived, ok := (deriver{ctx: ctx}).exact(e); ok { // the planner's sums and products have the digits of their sides
				n.whole, n.scale = max(n.whole, derived.whole), derived.scale
			}
			whole, scale, decimal = max(whole, n.whole), max(scale, n.scale), true
		default:
			switch {
			case t == types.Null:
			case types.IsYear(t):
				whole = max(whole, 4)
			case types.IsInteger(t):
				digits := int(min(t.MaxTextResponseByteLength(ctx), 20))
				if types.IsSigned(t) {
					digits-- // the sign
				}
				whole = max(whole, digits)
			default:
				return nil
			}
		}
	}
	if !decimal {
		return nil
	}
	t, err := types.CreateColumnDecimalType(uint8(max(min(whole+scale, types.DecimalTypeMaxPrecision), 1)), uint8(scale))
	if err != nil {
		return nil
	}
	return t
}

// makesText reports whether the result is a text, whatever the arguments are.
func (c *typedCall) makesText() bool {
	_, whole := c.FunctionExpression.(*bounded)
	_, made := CollatedFunctions[strings.ToLower(c.FunctionName())]
	return whole || made && !c.chooses() && c.FunctionName() != "nullif"
}

func (c *typedCall) chooses() bool { return chooses(strings.ToLower(c.FunctionName())) }

// chooses reports whether a function returns one of several values.
func chooses(name string) bool {
	_, ok := Choices[name]
	return ok || name == "case"
}

// Type implements sql.Expression.
func (c *typedCall) Type(ctx *sql.Context) sql.Type { return c.resolve(ctx).typ }

// CollationCoercibility implements sql.CollationCoercible.
func (c *typedCall) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	t := c.resolve(ctx)
	return t.collation, t.coercibility
}

// DebugString implements sql.DebugStringer.
func (c *typedCall) DebugString(ctx *sql.Context) string {
	return sql.DebugString(ctx, c.FunctionExpression)
}

// WithChildren implements sql.Expression.
func (c *typedCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.FunctionExpression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return WithType(ctx, e), nil
}

// Eval implements sql.Expression.
func (c *typedCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	t := c.Type(ctx)
	if name := c.FunctionName(); (name == "greatest" || name == "least") && (types.IsNumber(t) || types.IsText(t)) {
		return c.extreme(ctx, r, name == "greatest")
	}
	moment := types.IsTime(t)
	if t == types.LongBlob {
		v, err := c.choose(ctx, r)
		if s, ok := v.(string); ok {
			return []byte(s), err
		}
		return v, err
	}
	if types.IsTimespan(t) && c.chooses() {
		return c.choose(ctx, r)
	}
	if c.resolve(ctx).mixed {
		v, err := c.choose(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		v, _, err = t.Convert(ctx, v)
		return v, err
	}
	if !types.IsDecimal(t) && !moment && !types.IsJSON(t) || !c.chooses() { // of a NULL document the planner's make the null of JSON
		return c.FunctionExpression.Eval(ctx, r)
	}
	v, err := c.choose(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if moment {
		return value.SpanToday(ctx, v)
	}
	if types.IsDecimal(t) {
		d, ok := v.(*apd.Decimal)
		if !ok {
			if v, _, err = types.InternalDecimalType.Convert(ctx, v); err != nil {
				return nil, err
			}
			d = v.(*apd.Decimal)
		}
		return decimalResult(ctx, d, t)
	}
	v, _, err = t.Convert(ctx, v)
	return v, err
}

// choose returns the value that is chosen as its argument has it.
func (c *typedCall) choose(ctx *sql.Context, r sql.Row) (any, error) {
	switch c.FunctionName() {
	case "coalesce", "ifnull":
		for _, e := range c.Children() {
			if v, err := e.Eval(ctx, r); v != nil || err != nil {
				return v, err
			}
		}
		return nil, nil
	case "if":
		args := c.Children()
		v, err := sql.EvaluateCondition(ctx, args[0], r)
		if err != nil {
			return nil, err
		}
		if sql.IsTrue(v) {
			return args[1].Eval(ctx, r)
		}
		return args[2].Eval(ctx, r)
	case "case":
		k, ok := c.FunctionExpression.(CaseCall)
		if !ok || k.Expr != nil {
			break
		}
		for _, b := range k.Branches {
			if v, err := sql.EvaluateCondition(ctx, b.Cond, r); err != nil {
				return nil, err
			} else if sql.IsTrue(v) {
				return b.Value.Eval(ctx, r)
			}
		}
		if k.Else == nil {
			return nil, nil
		}
		return k.Else.Eval(ctx, r)
	}
	return c.FunctionExpression.Eval(ctx, r)
}

// CaseCall is a CASE as a function, whose names are CaseFunction and what it has.
type CaseCall struct{ *expression.Case }

// CaseFunction begins the names of the functions that stand for CASE.
const CaseFunction = "_case"

// TextFunction is a CAST AS CHAR, whose texts have the connection's collation.
const TextFunction = "_text"

// FunctionName implements sql.FunctionExpression.
func (CaseCall) FunctionName() string { return "case" }

// Description implements sql.FunctionExpression.
func (CaseCall) Description() string { return "case" }

// WithChildren implements sql.Expression.
func (c CaseCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Case.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return CaseCall{e.(*expression.Case)}, nil
}

// CastText is a CAST AS CHAR(n).
type CastText struct {
	expression.UnaryExpressionStub
	Most int // characters, -1: any number
}

// SizedFunction is around the operand of a CAST AS CHAR(n) or BINARY(n).
const SizedFunction = "_sized"

// sized is a LONGTEXT or LONGBLOB as a TEXT or BLOB: the planner drops a CAST to the type that its operand has, and to it that is any length.
type sized struct{ expression.UnaryExpressionStub }

// NewSized returns e as an operand of which the planner keeps a CAST.
func NewSized(ctx *sql.Context, e sql.Expression) sql.Expression {
	if t := e.Type(ctx); t != nil && (t.Equals(types.LongText) || t.Equals(types.LongBlob)) {
		return &sized{expression.UnaryExpressionStub{Child: e}}
	}
	return e
}

// Type implements sql.Expression.
func (s *sized) Type(ctx *sql.Context) sql.Type {
	if types.IsBinaryType(s.Child.Type(ctx)) {
		return types.Blob
	}
	return types.Text
}

// CollationCoercibility implements sql.CollationCoercible.
func (s *sized) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, s.Child)
}

// Eval implements sql.Expression.
func (s *sized) Eval(ctx *sql.Context, r sql.Row) (any, error) { return s.Child.Eval(ctx, r) }

// String implements sql.Expression.
func (s *sized) String() string { return s.Child.String() }

// WithChildren implements sql.Expression.
func (s *sized) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(s, len(children), 1)
	}
	return NewSized(ctx, children[0]), nil
}

// EmptyTextFunction is CAST(… AS CHAR(0)), to the planner one without a length.
const EmptyTextFunction = "_empty_text"

// NewCastText returns a value as CAST(… AS CHAR) has it.
func NewCastText(ctx *sql.Context, e sql.Expression) sql.Expression {
	c := &CastText{expression.UnaryExpressionStub{Child: e}, -1}
	if cast, ok := e.(*expression.Convert); ok {
		c.Most = writtenLength(cast)
		if x, err := cast.WithChildren(ctx, TextArgument(ctx, cast.Child, false)); err == nil {
			c.Child = x
		}
	}
	return c
}

// Type implements sql.Expression.
func (c *CastText) Type(ctx *sql.Context) sql.Type {
	t := c.Child.Type(ctx)
	if s, ok := t.(sql.TypeWithCollation); ok && types.IsTextOnly(t) {
		if t, err := s.WithNewCollation(ctx.GetCollation()); err == nil {
			return t
		}
	}
	return t
}

// CollationCoercibility implements sql.CollationCoercible.
func (*CastText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return ctx.GetCollation(), 2
}

// Eval implements sql.Expression.
func (c *CastText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	cast, ok := c.Child.(*expression.Convert)
	if !ok {
		return c.Child.Eval(ctx, r)
	}
	t, ok := cast.Child.Type(ctx).(types.BitType)
	if !ok && c.Most < 0 {
		return c.Child.Eval(ctx, r)
	}
	if c.Most > packetMin && longCast(ctx, "cast_as_char", c.Most) {
		return nil, nil
	}
	if !ok { // the planner counts bytes
		v, err := expression.NewConvert(cast.Child, expression.ConvertToChar).Eval(ctx, r)
		if text, ok := v.(string); ok && utf8.RuneCountInString(text) > c.Most {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect CHAR(%d) value: '%s'", c.Most, text)
			return string([]rune(text)[:c.Most]), err
		}
		return v, err
	}
	v, err := cast.Child.Eval(ctx, r)
	n, ok := v.(uint64)
	if !ok {
		return v, err
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[8-(t.NumberOfBits()+7)/8:]), nil
}

// String implements sql.Expression.
func (c *CastText) String() string { return c.Child.String() }

// DebugString implements sql.DebugStringer.
func (c *CastText) DebugString(ctx *sql.Context) string { return sql.DebugString(ctx, c.Child) }

// WithChildren implements sql.Expression.
func (c *CastText) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	x := NewCastText(ctx, children[0]).(*CastText)
	x.Most = c.Most
	return x, nil
}

// nullSafe is <=> of texts of different types.
type nullSafe struct {
	*expression.NullSafeEquals
	typ sql.Type
}

// collatedNullSafe returns what compares the sides of a <=> by their collation, which the
// planner does not; nil where it has no need.
func collatedNullSafe(ctx *sql.Context, e *expression.NullSafeEquals) sql.Expression {
	if left, row := e.Left().(expression.Tuple); row {
		return comparedRows(ctx, e, left, e.Right())
	}
	l, r := e.Left().Type(ctx), e.Right().Type(ctx)
	if !types.IsTextOnly(l) || !types.IsTextOnly(r) {
		return comparedDecimals(ctx, e)
	}
	both := []sql.Expression{e.Left(), e.Right()}
	collation, _ := CommonCollation(ctx, both)
	both, _ = WeighedOperands(ctx, both...)
	return &nullSafe{expression.NewNullSafeEquals(both[0], both[1]), WeighedBy(collation)}
}

// Compare implements expression.Comparer.
func (e *nullSafe) Compare(ctx *sql.Context, r sql.Row) (int, error) {
	left, err := e.Left().Eval(ctx, r)
	if err != nil {
		return 0, err
	}
	right, err := e.Right().Eval(ctx, r)
	if err != nil {
		return 0, err
	}
	switch {
	case left == nil && right == nil:
		return 0, nil
	case left == nil || right == nil:
		return 1, nil
	}
	return e.typ.Compare(ctx, left, right)
}

// Eval implements sql.Expression.
func (e *nullSafe) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	n, err := e.Compare(ctx, r)
	return n == 0, err
}

// WithChildren implements sql.Expression.
func (e *nullSafe) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n, err := e.NullSafeEquals.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &nullSafe{n.(*expression.NullSafeEquals), e.typ}, nil
}

// Natives are the planner's functions.
var Natives = sync.OnceValue(func() sql.FunctionProvider { return builtin.NewRegistry() })
