package gms

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// queryBlock is a SELECT around a part of a statement.
type queryBlock struct {
	s       *ast.Select
	columns []joinedColumn
	known   bool // columns are all that there are
	allows  bool // the part stands where aggregates may
	having  bool // it stands in HAVING
	orders  bool // it stands in ORDER BY
}

// aggregateOwners looks for the SELECTs that aggregates are of.
type aggregateOwners struct {
	n *namedTables
}

// outerAggregates makes each SELECT that has an aggregate in a subquery, as (SELECT x FROM t WHERE id = MAX(o.id)) has, one
// over a derived table of its groups: to the planner an aggregate is of the SELECT that it stands in. So is one that has GROUP_CONCAT
// in HAVING, where the planner does not find its columns. MySQL's rule: an aggregate is
// of the innermost SELECT that one of its columns is of, if it may have aggregates where the subquery stands, else of the
// innermost one that may between that and the aggregate, else of its own.
func (s *Session) outerAggregates(ctx *sql.Context, stmt ast.Statement) {
	s.subqueryAliases(ctx, stmt)
	if !aggregatesElsewhere(stmt) {
		return
	}
	a := aggregateOwners{&namedTables{s: s, ctx: ctx, ctes: map[string]*ast.CommonTableExpr{}}}
	for i := 0; i < rewrite.DepthLeast; i++ {
		var owner []queryBlock
		a.walk(&stmt, nil, func(n ast.SQLNode, chain []queryBlock) (ast.SQLNode, bool) {
			if arguments := aggregateArguments(n); arguments != nil && owner == nil {
				at := a.owner(arguments, chain)
				if _, concat := n.(*ast.GroupConcatExpr); at < len(chain)-1 || concat && chain[at].having {
					owner = slices.Clone(chain[:at+1])
				}
			}
			return nil, owner == nil
		})
		if owner == nil || !a.overGroups(owner, i) {
			return
		}
	}
}

// aggregatesElsewhere reports whether a subquery in a statement has an aggregate, or a HAVING a GROUP_CONCAT.
func aggregatesElsewhere(stmt ast.Statement) (found bool) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
				found = found || aggregateArguments(n) != nil
				return !found, nil
			}, n)
		case *ast.Where:
			found = found || n != nil && n.Type == ast.HavingStr && rewrite.Contains(n.Expr, func(n ast.SQLNode) bool {
				_, is := n.(*ast.GroupConcatExpr)
				return is
			})
		}
		return !found, nil
	}, stmt)
	return found
}

// subqueryAliases puts what aliases stand for in their place in the subqueries of ORDER BY, in which the planner does not find them.
// Those of window functions stay.
func (s *Session) subqueryAliases(ctx *sql.Context, stmt ast.Statement) {
	found := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if q, ok := n.(*ast.Select); ok {
			found = found || slices.ContainsFunc(q.OrderBy, func(o *ast.Order) bool {
				return rewrite.Contains(o.Expr, func(n ast.SQLNode) bool {
					_, is := n.(*ast.Subquery)
					return is
				})
			})
		}
		return !found, nil
	}, stmt)
	if !found {
		return
	}
	a := aggregateOwners{&namedTables{s: s, ctx: ctx, ctes: map[string]*ast.CommonTableExpr{}}}
	a.walk(&stmt, nil, func(n ast.SQLNode, chain []queryBlock) (ast.SQLNode, bool) {
		c, ok := n.(*ast.ColName)
		if !ok || !c.Qualifier.IsEmpty() || level(c, chain) >= 0 {
			return nil, true
		}
		for i := len(chain) - 2; i >= 0; i-- {
			if !chain[i].orders {
				continue
			}
			for _, e := range chain[i].s.SelectExprs {
				if x, ok := e.(*ast.AliasedExpr); ok && x.As.Equal(c.Name) && !rewrite.Windowed(x.Expr) {
					if e := a.outerExpression(x.Expr, chain, i); e != nil {
						return e, false
					}
				}
			}
		}
		return nil, true
	})
}

// outerExpression returns an expression of a SELECT of a chain as the last one may have it, nil if it would mean something else there.
func (a *aggregateOwners) outerExpression(e ast.Expr, chain []queryBlock, of int) ast.Expr {
	out := ast.Expr(&ast.ParenExpr{Expr: rewrite.Cloned(e)})
	levels, means := map[*ast.ColName]int{}, true
	a.walk(&out, chain[:of+1], func(n ast.SQLNode, around []queryBlock) (ast.SQLNode, bool) {
		if arguments := aggregateArguments(n); arguments != nil && len(around) == of+1 && !hasColumn(arguments) {
			if means = countsRows(n) && len(chain[of].columns) > 0; !means {
				return nil, false
			}
			one := &ast.IsExpr{Operator: ast.IsNullStr, Expr: chain[of].columns[0].column()} // never NULL, and of that SELECT
			return &ast.FuncExpr{Name: ast.NewColIdent("count"), Exprs: ast.SelectExprs{&ast.AliasedExpr{Expr: one}}}, true
		}
		c, ok := n.(*ast.ColName)
		if !ok {
			return nil, true
		}
		levels[c] = level(c, around)
		if i := slices.IndexFunc(chain[of].columns, func(j joinedColumn) bool { return j.name.Equal(c.Name) }); i >= 0 && levels[c] == of && c.Qualifier.IsEmpty() {
			c.Qualifier.Name = chain[of].columns[i].table.Name
		}
		return nil, true
	})
	a.walk(&out, chain, func(n ast.SQLNode, around []queryBlock) (ast.SQLNode, bool) {
		if c, ok := n.(*ast.ColName); ok {
			at := level(c, around)
			if at >= len(chain) {
				at -= len(chain) - of - 1
			}
			means = means && at >= 0 && at == levels[c]
		}
		return nil, means
	})
	if !means {
		return nil
	}
	return out
}

// column returns the name of the column with that of its table.
func (j joinedColumn) column() *ast.ColName {
	return &ast.ColName{Name: j.name, Qualifier: ast.TableName{Name: j.table.Name}}
}

// hasColumn reports whether the arguments of an aggregate name a column.
func hasColumn(arguments ast.SelectExprs) (found bool) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		_, is := n.(*ast.ColName)
		found = found || is
		return !found, nil
	}, arguments)
	return found
}

// countsRows reports whether an aggregate is COUNT(*), or COUNT of a number.
func countsRows(n ast.SQLNode) bool {
	f, ok := n.(*ast.FuncExpr)
	if !ok || !f.Name.EqualString("count") || len(f.Exprs) != 1 {
		return false
	}
	switch x := f.Exprs[0].(type) {
	case *ast.StarExpr:
		return true
	case *ast.AliasedExpr:
		v, ok := x.Expr.(*ast.SQLVal)
		return ok && v.Type == ast.IntVal
	}
	return false
}

// aggregateArguments returns the arguments of an aggregate, what GROUP_CONCAT orders by with them, nil of what is none.
func aggregateArguments(n ast.SQLNode) ast.SelectExprs {
	switch n := n.(type) {
	case *ast.FuncExpr:
		if n.Over == nil && n.IsAggregate() {
			return n.Exprs
		}
	case *ast.GroupConcatExpr:
		arguments := slices.Clone(n.Exprs)
		for _, o := range n.OrderBy {
			arguments = append(arguments, &ast.AliasedExpr{Expr: o.Expr})
		}
		return arguments
	}
	return nil
}

// walk calls f for what the SELECTs of a part of a statement have, with the SELECTs around it, outermost first, and puts
// what f returns in its place.
func (a *aggregateOwners) walk(part any, chain []queryBlock, f func(ast.SQLNode, []queryBlock) (ast.SQLNode, bool)) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(part), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		s, ok := n.(*ast.Select)
		if !ok {
			to, within := f(n, chain)
			return to, within, nil
		}
		a.n.with(s.With)
		b := queryBlock{s: s, known: true}
		tables := *a.n
		tables.tables = nil
		for _, e := range s.From {
			columns, err := tables.columns(e)
			b.known = b.known && err == nil && columns != nil
		}
		b.columns = tables.tables
		a.walk(&s.With, chain, f)
		a.parts(append(slices.Clone(chain), b), f)
		return nil, false, nil
	})
}

// parts walks the parts of the last SELECT of a chain.
func (a *aggregateOwners) parts(chain []queryBlock, f func(ast.SQLNode, []queryBlock) (ast.SQLNode, bool)) {
	last := &chain[len(chain)-1]
	s := last.s
	for _, part := range []any{&s.From, &s.Where, &s.GroupBy} {
		a.walk(part, chain, f)
	}
	last.allows = true
	a.walk(&s.SelectExprs, chain, f)
	a.walk(&s.Window, chain, f)
	last.orders = true
	a.walk(&s.OrderBy, chain, f)
	last.orders, last.having = false, true
	a.walk(&s.Having, chain, f)
}

// level returns which SELECT of a chain a column is of, the one whose columns are not known if that may be it, -1 if none.
func level(c *ast.ColName, chain []queryBlock) int {
	for i := len(chain) - 1; i >= 0; i-- {
		if !chain[i].known || slices.ContainsFunc(chain[i].columns, func(j joinedColumn) bool {
			return j.name.Equal(c.Name) && (c.Qualifier.IsEmpty() || syntax.SameName(j.table.Name.String(), c.Qualifier.Name.String()))
		}) {
			return i
		}
	}
	return -1
}

// owner returns which SELECT of a chain an aggregate in the last one is of.
func (a *aggregateOwners) owner(arguments ast.SelectExprs, chain []queryBlock) int {
	own, most := len(chain)-1, -1
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			most = own
		case *ast.ColName:
			most = max(most, level(n, chain))
		}
		return most < own, nil
	}, arguments)
	if most == own || most < 0 && chain[own].allows {
		return own
	}
	if most >= 0 && chain[most].allows {
		return most
	}
	for i := own - 1; i > most; i-- {
		if chain[i].allows {
			return i
		}
	}
	return own
}

// overGroups makes the last SELECT of a chain one over a derived table of its groups, false if it cannot be.
func (a *aggregateOwners) overGroups(chain []queryBlock, number int) bool {
	at := len(chain) - 1
	s := chain[at].s
	if !chain[at].known {
		return false
	}
	tables := *a.n
	if err := tables.expandAll(s); err != nil {
		return false
	}
	r := rewrite.Rolling{S: s}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			return false
		}
		r.Exprs = append(r.Exprs, x)
	}
	g := rewrite.WindowGroups{Table: rewrite.GroupsTable + strconv.Itoa(number), Inner: &ast.Select{From: s.From, Where: s.Where, Lock: s.Lock}}
	for _, e := range s.GroupBy { // the mark of WITH ROLLUP with them
		g.Inner.GroupBy = append(g.Inner.GroupBy, rewrite.Cloned(r.Group(e)))
	}
	for _, x := range r.Exprs {
		x.As = ast.NewColIdent(rewrite.SelectedName(x))
	}
	of := func(n ast.SQLNode, around []queryBlock) (ast.SQLNode, bool) {
		if f, ok := n.(*ast.FuncExpr); ok && f.Name.EqualString("grouping") && len(around) == len(chain) {
			return g.Column(f), false
		}
		if arguments := aggregateArguments(n); arguments != nil {
			if a.owner(arguments, around) == at {
				return g.Column(n.(ast.Expr)), false
			}
			return nil, true
		}
		x, ok := n.(ast.Expr)
		if ok && len(around) == len(chain) && slices.ContainsFunc(g.Inner.GroupBy, func(e ast.Expr) bool { return rewrite.Same(e, x) }) {
			return g.Column(x), false
		}
		if c, ok := n.(*ast.ColName); ok && level(c, around) == at {
			return g.Column(c), false
		}
		return nil, true
	}
	if s.Where = s.Having; s.Where != nil {
		s.Where.Type = ast.WhereStr
		a.walk(&s.Where, chain, func(n ast.SQLNode, around []queryBlock) (ast.SQLNode, bool) {
			if aggregateArguments(n) != nil {
				return of(n, around)
			}
			c, ok := n.(*ast.ColName)
			if !ok || len(around) > len(chain) && level(c, around) >= 0 {
				return nil, true
			}
			e := rewrite.Cloned(r.Meant(c)) // what an alias stands for
			a.walk(&e, chain, of)
			return e, false
		})
	}
	s.From, s.GroupBy, s.Having, s.Lock = nil, nil, nil, nil
	results := map[*ast.Order]ast.Expr{} // what names and numbers of the result order
	for _, o := range s.OrderBy {
		if r.Column(o.Expr) >= 0 {
			results[o], o.Expr = o.Expr, nil
		}
	}
	a.parts(chain, of)
	for o, e := range results {
		o.Expr = e
	}
	s.From = g.From()
	return true
}
