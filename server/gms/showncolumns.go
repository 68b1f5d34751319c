package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// explainLengths are the lengths in bytes of EXPLAIN's columns with the longest characters.
var explainLengths = map[string]uint32{
	"id": 3, "select_type": 76, "table": 256, "partitions": 16809984, "type": 40, "possible_keys": 16384, "key": 256, "key_len": 16384,
	"ref": 4096, "rows": 10, "filtered": 4, "Extra": 1020,
}

// shownColumns gives the columns of what is no query MySQL's types: texts that are no table's are VARCHARs, and
// of EXPLAIN all may be NULL but the kind of the SELECT.
func shownColumns(stmt ast.Statement, n sql.Node, out []protocol.Column) {
	_, explain := n.(*plan.DescribeQuery)
	switch stmt.(type) {
	case *ast.Show, ast.InjectedStatement:
	default:
		if !explain {
			return
		}
	}
	for i := range out {
		c := &out[i]
		if c.Type == gomysql.MYSQL_TYPE_BLOB && c.OrgTable == "" && c.Charset != uint16(sql.Collation_binary) {
			c.Type, c.Length, c.Flags = gomysql.MYSQL_TYPE_VAR_STRING, longestText, c.Flags&^gomysql.BLOB_FLAG
		}
		length, known := explainLengths[c.Name]
		if !explain || !known || len(out) != len(explainLengths) {
			continue
		}
		c.Length = length
		if c.Name != "select_type" {
			c.Flags &^= gomysql.NOT_NULL_FLAG
		}
		switch c.Type {
		case gomysql.MYSQL_TYPE_VAR_STRING:
			c.Decimals = notFixed
		case gomysql.MYSQL_TYPE_DOUBLE:
			c.Decimals, c.Charset = 2, uint16(sql.Collation_binary)
			fallthrough
		default:
			c.Flags |= gomysql.BINARY_FLAG
		}
	}
}
