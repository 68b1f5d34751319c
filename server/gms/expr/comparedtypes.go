package expr

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// What is compared with a number is a number: a date 20240229, a binary text what it begins with, a member of an ENUM its
// place. A DECIMAL beside a DOUBLE is one, a TIME beside a date is of this day. The planner makes a date of the number, and
// of the other side what the first is.

// ComparedRule is the analyzer's rule for it. It comes before those that evaluate constants and plan joins.
const ComparedRule = CheckedRule + 4

// WithComparedTypes returns a comparison with MySQL's operands, nil where they are the planner's.
func WithComparedTypes(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch e.(type) {
	case *expression.Equals, *expression.NullSafeEquals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan,
		*expression.GreaterThanOrEqual, *expression.Between, *expression.InTuple:
	default:
		return nil
	}
	operands := e.Children()
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		operands = append(operands[:1:1], list...)
	}
	if slices.ContainsFunc(operands, isWeighed) {
		return nil
	}
	if c := cmp.Or(withIntegers(ctx, e, operands, isList), withYears(ctx, e, operands, isList)); c != nil {
		if further := WithComparedTypes(ctx, c); further != nil {
			return further
		}
		return c
	}
	if _, between := e.(*expression.Between); !between {
		if c := jsonCompared(ctx, e, operands, isList); c != nil {
			return c
		}
	} else if moments := jsonMoments(ctx, operands); moments != nil {
		if c, err := e.WithChildren(ctx, moments...); err == nil {
			return c
		}
	}
	var number, exact, float, double, year, date, span, text, far, binary bool
	for _, o := range operands {
		if !o.Resolved() {
			return nil
		}
		switch t := o.Type(ctx); {
		case types.IsFloat(t):
			lit, literal := o.(*expression.Literal)
			number, float, double = true, true, double || !literal || beyondDecimal(lit.Value())
		case types.IsDecimal(t):
			number, exact = true, true
		case types.IsNumber(t), types.IsYear(t), types.IsBit(t):
			number, year = true, year || types.IsYear(t)
		case types.IsTime(t):
			date = true
		case types.IsTimespan(t):
			span = true
		case setVariable(ctx, o):
			text, far = true, true
		case types.IsTextOnly(t):
			text = true
			lit, literal := o.(*expression.Literal)
			far = far || literal && beyondDecimal(lit.Value()) || NumericText(ctx, o)
		case types.IsTuple(t):
			return nil
		case BinaryText(ctx, o):
			binary = true
		}
	}
	if span && text && !number && !date {
		read, some := readTimes(operands)
		if isList {
			if in := timeLists(ctx, read); in != nil || !some {
				return in
			}
			read = []sql.Expression{read[0], expression.NewTuple(read[1:]...)}
		}
		if some {
			c, err := e.WithChildren(ctx, read...)
			if err != nil {
				return nil
			}
			e = c
		}
		if c := timesAsTexts(ctx, e); c != nil || !some {
			return c
		}
		return e
	}
	if far = far && number; far {
		float, double = true, true
	}
	_, between := e.(*expression.Between)
	document := between && text && slices.ContainsFunc(operands, func(o sql.Expression) bool { return types.IsJSON(o.Type(ctx)) })
	if !number && !date && !binary && !document {
		return nil
	}
	if first := operands[0].Type(ctx); isList && (date || span || types.IsTextOnly(first) || types.IsEnum(first) || types.IsSet(first)) && number && text {
		if several := severalLists(ctx, operands); several != nil {
			return several
		}
	}
	var fixed []sql.Expression
	if !between && !isList {
		if fixed = fixedDoubles(ctx, operands); fixed != nil {
			operands = fixed
		}
	}
	out, changed := slices.Clone(operands), fixed != nil
	for i, o := range operands {
		t := o.Type(ctx)
		was := changed
		changed = true
		switch {
		case number && IsMoment(t), number && BinaryText(ctx, o):
			if out[i] = NewDateNumber(ctx, o); double && types.IsDecimal(out[i].Type(ctx)) {
				out[i] = &Whole{expression.UnaryExpressionStub{Child: out[i]}, types.Float64}
			}
		case number && setVariable(ctx, o):
			out[i] = &TextDouble{expression.UnaryExpressionStub{Child: o}}
		case (exact || float || year) && (types.IsEnum(t) || types.IsSet(t)):
			out[i] = &Whole{expression.UnaryExpressionStub{Child: o}, types.Int64}
		case between && number && types.IsJSON(t):
			out[i] = &JSONNumber{expression.UnaryExpressionStub{Child: o}}
		case document && !date && types.IsJSON(t):
			out[i] = NewCastText(ctx, expression.NewConvert(o, expression.ConvertToChar))
		case (between || far) && number && text && types.IsTextOnly(t):
			out[i] = &TextDouble{expression.UnaryExpressionStub{Child: o}}
		case double && types.IsDecimal(t):
			out[i] = &Whole{expression.UnaryExpressionStub{Child: o}, types.Float64}
		case !number && !date:
			out[i], changed = AsMemberText(ctx, o), was || types.IsEnum(t) || types.IsSet(t)
		case !number && types.IsTimespan(t):
			out[i] = &TimeToday{expression.UnaryExpressionStub{Child: o}}
		case !number && (types.IsText(t) || types.IsEnum(t) || types.IsSet(t)):
			if _, literal := o.(*expression.Literal); literal {
				changed = was
				break
			}
			m := NewTextMoment(ctx, AsMemberText(ctx, o))
			m.Typ, out[i] = types.DatetimeMaxPrecision, m
		default:
			changed = was
		}
	}
	if !changed {
		return nil
	}
	return comparisonOf(ctx, e, out, isList)
}

// fixedDouble is a FLOAT of so many digits as the number that it shows: as a DOUBLE it is one beside it.
type fixedDouble struct {
	expression.UnaryExpressionStub
	format value.ColumnFormat
}

// fixedDoubles returns the operands of a comparison of columns FLOAT(M,D) with exact numbers, which MySQL takes for equal if they
// are in D digits; nil of others.
func fixedDoubles(ctx *sql.Context, operands []sql.Expression) []sql.Expression {
	out, some := slices.Clone(operands), false
	for i, o := range operands {
		t := o.Type(ctx)
		f, column := o.(*expression.GetField)
		switch {
		case types.IsInteger(t), types.IsDecimal(t), t == types.Null:
		case column && types.IsFloat(t) && FieldFormat(ctx, f).Digits > 0:
			out[i], some = &fixedDouble{expression.UnaryExpressionStub{Child: o}, FieldFormat(ctx, f)}, some || t == types.Float32
		default:
			return nil
		}
	}
	if !some {
		return nil
	}
	return out
}

// Type implements sql.Expression.
func (*fixedDouble) Type(*sql.Context) sql.Type { return types.Float64 }

// String implements sql.Expression.
func (d *fixedDouble) String() string { return d.Child.String() }

// WithChildren implements sql.Expression.
func (d *fixedDouble) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	return &fixedDouble{expression.UnaryExpressionStub{Child: children[0]}, d.format}, nil
}

// Eval implements sql.Expression.
func (d *fixedDouble) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, _, err = types.Float64.Convert(ctx, v); err != nil {
		return nil, err
	}
	return d.format.Rounded(v.(float64)), nil
}

// jsonMoments returns the operands of a comparison of documents with dates and times, those as documents; nil of others.
func jsonMoments(ctx *sql.Context, operands []sql.Expression) []sql.Expression {
	document, moment := false, false
	for _, o := range operands {
		if !o.Resolved() {
			return nil
		}
		document = document || types.IsJSON(o.Type(ctx))
		moment = moment || IsMoment(o.Type(ctx))
	}
	if !document || !moment {
		return nil
	}
	out := slices.Clone(operands)
	for i, o := range operands {
		if IsMoment(o.Type(ctx)) {
			out[i] = &Whole{expression.UnaryExpressionStub{Child: &ExactDocument{o, value.CastIn}}, types.JSON}
		}
	}
	return out
}

// severalLists returns IN with numbers, dates and texts among its operands: what is looked for is compared with each as that
// wants. nil: the list is of one kind.
func severalLists(ctx *sql.Context, operands []sql.Expression) sql.Expression {
	kind := func(e sql.Expression) int {
		switch t := e.Type(ctx); {
		case NumericType(t):
			return 0
		case IsMoment(t):
			return 1
		}
		return 2
	}
	var lists [3][]sql.Expression
	for _, o := range operands[1:] {
		at := kind(o)
		if at == 2 && kind(operands[0]) == 1 { // compared with a date as a date
			at = 1
		}
		lists[at] = append(lists[at], o)
	}
	var out sql.Expression
	for _, list := range lists {
		if len(list) == len(operands)-1 {
			return nil
		}
		if list == nil {
			continue
		}
		in := checkedOr(ctx, expression.NewInTuple(operands[0], expression.NewTuple(list...)))
		if out == nil {
			out = in
		} else {
			out = expression.NewOr(out, in)
		}
	}
	return out
}

// readTimes returns operands with the texts among them that are TIMEs as those, and whether there are some.
func readTimes(operands []sql.Expression) (out []sql.Expression, some bool) {
	out = slices.Clone(operands)
	for i, o := range operands {
		lit, ok := o.(*expression.Literal)
		if !ok {
			continue
		}
		text, ok := lit.Value().(string)
		if !ok {
			continue
		}
		if span, _, fault := value.SpanOf(text, false); fault == 0 {
			out[i], some = expression.NewLiteral(types.Timespan(span.Microseconds()), types.Time), true
		}
	}
	return out, some
}

// noTime reports whether an expression is a literal that is no TIME.
func noTime(ctx *sql.Context, e sql.Expression) bool {
	lit, ok := e.(*expression.Literal)
	if !ok || lit.Value() == nil {
		return false
	}
	_, _, err := types.Time.Convert(ctx, lit.Value())
	return err != nil
}

// timesAsTexts returns a comparison of a TIME with a text that is none as one of texts, nil of others.
func timesAsTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := slices.Clone(e.Children())
	if _, ok := operands[len(operands)-1].(expression.Tuple); ok {
		return nil
	}
	if !slices.ContainsFunc(operands, func(o sql.Expression) bool { return noTime(ctx, o) }) {
		return nil
	}
	for i, o := range operands {
		operands[i] = AsText(ctx, o)
	}
	c, err := e.WithChildren(ctx, operands...)
	if err != nil {
		return nil
	}
	return c
}

// timeLists returns IN of a TIME with texts that are none among the list, nil if all are: those it is compared with as a text.
func timeLists(ctx *sql.Context, operands []sql.Expression) sql.Expression {
	var times, texts []sql.Expression
	for _, o := range operands[1:] {
		if noTime(ctx, o) {
			texts = append(texts, o)
		} else {
			times = append(times, o)
		}
	}
	if !types.IsTimespan(operands[0].Type(ctx)) || texts == nil {
		return nil
	}
	var in sql.Expression = expression.NewInTuple(AsText(ctx, operands[0]), expression.NewTuple(texts...))
	if times != nil {
		in = expression.NewOr(expression.NewInTuple(operands[0], expression.NewTuple(times...)), in)
	}
	return in
}

// beyondDecimal reports whether a DOUBLE, or the one that a text is, is larger than any DECIMAL.
func beyondDecimal(v any) bool {
	if text, ok := v.(string); ok {
		v, _ = strconv.ParseFloat(strings.Trim(text, value.Blanks), 64)
	}
	f, ok := v.(float64)
	return ok && math.Abs(f) >= 1e65
}

// NumericText reports whether an expression is a text, and no literal in which the planner sees the number that it begins with: in '3et' it
// sees none.
func NumericText(ctx *sql.Context, e sql.Expression) bool {
	if lit, ok := e.(*expression.Literal); ok {
		text, _ := lit.Value().(string)
		prefix, more := value.NumericPrefix(text)
		if rest := strings.TrimPrefix(strings.TrimLeft(text, value.Blanks), prefix); !more || prefix == "" || rest[0]|0x20 != 'e' {
			return false
		}
	}
	return e.Resolved() && types.IsTextOnly(e.Type(ctx))
}

// setVariable reports whether an expression is a system variable that is a SET, such as sql_mode: its value is a text.
func setVariable(ctx *sql.Context, e sql.Expression) bool {
	if _, ok := e.(*expression.SystemVar); !ok {
		return false
	}
	_, ok := e.Type(ctx).(sql.SetType)
	return ok
}

// TextDouble is a text as the number that it begins with.
type TextDouble struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*TextDouble) Type(*sql.Context) sql.Type { return types.Float64 }

// String implements sql.Expression.
func (t *TextDouble) String() string { return t.Child.String() }

// WithChildren implements sql.Expression.
func (t *TextDouble) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	return &TextDouble{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (t *TextDouble) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	f, err := DoubleOf(ctx, v)
	if err != nil || value.Finite(f) {
		return f, err
	}
	if text, ok := v.(string); ok {
		if _, more := value.NumericPrefix(text); !more {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DOUBLE value: '%s'", text)
		}
	}
	return value.Nearest(types.Float64, f), nil
}

// nullIf is NULLIF: of its children the first is the value, the second tells whether it is NULL.
type nullIf struct {
	expression.BinaryExpressionStub
}

var _ sql.FunctionExpression = (*nullIf)(nil)

// NewNullIf returns NULLIF. Returns the planner's error if there are not two arguments.
func NewNullIf(ctx *sql.Context, args []sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New("nullif", 2, len(args))
	}
	return &nullIf{expression.BinaryExpressionStub{LeftChild: AsMemberText(ctx, args[0]), RightChild: expression.NewEquals(args[0], args[1])}}, nil
}

// FunctionName implements sql.FunctionExpression.
func (*nullIf) FunctionName() string { return "nullif" }

// Description implements sql.FunctionExpression.
func (*nullIf) Description() string { return "nullif" }

// String implements sql.Expression.
func (n *nullIf) String() string {
	return "nullif(" + n.LeftChild.String() + "," + n.RightChild.Children()[1].String() + ")"
}

// Type implements sql.Expression.
func (n *nullIf) Type(ctx *sql.Context) sql.Type { return n.LeftChild.Type(ctx) }

// IsNullable implements sql.Expression.
func (*nullIf) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (n *nullIf) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, n.LeftChild)
}

// WithChildren implements sql.Expression.
func (n *nullIf) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 2)
	}
	return &nullIf{expression.BinaryExpressionStub{LeftChild: children[0], RightChild: children[1]}}, nil
}

// Eval implements sql.Expression.
func (n *nullIf) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	equal, err := n.RightChild.Eval(ctx, r)
	if err != nil || equal == true {
		return nil, err
	}
	return n.LeftChild.Eval(ctx, r)
}

// documentFirst returns the comparison of a number with a document as one of the document with the number: the planner
// compares the other way round as texts.
func documentFirst(ctx *sql.Context, e sql.Expression) sql.Expression {
	c, ok := e.(expression.Comparer)
	if !ok || !types.IsNumber(c.Left().Type(ctx)) || !types.IsJSON(c.Right().Type(ctx)) {
		return nil
	}
	switch e.(type) {
	case *expression.Equals:
		return expression.NewEquals(c.Right(), c.Left())
	case *expression.LessThan:
		return expression.NewGreaterThan(c.Right(), c.Left())
	case *expression.LessThanOrEqual:
		return expression.NewGreaterThanOrEqual(c.Right(), c.Left())
	case *expression.GreaterThan:
		return expression.NewLessThan(c.Right(), c.Left())
	case *expression.GreaterThanOrEqual:
		return expression.NewLessThanOrEqual(c.Right(), c.Left())
	}
	return nil
}

// comparisonOf returns a comparison with other operands, behind the first one those of its list if it has one; nil if it takes none.
func comparisonOf(ctx *sql.Context, e sql.Expression, operands []sql.Expression, isList bool) sql.Expression {
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	c, err := e.WithChildren(ctx, operands...)
	if err != nil {
		return nil
	}
	return c
}
