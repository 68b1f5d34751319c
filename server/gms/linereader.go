package gms

import (
	"bufio"
	"bytes"
	"io"

	"github.com/dolthub/vitess/go/mysql"
)

// lineReader reads the lines and fields of a LOAD DATA's file. It keeps one field.
type lineReader struct {
	in      *bufio.Reader
	x       *exchange
	lines   []byte // what ends a line; none if fields end with the same
	fields  []byte
	escape  int // the character, -1 for none
	enclose int
	limit   int64
	buf     []byte
	ended   bool // the line has ended
	eof     bool
}

func newLineReader(r io.Reader, x *exchange, limit int64) *lineReader {
	l := &lineReader{in: bufio.NewReaderSize(r, 64<<10), x: x, fields: []byte(x.terminated), escape: -1, enclose: -1, limit: limit}
	if x.lines != x.terminated {
		l.lines = []byte(x.lines)
	}
	if x.escaped != "" {
		l.escape = int(x.escaped[0])
	}
	if x.enclosed != "" {
		l.enclose = int(x.enclosed[0])
	}
	return l
}

// follows reports whether the text comes next, and reads it if it does.
func (l *lineReader) follows(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	next, _ := l.in.Peek(len(text))
	if !bytes.Equal(next, text) {
		return false
	}
	_, _ = l.in.Discard(len(text))
	return true
}

// skipLine reads to the end of a line, whatever is in it. io.EOF at the file's end.
func (l *lineReader) skipLine() error {
	_, err := l.skip(l.lines)
	return err
}

// skip reads up to and with a text, and reports whether there was anything before it.
func (l *lineReader) skip(text []byte) (some bool, err error) {
	if len(text) == 0 {
		return false, nil
	}
	for {
		if l.follows(text) {
			return some, nil
		}
		if _, err := l.in.ReadByte(); err != nil {
			return some, err
		}
		some = true
	}
}

// begin stands at the first field of the next line. io.EOF at the file's end.
func (l *lineReader) begin() error {
	if l.eof {
		return io.EOF
	}
	if _, err := l.in.Peek(1); err != nil {
		return err
	}
	l.ended = false
	if l.x.starting != "" {
		if _, err := l.skip([]byte(l.x.starting)); err != nil {
			return err
		}
	}
	return nil
}

// end reads what is left of the line, and reports whether it is anything.
func (l *lineReader) end() (bool, error) {
	if l.ended || l.eof {
		return false, nil
	}
	if len(l.lines) == 0 {
		return false, nil
	}
	if l.x.fixed() {
		more, err := l.skip(l.lines)
		if err == io.EOF {
			l.eof, err = true, nil
		}
		return more, err
	}
	for !l.ended {
		if _, _, err := l.field(0); err != nil {
			return true, err
		}
	}
	return true, nil
}

// field reads the next field of the line: so many bytes where fields have fixed widths.
// What it returns is good until the next call.
func (l *lineReader) field(width int) (text []byte, null bool, err error) {
	if l.x.fixed() {
		return l.fixed(width)
	}
	l.buf = l.buf[:0]
	first, err := l.in.Peek(1)
	if err != nil {
		if err == io.EOF {
			l.ended, l.eof, err = true, true, nil
		}
		return nil, false, err
	}
	quote := -1 // what ends the field if it is enclosed
	if l.enclose >= 0 && int(first[0]) == l.enclose {
		quote = l.enclose
		_, _ = l.in.Discard(1)
	}
	escaped := false // the last character was an escaped N
	for {
		if quote < 0 {
			if l.follows(l.lines) {
				l.ended = true
				return l.buf, l.null(escaped, false), nil
			}
			if l.follows(l.fields) {
				return l.buf, l.null(escaped, false), nil
			}
		}
		c, err := l.in.ReadByte()
		if err == io.EOF {
			l.ended, l.eof = true, true
			if quote >= 0 { // it is no enclosure that does not end
				l.buf = append([]byte{byte(quote)}, l.buf...)
			}
			return l.buf, l.null(escaped, false), nil
		}
		if err != nil {
			return nil, false, err
		}
		switch {
		case int(c) == l.escape && l.escape != l.enclose:
			next, err := l.in.ReadByte()
			if err == io.EOF {
				l.buf = append(l.buf, c)
				continue
			}
			if err != nil {
				return nil, false, err
			}
			escaped = next == 'N'
			l.buf = append(l.buf, unescape(next))
		case int(c) == quote && l.follows([]byte{byte(quote)}):
			l.buf = append(l.buf, c)
		case int(c) == quote:
			_, end := l.in.Peek(1)
			switch {
			case end == io.EOF:
				l.ended, l.eof = true, true
			case l.follows(l.lines):
				l.ended = true
			case !l.follows(l.fields):
				l.buf = append(l.buf, c)
				continue
			}
			return l.buf, l.null(escaped, true), nil
		case int(c) == l.escape && l.follows([]byte{c}): // it is the enclosing character too
			l.buf = append(l.buf, c)
		default:
			l.buf = append(l.buf, c)
		}
		if int64(len(l.buf)) > l.limit {
			return nil, false, mysql.NewSQLError(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")
		}
	}
}

// null reports whether the field is a NULL: \N, or the word where fields may be enclosed
// and it is not.
func (l *lineReader) null(escaped, enclosed bool) bool {
	return escaped && len(l.buf) == 1 || l.enclose >= 0 && !enclosed && string(l.buf) == "NULL"
}

// unescape is the character that is meant by one behind the escape character.
func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

// fixed reads a field of so many bytes, fewer at a line's end.
func (l *lineReader) fixed(width int) ([]byte, bool, error) {
	l.buf = l.buf[:0]
	if l.ended || l.eof {
		return nil, false, io.EOF
	}
	for len(l.buf) < width {
		if l.follows(l.lines) {
			l.ended = true
			break
		}
		c, err := l.in.ReadByte()
		if err == io.EOF {
			l.ended, l.eof = true, true
			break
		}
		if err != nil {
			return nil, false, err
		}
		l.buf = append(l.buf, c)
	}
	if len(l.buf) == 0 && l.ended {
		return nil, false, io.EOF
	}
	return l.buf, false, nil
}
