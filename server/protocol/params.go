package protocol

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// paramType is how a client sends a parameter.
type paramType struct {
	kind     byte
	unsigned bool
	name     string // if they have names
}

// payload reads the values of parameters.
type payload struct {
	scanner
	named bool // CLIENT_QUERY_ATTRIBUTES: the types have names
}

// params reads n values, those of long aside. If the client does not say their
// types they are types's, which keeps them otherwise; NULLs need none.
func (p *payload) params(n uint64, types *[]paramType, long map[uint16][]byte) ([]Param, error) {
	if n > uint64(len(p.b))*8 { // a bit of each is there
		return nil, errMalformed
	}
	nulls := p.take((n + 7) / 8)
	var known []paramType
	if types != nil {
		known = *types
	}
	if p.byte() != 0 {
		known = p.types(n)
	}
	if p.short {
		return nil, errMalformed
	}
	if types != nil {
		*types = known
	}
	params := make([]Param, n)
	for i := range params {
		t, v := paramType{kind: mysql.MYSQL_TYPE_NULL}, &params[i]
		if i < len(known) {
			t = known[i]
		} else if nulls[i/8]&(1<<(i%8)) == 0 {
			return nil, errWrongArguments("mysqld_stmt_execute")
		}
		v.Name, v.Type, v.Unsigned = t.name, t.kind, t.unsigned
		data, isLong := long[uint16(i)]
		switch {
		case isLong:
			v.Text = data
		case nulls[i/8]&(1<<(i%8)) != 0 || t.kind == mysql.MYSQL_TYPE_NULL:
			v.Null = true
		default:
			v.Text = p.value(t)
		}
		if p.short {
			return nil, errMalformed
		}
	}
	return params, nil
}

func (p *payload) types(n uint64) []paramType {
	if n*2 > uint64(len(p.b)) {
		p.take(n * 2) // makes it short
		return nil
	}
	types := make([]paramType, n)
	for i := range types {
		types[i].kind = p.byte()
		types[i].unsigned = p.byte()&mysql.PARAM_UNSIGNED != 0
		if p.named {
			types[i].name = string(p.string())
		}
	}
	return types
}

// value reads a value that is not NULL and returns its text.
func (p *payload) value(t paramType) []byte {
	switch t.kind {
	case mysql.MYSQL_TYPE_TINY:
		return p.integer(1, t.unsigned)
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		return p.integer(2, t.unsigned)
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24:
		return p.integer(4, t.unsigned)
	case mysql.MYSQL_TYPE_LONGLONG:
		return p.integer(8, t.unsigned)
	case mysql.MYSQL_TYPE_FLOAT:
		return p.float(float64(math.Float32frombits(p.uint32()))) // as in MySQL, a DOUBLE
	case mysql.MYSQL_TYPE_DOUBLE:
		return p.float(math.Float64frombits(mysql.FixedLengthInt(p.take(8))))
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE:
		return p.date(false)
	case mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP,
		mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return p.date(true)
	case mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_TIME2:
		return p.time()
	}
	return p.string()
}

func (p *payload) integer(size uint64, unsigned bool) []byte {
	v := mysql.FixedLengthInt(p.take(size))
	if unsigned {
		return strconv.AppendUint(nil, v, 10)
	}
	shift := 64 - 8*size
	return strconv.AppendInt(nil, int64(v<<shift)>>shift, 10)
}

// float returns a number's shortest text. What is none, SQL has no value for.
func (p *payload) float(v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		p.short = true
		return nil
	}
	return strconv.AppendFloat(nil, v, 'g', -1, 64)
}

// date reads a date, with or without a time of day.
func (p *payload) date(clock bool) []byte {
	b := p.take(uint64(p.byte()))
	var full [11]byte
	switch len(b) {
	case 0, 4, 7, 11:
		copy(full[:], b)
	default:
		p.short = true
		return nil
	}
	t := appendPadded(nil, uint64(binary.LittleEndian.Uint16(full[:])), 4)
	t = appendPadded(append(t, '-'), uint64(full[2]), 2)
	t = appendPadded(append(t, '-'), uint64(full[3]), 2)
	if !clock {
		return t
	}
	return appendClock(append(t, ' '), uint64(full[4]), full[5], full[6], b, 7)
}

// time reads a time, which may be negative and have days.
func (p *payload) time() []byte {
	b := p.take(uint64(p.byte()))
	var full [12]byte
	switch len(b) {
	case 0, 8, 12:
		copy(full[:], b)
	default:
		p.short = true
		return nil
	}
	var t []byte
	if full[0] != 0 {
		t = append(t, '-')
	}
	hours := uint64(binary.LittleEndian.Uint32(full[1:]))*24 + uint64(full[5])
	return appendClock(t, hours, full[6], full[7], b, 8)
}

// appendClock appends a time of day; microseconds are in b from at, if it is long enough.
func appendClock(t []byte, hours uint64, minutes, seconds byte, b []byte, at int) []byte {
	t = appendPadded(t, hours, 2)
	t = appendPadded(append(t, ':'), uint64(minutes), 2)
	t = appendPadded(append(t, ':'), uint64(seconds), 2)
	if len(b) > at {
		t = appendPadded(append(t, '.'), uint64(binary.LittleEndian.Uint32(b[at:])), 6)
	}
	return t
}

// appendPadded appends v with at least width digits.
func appendPadded(b []byte, v uint64, width int) []byte {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], v, 10)
	for range width - len(d) {
		b = append(b, '0')
	}
	return append(b, d...)
}
