package expr

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// newBlob returns a binary text of a document, whose type in MySQL has this number.
func newBlob(kind string, number int, b []byte) value.TypedScalar {
	return value.TypedScalar{Kind: kind, Text: "base64:type" + strconv.Itoa(number) + ":" + base64.StdEncoding.EncodeToString(b)}
}

// newMoment returns a date or a time of a document, false for other values.
func newMoment(v any, t sql.Type) (s value.TypedScalar, ok bool) {
	switch x := v.(type) {
	case time.Time:
		s = value.TypedScalar{Kind: "DATETIME", Text: value.MomentText(x, sql.DatetimeLayoutNoTrim)}
		if types.IsDateType(t) {
			s = value.TypedScalar{Kind: "DATE", Text: value.MomentText(x, time.DateOnly)}
		}
	case types.Timespan:
		s = value.TypedScalar{Kind: "TIME", Text: value.SpanText(x.AsTimeDuration())}
		if !strings.Contains(s.Text, ".") {
			s.Text += ".000000"
		}
	}
	return s, s.Kind != ""
}
