package rewrite

import (
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// RecursiveTables returns MySQL's error of a WITH RECURSIVE whose query blocks are none that a
// table may be made of again and again; the planner would look for a table of the name, or
// go on until the depth ends.
func RecursiveTables(stmt ast.Statement) (err error) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if w, ok := n.(*ast.With); ok && w != nil && w.Recursive {
			for _, c := range w.Ctes {
				if of, ok := c.Expr.(*ast.Subquery); ok && err == nil {
					err = recursiveTable(c.As.String(), of.Select)
				}
			}
		}
		return err == nil, nil
	}, stmt)
	return err
}

func recursiveTable(name string, body ast.SelectStatement) error {
	if references(name, body) == 0 {
		return nil
	}
	fails := func(number int, text string) error {
		return mysql.NewSQLError(number, "HY000", "%s", strings.Replace(text, "%s", name, 1))
	}
	if Contains(&ast.Subquery{Select: body}, func(n ast.SQLNode) bool {
		u, ok := n.(*ast.SetOp)
		return ok && !strings.HasPrefix(u.Type, ast.UnionStr) && references(name, u) > 0
	}) {
		return mysql.NewSQLError(4114, "HY000", "Recursive table reference in EXCEPT or INTERSECT operand is not allowed.")
	}
	union, ok := withoutParens(body).(*ast.SetOp)
	if !ok {
		return fails(3573, "Recursive Common Table Expression '%s' should contain a UNION")
	}
	recursive := false
	for i, block := range unionBlocks(union, nil) {
		n := references(name, block)
		if n > 0 && i == 0 || n == 0 && recursive {
			return fails(3574, "Recursive Common Table Expression '%s' should have one or more non-recursive query blocks followed by one or more recursive ones")
		}
		if n == 0 {
			continue
		}
		recursive = true
		s, ok := withoutParens(block).(*ast.Select)
		if !ok {
			continue
		}
		direct, optional := directReferences(name, s.From, false)
		switch {
		case len(s.GroupBy) > 0 || aggregating(s):
			return fails(3575, "Recursive Common Table Expression '%s' can contain neither aggregation nor window functions in recursive query block")
		case len(s.OrderBy) > 0 || s.Limit != nil || s.QueryOpts.Distinct:
			return value.ErrNotSupported("ORDER BY / LIMIT / SELECT DISTINCT in recursive query block of Common Table Expression")
		case n != 1 || direct != 1:
			return fails(3577, "In recursive query block of Recursive Common Table Expression '%s', the recursive table must be referenced only once, and not in any subquery")
		case optional:
			return fails(3576, "In recursive query block of Recursive Common Table Expression '%s', the recursive table must neither be in the right argument of a LEFT JOIN, "+
				"nor be forced to be non-first with join order hints")
		}
	}
	return nil
}

func withoutParens(s ast.SelectStatement) ast.SelectStatement {
	for {
		p, ok := s.(*ast.ParenSelect)
		if !ok {
			return s
		}
		s = p.Select
	}
}

// unionBlocks returns the query blocks of a UNION in order.
func unionBlocks(s ast.SelectStatement, out []ast.SelectStatement) []ast.SelectStatement {
	if u, ok := s.(*ast.SetOp); ok {
		return unionBlocks(u.Right, unionBlocks(u.Left, out))
	}
	return append(out, s)
}

// references counts the places where a query reads a table of a name without a database.
func references(name string, n ast.SQLNode) (count int) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if t, ok := n.(*ast.AliasedTableExpr); ok && isTable(name, t) {
			count++
		}
		return true, nil
	}, n)
	return count
}

func isTable(name string, t *ast.AliasedTableExpr) bool {
	of, ok := t.Expr.(ast.TableName)
	return ok && of.DbQualifier.IsEmpty() && syntax.SameName(of.Name.String(), name)
}

// directReferences counts those of a FROM itself; optional: one is on the side of an outer join
// that may be left out.
func directReferences(name string, from ast.TableExprs, inner bool) (count int, optional bool) {
	for _, t := range from {
		switch t := t.(type) {
		case *ast.AliasedTableExpr:
			if isTable(name, t) {
				count, optional = count+1, optional || inner
			}
		case *ast.ParenTableExpr:
			n, o := directReferences(name, t.Exprs, inner)
			count, optional = count+n, optional || o
		case *ast.JoinTableExpr:
			kind := strings.TrimPrefix(t.Join, "natural ")
			l, lo := directReferences(name, ast.TableExprs{t.LeftExpr}, inner || strings.HasPrefix(kind, "right"))
			r, ro := directReferences(name, ast.TableExprs{t.RightExpr}, inner || strings.HasPrefix(kind, "left"))
			count, optional = count+l+r, optional || lo || ro
		}
	}
	return count, optional
}

// aggregating reports whether a query block has aggregate or window functions of its own.
func aggregating(s *ast.Select) (found bool) {
	for _, part := range []ast.SQLNode{s.SelectExprs, s.Having, s.OrderBy} {
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			e, ok := n.(ast.Expr)
			_, inner := n.(*ast.Subquery)
			call, window := n.(*ast.FuncExpr)
			found = found || ok && Groups(e) || window && call.Over != nil
			return !found && !inner, nil
		}, part)
	}
	return found
}
