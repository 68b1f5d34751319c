package expr

import (
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation/window"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// CREATE TABLE … SELECT has columns of the types that MySQL gives to expressions
// (create_tmp_field_from_item in its sql_tmp_table.cc): integers by their digits, texts as
// long as their longest value may be.

// ResultColumn is what the column of an expression is.
type ResultColumn struct {
	Typ      sql.Type
	Nullable bool
	Field    bool // a table's column: typ is kept as it is
	Digits   int  // behind the second, of a TIME; -1: those of the value
	united   bool // of a set operation that has its types, or MAX or MIN of a column, which keep its own
	Name     string
	comment  string // a table's column's
	onUpdate string // and what it is set to by an UPDATE
	Format   string // and its note of OptFormat
	auto     bool   // a table's column that is AUTO_INCREMENT: it has the default 0
	width    int64  // the longest text in characters, -1: of any length
	whole    int    // the digits of an exact number before its point
	scale    int    // and behind it
	shown    int    // the digits of a DOUBLE, see doubleDigits, plus one; 0: as many as it needs

	collation    sql.CollationID // of a text
	coercibility byte
}

// varcharMax is the longest text in characters that is made a VARCHAR (CONVERT_IF_BIGGER_TO_BLOB).
const varcharMax = 512

// CreatedColumn derives the column of a query's tree.
func CreatedColumn(ctx *sql.Context, n sql.Node, at int) ResultColumn {
	schema, children := n.Schema(ctx), n.Children()
	switch x := n.(type) {
	case *plan.Project:
		return CreatedExpr(ctx, x.Projections[at], x.Child)
	case *plan.GroupBy:
		return CreatedExpr(ctx, x.SelectDeps[at], x.Child)
	case *plan.Window:
		if e := bare(x.SelectExprs[at]); extreme(e) != nil || types.IsTimespan(e.Type(ctx)) || types.IsFloat(e.Type(ctx)) {
			return CreatedExpr(ctx, e, x.Child)
		}
		c := storedColumn(ctx, schema[at])
		switch bare(x.SelectExprs[at]).(type) {
		case *window.FirstValue, *window.LastValue, *aggregation.Max, *aggregation.Min: // of a frame that may be empty
			c.Nullable = true
		}
		return c
	case *plan.SetOp:
		return CreatedColumn(ctx, x.Left(), at).With(ctx, CreatedColumn(ctx, x.Right(), at))
	case *plan.RecursiveCte:
		c := CreatedColumn(ctx, x.Left(), at)
		c = c.With(ctx, c)
		c.Nullable, c.Field = true, false
		return c
	case *Kept:
		return CreatedColumn(ctx, x.Node, at)
	case *plan.JSONTable: // what a path does not find is NULL, also where the planner says otherwise
		c := storedColumn(ctx, schema[at])
		c.Nullable = true
		return c
	case *plan.JoinNode:
		left := len(children[0].Schema(ctx))
		side, i := children[0], at
		if at >= left {
			side, i = children[1], at-left
		}
		if i < len(side.Schema(ctx)) {
			c := CreatedColumn(ctx, side, i)
			c.Nullable = c.Nullable || schema[at].Nullable || at >= left && x.Op == plan.JoinTypeLateralLeft
			return c
		}
	default:
		if len(children) == 1 && len(children[0].Schema(ctx)) == len(schema) {
			return CreatedColumn(ctx, children[0], at)
		}
	}
	return storedColumn(ctx, schema[at])
}

// textType is the type of texts of up to n characters, -1: of any length.
func textType(n int64, c sql.CollationID) sql.Type {
	size := n * c.CharacterSet().MaxLength()
	switch {
	case n < 0 || size > 1<<24-1:
		if c == sql.Collation_binary {
			return types.LongBlob
		}
		return types.CreateLongText(c)
	case n > varcharMax && c == sql.Collation_binary:
		return types.MustCreateBinary(sqltypes.Blob, size)
	case n > varcharMax && size > 1<<16-1:
		return types.CreateMediumText(c)
	case n > varcharMax:
		return types.CreateText(c)
	case c == sql.Collation_binary && n == 0:
		return types.MustCreateBinary(sqltypes.Binary, 0)
	case c == sql.Collation_binary:
		return types.MustCreateBinary(sqltypes.VarBinary, n)
	case n == 0:
		return types.MustCreateString(sqltypes.Char, 0, c)
	}
	return types.MustCreateString(sqltypes.VarChar, n, c)
}

// CreatedExpr derives the column of an expression that reads a node's rows.
func CreatedExpr(ctx *sql.Context, e sql.Expression, from sql.Node) ResultColumn {
	e = bare(e)
	t := e.Type(ctx)
	if s, ok := t.(sql.SystemVariableType); ok {
		t = s.UnderlyingType()
	}
	if g, ok := e.(*aggregation.GroupConcat); ok {
		collation, _ := CommonCollation(ctx, g.OutputExpressions())
		if typ, err := t.(sql.TypeWithCollation).WithNewCollation(collation); err == nil {
			t = typ
		}
	}
	if f, ok := e.(*expression.GetField); ok {
		if from != nil {
			if at := from.Schema(ctx).IndexOf(f.Name(), f.Table()); at >= 0 {
				c := CreatedColumn(ctx, from, at)
				c.Nullable = c.Nullable || f.IsNullable(ctx)
				return c
			}
		}
		return storedColumn(ctx, &sql.Column{
			Name: f.Name(), Type: t, Nullable: f.IsNullable(ctx), Source: f.Table(), DatabaseSource: f.Database(),
		})
	}
	d := deriver{ctx, from}
	if v, ok := e.(*Local); ok {
		return definedColumn(ctx, &sql.Column{Type: t, Nullable: true}, v.Column)
	}
	if v, ok := e.(Defined); ok && v.Definition() != nil {
		return definedColumn(ctx, &sql.Column{Type: t, Nullable: true}, v.Definition())
	}
	if v, ok := e.(*UnionValue); ok {
		c := v.Column
		if of := (ResultColumn{Typ: v.Child.Type(ctx)}); of.none() {
			c = of // beside which an ENUM stays one
		}
		c.Nullable = d.nullable(v.Child)
		return c
	}
	if f := extreme(e); f != nil {
		if c := CreatedExpr(ctx, f, from); c.Field {
			c.Nullable, c.Field, c.united = true, false, true
			return c
		}
	}
	switch e.(type) {
	case *expression.Arithmetic, *expression.Mod, *expression.UnaryMinus, *typedCall: // the planner's of integers have other types
		if x, same, err := transform.Expr(ctx, e, Check); err == nil && !bool(same) {
			if is := x.Type(ctx); types.IsInteger(is) {
				t = is
			} else if types.IsInteger(t) && types.IsDecimal(is) {
				e, t = x, is
			}
		}
	}
	c := ResultColumn{Typ: t, Nullable: d.nullable(e)}
	switch {
	case t == types.Null:
		c.Typ, c.Nullable = types.MustCreateBinary(sqltypes.Binary, 0), true
	case types.IsEnum(t), types.IsSet(t), types.IsText(t):
		collation, n := sql.GetCoercibility(ctx, e)
		if types.IsBinaryType(t) {
			collation = sql.Collation_binary
		} else if collation == sql.Collation_Default && n > 2 || collation == sql.Collation_binary {
			collation = ctx.GetCollation()
		}
		c.Typ = textType(d.width(e), collation)
	case d.ifNull(e) != nil:
		c.Typ = d.ifNull(e)
	case types.IsInteger(t), types.IsBoolean(t):
		c.Typ = types.Int32
		if d.integerWidth(e, t) >= 10 {
			c.Typ = types.Int64
		}
		if types.IsUnsigned(t) {
			if _, literal := e.(*expression.Literal); !literal || c.Typ == types.Int64 && Unsigned(ctx, e) {
				c.Typ = types.Uint64
			}
		}
	case types.IsDecimal(t):
		if lit, ok := e.(*expression.Literal); ok {
			if v, ok := lit.Value().(*apd.Decimal); ok {
				scale := int(max(-v.Exponent, 0))
				more := max(scale-types.DecimalTypeMaxScale, 0)
				c.Typ = decimalOf(max(int(v.NumDigits())+int(max(v.Exponent, 0)), scale)-more, scale-more, t)
			}
		} else if div, ok := exactDiv(e); ok {
			if q := d.quotient(div); q != nil {
				c.Typ = q
			}
			c.Nullable = true
		} else if c.Typ = d.decimal(e, t); c.Typ == t { // not known but by its evaluation
			if x, same, err := transform.Expr(ctx, e, Check); err == nil && !bool(same) && types.IsDecimal(x.Type(ctx)) {
				c.Typ = x.Type(ctx)
			}
		}
	case types.IsDatetimeType(t), types.IsTimestampType(t):
		if n := d.momentDigits(e); n >= 0 {
			kind := sqltypes.Datetime
			if call, ok := e.(*typedCall); ok && call.chooses() && types.IsTimestampType(t) {
				kind = sqltypes.Timestamp
			}
			c.Typ = types.MustCreateDatetimeType(kind, n)
		}
	case types.IsTimespan(t):
		c.Digits = d.momentDigits(e)
	case types.IsFloat(t):
		if n := d.doubleDigits(e); n < notFixed {
			c.shown = n + 1
		}
	}
	return c.sized(e, d)
}

// ifNull is the type of an IFNULL of two columns of integers, which has theirs (Item_func_ifnull::tmp_table_field); nil of others.
func (d deriver) ifNull(e sql.Expression) sql.Type {
	call, ok := e.(*typedCall)
	if !ok || call.FunctionName() != "ifnull" {
		return nil
	}
	var of [2]ResultColumn
	for i, v := range call.values() {
		f, column := bare(v).(*expression.GetField)
		if !column || !types.IsInteger(f.Type(d.ctx)) {
			return nil
		}
		of[i] = CreatedExpr(d.ctx, f, d.from)
	}
	return of[0].integerWith(of[1])
}

// quotient is the type of a division, nil if its sides are no exact numbers.
func (d deriver) quotient(div *expression.Div) sql.Type {
	l, lok := d.exact(div.LeftChild)
	r, rok := d.exact(div.RightChild)
	if !lok || !rok {
		return nil
	}
	scale := min(l.scale+divisionDigits(d.ctx), types.DecimalTypeMaxScale)
	return decimalOf(l.whole+r.scale+scale, scale, nil)
}

// decimal is the type of an operation, an aggregate or a choice of exact numbers, t of others.
func (d deriver) decimal(e sql.Expression, t sql.Type) sql.Type {
	var args []exactDigits
	of := func(list []sql.Expression) bool {
		for _, e := range list {
			n, ok := d.exact(e)
			if !ok && e.Type(d.ctx) != types.Null {
				return false
			}
			args = append(args, n)
		}
		return len(args) > 0
	}
	whole, scale := 0, 0
	most := func() {
		for _, n := range args {
			whole, scale = max(whole, n.whole), max(scale, n.scale)
		}
	}
	switch x := e.(type) {
	case *expression.Arithmetic:
		if !of(x.Children()) {
			return t
		}
		if most(); x.Op == "*" {
			whole, scale = args[0].whole+args[1].whole, args[0].scale+args[1].scale
			whole, scale = whole+max(scale-types.DecimalTypeMaxScale, 0), min(scale, types.DecimalTypeMaxScale)
		} else {
			whole++
		}
	case *expression.Mod:
		if !of(x.Children()) {
			return t
		}
		for _, n := range args {
			scale, whole = max(scale, n.scale), max(whole, n.whole+n.scale)
			if n.scale > 0 {
				whole = max(whole, n.whole+n.scale+1)
			}
		}
		if whole -= scale; scale > 0 {
			whole--
		}
	case *expression.UnaryMinus, *nullIf:
		if !of(x.Children()[:1]) {
			return t
		}
		most()
	case *Aggregate:
		if !x.Kind.exact || !of(x.Children()[:1]) {
			return t
		}
		if most(); x.Kind.mean {
			scale = min(scale+divisionDigits(d.ctx), types.DecimalTypeMaxScale)
		}
		whole += int(x.Kind.digits)
	case *typedCall:
		if !x.chooses() || !of(x.values()) {
			return t
		}
		most()
	case sql.FunctionExpression:
		name := strings.ToLower(x.FunctionName())
		if name != "abs" && name != "round" && name != "truncate" || !of(x.Children()[:1]) {
			return t
		}
		if most(); name != "abs" {
			to := 0
			if len(x.Children()) > 1 {
				lit, ok := x.Children()[1].(*expression.Literal)
				n, in := int64(0), false
				if ok {
					n, in = lit.Value().(int64)
				}
				if !in {
					return t
				}
				to = int(min(max(n, 0), types.DecimalTypeMaxScale))
			}
			if name == "round" && to < scale {
				whole++
			}
			scale = to
		}
	default:
		return t
	}
	return decimalOf(whole+scale, scale, t)
}

// extreme returns the column of which an expression is MAX or MIN, whose type it keeps
// (Item_sum_hybrid::create_tmp_field), nil if it is none.
func extreme(e sql.Expression) sql.Expression {
	f, ok := e.(sql.FunctionExpression)
	if _, aggregates := e.(sql.Aggregation); !ok || !aggregates || f.FunctionName() != "Max" && f.FunctionName() != "Min" {
		return nil
	}
	arg := bare(f.Children()[0])
	if m, ok := arg.(*MemberText); ok {
		arg = m.Child
	}
	if _, ok := arg.(*expression.GetField); ok {
		return arg
	}
	return nil
}

func decimalOf(precision, scale int, other sql.Type) sql.Type {
	t, err := types.CreateDecimalType(uint8(max(min(precision, types.DecimalTypeMaxPrecision), 1)), uint8(scale))
	if err != nil {
		return other
	}
	return t
}

// bare takes off what changes no value's type.
func bare(e sql.Expression) sql.Expression {
	for {
		switch x := e.(type) {
		case *expression.Alias:
			e = x.Child
		case *Weighed:
			e = x.Child
		case *CastText:
			e = x.Child
		case *FormatText:
			e = x.Child
		case HexLiteral:
			e = x.Literal
		case *doubleOp:
			e = x.ArithmeticOp
		case *chosenOp:
			e = x.ArithmeticOp
		case *exactMod:
			e = x.Mod
		case *rounded:
			e = x.Child
		case *unrounded:
			e = x.Child
		case *plan.Subquery: // without a table it is its value
			p, ok := x.Query.(*plan.Project)
			if !ok || len(p.Projections) != 1 {
				return e
			}
			if from, ok := p.Child.(*plan.ResolvedTable); !ok || !plan.IsDualTable(from) {
				return e
			}
			e = p.Projections[0]
		case *typedCall:
			return x
		default:
			return e
		}
	}
}

// Column gives what was derived to a column that has no definition of its own.
func (c ResultColumn) Column(ctx *sql.Context, to *sql.Column) {
	if c.Field {
		to.Comment, to.Nullable = c.comment, c.Nullable
		if c.onUpdate != "" {
			to.OnUpdate = sql.NewUnresolvedColumnDefaultValue(c.onUpdate)
		}
		if !c.auto {
			return
		}
	}
	to.Type, to.Nullable, to.Default = c.Typ, c.Nullable, nil
	if c.Nullable {
		return
	}
	var zero any
	t := c.Typ
	switch {
	case types.IsTextBlob(t), types.IsJSON(t), types.IsBinaryType(t):
		return
	case types.IsText(t):
		zero = ""
	case types.IsInteger(t):
		zero, t = int64(0), types.Int64
	case types.IsFloat(t):
		zero = float64(0)
	case types.IsDecimal(t):
		zero = apd.New(0, -int32(t.(sql.DecimalType).Scale()))
	case types.IsTimespan(t):
		zero, t = "00:00:00", types.LongText
	default:
		return // of dates it would be the zero date, which NO_ZERO_DATE refuses
	}
	if d, err := sql.NewColumnDefaultValue(expression.NewLiteral(zero, t), c.Typ, true, false, false); err == nil {
		to.Default = d
	}
}

// deriver derives lengths of expressions that read a node's rows.
type deriver struct {
	ctx  *sql.Context
	from sql.Node
}

// nullable reports whether a value may be NULL.
func (d deriver) nullable(e sql.Expression) bool {
	if extreme(e) != nil {
		return true
	}
	switch x := e.(type) {
	case *expression.Literal:
		return x.Value() == nil
	case *expression.Convert:
		return types.IsYear(x.Type(d.ctx)) || types.IsTime(x.Type(d.ctx)) || types.IsTimespan(x.Type(d.ctx)) || types.IsJSON(x.Type(d.ctx)) || d.nullable(x.Child)
	case *timeCast, *yearCast:
		return true
	case *expression.GetField:
		return CreatedExpr(d.ctx, x, d.from).Nullable
	case expression.ArithmeticOp:
		return x.IsNullable(d.ctx) || slices.ContainsFunc(x.Children(), d.nullable)
	case sql.Aggregation:
		return !strings.HasPrefix(strings.ToLower(x.String()), "count")
	case *typedCall:
		some := func(list []sql.Expression) bool { return slices.ContainsFunc(list, d.nullable) }
		if k, ok := x.FunctionExpression.(CaseCall); ok {
			return k.Else == nil || some(x.values())
		}
		switch x.FunctionName() {
		case "coalesce", "ifnull":
			return !slices.ContainsFunc(x.Children(), func(e sql.Expression) bool { return !d.nullable(e) })
		case "nullif", "quote":
			return x.FunctionName() == "nullif" || some(x.Children())
		case "concat_ws":
			return d.nullable(x.Children()[0])
		case "if":
			return some(x.values())
		}
		return some(x.Children())
	}
	t := e.Type(d.ctx)
	switch x := e.(type) {
	case *expression.IsNull, *expression.IsTrue, *expression.NullSafeEquals, *plan.Subquery, *plan.ExistsSubquery, *plan.InSubquery:
		return e.IsNullable(d.ctx)
	case sql.FunctionExpression:
		switch name := x.FunctionName(); {
		case types.IsTime(t) || types.IsTimespan(t):
			return !present[name]
		case neverNull[name]:
			return e.IsNullable(d.ctx)
		}
	}
	return e.IsNullable(d.ctx) || slices.ContainsFunc(e.Children(), d.nullable) // the planner asks columns, also of what an outer join leaves out
}

// neverNull are the functions that are not NULL where an argument is.
var neverNull = map[string]bool{"isnull": true, "field": true, "interval": true, IntervalFunction: true, "json_array": true, "json_object": true, "char": true}

// present are the functions of the present, whose argument is a number of digits.
var present = map[string]bool{
	"now": true, "current_timestamp": true, "localtime": true, "localtimestamp": true, "sysdate": true, "utc_timestamp": true,
	"curdate": true, "current_date": true, "utc_date": true, "curtime": true, "current_time": true, "utc_time": true,
}

// exactDigits are the digits of an exact number before and behind its point.
type exactDigits struct{ whole, scale int }

// exact are those of an expression, false if it is no exact number.
func (d deriver) exact(e sql.Expression) (exactDigits, bool) {
	c := CreatedExpr(d.ctx, e, d.from)
	if t, ok := c.Typ.(sql.DecimalType); ok {
		return exactDigits{int(t.Precision()) - int(t.Scale()), int(t.Scale())}, true
	}
	if !types.IsInteger(c.Typ) {
		return exactDigits{}, false
	}
	n := d.integerWidth(bare(e), c.Typ)
	if _, literal := bare(e).(*expression.Literal); !literal && types.IsSigned(c.Typ) {
		n-- // the sign
	}
	return exactDigits{whole: int(n)}, true
}

// integerWidth is the width of an integer in characters.
func (d deriver) integerWidth(e sql.Expression, t sql.Type) int64 {
	switch x := e.(type) {
	case *expression.Literal:
		if _, is := x.Value().(bool); is {
			return 1
		}
		return int64(len(value.Shown(x.Value())))
	case *expression.GetField:
		return typeWidth(CreatedExpr(d.ctx, x, d.from).Typ)
	case *expression.UnaryMinus:
		return d.integerWidth(bare(x.Child), x.Child.Type(d.ctx)) + 1
	case *integerMinus:
		return d.integerWidth(bare(x.Child), x.Child.Type(d.ctx)) + 1
	case *integerOp:
		return d.integerWidth(x.Arithmetic, t)
	case *expression.Arithmetic:
		l, lok := d.exact(x.LeftChild)
		r, rok := d.exact(x.RightChild)
		switch {
		case !lok || !rok:
		case x.Op == "*":
			return int64(l.whole + r.whole + 1)
		case x.Op == "+", x.Op == "-":
			return int64(max(l.whole, r.whole) + 2)
		}
		return 21
	case *plan.Subquery:
		return CreatedColumn(d.ctx, x.Query, 0).width
	case *typedCall:
		n := int64(0)
		for _, v := range x.values() {
			if v.Type(d.ctx) != types.Null {
				n = max(n, d.integerWidth(bare(v), v.Type(d.ctx)))
			}
		}
		return n
	case sql.FunctionExpression:
		if n, ok := integerWidths[x.FunctionName()]; ok {
			return n
		}
		return 21
	}
	if types.IsBoolean(t) {
		return 1
	}
	return 21
}

// integerWidths are the widths of functions whose values are short.
var integerWidths = map[string]int64{
	"year": 4, "month": 2, "day": 2, "dayofmonth": 2, "dayofweek": 1, "weekday": 1, "dayofyear": 3, "hour": 3, "minute": 2, "second": 2,
	"quarter": 2, "week": 2, "weekofyear": 2, "yearweek": 6, "microsecond": 6, "period_add": 6, "ascii": 3, "strcmp": 2, "sign": 2, "field": 3,
	"isnull": 1, "json_valid": 1, "json_contains": 1, "regexp_like": 1, "is_ipv4": 1, "is_ipv6": 1, "to_days": 6,
}

// typeWidth is the longest text of a type's values in characters, -1: of any length.
func typeWidth(t sql.Type) int64 {
	switch x := t.(type) {
	case sql.EnumType, sql.SetType:
		n, _, _, _ := Lengths(x)
		width, _ := n.(int64)
		return width
	case sql.StringType:
		if types.IsBinaryType(t) || types.IsTextBlob(t) {
			return -1
		}
		return x.MaxCharacterLength()
	case sql.DecimalType:
		n := int64(x.Precision()) + 1
		if x.Scale() > 0 {
			n++
		}
		return n
	case sql.DatetimeType:
		switch {
		case types.IsDateType(t):
			return 10
		case x.Precision() > 0:
			return 20 + int64(x.Precision())
		}
		return 19
	}
	switch t.Type() {
	case sqltypes.Float32:
		return 12
	case sqltypes.Float64:
		return 23
	case sqltypes.Int8, sqltypes.Year:
		return 4
	case sqltypes.Uint8:
		return 3
	case sqltypes.Int16:
		return 6
	case sqltypes.Uint16:
		return 5
	case sqltypes.Int24:
		return 9
	case sqltypes.Uint24:
		return 8
	case sqltypes.Int32:
		return 11
	case sqltypes.Uint32:
		return 10
	case sqltypes.Int64, sqltypes.Uint64:
		return 20
	case sqltypes.Time:
		return 17
	case sqltypes.Null:
		return 0
	}
	return -1
}

// knownWidth is n where it is the length of a text that MySQL bounds, or else -1.
func knownWidth(n int64) int64 {
	if n < 0 || n > math.MaxInt32 {
		return -1
	}
	return n
}

// Lengths are the longest text of a type in characters and bytes, its character set and
// collation, nil where it has none.
func Lengths(t sql.Type) (characters, octets, charset, collation any) {
	width := int64(1)
	if ct, ok := t.(sql.TypeWithCollation); ok && !types.IsBinaryType(t) && !types.IsJSON(t) {
		charset, collation = ct.Collation().CharacterSet().Name(), ct.Collation().Name()
		width = ct.Collation().CharacterSet().MaxLength()
	}
	n := int64(0)
	switch t := t.(type) {
	case sql.EnumType:
		for _, v := range t.Values() {
			n = max(n, int64(len([]rune(v))))
		}
	case sql.SetType:
		n = int64(len(t.Values())) - 1
		for _, v := range t.Values() {
			n += int64(len([]rune(v)))
		}
	case sql.StringType:
		if types.IsTextBlob(t) {
			return t.MaxByteLength(), t.MaxByteLength(), charset, collation
		}
		n = t.MaxCharacterLength()
	default:
		return nil, nil, nil, nil
	}
	return n, n * width, charset, collation
}

// Overflow makes the error of an operation that keeps more than it may.
type Overflow func() error

// Kept stands between a node and its child: it counts the child's rows as kept by the node.
type Kept struct {
	sql.Node
	Full Overflow
	Size func(sql.Row) int64
}
