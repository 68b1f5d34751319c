package gms

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// carryColumns adds the columns of the SELECT's tables that an ON DUPLICATE KEY UPDATE reads to what is
// selected. It returns the carry of them without its first argument, nil if there are none, and the error 1052 if a
// name without a table is one of theirs and of the table that is written.
func (s *Session) carryColumns(ins *ast.Insert, rows ast.SelectStatement) (*ast.InjectedExpr, error) {
	sel, ok := rows.(*ast.Select)
	if !ok || len(sel.GroupBy) > 0 || sel.QueryOpts.Distinct {
		return nil, nil
	}
	from := fromTables{columns: map[string]ast.Columns{}}
	s.tablesOf(sel.From, &from)
	delete(from.columns, strings.ToLower(ins.Table.Name.String())) // that of the table which is written is meant
	k := &besideRow{}
	beside := &ast.InjectedExpr{Auth: rewrite.Open, Expression: &carry{kept: k}}
	own := s.columnsOf(ins.Table)
	for _, e := range ins.OnDup {
		if err := syntax.ReplaceNodes(reflect.ValueOf(&e.Expr).Elem(), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			switch n := n.(type) {
			case *ast.ValuesFuncExpr, *ast.Subquery:
				return nil, false, nil
			case *ast.ColName:
				if s.depth == 0 && slices.ContainsFunc(own, n.Name.Equal) && from.has(n, false, nil) && n.Qualifier.IsEmpty() {
					return nil, false, mysql.NewSQLError(1052, "23000", "Column '%s' in field list is ambiguous", n.Name.String())
				}
				if !from.has(n, s.depth == 0, own) {
					return nil, false, nil
				}
				sel.SelectExprs = append(sel.SelectExprs, &ast.AliasedExpr{Expr: n})
				beside.Children = append(beside.Children, n)
				return ast.InjectedExpr{Auth: rewrite.Open, Expression: &carriedColumn{kept: k, at: len(beside.Children) - 1}}, false, nil
			}
			return nil, true, nil
		}); err != nil {
			return nil, err
		}
	}
	if len(beside.Children) == 0 {
		return nil, nil
	}
	return beside, nil
}

// fromTables are the tables of a FROM by the names that they have in the query, lower case.
type fromTables struct {
	columns map[string]ast.Columns // empty: not known
	derived bool                   // there are some whose columns are not known
}

// has reports whether a column is one of the tables and not one of another that has the columns own.
// Names without a table may be variables, and are of tables of unknown columns if free.
func (f *fromTables) has(name *ast.ColName, free bool, own ast.Columns) bool {
	if !name.Qualifier.IsEmpty() {
		_, ok := f.columns[strings.ToLower(name.Qualifier.Name.String())]
		return ok
	}
	same := func(c ast.ColIdent) bool { return c.Equal(name.Name) }
	if slices.ContainsFunc(own, same) {
		return false
	}
	for _, columns := range f.columns {
		if slices.ContainsFunc(columns, same) {
			return true
		}
	}
	return f.derived && free
}

// tablesOf adds the tables of a FROM.
func (s *Session) tablesOf(list ast.TableExprs, f *fromTables) {
	for _, e := range list {
		switch e := e.(type) {
		case *ast.AliasedTableExpr:
			name := e.As
			var columns ast.Columns
			if t, ok := e.Expr.(ast.TableName); ok {
				if columns = s.columnsOf(t); name.IsEmpty() {
					name = t.Name
				}
			}
			f.derived = f.derived || len(columns) == 0
			f.columns[strings.ToLower(name.String())] = columns
		case *ast.JoinTableExpr:
			s.tablesOf(ast.TableExprs{e.LeftExpr, e.RightExpr}, f)
		case *ast.ParenTableExpr:
			s.tablesOf(e.Exprs, f)
		default:
			f.derived = true
		}
	}
}

// besideRow are values of the row that is inserted, from its reading until the next one's.
type besideRow struct {
	types  []sql.Type
	values sql.Row
}

// carry is the value of the first column of a row that is inserted, and keeps the other children's for
// the row's ON DUPLICATE KEY UPDATE.
type carry struct {
	children []sql.Expression
	kept     *besideRow
}

var _ sql.Expression = (*carry)(nil)

// WithResolvedChildren implements ast.Injectable.
func (c *carry) WithResolvedChildren(ctx context.Context, resolved []any) (any, error) {
	children := make([]sql.Expression, len(resolved))
	c.kept.types = c.kept.types[:0]
	for i, r := range resolved {
		e, ok := r.(sql.Expression)
		if !ok {
			return nil, fmt.Errorf("gms: %T is no expression", r)
		}
		children[i] = e
		if sctx, ok := ctx.(*sql.Context); ok && i > 0 {
			c.kept.types = append(c.kept.types, e.Type(sctx))
		}
	}
	return &carry{children: children, kept: c.kept}, nil
}

// Resolved implements sql.Expression.
func (c *carry) Resolved() bool {
	return !slices.ContainsFunc(c.children, func(e sql.Expression) bool { return !e.Resolved() })
}

// String implements sql.Expression.
func (c *carry) String() string { return c.children[0].String() }

// Type implements sql.Expression.
func (c *carry) Type(ctx *sql.Context) sql.Type { return c.children[0].Type(ctx) }

// IsNullable implements sql.Expression.
func (c *carry) IsNullable(ctx *sql.Context) bool { return c.children[0].IsNullable(ctx) }

// Children implements sql.Expression.
func (c *carry) Children() []sql.Expression { return c.children }

// WithChildren implements sql.Expression.
func (c *carry) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return &carry{children: children, kept: c.kept}, nil
}

// Eval implements sql.Expression.
func (c *carry) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	values := make(sql.Row, len(c.children))
	for i, e := range c.children {
		v, err := e.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	c.kept.values = values[1:]
	return values[0], nil
}

// carriedColumn is a value that carry kept.
type carriedColumn struct {
	kept *besideRow
	at   int
}

var _ sql.Expression = (*carriedColumn)(nil)

// WithResolvedChildren implements ast.Injectable.
func (c *carriedColumn) WithResolvedChildren(context.Context, []any) (any, error) { return c, nil }

// Resolved implements sql.Expression.
func (c *carriedColumn) Resolved() bool { return true }

// String implements sql.Expression.
func (c *carriedColumn) String() string { return fmt.Sprintf("%s_%d", rewrite.NewRow, c.at) }

// Type implements sql.Expression.
func (c *carriedColumn) Type(*sql.Context) sql.Type { return c.kept.types[c.at] }

// IsNullable implements sql.Expression.
func (c *carriedColumn) IsNullable(*sql.Context) bool { return true }

// Children implements sql.Expression.
func (c *carriedColumn) Children() []sql.Expression { return nil }

// WithChildren implements sql.Expression.
func (c *carriedColumn) WithChildren(*sql.Context, ...sql.Expression) (sql.Expression, error) {
	return c, nil
}

// Eval implements sql.Expression.
func (c *carriedColumn) Eval(*sql.Context, sql.Row) (any, error) { return c.kept.values[c.at], nil }

// behindBothRows gives the columns of subqueries in an ON DUPLICATE KEY UPDATE the places that they have
// behind the old row and the new one, width columns, where the planner counts from the subquery's first.
func behindBothRows(ctx *sql.Context, e sql.Expression, width int, outer sql.ColSet) (sql.Expression, error) {
	out, _, err := transform.Expr(ctx, e, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		sub, ok := e.(*plan.Subquery)
		if !ok {
			return e, transform.SameTree, nil
		}
		outer := outer.Union(sub.Correlated())
		q, _, err := transform.NodeExprs(ctx, sub.Query, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			switch e := e.(type) {
			case *expression.GetField:
				if outer.Contains(e.Id()) {
					return e, transform.SameTree, nil
				}
				return e.WithIndex(e.Index() + width), transform.NewTree, nil
			case *plan.Subquery:
				x, err := behindBothRows(ctx, e, width, outer)
				return x, transform.NewTree, err
			}
			return e, transform.SameTree, nil
		})
		return sub.WithQuery(q), transform.NewTree, err
	})
	return out, err
}
