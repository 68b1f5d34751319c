package gms

import (
	"context"
	"errors"
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
		if v, err = w.ToInterface(ctx); err != nil {
			return nil, err
		}
		switch v.(type) {
		case nil, []any, map[string]any:
			return a.keep(ctx, column, lost{number: 3156, message: "Invalid JSON value for CAST to " + castName(t) + " from column %s at row %d"}, t.Zero())
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
		if cs := t.CharacterSet(); cs.MaxLength() == 1 && cs != sql.CharacterSet_binary { // they are the set's
			if text, whole := cs.Encoder().Decode(b); whole {
				s, v = string(text), string(text)
			}
		}
	}
	if ok && t.CharacterSet() != sql.CharacterSet_binary && !utf8.ValidString(s) {
		left, err := a.keep(ctx, column, notEncoded(invalidFrom(s)), strings.TrimSuffix(s, invalidFrom(s)))
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

// divisionByZero is MySQL's number of a division by zero.
const divisionByZero = 1365

// wrongLogarithm is MySQL's number of a logarithm that there is not.
const wrongLogarithm = 3020

// strictStates are the SQLSTATEs of other warnings of functions that are errors in strict mode.
var strictStates = map[int]string{wrongLogarithm: "2201E", 1441: "22008"}

// modeEnabled reports whether sql_mode has a mode, or TRADITIONAL, which has all that this is asked for.
func modeEnabled(ctx *sql.Context, mode string) bool {
	m := sql.LoadSqlMode(ctx)
	return m.ModeEnabled(mode) || m.ModeEnabled(sql.Traditional)
}

// divided returns the error of a division by zero, a wrong logarithm or a date out of range in
// what was evaluated since the last call, in strict mode.
func (a *assigner) divided(ctx *sql.Context) error {
	s, ok := ctx.Session.(evaluation)
	if !ok {
		return nil
	}
	w := s.takeDivided()
	if w == nil || a.lenient(ctx) {
		return nil
	}
	if w.Code != divisionByZero {
		return mysql.NewSQLError(w.Code, strictStates[w.Code], "%s", w.Message)
	}
	return mysql.NewSQLError(divisionByZero, "22012", "Division by 0")
}

// ignored are the errors that IGNORE makes warnings of; the planner makes notes.
var ignored = map[int]bool{1048: true, 1062: true, 1242: true, 1451: true, 1452: true, 3819: true}

// truncatedNumber is the planner's warning of a text that is no number.
var truncatedNumber = regexp.MustCompile(`^Truncated incorrect (float|double|decimal|(?:tiny|small|medium|big)?int)\b[^:]* value: '?(?s:(.*?))'?$`)

// takeDivided returns the warning of a division by zero or one of its kin since the last call, nil if there was none.
func (s *Session) takeDivided() *sql.Warning {
	w := s.divided
	s.divided = nil
	return w
}

// Warn implements sql.Session.
func (s *Session) Warn(w *sql.Warning) {
	if s.quiet > 0 {
		return
	}
	if w.Code == duplicateIndex && s.b.mysql && !s.isDuplicateIndex(w.Message) {
		return
	}
	if !s.b.mysql || !strings.HasPrefix(w.Message, "Truncated incorrect ") {
	} else if m := truncatedNumber.FindStringSubmatch(w.Message); m != nil {
		kind := "INTEGER"
		switch m[1] {
		case "float", "double":
			kind = "DOUBLE"
		case "decimal":
			kind = "DECIMAL"
		}
		w = &sql.Warning{Level: w.Level, Code: w.Code, Message: "Truncated incorrect " + kind + " value: '" + m[2] + "'"}
	}
	if s.b.mysql && strings.HasPrefix(w.Message, "Setting CHARACTER SET, COLLATION and ENCRYPTION") {
		return // of databases, which are set
	}
	if s.b.mysql && w.Code == mysql.ERBadTable {
		w = s.unknownTable(w)
	}
	if s.b.mysql && w.Code == 1007 {
		w = &sql.Warning{Level: w.Level, Code: w.Code, Message: databaseExists.ReplaceAllString(w.Message, "Can't create database '$1'; database exists")}
	}
	if s.b.mysql && strings.HasPrefix(w.Message, "'disable/enable keys'") {
		w = &sql.Warning{Level: "Note", Code: 1031, Message: fmt.Sprintf("Table storage engine for '%s' doesn't have this option", s.altered)}
	}
	if s.b.mysql && strictStates[w.Code] != "" {
		s.divided = w
	}
	if s.b.mysql && w.Code == divisionByZero {
		if !modeEnabled(sql.NewContext(context.Background(), sql.WithSession(s)), sql.ErrorForDivisionByZero) {
			return
		}
		s.divided = w
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
