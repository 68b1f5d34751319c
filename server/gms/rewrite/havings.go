package rewrite

import (
	"context"
	"reflect"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// Havings puts function.AggregateFunction in the place of aggregates in HAVING, and havingVariable in that of variables, which the
// planner takes for columns there.
func Havings(stmt ast.Statement) error {
	arguments := 0
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		s, ok := n.(*ast.Select)
		if !ok || s.Having == nil {
			return nil, true, nil
		}
		several := SeveralTables(s.From)
		return nil, true, syntax.ReplaceNodes(reflect.ValueOf(&s.Having.Expr), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			switch n := n.(type) {
			case *ast.Subquery:
				return nil, false, nil
			case *ast.ColName:
				if strings.HasPrefix(n.Name.String(), "@") || strings.HasPrefix(n.Qualifier.Name.String(), "@") {
					return ast.InjectedExpr{Auth: Open, Expression: havingVariable{n}}, false, nil
				}
			case *ast.FuncExpr:
				if !several {
					break
				}
				if named, text := namedArguments(n, &arguments); text != "" {
					to := syntax.Call(function.AggregateFunction, ast.NewStrVal([]byte(text)))
					to.Over = &ast.Over{PartitionBy: ast.Exprs{named}}
					return to, false, nil
				}
			}
			return nil, true, nil
		})
	})
}

// havingVariable is a user or system variable in HAVING.
type havingVariable struct{ name *ast.ColName }

// WithResolvedChildren implements ast.Injectable. It returns the variable with the type that it has in the session.
func (v havingVariable) WithResolvedChildren(ctx context.Context, _ []any) (any, error) {
	parts := []string{v.name.Name.String()}
	if !v.name.Qualifier.IsEmpty() {
		parts = []string{v.name.Qualifier.Name.String(), parts[0]}
	}
	name, scope, specified, err := ast.VarScope(parts...)
	if err != nil {
		return nil, err
	}
	sctx, ok := ctx.(*sql.Context)
	switch {
	case scope == ast.SetScope_Global:
		return expression.NewSystemVar(name, sql.GetMysqlScope(sql.SystemVariableScope_Global), specified), nil
	case scope != ast.SetScope_User:
		known, _, found := sql.SystemVariables.GetGlobal(name)
		if !found {
			return nil, sql.ErrUnknownSystemVariable.New(name)
		}
		return expression.NewSystemVar(name, known.GetSessionScope(), specified), nil
	case !ok:
		return expression.NewUserVar(name), nil
	}
	typ, _, err := sctx.GetUserVariable(sctx, name)
	return expression.NewUserVarWithType(name, typ), err
}

// aggregateNames are the planner's names of aggregates.
var aggregateNames = map[string]string{
	"count": "count", "sum": "sum", "avg": "avg", "min": "min", "max": "max",
	"bit_and": "bit_and", "bit_or": "bit_or", "bit_xor": "bit_xor",
	"std": "std", "stddev": "stddev", "stddev_pop": "stddev_pop", "stddev_samp": "stddev_samp", "variance": "variance", "var_pop": "var_pop", "var_samp": "var_samp",
}

// function.NamedArguments returns an aggregate, its arguments by function.ArgumentFunction, of which n have been
// named, and the planner's text of it, "" for others.
func namedArguments(f *ast.FuncExpr, n *int) (*ast.FuncExpr, string) {
	name := aggregateNames[f.Name.Lowered()]
	if name == "" || f.Over != nil {
		return nil, ""
	}
	named, texts := *f, []string{}
	named.Exprs = nil
	for _, e := range f.Exprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok { // COUNT(*)
			return nil, ""
		}
		*n++
		text := "\x00" + strconv.Itoa(*n)
		texts = append(texts, text)
		named.Exprs = append(named.Exprs, &ast.AliasedExpr{Expr: syntax.Call(function.ArgumentFunction, ast.NewStrVal([]byte(text)), x.Expr)})
	}
	switch arguments := strings.Join(texts, " "); {
	case f.Distinct && name == "count":
		return &named, "countdistinct([" + arguments + "])"
	case f.Distinct:
		return &named, name + "(distinct " + arguments + ")"
	default:
		return &named, name + "(" + arguments + ")"
	}
}
