package gms

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/rewrite"
)

// scope is what a block of a procedure declares. A handler's body has one of its own.
type scope struct {
	up         *scope // where names are looked for next
	handlersUp *scope // and handlers: those of its own block are not for a handler's body
	vars       map[string]*local
	conditions map[string]rewrite.Condition
	cursors    map[string]*cursor
	handlers   []*conditionHandler
	raised     *rewrite.Condition // what a handler's body is run for
	rows       *triggerRow
}

// cursor is a declared cursor, open if it has a schema.
type cursor struct {
	query  ast.SelectStatement
	scope  *scope
	schema sql.Schema
	digits map[int]int // see timeDigits
	rows   []sql.Row
}

// local returns the variable that a name is, nil if it is none.
func (sc *scope) local(n *ast.ColName) *local {
	if n.Qualifier.IsEmpty() {
		return sc.find(n.Name.Lowered())
	}
	for ; sc != nil && n.Qualifier.DbQualifier.IsEmpty(); sc = sc.up {
		switch row := n.Qualifier.Name.String(); {
		case sc.rows == nil:
		case strings.EqualFold(row, "new"):
			return rowColumn(sc.rows.new, n, "NEW")
		case strings.EqualFold(row, "old"):
			return rowColumn(sc.rows.old, n, "OLD")
		}
	}
	return nil
}

// rowColumn returns a column of NEW or OLD; one that was dropped since CREATE TRIGGER is an error, whatever is done with it.
func rowColumn(row map[string]*local, n *ast.ColName, name string) *local {
	if l := row[n.Name.Lowered()]; l != nil {
		return l
	}
	return &local{name: n.Name.String(), typ: types.Null, gone: mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in '%s'", n.Name.String(), name)}
}

func (sc *scope) find(name string) *local {
	for ; sc != nil; sc = sc.up {
		if l := sc.vars[name]; l != nil {
			return l
		}
	}
	return nil
}

// store assigns what an expression is to a variable of the procedure or of the user.
func (sc *scope) store(ctx *sql.Context, name string, e sql.Expression, row sql.Row) error {
	if user, ok := strings.CutPrefix(name, "@"); ok {
		e = function.VariableValue(ctx, e)
		v, err := e.Eval(ctx, row)
		if err != nil {
			return err
		}
		return ctx.SetUserVariable(ctx, strings.Trim(user, "`'\""), v, e.Type(ctx))
	}
	if l := sc.find(strings.ToLower(name)); l != nil {
		return l.assign(ctx, e, row)
	}
	return mysql.NewSQLError(1327, "42000", "Undeclared variable: %s", name)
}

// copy returns a copy of a statement with literals for the variables that it names.
func (sc *scope) copy(ctx *sql.Context, stmt ast.Statement) ast.Statement {
	c := copier{ctx: ctx, sc: sc}
	return c.value(reflect.ValueOf(&stmt).Elem()).Interface().(ast.Statement)
}

// copier copies the tree of a statement.
type copier struct {
	ctx *sql.Context
	sc  *scope
	// constraints are those of a definition that were copied: a column refers to its own.
	constraints map[*ast.ConstraintDefinition]reflect.Value
}

func (c *copier) value(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		switch n := v.Interface().(type) {
		case *ast.ColName:
			if n == nil {
				break
			}
			if l := c.sc.local(n); l != nil {
				out.Set(reflect.ValueOf(l.tree()))
				return out
			}
		case *ast.FuncExpr:
			if n != nil && n.Name.EqualString(expr.DefaultMark) {
				return v // of a column, whatever a variable is called
			}
		case ast.InjectedExpr:
			if len(n.Children)+len(n.SelectExprChildren) == 0 {
				return v
			}
		}
		out.Set(c.value(v.Elem()))
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		d, ok := v.Interface().(*ast.ConstraintDefinition)
		if ok && c.constraints[d].IsValid() {
			return c.constraints[d]
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(c.value(v.Elem()))
		if ok {
			if c.constraints == nil {
				c.constraints = map[*ast.ConstraintDefinition]reflect.Value{}
			}
			c.constraints[d] = out
		}
		switch n := v.Interface().(type) {
		case *ast.Select:
			c.named(n.SelectExprs, out.Interface().(*ast.Select).SelectExprs)
		case *ast.Limit:
			l := out.Interface().(*ast.Limit)
			l.Offset, l.Rowcount = c.limit(n.Offset, l.Offset), c.limit(n.Rowcount, l.Rowcount)
		case *ast.Order:
			o := out.Interface().(*ast.Order)
			o.Expr = c.sorting(n.Expr, o.Expr)
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(c.value(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(c.value(v.Index(i)))
		}
		if g, ok := v.Interface().(ast.GroupBy); ok {
			for i, e := range out.Interface().(ast.GroupBy) {
				out.Interface().(ast.GroupBy)[i] = c.sorting(g[i], e)
			}
		}
		return out
	}
	return v
}

// named names the columns that are variables by them.
func (c *copier) named(from, to ast.SelectExprs) {
	for i, e := range from {
		if a, ok := e.(*ast.AliasedExpr); ok && a.As.IsEmpty() {
			if n, ok := a.Expr.(*ast.ColName); ok && c.sc.local(n) != nil {
				to[i].(*ast.AliasedExpr).As = n.Name
			}
		}
	}
}

// sorting keeps a variable of ORDER BY and GROUP BY from being the number of a column.
func (c *copier) sorting(from, to ast.Expr) ast.Expr {
	if n, ok := from.(*ast.ColName); ok && c.sc.local(n) != nil {
		return &ast.ConvertExpr{Name: "CAST", Expr: to, Type: &ast.ConvertType{Type: "char"}}
	}
	return to
}

// limit returns the number that a variable is in a LIMIT: a negative one is the largest.
func (c *copier) limit(from, to ast.Expr) ast.Expr {
	n, ok := from.(*ast.ColName)
	if !ok || c.sc.local(n) == nil {
		return to
	}
	v, _, err := types.Uint64.Convert(c.ctx, c.sc.local(n).value)
	switch u, ok := v.(uint64); {
	case ok && err == nil:
		return ast.NewIntVal(strconv.AppendUint(nil, u, 10))
	case c.sc.local(n).value == nil:
		return ast.NewIntVal([]byte("0"))
	}
	return ast.NewIntVal([]byte("18446744073709551615"))
}
