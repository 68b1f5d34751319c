package function

import (
	"encoding/base64"
	"math"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/value"
)

// partOf returns so many characters of a text, or bytes of a binary string, behind the first from, fewer at its end.
func partOf(s string, from, n int64, binary bool) string {
	if binary {
		s = s[min(max(from, 0), int64(len(s))):]
		return s[:min(max(n, 0), int64(len(s)))]
	}
	s = s[len(value.FirstRunes(s, int(min(max(from, 0), int64(len(s)))))):]
	return value.FirstRunes(s, int(min(max(n, 0), int64(len(s)))))
}

// lengthOf is how many characters a text has, or bytes a binary string.
func lengthOf(s string, binary bool) int64 {
	if binary {
		return int64(len(s))
	}
	return int64(len([]rune(s)))
}

func left(args []any, binary bool, _ func(int64) bool) any {
	return partOf(args[0].(string), 0, args[1].(int64), binary)
}

func right(args []any, binary bool, _ func(int64) bool) any {
	s, n := args[0].(string), args[1].(int64)
	if n <= 0 {
		return ""
	}
	return partOf(s, lengthOf(s, binary)-n, math.MaxInt64, binary)
}

// substring is SUBSTRING(s, start) and SUBSTRING(s, start, n).
func substring(args []any, binary bool, _ func(int64) bool) any {
	s, start, n := args[0].(string), args[1].(int64), int64(math.MaxInt64)
	if len(args) == 3 {
		n = args[2].(int64)
	}
	if start < 0 {
		start += lengthOf(s, binary) + 1
	}
	if start <= 0 {
		return ""
	}
	return partOf(s, start-1, n, binary)
}

// insert is INSERT(s, start, n, text).
func insert(args []any, binary bool, long func(int64) bool) any {
	s, start, n, text := args[0].(string), args[1].(int64), args[2].(int64), args[3].(string)
	length := lengthOf(s, binary)
	if start < 1 || start > length {
		return s
	}
	if n < 0 || n > length {
		n = length
	}
	if long(int64(len(s) + len(text))) {
		return nil
	}
	return partOf(s, 0, start-1, binary) + text + partOf(s, start-1+n, math.MaxInt64, binary)
}

// trim is TRIM of blanks, or of what its second argument is, at the beginning or the end.
func trim(leading, trailing bool) func([]any, bool, func(int64) bool) any {
	return func(args []any, _ bool, _ func(int64) bool) any {
		s, part := args[0].(string), " "
		if len(args) > 1 {
			part = args[1].(string)
		}
		for part != "" && leading && strings.HasPrefix(s, part) {
			s = s[len(part):]
		}
		for part != "" && trailing && strings.HasSuffix(s, part) {
			s = s[:len(s)-len(part)]
		}
		return s
	}
}

// substringIndex is SUBSTRING_INDEX(s, delimiter, count).
func substringIndex(args []any, _ bool, _ func(int64) bool) any {
	s, delimiter, count := args[0].(string), args[1].(string), args[2].(int64)
	if delimiter == "" || count == 0 {
		return ""
	}
	for at := 0; count > 0; count-- {
		i := strings.Index(s[at:], delimiter)
		switch at += i; {
		case i < 0:
			return s
		case count == 1:
			return s[:at]
		}
		at += len(delimiter)
	}
	for end := len(s); ; {
		i := strings.LastIndex(s[:end], delimiter)
		switch count++; {
		case i < 0:
			return s
		case count == 0:
			return s[i+len(delimiter):]
		}
		end = i
	}
}

// elt is ELT(n, …).
func elt(args []any, _ bool, _ func(int64) bool) any {
	n := args[0].(int64)
	if n < 1 || n >= int64(len(args)) {
		return nil
	}
	return args[n]
}

// makeSet is MAKE_SET(bits, …).
func makeSet(args []any, _ bool, _ func(int64) bool) any {
	var members []string
	for i, a := range args[1:] {
		if text, ok := a.(string); ok && i < 64 && args[0].(int64)>>i&1 == 1 {
			members = append(members, text)
		}
	}
	return strings.Join(members, ",")
}

// exportSet is EXPORT_SET(bits, on, off, separator, count).
func exportSet(args []any, _ bool, long func(int64) bool) any {
	separator, count := ",", int64(64)
	if len(args) > 3 {
		separator = args[3].(string)
	}
	if len(args) > 4 && args[4].(int64) >= 0 {
		count = min(count, args[4].(int64))
	}
	members := make([]string, count)
	size := int64(0)
	for i := range members {
		members[i] = args[2-args[0].(int64)>>i&1].(string)
		size += int64(len(members[i]) + len(separator))
	}
	if long(size) {
		return nil
	}
	return strings.Join(members, separator)
}

// fromBase64 is FROM_BASE64, NULL of what is none; blanks are left out.
func fromBase64(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, nil // MySQL does not warn
	}
	return out, nil
}

// firstByte is ASCII.
func firstByte(_ *sql.Context, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	if text := value.ShownArgument(args[0]); text != "" {
		return int32(text[0]), nil
	}
	return int32(0), nil
}
