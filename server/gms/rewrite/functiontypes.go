package rewrite

import (
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// TypedForm returns an expression with the calls that TypedForms makes.
func TypedForm(e ast.Expr) (ast.Expr, error) {
	in := ast.SelectExprs{&ast.AliasedExpr{Expr: e}}
	err := TypedForms(&ast.Select{SelectExprs: in})
	return in[0].(*ast.AliasedExpr).Expr, err
}

// TypedForms makes calls of what the grammar has beside functions and has a type of its own here, CASE,
// CONVERT … USING and CAST AS CHAR, in place.
func TypedForms(stmt ast.Statement) error {
	if stmt = queryOf(stmt); stmt == nil {
		return nil
	}
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if c, ok := n.(*ast.ConvertExpr); ok {
			var to *ast.FuncExpr
			switch kind := strings.ToLower(c.Type.Type); {
			case (kind == "char" || kind == "nchar") && c.Type.Charset == "":
				to = syntax.Call(expr.TextFunction, c)
				if Number(c.Type.Length) == 0 {
					to = syntax.Call(expr.EmptyTextFunction, c)
				} else if c.Type.Length != nil {
					c.Expr = syntax.Call(expr.SizedFunction, c.Expr)
				}
			case kind == "char" && c.Type.Charset != "":
				to := syntax.Call(expr.ConvertForm, c, ast.NewStrVal([]byte(c.Type.Charset)))
				c.Type.Charset = ""
				return to, true, nil
			case kind == "binary" && c.Type.Length != nil:
				c.Expr = syntax.Call(expr.SizedFunction, c.Expr)
				return nil, true, nil
			case kind == "time":
				to = timeForm(c)
			case kind == "decimal" && (c.Type.Scale == nil || string(c.Type.Scale.Val) == "0"):
				length := ast.NewIntVal([]byte("10"))
				if c.Type.Length != nil {
					length = c.Type.Length
				}
				to = syntax.Call(expr.WholeDecimal, c, length)
			default:
				return nil, true, nil
			}
			in, err := TypedForm(c.Expr)
			c.Expr = in
			return to, false, err
		}
		if c, ok := n.(*ast.ConvertUsingExpr); ok {
			return syntax.Call(expr.ConvertForm, c.Expr, ast.NewStrVal([]byte(c.Type))), true, nil
		}
		c, ok := n.(*ast.CaseExpr)
		if !ok {
			return nil, true, nil
		}
		name, args := expr.CaseFunction, []ast.Expr(nil)
		if c.Expr != nil {
			name, args = name+"v", append(args, c.Expr)
		}
		for _, w := range c.Whens {
			args = append(args, w.Cond, w.Val)
		}
		if c.Else != nil {
			name, args = name+"e", append(args, c.Else)
		}
		return syntax.Call(name, args...), true, nil
	})
}

// timeForm returns the call that CAST(… AS TIME(n)) is.
func timeForm(c *ast.ConvertExpr) *ast.FuncExpr {
	digits := ast.NewIntVal([]byte("0"))
	if c.Type.Length != nil {
		digits = c.Type.Length
	}
	return syntax.Call(expr.TimeForm, c, digits)
}

// queryOf returns what is read or changed by a statement, of a definition the query in it; nil if there is none.
// Texts of definitions are kept as they are.
func queryOf(stmt ast.Statement) ast.Statement {
	switch s := stmt.(type) {
	case *ast.DDL:
		switch {
		case s.ViewSpec != nil:
			return s.ViewSpec.ViewExpr
		case s.OptSelect != nil:
			return s.OptSelect.Select
		case s.ProcedureSpec != nil:
			return s.ProcedureSpec.Body
		case s.TriggerSpec != nil:
			return s.TriggerSpec.Body
		case s.EventSpec != nil:
			return s.EventSpec.Body
		}
		return nil
	case *ast.AlterTable:
		return nil
	}
	return stmt
}
