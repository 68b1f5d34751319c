package gms

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// assigner gives the values that a statement writes the types of their columns, before
// the planner does: what a value loses on the way is an error in strict mode, and a
// warning in other modes and with IGNORE.
type assigner struct {
	ignore bool
	table  string       // of the columns
	loose  *bool        // what is lost is a warning; nil: not asked for yet
	row    int64        // from 1
	format columnFormat // of the column
	told   map[string]bool
}

// lenient reports whether the statement goes on with what is left of a value.
func (a *assigner) lenient(ctx *sql.Context) bool {
	if a.loose == nil {
		loose := a.ignore || !sql.LoadSqlMode(ctx).Strict()
		a.loose = &loose
	}
	return *a.loose
}

// lost is something of a value that its column cannot hold: the error of strict mode,
// and the number of the warning if that is another.
type lost struct {
	number  int
	message string // with %s for the column and %d for the row
	warning int    // 0: number
}

var (
	outOfRange = lost{number: 1264, message: "Out of range value for column '%s' at row %d"}
	truncated  = lost{number: 1265, message: "Data truncated for column '%s' at row %d"}
	tooLong    = lost{number: 1406, message: "Data too long for column '%s' at row %d", warning: 1265}
)

// incorrect is a value that is none of the type's.
func incorrect(number int, kind string, v any, warning int) lost {
	value := strings.ReplaceAll(shown(v), "%", "%%")
	return lost{number: number, message: "Incorrect " + kind + " value: '" + value + "' for column '%s' at row %d", warning: warning}
}

// shown is a value as messages have it.
func shown(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case time.Time:
		return v.Format("2006-01-02 15:04:05")
	case float64:
		text, _ := appendDouble(noContext(), nil, types.Float64, v)
		return string(text)
	case bool:
		if v {
			return "1"
		}
		return "0"
	}
	return fmt.Sprint(v)
}

// keep returns what is left of a value, or an error in strict mode.
func (a *assigner) keep(ctx *sql.Context, column string, l lost, left any) (any, error) {
	if !a.lenient(ctx) {
		return nil, mysql.NewSQLError(l.number, sqlStates[l.number], "%s", fmt.Sprintf(l.message, column, a.row))
	}
	switch l.warning {
	case 1264:
		l = outOfRange
	case 1265:
		l = truncated
	case 1299:
		l = lost{number: 1299, message: "Invalid TIMESTAMP value in column '%s' at row %d"}
	}
	warn(ctx, l.number, fmt.Sprintf(l.message, column, a.row))
	return left, nil
}

func warn(ctx *sql.Context, number int, message string) {
	ctx.Session.Warn(&sql.Warning{Level: "Warning", Code: number, Message: message})
}

// assign returns v as a value of a column. What it does not know it leaves to the planner.
func (a *assigner) assign(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	if b, ok := v.(bool); ok && t.Type() != sqltypes.TypeJSON {
		v = int8(0)
		if b {
			v = int8(1)
		}
	}
	if w, ok := v.(sql.JSONWrapper); ok && !types.IsText(t) && !types.IsJSON(t) {
		var err error
		if v, err = w.ToInterface(ctx); err != nil || v == nil {
			return nil, err
		}
	}
	switch k := t.Type(); {
	case k == sqltypes.Year:
		return a.year(ctx, column, t, v)
	case k == sqltypes.Decimal:
		return a.number(ctx, column, t, v)
	case sqltypes.IsIntegral(k) || sqltypes.IsFloat(k):
		return a.number(ctx, column, t, v)
	case k == sqltypes.Date, k == sqltypes.Datetime, k == sqltypes.Timestamp, k == sqltypes.Time:
		return a.moment(ctx, column, t, v)
	case k == sqltypes.Enum, k == sqltypes.Set:
		switch x := v.(type) { // the whole part is a member's place, or the bits
		case []byte:
			v = string(x)
		case time.Time, types.Timespan:
			v = shown(v)
		case float32:
			v = int64(x)
		case float64:
			v = int64(x)
		case *apd.Decimal:
			if f, err := x.Float64(); err == nil {
				v = int64(f)
			}
		}
		list, _ := v.(string)
		set, _ := t.(sql.SetType)
		empty := set != nil && list != "" && slices.Contains(strings.Split(list, ","), "") && !slices.Contains(set.Values(), "")
		if u, _, err := t.Convert(ctx, v); err == nil && !empty {
			return u, nil
		}
		left := members(ctx, t, v)
		if n, err := strconv.ParseUint(shown(v), 10, 64); err == nil && n == left {
			return left, nil
		}
		return a.keep(ctx, column, truncated, left)
	case k == sqltypes.TypeJSON:
		return a.document(ctx, column, t, v)
	case k == sqltypes.Bit:
		switch x := v.(type) {
		case float32:
			v = int64(x)
		case float64:
			v = int64(x)
		case *apd.Decimal:
			if x.Negative && !x.IsZero() {
				return a.keep(ctx, column, outOfRange, uint64(0))
			}
		}
		u, in, err := t.Convert(ctx, v)
		if err == nil && in == sql.InRange {
			return u, nil
		}
		l := tooLong
		l.warning = 1264
		bits := t.(types.BitType).NumberOfBits()
		return a.keep(ctx, column, l, uint64(math.MaxUint64)>>(64-bits))
	}
	if s, ok := t.(sql.StringType); ok && sql.IsStringType(t) {
		return a.text(ctx, column, s, v)
	}
	return v, nil
}

// document assigns to JSON: texts are read, other types than JSON need a CAST.
func (a *assigner) document(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	text, ok := v.(string)
	switch v.(type) {
	case []byte:
		return nil, errBinaryJSON()
	case bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, *apd.Decimal, time.Time, types.Timespan:
		return nil, invalidColumn(&jsonFault{notJSON, 0}, a.table, column)
	}
	if !ok {
		return v, nil
	}
	if err := tooNested(text); err != nil {
		return nil, err
	}
	if doc, ok := exactText(text); ok {
		return doc, nil
	}
	u, _, err := t.Convert(ctx, text)
	if err != nil {
		if fault := findFault(text); fault != nil {
			err = invalidColumn(fault, a.table, column)
		}
		return nil, err
	}
	return u, nil
}

// members returns those of a SET's value that are members; nothing of an ENUM.
func members(ctx *sql.Context, t sql.Type, v any) any {
	set, ok := t.(sql.SetType)
	if !ok {
		return t.Zero()
	}
	s, ok := v.(string)
	if n, err := strconv.ParseUint(s, 10, 64); ok && err == nil && n < 1<<set.NumberOfElements() {
		return n // as LOAD DATA has it
	}
	if !ok {
		n, _, err := types.Uint64.Convert(ctx, v)
		if bits, is := n.(uint64); err == nil && is {
			return bits & (1<<set.NumberOfElements() - 1)
		}
		return t.Zero()
	}
	bits := uint64(0)
	for _, m := range strings.Split(s, ",") {
		if u, _, err := t.Convert(ctx, m); err == nil {
			b, _ := u.(uint64)
			bits |= b
		}
	}
	return bits
}

func (a *assigner) year(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	var l *lost
	four := false // 0000, which is no 2000
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch x := v.(type) {
	case types.Timespan:
		day, err := spanToday(ctx, x)
		if err != nil {
			return nil, err
		}
		return a.year(ctx, column, t, day)
	case time.Time:
		if v = int64(x.Year()); x.Equal(types.ZeroTime) {
			v = int64(0)
		}
	case float32:
		return a.year(ctx, column, t, float64(x))
	case float64:
		if v = int64(x); x < 0 || x > 2155 {
			v = int64(-1)
		}
	case string:
		digits, garbage := numericPrefix(x)
		if digits == "" {
			return a.keep(ctx, column, incorrect(1366, "integer", v, 0), t.Zero())
		}
		if garbage {
			l = &truncated
		}
		v, four = numeric(digits), len(x) != 4
	}
	n := int64(-1)
	if d, ok := v.(*apd.Decimal); !ok || !d.Negative {
		if c, in, err := types.Int64.Convert(ctx, v); err == nil && in == sql.InRange {
			n = c.(int64)
		}
	}
	switch {
	case n < 0 || n >= 100 && n <= 1900 || n > 2155:
		return a.keep(ctx, column, outOfRange, t.Zero())
	case n == 0 && !four:
	case n < 70:
		n += 2000
	case n < 100:
		n += 1900
	}
	if l != nil {
		return a.keep(ctx, column, *l, int16(n))
	}
	return int16(n), nil
}

// number assigns to integers, decimals and floats.
func (a *assigner) number(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	var l *lost
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if s, ok := v.(string); ok {
		digits, garbage := numericPrefix(s)
		kind := t.Type()
		switch {
		case sqltypes.IsFloat(kind) && (digits == "" || garbage):
			l = &truncated
		case kind == sqltypes.Decimal && (digits == "" || garbage):
			i := incorrect(1366, "decimal", v, 0)
			if garbage && digits != "" {
				i.warning = 1265
			}
			l = &i
		case digits == "":
			i := incorrect(1366, "integer", v, 0)
			l = &i
		case garbage:
			l = &truncated
		}
		v = numeric(digits)
		if f, ok := v.(float64); ok && kind == sqltypes.Decimal && math.Abs(f) >= 1e81 {
			i := incorrect(1366, "decimal", s, 1264)
			u := clipped(t, nil, f < 0)
			if f < 0 && a.format.unsigned {
				u = t.Zero()
			}
			return a.keep(ctx, column, i, u)
		}
	} else if sqltypes.IsIntegral(t.Type()) { // an approximate number
		switch x := v.(type) {
		case float32:
			v = wholeDouble(float64(x), t)
		case float64:
			v = wholeDouble(x, t)
		}
	}
	if f := a.format; f.digits > 0 { // rounded before it is a FLOAT
		if c, _, err := types.Float64.Convert(ctx, v); err == nil {
			if v = f.rounded(c.(float64)); !finite(v) {
				v = math.Copysign(math.MaxFloat32, c.(float64)) // more than its digits
			}
		}
	}
	if d, ok := v.(*apd.Decimal); ok && d.Negative && !d.IsZero() && sqltypes.IsUnsigned(t.Type()) { // also one that is rounded to 0
		return a.keep(ctx, column, outOfRange, t.Zero())
	}
	if a.format.unsigned && negative(v) { // also of one that is rounded to 0
		return a.keep(ctx, column, outOfRange, t.Zero())
	}
	u, in, err := t.Convert(ctx, v)
	switch {
	case a.format.digits > 0 && err == nil && (in != sql.InRange || !finite(u)):
		return a.bounded(ctx, column, t, v)
	case !finite(u):
		return a.keep(ctx, column, outOfRange, nearest(t, u))
	case types.ErrConvertToDecimalLimit.Is(err), err == nil && in != sql.InRange:
		return a.keep(ctx, column, outOfRange, clipped(t, u, negative(v)))
	case err != nil:
		return v, nil // the planner's own
	case l != nil:
		if u, err = a.keep(ctx, column, *l, u); err != nil {
			return nil, err
		}
	}
	if d, ok := u.(*apd.Decimal); ok {
		u = unsignedZero(d)
	}
	return a.bounded(ctx, column, t, u)
}

// wholeDouble returns a DOUBLE as the nearest number of an integer type's kind, or as it is if there is none.
func wholeDouble(x float64, t sql.Type) any {
	x = math.RoundToEven(x)
	switch {
	case x == math.MaxInt64 && sqltypes.IsSigned(t.Type()): // 2^63
		return int64(math.MaxInt64)
	case x >= math.MaxInt64 && x < math.MaxUint64:
		return uint64(x)
	}
	return x
}

// numericPrefix returns the number that a text begins with, "" if it begins with none, and
// whether anything but blanks follows.
func numericPrefix(s string) (string, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	at := 0
	digits := func() int {
		start := at
		for at < len(s) && s[at] >= '0' && s[at] <= '9' {
			at++
		}
		return at - start
	}
	if at < len(s) && (s[at] == '-' || s[at] == '+') {
		at++
	}
	n := digits()
	if at < len(s) && s[at] == '.' {
		at++
		n += digits()
	}
	if n == 0 {
		return "", s != ""
	}
	if end := at; at < len(s) && s[at]|0x20 == 'e' {
		at++
		if at < len(s) && (s[at] == '-' || s[at] == '+') {
			at++
		}
		if digits() == 0 {
			at = end
		}
	}
	return s[:at], at < len(s)
}

// numeric returns the value of a text that is a number, 0 for "".
func numeric(digits string) any {
	if digits == "" {
		return int64(0)
	}
	if i, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return i
	}
	if !strings.ContainsAny(digits, "eE") {
		if d, _, err := apd.NewFromString(digits); err == nil {
			return d
		}
	}
	f, _ := strconv.ParseFloat(digits, 64) // an infinity is out of range
	return f
}

func negative(v any) bool {
	switch v := v.(type) {
	case *apd.Decimal:
		return v.Sign() < 0
	case float64:
		return v < 0
	case float32:
		return v < 0
	case int64:
		return v < 0
	case int32:
		return v < 0
	case int16:
		return v < 0
	case int8:
		return v < 0
	}
	return false
}

// clipped returns the value of a type that is next to one out of its range.
func clipped(t sql.Type, u any, below bool) any {
	d, ok := t.(sql.DecimalType)
	switch {
	case ok:
		digits := strings.Repeat("9", int(d.Precision()))
		v, _, err := apd.NewFromString(digits)
		if err != nil {
			return t.Zero()
		}
		v.Exponent, v.Negative = -int32(d.Scale()), below
		return v
	case below && sqltypes.IsUnsigned(t.Type()):
		return t.Zero()
	}
	return u
}

// fittingDouble returns the text of a DOUBLE with the digits that a column has room for, in the form that shows more of
// them, and whether there is room for all that is needed. Source: my_gcvt.
func fittingDouble(v float64, t sql.StringType) (string, bool) {
	text := shown(v)
	room := int(min(t.MaxCharacterLength(), t.MaxByteLength(), math.MaxInt16))
	if len(text) <= room {
		return text, true
	}
	if v < 0 {
		room--
	}
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e")
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return text, false
	}
	plain := room - 1 // the digits that there is room for
	switch point := exponent + 1; {
	case point <= 0:
		plain = room - len("0.") + point
	case point > room:
		plain = 0
	case point == room:
		plain = room
	}
	short := room - len("e") - len(strconv.Itoa(exponent))
	enough := short != 1 || len(mantissa) == 1
	if short > 2 {
		short-- // a point
	} else {
		short = min(short, 1)
	}
	if plain >= short && plain > 0 {
		rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', plain-1, 64), 64)
		if plain := strconv.FormatFloat(rounded, 'f', -1, 64); err == nil && (len(plain) <= room || v < 0 && len(plain) <= room+1) {
			return plain, true
		}
	}
	if short < 1 {
		short, enough = 1, false
	}
	mantissa, power, _ = strings.Cut(strconv.FormatFloat(v, 'e', short-1, 64), "e")
	if exponent, err = strconv.Atoi(power); err != nil {
		return text, false
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + "e" + strconv.Itoa(exponent), enough
}

// text assigns to strings of characters and bytes.
func (a *assigner) text(ctx *sql.Context, column string, t sql.StringType, v any) (any, error) {
	switch x := v.(type) {
	case float32:
		if types.IsTextBlob(t) || !finite(x) {
			text, _ := appendDouble(ctx, nil, types.Float32, x)
			v = string(text)
			break
		}
		return a.text(ctx, column, t, float64(x))
	case float64:
		text, enough := fittingDouble(x, t)
		if v = text; !enough {
			return a.keep(ctx, column, tooLong, text[:min(len(text), int(t.MaxByteLength()), int(t.MaxCharacterLength()))])
		}
	case *apd.Decimal:
		v = x.Text('f')
	}
	s, ok := v.(string)
	if b, bytes := v.([]byte); bytes {
		s, ok = string(b), true
	}
	if ok {
		left, err := a.encoded(ctx, column, t, s)
		if err != nil {
			return nil, err
		}
		if left != s {
			s, v = left, left
		}
	}
	if ok && int64(len(s)) <= t.MaxCharacterLength() && int64(len(s)) <= t.MaxByteLength() {
		return v, nil
	}
	u, _, err := t.Convert(ctx, v)
	if !types.ErrLengthBeyondLimit.Is(err) {
		if err != nil {
			return v, nil // the planner's own
		}
		return u, nil
	}
	if !ok {
		s = shown(v)
	}
	end := len(s)
	if t.CharacterSet() == sql.CharacterSet_binary {
		end = int(min(int64(end), t.MaxByteLength()))
	} else {
		n := int64(0)
		for i, r := range s {
			if n++; !types.IsTextBlob(t) && n > t.MaxCharacterLength() || int64(i+len(string(r))) > t.MaxByteLength() {
				end = i
				break
			}
		}
		if strings.Trim(s[end:], " ") == "" {
			if t.Type() == sqltypes.VarChar {
				ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1265, Message: fmt.Sprintf(truncated.message, column, a.row)})
			}
			return s[:end], nil
		}
	}
	return a.keep(ctx, column, tooLong, s[:end])
}

// null returns what stands for a NULL that a column does not take.
func (a *assigner) null(ctx *sql.Context, column string, t sql.Type, missing bool) any {
	if missing {
		if t.Type() == sqltypes.Enum {
			return implicitDefault(t)
		}
		if !a.told[column] {
			if a.told == nil {
				a.told = make(map[string]bool)
			}
			a.told[column] = true
			warn(ctx, 1364, fmt.Sprintf("Field '%s' doesn't have a default value", column))
		}
	} else {
		warn(ctx, 1048, fmt.Sprintf("Column '%s' cannot be null", column))
	}
	return implicitDefault(t)
}

// implicitDefault is the default of a NOT NULL column without one: of an ENUM it is the first member.
func implicitDefault(t sql.Type) any {
	if t.Type() == sqltypes.Enum {
		return uint16(1)
	}
	return t.Zero()
}

// assigned is the source of an INSERT with the columns' types.
type assigned struct {
	sql.Node
	insert *plan.InsertInto
	fires  bool // its rows fire BEFORE triggers, which see NULL in columns that do not take it
}

// Children implements sql.Node.
func (n *assigned) Children() []sql.Node { return []sql.Node{n.Node} }

// WithChildren implements sql.Node.
func (n *assigned) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 1)
	}
	return &assigned{Node: children[0], insert: n.insert, fires: n.fires}, nil
}

// assigned builds the source of an INSERT.
func (b *builder) assigned(ctx *sql.Context, s *Session, n *assigned, r sql.Row) (sql.RowIter, error) {
	it, err := b.base.Build(ctx, n.Node, r)
	if err != nil {
		return nil, err
	}
	local := false
	transform.Inspect(n.Node, func(n sql.Node) bool {
		if l, ok := n.(*plan.LoadData); ok {
			local = l.Local
		}
		return true
	})
	var records *int64
	if o := s.results; o != nil && s.depth == 0 && o.insert == nil {
		o.insert, records = n.insert, &o.records
	}
	var formats []columnFormat
	if t := tableOf(n.insert.Destination); t != nil {
		formats = t.live(ctx).formats
	}
	return &assignIter{
		formats: formats, records: records, child: it, schema: n.insert.Destination.Schema(ctx), insert: n.insert, fires: n.fires,
		single: valueRows(ctx, n.Node) == 1, empty: emptyRow(s, n.insert), a: assigner{ignore: n.insert.Ignore || local},
	}, nil
}

// emptyRow reports whether a client's INSERT is one of VALUES ().
func emptyRow(s *Session, n *plan.InsertInto) bool {
	stmt, ok := s.locks.stmt.(*ast.Insert)
	if !ok || s.depth > 0 || s.root != n {
		return false
	}
	rows, ok := stmt.Rows.(*ast.AliasedValues)
	return ok && len(rows.Values) > 0 && len(rows.Values[0]) == 0
}

type assignIter struct {
	child   sql.RowIter
	records *int64 // counts the rows for the client; nil: not for it
	schema  sql.Schema
	formats []columnFormat // of the columns; nil: none has one
	insert  *plan.InsertInto
	single  bool // a VALUES list of one row
	empty   bool // VALUES ()
	fires   bool // see assigned
	a       assigner
}

// Next implements sql.RowIter.
func (i *assignIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.child.Next(ctx)
	if err != nil {
		return nil, err
	}
	if err := i.a.divided(ctx); err != nil {
		return nil, err
	}
	i.a.row++
	if i.records != nil {
		*i.records = i.a.row
	}
	r = r.Copy()
	own := r
	if len(r) > len(i.schema) {
		own = r[len(r)-len(i.schema):]
	}
	for n, c := range i.schema {
		if n >= len(own) {
			break
		}
		if own[n] != nil {
			i.a.table = c.Source
			if n < len(i.formats) {
				i.a.format = i.formats[n]
			}
			if own[n], err = i.a.assign(ctx, c.Name, c.Type, own[n]); err != nil {
				return nil, err
			}
			continue
		}
		missing := i.empty || i.insert.DeferredDefaults.Contains(n)
		if !c.Nullable && !c.Virtual && i.a.lenient(ctx) && (missing || !i.fires && (i.a.ignore || !i.single)) {
			own[n] = i.a.null(ctx, c.Name, c.Type, missing)
		} else if i.empty && !c.Nullable && !c.Virtual && !c.AutoIncrement {
			if c.Type.Type() != sqltypes.Enum {
				return nil, mysql.NewSQLError(1364, "HY000", "Field '%s' doesn't have a default value", c.Name)
			}
			own[n] = uint16(1)
		}
	}
	return r, nil
}

// Close implements sql.RowIter.
func (i *assignIter) Close(ctx *sql.Context) error { return i.child.Close(ctx) }

// assignment is the right side of a SET in an UPDATE, with the type of its column.
type assignment struct {
	sql.Expression
	column *expression.GetField
	a      *assigner
}

// Eval implements sql.Expression.
func (e *assignment) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	e.a.row++
	v, err := e.Expression.Eval(ctx, r)
	if err == nil {
		err = e.a.divided(ctx)
	}
	if err != nil {
		return nil, err
	}
	t := e.column.Type(ctx)
	if v == nil && !e.column.IsNullable(ctx) && e.a.lenient(ctx) {
		return e.a.null(ctx, e.column.Name(), t, false), nil
	}
	return e.a.assign(ctx, e.column.Name(), t, v)
}

// WithChildren implements sql.Expression.
func (e *assignment) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Expression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &assignment{Expression: x, column: e.column, a: e.a}, nil
}

// assignments wraps the right sides of SET.
func assignments(ctx *sql.Context, exprs *plan.UpdateExprs, ignore bool) (*plan.UpdateExprs, error) {
	out := make([]sql.Expression, exprs.Length())
	for i, e := range exprs.AllExpressions() {
		out[i] = e
		set, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		if column, ok := set.LeftChild.(*expression.GetField); ok {
			value := set.RightChild
			if w, ok := value.(*expression.Wrapper); ok && len(w.Children()) == 1 {
				value = w.Children()[0]
			}
			if d, ok := value.(*sql.ColumnDefaultValue); ok && d != nil && !d.Literal && d.Resolved() && !types.IsJSON(column.Type(ctx)) {
				value = d.Expr
			} else {
				value = set.RightChild
			}
			value, _ = assignedAs(ctx, value, column.Type(ctx))
			if lacksDefault(value) && !column.IsNullable(ctx) {
				value = &noDefault{column: column.Name(), typ: column.Type(ctx), a: assigner{ignore: ignore}}
			}
			out[i] = expression.NewSetField(column, &assignment{
				Expression: value, column: column, a: &assigner{ignore: ignore, table: column.Table(), format: fieldFormat(ctx, column)},
			})
		}
	}
	return exprs.WithExpressions(out)
}

// lacksDefault reports whether an expression is what the planner makes of DEFAULT of a column without one.
func lacksDefault(e sql.Expression) bool {
	w, ok := e.(*expression.Wrapper)
	if !ok {
		return false
	}
	for _, c := range w.Children() {
		if d, ok := c.(*sql.ColumnDefaultValue); !ok || d != nil {
			return false
		}
	}
	return true
}

// divisionByZero is MySQL's number of a division by zero.
const divisionByZero = 1365

// modeEnabled reports whether sql_mode has a mode, or TRADITIONAL, which has all that this is asked for.
func modeEnabled(ctx *sql.Context, mode string) bool {
	m := sql.LoadSqlMode(ctx)
	return m.ModeEnabled(mode) || m.ModeEnabled(sql.Traditional)
}

// divided returns the error of a division by zero in what was evaluated since the
// last call, in strict mode.
func (a *assigner) divided(ctx *sql.Context) error {
	s, ok := ctx.Session.(*Session)
	if !ok || !s.divided {
		return nil
	}
	s.divided = false
	if a.lenient(ctx) {
		return nil
	}
	return mysql.NewSQLError(divisionByZero, "22012", "Division by 0")
}

// ignored are the errors that IGNORE makes warnings of; the planner makes notes.
var ignored = map[int]bool{1048: true, 1062: true, 1242: true, 1451: true, 1452: true, 3819: true}

// Warn implements sql.Session.
func (s *Session) Warn(w *sql.Warning) {
	if w.Code == duplicateIndex && s.b.mysql && !s.isDuplicateIndex(w.Message) {
		return
	}
	if s.b.mysql && strings.HasPrefix(w.Message, "Setting CHARACTER SET, COLLATION and ENCRYPTION") {
		return // of databases, which are set
	}
	if s.b.mysql && strings.HasPrefix(w.Message, "'disable/enable keys'") {
		w = &sql.Warning{Level: "Note", Code: 1031, Message: fmt.Sprintf("Table storage engine for '%s' doesn't have this option", s.altered)}
	}
	if s.b.mysql && w.Code == divisionByZero {
		if !modeEnabled(sql.NewContext(context.Background(), sql.WithSession(s)), sql.ErrorForDivisionByZero) {
			return
		}
		s.divided = true
	}
	if s.b.mysql && w.Level == "Note" && (ignored[w.Code] || w.Code == mysql.ERUnknownError) {
		e, ok := s.violated(errors.New(w.Message)).(*mysql.SQLError)
		if !ok {
			e = clientError(mysql.NewSQLError(mysql.ERUnknownError, "HY000", "%s", w.Message), s.GetCurrentDatabase())
		}
		code := w.Code
		if generic(code) {
			code = e.Num
		}
		w = &sql.Warning{Level: "Warning", Code: code, Message: e.Message}
	}
	s.BaseSession.Warn(w)
}
