package planrule

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// WithoutFulltext returns the indexes that are not FULLTEXT.
func WithoutFulltext(indexes []sql.Index) []sql.Index {
	return slices.DeleteFunc(slices.Clone(indexes), sql.Index.IsFullText)
}

// JoinedMatches puts MATCH in the ON of inner joins into the WHERE of their query; the planner knows no table of it
// otherwise. Returns 1235 for one of an outer join.
func JoinedMatches(stmt ast.Statement) (err error) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		var from ast.TableExprs
		var where **ast.Where
		switch n := n.(type) {
		case *ast.Select:
			from, where = n.From, &n.Where
		case *ast.Update:
			from, where = n.TableExprs, &n.Where
		case *ast.Delete:
			from, where = n.TableExprs, &n.Where
		}
		for _, t := range from {
			moveMatches(t, true, func(c ast.Expr) {
				if *where == nil {
					*where = ast.NewWhere(ast.WhereStr, c)
				} else {
					(*where).Expr = And((*where).Expr, c)
				}
			}, &err)
		}
		return err == nil, nil
	}, stmt)
	return err
}

// moveMatches calls move for the conditions with MATCH of a table's joins. every: each row of the table is one of the
// query's, so that a condition may as well stand in its WHERE.
func moveMatches(t ast.TableExpr, every bool, move func(ast.Expr), err *error) {
	j, ok := t.(*ast.JoinTableExpr)
	if !ok {
		return
	}
	left, right := every, every
	if outer := strings.TrimPrefix(j.Join, "natural "); strings.HasPrefix(outer, "left") {
		right = false
	} else if strings.HasPrefix(outer, "right") {
		left = false
	}
	moveMatches(j.LeftExpr, left, move, err)
	moveMatches(j.RightExpr, right, move, err)
	var kept ast.Expr
	for _, c := range conditions(j.Condition.On, nil) {
		if matches(c) && left && right {
			move(c)
			continue
		}
		if matches(c) {
			*err = value.ErrNotSupported("MATCH in the ON of an outer join")
		}
		kept = And(kept, c)
	}
	if j.Condition.On != nil {
		if kept == nil {
			kept = ast.NewIntVal([]byte("1"))
		}
		j.Condition.On = kept
	}
}

// conditions returns what AND connects.
func conditions(e ast.Expr, out []ast.Expr) []ast.Expr {
	switch x := e.(type) {
	case nil:
		return out
	case *ast.AndExpr:
		return conditions(x.Right, conditions(x.Left, out))
	}
	return append(out, e)
}

// matches reports whether an expression has a MATCH.
func matches(e ast.Expr) (found bool) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		_, is := n.(*ast.MatchExpr)
		_, inner := n.(*ast.Subquery)
		found = found || is
		return !found && !inner, nil
	}, e)
	return found
}

// And returns both conditions as one, the other where one is nil.
func And(a, b ast.Expr) ast.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &ast.AndExpr{Left: &ast.ParenExpr{Expr: a}, Right: &ast.ParenExpr{Expr: b}}
}
