package gms

import (
	"math/big"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// The functions of partitions are few and depend on nothing but the stored row: no session, time zone or sql_mode
// changes where a row is. So they are evaluated here, on stored values.

// partValue is the value of an expression of a partition function.
type partValue struct {
	n        int64 // its bits, if it is unsigned
	null     bool
	unsigned bool
}

func (v partValue) big() *big.Int {
	if v.unsigned {
		return new(big.Int).SetUint64(uint64(v.n))
	}
	return big.NewInt(v.n)
}

// less reports whether v is below w; neither is NULL.
func (v partValue) less(w partValue) bool {
	if v.unsigned == w.unsigned && !v.unsigned {
		return v.n < w.n
	}
	return v.big().Cmp(w.big()) < 0
}

// partExpr evaluates an expression with the values of the table's columns by ordinal.
type partExpr func(column func(int) row.Datum) (partValue, error)

// partCompiler makes the expression of a partition function.
type partCompiler struct {
	def      *engine.TableDef
	columns  []int // that it names, in their order
	monotone bool  // its value never falls where that of its only column rises, and is lowest for NULL
	bare     bool  // it is a column
}

var (
	errPartFunction = mysql.NewSQLError(1564, "HY000", "This partition function is not allowed")
	errPartConstant = mysql.NewSQLError(1486, "HY000", "Constant, random or timezone-dependent expressions in (sub)partitioning function are not allowed")
	errPartType     = mysql.NewSQLError(1491, "HY000", "The PARTITION function returns the wrong type")
)

// compile returns the expression of a text.
func (c *partCompiler) compile(text string) (partExpr, error) {
	e, ok := parsedExpression(text)
	if !ok {
		return nil, syntax.Error(text, 0)
	}
	e = syntax.Unparenthesized(e)
	if name, ok := e.(*ast.ColName); ok {
		c.bare = true
		at, err := c.column(name)
		if err != nil {
			return nil, err
		}
		if !integerColumn(c.def.Columns[at].Type) {
			return nil, mysql.NewSQLError(1659, "HY000", "Field '%s' is of a not allowed type for this type of partitioning", c.def.Columns[at].Name)
		}
	}
	f, err := c.expr(e)
	if err != nil {
		return nil, err
	}
	if len(c.columns) == 0 {
		return nil, errPartConstant
	}
	c.monotone = len(c.columns) == 1 && monotoneFunction(e)
	return f, nil
}

// monotoneFunction reports whether an expression is a column or a function of one whose values rise with it.
func monotoneFunction(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ColName:
		return true
	case *ast.FuncExpr:
		switch e.Name.Lowered() {
		case "to_days", "to_seconds", "year", "unix_timestamp":
			_, ok := argument(e, 0).(*ast.ColName)
			return ok
		}
	}
	return false
}

func integerColumn(t row.Type) bool {
	switch t {
	case row.TypeInt8, row.TypeInt16, row.TypeInt32, row.TypeInt64,
		row.TypeUint8, row.TypeUint16, row.TypeUint32, row.TypeUint64, row.TypeYear, row.TypeBit:
		return true
	}
	return false
}

// column returns the ordinal of a column, and notes it.
func (c *partCompiler) column(name *ast.ColName) (int, error) {
	at := c.def.Column(name.Name.String())
	if at < 0 {
		return 0, mysql.NewSQLError(mysql.ERBadFieldError, "42S22", "Unknown column '%s' in 'partition function'", name.Name.String())
	}
	if c.def.Columns[at].Options[optVirtual] != "" {
		return 0, value.ErrNotSupported("partitioning by a VIRTUAL column")
	}
	for _, x := range c.columns {
		if x == at {
			return at, nil
		}
	}
	c.columns = append(c.columns, at)
	return at, nil
}

func (c *partCompiler) expr(e ast.Expr) (partExpr, error) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return c.expr(e.Expr)
	case *ast.SQLVal:
		v, ok := partInteger(string(e.Val))
		if e.Type != ast.IntVal || !ok {
			return nil, errPartType
		}
		return func(func(int) row.Datum) (partValue, error) { return v, nil }, nil
	case *ast.ColName:
		at, err := c.column(e)
		if err != nil {
			return nil, err
		}
		switch t := c.def.Columns[at].Type; {
		case t == row.TypeTimestamp:
			return nil, errPartConstant
		case !integerColumn(t):
			return nil, errPartType
		}
		return func(column func(int) row.Datum) (partValue, error) {
			d := column(at)
			return partValue{int64(d.N), d.Kind == row.KindNull, d.Kind == row.KindUint}, nil
		}, nil
	case *ast.UnaryExpr:
		if e.Operator == ast.UPlusStr {
			return c.expr(e.Expr)
		}
		if e.Operator != ast.UMinusStr {
			return nil, errPartFunction
		}
		if v, ok := e.Expr.(*ast.SQLVal); ok && v.Type == ast.IntVal {
			if n, ok := partInteger("-" + string(v.Val)); ok {
				return func(func(int) row.Datum) (partValue, error) { return n, nil }, nil
			}
		}
		return c.binary("-", &ast.SQLVal{Type: ast.IntVal, Val: []byte("0")}, e.Expr)
	case *ast.BinaryExpr:
		switch e.Operator {
		case ast.PlusStr, ast.MinusStr, ast.MultStr, ast.IntDivStr, ast.ModStr:
			return c.binary(e.Operator, e.Left, e.Right)
		}
		return nil, errPartFunction
	case *ast.ExtractFuncExpr:
		if f := extracted[strings.ToLower(e.Unit)]; f != "" {
			return c.moment(f, e.Expr)
		}
		return nil, errPartFunction
	case *ast.FuncExpr:
		name, args := e.Name.Lowered(), len(e.Exprs)
		switch {
		case !e.Qualifier.IsEmpty():
			return nil, errPartFunction
		case name == "mod" && args == 2:
			return c.binary(ast.ModStr, argument(e, 0), argument(e, 1))
		case name == "datediff" && args == 2:
			a, err := c.moment("to_days", argument(e, 0))
			if err != nil {
				return nil, err
			}
			b, err := c.moment("to_days", argument(e, 1))
			if err != nil {
				return nil, err
			}
			return partArithmetic("-", a, b), nil
		case args == 1 && (name == "abs" || name == "ceiling" || name == "ceil" || name == "floor"):
			f, err := c.expr(argument(e, 0))
			if err != nil || name != "abs" {
				return f, err
			}
			return func(column func(int) row.Datum) (partValue, error) {
				v, err := f(column)
				if !v.unsigned && v.n < 0 {
					v.n = -v.n
				}
				return v, err
			}, nil
		case args == 1 && (momentFunctions[name] != nil || name == "unix_timestamp"):
			return c.moment(name, argument(e, 0))
		case name == "yearweek" || name == "extract":
			return nil, value.ErrNotSupported(strings.ToUpper(name) + " in a partition function")
		}
	}
	if len(rewrite.ColumnsOf(e)) == 0 {
		return nil, errPartConstant
	}
	return nil, errPartFunction
}

// partInteger returns the integer of a text.
func partInteger(text string) (partValue, bool) {
	n, ok := new(big.Int).SetString(text, 10)
	switch {
	case !ok:
		return partValue{}, false
	case n.IsInt64():
		return partValue{n: n.Int64()}, true
	case n.IsUint64():
		return partValue{n: int64(n.Uint64()), unsigned: true}, true
	}
	return partValue{}, false
}

func (c *partCompiler) binary(operator string, left, right ast.Expr) (partExpr, error) {
	a, err := c.expr(left)
	if err != nil {
		return nil, err
	}
	b, err := c.expr(right)
	if err != nil {
		return nil, err
	}
	return partArithmetic(operator, a, b), nil
}

// partArithmetic is an operation on integers. It returns 1690 if the result has more than 64 bits.
func partArithmetic(operator string, a, b partExpr) partExpr {
	return func(column func(int) row.Datum) (partValue, error) {
		x, err := a(column)
		if err != nil {
			return x, err
		}
		y, err := b(column)
		if err != nil || x.null || y.null {
			return partValue{null: true}, err
		}
		n, v := x.big(), y.big()
		out := partValue{unsigned: x.unsigned || y.unsigned}
		switch operator {
		case ast.PlusStr:
			n.Add(n, v)
		case ast.MinusStr:
			n.Sub(n, v)
		case ast.MultStr:
			n.Mul(n, v)
		default:
			if v.Sign() == 0 {
				return partValue{null: true}, nil
			}
			if operator == ast.IntDivStr {
				n.Quo(n, v)
			} else {
				n.Rem(n, v)
				out.unsigned = x.unsigned
			}
		}
		kind := "BIGINT"
		if out.unsigned {
			kind = "BIGINT UNSIGNED"
		}
		switch {
		case !out.unsigned && n.IsInt64():
			out.n = n.Int64()
		case out.unsigned && n.IsUint64():
			out.n = int64(n.Uint64())
		default:
			return out, mysql.NewSQLError(1690, "22003", "%s value is out of range in '%s'", kind, "partition function")
		}
		return out, nil
	}
}

// extracted are the functions that units of EXTRACT are.
var extracted = map[string]string{
	"year": "year", "month": "month", "day": "dayofmonth", "hour": "hour", "minute": "minute", "second": "second", "quarter": "quarter",
	"microsecond": "microsecond", "year_month": "year_month",
}

// toDays1970 is TO_DAYS('1970-01-01').
const toDays1970 = 719528

// momentFunctions are functions of a date and a time of day, in µs. zero: it is 0000-00-00, of which most are 0
// and the others, which are not ok, NULL.
var momentFunctions = map[string]func(t time.Time, µs int64, zero bool) (n int64, ok bool){
	"to_days": func(t time.Time, _ int64, zero bool) (int64, bool) { return days(t) + toDays1970, !zero },
	"to_seconds": func(t time.Time, µs int64, zero bool) (int64, bool) {
		return (days(t)+toDays1970)*86400 + µs/1e6, !zero
	},
	"year":        dateField(func(t time.Time) int { return t.Year() }),
	"month":       dateField(func(t time.Time) int { return int(t.Month()) }),
	"day":         dateField(time.Time.Day),
	"dayofmonth":  dateField(time.Time.Day),
	"quarter":     dateField(func(t time.Time) int { return (int(t.Month()) + 2) / 3 }),
	"year_month":  dateField(func(t time.Time) int { return t.Year()*100 + int(t.Month()) }),
	"dayofweek":   func(t time.Time, _ int64, zero bool) (int64, bool) { return int64(t.Weekday()) + 1, !zero },
	"weekday":     func(t time.Time, _ int64, zero bool) (int64, bool) { return int64(t.Weekday()+6) % 7, !zero },
	"dayofyear":   func(t time.Time, _ int64, zero bool) (int64, bool) { return int64(t.YearDay()), !zero },
	"hour":        func(_ time.Time, µs int64, _ bool) (int64, bool) { return µs / 3600e6, true },
	"minute":      func(_ time.Time, µs int64, _ bool) (int64, bool) { return µs / 60e6 % 60, true },
	"second":      func(_ time.Time, µs int64, _ bool) (int64, bool) { return µs / 1e6 % 60, true },
	"microsecond": func(_ time.Time, µs int64, _ bool) (int64, bool) { return µs % 1e6, true },
	"time_to_sec": func(_ time.Time, µs int64, _ bool) (int64, bool) { return µs / 1e6, true },
}

// timeFunctions are those of the time of day alone, which a TIME has as well.
var timeFunctions = syntax.Words("hour minute second microsecond time_to_sec")

func dateField(f func(time.Time) int) func(time.Time, int64, bool) (int64, bool) {
	return func(t time.Time, _ int64, zero bool) (int64, bool) {
		if zero {
			return 0, true
		}
		return int64(f(t)), true
	}
}

// days are the days since 1970.
func days(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= 86399
	}
	return s / 86400
}

// moment returns a function of a column of dates or times.
func (c *partCompiler) moment(name string, arg ast.Expr) (partExpr, error) {
	arg = syntax.Unparenthesized(arg)
	field, ok := arg.(*ast.ColName)
	if !ok {
		if len(rewrite.ColumnsOf(arg)) > 0 {
			return nil, errPartFunction
		}
		return nil, errPartConstant
	}
	at, err := c.column(field)
	if err != nil {
		return nil, err
	}
	typ := c.def.Columns[at].Type
	if name == "unix_timestamp" {
		if typ != row.TypeTimestamp {
			return nil, errPartConstant
		}
		if strings.Contains(c.def.Columns[at].SQLType, "(") { // of fractions
			return nil, errPartType
		}
		return func(column func(int) row.Datum) (partValue, error) {
			d := column(at)
			if d.Kind == row.KindNull {
				return partValue{null: true}, nil
			}
			t := time.UnixMicro(d.Int())
			if t.Equal(types.ZeroTime) {
				return partValue{}, nil
			}
			return partValue{n: t.Unix()}, nil
		}, nil
	}
	f, clock := momentFunctions[name], timeFunctions[name]
	switch {
	case typ == row.TypeDate, typ == row.TypeDatetime:
	case typ == row.TypeTime && clock:
	default:
		return nil, errPartConstant
	}
	return func(column func(int) row.Datum) (partValue, error) {
		d := column(at)
		if d.Kind == row.KindNull {
			return partValue{null: true}, nil
		}
		var t time.Time
		µs := int64(0)
		switch typ {
		case row.TypeDate:
			t = time.Unix(d.Int()*86400, 0).UTC()
		case row.TypeDatetime:
			t = time.UnixMicro(d.Int()).UTC()
			if µs = d.Int() % 86400e6; µs < 0 {
				µs += 86400e6
			}
		default:
			if µs = d.Int(); µs < 0 && name != "time_to_sec" {
				µs = -µs
			}
		}
		n, ok := f(t, µs, typ != row.TypeTime && t.Equal(types.ZeroTime))
		return partValue{n: n, null: !ok}, nil
	}, nil
}
