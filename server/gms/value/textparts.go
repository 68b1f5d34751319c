package value

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// TextOf returns a value as a text, "" for NULL, bytes whatever they are. Returns the planner's error of one that cannot be one.
func TextOf(ctx *sql.Context, v any) (string, error) {
	if b, ok := v.([]byte); ok {
		return string(b), nil
	}
	t, _, err := types.LongText.Convert(ctx, v)
	if err != nil {
		return "", err
	}
	s, _ := t.(string)
	return s, nil
}

// FirstRunes returns the first n characters of a text, all of one that has fewer.
func FirstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return strings.Clone(s[:i])
		}
		n--
	}
	return s
}
