package gms

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
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
}

var (
	_ sql.FunctionExpression = (*typedCall)(nil)
	_ sql.CollationCoercible = (*typedCall)(nil)
)

// collatedFunctions are those whose texts are made of their arguments'. A number is how many
// arguments are, 0: all.
var collatedFunctions = map[string]int{
	"concat": 0, "concat_ws": 0, "left": 1, "right": 1, "substring": 1, "substr": 1, "mid": 1, "substring_index": 1,
	"lower": 1, "lcase": 1, "upper": 1, "ucase": 1, "ltrim": 1, "rtrim": 1, "lpad": 0, "rpad": 0, "replace": 0, "reverse": 1,
	"repeat": 1, "insert": 0, "nullif": 1, "greatest": 0, "least": 0, "quote": 1,
}

// choices are the functions that give one of their arguments, by where those begin that they choose of.
var choices = map[string]int{"coalesce": 0, "ifnull": 0, "if": 1, "greatest": 0, "least": 0}

// typedFunction returns a function of the planner's that is one of these.
func typedFunction(ctx *sql.Context, name string) (sql.Function, bool) {
	_, text := collatedFunctions[name]
	if _, choice := choices[name]; !text && !choice {
		return nil, false
	}
	if name == "nullif" {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			e, err := newNullIf(ctx, args)
			if err != nil {
				return nil, err
			}
			return withType(ctx, e), nil
		}}, true
	}
	f, ok := natives().Function(ctx, "", name)
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		e, err := f.NewInstance(ctx, textArguments(ctx, name, args))
		if err != nil {
			return nil, err
		}
		if name == "quote" {
			e = quoteCall{e.(*builtin.Quote)}
		}
		return withType(ctx, e), nil
	}}, true
}

// quoteCall is QUOTE, which of NULL is the word.
type quoteCall struct{ *builtin.Quote }

// WithChildren implements sql.Expression.
func (q quoteCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := q.Quote.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return quoteCall{e.(*builtin.Quote)}, nil
}

// IsNullable implements sql.Expression.
func (quoteCall) IsNullable(*sql.Context) bool { return false }

// Eval implements sql.Expression.
func (q quoteCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := q.Quote.Eval(ctx, r)
	if v == nil && err == nil {
		return "NULL", nil
	}
	if text, ok := v.(string); ok {
		return strings.ReplaceAll(text, "\x1a", "Z"), err
	}
	return v, err
}

// withType returns a call with MySQL's type.
func withType(ctx *sql.Context, e sql.Expression) sql.Expression {
	f, ok := e.(sql.FunctionExpression)
	if !ok {
		return e
	}
	return &typedCall{FunctionExpression: f}
}

// planned returns the planner's expression where e has another type.
func planned(e sql.Expression) sql.Expression {
	if c, ok := e.(*typedCall); ok {
		if k, ok := c.FunctionExpression.(caseCall); ok {
			return k.Case
		}
		return c.FunctionExpression
	}
	return e
}

// values returns the arguments that make the result.
func (c *typedCall) values() []sql.Expression {
	args := c.Children()
	if k, ok := c.FunctionExpression.(caseCall); ok {
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
	if from, ok := choices[name]; ok {
		return args[min(from, len(args)):]
	}
	if n := collatedFunctions[name]; n > 0 {
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
		t.typ = (&memberText{of: t.typ}).Type(ctx)
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
	moments := commonMoment(ctx, values)
	switch {
	case c.chooses() && moments != nil:
		t.typ = moments
		t.collation, t.coercibility = coercibilityOf(ctx, c.FunctionExpression)
	case types.IsTextOnly(t.typ):
		t.collation, t.coercibility = commonCollation(ctx, values)
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
			if typ := commonNumber(ctx, values); typ != nil {
				t.typ = typ
			} else if t.typ == types.Int64 && (name == "greatest" || name == "least") {
				t.typ = commonInteger(ctx, values)
			}
		}
	}
	if c.Resolved() {
		c.found.Store(t)
	}
	return t
}

// commonCollation returns the collation of a text that is made of several values, the
// connection's if none of them is a text.
func commonCollation(ctx *sql.Context, values []sql.Expression) (sql.CollationID, byte) {
	collation, coercibility, some := sql.CollationID(0), byte(0), false
	for _, e := range values {
		t := e.Type(ctx)
		if !types.IsText(t) && !types.IsEnum(t) && !types.IsSet(t) {
			continue
		}
		c, n := coercibilityOf(ctx, e)
		if !some {
			collation, coercibility, some = c, n, true
		} else {
			collation, coercibility = sql.ResolveCoercibility(collation, coercibility, c, n)
		}
	}
	if !some || coercibility > 4 {
		return ctx.GetCollation(), 4
	}
	return collation, coercibility
}

// commonMoment returns the type of one of several dates and times: what all are, or else DATETIME with
// as many digits as one of them has; nil if there are others among them, or none but TIMEs.
func commonMoment(ctx *sql.Context, values []sql.Expression) sql.Type {
	digits := -1
	var common sql.Type
	for _, e := range values {
		t := e.Type(ctx)
		switch {
		case t == types.Null:
			continue
		case types.IsTimespan(t):
			digits = max(digits, createdExpr(ctx, e, nil).momentDigits())
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
	return datetimes[max(digits, 0)]
}

// commonNumber returns the type of one of several exact numbers, if one of them is a DECIMAL; nil for others.
func commonNumber(ctx *sql.Context, values []sql.Expression) sql.Type {
	whole, scale, decimal := 0, 0, false
	for _, e := range values {
		switch t := e.Type(ctx).(type) {
		case sql.DecimalType:
			digits, behind := int(t.Precision()), int(t.Scale())
			whole, scale, decimal = max(whole, digits-behind), max(scale, behind), true
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
	_, made := collatedFunctions[strings.ToLower(c.FunctionName())]
	return whole || made && !c.chooses() && c.FunctionName() != "nullif"
}

func (c *typedCall) chooses() bool {
	_, ok := choices[strings.ToLower(c.FunctionName())]
	return ok || c.FunctionName() == "case"
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
	return withType(ctx, e), nil
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
	if !types.IsDecimal(t) && !moment || !c.chooses() {
		return c.FunctionExpression.Eval(ctx, r)
	}
	v, err := c.choose(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if moment {
		return spanToday(ctx, v)
	}
	if v, _, err = t.Convert(ctx, v); err != nil {
		return nil, err
	}
	if d, ok := v.(*apd.Decimal); ok {
		return scaled(d, t)
	}
	return v, nil
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
	}
	return c.FunctionExpression.Eval(ctx, r)
}

// caseCall is a CASE as a function, whose names are caseFunction and what it has.
type caseCall struct{ *expression.Case }

const caseFunction = "_case"

// textFunction is a CAST AS CHAR, whose texts have the connection's collation.
const textFunction = "_text"

// typedForms makes calls of what the grammar has beside functions and has a type of its own here, CASE,
// CONVERT … USING and CAST AS CHAR, in place.
func typedForms(stmt ast.Statement) error {
	if stmt = queryOf(stmt); stmt == nil {
		return nil
	}
	return replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if c, ok := n.(*ast.ConvertExpr); ok {
			var to *ast.FuncExpr
			switch kind := strings.ToLower(c.Type.Type); {
			case (kind == "char" || kind == "nchar") && c.Type.Charset == "":
				to = call(textFunction, c)
				if number(c.Type.Length) == 0 {
					to = call(emptyTextFunction, c)
				}
			case kind == "char" && c.Type.Charset != "":
				to := call(convertForm, c, ast.NewStrVal([]byte(c.Type.Charset)))
				c.Type.Charset = ""
				return to, true, nil
			case kind == "time":
				digits := ast.NewIntVal([]byte("0"))
				if c.Type.Length != nil {
					digits = c.Type.Length
				}
				to = call(timeForm, c, digits)
			case kind == "decimal" && (c.Type.Scale == nil || string(c.Type.Scale.Val) == "0"):
				length := ast.NewIntVal([]byte("10"))
				if c.Type.Length != nil {
					length = c.Type.Length
				}
				to = call(wholeDecimal, c, length)
			default:
				return nil, true, nil
			}
			in := ast.SelectExprs{&ast.AliasedExpr{Expr: c.Expr}}
			if err := typedForms(&ast.Select{SelectExprs: in}); err != nil {
				return nil, false, err
			}
			c.Expr = in[0].(*ast.AliasedExpr).Expr
			return to, false, nil
		}
		if c, ok := n.(*ast.ConvertUsingExpr); ok {
			return call(convertForm, c.Expr, ast.NewStrVal([]byte(c.Type))), true, nil
		}
		c, ok := n.(*ast.CaseExpr)
		if !ok {
			return nil, true, nil
		}
		name, args := caseFunction, []ast.Expr(nil)
		if c.Expr != nil {
			name, args = name+"v", append(args, c.Expr)
		}
		for _, w := range c.Whens {
			args = append(args, w.Cond, w.Val)
		}
		if c.Else != nil {
			name, args = name+"e", append(args, c.Else)
		}
		return call(name, args...), true, nil
	})
}

// queryOf returns what is read or changed by a statement, of a definition the query in it; nil if there is none.
// Texts of definitions are kept as they are.
func queryOf(stmt ast.Statement) ast.Statement {
	switch s := stmt.(type) {
	case *ast.DDL:
		switch {
		case s.ViewSpec != nil:
			return s.ViewSpec.ViewExpr
		case s.OptSelect != nil:
			return s.OptSelect.Select
		}
		return nil
	case *ast.AlterTable:
		return nil
	}
	return stmt
}

// newCase returns what a call of a caseFunction is.
func newCase(ctx *sql.Context, name string, args []sql.Expression) sql.Expression {
	k := &expression.Case{}
	args = slices.Clone(args)
	has := strings.TrimPrefix(name, caseFunction)
	if strings.HasPrefix(has, "v") {
		k.Expr, args = args[0], args[1:]
	}
	if strings.HasSuffix(has, "e") {
		k.Else, args = args[len(args)-1], args[:len(args)-1]
	}
	for i := 0; i+1 < len(args); i += 2 {
		k.Branches = append(k.Branches, expression.CaseBranch{Cond: args[i], Value: args[i+1]})
	}
	documentCase(ctx, k)
	return withType(ctx, caseCall{k})
}

// documentCase has a CASE of a document compare its text with texts and other documents, and its number with numbers, as MySQL does.
func documentCase(ctx *sql.Context, k *expression.Case) {
	if k.Expr == nil || !types.IsJSON(k.Expr.Type(ctx)) {
		return
	}
	number := expression.NewConvert(k.Expr, expression.ConvertToDouble)
	for i, b := range k.Branches {
		left, t := documentText(ctx, k.Expr), b.Cond.Type(ctx)
		if types.IsNumber(t) {
			left = number
		}
		k.Branches[i].Cond = expression.NewEquals(left, documentText(ctx, b.Cond))
	}
	k.Expr = nil
}

// documentText returns a document as its text, other expressions as they are.
func documentText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if !types.IsJSON(e.Type(ctx)) {
		return e
	}
	return expression.NewCollatedExpression(newCastText(ctx, expression.NewConvert(e, expression.ConvertToChar)), sql.Collation_utf8mb4_bin)
}

// FunctionName implements sql.FunctionExpression.
func (caseCall) FunctionName() string { return "case" }

// Description implements sql.FunctionExpression.
func (caseCall) Description() string { return "case" }

// WithChildren implements sql.Expression.
func (c caseCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Case.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return caseCall{e.(*expression.Case)}, nil
}

// castText is a CAST AS CHAR(n).
type castText struct {
	expression.UnaryExpressionStub
	most int // characters, -1: any number
}

// emptyTextFunction is CAST(… AS CHAR(0)), to the planner one without a length.
const emptyTextFunction = "_empty_text"

func newEmptyText(ctx *sql.Context, e sql.Expression) sql.Expression {
	c := newCastText(ctx, e).(*castText)
	c.most = 0
	return c
}

func newCastText(ctx *sql.Context, e sql.Expression) sql.Expression {
	c := &castText{expression.UnaryExpressionStub{Child: e}, -1}
	if cast, ok := e.(*expression.Convert); ok {
		if m := castLength.FindStringSubmatch(cast.String()); m != nil {
			c.most, _ = strconv.Atoi(m[1])
		}
		if x, err := cast.WithChildren(ctx, textArgument(ctx, cast.Child, false)); err == nil {
			c.Child = x
		}
	}
	return c
}

// Type implements sql.Expression.
func (c *castText) Type(ctx *sql.Context) sql.Type {
	t := c.Child.Type(ctx)
	if s, ok := t.(sql.TypeWithCollation); ok && types.IsTextOnly(t) {
		if t, err := s.WithNewCollation(ctx.GetCollation()); err == nil {
			return t
		}
	}
	return t
}

// CollationCoercibility implements sql.CollationCoercible.
func (*castText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return ctx.GetCollation(), 2
}

// Eval implements sql.Expression.
func (c *castText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	cast, ok := c.Child.(*expression.Convert)
	if !ok {
		return c.Child.Eval(ctx, r)
	}
	t, ok := cast.Child.Type(ctx).(types.BitType)
	if !ok && c.most < 0 {
		return c.Child.Eval(ctx, r)
	}
	if !ok { // the planner counts bytes
		v, err := expression.NewConvert(cast.Child, expression.ConvertToChar).Eval(ctx, r)
		if text, ok := v.(string); ok && utf8.RuneCountInString(text) > c.most {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect CHAR(%d) value: '%s'", c.most, text)
			return string([]rune(text)[:c.most]), err
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
func (c *castText) String() string { return c.Child.String() }

// DebugString implements sql.DebugStringer.
func (c *castText) DebugString(ctx *sql.Context) string { return sql.DebugString(ctx, c.Child) }

// WithChildren implements sql.Expression.
func (c *castText) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	x := newCastText(ctx, children[0]).(*castText)
	x.most = c.most
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
	l, r := e.Left().Type(ctx), e.Right().Type(ctx)
	if !types.IsTextOnly(l) || !types.IsTextOnly(r) {
		return comparedDecimals(ctx, e)
	}
	both := []sql.Expression{e.Left(), e.Right()}
	collation, _ := commonCollation(ctx, both)
	both, _ = paddedOperands(ctx, both...)
	return &nullSafe{expression.NewNullSafeEquals(both[0], both[1]), types.CreateLongText(collation)}
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
