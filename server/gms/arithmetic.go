package gms

import (
	"cmp"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// The planner's integers wrap round. These are an error where they leave BIGINT (MySQL 1690),
// and BIGINT UNSIGNED if a side is.

// addRules adds to the rules that the analyzer ends with. (Those that its builder takes are
// not asked for statements that write.)
var addRules = sync.OnceFunc(func() {
	replaceGroupByCheck()
	allowSeveralDatabases()
	replaceDropRules()
	addPassedColumns()
	addComparedTypes()
	addUnionTypes()
	windows := planbuilder.IsWindowFunc
	planbuilder.IsWindowFunc = func(ctx *sql.Context, name string) (bool, error) {
		if k := aggregates[name]; k != nil && k.op != "" {
			return true, nil
		}
		return windows(ctx, name)
	}
	analyzer.OnceAfterAll = append(analyzer.OnceAfterAll, analyzer.Rule{Id: virtualChecksRule, Apply: addVirtualChecks}, analyzer.Rule{Id: checkedRule, Apply: checkArithmetic},
		analyzer.Rule{Id: aggregatesRule, Apply: typeAggregates})
})

// checkedRule is the analyzer's rule that puts checked expressions in place of the planner's.
const checkedRule analyzer.RuleId = 1 << 20

func checkArithmetic(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
	_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	if !served(ctx) {
		return n, transform.SameTree, nil
	}
	if err := illegalMixes(ctx, n); err != nil { // of a simple statement that writes
		return n, transform.SameTree, err
	}
	found := false
	transform.InspectExpressions(ctx, n, func(_ *sql.Context, e sql.Expression) bool {
		switch e := e.(type) {
		case *expression.Not, *expression.And, *expression.Or, *expression.Xor, *expression.IsTrue:
			found = found || timesAsConditions(ctx, e) != nil
		case *expression.Equals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan, *expression.GreaterThanOrEqual,
			*expression.Between, *expression.InTuple:
			_, in := e.(*expression.InTuple)
			found = found || in || withComparedTypes(ctx, e) != nil || comparedTexts(ctx, e) != nil || comparedAsTexts(ctx, e) != nil || comparedMoments(ctx, e) != nil
		case *expression.Arithmetic, *expression.BitOp, *expression.UnaryMinus, *expression.IntDiv,
			*expression.HashInTuple, *expression.NullSafeEquals, *expression.Div, *expression.Case, *expression.Convert, *expression.ConvertUsing, *expression.Like, sql.FunctionExpression, *expression.MatchAgainst:
			found = true
		}
		return !found
	})
	same := transform.SameTree
	if found {
		var err error
		if n, same, err = transform.NodeExprs(ctx, n, check); err != nil {
			return n, same, err
		}
	}
	n, same2, err := transform.Node(ctx, n, padKeys)
	if err != nil {
		return n, same && same2, err
	}
	n, same3, err := rememberSubqueries(ctx, n)
	return n, same && same2 && same3, err
}

func check(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
	e, changed := withMembers(ctx, e)
	if c := checked(ctx, e); c != nil {
		return c, transform.NewTree, nil
	}
	return e, transform.TreeIdentity(!changed), nil
}

// checkSimple checks a SELECT of one table, for which the analyzer asks no rule of ours. The tree
// is changed in place: the result's types are read off it.
func checkSimple(ctx *sql.Context, s *Session, n sql.Node) error {
	failed := cmp.Or(s.readUnions(ctx, n), illegalMixes(ctx, n))
	replace := func(e *sql.Expression) {
		x, same, err := transform.Expr(ctx, *e, check)
		if err != nil && failed == nil {
			failed = err
		} else if err == nil && !same {
			*e = x
		}
	}
	sorted := func(by sql.SortConditions) {
		for i := range by {
			replace(&by[i].Expr)
		}
	}
	transform.Inspect(n, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.Project:
			for i := range n.Projections {
				replace(&n.Projections[i])
			}
		case *plan.Filter:
			replace(&n.Expression)
			if isMoment(n.Expression.Type(ctx)) {
				n.Expression = newDateNumber(ctx, n.Expression)
			}
		case *plan.Having:
			if isMoment(n.Cond.Type(ctx)) {
				n.Cond = newDateNumber(ctx, n.Cond)
			}
		case *plan.Sort:
			sorted(n.SortConditions)
			n.SortConditions, _ = paddedSort(ctx, n.SortConditions)
		case *plan.TopN:
			sorted(n.SortConditions)
			n.SortConditions, _ = paddedSort(ctx, n.SortConditions)
		case *plan.TableAlias:
			s.noteAlias(n)
		}
		return true
	})
	return failed
}

// checkedOr returns the expression in place of e, e itself if there is none.
func checkedOr(ctx *sql.Context, e sql.Expression) sql.Expression {
	if c := checked(ctx, e); c != nil {
		return c
	}
	return e
}

// checked returns the expression in place of e, nil for none.
func checked(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch e := e.(type) {
	case *expression.HashInTuple:
		if x := newRowIn(ctx, e); x != nil {
			return x
		}
		if x := withComparedTypes(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		return collatedIn(ctx, e)
	case *expression.NullSafeEquals:
		if x := withComparedTypes(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		if x := comparedMoments(ctx, e); x != nil {
			return x
		}
		if x := comparedAsTexts(ctx, e); x != nil {
			return x
		}
		return collatedNullSafe(ctx, e)
	case *expression.MatchAgainst:
		if m := naturalMatch(ctx, e); m != nil {
			return m
		}
		return &whole{expression.UnaryExpressionStub{Child: e}, types.Float64}
	case *expression.Equals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan, *expression.GreaterThanOrEqual,
		*expression.Between, *expression.InTuple:
		if _, in := e.(*expression.InTuple); in {
			if x := newRowIn(ctx, e); x != nil {
				return x
			}
		}
		if x := documentFirst(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		if x := withComparedTypes(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		if x := comparedMoments(ctx, e); x != nil {
			return x
		}
		if x := comparedAsTexts(ctx, e); x != nil {
			return x
		}
		return comparedTexts(ctx, e)
	case *expression.Like:
		if closed := closedPattern(e); closed != nil {
			return checkedOr(ctx, closed)
		}
		if exact := binaryLike(ctx, e); exact != nil {
			return exact
		}
	case *expression.Arithmetic:
		if _, ok := e.LeftChild.(expression.TimeDeltaExpression); ok {
			return nil
		}
		if _, ok := e.RightChild.(expression.TimeDeltaExpression); ok {
			return nil
		}
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewArithmetic(l, r, e.Op))
		}
		l, r := e.LeftChild.Type(ctx), e.RightChild.Type(ctx)
		if !types.IsInteger(l) || !types.IsInteger(r) {
			if c := newChosenOp(ctx, e); c != nil {
				return c
			}
			return newDoubleOp(ctx, e)
		}
		c := &integerOp{Arithmetic: e, typ: types.Int64}
		if (unsigned(ctx, e.LeftChild) || unsigned(ctx, e.RightChild)) &&
			!(e.Op == ast.MinusStr && sql.LoadSqlMode(ctx).ModeEnabled(sql.NoUnsignedSubtraction)) {
			c.typ = types.Uint64
		}
		return c
	case *expression.BitOp:
		return newBitOp(ctx, e)
	case *expression.Not, *expression.And, *expression.Or, *expression.Xor, *expression.IsTrue:
		return timesAsConditions(ctx, e)
	case *expression.Div:
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewDiv(l, r))
		}
		if m, ok := e.LeftChild.(*exactMod); ok && newUnrounded(ctx, m.LeftChild) != nil { // whose digits the planner counts
			return checkedOr(ctx, expression.NewDiv(m.Mod, e.RightChild))
		}
		if q := newQuotient(ctx, e); q != nil {
			return q
		}
		if c := newChosenOp(ctx, e); c != nil {
			return c
		}
		return newDoubleOp(ctx, e)
	case *expression.IntDiv:
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewIntDiv(l, r))
		}
		c := &integerDiv{IntDiv: e, typ: types.Int64}
		if unsigned(ctx, e.LeftChild) || unsigned(ctx, e.RightChild) {
			c.typ = types.Uint64
		}
		return c
	case *expression.Convert:
		if _, done := e.Child.(*exactDocument); isMoment(e.Type(ctx)) && types.IsJSON(e.Child.Type(ctx)) && !done {
			if x, err := e.WithChildren(ctx, &exactDocument{e.Child, castMoment}); err == nil {
				return checkedOr(ctx, x)
			}
		}
		if types.IsTimespan(e.Type(ctx)) {
			return newTimeCast(e)
		}
		if n := newDateNumber(ctx, e.Child); !unchanged(n, e.Child) && types.IsNumber(e.Type(ctx)) && !types.IsYear(e.Type(ctx)) {
			if d, ok := n.(*dateNumber); ok && types.IsInteger(e.Type(ctx)) {
				d.typ, d.seconds = types.Int64, true
			}
			x, err := e.WithChildren(ctx, n)
			if err != nil {
				return nil
			}
			return checkedOr(ctx, x)
		}
		if c := newIntegerCast(ctx, e); c != nil {
			return c
		}
		if text := binaryArgument(ctx, e.Child); binaryString(ctx, e) && !unchanged(text, e.Child) {
			if x, err := e.WithChildren(ctx, text); err == nil {
				return x
			}
		}
		if t, ok := e.Type(ctx).(sql.DecimalType); ok {
			return &decimalCast{e, t}
		}
		if types.IsFloat(e.Type(ctx)) && types.IsText(e.Child.Type(ctx)) {
			return &doubleCast{e}
		}
		if _, done := e.Child.(*exactDocument); types.IsJSON(e.Type(ctx)) && !done {
			x, err := e.WithChildren(ctx, &exactDocument{e.Child, castIn})
			if err == nil {
				return x
			}
		}
	case *expression.Mod:
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewMod(l, r))
		}
		l := e.LeftChild.Type(ctx)
		if r := e.RightChild.Type(ctx); types.IsFloat(l) || types.IsFloat(r) || types.IsText(l) || types.IsText(r) {
			return &doubleMod{e}
		}
		if !types.IsInteger(l) || !types.IsInteger(e.RightChild.Type(ctx)) {
			return &exactMod{e}
		}
		if unsigned(ctx, e.LeftChild) {
			return &whole{expression.UnaryExpressionStub{Child: e}, types.Uint64}
		}
		return &whole{expression.UnaryExpressionStub{Child: e}, types.Int64}
	case *builtin.Now:
		return presentMoment{e}
	case *builtin.Charset, *builtin.Collation, *builtin.Coercibility:
		child := e.Children()[0]
		if _, done := child.(*someValue); done || child.Type(ctx) == types.Null {
			return nil
		}
		x, err := e.WithChildren(ctx, &someValue{expression.UnaryExpressionStub{Child: child}})
		if err != nil {
			return nil
		}
		return x
	case *expression.ConvertUsing:
		return newConvertUsing(ctx, e.Child, e.TargetCharSet)
	case *expression.Binary:
		if text := binaryArgument(ctx, e.Child); !unchanged(text, e.Child) {
			return expression.NewBinary(text)
		}
	case *expression.UnaryMinus:
		if n := newOperand(ctx, e.Child); !unchanged(n, e.Child) {
			return checkedOr(ctx, expression.NewUnaryMinus(n))
		}
		if e.Child.Type(ctx) == types.Float32 { // it is a DOUBLE
			return expression.NewUnaryMinus(&whole{expression.UnaryExpressionStub{Child: e.Child}, types.Float64})
		}
		if lit, ok := e.Child.(*expression.Literal); ok && lit.Value() == int64(math.MinInt64) || !types.IsInteger(e.Child.Type(ctx)) {
			return nil
		}
		return &integerMinus{UnaryMinus: e}
	}
	switch planned(e).(type) {
	case *builtin.If, *expression.Case:
		if c := timesAsConditions(ctx, e); c != nil {
			return c
		}
	}
	if c := paddedCall(ctx, e); c != nil {
		return c
	}
	if c := dates(ctx, e); c != nil {
		return c
	}
	if c := withDates(ctx, e); c != nil {
		return c
	}
	return withTexts(ctx, e)
}

// unsigned reports whether an integer is unsigned to MySQL: literals are if they are no BIGINT.
func unsigned(ctx *sql.Context, e sql.Expression) bool {
	if lit, ok := e.(*expression.Literal); ok {
		v, ok := lit.Value().(uint64)
		return ok && v > math.MaxInt64
	}
	return types.IsUnsigned(e.Type(ctx))
}

// wide is an integer of 64 bits and a sign.
type wide struct {
	negative bool
	size     uint64
}

func widen(ctx *sql.Context, v any) (wide, error) {
	switch v := v.(type) {
	case uint64:
		return wide{size: v}, nil
	case int64:
		if v < 0 {
			return wide{negative: true, size: -uint64(v)}, nil
		}
		return wide{size: uint64(v)}, nil
	}
	u, _, err := types.Int64.Convert(ctx, v)
	if err != nil {
		return wide{}, err
	}
	i, _ := u.(int64)
	return widen(ctx, i)
}

// value returns w as a BIGINT, or BIGINT UNSIGNED; false if it is none.
func (w wide) value(t sql.Type) (any, bool) {
	switch {
	case t == types.Uint64:
		return w.size, !w.negative || w.size == 0
	case w.negative:
		return int64(-w.size), w.size <= 1<<63
	}
	return int64(w.size), w.size <= math.MaxInt64
}

func (w wide) plus(v wide) (wide, bool) {
	if w.negative == v.negative {
		sum, carry := bits.Add64(w.size, v.size, 0)
		return wide{w.negative, sum}, carry == 0
	}
	if w.size < v.size {
		w, v = v, w
	}
	return wide{w.negative, w.size - v.size}, true
}

func (w wide) times(v wide) (wide, bool) {
	high, low := bits.Mul64(w.size, v.size)
	return wide{w.negative != v.negative, low}, high == 0
}

// integerOp is + - or * of integers.
type integerOp struct {
	*expression.Arithmetic
	typ sql.Type
}

var _ expression.ArithmeticOp = (*integerOp)(nil)

// Type implements sql.Expression.
func (e *integerOp) Type(*sql.Context) sql.Type { return e.typ }

// WithChildren implements sql.Expression.
func (e *integerOp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Arithmetic.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *integerOp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	a, b, null, err := operands(ctx, &e.BinaryExpressionStub, r)
	if err != nil || null {
		return nil, err
	}
	var sum wide
	var fits bool
	switch e.Op {
	case ast.MultStr:
		sum, fits = a.times(b)
	case ast.MinusStr:
		b.negative = !b.negative
		sum, fits = a.plus(b)
	default:
		sum, fits = a.plus(b)
	}
	v, in := sum.value(e.typ)
	if !fits || !in {
		return nil, errBigint(e.typ, e)
	}
	return v, nil
}

// operands evaluates both sides. null is true if one is NULL.
func operands(ctx *sql.Context, e *expression.BinaryExpressionStub, r sql.Row) (a, b wide, null bool, err error) {
	left, err := e.LeftChild.Eval(ctx, r)
	if err != nil {
		return a, b, false, err
	}
	right, err := e.RightChild.Eval(ctx, r)
	if err != nil || left == nil || right == nil {
		return a, b, true, err
	}
	if a, err = widen(ctx, left); err != nil {
		return a, b, false, err
	}
	b, err = widen(ctx, right)
	return a, b, false, err
}

// integerDiv is DIV, of others than integers as DECIMALs.
type integerDiv struct {
	*expression.IntDiv
	typ sql.Type
}

var _ expression.ArithmeticOp = (*integerDiv)(nil)

// Type implements sql.Expression.
func (e *integerDiv) Type(*sql.Context) sql.Type { return e.typ }

// WithChildren implements sql.Expression.
func (e *integerDiv) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.IntDiv.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *integerDiv) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if !types.IsInteger(e.LeftChild.Type(ctx)) || !types.IsInteger(e.RightChild.Type(ctx)) {
		return e.ofDecimals(ctx, r)
	}
	a, b, null, err := operands(ctx, &e.BinaryExpressionStub, r)
	if err != nil || null {
		return nil, err
	}
	if b.size == 0 {
		warn(ctx, divisionByZero, "Division by 0")
		return nil, nil
	}
	v, in := wide{a.negative != b.negative, a.size / b.size}.value(e.typ)
	if !in {
		return nil, errBigint(e.typ, e)
	}
	return v, nil
}

// integerMinus is the negative of an integer.
type integerMinus struct{ *expression.UnaryMinus }

// Type implements sql.Expression.
func (e *integerMinus) Type(*sql.Context) sql.Type { return types.Int64 }

// WithChildren implements sql.Expression.
func (e *integerMinus) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.UnaryMinus.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *integerMinus) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	w, err := widen(ctx, v)
	if err != nil {
		return nil, err
	}
	w.negative = !w.negative
	out, in := w.value(types.Int64)
	if !in {
		return nil, errBigint(types.Int64, e)
	}
	return out, nil
}

func errBigint(t sql.Type, e sql.Expression) error {
	kind := "BIGINT"
	if t == types.Uint64 {
		kind = "BIGINT UNSIGNED"
	}
	return mysql.NewSQLError(1690, "22003", "%s value is out of range in '%s'", kind, mysqlText(e))
}

// doubleExponent writes an exponent as people do.
var doubleExponent = strings.NewReplacer("e+0", "e", "e-0", "e-", "e+", "e")

// mysqlText is an expression as MySQL's messages show it.
func mysqlText(e sql.Expression) string {
	switch e := e.(type) {
	case *integerOp:
		return "(" + mysqlText(e.LeftChild) + " " + e.Op + " " + mysqlText(e.RightChild) + ")"
	case *doubleOp:
		return "(" + mysqlText(e.Left()) + " " + e.Operator() + " " + mysqlText(e.Right()) + ")"
	case *expression.UnaryMinus:
		return "-(" + mysqlText(e.Child) + ")"
	case *expression.Literal:
		if f, ok := e.Value().(float64); ok { // what is a DOUBLE has an exponent
			return doubleExponent.Replace(strconv.FormatFloat(f, 'e', -1, 64))
		}
		if number, negative := strings.CutPrefix(e.String(), "-"); negative {
			return "-(" + number + ")"
		}
	case *integerCast:
		return mysqlText(e.Convert)
	case *decimalCast:
		return mysqlText(e.Convert)
	case *expression.Convert:
		return "cast(" + mysqlText(e.Child) + " as " + strings.TrimPrefix(e.String(), "convert("+e.Child.String()+", ")
	case *aggregate:
		return callText(e.kind.name, []sql.Expression{e.child})
	case *integerDiv:
		return "(" + mysqlText(e.LeftChild) + " DIV " + mysqlText(e.RightChild) + ")"
	case *integerMinus:
		return "-(" + mysqlText(e.Child) + ")"
	case *expression.GetField:
		if e.Table() == "" {
			return quoteName(e.Name())
		}
		if e.Database() == "" {
			return quoteName(e.Table()) + "." + quoteName(e.Name())
		}
		return quoteName(e.Database()) + "." + quoteName(e.Table()) + "." + quoteName(e.Name())
	}
	return e.String()
}
