package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// formatter writes the columns of SHOW CREATE TABLE as MySQL does where the planner's
// own does not: the default of an ENUM as its text, VIRTUAL.
type formatter struct {
	sql.MySqlSchemaFormatter
}

var _ sql.SchemaFormatter = (*formatter)(nil)

// GenerateCreateTableColumnDefinition implements sql.SchemaFormatter.
func (f *formatter) GenerateCreateTableColumnDefinition(c *sql.Column, value, onUpdate string, table sql.CollationID) string {
	if c.Default != nil && (types.IsEnum(c.Type) || types.IsSet(c.Type)) && c.Default.IsLiteral() {
		value = c.Default.String() // not the member's number
	}
	text := f.MySqlSchemaFormatter.GenerateCreateTableColumnDefinition(c, value, onUpdate, table)
	if c.Generated == nil || !c.Virtual {
		return text
	}
	expression := " GENERATED ALWAYS AS " + c.Generated.String()
	return strings.Replace(text, expression, expression+" VIRTUAL", 1)
}

// showCreateTable answers SHOW CREATE TABLE with the direction of index columns, which
// the planner does not know.
func (b *builder) showCreateTable(ctx *sql.Context, s *Session, n *plan.ShowCreateTable, r sql.Row) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(ctx, it)
	if err != nil || len(rows) == 0 {
		return sql.RowsToRowIter(rows...), err
	}
	if v, ok := n.Child.(*plan.SubqueryAlias); ok {
		return b.showCreateView(ctx, s, v, rows)
	}
	text, _ := rows[0][1].(string)
	for _, ix := range n.Indexes {
		if ix, ok := ix.(*Index); ok {
			text = ix.withDirections(text)
		}
	}
	rows[0][1] = text
	return sql.RowsToRowIter(rows...), nil
}

// withDirections returns the table's definition with DESC at the index's columns that
// have it. An index with an expression is left as it is: its text has no column.
func (ix *Index) withDirections(text string) string {
	quote := (&sql.MySqlSchemaFormatter{}).QuoteIdentifier
	head := "\n  PRIMARY KEY ("
	if ix.ID() != "PRIMARY" {
		head = "KEY " + quote(ix.ID()) + " ("
	}
	_, rest, ok := strings.Cut(text, head)
	if !ok {
		return text
	}
	before := text[:len(text)-len(rest)]
	for _, c := range ix.def.Columns {
		name := quote(ix.shape.def.Columns[c.Column].Name)
		if !strings.HasPrefix(rest, name) {
			return text
		}
		end := len(name)
		if c.Prefix > 0 {
			end += strings.IndexByte(rest[end:], ')') + 1
		}
		before += rest[:end]
		if rest = rest[end:]; c.Desc {
			before += " DESC"
		}
		if strings.HasPrefix(rest, ",") {
			before, rest = before+",", rest[1:]
		}
	}
	return before + rest
}
