package rewrite

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// variableAssignment returns what a chain of OR with marks of := is, nil if it has none. The
// mark binds as OR does, and := takes all that follows it and the variable before it.
func variableAssignment(or *ast.OrExpr) ast.Expr {
	operands := disjuncts(or, nil)
	return setsVariable(operands)
}

func disjuncts(e ast.Expr, out []ast.Expr) []ast.Expr {
	if or, ok := e.(*ast.OrExpr); ok {
		return append(disjuncts(or.Left, out), or.Right)
	}
	return append(out, e)
}

func setsVariable(operands []ast.Expr) ast.Expr {
	for i, e := range operands {
		if i == 0 || i+1 == len(operands) || syntax.Introduced(e, "_hp8") == nil {
			continue
		}
		value := setsVariable(operands[i+1:])
		if value == nil {
			value = disjunction(operands[i+1:])
		}
		left := append([]ast.Expr(nil), operands[:i]...)
		if variable := lastOperand(&left[i-1]); variable != nil {
			*variable = syntax.Call(function.AssignFunction, *variable, value)
			return disjunction(left)
		}
	}
	return nil
}

func disjunction(operands []ast.Expr) ast.Expr {
	out := operands[0]
	for _, e := range operands[1:] {
		out = &ast.OrExpr{Left: out, Right: e}
	}
	return out
}

// lastOperand returns the user variable at an expression's end, nil if there is none.
func lastOperand(e *ast.Expr) *ast.Expr {
	switch x := (*e).(type) {
	case *ast.ColName:
		if strings.HasPrefix(x.Name.String(), "@") {
			return e
		}
	case *ast.AndExpr:
		return lastOperand(&x.Right)
	case *ast.XorExpr:
		return lastOperand(&x.Right)
	case *ast.NotExpr:
		return lastOperand(&x.Expr)
	case *ast.ComparisonExpr:
		return lastOperand(&x.Right)
	case *ast.RangeCond:
		return lastOperand(&x.To)
	case *ast.BinaryExpr:
		return lastOperand(&x.Right)
	case *ast.UnaryExpr:
		return lastOperand(&x.Expr)
	}
	return nil
}

// Declare gives the variables that a statement assigns, and that the session does not have
// yet, the type of what is assigned first: the planner asks for it before a row is
// read. Until then they are NULL, as before.
func Declare(ctx *sql.Context, stmt ast.Statement) error {
	var err error
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		f, ok := n.(*ast.FuncExpr)
		if !ok || f.Name.String() != function.AssignFunction || err != nil {
			return err == nil, nil
		}
		name := strings.TrimPrefix(f.Exprs[0].(*ast.AliasedExpr).Expr.(*ast.ColName).Name.String(), "@")
		typ, _, _ := ctx.GetUserVariable(ctx, name)
		if typ != nil && typ != types.Null {
			return true, nil
		}
		typ = types.CreateLongText(ctx.GetCollation())
		if v, ok := f.Exprs[1].(*ast.AliasedExpr).Expr.(*ast.SQLVal); ok {
			switch v.Type {
			case ast.IntVal:
				typ = types.Int64
			case ast.FloatVal:
				typ = types.Float64
			}
		}
		err = ctx.SetUserVariable(ctx, name, nil, typ)
		return true, nil
	}, stmt)
	return err
}
