package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
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

// readsWhole reports whether a query, an UPDATE, a DELETE or an INSERT reads a table whole: without an index, or all of one.
func readsWhole(ctx *sql.Context, stmt ast.Statement, n sql.Node) (whole bool) {
	switch stmt.(type) {
	case ast.SelectStatement, *ast.Update, *ast.Delete, *ast.Insert:
	default:
		return false
	}
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		switch n := n.(type) {
		case *plan.DescribeQuery:
			return false
		case *plan.InsertInto:
			whole = whole || readsWhole(ctx, stmt, n.Source)
			return false
		case *plan.IndexedTableAccess:
			if n.IsStatic() {
				l, _, err := n.GetLookup(ctx, nil)
				whole = whole || err == nil && unbounded(l)
			}
			return false
		case *plan.ResolvedTable:
			whole = whole || tableOf(n) != nil
		}
		return !whole
	})
	return whole
}

// unbounded reports whether a lookup is of all of an index.
func unbounded(l sql.IndexLookup) bool {
	ranges, ok := l.Ranges.(sql.MySQLRangeCollection)
	if !ok {
		return false
	}
	for _, r := range ranges {
		for i := range r {
			if r[i].HasLowerBound() || r[i].HasUpperBound() || r[i].Type() == sql.RangeType_EqualNull {
				return false
			}
		}
	}
	return true
}
