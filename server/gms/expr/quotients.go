package expr

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// The variable that says how many digits a quotient has more than its left side.
const (
	DivPrecision = "div_precision_increment"
	DivIncrement = 4 // its default
)

// divisionDigits is div_precision_increment: the digits that a quotient has more than its left side.
func divisionDigits(ctx *sql.Context) int {
	v, err := ctx.GetSessionVariable(ctx, DivPrecision)
	if n, ok := v.(int64); ok && err == nil {
		return int(n)
	}
	return DivIncrement
}

// quotient is / of exact numbers. The planner's has the most digits before the point, and rounds what is gone on with.
type quotient struct {
	*expression.Div
	typ sql.DecimalType
}

// newQuotient returns nil if the numbers are not exact.
func newQuotient(ctx *sql.Context, div *expression.Div) sql.Expression {
	if !types.IsDecimal(div.Type(ctx)) {
		return nil
	}
	d := deriver{ctx: ctx}
	typ := d.quotient(div)
	if typ == nil {
		scale := divisionDigits(ctx)
		if l, ok := div.LeftChild.Type(ctx).(sql.DecimalType); ok {
			scale += int(l.Scale())
		}
		typ = decimalOf(types.DecimalTypeMaxPrecision, min(scale, types.DecimalTypeMaxScale), nil)
	}
	return &quotient{div, typ.(sql.DecimalType)}
}

// exactDiv returns the division that an expression is.
func exactDiv(e sql.Expression) (*expression.Div, bool) {
	if q, ok := e.(*quotient); ok {
		return q.Div, true
	}
	if q, ok := e.(*chosenOp); ok {
		e = q.ArithmeticOp
	}
	div, ok := e.(*expression.Div)
	return div, ok
}

// Type implements sql.Expression.
func (q *quotient) Type(*sql.Context) sql.Type { return q.typ }

// WithChildren implements sql.Expression.
func (q *quotient) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := q.Div.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (q *quotient) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	x, err := exactValue(ctx, q, r)
	if x == nil || err != nil {
		return nil, err
	}
	return scaled(x, q.typ)
}

// divided returns a quotient with MySQL's digits, nil of a division by zero. Nine digits are a word, and each side has
// whole ones (do_div_mod in strings/decimal.cc).
func divided(ctx *sql.Context, l, r *apd.Decimal) *apd.Decimal {
	if r.IsZero() {
		value.Warn(ctx, value.DivisionByZero, "Division by 0")
		return nil
	}
	return types.DecimalDiv(l, r, quotientDigits(ctx, -l.Exponent, -r.Exponent), true)
}

// quotientDigits returns how many digits a quotient of numbers with so many has behind the point.
func quotientDigits(ctx *sql.Context, left, right int32) int32 {
	words := func(digits int32) int32 { return (max(digits, 0) + 8) / 9 * 9 }
	sides := words(left) + words(right)
	return sides + words(int32(divisionDigits(ctx))-(sides-left-right))
}

// unrounded is exact arithmetic with a division or a user's variable in it that is assigned: to be shown it is rounded, a column
// gets all digits.
type unrounded struct{ expression.UnaryExpressionStub }

// NewUnrounded returns nil of other expressions.
func NewUnrounded(ctx *sql.Context, e sql.Expression) sql.Expression {
	if sub, ok := e.(*plan.Subquery); ok {
		return unroundedSubquery(ctx, sub)
	}
	var divides func(sql.Expression) bool
	divides = func(e sql.Expression) bool {
		if _, ok := exactDiv(e); ok {
			return true
		}
		switch x := planned(e).(type) {
		case *rounded, *expression.UserVar:
			return true
		case *nullIf:
			return divides(x.LeftChild)
		}
		return slices.ContainsFunc(terms(e), divides) || slices.ContainsFunc(alternatives(e), divides)
	}
	if !types.IsDecimal(e.Type(ctx)) || !divides(e) {
		return nil
	}
	return &unrounded{expression.UnaryExpressionStub{Child: e}}
}

// unroundedSubquery is NewUnrounded of a subquery, whose value has all digits then.
func unroundedSubquery(ctx *sql.Context, sub *plan.Subquery) sql.Expression {
	if g, ok := sub.Query.(*plan.GroupBy); ok && len(g.SelectDeps) == 1 {
		if a := ShownAggregate(ctx, g.SelectDeps[0], true); a != nil {
			return &unrounded{expression.UnaryExpressionStub{Child: sub.WithQuery(plan.NewGroupBy([]sql.Expression{a}, g.GroupByExprs, g.Child))}}
		}
	}
	p, ok := sub.Query.(*plan.Project)
	if !ok || len(p.Projections) != 1 {
		return nil
	}
	list := slices.Clone(p.Projections)
	in, alias := list[0], (*expression.Alias)(nil)
	if a, ok := in.(*expression.Alias); ok {
		in, alias = a.Child, a
	}
	if _, done := in.(*unrounded); !done {
		if list[0] = NewUnrounded(ctx, in); list[0] == nil {
			return nil
		}
		if alias != nil {
			list[0] = expression.NewAlias(ctx, alias.Name(), list[0])
		}
		sub = sub.WithQuery(plan.NewProject(ctx, list, p.Child))
	}
	return &unrounded{expression.UnaryExpressionStub{Child: sub}}
}

// exactOp returns the planner's operation.
func exactOp(e sql.Expression) sql.Expression {
	switch op := e.(type) {
	case *doubleOp:
		return op.ArithmeticOp
	case *chosenOp:
		return op.ArithmeticOp
	case *exactMod:
		return op.Mod
	}
	return planned(e)
}

// alternatives returns the values that IFNULL, COALESCE, IF, CASE, GREATEST and LEAST give one of, nil of others.
func alternatives(e sql.Expression) []sql.Expression {
	c, ok := e.(*typedCall)
	if !ok {
		return nil
	}
	if c.chooses() {
		return c.values()
	}
	return nil
}

// chosenValue returns all digits of the value that one of those gives, nil for NULL.
func chosenValue(ctx *sql.Context, c *typedCall, r sql.Row) (*apd.Decimal, error) {
	holds := func(condition sql.Expression) (bool, error) {
		v, err := condition.Eval(ctx, r)
		if v == nil || err != nil {
			return false, err
		}
		return sql.ConvertToBool(ctx, v)
	}
	values := c.values()
	if k, ok := c.FunctionExpression.(CaseCall); ok {
		for _, b := range k.Branches {
			condition := b.Cond
			if k.Expr != nil {
				condition = expression.NewEquals(k.Expr, b.Cond)
			}
			if yes, err := holds(condition); err != nil {
				return nil, err
			} else if yes {
				return exactValue(ctx, b.Value, r)
			}
		}
		if k.Else == nil {
			return nil, nil
		}
		return exactValue(ctx, k.Else, r)
	}
	switch name := strings.ToLower(c.FunctionName()); name {
	case "if":
		yes, err := holds(c.Children()[0])
		if err != nil {
			return nil, err
		}
		return exactValue(ctx, values[Truth(!yes)], r)
	case "greatest", "least":
		var most *apd.Decimal
		for _, v := range values {
			x, err := exactValue(ctx, v, r)
			if x == nil || err != nil {
				return nil, err
			}
			if most == nil || x.Cmp(most) != 0 && x.Cmp(most) > 0 == (name == "greatest") {
				most = x
			}
		}
		return most, nil
	}
	for _, v := range values {
		if x, err := exactValue(ctx, v, r); x != nil || err != nil {
			return x, err
		}
	}
	return nil, nil
}

// chosenOp is + - * or / of exact numbers with a quotient that a function or a minus hands on, which the planner rounds before.
type chosenOp struct{ expression.ArithmeticOp }

// newChosenOp returns nil if the operation is another.
func newChosenOp(ctx *sql.Context, e expression.ArithmeticOp) sql.Expression {
	var handedOn func(sql.Expression) bool
	handedOn = func(e sql.Expression) bool {
		switch exactOp(e).(type) {
		case *quotient, *expression.UnaryMinus, *expression.Mod, *Function, *nullIf, *rounded, *expression.UserVar:
			return NewUnrounded(ctx, e) != nil
		}
		if alternatives(e) != nil {
			return NewUnrounded(ctx, e) != nil
		}
		return slices.ContainsFunc(terms(e), handedOn)
	}
	if !strings.Contains("+-*/", e.Operator()) || !types.IsDecimal(e.Type(ctx)) || !handedOn(e) {
		return nil
	}
	return &chosenOp{e}
}

// WithChildren implements sql.Expression.
func (e *chosenOp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.ArithmeticOp.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (*chosenOp) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// Eval implements sql.Expression.
func (e *chosenOp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	x, err := exactValue(ctx, e.ArithmeticOp, r)
	if x == nil || err != nil {
		return nil, err
	}
	return scaled(x, e.Type(ctx))
}

// terms returns the operands of a sum, a difference, a product, a quotient, a remainder, a minus or ABS, nil of others.
func terms(e sql.Expression) []sql.Expression {
	if div, ok := exactDiv(e); ok {
		return div.Children()
	}
	switch x := exactOp(e).(type) {
	case *expression.Arithmetic:
		if strings.Contains("+-*", x.Operator()) {
			return e.Children()
		}
	case *expression.UnaryMinus, *expression.Mod:
		return e.Children()
	case *Function:
		if x.Def.Name == "abs" {
			return x.Args
		}
	}
	return nil
}

// Type implements sql.Expression.
func (u *unrounded) Type(ctx *sql.Context) sql.Type { return u.Child.Type(ctx) }

// String implements sql.Expression.
func (u *unrounded) String() string { return u.Child.String() }

// WithChildren implements sql.Expression.
func (u *unrounded) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(u, len(children), 1)
	}
	return &unrounded{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (u *unrounded) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	x, err := exactValue(ctx, u.Child, r)
	if x == nil || err != nil {
		return nil, err
	}
	return x, nil
}

// rounded is a value that has all digits of a quotient, rounded to those of its type. What goes on with it has all.
type rounded struct {
	expression.UnaryExpressionStub
	mean   bool // of an AVG, which as a DOUBLE has more digits than decimals go on with
	double bool // the AVG as a DOUBLE
}

// NewRounded returns the expression, of an AVG if mean is true.
func NewRounded(e sql.Expression, mean bool) sql.Expression {
	return &rounded{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, mean: mean}
}

// HandedOn returns the column that an expression rounds, nil of others.
func HandedOn(e sql.Expression) *expression.GetField {
	if x, ok := e.(*rounded); ok {
		f, _ := x.Child.(*expression.GetField)
		return f
	}
	return nil
}

// Name implements sql.Nameable: a column keeps its name.
func (x *rounded) Name() string {
	if f := HandedOn(x); f != nil {
		return f.Name()
	}
	return x.String()
}

// Table implements sql.Tableable: a column keeps that of its table.
func (x *rounded) Table() string {
	if f := HandedOn(x); f != nil {
		return f.Table()
	}
	return ""
}

// Type implements sql.Expression.
func (x *rounded) Type(ctx *sql.Context) sql.Type {
	if x.double {
		return types.Float64
	}
	return x.Child.Type(ctx)
}

// String implements sql.Expression.
func (x *rounded) String() string { return x.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (*rounded) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (x *rounded) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(x, len(children), 1)
	}
	c := *x
	if done, ok := children[0].(*rounded); ok {
		c.Child = done.Child
	} else {
		c.Child = children[0]
	}
	return &c, nil
}

// exact returns the value with the digits that decimals go on with.
func (x *rounded) exact(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := x.Child.Eval(ctx, r)
	if d, ok := v.(*apd.Decimal); ok && x.mean && err == nil {
		scale := int32(x.Child.Type(ctx).(sql.DecimalType).Scale())
		return value.CutOff(d, quotientDigits(ctx, scale-int32(divisionDigits(ctx)), 0))
	}
	return v, err
}

// Eval implements sql.Expression.
func (x *rounded) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if x.double {
		v, err := x.Child.Eval(ctx, r)
		if v == nil || err != nil {
			return nil, err
		}
		return DoubleOf(ctx, v)
	}
	v, err := x.exact(ctx, r)
	if d, ok := v.(*apd.Decimal); ok && err == nil {
		return scaled(d, x.Type(ctx))
	}
	return v, err
}

// allDigits are the functions that go on with all digits of their arguments.
var allDigits = map[string]bool{
	"round": true, "truncate": true, "floor": true, "ceil": true, "ceiling": true, "format": true, "sqrt": true, "pow": true, "power": true,
	"sin": true, "cos": true, "tan": true, "cot": true, "asin": true, "acos": true, "atan": true, "atan2": true, "degrees": true, "radians": true,
	"exp": true, "ln": true, "log": true, "log2": true, "log10": true, "sign": true, "sec_to_time": true, "maketime": true, "from_unixtime": true,
}

// ofAllDigits returns an aggregate, a cast, an operation of DOUBLEs or one of allDigits with all digits of the quotients that it
// is of, nil of others.
func ofAllDigits(ctx *sql.Context, e sql.Expression) sql.Expression {
	args := 1
	switch f := e.(type) {
	case *Aggregate:
	case *expression.Convert:
		if !types.IsNumber(f.Type(ctx)) {
			return nil
		}
	case expression.ArithmeticOp:
		if _, whole := e.(*expression.IntDiv); !whole && !types.IsFloat(f.Type(ctx)) {
			return nil
		}
		args = len(e.Children())
	case sql.FunctionExpression:
		switch name := strings.ToLower(f.FunctionName()); {
		case allDigits[name]:
		case chooses(name) && types.IsFloat(f.Type(ctx)): // as a DOUBLE it is the whole quotient
		default:
			return nil
		}
		args = len(e.Children())
	default:
		return nil
	}
	children, some := slices.Clone(e.Children()), false
	for i := range min(args, len(children)) {
		if x, ok := children[i].(*rounded); ok && x.mean && types.IsFloat(e.Type(ctx)) {
			if !x.double {
				children[i], some = &rounded{x.UnaryExpressionStub, true, true}, true
			}
		} else if q := NewUnrounded(ctx, children[i]); q != nil {
			children[i], some = q, true
		}
	}
	if some {
		return WithOperands(ctx, e, children)
	}
	return nil
}

// WholeAggregate returns an aggregate whose result has all digits, nil of one that has no more than are shown: AVG and, where
// all rows are one group, SUM, MAX and MIN of a quotient.
func WholeAggregate(ctx *sql.Context, e sql.Expression, all bool) sql.Expression {
	switch a := e.(type) {
	case *Aggregate:
		if a.window != nil || a.decimal(ctx) == nil {
			return nil
		}
		if _, quotient := a.Child.(*unrounded); !a.Kind.mean && !(all && (quotient || NewUnrounded(ctx, a.Child) != nil)) {
			return nil
		}
		return a.with(asDouble)
	case *aggregation.Max, *aggregation.Min:
		child := a.Children()[0]
		if _, done := child.(*unrounded); done {
			return a
		}
		if q := NewUnrounded(ctx, child); q != nil && all {
			return WithOperands(ctx, a, []sql.Expression{q})
		}
	}
	return nil
}

func (a *Aggregate) with(d digits) sql.Expression {
	if a.whole == d {
		return a
	}
	c := *a
	c.whole = d
	return &c
}

// ShownAggregate returns what WholeAggregate has made, as it is shown or, if on is true, with the digits that decimals go
// on with; nil of others.
func ShownAggregate(ctx *sql.Context, e sql.Expression, on bool) sql.Expression {
	switch a := e.(type) {
	case *Aggregate:
		if on {
			if WholeAggregate(ctx, a, true) != nil {
				return a.with(asDecimal)
			}
		} else if a.whole != asShown {
			return a.with(asShown)
		}
	case *aggregation.Max, *aggregation.Min:
		if u, ok := a.Children()[0].(*unrounded); ok && !on {
			return WithOperands(ctx, a, []sql.Expression{u.Child})
		}
	}
	return nil
}

// IsMean reports whether an expression is AVG, with or without a name.
func IsMean(e sql.Expression) bool {
	if a, ok := e.(*expression.Alias); ok {
		e = a.Child
	}
	a, ok := e.(*Aggregate)
	return ok && a.Kind.mean
}

// exactValue returns all digits of an expression, nil for NULL.
func exactValue(ctx *sql.Context, e sql.Expression, r sql.Row) (*apd.Decimal, error) {
	if x, ok := e.(*rounded); ok {
		if x.mean {
			v, err := x.exact(ctx, r)
			d, _ := v.(*apd.Decimal)
			return d, err
		}
		e = x.Child
	}
	if n, ok := planned(e).(*nullIf); ok {
		if v, err := n.Eval(ctx, r); v == nil || err != nil {
			return nil, err
		}
		e = n.LeftChild
	}
	parts := terms(e)
	if parts == nil {
		if alternatives(e) != nil && types.IsDecimal(e.Type(ctx)) {
			return chosenValue(ctx, e.(*typedCall), r)
		}
		v, err := e.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if v, _, err = types.InternalDecimalType.Convert(ctx, v); err != nil {
			return nil, err
		}
		x, ok := v.(*apd.Decimal)
		if !ok {
			return nil, value.ErrValue(types.InternalDecimalType, v)
		}
		return x, nil
	}
	values := make([]*apd.Decimal, len(parts))
	for i, p := range parts {
		var err error
		if values[i], err = exactValue(ctx, p, r); err != nil || values[i] == nil {
			return nil, err
		}
	}
	if _, ok := exactDiv(e); ok {
		return divided(ctx, values[0], values[1]), nil
	}
	var out apd.Decimal
	var err error
	switch x := exactOp(e).(type) {
	case *expression.Mod:
		return remainder(ctx, values[0], values[1])
	case *expression.UnaryMinus:
		_, err = sql.DecimalCtx.Neg(&out, values[0])
	case *Function:
		out.Abs(values[0])
	case *expression.Arithmetic:
		switch x.Operator() {
		case "+":
			_, err = sql.DecimalCtx.Add(&out, values[0], values[1])
		case "-":
			_, err = sql.DecimalCtx.Sub(&out, values[0], values[1])
		default:
			_, err = sql.DecimalCtx.Mul(&out, values[0], values[1])
		}
	}
	return &out, err
}

// ofDecimals is a quotient without its fraction.
func (e *integerDiv) ofDecimals(ctx *sql.Context, r sql.Row) (any, error) {
	a, b, err := exactSides(ctx, e.IntDiv, r)
	if err != nil || a == nil || b == nil {
		return nil, err
	}
	if b.IsZero() {
		value.Warn(ctx, value.DivisionByZero, "Division by 0")
		return nil, nil
	}
	var whole apd.Decimal
	if _, err := exactContext.QuoInteger(&whole, a, b); err != nil {
		return nil, err
	}
	n, in := wide{negative: whole.Negative}, whole.Form == apd.Finite
	if text := strings.TrimPrefix(whole.Text('f'), "-"); in {
		var err error
		n.size, err = strconv.ParseUint(text, 10, 64)
		in = err == nil
	}
	v, fits := n.value(e.typ)
	if !in || !fits {
		return nil, errBigint(e.typ, e)
	}
	return v, nil
}

// exactMod is MOD of DECIMALs: the planner has too few digits for some.
type exactMod struct{ *expression.Mod }

// Type implements sql.Expression: the planner's of a quotient's remainder has the digits of what is divided.
func (e *exactMod) Type(ctx *sql.Context) sql.Type {
	return deriver{ctx: ctx}.decimal(e.Mod, e.Mod.Type(ctx))
}

// WithChildren implements sql.Expression.
func (e *exactMod) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Mod.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *exactMod) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	a, b, err := exactSides(ctx, e.Mod, r)
	if err != nil || a == nil || b == nil {
		return nil, err
	}
	out, err := remainder(ctx, a, b)
	if out == nil || err != nil {
		return nil, err
	}
	places := max(-a.Exponent, -b.Exponent, 0)
	if t, ok := e.Mod.LeftChild.Type(ctx).(sql.DecimalType); ok && NewUnrounded(ctx, e.Mod.LeftChild) != nil {
		places = max(int32(t.Scale()), -b.Exponent, 0) // not those that it goes on with
	}
	return sql.DecimalRound(out, places)
}

// remainder is MOD, nil of a division by zero.
func remainder(ctx *sql.Context, a, b *apd.Decimal) (*apd.Decimal, error) {
	if b.IsZero() {
		value.Warn(ctx, value.DivisionByZero, "Division by 0")
		return nil, nil
	}
	out := new(apd.Decimal)
	if _, err := exactContext.Rem(out, a, b); err != nil {
		return nil, err
	}
	return value.UnsignedZero(out), nil
}

// exactContext has the digits of a quotient of any DECIMALs and DOUBLEs.
var exactContext = apd.BaseContext.WithPrecision(700)

// exactSides evaluates both sides of an operation as DECIMALs, nil for NULL.
func exactSides(ctx *sql.Context, e sql.Expression, r sql.Row) (a, b *apd.Decimal, err error) {
	var sides [2]*apd.Decimal
	for i, o := range e.Children() {
		v, err := o.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, nil, err
		}
		if sides[i], err = exactOf(ctx, v); err != nil {
			return nil, nil, err
		}
	}
	return sides[0], sides[1], nil
}

// exactOf is a value as a DECIMAL, of a text the number that it begins with, with a warning.
func exactOf(ctx *sql.Context, v any) (*apd.Decimal, error) {
	switch x := v.(type) {
	case float64:
		return new(apd.Decimal).SetFloat64(x)
	case string:
		digits, rest := value.NumericPrefix(x)
		if rest {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DECIMAL value: '%s'", x)
		}
		d, _, err := apd.NewFromString(cmp.Or(digits, "0"))
		return d, err
	}
	n, _, err := types.InternalDecimalType.Convert(ctx, v)
	if d, ok := n.(*apd.Decimal); ok && err == nil {
		return d, nil
	}
	f, err := DoubleOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return new(apd.Decimal).SetFloat64(f)
}
