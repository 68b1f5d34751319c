package value

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
)

// notJSON is what 3140 says of a value that is no text.
const notJSON = "not a JSON text, may need CAST"

// jsonNesting is how many arrays and objects within each other Go's decoder takes.
const jsonNesting = 10000

// jsonFault is where a text stops being JSON, in bytes, with RapidJSON's words, which are MySQL's.
type jsonFault struct {
	message string
	at      int
}

// String is the fault as MySQL's errors have it.
func (f *jsonFault) String() string { return fmt.Sprintf("%q at position %d", f.message, f.at) }

// invalidColumn is the error of a value that a JSON column does not take.
func invalidColumn(fault *jsonFault, table, column string) error {
	return mysql.NewSQLError(3140, "22032", "Invalid JSON text: %s in value for column '%s.%s'.", fault, table, column)
}

// InvalidArgument is the error of a text that a function does not read.
func InvalidArgument(text string, n int, function string) error {
	fault := findFault(text)
	if fault == nil {
		fault = &jsonFault{"Invalid value.", 0}
	}
	return mysql.NewSQLError(3141, "22032", "Invalid JSON text in argument %d to function %s: %s.", n, function, fault)
}

// findFault returns the fault of a text, nil if it is a JSON document. It finds one exactly in
// the texts that Go's decoder refuses.
func findFault(text string) *jsonFault {
	s := &jsonScan{text: text}
	s.blanks()
	if s.at == len(text) {
		return s.fault("The document is empty.")
	}
	if f := s.value(0); f != nil {
		return f
	}
	if s.blanks(); s.at < len(text) {
		return s.fault("The document root must not be followed by other values.")
	}
	return nil
}

// jsonScan reads a text as RapidJSON does.
type jsonScan struct {
	text string
	at   int
}

func (s *jsonScan) fault(message string) *jsonFault { return &jsonFault{message, s.at} }

// peek returns the next byte, 0 at the end.
func (s *jsonScan) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// take reads the next byte if it is b.
func (s *jsonScan) take(b byte) bool {
	if s.at == len(s.text) || s.text[s.at] != b {
		return false
	}
	s.at++
	return true
}

func (s *jsonScan) blanks() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

func (s *jsonScan) value(depth int) *jsonFault {
	switch s.peek() {
	case 'n':
		return s.word("null")
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case '"':
		return s.string()
	case '[', '{':
		if depth == jsonNesting {
			return s.fault("Terminate parsing due to Handler error.")
		}
		if s.take('[') {
			return s.array(depth + 1)
		}
		s.at++
		return s.object(depth + 1)
	}
	return s.number()
}

func (s *jsonScan) word(word string) *jsonFault {
	for i := range len(word) {
		if !s.take(word[i]) {
			return s.fault("Invalid value.")
		}
	}
	return nil
}

func (s *jsonScan) array(depth int) *jsonFault {
	if s.blanks(); s.take(']') {
		return nil
	}
	for {
		if f := s.value(depth); f != nil {
			return f
		}
		if s.blanks(); s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.fault("Missing a comma or ']' after an array element.")
		}
		s.blanks()
	}
}

func (s *jsonScan) object(depth int) *jsonFault {
	if s.blanks(); s.take('}') {
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fault("Missing a name for object member.")
		}
		if f := s.string(); f != nil {
			return f
		}
		if s.blanks(); !s.take(':') {
			return s.fault("Missing a colon after a name of object member.")
		}
		s.blanks()
		if f := s.value(depth); f != nil {
			return f
		}
		if s.blanks(); s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.fault("Missing a comma or '}' after an object member.")
		}
		s.blanks()
	}
}

func (s *jsonScan) string() *jsonFault {
	s.at++
	for {
		switch c := s.peek(); {
		case c == '"':
			s.at++
			return nil
		case c == 0:
			return s.fault("Missing a closing quotation mark in string.")
		case c < ' ':
			return s.fault("Invalid encoding in string.")
		case c != '\\':
			s.at++
			continue
		}
		escape := s.at
		s.at++
		switch c := s.peek(); {
		case c == 'u':
			for range 4 {
				s.at++
				if c := s.peek() | 0x20; (c < '0' || c > '9') && (c < 'a' || c > 'f') || s.peek() < '0' {
					return &jsonFault{`Incorrect hex digit after \u escape in string.`, escape}
				}
			}
		case c == 0 || strings.IndexByte(`"\/bfnrt`, c) < 0:
			return &jsonFault{"Invalid escape character in string.", escape}
		}
		s.at++
	}
}

// digits reads digits, false if there are none.
func (s *jsonScan) digits() bool {
	start := s.at
	for s.peek() >= '0' && s.peek() <= '9' {
		s.at++
	}
	return s.at > start
}

func (s *jsonScan) number() *jsonFault {
	start := s.at
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.fault("Invalid value.")
	}
	if s.take('.') && !s.digits() {
		return s.fault("Miss fraction part in number.")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.fault("Miss exponent in number.")
		}
	}
	if f, _ := strconv.ParseFloat(s.text[start:s.at], 64); math.IsInf(f, 0) {
		return &jsonFault{"Number too big to be stored in double.", start}
	}
	return nil
}
