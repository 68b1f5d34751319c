package router

import "github.com/go-mysql-org/go-mysql/mysql"

// attributesBytes returns how many bytes of b, the body of a COM_QUERY behind its
// first byte, come before the text if CLIENT_QUERY_ATTRIBUTES is on; false if b is
// cut short or holds a type that is not known.
func attributesBytes(b []byte) (int, bool) {
	s := scanner{b: b}
	n := s.length()
	s.length() // sets of values: 1
	if n > uint64(len(b)) {
		return 0, false
	}
	if n > 0 {
		nulls := s.b
		s.skip((n + 7) / 8)
		if s.byte() != 1 || s.short { // the types follow
			return 0, false
		}
		types := make([]byte, n)
		for i := range types {
			types[i] = s.byte()
			s.skip(1) // flags
			s.skip(s.length())
		}
		for i, t := range types {
			if nulls[i/8]&(1<<(i%8)) == 0 {
				s.skip(valueBytes(&s, t))
			}
		}
	}
	return len(b) - len(s.b), !s.short
}

// valueBytes returns how long the value of a type is that s stands before; it
// reads the length where the value begins with one.
func valueBytes(s *scanner, t byte) uint64 {
	switch t {
	case mysql.MYSQL_TYPE_NULL:
		return 0
	case mysql.MYSQL_TYPE_TINY:
		return 1
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		return 2
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_FLOAT:
		return 4
	case mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_DOUBLE:
		return 8
	}
	return s.length() // dates and times too: theirs is one byte
}
