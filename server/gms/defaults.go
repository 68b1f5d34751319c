package gms

import (
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
)

// defaultValue returns a column's default. Plain literals come resolved: the planner
// would parse them again for every statement that writes the table.
func defaultValue(c *engine.ColumnDef, t sql.Type) *sql.ColumnDefaultValue {
	lit := &sql.ColumnDefaultValue{OutType: t, Literal: true, ReturnNil: c.Nullable}
	text := c.Default
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && !c.DefaultExpr {
		lit.Expr = expression.NewLiteral(n, types.Int64)
		return lit
	}
	if len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\'' && !c.DefaultExpr &&
		!strings.ContainsAny(text[1:len(text)-1], `'\`) {
		lit.Expr = expression.NewLiteral(text[1:len(text)-1], types.CreateLongText(sql.Collation_Default))
		return lit
	}
	if c.DefaultExpr {
		text = assignedText(text, t)
	}
	return sql.NewUnresolvedColumnDefaultValue(text)
}
