package gms

import (
	"math"
	"slices"
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// safeUpdate is sql_safe_updates: an UPDATE or DELETE finds its rows by a key, or has a LIMIT.
func safeUpdate(ctx *sql.Context, s *Session, n sql.Node) error {
	if !s.b.mysql || !s.boolVariable(ctx, "sql_safe_updates") {
		return nil
	}
	changes, safe := false, false
	transform.Inspect(n, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.Update, *plan.DeleteFrom, *plan.Truncate: // a DELETE without WHERE
			changes = true
		case *plan.Filter:
			safe = safe || keyedBySubquery(ctx, n)
		case *plan.IndexedTableAccess, *plan.Limit, *plan.TopN:
			safe = true
		}
		return true
	})
	if !changes || safe {
		return nil
	}
	return mysql.NewSQLError(1175, "HY000",
		"You are using safe update mode and you tried to update a table without a WHERE that uses a KEY column. ")
}

// keyedBySubquery reports whether a filter compares a column that an index begins with and a subquery whose value is looked up when
// the statement runs. IN is none: MySQL has no range of it.
func keyedBySubquery(ctx *sql.Context, n *plan.Filter) bool {
	t := tableOf(n.Child)
	return t != nil && slices.ContainsFunc(expression.SplitConjunction(ctx, n.Expression), func(e sql.Expression) bool {
		if _, ok := e.(expression.Comparer); !ok {
			return false
		}
		column, sub := comparedSubquery(ctx, e)
		return column != nil && sub.CanCacheResults() && t.leads(expression.Tuple{column})
	})
}

// limit gives a SELECT without LIMIT that of sql_select_limit.
func (s *Session) limit(ctx *sql.Context, stmt ast.Statement) {
	if !s.b.mysql || s.depth > 0 {
		return
	}
	var to **ast.Limit
	switch q := stmt.(type) {
	case *ast.Select:
		to = &q.Limit
	case *ast.SetOp:
		to = &q.Limit
	default:
		return
	}
	v, err := s.BaseSession.GetSessionVariable(ctx, "sql_select_limit")
	if err != nil || *to != nil {
		return
	}
	rows := uint64(math.MaxUint64)
	switch v := v.(type) {
	case uint64:
		rows = v
	case int64:
		rows = uint64(v)
	}
	if rows < math.MaxInt64 {
		*to = &ast.Limit{Rowcount: ast.NewIntVal(strconv.AppendUint(nil, rows, 10))}
	}
}
