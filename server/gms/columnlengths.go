package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// describeLengths gives columns MySQL's length where drivers go by it. What is a TINYINT(1)
// to the planner has one digit, by which they know a boolean; it stays a TINYINT where it
// is a column: a comparison is a BIGINT.
func describeLengths(schema sql.Schema, out []protocol.Column) {
	for i, c := range schema {
		col := &out[i]
		digits := uint32(col.Decimals)
		if digits > 0 {
			digits++ // the point
		}
		switch t := c.Type.(type) {
		case sql.NumberType:
			if t.DisplayWidth() != 1 {
				continue
			}
			col.Length = 1
			if c.Source == "" && col.OrgTable == "" {
				col.Type = gomysql.MYSQL_TYPE_LONGLONG
			}
		case sql.DatetimeType:
			if col.Length = 19 + digits; types.IsDateType(t) {
				col.Length = 10
			}
		case types.TimeType:
			col.Length = 10 + digits
		}
	}
}
