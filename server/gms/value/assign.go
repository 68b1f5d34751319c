package value

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
)

// Assigner gives the values that a statement writes the types of their columns, before
// the planner does: what a value loses on the way is an error in strict mode, and a
// warning in other modes and with IGNORE.
type Assigner struct {
	Ignore bool
	Table  string       // of the columns
	loose  *bool        // what is lost is a warning; nil: not asked for yet
	Row    int64        // from 1
	Format ColumnFormat // of the column
	told   map[string]bool
}

// Lenient reports whether the statement goes on with what is left of a value.
func (a *Assigner) Lenient(ctx *sql.Context) bool {
	if a.loose == nil {
		loose := a.Ignore || !sql.LoadSqlMode(ctx).Strict()
		a.loose = &loose
	}
	return *a.loose
}

// Lost is something of a value that its column cannot hold: the error of strict mode,
// and the number of the warning if that is another.
type Lost struct {
	number  int
	message string // with %s for the column and %d for the row
	warning int    // 0: number
}

// What a value loses on its way into a column.
var (
	outOfRange = Lost{number: 1264, message: "Out of range value for column '%s' at row %d"}
	Truncated  = Lost{number: 1265, message: "Data truncated for column '%s' at row %d"}
	tooLong    = Lost{number: 1406, message: "Data too long for column '%s' at row %d", warning: 1265}
)

// incorrect is a value that is none of the type's.
func incorrect(number int, kind string, v any, warning int) Lost {
	value := strings.ReplaceAll(Shown(v), "%", "%%")
	return Lost{number: number, message: "Incorrect " + kind + " value: '" + value + "' for column '%s' at row %d", warning: warning}
}

// Shown is a value as messages have it.
func Shown(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case time.Time:
		return MomentText(v, time.DateTime)
	case float64:
		text, _ := AppendDouble(NoContext(), nil, types.Float64, v)
		return string(text)
	case bool:
		if v {
			return "1"
		}
		return "0"
	}
	return fmt.Sprint(v)
}

// MomentText is a moment in a layout that begins with the date; '0000-00-00' has no text of its own.
func MomentText(t time.Time, layout string) string {
	if t.Equal(types.ZeroTime) {
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
		return types.ZeroDateStr[:len(time.DateOnly)] + t.Format(layout)[len(time.DateOnly):]
	}
	return t.Format(layout)
}

// Keep returns what is left of a value, or an error in strict mode.
func (a *Assigner) Keep(ctx *sql.Context, column string, l Lost, left any) (any, error) {
	if !a.Lenient(ctx) {
		return nil, mysql.NewSQLError(l.number, SQLStates[l.number], "%s", fmt.Sprintf(l.message, column, a.Row))
	}
	switch l.warning {
	case 1264:
		l = outOfRange
	case 1265:
		l = Truncated
	case 1299:
		l = Lost{number: 1299, message: "Invalid TIMESTAMP value in column '%s' at row %d"}
	}
	Warn(ctx, l.number, fmt.Sprintf(l.message, column, a.Row))
	return left, nil
}

// Warn adds a warning to those of the session's statement.
func Warn(ctx *sql.Context, number int, message string) {
	ctx.Session.Warn(&sql.Warning{Level: "Warning", Code: number, Message: message})
}

// Assign returns v as a value of a column. What it does not know it leaves to the planner.
func (a *Assigner) Assign(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
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
		if v, err = w.ToInterface(ctx); err != nil {
			return nil, err
		}
		switch v.(type) {
		case nil, []any, map[string]any:
			return a.Keep(ctx, column, Lost{number: 3156, message: "Invalid JSON value for CAST to " + CastName(t) + " from column %s at row %d"}, t.Zero())
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
			v = Shown(v)
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
		if n, err := strconv.ParseUint(Shown(v), 10, 64); err == nil && n == left {
			return left, nil
		}
		return a.Keep(ctx, column, Truncated, left)
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
				return a.Keep(ctx, column, outOfRange, uint64(0))
			}
		}
		u, in, err := t.Convert(ctx, v)
		if err == nil && in == sql.InRange {
			return u, nil
		}
		l := tooLong
		l.warning = 1264
		bits := t.(types.BitType).NumberOfBits()
		return a.Keep(ctx, column, l, uint64(math.MaxUint64)>>(64-bits))
	}
	if s, ok := t.(sql.StringType); ok && sql.IsStringType(t) {
		v, err := a.Text(ctx, column, s, v)
		if text, ok := v.(string); ok && t.Type() == sqltypes.Char {
			v = strings.TrimRight(text, " ") // what reads the row before it is stored has it as it will be
		}
		return v, err
	}
	return v, nil
}

// document assigns to JSON: texts are read, other types than JSON need a CAST.
func (a *Assigner) document(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	text, ok := v.(string)
	switch v.(type) {
	case []byte:
		return nil, ErrBinaryJSON()
	case bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, *apd.Decimal, time.Time, types.Timespan:
		return nil, invalidColumn(&jsonFault{notJSON, 0}, a.Table, column)
	}
	if !ok {
		return v, nil
	}
	if err := TooNested(text); err != nil {
		return nil, err
	}
	if doc, ok := ExactText(text); ok {
		return doc, nil
	}
	u, _, err := t.Convert(ctx, text)
	if err != nil {
		if fault := findFault(text); fault != nil {
			err = invalidColumn(fault, a.Table, column)
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

// Text assigns to strings of characters and bytes.
func (a *Assigner) Text(ctx *sql.Context, column string, t sql.StringType, v any) (any, error) {
	switch x := v.(type) {
	case float32:
		if types.IsTextBlob(t) || !Finite(x) {
			text, _ := AppendDouble(ctx, nil, types.Float32, x)
			v = string(text)
			break
		}
		return a.Text(ctx, column, t, float64(x))
	case float64:
		text, enough := fittingDouble(x, t)
		if v = text; !enough {
			return a.Keep(ctx, column, tooLong, text[:min(len(text), int(t.MaxByteLength()), int(t.MaxCharacterLength()))])
		}
	case *apd.Decimal:
		v = x.Text('f')
	}
	s, ok := v.(string)
	if b, bytes := v.([]byte); bytes {
		s, ok = string(b), true
		if cs := t.CharacterSet(); cs.MaxLength() == 1 && cs != sql.CharacterSet_binary { // they are the set's
			if text, whole := cs.Encoder().Decode(b); whole {
				s, v = string(text), string(text)
			}
		}
	}
	if ok && t.CharacterSet() != sql.CharacterSet_binary && !utf8.ValidString(s) {
		left, err := a.Keep(ctx, column, notEncoded(invalidFrom(s)), strings.TrimSuffix(s, invalidFrom(s)))
		if err != nil {
			return nil, err
		}
		s, v = left.(string), left
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
		s = Shown(v)
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
				ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1265, Message: fmt.Sprintf(Truncated.message, column, a.Row)})
			}
			return s[:end], nil
		}
	}
	return a.Keep(ctx, column, tooLong, s[:end])
}

// Null returns what stands for a NULL that a column does not take.
func (a *Assigner) Null(ctx *sql.Context, column string, t sql.Type, missing bool) any {
	if missing {
		if t.Type() == sqltypes.Enum {
			return ImplicitDefault(t)
		}
		if !a.told[column] {
			if a.told == nil {
				a.told = make(map[string]bool)
			}
			a.told[column] = true
			Warn(ctx, 1364, fmt.Sprintf("Field '%s' doesn't have a default value", column))
		}
	} else {
		Warn(ctx, 1048, fmt.Sprintf("Column '%s' cannot be null", column))
	}
	return ImplicitDefault(t)
}

// ImplicitDefault is the default of a NOT NULL column without one: of an ENUM it is the first member, of a document null.
func ImplicitDefault(t sql.Type) any {
	switch t.Type() {
	case sqltypes.Enum:
		return uint16(1)
	case sqltypes.TypeJSON:
		return types.JSONDocument{}
	}
	return t.Zero()
}

// DivisionByZero is MySQL's number of a division by zero.
const DivisionByZero = 1365

// WrongLogarithm is MySQL's number of a logarithm that there is not.
const WrongLogarithm = 3020

// StrictStates are the SQLSTATEs of other warnings of expressions that are errors in strict mode, where a statement writes.
var StrictStates = map[int]string{
	WrongLogarithm: "2201E", 1441: "22008", 1260: "HY000", 1292: "22007", 1301: "HY000", 1411: "HY000", 3155: "22003", 3156: "22018",
}

// ModeEnabled reports whether sql_mode has a mode, or TRADITIONAL, which has all that this is asked for.
func ModeEnabled(ctx *sql.Context, mode string) bool {
	m := sql.LoadSqlMode(ctx)
	return m.ModeEnabled(mode) || m.ModeEnabled(sql.Traditional)
}

// Divided returns the error of a division by zero, a wrong logarithm, a text that is no number or another of StrictStates in
// what was evaluated since the last call, in strict mode, and forgets the warnings of it.
func (a *Assigner) Divided(ctx *sql.Context) error {
	s, ok := ctx.Session.(Evaluation)
	if !ok {
		return nil
	}
	w := s.TakeDivided()
	if w == nil || a.Lenient(ctx) {
		return nil
	}
	before := ctx.Session.Warnings()
	ctx.Session.ClearWarnings()
	for _, other := range slices.Backward(before) { // the error is in their place
		if other.Level == "Note" || StrictStates[other.Code] == "" && other.Code != DivisionByZero {
			ctx.Session.Warn(other)
		}
	}
	if w.Code != DivisionByZero {
		return mysql.NewSQLError(w.Code, StrictStates[w.Code], "%s", w.Message)
	}
	return mysql.NewSQLError(DivisionByZero, "22012", "Division by 0")
}

// Ignored are the errors that IGNORE makes warnings of; the planner makes notes.
var Ignored = map[int]bool{1048: true, 1062: true, 1242: true, 1451: true, 1452: true, 3819: true}

// TruncatedNumber is the planner's warning of a text that is no number.
var TruncatedNumber = regexp.MustCompile(`^Truncated incorrect (float|double|decimal|(?:tiny|small|medium|big)?int)\b[^:]* value: '?(?s:(.*?))'?$`)

// WrongMoment is the planner's warning of a text whose beginning alone is a moment.
var WrongMoment = regexp.MustCompile(`^Truncated incorrect \d{4}-\d\d-\d\d \d\d:[^a-z]* UTC value: ((?s:.*))$`)

// ZeroMoment is '0000-00-00' in the planner's warnings.
var ZeroMoment = regexp.MustCompile(`'-0001-11-30 00:00:00 \+0000 UTC'`)

// ShownArgument is a value of a function as a text.
func ShownArgument(v any) string {
	if d, ok := v.(*apd.Decimal); ok {
		return d.Text('f')
	}
	return Shown(v)
}

// CastName is a type as error 3156 names it.
func CastName(t sql.Type) string {
	switch {
	case types.IsInteger(t):
		return "INTEGER"
	case types.IsDecimal(t):
		return "DECIMAL"
	case types.IsFloat(t):
		return "DOUBLE"
	}
	return cmp.Or(momentType(t), "CHAR")
}
