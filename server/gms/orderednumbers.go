package gms

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// orderedExpressions names what the numbers and aliases of ORDER BY stand for where the planner takes
// them for columns below DISTINCT, or misses the alias of a group's expression beside HAVING.
// Constants in GROUP BY are no numbers of columns unless they are integers.
func (session *Session) orderedExpressions(ctx *sql.Context, stmt ast.Statement) error {
	inner := map[*ast.Select]bool{}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if sub, is := n.(*ast.Subquery); is {
			selectsOf(sub.Select, inner)
		}
		if !ok {
			return true, nil
		}
		for _, e := range s.SelectExprs { // the grammar has the comma before an expression in its text if there is a blank before it
			if x, ok := e.(*ast.AliasedExpr); ok {
				x.InputExpression = strings.TrimLeft(x.InputExpression, ", \t\r\n")
			}
		}
		anyValues(s)
		for i, g := range s.GroupBy {
			if v, ok := g.(*ast.SQLVal); ok && v.Type != ast.ValArg && (v.Type != ast.IntVal || strings.HasPrefix(string(v.Val), "-")) {
				s.GroupBy[i] = &ast.ParenExpr{Expr: v}
			} else if err := session.checkGrouped(ctx, s, g); err != nil {
				return false, err
			}
		}
		if len(s.GroupBy) == 0 && s.Having == nil && !slices.ContainsFunc(s.SelectExprs, rewrite.GroupsIn) {
			for i, o := range s.OrderBy {
				if rewrite.Groups(o.Expr) {
					return false, mysql.NewSQLError(3029, "HY000", "Expression #%d of ORDER BY contains aggregate function and applies to the result of a non-aggregated query", i+1)
				}
			}
		}
		for i, g := range s.GroupBy {
			s.GroupBy[i] = session.namedGroup(ctx, s, userVariable(g), inner[s])
		}
		for _, o := range s.OrderBy {
			o.Expr = userVariable(o.Expr)
			if err := checkNumber(s, o.Expr, "order clause"); err != nil {
				return false, err
			}
			if s.QueryOpts.Distinct {
				selectedExpression(s, o)
			}
			switch e := o.Expr.(type) {
			case *ast.ColName:
				if s.Having != nil && e.Qualifier.IsEmpty() {
					groupedExpression(s, o, e)
				}
			case *ast.SQLVal:
			default: // the planner finds no alias with a capital letter within an expression, and none of a window function over groups
				o.Expr = session.withoutAliases(ctx, s, e, func(a *ast.AliasedExpr) bool { return a.As.String() != a.As.Lowered() || rewrite.Windowed(a.Expr) })
				if rewrite.Windowed(o.Expr) { // it becomes a column of a derived table
					o.Expr = session.withoutAliases(ctx, s, o.Expr, func(*ast.AliasedExpr) bool { return true })
				}
			}
		}
		return true, nil
	}, stmt)
}

// selectedExpression orders DISTINCT rows by the name of a column that ORDER BY has the number or the expression of: the planner
// would sort by what the column is made of, which they lack. If something else has the name, it is the expression.
func selectedExpression(s *ast.Select, o *ast.Order) {
	of := (*ast.AliasedExpr)(nil)
	number, numbered := o.Expr.(*ast.SQLVal)
	if numbered = numbered && number.Type == ast.IntVal; numbered {
		at, err := strconv.Atoi(string(number.Val))
		if err != nil || at < 1 || at > len(s.SelectExprs) {
			return
		}
		of, _ = s.SelectExprs[at-1].(*ast.AliasedExpr)
	}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			return
		}
		if !numbered && of == nil && rewrite.Same(x.Expr, o.Expr) {
			of = x
		}
	}
	if of == nil || rewrite.SelectedName(of) == "" {
		return
	}
	switch of.Expr.(type) {
	case *ast.ColName:
		if of.As.IsEmpty() || !numbered {
			return
		}
	case *ast.SQLVal, *ast.NullVal:
		return
	}
	name, names := rewrite.SelectedName(of), 0
	for _, e := range s.SelectExprs {
		if strings.EqualFold(rewrite.SelectedName(e.(*ast.AliasedExpr)), name) {
			names++
		}
	}
	if o.Expr = of.Expr; names == 1 {
		of.As = ast.NewColIdent(name)
		o.Expr = &ast.ColName{Name: of.As}
	}
}

// groupedExpression puts the expression of an alias into an ORDER BY, if the query is grouped by it.
func groupedExpression(s *ast.Select, o *ast.Order, c *ast.ColName) {
	for _, e := range s.SelectExprs {
		a, ok := e.(*ast.AliasedExpr)
		if !ok || !a.As.Equal(c.Name) {
			continue
		}
		if _, column := a.Expr.(*ast.ColName); !column && slices.ContainsFunc(s.GroupBy, func(g ast.Expr) bool { return ast.String(g) == ast.String(a.Expr) }) {
			o.Expr = a.Expr
		}
		return
	}
}

// planrule.AnyValues takes ANY_VALUE, an aggregate to the planner, away from around aggregates and in queries without groups.
func anyValues(s *ast.Select) {
	grouped := len(s.GroupBy) > 0 || s.Having != nil && rewrite.Groups(s.Having.Expr) || slices.ContainsFunc(s.SelectExprs, rewrite.GroupsIn) ||
		slices.ContainsFunc(s.OrderBy, func(o *ast.Order) bool { return rewrite.Groups(o.Expr) })
	for _, part := range []any{&s.SelectExprs, &s.OrderBy, &s.Having} {
		_ = syntax.ReplaceNodes(reflect.ValueOf(part), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			f, ok := n.(*ast.FuncExpr)
			if _, sub := n.(*ast.Subquery); sub || !ok || !f.Name.EqualString("any_value") || len(f.Exprs) != 1 {
				return nil, !sub, nil
			}
			if x, ok := f.Exprs[0].(*ast.AliasedExpr); ok && (!grouped || rewrite.Groups(x.Expr)) {
				return syntax.Call(function.ArgumentFunction, ast.NewStrVal([]byte(planrule.AnyValue+strings.ToLower(ast.String(x.Expr)))), x.Expr), true, nil
			}
			return nil, true, nil
		})
	}
}

// userVariable returns a variable as an expression: in GROUP BY and ORDER BY the planner takes it for a column.
func userVariable(e ast.Expr) ast.Expr {
	if c, ok := e.(*ast.ColName); ok && c.Qualifier.IsEmpty() && strings.HasPrefix(c.Name.String(), "@") {
		return syntax.Call("coalesce", c)
	}
	return e
}

// selectsOf adds the queries that a query is made of.
func selectsOf(s ast.SelectStatement, to map[*ast.Select]bool) {
	switch s := s.(type) {
	case *ast.Select:
		to[s] = true
	case *ast.ParenSelect:
		selectsOf(s.Select, to)
	case *ast.SetOp:
		selectsOf(s.Left, to)
		selectsOf(s.Right, to)
	}
}

// namedGroup returns an expression of GROUP BY with the expressions that the names of the select list stand for in it: a
// name alone only if the query is within another, of which the planner would take a column of that name.
func (session *Session) namedGroup(ctx *sql.Context, s *ast.Select, g ast.Expr, inner bool) ast.Expr {
	switch g.(type) {
	case *ast.ColName:
		if !inner {
			return g
		}
	case *ast.SQLVal, *ast.ParenExpr:
		return g
	}
	return session.withoutAliases(ctx, s, g, func(*ast.AliasedExpr) bool { return true })
}

// withoutAliases returns an expression in which names of the select list that f takes, and that no table has a column of, are what
// they stand for.
func (session *Session) withoutAliases(ctx *sql.Context, s *ast.Select, e ast.Expr, f func(*ast.AliasedExpr) bool) ast.Expr {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&e), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		c, ok := n.(*ast.ColName)
		if _, sub := n.(*ast.Subquery); sub || !ok || !c.Qualifier.IsEmpty() {
			return nil, !sub, nil
		}
		for _, e := range s.SelectExprs {
			if x, ok := e.(*ast.AliasedExpr); ok && x.As.Equal(c.Name) && f(x) && !session.selectsFrom(ctx, s, c.Name) {
				return &ast.ParenExpr{Expr: rewrite.Cloned(x.Expr)}, false, nil
			}
		}
		return nil, false, nil
	})
	return e
}

// checkNumber returns the error of the number of a column that there is not.
func checkNumber(s *ast.Select, e ast.Expr, clause string) error {
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.IntVal || slices.ContainsFunc(s.SelectExprs, func(e ast.SelectExpr) bool { _, star := e.(*ast.StarExpr); return star }) {
		return nil
	}
	if at, err := strconv.Atoi(string(v.Val)); err != nil || at == 0 || at > len(s.SelectExprs) {
		return mysql.NewSQLError(mysql.ERBadFieldError, "42S22", "Unknown column '%s' in '%s'", v.Val, clause)
	}
	return nil
}

// checkGrouped returns the error of an expression in GROUP BY that is not known before there are groups: of an aggregate,
// by itself, by its number or by its name.
func (session *Session) checkGrouped(ctx *sql.Context, s *ast.Select, g ast.Expr) error {
	if err := checkNumber(s, g, "group statement"); err != nil {
		return err
	}
	r := rewrite.Rolling{S: s}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			x = &ast.AliasedExpr{Expr: &ast.NullVal{}}
		}
		r.Exprs = append(r.Exprs, x)
	}
	name := "???"
	found := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		e, ok := n.(ast.Expr)
		if _, sub := n.(*ast.Subquery); !ok || sub || found {
			return !sub && !found, nil
		}
		if i := r.Column(e); i >= 0 && (n == g || !rewrite.IsLiteral(e)) && rewrite.Groups(r.Exprs[i].Expr) {
			if c, column := e.(*ast.ColName); !column || !session.selectsFrom(ctx, s, c.Name) {
				found = true
				if n == g {
					name = resultName(r.Exprs[i])
				}
			}
		}
		return !found, nil
	}, g)
	if found || rewrite.Groups(g) {
		for _, x := range r.Exprs {
			if !found && rewrite.Same(x.Expr, g) {
				found, name = true, resultName(x)
			}
		}
		if !found {
			return mysql.NewSQLError(mysql.ERInvalidGroupFuncUse, "HY000", "Invalid use of group function")
		}
		return mysql.NewSQLError(mysql.ERWrongGroupField, "42000", "Can't group on '%s'", name)
	}
	return nil
}

// resultName returns the name of a column of a result.
func resultName(e *ast.AliasedExpr) string {
	if !e.As.IsEmpty() {
		return e.As.String()
	}
	if c, ok := e.Expr.(*ast.ColName); ok {
		return c.Name.String()
	}
	return e.InputExpression
}

// selectsFrom reports whether a table of a SELECT's FROM has a column of the name, or may have one.
func (session *Session) selectsFrom(ctx *sql.Context, s *ast.Select, name ast.ColIdent) bool {
	n := namedTables{s: session, ctx: ctx, ctes: map[string]*ast.CommonTableExpr{}}
	for _, e := range s.From {
		if columns, err := n.columns(e); err != nil || columns == nil ||
			slices.ContainsFunc(columns, func(c joinedColumn) bool { return c.name.Equal(name) }) {
			return true
		}
	}
	return false
}
