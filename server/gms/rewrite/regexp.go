package rewrite

import (
	"reflect"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// RegexpOperators makes REGEXP_LIKE(a, b) of a REGEXP b: the planner would make its
// own function of the operator. It looks everywhere in the statement, also where the
// grammar's own walk does not go: join conditions, definitions, bodies, EXPLAIN.
func RegexpOperators(stmt ast.Statement) { replace(reflect.ValueOf(stmt), regexpOperator) }

// replace puts what f returns in place of the nodes in v; nothing in place of those that it returns nil for.
func replace(v reflect.Value, f func(ast.SQLNode) ast.Expr) {
	switch v.Kind() {
	case reflect.Pointer:
		replace(v.Elem(), f)
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if n, ok := v.Interface().(ast.SQLNode); ok && v.CanSet() {
			if e := f(n); e != nil {
				v.Set(reflect.ValueOf(e))
			}
		}
		replace(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				replace(v.Field(i), f)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			replace(v.Index(i), f)
		}
	}
}

// regexpOperator returns what to have in place of n if it is the operator, else nil.
func regexpOperator(n ast.SQLNode) ast.Expr {
	c, ok := n.(*ast.ComparisonExpr)
	if !ok || c.Operator != ast.RegexpStr && c.Operator != ast.NotRegexpStr {
		return nil
	}
	like := &ast.FuncExpr{Name: ast.NewColIdent("regexp_like"), Exprs: ast.SelectExprs{
		&ast.AliasedExpr{Expr: c.Left}, &ast.AliasedExpr{Expr: c.Right},
	}}
	if c.Operator == ast.NotRegexpStr {
		return &ast.NotExpr{Expr: like}
	}
	return like
}
