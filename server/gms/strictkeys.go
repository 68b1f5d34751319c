package gms

import (
	"regexp"
	"slices"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/value"
)

// readForErrors keeps columns of integers that an UPDATE or a DELETE of one table compares with texts that are no numbers from being
// looked up in an index: in strict mode such a text is an error, for which rows are to be read.
func (s *Session) readForErrors(stmt ast.Statement) {
	var from ast.TableExprs
	var where *ast.Where
	switch n := stmt.(type) {
	case *ast.Update:
		from, where = n.TableExprs, n.Where
	case *ast.Delete:
		from, where = n.TableExprs, n.Where
	}
	if where == nil || len(from) != 1 || decided(where.Expr) {
		return
	}
	t, _ := from[0].(*ast.AliasedTableExpr)
	if t == nil {
		return
	}
	name, ok := t.Expr.(ast.TableName)
	if !ok {
		return
	}
	var def *engine.TableDef
	integer := func(e ast.Expr) bool {
		c, ok := e.(*ast.ColName)
		if !ok {
			return false
		}
		if def == nil {
			if def = s.tableNamed(name); def == nil {
				return false
			}
		}
		at := def.Column(c.Name.String())
		return at >= 0 && integerType.MatchString(def.Columns[at].SQLType)
	}
	hide := func(column *ast.Expr, others ...ast.Expr) {
		if slices.ContainsFunc(others, noNumber) && integer(*column) {
			*column = &ast.BinaryExpr{Operator: ast.PlusStr, Left: *column, Right: ast.NewIntVal([]byte("0"))}
		}
	}
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		if c, ok := n.(*ast.ComparisonExpr); ok {
			if list, ok := c.Right.(ast.ValTuple); ok {
				hide(&c.Left, list...)
			} else {
				hide(&c.Left, c.Right)
				hide(&c.Right, c.Left)
			}
		}
		_, sub := n.(*ast.Subquery)
		return !sub, nil
	}, where)
}

// integerType is the SQL type of a column of integers.
var integerType = regexp.MustCompile(`(?i)^(tiny|small|medium|big)?int\b`)

// decided reports whether an operand of AND, OR and NOT is a constant: MySQL reads no rows then, or looks at no text.
func decided(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.AndExpr:
		return decided(x.Left) || decided(x.Right)
	case *ast.OrExpr:
		return decided(x.Left) || decided(x.Right)
	case *ast.XorExpr:
		return decided(x.Left) || decided(x.Right)
	case *ast.NotExpr:
		return decided(x.Expr)
	case *ast.ParenExpr:
		return decided(x.Expr)
	case *ast.ComparisonExpr:
		return decided(x.Left) && decided(x.Right)
	case *ast.SQLVal, ast.BoolVal, *ast.NullVal:
		return true
	}
	return false
}

// noNumber reports whether an expression is a literal text that is no number.
func noNumber(e ast.Expr) bool {
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.StrVal {
		return false
	}
	_, more := value.NumericPrefix(string(v.Val))
	return more
}
