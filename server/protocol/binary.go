package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// appendBinaryRow appends a row of the binary protocol. types has two bytes for
// each column: its type, and not 0 if it is unsigned.
func appendBinaryRow(b []byte, cells [][]byte, types []byte) ([]byte, error) {
	b = append(b, 0)
	nulls := len(b)
	for range (len(cells) + 9) / 8 {
		b = append(b, 0)
	}
	for i, cell := range cells {
		if cell == nil || types[2*i] == mysql.MYSQL_TYPE_NULL {
			b[nulls+(i+2)/8] |= 1 << ((i + 2) % 8)
			continue
		}
		var ok bool
		if b, ok = appendBinary(b, cell, types[2*i], types[2*i+1] != 0); !ok {
			return b, fmt.Errorf("%.64q is no value of column %d, whose type is %d", cell, i+1, types[2*i])
		}
	}
	return b, nil
}

// appendBinary appends a value in the binary form of its type.
func appendBinary(b, text []byte, kind byte, unsigned bool) ([]byte, bool) {
	switch kind {
	case mysql.MYSQL_TYPE_TINY:
		return appendInteger(b, text, 1, unsigned)
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		return appendInteger(b, text, 2, unsigned || kind == mysql.MYSQL_TYPE_YEAR)
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24:
		return appendInteger(b, text, 4, unsigned)
	case mysql.MYSQL_TYPE_LONGLONG:
		return appendInteger(b, text, 8, unsigned)
	case mysql.MYSQL_TYPE_FLOAT:
		v, err := strconv.ParseFloat(string(text), 32)
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v))), err == nil
	case mysql.MYSQL_TYPE_DOUBLE:
		v, err := strconv.ParseFloat(string(text), 64)
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v)), err == nil
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP,
		mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return appendDate(b, text)
	case mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_TIME2:
		return appendTime(b, text)
	}
	return append(mysql.AppendLengthEncodedInteger(b, uint64(len(text))), text...), true
}

// appendInteger appends an integer of size bytes, which it must fit.
func appendInteger(b, text []byte, size int, unsigned bool) ([]byte, bool) {
	var v uint64
	if unsigned {
		u, err := strconv.ParseUint(string(text), 10, 8*size)
		if err != nil {
			return b, false
		}
		v = u
	} else {
		i, err := strconv.ParseInt(string(text), 10, 8*size)
		if err != nil {
			return b, false
		}
		v = uint64(i)
	}
	for range size {
		b = append(b, byte(v))
		v >>= 8
	}
	return b, true
}

// clock is the numbers of a text such as 2006-01-02 15:04:05.000000.
type clock struct {
	text []byte
	bad  bool
}

// number reads a number of at most 10 digits and the separator behind it, unless
// the text ends there.
func (c *clock) number(sep byte) uint64 {
	var v uint64
	n := 0
	for n < len(c.text) && n < 10 && c.text[n] >= '0' && c.text[n] <= '9' {
		v = 10*v + uint64(c.text[n]-'0')
		n++
	}
	c.bad = c.bad || n == 0
	c.text = c.text[n:]
	if len(c.text) > 0 {
		c.bad = c.bad || c.text[0] != sep
		c.text = c.text[1:]
	}
	return v
}

// time reads hours, minutes, seconds and microseconds, if there are any.
func (c *clock) time() (hours, minutes, seconds, micros uint64) {
	hours, minutes = c.number(':'), c.number(':')
	if dot := len(c.text) > 2 && c.text[2] == '.'; !dot {
		return hours, minutes, c.number(0), 0
	}
	seconds = c.number('.')
	for i := range 6 {
		d := byte('0')
		if i < len(c.text) {
			d = c.text[i]
		}
		c.bad = c.bad || d < '0' || d > '9'
		micros = 10*micros + uint64(d-'0')
	}
	c.bad = c.bad || len(c.text) > 6
	return hours, minutes, seconds, micros
}

// appendDate appends a date, with its time of day if that is not midnight.
func appendDate(b, text []byte) ([]byte, bool) {
	c := clock{text: text}
	year, month, day := c.number('-'), c.number('-'), c.number(' ')
	var hours, minutes, seconds, micros uint64
	if len(c.text) > 0 {
		hours, minutes, seconds, micros = c.time()
	}
	if c.bad || year > 9999 || month > 12 || day > 31 || hours > 23 || minutes > 59 || seconds > 59 {
		return b, false
	}
	n := byte(11)
	switch {
	case year|month|day|hours|minutes|seconds|micros == 0:
		return append(b, 0), true
	case hours|minutes|seconds|micros == 0:
		n = 4
	case micros == 0:
		n = 7
	}
	b = append(b, n, byte(year), byte(year>>8), byte(month), byte(day))
	if n > 4 {
		b = append(b, byte(hours), byte(minutes), byte(seconds))
	}
	if n > 7 {
		b = binary.LittleEndian.AppendUint32(b, uint32(micros))
	}
	return b, true
}

// appendTime appends a time, which may be negative and longer than a day.
func appendTime(b, text []byte) ([]byte, bool) {
	sign := byte(0)
	if len(text) > 0 && text[0] == '-' {
		sign, text = 1, text[1:]
	}
	c := clock{text: text}
	hours, minutes, seconds, micros := c.time()
	if c.bad || hours > 24*math.MaxUint16 || minutes > 59 || seconds > 59 {
		return b, false
	}
	n := byte(12)
	switch {
	case hours|minutes|seconds|micros == 0:
		return append(b, 0), true
	case micros == 0:
		n = 8
	}
	b = append(b, n, sign)
	b = binary.LittleEndian.AppendUint32(b, uint32(hours/24))
	b = append(b, byte(hours%24), byte(minutes), byte(seconds))
	if n > 8 {
		b = binary.LittleEndian.AppendUint32(b, uint32(micros))
	}
	return b, true
}
