package value

import (
	"bytes"
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

	"sextant/engine/row"
)

// membersMax is how many members one row may have in a multi-valued index.
//
// Source: MySQL's limit, with pages of 16 KiB.
const membersMax = 1605

// memberCharsMax is the length of a text from which on it is a BLOB or TEXT to MySQL.
const memberCharsMax = 16383

// ArrayType is the type to which a multi-valued index casts the members of its arrays. It is immutable.
type ArrayType struct {
	Typ    sql.Type
	digits int // behind the second
	codec  *Codec
	column row.Column
}

// arrayTypeText is the text of such a type, in small letters.
var arrayTypeText = regexp.MustCompile(`^([a-z]+)(?: int| integer)?\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(\s*(?:character set|charset)\s+\w+)?$`)

// NewArrayType returns the type of a text, 1235 for one that arrays cannot be of.
func NewArrayType(text string) (*ArrayType, error) {
	m := arrayTypeText.FindStringSubmatch(strings.Join(strings.Fields(strings.ToLower(text)), " "))
	if m == nil {
		return nil, ErrNotSupported("CAST-ing data to array of " + strings.ToUpper(text))
	}
	if m[4] != "" {
		return nil, ErrNotSupported("specifying charset for multi-valued index")
	}
	a, _ := strconv.Atoi(m[2])
	b, _ := strconv.Atoi(m[3])
	t := &ArrayType{}
	var err error
	switch kind := m[1]; kind {
	case "signed":
		t.Typ = types.Int64
	case "unsigned":
		t.Typ = types.Uint64
	case "decimal", "dec":
		if m[2] == "" {
			a = 10
		}
		t.Typ, err = types.CreateDecimalType(uint8(min(a, 65)), uint8(min(b, 30)))
	case "date":
		t.Typ = types.Date
	case "time":
		t.Typ, t.digits = types.Time, a
	case "datetime":
		t.Typ, err = types.CreateDatetimeType(sqltypes.Datetime, a)
	case "char", "character", "nchar", "binary":
		if m[2] == "" || a > memberCharsMax {
			return nil, ErrNotSupported("CAST-ing data to array of char/binary BLOBs")
		}
		if t.Typ = sql.Type(types.MustCreateStringWithDefaults(sqltypes.VarChar, int64(max(a, 1)))); kind == "binary" {
			t.Typ = types.MustCreateBinary(sqltypes.VarBinary, int64(max(a, 1)))
		}
	default:
		return nil, ErrNotSupported("CAST-ing data to array of " + strings.ToUpper(kind))
	}
	if err == nil {
		t.codec, err = NewCodec(t.Typ)
	}
	if err != nil {
		return nil, err
	}
	t.column = row.Column{Type: t.codec.Store}
	if t.codec.Store.Width() == 0 { // they are the same if their bytes are
		t.column.Type = row.TypeBytes
	}
	return t, nil
}

// Value returns the value of a member's key. Returns row.ErrCorrupt.
func (t *ArrayType) Value(member []byte) (any, error) {
	d := row.NewDesc(1, []row.Column{t.column})
	k, err := row.NewKey(d, []row.KeyPart{{}})
	if err != nil {
		return nil, err
	}
	v, _, err := k.Decode(member, 0)
	if err != nil {
		return nil, err
	}
	b := row.NewBuilder(d)
	b.Set(0, v)
	r, err := b.Row()
	if err != nil {
		return nil, err
	}
	return t.codec.Get(d, r, 0), nil
}

// Bytes is the length of a member in a key.
func (t *ArrayType) Bytes() int64 {
	if s, ok := t.Typ.(sql.StringType); ok {
		return s.MaxByteLength()
	}
	return 8
}

// Members returns the value of a row's document in the hidden column of a multi-valued index (row.AppendMembers): what
// is no array is one of one member. Errors name the index.
func (t *ArrayType) Members(ctx *sql.Context, doc any, index string) ([]byte, error) {
	array, ok := doc.([]any)
	if !ok {
		switch kind := TypeOfJSON(doc); kind {
		case "OBJECT", "BOOLEAN":
			return nil, ErrNotSupported("CAST-ing JSON " + kind + " type to array")
		}
		array = []any{doc}
	}
	keys := make([][]byte, len(array))
	for i, v := range array {
		switch v.(type) {
		case []any, map[string]any:
			return nil, mysql.NewSQLError(3908, "HY000", "Cannot store an array or an object in a scalar key part of the index '%s'.", index)
		}
		key, err := t.Member(ctx, v)
		if err != nil {
			var not *notMember
			if errors.As(err, &not) {
				err = not.of(index)
			}
			return nil, err
		}
		keys[i] = key
	}
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	if n := len(keys) - membersMax; n > 0 {
		return nil, mysql.NewSQLError(3905, "HY000", "Exceeded max number of values per record for multi-valued index '%s' by %d value(s).", index, n)
	}
	return row.AppendMembers([]byte{}, keys), nil
}

// notMember is returned for a value that the type cannot hold.
type notMember struct {
	number        int
	state, before string
	behind        string // the name of the index
}

func (n *notMember) Error() string { return n.before + "''" + n.behind }

// of is the error of an index.
func (n *notMember) of(index string) error {
	return mysql.NewSQLError(n.number, n.state, "%s", n.before+"'"+index+"'"+n.behind)
}

var (
	noMember      = &notMember{3903, "22018", "Invalid JSON value for CAST for functional index ", "."}
	farMember     = &notMember{3904, "22003", "Out of range JSON value for CAST for functional index ", "."}
	outsideMember = &notMember{3752, "22003", "Value is out of range for functional index ", " at row 1"}
	cutMember     = &notMember{3751, "01000", "Data truncated for functional index ", " at row 1"}
	longMember    = &notMember{3907, "22001", "Data too long for functional index ", "."}
)

// Member returns the key of a scalar of a document, or an error of one that the type cannot hold.
func (t *ArrayType) Member(ctx *sql.Context, v any) ([]byte, error) {
	var all apd.Decimal
	c, err := t.cast(ctx, v)
	if err != nil {
		return nil, err
	}
	d, err := t.codec.Datum(ctx, c)
	if err != nil {
		return nil, err
	}
	if x, ok := c.(*apd.Decimal); ok { // with all of its digits, and no -0
		if _, err := apd.BaseContext.WithPrecision(100).Quantize(&all, x, -int32(t.Typ.(sql.DecimalType).Scale())); err != nil {
			return nil, err
		}
		all.Negative = all.Negative && !all.IsZero()
		d = row.NewBytes([]byte(all.Text('f')))
	}
	return row.AppendKey(nil, t.column, 0, false, d), nil
}

// Exactly reports whether the type holds a scalar of a document as it is: then the scalars that are equal to it have the same key.
func (t *ArrayType) Exactly(ctx *sql.Context, v any) bool {
	if jsonRank(v) != 1 {
		return true // equal ones are of the same type
	}
	if !types.IsNumber(t.Typ) {
		return false
	}
	c, err := t.cast(ctx, v)
	if err != nil {
		return false
	}
	equal, err := CompareJSON(ctx, v, c)
	return err == nil && equal == 0
}

// cast returns a scalar of a document in the type.
func (t *ArrayType) cast(ctx *sql.Context, v any) (any, error) {
	if s, ok := v.(TypedScalar); ok {
		v = s.Plain()
	}
	if b, ok := v.(bool); ok && !sql.IsStringType(t.Typ) {
		v = int64(BoolInt(b))
	}
	switch {
	case v == nil:
		return nil, noMember
	case types.IsNumber(t.Typ):
		return t.number(ctx, v)
	case sql.IsStringType(t.Typ):
		return t.text(v)
	}
	strict := false
	c, err := (&Assigner{Row: 1, loose: &strict}).Assign(ctx, "", t.Typ, v)
	if err != nil {
		return nil, cutMember
	}
	if span, ok := c.(types.Timespan); ok {
		unit := time.Duration(math.Pow10(9 - t.digits))
		c = types.Timespan(time.Duration(span*1000).Round(unit) / 1000)
	}
	return c, nil
}

// number is cast to an integer or a DECIMAL.
func (t *ArrayType) number(ctx *sql.Context, v any) (any, error) {
	outside := outsideMember
	switch x := v.(type) {
	case string:
		d, _, err := apd.NewFromString(strings.TrimSpace(x))
		if err != nil || d.Form != apd.Finite {
			return nil, noMember
		}
		v = d
	case float64:
		if math.Abs(x) >= 1<<64 {
			outside = farMember
		}
		if types.IsInteger(t.Typ) {
			v = math.RoundToEven(x)
		}
	}
	c, in, err := t.Typ.Convert(ctx, v)
	if err != nil || in != sql.InRange {
		return nil, outside
	}
	return c, nil
}

// text is cast to a text.
func (t *ArrayType) text(v any) (any, error) {
	var text string
	switch x := v.(type) {
	case string:
		text = x
	case float64:
		text = strconv.FormatFloat(x, 'f', -1, 64)
	case *apd.Decimal:
		text = x.Text('f')
	default:
		text = fmt.Sprint(v)
	}
	n := utf8.RuneCountInString(text)
	if types.IsBinaryType(t.Typ) {
		n = len(text)
	}
	if int64(n) > t.Typ.(sql.StringType).MaxCharacterLength() {
		return nil, longMember
	}
	if types.IsBinaryType(t.Typ) {
		return []byte(text), nil
	}
	return text, nil
}
