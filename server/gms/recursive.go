package gms

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
)

// recursiveCTE builds WITH RECURSIVE. The planner's own stops at a fixed depth
// instead of cte_max_recursion_depth, and bounds nothing.
func (b *builder) recursiveCTE(ctx *sql.Context, s *Session, n *plan.RecursiveCte, r sql.Row) (sql.RowIter, error) {
	s.work.add(tmpTables, 1)
	most := int64(1000)
	if v, err := ctx.GetSessionVariable(ctx, "cte_max_recursion_depth"); err == nil {
		if x, ok := v.(int64); ok {
			most = x
		}
	}
	u := n.Union()
	c := &cteIter{b: b, m: &s.memory, n: n, outer: r, schema: n.Schema(ctx), most: most}
	c.rows = &rowList{m: c.m}
	if u.Distinct {
		c.seen = newHashSet(c.m)
	}
	of, err := u.WithExpressions(ctx, byName(ctx, u.Expressions(), n.Schema(ctx))...)
	if err != nil {
		return nil, err
	}
	return sorted(ctx, s, c, of.(*plan.SetOp))
}

// byName has expressions read the columns of a schema that they name; the planner looks among those of the first part.
func byName(ctx *sql.Context, exprs []sql.Expression, schema sql.Schema) []sql.Expression {
	read := columnsByName(schema)
	for i, e := range exprs {
		if x, _, err := transform.Expr(ctx, e, read); err == nil {
			exprs[i] = x
		}
	}
	return exprs
}

// cteIter returns the rows of the first part, then those of the recursive part for the
// rows that came last, until there are none.
type cteIter struct {
	b      *builder
	m      *memory
	n      *plan.RecursiveCte
	outer  sql.Row
	schema sql.Schema
	part   sql.RowIter // nil: not begun
	rows   *rowList    // of the part, so far
	last   *rowList    // those that the part reads, nil: the first one reads none
	seen   *hashSet    // nil: all rows count
	cycles int64
	most   int64
}

// Next implements sql.RowIter.
func (c *cteIter) Next(ctx *sql.Context) (sql.Row, error) {
	if c.part == nil {
		var err error
		if c.part, err = c.b.base.Build(ctx, c.n.Left(), c.outer); err != nil {
			return nil, err
		}
	}
	for {
		r, err := c.part.Next(ctx)
		if err == io.EOF && c.rows.bytes > 0 {
			if err := c.recurse(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if c.seen != nil {
			key, err := expr.RowHash(ctx, c.schema, r)
			if err != nil {
				return nil, err
			}
			fresh, err := c.seen.add(ctx, key)
			if err != nil {
				return nil, err
			}
			if !fresh {
				continue
			}
		}
		return r, c.rows.add(ctx, r)
	}
}

// recurse begins the recursive part on the rows that came last.
func (c *cteIter) recurse(ctx *sql.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.cycles++; c.cycles > c.most {
		return mysql.NewSQLError(3636, "HY000",
			"Recursive query aborted after %d iterations. Try increasing @@cte_max_recursion_depth to a larger value.", c.cycles)
	}
	if err := c.part.Close(ctx); err != nil {
		return err
	}
	if c.last != nil {
		c.last.close()
	}
	c.last, c.rows = c.rows, &rowList{m: c.m}
	c.m.keepList(c.n.Working, c.last)
	var err error
	c.part, err = c.b.base.Build(ctx, c.n.Right(), c.outer)
	return err
}

// Close implements sql.RowIter.
func (c *cteIter) Close(ctx *sql.Context) error {
	if c.seen != nil {
		c.seen.close()
	}
	c.rows.close()
	if c.last != nil {
		c.last.close()
		c.m.forgetList(c.n.Working)
	}
	if c.part == nil {
		return nil
	}
	return c.part.Close(ctx)
}
